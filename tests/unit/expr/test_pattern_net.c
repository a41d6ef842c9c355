// SPDX-License-Identifier: MIT
// Networks and whole strings against a plain loop over them: networks that hold each other, equal
// ones, the first and the last address, ones that ended; few hosts, many, nothing else.

#include "expr/expr_priv.h"
#include "expr_fixture.h"

#define MAX_NETS 3000
#define ASKS     1500

struct plain_net {
	uint8_t ip[16];
	unsigned bits;
	bool v6, dead;
};

// Few values for each byte, so that many addresses stand near each other.
static void
make_ip(uint8_t ip[16], bool v6)
{
	static const uint8_t values[] = {0, 0, 0, 1, 2, 127, 128, 254, 255, 255};
	bool edge = fix_below(20) == 0;
	uint8_t all = fix_below(2) == 0 ? 0 : 255;
	memset(ip, 0, 16);
	for (int i = 0; i < (v6 ? 16 : 4); i++)
		ip[i] = edge ? all : values[fix_below(sizeof(values))];
	if (v6 && !edge)
		ip[0] = 0x30; // no v4 inside
}

static struct str
print(struct arena *a, const uint8_t ip[16], bool v6, int bits)
{
	char text[64];
	struct sample s = {.type = v6 ? SMP_IP6 : SMP_IP4};
	memcpy(s.ip, ip, 16);
	size_t n = sample_print_ip(&s, text, sizeof(text));
	return str_from_c(arena_printf(a, "%.*s/%d", (int)n, text, bits));
}

static bool
plain_holds(const struct plain_net *net, const uint8_t ip[16], bool v6)
{
	if (net->dead || net->v6 != v6)
		return false;
	for (unsigned i = 0; i < net->bits; i++)
		if ((net->ip[i / 8] ^ ip[i / 8]) & 0x80 >> i % 8)
			return false;
	return true;
}

static int64_t
plain_find(const struct plain_net *net, int n, const uint8_t ip[16], bool v6)
{
	int64_t best = -1;
	for (int i = 0; i < n; i++)
		if (plain_holds(&net[i], ip, v6) && (best < 0 || net[i].bits > net[best].bits))
			best = i;
	return best;
}

// What no network of its family holds is looked for as the other's: 0.0.0.0 as ::ffff:0.0.0.0, and
// :: as 0.0.0.0.
static int64_t
plain_find_both(const struct plain_net *net, int n, const uint8_t ip[16], bool v6)
{
	uint8_t other[16] = {0};
	int64_t best = plain_find(net, n, ip, v6);
	if (best >= 0 || (v6 && memcmp(ip, other, 12) != 0))
		return best;
	memset(other + 10, v6 ? 0 : 0xff, 2);
	memcpy(v6 ? other : other + 12, v6 ? ip + 12 : ip, 4);
	return plain_find(net, n, other, !v6);
}

static void
test_nets(int n, unsigned least_bits, uint32_t hosts) // of ten
{
	static struct plain_net net[MAX_NETS];
	struct arena arena;
	struct err err = {{0}};
	struct pattern_opts opts = {.match = PAT_IP, .map = true};
	size_t wrong = 0, found = 0;
	int gone = 0;
	arena_init(&arena, SIZE_MAX);
	struct pattern_list *l = pattern_list_new(&arena, &opts);
	for (int i = 0; i < n; i++) {
		net[i] = (struct plain_net){.v6 = fix_below(2) == 0};
		net[i].bits = least_bits + fix_below((net[i].v6 ? 129 : 33) - least_bits);
		if (fix_below(10) < hosts)
			net[i].bits = net[i].v6 ? 128 : 32;
		make_ip(net[i].ip, net[i].v6);
		if (net[i].bits == 128 && fix_below(2) == 0)
			memset(net[i].ip, 0x30, 15); // some that are equal
		struct str key = print(&arena, net[i].ip, net[i].v6, (int)net[i].bits);
		wrong += !pattern_list_add(l, key, STR_NULL, &err);
	}
	OK(pattern_list_build(l, &err));
	for (int i = 0; i < ASKS; i++) {
		for (; gone < (i + 1) * n / ASKS; gone++) {
			uint32_t k = (uint32_t)gone * 7 % (uint32_t)n;
			net[k].dead = true;
			pattern_list_kill(l, k);
		}
		bool v6 = i & 1;
		struct sample s = {.type = v6 ? SMP_IP6 : SMP_IP4};
		struct sample_ctx ctx = {.arena = &arena};
		make_ip(s.ip, v6);
		uint32_t k = fix_below((uint32_t)n);
		if (fix_below(4) > 0 && net[k].v6 == v6)
			memcpy(s.ip, net[k].ip, net[k].bits / 8);
		int64_t want = plain_find_both(net, n, s.ip, v6);
		const struct pattern_entry *e = pattern_match(l, &s, &ctx);
		found += e != NULL;
		wrong += (e != NULL ? e->id : -1) != want;
	}
	OK(wrong == 0);
	OK(found > 50 && found < ASKS);
	pattern_list_fini(l);
	arena_fini(&arena);
}

// Every key stands there about three times; the first living one counts.
static void
test_strings(int n)
{
	static int dead[MAX_NETS];
	struct arena arena;
	struct err err = {{0}};
	struct pattern_opts opts = {.match = PAT_STR, .map = true, .icase = true};
	size_t wrong = 0;
	int keys = n / 3;
	arena_init(&arena, SIZE_MAX);
	memset(dead, 0, sizeof(dead));
	struct pattern_list *l = pattern_list_new(&arena, &opts);
	for (int i = 0; i < n; i++) {
		// some longer than what stands inside of an item
		const char *key = arena_printf(&arena, "Key-%d%*s", i % keys, i % keys % 99, "x");
		wrong += !pattern_list_add(l, str_from_c(key), STR_NULL, &err);
	}
	OK(pattern_list_build(l, &err));
	for (int gone = 0; gone <= n; gone++) {
		int ask = (int)fix_below((uint32_t)keys + 5), want = -1;
		for (int i = n - 1; i >= 0; i--)
			want = i % keys == ask && !dead[i] ? i : want;
		struct sample s;
		struct sample_ctx ctx = {.arena = &arena};
		sample_set_str(&s,
			       str_from_c(arena_printf(&arena, "kEY-%d%*s", ask, ask % 99, "X")));
		const struct pattern_entry *e = pattern_match(l, &s, &ctx);
		wrong += (e != NULL ? e->id : -1) != want;
		if (gone < n) {
			dead[gone * 7 % n] = true;
			pattern_list_kill(l, (size_t)(gone * 7 % n));
		}
	}
	OK(wrong == 0);
	pattern_list_fini(l);
	arena_fini(&arena);
}

int
main(void)
{
	test_nets(6, 0, 0);
	test_nets(100, 1, 0);
	test_nets(MAX_NETS, 8, 0);
	test_nets(MAX_NETS, 24, 0);
	test_nets(MAX_NETS, 16, 5);
	test_nets(MAX_NETS, 16, 10);
	test_nets(600, 0, 9);
	test_strings(30);
	test_strings(MAX_NETS / 10);
	test_strings(MAX_NETS);
	return tap_done();
}
