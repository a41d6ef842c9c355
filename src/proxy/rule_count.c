// SPDX-License-Identifier: MIT
// Numbers the rules and has their counters' blocks side by side: the first one's of a worker is
// the array that this worker counts in, with a ledger (where every kind lies so) and without.
#include "proxy/rule_count.h"

#include "base/mem.h"
#include "proxy/rule_explain.h"

const struct metric_row rule_count_rows[] = {
    {.name = "applied", .offset = 0, .kind = METRIC_COUNTER},
    {.name = NULL},
};

static uint32_t
add(struct counted_rules *c, struct counted_rule rule)
{
	VEC_GROW(c->all, c->cap, c->n);
	c->all[c->n] = rule;
	return (uint32_t)c->n++;
}

static void
add_rules_of(struct counted_rules *c, const struct proxy *p)
{
	const struct rule_list *list;
	for (size_t i = 0; (list = rule_list_at(p, i)) != NULL; i++)
		for (struct rule *r = list->first; r != NULL; r = r->next)
			r->number = add(c, (struct counted_rule){.proxy = p, .rule = r});
	for (struct switch_rule *r = p->switching; r != NULL; r = r->next)
		r->number = add(c, (struct counted_rule){.proxy = p, .use = r});
	for (struct switch_rule *r = p->serving; r != NULL; r = r->next)
		r->number = add(c, (struct counted_rule){.proxy = p, .use = r});
}

void
rule_counts_make(struct proxy_set *set)
{
	set->rules = MEM_NEW(struct counted_rules);
	for (size_t i = 0; i < set->n_all; i++)
		add_rules_of(set->rules, set->all[i]);
}

void
rule_counts_init_rest(struct counted_rules *c, unsigned n_workers)
{
	if (c->n == 0 || c->all[0].applied.magic != 0)
		return;
	size_t stride = (c->n * sizeof(struct metric) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
	c->mem = mem_aligned(CACHE_LINE, stride * n_workers);
	for (size_t i = 0; i < c->n; i++)
		metrics_init_in(&c->all[i].applied, sizeof(struct metric), n_workers,
				c->mem + i * sizeof(struct metric), stride);
}

void
rule_counts_free(struct proxy_set *set)
{
	struct counted_rules *c = set->rules;
	set->rules = NULL;
	if (c == NULL)
		return;
	mem_free(c->mem);
	mem_free(c->all);
	mem_free(c);
}

struct metric *
rule_counts_of(const struct proxy_set *set, unsigned worker)
{
	return set->rules->n > 0 ? metrics_of(&set->rules->all[0].applied, worker) : NULL;
}

void
rule_counts_clear(const struct proxy_set *set, unsigned worker)
{
	for (size_t i = 0; i < set->rules->n; i++)
		metrics_clear(&set->rules->all[i].applied, worker, rule_count_rows);
}

uint64_t
rule_count_read(const struct counted_rule *c)
{
	return metrics_read(&c->applied, rule_count_rows);
}

void
counted_rule_print(const struct counted_rule *c, struct sbuf *out)
{
	if (c->rule != NULL)
		rule_print_text(c->rule, out);
	else
		switch_rule_print_text(c->use, out);
}
