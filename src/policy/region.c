// SPDX-License-Identifier: MIT
// Two-level segregated fit inside one mapping, small blocks on lists in front of it (see region.h).
#include "policy/region.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define UNIT        16u // block sizes are multiples of it
#define MIN_BLOCK   32u // size word, two links, footer
#define SMALL_BLOCK 256u
#define IS_FREE     1u
#define PREV_FREE   2u
#define FLAGS       (IS_FREE | PREV_FREE)

struct region_block {
	size_t word;                       // size | flags; the size includes this word
	struct region_block *next, **link; // only while free: its bin; *link points here
};

static size_t
block_size(const struct region_block *b)
{
	return b->word & ~(size_t)FLAGS;
}

static struct region_block *
block_at(const void *p, size_t offset)
{
	return (struct region_block *)(void *)((char *)(uintptr_t)p + offset);
}

static struct region_block *
block_after(const struct region_block *b)
{
	return block_at(b, block_size(b));
}

static void *
payload(struct region_block *b)
{
	return (char *)b + sizeof(size_t);
}

static struct region_block *
block_of(void *p)
{
	return (struct region_block *)(void *)((char *)p - sizeof(size_t));
}

// The size in front of a block whose PREV_FREE is set: the last word of the free neighbour.
static struct region_block *
block_before(struct region_block *b)
{
	size_t size;
	memcpy(&size, (char *)b - sizeof(size), sizeof(size));
	return block_at((char *)b - size, 0);
}

struct bin {
	unsigned first, second;
};

static struct bin
bin_of(size_t size)
{
	if (size < SMALL_BLOCK)
		return (struct bin){0, (unsigned)(size / UNIT)};
	unsigned log = 63u - (unsigned)__builtin_clzl(size);
	return (struct bin){log - 7,
			    (unsigned)(size >> (log - REGION_SECOND_BITS)) & (REGION_SECOND - 1)};
}

static void
bin_insert(struct region *r, struct region_block *b)
{
	size_t size = block_size(b);
	struct bin at = bin_of(size);
	struct region_block **head = &r->free[at.first][at.second];
	b->next = *head;
	b->link = head;
	if (b->next != NULL)
		b->next->link = &b->next;
	*head = b;
	r->first_map |= 1u << at.first;
	r->second_map[at.first] |= 1u << at.second;
	memcpy((char *)b + size - sizeof(size), &size, sizeof(size));
}

static void
bin_remove(struct region *r, struct region_block *b)
{
	struct bin at = bin_of(block_size(b));
	*b->link = b->next;
	if (b->next != NULL)
		b->next->link = b->link;
	if (r->free[at.first][at.second] != NULL)
		return;
	r->second_map[at.first] &= ~(1u << at.second);
	if (r->second_map[at.first] == 0)
		r->first_map &= ~(1u << at.first);
}

bool
region_map(struct region *r, size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	bytes = (bytes + page - 1) & ~(page - 1);
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	*r = (struct region){0};
	if (p == MAP_FAILED)
		return false;
	r->base = p;
	r->bytes = bytes;
	// One free block, then a used one of no payload as the end; the first word pads, so that
	// sizes stay multiples of UNIT.
	struct region_block *all = block_at(p, 0);
	all->word = (bytes - UNIT) | IS_FREE;
	block_after(all)->word = UNIT | PREV_FREE;
	bin_insert(r, all);
	return true;
}

void
region_unmap(struct region *r)
{
	int failed = r->base != NULL ? munmap(r->base, r->bytes) : 0;
	ASSERT(!failed);
	r->base = NULL;
}

// Any block of at least `size`, taken out of its bin; NULL when there is none.
static struct region_block *
bin_take(struct region *r, size_t size)
{
	// Round up to the next bin, every block of which is large enough.
	size_t want = size;
	if (size >= SMALL_BLOCK)
		want += ((size_t)1 << (63 - __builtin_clzl(size) - REGION_SECOND_BITS)) - 1;
	struct bin at = bin_of(want);
	if (at.first >= REGION_FIRST_BITS)
		return NULL;
	uint32_t seconds = r->second_map[at.first] & (~0u << at.second);
	if (seconds == 0) {
		uint32_t firsts = at.first + 1 < 32 ? r->first_map & (~0u << (at.first + 1)) : 0;
		if (firsts == 0)
			return NULL;
		at.first = (unsigned)__builtin_ctz(firsts);
		seconds = r->second_map[at.first];
	}
	struct region_block *b = r->free[at.first][__builtin_ctz(seconds)];
	bin_remove(r, b);
	return b;
}

// Gives what `b` (in use) has beyond `size` back, joined with a free neighbour.
static void
trim(struct region *r, struct region_block *b, size_t size)
{
	size_t rest = block_size(b) - size;
	if (rest < MIN_BLOCK)
		return;
	struct region_block *after = block_after(b);
	if (after->word & IS_FREE) {
		bin_remove(r, after);
		rest += block_size(after);
	}
	b->word = size | (b->word & PREV_FREE);
	struct region_block *tail = block_after(b);
	tail->word = rest | IS_FREE;
	block_after(tail)->word |= PREV_FREE;
	bin_insert(r, tail);
}

static void
account(struct region *r, size_t before, size_t after)
{
	r->used += after - before;
	r->peak = MAX(r->peak, r->used);
}

static size_t
size_for(size_t bytes)
{
	return MAX((bytes + sizeof(size_t) + UNIT - 1) & ~(size_t)(UNIT - 1), (size_t)MIN_BLOCK);
}

// To its bin, joined with free neighbours.
static void
join(struct region *r, struct region_block *b)
{
	struct region_block *after = block_after(b);
	size_t size = block_size(b);
	if (after->word & IS_FREE) {
		bin_remove(r, after);
		size += block_size(after);
	}
	if (b->word & PREV_FREE) {
		struct region_block *before = block_before(b);
		bin_remove(r, before);
		size += block_size(before);
		b = before;
	}
	b->word = size | IS_FREE; // two free blocks are never neighbours
	block_after(b)->word |= PREV_FREE;
	bin_insert(r, b);
}

// ---- small blocks -----------------------------------------------------------------------------

static inline struct region_block *
quick_take(struct region *r, size_t size)
{
	struct region_quick *q = &r->quick[size / UNIT];
	struct region_block *b = q->first;
	if (b == NULL)
		return NULL;
	q->first = b->next;
	q->n--;
	return b;
}

static inline bool
quick_give(struct region *r, struct region_block *b, size_t size)
{
	struct region_quick *q = &r->quick[size / UNIT];
	if (q->n == REGION_QUICK_MOST)
		return false;
	b->next = q->first;
	q->first = b;
	q->n++;
	return true;
}

static SELDOM void
quick_join(struct region *r)
{
	for (size_t size = 0; size <= REGION_QUICK_BYTES; size += UNIT)
		for (struct region_block *b; (b = quick_take(r, size)) != NULL;)
			join(r, b);
}

// ---- all --------------------------------------------------------------------------------------

static struct region_block *
find(struct region *r, size_t size)
{
	struct region_block *b = bin_take(r, size);
	if (LIKELY(b != NULL))
		return b;
	quick_join(r);
	return bin_take(r, size);
}

static void *
take(struct region *r, size_t bytes)
{
	size_t size = bytes < r->bytes ? size_for(bytes) : r->bytes;
	struct region_block *b = size <= REGION_QUICK_BYTES ? quick_take(r, size) : NULL;
	if (LIKELY(b != NULL)) {
		account(r, 0, size);
		return payload(b);
	}
	b = find(r, size);
	if (b == NULL) {
		r->failures++;
		return NULL;
	}
	b->word &= ~(size_t)IS_FREE;
	block_after(b)->word &= ~(size_t)PREV_FREE;
	trim(r, b, size);
	account(r, 0, block_size(b));
	return payload(b);
}

static void
give(struct region *r, void *p)
{
	struct region_block *b = block_of(p);
	size_t size = block_size(b);
	r->used -= size;
	if (size > REGION_QUICK_BYTES || !quick_give(r, b, size))
		join(r, b);
}

// Takes the free block behind `b` in, if that is enough for `size`.
static bool
extend(struct region *r, struct region_block *b, size_t size)
{
	struct region_block *after = block_after(b);
	if (!(after->word & IS_FREE) || block_size(b) + block_size(after) < size)
		return false;
	bin_remove(r, after);
	b->word += block_size(after);
	block_after(b)->word &= ~(size_t)PREV_FREE;
	trim(r, b, size);
	return true;
}

// A block that is there, to another size.
static __attribute__((noinline)) void *
resize(struct region *r, void *p, size_t old_bytes, size_t bytes)
{
	struct region_block *b = block_of(p);
	size_t before = block_size(b), size = bytes < r->bytes ? size_for(bytes) : r->bytes;
	if (size <= before) {
		trim(r, b, size);
		account(r, before, block_size(b));
		return p;
	}
	if (extend(r, b, size)) {
		account(r, before, block_size(b));
		return p;
	}
	void *q = take(r, bytes);
	if (q == NULL)
		return NULL;
	memcpy(q, p, MIN(old_bytes, bytes));
	give(r, p);
	return q;
}

void *
region_realloc(void *ud, void *p, size_t old_bytes, size_t bytes)
{
	struct region *r = ud;
	if (p != NULL && bytes != 0)
		return resize(r, p, old_bytes, bytes);
	if (bytes != 0) // old_bytes is then the kind of object
		return take(r, bytes);
	if (p != NULL)
		give(r, p);
	return NULL;
}

static bool
check_bins(const struct region *r, size_t free_blocks)
{
	size_t binned = 0;
	for (unsigned f = 0; f < REGION_FIRST_BITS; f++)
		for (unsigned s = 0; s < REGION_SECOND; s++)
			for (struct region_block *b = r->free[f][s]; b != NULL;
			     b = b->next, binned++)
				if (*b->link != b || bin_of(block_size(b)).second != s ||
				    bin_of(block_size(b)).first != f || !(b->word & IS_FREE))
					return false;
	return binned == free_blocks;
}

// The bytes of small blocks that wait; SIZE_MAX: they are not what their lists say.
static size_t
check_quick(const struct region *r)
{
	size_t bytes = 0;
	for (size_t size = 0; size <= REGION_QUICK_BYTES; size += UNIT) {
		unsigned n = 0;
		for (const struct region_block *b = r->quick[size / UNIT].first; b != NULL;
		     b = b->next, n++)
			if (block_size(b) != size || b->word & IS_FREE)
				return SIZE_MAX;
		if (n != r->quick[size / UNIT].n || n > REGION_QUICK_MOST)
			return SIZE_MAX;
		bytes += n * size;
	}
	return bytes;
}

bool
region_check(const struct region *r)
{
	size_t free_blocks = 0, used = 0;
	bool prev_free = false;
	const char *end = r->base + r->bytes - UNIT;
	struct region_block *b = block_at(r->base, 0);
	for (; (char *)b < end; b = block_after(b)) {
		bool is_free = (b->word & IS_FREE) != 0;
		if (prev_free != ((b->word & PREV_FREE) != 0) || (prev_free && is_free))
			return false;
		free_blocks += is_free;
		used += is_free ? 0 : block_size(b);
		prev_free = is_free;
	}
	size_t quick = check_quick(r);
	return (char *)b == end && quick != SIZE_MAX && used == r->used + quick &&
	       check_bins(r, free_blocks);
}
