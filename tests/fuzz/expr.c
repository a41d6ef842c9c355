// SPDX-License-Identifier: MIT
// Expressions, ACLs, conditions and log formats made of anything, parsed and, when that went
// well, evaluated twice: with room and in a full arena. Besides not crashing: a refusal has a
// text, and evaluation in a full arena either agrees or says that it failed.
#include "../unit/expr/expr_fixture.h"

static const char request[] = "GET /a/b?x=1&y=%41;z HTTP/1.1\r\nHost: h.example:80\r\n"
			      "X-A: 1, \"2,3\", 10.0.0.1\r\nX-A: 4\r\nCookie: a=b; c=d\r\n\r\n";
static const char response[] = "HTTP/1.1 200 OK\r\nSet-Cookie: s=1; Path=/\r\n"
			       "Content-Length: 0\r\n\r\n";

static const struct log_values *
give_values(const struct sample_ctx *ctx UNUSED)
{
	static const struct log_values values = {.request_line = {"GET / HTTP/1.1", 14}};
	return &values;
}

static const struct sample_host host = {.log = give_values};

// Files are not part of this.
static bool
names_file(struct str text)
{
	return str_find(text, STR("-f")) != SIZE_MAX || str_find(text, STR("map")) != SIZE_MAX;
}

static void
judge(bool parsed, const struct err *err)
{
	ASSERT(parsed || err->text[0] != '\0');
}

static void
try_expr(struct fixture *f, struct str text)
{
	struct expr_env env = fix_env(f);
	struct err err = {{0}};
	struct sample s;
	struct str out;
	struct expr *e = expr_parse(&env, text, &err);
	judge(e != NULL, &err);
	if (e == NULL)
		return;
	if (expr_eval(e, &f->ctx, &s))
		ASSERT(s.type > SMP_ANY && s.type < SMP_N_TYPES && s.type != SMP_ADDR);
	(void)expr_eval_text(e, &f->ctx, &out);
	struct arena small;
	arena_init(&small, 0);
	f->ctx.arena = &small;
	(void)expr_eval_text(e, &f->ctx, &out);
	f->ctx.arena = &f->arena;
	arena_fini(&small);
}

static void
try_words(struct fixture *f, struct str text, bool declare)
{
	struct expr_env env = fix_env(f);
	struct err err = {{0}};
	struct str argv[64], word;
	int argc = 0;
	while (argc < 64 && str_next(&text, ' ', &word)) {
		if (word.n > 0)
			argv[argc++] = word;
	}
	if (declare) {
		judge(acl_declare(&env, argc, argv, &err), &err);
		const struct acl *a = argc > 0 ? acl_find(&env, argv[0], &err) : NULL;
		if (a != NULL)
			(void)acl_eval(a, &f->ctx);
		return;
	}
	struct cond *c = cond_parse(&env, argc, argv, &err);
	judge(c != NULL, &err);
	if (c != NULL)
		(void)cond_eval(c, &f->ctx);
}

static void
try_format(struct fixture *f, struct str text)
{
	struct expr_env env = fix_env(f);
	struct err err = {{0}};
	struct sbuf b;
	struct str out;
	struct logfmt *fmt = logfmt_parse(&env, text, &err);
	judge(fmt != NULL, &err);
	if (fmt == NULL)
		return;
	sbuf_init(&b, 1 << 22);
	logfmt_render_log(fmt, &f->ctx, &b);
	for (size_t i = 0; i < b.n; i++)
		ASSERT(b.p[i] != '\n' || str_find_byte(text, '\n') != SIZE_MAX);
	(void)logfmt_render(fmt, &f->ctx, &out);
	(void)logfmt_render_header(fmt, &f->ctx, &out);
	sbuf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// First byte of each line: 'e' expression, 'a' ACL, 'c' condition, 'f' format.
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fixture f; // large
	char *copy = mem_alloc(size + 1);
	memcpy(copy, data, size);
	copy[size] = '\0';
	struct str all = str_of(copy, size), line;
	fix_init(&f, NULL);
	fix_request(&f, request);
	fix_response(&f, response);
	f.ctx.host = &host;
	for (int n = 0; n < 64 && str_next(&all, '\n', &line); n++) {
		struct str text = str_slice(line, 1, line.n);
		arena_reset(&f.arena);
		if (line.n == 0 || names_file(text))
			continue;
		// as words of a configuration are: NUL-terminated, without another NUL
		char *c = str_to_c(expr_set_arena(f.set), text);
		text = str_from_c(c);
		if (line.p[0] == 'e')
			try_expr(&f, text);
		else if (line.p[0] == 'f')
			try_format(&f, text);
		else if (line.p[0] == 'a' || line.p[0] == 'c')
			try_words(&f, text, line.p[0] == 'a');
	}
	fix_fini(&f);
	mem_free(copy);
	return 0;
}
