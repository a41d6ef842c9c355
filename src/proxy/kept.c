// SPDX-License-Identifier: MIT
// The ledger itself. What lies in it, and what states in it mean, is the other parts' business
// (kept_priv.h).
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "proxy/kept_priv.h"
#include "proxy/proxy.h"
#include "proxy/rule_count.h"

static struct kept *
kept_of(struct proxy_set *set)
{
	if (set->kept == NULL) {
		set->kept = MEM_NEW(struct kept);
		sbuf_init(&set->kept->lost, 512);
		sbuf_init(&set->kept->set, 512);
	}
	return set->kept;
}

void
kept_add(struct proxy_set *set, const struct ledger_kind *kind, struct str name,
	 struct metric_blocks *blocks)
{
	kept_object_add(kept_of(set), kind, name, blocks);
}

static bool
make_ledger(struct kept *k, struct proxy_set *set, unsigned n_workers, struct err *err)
{
	int fd = set->kept_file(set, ledger_bytes(k->objects, k->n_objects, n_workers), err);
	if (fd < 0)
		return false;
	k->ledger = ledger_new(fd, k->objects, k->n_objects, n_workers, err);
	(void)close(fd); // mapped
	return k->ledger != NULL;
}

bool
kept_init(struct proxy_set *set, unsigned n_workers, struct err *err)
{
	struct kept *k = kept_of(set);
	k->made = true;
	kept_objects_add(k, set);
	bool good = set->kept_file == NULL || make_ledger(k, set, n_workers, err);
	kept_blocks_init_rest(set, n_workers);
	kept_states_note(set);
	return good;
}

void
kept_fini(struct proxy_set *set)
{
	struct kept *k = set->kept;
	set->kept = NULL;
	if (k == NULL)
		return;
	if (k->made)
		kept_blocks_fini(set);
	rule_counts_free(set);
	ledger_free(&k->ledger);
	for (size_t i = 0; i < k->n_before; i++)
		ledger_free(&k->before[i]);
	kept_objects_free(k);
	sbuf_fini(&k->lost);
	sbuf_fini(&k->set);
	mem_free(k->before);
	mem_free(k);
}

// --- those before --------------------------------------------------------------------------------

static void
note_lost(void *arg, struct str kind, struct str name)
{
	struct kept *k = arg;
	if (str_ends(kind, STR("-state")) || str_ends(kind, STR("-check")))
		return; // told with its counters
	sbuf_printf(&k->lost, "%s%.*s %.*s", k->n_lost > 0 ? ", " : "", STR_ARG(kind),
		    STR_ARG(name));
	k->n_lost++;
}

static void
tell_lost(const struct kept *k)
{
	if (k->n_lost > 0)
		log_msg(LOG_NOTICE,
			"the counters of %u object%s end, which the configuration has no "
			"more: %.*s%s",
			k->n_lost, k->n_lost == 1 ? "" : "s", STR_ARG(sbuf_str(&k->lost)),
			k->lost.full ? " ..." : "");
}

void
kept_take(struct proxy_set *set, struct ledger **before, bool over, bool last)
{
	struct kept *k = set->kept;
	struct ledger *l = *before;
	*before = NULL;
	ASSERT(k->ledger != NULL);
	VEC_GROW(k->before, k->cap_before, k->n_before);
	k->before[k->n_before++] = l;
	ledger_join(k->ledger, l, over, last ? note_lost : NULL, k);
	if (!last)
		return;
	tell_lost(k);
	k->last = l;
	kept_states_take(k);
}
