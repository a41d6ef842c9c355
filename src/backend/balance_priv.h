// SPDX-License-Identifier: MIT
// What the files of balancing share.
#pragma once

#include "backend/backend.h"

// Tables are bounded; weights that ask for longer ones are scaled down.
#define BALANCE_TURN_MAX 4096       // round robin: shares are exact to 1/4096
#define BALANCE_MAP_MAX  65536      // beyond HAProxy's map is longer
#define BALANCE_RING_MAX (1u << 20) // beyond HAProxy's ring has more points

#define BALANCE_NOBODY UINT16_MAX // no index: a backend has fewer servers

// balance_key.c
bool balance_key_source(const struct balance *how, struct sample_ctx *ctx, uint32_t *hash);
bool balance_key_uri(const struct balance *how, struct sample_ctx *ctx, uint32_t *hash);
bool balance_key_param(const struct balance *how, struct sample_ctx *ctx, uint32_t *hash);
bool balance_key_header(const struct balance *how, struct sample_ctx *ctx, uint32_t *hash);
bool balance_key_expr(const struct balance *how, struct sample_ctx *ctx, uint32_t *hash);

// balance_loads.c: a worker's servers by their load. NULL is fine.
void balance_loads_free(struct balance_loads **t);
// Below its maxconn, as far as can be told without taking a place.
static inline bool
balance_has_room(const struct server *s)
{
	uint32_t max = server_maxconn_now(s);
	return max == 0 || limit_used(&s->limit) < max;
}
