// SPDX-License-Identifier: MIT
// vars/: one table, several threads: readers beside writers, counters, a declarer, a waiter. Made
// for SAN=thread; without it, it still counts.
#include <pthread.h>

#include "table.h"

enum { ROUNDS = 4000, READERS = 2, WRITERS = 2 };

struct shared {
	struct tidevars *t;
	uint32_t left, right, text, count;
	uint64_t before; // left's version, before anybody writes
	_Atomic int stop;
	_Atomic int torn, busy, failed;
};

static void *
writer(void *arg)
{
	struct shared *s = arg;
	for (int i = 0; i < ROUNDS; i++) {
		struct tidevars_op ops[3] = {
		    {.handle = s->left, .kind = TIDEVARS_SET, .value = test_int(i)},
		    {.handle = s->right, .kind = TIDEVARS_SET, .value = test_int(-i)},
		    {.handle = s->text, .kind = TIDEVARS_SET, .value = test_text("same same")}};
		struct tidevars_error err;
		int status = i % 2 == 0 ? tidevars_commit(s->t, ops, 3, NULL, &err)
					: tidevars_try_commit(s->t, ops, 3, NULL, &err);
		if (status == TIDEVARS_BUSY && i % 2 != 0)
			s->busy++;
		else if (status != TIDEVARS_OK)
			s->failed++;
		if (tidevars_count_up(s->t, s->count, 1, 1) != TIDEVARS_OK)
			s->failed++;
	}
	return NULL;
}

static void *
reader(void *arg)
{
	struct shared *s = arg;
	const uint32_t handles[2] = {s->left, s->right};
	while (!s->stop) {
		struct tidevars_value v[2];
		(void)tidevars_read_many(s->t, handles, 2, 1, v);
		if (v[0].u.i != -v[1].u.i)
			s->torn++;
		v[0] = test_read(s->t, s->text, 1);
		if (v[0].text_n != 0 && strcmp(v[0].text, "same same") != 0)
			s->torn++;
	}
	return NULL;
}

static void *
declarer(void *arg)
{
	struct shared *s = arg;
	for (int i = 0; i < 200; i++) {
		uint32_t h, found;
		struct tidevars_decl d = {.name = "moving",
					  .type = TIDEVARS_INT,
					  .initial = test_int(i)};
		struct tidevars_error err;
		if (tidevars_declare(s->t, &d, &h, &err) != TIDEVARS_OK ||
		    tidevars_find(s->t, "moving", 6, &found, &err) != TIDEVARS_OK || found != h ||
		    test_read(s->t, h, 1).u.i != i)
			s->failed++;
	}
	return NULL;
}

static void *
waiter(void *arg)
{
	struct shared *s = arg;
	if (tidevars_wait(s->t, s->left, s->before, 10 * SECOND) != TIDEVARS_OK)
		s->failed++;
	return NULL;
}

int
main(void)
{
	struct shared s = {.t = test_open(NULL, 0)};
	if (s.t == NULL)
		return 1;
	pthread_t w[WRITERS], r[READERS], other[2];
	s.left = test_declare(s.t, "left", TIDEVARS_INT);
	s.right = test_declare(s.t, "right", TIDEVARS_INT);
	s.text = test_declare(s.t, "text", TIDEVARS_STRING);
	s.count = test_declare(s.t, "count", TIDEVARS_COUNTER);
	s.before = tidevars_version(s.t, s.left);
	(void)pthread_create(&other[1], NULL, waiter, &s);
	for (int i = 0; i < READERS; i++)
		(void)pthread_create(&r[i], NULL, reader, &s);
	(void)pthread_create(&other[0], NULL, declarer, &s);
	for (int i = 0; i < WRITERS; i++)
		(void)pthread_create(&w[i], NULL, writer, &s);
	for (int i = 0; i < WRITERS; i++)
		(void)pthread_join(w[i], NULL);
	(void)pthread_join(other[0], NULL);
	(void)pthread_join(other[1], NULL);
	s.stop = 1;
	for (int i = 0; i < READERS; i++)
		(void)pthread_join(r[i], NULL);
	printf("# %d tries found the lock taken\n", s.busy);
	IS_INT(s.torn, 0);
	IS_INT(s.failed, 0);
	IS_INT(test_read(s.t, s.count, 1).u.i, WRITERS * ROUNDS);
	tidevars_close(&s.t);
	return tap_done();
}
