// SPDX-License-Identifier: MIT
// One table, many at once: threads on one key and on many, on a full table; two processes and
// more than there are lanes; processes killed in the middle of everything, seen by the living and
// by who comes next.
#include "stick/table_priv.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "stick_test.h"

#define NOW     1000u
#define THREADS 4

static struct stick_def
def_of(uint32_t size)
{
	struct stick_def d = {.type = STICK_INT, .key_bytes = 4, .size = size};
	d.data[STICK_GPC0] = (struct stick_stored){1, 0};
	d.data[STICK_CONN_CUR] = (struct stick_stored){1, 0};
	d.data[STICK_HTTP_REQ_RATE] = (struct stick_stored){1, 1000000};
	return d;
}

static int
file_of(const struct stick_def *d)
{
	int fd = memfd_create("stick", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, (off_t)stick_table_bytes(d)) != 0)
		abort();
	return fd;
}

static struct stick_table *
open_it(const struct stick_def *d, int fd)
{
	struct err err;
	bool fresh;
	struct stick_table *t = stick_table_open(d, fd, &fresh, &err);
	if (t == NULL) {
		printf("# %s\n", err.text);
		abort();
	}
	return t;
}

static uint64_t
value(struct stick_table *t, uint32_t n, unsigned data)
{
	struct stick_key k = number(t, n);
	uint64_t v = 0;
	(void)stick_value_of(t, &k, data, 0, NOW, &v);
	return v;
}

// --- threads -------------------------------------------------------------------------------------

struct job {
	pthread_t thread;
	struct stick_table *t;
	uint32_t keys, rounds, seed;
	uint64_t failed, wrong;
};

// Each round counts one event for one key, kept meanwhile.
static void *
count(void *arg)
{
	struct job *j = arg;
	uint32_t x = j->seed;
	for (uint32_t i = 0; i < j->rounds; i++) {
		x = x * 1664525 + 1013904223;
		uint32_t n = j->keys == j->rounds ? i : (x >> 8) % j->keys;
		struct stick_key k = number(j->t, n), back;
		struct stick_ref r;
		if (!stick_keep(j->t, &k, NOW, &r)) {
			j->failed++;
			continue;
		}
		stick_add(&r, STICK_GPC0, 0, 1, NOW);
		stick_add(&r, STICK_HTTP_REQ_RATE, 0, 1, NOW + (x & 1));
		stick_ref_key(&r, &back); // still ours, whatever the others evict
		j->wrong += back.hash != k.hash || stick_value(&r, STICK_CONN_CUR, 0, NOW) == 0;
		stick_let_go(&r, NOW);
	}
	return NULL;
}

// How often a thread went without, since another was stopped in the middle of bringing its key.
static uint64_t
run(struct stick_table *t, uint32_t keys, uint32_t rounds, struct job jobs[THREADS])
{
	for (uint32_t i = 0; i < THREADS; i++) {
		jobs[i] = (struct job){.t = t, .keys = keys, .rounds = rounds, .seed = i};
		if (pthread_create(&jobs[i].thread, NULL, count, &jobs[i]) != 0)
			abort();
	}
	for (uint32_t i = 0; i < THREADS; i++)
		(void)pthread_join(jobs[i].thread, NULL);
	uint64_t failed = 0;
	for (uint32_t i = 0; i < THREADS; i++) {
		OK(jobs[i].wrong == 0);
		failed += jobs[i].failed;
	}
	return failed;
}

static void
test_threads(void)
{
	struct job jobs[THREADS];
	struct stick_def d = def_of(100);
	int fd = file_of(&d);
	struct stick_table *t = open_it(&d, fd);
	uint64_t failed = run(t, 1, 50000, jobs);
	IS_INT(value(t, 0, STICK_GPC0), THREADS * 50000 - failed);
	IS_INT(value(t, 0, STICK_HTTP_REQ_RATE), THREADS * 50000 - failed);
	IS_INT(value(t, 0, STICK_CONN_CUR), 0);
	stick_table_close(&t);
	close(fd);
	// All bring the same new keys at the same time: each exists once, and has all counts.
	d = def_of(40000);
	fd = file_of(&d);
	t = open_it(&d, fd);
	failed = run(t, 20000, 20000, jobs);
	printf("# %llu went without\n", (unsigned long long)failed);
	uint64_t sum = 0, good = 0;
	for (uint32_t i = 0; i < 20000; i++) {
		sum += value(t, i, STICK_GPC0);
		good += value(t, i, STICK_GPC0) == THREADS;
	}
	IS_INT(sum, THREADS * 20000 - failed);
	OK(good + failed >= 20000 && good > 10000);
	IS_INT(stick_used(t), 20000);
	stick_table_close(&t);
	close(fd);
	// A full table: keys come and go, none is two at once.
	d = def_of(64);
	fd = file_of(&d);
	t = open_it(&d, fd);
	(void)run(t, 1000, 50000, jobs);
	struct stick_view *v = calloc(1, sizeof(*v));
	uint64_t n = 0;
	bool seen[1000] = {false}, twice = false;
	for (; stick_next(t, NOW, v); n++) {
		uint32_t key = (uint32_t)v->key[0];
		twice |= key >= 1000 || seen[key];
		seen[key % 1000] = true;
		twice |= v->trackers != 0;
	}
	OK(!twice && n == stick_used(t) && n >= 32 && n <= 72);
	free(v);
	stick_table_close(&t);
	close(fd);
}

// --- processes -----------------------------------------------------------------------------------

static void
test_two_processes(void)
{
	struct stick_def d = def_of(100);
	int fd = file_of(&d), ready[2];
	struct stick_table *t = open_it(&d, fd);
	if (pipe(ready) != 0)
		abort();
	pid_t pid = fork();
	if (pid == 0) {
		struct stick_table *own = open_it(&d, fd);
		struct stick_key k = number(own, 1);
		struct stick_ref r;
		for (int i = 0; i < 3; i++)
			if (!stick_keep(own, &k, NOW, &r))
				abort();
		stick_add(&r, STICK_GPC0, 0, 7, NOW);
		(void)write(ready[1], "x", 1);
		pause();
		_exit(0);
	}
	char x;
	OK(read(ready[0], &x, 1) == 1);
	struct stick_key k = number(t, 1);
	struct stick_ref r;
	OK(stick_keep(t, &k, NOW, &r));
	IS_INT(value(t, 1, STICK_CONN_CUR), 4);
	IS_INT(value(t, 1, STICK_GPC0), 7);
	struct stick_table *third = open_it(&d, fd); // while both have it
	IS_INT(value(third, 1, STICK_CONN_CUR), 4);
	stick_table_close(&third);
	kill(pid, SIGKILL);
	OK(waitpid(pid, NULL, 0) == pid);
	IS_INT(value(t, 1, STICK_CONN_CUR), 4); // nobody has looked
	third = open_it(&d, fd);
	IS_INT(value(third, 1, STICK_CONN_CUR), 1); // ours stays
	IS_INT(value(t, 1, STICK_GPC0), 7);
	stick_let_go(&r, NOW);
	IS_INT(value(third, 1, STICK_CONN_CUR), 0);
	stick_table_close(&third);
	stick_table_close(&t);
	close(fd);
	close(ready[0]);
	close(ready[1]);
}

// Anything of all, for ever.
static void *
do_all(void *arg)
{
	struct job *j = arg;
	struct stick_ref held[16] = {{0}};
	bool kept;
	for (uint32_t x = j->seed;; x = x * 1664525 + 1013904223) {
		struct stick_key k = number(j->t, (x >> 8) % 300);
		struct stick_ref *r = &held[x >> 28];
		if (r->entry != NULL)
			stick_let_go(r, NOW);
		else if (stick_keep(j->t, &k, NOW, r))
			stick_add(r, STICK_HTTP_REQ_RATE, 0, 1, NOW + x % 5000000);
		if (x >> 26 == 3)
			(void)stick_remove(j->t, &k, NOW, &kept);
	}
	return NULL;
}

static void
be_killed(const struct stick_def *d, int fd, uint32_t seed)
{
	struct stick_table *t = open_it(d, fd);
	struct job jobs[2] = {{.t = t, .seed = seed}, {.t = t, .seed = seed + 1000}};
	pthread_t thread;
	if (pthread_create(&thread, NULL, do_all, &jobs[0]) != 0)
		abort();
	(void)do_all(&jobs[1]);
}

static bool
is_sound(struct stick_table *t)
{
	struct stick_view *v = calloc(1, sizeof(*v));
	bool seen[300] = {false}, good = true;
	uint64_t n = 0;
	for (; good && stick_next(t, NOW, v); n++) {
		uint32_t key = (uint32_t)v->key[0];
		good = key < 300 && !seen[key] && v->trackers == 0;
		seen[key % 300] = true;
	}
	free(v);
	return good && n == stick_used(t);
}

static void
test_killed(void)
{
	struct stick_def d = def_of(64);
	int fd = file_of(&d);
	bool good = true, all_work = true;
	for (uint32_t i = 0; i < 200; i++) {
		pid_t pid = fork();
		if (pid == 0)
			be_killed(&d, fd, i);
		struct timespec ts = {.tv_nsec = 1000000 + (long)(i * 37 % 50) * 100000};
		(void)nanosleep(&ts, NULL);
		kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		struct stick_table *t = open_it(&d, fd);
		good &= is_sound(t);
		// Every place is one that a key can take.
		for (uint32_t n = 0; n < 300; n++) {
			struct stick_key k = number(t, n);
			struct stick_ref r;
			bool took = stick_keep(t, &k, NOW + n, &r);
			all_work &= took;
			if (took)
				stick_let_go(&r, NOW + n);
		}
		all_work &= stick_used(t) >= 48 && stick_used(t) <= 72;
		stick_table_close(&t);
	}
	OK(good);
	OK(all_work);
	close(fd);
}

// --- what the dead leave, to the living ----------------------------------------------------------

static atomic_uint yields;

// In the library's place: how long somebody waits.
int
sched_yield(void)
{
	atomic_fetch_add(&yields, 1);
	return (int)syscall(SYS_sched_yield);
}

static bool
use(struct stick_table *t, uint32_t n)
{
	struct stick_key k = number(t, n);
	struct stick_ref r;
	if (!stick_keep(t, &k, NOW, &r))
		return false;
	stick_let_go(&r, NOW);
	return true;
}

// As a writer of that lane leaves it who is killed before its key is there.
static uint64_t
leave_half(struct stick_table *t, uint32_t n, unsigned lane)
{
	struct stick_key k = number(t, n);
	struct stick_home h = home_of(t, k.hash);
	uint64_t place = h.bucket[1] * STICK_WAYS + 3;
	t->index[place] = place_word(h.tag, PLACE_FILLING, lane, t->index[place] + 1);
	return place;
}

static void
test_writer_gone(void)
{
	struct stick_def d = def_of(1000);
	int fd = file_of(&d);
	struct stick_table *t = open_it(&d, fd), *other = open_it(&d, fd);
	OK(t->lane != other->lane);
	uint64_t place = leave_half(t, 7, other->lane);
	// It may still come: who waited for it once does not wait again.
	OK(!use(t, 7));
	unsigned once = atomic_exchange(&yields, 0);
	OK(once > 0);
	IS_INT(value(t, 7, STICK_GPC0), 0);
	for (int i = 0; i < 100; i++)
		(void)use(t, 7);
	IS_INT(yields, 0);
	OK(use(t, 8));
	OK(place_is_busy(t->index[place]));
	stick_table_close(&other);
	// Another such, of one who is dead by now: it is free again.
	place = leave_half(t, 9, t->lane + 1);
	OK(use(t, 9));
	OK(!place_is_busy(t->index[place]));
	IS_INT(stick_used(t), 2);
	stick_table_close(&t);
	t = open_it(&d, fd); // what was given up is mended with the rest
	OK(use(t, 7));
	stick_table_close(&t);
	close(fd);
}

// --- opened at the same time ---------------------------------------------------------------------

static void
keep_and_die(const struct stick_def *d, int fd, const int *go)
{
	char x;
	(void)read(*go, &x, 1);
	struct stick_table *t = open_it(d, fd);
	struct stick_key k = number(t, 1);
	struct stick_ref r;
	_exit(!stick_keep(t, &k, NOW, &r));
}

#define AT_ONCE 4

static bool
open_at_once(const struct stick_def *d, int fd)
{
	int go[2], status;
	pid_t pids[AT_ONCE];
	bool good = true;
	if (pipe(go) != 0)
		abort();
	for (int i = 0; i < AT_ONCE; i++)
		if ((pids[i] = fork()) == 0)
			keep_and_die(d, fd, &go[0]);
	(void)write(go[1], "xxxx", AT_ONCE);
	for (int i = 0; i < AT_ONCE; i++)
		good &= waitpid(pids[i], &status, 0) == pids[i] && status == 0;
	close(go[0]);
	close(go[1]);
	return good;
}

static void
test_at_once(void)
{
	struct stick_def d = def_of(100);
	int fd = file_of(&d);
	struct stick_table *all[STICK_LANES + 2];
	struct stick_ref refs[STICK_LANES + 2];
	bool good = true;
	all[0] = open_it(&d, fd);
	for (int i = 0; i < 200; i++)
		good &= open_at_once(&d, fd);
	OK(good);
	// More than there are lanes. All that the dead kept is forgotten, and nothing else.
	for (unsigned i = 0; i < STICK_LANES + 2; i++) {
		all[i] = i == 0 ? all[0] : open_it(&d, fd);
		struct stick_key k = number(all[i], 1);
		OK(stick_keep(all[i], &k, NOW, &refs[i]));
		if (i > 0)
			IS_INT(value(all[i], 1, STICK_CONN_CUR), i + 1);
	}
	for (unsigned i = 0; i < STICK_LANES + 2; i++) {
		stick_let_go(&refs[i], NOW);
		stick_table_close(&all[i]);
	}
	close(fd);
}

// What stands in a file counts for nobody who is not there, whatever it says of who is; nor is a
// key used in times to come.
static void
test_nobody_there(void)
{
	struct stick_def d = def_of(100);
	d.expire_ms = 1000;
	int fd = file_of(&d);
	struct stick_table *t = open_it(&d, fd);
	struct stick_key k = number(t, 1);
	struct stick_ref r;
	uint64_t now = stick_now(t, clock_boot_ns());
	OK(stick_keep(t, &k, now + 1000000, &r));
	leave_half(t, 2, 5);
	t->h->in_use = 0;
	t->h->used = 77;
	stick_table_close(&t);
	t = open_it(&d, fd);
	IS_INT(stick_used(t), 1);
	OK(use(t, 2));
	struct stick_view v = {0};
	now = stick_now(t, clock_boot_ns());
	OK(stick_look(t, &k, now, &v) && v.trackers == 0 && v.left_ms <= 1000);
	t->h->used = UINT64_MAX; // one was killed before it counted its key
	IS_INT(stick_used(t), 0);
	stick_table_close(&t);
	close(fd);
}

int
main(void)
{
	test_threads();
	test_two_processes();
	test_killed();
	test_writer_gone();
	test_at_once();
	test_nobody_there();
	return tap_done();
}
