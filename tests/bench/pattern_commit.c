// SPDX-License-Identifier: MIT
// How long a worker is held up while a map of a million entries takes the place of another: a
// worker looks keys up, TURN of them a turn of its loop, and the keeper prepares, fills and commits
// COMMITS times. What is told is what a turn took of its thread, from its beginning to the next
// one's, less what it waited for a processor (schedstat), and less what the hypervisor stole where
// the kernel knows it: a thread that did not sleep, for a lock or a page, took no more than its CPU
// time. Others' work on the machine is no stall of ours, whatever makes a worker work or wait is. A
// hypervisor does not tell all that it takes: so the longest turn of each commit counts, and their
// median, since what a commit does to a worker each commit does. The same turns while the keeper
// rests stand beside it. For the job `commit` (commit.py).
// Usage: pattern_commit MATCH ENTRIES COMMITS
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "expr/expr_priv.h"
#include "expr/pattern_ref.h"
#include "net/worker.h"
#include "waited.h"

enum {
	TURN = 64,
	MOST_TURNS = 1 << 22,
	MOST_COMMITS = 100,
	TEXT = 64,
	REST_NS = 900000000,
	FREE_STEPS = 20,
};
enum phase { FILLING, QUIET, COMMIT, N_PHASES };

static struct pattern_use *use;
static size_t entries;
static unsigned commits;
static _Atomic unsigned step;
static enum pat_match match;
static _Atomic enum phase phase;
static _Atomic bool over;
static struct msg turn_msg, keeper_msg;
static uint32_t *gap[N_PHASES]; // microseconds / 10 of each turn
static size_t n_gaps[N_PHASES], slept[N_PHASES];
static uint32_t longest[N_PHASES][MOST_COMMITS + 1]; // of each commit, and of the rest before it
static uint64_t commit_ns, missed;

static struct str
key_of(char *p, size_t i)
{
	uint32_t mixed = (uint32_t)i * 2654435761u;
	int n = match == PAT_IP ? snprintf(p, TEXT, "%u.%u.%u.%u", mixed >> 24, mixed >> 16 & 255,
					   mixed >> 8 & 255, mixed & 255)
				: snprintf(p, TEXT, "/some/%08x/path/%zu", mixed, i);
	return str_of(p, (size_t)n);
}

// ---- the worker

struct account {
	uint64_t clock_ns, cpu_ns, waited_ns; // waited for a processor
	long slept;                           // how often
};

static struct account
account_now(int schedstat)
{
	struct account a;
	struct rusage used;
	uint64_t before;
	do { // it may wait between the two accounts, and then belongs to both or to none
		before = waited_ns(schedstat);
		a.clock_ns = clock_mono_ns();
		a.waited_ns = waited_ns(schedstat);
	} while (a.waited_ns != before);
	a.cpu_ns = clock_thread_ns();
	(void)getrusage(RUSAGE_THREAD, &used);
	a.slept = used.ru_nvcsw;
	return a;
}

static void
note(int schedstat)
{
	static struct account last;
	struct account now = account_now(schedstat);
	enum phase p = atomic_load(&phase);
	uint64_t took = now.clock_ns - last.clock_ns, off = now.waited_ns - last.waited_ns;
	took -= MIN(took, off);
	if (now.slept == last.slept)
		took = MIN(took, now.cpu_ns - last.cpu_ns);
	if (last.clock_ns != 0 && n_gaps[p] < MOST_TURNS) {
		uint32_t *most = &longest[p][MIN(step / FREE_STEPS, commits)];
		*most = MAX(*most, (uint32_t)(took / 100));
		gap[p][n_gaps[p]++] = (uint32_t)(took / 100);
		slept[p] += now.slept != last.slept;
	}
	last = now;
}

static void
turn(struct msg *m)
{
	static int schedstat = -1;
	static size_t at;
	if (schedstat < 0)
		schedstat = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
	note(schedstat);
	for (int i = 0; i < TURN; i++) {
		char text[TEXT];
		struct sample s;
		struct sample_ctx ctx = {0};
		struct str key = key_of(text, at = (at + 7919) % entries);
		sample_set_str(&s, key);
		if (match == PAT_IP)
			(void)sample_parse_ip(key, &s);
		missed += pattern_use_match(use, &s, &ctx) == NULL;
	}
	if (!atomic_load(&over))
		worker_post(worker_self, m);
}

// ---- the keeper

static void
fill(struct pattern_ref *r)
{
	struct err err = {{0}};
	uint32_t version = pattern_ref_prepare(r, &err);
	for (size_t i = 0; i < entries; i++) {
		char text[TEXT];
		if (!pattern_ref_change(r, PATTERN_ADD, version, key_of(text, i), STR("v"), &err)) {
			fprintf(stderr, "pattern_commit: %s\n", err.text);
			exit(1);
		}
	}
}

// The first commit has nothing before it; then each rest is followed by one, and by turns in which
// what it replaced is freed.
static void
keep(struct msg *m)
{
	struct pattern_ref *r = pattern_use_ref(use);
	struct pattern_ref_info info;
	struct err err = {{0}};
	if (step % FREE_STEPS == 0) {
		atomic_store(&phase, FILLING);
		fill(r);
		pattern_ref_info(r, &info);
		atomic_store(&phase, QUIET);
		(void)nanosleep(&(struct timespec){.tv_nsec = REST_NS}, NULL);
		atomic_store(&phase, step > 0 ? COMMIT : FILLING);
		uint64_t start = clock_mono_ns();
		(void)pattern_ref_commit(r, info.next_version, &err);
		commit_ns = MAX(commit_ns, clock_mono_ns() - start);
		if (step == 0)
			worker_post(workers_get(worker_self->all, 1), &turn_msg);
	}
	(void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	if (++step == FREE_STEPS * (commits + 1))
		atomic_store(&over, true);
	else
		worker_post(worker_self, m);
}

static int
ascending(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

static void
print_figures(const char *name, enum phase p)
{
	size_t n = n_gaps[p], over_1ms = 0;
	qsort(gap[p], n, sizeof(gap[p][0]), ascending);
	while (over_1ms < n && gap[p][n - 1 - over_1ms] > 10000)
		over_1ms++;
	printf("%s_p50_us %.1f\n%s_p999_us %.1f\n%s_max_us %.1f\n", name, gap[p][n / 2] / 10.0,
	       name, gap[p][n * 999 / 1000] / 10.0, name, gap[p][n - 1] / 10.0);
	qsort(longest[p] + 1, commits, sizeof(longest[p][0]), ascending);
	printf("%s_median_max_us %.1f\n", name, longest[p][1 + commits / 2] / 10.0);
	printf("%s_over_1ms %zu\n%s_slept %zu\n%s_turns %zu\n", name, over_1ms, name, slept[p],
	       name, n);
}

int
main(int argc, char **argv)
{
	static const struct module *const modules[] = {&pattern_module, NULL};
	struct err err = {{0}};
	if (argc != 4 || !pat_match_parse(str_from_c(argv[1]), &match))
		return 2;
	entries = strtoul(argv[2], NULL, 10);
	commits = (unsigned)MIN(MAX(atoi(argv[3]), 1), MOST_COMMITS);
	log_set_level(LOG_ALERT);
	for (int p = 0; p < N_PHASES; p++) { // written to: what measures has no page to wait for
		gap[p] = mem_alloc(MOST_TURNS * sizeof(*gap[p]));
		memset(gap[p], 0xff, MOST_TURNS * sizeof(*gap[p]));
	}
	struct expr_env env = {.set = expr_set_new(modules), .place = &EXPR_ANYWHERE, .file = "-"};
	struct pattern_opts opts = {.match = match, .map = true};
	use = pattern_use_get(&env, STR("virt@m"), &opts, SMP_STR, &err);
	struct workers_spec spec = {.net.nbthread = 1};
	struct workers *ws = use != NULL ? workers_start(&spec, &err) : NULL;
	if (ws == NULL) {
		fprintf(stderr, "pattern_commit: %s\n", err.text);
		return 1;
	}
	turn_msg.fn = turn;
	keeper_msg.fn = keep;
	worker_post(workers_get(ws, 0), &keeper_msg);
	while (!atomic_load(&over))
		(void)usleep(10000);
	workers_stop(&ws);
	printf("commit_ms %.0f\nmissed %llu\n", (double)commit_ns / 1e6,
	       (unsigned long long)missed);
	print_figures("quiet", QUIET);
	print_figures("commit", COMMIT);
	return missed == 0 && n_gaps[COMMIT] > 1000 ? 0 : 1;
}
