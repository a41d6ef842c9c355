// SPDX-License-Identifier: MIT
// What predicates ask of request after request: a text that stays is found without asking, and
// each request gets its own: another text, none, one that changes all the time, more names than
// are kept, a call without a request, an action between two calls.
#include "fake_often.h"

#include "policy/run.h"

static struct fake f;
static struct fake_txn txn;
static struct policy_fn *act; // an action, where the script has it

static bool
begin(const char *script)
{
	struct err err;
	fake_host.changed = fake_changed;
	fake_init(&f);
	txn = (struct fake_txn){.method = "GET", .path = "/a", .header = "x"};
	bool ok = fake_add(&f, "p", script, (struct policy_spec){0}) != NULL;
	act = policy_resolve_entry(f.engine, POLICY_ACTION, STR("act"), 0, 0, &err);
	return ok && fake_start(&f, "m");
}

#define ANSWER                                                                               \
	"function m(txn) return txn.method .. txn.path .. (txn.headers['a'] or 'none') ..\n" \
	"  (txn.headers.path or '') end\n"

static void
test_stays(void)
{
	OK(begin(ANSWER));
	IS_INT(fake_wrong(&f, &txn, "GET/axx"), 0);
	IS_INT(f.host_calls, 4); // once each
	txn.path = "/b";
	IS_INT(fake_wrong(&f, &txn, "GET/bxx"), 0);
	OK(f.host_calls < 10);
	txn.header = NULL; // nothing is not kept
	IS_INT(fake_wrong(&f, &txn, "GET/bnone"), 0);
	txn.header = "y";
	IS_INT(fake_wrong(&f, &txn, "GET/byy"), 0);
	txn.header = "";
	IS_INT(fake_wrong(&f, &txn, "GET/b"), 0);
	unsigned before = f.host_calls;
	IS_INT(fake_wrong(&f, &txn, "GET/b"), 0);
	IS_INT(f.host_calls, before);
	fake_stop(&f);
}

// The same bytes at another place are the same text; other bytes at the same place are not.
static void
test_bytes(void)
{
	char one[] = "/same", two[] = "/same";
	OK(begin("function m(txn) return txn.path end"));
	txn.path = one;
	IS_INT(fake_wrong(&f, &txn, "/same"), 0);
	txn.path = two;
	unsigned before = f.host_calls;
	IS_INT(fake_wrong(&f, &txn, "/same"), 0);
	IS_INT(f.host_calls, before);
	two[1] = 'S';
	IS_INT(fake_wrong(&f, &txn, "/Same"), 0);
	two[1] = '\0';
	IS_INT(fake_wrong(&f, &txn, "/"), 0);
	fake_stop(&f);
}

// One that changes with each request is not put away and taken out each time.
static void
test_changes(void)
{
	char path[16];
	unsigned bad = 0;
	OK(begin(ANSWER));
	txn.path = path;
	for (unsigned i = 0; i < FAKE_OFTEN; i++) {
		char want[32];
		(void)snprintf(path, sizeof(path), "/%u", i);
		(void)snprintf(want, sizeof(want), "GET/%uxx", i);
		bad += fake_ask(&f, f.fn, &txn) != POLICY_VALUE ||
		       !str_eq(f.call.out.s, str_from_c(want));
	}
	IS_INT(bad, 0);
	OK(f.host_calls >= FAKE_OFTEN && f.host_calls < FAKE_OFTEN + 10);
	OK(f.looked < 3 * FAKE_OFTEN + 10);
	IS_INT(fake_wrong(&f, &txn, "GET/199xx"), 0); // and is found again
	unsigned before = f.host_calls;
	IS_INT(fake_wrong(&f, &txn, "GET/199xx"), 0);
	IS_INT(f.host_calls, before);
	fake_stop(&f);
}

static void
test_many(void)
{
	OK(begin("local names = {}\nfor i = 1, 30 do names[i] = 'x-' .. i end\n"
		 "function m(txn) local n = '' for i = 1, 30 do n = n .. txn.headers[names[i]]\n"
		 "  end return n end"));
	IS_INT(fake_wrong(&f, &txn, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"), 0);
	OK(f.host_calls > 20 * FAKE_OFTEN); // the others are asked for
	txn.header = "";
	IS_INT(fake_wrong(&f, &txn, ""), 0);
	fake_stop(&f);
}

static void
test_long(void)
{
	char path[3000];
	memset(path, 'p', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	OK(begin("function m(txn) return txn.path:sub(-3) end"));
	txn.path = path;
	IS_INT(fake_wrong(&f, &txn, "ppp"), 0);
	IS_INT(f.host_calls, FAKE_OFTEN); // not worth its memory
	fake_stop(&f);
}

// A text of the request before is no answer where there is no request.
static void
test_without(void)
{
	OK(begin("function m(txn) return txn.path end"));
	IS_INT(fake_wrong(&f, &txn, "/a"), 0);
	for (int i = 0; i < 3; i++) {
		(void)fake_ask(&f, f.fn, NULL);
		IS_INT(f.call.error, POLICY_E_RUNTIME);
	}
	IS_INT(fake_wrong(&f, &txn, "/a"), 0);
	fake_stop(&f);
}

static void
test_action(void)
{
	struct policy_run run = {0};
	OK(begin("function m(txn) return txn.path end\n"
		 "action('act', function(txn) return txn.path end)"));
	if (!OK(act != NULL)) {
		fake_stop(&f);
		return;
	}
	IS_INT(fake_wrong(&f, &txn, "/a"), 0);
	for (int i = 0; i < 20; i++) {
		struct policy_view *v = policy_pin(f.worker);
		IS_INT(fake_wrong(&f, &txn, txn.path), 0);
		txn.path = i % 2 == 0 ? "/b" : "/c";
		unsigned before = f.host_calls;
		IS_INT(policy_run_begin(f.worker, v, &run, act, &f.call), POLICY_RUN_DONE);
		OK(str_eq(f.call.out.s, str_from_c(txn.path)));
		OK(f.host_calls > before); // nothing is kept of what may change meanwhile
		policy_unpin(f.worker, &v);
	}
	IS_INT(fake_wrong(&f, &txn, "/c"), 0);
	fake_stop(&f);
}

// What is kept cannot be written, and a memo that runs meanwhile is refused the request as ever.
static void
test_closed(void)
{
	OK(begin(
	    "function m(txn) local a = txn.path .. txn.headers.h\n"
	    "  local ok = pcall(function() txn.path = '/x' end)\n"
	    "  ok = ok or pcall(function() txn.headers.h = '/x' end)\n"
	    "  ok = ok or pcall(function() for k in pairs(txn) do end end)\n"
	    "  ok = ok or pcall(function() for k in pairs(txn.headers) do end end)\n"
	    "  if ok or getmetatable(txn) or getmetatable(txn.headers) then return 'open' end\n"
	    "  return txn.path .. txn.headers.h .. a end"));
	IS_INT(fake_wrong(&f, &txn, "/ax/ax"), 0);
	fake_stop(&f);
}

int
main(void)
{
	log_set_level(LOG_ALERT);
	test_stays();
	test_bytes();
	test_changes();
	test_many();
	test_long();
	test_without();
	test_action();
	test_closed();
	return tap_done();
}
