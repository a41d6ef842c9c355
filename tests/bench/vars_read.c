// SPDX-License-Identifier: MIT
// What a read and a write of the variable table cost: one thread, then 1 to N readers of one hot
// variable beside a writer that writes flat out on a core of its own. Prints nanoseconds of CPU per
// call, a name and a number a line, for the job vars-hot (hot.py). Usage: vars_read [READERS]
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tidegate/vars.h"

enum { READS = 20000000, WRITES = 500000 };

struct bench {
	struct tidevars *t;
	uint32_t handle;
	_Atomic int stop;
	int place; // among the cores
	double ns;
};

static double
now_ns(void)
{
	struct timespec ts;
	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

// The writer's core is the first that this process may use; readers share the others, so that
// each reads beside the writer all the time. With one core there is nothing to choose.
static void
take_core(int place)
{
	cpu_set_t all, one;
	CPU_ZERO(&one);
	if (sched_getaffinity(0, sizeof(all), &all) != 0 || CPU_COUNT(&all) < 2)
		return;
	int wanted = place == 0 ? 0 : 1 + (place - 1) % (CPU_COUNT(&all) - 1);
	for (int core = 0; core < CPU_SETSIZE; core++) {
		if (CPU_ISSET(core, &all) && wanted-- == 0)
			CPU_SET(core, &one);
	}
	(void)pthread_setaffinity_np(pthread_self(), sizeof(one), &one); // else measured unpinned
}

static void *
read_much(void *arg)
{
	struct bench *b = arg;
	struct tidevars_value v;
	uint64_t now = tidevars_now_boot_ns();
	int64_t sum = 0;
	double start = now_ns();
	for (int i = 0; i < READS; i++) {
		(void)tidevars_read(b->t, b->handle, now, &v);
		sum += v.u.i;
	}
	b->ns = (now_ns() - start) / READS;
	return (void *)(intptr_t)(sum == 42);
}

static void *
read_beside(void *arg)
{
	take_core(((struct bench *)arg)->place);
	return read_much(arg);
}

static void *
write_much(void *arg)
{
	struct bench *b = arg;
	take_core(b->place);
	struct tidevars_writer w = {.who = "bench", .reason = "to see how long it takes"};
	struct tidevars_value v = {.type = TIDEVARS_INT};
	int n = 0;
	double start = now_ns();
	while (b->stop == 0) {
		v.u.i = n++;
		(void)tidevars_set(b->t, b->handle, &v, 0, &w, NULL);
	}
	b->ns = (now_ns() - start) / n;
	return NULL;
}

int
main(int argc, char **argv)
{
	int readers = argc > 1 ? atoi(argv[1]) : 2;
	struct tidevars *t;
	struct tidevars_error err;
	struct tidevars_options o = {.path = NULL};
	if (tidevars_open(&t, &o, &err) != TIDEVARS_OK) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	struct bench b = {.t = t}, s = {.t = t};
	struct tidevars_decl d = {.name = "hot", .type = TIDEVARS_INT};
	(void)tidevars_declare(t, &d, &b.handle, &err);
	d = (struct tidevars_decl){.name = "text", .type = TIDEVARS_STRING};
	(void)tidevars_declare(t, &d, &s.handle, &err);
	(void)tidevars_set_text(t, "text",
				"0123456789012345678901234567890123456789012345678901234567890123",
				0, NULL, &err);
	(void)tidevars_set_text(t, "hot", "1", 0, NULL, &err);
	(void)read_much(&b);
	printf("read_ns %.2f\n", b.ns);
	(void)read_much(&s);
	printf("read_text_ns %.2f\n", s.ns);
	struct tidevars_writer w = {.who = "bench"};
	struct tidevars_value v = {.type = TIDEVARS_INT};
	double start = now_ns();
	for (int i = 0; i < WRITES; i++) {
		v.u.i = i;
		(void)tidevars_set(t, b.handle, &v, 0, &w, NULL);
	}
	printf("write_ns %.2f\n", (now_ns() - start) / WRITES);
	struct bench rs[64], wr = b;
	pthread_t rt[64], wt;
	readers = readers > 64 ? 64 : readers;
	(void)pthread_create(&wt, NULL, write_much, &wr);
	for (int i = 0; i < readers; i++) {
		rs[i] = b;
		rs[i].place = i + 1;
		(void)pthread_create(&rt[i], NULL, read_beside, &rs[i]);
	}
	for (int i = 0; i < readers; i++) {
		(void)pthread_join(rt[i], NULL);
		printf("read_beside_ns %.2f\n", rs[i].ns);
	}
	wr.stop = 1;
	(void)pthread_join(wt, NULL);
	printf("write_beside_ns %.2f\n", wr.ns);
	tidevars_close(&t);
	return 0;
}
