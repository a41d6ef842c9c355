// SPDX-License-Identifier: MIT
// A string map with linear probing, at most two thirds full.
#include "base/hash.h"

#include <sys/random.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/clock.h"
#include "base/mem.h"

uint64_t
hash_bytes(const void *p, size_t n, uint64_t seed)
{
	return XXH3_64bits_withSeed(p, n, seed);
}

// A kernel that has no randomness yet starts nothing that could be attacked.
uint64_t
hash_seed(void)
{
	uint64_t seed;
	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != (ssize_t)sizeof(seed))
		seed = clock_mono_ns() ^ (uint64_t)(uintptr_t)&seed << 32;
	return seed;
}

void
hash_map_fini(struct hash_map *m)
{
	mem_free(m->slots);
	*m = (struct hash_map){0};
}

// The slot that holds the key, or the free slot where it belongs.
static struct hash_slot *
find_slot(const struct hash_map *m, struct str key, uint64_t hash)
{
	size_t mask = m->n_slots - 1;
	for (size_t i = hash & mask;; i = (i + 1) & mask) {
		struct hash_slot *s = &m->slots[i];
		if (s->key.p == NULL || (s->hash == hash && str_eq(s->key, key)))
			return s;
	}
}

void *
hash_map_get(const struct hash_map *m, struct str key)
{
	if (m->n == 0)
		return NULL;
	struct hash_slot *s = find_slot(m, key, hash_str(key));
	return s->key.p != NULL ? s->value : NULL;
}

static void
grow(struct hash_map *m)
{
	struct hash_map bigger = {.n_slots = MAX(m->n_slots * 2, (size_t)16), .n = m->n};
	bigger.slots = mem_zalloc(bigger.n_slots * sizeof(*bigger.slots));
	for (size_t i = 0; i < m->n_slots; i++)
		if (m->slots[i].key.p != NULL)
			*find_slot(&bigger, m->slots[i].key, m->slots[i].hash) = m->slots[i];
	mem_free(m->slots);
	*m = bigger;
}

bool
hash_map_put(struct hash_map *m, struct str key, void *value)
{
	ASSERT(value != NULL);
	if (key.p == NULL)
		key.p = "";
	if ((m->n + 1) * 3 > m->n_slots * 2)
		grow(m);
	uint64_t hash = hash_str(key);
	struct hash_slot *s = find_slot(m, key, hash);
	if (s->key.p != NULL)
		return false;
	*s = (struct hash_slot){.key = key, .hash = hash, .value = value};
	m->n++;
	return true;
}
