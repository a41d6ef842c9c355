// SPDX-License-Identifier: MIT
// vars/read: a variable alone is read from its newest record, without the epoch, once that record
// is done; anything else is held against the epoch. Beside a writer, readings only go forward, and
// whoever saw one half of a commit sees the other.
#include <pthread.h>
#include <sys/mman.h>

#include "vars/layout_priv.h"

#include "table.h"

enum { COMMITS = 60000 };

// The bytes of a table, as another program maps them.
struct bytes {
	struct layout_header *header;
	struct layout_slot *slots;
};

static struct bytes
map_bytes(const struct tidevars *t)
{
	size_t n = sizeof(struct layout_header) + 64 * sizeof(struct layout_slot);
	char *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, tidevars_fd(t), 0);
	if (p == MAP_FAILED)
		exit(1);
	return (struct bytes){(void *)p, (void *)(p + sizeof(struct layout_header))};
}

static struct layout_hot *
newest(const struct bytes *b, uint32_t h)
{
	struct layout_hot *hot = b->slots[h].hot;
	return &hot[atomic_load(&hot[1].stamp) > atomic_load(&hot[0].stamp)];
}

static bool
is_done(const struct bytes *b, uint32_t h)
{
	return (atomic_load(&newest(b, h)->flags) & LAYOUT_HOT_DONE) != 0;
}

// Every way of writing leaves a record that counts by itself.
static void
test_done(void)
{
	struct tidevars *t = test_open(NULL, 0);
	struct bytes b = map_bytes(t);
	struct tidevars_value one = test_int(1), on = test_typed(TIDEVARS_HOLD, 1);
	uint32_t i = test_declare(t, "i", TIDEVARS_INT), h = test_declare(t, "h", TIDEVARS_HOLD);
	OK(is_done(&b, i) && is_done(&b, h));
	IS_INT(tidevars_set(t, i, &one, SECOND, NULL, NULL), TIDEVARS_OK);
	OK(is_done(&b, i));
	IS_INT(tidevars_sweep(t, tidevars_now_boot_ns() + 2 * SECOND, NULL, NULL), TIDEVARS_OK);
	OK(is_done(&b, i) && (atomic_load(&newest(&b, i)->flags) & LAYOUT_HOT_DEFAULT) != 0);
	struct tidevars_op ops[2] = {{.handle = i, .kind = TIDEVARS_SET, .value = one},
				     {.handle = h, .kind = TIDEVARS_SET, .value = on}};
	IS_INT(tidevars_commit(t, ops, 2, NULL, NULL), TIDEVARS_OK);
	OK(is_done(&b, i) && is_done(&b, h));
	IS_INT(tidevars_unset(t, i, NULL, NULL), TIDEVARS_OK);
	OK(is_done(&b, i));
	tidevars_close(&t);
}

// What the epoch says matters to a record that is not done, and to that alone.
static void
test_epoch(void)
{
	struct tidevars *t = test_open(NULL, 0);
	struct bytes b = map_bytes(t);
	uint32_t h = test_declare(t, "i", TIDEVARS_INT);
	IS_INT(tidevars_set_text(t, "i", "1", 0, NULL, NULL), TIDEVARS_OK);
	IS_INT(tidevars_set_text(t, "i", "2", 0, NULL, NULL), TIDEVARS_OK);
	struct layout_hot *hot = newest(&b, h);
	uint64_t epoch = atomic_load(&b.header->epoch);
	// Done: the line of the epoch is not asked.
	atomic_store(&b.header->epoch, epoch - 1);
	IS_INT(test_read(t, h, 1).u.i, 2);
	IS_INT(tidevars_version(t, h), (int64_t)epoch);
	// A writer killed between record and epoch: not believed.
	atomic_store(&hot->flags, 0);
	IS_INT(test_read(t, h, 1).u.i, 1);
	IS_INT(tidevars_version(t, h), (int64_t)epoch - 1);
	// Killed between epoch and flag, or of layout 1.0: it counts, and goes on counting.
	atomic_store(&b.header->epoch, epoch);
	IS_INT(test_read(t, h, 1).u.i, 2);
	IS_INT(tidevars_version(t, h), (int64_t)epoch);
	IS_INT(tidevars_set_text(t, "i", "3", 0, NULL, NULL), TIDEVARS_OK);
	IS_INT(test_read(t, h, 1).u.i, 3);
	OK(is_done(&b, h));
	tidevars_close(&t);
}

// A program of layout 1.0 raises `declared` alone: the next that lists or writes tells readers.
static void
test_redeclared(void)
{
	struct tidevars_decl d = {.name = "i", .type = TIDEVARS_INT, .initial = test_int(7)};
	struct tidevars *t = test_open(NULL, 0), *other;
	struct bytes b = map_bytes(t);
	uint32_t h = test_declare(t, "i", TIDEVARS_INT);
	IS_INT(tidevars_open_fd(&other, tidevars_fd(t), 0, NULL), TIDEVARS_OK);
	IS_INT(test_read(other, h, 1).u.i, 0);
	uint64_t before = atomic_load(&b.header->redeclared);
	IS_INT(tidevars_declare(t, &d, NULL, NULL), TIDEVARS_OK);
	OK(atomic_load(&b.header->redeclared) == atomic_load(&b.header->declared));
	atomic_store(&b.header->redeclared, before);
	IS_INT(test_read(other, h, 1).u.i, 0);
	IS_INT(tidevars_count(other), 1);
	IS_INT(test_read(other, h, 1).u.i, 7);
	OK(atomic_load(&b.header->redeclared) == atomic_load(&b.header->declared));
	tidevars_close(&other);
	tidevars_close(&t);
}

struct pair {
	struct tidevars *t;
	uint32_t left, right;
	_Atomic int stop;
};

static void *
write_pairs(void *arg)
{
	struct pair *p = arg;
	for (int i = 1; i <= COMMITS; i++) {
		struct tidevars_op ops[2] = {
		    {.handle = p->left, .kind = TIDEVARS_SET, .value = test_int(i)},
		    {.handle = p->right, .kind = TIDEVARS_SET, .value = test_int(i)}};
		(void)tidevars_commit(p->t, ops, 2, NULL, NULL);
	}
	p->stop = 1;
	return NULL;
}

static void
test_forward(void)
{
	struct pair p = {.t = test_open(NULL, 0)};
	pthread_t writer;
	int back = 0, half = 0;
	int64_t last = 0;
	p.left = test_declare(p.t, "left", TIDEVARS_INT);
	p.right = test_declare(p.t, "right", TIDEVARS_INT);
	(void)pthread_create(&writer, NULL, write_pairs, &p);
	for (uint32_t i = 0; !p.stop; i++) {
		uint32_t first = i % 2 == 0 ? p.left : p.right;
		uint32_t handles[2] = {p.left, p.right};
		struct tidevars_value a = test_read(p.t, first, 1), both[2];
		struct tidevars_value b = test_read(p.t, p.left + p.right - first, 1);
		(void)tidevars_read_many(p.t, handles, 2, 1, both);
		back += a.u.i < last;
		half += b.u.i < a.u.i || both[0].u.i != both[1].u.i || both[0].u.i < b.u.i;
		last = both[0].u.i;
	}
	(void)pthread_join(writer, NULL);
	IS_INT(back, 0);
	IS_INT(half, 0);
	IS_INT(test_read(p.t, p.left, 1).u.i, COMMITS);
	tidevars_close(&p.t);
}

int
main(void)
{
	test_done();
	test_epoch();
	test_redeclared();
	test_forward();
	return tap_done();
}
