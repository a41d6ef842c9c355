// SPDX-License-Identifier: MIT
// A tree of winners (Knuth, The Art of Computer Programming 3, 5.2.3): the best of some players at
// once, and again after one of them changed, in as many comparisons as the tree is high. Whether
// one player beats another the owner says; a function known where it is given costs no call.
#pragma once

#include "base/base.h"
#include "backend/balance_priv.h"

struct balance_tree {
	uint32_t size; // the power of two that has room for the players
	// [1]: of all; [i]: of [2i] and [2i+1]; [size + i]: player i. Where nobody plays,
	// BALANCE_NOBODY: the players fill their places from the left.
	uint16_t *winner;
};

// Does b beat a? Who is left of the other wins a draw.
typedef bool (*balance_beats_f)(const void *of, uint16_t a, uint16_t b);

// Players 0..n-1, n >= 1, of whom all games are played. _fini gives the memory back.
void balance_tree_init(struct balance_tree *t, size_t n, balance_beats_f beats, const void *of);
void balance_tree_fini(struct balance_tree *t);

static inline uint16_t
balance_tree_best(const struct balance_tree *t)
{
	return t->winner[1];
}

static ALWAYS_INLINE void
balance_tree_game(struct balance_tree *t, uint32_t at, balance_beats_f beats, const void *of)
{
	uint16_t a = t->winner[2 * at], b = t->winner[2 * at + 1];
	t->winner[at] = b != BALANCE_NOBODY && beats(of, a, b) ? b : a;
}

// The games of a player that changed.
static ALWAYS_INLINE void
balance_tree_play(struct balance_tree *t, uint32_t player, balance_beats_f beats, const void *of)
{
	for (uint32_t at = (t->size + player) / 2; at >= 1; at /= 2)
		balance_tree_game(t, at, beats, of);
}
