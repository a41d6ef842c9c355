// SPDX-License-Identifier: MIT
// Searchable forms of pattern lists and the functions that look into them. Whole strings: a hash
// (pattern_ranks.h). Beginnings, ends, parts and words: a trie (pattern_trie.c). Addresses: hashes
// of networks (pattern_net.c). Integers of ACLs: disjoint ranges. What is left is tried in order.

#include <stdlib.h>

#include "base/mem.h"
#include "expr/pattern_priv.h"
#include "expr/pattern_ref.h"

#define FEW        4   // so many are compared one by one faster than hashed
#define FOLD_STACK 512 // texts up to here are lowered on the stack

const struct pattern_entry *
pattern_build_none(const struct pattern_list *l UNUSED, const struct sample *s UNUSED,
		   struct sample_ctx *ctx UNUSED)
{
	return NULL;
}

static const struct pattern_entry match_found = {.key = {"", 0}};

// The text to compare: lowered when case does not count. False at the arena's cap.
static bool
folded(const struct pattern_list *l, const struct sample *s, struct sample_ctx *ctx, char *stack,
       struct str *out)
{
	*out = s->s;
	if (!l->opts.icase)
		return true;
	char *p = s->s.n <= FOLD_STACK ? stack : arena_alloc(ctx->arena, s->s.n, 1);
	if (p == NULL) {
		ctx->failed = true;
		return false;
	}
	for (size_t i = 0; i < s->s.n; i++)
		p[i] = (char)byte_lower((unsigned char)s->s.p[i]);
	out->p = p;
	return true;
}

// ---- found, bool, and "bool or int, as it comes"

static const struct pattern_entry *
match_any(const struct pattern_list *l UNUSED, const struct sample *s UNUSED,
	  struct sample_ctx *ctx UNUSED)
{
	return &match_found;
}

static const struct pattern_entry *
match_bool(const struct pattern_list *l UNUSED, const struct sample *s,
	   struct sample_ctx *ctx UNUSED)
{
	return s->b ? &match_found : NULL;
}

static const struct pattern_entry *
match_value(const struct pattern_list *l UNUSED, const struct sample *s,
	    struct sample_ctx *ctx UNUSED)
{
	bool yes = s->type == SMP_BOOL ? s->b : s->type == SMP_INT && s->i != 0;
	return yes ? &match_found : NULL;
}

// ---- integers and lengths

static const struct pattern_entry *
find_range(const struct pattern_list *l, int64_t v)
{
	size_t low = 0, high = l->n_ranges;
	while (low < high) {
		size_t mid = (low + high) / 2;
		if (v > l->ranges[mid].max)
			low = mid + 1;
		else
			high = mid;
	}
	bool in = low < l->n_ranges && v >= l->ranges[low].min;
	return in ? &l->ranges[low].item->entry : NULL;
}

static const struct pattern_entry *
match_int(const struct pattern_list *l, const struct sample *s, struct sample_ctx *ctx UNUSED)
{
	return find_range(l, s->i);
}

static const struct pattern_entry *
match_len(const struct pattern_list *l, const struct sample *s, struct sample_ctx *ctx UNUSED)
{
	return find_range(l, (int64_t)s->s.n);
}

static const struct pattern_entry *
match_int_in_order(const struct pattern_list *l, const struct sample *s,
		   struct sample_ctx *ctx UNUSED)
{
	int64_t v = l->opts.match == PAT_LEN ? (int64_t)s->s.n : s->i;
	for (size_t i = 0; i < l->n_items; i++) {
		const struct pattern_item *item = &l->items[i];
		if (v >= item->range.min && v <= item->range.max && item_is_live(item))
			return &l->items[i].entry;
	}
	return NULL;
}

static int
range_order(const void *a, const void *b)
{
	const struct pattern_range_node *x = a, *y = b;
	return (x->min > y->min) - (x->min < y->min);
}

// An ACL only asks whether: overlapping and touching ranges become one.
static void
build_ranges(struct pattern_list *l)
{
	struct pattern_range_node *r = mem_zalloc((l->n_items + 1) * sizeof(*r));
	size_t n = 0;
	for (size_t i = 0; i < l->n_items; i++)
		r[i] = (struct pattern_range_node){l->items[i].range.min, l->items[i].range.max,
						   &l->items[i]};
	qsort(r, l->n_items, sizeof(*r), range_order);
	for (size_t i = 0; i < l->n_items; i++) {
		bool touches = n > 0 && (r[n - 1].max == INT64_MAX || r[i].min <= r[n - 1].max + 1);
		if (touches)
			r[n - 1].max = MAX(r[n - 1].max, r[i].max);
		else
			r[n++] = r[i];
	}
	l->ranges = r;
	l->n_ranges = n;
}

// ---- whole strings

static const struct pattern_entry *
match_str_few(const struct pattern_list *l, const struct sample *s, struct sample_ctx *ctx)
{
	char stack[FOLD_STACK];
	struct str t;
	if (!folded(l, s, ctx, stack, &t))
		return NULL;
	for (size_t i = 0; i < l->n_items; i++) {
		if (str_eq(item_text(&l->items[i]), t) && item_is_live(&l->items[i]))
			return &l->items[i].entry;
	}
	return NULL;
}

static const struct pattern_entry *
match_str(const struct pattern_list *l, const struct sample *s, struct sample_ctx *ctx)
{
	char stack[FOLD_STACK];
	struct str t;
	if (!folded(l, s, ctx, stack, &t))
		return NULL;
	uint64_t hash = pattern_text_hash(l, t);
	struct rank_range r = ranks_find(&l->ranks, hash);
	items_prefetch(l, r, hash);
	for (uint32_t i = 0; i < r.n; i++) {
		const struct pattern_item *item = &l->items[r.first + i];
		if (!ranks_tag_is(&l->ranks, r.first + i, hash) || !str_eq(item_text(item), t))
			continue;
		item = item_living(l, item);
		return item != NULL ? &item->entry : NULL;
	}
	return NULL;
}

// ---- beginnings, ends, parts, words

static bool
contains(struct str text, struct str part, bool from_end)
{
	return from_end ? str_ends(text, part) : str_starts(text, part);
}

static const struct pattern_entry *
match_trie(const struct pattern_list *l, const struct sample *s, struct sample_ctx *ctx)
{
	char stack[FOLD_STACK];
	struct str t;
	return folded(l, s, ctx, stack, &t) ? pattern_trie_match(l, t) : NULL;
}

static const struct pattern_entry *
match_edge_few(const struct pattern_list *l, const struct sample *s, struct sample_ctx *ctx)
{
	char stack[FOLD_STACK];
	struct str t;
	bool from_end = l->opts.match == PAT_END;
	if (!folded(l, s, ctx, stack, &t))
		return NULL;
	for (size_t i = 0; i < l->n_items; i++) {
		if (contains(t, item_text(&l->items[i]), from_end) && item_is_live(&l->items[i]))
			return &l->items[i].entry;
	}
	return NULL;
}

// ---- in order: a few parts or words, regexes

static const struct pattern_entry *
match_sub(const struct pattern_list *l, const struct sample *s, struct sample_ctx *ctx)
{
	char stack[FOLD_STACK];
	struct str t;
	if (!folded(l, s, ctx, stack, &t))
		return NULL;
	for (size_t i = 0; i < l->n_items; i++) {
		if (str_find(t, item_text(&l->items[i])) != SIZE_MAX && item_is_live(&l->items[i]))
			return &l->items[i].entry;
	}
	return NULL;
}

static bool
is_delim(char c, bool dom)
{
	return c == '/' || c == '?' || (dom && (c == '.' || c == ':'));
}

// The part stands between delimiters or ends of the text.
static bool
has_word(struct str t, struct str part, bool dom)
{
	if (part.n == 0)
		return false;
	for (size_t i = 0; i + part.n <= t.n; i++) {
		if (memcmp(t.p + i, part.p, part.n) != 0)
			continue;
		if ((i == 0 || is_delim(t.p[i - 1], dom)) &&
		    (i + part.n == t.n || is_delim(t.p[i + part.n], dom)))
			return true;
	}
	return false;
}

static const struct pattern_entry *
match_word(const struct pattern_list *l, const struct sample *s, struct sample_ctx *ctx)
{
	char stack[FOLD_STACK];
	struct str t;
	if (!folded(l, s, ctx, stack, &t))
		return NULL;
	for (size_t i = 0; i < l->n_items; i++) {
		if (has_word(t, item_text(&l->items[i]), l->opts.match == PAT_DOM) &&
		    item_is_live(&l->items[i]))
			return &l->items[i].entry;
	}
	return NULL;
}

static const struct pattern_entry *
match_reg(const struct pattern_list *l, const struct sample *s, struct sample_ctx *ctx UNUSED)
{
	for (size_t i = 0; i < l->n_items; i++) {
		if (item_is_live(&l->items[i]) && regex_match(l->items[i].regex, s->s, NULL))
			return &l->items[i].entry;
	}
	return NULL;
}

const struct pattern_entry *
pattern_match_groups(const struct pattern_list *l, struct str text, struct regex_groups *groups)
{
	for (size_t i = 0; i < l->n_items; i++) {
		if (item_is_live(&l->items[i]) && regex_match(l->items[i].regex, text, groups))
			return &l->items[i].entry;
	}
	return NULL;
}

// ---- addresses

// The IPv4 address inside ::ffff:a.b.c.d, ::a.b.c.d or 2002:aabb:ccdd::.
static bool
embedded_v4(const uint8_t ip[16], uint8_t v4[4])
{
	static const uint8_t zero[12];
	if (ip[0] == 0x20 && ip[1] == 0x02) {
		memcpy(v4, ip + 2, 4);
		return true;
	}
	if (memcmp(ip, zero, 10) != 0 || (ip[10] ^ ip[11]) != 0 || (ip[10] != 0 && ip[10] != 0xff))
		return false;
	memcpy(v4, ip + 12, 4);
	return true;
}

static const struct pattern_entry *
match_ip(const struct pattern_list *l, const struct sample *s, struct sample_ctx *ctx UNUSED)
{
	uint8_t other[16] = {0};
	const struct pattern_entry *e;
	if (s->type == SMP_IP4) {
		if ((e = pattern_nets_match(l, s->ip, false)) != NULL ||
		    !pattern_nets_any(l->nets, true))
			return e;
		memset(other + 10, 0xff, 2);
		memcpy(other + 12, s->ip, 4);
		return pattern_nets_match(l, other, true);
	}
	if (s->type != SMP_IP6)
		return NULL;
	if ((e = pattern_nets_match(l, s->ip, true)) != NULL || !pattern_nets_any(l->nets, false))
		return e;
	return embedded_v4(s->ip, other) ? pattern_nets_match(l, other, false) : NULL;
}

// ---- all

static pattern_match_f
build_by_match(struct pattern_list *l)
{
	bool few = l->n_items <= FEW;
	switch (l->opts.match) {
	case PAT_FOUND:
		return match_any;
	case PAT_BOOL:
		return match_bool;
	case PAT_VALUE:
		return match_value;
	case PAT_INT:
	case PAT_LEN:
		if (l->opts.map)
			return match_int_in_order;
		build_ranges(l);
		return l->opts.match == PAT_INT ? match_int : match_len;
	case PAT_STR:
	case PAT_BIN:
		if (few)
			return match_str_few;
		pattern_hash_build(l);
		return match_str;
	case PAT_BEG:
	case PAT_END:
		if (few && !l->opts.map)
			return match_edge_few;
		pattern_trie_build(l);
		return match_trie;
	case PAT_IP:
		pattern_hash_build(l);
		l->nets = pattern_nets_build(l);
		return match_ip;
	case PAT_SUB:
	case PAT_DIR:
	case PAT_DOM:
		if (few)
			return l->opts.match == PAT_SUB ? match_sub : match_word;
		pattern_trie_build(l);
		return match_trie;
	case PAT_REG:
		return match_reg;
	case PAT_NONE:
	case PAT_N:
		break;
	}
	return pattern_build_none;
}

// Its own words, then the named sets. Only ACLs have both, and they ask whether, not which.
static const struct pattern_entry *
match_sets(const struct pattern_list *l, const struct sample *s, struct sample_ctx *ctx)
{
	const struct pattern_entry *e = l->n_items > 0 ? l->own(l, s, ctx) : NULL;
	for (size_t i = 0; e == NULL && i < l->n_uses; i++)
		e = pattern_use_match(l->uses[i], s, ctx);
	return e;
}

bool
pattern_list_build(struct pattern_list *l, struct err *err)
{
	if (l->n_items >= PATTERN_MAX_TRIE)
		return err_set(err, "too many patterns");
	l->seed = hash_seed();
	l->own = build_by_match(l);
	atomic_init(&l->match, l->n_uses > 0 ? match_sets : l->own);
	return true;
}

static const struct pattern_entry *
match_turned(const struct pattern_list *l, const struct sample *s, struct sample_ctx *ctx)
{
	const struct pattern_entry *e = pattern_use_match(l->turned, s, ctx);
	for (size_t i = 0; e == NULL && i < l->n_uses; i++)
		e = pattern_use_match(l->uses[i], s, ctx);
	return e;
}

void
pattern_list_turn(struct pattern_list *l, const struct pattern_use *u)
{
	l->turned = u;
	// release: whoever takes the function sees what it reads
	atomic_store_explicit(&l->match, match_turned, memory_order_release);
}

const struct pattern_entry *
pattern_match(const struct pattern_list *l, const struct sample *s, struct sample_ctx *ctx)
{
	return pattern_list_match(l, s, ctx);
}
