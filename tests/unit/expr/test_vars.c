// SPDX-License-Identifier: MIT
// The vars section, the table it opens, and shm. variables in expressions.

#include <stdlib.h>
#include <unistd.h>

#include "base/module.h"
#include "conf/conf.h"
#include "expr/vars_conf.h"
#include "expr_fixture.h"
#include "tidegate/vars.h"

static const struct module *const modules[] = {&expr_module, NULL};

struct loaded {
	struct fixture f;
	struct conf *conf;
	struct tidevars *table;
	bool good;
};

static void
load(struct loaded *l, const char *text)
{
	fix_init(&l->f, NULL);
	expr_set_env(l->f.set, STR("beta"), STR("7"));
	l->conf = conf_new(modules, NULL);
	conf_add_text(l->conf, "test.cfg", str_from_c(text));
	l->good = conf_load(l->conf);
	l->good = expr_vars_open(l->conf, l->f.set, NULL, &l->table) && l->good;
	l->f.ctx.shm = l->table;
	l->f.ctx.now_boot_ns = tidevars_now_boot_ns();
}

static void
unload(struct loaded *l)
{
	fix_fini(&l->f);
	tidevars_close(&l->table);
	conf_free(&l->conf);
}

static const char *
first_message(const struct loaded *l)
{
	static char text[1200];
	const struct conf_message *m = conf_messages(l->conf);
	(void)snprintf(text, sizeof(text), "%d: %s", m != NULL ? m->line : 0,
		       m != NULL ? m->text : "");
	return text;
}

static void
set(struct loaded *l, const char *name, const char *value)
{
	OK(tidevars_set_text(l->table, name, value, 0, NULL, NULL) == TIDEVARS_OK);
	l->f.ctx.now_boot_ns = tidevars_now_boot_ns();
}

static void
test_section(void)
{
	struct loaded l;
	load(&l, "vars\n"
		 "    size 64\n"
		 "    var maint hold description \"site-wide maintenance\"\n"
		 "    var beta int min 0 max 100 default 5 writable-by any\n"
		 "    var load.app1 gauge min 0 max 100 default 0 stale-after 15s use 50\n"
		 "    var motto string default hello\n"
		 "    var on bool\n"
		 "    var ratio float default 2.5\n");
	OK_MSG(l.good, first_message(&l));
	IS_STR(fix_eval(&l.f, "var(shm.beta)"), "int:7"); // -s
	IS_STR(fix_eval(&l.f, "var(shm.motto)"), "string:hello");
	IS_STR(fix_eval(&l.f, "var(shm.on)"), "bool:0");
	// Compared it is whole, as text it keeps its fraction, and computing rounds it.
	IS_STR(fix_eval(&l.f, "var(shm.ratio)"), "int:2.5");
	IS_STR(fix_eval(&l.f, "var(shm.ratio),lower"), "string:2.5");
	IS_STR(fix_eval(&l.f, "var(shm.ratio),add(1)"), "int:3");
	IS_STR(fix_eval(&l.f, "var(shm.ratio),add(1),lower"), "string:3");
	IS_STR(fix_eval(&l.f, "var(shm.ratio),bool,lower"), "string:1");
	IS_STR(fix_eval(&l.f, "var(shm.maint)"), "int:0");
	IS_STR(fix_cond(&l.f, "if { var(shm.maint) -m int gt 0 }"), "fail");
	set(&l, "maint", "1");
	IS_STR(fix_cond(&l.f, "if { var(shm.maint) -m int gt 0 }"), "pass");
	IS_STR(fix_cond(&l.f, "if { var(shm.maint) }"), "pass");
	set(&l, "load.app1", "81.5");
	IS_STR(fix_eval(&l.f, "var(shm.load.app1)"), "int:81.5");
	l.f.ctx.now_boot_ns += UINT64_C(16000000000);
	IS_STR(fix_eval(&l.f, "var(shm.load.app1)"), "int:50");
	IS_STR(fix_eval(&l.f, "var_age(shm.load.app1),div(1000)"), "int:16");
	IS_STR(fix_eval(&l.f, "var_age(txn.x)"),
	       "error: var_age: only variables of shm. know when they were written");
	OK(strstr(fix_eval(&l.f, "var(shm.mant)"), "maint") != NULL);
	IS_STR(fix_eval(&l.f, "int(1),set-var(shm.beta)"), "int:1"); // nobody to write it
	OK(l.f.ctx.failed);
	unload(&l);
}

static const struct {
	const char *text, *want;
} mistakes[] = {
    {"vars\n  var 9x int\n", "2: "},
    {"vars\n  var x int default abc\n", "2: "},
    {"vars\n\n  var x int min 5 max 1\n", "3: "},
    {"vars\n  var x int\n  var x bool\n", "3: "},
    {"vars\n  var x int stale-after 5s\n", "2: "},
    {"vars\n  var x colour\n", "2: "},
    {"vars\n  var x int flavour sweet\n", "2: "},
    {"vars\n  var x int writable-by nobody-such\n", "2: "},
    {"vars\n  var x int writable-by uid no-such-user-here\n", "2: "},
    {"vars\n  file /nonexistent/folder/table\n", "1: "},
    {"vars\n  file /tmp/x mode 9z\n", "1: "},
    {"vars\n  var beta bool\n", "2: "}, // -s beta=7
};

static void
test_mistakes(void)
{
	for (size_t i = 0; i < ARRAY_LEN(mistakes); i++) {
		struct loaded l;
		load(&l, mistakes[i].text);
		const char *got = first_message(&l);
		bool right =
		    !l.good && strncmp(got, mistakes[i].want, strlen(mistakes[i].want)) == 0;
		if (!OK_MSG(right, mistakes[i].text) || getenv("TEST_SHOW") != NULL)
			printf("#  got: %s\n# want: %s...\n", got, mistakes[i].want);
		unload(&l);
	}
}

struct report {
	int n, line;
	char text[512];
};

static void
take_report(void *arg, const char *file UNUSED, int line, const char *text)
{
	struct report *r = arg;
	r->n++;
	r->line = line;
	(void)snprintf(r->text, sizeof(r->text), "%s", text);
}

// Expressions may name variables that a later section declares.
static void
test_late(void)
{
	struct loaded l;
	struct report r = {0};
	struct err err;
	struct sample s;
	fix_init(&l.f, NULL);
	struct expr_env env = fix_env(&l.f);
	struct expr *good = expr_parse(&env, STR("var(shm.late)"), &err);
	env.line = 42;
	struct expr *bad = expr_parse(&env, STR("var(shm.latte)"), &err);
	OK(good != NULL && bad != NULL);
	l.conf = conf_new(modules, NULL);
	conf_add_text(l.conf, "test.cfg", STR("vars\n var late int default 3\n"));
	OK(conf_load(l.conf) && expr_vars_open(l.conf, l.f.set, NULL, &l.table));
	OK(!expr_set_link(l.f.set, l.conf, take_report, &r));
	IS_INT(r.n, 1);
	IS_INT(r.line, 42);
	OK(strstr(r.text, "latte") != NULL && strstr(r.text, "late") != NULL);
	l.f.ctx.shm = l.table;
	OK(expr_eval(good, &l.f.ctx, &s) && s.type == SMP_INT && s.i == 3);
	unload(&l);
}

// Without a section any name may be used, as an integer.
static void
test_undeclared(void)
{
	struct loaded l;
	load(&l, "");
	OK(l.good);
	IS_STR(fix_eval(&l.f, "var(shm.anything)"), "int:0");
	set(&l, "anything", "9");
	IS_STR(fix_eval(&l.f, "var(shm.anything)"), "int:9");
	unload(&l);
}

int
main(void)
{
	test_section();
	test_mistakes();
	test_late();
	test_undeclared();
	return tap_done();
}
