// SPDX-License-Identifier: MIT
// Pattern lists while they are filled: words to entries, each parsed for its match.
// pattern_match.c has the searchable forms.

#include "expr/pattern.h"

#include "base/mem.h"
#include "expr/pattern_priv.h"

static const char *const match_names[PAT_N] = {
    [PAT_NONE] = "none", [PAT_FOUND] = "found", [PAT_BOOL] = "bool",   [PAT_INT] = "int",
    [PAT_IP] = "ip",     [PAT_BIN] = "bin",     [PAT_LEN] = "len",     [PAT_STR] = "str",
    [PAT_BEG] = "beg",   [PAT_SUB] = "sub",     [PAT_DIR] = "dir",     [PAT_DOM] = "dom",
    [PAT_END] = "end",   [PAT_REG] = "reg",     [PAT_VALUE] = "value",
};

const char *
pat_match_name(enum pat_match m)
{
	ASSERT(m < PAT_N);
	return match_names[m];
}

bool
pat_match_parse(struct str word, enum pat_match *out)
{
	for (int m = PAT_FOUND; m < PAT_VALUE; m++) {
		if (str_eq(word, str_from_c(match_names[m]))) {
			*out = (enum pat_match)m;
			return true;
		}
	}
	return false;
}

enum pat_match
pat_match_default(enum sample_type t)
{
	switch (t) {
	case SMP_BOOL:
		return PAT_BOOL;
	case SMP_INT:
		return PAT_INT;
	case SMP_ADDR:
	case SMP_IP4:
	case SMP_IP6:
		return PAT_IP;
	case SMP_STR:
	case SMP_METH:
		return PAT_STR;
	case SMP_ANY:
		return PAT_VALUE;
	case SMP_BIN:
	case SMP_N_TYPES:
		break;
	}
	return PAT_NONE;
}

enum sample_type
pat_match_type(enum pat_match m)
{
	switch (m) {
	case PAT_BOOL:
		return SMP_BOOL;
	case PAT_INT:
		return SMP_INT;
	case PAT_IP:
		return SMP_ADDR;
	case PAT_BIN:
		return SMP_BIN;
	case PAT_LEN:
	case PAT_STR:
	case PAT_BEG:
	case PAT_SUB:
	case PAT_DIR:
	case PAT_DOM:
	case PAT_END:
	case PAT_REG:
		return SMP_STR;
	case PAT_NONE:
	case PAT_FOUND:
	case PAT_VALUE:
	case PAT_N:
		break;
	}
	return SMP_ANY;
}

struct pattern_list *
pattern_list_new(struct arena *arena, const struct pattern_opts *opts)
{
	struct pattern_list *l = ARENA_NEW(arena, struct pattern_list);
	ASSERT(l != NULL);
	l->arena = arena;
	l->opts = *opts;
	l->opts.icase = opts->icase && opts->match != PAT_BIN; // bytes have no case
	atomic_init(&l->match, pattern_build_none);
	return l;
}

// ---- one value

// "5", "5:", ":5", "5:9".
static bool
parse_range(struct str text, struct pattern_range *r, struct err *err)
{
	size_t colon = str_find_byte(text, ':');
	struct str low = str_slice(text, 0, MIN(colon, text.n));
	r->min = INT64_MIN;
	r->max = INT64_MAX;
	if (colon == SIZE_MAX) {
		if (!str_to_int(text, &r->min))
			return err_set(err, "'%.*s' is neither an integer nor a range",
				       STR_ARG(text));
		r->max = r->min;
		return true;
	}
	struct str high = str_slice(text, colon + 1, text.n);
	if ((low.n == 0 && high.n == 0) || (low.n > 0 && !str_to_int(low, &r->min)) ||
	    (high.n > 0 && !str_to_int(high, &r->max)))
		return err_set(err, "'%.*s' is neither an integer nor a range", STR_ARG(text));
	if (r->min > r->max)
		return err_set(err, "'%.*s' is an empty range", STR_ARG(text));
	return true;
}

// A v4 address with fewer parts than four, as inet_aton has it: "127.1" is 127.0.0.1.
static bool
parse_short_ip4(struct str text, uint8_t ip[4])
{
	uint64_t parts[4];
	size_t n = 0;
	struct str rest = text, piece;
	while (str_next(&rest, '.', &piece)) {
		int64_t v;
		if (n == 4 || piece.n == 0 || piece.p[0] == '-' || piece.p[0] == '+' ||
		    !str_to_int(piece, &v) || v > UINT32_MAX)
			return false;
		parts[n++] = (uint64_t)v;
	}
	if (n == 0)
		return false;
	uint64_t all = parts[n - 1];
	if (n > 1 && all >> (8 * (5 - n)) != 0)
		return false;
	for (size_t i = 0; i + 1 < n; i++) {
		if (parts[i] > 255)
			return false;
		all |= parts[i] << (24 - 8 * i);
	}
	for (size_t i = 0; i < 4; i++)
		ip[i] = (uint8_t)(all >> (24 - 8 * i));
	return true;
}

// Bits of a contiguous mask, or -1.
static int
mask_bits(const uint8_t *mask, int bytes)
{
	int bits = 0;
	while (bits < bytes * 8 && (mask[bits / 8] & (0x80 >> bits % 8)))
		bits++;
	for (int i = bits; i < bytes * 8; i++) {
		if (mask[i / 8] & (0x80 >> i % 8))
			return -1;
	}
	return bits;
}

static bool
parse_net(struct str text, struct pattern_net *net, struct err *err)
{
	size_t slash = str_find_byte(text, '/');
	struct str addr = str_slice(text, 0, slash);
	struct sample s, m;
	if (!sample_parse_ip(addr, &s)) {
		if (!parse_short_ip4(addr, s.ip))
			return err_set(err, "'%.*s' is not an address (names are not resolved)",
				       STR_ARG(text));
		s.type = SMP_IP4;
	}
	int width = s.type == SMP_IP4 ? 32 : 128;
	int64_t bits = width;
	if (slash != SIZE_MAX) {
		struct str mask = str_slice(text, slash + 1, text.n);
		if (sample_parse_ip(mask, &m) && m.type == s.type)
			bits = mask_bits(m.ip, width / 8);
		else if (!str_to_int(mask, &bits))
			bits = -1;
		if (bits < 0 || bits > width)
			return err_set(err, "'%.*s' has no usable mask (0..%d, without holes)",
				       STR_ARG(text), width);
	}
	net->v6 = s.type == SMP_IP6;
	net->bits = (uint8_t)bits;
	memset(net->ip, 0, sizeof(net->ip));
	memcpy(net->ip, s.ip, (size_t)width / 8);
	for (int i = (int)bits; i < width; i++)
		net->ip[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
	return true;
}

static bool
parse_hex(struct arena *arena, struct str text, struct str *out, struct err *err)
{
	char *p = arena_alloc(arena, text.n / 2 + 1, 1);
	ASSERT(p != NULL);
	if (text.n % 2 != 0)
		return err_set(err, "'%.*s' has an odd number of hexadecimal digits",
			       STR_ARG(text));
	if (!str_unhex(text, p))
		return err_set(err, "'%.*s' is not hexadecimal", STR_ARG(text));
	*out = str_of(p, text.n / 2);
	return true;
}

static bool
set_text(struct pattern_list *l, struct pattern_item *item, struct str s, struct err *err)
{
	if (s.n >= UINT32_MAX)
		return err_set(err, "a key of %zu bytes is too long", s.n);
	bool fits = s.n <= PATTERN_INSIDE, copied = fits || l->opts.icase;
	char *p = fits ? item->inside : copied ? arena_alloc(l->arena, s.n, 1) : NULL;
	ASSERT(p != NULL || !copied);
	for (size_t i = 0; copied && i < s.n; i++)
		p[i] = l->opts.icase ? (char)byte_lower((unsigned char)s.p[i]) : s.p[i];
	item->n_text = (uint32_t)s.n;
	if (!fits)
		item->outside = copied ? p : s.p;
	return true;
}

// dir and dom: delimiters around a pattern say nothing, HAProxy drops them too.
static struct str
strip_delims(struct str s, enum pat_match m)
{
	const char *delims = m == PAT_DIR ? "/?" : "/?.:";
	while (s.n > 0 && strchr(delims, s.p[0]) != NULL && s.p[0] != '\0')
		s = str_slice(s, 1, s.n);
	while (s.n > 0 && strchr(delims, s.p[s.n - 1]) != NULL && s.p[s.n - 1] != '\0')
		s = str_slice(s, 0, s.n - 1);
	return s;
}

static bool
entry_parse(struct pattern_list *l, struct pattern_item *item, struct err *err)
{
	struct str key = item->entry.key, text;
	switch (l->opts.match) {
	case PAT_INT:
	case PAT_LEN:
		return parse_range(key, &item->range, err);
	case PAT_IP:
		return parse_net(key, &item->net, err);
	case PAT_BIN:
		return parse_hex(l->arena, key, &text, err) && set_text(l, item, text, err);
	case PAT_REG:
		item->regex = regex_new(key, l->opts.icase, err);
		return item->regex != NULL;
	case PAT_DIR:
	case PAT_DOM:
		return set_text(l, item, strip_delims(key, l->opts.match), err);
	case PAT_STR:
	case PAT_BEG:
	case PAT_SUB:
	case PAT_END:
		return set_text(l, item, key, err);
	case PAT_NONE:
	case PAT_FOUND:
	case PAT_BOOL:
	case PAT_VALUE:
	case PAT_N:
		break;
	}
	return err_set(err,
		       "match '%s' takes no value, but '%.*s' is given; say -m to compare "
		       "otherwise",
		       pat_match_name(l->opts.match), STR_ARG(key));
}

void
pattern_list_reserve(struct pattern_list *l, size_t n)
{
	ASSERT(l->items == NULL);
	l->items = mem_large(n * sizeof(*l->items));
	l->cap_items = n;
}

bool
pattern_list_add(struct pattern_list *l, struct str key, struct str value, struct err *err)
{
	VEC_GROW(l->items, l->cap_items, l->n_items);
	struct pattern_item *item = &l->items[l->n_items];
	memset(item, 0, sizeof(*item));
	item->entry = (struct pattern_entry){.key = key,
					     .value = value,
					     .id = (int64_t)l->n_items,
					     .typed.type = SMP_STR};
	item->entry.typed.s = value;
	if (!entry_parse(l, item, err))
		return false;
	l->n_items++;
	return true;
}

// ---- words of an ACL

enum int_op { OP_EQ, OP_GE, OP_GT, OP_LE, OP_LT, OP_NONE };

static enum int_op
int_op_of(struct str word)
{
	static const char *const ops[] = {"eq", "ge", "gt", "le", "lt"};
	for (int i = 0; i < OP_NONE; i++) {
		if (str_eq(word, str_from_c(ops[i])))
			return (enum int_op)i;
	}
	return OP_NONE;
}

// With its operator a word is a range, and is shown as one.
static bool
add_compared(struct pattern_list *l, enum int_op op, struct str word, struct err *err)
{
	int64_t n;
	if (op == OP_EQ || op == OP_NONE)
		return pattern_list_add(l, word, STR_NULL, err);
	if (!str_to_int(word, &n))
		return err_set(err, "'%.*s' is not an integer, and an operator takes no range",
			       STR_ARG(word));
	if ((op == OP_GT && n == INT64_MAX) || (op == OP_LT && n == INT64_MIN))
		return err_set(err, "nothing is beyond %.*s", STR_ARG(word));
	n += (op == OP_GT) - (op == OP_LT);
	const char *range =
	    arena_printf(l->arena, op == OP_GE || op == OP_GT ? "%lld:" : ":%lld", (long long)n);
	return pattern_list_add(l, str_from_c(range), STR_NULL, err);
}

bool
pattern_list_add_words(struct pattern_list *l, int argc, const struct str *argv, struct err *err)
{
	bool ints = l->opts.match == PAT_INT || l->opts.match == PAT_LEN;
	enum int_op op = OP_NONE, next;
	bool dangling = false;
	for (int i = 0; i < argc; i++) {
		next = ints ? int_op_of(argv[i]) : OP_NONE;
		if (next != OP_NONE) {
			op = next;
			dangling = true;
			continue;
		}
		if (!add_compared(l, op, argv[i], err))
			return false;
		dangling = false;
	}
	if (dangling)
		return err_set(err, "a value is missing behind '%.*s'", STR_ARG(argv[argc - 1]));
	return true;
}

#define ORDER_AHEAD 12 // items that the cache fetches while others move

// In place, by exchanging: another hundred bytes an item would cost more than moving twice.
void
pattern_list_order(struct pattern_list *l, const uint32_t *from)
{
	size_t n = l->n_items;
	uint32_t *at = mem_alloc((n + 1) * sizeof(*at)),
		 *place = mem_large((n + 1) * sizeof(*place));
	ASSERT(l->place == NULL);
	for (size_t i = 0; i < n; i++)
		at[i] = place[i] = (uint32_t)i;
	for (size_t i = 0; i < n; i++) {
		uint32_t j = place[from[i]], other = at[i];
		item_prefetch(&l->items[place[from[MIN(i + ORDER_AHEAD, n - 1)]]]);
		struct pattern_item item = l->items[j];
		l->items[j] = l->items[i];
		l->items[i] = item;
		at[j] = other;
		place[other] = j;
		place[from[i]] = (uint32_t)i;
	}
	for (size_t i = 0; i < n; i++) {
		uint32_t same = atomic_load_explicit(&l->items[i].same, memory_order_relaxed);
		if (same != 0)
			atomic_init(&l->items[i].same, place[same - 1] + 1);
	}
	l->place = place;
	mem_free(at);
}

static struct pattern_item *
item_at(const struct pattern_list *l, size_t i)
{
	return &l->items[l->place != NULL ? l->place[i] : i];
}

size_t
pattern_list_count(const struct pattern_list *l)
{
	return l->n_items;
}

const struct pattern_entry *
pattern_list_at(const struct pattern_list *l, size_t i)
{
	return i < l->n_items ? &item_at(l, i)->entry : NULL;
}

struct pattern_entry *
pattern_list_edit(struct pattern_list *l, size_t i)
{
	ASSERT(i < l->n_items);
	return &item_at(l, i)->entry;
}

void
pattern_list_kill(struct pattern_list *l, size_t i)
{
	ASSERT(i < l->n_items);
	// relaxed: a lookup under way may still find it, the next one does not
	atomic_fetch_or_explicit(&item_at(l, i)->same, PATTERN_DEAD, memory_order_relaxed);
}

bool
pattern_list_is_named(const struct pattern_list *l)
{
	return l->n_uses > 0;
}

void
pattern_list_use(struct pattern_list *l, struct pattern_use *const *uses, size_t n)
{
	l->uses = uses;
	l->n_uses = n;
}

void
pattern_list_fini(struct pattern_list *l)
{
	for (size_t i = 0; l->opts.match == PAT_REG && i < l->n_items; i++)
		regex_free(&l->items[i].regex);
	mem_free(l->items);
	mem_free(l->place);
	pattern_ranks_fini(&l->ranks);
	pattern_trie_free(&l->trie);
	mem_free(l->ranges);
	pattern_nets_free(&l->nets);
	l->n_items = 0;
	l->items = NULL;
}
