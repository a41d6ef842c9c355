// SPDX-License-Identifier: MIT
// vars/write, vars/read: each type, bounds, time to live on an injected clock, staleness,
// commits of several, rights.
#include <pthread.h>

#include "table.h"

#define T0 (1000 * SECOND) // the tests' present, on both clocks' terms

static struct tidevars_writer
at(uint64_t now)
{
	return (struct tidevars_writer){.who = "tester",
					.reason = "because",
					.source = TIDEVARS_FROM_CLI,
					.uid = 7,
					.gid = 8,
					.pid = 9,
					.now_boot_ns = now,
					.now_real_ns = now};
}

static void
test_types(struct tidevars *t)
{
	struct tidevars_writer w = at(T0);
	struct tidevars_error err;
	struct tidevars_value v = test_int(-5);
	uint32_t i = test_declare(t, "i", TIDEVARS_INT), b = test_declare(t, "b", TIDEVARS_BOOL);
	uint32_t f = test_declare(t, "f", TIDEVARS_FLOAT),
		 s = test_declare(t, "s", TIDEVARS_STRING);
	OK(test_read(t, i, T0).flags == TIDEVARS_IS_DEFAULT && test_read(t, i, T0).u.i == 0);
	uint64_t version = tidevars_version(t, i);
	IS_INT(tidevars_set(t, i, &v, 0, &w, &err), TIDEVARS_OK);
	v = test_read(t, i, T0);
	OK(v.type == TIDEVARS_INT && v.u.i == -5 && v.flags == 0);
	OK(v.version != version && v.version == tidevars_version(t, i));
	OK(v.written_boot_ns == T0 && v.until_boot_ns == TIDEVARS_NEVER);
	v = test_typed(TIDEVARS_BOOL, 17);
	IS_INT(tidevars_set(t, b, &v, 0, &w, &err), TIDEVARS_OK);
	IS_INT(test_read(t, b, T0).u.i, 1);
	v = test_real(TIDEVARS_FLOAT, 0.125);
	IS_INT(tidevars_set(t, f, &v, 0, &w, &err), TIDEVARS_OK);
	OK(test_read(t, f, T0).u.f == 0.125);
	v = test_real(TIDEVARS_FLOAT, __builtin_nan(""));
	IS_INT(tidevars_set(t, f, &v, 0, &w, &err), TIDEVARS_BOUNDS);
	v = test_text("hello");
	IS_INT(tidevars_set(t, s, &v, 0, &w, &err), TIDEVARS_OK);
	IS_STR(test_read(t, s, T0).text, "hello");
	v.text_n = TIDEVARS_TEXT_MAX;
	memset(v.text, 'x', sizeof(v.text));
	IS_INT(tidevars_set(t, s, &v, 0, &w, &err), TIDEVARS_OK);
	IS_INT(test_read(t, s, T0).text_n, TIDEVARS_TEXT_MAX);
	v.text_n++;
	IS_INT(tidevars_set(t, s, &v, 0, &w, &err), TIDEVARS_BOUNDS);
	v = test_text("1");
	IS_INT(tidevars_set(t, i, &v, 0, &w, &err), TIDEVARS_TYPE);
	IS_STR(err.text, "'i' is of type int, not string");
	IS_INT(tidevars_set(t, 63, &v, 0, &w, &err), TIDEVARS_UNKNOWN);
	IS_INT(tidevars_set(t, UINT32_MAX, &v, 0, &w, &err), TIDEVARS_UNKNOWN);
	OK(tidevars_read(t, 63, T0, &v) == TIDEVARS_UNKNOWN && v.type == TIDEVARS_NONE);
	IS_INT(tidevars_unset(t, i, &w, &err), TIDEVARS_OK);
	OK(test_read(t, i, T0).flags == TIDEVARS_IS_DEFAULT);
}

// Who wrote a counter last: a person who adds or sets, or nobody by name. It reads 42 and has 42
// after.
static void
test_counter_writers(struct tidevars *t, uint32_t c)
{
	uint64_t now = tidevars_now_boot_ns() + SECOND; // younger than the declaration
	struct tidevars_writer w = at(now + SECOND);
	struct tidevars_error err;
	struct tidevars_value one = test_typed(TIDEVARS_COUNTER, 1);
	struct tidevars_info info;
	struct tidevars_log_entry e;
	uint64_t log = tidevars_log_last(t);
	IS_INT(tidevars_count_up(t, c, -2, now), TIDEVARS_OK);
	IS_INT(tidevars_info(t, c, now, &info, &err), TIDEVARS_OK);
	OK(info.value.u.i == 40 && info.who[0] == '\0' && info.source == TIDEVARS_N_SOURCES);
	w.who = "ann";
	w.reason = "by hand";
	IS_INT(tidevars_add(t, c, &one, &w, &err), TIDEVARS_OK);
	IS_INT(tidevars_info(t, c, now + SECOND, &info, &err), TIDEVARS_OK);
	IS_STR(info.who, "ann");
	IS_STR(info.reason, "by hand");
	OK(info.source == TIDEVARS_FROM_CLI && info.value.u.i == 41);
	OK(tidevars_log_last(t) == log + 1 && tidevars_log_next(t, log, &e) == 1);
	OK(e.kind == TIDEVARS_ADD && e.before.u.i == 40 && e.after.u.i == 41);
	IS_INT(tidevars_count_up(t, c, 1, now + 2 * SECOND), TIDEVARS_OK);
	IS_INT(tidevars_info(t, c, now + 2 * SECOND, &info, &err), TIDEVARS_OK);
	OK(info.who[0] == '\0' && info.reason[0] == '\0' && info.written_real_ns > 0);
}

static void
test_counter(struct tidevars *t)
{
	struct tidevars_writer w = at(T0);
	struct tidevars_error err;
	struct tidevars_value one = test_typed(TIDEVARS_COUNTER, 1), v;
	uint32_t c = test_declare(t, "c", TIDEVARS_COUNTER);
	uint64_t log = tidevars_log_last(t);
	IS_INT(tidevars_count_up(t, c, 41, T0), TIDEVARS_OK);
	w.source = TIDEVARS_FROM_RULE;
	IS_INT(tidevars_add(t, c, &one, &w, &err), TIDEVARS_OK);
	v = test_read(t, c, T0);
	OK(v.u.i == 42 && v.version == 42 && v.written_boot_ns == T0);
	OK_MSG(tidevars_log_last(t) == log, "adds to a counter are not logged");
	test_counter_writers(t, c);
	log++; // a person's add
	v = test_typed(TIDEVARS_COUNTER, 5);
	IS_INT(tidevars_set(t, c, &v, SECOND, &w, &err), TIDEVARS_TYPE);
	IS_INT(tidevars_set(t, c, &v, 0, &w, &err), TIDEVARS_OK);
	OK(tidevars_log_last(t) == log + 1);
	struct tidevars_op cas = {.handle = c,
				  .kind = TIDEVARS_CAS,
				  .value = one,
				  .expect = test_typed(5, 4)};
	IS_INT(tidevars_commit(t, &cas, 1, &w, &err), TIDEVARS_CONFLICT);
	cas.expect.u.i = 5;
	IS_INT(tidevars_commit(t, &cas, 1, &w, &err), TIDEVARS_OK);
	IS_INT(test_read(t, c, T0).u.i, 1);
	IS_INT(tidevars_unset(t, c, &w, &err), TIDEVARS_OK);
	IS_INT(test_read(t, c, T0).u.i, 0);
	IS_INT(tidevars_count_up(t, test_declare(t, "i", TIDEVARS_INT), 1, T0), TIDEVARS_TYPE);
}

static void
test_bounds(struct tidevars *t)
{
	struct tidevars_writer w = at(T0);
	struct tidevars_error err;
	uint32_t h;
	struct tidevars_decl d = {.name = "share",
				  .type = TIDEVARS_INT,
				  .flags = TIDEVARS_HAS_MIN | TIDEVARS_HAS_MAX,
				  .initial = test_int(5),
				  .min = test_int(0),
				  .max = test_int(100)};
	IS_INT(tidevars_declare(t, &d, &h, &err), TIDEVARS_OK);
	IS_INT(test_read(t, h, T0).u.i, 5);
	struct tidevars_value v = test_int(101);
	IS_INT(tidevars_set(t, h, &v, 0, &w, &err), TIDEVARS_BOUNDS);
	IS_STR(err.text, "'share': 101 is above max 100");
	v = test_int(-1);
	IS_INT(tidevars_set(t, h, &v, 0, &w, &err), TIDEVARS_BOUNDS);
	IS_INT(test_read(t, h, T0).u.i, 5);
	v = test_int(95);
	IS_INT(tidevars_add(t, h, &v, &w, &err), TIDEVARS_OK);
	IS_INT(test_read(t, h, T0).u.i, 100);
	v = test_int(1);
	IS_INT(tidevars_add(t, h, &v, &w, &err), TIDEVARS_BOUNDS);
	uint32_t i = test_declare(t, "wide", TIDEVARS_INT);
	v = test_int(INT64_MAX);
	IS_INT(tidevars_add(t, i, &v, &w, &err), TIDEVARS_OK);
	IS_INT(tidevars_add(t, i, &v, &w, &err), TIDEVARS_BOUNDS);
}

static void
test_ttl(struct tidevars *t)
{
	struct tidevars_writer w = at(T0);
	struct tidevars_error err;
	uint32_t h;
	struct tidevars_decl d = {.name = "flag", .type = TIDEVARS_STRING};
	d.initial = test_text("calm");
	IS_INT(tidevars_declare(t, &d, &h, &err), TIDEVARS_OK);
	struct tidevars_value v = test_text("storm");
	IS_INT(tidevars_set(t, h, &v, 30 * SECOND, &w, &err), TIDEVARS_OK);
	v = test_read(t, h, T0 + 30 * SECOND - 1);
	IS_STR(v.text, "storm");
	OK(v.until_boot_ns == T0 + 30 * SECOND);
	v = test_read(t, h, T0 + 30 * SECOND);
	IS_STR(v.text, "calm");
	OK(v.flags == (TIDEVARS_IS_DEFAULT | TIDEVARS_IS_EXPIRED));
	OK(v.until_boot_ns == TIDEVARS_NEVER);
	// The sweep writes down, once, what readers saw already.
	uint64_t next, log = tidevars_log_last(t);
	IS_INT(tidevars_sweep(t, T0 + 10 * SECOND, &next, &err), TIDEVARS_OK);
	OK(next == T0 + 30 * SECOND && tidevars_log_last(t) == log);
	IS_INT(tidevars_sweep(t, T0 + 31 * SECOND, &next, &err), TIDEVARS_OK);
	IS_INT(tidevars_sweep(t, T0 + 32 * SECOND, &next, &err), TIDEVARS_OK);
	OK(next == TIDEVARS_NEVER && tidevars_log_last(t) == log + 1);
	struct tidevars_info info;
	IS_INT(tidevars_info(t, h, T0 + 33 * SECOND, &info, &err), TIDEVARS_OK);
	OK(info.expired == 1 && info.source == TIDEVARS_FROM_EXPIRY);
	OK_MSG(info.value.written_boot_ns == T0, "expiry leaves the age alone");
	// A write over an expired value logs the expiry before itself.
	v = test_text("storm");
	IS_INT(tidevars_set(t, h, &v, SECOND, &w, &err), TIDEVARS_OK);
	w = at(T0 + 2 * SECOND);
	IS_INT(tidevars_set(t, h, &v, TIDEVARS_NEVER, &w, &err), TIDEVARS_OK);
	OK(tidevars_log_last(t) == log + 4);
	IS_STR(test_read(t, h, TIDEVARS_NEVER - 1).text, "storm");
}

static void
test_stale(struct tidevars *t)
{
	struct tidevars_writer w = at(T0);
	struct tidevars_error err;
	uint32_t h;
	struct tidevars_decl d = {.name = "load.app1",
				  .type = TIDEVARS_GAUGE,
				  .flags = TIDEVARS_HAS_STALE,
				  .stale_after_ns = 15 * SECOND,
				  .half_life_ns = 10 * SECOND,
				  .stale_use = test_real(TIDEVARS_GAUGE, 50)};
	IS_INT(tidevars_declare(t, &d, &h, &err), TIDEVARS_OK);
	struct tidevars_value v = test_real(TIDEVARS_GAUGE, 80);
	IS_INT(tidevars_set(t, h, &v, 0, &w, &err), TIDEVARS_OK);
	v = test_read(t, h, T0 + SECOND);
	OK(v.u.f == 80 && v.smooth == 80 && v.until_boot_ns == T0 + 15 * SECOND);
	v = test_read(t, h, T0 - SECOND);
	OK_MSG(v.u.f == 80, "a reader's clock behind the writer's is age 0");
	v = test_read(t, h, T0 + 15 * SECOND);
	OK(v.u.f == 50 && v.flags == TIDEVARS_IS_STALE);
	w = at(T0 + 10 * SECOND);
	v = test_real(TIDEVARS_GAUGE, 20);
	IS_INT(tidevars_set(t, h, &v, 0, &w, &err), TIDEVARS_OK);
	v = test_read(t, h, T0 + 11 * SECOND);
	OK(v.u.f == 20 && v.smooth > 49.99 && v.smooth < 50.01);
}

static void
test_commit(struct tidevars *t)
{
	struct tidevars_writer w = at(T0);
	struct tidevars_error err;
	uint32_t h[2] = {test_declare(t, "left", TIDEVARS_INT),
			 test_declare(t, "right", TIDEVARS_INT)};
	struct tidevars_op ops[2] = {
	    {.handle = h[0], .kind = TIDEVARS_SET, .value = test_int(1)},
	    {.handle = h[1], .kind = TIDEVARS_CAS, .value = test_int(2), .expect = test_int(9)}};
	uint64_t epoch = tidevars_epoch(t);
	IS_INT(tidevars_commit(t, ops, 2, &w, &err), TIDEVARS_CONFLICT);
	IS_STR(err.text, "'right' is 0, not what was expected");
	OK(test_read(t, h[0], T0).u.i == 0 && tidevars_epoch(t) == epoch);
	ops[1].expect = test_int(0);
	IS_INT(tidevars_commit(t, ops, 2, &w, &err), TIDEVARS_OK);
	struct tidevars_value v[2];
	IS_INT(tidevars_read_many(t, h, 2, T0, v), TIDEVARS_OK);
	OK(v[0].u.i == 1 && v[1].u.i == 2 && v[0].version == v[1].version);
	ops[1].handle = h[0];
	IS_INT(tidevars_commit(t, ops, 2, &w, &err), TIDEVARS_BAD_CALL);
	ops[0].kind = 77;
	IS_INT(tidevars_commit(t, ops, 1, &w, &err), TIDEVARS_BAD_CALL);
	ops[0].kind = TIDEVARS_SET;
	IS_INT(tidevars_try_commit(t, ops, 1, &w, &err), TIDEVARS_OK);
	IS_INT(tidevars_wait(t, h[0], 0, SECOND), TIDEVARS_OK);
	IS_INT(tidevars_wait(t, h[0], tidevars_version(t, h[0]), 1000000), TIDEVARS_TIMEOUT);
}

static void *
count_later(void *arg)
{
	struct tidevars *t = arg;
	uint32_t h;
	(void)usleep(20000);
	(void)tidevars_find(t, "ticked", 6, &h, NULL);
	(void)tidevars_count_up(t, h, 1, T0);
	return NULL;
}

// One ticket covers all variables, counters too; what came before the wait ends it at once.
static void
test_ticket(struct tidevars *t)
{
	pthread_t thread;
	uint32_t h = test_declare(t, "ticked", TIDEVARS_COUNTER);
	uint32_t ticket = tidevars_ticket(t);
	IS_INT(tidevars_wait_ticket(t, ticket, 1000000), TIDEVARS_TIMEOUT);
	(void)tidevars_count_up(t, h, 1, T0);
	IS_INT(tidevars_wait_ticket(t, ticket, SECOND), TIDEVARS_OK);
	OK(tidevars_ticket(t) != ticket);
	ticket = tidevars_ticket(t);
	tidevars_poke(t);
	IS_INT(tidevars_wait_ticket(t, ticket, SECOND), TIDEVARS_OK);
	ticket = tidevars_ticket(t);
	OK(pthread_create(&thread, NULL, count_later, t) == 0);
	IS_INT(tidevars_wait_ticket(t, ticket, 30 * SECOND), TIDEVARS_OK);
	IS_INT(test_read(t, h, T0).u.i, 2);
	(void)pthread_join(thread, NULL);
}

static void
test_rights(struct tidevars *t)
{
	struct tidevars_writer w = at(T0);
	struct tidevars_error err;
	uint32_t h;
	struct tidevars_decl d = {.name = "guarded",
				  .type = TIDEVARS_INT,
				  .writable_by = TIDEVARS_BY_UID | TIDEVARS_BY_LUA,
				  .writable_uid = 70};
	IS_INT(tidevars_declare(t, &d, &h, &err), TIDEVARS_OK);
	struct tidevars_value v = test_int(1);
	IS_INT(tidevars_set(t, h, &v, 0, &w, &err), TIDEVARS_REFUSED);
	IS_STR(err.text, "'guarded' may not be written by tester (uid 7, cli)");
	struct tidevars_info info;
	(void)tidevars_info(t, h, T0, &info, &err);
	IS_INT(info.refused, 1);
	w.uid = 70;
	IS_INT(tidevars_set(t, h, &v, 0, &w, &err), TIDEVARS_OK);
	w.uid = 7;
	w.source = TIDEVARS_FROM_LUA;
	IS_INT(tidevars_set(t, h, &v, 0, &w, &err), TIDEVARS_OK);
	d = (struct tidevars_decl){.name = "cc",
				   .type = TIDEVARS_COUNTER,
				   .writable_by = TIDEVARS_BY_CLI};
	IS_INT(tidevars_declare(t, &d, &h, &err), TIDEVARS_OK);
	v = test_typed(TIDEVARS_COUNTER, 1);
	IS_INT(tidevars_count_up(t, h, 1, T0), TIDEVARS_REFUSED);
	IS_INT(tidevars_add(t, h, &v, &w, &err), TIDEVARS_REFUSED);
	w.source = TIDEVARS_FROM_CLI;
	IS_INT(tidevars_add(t, h, &v, &w, &err), TIDEVARS_OK);
	IS_INT(test_read(t, h, T0).u.i, 1);
}

static void
test_log(struct tidevars *t)
{
	struct tidevars_writer w = at(T0);
	struct tidevars_error err;
	struct tidevars_log_entry e;
	uint32_t h = test_declare(t, "logged", TIDEVARS_INT);
	struct tidevars_value v = test_int(3);
	uint64_t last = tidevars_log_last(t);
	OK(tidevars_log_next(t, last, &e) == 0);
	IS_INT(tidevars_set(t, h, &v, SECOND, &w, &err), TIDEVARS_OK);
	OK(tidevars_log_next(t, last, &e) == 1 && e.seq == last + 1 && e.handle == h);
	OK(e.kind == TIDEVARS_SET && e.before.u.i == 0 && e.after.u.i == 3);
	OK(e.uid == 7 && e.pid == 9 && e.source == TIDEVARS_FROM_CLI);
	OK(e.boot_ns == T0 && e.deadline_boot_ns == T0 + SECOND);
	IS_STR(e.who, "tester");
	IS_STR(e.reason, "because");
	for (int i = 0; i < 100; i++) {
		v = test_int(i);
		(void)tidevars_set(t, h, &v, 0, &w, &err);
	}
	int n = 0;
	uint64_t seq = 0;
	while (tidevars_log_next(t, seq, &e) == 1) {
		n++;
		seq = e.seq;
	}
	OK_MSG(n == 32 && e.after.u.i == 99, "the ring keeps the last 32");
}

int
main(void)
{
	struct tidevars *t = test_open(NULL, 0);
	if (t == NULL)
		return 1;
	test_types(t);
	test_counter(t);
	test_bounds(t);
	test_ttl(t);
	test_stale(t);
	test_commit(t);
	test_ticket(t);
	test_rights(t);
	test_log(t);
	tidevars_close(&t);
	OK(t == NULL);
	return tap_done();
}
