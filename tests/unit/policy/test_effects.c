// SPDX-License-Identifier: MIT
// Effects: every and on_change run on the keeper, write variables and change servers within their
// bounds; one that fails stops no other; a reload ends the old ones. Self-tests try them.
#include "fake.h"

static struct fake f;
static uint64_t now_ns;      // of the keeper's loop
static char changes[512];    // what set_server was asked, "s1 weight 50;"
static unsigned n_due;       // calls of effects_due
static const char *last_who; // of set_server

static bool
set_server(void *data, int backend, struct str server, struct str what, struct str value,
	   const char *who, struct err *err)
{
	static char kept[200];
	size_t n = strlen(changes);
	(void)data;
	if (backend != FAKE_BACKEND || !str_starts(server, STR("s")))
		return err_set(err, "no such server");
	if (str_eq(value, STR("1000")))
		return err_set(err, "weight '1000' is neither 0 to 256");
	(void)snprintf(changes + n, sizeof(changes) - n, "%.*s %.*s %.*s;", STR_ARG(server),
		       STR_ARG(what), STR_ARG(value));
	(void)snprintf(kept, sizeof(kept), "%s", who);
	last_who = kept;
	return true;
}

static void
effects_due(void *data)
{
	(void)data;
	n_due++;
}

static const struct policy_host host = {.resolve = fake_resolve,
					.call = fake_call,
					.post = fake_post,
					.set_server = set_server,
					.effects_due = effects_due};

// A policy with one worker whose time stands still.
static struct policy *
begin(const char *script)
{
	fake_init(&f);
	policy_engine_free(&f.engine);
	f.engine = policy_engine_new(&host, &f, f.vars);
	fake_declare(&f, "n", TIDEVARS_INT);
	fake_declare(&f, "m", TIDEVARS_INT);
	fake_declare(&f, "on", TIDEVARS_BOOL);
	fake_declare(&f, "held", TIDEVARS_HOLD);
	fake_declare(&f, "hits", TIDEVARS_COUNTER);
	fake_declare(&f, "smooth", TIDEVARS_FLOAT);
	changes[0] = '\0';
	n_due = 0;
	char whole[4096];
	(void)snprintf(whole, sizeof(whole), "function ok() return true end %s", script);
	struct policy *p = fake_add(&f, "fx", whole, (struct policy_spec){0});
	if (p == NULL || !fake_start(&f, "ok"))
		return NULL;
	now_ns = clock_mono_ns();
	return p;
}

// Runs what is due until nothing is, after `ns` have passed; how many calls that took.
static unsigned
pass(uint64_t ns)
{
	unsigned n = 0;
	now_ns += ns;
	bool watches;
	while (policy_effects_run(f.engine, now_ns, &watches) == now_ns && n < 1000)
		n++;
	return n;
}

static int64_t
value(const char *name)
{
	uint32_t handle;
	struct tidevars_value v;
	if (tidevars_find(f.vars, name, strlen(name), &handle, NULL) != TIDEVARS_OK ||
	    tidevars_read(f.vars, handle, clock_boot_ns(), &v) != TIDEVARS_OK)
		return -1;
	return v.type == TIDEVARS_FLOAT ? (int64_t)(v.u.f * 1000) : v.u.i;
}

static void
reload(struct policy *p, const char *text)
{
	struct err err = {0};
	struct str s = str_from_c(text);
	struct policy_gen *gen = policy_prepare(p, &s, "new.lua", &err);
	if (gen == NULL || !policy_publish(&gen, NULL, NULL, &err))
		printf("# %s\n", err.text);
	pump(&f);
	now_ns = MAX(now_ns, clock_mono_ns());
}

static void
test_every(void)
{
	struct policy *p = begin("every(1, function() vars.n = vars.n + 1 end) "
				 "every(2.5, function() vars.m = vars.m + 1 end)");
	IS_INT(n_due, 1); // asked for when they began
	IS_INT(pass(0), 2);
	IS_INT(value("n"), 1);
	IS_INT(value("m"), 1);
	IS_INT(pass(NS_PER_S / 2), 0);
	pass(NS_PER_S);
	IS_INT(value("n"), 2);
	IS_INT(value("m"), 1);
	pass(100 * NS_PER_S); // a keeper that slept owes one run, not a hundred
	IS_INT(value("n"), 3);
	IS_INT(value("m"), 2);
	OK(p != NULL);
	reload(p, "function ok() return true end every(1, function() vars.n = 100 end)");
	IS_INT(n_due, 2);
	pass(10 * NS_PER_S);
	IS_INT(value("n"), 100);
	IS_INT(value("m"), 2); // ended
	reload(p, "function ok() return true end");
	fake_set(&f, "n", "5");
	pass(10 * NS_PER_S);
	IS_INT(value("n"), 5);
	bool watches;
	OK(policy_effects_run(f.engine, now_ns, &watches) == UINT64_MAX && !watches);
	fake_stop(&f);
}

static void
test_on_change(void)
{
	struct policy *p = begin("on_change('maint', function(now, before, name) "
				 "vars.n = vars.n + 1; vars.m = now * 100 + before; "
				 "vars.word = name end)");
	pass(0);
	IS_INT(value("n"), 0); // no change yet
	fake_set(&f, "maint", "7");
	pass(NS_PER_S);
	IS_INT(value("n"), 1);
	IS_INT(value("m"), 700);
	fake_set(&f, "maint", "7"); // the same again
	pass(NS_PER_S);
	IS_INT(value("n"), 1);
	fake_set(&f, "maint", "8");
	fake_set(&f, "maint", "9");
	pass(NS_PER_S);
	IS_INT(value("n"), 2);
	IS_INT(value("m"), 907);
	// A write between two generations is seen by the new one.
	fake_set(&f, "maint", "10");
	reload(p, "function ok() return true end "
		  "on_change('maint', function(now, before) vars.m = now * 100 + before end)");
	pass(NS_PER_S);
	IS_INT(value("m"), 1009);
	// What expires is a change like a write.
	struct tidevars_error err;
	(void)tidevars_set_text(f.vars, "maint", "3", NS_PER_MS, NULL, &err);
	pass(NS_PER_S);
	IS_INT(value("m"), 310);
	uint64_t until = clock_mono_ns() + 5 * NS_PER_MS;
	while (clock_mono_ns() < until)
		;
	pass(NS_PER_S);
	IS_INT(value("m"), 3);
	fake_stop(&f);
}

static void
test_failures(void)
{
	char text[400];
	struct sbuf out;
	struct policy *p = begin("every(1, function() error('no') end)\n"
				 "every(1, function() while true do end end)\n"
				 "every(1, function() string.rep('a', 1e9) end)\n"
				 "every(1, function() vars.n = vars.n + 1 end)\n"
				 "every(1, function() vars.n = 'x' end)\n"
				 "every(1, function() vars.nn = 1 end)\n");
	OK(p != NULL);
	if (!FAKE_STOPS_RUN) {
		printf("# %s\n", FAKE_NO_STOPS);
		fake_stop(&f);
		return;
	}
	for (int64_t i = 1; i <= 3; i++) {
		IS_INT(pass(NS_PER_S), 6);
		IS_INT(value("n"), i);
	}
	sbuf_init(&out, 1 << 20);
	policy_show(f.engine, false, &out);
	sbuf_add_byte(&out, '\0');
	OK(strstr(out.p, "  every 1s at fx:1 runs 3 runtime 3\n") != NULL);
	OK(strstr(out.p, "  every 1s at fx:2 runs 3 budget 3\n") != NULL);
	OK(strstr(out.p, "  every 1s at fx:3 runs 3 memory 3\n") != NULL);
	OK(strstr(out.p, "  every 1s at fx:4 runs 3\n") != NULL);
	sbuf_fini(&out);
	sbuf_init(&out, 1 << 20);
	policy_show(f.engine, true, &out);
	sbuf_add_byte(&out, '\0');
	OK(strstr(out.p, "{\"name\":\"every 1s\",\"where\":\"fx:2\",\"runs\":3,"
			 "\"errors\":{\"budget\":3}}") != NULL);
	sbuf_fini(&out);
	sbuf_init(&out, 1 << 20);
	policy_show_errors(f.engine, &out);
	sbuf_add_byte(&out, '\0');
	OK(strstr(out.p, "every 1s runtime: fx:1: no") != NULL);
	OK(strstr(out.p, "vars.n: of type int, which string is not") != NULL);
	sbuf_fini(&out);
	(void)fake_last_error(&f, text, sizeof(text));
	// One that uses up its budget each time is left alone for a while.
	for (int i = 0; i < 20; i++)
		pass(NS_PER_S);
	sbuf_init(&out, 1 << 20);
	policy_show(f.engine, false, &out);
	sbuf_add_byte(&out, '\0');
	OK(strstr(out.p, "fx:2 runs 23 ") == NULL);
	OK(strstr(out.p, "fx:4 runs 23\n") != NULL);
	sbuf_fini(&out);
	fake_stop(&f);
}

// A hard stop throws the state away; the others go on in a new one.
static void
test_hard_stop(void)
{
	struct policy_stats s;
	struct policy *p =
	    begin("every(1, function() string.find(string.rep('a', 40), string.rep('a?', 40) .. "
		  "string.rep('a', 40) .. 'b') end) "
		  "every(1, function() vars.n = vars.n + 1 end)");
	OK(p != NULL);
	if (!FAKE_STOPS_RUN) {
		printf("# %s\n", FAKE_NO_STOPS);
		fake_stop(&f);
		return;
	}
	for (int64_t i = 1; i <= 2; i++) {
		IS_INT(pass(NS_PER_S), 2);
		IS_INT(value("n"), i);
	}
	policy_stats(p, &s);
	IS_INT(s.hard_stops, 2);
	IS_INT(s.rebuilds, 2);
	fake_stop(&f);
}

static bool
refused(const char *script, const char *text)
{
	struct err err = {0};
	struct policy_spec spec = {.name = "bad", .path = "bad", .text = str_from_c(script)};
	bool ok = policy_add(f.engine, &spec, &err) == NULL && strstr(err.text, text) != NULL;
	if (!ok)
		printf("# got: %s\n# want: %s\n", err.text, text);
	return ok;
}

static void
test_refused(void)
{
	fake_init(&f);
	OK(refused("every(0, print)", "seconds expected"));
	OK(refused("every(0/0, print)", "seconds expected"));
	OK(refused("every(1/0, print)", "seconds expected"));
	OK(refused("every(1)", "function expected"));
	OK(refused("on_change('maimt', print)", "maint"));
	OK(refused("on_change(1.5, print)", "1.5"));
	OK(refused("for i = 1, 300 do every(1, print) end", "more than 256"));
	OK(refused("local n = 0; every(1, function() n = n + 1 end)", "n"));
	OK(refused("tide.ewma { half_life = 1 }", "var = \"NAME\" is missing"));
	OK(refused("tide.ewma { var = 'maint', half_life = 1 }", "is a int, which cannot keep"));
	OK(refused("tide.ewma { var = 'load.app1', half_life = 0 }", "half_life is above 0"));
	OK(refused("tide.hysteresis { var = 'maint', up = 1, down = 1 }", "down is below up"));
	OK(refused("tide.hysteresis { var = 'maint', up = 1 }", "down = NUMBER is missing"));
	OK(refused("vars.maint = 1", "predicates do not"));
	OK(refused("test('x', function() tide.set('maint', 1) end)", "predicates do not"));
	OK(refused("test('x', function(t) t.run(function() tide.set('maint', 1, {tll = 1}) end) "
		   "end)",
		   "'tll' is none of ttl, reason and owner"));
	fake_fini(&f);
}

static void
test_writes(void)
{
	struct tidevars_info info;
	struct tidevars_error err;
	uint32_t handle;
	struct policy *p = begin("every(1, function()\n"
				 "  vars.on = true; vars.word = 'a'; vars.smooth = 1.5\n"
				 "  tide.set('n', 5, { ttl = 60, reason = 'because' })\n"
				 "  tide.add('m', 3); tide.add('hits', 2)\n"
				 "  tide.hold('held', { owner = 'me', reason = 'why' })\n"
				 "  tide.hold('held', { owner = 'you' })\n"
				 "  tide.release('held', { owner = 'me' })\n"
				 "  tide.release('held', { owner = 'me' })\n"
				 "end)");
	OK(p != NULL);
	pass(0);
	IS_INT(value("on"), 1);
	IS_INT(value("smooth"), 1500);
	IS_INT(value("m"), 3);
	IS_INT(value("hits"), 2);
	IS_INT(value("held"), 1);
	IS_INT(tidevars_find(f.vars, "n", 1, &handle, &err), TIDEVARS_OK);
	IS_INT(tidevars_info(f.vars, handle, clock_boot_ns(), &info, &err), TIDEVARS_OK);
	IS_INT(info.value.u.i, 5);
	OK(info.deadline_boot_ns != TIDEVARS_NEVER);
	OK(strcmp(info.who, "policy fx") == 0 && strcmp(info.reason, "because") == 0);
	IS_INT(info.source, TIDEVARS_FROM_LUA);
	IS_INT(tidevars_find(f.vars, "m", 1, &handle, &err), TIDEVARS_OK);
	IS_INT(tidevars_info(f.vars, handle, clock_boot_ns(), &info, &err), TIDEVARS_OK);
	OK(strcmp(info.reason, "fx:1") == 0);
	reload(p, "function ok() return true end every(1, function() vars.word = nil; vars.n = nil "
		  "end)");
	pass(0);
	IS_INT(value("n"), 0);
	fake_stop(&f);
}

static void
test_servers(void)
{
	char text[400];
	struct policy *p = begin("function drains() backends.app.servers.s1:drain() end\n"
				 "every(1, function()\n"
				 "  local s = backends.app.servers\n"
				 "  s.s1:set_weight(50); s.s1:set_weight('50%'); s.s2:drain()\n"
				 "  s.s2:maint(); s.s2:ready(); s.s2:set_address('[::1]:80')\n"
				 "  s.s1:set_weight(1000)\n"
				 "end)");
	OK(p != NULL);
	pass(0);
	OK(strcmp(changes, "s1 weight 50;s1 weight 50%;s2 state drain;s2 state maint;"
			   "s2 state ready;s2 address [::1]:80;") == 0);
	OK(last_who != NULL && strcmp(last_who, "policy fx (fx:2)") == 0);
	OK(strstr(fake_last_error(&f, text, sizeof(text)), "weight '1000' is neither") != NULL);
	fake_stop(&f);
}

// Predicates change nothing, neither directly nor through what an effect uses.
static void
test_predicates_read(void)
{
	static const char *const bodies[] = {"vars.maint = 1",
					     "tide.set('maint', 1)",
					     "backends.app.servers.s1:drain()",
					     "backends.app.servers.s1:set_weight(1)",
					     "backends.app.servers.s1:set_address('::1')",
					     "smooth(1)",
					     "busy(1)"};
	char script[600], text[400];
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		struct fake_txn txn = {.method = "GET"};
		(void)snprintf(script, sizeof(script),
			       "local smooth = tide.ewma { var = 'load.app1', half_life = 1 } "
			       "local busy = tide.hysteresis { var = 'maint', up = 2, down = 1 } "
			       "function bad() %s end",
			       bodies[i]);
		fake_init(&f);
		policy_engine_free(&f.engine);
		f.engine = policy_engine_new(&host, &f, f.vars);
		changes[0] = '\0';
		OK(fake_add(&f, "fx", script, (struct policy_spec){0}) != NULL);
		OK(fake_start(&f, "bad"));
		(void)fake_ask(&f, f.fn, &txn);
		OK(f.call.error == POLICY_E_RUNTIME);
		OK(strstr(fake_last_error(&f, text, sizeof(text)), "predicates do not") != NULL);
		OK(changes[0] == '\0' && value("maint") == 0);
		fake_stop(&f);
	}
}

static void
test_smooth(void)
{
	struct policy *p =
	    begin("local smooth = tide.ewma { var = 'smooth', half_life = 10 }\n"
		  "local busy = tide.hysteresis { var = 'on', up = 80, down = 60 }\n"
		  "local function judge() return busy(smooth(vars['load.app1'])) end\n"
		  "every(1, judge)\n"
		  "test('rises slowly and falls late', function(t)\n"
		  "  t.vars['load.app1'] = 0; t.now = 1000\n"
		  "  t.run(judge)\n"
		  "  t.vars['load.app1'] = 100; t.now = 1010\n"
		  "  assert(not t.run(judge) and t.vars.smooth == 50, t.vars.smooth)\n"
		  "  t.now = 1030; assert(t.run(judge) and t.vars.on)\n"
		  "  t.vars['load.app1'] = 70; t.now = 2000; assert(t.run(judge))\n"
		  "  assert(t.vars.smooth > 69.9 and t.vars.smooth < 70.1)\n"
		  "  t.vars['load.app1'] = 60; t.now = 9000; assert(not t.run(judge))\n"
		  "  assert(t.vars.on == false)\n"
		  "end)");
	OK(p != NULL);
	fake_set(&f, "load.app1", "90");
	pass(0);
	IS_INT(value("smooth"), 90000); // the first sample is the value
	IS_INT(value("on"), 1);
	fake_set(&f, "load.app1", "0");
	pass(NS_PER_S); // the table's clock did not move so far: hardly any weight
	OK(value("smooth") > 80000 && value("smooth") < 90000);
	IS_INT(value("on"), 1);
	fake_stop(&f);
}

static void
test_tries(void)
{
	OK(begin("local function shed()\n"
		 "  local s = backends.app.servers.s1\n"
		 "  if backends.app.queue > 5 then s:set_weight(10) else s:ready() end\n"
		 "  tide.add('n', 2); tide.hold('held', { owner = 'x' })\n"
		 "end\n"
		 "every(1, shed)\n"
		 "test('sheds', function(t)\n"
		 "  t.backends.app = { queue = 6, servers = { s1 = { weight = 100 } } }\n"
		 "  t.run(shed); t.run(shed)\n"
		 "  local s1 = t.backends.app.servers.s1\n"
		 "  assert(s1.weight == 10 and t.vars.n == 4 and t.vars.held == 1)\n"
		 "  t.backends.app.queue = 0; t.run(shed)\n"
		 "  assert(s1.state == 'ready')\n"
		 "  local ok, why = pcall(shed)\n"
		 "  assert(not ok and why:find('predicates do not'), why)\n"
		 "  assert(not pcall(t.run, function() t.run(shed) end))\n"
		 "end)") != NULL);
	fake_stop(&f);
}

// Actions in self-tests edit the request's table; predicates do not.
static void
test_actions(void)
{
	OK(begin("local function tag(txn, word)\n"
		 "  txn:set_header('X-Tag', word) txn:add_header('x-tag', 'b')\n"
		 "  txn:del_header('X-GONE') txn:set_path('/new') vars.word = word\n"
		 "end\n"
		 "action('tag', tag)\n"
		 "test('tags', function(t)\n"
		 "  local r = t.txn { path = '/old', headers = { ['x-gone'] = '1', ['x-tag'] = 'z' "
		 "} }\n"
		 "  t.run(tag, r, 'a')\n"
		 "  assert(r.headers['X-Tag'] == 'a, b' and not r.headers['x-gone'], "
		 "r.headers['x-tag'])\n"
		 "  assert(r.path == '/new' and t.vars.word == 'a')\n"
		 "  local ok, why = pcall(tag, r, 'c')\n"
		 "  assert(not ok and why:find('predicates do not edit messages'), why)\n"
		 "end)") != NULL);
	fake_stop(&f);
	fake_init(&f);
	OK(refused("local n = 0 action('x', function() n = n + 1 end)", "n"));
	OK(refused("action('x')", "function expected"));
	OK(refused("action('x', print) action('x', print)", "registered already"));
	fake_fini(&f);
}

int
main(void)
{
	log_set_level(LOG_ALERT);
	test_every();
	test_on_change();
	test_failures();
	test_hard_stop();
	test_refused();
	test_writes();
	test_servers();
	test_predicates_read();
	test_smooth();
	test_tries();
	test_actions();
	return tap_done();
}
