// SPDX-License-Identifier: MIT
// A request, a response and a set of rows to evaluate against.
#pragma once

#include <stdlib.h>

#include "base/mem.h"
#include "base/sbuf.h"
#include "expr/acl_priv.h"
#include "expr/logfmt.h"
#include "expr/var.h"
#include "http/h1.h"
#include "../tap.h"

#define FIX_FIELDS 64

struct fixture {
	struct expr_set *set;
	struct acl_scope *acls;
	struct arena arena, session;
	struct sample_addr src, dst;
	struct http_field req_fields[FIX_FIELDS], res_fields[FIX_FIELDS];
	struct http_head req, res;
	struct var_scope vars[VAR_SHM];
	struct sample_ctx ctx;
};

// A number from 0 to n - 1, the same ones in every run.
static inline uint32_t
fix_below(uint32_t n)
{
	static uint32_t state = 12345;
	state = state * 1664525 + 1013904223;
	return (state >> 8) % n;
}

static inline void
fix_request(struct fixture *f, const char *text)
{
	struct h1_parser p;
	h1_parser_init(&p);
	http_head_init(&f->req, f->req_fields, FIX_FIELDS);
	bool good = h1_parse_request(&p, text, strlen(text), &f->req) == H1_OK;
	ASSERT(good);
	f->ctx.req = &f->req;
}

static inline void
fix_response(struct fixture *f, const char *text)
{
	struct h1_parser p;
	h1_parser_init(&p);
	http_head_init(&f->res, f->res_fields, FIX_FIELDS);
	bool good = h1_parse_response(&p, text, strlen(text), &f->res, HTTP_METHOD_GET) == H1_OK;
	ASSERT(good);
	f->ctx.res = &f->res;
}

static inline void
fix_init(struct fixture *f, const struct module *const *modules)
{
	*f = (struct fixture){0};
	f->set = expr_set_new(modules);
	f->acls = acl_scope_new(f->set);
	arena_init(&f->arena, 1 << 20);
	arena_init(&f->session, 1 << 20);
	f->src = (struct sample_addr){.family = 4, .port = 40312, .ip = {192, 0, 2, 7}};
	f->dst =
	    (struct sample_addr){.family = 6, .port = 443, .ip = {0x20, 1, 0xd, 0xb8, [15] = 1}};
	for (int i = VAR_SESS; i < VAR_SHM; i++) {
		var_scope_init(&f->vars[i], &f->session);
		f->ctx.vars[i] = &f->vars[i];
	}
	f->ctx.src = &f->src;
	f->ctx.dst = &f->dst;
	f->ctx.arena = &f->arena;
	f->ctx.now_real_ns = UINT64_C(784111777) * 1000000000; // Sun, 06 Nov 1994 08:49:37 GMT
}

static inline void
fix_fini(struct fixture *f)
{
	expr_set_free(&f->set);
	arena_fini(&f->arena);
	arena_fini(&f->session);
}

static inline struct expr_env
fix_env(struct fixture *f)
{
	return (struct expr_env){
	    .set = f->set, .acls = f->acls, .place = &EXPR_ANYWHERE, .file = "test.cfg", .line = 1};
}

// "type:text", "none", or "error: ...".
static inline const char *
fix_eval(struct fixture *f, const char *text)
{
	static char out[2048];
	struct expr_env env = fix_env(f);
	struct err err = {{0}};
	struct sample s = {0};
	struct str t;
	struct expr *e = expr_parse(&env, str_from_c(text), &err);
	arena_reset(&f->arena);
	if (e == NULL) {
		snprintf(out, sizeof(out), "error: %s", err.text);
		return out;
	}
	if (!expr_eval(e, &f->ctx, &s)) {
		snprintf(out, sizeof(out), "%s", s.flags & SMP_MAY_CHANGE ? "miss" : "none");
		return out;
	}
	const char *type = sample_type_name((enum sample_type)s.type);
	if (!sample_text(&s, &f->ctx, &t))
		t = STR("(no text)");
	snprintf(out, sizeof(out), "%s:%.*s", type, STR_ARG(t));
	return out;
}

// Cuts at blanks as a configuration line would (no quotes here).
static inline int
fix_words(const char *text, struct str *argv, int max)
{
	struct str rest = str_from_c(text), word;
	int n = 0;
	while (n < max && str_next(&rest, ' ', &word)) {
		if (word.n > 0)
			argv[n++] = word;
	}
	return n;
}

static inline void
fix_count_seen(void *arg, const struct cond_seen *seen)
{
	*(unsigned *)arg += seen->expr.n > 0;
}

// "pass", "fail", "miss" or "error: ...".
static inline const char *
fix_cond(struct fixture *f, const char *text)
{
	static char out[2048];
	static const char *const names[] = {"fail", "miss", "pass"};
	struct expr_env env = fix_env(f);
	struct err err = {{0}};
	struct str argv[64];
	int argc = fix_words(text, argv, 64);
	struct cond *c = cond_parse(&env, argc, argv, &err);
	arena_reset(&f->arena);
	if (c == NULL) {
		snprintf(out, sizeof(out), "error: %s", err.text);
		return out;
	}
	enum acl_result r = cond_eval(c, &f->ctx);
	f->ctx.rand_state = 1;
	unsigned seen = 0;
	if (cond_trace(c, &f->ctx, fix_count_seen, &seen) != r || (seen == 0 && c->n_terms > 0))
		return "told otherwise by cond_trace";
	return names[r];
}

// "" or the error.
static inline const char *
fix_acl(struct fixture *f, const char *text)
{
	static struct err err;
	struct expr_env env = fix_env(f);
	struct str argv[64];
	// words must outlive the ACL
	int argc = fix_words(str_to_c(expr_set_arena(f->set), str_from_c(text)), argv, 64);
	err.text[0] = '\0';
	(void)acl_declare(&env, argc, argv, &err); // the text tells
	return err.text;
}
