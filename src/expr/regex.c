// SPDX-License-Identifier: MIT
// Regular expressions: PCRE2 compiled with JIT at parse, matched with limits and without
// allocation: each thread keeps one block of match data.

#define PCRE2_CODE_UNIT_WIDTH 8

#include <pcre2.h>

#include "base/mem.h"
#include "expr/pattern.h"

// A hostile text against a careless pattern ends here and counts as "no match".
#define MATCH_LIMIT 100000
#define DEPTH_LIMIT 1000

struct regex {
	pcre2_code *code;
	pcre2_match_context *limits;
	bool jit;
};

// One block per thread serves every regex: ten groups are all that HAProxy's language can name.
// It lies in the thread's own memory, so it needs no freeing.
#define MATCH_DATA_BYTES 1024
static _Thread_local pcre2_match_data *match_data;
static _Thread_local alignas(16) char match_memory[MATCH_DATA_BYTES];
static _Thread_local size_t match_memory_used;

// PCRE2 asks for more only where there is no JIT.
static void *
match_alloc(size_t bytes, void *arg UNUSED)
{
	size_t at = match_memory_used, room = (bytes + 15) & ~(size_t)15;
	if (room > sizeof(match_memory) - at)
		return mem_try_realloc(NULL, bytes);
	match_memory_used += room;
	return match_memory + at;
}

static void
match_release(void *p, void *arg UNUSED)
{
	if ((char *)p < match_memory || (char *)p >= match_memory + sizeof(match_memory))
		mem_free(p);
}

struct regex *
regex_new(struct str pattern, bool icase, struct err *err)
{
	int code;
	size_t at;
	pcre2_code *re = pcre2_compile((PCRE2_SPTR)(pattern.n > 0 ? pattern.p : ""), pattern.n,
				       icase ? PCRE2_CASELESS : 0, &code, &at, NULL);
	if (re == NULL) {
		PCRE2_UCHAR text[128];
		(void)pcre2_get_error_message(code, text, sizeof(text)); // fills text in any case
		err_set(err, "regex '%.*s' at character %zu: %s", STR_ARG(pattern), at + 1,
			(char *)text);
		return NULL;
	}
	struct regex *r = MEM_NEW(struct regex);
	r->code = re;
	r->jit = pcre2_jit_compile(re, PCRE2_JIT_COMPLETE) == 0;
	r->limits = pcre2_match_context_create(NULL);
	ASSERT(r->limits != NULL);
	(void)pcre2_set_match_limit(r->limits, MATCH_LIMIT); // always 0
	(void)pcre2_set_depth_limit(r->limits, DEPTH_LIMIT); // always 0
	return r;
}

void
regex_free(struct regex **re)
{
	if (*re == NULL)
		return;
	pcre2_code_free((*re)->code);
	pcre2_match_context_free((*re)->limits);
	mem_free(*re);
	*re = NULL;
}

static pcre2_match_data *
thread_match_data(void)
{
	if (UNLIKELY(match_data == NULL)) {
		pcre2_general_context *general =
		    pcre2_general_context_create(match_alloc, match_release, NULL);
		ASSERT(general != NULL);
		match_data = pcre2_match_data_create(REGEX_GROUPS, general);
		ASSERT(match_data != NULL);
	}
	return match_data;
}

bool
regex_match(const struct regex *re, struct str text, struct regex_groups *groups)
{
	pcre2_match_data *data = thread_match_data();
	PCRE2_SPTR subject = (PCRE2_SPTR)(text.n > 0 ? text.p : "");
	int n = re->jit ? pcre2_jit_match(re->code, subject, text.n, 0, 0, data, re->limits)
			: pcre2_match(re->code, subject, text.n, 0, 0, data, re->limits);
	if (n < 0)
		return false;
	if (groups == NULL)
		return true;
	const PCRE2_SIZE *v = pcre2_get_ovector_pointer(data);
	groups->n = n == 0 ? REGEX_GROUPS : n;
	for (int i = 0; i < REGEX_GROUPS; i++) {
		groups->from[i] = i < groups->n ? v[2 * i] : SIZE_MAX;
		groups->to[i] = i < groups->n ? v[2 * i + 1] : SIZE_MAX;
	}
	return true;
}

struct expansion {
	size_t used;    // bytes of the template
	struct str add; // what they stand for
	char byte;      // where .add points for \\xHH
};

// A group that took no part adds nothing, as in HAProxy.
static void
expand_one(struct str t, struct str text, const struct regex_groups *g, struct expansion *x)
{
	x->used = 1;
	x->add = str_of(t.p, 1);
	if (t.p[0] != '\\' || t.n == 1)
		return;
	x->used = 2;
	x->add.p = t.p + 1;
	if (t.p[1] >= '0' && t.p[1] <= '9') {
		int i = t.p[1] - '0';
		bool there = i < g->n && g->from[i] != SIZE_MAX;
		x->add = there ? str_slice(text, g->from[i], g->to[i]) : STR("");
	} else if (t.p[1] == 'x' && t.n >= 4 && byte_hex(t.p[2]) >= 0 && byte_hex(t.p[3]) >= 0) {
		x->used = 4;
		x->byte = (char)(byte_hex(t.p[2]) * 16 + byte_hex(t.p[3]));
		x->add.p = &x->byte;
	}
}

bool
regex_expand(struct str subst, struct str text, const struct regex_groups *groups,
	     struct arena *arena, struct str *out)
{
	struct expansion x;
	size_t total = 0;
	for (size_t i = 0; i < subst.n; i += x.used, total += x.add.n)
		expand_one(str_slice(subst, i, subst.n), text, groups, &x);
	char *p = arena_alloc(arena, total + 1, 1);
	if (p == NULL)
		return false;
	*out = str_of(p, total);
	for (size_t i = 0; i < subst.n; i += x.used, p += x.add.n) {
		expand_one(str_slice(subst, i, subst.n), text, groups, &x);
		if (x.add.n > 0)
			memcpy(p, x.add.p, x.add.n);
	}
	*p = '\0';
	return true;
}
