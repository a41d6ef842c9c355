// SPDX-License-Identifier: MIT
// Networks, of which the longest that holds an address is looked for. Each is found by a hash of
// its first bits and their number (pattern_ranks.h); a lookup asks for each number of bits that
// there is, the largest first, and a filter in the caches knows the answer (pattern_filter.h). So
// one item is fetched from memory, that of the network which is found. Hosts are networks as others
// are. Where networks are few, or lie apart, most numbers of bits need not be asked for: a table by
// the address's first 8 to 14 bits, the lead, tells which ones there are.

#include "base/mem.h"
#include "expr/pattern_filter.h"
#include "expr/pattern_priv.h"

#define MAX_BITS   128u
#define LEAST_LEAD 8u // bits
#define MOST_LEAD  14u
#define SLOTS      32u // bits of a lead; the lengths from the last one on share it

struct net_addr {
	uint64_t high, low; // v4: the first 32 bits of high
};

struct net_length {
	uint64_t mask; // of high, or, beyond 64 bits, of low
	uint64_t seed; // of its hashes
	unsigned bits;
};

struct net_family {
	uint32_t n;
	unsigned lead_bits;
	uint32_t *lead;            // by these first bits of an address; NULL: there is no network
	struct net_length *length; // descending
};

struct pattern_nets {
	struct pattern_filter filter;
	struct net_family family[2]; // v4, v6
};

static inline uint64_t
load_big(const uint8_t *p)
{
	uint64_t x;
	memcpy(&x, p, sizeof(x));
	return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? __builtin_bswap64(x) : x;
}

static inline struct net_addr
net_addr(const uint8_t ip[16])
{
	return (struct net_addr){load_big(ip), load_big(ip + 8)};
}

// ---- names

static struct net_length
net_length(uint64_t root, unsigned bits, bool v6)
{
	unsigned n = bits <= 64 ? bits : bits - 64;
	uint64_t mask = n == 0 ? 0 : UINT64_MAX << (64 - n);
	return (struct net_length){mask, hash_step(root, v6, bits), bits};
}

// Beyond 64 bits `high` is a hash of the first ones.
static inline uint64_t
net_name(const struct net_length *x, struct net_addr a, uint64_t high)
{
	uint64_t bits = x->bits <= 64 ? a.high & x->mask : (a.low & x->mask) ^ high;
	return hash_step(x->seed, bits, 0);
}

static inline uint64_t
hash_high(uint64_t root, struct net_addr a)
{
	return hash_step(root, a.high, 64);
}

uint64_t
pattern_net_hash(const struct pattern_list *l, const struct pattern_net *net)
{
	struct net_length x = net_length(l->seed, net->bits, net->v6);
	struct net_addr a = net_addr(net->ip);
	return net_name(&x, a, hash_high(l->seed, a));
}

// ---- building

// Which lengths there are. Returns the slot of each.
static void
set_lengths(const struct pattern_list *l, struct net_family *f, bool v6, uint8_t slot[MAX_BITS + 1])
{
	bool seen[MAX_BITS + 1] = {false};
	f->lead_bits = LEAST_LEAD;
	for (size_t i = 0, n = 0; i < l->n_items; i++) {
		if (l->items[i].net.v6 != v6)
			continue;
		seen[l->items[i].net.bits] = true;
		if (++n > (size_t)1 << f->lead_bits && f->lead_bits < MOST_LEAD)
			f->lead_bits++;
	}
	f->length = mem_alloc((MAX_BITS + 1) * sizeof(*f->length));
	for (unsigned bits = MAX_BITS + 1; bits-- > 0;) {
		slot[bits] = (uint8_t)MIN(f->n, SLOTS - 1);
		if (seen[bits])
			f->length[f->n++] = net_length(l->seed, bits, v6);
	}
	f->length = mem_realloc(f->length, (f->n + 1) * sizeof(*f->length));
}

static inline size_t
lead_place(const struct net_family *f, struct net_addr a)
{
	return (size_t)(a.high >> (64 - f->lead_bits));
}

// Each network at its first address; then those shorter than a lead at all that they hold.
static void
set_leads(const struct pattern_list *l, struct net_family *f, bool v6)
{
	uint8_t slot[MAX_BITS + 1];
	set_lengths(l, f, v6, slot);
	size_t n = (size_t)1 << f->lead_bits;
	if (f->n == 0)
		return;
	f->lead = mem_large(n * sizeof(*f->lead));
	for (size_t i = 0; i < l->n_items; i++) {
		const struct pattern_net *net = &l->items[i].net;
		if (net->v6 == v6)
			f->lead[lead_place(f, net_addr(net->ip))] |= 1u << slot[net->bits];
	}
	for (unsigned bits = 0; bits < f->lead_bits; bits++) {
		size_t first = ~(((size_t)1 << (f->lead_bits - bits)) - 1);
		for (size_t at = 0; at < n; at++)
			f->lead[at] |= f->lead[at & first] & 1u << slot[bits];
	}
}

struct pattern_nets *
pattern_nets_build(const struct pattern_list *l)
{
	struct pattern_nets *s = MEM_NEW(struct pattern_nets);
	s->filter = pattern_filter_new(l->n_items);
	for (size_t i = 0; i < l->n_items; i++)
		filter_add_item(s->filter, pattern_net_hash(l, &l->items[i].net));
	set_leads(l, &s->family[0], false);
	set_leads(l, &s->family[1], true);
	return s;
}

void
pattern_nets_free(struct pattern_nets **nets)
{
	struct pattern_nets *s = *nets;
	*nets = NULL;
	if (s == NULL)
		return;
	for (int v6 = 0; v6 < 2; v6++) {
		mem_free(s->family[v6].lead);
		mem_free(s->family[v6].length);
	}
	mem_free(s->filter.word);
	mem_free(s);
}

bool
pattern_nets_any(const struct pattern_nets *nets, bool v6)
{
	return nets->family[v6].n > 0;
}

// ---- looking

static bool
is_net(const struct pattern_net *net, const struct net_length *x, struct net_addr a, bool v6)
{
	struct net_addr b = net_addr(net->ip);
	if (net->bits != x->bits || net->v6 != v6)
		return false;
	if (x->bits <= 64)
		return b.high == (a.high & x->mask);
	return b.high == a.high && b.low == (a.low & x->mask);
}

// NULL: it is not there, or ended.
static const struct pattern_item *
find_net(const struct pattern_list *l, uint64_t name, const struct net_length *x, struct net_addr a,
	 bool v6)
{
	struct rank_range r = ranks_find(&l->ranks, name);
	items_prefetch(l, r, name);
	for (uint32_t i = r.first; i < r.first + r.n; i++) {
		const struct pattern_item *item = &l->items[i];
		if ((r.n == 1 || ranks_tag_is(&l->ranks, i, name)) && is_net(&item->net, x, a, v6))
			return item_living(l, item);
	}
	return NULL;
}

// What leads to an item is fetched beside the filter.
const struct pattern_entry *
pattern_nets_match(const struct pattern_list *l, const uint8_t ip[16], bool v6)
{
	const struct net_family *f = &l->nets->family[v6];
	struct pattern_filter filter = l->nets->filter;
	struct net_addr a = net_addr(ip);
	uint64_t high = v6 ? hash_high(l->seed, a) : 0;
	uint32_t slots = f->n > 0 ? f->lead[lead_place(f, a)] : 0;
	for (uint32_t i = 0; slots != 0; i++) {
		i = MAX(i, (uint32_t)__builtin_ctz(slots));
		if (i < SLOTS - 1 || i + 1 == f->n) // the last slot stays for all that share it
			slots &= slots - 1;
		const struct net_length *x = &f->length[i];
		uint64_t name = net_name(x, a, high);
		ranks_prefetch(&l->ranks, name);
		if (!filter_has_item(filter, name))
			continue;
		const struct pattern_item *item = find_net(l, name, x, a, v6);
		if (item != NULL)
			return &item->entry;
	}
	return NULL;
}
