// SPDX-License-Identifier: MIT
// The commands on variables, spoken to as a client would.

#include <jansson.h>
#include <unistd.h>

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
	uint32_t n_groups; // of the peer's, 70 and 71
	bool stranger;     // the kernel does not know the peer
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
	struct cli_peer peer = {.known = !b->stranger,
				.uid = 7,
				.gid = 8,
				.pid = 9,
				.groups = {70, 71},
				.n_groups = b->n_groups,
				.from = "test"};
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
	IS_STR(ASK("set var shm.share abc"), "'share': 'abc' is not a whole number");
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
	IS_STR(ASK("set var shm.share 3 ttl soon"),
	       "'soon' is not a time above 0: a number with ms, s, m, h or d");
	IS_STR(ASK("set var shm.share 3 colour red"),
	       "unknown word 'colour'; ttl, for, owner, reason are known");
	IS_STR(ASK("set var shm.share 3 ttl"), "a value is missing behind 'ttl'");
	IS_STR(ASK("set var shm.share path(x)"), "path: takes at most 0 arguments, not 1");
	IS_STR(ask(b, CLI_USER, "set var shm.share 3"),
	       "Permission denied: that needs level operator, this session has user");
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
test_hold_lists(struct bench *b)
{
	json_error_t why;
	IS_STR(ASK("show holds"), "");
	IS_STR(ASK("show holds json"), "[]");
	IS_STR(ASK("extend maint owner ops for 1h"),
	       "'maint' is not held by ops, nor by anybody else");
	IS_STR(ASK("hold maint owner ops for 1m reason 'db'"), "");
	IS_STR(ASK("extend maint owner ops for 1h"), "");
	OK(strstr(ASK("show holds maint"), "maint held by ops for 3") != NULL);
	OK(strstr(b->got.p, " reason db") != NULL);
	json_t *all = json_loads(ASK("show holds maint json"), 0, &why);
	const json_t *one = json_array_get(all, 0);
	IS_STR(json_string_value(json_object_get(one, "name")), "maint");
	IS_STR(json_string_value(json_object_get(one, "owner")), "ops");
	OK(json_integer_value(json_object_get(one, "left_ms")) > 3500000);
	json_decref(all);
	IS_STR(ASK("show holds share"), "'share' is not a hold");
	IS_STR(ASK("show holds maint xml"), "Usage: show holds [NAME] [json]");
	OK(strstr(ASK("show var maint"), "  held by ops for 3") != NULL);
	all = json_loads(ASK("show var maint json"), 0, &why);
	OK(json_array_size(json_object_get(all, "holds")) == 1);
	json_decref(all);
	OK(strstr(ASK("show var main"), "'maint'") != NULL);
	IS_STR(ASK("release maint owner ops"), "");
}

static void
test_cas(struct bench *b)
{
	IS_STR(ASK("set var share 5"), "");
	IS_STR(ASK("cas var share 4 6"), "'share' is 5, not what was expected");
	IS_STR(ASK("cas var shm.share 5 6 reason why"), "");
	IS_STR(ASK("get var share"), "6");
	IS_STR(ASK("cas var share five 6"), "'share': 'five' is not a whole number");
	IS_STR(ASK("cas var proc.x 1 2"), "only variables of shm. can be compared");
}

// Several answers on one line, with | between their lines.
static const char *
flat(struct bench *b)
{
	size_t n = 0;
	for (size_t i = 0; i < b->got.n; i++) {
		char c = b->got.p[i];
		if (c != '\n')
			b->got.p[n++] = c;
		else if (n > 0 && b->got.p[n - 1] != '|')
			b->got.p[n++] = '|';
	}
	b->got.p[n] = '\0';
	return b->got.p;
}

#define FLAT(line) ((void)ASK(line), flat(b))

// A session's writes between begin and commit are one commit, or none.
static void
test_transaction(struct bench *b)
{
	IS_STR(FLAT("set var share 1; set var motto a"), "");
	IS_STR(FLAT("begin reason both; set var share 2; set var motto b; get var share"), "1");
	IS_STR(FLAT("get var share motto"), "share 1|motto a"); // the session ended without commit
	IS_STR(FLAT("begin reason both; set var share 2; set var motto b; commit; get var share "
		    "motto"),
	       "share 2|motto b");
	OK(strstr(FLAT("show vars"), "reason both") != NULL);
	IS_STR(FLAT("begin; set var share 3; set var shar 4; commit; get var share"),
	       "no variable is named 'shar'; did you mean 'share'?|nothing was written: 1 of the "
	       "transaction's commands was refused|2");
	IS_STR(FLAT("begin; set var share 3; cas var motto x y; commit; get var share motto"),
	       "'motto' is b, not what was expected|share 2|motto b");
	IS_STR(FLAT("begin; set var share 3; abort; get var share"), "2");
	IS_STR(FLAT("begin; hold maint owner a; add var share 1; commit; get var share maint"),
	       "share 3|maint 1");
	IS_STR(FLAT("release maint owner a"), "");
	IS_STR(FLAT("begin; set var share 3; unset var share; abort"),
	       "'share' is written twice in this transaction");
	IS_STR(FLAT("begin; set var proc.x int(1); abort"),
	       "a transaction is over variables of shm.");
	IS_STR(FLAT("commit"), "no transaction is open; begin one first");
	IS_STR(FLAT("abort"), "no transaction is open");
	IS_STR(FLAT("begin; begin"), "a transaction is open already; commit or abort it first");
}

// writable-by counts whom the kernel vouches for; somebody else is not the daemon.
static void
test_rights(struct bench *b)
{
	struct tidevars_decl d = {.name = "grouped",
				  .type = TIDEVARS_INT,
				  .writable_by = TIDEVARS_BY_GID,
				  .writable_gid = 71};
	uint32_t handle;
	(void)tidevars_declare(b->table, &d, &handle, NULL);
	struct tidevars_decl own = {.name = "daemons",
				    .type = TIDEVARS_INT,
				    .writable_by = TIDEVARS_BY_UID,
				    .writable_uid = (uint32_t)geteuid()};
	(void)tidevars_declare(b->table, &own, &handle, NULL);
	b->n_groups = 1;
	OK(strstr(ASK("set var grouped 1"), "'grouped' may not be written by ") != NULL);
	b->n_groups = 2;
	IS_STR(ASK("set var grouped 1"), "");
	IS_STR(ASK("begin; set var grouped 2; commit"), "");
	b->stranger = true;
	OK(strstr(ASK("set var daemons 1"), "'daemons' may not be written by ") != NULL);
	OK(strstr(ASK("set var grouped 3"), "'grouped' may not be written by ") != NULL);
	IS_STR(ASK("set var share 3"), "");
	b->stranger = false;
	OK(strstr(ASK("show var grouped json"), "\"refused\":2") != NULL);
	OK(strstr(ASK("show var grouped"), " refused 2") != NULL);
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
	OK(all != NULL && json_array_size(all) == 506);
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
	test_rights(b);
	IS_STR(ASK("release maint owner ops"), "");
	test_hold_lists(b);
	test_cas(b);
	test_transaction(b);
	test_many(b);
	cli_free(&b->cli);
	tidevars_close(&b->table);
	sbuf_fini(&b->got);
	fix_fini(&b->f);
	return tap_done();
}
