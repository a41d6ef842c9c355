// SPDX-License-Identifier: MIT
// Counters from process to process: added up when one ended, read in place while it counts, matched
// by name across layouts, cleared as one; foreign and damaged files are refused.
#include "metrics/ledger.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "tap.h"

struct old {
	struct metric requests, conns, most, gone;
};
struct new
{
	struct metric most, fresh, requests, conns;
};

static const struct metric_row old_rows[] = {
    {.name = "requests", .offset = offsetof(struct old, requests), .kind = METRIC_COUNTER},
    {.name = "same_requests", .offset = offsetof(struct old, requests), .kind = METRIC_COUNTER},
    {.name = "conns", .offset = offsetof(struct old, conns), .kind = METRIC_GAUGE},
    {.name = "most", .offset = offsetof(struct old, most), .kind = METRIC_MAX},
    {.name = "gone", .offset = offsetof(struct old, gone), .kind = METRIC_COUNTER},
    {.name = NULL},
};
static const struct metric_row new_rows[] = {
    {.name = "same_requests", .offset = offsetof(struct new, requests), .kind = METRIC_COUNTER},
    {.name = "requests", .offset = offsetof(struct new, requests), .kind = METRIC_COUNTER},
    {.name = "conns", .offset = offsetof(struct new, conns), .kind = METRIC_GAUGE},
    {.name = "most", .offset = offsetof(struct new, most), .kind = METRIC_MAX},
    {.name = "fresh", .offset = offsetof(struct new, fresh), .kind = METRIC_COUNTER},
    {.name = NULL},
};
static const struct ledger_kind old_kind = {"frontend", old_rows, sizeof(struct old)};
static const struct ledger_kind new_kind = {"frontend", new_rows, sizeof(struct new)};

static uint64_t
read_by_name(const struct metric_blocks *b, const char *name)
{
	for (const struct metric_row *r = new_rows; r->name != NULL; r++)
		if (strcmp(r->name, name) == 0)
			return metrics_read(b, r);
	return UINT64_MAX;
}

// A ledger of the old layout with two frontends, a and b, counted in by two workers.
static int
make_old(struct ledger **l, struct metric_blocks b[2])
{
	struct err err;
	int fd = memfd_create("ledger", MFD_CLOEXEC);
	const struct ledger_object objects[] = {{&old_kind, STR("a"), &b[0]},
						{&old_kind, STR("b"), &b[1]}};
	*l = ledger_new(fd, objects, 2, 2, &err);
	if (!OK(*l != NULL))
		abort();
	for (unsigned w = 0; w < 2; w++) {
		struct old *o = metrics_of(&b[0], w);
		METRIC_ADD(&o->requests, 10 + w);
		METRIC_ADD(&o->conns, 2);
		METRIC_ADD(&o->gone, 1);
		METRIC_RAISE(&o->most, 5 + w);
	}
	return fd;
}

static unsigned n_lost;

static void
lost(void *arg, struct str kind, struct str name)
{
	n_lost += str_eq(kind, STR("frontend")) && str_eq(name, STR("b"));
	(void)arg;
}

static struct ledger *
make_new(struct metric_blocks *b, int *fd)
{
	struct err err;
	const struct ledger_object objects[] = {{&new_kind, STR("c"), &b[1]},
						{&new_kind, STR("a"), &b[0]}};
	*fd = memfd_create("ledger", MFD_CLOEXEC);
	return ledger_new(*fd, objects, 2, 3, &err);
}

static void
joining(bool over)
{
	struct metric_blocks b[2], n[2];
	struct ledger *old, *own, *before;
	struct err err;
	uint64_t v;
	int own_fd, fd = make_old(&old, b);
	own = make_new(n, &own_fd);
	before = ledger_open(fd, &err);
	OK(own != NULL && before != NULL);
	n_lost = 0;
	ledger_join(own, before, over, lost, NULL);
	IS_INT(n_lost, 1);
	struct new *mine = metrics_of(&n[0], 2);
	METRIC_ADD(&mine->requests, 100);
	METRIC_ADD(&mine->conns, 1);
	IS_INT(read_by_name(&n[0], "requests"), 121);
	IS_INT(read_by_name(&n[0], "same_requests"), 121);
	IS_INT(read_by_name(&n[0], "most"), 6);
	IS_INT(read_by_name(&n[0], "fresh"), 0);
	OK_MSG(read_by_name(&n[0], "conns") == (over ? 1 : 5), "gauges end with their process");
	IS_INT(read_by_name(&n[1], "requests"), 0);
	METRIC_ADD(&((struct old *)metrics_of(&b[0], 1))->requests, 1000);
	OK_MSG(read_by_name(&n[0], "requests") == (over ? 121 : 1121), "who drains counts on");
	OK(ledger_get(own, STR("frontend"), STR("a"), "requests", &v) && v == (over ? 121 : 100));
	OK(!ledger_get(own, STR("frontend"), STR("b"), "requests", &v));
	OK(!ledger_get(own, STR("frontend"), STR("a"), "gone", &v));
	uint64_t all[5] = {0};
	OK(ledger_get_all(own, STR("frontend"), STR("a"), "most", all, 4));
	OK(ledger_get_all(own, STR("frontend"), STR("a"), "requests", all, 2));
	IS_INT(all[0], over ? 121 : 100);
	OK_MSG(!ledger_get_all(own, STR("frontend"), STR("a"), "requests", all, 3),
	       "no further than the block");
	OK(!ledger_get_all(own, STR("frontend"), STR("a"), "gone", all, 1));
	for (unsigned w = 0; w < 3; w++)
		metrics_clear(&n[0], w, new_rows);
	IS_INT(read_by_name(&n[0], "requests"), 0);
	METRIC_ADD(&((struct old *)metrics_of(&b[0], 0))->requests, 7);
	IS_INT(read_by_name(&n[0], "requests"), over ? 0 : 7);
	ledger_free(&own);
	ledger_free(&before);
	ledger_free(&old);
	(void)close(fd);
	(void)close(own_fd);
}

// Small objects: one worker's blocks are an array, and each object is its own.
static const struct metric_row small_rows[] = {
    {.name = "applied", .offset = 0, .kind = METRIC_COUNTER},
    {.name = NULL},
};
static const struct ledger_kind small_kind = {"rule", small_rows, sizeof(struct metric)};

static struct ledger *
make_small(int *fd, struct metric_blocks *b, const char *const *names, size_t n, unsigned n_workers)
{
	struct ledger_object objects[4];
	struct err err;
	ASSERT(n < ARRAY_LEN(objects));
	for (size_t i = 0; i < n; i++)
		objects[i] = (struct ledger_object){&small_kind, str_from_c(names[i]), &b[i]};
	objects[n] = (struct ledger_object){&old_kind, STR("a"), &b[n]};
	*fd = memfd_create("ledger", MFD_CLOEXEC);
	return ledger_new(*fd, objects, n + 1, n_workers, &err);
}

static void
small_objects(bool over)
{
	static const char *const then[] = {"x", "y", "z"}, *const now[] = {"z", "x"};
	struct metric_blocks b[4], n[3];
	struct err err;
	int fd, own_fd;
	struct ledger *old = make_small(&fd, b, then, 3, 2),
		      *own = make_small(&own_fd, n, now, 2, 3), *before = ledger_open(fd, &err);
	if (!OK(old != NULL && own != NULL && before != NULL))
		abort();
	for (unsigned w = 0; w < 2; w++) {
		struct metric *array = metrics_of(&b[0], w);
		for (unsigned i = 0; i < 3; i++) {
			OK(metrics_of(&b[i], w) == &array[i]);
			METRIC_ADD(&array[i], (i + 1) * (w == 0 ? 1 : 100));
		}
		OK((uintptr_t)array % CACHE_LINE == 0);
	}
	ledger_join(own, before, over, NULL, NULL);
	METRIC_ADD((struct metric *)metrics_of(&n[0], 2), 5000);
	IS_INT(metrics_read(&n[0], small_rows), 5303);
	IS_INT(metrics_read(&n[1], small_rows), 101);
	IS_INT(metrics_read(&n[2], &old_rows[0]), 0);
	ledger_free(&own);
	ledger_free(&before);
	ledger_free(&old);
	(void)close(fd);
	(void)close(own_fd);
}

// Of the layouts before, those that are a part of this one are read.
static void
versions(void)
{
	struct metric_blocks b[2];
	struct ledger *l;
	struct err err;
	int fd = make_old(&l, b);
	ledger_free(&l);
	for (uint32_t v = LEDGER_OLDEST - 1; v <= LEDGER_VERSION + 1; v++) {
		OK(pwrite(fd, &v, sizeof(v), 8) == sizeof(v));
		l = ledger_open(fd, &err);
		OK((l != NULL) == (v >= LEDGER_OLDEST && v <= LEDGER_VERSION));
		ledger_free(&l);
	}
	(void)close(fd);
}

// Every byte of the directory, turned; the file cut at every length: refused or read within bounds.
static void
damage(void)
{
	struct metric_blocks b[2];
	struct ledger *l;
	struct err err;
	int fd = make_old(&l, b);
	ledger_free(&l);
	off_t size = lseek(fd, 0, SEEK_END);
	char *bytes = mem_alloc((size_t)size);
	OK(pread(fd, bytes, (size_t)size, 0) == size);
	unsigned refused = 0, opened = 0;
	for (off_t at = 0; at < size; at++) {
		for (unsigned bit = 0; bit < 8; bit += 3) {
			char turned = (char)(bytes[at] ^ (1 << bit));
			uint64_t v[4];
			(void)!pwrite(fd, &turned, 1, at);
			l = ledger_open(fd, &err);
			l != NULL ? opened++ : refused++;
			if (l != NULL)
				(void)ledger_get_all(l, STR("frontend"), STR("a"), "requests", v,
						     ARRAY_LEN(v));
			ledger_free(&l);
			(void)!pwrite(fd, &bytes[at], 1, at);
		}
	}
	OK(refused > 100 && opened > 100);
	for (off_t n = size - 1; n >= 0; n--) {
		if (ftruncate(fd, n) != 0)
			abort();
		l = ledger_open(fd, &err);
		opened += l != NULL ? 100000 : 0;
		ledger_free(&l);
	}
	OK_MSG(opened < 100000, "no cut file is opened");
	mem_free(bytes);
	(void)close(fd);
}

int
main(void)
{
	joining(true);
	joining(false);
	small_objects(true);
	small_objects(false);
	versions();
	damage();
	return tap_done();
}
