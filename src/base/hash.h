// SPDX-License-Identifier: MIT
// Hashing (XXH3 of libxxhash) and a map from byte strings to pointers. The map is for set-up
// time and read-only lookups afterwards: any number of readers once nobody writes.
#pragma once

#include "base/str.h"

uint64_t hash_bytes(const void *p, size_t n, uint64_t seed);
// Another number each time, which nobody outside can know: a seed where clients choose what is
// hashed, and could make it fall together. One system call. Any thread.
uint64_t hash_seed(void);

static inline uint64_t
hash_str(struct str s)
{
	return hash_bytes(s.p, s.n, 0);
}

struct hash_slot {
	struct str key; // .p == NULL: free
	uint64_t hash;
	void *value;
};

struct hash_map {
	struct hash_slot *slots; // open addressing, linear probing; a power of two
	size_t n_slots;
	size_t n;
};

// A zero struct is an empty map. Keys are not copied: they must outlive the map.
void hash_map_fini(struct hash_map *m);
// NULL when absent. No allocation, no write.
void *hash_map_get(const struct hash_map *m, struct str key);
// False when the key is there already (the map is unchanged). Value must not be NULL.
bool hash_map_put(struct hash_map *m, struct str key, void *value);
