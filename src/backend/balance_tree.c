// SPDX-License-Identifier: MIT
#include "backend/balance_tree.h"

#include "base/mem.h"

void
balance_tree_init(struct balance_tree *t, size_t n, balance_beats_f beats, const void *of)
{
	t->size = 1;
	while (t->size < n)
		t->size *= 2;
	t->winner = mem_alloc(2 * t->size * sizeof(*t->winner));
	for (uint32_t i = 0; i < t->size; i++)
		t->winner[t->size + i] = i < n ? (uint16_t)i : BALANCE_NOBODY;
	for (uint32_t at = t->size - 1; at >= 1; at--)
		balance_tree_game(t, at, beats, of);
}

void
balance_tree_fini(struct balance_tree *t)
{
	mem_free(t->winner);
	t->winner = NULL;
}
