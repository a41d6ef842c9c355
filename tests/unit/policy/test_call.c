// SPDX-License-Identifier: MIT
// policy_call: verdicts of every type, what a predicate sees, arguments, and errors by rule.
#include "fake.h"

static const char script[] =
    "function t_true() return true end\n"
    "function t_false() return false end\n"
    "function t_nil() end\n"
    "function t_int() return 41 + 1 end\n"
    "function t_float() return 0.5 end\n"
    "function t_str() return 'app' .. 'lication' end\n"
    "function t_empty() return '' end\n"
    "function t_ip() return tide.ip('2001:db8::1') end\n"
    "function t_table() return {} end\n"
    "function t_error() error('no good') end\n"
    "function t_object() error({}) end\n"
    "function maint() return vars.maint > 0 end\n"
    "function load() return vars['load.app1'] end\n"
    "function word() return vars.word end\n"
    "function unknown() return vars.mant end\n"
    "function write() vars.maint = 1 end\n"
    "function fields(txn) return txn.method .. ' ' .. txn.path .. ' ' .. tostring(txn.src) end\n"
    "function header(txn) return txn.headers['X-A'] end\n"
    "function cookie(txn) return txn.cookies.sid end\n"
    "function within(txn) return txn.src:within('10.0.0.0/8') end\n"
    "local office = tide.cidr_set{'192.0.2.0/25', '10.0.0.0/8', '10.1.0.0/16', '2001:db8::/32'}\n"
    "function in_set(txn) return office:contains(txn.src) and #office == 3 and\n"
    "  office:contains('2001:db8:1::') and not office:contains('192.0.2.128') end\n"
    "function args(txn, a, b, c) return tostring(a) .. tostring(b) .. tostring(c) end\n"
    "function conv(txn) return txn.c:upper('abc') end\n"
    "function fetch(txn) return txn.f:slow() end\n"
    "function nested(txn) txn.f:nested() return true end\n"
    "function backend(txn) return backends.app.sessions end\n"
    "function nofield(txn) return txn.nonsense end\n"
    "function change(txn) txn.path = 'x' end\n"
    "function log() tide.log('debug', 'hello') print('x') return tide.generation end\n"
    "function hash() return tide.hash('a') == tide.hash('a') and tide.hash('a') >= 0 end\n"
    "function pick() return tide.pick({a = 0, b = 3}) end\n"
    "function pick_same() return tide.pick({a=1,b=1,c=1}, 'k') == tide.pick({c=1,b=1,a=1}, 'k') "
    "end\n"
    "function rand() local r = tide.rand(3) return r >= 1 and r <= 3 and math.random() < 1 end\n"
    "function now() return tide.now() > 1e9 and os.time() > 1e9 and #os.date() > 0 end\n"
    "function co() local c = coroutine.wrap(function(a) local b = coroutine.yield(a + 1)\n"
    "  return b * 2 end) return c(1) + c(20) end\n"
    "Point = {} Point.__index = Point function Point:x2() return self.x * 2 end\n"
    "function class() return setmetatable({x = 4}, Point):x2() end\n"
    "function same_class() return getmetatable(setmetatable({}, Point)) == Point end\n"
    "list = {3, 1, 2, k = 'v'}\n"
    "function frozen_reads() local n, keys = 0, 0 for _, v in ipairs(list) do n = n + v end\n"
    "  for k in pairs(list) do keys = keys + 1 end\n"
    "  return #list == 3 and n == 6 and keys == 4 and list.k == 'v' and next(list) ~= nil and\n"
    "    table.concat(list, ',') == '3,1,2' and rawlen(list) == 3 and rawget(list, 'k') == 'v' "
    "and\n"
    "    select('#', table.unpack(list)) == 3 end\n"
    "function globals() local n = 0 for k in pairs(_G) do n = n + 1 end return n > 20 end\n"
    "function t_fresh() error('fresh') end\n";

static struct fake f;

static struct policy_fn *
fn(const char *name)
{
	for (struct policy_fn *it = NULL; (it = policy_fn_next(f.engine, it)) != NULL;)
		if (strcmp(policy_fn_name(it), name) == 0)
			return it;
	printf("# no function %s\n", name);
	return NULL;
}

static enum policy_verdict
ask(const char *name)
{
	static struct fake_txn txn = {
	    .method = "GET", .path = "/x", .src = {10, 1, 2, 3}, .header = "hv", .cookie = NULL};
	return fake_ask(&f, fn(name), &txn);
}

static bool
is_true(const char *name)
{
	enum policy_verdict v = ask(name);
	char buf[400];
	bool ok = v == POLICY_VALUE && f.call.error == POLICY_E_NONE &&
		  f.call.out.type == POLICY_T_BOOL && f.call.out.b;
	if (!ok)
		printf("# %s: verdict %d error %d %s\n", name, v, f.call.error,
		       fake_last_error(&f, buf, sizeof(buf)));
	return ok;
}

static bool
is_text(const char *name, const char *want)
{
	enum policy_verdict v = ask(name);
	bool ok = v == POLICY_VALUE && f.call.out.type == POLICY_T_STR &&
		  str_eq(f.call.out.s, str_from_c(want));
	if (!ok)
		printf("# %s gave %.*s\n", name,
		       STR_ARG((f.call.out.type == POLICY_T_STR ? f.call.out.s : STR_NULL)));
	return ok;
}

// The call fails with this error and a message that contains `text`.
static bool
fails(const char *name, enum policy_error error, const char *text)
{
	char buf[400];
	enum policy_verdict v = ask(name);
	bool ruled = v == POLICY_VALUE && f.call.out.type == POLICY_T_BOOL && !f.call.out.b &&
		     f.call.gen == 0;
	fake_last_error(&f, buf, sizeof(buf));
	bool ok = ruled && f.call.error == error && strstr(buf, text) != NULL;
	if (!ok)
		printf("# %s: verdict %d error %s: %s\n", name, v, policy_error_name(f.call.error),
		       buf);
	return ok;
}

static void
test_types(void)
{
	OK(is_true("t_true"));
	OK(ask("t_false") == POLICY_VALUE && f.call.out.type == POLICY_T_BOOL && !f.call.out.b &&
	   f.call.error == POLICY_E_NONE && f.call.gen == 1);
	OK(ask("t_nil") == POLICY_NIL && f.call.error == POLICY_E_NONE);
	OK(ask("t_int") == POLICY_VALUE && f.call.out.type == POLICY_T_INT && f.call.out.i == 42);
	OK(ask("t_float") == POLICY_VALUE && f.call.out.type == POLICY_T_DOUBLE &&
	   f.call.out.d == 0.5);
	OK(is_text("t_str", "application"));
	OK(is_text("t_empty", ""));
	OK(ask("t_ip") == POLICY_VALUE && f.call.out.type == POLICY_T_IP &&
	   f.call.out.family == 6 && f.call.out.ip[0] == 0x20 && f.call.out.ip[15] == 1);
	OK(fails("t_table", POLICY_E_TYPE, "a table"));
	OK(fails("t_error", POLICY_E_RUNTIME, "maint:10: no good"));
	OK(fails("t_object", POLICY_E_RUNTIME, "table"));
}

static void
test_vars(void)
{
	OK(ask("maint") == POLICY_VALUE && !f.call.out.b);
	fake_set(&f, "maint", "1");
	OK(is_true("maint"));
	fake_set(&f, "maint", "0");
	OK(ask("maint") == POLICY_VALUE && !f.call.out.b && f.call.error == POLICY_E_NONE);
	fake_set(&f, "load.app1", "0.75");
	OK(ask("load") == POLICY_VALUE && f.call.out.type == POLICY_T_DOUBLE &&
	   f.call.out.d == 0.75);
	fake_set(&f, "word", "blue");
	OK(is_text("word", "blue"));
	OK(fails("unknown", POLICY_E_RUNTIME, "maint"));
	OK(fails("write", POLICY_E_RUNTIME, "do not write"));
}

static void
test_request(void)
{
	OK(is_text("fields", "GET /x 10.1.2.3"));
	OK(is_text("header", "hv"));
	OK(ask("cookie") == POLICY_NIL);
	OK(is_true("within"));
	OK(is_true("in_set"));
	OK(is_text("conv", "ABC"));
	OK(fails("fetch", POLICY_E_RUNTIME, "the fetch says no"));
	OK(ask("backend") == POLICY_VALUE && f.call.out.i == 7);
	OK(fails("nofield", POLICY_E_RUNTIME, "unknown name 'nonsense'"));
	OK(fails("change", POLICY_E_RUNTIME, "do not change"));
	(void)fake_ask(&f, fn("fields"), NULL);
	OK_MSG(f.call.error == POLICY_E_RUNTIME, "a call without a request cannot read fields");
	f.fn = fn("t_true");
	OK(is_true("nested"));
	IS_INT(f.nested, POLICY_E_NESTED);
}

static void
test_args(void)
{
	const struct policy_value args[] = {{.type = POLICY_T_STR, .s = STR("staff")},
					    {.type = POLICY_T_INT, .i = 7},
					    {0}};
	f.call.args = args;
	f.call.n_args = 3;
	OK(is_text("args", "staff7nil"));
	f.call.args = NULL;
	f.call.n_args = 0;
	OK(is_text("args", "nilnilnil"));
}

static void
test_tide(void)
{
	OK(ask("log") == POLICY_VALUE && f.call.out.i == 1);
	OK(is_true("hash"));
	OK(is_text("pick", "b"));
	OK(is_true("pick_same"));
	OK(is_true("rand"));
	OK(is_true("now"));
	OK(ask("co") == POLICY_VALUE && f.call.out.i == 42);
	OK(ask("class") == POLICY_VALUE && f.call.out.i == 8);
	OK(is_true("same_class"));
	OK(is_true("frozen_reads"));
	OK(is_true("globals"));
}

// One entry for each fault: how often, and the request that met it last.
static void
test_faults(void)
{
	struct fake_txn other = {.method = "POST", .path = "/second", .src = {10, 0, 0, 1}};
	char buf[600];
	struct sbuf out;
	sbuf_init(&out, 1 << 20);
	OK(strstr(fake_last_error(&f, buf, sizeof(buf)), "t_error") == NULL);
	(void)fake_ask(&f, fn("t_error"), &other);
	fake_last_error(&f, buf, sizeof(buf));
	OK(strstr(buf, "t_error runtime: maint:10: no good; times 2; request POST /second") !=
	   NULL);
	for (int i = 0; i < 100; i++) {
		(void)fake_ask(&f, fn("t_error"), i % 2 ? &other : NULL);
		pump(&f);
	}
	policy_show_errors(f.engine, &out);
	struct str all = sbuf_str(&out);
	OK_MSG(str_find(all, STR("t_object runtime")) != SIZE_MAX, "another fault is still there");
	OK(str_find(all, STR("times 102; request POST /second\n")) != SIZE_MAX);
	sbuf_fini(&out);
}

static void
resolve_all(void)
{
	struct err err;
	static const char *const names[] = {
	    "t_true",  "t_false",    "t_nil",        "t_int",     "t_float", "t_str",   "t_empty",
	    "t_ip",    "t_table",    "t_error",      "t_object",  "maint",   "load",    "word",
	    "unknown", "write",      "fields",       "header",    "cookie",  "within",  "in_set",
	    "args",    "conv",       "fetch",        "nested",    "backend", "nofield", "change",
	    "log",     "hash",       "pick",         "pick_same", "rand",    "now",     "co",
	    "class",   "same_class", "frozen_reads", "globals",   "t_fresh"};
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (policy_resolve(f.engine, str_from_c(names[i]), &err) == NULL)
			printf("# %s\n", err.text);
}

static void
test_counts(void)
{
	struct policy_fn_stats s;
	policy_fn_stats(fn("t_error"), &s);
	IS_INT(s.calls, 102);
	IS_INT(s.errors[POLICY_E_RUNTIME], 102);
	OK(s.slowest_ns > 0 && s.slowest_ns < 60 * NS_PER_S);
	policy_fn_stats(fn("t_nil"), &s);
	IS_INT(s.nils, 1);
	struct sbuf out;
	sbuf_init(&out, 1 << 20);
	policy_show(f.engine, true, &out);
	OK(str_starts(sbuf_str(&out), STR("[{\"name\":\"maint\"")) && !out.full);
	sbuf_clear(&out);
	policy_show(f.engine, false, &out);
	OK(str_find(sbuf_str(&out), STR("t_error calls 102 nil 0 runtime 102")) != SIZE_MAX);
	sbuf_fini(&out);
}

// Faster than is logged: all are counted, and what fails for the first time is there.
static void
test_flood(void)
{
	unsigned second = f.asked + 10;
	struct sbuf out;
	sbuf_init(&out, 1 << 20);
	for (int i = 0; i < 1000; i++) {
		f.asked = second;
		(void)ask("t_error");
		if (i % 100 == 0)
			pump(&f);
	}
	pump(&f);
	f.asked = second;
	(void)ask("t_fresh");
	pump(&f);
	policy_show_errors(f.engine, &out);
	OK(str_find(sbuf_str(&out), STR("t_error runtime: maint:10: no good; times 1102; ")) !=
	   SIZE_MAX);
	OK(str_find(sbuf_str(&out), STR(": fresh; times 1; ")) != SIZE_MAX);
	sbuf_fini(&out);
}

// Functions that are called in turn are timed in turn.
static void
test_timed(void)
{
	static const char *const names[] = {"t_true", "t_int", "t_str", "t_ip"};
	struct policy_fn_stats before[ARRAY_LEN(names)], s;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		policy_fn_stats(fn(names[i]), &before[i]);
	for (size_t i = 0; i < ARRAY_LEN(names) * 300; i++)
		(void)ask(names[i % ARRAY_LEN(names)]);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		uint64_t n = 0;
		policy_fn_stats(fn(names[i]), &s);
		for (size_t k = 0; k < POLICY_LATENCY_BUCKETS; k++)
			n += s.sampled[k] - before[i].sampled[k];
		OK(n > 2 && n < 10);
	}
}

int
main(void)
{
	log_set_level(LOG_ALERT);
	fake_init(&f);
	struct policy_spec spec = {.on_error = POLICY_FALSE, .budget_ns = 50 * NS_PER_MS};
	if (OK(fake_add(&f, "maint", script, spec) != NULL)) {
		resolve_all();
		if (OK(fake_start(&f, "t_true"))) {
			test_types();
			test_vars();
			test_request();
			test_args();
			test_tide();
			test_faults();
			test_counts();
			test_timed();
			test_flood();
			fake_stop(&f);
		}
	}
	return tap_done();
}
