// SPDX-License-Identifier: MIT
// ACLs and conditions: criteria, flags, matches, names, anonymous forms, and what is refused.

#include <stdlib.h>
#include <unistd.h>

#include "expr_fixture.h"

static const char request[] = "POST /api/v1/users.json?debug=1 HTTP/1.1\r\n"
			      "Host: www.Example.org\r\n"
			      "X-Many: one, two\r\n"
			      "X-Many: three\r\n"
			      "Content-Length: 10\r\n"
			      "X-Bin: \xff\r\n"
			      "Cookie: a=1; a=2\r\n\r\n";

static const struct {
	const char *text, *want;
} conds[] = {
    // what can never match
    {"if { path /a foo }",
     "error: condition, word 3: 'foo' can never match: a path begins with '/' "
     "and ends before the '?'"},
    {"if { path_beg /a?b }", "error: condition, word 3: '/a?b' can never match: a path begins with "
			     "'/' and ends before the '?'"},
    {"if { pathq a?b }", "error: condition, word 3: 'a?b' can never match: a path begins with '/'"},
    {"if { method get }", "error: condition, word 3: 'get' can never match: methods are written in "
			  "capitals; or say -i"},
    {"if { req.ver HTTP/1.1 }",
     "error: condition, word 3: 'HTTP/1.1' can never match: a version is "
     "1.0 or 1.1, without HTTP/"},
    {"if { method -i post }", "pass"},
    {"if { method purge }", "fail"},
    {"if { path_sub users }", "pass"},
    {"if { path,lower foo }", "fail"},
    {"if TRUE", "pass"},
    {"if FALSE", "fail"},
    {"unless FALSE", "pass"},
    {"if !FALSE", "pass"},
    {"if !!TRUE", "pass"},
    {"if ! FALSE", "pass"},
    {"if ! { always_false }", "pass"},
    {"if TRUE FALSE", "fail"},
    {"if FALSE || TRUE", "pass"},
    {"if FALSE or TRUE", "pass"},
    {"if FALSE TRUE OR TRUE TRUE", "pass"},
    {"if TRUE FALSE or FALSE TRUE or FALSE", "fail"},
    {"unless TRUE FALSE", "pass"},
    {"if METH_POST", "pass"},
    {"if METH_GET", "fail"},
    {"if HTTP_1.1 HTTP !HTTP_1.0", "pass"},
    {"if LOCALHOST", "fail"},
    {"if HTTP_URL_SLASH !HTTP_URL_ABS !HTTP_URL_STAR", "pass"},
    {"if HTTP_CONTENT", "pass"},
    // strings
    {"if { path /api/v1/users.json }", "pass"},
    {"if { path /other /api/v1/users.json }", "pass"},
    {"if { path /API/v1/users.json }", "fail"},
    {"if { path -i /API/v1/users.json }", "pass"},
    {"if { path_beg /api }", "pass"},
    {"if { path_beg /apx /x }", "fail"},
    {"if { path -m beg /api }", "pass"},
    {"if { path_beg -i /API }", "pass"},
    {"if { path_end .json }", "pass"},
    {"if { path_end .js }", "fail"},
    {"if { path_sub v1/us }", "pass"},
    {"if { path_dir v1 }", "pass"},
    {"if { path_dir /api/v1/ }", "pass"},
    {"if { path_dir v }", "fail"},
    {"if { hdr_dom(host) example.org }", "fail"},
    {"if { hdr_dom(host) -i example.org }", "pass"},
    {"if { hdr_dom(host) -i example }", "pass"},
    {"if { hdr_dom(host) -i xample }", "fail"},
    {"if { path_len 21 }", "fail"},
    {"if { path_len gt 10 }", "pass"},
    {"if { path_reg ^/api/v[0-9]+/ }", "pass"},
    {"if { path_reg ^/API }", "fail"},
    {"if { path_reg -i ^/API }", "pass"},
    {"if { path,lower -m str /api/v1/users.json }", "pass"},
    {"if { hdr_beg(host),lower www.example.org }", "pass"},
    {"if { method POST PUT }", "pass"},
    {"if { str(-i) -- -i }", "pass"},
    {"if { int(-5) -5 }", "pass"},
    // several values
    {"if { hdr(x-many) two }", "pass"},
    {"if { hdr(x-many) one }", "pass"},
    {"if { hdr(x-many) three }", "pass"},
    {"if { hdr(x-many) four }", "fail"},
    {"if { hdr(x-many,1) three }", "fail"},
    {"if { req.fhdr(x-many) one }", "fail"},
    {"if { cook(a) 1 }", "pass"},
    {"if { cook(a) 2 }", "pass"},
    {"if { cook(a) 3 }", "fail"},
    {"if { hdr_cnt(x-many) 3 }", "pass"},
    // found, bool
    {"if { hdr(host) -m found }", "pass"},
    {"if { hdr(nope) -m found }", "fail"},
    {"if { urlp(debug) -m bool }", "pass"},
    {"if { int(0) -m bool }", "fail"},
    // integers
    {"if { int(5) 5 }", "pass"},
    {"if { int(5) 1 2 3 }", "fail"},
    {"if { int(5) 1:5 }", "pass"},
    {"if { int(5) 6: }", "fail"},
    {"if { int(5) :5 }", "pass"},
    {"if { int(5) gt 4 }", "pass"},
    {"if { int(5) gt 5 }", "fail"},
    {"if { int(5) ge 5 }", "pass"},
    {"if { int(5) lt 5 }", "fail"},
    {"if { int(5) le 5 }", "pass"},
    {"if { int(5) eq 5 }", "pass"},
    {"if { int(7) gt 5 lt 10 }", "pass"},
    {"if { int(3) gt 5 lt 2 }", "fail"},
    {"if { int(20) gt 5 lt 10 }", "pass"},
    {"if { int(-3) lt 0 }", "pass"},
    {"if { str(12) -m int 12 }", "pass"},
    {"if { env_int(TG_TEST_MAINT) gt 0 }", "pass"},
    {"if { env_int(TG_TEST_ABSENT) gt 0 }", "fail"},
    // addresses
    {"if { src 192.0.2.0/24 }", "pass"},
    {"if { src 192.0.2.7 }", "pass"},
    {"if { src 192.0.3.0/24 10.0.0.0/8 }", "fail"},
    {"if { src 192.0.2.0/255.255.255.0 }", "pass"},
    {"if { src 0.0.0.0/0 }", "pass"},
    {"if { src ::ffff:192.0.2.0/120 }", "pass"},
    {"if { dst 2001:db8::/32 }", "pass"},
    {"if { dst 2001:db9::/32 }", "fail"},
    {"if { ipv4(127.0.0.1) 127/8 }", "fail"},
    {"if { ipv4(127.0.0.1) 127.1 }", "pass"},
    {"if { ipv6(::ffff:10.1.2.3) 10.0.0.0/8 }", "pass"},
    {"if { ipv6(2002:0a01:0203::) 10.0.0.0/8 }", "pass"},
    {"if { str(10.0.0.9) -m ip 10.0.0.0/8 }", "pass"},
    {"if { str(nonsense) -m ip 10.0.0.0/8 }", "fail"},
    // binary
    {"if { bin(cafe) -m bin CAFE }", "pass"},
    {"if { bin(cafe) -m str CAFE }", "fail"},
    {"if { bin(6162) -m str ab }", "pass"},
    {"if { bin(cafe) -m bin CAFF }", "fail"},
    {"if { bin(41) -i -m bin 61 }", "fail"}, // bytes have no case
    // a type that is known when it runs
    {"if { var(txn.yes) }", "pass"},
    {"if { var(txn.no) }", "fail"},
    {"if { var(txn.three) }", "pass"},
    {"if { var(txn.text) }", "fail"},
    {"if { var(txn.three) -m int gt 2 }", "pass"},
    {"if { var(txn.text) -m str hello }", "pass"},
    {"if { var(txn.absent) -m int 0 }", "fail"},
    // named
    {"if two_lines", "pass"},
    {"if first_line", "fail"},
    {"if { acl(two_lines,!first_line) }", "pass"},
    {"if { acl(two_lines,first_line) }", "fail"},
    {"unless two_lines first_line", "pass"},
    // no response yet, none to come
    {"if { status 200 }", "fail"},
    {"unless { status 200 }", "pass"},
};

static const struct {
	const char *text, *want;
} refusals[] = {
    {"when TRUE", "error: 'if' or 'unless' is expected, not 'when'"},
    {"if", "error: condition, word 1: a term is missing behind 'if'"},
    {"if TRUE or", "error: condition, word 3: a term is missing behind 'or'"},
    {"if or TRUE", "error: condition, word 2: a term is missing before 'or'"},
    {"if TRUE and FALSE", "error: condition, word 3: there is no 'and': terms that follow each "
			  "other must all hold"},
    {"if two_line", "error: condition, word 2: no ACL 'two_line' is declared before this line; "
		    "did you mean 'two_lines'?"},
    {"if !", "error: condition, word 2: a name or '{' is missing behind '!'"},
    {"if { path /x", "error: condition, word 4: '}' is missing (it must stand as a word of its "
		     "own)"},
    {"if { }", "error: condition, word 3: nothing stands between '{' and '}'"},
    {"if ( TRUE )",
     "error: condition, word 2: there are no parentheses in conditions; a test without a "
     "name stands in braces: { path /x }"},
    {"if { path }", "error: condition, word 3: 'path' is compared as str: a value is missing, so "
		    "it could never match; say -m found to ask whether it is there"},
    {"if { path -m nope x }",
     "error: condition, word 3: unknown match 'nope'; found bool int ip bin len str sub reg beg "
     "end dir dom are known"},
    {"if { path -x y }",
     "error: condition, word 3: unknown flag '-x'; -i -f -m -n -M -u are known, and -- stands "
     "before a value that begins with '-'"},
    {"if { var(txn.three) gt 2 }",
     "error: condition, word 3: the type of 'var(txn.three)' is known only when it runs: say how "
     "to compare with -m (int, str, ip, bool...)"},
    {"if { always_true 1 }",
     "error: condition, word 3: 'always_true' is compared as bool, which takes no value; say -m "
     "to compare otherwise"},
    {"if { int(5) abc }", "error: condition, word 3: 'abc' is neither an integer nor a range"},
    {"if { int(5) 9:1 }", "error: condition, word 3: '9:1' is an empty range"},
    {"if { int(5) gt }", "error: condition, word 3: a value is missing behind 'gt'"},
    {"if { src example.org }", "error: condition, word 3: 'example.org' is not an address (names "
			       "are not resolved)"},
    {"if { src 10.0.0.0/33 }", "error: condition, word 3: '10.0.0.0/33' has no usable mask "
			       "(0..32, without holes)"},
    {"if { path_reg ( }", "error: condition, word 3: regex '(' at character 2: missing closing "
			  "parenthesis"},
    {"if { bin(00) x }", "error: condition, word 3: 'bin(00)' is binary: say how to compare with "
			 "-m"},
    {"if { path_bge /x }", "error: condition, word 3: unknown fetch 'path_bge' at character 1; "
			   "did you mean 'path_beg'?"},
    {"if { always_true -m ip 10.0.0.0/8 }", "error: condition, word 3: 'always_true' is a bool, "
					    "which cannot be compared as ip"},
};

static void
test_places(struct fixture *f)
{
	struct expr_env env = fix_env(f);
	struct str later[] = {STR("if"), STR("is_503")};
	struct err err;
	env.place = &EXPR_AT_REQUEST;
	IS_STR(fix_acl(f, "is_503 status 503"), "");
	OK(cond_parse(&env, 2, later, &err) == NULL);
	IS_STR(err.text, "condition, word 2: 'is_503' needs the response head, which a "
			 "http-request rule does not have");
	env.place = &EXPR_AT_RESPONSE;
	struct cond *c = cond_parse(&env, 2, later, &err);
	OK(c != NULL);
	OK(c != NULL && str_eq(cond_source(c), STR("if is_503")));
	OK(c != NULL && cond_eval(c, &f->ctx) == ACL_FAIL);
	f->ctx.more = true;
	OK(c != NULL && cond_eval(c, &f->ctx) == ACL_MISS);
	f->ctx.more = false;
	OK(cond_pass(NULL, &f->ctx));
}

static void
test_names(struct fixture *f)
{
	IS_STR(fix_acl(f, "a/b path /"), "'a/b' is no name: letters, digits, '_', '.', '-', ':'");
	IS_STR(fix_acl(f, "or path /"), "'or' cannot be an ACL's name: conditions use it");
	IS_STR(fix_acl(f, "x"), "an ACL needs a name and a criterion");
	IS_STR(fix_acl(f, "x pth /"), "acl 'x': unknown fetch 'pth' at character 1; did you mean "
				      "'path'?");
}

// 100,000 values from a file: all of them and nothing else.
static void
test_file(struct fixture *f)
{
	char dir[] = "/tmp/tidegate-acl-XXXXXX", path[64], text[160];
	bool all = true;
	OK(mkdtemp(dir) != NULL);
	(void)snprintf(path, sizeof(path), "%s/list", dir);
	FILE *out = fopen(path, "we");
	OK(out != NULL);
	fprintf(out, "# a comment\n\n  \t spaced out\n");
	for (int i = 0; i < 100000; i++)
		fprintf(out, "host%d.example.org\r\n", i);
	OK(fclose(out) == 0);
	(void)snprintf(text, sizeof(text), "big var(txn.probe) -i -m str -f %s extra", path);
	IS_STR(fix_acl(f, text), "");
	struct expr_env env = fix_env(f);
	struct err err;
	struct var_ref ref;
	const struct acl *big = acl_find(&env, STR("big"), &err);
	OK(big != NULL && var_parse(&env, STR("txn.probe"), &ref, &err));
	IS_STR(fix_cond(f, "if big"), "fail");
	for (int i = 0; i < 100010; i += 7) {
		struct sample v;
		(void)snprintf(text, sizeof(text), "HOST%d.example.ORG", i);
		sample_set_str(&v, str_from_c(text));
		arena_reset(&f->arena);
		all &= var_set(&ref, &f->ctx, &v);
		all &= (acl_eval(big, &f->ctx) == ACL_PASS) == (i < 100000);
	}
	OK_MSG(all, "each of 100,000 matches and no other");
	IS_STR(fix_eval(f, "str(spaced out),set-var(txn.probe)"), "string:spaced out");
	IS_STR(fix_cond(f, "if big"), "pass");
	IS_STR(fix_eval(f, "str(extra),set-var(txn.probe)"), "string:extra");
	IS_STR(fix_cond(f, "if big"), "pass");
	IS_STR(fix_eval(f, "str(# a comment),set-var(txn.probe)"), "string:# a comment");
	IS_STR(fix_cond(f, "if big"), "fail");
	OK(unlink(path) == 0 && rmdir(dir) == 0);
	IS_STR(fix_acl(f, "gone path -f /nonexistent/list"),
	       "acl 'gone': /nonexistent/list: No such file or directory");
	IS_STR(fix_acl(f, "gone path -f opt@/nonexistent/list"), "");
}

static struct cond *
parse_cond(struct fixture *f, const char *text)
{
	struct expr_env env = fix_env(f);
	struct err err = {{0}};
	struct str argv[32];
	int argc = fix_words(text, argv, 32);
	struct str *kept = arena_alloc(expr_set_arena(f->set), sizeof(argv), alignof(struct str));
	memcpy(kept, argv, sizeof(argv));
	struct cond *c = cond_parse(&env, argc, kept, &err);
	if (c == NULL)
		printf("# %s: %s\n", text, err.text);
	ASSERT(c != NULL);
	return c;
}

// What is known when parsed leaves the condition; what acts before it does not.
static void
test_fold(struct fixture *f)
{
	static const struct {
		const char *text;
		uint32_t n_terms;
		enum acl_result want;
	} folds[] = {
	    {"if TRUE", 0, ACL_PASS},
	    {"unless TRUE", 0, ACL_FAIL},
	    {"if FALSE { path /x }", 0, ACL_FAIL},
	    {"if { path /x } FALSE", 0, ACL_FAIL},
	    {"if { path /x } or TRUE", 0, ACL_PASS},
	    {"if TRUE { path_beg /api } !FALSE", 1, ACL_PASS},
	    {"if FALSE or { path_beg /api }", 1, ACL_PASS},
	    {"if { path /x } FALSE or { path_beg /api } { path_end .json } or FALSE", 2, ACL_PASS},
	    {"if { str(abc),upper,length -m int 3 }", 0, ACL_PASS},
	    {"if { env(TG_TEST_MAINT) -m int 1 }", 0, ACL_PASS},
	    {"if { env(TG_TEST_NOWHERE) -m found }", 0, ACL_FAIL},
	    {"if { int(5) gt 3 } !{ int(5) gt 7 }", 0, ACL_PASS},
	    {"if { int(1),set-var(txn.folded) -m found } FALSE", 2, ACL_FAIL},
	    {"if { int(1),set-var(txn.folded) 2 } or TRUE", 2, ACL_PASS},
	    {"if { str(a),set-var(txn.folded),upper -m str A }", 1, ACL_PASS},
	    {"if { rand(1) 0 } FALSE", 2, ACL_FAIL},
	    {"if { str(10.0.0.1),map_ip(virt@folds,no) -m str no }", 1, ACL_PASS},
	    {"if first_line FALSE", 2, ACL_FAIL},
	};
	for (size_t i = 0; i < ARRAY_LEN(folds); i++) {
		struct cond *c = parse_cond(f, folds[i].text);
		if (!OK_MSG(c->n_terms == folds[i].n_terms, folds[i].text))
			printf("# %u terms\n", c->n_terms);
		OK_MSG(cond_eval(c, &f->ctx) == folds[i].want, folds[i].text);
	}
	(void)fix_eval(f, "int(0),set-var(txn.folded)");
	OK(cond_eval(parse_cond(f, "if { int(7),set-var(txn.folded) -m found } FALSE"), &f->ctx) ==
	   ACL_FAIL);
	IS_STR(fix_eval(f, "var(txn.folded)"), "int:7");
	// a later line of its name still counts
	IS_STR(fix_acl(f, "grows always_false"), "");
	struct cond *c = parse_cond(f, "if grows");
	OK(cond_eval(c, &f->ctx) == ACL_FAIL);
	IS_STR(fix_acl(f, "grows always_true"), "");
	OK(cond_eval(c, &f->ctx) == ACL_PASS);
}

static const char other_request[] = "GET /other HTTP/1.1\r\nHost: a\r\n\r\n";

// An ACL named twice is asked once until what it read is forgotten; others each time.
static void
test_memo(struct fixture *f)
{
	IS_STR(fix_acl(f, "kept path_beg /api"), "");
	IS_STR(fix_acl(f, "once path_beg /api"), "");
	IS_STR(fix_acl(f, "by_var var(txn.memo) -m int 1"), "");
	IS_STR(fix_acl(f, "by_sum int(1),add(txn.memo) 2"), "");
	IS_STR(fix_acl(f, "by_chance rand(1) 0"), "");
	struct cond *kept = parse_cond(f, "if kept"), *kept_too = parse_cond(f, "if !kept");
	struct cond *once = parse_cond(f, "if once");
	struct cond *by_var = parse_cond(f, "if by_var by_var by_sum by_sum by_chance by_chance");
	OK(kept->terms->acl->slot > 0 && kept_too->terms->acl == kept->terms->acl);
	OK(once->terms->acl->slot == 0);
	OK(by_var->terms[0].acl->slot > 0 && by_var->terms[2].acl->slot > 0);
	OK(by_var->terms[4].acl->slot == 0);
	f->ctx.memo = expr_set_memo(f->set);
	(void)fix_eval(f, "int(1),set-var(txn.memo)");
	OK(cond_eval(kept, &f->ctx) == ACL_PASS && cond_eval(once, &f->ctx) == ACL_PASS);
	OK(cond_eval(by_var, &f->ctx) == ACL_PASS);
	fix_request(f, other_request);
	OK(cond_eval(kept, &f->ctx) == ACL_PASS && cond_eval(kept_too, &f->ctx) == ACL_FAIL);
	OK(cond_eval(once, &f->ctx) == ACL_FAIL);
	acl_forget(&f->ctx, MEMO_RES | MEMO_OUTSIDE);
	OK(cond_eval(kept, &f->ctx) == ACL_PASS);
	acl_forget(&f->ctx, MEMO_REQ);
	OK(cond_eval(kept, &f->ctx) == ACL_FAIL && cond_eval(kept_too, &f->ctx) == ACL_PASS);
	// a variable tells its readers, and nobody else
	uint64_t before = f->ctx.memo_known;
	(void)fix_eval(f, "int(2),set-var(txn.memo)");
	OK(before != f->ctx.memo_known && cond_eval(kept, &f->ctx) == ACL_FAIL);
	OK(cond_eval(by_var, &f->ctx) == ACL_FAIL);
	// a line that reads what cannot be watched ends it
	IS_STR(fix_acl(f, "kept rand(1) 0"), "");
	OK(kept->terms->acl->slot == 0 && cond_eval(kept, &f->ctx) == ACL_PASS);
	f->ctx.memo = NULL;
	f->ctx.memo_known = 0;
	fix_request(f, request);
}

// ---- how often an ACL's fetch is called

static fetch_f counted_fetch;
static int n_fetched;

static bool
fetch_counting(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *out)
{
	n_fetched++;
	return counted_fetch(args, ctx, out);
}

// Evaluates each of the conditions in turn, with `between` before each but the first; returns how
// often the first term's fetch ran.
static int
count_fetches(struct fixture *f, const char *const texts[3], void (*between)(struct fixture *f))
{
	struct cond *c[3];
	for (int i = 0; i < 3; i++)
		c[i] = parse_cond(f, texts[i]);
	struct expr *e = (struct expr *)(uintptr_t)c[0]->terms->acl->tests->expr;
	counted_fetch = e->fetch;
	e->fetch = fetch_counting;
	n_fetched = 0;
	f->ctx.memo = expr_set_memo(f->set);
	f->ctx.memo_known = 0;
	for (int i = 0; i < 3; i++) {
		if (i > 0 && between != NULL)
			between(f);
		(void)cond_eval(c[i], &f->ctx);
	}
	e->fetch = counted_fetch;
	f->ctx.memo = NULL;
	f->ctx.memo_known = 0;
	return n_fetched;
}

static void
write_counted(struct fixture *f)
{
	(void)fix_eval(f, "int(5),set-var(txn.counted)");
}

static void
unset_counted(struct fixture *f)
{
	(void)fix_eval(f, "int(5),unset-var(txn.counted)");
}

static void
write_other(struct fixture *f)
{
	(void)fix_eval(f, "int(5),set-var(txn.other_than_counted)");
}

static void
edit_request(struct fixture *f)
{
	acl_forget(&f->ctx, MEMO_REQ);
}

static void
edit_response(struct fixture *f)
{
	acl_forget(&f->ctx, MEMO_RES);
}

static void
expect_more(struct fixture *f)
{
	f->ctx.more = !f->ctx.more;
}

static void
test_counts(struct fixture *f)
{
	static const char *const req[] = {"if c_req", "unless c_req TRUE",
					  "if FALSE or c_req !c_req"};
	static const char *const var[] = {"if c_var", "if !c_var", "if c_var c_var"};
	static const char *const res[] = {"if c_res", "if !c_res", "if c_res or !c_res"};
	static const char *const none[] = {"if c_rand c_rand", "if c_rand", "if c_rand"};
	static const char *const constant[] = {"if { int(1) 1 } c_req", "if c_req", "if c_req"};
	static const char *const acts[] = {"if c_acts", "if c_acts", "if c_acts"};
	IS_STR(fix_acl(f, "c_req path_beg /api"), "");
	IS_STR(fix_acl(f, "c_var var(txn.counted) -m int 5"), "");
	IS_STR(fix_acl(f, "c_res res.hdr(x-nothing) -m found"), "");
	IS_STR(fix_acl(f, "c_rand rand(1) 0"), "");
	IS_STR(fix_acl(f, "c_acts path,set-var(txn.acted) -m found"), "");
	OK(count_fetches(f, req, NULL) == 1);
	OK(count_fetches(f, req, write_counted) == 1);
	OK(count_fetches(f, req, edit_response) == 1);
	OK(count_fetches(f, req, edit_request) == 3);
	OK(count_fetches(f, var, NULL) == 1);
	OK(count_fetches(f, var, edit_request) == 1);
	OK(count_fetches(f, var, write_other) == 1);
	OK(count_fetches(f, var, write_counted) == 3);
	OK(count_fetches(f, var, unset_counted) == 3);
	OK(count_fetches(f, res, edit_request) == 1);
	OK(count_fetches(f, res, edit_response) >= 3);
	OK(count_fetches(f, none, NULL) == 4);
	OK(count_fetches(f, acts, NULL) == 3);     // it writes each time
	OK(count_fetches(f, constant, NULL) == 1); // c_req: what is constant is no term
	f->ctx.more = true;
	OK(count_fetches(f, req, expect_more) == 2); // kept only when no more can come
	f->ctx.more = false;
}

// Of a fetch that gives a version, whose values are numbers of 16 bits and 16 more.
static void
test_versions(struct fixture *f)
{
	static const char *const good[] = {"3.1",    "3",          "3.0:3.3", ":3",
					   "gt 3.2", "eq 3.1 3.3", "3:"};
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		char text[64];
		(void)snprintf(text, sizeof(text), "v%zu req.ssl_ver %s", i, good[i]);
		IS_STR(fix_acl(f, text), "");
	}
	IS_STR(fix_acl(f, "v req.ssl_ver 3.x"),
	       "acl 'v': '3.x' is no version (3.1) and no range of some (3.0:3.3)");
	IS_STR(fix_acl(f, "v req.ssl_ver 3.70000"),
	       "acl 'v': '3.70000' is no version (3.1) and no range of some (3.0:3.3)");
	IS_STR(fix_acl(f, "bytes payload(0,2) 0102"), "");
	OK(strstr(fix_acl(f, "bytes req.payload(0,2) 0102"), "-m") != NULL);
	OK(strstr(fix_acl(f, "v req.ssl_ver -m int 3.1"), "3.1") != NULL);
	OK(strstr(fix_acl(f, "v req.len 3.1"), "3.1") != NULL);
}

int
main(void)
{
	struct fixture f;
	(void)setenv("TG_TEST_MAINT", "1", 1);
	fix_init(&f, NULL);
	fix_request(&f, request);
	IS_STR(fix_acl(&f, "first_line path /nope"), "");
	IS_STR(fix_acl(&f, "two_lines path /nope"), "");
	IS_STR(fix_acl(&f, "two_lines path_beg /api"), "");
	(void)fix_eval(&f, "always_true,set-var(txn.yes)");
	(void)fix_eval(&f, "always_false,set-var(txn.no)");
	(void)fix_eval(&f, "int(3),set-var(txn.three)");
	IS_STR(fix_eval(&f, "str(hello),set-var(txn.text)"), "string:hello");
	for (size_t i = 0; i < ARRAY_LEN(conds); i++) {
		const char *got = fix_cond(&f, conds[i].text);
		if (!OK_MSG(strcmp(got, conds[i].want) == 0, conds[i].text))
			printf("#  got: %s\n# want: %s\n", got, conds[i].want);
	}
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++)
		IS_STR(fix_cond(&f, refusals[i].text), refusals[i].want);
	test_places(&f);
	test_names(&f);
	test_file(&f);
	test_fold(&f);
	test_memo(&f);
	test_counts(&f);
	test_versions(&f);
	fix_fini(&f);
	return tap_done();
}
