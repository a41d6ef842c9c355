// SPDX-License-Identifier: MIT
// What operators ask of the service as a whole, on its runtime socket: a reload of the
// configuration, which is the master's work, and a stop.
#include <signal.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/module.h"
#include "cli/cli.h"
#include "main/service.h"
#include "master/link.h"
#include "net/worker.h"
#include "proxy/worker.h"

// --- commands ------------------------------------------------------------------------------------

#define MOST_ASKERS 1024

// In the order of their numbers.
struct reload_asker {
	unsigned number;
	struct cli_ref who;
};

static enum cli_status
run_reload(struct cli_session *s, const struct cli_args *args UNUSED)
{
	struct service *service = cli_bound(s, "service");
	if (service->link == NULL || service->master_gone)
		return cli_error(s, "This tidegate has no master (-W) that could start another "
				    "process with the new configuration.");
	if (service->n_askers == MOST_ASKERS)
		return cli_error(s, "%d wait for a reload already.", MOST_ASKERS);
	VEC_GROW(service->askers, service->cap_askers, service->n_askers);
	struct reload_asker *a = &service->askers[service->n_askers++];
	*a = (struct reload_asker){.number = ++service->last_asker, .who = cli_ref(s)};
	atomic_store_explicit(&service->asked, true, memory_order_relaxed);
	link_tell(service->link, CHANNEL_ASK_RELOAD, a->number, STR_NULL);
	return CLI_WAIT;
}

static enum cli_status
run_stop(struct cli_session *s, const struct cli_args *a UNUSED)
{
	struct service *service = cli_bound(s, "service");
	cli_msg(s, "Stopping\n");
	if (service->link != NULL)
		link_tell(service->link, CHANNEL_ASK_STOP, 0, STR_NULL);
	else
		(void)kill(getpid(), SIGUSR1); // our own main thread, which waits for signals
	return CLI_DONE;
}

static const struct cli_command commands[] = {
    {.words = "reload config",
     .level = CLI_ADMIN,
     .flags = CLI_CHANGES,
     .run = run_reload,
     .help = "reload the configuration files; needs a master (-W)"},
    {.words = "stop",
     .level = CLI_ADMIN,
     .flags = CLI_CHANGES,
     .run = run_stop,
     .help = "stop gracefully: what is open is finished"},
    {.words = NULL},
};

const struct module service_module = {.name = "service", .commands = commands};

// --- the master's word ---------------------------------------------------------------------------

// From the main thread to the keeper.
struct word {
	struct msg msg;
	struct service *service;
	int fd;
	uint32_t level, number;
	struct cli_peer peer;
	bool good;
	char *log;
};

static void
send_word(struct service *s, struct word w, void (*fn)(struct msg *))
{
	struct word *copy = MEM_NEW(struct word);
	*copy = w;
	copy->msg.fn = fn;
	copy->service = s;
	worker_post(workers_get(s->set->threads, 0), &copy->msg);
}

static void
adopt(struct msg *m)
{
	struct word *w = CONTAINER_OF(m, struct word, msg);
	cli_server_adopt(w->service->cli_server, w->fd, (enum cli_level)w->level, &w->peer);
	mem_free(w);
}

void
ops_adopt(struct service *s, struct channel_msg *m)
{
	struct word w = {.fd = m->fd, .level = MIN(m->number, (uint32_t)CLI_ADMIN)};
	if (m->fd < 0)
		return;
	if (m->text.n == sizeof(w.peer))
		memcpy(&w.peer, m->text.p, sizeof(w.peer));
	else // of another version's master
		w.peer = (struct cli_peer){.known = true,
					   .uid = geteuid(),
					   .gid = getegid(),
					   .from = "master"};
	m->fd = -1; // the session's now
	send_word(s, w, adopt);
}

static void
answer_one(struct cli_ref who, const struct word *w)
{
	struct cli_session *session = cli_deref(who);
	if (session == NULL)
		return; // hung up
	cli_add(session, str_from_c(w->log));
	if (!w->good)
		(void)cli_error(session, "The configuration was not reloaded.");
	cli_done(session);
}

// All that asked up to the word's number.
static void
answer(struct msg *m)
{
	struct word *w = CONTAINER_OF(m, struct word, msg);
	struct service *s = w->service;
	size_t n = 0;
	while (n < s->n_askers && s->askers[n].number <= w->number)
		answer_one(s->askers[n++].who, w);
	s->n_askers -= n;
	memmove(s->askers, s->askers + n, s->n_askers * sizeof(*s->askers));
	atomic_store_explicit(&s->asked, s->n_askers > 0, memory_order_relaxed);
	mem_free(w->log);
	mem_free(w);
}

void
ops_answer(struct service *s, const struct channel_msg *m)
{
	char *log = mem_zalloc(m->text.n + 1);
	if (m->text.n > 0)
		memcpy(log, m->text.p, m->text.n);
	s->last_answer_ns = clock_mono_ns();
	send_word(s, (struct word){.good = m->kind == 1, .number = m->number, .log = log}, answer);
}

static void
look(struct msg *m)
{
	struct word *w = CONTAINER_OF(m, struct word, msg);
	cli_server_look(w->service->cli_server);
	mem_free(w);
}

void
ops_look(struct service *s)
{
	proxy_look(s->set);
	send_word(s, (struct word){.fd = -1}, look);
}
