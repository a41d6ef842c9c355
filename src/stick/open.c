// SPDX-License-Identifier: MIT
// A table's file: laid out, checked, joined by a process, mended behind a killed one. Each process
// holds an OFD lock on the byte of its lane for as long as it has the table; the kernel drops it
// with the process. A lane that is marked in use and not locked is a dead one's.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "stick/table_priv.h"

static const char file_magic[8] = "TGSTICK";

#define LANES_AT   ((off_t)1 << 40) // bytes to lock, beyond any file
#define SHARED     (STICK_LANES - 1)
#define JOINING    STICK_LANES // a lock of its own: one joins at a time
#define SPARE_PART 8 // of so many places one more than entries: two full buckets come late

// --- laying out ----------------------------------------------------------------------------------

static uint64_t
aligned(uint64_t n)
{
	return (n + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
}

static uint32_t
words_of_key(const struct stick_def *d)
{
	uint32_t length = d->type == STICK_STRING; // a word for it
	return (d->key_bytes + 7) / 8 + length;
}

static uint32_t
words_of_data(const struct stick_def *d, enum stick_data i)
{
	enum stick_kind kind = stick_data_rows[i].kind;
	return kind == STICK_CURRENT ? 0 : d->data[i].n * (kind == STICK_RATE ? 2 : 1);
}

// Everything that follows from the definition.
static void
measure(struct stick_table *t)
{
	const struct stick_def *d = &t->def;
	bool small = d->size <= 2 * STICK_WAYS;
	t->n_buckets = small ? 1 + (d->size > STICK_WAYS)
			     : (d->size + d->size / SPARE_PART + STICK_WAYS - 1) / STICK_WAYS;
	t->ways = small ? (uint32_t)((d->size + t->n_buckets - 1) / t->n_buckets) : STICK_WAYS;
	t->key_words = words_of_key(d);
	for (unsigned i = 0; i < STICK_N_DATA; i++) {
		t->at[i] = (uint16_t)(t->key_words + t->n_values);
		t->n_values += words_of_data(d, (enum stick_data)i);
	}
	t->stride =
	    aligned(sizeof(struct stick_entry) + (t->key_words + t->n_values) * sizeof(uint64_t));
	t->bytes =
	    aligned(sizeof(struct stick_header)) + n_places(t) * (sizeof(uint64_t) + t->stride);
}

uint64_t
stick_table_bytes(const struct stick_def *def)
{
	struct stick_table t = {.def = *def};
	measure(&t);
	return t.bytes;
}

static uint64_t
sum_of(const struct stick_header *h)
{
	return hash_bytes(h, offsetof(struct stick_header, sum), STICK_LAYOUT);
}

// As it is for the definition.
static void
describe(const struct stick_table *t, struct stick_header *h)
{
	memset(h, 0, sizeof(*h));
	memcpy(h->magic, file_magic, sizeof(h->magic));
	h->layout = STICK_LAYOUT;
	h->key_type = t->def.type;
	h->key_bytes = t->def.key_bytes;
	h->size = t->def.size;
	h->n_buckets = t->n_buckets;
	h->stride = t->stride;
	h->bytes = t->bytes;
	memcpy(h->data, t->def.data, sizeof(h->data));
}

static void
find_parts(struct stick_table *t, void *map)
{
	t->h = map;
	t->index = (_Atomic uint64_t *)(void *)((char *)map + aligned(sizeof(*t->h)));
	t->entries = (char *)(t->index + n_places(t));
}

static void
read_boot_id(char id[40])
{
	memset(id, 0, 40);
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
	if (f == NULL)
		return; // then a reboot is not seen: keys may expire early or late
	if (fgets(id, 40, f) == NULL)
		memset(id, 0, 40);
	(void)fclose(f); // only read from
}

static void
begin_empty(struct stick_table *t)
{
	struct stick_header *h = t->h;
	describe(t, h);
	read_boot_id(h->boot_id);
	h->real_ms = (clock_real_ns() - clock_boot_ns()) / NS_PER_MS;
	h->seed = hash_seed(); // clients choose keys: none may know which meet in a bucket
	for (uint64_t p = 0; p < n_places(t); p++) {
		bool exists = p % STICK_WAYS < t->ways &&
			      (t->ways == STICK_WAYS ||
			       p / STICK_WAYS * t->ways + p % STICK_WAYS < t->def.size);
		t->index[p] = place_word(0, exists ? PLACE_FREE : PLACE_NONE, 0, 1);
	}
	h->sum = sum_of(h); // whole from here on
}

// --- checking ------------------------------------------------------------------------------------

// The same key again hashes to where it stands.
static bool
is_in_place(const struct stick_table *t, uint64_t place)
{
	uint64_t word = t->index[place];
	struct stick_key k = {.n_words = t->key_words};
	const struct stick_entry *e = entry_at(t, place);
	for (uint32_t i = 0; i < k.n_words; i++)
		k.words[i] = e->words[i];
	if (t->def.type == STICK_STRING) {
		if (k.words[0] > t->def.key_bytes)
			return t->index[place] != word;
		k.n_words = 1 + (uint32_t)((k.words[0] + 7) / 8);
	}
	struct stick_home home = home_of(t, stick_hash(t, k.words, k.n_words));
	bool right = word >> 48 == home.tag &&
		     (place / STICK_WAYS == home.bucket[0] || place / STICK_WAYS == home.bucket[1]);
	return right || t->index[place] != word; // another process's has come meanwhile
}

static bool
is_whole(const struct stick_table *t)
{
	for (uint64_t p = 0; p < n_places(t); p++) {
		enum place_state s = place_state(t->index[p]);
		if ((s > PLACE_LIVE && s != PLACE_NONE) || place_lane(t->index[p]) >= STICK_LANES ||
		    (s == PLACE_LIVE && !is_in_place(t, p)))
			return false;
	}
	return true;
}

static bool
check(struct stick_table *t, struct err *err)
{
	struct stick_header want;
	describe(t, &want);
	want.seed = t->h->seed;
	if (memcmp(t->h->magic, file_magic, sizeof(file_magic)) != 0)
		return err_set(err, "no stick table, or one that was never whole");
	if (t->h->layout != STICK_LAYOUT)
		return err_set(err, "a stick table in layout %u, this program knows %u",
			       t->h->layout, STICK_LAYOUT);
	if (sum_of(t->h) != t->h->sum)
		return err_set(err, "a stick table with a damaged header");
	if (sum_of(&want) != t->h->sum)
		return err_set(err, "a stick table of another type, size or other data");
	t->seed = t->h->seed;
	return is_whole(t) || err_set(err, "a stick table with a damaged index");
}

// --- joining -------------------------------------------------------------------------------------

static int
lock_byte(const struct stick_table *t, unsigned at, short type, int how)
{
	struct flock l = {.l_type = type,
			  .l_whence = SEEK_SET,
			  .l_start = LANES_AT + (off_t)at,
			  .l_len = 1};
	return fcntl(t->fd, how, &l);
}

static bool
lock_lane(const struct stick_table *t, unsigned lane, short type)
{
	return lock_byte(t, lane, type, F_OFD_SETLK) == 0;
}

// Waits for who holds it, which is for as long as he joins.
static void
lock_patiently(const struct stick_table *t, unsigned at, short type)
{
	while (lock_byte(t, at, type, F_OFD_SETLKW) != 0 && errno == EINTR)
		;
}

bool
stick_lane_is_dead(struct stick_table *t, unsigned lane)
{
	if (t->fd < 0 || lane == t->lane || lane >= STICK_LANES ||
	    atomic_exchange_explicit(&t->asks, true, memory_order_acquire))
		return false;
	bool dead = lock_lane(t, JOINING, F_WRLCK) && lock_lane(t, lane, F_WRLCK);
	(void)lock_lane(t, lane, F_UNLCK); // ours, or none
	(void)lock_lane(t, JOINING, F_UNLCK);
	atomic_store_explicit(&t->asks, false, memory_order_release);
	return dead;
}

// Alone: nobody else has the table. The lanes of the dead are locked by us, until mended.
static uint32_t
lock_dead_lanes(const struct stick_table *t, bool *alone)
{
	uint32_t dead = 0;
	*alone = true;
	for (unsigned i = 0; i < STICK_LANES; i++) {
		if (lock_lane(t, i, F_WRLCK))
			dead |= 1u << i;
		else
			*alone = false;
	}
	return dead;
}

static void
mend_entry(struct stick_entry *e, uint32_t dead)
{
	for (unsigned i = 0; i < STICK_LANES; i++)
		if (dead & 1u << i && e->lanes[i] != 0)
			e->lanes[i] = 0;
}

// By a clock that was set back, or a damaged word, a key would not expire for as long.
static void
mend_time(struct stick_entry *e, uint64_t now)
{
	if ((int64_t)(e->used_ms - now) > 0)
		e->used_ms = now;
}

// What the dead kept, and what they were writing.
static void
mend(struct stick_table *t, uint32_t dead, bool alone)
{
	uint64_t n_live = 0, now = stick_now(t, clock_boot_ns());
	for (uint64_t p = 0; p < n_places(t); p++) {
		uint64_t w = t->index[p];
		mend_entry(entry_at(t, p), dead);
		if (place_is_busy(w) && dead & 1u << place_lane(w))
			(void)stick_free_lost(t, p, w);
		if (place_state(w) != PLACE_LIVE)
			continue;
		n_live++;
		if (alone)
			mend_time(entry_at(t, p), now);
	}
	if (alone)
		t->h->used = n_live;
}

// After a boot CLOCK_BOOTTIME began anew: the table's time goes on by the wall clock.
static void
set_clock(struct stick_table *t, bool alone)
{
	char id[40];
	read_boot_id(id);
	if (alone && memcmp(id, t->h->boot_id, sizeof(id)) != 0) {
		t->h->shift_ms = (clock_real_ns() - clock_boot_ns()) / NS_PER_MS - t->h->real_ms;
		memcpy(t->h->boot_id, id, sizeof(id));
	}
	t->shift_ms = t->h->shift_ms;
}

// Who finds nobody believes no mark of who was there.
static void
join(struct stick_table *t, bool fresh)
{
	bool alone;
	lock_patiently(t, JOINING, F_WRLCK);
	uint32_t free = lock_dead_lanes(t, &alone), dead = alone ? free : free & t->h->in_use;
	t->lane = SHARED;
	for (unsigned i = STICK_LANES; i-- > 0;)
		if (free & 1u << i)
			t->lane = i;
	set_clock(t, alone);
	if (dead != 0 && !fresh)
		mend(t, dead, alone);
	atomic_fetch_and_explicit(&t->h->in_use, ~dead, memory_order_seq_cst);
	atomic_fetch_or_explicit(&t->h->in_use, 1u << t->lane, memory_order_seq_cst);
	if (t->lane == SHARED)
		lock_patiently(t, SHARED, F_RDLCK); // with others who came late
	for (unsigned i = 0; i < STICK_LANES; i++)
		if (free & 1u << i && i != t->lane)
			(void)lock_lane(t, i, F_UNLCK); // ours
	(void)lock_lane(t, JOINING, F_UNLCK);
}

// A description of our own: locks belong to it, and what was handed to us is others' too.
static int
own_description(int fd)
{
	char path[64];
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDWR | O_CLOEXEC);
}

static bool
map(struct stick_table *t, int fd, bool *empty, struct err *err)
{
	struct stat st;
	int flags = MAP_SHARED;
	*empty = true;
	if (fd < 0) {
		flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	} else {
		t->fd = own_description(fd);
		if (t->fd < 0 || fstat(t->fd, &st) != 0)
			return err_set(err, "a stick table: %s", strerror(errno));
		if ((uint64_t)st.st_size != t->bytes)
			return err_set(err, "a stick table of another size, or cut");
	}
	void *p = mmap(NULL, t->bytes, PROT_READ | PROT_WRITE, flags, t->fd, 0);
	if (p == MAP_FAILED)
		return err_set(err, "a stick table: mmap of %llu bytes: %s",
			       (unsigned long long)t->bytes, strerror(errno));
	find_parts(t, p);
	static const char nothing[sizeof(struct stick_header)];
	*empty = memcmp(p, nothing, sizeof(nothing)) == 0;
	return true;
}

struct stick_table *
stick_table_open(const struct stick_def *def, int fd, bool *fresh, struct err *err)
{
	struct stick_table *t = MEM_NEW(struct stick_table);
	t->magic = STICK_MAGIC;
	t->def = *def;
	t->fd = -1;
	measure(t);
	if (!map(t, fd, fresh, err))
		goto fail;
	if (*fresh)
		begin_empty(t);
	else if (!check(t, err))
		goto fail;
	t->seed = t->h->seed;
	if (t->fd >= 0)
		join(t, *fresh);
	return t;
fail:
	stick_table_close(&t);
	return NULL;
}

void
stick_table_close(struct stick_table **tp)
{
	struct stick_table *t = *tp;
	*tp = NULL;
	if (t == NULL)
		return;
	CHECK_MAGIC(t, STICK_MAGIC);
	if (t->h != NULL)
		(void)munmap(t->h, t->bytes); // our own mapping
	if (t->fd >= 0)
		(void)close(t->fd); // memory: nothing to flush. The lane stays marked: it costs a
				    // look at the next opening
	t->magic = 0;
	mem_free(t);
}

const struct stick_def *
stick_table_def(const struct stick_table *t)
{
	return &t->def;
}

uint64_t
stick_now(const struct stick_table *t, uint64_t boot_ns)
{
	return boot_ns / NS_PER_MS + t->shift_ms;
}

// --- keys ----------------------------------------------------------------------------------------

uint64_t
stick_hash(const struct stick_table *t, const uint64_t *words, uint32_t n)
{
	return hash_bytes(words, n * sizeof(*words), t->seed);
}

void
stick_key_make(const struct stick_table *t, struct str bytes, struct stick_key *k)
{
	bool string = t->def.type == STICK_STRING;
	size_t n = MIN(bytes.n, (size_t)t->def.key_bytes);
	k->n_words = string ? 1 + (uint32_t)((n + 7) / 8) : t->key_words;
	if (string)
		k->words[0] = n;
	char *to = (char *)(k->words + string);
	memset(k->words + k->n_words - 1, 0, k->n_words > string ? sizeof(uint64_t) : 0);
	if (!string && n < t->def.key_bytes)
		memset(to, 0, t->key_words * sizeof(uint64_t));
	if (n > 0)
		memcpy(to, bytes.p, n);
	k->hash = stick_hash(t, k->words, k->n_words);
}

// The length is read from memory that others write: never more than there is room for.
struct str
stick_key_bytes(const struct stick_table *t, const uint64_t *words, char *buf)
{
	bool string = t->def.type == STICK_STRING;
	size_t n = string ? MIN(words[0], (uint64_t)t->def.key_bytes) : t->def.key_bytes;
	memcpy(buf, words + string, n);
	return str_of(buf, n);
}
