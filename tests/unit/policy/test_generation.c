// SPDX-License-Identifier: MIT
// Generations: what prepare refuses, publish and adopt, pins, rollback, last-good, the bound of
// three, modules beneath the folder.
#include <sys/stat.h>
#include <unistd.h>

#include "fake.h"

static struct fake f;

static void
write_file(const char *folder, const char *name, const char *text)
{
	char path[300];
	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *out = fopen(path, "w");
	if (out == NULL || fputs(text, out) < 0 || fclose(out) != 0)
		printf("# cannot write %s\n", path);
}

// The source is refused, with `text` in the cause, and the live generation stands.
static bool
refused(struct policy *p, const char *source, const char *text)
{
	struct err err = {0};
	struct str s = str_from_c(source);
	struct policy_gen_info before, after;
	policy_live_info(p, &before);
	struct policy_gen *gen = policy_prepare(p, &s, "new.lua", &err);
	policy_live_info(p, &after);
	bool ok = gen == NULL && strstr(err.text, text) != NULL && before.number == after.number;
	if (!ok)
		printf("# got: %s\n# want: %s\n", gen != NULL ? "accepted" : err.text, text);
	policy_gen_drop(&gen);
	return ok;
}

static bool
accepted(struct policy *p, const char *source)
{
	struct err err = {0};
	struct str s = str_from_c(source);
	struct policy_gen *gen = policy_prepare(p, &s, "new.lua", &err);
	bool ok = gen != NULL;
	if (!ok)
		printf("# %s\n", err.text);
	policy_gen_drop(&gen);
	return ok;
}

static unsigned published_number, published_workers;

static void
on_published(void *arg, struct policy *p, const struct policy_gen_info *info, unsigned workers)
{
	(void)arg, (void)p;
	published_number = info->number;
	published_workers = workers;
}

static bool
publish(struct policy *p, const char *source)
{
	struct err err = {0};
	struct str s = str_from_c(source);
	struct policy_gen *gen = policy_prepare(p, &s, "new.lua", &err);
	if (gen == NULL || !policy_publish(&gen, on_published, NULL, &err)) {
		printf("# %s\n", err.text);
		policy_gen_drop(&gen);
		return false;
	}
	return true;
}

static int64_t
number(void)
{
	if (fake_ask(&f, f.fn, NULL) != POLICY_VALUE || f.call.out.type != POLICY_T_INT)
		return -1;
	return f.call.out.i;
}

#define F "function f() return 1 end\n"

static void
test_endless(struct policy *p)
{
	if (!FAKE_STOPS_RUN) {
		OK_MSG(true, "# SKIP " FAKE_NO_STOPS);
		return;
	}
	OK(refused(p, F "while true do end", "time budget used up"));
	OK(refused(p, F "while true do pcall(error) end", "time budget used up"));
	OK(refused(p, F "test('loop', function(t) while true do end end)", "time budget used up"));
	OK(refused(
	    p, F "test('deaf', function(t) string.find(('a'):rep(60000), ('a*'):rep(40)..'b') end)",
	    "state thrown away"));
}

static void
test_refusals(void)
{
	fake_init(&f);
	struct policy *p = fake_add(&f, "base", F, (struct policy_spec){0});
	if (!OK(p != NULL) || !OK(fake_start(&f, "f")))
		return;
	OK(refused(p, F "function g( return 1 end", "new.lua:2: "));
	OK(refused(p, "function g() end", "function 'f', which the configuration uses"));
	OK(refused(p, "f = 1", "function 'f', which the configuration uses"));
	test_endless(p);
	OK(refused(p, F "error('at load')", "new.lua:2: at load"));
	OK(refused(p, F "x = nil + 1", "new.lua:2: "));
	OK(refused(p, F "local t = {} for i = 1, 1e9 do t[i] = i end", "memory of 8192k used up"));
	OK(refused(p, F "test('sum', function(t)\n assert(f() == 2)\nend)",
		   "new.lua:3: self-test 'sum' failed: assertion failed!"));
	OK(refused(p, "local n = 0\nfunction f()\n n = n + 1 return n end",
		   "new.lua:2: this function assigns to 'n'"));
	OK(refused(p,
		   "local function mk() local n = 0 return function() n = n + 1 return n end end\n"
		   "f = mk()",
		   "assigns to 'n'"));
	OK(refused(p, "local n = 0\nfunction f() local g = function() n = 1 end g() return n end",
		   "assigns to 'n'"));
	OK(refused(p, F "c = coroutine.create(f)", "a coroutine made while the script loads"));
	OK(refused(p, F "local c = coroutine.wrap(f) function g() return c() end",
		   "a coroutine made while the script loads"));
	OK(refused(p, F "local i = ('abc'):gmatch('.') function g() return i() end",
		   "an iterator"));
	OK(refused(p, F "function g() _ENV = {} end", "assigns to '_ENV'"));
	OK(refused(p, F "require 'nothing'", "require 'nothing'"));
	OK(refused(p, F "x = vars.nosuch", "nosuch"));
	OK(accepted(p, "local n = 0\nn = n + 1\nfunction f() local m = 0\n"
		       " local function add() m = m + 1 end add() return m + n end"));
	OK(accepted(p, "local f2 f2 = function() return 1 end function f() return f2() end"));
	OK(accepted(p, "local t = setmetatable({}, {__index = function(_, k) return k end})\n"
		       "function f() return t.x == 'x' and 1 end"));
	OK(accepted(
	    p, F "test('t', function(t)\n t.vars.maint = 3\n assert(vars.maint == 3)\n"
		 "assert(vars.word == '')\n t.now = 1000 assert(tide.now() == 1000)\n"
		 "t.backends.app = {sessions = 4} assert(backends.app.sessions == 4)\n"
		 "local x = t.txn{method='PUT', path='/a', src='10.0.0.1', headers={['X-A']='b'},\n"
		 " cookies={c='d'}}\n assert(x.method == 'PUT' and x.path == '/a')\n"
		 "assert(x.src:within('10.0.0.0/8') and x.headers['x-a'] == 'b')\n"
		 "assert(x.cookies.c == 'd' and x.headers.y == nil and x.dst == nil)\nend)"));
	IS_INT(number(), 1);
	struct policy_stats s;
	policy_stats(p, &s);
	IS_INT(s.hard_stops, 0);
	fake_stop(&f);
}

struct heard {
	unsigned n;
	char first[200];
};

static void
hear(enum log_level level, const char *line, void *arg)
{
	struct heard *h = arg;
	if (level != LOG_WARNING)
		return;
	if (h->n++ == 0)
		(void)snprintf(h->first, sizeof(h->first), "%s", line);
}

// How many warnings this source draws when it is prepared, and the first of them in *h.
static unsigned
warnings(struct policy *p, const char *source, struct heard *h)
{
	*h = (struct heard){0};
	log_set_level(LOG_WARNING);
	log_set_sink(hear, h);
	bool ok = accepted(p, source);
	log_set_sink(NULL, NULL);
	log_set_level(LOG_ALERT);
	return ok ? h->n : UINT32_MAX;
}

// What nothing defines is told with its line, whoever reads it: inside functions inside, behind
// more code than one line mark covers, in memos. What is there, in a field or local is not told.
static void
test_absent_globals(void)
{
	fake_init(&f);
	struct policy *p = fake_add(&f, "base", F, (struct policy_spec){0});
	struct heard h;
	char text[8192], lines[4000] = "";
	if (!OK(p != NULL) || !OK(fake_start(&f, "f")))
		return;
	IS_INT(warnings(p,
			F "function g(txn) local x = {}; return x.y, vars, later() end\n"
			  "function later() return math.pi, _G, string.nofield end",
			&h),
	       0);
	IS_INT(warnings(p, F "function g()\n\n return mis end", &h), 1);
	OK_MSG(strstr(h.first, "new.lua:4: nothing defines 'mis'") != NULL, h.first);
	IS_INT(warnings(p,
			F "g = tide.memo(function()\n local function h() return mis() end\n"
			  " return h() end)",
			&h),
	       1);
	OK_MSG(strstr(h.first, "new.lua:3: nothing defines 'mis'") != NULL, h.first);
	IS_INT(warnings(p, F "function g()\n x = 1\n return x end", &h), 1);
	OK_MSG(strstr(h.first, "new.lua:3: 'x' is assigned here, which fails once") != NULL,
	       h.first);
	for (int i = 0; i < 300; i++)
		memcpy(lines + strlen(lines), "x = x + 7\n", 11);
	(void)snprintf(text, sizeof(text), F "function g() local x = 0\n%s return x + mis end",
		       lines);
	IS_INT(warnings(p, text, &h), 1);
	OK_MSG(strstr(h.first, "new.lua:303: nothing defines 'mis'") != NULL, h.first);
	fake_stop(&f);
}

// Variables that the table does not have are told, read and written, by way of the global, a local
// or an upvalue, on whatever path of conditions; once a line. What is no `vars`, or not known to be
// where the code stands, is not.
static void
test_absent_variables(void)
{
	static const char *const quiet[] = {
	    "function g() return vars.maint == 1 and vars.word or vars[math.type(1)] end",
	    "function g(txn) vars.maint = vars.maint and 1 or 2; local v = vars; v = {}; return "
	    "v.x end",
	    "function g(v) if v then v = vars return 1 end return v.absent end",
	    "function g(a, v) if a then v = vars else v = a end return a.x, a.y end",
	    "local t = {absent = 1} function g(vars) return vars.absent, t.absent end",
	    "vars = {} function g() return vars.absent end",
	    "function g(x) tide.set('maint', 1) tide.set(x, 'absent') tide.log('absent') end",
	    "function g(x) local set, name = tide.set, 'absent' set(x, name) return name end",
	    "local t = {set = 1} function g(tide) return tide.set('absent') end",
	    "function g(a) local b, c = vars, a.absent; local d = a:absent(b, c) return d.absent "
	    "end",
	};
	static const struct {
		const char *source, *told;
		unsigned n;
	} rows[] = {
	    {"function g()\n return vars.mant == 1 or vars.mant == 2 end",
	     "new.lua:3: vars.mant: no "
	     "variable is named 'mant'; did you mean 'maint'?; a call that comes here fails",
	     1},
	    {"function g()\n vars.mant = vars.word and 1 or 2 end", "new.lua:3: vars.mant:", 1},
	    {"function g()\n local v = vars\n local w = v.word\n return w, v.mant end",
	     "new.lua:5: vars.mant:", 1},
	    {"local v = vars\nfunction g()\n return function() return v.mant end end",
	     "new.lua:4: vars.mant:", 1},
	    {"local v = vars\nfunction g()\n v.mant = 1 end", "new.lua:4: vars.mant:", 1},
	    {"local v = vars\nfunction g()\n local w = v return w.mant end",
	     "new.lua:4: vars.mant:", 1},
	    {"function g(t)\n for i = 1, 3 do t[i] = vars.mant\n t.a = vars.wrd end end",
	     "new.lua:3: vars.mant:", 2},
	    {"g = tide.memo(function()\n return (vars.maint == 1 and 3 or vars.mant) end)",
	     "new.lua:3: vars.mant:", 1},
	    {"function g()\n tide.set('mant', 1, {ttl = 3}) end", "new.lua:3: vars.mant:", 1},
	    {"function g()\n return tide.release('mant') end", "new.lua:3: vars.mant:", 1},
	    {"function g(x)\n local add, by = tide.add, x\n add('mant', by)\n add('wrd', by) end",
	     "new.lua:4: vars.mant:", 2},
	    {"function g(x)\n local t, name = tide, 'mant'\n t.hold(name, {ttl = x}) end",
	     "new.lua:4: vars.mant:", 1},
	};
	fake_init(&f);
	struct policy *p = fake_add(&f, "base", F, (struct policy_spec){0});
	struct heard h;
	char text[512];
	if (!OK(p != NULL) || !OK(fake_start(&f, "f")))
		return;
	for (size_t i = 0; i < ARRAY_LEN(quiet); i++) {
		(void)snprintf(text, sizeof(text), F "%s", quiet[i]);
		OK_MSG(warnings(p, text, &h) == 0, quiet[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		(void)snprintf(text, sizeof(text), F "%s", rows[i].source);
		OK_MSG(warnings(p, text, &h) == rows[i].n, rows[i].source);
		OK_MSG(strstr(h.first, rows[i].told) != NULL, h.first);
	}
	fake_declare(&f, "mant", TIDEVARS_INT);
	(void)snprintf(text, sizeof(text), F "%s", rows[0].source);
	IS_INT(warnings(p, text, &h), 0);
	fake_stop(&f);
}

static void
test_names(void)
{
	struct err err = {0};
	fake_init(&f);
	struct policy_spec spec = {0};
	OK(fake_add(&f, "one", F "function is_maint() end", spec) != NULL);
	OK(fake_add(&f, "two", F "helper = 3", spec) != NULL);
	OK(policy_resolve(f.engine, STR("f"), &err) == NULL);
	IS_STR(err.text, "'f' is in policy one and policy two: write one.f");
	OK(policy_resolve(f.engine, STR("one.f"), &err) != NULL);
	OK(policy_resolve(f.engine, STR("one.f"), &err) !=
	   policy_resolve(f.engine, STR("two.f"), &err));
	OK(policy_resolve(f.engine, STR("one.f"), &err) ==
	   policy_resolve(f.engine, STR("one.f"), &err));
	OK(policy_resolve(f.engine, STR("is_mant"), &err) == NULL);
	OK(strstr(err.text, "did you mean 'is_maint'") != NULL);
	OK(policy_resolve(f.engine, STR("one.is_main"), &err) == NULL);
	OK(strstr(err.text, "did you mean 'is_maint'") != NULL);
	OK(policy_resolve(f.engine, STR("two.helper"), &err) == NULL);
	OK(policy_resolve(f.engine, STR("three.f"), &err) == NULL);
	spec.name = "one";
	spec.text = STR(F);
	OK(policy_add(f.engine, &spec, &err) == NULL);
	IS_STR(err.text, "policy one is declared twice");
	fake_fini(&f);
}

static void
test_publish(void)
{
	struct err err = {0};
	struct policy_gen_info info;
	fake_init(&f);
	struct policy *p = fake_add(&f, "base", F, (struct policy_spec){0});
	if (!OK(p != NULL) || !OK(fake_start(&f, "f")))
		return;
	IS_INT(number(), 1);
	struct policy_view *pin = policy_pin(f.worker);
	OK(publish(p, "function f() return 2 end"));
	IS_INT(published_number, 0); // not before the worker has confirmed
	IS_INT(number(), 1);
	pump(&f);
	IS_INT(published_number, 2);
	IS_INT(published_workers, 1);
	IS_INT(number(), 2);
	struct policy_call c = {.arena = &f.arena, .now_real_ns = 1};
	OK(policy_call(f.worker, pin, f.fn, &c) == POLICY_VALUE && c.out.i == 1 && c.gen == 1);
	policy_live_info(p, &info);
	// echo -n 'function f() return 2 end' | sha256sum
	IS_STR(info.hash_hex, "497c8e372fd1531de43865204b103f52d0ccbfddc48d4eb590d6b7e8901c10f9");
	IS_INT(info.number, 2);
	// A third: the pinned view, two behind, follows to the live one.
	OK(publish(p, "function f() return 3 end"));
	pump(&f);
	OK(policy_call(f.worker, pin, f.fn, &c) == POLICY_VALUE && c.out.i == 3 && c.gen == 3);
	struct policy_stats s;
	policy_stats(p, &s);
	IS_INT(s.pins_moved, 1);
	OK(s.alive_most <= 3);
	policy_unpin(f.worker, &pin);
	OK(pin == NULL);
	struct policy_gen *back = policy_rollback(p, 2, &err);
	OK(back != NULL && policy_publish(&back, NULL, NULL, &err));
	pump(&f);
	IS_INT(number(), 1);
	policy_live_info(p, &info);
	IS_INT(info.number, 4);
	OK(policy_rollback(p, 4, &err) == NULL);
	OK(strstr(err.text, "3 earlier generations") != NULL);
	struct sbuf out;
	sbuf_init(&out, 1 << 16);
	OK(policy_diff(p, 1, &out, &err));
	OK(str_find(sbuf_str(&out),
		    STR("-function f() return 3 end\n+function f() return 1 end")) != SIZE_MAX);
	sbuf_clear(&out);
	OK(policy_eval(p, STR("f() + 1"), &out, &err) && str_eq(sbuf_str(&out), STR("2")));
	OK(!policy_eval(p, STR("f("), &out, &err));
	sbuf_fini(&out);
	fake_stop(&f);
}

static void
test_many_publishes(void)
{
	fake_init(&f);
	struct policy *p = fake_add(&f, "base", F, (struct policy_spec){0});
	if (!OK(p != NULL) || !OK(fake_start(&f, "f")))
		return;
	struct policy_view *pins[40];
	bool all = true;
	for (int i = 0; i < 40; i++) {
		char text[64];
		pins[i] = policy_pin(f.worker);
		(void)snprintf(text, sizeof(text), "function f() return %d end", i + 100);
		all = all && publish(p, text);
		pump(&f);
		all = all && number() == i + 100;
	}
	OK_MSG(all, "forty publishes, each obeyed by the next call");
	struct policy_stats s;
	policy_stats(p, &s);
	OK(s.alive_most <= 3);
	for (int i = 0; i < 40; i++)
		policy_unpin(f.worker, &pins[i]);
	struct policy_gen *a, *b;
	struct err err = {0};
	OK((a = policy_prepare(p, NULL, NULL, &err)) != NULL);
	OK((b = policy_prepare(p, NULL, NULL, &err)) != NULL);
	OK(policy_publish(&a, NULL, NULL, &err));
	OK(!policy_publish(&b, NULL, NULL, &err));
	OK(strstr(err.text, "still being published") != NULL);
	pump(&f);
	OK(!policy_publish(&b, NULL, NULL, &err));
	OK(strstr(err.text, "meanwhile") != NULL);
	policy_gen_drop(&b);
	fake_stop(&f);
}

// Generation 2 fails where generation 1 answered.
static enum policy_verdict
with_rule(enum policy_on_error rule)
{
	fake_init(&f);
	struct policy *p = fake_add(&f, "base", F, (struct policy_spec){.on_error = rule});
	enum policy_verdict v = POLICY_NIL;
	if (OK(p != NULL) && OK(fake_start(&f, "f")) &&
	    OK(publish(p, "function f() error('no') end"))) {
		pump(&f);
		v = fake_ask(&f, f.fn, NULL);
	}
	return v;
}

static void
test_on_error(void)
{
	struct policy_fn_stats s;
	OK(with_rule(POLICY_LAST_GOOD) == POLICY_VALUE);
	OK(f.call.out.type == POLICY_T_INT && f.call.out.i == 1 && f.call.gen == 1);
	IS_INT(f.call.error, POLICY_E_RUNTIME);
	policy_fn_stats(f.fn, &s);
	IS_INT(s.last_good, 1);
	// The one before fails too.
	OK(publish(policy_fn_policy(f.fn), "function f() error('no again') end"));
	pump(&f);
	OK(fake_ask(&f, f.fn, NULL) == POLICY_VALUE && f.call.out.type == POLICY_T_BOOL &&
	   !f.call.out.b && f.call.gen == 0);
	fake_stop(&f);
	OK(with_rule(POLICY_TRUE) == POLICY_VALUE && f.call.out.b && f.call.gen == 0);
	fake_stop(&f);
	OK(with_rule(POLICY_FALSE) == POLICY_VALUE && !f.call.out.b);
	fake_stop(&f);
	OK(with_rule(POLICY_DENY_RULE) == POLICY_DENY);
	fake_stop(&f);
}

static unsigned results, failures;
static char last_where[200], last_message[200];

static void
on_result(void *arg, const char *name, bool passed, const char *where, const char *message)
{
	(void)arg, (void)name;
	results++;
	if (passed)
		return;
	failures++;
	(void)snprintf(last_where, sizeof(last_where), "%s", where);
	(void)snprintf(last_message, sizeof(last_message), "%s", message);
}

static void
test_files(void)
{
	char folder[] = "/tmp/tidegate-policy-XXXXXX", path[300];
	struct err err = {0};
	if (!OK(mkdtemp(folder) != NULL))
		return;
	(void)snprintf(path, sizeof(path), "%s/sub", folder);
	OK(mkdir(path, 0700) == 0);
	write_file(folder, "sub/util.lua", "return {one = 1, name = ...}");
	write_file(folder, "p.lua",
		   "local u = require 'sub.util'\nfunction f() return u.one end\n"
		   "test('a', function() assert(u.name == 'sub.util') end)\n"
		   "test('b', function()\n  local x = nil\n  return x.y\nend)\n");
	(void)snprintf(path, sizeof(path), "%s/p.lua", folder);
	const struct policy_test_sink sink = {.result = on_result};
	OK(policy_test_file(NULL, path, &sink, &err));
	IS_INT(results, 2);
	IS_INT(failures, 1);
	OK(strstr(last_where, "p.lua:6") != NULL);
	OK(strstr(last_message, "attempt to index a nil value") != NULL);
	fake_init(&f);
	struct policy_spec spec = {.name = "file", .path = path};
	OK(policy_add(f.engine, &spec, &err) == NULL); // its test fails
	OK(strstr(err.text, "self-test 'b' failed") != NULL);
	write_file(folder, "p.lua",
		   "local u = require 'sub.util'\nfunction f() return u.one end\n");
	struct policy *p = policy_add(f.engine, &spec, &err);
	OK(p != NULL && fake_start(&f, "file.f"));
	IS_INT(number(), 1);
	struct policy_gen_info one, two;
	policy_live_info(p, &one);
	write_file(folder, "sub/util.lua", "return {one = 2}");
	struct policy_gen *gen = policy_prepare(p, NULL, NULL, &err);
	OK(gen != NULL && policy_publish(&gen, NULL, NULL, &err));
	pump(&f);
	IS_INT(number(), 2);
	policy_live_info(p, &two);
	OK_MSG(strcmp(one.hash_hex, two.hash_hex) != 0, "a module's text is part of the identity");
	gen = policy_rollback(p, 1, &err);
	OK(gen != NULL && policy_publish(&gen, NULL, NULL, &err));
	pump(&f);
	IS_INT(number(), 1); // the module as it was, not as the file says now
	policy_live_info(p, &two);
	OK(strcmp(one.hash_hex, two.hash_hex) == 0);
	write_file(folder, "p.lua", "require '...etc.passwd' function f() end");
	OK(policy_prepare(p, NULL, NULL, &err) == NULL);
	(void)snprintf(path, sizeof(path), "%s/out.lua", folder);
	OK(symlink("/etc/passwd", path) == 0);
	write_file(folder, "p.lua", "require 'out' function f() end");
	OK(policy_prepare(p, NULL, NULL, &err) == NULL);
	OK(strstr(err.text, "out.lua beneath the policy's folder") != NULL);
	fake_stop(&f);
	(void)unlink(path);
	(void)snprintf(path, sizeof(path), "%s/p.lua", folder);
	(void)unlink(path);
	(void)snprintf(path, sizeof(path), "%s/sub/util.lua", folder);
	(void)unlink(path);
	(void)snprintf(path, sizeof(path), "%s/sub", folder);
	(void)rmdir(path);
	OK(rmdir(folder) == 0);
}

int
main(void)
{
	log_set_level(LOG_ALERT);
	test_refusals();
	test_absent_globals();
	test_absent_variables();
	test_names();
	test_publish();
	test_many_publishes();
	test_on_error();
	test_files();
	return tap_done();
}
