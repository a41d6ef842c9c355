// SPDX-License-Identifier: MIT
// Laying out, opening, joining. Objects are found through a hash map of their names; counters
// through a map from offset to offset, made once for each pair of kinds.
#include "metrics/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/hash.h"
#include "base/mem.h"

#define LEDGER_MAGIC 0x3e791c02u
#define MAX_BLOCK    65536u
#define NO_COUNTER   UINT32_MAX

static const char file_magic[8] = "TGLEDGER";

struct header {
	char magic[8];
	uint32_t version, n_kinds, n_rows, n_objects;
	uint64_t bytes, kinds_at, rows_at, objects_at;
};

struct kind_record {
	char name[24];
	uint32_t first_row, n_rows, block_bytes, unused;
};

struct row_record {
	char name[56];
	uint32_t offset, kind; // enum metric_kind
};

struct object_record {
	uint32_t kind, name_n, stride, n_blocks;
	uint64_t name_at, blocks_at;
};

struct source {
	struct metric_source s; // first
	struct source *next;    // of all
};

struct ledger {
	uint32_t magic;
	char *map;
	size_t bytes;
	const struct header *h;
	const struct kind_record *kinds;
	const struct row_record *rows;
	const struct object_record *objects;
	struct hash_map by_name; // "kind\0name": object_record
	char **keys;
	uint32_t n_keys;
	struct metric_blocks **blocks; // own: of each object
	struct source *sources;
	uint32_t **maps; // of sources
	size_t n_maps, cap_maps;
};

// --- names ---------------------------------------------------------------------------------------

static struct str
fixed_name(const char *p, size_t room)
{
	return str_of(p, strnlen(p, room));
}

static struct str
kind_name(const struct ledger *l, uint32_t kind)
{
	return fixed_name(l->kinds[kind].name, sizeof(l->kinds[kind].name));
}

static struct str
object_name(const struct ledger *l, const struct object_record *o)
{
	return str_of(l->map + o->name_at, o->name_n);
}

static struct str
key_of(struct str kind, struct str name)
{
	char *p = mem_alloc(kind.n + name.n + 1);
	memcpy(p, kind.p, kind.n);
	p[kind.n] = '\0';
	if (name.n > 0)
		memcpy(p + kind.n + 1, name.p, name.n);
	return str_of(p, kind.n + name.n + 1);
}

static void
index_objects(struct ledger *l)
{
	l->n_keys = l->h->n_objects;
	l->keys = mem_zalloc((l->n_keys + 1) * sizeof(*l->keys));
	for (uint32_t i = 0; i < l->n_keys; i++) {
		const struct object_record *o = &l->objects[i];
		struct str key = key_of(kind_name(l, o->kind), object_name(l, o));
		l->keys[i] = (char *)(uintptr_t)key.p;
		(void)hash_map_put(&l->by_name, key, (void *)(uintptr_t)o); // the first counts
	}
}

static const struct object_record *
find(const struct ledger *l, struct str kind, struct str name)
{
	struct str key = key_of(kind, name);
	const struct object_record *o = hash_map_get(&l->by_name, key);
	mem_free((void *)(uintptr_t)key.p);
	return o;
}

// --- laying out ----------------------------------------------------------------------------------

struct layout {
	struct region {
		const struct ledger_kind *kind;
		uint64_t n;       // objects
		uint64_t next_at; // block of the next object
		uint64_t stride;  // from worker to worker
	} regions[32];            // of kinds
	uint32_t n_kinds, n_rows;
	uint64_t names_at, bytes;
};

static uint64_t
aligned(uint64_t n)
{
	return (n + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
}

static uint32_t
n_rows_of(const struct ledger_kind *k)
{
	uint32_t n = 0;
	while (k->rows[n].name != NULL)
		n++;
	return n;
}

static uint32_t
kind_number(struct layout *y, const struct ledger_kind *k)
{
	for (uint32_t i = 0; i < y->n_kinds; i++)
		if (y->regions[i].kind == k)
			return i;
	ASSERT(y->n_kinds < ARRAY_LEN(y->regions) && k->block_bytes <= MAX_BLOCK);
	y->regions[y->n_kinds].kind = k;
	y->n_rows += n_rows_of(k);
	return y->n_kinds++;
}

// Behind what is there so far.
static void
measure_region(struct layout *y, struct region *r, unsigned n_workers)
{
	uint64_t block = r->kind->block_bytes;
	r->next_at = y->bytes;
	r->stride = aligned(block * r->n);
	ASSERT(block % sizeof(struct metric) == 0 && r->stride <= UINT32_MAX);
	y->bytes += r->stride * (n_workers + 1);
}

static void
measure(struct layout *y, const struct ledger_object *objects, size_t n, unsigned n_workers)
{
	uint64_t names = 0;
	for (size_t i = 0; i < n; i++) {
		y->regions[kind_number(y, objects[i].kind)].n++;
		names += objects[i].name.n;
	}
	y->names_at = sizeof(struct header) + y->n_kinds * sizeof(struct kind_record) +
		      y->n_rows * sizeof(struct row_record) + n * sizeof(struct object_record);
	y->bytes = aligned(y->names_at + names);
	for (uint32_t i = 0; i < y->n_kinds; i++)
		measure_region(y, &y->regions[i], n_workers);
}

static bool
map_file(struct ledger *l, int fd, int prot, struct err *err)
{
	void *p = mmap(NULL, l->bytes, prot, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return err_set(err, "counters: mmap of %zu bytes: %s", l->bytes, strerror(errno));
	l->map = p;
	l->h = p;
	return true;
}

static void
find_tables(struct ledger *l)
{
	l->kinds = (const void *)(l->map + l->h->kinds_at);
	l->rows = (const void *)(l->map + l->h->rows_at);
	l->objects = (const void *)(l->map + l->h->objects_at);
}

static void
write_kinds(struct ledger *l, const struct layout *y)
{
	struct kind_record *kinds = (void *)(uintptr_t)l->kinds;
	struct row_record *rows = (void *)(uintptr_t)l->rows;
	uint32_t at = 0;
	for (uint32_t i = 0; i < y->n_kinds; i++) {
		const struct ledger_kind *k = y->regions[i].kind;
		kinds[i] = (struct kind_record){.first_row = at,
						.n_rows = n_rows_of(k),
						.block_bytes = (uint32_t)k->block_bytes};
		(void)snprintf(kinds[i].name, sizeof(kinds[i].name), "%s", k->name);
		for (const struct metric_row *r = k->rows; r->name != NULL; r++, at++) {
			rows[at].offset = (uint32_t)r->offset;
			rows[at].kind = r->kind;
			(void)snprintf(rows[at].name, sizeof(rows[at].name), "%s", r->name);
		}
	}
}

static void
write_objects(struct ledger *l, struct layout *y, const struct ledger_object *objects, size_t n,
	      unsigned n_workers)
{
	struct object_record *o = (void *)(uintptr_t)l->objects;
	uint64_t name_at = y->names_at;
	for (size_t i = 0; i < n; i++, o++) {
		const struct ledger_kind *k = objects[i].kind;
		uint32_t kind = kind_number(y, k);
		struct region *r = &y->regions[kind];
		char *base = l->map + r->next_at;
		*o = (struct object_record){.kind = kind,
					    .name_n = (uint32_t)objects[i].name.n,
					    .stride = (uint32_t)r->stride,
					    .n_blocks = n_workers + 1,
					    .name_at = name_at,
					    .blocks_at = r->next_at};
		if (objects[i].name.n > 0)
			memcpy(l->map + name_at, objects[i].name.p, objects[i].name.n);
		metrics_init_in(objects[i].blocks, k->block_bytes, n_workers, base + r->stride,
				r->stride);
		objects[i].blocks->base = base;
		l->blocks[i] = objects[i].blocks;
		name_at += o->name_n;
		r->next_at += k->block_bytes;
	}
}

uint64_t
ledger_bytes(const struct ledger_object *objects, size_t n, unsigned n_workers)
{
	struct layout y = {0};
	measure(&y, objects, n, n_workers);
	return y.bytes;
}

struct ledger *
ledger_new(int fd, const struct ledger_object *objects, size_t n, unsigned n_workers,
	   struct err *err)
{
	struct layout y = {0};
	struct ledger *l = MEM_NEW(struct ledger);
	l->magic = LEDGER_MAGIC;
	measure(&y, objects, n, n_workers);
	l->bytes = y.bytes;
	// Room now, rather than a SIGBUS later.
	int why = posix_fallocate(fd, 0, (off_t)y.bytes);
	if (why != 0) {
		err_set(err, "counters: no room for %zu bytes: %s", l->bytes, strerror(why));
		goto fail;
	}
	if (!map_file(l, fd, PROT_READ | PROT_WRITE, err))
		goto fail;
	struct header *h = (void *)l->map;
	*h = (struct header){.version = LEDGER_VERSION,
			     .n_kinds = y.n_kinds,
			     .n_rows = y.n_rows,
			     .n_objects = (uint32_t)n,
			     .bytes = y.bytes,
			     .kinds_at = sizeof(*h)};
	h->rows_at = h->kinds_at + y.n_kinds * sizeof(struct kind_record);
	h->objects_at = h->rows_at + y.n_rows * sizeof(struct row_record);
	find_tables(l);
	l->blocks = mem_zalloc((n + 1) * sizeof(struct metric_blocks *));
	write_kinds(l, &y);
	write_objects(l, &y, objects, n, n_workers);
	memcpy(h->magic, file_magic, sizeof(file_magic)); // whole from here on
	index_objects(l);
	return l;
fail:
	ledger_free(&l);
	return NULL;
}

// --- opening -------------------------------------------------------------------------------------

static bool
fits(const struct ledger *l, uint64_t at, uint64_t count, uint64_t each, uint64_t align)
{
	return at % align == 0 && at <= l->bytes && count <= (l->bytes - at) / each;
}

static bool
kind_fits(const struct ledger *l, const struct kind_record *k)
{
	if (k->n_rows > l->h->n_rows || k->first_row > l->h->n_rows - k->n_rows ||
	    k->block_bytes > MAX_BLOCK || k->block_bytes % sizeof(struct metric) != 0)
		return false;
	for (uint32_t i = 0; i < k->n_rows; i++) {
		const struct row_record *r = &l->rows[k->first_row + i];
		if (r->offset % sizeof(struct metric) != 0 ||
		    r->offset + sizeof(struct metric) > k->block_bytes || r->kind > METRIC_MAX)
			return false;
	}
	return true;
}

static bool
object_fits(const struct ledger *l, const struct object_record *o)
{
	if (o->kind >= l->h->n_kinds || !fits(l, o->name_at, o->name_n, 1, 1))
		return false;
	// Of the last block there need not be a whole stride.
	uint64_t block = MAX(l->kinds[o->kind].block_bytes, (uint32_t)sizeof(struct metric));
	return o->stride >= block && o->stride % CACHE_LINE == 0 && o->n_blocks > 0 &&
	       fits(l, o->blocks_at, 1, block, sizeof(struct metric)) &&
	       o->n_blocks - 1 <= (l->bytes - o->blocks_at - block) / o->stride;
}

static bool
is_whole(struct ledger *l, struct err *err)
{
	const struct header *h = l->h;
	if (memcmp(h->magic, file_magic, sizeof(file_magic)) != 0)
		return err_set(err, "no file of counters, or one that was never whole");
	if (h->version < LEDGER_OLDEST || h->version > LEDGER_VERSION)
		return err_set(err, "counters in layout %u, this program knows %u", h->version,
			       LEDGER_VERSION);
	if (h->bytes != l->bytes ||
	    !fits(l, h->kinds_at, h->n_kinds, sizeof(struct kind_record), 8) ||
	    !fits(l, h->rows_at, h->n_rows, sizeof(struct row_record), 8) ||
	    !fits(l, h->objects_at, h->n_objects, sizeof(struct object_record), 8))
		return err_set(err, "counters that are cut short");
	find_tables(l);
	for (uint32_t i = 0; i < h->n_kinds; i++)
		if (!kind_fits(l, &l->kinds[i]))
			return err_set(err, "counters with a damaged directory");
	for (uint32_t i = 0; i < h->n_objects; i++)
		if (!object_fits(l, &l->objects[i]))
			return err_set(err, "counters with a damaged directory");
	return true;
}

struct ledger *
ledger_open(int fd, struct err *err)
{
	struct stat st;
	struct ledger *l = MEM_NEW(struct ledger);
	l->magic = LEDGER_MAGIC;
	bool good = fstat(fd, &st) == 0 || err_set(err, "counters: %s", strerror(errno));
	if (good && (st.st_size < (off_t)sizeof(struct header) || st.st_size > (off_t)1 << 40))
		good = err_set(err, "counters that are cut short");
	if (good)
		l->bytes = (size_t)st.st_size;
	if (good && map_file(l, fd, PROT_READ, err) && is_whole(l, err)) {
		index_objects(l);
		return l;
	}
	ledger_free(&l);
	return NULL;
}

void
ledger_free(struct ledger **lp)
{
	struct ledger *l = *lp;
	*lp = NULL;
	if (l == NULL)
		return;
	CHECK_MAGIC(l, LEDGER_MAGIC);
	hash_map_fini(&l->by_name);
	for (uint32_t i = 0; i < l->n_keys; i++)
		mem_free(l->keys[i]);
	while (l->sources != NULL) {
		struct source *s = l->sources;
		l->sources = s->next;
		mem_free(s);
	}
	for (size_t i = 0; i < l->n_maps; i++)
		mem_free(l->maps[i]);
	if (l->map != NULL)
		(void)munmap(l->map, l->bytes); // our own mapping
	l->magic = 0;
	mem_free(l->maps);
	mem_free(l->keys);
	mem_free(l->blocks);
	mem_free(l);
}

// --- joining -------------------------------------------------------------------------------------

static const struct row_record *
find_row(const struct ledger *l, uint32_t kind, struct str name)
{
	const struct kind_record *k = &l->kinds[kind];
	for (uint32_t i = 0; i < k->n_rows; i++) {
		const struct row_record *r = &l->rows[k->first_row + i];
		if (str_eq(fixed_name(r->name, sizeof(r->name)), name))
			return r;
	}
	return NULL;
}

static uint64_t
sum_in(const struct ledger *l, const struct object_record *o, uint32_t offset, uint32_t kind)
{
	const struct metric_source s = {.mem = l->map + o->blocks_at,
					.stride_bytes = o->stride,
					.n_blocks = o->n_blocks};
	return metrics_source_read(&s, offset, kind);
}

// From each offset of our kind to theirs. A counter with two names is one.
static uint32_t *
map_kinds(struct ledger *own, uint32_t kind, const struct ledger *before, uint32_t their_kind)
{
	const struct kind_record *k = &own->kinds[kind];
	size_t n = k->block_bytes / sizeof(struct metric);
	uint32_t *map = mem_alloc((n + 1) * sizeof(*map));
	for (size_t i = 0; i < n; i++)
		map[i] = NO_COUNTER;
	for (uint32_t i = 0; i < k->n_rows; i++) {
		const struct row_record *r = &own->rows[k->first_row + i];
		const struct row_record *theirs =
		    find_row(before, their_kind, fixed_name(r->name, sizeof(r->name)));
		if (theirs != NULL)
			map[r->offset / sizeof(struct metric)] = theirs->offset;
	}
	VEC_GROW(own->maps, own->cap_maps, own->n_maps);
	own->maps[own->n_maps++] = map;
	return map;
}

static void
add_up(struct ledger *own, const struct object_record *o, const struct ledger *before,
       const struct object_record *theirs, uint32_t *map)
{
	const struct kind_record *k = &own->kinds[o->kind];
	char *base = own->map + o->blocks_at;
	for (uint32_t i = 0; i < k->n_rows; i++) {
		const struct row_record *r = &own->rows[k->first_row + i];
		uint32_t *place = &map[r->offset / sizeof(struct metric)], from = *place;
		struct metric *to = (struct metric *)(void *)(base + r->offset);
		if (from == NO_COUNTER || r->kind == METRIC_GAUGE)
			continue;
		uint64_t v = sum_in(before, theirs, from, r->kind);
		if (r->kind == METRIC_MAX)
			METRIC_RAISE(to, v);
		else
			METRIC_ADD(to, v);
		*place = NO_COUNTER; // its other name adds nothing more
	}
}

static void
read_in_place(struct ledger *own, size_t at, const struct ledger *before,
	      const struct object_record *theirs, const uint32_t *map)
{
	struct metric_blocks *b = own->blocks[at];
	struct source *s = MEM_NEW(struct source);
	s->s = (struct metric_source){.next = b->sources,
				      .mem = before->map + theirs->blocks_at,
				      .stride_bytes = theirs->stride,
				      .n_blocks = theirs->n_blocks,
				      .map = map};
	s->next = own->sources;
	own->sources = s;
	b->sources = &s->s;
}

static void
tell_lost(const struct ledger *own, const struct ledger *before, ledger_lost_f lost, void *arg)
{
	for (uint32_t i = 0; lost != NULL && i < before->h->n_objects; i++) {
		const struct object_record *o = &before->objects[i];
		struct str kind = kind_name(before, o->kind), name = object_name(before, o);
		if (find(own, kind, name) == NULL)
			lost(arg, kind, name);
	}
}

void
ledger_join(struct ledger *own, const struct ledger *before, bool over, ledger_lost_f lost,
	    void *arg)
{
	uint32_t *map = NULL, kind = UINT32_MAX, their_kind = UINT32_MAX;
	CHECK_MAGIC(own, LEDGER_MAGIC);
	CHECK_MAGIC(before, LEDGER_MAGIC);
	for (uint32_t i = 0; i < own->h->n_objects; i++) {
		const struct object_record *o = &own->objects[i];
		const struct object_record *theirs =
		    find(before, kind_name(own, o->kind), object_name(own, o));
		if (theirs == NULL)
			continue;
		// One map serves all objects read in place; adding up uses its map up.
		if (over || map == NULL || o->kind != kind || theirs->kind != their_kind)
			map = map_kinds(own, o->kind, before, theirs->kind);
		kind = o->kind;
		their_kind = theirs->kind;
		if (over) {
			add_up(own, o, before, theirs, map);
			mem_free(own->maps[--own->n_maps]);
		} else {
			read_in_place(own, i, before, theirs, map);
		}
	}
	tell_lost(own, before, lost, arg);
}

bool
ledger_get_all(const struct ledger *l, struct str kind, struct str name, const char *counter,
	       uint64_t *out, size_t n)
{
	CHECK_MAGIC(l, LEDGER_MAGIC);
	const struct object_record *o = find(l, kind, name);
	const struct row_record *r = o != NULL ? find_row(l, o->kind, str_from_c(counter)) : NULL;
	if (r == NULL || n > (l->kinds[o->kind].block_bytes - r->offset) / sizeof(struct metric))
		return false;
	for (size_t i = 0; i < n; i++)
		out[i] = sum_in(l, o, r->offset + (uint32_t)(i * sizeof(struct metric)), r->kind);
	return true;
}

bool
ledger_get(const struct ledger *l, struct str kind, struct str name, const char *counter,
	   uint64_t *out)
{
	return ledger_get_all(l, kind, name, counter, out, 1);
}
