// SPDX-License-Identifier: MIT
// expr/vars_watch, `watch var`, var_rate and `rate var`: on a loop of their own, with writers of
// another process.

#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/module.h"
#include "cli/session.h"
#include "expr/vars_rate.h"
#include "expr/vars_watch.h"
#include "expr_fixture.h"
#include "net/loop.h"
#include "tidegate/vars.h"

static const struct module *const modules[] = {&cli_module, &expr_module};

struct bench {
	struct fixture f;
	struct tidevars *table;
	struct loop *loop;
	struct vars_watch *watch;
	struct cli *cli;
	struct cli_session *session;
	struct sbuf got;
	unsigned looks;
	struct vars_watcher watcher;
};

static void
take(struct bench *b)
{
	struct sbuf chunk;
	sbuf_init(&chunk, 1 << 22);
	while (cli_session_take(b->session, &chunk)) {
		sbuf_add(&b->got, sbuf_str(&chunk));
		sbuf_clear(&chunk);
	}
	sbuf_fini(&chunk);
}

static void
say(struct bench *b, const char *line)
{
	sbuf_clear(&b->got);
	(void)cli_session_feed(b->session, str_from_c(line));
	(void)cli_session_feed(b->session, STR("\n"));
	take(b);
}

// Turns the loop until the session has said `text`; false after 20 s.
static bool
hears(struct bench *b, const char *text)
{
	uint64_t end = clock_mono_ns() + 20 * NS_PER_S;
	for (;;) {
		take(b);
		if (b->got.n > 0 && strstr(b->got.p, text) != NULL)
			return true;
		if (clock_mono_ns() > end)
			return false;
		loop_turn(b->loop, 20 * NS_PER_MS);
	}
}

// A write by another process.
static void
write_elsewhere(struct bench *b, const char *name, const char *value)
{
	pid_t pid = fork();
	if (pid == 0)
		_exit(tidevars_set_text(b->table, name, value, 0, NULL, NULL));
	int status;
	OK(waitpid(pid, &status, 0) == pid && status == 0);
}

static void
looked(struct vars_watcher *w)
{
	CONTAINER_OF(w, struct bench, watcher)->looks++;
}

static bool
is_looked(struct bench *b, unsigned before)
{
	uint64_t end = clock_mono_ns() + 20 * NS_PER_S;
	while (b->looks == before && clock_mono_ns() < end)
		loop_turn(b->loop, 20 * NS_PER_MS);
	return b->looks > before;
}

// A sleep that nobody ends ends by itself after a second: so many would take much longer.
static void
test_woken(struct bench *b)
{
	uint64_t end = clock_mono_ns() + 15 * NS_PER_S;
	bool all = true;
	for (int i = 0; i < 40 && all; i++) {
		unsigned before = b->looks;
		write_elsewhere(b, "share", i % 2 == 0 ? "8" : "7");
		all = is_looked(b, before) && clock_mono_ns() < end;
	}
	OK_MSG(all, "the writer wakes");
}

static void
test_quiet(struct bench *b)
{
	for (uint64_t end = clock_mono_ns() + 50 * NS_PER_MS; clock_mono_ns() < end;)
		loop_turn(b->loop, 20 * NS_PER_MS); // the look after the last write
	unsigned before = b->looks;
	for (uint64_t end = clock_mono_ns() + 3200 * NS_PER_MS; clock_mono_ns() < end;)
		loop_turn(b->loop, 100 * NS_PER_MS);
	OK_MSG(b->looks <= before + 1, "nobody looks while nothing is written");
}

static void
test_watchers(struct bench *b)
{
	vars_watch_add(b->watch, &b->watcher, looked);
	OK_MSG(is_looked(b, 0), "once for the beginning");
	unsigned before = b->looks;
	write_elsewhere(b, "share", "7");
	OK_MSG(is_looked(b, before), "another process's write");
	before = b->looks;
	(void)tidevars_count_up(b->table, 1, 1, clock_boot_ns());
	OK_MSG(is_looked(b, before), "a counter, which makes no commit");
	test_woken(b);
	test_quiet(b);
	vars_watch_remove(&b->watcher);
	vars_watch_remove(&b->watcher);
	OK(b->watcher.watch == NULL);
}

static void
test_watch_command(struct bench *b)
{
	say(b, "prompt i");
	say(b, "watch var share shm.hits");
	IS_STR(b->got.p, "share 7\nhits 1\n");
	sbuf_clear(&b->got);
	write_elsewhere(b, "share", "8");
	OK(hears(b, "share 8\n") && strstr(b->got.p, "hits") == NULL);
	sbuf_clear(&b->got);
	(void)tidevars_count_up(b->table, 1, 41, clock_boot_ns());
	OK(hears(b, "hits 42\n"));
	// A time to live is no write: the session looks by the clock.
	struct tidevars_value v = {.type = TIDEVARS_INT, .u.i = 9};
	OK(tidevars_set(b->table, 0, &v, 30 * NS_PER_MS, NULL, NULL) == TIDEVARS_OK);
	sbuf_clear(&b->got);
	OK(hears(b, "share 0\n"));
	say(b, "get var share"); // ends the watching and is answered
	OK(hears(b, "\n0\n"));
	say(b, "watch var hits json");
	IS_STR(b->got.p, "{\"name\":\"hits\",\"value\":42}\n");
	say(b, "");
	say(b, "watch var shar");
	OK(strstr(b->got.p, "'share'") != NULL);
	say(b, "watch var proc.x");
	OK(strstr(b->got.p, "only variables of shm. can be watched") != NULL);
}

static int64_t
rate_of(struct bench *b, struct expr *e)
{
	struct sample s;
	b->f.ctx.shm = b->table;
	b->f.ctx.now_boot_ns = clock_boot_ns();
	return expr_eval(e, &b->f.ctx, &s) ? s.i : -1;
}

static void
refused(struct bench *b, const char *text, const char *why)
{
	struct err err = {0};
	struct expr_env env = fix_env(&b->f);
	OK(expr_parse(&env, str_from_c(text), &err) == NULL);
	IS_STR(err.text, why);
}

static void
test_rate(struct bench *b)
{
	struct err err = {0};
	struct expr_env env = fix_env(&b->f);
	struct expr *hour = expr_parse(&env, STR("var_rate(shm.hits,1h)"), &err);
	struct expr *brief = expr_parse(&env, STR("var_rate(shm.share,20)"), &err);
	refused(b, "var_rate(txn.x)", "var_rate: only variables of shm. have a rate");
	refused(b, "var_rate(shm.hits,1)", "var_rate: a period is a time from 10ms to 24h");
	OK(hour != NULL && brief != NULL && expr_set_link(b->f.set, NULL, NULL, NULL));
	OK(rate_of(b, hour) == 0);
	expr_rates_start(b->f.set, b->loop);
	(void)tidevars_count_up(b->table, 1, 30, clock_boot_ns());
	IS_INT(rate_of(b, hour), 30);
	say(b, "rate var hits 1h");
	IS_STR(b->got.p, "30\n\n");
	struct tidevars_value v = {.type = TIDEVARS_COUNTER, .u.i = 5};
	OK(tidevars_set(b->table, 1, &v, 0, NULL, NULL) == TIDEVARS_OK);
	OK_MSG(rate_of(b, hour) == 0, "what is set lower begins anew");
	v = (struct tidevars_value){.type = TIDEVARS_INT, .u.i = 1000};
	OK(tidevars_set(b->table, 0, &v, 0, NULL, NULL) == TIDEVARS_OK);
	uint64_t end = clock_mono_ns() + 20 * NS_PER_S;
	while (rate_of(b, brief) != 0 && clock_mono_ns() < end)
		loop_turn(b->loop, NS_PER_MS);
	OK_MSG(rate_of(b, brief) == 0, "the period passes");
	say(b, "rate var hits 10ms"); // not in the configuration: measured
	OK(hears(b, "0\n"));
	say(b, "rate var name");
	OK(strstr(b->got.p, "'name' is of type string; a counter or an int has a rate") != NULL);
	say(b, "rate var hits soon");
	OK(strstr(b->got.p, "a period is a time") != NULL);
	expr_rates_stop(b->f.set);
}

static void
declare(struct bench *b, const char *name, uint32_t type)
{
	struct tidevars_decl d = {.name = name, .type = type};
	OK(tidevars_declare(b->table, &d, NULL, NULL) == TIDEVARS_OK);
}

int
main(void)
{
	struct bench bench = {0}, *b = &bench;
	struct tidevars_options o = {0};
	struct net_config net = {.engine = NET_ENGINE_EPOLL};
	struct cli_peer peer = {.known = true, .pid = 9, .from = "test"};
	struct err err;
	fix_init(&b->f, NULL);
	sbuf_init(&b->got, 1 << 22);
	OK(tidevars_open(&b->table, &o, NULL) == TIDEVARS_OK);
	declare(b, "share", TIDEVARS_INT);
	declare(b, "hits", TIDEVARS_COUNTER);
	declare(b, "name", TIDEVARS_STRING);
	expr_set_shm(b->f.set, b->table, false);
	b->loop = loop_new(&net, &err);
	b->watch = vars_watch_new(b->table);
	vars_watch_start(b->watch, b->loop);
	b->cli = cli_new(modules, 2);
	cli_bind(b->cli, "vars", b->table);
	cli_bind(b->cli, "expr", b->f.set);
	cli_bind(b->cli, "vars-watch", b->watch);
	b->session = cli_session_open(b->cli, CLI_OPERATOR, &peer, NULL, NULL);
	test_watchers(b);
	test_watch_command(b);
	test_rate(b);
	say(b, "watch var hits"); // a client that leaves while it watches
	cli_session_close(&b->session);
	vars_watch_stop(b->watch);
	loop_free(&b->loop);
	vars_watch_free(&b->watch);
	cli_free(&b->cli);
	tidevars_close(&b->table);
	sbuf_fini(&b->got);
	fix_fini(&b->f);
	return tap_done();
}
