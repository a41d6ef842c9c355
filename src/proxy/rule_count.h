// SPDX-License-Identifier: MIT
// How often each rule was applied, that is, its condition held; of use_backend and
// use-server, how often it chose.
// Rules are numbered at start; each worker counts in an array of its own by that number, and what
// does not fire costs nothing. A rule that waits counts once; rules of rule_list_inspect count each
// time the list begins again. A rule is known to later processes by its proxy, its text and its
// line's words, and of equal ones by which of them it is (kept.c).
#pragma once

#include "metrics/metrics.h"
#include "proxy/worker.h"

struct sbuf;
struct switch_rule;

struct counted_rule {
	const struct proxy *proxy;
	const struct rule *rule; // or
	const struct switch_rule *use;
	struct metric_blocks applied;
};

struct counted_rules {
	struct counted_rule *all;
	size_t n, cap;
	char *mem; // of the blocks, where no ledger has them
};

extern const struct metric_row rule_count_rows[];

// On the worker, once for each rule applied.
static inline void
rule_count(struct proxy_worker *w, uint32_t number)
{
	METRIC_ADD(&w->applied[number], 1);
}

// Main thread, before the blocks are made; freed by rule_counts_free, also of a set without.
void rule_counts_make(struct proxy_set *set);
// Those blocks that no ledger has.
void rule_counts_init_rest(struct counted_rules *c, unsigned n_workers);
void rule_counts_free(struct proxy_set *set);
// The array of one worker; NULL without rules.
struct metric *rule_counts_of(const struct proxy_set *set, unsigned worker);
void rule_counts_clear(const struct proxy_set *set, unsigned worker);
uint64_t rule_count_read(const struct counted_rule *c);
// "http-request deny if is_bad".
void counted_rule_print(const struct counted_rule *c, struct sbuf *out);
