// SPDX-License-Identifier: MIT
// A registered command travels to the first worker, runs (and may wait) in that worker's state,
// and its output travels back to the session on the keeper, which waits for it.
#include "proxy/lua_cli.h"

#include "base/mem.h"
#include "base/sbuf.h"
#include "cli/cli.h"
#include "conf/conf.h"
#include "net/worker.h"
#include "policy/run.h"
#include "proxy/proxy.h"
#include "proxy/setup.h"
#include "proxy/worker.h"

#define OUTPUT_BYTES ((size_t)1 << 20)

// One row, made while the configuration is read.
struct lua_command {
	struct lua_command *next;
	struct cli_command row; // .arg is this
	const struct policy_fn *fn;
};

// One command under way.
struct command_run {
	struct policy_run run; // first: woken gets its address
	struct msg msg;
	struct list link; // of the worker, while it is there
	struct proxy_worker *worker;
	struct policy_view *view;
	const struct policy_fn *fn;
	struct cli_ref session;
	struct sbuf output;
	enum policy_error error;
	struct arena arena; // words; results
	struct policy_value args[POLICY_MAX_ARGS];
	unsigned n_args;
};

// --- on the worker -----------------------------------------------------------------------------

// On the keeper.
static void
answer(struct msg *m)
{
	struct command_run *c = CONTAINER_OF(m, struct command_run, msg);
	struct cli_session *s = cli_deref(c->session);
	if (s != NULL) {
		cli_add(s, sbuf_str(&c->output));
		if (c->error != POLICY_E_NONE)
			(void)cli_error(s, "The command failed (%s); 'show policy errors' has it.",
					policy_error_name(c->error));
		cli_done(s);
	}
	sbuf_fini(&c->output);
	arena_fini(&c->arena);
	mem_free(c);
}

static void
go_back(struct command_run *c)
{
	list_remove(&c->link);
	policy_unpin(c->worker->policy, &c->view);
	c->msg.fn = answer;
	worker_post(workers_get(c->worker->net->all, 0), &c->msg);
}

static void
advance(struct command_run *c, bool first)
{
	struct proxy_worker *w = c->worker;
	struct policy_call call = {.arena = &c->arena,
				   .now_boot_ns = loop_boot_ns(w->loop),
				   .now_real_ns = loop_real_ns(w->loop),
				   .args = c->args,
				   .n_args = c->n_args,
				   .output = &c->output};
	enum policy_run_status status =
	    first ? policy_run_begin(w->policy, c->view, &c->run, c->fn, &call)
		  : policy_run_resume(w->policy, &c->run, &call);
	if (status == POLICY_RUN_WAITS)
		return;
	c->error = status == POLICY_RUN_DONE ? POLICY_E_NONE : call.error;
	go_back(c);
}

static void
woken(struct policy_run *run)
{
	advance(CONTAINER_OF(run, struct command_run, run), false);
}

static void
arrive(struct msg *m)
{
	struct command_run *c = CONTAINER_OF(m, struct command_run, msg);
	c->worker = worker_self->slot[WORKER_SLOT_PROXY];
	list_append(&c->worker->lua_commands, &c->link);
	c->view = policy_pin(c->worker->policy);
	advance(c, true);
}

void
lua_commands_end(struct proxy_worker *w)
{
	LIST_FOREACH_SAFE (it, &w->lua_commands) {
		struct command_run *c = LIST_ENTRY(it, struct command_run, link);
		policy_run_cancel(w->policy, &c->run);
		c->error = POLICY_E_GONE;
		go_back(c);
	}
}

// --- on the keeper -----------------------------------------------------------------------------

static bool
add_word(struct command_run *c, struct str word)
{
	struct str copy = str_copy(&c->arena, word);
	if (c->n_args == POLICY_MAX_ARGS || (copy.p == NULL && word.n > 0))
		return false;
	c->args[c->n_args++] =
	    (struct policy_value){.type = POLICY_T_STR, .s = copy.p != NULL ? copy : STR("")};
	return true;
}

// HAProxy gives the function every word of the line, its own included.
static bool
add_words(struct command_run *c, const struct cli_args *args)
{
	struct str rest = str_from_c(args->row->words), word;
	while (str_next(&rest, ' ', &word))
		if (!add_word(c, word))
			return false;
	for (int i = 0; i < args->argc; i++)
		if (!add_word(c, args->argv[i]))
			return false;
	return true;
}

static enum cli_status
run_command(struct cli_session *s, const struct cli_args *args)
{
	const struct lua_command *l = args->row->arg;
	const struct proxy_set *set = cli_bound(s, "proxy");
	struct command_run *c = mem_aligned(alignof(struct command_run), sizeof(*c));
	*c = (struct command_run){.fn = l->fn, .session = cli_ref(s)};
	c->run.woken = woken;
	c->run.may_wait = c->run.sliced = true;
	c->run.limit_ns = policy_limits(l->fn)->service_ns;
	list_init(&c->link);
	arena_init(&c->arena, OUTPUT_BYTES);
	sbuf_init(&c->output, OUTPUT_BYTES);
	if (!add_words(c, args)) {
		sbuf_fini(&c->output);
		arena_fini(&c->arena);
		mem_free(c);
		return cli_error(s, "A command of a script has at most %d words.", POLICY_MAX_ARGS);
	}
	c->msg.fn = arrive;
	worker_post(workers_get(set->threads, 1), &c->msg);
	return CLI_WAIT;
}

// --- set-up ------------------------------------------------------------------------------------

static void
collect(void *arg, const struct policy_fn *fn, const char *usage)
{
	struct proxy_setup *s = arg;
	struct lua_command *l = CONF_NEW(s->conf, struct lua_command);
	struct str words = conf_strdup(s->conf, str_from_c(policy_fn_name(fn)));
	struct str help = conf_strdup(s->conf, str_from_c(*usage != '\0' ? usage : "of a script"));
	l->fn = fn;
	l->row = (struct cli_command){.words = words.p,
				      .level = CLI_USER,
				      .args = "[words]",
				      .max_args = POLICY_MAX_ARGS,
				      .run = run_command,
				      .help = help.p,
				      .arg = l};
	l->next = s->lua_commands;
	s->lua_commands = l;
}

void
lua_commands_collect(struct proxy_setup *s)
{
	if (s->set->policies != NULL)
		policy_each_command(s->set->policies, collect, s);
}

void
lua_commands_add(const struct proxy_setup *s, struct cli *cli)
{
	for (const struct lua_command *l = s->lua_commands; l != NULL; l = l->next)
		cli_add_row(cli, &l->row);
}
