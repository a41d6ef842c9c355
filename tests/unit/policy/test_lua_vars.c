// SPDX-License-Identifier: MIT
// `vars` as predicates read it again and again: a reading is kept while nothing is written, and
// each way in which it can change is seen by the next call: a write, a time to live, a counter,
// another declaration, an action of the same script, a memo that notes what it reads.
#include "fake.h"

#include "policy/run.h"
#include "tidegate/vars_admin.h"

#define OFTEN 20 // more than POLICY_KEEP_AFTER

static struct fake f;
static struct fake_txn txn = {.method = "GET", .path = "/"};

static struct policy_fn *bump; // an action, where the script has it

static bool
begin(const char *script)
{
	struct err err;
	fake_init(&f);
	fake_declare(&f, "hits", TIDEVARS_COUNTER);
	fake_declare(&f, "on", TIDEVARS_BOOL);
	fake_declare(&f, "level", TIDEVARS_GAUGE);
	bool ok = fake_add(&f, "p", script, (struct policy_spec){0}) != NULL;
	bump = policy_resolve_entry(f.engine, POLICY_ACTION, STR("bump"), 0, 0, &err);
	return ok && fake_start(&f, "m");
}

// The verdict, the same OFTEN times; -1 otherwise.
static double
ask(void)
{
	double first = 0;
	for (int i = 0; i < OFTEN; i++) {
		if (fake_ask(&f, f.fn, &txn) != POLICY_VALUE)
			return -1;
		double now = f.call.out.type == POLICY_T_DOUBLE ? f.call.out.d
			     : f.call.out.type == POLICY_T_INT  ? (double)f.call.out.i
								: (double)f.call.out.b;
		if (i > 0 && (first > now || first < now))
			return -1;
		first = now;
	}
	return first;
}

static void
test_writes(void)
{
	OK(begin("function m() return vars.maint * 100 + #vars.word * 10 + (vars.on and 1 or 0) +\n"
		 "  vars.level + vars['load.app1'] end"));
	OK(ask() == 0);
	fake_set(&f, "maint", "7");
	OK(ask() == 700);
	fake_set(&f, "word", "abc");
	OK(ask() == 730);
	fake_set(&f, "on", "1");
	OK(ask() == 731);
	fake_set(&f, "level", "0.5");
	OK(ask() == 731.5);
	fake_set(&f, "load.app1", "0.25");
	OK(ask() == 731.75);
	for (int i = 0; i < 3 * OFTEN; i++) { // a write before each call
		char text[16];
		(void)snprintf(text, sizeof(text), "%d", i);
		fake_set(&f, "maint", text);
		OK(fake_ask(&f, f.fn, &txn) == POLICY_VALUE && f.call.out.d == i * 100 + 31.75);
	}
	fake_stop(&f);
}

static void
test_without_writes(void)
{
	struct tidevars_error err;
	uint32_t handle;
	OK(begin("function m() return vars.maint * 100 + vars.hits end"));
	OK(ask() == 0);
	OK(tidevars_find(f.vars, "hits", 4, &handle, NULL) == TIDEVARS_OK);
	IS_INT(tidevars_count_up(f.vars, handle, 3, clock_boot_ns()), TIDEVARS_OK);
	OK(ask() == 3);
	IS_INT(tidevars_set_text(f.vars, "maint", "5", 20 * NS_PER_MS, NULL, &err), TIDEVARS_OK);
	OK(ask() == 503);
	uint64_t until = clock_boot_ns() + 25 * NS_PER_MS;
	while (clock_boot_ns() < until)
		;
	OK(ask() == 3);
	struct tidevars_decl again = {.name = "maint", .type = TIDEVARS_INT};
	again.initial.type = TIDEVARS_INT;
	again.initial.u.i = 9;
	IS_INT(tidevars_unset(f.vars, 0, NULL, &err), TIDEVARS_OK);
	OK(ask() == 3);
	IS_INT(tidevars_declare(f.vars, &again, &handle, &err), TIDEVARS_OK);
	IS_INT(handle, 0);
	OK(ask() == 903);
	fake_stop(&f);
}

static void
test_memo(void)
{
	OK(begin("local memo = tide.memo(function() return vars.maint end)\n"
		 "function m() local a = vars.maint return a * 100 + memo() + vars.maint end"));
	OK(ask() == 0);
	fake_set(&f, "word", "x"); // the memo stands
	OK(ask() == 0);
	fake_set(&f, "maint", "2");
	OK(ask() == 204);
	fake_set(&f, "maint", "3");
	OK(ask() == 306);
	fake_stop(&f);
}

static void
test_action(void)
{
	struct policy_run run = {0};
	OK(begin("function m() return vars.maint end\n"
		 "action('bump', function(txn) vars.maint = vars.maint + 1\n"
		 "  vars.maint = vars.maint + 1 return vars.maint end)"));
	OK(ask() == 0);
	if (!OK(bump != NULL)) {
		fake_stop(&f);
		return;
	}
	for (int i = 1; i <= 3; i++) {
		struct policy_view *v = policy_pin(f.worker);
		IS_INT(policy_run_begin(f.worker, v, &run, bump, &f.call), POLICY_RUN_DONE);
		IS_INT(f.call.out.i, 2 * i);
		policy_unpin(f.worker, &v);
		OK(ask() == 2 * i);
	}
	fake_stop(&f);
}

// What is kept is out of reach, and cannot be written.
static void
test_closed(void)
{
	OK(begin(
	    "function m() local a = vars.maint\n"
	    "  local ok = pcall(function() vars.maint = 1 end)\n"
	    "  local walk = pcall(function() for k in pairs(vars) do end end)\n"
	    "  return not ok and not walk and getmetatable(vars) == false and vars.maint == a\n"
	    "end"));
	OK(ask() == 1);
	fake_stop(&f);
}

int
main(void)
{
	log_set_level(LOG_ALERT);
	test_writes();
	test_without_writes();
	test_memo();
	test_action();
	test_closed();
	return tap_done();
}
