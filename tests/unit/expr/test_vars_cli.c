// SPDX-License-Identifier: MIT
// The commands on variables, spoken to as a client would.

#include <jansson.h>

#include "base/module.h"
#include "cli/session.h"
#include "expr_fixture.h"
#include "tidegate/vars.h"

static const struct module *const modules[] = {&cli_module, &expr_module};

struct bench {
	struct fixture f;
	struct tidevars *table;
	struct cli *cli;
	struct sbuf got;
};

static void
declare(struct bench *b, const char *name, uint32_t type)
{
	struct tidevars_decl d = {.name = name, .type = type, .description = "for the test"};
	uint32_t handle;
	OK(tidevars_declare(b->table, &d, &handle, NULL) == TIDEVARS_OK);
}

// The answer to one line, without the empty line that ends it.
static const char *
ask(struct bench *b, enum cli_level level, const char *line)
{
	struct cli_peer peer = {.known = true, .uid = 7, .gid = 8, .pid = 9, .from = "test"};
	struct cli_session *s = cli_session_open(b->cli, level, &peer, NULL, NULL);
	struct sbuf chunk;
	sbuf_clear(&b->got);
	sbuf_init(&chunk, 1 << 22);
	(void)cli_session_feed(s, str_from_c(line));
	(void)cli_session_feed(s, STR("\n"));
	while (cli_session_take(s, &chunk)) {
		sbuf_add(&b->got, sbuf_str(&chunk));
		sbuf_clear(&chunk);
	}
	sbuf_fini(&chunk);
	cli_session_close(&s);
	while (b->got.n > 0 && b->got.p[b->got.n - 1] == '\n')
		b->got.p[--b->got.n] = '\0';
	return b->got.p;
}

#define ASK(line) ask(b, CLI_OPERATOR, (line))

static void
test_values(struct bench *b)
{
	IS_STR(ASK("set var shm.share 25"), "");
	IS_STR(ASK("get var shm.share"), "25");
	IS_STR(ASK("get var share"), "25");
	IS_STR(ASK("set var shm.share int(5),add(2)"), "");
	IS_STR(ASK("get var shm.share"), "7");
	IS_STR(ASK("set var shm.share abc"), "'share': 'abc' is not int");
	IS_STR(ASK("get var shm.share"), "7");
	IS_STR(ASK("add var shm.hits 40"), "");
	IS_STR(ASK("add var shm.hits 2"), "");
	IS_STR(ASK("get var shm.hits"), "42");
	IS_STR(ASK("unset var shm.share"), "");
	IS_STR(ASK("get var shm.share"), "0");
	IS_STR(ASK("set var shm.motto 'hello world' reason 'because I can'"), "");
	IS_STR(ASK("get var shm.motto"), "hello world");
	IS_STR(ASK("set var shm.motto str(x)"), "");
	IS_STR(ASK("get var shm.motto"), "x");
	IS_STR(ASK("set var shm.share 3 ttl 1h"), "");
	OK(strstr(ASK("show vars"), "share int 3 default 0 for 3") != NULL);
	OK(strstr(ASK("get var shm.shar"), "share") != NULL);
	IS_STR(ASK("set var shm.share 3 ttl soon"), "'soon' is not a time");
	IS_STR(ASK("set var shm.share 3 colour red"),
	       "unknown word 'colour'; ttl, for, owner, reason are known");
	IS_STR(ASK("set var shm.share 3 ttl"), "a value is missing behind 'ttl'");
	IS_STR(ASK("set var shm.share path(x)"), "path: takes at most 0 arguments, not 1");
	IS_STR(ask(b, CLI_USER, "set var shm.share 3"), "Permission denied");
}

static void
test_holds(struct bench *b)
{
	IS_STR(ASK("hold shm.maint owner deploy for 30m reason 'db migration'"), "");
	IS_STR(ASK("hold maint owner ops"), "");
	IS_STR(ASK("get var shm.maint"), "2");
	OK(strstr(ASK("show vars"), "  held by deploy for ") != NULL);
	OK(strstr(ASK("show vars"), "reason db migration") != NULL);
	IS_STR(ASK("release maint owner deploy"), "");
	IS_STR(ASK("get var shm.maint"), "1");
	OK(strstr(ASK("release maint owner deploy"), "deploy") != NULL);
	OK(strstr(ASK("hold shm.share owner me"), "hold") != NULL);
}

static void
test_proc(struct bench *b)
{
	IS_STR(ASK("get var proc.x"), "proc.x: undefined");
	IS_STR(ASK("set var proc.x int(5)"), "");
	IS_STR(ASK("get var proc.x"), "proc.x: type=int value=<5>");
	IS_STR(fix_eval(&b->f, "var(proc.x)"), "int:5");
	IS_STR(ASK("unset var proc.x"), "");
	IS_STR(ASK("get var proc.x"), "proc.x: undefined");
	IS_STR(ASK("set var proc.x 5"), "an expression is needed, as in int(5) or str(5)");
	IS_STR(ASK("set var proc.x path"), "an expression is needed, as in int(path) or str(path)");
	OK(strstr(ASK("set var proc.x hdr(a)"), "needs the request head") != NULL);
	IS_STR(ASK("add var proc.x 1"), "only variables of shm. can be added to");
}

static void
test_lists(struct bench *b)
{
	json_error_t why;
	json_t *all = json_loads(ASK("show vars json"), 0, &why);
	OK(all != NULL && json_array_size(all) == 4);
	json_t *maint = json_array_get(all, 0);
	IS_STR(json_string_value(json_object_get(maint, "name")), "maint");
	OK(json_array_size(json_object_get(maint, "holds")) == 1);
	json_decref(all);
	all = json_loads(ASK("show vars-log json"), 0, &why);
	OK(all != NULL && json_array_size(all) >= 7);
	json_decref(all);
	OK(strstr(ASK("show vars-log"), " motto hello world by ") != NULL);
	OK(strstr(ASK("show vars-log"), "(cli uid 7 pid 9) reason because I can") != NULL);
	IS_STR(ASK("show vars xml"), "Usage: show vars [json]");
}

// More than one chunk of output: nothing is lost or doubled.
static void
test_many(struct bench *b)
{
	for (int i = 0; i < 500; i++) {
		char name[32];
		uint32_t handle;
		(void)snprintf(name, sizeof(name), "many.v%d", i);
		struct tidevars_decl d = {.name = name, .type = TIDEVARS_INT};
		if (tidevars_declare(b->table, &d, &handle, NULL) != TIDEVARS_OK)
			OK_MSG(false, name);
	}
	json_error_t why;
	json_t *all = json_loads(ASK("show vars json"), 0, &why);
	OK(all != NULL && json_array_size(all) == 504);
	json_decref(all);
}

int
main(void)
{
	struct bench bench = {0}, *b = &bench;
	struct tidevars_options o = {0};
	fix_init(&b->f, NULL);
	sbuf_init(&b->got, 1 << 22);
	OK(tidevars_open(&b->table, &o, NULL) == TIDEVARS_OK);
	declare(b, "maint", TIDEVARS_HOLD);
	declare(b, "share", TIDEVARS_INT);
	declare(b, "hits", TIDEVARS_COUNTER);
	declare(b, "motto", TIDEVARS_STRING);
	expr_set_shm(b->f.set, b->table, false);
	b->cli = cli_new(modules, 2);
	IS_STR(ask(b, CLI_USER, "show vars"), "there is no shared table");
	cli_bind(b->cli, "vars", b->table);
	cli_bind(b->cli, "expr", b->f.set);
	test_values(b);
	test_holds(b);
	test_proc(b);
	test_lists(b);
	test_many(b);
	cli_free(&b->cli);
	tidevars_close(&b->table);
	sbuf_fini(&b->got);
	fix_fini(&b->f);
	return tap_done();
}
