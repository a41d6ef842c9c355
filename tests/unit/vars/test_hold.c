// SPDX-License-Identifier: MIT
// vars/hold: many owners of one switch.
#include "table.h"

#define T0 (1000 * SECOND)

static struct tidevars_writer
at(uint64_t now, const char *who)
{
	return (struct tidevars_writer){.who = who,
					.reason = "db migration",
					.now_boot_ns = now,
					.now_real_ns = now};
}

static void
test_owners(struct tidevars *t)
{
	struct tidevars_writer w = at(T0, "ops");
	struct tidevars_error err;
	struct tidevars_hold holds[TIDEVARS_HOLDS_MAX];
	size_t n;
	uint32_t h = test_declare(t, "maint", TIDEVARS_HOLD);
	struct tidevars_value on = test_typed(TIDEVARS_HOLD, 1), off = test_typed(TIDEVARS_HOLD, 0);
	OK(test_read(t, h, T0).u.i == 0 && test_read(t, h, T0).flags == TIDEVARS_IS_DEFAULT);
	IS_INT(tidevars_take(t, h, "deploy", 30 * SECOND, &w, &err), TIDEVARS_OK);
	IS_INT(tidevars_set(t, h, &on, 0, &w, &err), TIDEVARS_OK);
	IS_INT(test_read(t, h, T0).u.i, 2);
	OK(test_read(t, h, T0).until_boot_ns == T0 + 30 * SECOND);
	IS_INT(tidevars_read_holds(t, h, T0, holds, &n), TIDEVARS_OK);
	IS_INT(n, 2);
	IS_STR(holds[0].owner, "deploy");
	IS_STR(holds[0].reason, "db migration");
	IS_STR(holds[1].owner, "ops");
	OK(holds[1].until_boot_ns == TIDEVARS_NEVER && holds[0].taken_real_ns == T0);
	IS_INT(tidevars_set(t, h, &off, 0, &w, &err), TIDEVARS_OK);
	IS_INT(test_read(t, h, T0).u.i, 1);
	IS_INT(tidevars_set(t, h, &off, 0, &w, &err), TIDEVARS_NOT_HELD);
	IS_STR(err.text, "'maint' is held by deploy, not by ops");
	IS_INT(tidevars_release(t, h, "nobody", &w, &err), TIDEVARS_NOT_HELD);
	// Taking again renews.
	IS_INT(tidevars_take(t, h, "deploy", 60 * SECOND, &w, &err), TIDEVARS_OK);
	OK(test_read(t, h, T0).u.i == 1 && test_read(t, h, T0).until_boot_ns == T0 + 60 * SECOND);
	IS_INT(tidevars_release(t, h, "deploy", &w, &err), TIDEVARS_OK);
	IS_INT(tidevars_set(t, h, &off, 0, &w, &err), TIDEVARS_OK);
	IS_INT(tidevars_take(t, h, "", 0, &w, &err), TIDEVARS_BOUNDS);
	IS_INT(tidevars_take(t, h, "a\nb", 0, &w, &err), TIDEVARS_BOUNDS);
	IS_INT(tidevars_take(t, h, "01234567890123456789012345678901", 0, &w, &err),
	       TIDEVARS_BOUNDS);
	IS_INT(tidevars_add(t, h, &on, &w, &err), TIDEVARS_TYPE);
	IS_INT(tidevars_take(t, test_declare(t, "i", TIDEVARS_INT), "x", 0, &w, &err),
	       TIDEVARS_TYPE);
}

static void
test_expiry(struct tidevars *t)
{
	struct tidevars_writer w = at(T0, "ops");
	struct tidevars_error err;
	struct tidevars_hold holds[TIDEVARS_HOLDS_MAX];
	struct tidevars_value v;
	uint64_t next;
	size_t n;
	uint32_t h = test_declare(t, "expiring", TIDEVARS_HOLD);
	(void)tidevars_take(t, h, "short", 10 * SECOND, &w, &err);
	(void)tidevars_take(t, h, "long", 20 * SECOND, &w, &err);
	v = test_read(t, h, T0 + 10 * SECOND);
	OK(v.u.i == 1 && v.until_boot_ns == T0 + 20 * SECOND && v.flags == TIDEVARS_IS_EXPIRED);
	v = test_read(t, h, T0 + 20 * SECOND);
	OK(v.u.i == 0 && v.until_boot_ns == TIDEVARS_NEVER);
	IS_INT(tidevars_read_holds(t, h, T0 + 10 * SECOND, holds, &n), TIDEVARS_OK);
	OK(n == 1 && strcmp(holds[0].owner, "long") == 0);
	IS_INT(tidevars_sweep(t, T0 + 11 * SECOND, &next, &err), TIDEVARS_OK);
	OK(next == T0 + 20 * SECOND);
	IS_INT(tidevars_sweep(t, T0 + 21 * SECOND, &next, &err), TIDEVARS_OK);
	OK(next == TIDEVARS_NEVER);
	struct tidevars_info info;
	(void)tidevars_info(t, h, T0 + 21 * SECOND, &info, &err);
	OK(info.expired == 2 && info.value.flags == TIDEVARS_IS_DEFAULT);
}

// Whose hold ran out stands in the log, one entry each.
static void
test_expiry_log(struct tidevars *t)
{
	struct tidevars_writer w = at(T0, "ops");
	struct tidevars_error err;
	struct tidevars_log_entry e;
	uint32_t h = test_declare(t, "logged", TIDEVARS_HOLD);
	uint64_t seq = tidevars_log_last(t);
	(void)tidevars_take(t, h, "one", 10 * SECOND, &w, &err);
	(void)tidevars_take(t, h, "two", 10 * SECOND, &w, &err);
	(void)tidevars_take(t, h, "three", 30 * SECOND, &w, &err);
	w = at(T0 + 15 * SECOND, "ops");
	(void)tidevars_release(t, h, "three", &w, &err);
	const char *want[] = {"take one 1",   "take two 2",   "take three 3",
			      "expire one 2", "expire two 1", "release three 0"};
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		char got[128];
		OK(tidevars_log_next(t, seq, &e) == 1);
		(void)snprintf(got, sizeof(got), "%s %s %d", tidevars_kind_name(e.kind), e.text,
			       (int)e.after.u.i);
		IS_STR(got, want[i]);
		seq = e.seq;
	}
}

static void
test_extend(struct tidevars *t)
{
	struct tidevars_writer w = at(T0, "ops");
	struct tidevars_error err;
	struct tidevars_hold holds[TIDEVARS_HOLDS_MAX];
	size_t n;
	uint32_t h = test_declare(t, "extended", TIDEVARS_HOLD);
	IS_INT(tidevars_extend(t, h, "deploy", SECOND, &w, &err), TIDEVARS_NOT_HELD);
	IS_STR(err.text, "'extended' is not held by deploy, nor by anybody else");
	IS_INT(tidevars_take(t, h, "deploy", 10 * SECOND, &w, &err), TIDEVARS_OK);
	w = at(T0 + 5 * SECOND, "ops");
	w.reason = NULL;
	IS_INT(tidevars_extend(t, h, "deploy", 20 * SECOND, &w, &err), TIDEVARS_OK);
	(void)tidevars_read_holds(t, h, T0, holds, &n);
	OK(n == 1 && holds[0].until_boot_ns == T0 + 25 * SECOND && holds[0].taken_real_ns == T0);
	IS_STR(holds[0].reason, "db migration");
	w = at(T0 + 25 * SECOND, "ops");
	OK_MSG(tidevars_extend(t, h, "deploy", SECOND, &w, &err) == TIDEVARS_NOT_HELD,
	       "what has run out cannot be extended");
	IS_INT(tidevars_extend(t, test_declare(t, "j", TIDEVARS_INT), "x", 0, &w, &err),
	       TIDEVARS_TYPE);
}

static void
test_full(struct tidevars *t)
{
	struct tidevars_writer w = at(T0, "ops");
	struct tidevars_error err;
	uint32_t h = test_declare(t, "full", TIDEVARS_HOLD);
	char owner[32];
	for (int i = 0; i < TIDEVARS_HOLDS_MAX; i++) {
		(void)snprintf(owner, sizeof(owner), "o%d", i);
		if (tidevars_take(t, h, owner, (uint64_t)(i + 1) * SECOND, &w, &err) != TIDEVARS_OK)
			OK_MSG(false, "sixteen fit");
	}
	IS_INT(tidevars_take(t, h, "late", 0, &w, &err), TIDEVARS_FULL);
	OK(strstr(err.text, "o0, o1, o2") != NULL && strstr(err.text, "o15") != NULL);
	IS_INT(test_read(t, h, T0).u.i, TIDEVARS_HOLDS_MAX);
	w = at(T0 + SECOND, "ops");
	OK_MSG(tidevars_take(t, h, "late", 0, &w, &err) == TIDEVARS_OK,
	       "an expired one makes room");
	IS_INT(tidevars_unset(t, h, &w, &err), TIDEVARS_OK);
	IS_INT(test_read(t, h, T0).u.i, 0);
}

int
main(void)
{
	struct tidevars *t = test_open(NULL, 0);
	if (t == NULL)
		return 1;
	test_owners(t);
	test_expiry(t);
	test_expiry_log(t);
	test_extend(t);
	test_full(t);
	tidevars_close(&t);
	return tap_done();
}
