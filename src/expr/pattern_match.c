// SPDX-License-Identifier: MIT
// Searchable forms of pattern lists and the functions that look into them. Whole strings: a hash.
// Beginnings, ends, parts and words: a trie (pattern_trie.c). Networks: entries sorted, each
// knowing the longest other entry that holds it; what holds an address stands on the chain of the
// greatest entry not beyond it. Integers of ACLs: disjoint ranges. What is left is tried in order.

#include <stdlib.h>

#include "base/mem.h"
#include "expr/pattern_priv.h"
#include "expr/pattern_ref.h"

#define NONE       UINT32_MAX
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
		if (str_eq(l->items[i].text, t) && item_is_live(&l->items[i]))
			return &l->items[i].entry;
	}
	return NULL;
}

static const struct pattern_item *
slot_find(const struct pattern_list *l, struct str t, uint64_t hash, size_t *at)
{
	for (*at = hash & (l->n_slots - 1); l->slots[*at].item != NULL;
	     *at = (*at + 1) & (l->n_slots - 1)) {
		if (l->slots[*at].hash == hash && str_eq(l->slots[*at].item->text, t))
			return l->slots[*at].item;
	}
	return NULL;
}

static const struct pattern_entry *
match_str(const struct pattern_list *l, const struct sample *s, struct sample_ctx *ctx)
{
	char stack[FOLD_STACK];
	struct str t;
	size_t at;
	if (!folded(l, s, ctx, stack, &t))
		return NULL;
	const struct pattern_item *item = slot_find(l, t, hash_str(t), &at);
	return item != NULL && item_is_live(item) ? &item->entry : NULL;
}

// Of equal keys the first stays.
static void
build_hash(struct pattern_list *l)
{
	size_t at;
	l->n_slots = 16;
	while (l->n_slots < l->n_items * 2)
		l->n_slots *= 2;
	l->slots = mem_zalloc(l->n_slots * sizeof(*l->slots));
	for (size_t i = 0; i < l->n_items; i++) {
		uint64_t hash = hash_str(l->items[i].text);
		if (slot_find(l, l->items[i].text, hash, &at) == NULL)
			l->slots[at] = (struct pattern_slot){hash, &l->items[i]};
	}
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
		if (contains(t, l->items[i].text, from_end) && item_is_live(&l->items[i]))
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
		if (str_find(t, l->items[i].text) != SIZE_MAX && item_is_live(&l->items[i]))
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
		if (has_word(t, l->items[i].text, l->opts.match == PAT_DOM) &&
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

struct net_key {
	uint64_t high, low;
};

static struct net_key
net_key(const uint8_t ip[16], bool v6)
{
	struct net_key k = {0, 0};
	for (int i = 0; i < (v6 ? 8 : 0); i++)
		k.high = k.high << 8 | ip[i];
	for (int i = v6 ? 8 : 0; i < (v6 ? 16 : 4); i++)
		k.low = k.low << 8 | ip[i];
	return k;
}

static int
net_cmp(uint64_t ah, uint64_t al, uint64_t bh, uint64_t bl)
{
	if (ah != bh)
		return ah < bh ? -1 : 1;
	return (al > bl) - (al < bl);
}

static bool
net_holds(const struct pattern_net_node *n, struct net_key k)
{
	uint64_t dh = n->high ^ k.high, dl = n->low ^ k.low;
	if (n->bits >= 64)
		return dh == 0 && (n->bits == 64 || dl >> (128 - n->bits) == 0);
	return n->bits == 0 || dh >> (64 - n->bits) == 0;
}

static int
net_order(const void *a, const void *b)
{
	const struct pattern_net_node *x = a, *y = b;
	int d = net_cmp(x->high, x->low, y->high, y->low);
	if (d != 0)
		return d;
	if (x->bits != y->bits)
		return x->bits < y->bits ? -1 : 1;
	return (x->item->entry.id < y->item->entry.id) - (x->item->entry.id > y->item->entry.id);
}

// The first 64 bits.
static uint64_t
net_word(uint64_t high, uint64_t low, bool v6)
{
	return v6 ? high : low << 32;
}

#define INDEX_BITS 16
#define INDEX_FROM 1024 // nodes; fewer are searched as fast

static void
build_index(struct pattern_nets *s, bool v6)
{
	if (s->n < INDEX_FROM)
		return;
	uint64_t first = net_word(s->net[0].high, s->net[0].low, v6);
	uint64_t differ = first ^ net_word(s->net[s->n - 1].high, s->net[s->n - 1].low, v6);
	s->skip = differ != 0 ? MIN((unsigned)__builtin_clzll(differ), 64u - INDEX_BITS) : 0;
	s->index = mem_zalloc(((1u << INDEX_BITS) + 1) * sizeof(*s->index));
	uint32_t at = 0;
	for (uint32_t i = 0; i < s->n; i++) {
		uint64_t word = net_word(s->net[i].high, s->net[i].low, v6);
		for (uint32_t b = (uint32_t)(word << s->skip >> (64 - INDEX_BITS)); at <= b; at++)
			s->index[at] = i;
	}
	for (; at <= 1u << INDEX_BITS; at++)
		s->index[at] = (uint32_t)s->n;
}

static void
build_nets(struct pattern_list *l, bool v6)
{
	struct pattern_net_node *v = mem_zalloc((l->n_items + 1) * sizeof(*v));
	uint32_t n = 0;
	for (size_t i = 0; i < l->n_items; i++) {
		const struct pattern_net *net = &l->items[i].net;
		if (net->v6 != v6)
			continue;
		struct net_key k = net_key(net->ip, v6);
		uint8_t bits = (uint8_t)(v6 ? net->bits : net->bits + 96);
		v[n++] = (struct pattern_net_node){k.high, k.low, &l->items[i], NONE, bits};
	}
	qsort(v, n, sizeof(*v), net_order);
	for (uint32_t i = 1; i < n; i++) {
		uint32_t up = i - 1;
		while (up != NONE && !net_holds(&v[up], (struct net_key){v[i].high, v[i].low}))
			up = v[up].parent;
		v[i].parent = up;
	}
	l->nets[v6].net = v;
	l->nets[v6].n = n;
	build_index(&l->nets[v6], v6);
}

// Longest prefix.
static const struct pattern_entry *
find_net(const struct pattern_list *l, const uint8_t ip[16], bool v6)
{
	const struct pattern_nets *s = &l->nets[v6];
	const struct pattern_net_node *v = s->net;
	struct net_key k = net_key(ip, v6);
	size_t low = 0, high = s->n;
	uint64_t word = net_word(k.high, k.low, v6);
	bool near =
	    s->index != NULL &&
	    (s->skip == 0 || (word ^ net_word(v[0].high, v[0].low, v6)) >> (64 - s->skip) == 0);
	if (near) {
		const uint32_t *bucket = s->index + (word << s->skip >> (64 - INDEX_BITS));
		low = bucket[0];
		high = bucket[1];
	}
	while (low < high) {
		size_t mid = (low + high) / 2;
		if (net_cmp(v[mid].high, v[mid].low, k.high, k.low) > 0)
			high = mid;
		else
			low = mid + 1;
	}
	for (uint32_t i = low == 0 ? NONE : (uint32_t)(low - 1); i != NONE; i = v[i].parent) {
		if (net_holds(&v[i], k) && item_is_live(v[i].item))
			return &v[i].item->entry;
	}
	return NULL;
}

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
		if ((e = find_net(l, s->ip, false)) != NULL || l->nets[1].n == 0)
			return e;
		memset(other + 10, 0xff, 2);
		memcpy(other + 12, s->ip, 4);
		return find_net(l, other, true);
	}
	if (s->type != SMP_IP6)
		return NULL;
	if ((e = find_net(l, s->ip, true)) != NULL || l->nets[0].n == 0)
		return e;
	return embedded_v4(s->ip, other) ? find_net(l, other, false) : NULL;
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
		build_hash(l);
		return match_str;
	case PAT_BEG:
	case PAT_END:
		if (few && !l->opts.map)
			return match_edge_few;
		pattern_trie_build(l);
		return match_trie;
	case PAT_IP:
		build_nets(l, false);
		build_nets(l, true);
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
	l->own = build_by_match(l);
	l->match = l->n_uses > 0 ? match_sets : l->own;
	return true;
}

pattern_match_f
pattern_list_fn(const struct pattern_list *l)
{
	return l->match;
}

const struct pattern_entry *
pattern_match(const struct pattern_list *l, const struct sample *s, struct sample_ctx *ctx)
{
	return l->match(l, s, ctx);
}
