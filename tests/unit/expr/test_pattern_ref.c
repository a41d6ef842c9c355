// SPDX-License-Identifier: MIT
// Named pattern sets: what commands and rules change at run time, against a plain model, for each
// match; versions; refusals that change nothing.

#include <stdlib.h>
#include <unistd.h>

#include "expr/pattern_ref.h"
#include "expr_fixture.h"

static struct pattern_use *
use(struct fixture *f, const char *name, enum pat_match match, bool map, enum sample_type type)
{
	struct expr_env env = {.set = f->set, .place = &EXPR_ANYWHERE, .file = "t.cfg", .line = 7};
	struct pattern_opts opts = {.match = match, .map = map};
	struct err err = {{0}};
	struct pattern_use *u = pattern_use_get(&env, str_from_c(name), &opts, type, &err);
	if (u == NULL)
		printf("# %s\n", err.text);
	return u;
}

// The value of what matches, "none" where nothing does.
static const char *
look(const struct pattern_use *u, const char *text)
{
	static char out[128];
	struct sample_ctx ctx = {0};
	struct sample s;
	if (!sample_parse_ip(str_from_c(text), &s))
		sample_set_str(&s, str_from_c(text));
	const struct pattern_entry *e = pattern_use_match(u, &s, &ctx);
	(void)snprintf(out, sizeof(out), "%.*s", e != NULL ? (int)e->value.n : 4,
		       e != NULL ? e->value.p : "none");
	return out;
}

static bool
change(struct pattern_ref *r, enum pattern_change c, const char *key, const char *value)
{
	struct err err = {{0}};
	bool good =
	    pattern_ref_change(r, c, PATTERN_LIVE, str_from_c(key), str_from_c(value), &err);
	if (good)
		pattern_ref_publish(r);
	else
		pattern_ref_undo(r);
	return good;
}

static size_t
count(const struct pattern_ref *r)
{
	struct pattern_ref_info i;
	pattern_ref_info(r, &i);
	return i.n_entries;
}

static void
test_changes(struct fixture *f)
{
	struct pattern_use *u = use(f, "virt@m", PAT_STR, true, SMP_STR);
	struct pattern_ref *r = pattern_use_ref(u);
	OK(pattern_ref_find(f->set, STR("#0")) == NULL);
	pattern_refs_number(f->set);
	OK(pattern_ref_find(f->set, STR("virt@m")) == r &&
	   pattern_ref_find(f->set, STR("#0")) == r);
	IS_STR(look(u, "a"), "none");
	OK(change(r, PATTERN_ADD, "a", "1") && change(r, PATTERN_ADD, "b", "2"));
	IS_STR(look(u, "a"), "1");
	OK(change(r, PATTERN_SET, "a", "3"));
	IS_STR(look(u, "a"), "3");
	IS_STR(look(u, "b"), "2");
	OK(!change(r, PATTERN_SET, "nobody", "3") && !change(r, PATTERN_DEL, "nobody", NULL));
	OK(change(r, PATTERN_PUT, "c", "4") && change(r, PATTERN_PUT, "c", "5"));
	IS_STR(look(u, "c"), "5");
	OK(change(r, PATTERN_ADD, "a", "second"));
	IS_STR(look(u, "a"), "3");
	OK(change(r, PATTERN_SET, "#0", "by id"));
	IS_STR(look(u, "a"), "by id");
	OK(change(r, PATTERN_DEL, "#0x1", NULL));
	IS_STR(look(u, "b"), "none");
	OK(change(r, PATTERN_DEL, "a", NULL));
	IS_STR(look(u, "a"), "none");
	OK(count(r) == 1);
	OK(!change(r, PATTERN_ADD, "", "x") && !change(r, PATTERN_ADD, "k", "two\nlines"));
}

// A value that changes leaves its entry where it stood: for a match that takes the first, and for
// whoever lists or saves the set.
static void
test_order(struct fixture *f, enum pat_match match, const char *name)
{
	static const char *const keys[] = {"a", "b", "c", "d", "e", "f"};
	struct pattern_use *u = use(f, name, match, true, SMP_STR);
	struct pattern_ref *r = pattern_use_ref(u);
	struct pattern_walk w = {0};
	struct pattern_entry e;
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		OK(change(r, PATTERN_ADD, keys[i], "old"));
	for (size_t i = ARRAY_LEN(keys); i-- > 0;) { // the last first, and twice
		OK(change(r, PATTERN_SET, keys[i], "between"));
		OK(change(r, PATTERN_SET, keys[i], keys[i]));
		IS_STR(look(u, "fedcba"), i > 0 ? "old" : "a");
		IS_STR(look(u, keys[i]), keys[i]);
	}
	OK(change(r, PATTERN_DEL, "a", NULL));
	IS_STR(look(u, "fedcba"), "b");
	OK(!change(r, PATTERN_SET, "b", "two\nlines")); // undone
	for (size_t i = 1; i < ARRAY_LEN(keys); i++)
		OK(pattern_ref_next(r, PATTERN_LIVE, &w, &e) && e.id == (int64_t)i &&
		   str_eq(e.key, str_from_c(keys[i])) && str_eq(e.value, str_from_c(keys[i])));
	OK(!pattern_ref_next(r, PATTERN_LIVE, &w, &e));
}

static void
test_refusals(struct fixture *f)
{
	struct pattern_use *ints = use(f, "virt@ints", PAT_STR, true, SMP_INT);
	struct pattern_ref *r = pattern_use_ref(ints);
	struct pattern_use *nets = use(f, "virt@nets", PAT_IP, true, SMP_STR);
	struct err err = {{0}};
	OK(!change(r, PATTERN_ADD, "a", "many") && count(r) == 0);
	OK(change(r, PATTERN_ADD, "a", "1") && !change(r, PATTERN_SET, "a", "many"));
	IS_STR(look(ints, "a"), "1");
	OK(!change(pattern_use_ref(nets), PATTERN_ADD, "10.0.0.0/99", "x"));
	OK(use(f, "virt@ints", PAT_STR, false, SMP_STR) == NULL); // a map is no list of patterns
	// the second of two fails: the first is not seen either
	OK(pattern_ref_change(r, PATTERN_ADD, PATTERN_LIVE, STR("b"), STR("2"), &err));
	OK(pattern_ref_change(r, PATTERN_SET, PATTERN_LIVE, STR("a"), STR("9"), &err));
	OK(pattern_ref_change(r, PATTERN_DEL, PATTERN_LIVE, STR("b"), STR_NULL, &err));
	OK(!pattern_ref_change(r, PATTERN_ADD, PATTERN_LIVE, STR("c"), STR("x"), &err));
	pattern_ref_undo(r);
	pattern_ref_publish(r);
	IS_STR(look(ints, "a"), "1");
	IS_STR(look(ints, "b"), "none");
	OK(count(r) == 1);
}

static void
test_versions(struct fixture *f)
{
	struct pattern_use *u = use(f, "virt@v", PAT_BEG, true, SMP_STR);
	struct pattern_ref *r = pattern_use_ref(u);
	struct err err = {{0}};
	OK(change(r, PATTERN_ADD, "/a", "old"));
	uint32_t v1 = pattern_ref_prepare(r, &err), v2 = pattern_ref_prepare(r, &err);
	OK(v1 == 1 && v2 == 2);
	OK(pattern_ref_change(r, PATTERN_ADD, v2, STR("/"), STR("root"), &err));
	OK(pattern_ref_change(r, PATTERN_ADD, v2, STR("/a/b"), STR("deep"), &err));
	IS_STR(look(u, "/a/b/c"), "old");
	OK(pattern_ref_commit(r, v2, &err));
	IS_STR(look(u, "/a/b/c"), "deep");
	IS_STR(look(u, "/a"), "root");
	OK(!pattern_ref_commit(r, v1, &err)); // older than the live one: gone
	OK(!pattern_ref_has_version(r, 9));
	for (int i = 0; i < PATTERN_REF_MAX_VERSIONS; i++)
		OK(pattern_ref_prepare(r, &err) != 0);
	OK(pattern_ref_prepare(r, &err) == 0);
	OK(pattern_ref_clear(r, PATTERN_LIVE, &err) && count(r) == 0);
	IS_STR(look(u, "/a"), "none");
}

// ---- against a model

#define KEYS  40
#define STEPS 3000

// What the set should hold: for each key its value, 0: none. Returns 1 for an answer that is not
// what the model says.
static size_t
step(struct pattern_ref *r, int *model, const char *(*name)(int), unsigned *seed)
{
	int k = rand_r(seed) % KEYS;
	char value[16];
	bool bad;
	int v = 1 + rand_r(seed) % 1000;
	(void)snprintf(value, sizeof(value), "%d", v);
	switch (rand_r(seed) % 3) {
	case 0:
		bad = change(r, PATTERN_DEL, name(k), NULL) != (model[k] != 0);
		model[k] = 0;
		break;
	case 1:
		bad = change(r, PATTERN_SET, name(k), value) != (model[k] != 0);
		model[k] = model[k] != 0 ? v : 0;
		break;
	default:
		bad = !change(r, PATTERN_PUT, name(k), value);
		model[k] = v;
	}
	return bad;
}

// Keys none of which is part of another, so that each match finds just its own.
static const char *
plain_name(int k)
{
	static char out[32];
	(void)snprintf(out, sizeof(out), "key%02dend", k);
	return out;
}

static void
test_model(struct fixture *f, enum pat_match match, unsigned seed)
{
	char name[32];
	int model[KEYS] = {0};
	size_t wrong = 0, live = 0;
	(void)snprintf(name, sizeof(name), "virt@model%d", (int)match);
	struct pattern_use *u = use(f, name, match, true, SMP_STR);
	for (int i = 0; i < STEPS; i++) {
		wrong += step(pattern_use_ref(u), model, plain_name, &seed);
		int k = i % KEYS;
		const char *got = look(u, plain_name(k));
		wrong += model[k] != 0 ? atoi(got) != model[k] : strcmp(got, "none") != 0;
	}
	for (int k = 0; k < KEYS; k++)
		live += model[k] != 0;
	OK(wrong == 0 && count(pattern_use_ref(u)) == live);
}

// Longest prefixes across base and delta; an ACL's merged ranges lose entries too.
static void
test_layers(struct fixture *f)
{
	struct pattern_use *nets = use(f, "virt@layers", PAT_IP, true, SMP_STR);
	struct pattern_ref *r = pattern_use_ref(nets);
	struct sample_ctx ctx = {0};
	struct sample s;
	OK(change(r, PATTERN_ADD, "10.0.0.0/8", "wide"));
	struct err err = {{0}};
	uint32_t v = pattern_ref_prepare(r, &err);
	OK(pattern_ref_change(r, PATTERN_ADD, v, STR("10.0.0.0/8"), STR("wide"), &err));
	OK(pattern_ref_commit(r, v, &err)); // into a base
	OK(change(r, PATTERN_ADD, "10.1.0.0/16", "narrow"));
	OK(change(r, PATTERN_ADD, "0.0.0.0/0", "all"));
	IS_STR(look(nets, "10.1.2.3"), "narrow");
	IS_STR(look(nets, "10.2.2.3"), "wide");
	OK(change(r, PATTERN_DEL, "10.0.0.0/8", NULL));
	IS_STR(look(nets, "10.2.2.3"), "all");
	struct pattern_use *ranges = use(f, "virt@ranges", PAT_INT, false, SMP_STR);
	struct pattern_ref *q = pattern_use_ref(ranges);
	v = pattern_ref_prepare(q, &err);
	OK(pattern_ref_change(q, PATTERN_ADD, v, STR("1:5"), STR_NULL, &err));
	OK(pattern_ref_change(q, PATTERN_ADD, v, STR("4:9"), STR_NULL, &err));
	OK(pattern_ref_commit(q, v, &err));
	s = (struct sample){.type = SMP_INT, .i = 2};
	OK(pattern_use_match(ranges, &s, &ctx) != NULL);
	OK(change(q, PATTERN_DEL, "1:5", NULL));
	OK(pattern_use_match(ranges, &s, &ctx) == NULL);
	s.i = 9;
	OK(pattern_use_match(ranges, &s, &ctx) != NULL);
}

static void
test_walk(struct fixture *f)
{
	struct pattern_use *u = use(f, "virt@walk", PAT_STR, true, SMP_STR);
	struct pattern_ref *r = pattern_use_ref(u);
	struct pattern_walk w = {0};
	struct pattern_entry e;
	char key[16];
	size_t seen = 0;
	bool all = true;
	for (int i = 0; i < 1000; i++) {
		(void)snprintf(key, sizeof(key), "k%d", i);
		all &= change(r, PATTERN_ADD, key, "v");
	}
	OK(all);
	OK(change(r, PATTERN_DEL, "k500", NULL));
	while (pattern_ref_next(r, PATTERN_LIVE, &w, &e)) {
		seen++;
		if (seen == 10)
			OK(change(r, PATTERN_SET, "k1", "w"));
	}
	OK(seen >= 999 && seen <= 1000);
	OK(pattern_ref_get(r, STR("k1"), &e) && str_eq(e.value, STR("w")));
}

static const struct acl *
declare(struct fixture *f, int line, const char *text)
{
	struct expr_env env = {
	    .set = f->set, .acls = f->acls, .place = &EXPR_ANYWHERE, .file = "t.cfg", .line = line};
	struct str argv[8], rest = str_copy(&f->set->arena, str_from_c(text));
	struct err err = {{0}};
	int argc = 0;
	while (argc < 8 && str_next(&rest, ' ', &argv[argc]))
		argc++;
	if (!acl_declare(&env, argc, argv, &err)) {
		printf("# %s\n", err.text);
		return NULL;
	}
	return acl_find(&env, argv[0], &err);
}

static void
is_set(struct fixture *f, size_t number, const char *keyword, int line, size_t n)
{
	struct pattern_ref_info i;
	const struct pattern_ref *r = pattern_ref_at(f->set, number);
	OK(r != NULL && r == pattern_ref_nth(f->set, number));
	pattern_ref_info(r, &i);
	OK(str_eq(i.keyword, str_from_c(keyword)) && i.used_line == line && i.n_entries == n);
}

// The words of ACLs: numbers in the order of lines around those that -u chose, and changes that
// requests see; nothing is made of a set that nobody asks for.
static void
test_words(void)
{
	static struct fixture fixture, *f = &fixture;
	fix_init(f, NULL);
	fix_request(f, "GET /a/b HTTP/1.1\r\nHost: x\r\nn: 14\r\n\r\n");
	const struct acl *a = declare(f, 1, "a path_beg /x /y");
	const struct acl *chosen = declare(f, 2, "chosen path -u 1 /z");
	const struct acl *n = declare(f, 3, "n req.hdr_val(n) 5:9 gt 14 le 3");
	OK(declare(f, 4, "sure str(a) a") != NULL);
	OK(declare(f, 5, "twice path -u 1 /z") == NULL);
	pattern_refs_number(f->set);
	is_set(f, 0, "path_beg", 1, 2);
	is_set(f, 1, "path", 2, 1);
	is_set(f, 2, "req.hdr_val", 3, 3);
	is_set(f, 3, "str", 4, 1);
	struct pattern_ref *r[4];
	for (size_t i = 0; i < ARRAY_LEN(r); i++)
		r[i] = pattern_ref_at(f->set, i);
	OK(acl_eval(a, &f->ctx) == ACL_FAIL && acl_eval(n, &f->ctx) == ACL_FAIL);
	OK(change(r[0], PATTERN_ADD, "/a", "") && acl_eval(a, &f->ctx) == ACL_PASS);
	OK(change(r[0], PATTERN_DEL, "/a", "") && acl_eval(a, &f->ctx) == ACL_FAIL);
	OK(change(r[1], PATTERN_ADD, "/a/b", "") && acl_eval(chosen, &f->ctx) == ACL_PASS);
	struct pattern_entry e;
	OK(pattern_ref_get(r[2], STR("15:"), &e) && pattern_ref_get(r[2], STR(":3"), &e));
	OK(!change(r[2], PATTERN_ADD, "x", "") && change(r[2], PATTERN_ADD, "14", ""));
	OK(acl_eval(n, &f->ctx) == ACL_PASS);
	struct err err = {{0}};
	OK(pattern_ref_clear(r[2], PATTERN_LIVE, &err) && acl_eval(n, &f->ctx) == ACL_FAIL);
	OK(!change(r[3], PATTERN_ADD, "b", "")); // conditions know its answer
	fix_fini(f);
}

int
main(void)
{
	static struct fixture fixture, *f = &fixture;
	fix_init(f, NULL);
	test_changes(f);
	test_order(f, PAT_SUB, "virt@sub");
	test_order(f, PAT_REG, "virt@reg");
	test_refusals(f);
	test_versions(f);
	const enum pat_match all[] = {PAT_STR, PAT_BEG, PAT_END, PAT_SUB,
				      PAT_DIR, PAT_DOM, PAT_REG};
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		test_model(f, all[i], 42 + (unsigned)i);
	test_layers(f);
	test_walk(f);
	fix_fini(f);
	test_words();
	return tap_done();
}
