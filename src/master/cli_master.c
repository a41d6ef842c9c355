// SPDX-License-Identifier: MIT
// Rows of the master's socket. Answers are HAProxy's where it has them: `show proc`, `reload` with
// Success=0|1 and the log behind it, @1, @!PID.
#include "master/cli_master.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/module.h"
#include "base/sbuf.h"
#include "cli/cli.h"
#include "cli/server.h"
#include "conf/conf.h"
#include "master/master_priv.h"
#include "master/relay.h"

struct master_cli {
	struct listener_keeper keeper;
	struct conf *conf;
	struct cli *cli;
	struct cli_server *server;
};

// --- what is there -------------------------------------------------------------------------------

static void
show_since(struct cli_session *s, uint64_t then_ns)
{
	uint64_t sec = (clock_mono_ns() - then_ns) / NS_PER_S;
	char text[64];
	(void)snprintf(text, sizeof(text), "%" PRIu64 "d%02uh%02um%02us", sec / 86400,
		       (unsigned)(sec / 3600 % 24), (unsigned)(sec / 60 % 60),
		       (unsigned)(sec % 60));
	cli_printf(s, " %-15s", text);
}

static void
show_child(struct cli_session *s, const struct child *c, const struct master *m)
{
	unsigned later = m->last_number - c->number;
	cli_printf(s, "%-15d %-15s %-15u", (int)c->pid, "worker", later);
	show_since(s, c->started_ns);
	cli_printf(s, " " TIDEGATE_VERSION " %s", child_state_name(c->state));
	struct str what = sbuf_str(&c->status);
	if (c->state != CHILD_SERVING && what.n > 0)
		cli_printf(s, ": %.*s", STR_ARG(what));
	cli_printf(s, "\n");
}

static void
show_children(struct cli_session *s, const struct master *m, bool old)
{
	LIST_FOREACH (it, &m->children) {
		const struct child *c = LIST_ENTRY(it, struct child, node);
		if ((c->state > CHILD_SERVING) == old)
			show_child(s, c, m);
	}
}

static enum cli_status
run_show_proc(struct cli_session *s, const struct cli_args *a UNUSED)
{
	const struct master *m = cli_bound(s, "master");
	cli_printf(s, "#%-14s %-15s %-15s %-15s %s\n", "<PID>", "<type>", "<reloads>", "<uptime>",
		   "<version>");
	cli_printf(s, "%-15d %-15s %-15u", (int)getpid(), "master", m->n_reloads);
	show_since(s, m->started_ns);
	cli_printf(s, " " TIDEGATE_VERSION " failed reloads %u, deaths %u\n", m->n_failed_reloads,
		   m->n_deaths);
	cli_printf(s, "# workers\n");
	show_children(s, m, false);
	cli_printf(s, "# old workers\n");
	show_children(s, m, true);
	cli_printf(s, "# kept\n");
	for (unsigned k = 0; k < HERITAGE_KINDS; k++)
		cli_printf(s, "%-15s %zu\n", heritage_kind_name(k), heritage_count(&m->kept, k));
	return CLI_DONE;
}

static enum cli_status
run_show_startup_logs(struct cli_session *s, const struct cli_args *a UNUSED)
{
	const struct master *m = cli_bound(s, "master");
	if (m->serving != NULL)
		cli_add(s, sbuf_str(&m->serving->log));
	return CLI_DONE;
}

// --- reload, stop --------------------------------------------------------------------------------

struct cli_waiter {
	struct reload_waiter waiter;
	struct cli_ref who;
};

static void
reloaded(struct reload_waiter *w, bool good, struct str log)
{
	struct cli_waiter *cw = CONTAINER_OF(w, struct cli_waiter, waiter);
	struct cli_session *s = cli_deref(cw->who);
	if (s != NULL) {
		cli_printf(s, "Success=%d\n--\n", good);
		cli_add(s, log);
		if (!good) // a status for `tidectl`, and so for `systemctl reload`
			(void)cli_error(s, "The configuration was not reloaded.");
		cli_done(s);
	}
	mem_free(cw);
}

static enum cli_status
run_reload(struct cli_session *s, const struct cli_args *a UNUSED)
{
	struct cli_waiter *w = MEM_NEW(struct cli_waiter);
	*w = (struct cli_waiter){.waiter.done = reloaded, .who = cli_ref(s)};
	master_reload(cli_bound(s, "master"), &w->waiter);
	return CLI_WAIT;
}

static enum cli_status
run_stop(struct cli_session *s, const struct cli_args *a UNUSED)
{
	cli_msg(s, "Stopping\n");
	master_stop(cli_bound(s, "master"), MASTER_DRAINS);
	return CLI_DONE;
}

// --- the workers' commands -----------------------------------------------------------------------

// "@1": the one that serves; "@!PID".
static struct child *
find_child(const struct master *m, struct str name)
{
	int64_t pid;
	if (str_eq(name, STR("@1")))
		return m->serving;
	if (!str_starts(name, STR("@!")) || !str_to_int(str_slice(name, 2, name.n), &pid))
		return NULL;
	LIST_FOREACH (it, &m->children) {
		struct child *c = LIST_ENTRY(it, struct child, node);
		if (c->pid == pid && c->state != CHILD_STARTING)
			return c;
	}
	return NULL;
}

static void
add_word(struct sbuf *line, struct str word)
{
	if (word.n == 0)
		sbuf_add(line, STR("\"\""));
	for (size_t i = 0; i < word.n; i++) {
		if (strchr(" \t;\\\"'<", word.p[i]) != NULL)
			sbuf_add_byte(line, '\\');
		sbuf_add_byte(line, word.p[i]);
	}
	sbuf_add_byte(line, ' ');
}

// A line that no text of the payload's is.
static void
add_payload(struct sbuf *line, struct str payload)
{
	char end[32];
	unsigned n = 0;
	do
		(void)snprintf(end, sizeof(end), "\nend-%u\n", n++);
	while (str_find(payload, str_from_c(end)) != SIZE_MAX ||
	       str_starts(payload, str_from_c(end + 1)));
	sbuf_printf(line, "<<%.*s\n", (int)strlen(end) - 2, end + 1);
	sbuf_add(line, payload);
	sbuf_add(line, str_from_c(end + 1));
}

static enum cli_status
run_at(struct cli_session *s, const struct cli_args *a)
{
	struct child *c = find_child(cli_bound(s, "master"), a->argv[0]);
	struct sbuf line;
	struct err err;
	if (c == NULL)
		return cli_error(s, "There is no worker process '%.*s': @1 or @!PID, see show proc",
				 STR_ARG(a->argv[0]));
	sbuf_init(&line, SIZE_MAX / 2);
	for (int i = 1; i < a->argc; i++)
		add_word(&line, a->argv[i]);
	if (a->has_payload)
		add_payload(&line, a->payload);
	else
		sbuf_add_byte(&line, '\n');
	bool sent = relay_start(s, c, &line, &err); // takes the line over
	return sent ? CLI_WAIT : cli_error(s, "%s", err.text);
}

static const struct cli_command commands[] = {
    {.words = "show proc",
     .level = CLI_USER,
     .run = run_show_proc,
     .help = "the master and its worker processes, and what holds those that drain"},
    {.words = "show startup-logs",
     .level = CLI_USER,
     .run = run_show_startup_logs,
     .help = "what the serving worker process logged while it started"},
    {.words = "reload",
     .level = CLI_OPERATOR,
     .flags = CLI_CHANGES,
     .run = run_reload,
     .help = "reload the configuration; answers Success=1, or Success=0 and why"},
    {.words = "reload config",
     .level = CLI_OPERATOR,
     .flags = CLI_CHANGES | CLI_HIDDEN,
     .run = run_reload,
     .help = "the same, as the workers' sockets have it and tidectl asks for it"},
    {.words = "hard-reload",
     .level = CLI_OPERATOR,
     .flags = CLI_CHANGES | CLI_HIDDEN,
     .run = run_reload,
     .help = "the same"},
    {.words = "stop",
     .level = CLI_ADMIN,
     .flags = CLI_CHANGES,
     .run = run_stop,
     .help = "stop the service gracefully"},
    {.words = "@",
     .level = CLI_USER,
     .args = "1|!PID COMMAND...",
     .min_args = 2,
     .max_args = CLI_ANY_ARGS,
     .flags = CLI_PREFIX | CLI_PAYLOAD,
     .run = run_at,
     .help = "a command of the worker process that serves (@1), or of another (@!PID)"},
    {.words = NULL},
};

const struct module master_cli_module = {.name = "master", .commands = commands};

// --- the socket ----------------------------------------------------------------------------------

static bool
read_where(struct conf *conf, const char *where)
{
	struct sbuf text;
	sbuf_init(&text, 8192);
	sbuf_add(&text, STR("global\n    stats socket "));
	for (const char *p = where; *p != '\0'; p++)
		sbuf_add_byte(&text, *p == ',' || *p == '\n' ? ' ' : *p);
	if (strstr(where, "level") == NULL)
		sbuf_add(&text, STR(" level admin"));
	if (strstr(where, "mode") == NULL)
		sbuf_add(&text, STR(" mode 600"));
	sbuf_add_byte(&text, '\n');
	conf_add_text(conf, "-S", sbuf_str(&text));
	sbuf_fini(&text);
	return conf_load(conf);
}

// The framework's section keywords need a section.
static void *
begin_global(struct conf *c, const struct conf_line *line UNUSED, struct str name UNUSED,
	     struct err *err UNUSED)
{
	return c;
}

static const struct conf_section sections[] = {
    {.name = "global", .naming = CONF_NAME_NONE, .begin = begin_global, .help = "-S"},
    {.name = NULL},
};
static const struct module section_module = {.name = "-S", .sections = sections};

// The socket passes to a successor like all others.
static int
find_socket(void *arg, const char *address, unsigned slot)
{
	struct master *m = arg;
	struct heritage_item *it =
	    heritage_find(&m->kept, HERITAGE_MASTER, slot, str_from_c(address));
	return it != NULL ? fcntl(it->fd, F_DUPFD_CLOEXEC, 0) : -1;
}

static void
made_socket(void *arg, const char *address, unsigned slot, int fd)
{
	struct master *m = arg;
	int kept = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	struct heritage_item *before =
	    heritage_find(&m->kept, HERITAGE_MASTER, slot, str_from_c(address));
	if (before != NULL) // its path was removed, and leads to this one now
		heritage_drop(&m->kept, (size_t)(before - m->kept.items), false);
	if (kept >= 0 && !heritage_add(&m->kept, HERITAGE_MASTER, slot, str_from_c(address), kept,
				       HERITAGE_KEPT))
		(void)close(kept); // no successor will find it
}

struct master_cli *
master_cli_new(struct master *m, const char *where, struct err *err)
{
	static const struct module *const conf_modules[] = {&section_module, &cli_module, NULL};
	static const struct module *const cli_modules[] = {&master_cli_module, &cli_module};
	struct master_cli *c = MEM_NEW(struct master_cli);
	c->conf = conf_new(conf_modules, NULL);
	if (!read_where(c->conf, where)) {
		conf_log_messages(c->conf);
		err_set(err, "-S %s is no address", where);
		master_cli_free(&c);
		return NULL;
	}
	c->keeper = (struct listener_keeper){.find = find_socket, .made = made_socket, .arg = m};
	cli_conf_of(c->conf)->listeners = &c->keeper;
	c->cli = cli_new(cli_modules, ARRAY_LEN(cli_modules));
	cli_bind(c->cli, "master", m);
	c->server = cli_server_new(c->cli, cli_conf_of(c->conf), err);
	if (c->server == NULL) {
		err_wrap(err, "-S");
		master_cli_free(&c);
		return NULL;
	}
	cli_server_start(c->server, m->loop);
	return c;
}

void
master_cli_look(struct master_cli *c)
{
	cli_server_relisten(c->server);
}

void
master_cli_retire(struct master_cli *c)
{
	cli_server_retire(c->server);
}

void
master_cli_free(struct master_cli **cp)
{
	struct master_cli *c = *cp;
	*cp = NULL;
	if (c == NULL)
		return;
	if (c->server != NULL)
		cli_server_stop(c->server);
	cli_server_free(&c->server);
	if (c->cli != NULL)
		cli_free(&c->cli);
	conf_free(&c->conf);
	mem_free(c);
}
