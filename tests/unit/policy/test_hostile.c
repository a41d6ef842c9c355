// SPDX-License-Identifier: MIT
// Scripts that mean harm, one a file in tests/lua/hostile, each contained: within twice its budget
// plus two milliseconds of CPU time, its own state and the other policies as before. Then hard
// stops in a row, the circuit, and the walk over everything a script can reach.
//
// A file's second line says what happens: "-- expect: CLASS [text of the error]". CLASS is an error
// of policy.h; "costly" is any of budget, stopped and memory; "refused" is a script that does not
// load; "none" is a call without an error, which must not answer 'escaped'.
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "fake.h"

#define FOLDER    "tests/lua/hostile"
#define BUDGET_NS (2 * NS_PER_MS)
#define BOUND_NS  (2 * BUDGET_NS + 2 * NS_PER_MS)
#define MEMORY    (8u << 20)
#define STOPS     200 // TIDEGATE_HARD_STOPS=N: another number
#define MOST      256

enum expect { EXPECT_COSTLY = POLICY_N_ERRORS, EXPECT_REFUSED, EXPECT_UNKNOWN };

struct script {
	char name[64];
	struct str text;
	unsigned expect; // enum policy_error or enum expect
	char error[64];  // part of the message
	struct policy *policy;
	struct policy_fn *hostile, *good;
};

static struct fake f;
static struct script scripts[MOST];
static size_t n_scripts;

// ---- files ----------------------------------------------------------------------------------

static bool
read_text(const char *name, struct str *out)
{
	char path[300];
	(void)snprintf(path, sizeof(path), FOLDER "/%s", name);
	static const struct str good = STR("\nfunction good() return 3 end\n");
	static char text[65536];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - good.n) : -1;
	if (fd >= 0)
		(void)close(fd); // read only
	if (n < 0)
		return false;
	char *copy = malloc((size_t)n + good.n);
	memcpy(copy, text, (size_t)n);
	memcpy(copy + n, good.p, good.n);
	*out = str_of(copy, (size_t)n + good.n);
	return true;
}

static unsigned
class_of(const char *word)
{
	for (unsigned e = 0; e < POLICY_N_ERRORS; e++)
		if (strcmp(word, policy_error_name((enum policy_error)e)) == 0)
			return e;
	if (strcmp(word, "costly") == 0)
		return EXPECT_COSTLY;
	return strcmp(word, "refused") == 0 ? EXPECT_REFUSED : EXPECT_UNKNOWN;
}

// False: the second line does not say what is expected.
static bool
read_expectation(struct script *s)
{
	struct str rest = s->text, line;
	char word[32] = "", buf[200];
	(void)str_next(&rest, '\n', &line);
	if (!str_next(&rest, '\n', &line))
		return false;
	(void)snprintf(buf, sizeof(buf), "%.*s", STR_ARG(line));
	s->error[0] = '\0';
	if (sscanf(buf, "-- expect: %31s %63[^\n]", word, s->error) < 1)
		return false;
	s->expect = class_of(word);
	return s->expect != EXPECT_UNKNOWN;
}

static int
compare(const void *a, const void *b)
{
	return strcmp(((const struct script *)a)->name, ((const struct script *)b)->name);
}

static void
read_scripts(void)
{
	DIR *d = opendir(FOLDER);
	for (const struct dirent *e; d != NULL && (e = readdir(d)) != NULL && n_scripts < MOST;) {
		struct script *s = &scripts[n_scripts];
		if (!str_ends(str_from_c(e->d_name), STR(".lua")))
			continue;
		(void)snprintf(s->name, sizeof(s->name), "%.*s", (int)strlen(e->d_name) - 4,
			       e->d_name);
		OK_MSG(read_text(e->d_name, &s->text) && read_expectation(s), s->name);
		n_scripts++;
	}
	if (d != NULL)
		(void)closedir(d);
	qsort(scripts, n_scripts, sizeof(scripts[0]), compare);
	OK_MSG(n_scripts >= 60, "at least sixty hostile scripts");
}

// ---- calls ----------------------------------------------------------------------------------

static bool
still_good(struct policy_fn *fn)
{
	pump(&f);
	struct fake_txn txn = {.method = "GET", .path = "/"};
	bool ok = fake_ask(&f, fn, &txn) == POLICY_VALUE && f.call.error == POLICY_E_NONE &&
		  f.call.out.type == POLICY_T_INT && f.call.out.i == 3;
	if (!ok)
		printf("# %s: %s\n", policy_name(policy_fn_policy(fn)),
		       policy_error_name(f.call.error));
	return ok;
}

static bool
needs_stop(const struct script *s)
{
	return s->expect == POLICY_E_STOPPED || s->expect == POLICY_E_BUDGET ||
	       s->expect == EXPECT_COSTLY;
}

static bool
expected(const struct script *s, enum policy_error got)
{
	if (s->expect == EXPECT_COSTLY)
		return got == POLICY_E_BUDGET || got == POLICY_E_STOPPED || got == POLICY_E_MEMORY;
	return got == s->expect;
}

static bool
escaped(void)
{
	return f.call.out.type == POLICY_T_STR && str_eq(f.call.out.s, STR("escaped"));
}

// CPU time of one call in ns. Its error is in f.call; a stopped state is rebuilt afterwards.
static uint64_t
call_once(const struct script *s)
{
	struct fake_txn txn = {.method = "GET", .path = "/", .src = {10, 1, 2, 3}};
	uint64_t start = clock_thread_ns();
	(void)fake_ask(&f, s->hostile, &txn);
	return clock_thread_ns() - start;
}

// The bound is on CPU time of the worker, which does not pass while others run; but the watchdog
// must get a processor too, which a hypervisor may refuse, and a cold or stolen processor may spend
// the budget of a call that fails for another reason: the best of three tries counts.
static void
test_call(const struct script *s)
{
	char line[200], message[400];
	uint64_t spent = UINT64_MAX;
	enum policy_error got = POLICY_E_NONE;
	bool out = false;
	for (int tries = 0; tries < 3 && (spent > BOUND_NS || !expected(s, got)); tries++) {
		pump(&f);
		uint64_t took = call_once(s);
		spent = MIN(spent, took);
		got = f.call.error;
		out |= escaped();
	}
	(void)snprintf(line, sizeof(line), "%s: %s after %llu us", s->name, policy_error_name(got),
		       (unsigned long long)(spent / 1000));
	OK_MSG(expected(s, got) && !out, line);
	OK_MSG(spent <= BOUND_NS, "contained in time");
	if (got != POLICY_E_NONE) {
		fake_last_error(&f, message, sizeof(message));
		if (!OK_MSG(strstr(message, s->error) != NULL, "the error says why"))
			printf("# %s\n", message);
	}
	OK_MSG(still_good(s->good), "its state lives on, or another does");
	OK_MSG(still_good(f.fn), "another policy answers as before");
}

static void
test_refused(struct script *s)
{
	struct err err = {0};
	struct policy_spec spec = {.name = s->name,
				   .path = s->name,
				   .text = s->text,
				   .memory_bytes = MEMORY};
	OK_MSG(policy_add(f.engine, &spec, &err) == NULL, s->name);
	if (!OK_MSG(strstr(err.text, s->error) != NULL, "the refusal says why"))
		printf("# %s: %s\n", s->name, err.text);
}

// ---- set-up ---------------------------------------------------------------------------------

static void
add_script(struct script *s)
{
	struct err err = {0};
	char name[100];
	struct policy_spec spec = {.name = s->name,
				   .path = s->name,
				   .text = s->text,
				   .on_error = POLICY_FALSE,
				   .budget_ns = BUDGET_NS,
				   .memory_bytes = MEMORY};
	s->policy = policy_add(f.engine, &spec, &err);
	(void)snprintf(name, sizeof(name), "%.80s.hostile", s->name);
	if (s->policy != NULL)
		s->hostile = policy_resolve(f.engine, str_from_c(name), &err);
	(void)snprintf(name, sizeof(name), "%.80s.good", s->name);
	if (s->hostile != NULL)
		s->good = policy_resolve(f.engine, str_from_c(name), &err);
	if (!OK_MSG(s->good != NULL, s->name))
		printf("# %s\n", err.text);
}

static bool
set_up(void)
{
	fake_init(&f);
	read_scripts();
	for (size_t i = 0; i < n_scripts; i++) {
		if (scripts[i].expect != EXPECT_REFUSED)
			add_script(&scripts[i]);
		else if (FAKE_STOPS_RUN)
			test_refused(&scripts[i]);
	}
	struct policy_spec spec = {.on_error = POLICY_FALSE};
	return fake_add(&f, "bystander", "function bystander() return 3 end", spec) != NULL &&
	       fake_start(&f, "bystander");
}

static void
free_scripts(void)
{
	for (size_t i = 0; i < n_scripts; i++)
		free((void *)(uintptr_t)scripts[i].text.p);
}

// ---- many -----------------------------------------------------------------------------------

// Without what is mapped from files, whose pages the kernel takes and brings back as it likes.
static long
resident_kib(void)
{
	long resident = 0, of_files = 0;
	FILE *in = fopen("/proc/self/statm", "r");
	if (in == NULL || fscanf(in, "%*d %ld %ld", &resident, &of_files) != 2)
		printf("# cannot read /proc/self/statm\n");
	if (in != NULL)
		(void)fclose(in);
	return (resident - of_files) * (sysconf(_SC_PAGESIZE) / 1024);
}

static const struct script *
named(const char *name)
{
	for (size_t i = 0; i < n_scripts; i++)
		if (strcmp(scripts[i].name, name) == 0)
			return &scripts[i];
	return NULL;
}

// Each call is an hour after the last, so that the circuit never stands open.
static enum policy_error
call_at(struct policy_fn *fn, uint64_t now_boot_ns)
{
	arena_reset(&f.arena);
	struct policy_call c = {.arena = &f.arena, .now_boot_ns = now_boot_ns, .now_real_ns = 1};
	struct policy_view *v = policy_pin(f.worker);
	(void)policy_call(f.worker, v, fn, &c);
	policy_unpin(f.worker, &v);
	return c.error;
}

static unsigned
hard_stops(void)
{
	const char *text = getenv("TIDEGATE_HARD_STOPS");
	return text != NULL ? (unsigned)strtoul(text, NULL, 10) : STOPS;
}

static void
test_repeated(void)
{
	const struct script *s = named("c_pattern_lazy"); // loops inside a library function
	const unsigned n = hard_stops(), settled = n / 10;
	struct policy_stats before, after;
	unsigned stopped = 0, answered = 0;
	long resident = 0;
	policy_stats(s->policy, &before);
	for (unsigned i = 0; i < n; i++) {
		if (i == settled)
			resident = resident_kib();
		stopped += call_at(s->hostile, (UINT64_C(1) << 50) + i * 3600 * NS_PER_S) ==
			   POLICY_E_STOPPED;
		answered += still_good(s->good);
	}
	long grown = resident_kib() - resident;
	IS_INT(stopped, n);
	IS_INT(answered, n);
	policy_stats(s->policy, &after);
	IS_INT(after.hard_stops - before.hard_stops, n);
	IS_INT(after.rebuilds - before.rebuilds, n);
	printf("# resident memory grew by %ld KiB over %u hard stops\n", grown, n - settled);
#if !defined(__SANITIZE_ADDRESS__)
	OK(grown < 1024);
#endif
}

// The soft stop, or the hard one where the thread that watches got no processor in time.
static bool
was_cut(enum policy_error e)
{
	return e == POLICY_E_BUDGET || e == POLICY_E_STOPPED;
}

// After ten costly failures in a row the function is not called for a while.
static void
test_circuit(void)
{
	struct policy_fn *fn = named("loop")->hostile;
	struct policy_fn_stats s;
	uint64_t now = UINT64_C(1) << 60;
	enum policy_error last = POLICY_E_NONE;
	unsigned called = 0;
	for (unsigned i = 0; i < 12; i++) {
		last = call_at(fn, now);
		called += was_cut(last);
		pump(&f); // a state that was thrown away is there again
	}
	IS_INT(last, POLICY_E_OPEN);
	OK(called >= 1 && called <= 10);
	policy_fn_stats(fn, &s);
	OK(s.errors[POLICY_E_OPEN] >= 2);
	OK(was_cut(call_at(fn, now + 61 * NS_PER_S))); // tried again
	pump(&f);
}

// Calls n times at that time; how many were made and cut.
static unsigned
cut_of(struct policy_fn *fn, unsigned n, uint64_t now_boot_ns)
{
	unsigned cut = 0;
	for (unsigned i = 0; i < n; i++) {
		cut += was_cut(call_at(fn, now_boot_ns));
		pump(&f);
	}
	return cut;
}

// The back-off doubles with each try that fails, and a success forgets all of it.
static void
test_back_off(void)
{
	const uint64_t at = UINT64_C(1) << 60, ms = NS_PER_MS;
	struct policy_spec spec = {.budget_ns = BUDGET_NS, .on_error = POLICY_FALSE};
	fake_init(&f);
	if (!OK(fake_add(&f, "moody", "function moody() while vars.maint > 0 do end return 3 end",
			 spec) != NULL) ||
	    !OK(fake_start(&f, "moody")))
		return;
	fake_set(&f, "maint", "1");
	IS_INT(cut_of(f.fn, 12, at), 10);
	IS_INT(cut_of(f.fn, 2, at + 1500 * ms), 1); // open for 1 s, now for 2
	IS_INT(cut_of(f.fn, 2, at + 3400 * ms), 0);
	IS_INT(cut_of(f.fn, 2, at + 3600 * ms), 1); // for 4
	fake_set(&f, "maint", "0");
	IS_INT(call_at(f.fn, at + 7500 * ms), POLICY_E_OPEN);
	IS_INT(call_at(f.fn, at + 7700 * ms), POLICY_E_NONE);
	fake_set(&f, "maint", "1");
	IS_INT(cut_of(f.fn, 12, at + 8000 * ms), 10);
	IS_INT(cut_of(f.fn, 2, at + 9500 * ms), 1); // 1 s again
	fake_stop(&f);
}

// A host function longer than budget and hard stop is not cut, but its call is.
static void
test_slow_host(void)
{
	struct fake_txn txn = {.method = "GET", .path = "/"};
	fake_init(&f);
	struct policy_spec spec = {.budget_ns = BUDGET_NS};
	if (!OK(fake_add(&f, "burns", "function burns(txn) while true do txn.f:burn() end end",
			 spec) != NULL) ||
	    !OK(fake_start(&f, "burns")))
		return;
	(void)fake_ask(&f, f.fn, &txn);
	OK(f.call.error == POLICY_E_BUDGET || f.call.error == POLICY_E_STOPPED);
	IS_INT(f.host_calls, 1);
	fake_stop(&f);
}

static unsigned queued;

// As a thread that gets no processor: signals wait. They are counted, and one is let through.
static void
burn_deaf(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + POLICY_SIGNAL_OFFSET);
	(void)pthread_sigmask(SIG_BLOCK, &set, NULL);
	fake_burn(40 * NS_PER_MS);
	for (queued = 0; sigtimedwait(&set, NULL, &(struct timespec){0}) > 0;)
		queued++;
	if (queued > 0)
		(void)pthread_kill(pthread_self(), SIGRTMIN + POLICY_SIGNAL_OFFSET);
	(void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

// It gets its stops when it runs again: two at most, or they would lie on its stack one on top of
// the other.
static void
test_no_processor(void)
{
	struct fake_txn txn = {.method = "GET", .path = "/"};
	fake_init(&f);
	f.burn = burn_deaf;
	struct policy_spec spec = {.budget_ns = BUDGET_NS};
	if (!OK(fake_add(&f, "deaf", "function deaf(txn) while true do txn.f:burn() end end",
			 spec) != NULL) ||
	    !OK(fake_start(&f, "deaf")))
		return;
	(void)fake_ask(&f, f.fn, &txn);
	OK(f.call.error == POLICY_E_BUDGET || f.call.error == POLICY_E_STOPPED);
	OK(queued == 1 || queued == 2);
	IS_INT(f.host_calls, 1);
	fake_stop(&f);
}

// Everything that can be reached from _G by fields, metatables and values is on a list.
static void
test_walk(void)
{
	static const char walk[] =
	    "local allowed = {}\n"
	    "for w in ([[assert error getmetatable ipairs next pairs pcall xpcall rawequal rawget\n"
	    "rawlen select setmetatable tonumber tostring type load require print test every "
	    "action "
	    "on_change _VERSION "
	    "_G\n"
	    "string table math utf8 coroutine os vars backends tide walk]]):gmatch('%S+') do\n"
	    "  allowed[w] = true end\n"
	    "local os_names = {time = true, date = true, difftime = true, clock = true}\n"
	    "function walk()\n"
	    "  for k in pairs(_G) do if not allowed[k] then return k end end\n"
	    "  for k in pairs(os) do if not os_names[k] then return 'os.' .. k end end\n"
	    "  for _, v in pairs({vars, backends, tide, string, table, '', print, _G}) do\n"
	    "    if getmetatable(v) then return 'metatable of ' .. tostring(v) end end\n"
	    "  for _, k in pairs({'io', 'debug', 'package', 'dofile', 'loadfile', 'rawset',\n"
	    "    'collectgarbage'}) do if _G[k] ~= nil then return k end end\n"
	    "  if string.dump or math.randomseed or os.execute or os.exit then return 'lib' end\n"
	    "  local seen = {}\n"
	    "  local function deep(v) if type(v) ~= 'table' or seen[v] then return end seen[v] = "
	    "true\n"
	    "    if pcall(function() v.injected = 1 end) then return 'writable ' .. tostring(v) "
	    "end\n"
	    "    for k, x in pairs(v) do local bad = deep(x) if bad then return bad .. k end end "
	    "end\n"
	    "  return deep(_G) or 'clean'\n"
	    "end\n";
	fake_init(&f);
	struct policy_spec spec = {.budget_ns = 100 * NS_PER_MS};
	if (!OK(fake_add(&f, "walk", walk, spec) != NULL) || !OK(fake_start(&f, "walk")))
		return;
	char buf[400], got[200] = "";
	enum policy_verdict v = fake_ask(&f, f.fn, NULL);
	if (v == POLICY_VALUE && f.call.out.type == POLICY_T_STR)
		(void)snprintf(got, sizeof(got), "%.*s", STR_ARG(f.call.out.s));
	else
		printf("# %s\n", fake_last_error(&f, buf, sizeof(buf)));
	IS_STR(got, "clean");
	fake_stop(&f);
}

int
main(void)
{
	log_set_level(LOG_ALERT);
	test_walk();
	if (FAKE_STOPS_RUN) {
		test_slow_host();
		test_no_processor();
		test_back_off();
	}
	if (!OK(set_up()))
		return tap_done();
	for (size_t i = 0; i < n_scripts; i++) {
		if (scripts[i].good == NULL)
			continue; // refused, as it should be or not
		if (!FAKE_STOPS_RUN && needs_stop(&scripts[i]))
			OK_MSG(true, "# SKIP " FAKE_NO_STOPS);
		else
			test_call(&scripts[i]);
	}
	if (FAKE_STOPS_RUN) {
		test_repeated();
		test_circuit();
	}
	fake_stop(&f);
	free_scripts();
	return tap_done();
}
