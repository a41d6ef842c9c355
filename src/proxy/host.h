// SPDX-License-Identifier: MIT
// What expressions see of a transaction beyond its heads: names, numbers, log values, writes to
// the shared table (expr/sample.h's host).
#pragma once

#include "expr/sample.h"

struct address_range;
struct proxy;
struct txn;

// ctx->host_data is the struct txn.
extern const struct sample_host proxy_sample_host;

// True when the networks of `option forwardfor|originalto except` hold the address.
bool proxy_address_excepted(const struct address_range *list, const struct sample_addr *addr);
// Lets go of the policy generation that the transaction pinned, if any (policy_host.c).
void proxy_host_unpin(struct txn *t);
// unique-id-format of the frontend, made once per transaction; .p NULL without one.
struct str proxy_unique_id(const struct txn *t);
// A rule writes the shared table: tried at once, else posted to the keeper (shm_write.c).
bool proxy_shm_write(const struct sample_ctx *ctx, uint32_t handle, const struct sample *value,
		     bool add);
