// SPDX-License-Identifier: MIT
// What operators ask of the service as a whole, on its runtime socket: a reload of the
// configuration, which is the master's work, and a stop.
#include <signal.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/module.h"
#include "cli/cli.h"
#include "main/service.h"
#include "master/link.h"
#include "net/worker.h"
#include "proxy/worker.h"

// --- commands ------------------------------------------------------------------------------------

static enum cli_status
run_reload(struct cli_session *s, const struct cli_args *a UNUSED)
{
	struct service *service = cli_bound(s, "service");
	if (service->link == NULL || service->master_gone)
		return cli_error(s, "This tidegate has no master (-W) that could start another "
				    "process with the new configuration.");
	unsigned number = service->n_reloads++;
	service->reloads[number % ARRAY_LEN(service->reloads)] = cli_ref(s);
	link_tell(service->link, CHANNEL_ASK_RELOAD, number, STR_NULL);
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
     .run = run_reload,
     .help = "reload the configuration files; needs a master (-W)"},
    {.words = "stop",
     .level = CLI_ADMIN,
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
	cli_server_adopt(w->service->cli_server, w->fd, (enum cli_level)w->level);
	mem_free(w);
}

void
ops_adopt(struct service *s, int fd, uint32_t level)
{
	send_word(s, (struct word){.fd = fd, .level = MIN(level, (uint32_t)CLI_ADMIN)}, adopt);
}

static void
answer(struct msg *m)
{
	struct word *w = CONTAINER_OF(m, struct word, msg);
	struct service *s = w->service;
	bool is_kept = s->n_reloads - w->number <= ARRAY_LEN(s->reloads);
	struct cli_session *session =
	    is_kept ? cli_deref(s->reloads[w->number % ARRAY_LEN(s->reloads)]) : NULL;
	if (session != NULL) {
		cli_add(session, str_from_c(w->log));
		if (!w->good)
			(void)cli_error(session, "The configuration was not reloaded.");
		cli_done(session);
	}
	mem_free(w->log);
	mem_free(w);
}

void
ops_answer(struct service *s, const struct channel_msg *m)
{
	char *log = mem_zalloc(m->text.n + 1);
	if (m->text.n > 0)
		memcpy(log, m->text.p, m->text.n);
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
