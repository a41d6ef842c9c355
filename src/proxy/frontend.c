// SPDX-License-Identifier: MIT
// The keeper sets the frontend's bits; each worker is told and pauses or resumes its acceptors,
// which keep what the engine had taken by then. Sockets are shut, and the command is answered, once
// all have.
#include "proxy/frontend.h"

#include "base/mem.h"
#include "base/module.h"
#include "net/listener.h"
#include "net/worker.h"
#include "proxy/cli_proxy_priv.h"
#include "proxy/gate.h"
#include "proxy/kept.h"
#include "proxy/worker.h"

struct str
frontend_status(const struct proxy *p)
{
	uint32_t closed = atomic_load_explicit(&p->limit->closed, memory_order_relaxed);
	return closed & FRONTEND_SHUT ? STR("STOP") : closed != 0 ? STR("PAUSED") : STR("OPEN");
}

// Somebody at a gate keeps it paused: who opens that resumes it.
static void
follow(struct proxy_worker *w, const struct proxy *p)
{
	bool closed = frontend_is_closed(p);
	for (const struct bind *b = p->binds; b != NULL && w->n_acceptors > 0; b = b->next)
		proxy_worker_pause(w, b->index, closed || w->gates[b->index].fd >= 0);
}

// For good: what the engine has taken by then is served.
static void
follow_shut(struct proxy_worker *w, const struct proxy *p)
{
	for (const struct bind *b = p->binds; b != NULL && w->n_acceptors > 0; b = b->next)
		proxy_worker_deafen(w, b->index);
}

// A change on its way to the workers and back.
struct closing {
	const struct proxy_set *set;
	struct proxy *proxy;
	struct cli_ref ref;
	uint32_t closed;
};

static void
follow_each(struct worker *net, void *arg)
{
	const struct closing *c = arg;
	(c->closed & FRONTEND_SHUT ? follow_shut : follow)(net->slot[WORKER_SLOT_PROXY], c->proxy);
}

// A process that leaves accepts nobody, and its sockets may be those of the next one already.
static bool
is_leaving(const struct proxy_set *set)
{
	return atomic_load_explicit(&set->leaving, memory_order_relaxed) != PROXY_STAYS;
}

// On the keeper, once all have: from here on nobody is accepted.
static void
followed(struct worker *keeper, void *arg)
{
	struct closing *c = arg;
	(void)keeper;
	bool shut = c->closed & FRONTEND_SHUT && !is_leaving(c->set);
	for (const struct bind *b = c->proxy->binds; b != NULL && shut; b = b->next)
		listener_shut(b->listener);
	struct cli_session *s = cli_deref(c->ref);
	if (s != NULL)
		cli_done(s);
	mem_free(c);
}

static enum cli_status
set_closed(struct cli_session *s, struct proxy *p, uint32_t closed)
{
	const struct proxy_set *set = cli_bound(s, "proxy");
	struct closing *c = MEM_NEW(struct closing);
	*c = (struct closing){.set = set, .proxy = p, .ref = cli_ref(s), .closed = closed};
	atomic_store_explicit(&p->limit->closed, closed, memory_order_relaxed);
	kept_frontend(p);
	worker_broadcast(set->threads, follow_each, followed, c);
	return CLI_WAIT;
}

// --- commands
// --------------------------------------------------------------------------------------

// By its name, or "#" and its number. NULL: the session was told.
static struct proxy *
find_frontend(struct cli_session *s, struct str word)
{
	const struct proxy_set *set = cli_bound(s, "proxy");
	struct proxy *p = hash_map_get(&set->frontends, word);
	int64_t id;
	bool by_id = word.n > 1 && word.p[0] == '#' && str_to_int(str_slice(word, 1, word.n), &id);
	for (size_t i = 0; p == NULL && by_id && i < set->n_all; i++)
		if (set->all[i]->caps & PROXY_FRONTEND && set->all[i]->id == (uint64_t)id)
			p = set->all[i];
	if (p == NULL)
		cli_error(s, "No such frontend: '%.*s'", STR_ARG(word));
	return p;
}

enum what { DISABLE, ENABLE, SHUTDOWN };

static const struct {
	uint32_t refused;    // with one of these bits...
	const char *refusal; // ... that is answered, in HAProxy's words
	uint32_t idle;       // with just these bits...
	const char *already; // ... nothing is to be done
	uint32_t closed;     // the bits then
} changes[] = {
    [DISABLE] = {FRONTEND_SHUT, "Frontend was previously shut down, cannot disable.",
		 FRONTEND_DISABLED, "All sockets are already disabled.", FRONTEND_DISABLED},
    [ENABLE] = {FRONTEND_SHUT, "Frontend was previously shut down, cannot enable.", 0,
		"All sockets are already enabled.", 0},
    [SHUTDOWN] = {FRONTEND_SHUT, "Frontend was already shut down.", UINT32_MAX, NULL,
		  FRONTEND_SHUT},
};

static enum cli_status
change(struct cli_session *s, const struct cli_args *a, enum what what)
{
	struct proxy *p = find_frontend(s, a->argv[0]);
	if (p == NULL)
		return CLI_DONE;
	uint32_t closed = atomic_load_explicit(&p->limit->closed, memory_order_relaxed);
	if (closed & changes[what].refused || is_leaving(cli_bound(s, "proxy")))
		return cli_error(s, "%s", changes[what].refusal);
	if (closed != changes[what].idle)
		return set_closed(s, p, changes[what].closed);
	cli_msg(s, "%s", changes[what].already);
	return CLI_DONE;
}

static enum cli_status
run_disable(struct cli_session *s, const struct cli_args *a)
{
	return change(s, a, DISABLE);
}

static enum cli_status
run_enable(struct cli_session *s, const struct cli_args *a)
{
	return change(s, a, ENABLE);
}

static enum cli_status
run_shutdown(struct cli_session *s, const struct cli_args *a)
{
	return change(s, a, SHUTDOWN);
}

#define ROW(w, r, h)                                                                 \
	{                                                                            \
		.words = (w), .level = CLI_ADMIN, .args = "FRONTEND", .min_args = 1, \
		.max_args = 1, .flags = CLI_CHANGES, .run = (r), .help = (h)         \
	}
static const struct cli_command commands[] = {
    ROW("disable frontend", run_disable,
	"take no new connections: they wait until it is enabled; those that are there go on"),
    ROW("enable frontend", run_enable, "serve who waits, and all that come"),
    ROW("shutdown frontend", run_shutdown,
	"refuse new connections, and those that wait, until the next reload; those that are there "
	"go on"),
    {.words = NULL},
};

const struct module proxy_frontend_module = {
    .name = "frontend",
    .commands = commands,
};
