// SPDX-License-Identifier: MIT
// How long a worker is held up while a policy is loaded anew: N threads call a function in turns,
// as workers do, and the main thread, as the keeper does, prepares and publishes the script RELOADS
// times. A turn's length is the clock's, less what the thread waited for a processor (the kernel's
// account, schedstat): others' work on the machine is no stall of ours, waiting for a lock or a
// page is. Time that a hypervisor takes cannot be told apart; it shows as a longest turn far above
// the 99th of 100. For the job `reload` (reload.py). Usage: policy_reload SCRIPT FUNCTION WORKERS
// RELOADS
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "policy/policy.h"
#include "tidegate/vars.h"
#include "waited.h"

enum { MOST_WORKERS = 64, MOST_MESSAGES = 64, NAP_NS = 50000 };

struct mailbox {
	pthread_mutex_t lock;
	struct policy_msg *msg[MOST_MESSAGES];
	size_t n;
};

static struct mailbox boxes[MOST_WORKERS + 1]; // [0]: the keeper's
static struct policy_engine *engine;
static struct policy_fn *fn;
static _Atomic bool stop;
static _Atomic uint64_t longest_ns, failed; // the longest turn since the keeper asked

static void
post(void *data, int to, struct policy_msg *m)
{
	(void)data;
	struct mailbox *b = &boxes[to + 1];
	(void)pthread_mutex_lock(&b->lock);
	ASSERT(b->n < MOST_MESSAGES);
	b->msg[b->n++] = m;
	(void)pthread_mutex_unlock(&b->lock);
}

static void
deliver(struct mailbox *b)
{
	struct policy_msg *msg[MOST_MESSAGES];
	(void)pthread_mutex_lock(&b->lock);
	size_t n = b->n;
	memcpy(msg, b->msg, n * sizeof(msg[0]));
	b->n = 0;
	(void)pthread_mutex_unlock(&b->lock);
	for (size_t i = 0; i < n; i++)
		policy_msg_run(msg[i]);
}

static void
nap(long ns)
{
	(void)nanosleep(&(struct timespec){.tv_nsec = ns}, NULL);
}

static void
turn(struct policy_worker *w, struct mailbox *box, struct arena *arena)
{
	struct policy_view *v = policy_pin(w);
	struct policy_call c = {.arena = arena,
				.now_boot_ns = clock_boot_ns(),
				.now_real_ns = clock_real_ns()};
	if (policy_call(w, v, fn, &c) != POLICY_VALUE || c.error != POLICY_E_NONE)
		atomic_fetch_add(&failed, 1);
	policy_unpin(w, &v);
	deliver(box);
}

static void *
work(void *arg)
{
	unsigned i = (unsigned)(uintptr_t)arg;
	struct policy_worker *w = policy_worker_of(engine, i);
	struct arena arena;
	int schedstat = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
	arena_init(&arena, 1 << 16);
	policy_worker_enter(w);
	while (!atomic_load(&stop)) {
		uint64_t waited = waited_ns(schedstat), start = clock_mono_ns();
		turn(w, &boxes[i + 1], &arena);
		uint64_t took = clock_mono_ns() - start, off = waited_ns(schedstat) - waited;
		took -= MIN(took, off);
		for (uint64_t most = atomic_load(&longest_ns);
		     took > most && !atomic_compare_exchange_weak(&longest_ns, &most, took);)
			;
		nap(NAP_NS);
	}
	deliver(&boxes[i + 1]);
	policy_worker_leave(w);
	arena_fini(&arena);
	(void)close(schedstat);
	return NULL;
}

static void
on_done(void *arg, struct policy *p, const struct policy_gen_info *info, unsigned workers)
{
	(void)p, (void)info, (void)workers;
	*(bool *)arg = true;
}

// One reload; its time. 0: it failed.
static uint64_t
reload(struct policy *p, struct str text)
{
	struct err err = {0};
	bool done = false;
	uint64_t start = clock_mono_ns();
	struct policy_gen *gen = policy_prepare(p, &text, NULL, &err);
	if (gen == NULL || !policy_publish(&gen, on_done, &done, &err)) {
		fprintf(stderr, "policy_reload: %s\n", err.text);
		return 0;
	}
	while (!done) {
		nap(NAP_NS);
		deliver(&boxes[0]);
	}
	return clock_mono_ns() - start;
}

static int
ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

static void
print_figures(const char *name, uint64_t *ns, unsigned n)
{
	qsort(ns, n, sizeof(ns[0]), ascending);
	printf("%s_us %.1f\n%s_p99_us %.1f\n%s_max_us %.1f\n", name, (double)ns[n / 2] / 1e3, name,
	       (double)ns[n * 99 / 100] / 1e3, name, (double)ns[n - 1] / 1e3);
}

static bool
measure(struct policy *p, char *text, size_t n, unsigned reloads)
{
	uint64_t *took = calloc(reloads, sizeof(*took)), *stall = calloc(reloads, sizeof(*stall));
	bool ok = true;
	for (unsigned i = 0; i < reloads && ok; i++) {
		int more = snprintf(text + n, 32, "-- %u\n", i);
		nap(5 * (long)NS_PER_MS); // what a reload leaves behind is over
		atomic_store(&longest_ns, 0);
		took[i] = reload(p, str_of(text, n + (size_t)more));
		stall[i] = atomic_load(&longest_ns);
		ok = took[i] > 0;
	}
	if (ok) {
		print_figures("reload", took, reloads);
		print_figures("stall", stall, reloads);
	}
	free(took);
	free(stall);
	return ok;
}

static struct tidevars *
variables(void)
{
	struct tidevars *t;
	struct tidevars_error err;
	const struct tidevars_options o = {.size = 64};
	const struct tidevars_decl d = {.name = "maint", .type = TIDEVARS_INT};
	uint32_t handle;
	if (tidevars_open(&t, &o, &err) == TIDEVARS_OK &&
	    tidevars_declare(t, &d, &handle, &err) == TIDEVARS_OK)
		return t;
	fprintf(stderr, "policy_reload: %s\n", err.text);
	exit(1);
}

int
main(int argc, char **argv)
{
	static const struct policy_host host = {.post = post};
	static char text[1 << 20];
	struct err err = {0};
	pthread_t thread[MOST_WORKERS];
	FILE *in = argc == 5 ? fopen(argv[1], "r") : NULL;
	size_t n = in != NULL ? fread(text, 1, sizeof(text) - 64, in) : 0;
	unsigned workers = n > 0 ? (unsigned)atoi(argv[3]) : 0;
	if (workers == 0 || workers > MOST_WORKERS)
		return 2;
	(void)fclose(in);
	log_set_level(LOG_ALERT);
	for (size_t i = 0; i <= workers; i++)
		(void)pthread_mutex_init(&boxes[i].lock, NULL);
	struct tidevars *vars = variables();
	engine = policy_engine_new(&host, NULL, vars);
	struct policy_spec spec = {.name = "p", .path = "p.lua", .text = str_of(text, n)};
	struct policy *p = policy_add(engine, &spec, &err);
	fn = p != NULL ? policy_resolve(engine, str_from_c(argv[2]), &err) : NULL;
	if (fn == NULL || !policy_engine_start(engine, workers, &err)) {
		fprintf(stderr, "policy_reload: %s\n", err.text);
		return 1;
	}
	for (uintptr_t i = 0; i < workers; i++)
		(void)pthread_create(&thread[i], NULL, work, (void *)i);
	bool ok = measure(p, text, n, (unsigned)atoi(argv[4]));
	atomic_store(&stop, true);
	for (unsigned i = 0; i < workers; i++)
		(void)pthread_join(thread[i], NULL);
	deliver(&boxes[0]);
	policy_engine_free(&engine);
	tidevars_close(&vars);
	printf("failed %llu\n", (unsigned long long)failed);
	return ok && failed == 0 ? 0 : 1;
}
