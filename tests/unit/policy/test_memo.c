// SPDX-License-Identifier: MIT
// Memoised predicates: a verdict stands while every variable it read stands, deadlines and counters
// included; what has no version is refused; memo-check finds what is no function of its variables.
// And tide.pick with a key: shares follow weights, and a changed weight moves only its share.
#include "fake.h"

static struct fake f;
static struct fake_txn txn = {.method = "GET", .path = "/"};

static bool
begin(const char *script, bool memo_check)
{
	fake_init(&f);
	fake_declare(&f, "hits", TIDEVARS_COUNTER);
	return fake_add(&f, "memo", script, (struct policy_spec){.memo_check = memo_check}) !=
		   NULL &&
	       fake_start(&f, "m");
}

static int64_t
ask(void)
{
	if (fake_ask(&f, f.fn, &txn) != POLICY_VALUE)
		return -1;
	return f.call.out.type == POLICY_T_INT ? f.call.out.i : f.call.out.b;
}

// Hits since the last time.
static uint64_t
hits(void)
{
	static uint64_t last;
	struct policy_fn_stats s;
	policy_fn_stats(f.fn, &s);
	uint64_t n = s.memo_hits >= last ? s.memo_hits - last : s.memo_hits;
	last = s.memo_hits;
	return n;
}

static void
test_hits(void)
{
	OK(begin("m = tide.memo(function() return vars.maint + 1 end)", false));
	(void)hits();
	IS_INT(ask(), 1);
	IS_INT(hits(), 0);
	IS_INT(ask(), 1);
	IS_INT(ask(), 1);
	IS_INT(hits(), 2);
	fake_set(&f, "word", "other"); // not read: the verdict stands
	IS_INT(ask(), 1);
	IS_INT(hits(), 1);
	fake_set(&f, "maint", "7");
	IS_INT(ask(), 8);
	IS_INT(hits(), 0);
	IS_INT(ask(), 8);
	IS_INT(hits(), 1);
	struct sbuf out;
	sbuf_init(&out, 1 << 16);
	policy_show(f.engine, false, &out);
	sbuf_add_byte(&out, '\0');
	OK(strstr(out.p, "  m calls 6 nil 0 memo 4/6 66.7%") != NULL);
	sbuf_fini(&out);
	fake_stop(&f);
}

static void
test_deadline(void)
{
	struct tidevars_error err;
	OK(begin("m = tide.memo(function() return vars.maint end)", false));
	(void)hits();
	IS_INT(tidevars_set_text(f.vars, "maint", "5", 20 * NS_PER_MS, NULL, &err), TIDEVARS_OK);
	IS_INT(ask(), 5);
	uint64_t until = clock_boot_ns() + 25 * NS_PER_MS;
	while (clock_boot_ns() < until)
		;
	IS_INT(ask(), 0); // without a write, and without a hit
	IS_INT(hits(), 0);
	IS_INT(ask(), 0);
	IS_INT(hits(), 1);
	fake_stop(&f);
}

static void
test_counter(void)
{
	uint32_t handle;
	OK(begin("m = tide.memo(function() return vars.hits end)", false));
	(void)hits();
	OK(tidevars_find(f.vars, "hits", 4, &handle, NULL) == TIDEVARS_OK);
	IS_INT(ask(), 0);
	IS_INT(ask(), 0);
	IS_INT(hits(), 1);
	IS_INT(tidevars_count_up(f.vars, handle, 3, clock_boot_ns()), TIDEVARS_OK);
	IS_INT(ask(), 3); // counting makes no commit
	IS_INT(hits(), 0);
	fake_stop(&f);
}

static void
test_nested(void)
{
	OK(begin("local inner = tide.memo(function() return vars.maint end)\n"
		 "m = tide.memo(function() return inner() + #vars.word end)",
		 false));
	(void)hits();
	IS_INT(ask(), 0);
	fake_set(&f, "word", "abc"); // the outer runs, the inner stands
	IS_INT(ask(), 3);
	IS_INT(hits(), 1);
	fake_set(&f, "maint", "10"); // read by the inner only
	IS_INT(ask(), 13);
	IS_INT(ask(), 13);
	fake_stop(&f);
}

static void
test_what_is_refused(void)
{
	static const char *const bodies[] = {
	    "os.time()",  "tide.now()", "math.random()",         "tide.rand()",
	    "os.clock()", "os.date()",  "backends.app.sessions", "tide.pick{a=1,b=1}"};
	char script[300], text[400];
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		(void)snprintf(script, sizeof(script),
			       "m = tide.memo(function() local x = %s return vars.maint end)",
			       bodies[i]);
		OK(begin(script, false));
		(void)ask();
		IS_INT(f.call.error, POLICY_E_RUNTIME);
		OK(strstr(fake_last_error(&f, text, sizeof(text)),
			  "a memoised function may read variables only") != NULL);
		fake_stop(&f);
	}
	// What is known to it without asking is no argument either.
	OK(begin("m = tide.memo(function(txn) return txn == nil end)", false));
	IS_INT(ask(), 1);
	fake_stop(&f);
}

static void
test_many_reads(void)
{
	char name[16], script[] = "m = tide.memo(function() local n = 0 for i = 1, 20 do "
				  "n = n + vars['v' .. i] end return n end)";
	fake_init(&f);
	for (int i = 1; i <= 20; i++) {
		(void)snprintf(name, sizeof(name), "v%d", i);
		fake_declare(&f, name, TIDEVARS_INT);
	}
	OK(fake_add(&f, "memo", script, (struct policy_spec){0}) != NULL && fake_start(&f, "m"));
	(void)hits();
	IS_INT(ask(), 0);
	fake_set(&f, "v20", "4");
	IS_INT(ask(), 4); // more than is noted: never kept, never wrong
	IS_INT(hits(), 0);
	fake_stop(&f);
}

static void
test_memo_check(void)
{
	struct policy *p;
	struct policy_stats s;
	OK(begin("m = tide.memo(function() return vars.maint + 1 end)", true));
	for (int i = 0; i < 10; i++)
		IS_INT(ask(), 1);
	fake_set(&f, "maint", "4");
	IS_INT(ask(), 5);
	p = policy_next(f.engine, NULL);
	policy_stats(p, &s);
	IS_INT(s.memo_checks, 9); // the first and the one after the write had nothing to compare
	IS_INT(s.memo_wrong, 0);
	fake_stop(&f);
	// An address is nothing that a variable says.
	OK(begin("m = tide.memo(function() local a, b = {}, {} "
		 "return tostring(b) .. vars.maint end)",
		 true));
	for (int i = 0; i < 10; i++)
		(void)fake_ask(&f, f.fn, &txn);
	IS_INT(f.call.error, POLICY_E_NONE);
	p = policy_next(f.engine, NULL);
	policy_stats(p, &s);
	IS_INT(s.memo_checks, 9);
	OK(s.memo_wrong > 0);
	fake_stop(&f);
}

// Counts of a, b and c, and of keys that moved otherwise than to or from c.
static void
test_pick(void)
{
	fake_init(&f);
	OK(fake_add(
	       &f, "memo",
	       "function m()\n"
	       "  local before, after, wrong = {a = 0, b = 0, c = 0}, {a = 0, b = 0, c = 0}, 0\n"
	       "  for i = 1, 10000 do\n"
	       "    local x = tide.pick({a = 50, b = 30, c = 20, z = 0}, 'key' .. i)\n"
	       "    local y = tide.pick({a = 50, b = 30, c = 40}, 'key' .. i)\n"
	       "    before[x] = before[x] + 1 after[y] = after[y] + 1\n"
	       "    if x ~= y and y ~= 'c' then wrong = wrong + 1 end\n"
	       "    assert(x == tide.pick({c = 20, b = 30, a = 50}, 'key' .. i))\n"
	       "  end\n"
	       "  assert(tide.pick({a = 0}, 'k') == nil and tide.pick({a = 0, b = 1}) == 'b')\n"
	       "  local function near(n, want) return math.abs(n - want) < 300 end\n"
	       "  return near(before.a, 5000) and near(before.b, 3000) and near(before.c, 2000)\n"
	       "    and near(after.a, 4167) and near(after.c, 3333) and wrong == 0\n"
	       "end",
	       (struct policy_spec){.budget_ns = 2 * NS_PER_S}) != NULL);
	OK(fake_start(&f, "m"));
	IS_INT(ask(), 1);
	fake_stop(&f);
}

int
main(void)
{
	log_set_level(LOG_ALERT);
	test_hits();
	test_deadline();
	test_counter();
	test_nested();
	test_what_is_refused();
	test_many_reads();
	test_memo_check();
	test_pick();
	return tap_done();
}
