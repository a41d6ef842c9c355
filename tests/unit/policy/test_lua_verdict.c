// SPDX-License-Identifier: MIT
// Verdicts that stand without a memo: a predicate is not run again while all it can have read is
// the same, and is at once when anything of it changes. What asks or tells anything else is run
// each time. memo-check runs it all the same and finds nothing.
#include "fake_often.h"
#include "policy/policy_priv.h"

static struct fake f;
static struct fake_txn txn;
static struct policy_fn *waste; // another function, where the script has it

static bool
begin(const char *script, bool memo_check)
{
	fake_host.changed = fake_changed;
	fake_init(&f);
	fake_declare(&f, "hits", TIDEVARS_COUNTER);
	txn = (struct fake_txn){.method = "GET", .path = "/a", .header = "x", .cookie = "c"};
	struct policy_spec spec = {.memo_check = memo_check, .on_error = POLICY_FALSE};
	bool ok = fake_add(&f, "p", script, spec) != NULL;
	if (strstr(script, "waste") != NULL)
		waste = policy_resolve(f.engine, STR("waste"), &(struct err){0});
	return ok && fake_start(&f, "m");
}

// Of f.fn, since the state was made.
static struct policy_fn_stats
numbers(void)
{
	struct policy_fn_stats s;
	policy_fn_stats(f.fn, &s);
	return s;
}

#define READS                                                                           \
	"function m(txn) return txn.path .. txn.headers.h .. vars.word .. #txn.method " \
	".. string.format('%s', vars.maint) .. tostring(vars.maint) end\n"

static void
test_stands(void)
{
	OK(begin(READS, false));
	IS_INT(fake_wrong(&f, &txn, "/ax300"), 0);
	OK(numbers().stood > FAKE_OFTEN - 20);
	txn.path = "/b";
	IS_INT(fake_wrong(&f, &txn, "/bx300"), 0);
	fake_set(&f, "maint", "4");
	IS_INT(fake_wrong(&f, &txn, "/bx344"), 0);
	fake_set(&f, "word", "w");
	IS_INT(fake_wrong(&f, &txn, "/bxw344"), 0);
	txn.header = "";
	IS_INT(fake_wrong(&f, &txn, "/bw344"), 0);
	OK(numbers().stood > 5 * (FAKE_OFTEN - 100));
	IS_INT(numbers().calls, 5 * FAKE_OFTEN);
	fake_stop(&f);
}

// Whatever changes from one request to the next is seen at once.
static void
test_at_once(void)
{
	static const char *const paths[] = {"/a", "/b", "/a", "/a", "/a", "/c", "/a"};
	unsigned bad = 0;
	OK(begin(READS, false));
	IS_INT(fake_wrong(&f, &txn, "/ax300"), 0);
	for (unsigned i = 0; i < 40 * ARRAY_LEN(paths); i++) {
		char want[32], number[4];
		txn.path = paths[i % ARRAY_LEN(paths)];
		txn.header = i % 11 == 0 ? "y" : "x";
		(void)snprintf(number, sizeof(number), "%u", i / 13 % 10);
		fake_set(&f, "maint", number);
		(void)snprintf(want, sizeof(want), "%s%s3%s%s", txn.path, txn.header, number,
			       number);
		bad += fake_ask(&f, f.fn, &txn) != POLICY_VALUE ||
		       !str_eq(f.call.out.s, str_from_c(want));
	}
	IS_INT(bad, 0);
	fake_stop(&f);
}

// The bytes of a verdict outlive what the collector takes between.
static void
test_held(void)
{
	OK(begin("function m(txn) return 'of ' .. txn.path end\n"
		 "function waste(txn) local t = {} for i = 1, 300 do t[i] = i .. txn.src:family() "
		 "end return #t end",
		 false));
	IS_INT(fake_wrong(&f, &txn, "of /a"), 0);
	OK(waste != NULL);
	for (int i = 0; i < 300; i++)
		(void)fake_ask(&f, waste, &txn);
	uint64_t before = numbers().stood;
	IS_INT(fake_wrong(&f, &txn, "of /a"), 0);
	IS_INT(numbers().stood, before + FAKE_OFTEN);
	fake_stop(&f);
}

static void
test_kinds(void)
{
	static const struct {
		const char *script;
		enum policy_type type;
	} kinds[] = {{"function m() return vars.maint == 0 end", POLICY_T_BOOL},
		     {"function m() return vars.maint + 1 end", POLICY_T_INT},
		     {"function m() return vars.maint / 2 end", POLICY_T_DOUBLE},
		     {"function m() return vars.word end", POLICY_T_STR},
		     {"function m() if vars.maint > 0 then return 1 end end", POLICY_T_NIL},
		     {"function m() return tide.ip('192.0.2.1') end", POLICY_T_IP},
		     {"local keys, n = {[print] = 1, [next] = 2}, 0\n"
		      "function m() local n = 0 for _, i in pairs(keys) do n = n * 3 + i end\n"
		      "  return n end",
		      POLICY_T_INT},
		     {"local class = {__index = {a = 1}}\n"
		      "function m() return setmetatable({}, class).a end",
		      POLICY_T_INT}};
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		unsigned bad = 0;
		OK(begin(kinds[i].script, false));
		for (int k = 0; k < FAKE_OFTEN; k++) {
			(void)fake_ask(&f, f.fn, &txn);
			bad += f.call.error != POLICY_E_NONE || f.call.out.type != kinds[i].type;
		}
		IS_INT(bad, 0);
		OK(numbers().stood > FAKE_OFTEN - 20);
		IS_INT(numbers().nils, kinds[i].type == POLICY_T_NIL ? FAKE_OFTEN : 0);
		fake_stop(&f);
	}
}

// What is no function of kept texts and readings runs each time.
static void
test_runs(void)
{
	static const char *const scripts[] = {
	    "function m(txn) return txn.src:family() end",
	    "function m(txn) return txn.cookies.c end",
	    "function m(txn) return txn.headers.h .. (txn:get_var('txn.a') or '') end",
	    "function m() return backends.app.sessions end",
	    "function m() return vars.hits end",
	    "function m() return tide.now() end",
	    "function m() return os.time() end",
	    "function m() return os.clock() end",
	    "function m() return os.date('%H') end",
	    "function m() return math.random(2) end",
	    "function m() return tide.rand(2) end",
	    "function m() return tide.pick{a = 1, b = 1} end",
	    "function m() tide.log('debug', 'a') return 1 end",
	    "function m() print('a') return 1 end",
	    "function m() return tostring({}) end",
	    "function m() return tostring(m) end",
	    "function m() return ('%s'):format({}) end",
	    "function m() return ('%%%-9p'):format('a') end",
	    "function m() return #setmetatable({{}}, {__mode = 'v'}) end",
	    ("function m() local meta = {} local t = setmetatable({{}}, meta)\n"
	     "  meta.__mode = 'v' return #t end"),
	    "function m() return tide.ip('192.0.2.1') .. {} end",
	    "function m() return select(2, pcall(function() _ENV[{}] = 1 end)) end",
	    "function m() return select(2, pcall(function() backends[{}] = 1 end)) end",
	    "function m() return select(2, next({[{}] = 1, [{}] = 2})) end",
	    "function m() for _, i in pairs({[print] = 1, [next] = 2}) do return i end end",
	    "function m() return pcall(string.rep, 'x', 1 << 30) and 1 or 0 end",
	    "function m() return pcall(function() return vars.later end) and 1 or 0 end",
	    ("local inner = tide.memo(function() return vars.maint end)\n"
	     "function m() return inner() end"),
	    "function m() return ('x'):rep(2000) end",
	};
	for (size_t i = 0; i < ARRAY_LEN(scripts); i++) {
		if (!OK(begin(scripts[i], false)))
			continue;
		for (int k = 0; k < FAKE_OFTEN; k++)
			(void)fake_ask(&f, f.fn, &txn);
		if (!OK(numbers().stood == 0))
			printf("# %s\n", scripts[i]);
		IS_INT(numbers().calls, FAKE_OFTEN);
		fake_stop(&f);
	}
}

// A name that is not there yet, and a deadline inside a memo.
static void
test_later(void)
{
	OK(begin("function m() local ok, v = pcall(function() return vars.later end)\n"
		 "  return ok and 'there ' .. v or 'none' end",
		 false));
	IS_INT(fake_wrong(&f, &txn, "none"), 0);
	fake_declare(&f, "later", TIDEVARS_INT);
	IS_INT(fake_wrong(&f, &txn, "there 0"), 0);
	fake_stop(&f);
	OK(begin("local inner = tide.memo(function() return vars.maint end)\n"
		 "function m() return 'is ' .. inner() end",
		 false));
	IS_INT(fake_wrong(&f, &txn, "is 0"), 0);
	struct tidevars_error err;
	(void)tidevars_set_text(f.vars, "maint", "5", 20 * NS_PER_MS, NULL, &err);
	OK(fake_ask(&f, f.fn, &txn) == POLICY_VALUE && str_eq(f.call.out.s, STR("is 5")));
	for (uint64_t end = clock_boot_ns() + 25 * NS_PER_MS; clock_boot_ns() < end;)
		;
	IS_INT(fake_wrong(&f, &txn, "is 0"), 0);
	fake_stop(&f);
}

// A call with words of its own is none without; one that fails leaves nothing.
static void
test_calls(void)
{
	struct policy_value word = {.type = POLICY_T_STR, .s = STR("w")};
	OK(begin("function m(txn, word) if txn.path == '/bad' then error('bad') end\n"
		 "  return txn.headers.h .. (word or '') end",
		 false));
	IS_INT(fake_wrong(&f, &txn, "x"), 0);
	f.call.args = &word;
	f.call.n_args = 1;
	IS_INT(fake_wrong(&f, &txn, "xw"), 0);
	f.call.n_args = 0;
	IS_INT(fake_wrong(&f, &txn, "x"), 0);
	txn.path = "/bad";
	for (int i = 0; i < FAKE_OFTEN; i++) {
		(void)fake_ask(&f, f.fn, &txn);
		if (f.call.error != POLICY_E_RUNTIME)
			break;
	}
	IS_INT(f.call.error, POLICY_E_RUNTIME);
	txn.path = "/a";
	IS_INT(fake_wrong(&f, &txn, "x"), 0);
	(void)fake_ask(&f, f.fn, NULL); // no request at all
	IS_INT(f.call.error, POLICY_E_RUNTIME);
	fake_stop(&f);
}

static void
test_memo_check(void)
{
	struct policy_stats s;
	OK(begin(READS, true));
	IS_INT(fake_wrong(&f, &txn, "/ax300"), 0);
	fake_set(&f, "maint", "4");
	IS_INT(fake_wrong(&f, &txn, "/ax344"), 0);
	policy_stats(policy_next(f.engine, NULL), &s);
	OK(s.memo_checks > 2 * (FAKE_OFTEN - 100));
	IS_INT(s.memo_wrong, 0);
	IS_INT(numbers().stood, 0);
	fake_stop(&f);
}

// Where names stand among tables that are no keys any more is the addresses' doing, which nobody
// notices.
#define CHANCE                                                      \
	"local function chance() local t, were, n = {}, {}, 0\n"    \
	"  for i = 1, 40 do were[i] = {} t[were[i]] = i end\n"      \
	"  for i = 1, 40 do t[were[i]] = nil t['k' .. i] = i end\n" \
	"  for _, i in pairs(t) do n = (n * 31 + i) % 1009 end return n end\n"

// What differs is told, at the time of its call; so is a call that fails now.
static void
test_memo_wrong(const char *script)
{
	struct policy_stats s = {.memo_wrong = 0};
	unsigned told = 0;
	OK(begin(script, true));
	for (int i = 0; i < FAKE_OFTEN; i++) {
		uint64_t before = s.memo_wrong;
		(void)fake_ask(&f, f.fn, &txn);
		policy_stats(policy_next(f.engine, NULL), &s);
		told += s.memo_wrong > before &&
			f.worker->log_rate.second == f.call.now_real_ns / NS_PER_S;
	}
	OK(s.memo_wrong > 0);
	IS_INT(told, s.memo_wrong);
	fake_stop(&f);
}

static void
hear(enum log_level level UNUSED, const char *line, void *arg)
{
	unsigned *n = arg;
	n[0] += strstr(line, "memo-check") != NULL;
	n[1] += strchr(line, '\n') != NULL;
}

// Verdicts hold what requests brought: none makes a line of its own in the log.
static void
test_one_line(void)
{
	unsigned heard[2] = {0, 0};
	log_set_level(LOG_WARNING);
	log_set_sink(hear, heard);
	test_memo_wrong(CHANCE "function m() return chance() .. '\\n[ALERT] all is lost' end");
	log_set_sink(NULL, NULL);
	log_set_level(LOG_ALERT);
	OK(heard[0] > 0);
	IS_INT(heard[1], 0);
}

// A verdict that stands needs room like another, and says so.
static void
test_no_room(void)
{
	char buf[512];
	struct arena none;
	OK(begin("function m(txn) return 'of ' .. txn.path end", false));
	IS_INT(fake_wrong(&f, &txn, "of /a"), 0);
	uint64_t before = numbers().stood;
	arena_init(&none, 0);
	struct policy_call call = {.txn = &txn, .arena = &none, .now_real_ns = clock_real_ns()};
	struct policy_view *v = policy_pin(f.worker);
	(void)policy_call(f.worker, v, f.fn, &call);
	policy_unpin(f.worker, &v);
	arena_fini(&none);
	IS_INT(call.error, POLICY_E_MEMORY);
	IS_INT(numbers().stood, before + 1);
	OK(strstr(fake_last_error(&f, buf, sizeof(buf)), "no room for the verdict") != NULL);
	fake_stop(&f);
}

int
main(void)
{
	log_set_level(LOG_ALERT);
	test_stands();
	test_at_once();
	test_held();
	test_kinds();
	test_runs();
	test_later();
	test_calls();
	test_memo_check();
	test_memo_wrong(CHANCE "function m() return chance() end");
	test_memo_wrong(CHANCE "function m() return chance() % 2 == 0 or error('odd') end");
	test_one_line();
	test_no_room();
	return tap_done();
}
