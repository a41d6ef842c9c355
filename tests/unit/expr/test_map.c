// SPDX-License-Identifier: MIT
// Map files through each match, output types and defaults; searchable forms against plain ones.

#include <stdlib.h>
#include <unistd.h>

#include "expr_fixture.h"

static const char text_map[] = "# key value\n"
			       "/api          api\n"
			       "/api/v2       api2   \n"
			       "/static\tfiles with blanks\n"
			       "\n"
			       "example.org   first\n"
			       "org           second\n"
			       "/api          doubled\n";
static const char int_map[] = "1 10\n5:9 20\n7 30\n100: 40\n";
static const char ip_map[] = "10.0.0.0/8 10\n10.1.0.0/16 20\n10.1.2.3 30\n2001:db8::/32 40\n";
static const char reg_map[] = "^/user/([0-9]+)/(.*)$ id=\\1,rest=\\2\n^/ root\n";
static const char addr_map[] = "a 192.0.2.1\nb 2001:db8::1\n";

static char dir[] = "/tmp/tidegate-map-XXXXXX";

static void
put(const char *name, const char *text)
{
	char path[128];
	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f = fopen(path, "we");
	OK(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0);
}

static void
drop(const char *name)
{
	char path[128];
	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	OK(unlink(path) == 0);
}

// "@" in the text stands for the folder.
static const char *
eval(struct fixture *f, const char *text)
{
	static char full[512];
	const char *at = strstr(text, "@/");
	(void)snprintf(full, sizeof(full), "%.*s%s%s", (int)(at - text), text, dir, at + 1);
	return fix_eval(f, full);
}

static const struct {
	const char *text, *want;
} cases[] = {
    {"str(/api),map(@/text)", "string:api"},
    {"str(/api),map_str(@/text)", "string:api"},
    {"str(/api),map_str_str(@/text)", "string:api"},
    {"str(/static),map(@/text)", "string:files with blanks"},
    {"str(/apix),map(@/text)", "none"},
    {"str(/apix),map(@/text,else)", "string:else"},
    {"str(/api/v2/x),map_beg(@/text)", "string:api2"},
    {"str(/api/v1/x),map_beg(@/text)", "string:api"},
    {"str(/other),map_beg(@/text,else)", "string:else"},
    {"str(www.example.org),map_end(@/text)", "string:first"},
    {"str(www.other.org),map_end(@/text)", "string:second"},
    {"str(www.example.org:80),map_dom(@/text)", "string:first"},
    {"str(/x/api/v2/y),map_dir(@/text)", "string:api"},
    {"str(x/static/y),map_sub(@/text)", "string:files with blanks"},
    {"int(1),map_int(@/int)", "string:10"},
    {"int(7),map_int_int(@/int)", "int:20"},
    {"int(1000),map_int_int(@/int)", "int:40"},
    {"int(50),map_int_int(@/int,-1)", "int:-1"},
    {"str(7),map_int_int(@/int)", "int:20"},
    {"ipv4(10.9.9.9),map_ip(@/ip)", "string:10"},
    {"ipv4(10.1.9.9),map_ip_int(@/ip)", "int:20"},
    {"ipv4(10.1.2.3),map_ip_int(@/ip)", "int:30"},
    {"ipv6(2001:db8::7),map_ip_int(@/ip)", "int:40"},
    {"ipv4(11.0.0.1),map_ip_int(@/ip,0)", "int:0"},
    {"str(b),map_str_ip(@/addr)", "ip6:2001:db8::1"},
    {"str(c),map_str_ip(@/addr,10.0.0.1)", "ip4:10.0.0.1"},
    {"str(/user/42/a/b),map_regm(@/reg)", "string:id=42,rest=a/b"},
    {"str(/x),map_regm(@/reg)", "string:root"},
    {"str(/user/42/a),map_reg(@/reg)", "string:id=\\1,rest=\\2"},
    {"str(x),map_regm(@/reg,none)", "string:none"},
    {"str(x),map(opt@@/nothing,here)", "string:here"},
};

static void
test_errors(struct fixture *f)
{
	OK(strstr(eval(f, "str(x),map(@/nothing)"), "No such file or directory") != NULL);
	OK(strstr(eval(f, "str(x),map_str_int(@/text)"), "'api' is not an integer") != NULL);
	OK(strstr(eval(f, "str(x),map_str_ip(@/text)"), "'api' is not an address") != NULL);
	OK(strstr(eval(f, "str(x),map_str_int(@/int,abc)"), "'abc' is not an integer") != NULL);
	OK(strstr(eval(f, "int(1),map_int(@/text)"), "/text:2: '/api' is neither") != NULL);
}

// Random short texts over few letters, against what a plain search of all entries says.
static void
test_against_plain(enum pat_match match, bool icase)
{
	struct arena arena;
	struct err err;
	struct pattern_opts opts = {.match = match, .icase = icase};
	struct sample_ctx ctx = {.arena = &arena};
	char keys[200][8];
	bool all = true;
	arena_init(&arena, 1 << 24);
	struct pattern_list *l = pattern_list_new(&arena, &opts);
	srandom(7);
	for (int i = 0; i < 200; i++) {
		int n = 1 + (int)(random() % 6);
		for (int k = 0; k < n; k++)
			keys[i][k] = "abAB./"[random() % 6];
		keys[i][n] = '\0';
		all &= pattern_list_add(l, str_from_c(keys[i]), STR_NULL, &err);
	}
	all &= pattern_list_build(l, &err);
	for (int probe = 0; probe < 20000; probe++) {
		char text[12];
		int n = (int)(random() % 11);
		struct sample s;
		bool want = false;
		for (int k = 0; k < n; k++)
			text[k] = "abAB./"[random() % 6];
		sample_set_str(&s, str_of(text, (size_t)n));
		for (int i = 0; i < 200; i++) {
			struct str key = str_from_c(keys[i]);
			struct str part = s.s;
			if (match == PAT_BEG)
				part = str_slice(s.s, 0, key.n);
			else if (match == PAT_END)
				part = str_slice(s.s, s.s.n - MIN(key.n, s.s.n), s.s.n);
			want |= icase ? str_eq_nocase(part, key) : str_eq(part, key);
		}
		all &= (pattern_match(l, &s, &ctx) != NULL) == want;
	}
	OK_MSG(all, pat_match_name(match));
	pattern_list_fini(l);
	arena_fini(&arena);
}

static void
test_nets_against_plain(void)
{
	struct arena arena;
	struct err err;
	struct pattern_opts opts = {.match = PAT_IP, .map = true};
	struct sample_ctx ctx = {.arena = &arena};
	struct {
		uint32_t net;
		int bits;
	} nets[300];
	bool all = true;
	arena_init(&arena, 1 << 24);
	struct pattern_list *l = pattern_list_new(&arena, &opts);
	srandom(11);
	for (int i = 0; i < 300; i++) {
		nets[i].bits = (int)(random() % 33);
		nets[i].net = (uint32_t)random() & 0x0f0f0f0f;
		if (nets[i].bits < 32)
			nets[i].net &= ~(0xffffffffu >> nets[i].bits);
		char *text = arena_printf(&arena, "%u.%u.%u.%u/%d", nets[i].net >> 24,
					  nets[i].net >> 16 & 255, nets[i].net >> 8 & 255,
					  nets[i].net & 255, nets[i].bits);
		all &= pattern_list_add(l, str_from_c(text), STR_NULL, &err);
	}
	all &= pattern_list_build(l, &err);
	for (int probe = 0; probe < 20000; probe++) {
		uint32_t ip = (uint32_t)random() & 0x0f0f0f0f;
		struct sample s = {.type = SMP_IP4};
		int longest = -1;
		for (int i = 0; i < 4; i++)
			s.ip[i] = (uint8_t)(ip >> (24 - 8 * i));
		for (int i = 0; i < 300; i++) {
			uint32_t mask = nets[i].bits == 0 ? 0 : ~0u << (32 - nets[i].bits);
			if ((ip & mask) == nets[i].net)
				longest = MAX(longest, nets[i].bits);
		}
		const struct pattern_entry *e = pattern_match(l, &s, &ctx);
		all &= (e == NULL) == (longest < 0);
		all &= e == NULL || nets[e->id].bits == longest;
	}
	OK_MSG(all, "longest prefix, as a plain search finds it");
	pattern_list_fini(l);
	arena_fini(&arena);
}

int
main(void)
{
	struct fixture f;
	OK(mkdtemp(dir) != NULL);
	put("text", text_map);
	put("int", int_map);
	put("ip", ip_map);
	put("reg", reg_map);
	put("addr", addr_map);
	fix_init(&f, NULL);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		IS_STR(eval(&f, cases[i].text), cases[i].want);
	test_errors(&f);
	fix_fini(&f);
	test_against_plain(PAT_STR, false);
	test_against_plain(PAT_STR, true);
	test_against_plain(PAT_BEG, false);
	test_against_plain(PAT_BEG, true);
	test_against_plain(PAT_END, false);
	test_against_plain(PAT_END, true);
	test_nets_against_plain();
	drop("text");
	drop("int");
	drop("ip");
	drop("reg");
	drop("addr");
	OK(rmdir(dir) == 0);
	return tap_done();
}
