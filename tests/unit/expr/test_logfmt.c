// SPDX-License-Identifier: MIT
// Log formats: pieces, flags, aliases, the three ways of rendering, refusals.

#include <time.h>

#include "expr_fixture.h"

static const struct str captures[] = {{"Mozilla", 7}, {NULL, 0}, {"de", 2}};

static struct log_values values;

static const struct log_values *
give_values(const struct sample_ctx *ctx UNUSED)
{
	return &values;
}

static const struct sample_host host = {.log = give_values};

static void
fill_values(void)
{
	values = (struct log_values){
	    .frontend = STR("www"),
	    .backend = STR("app"),
	    .server = STR("srv1"),
	    .method = STR("GET"),
	    .uri = STR("/a\nb?x=1"),
	    .path = STR("/a\nb"),
	    .query = STR("?x=1"),
	    .version = STR("HTTP/1.1"),
	    .request_line = STR("GET /a\nb?x=1 HTTP/1.1"),
	    .req_caps = captures,
	    .n_req_caps = 3,
	    .term = {'-', '-', 'N', 'I'},
	    .status = 200,
	    .bytes_out = 1234,
	    .bytes_in = 56,
	    .accept_real_ns = UINT64_C(784111777123) * 1000000,
	    .request_real_ns = UINT64_C(784111778456) * 1000000,
	    .client = {.family = 4, .port = 40312, .ip = {192, 0, 2, 7}},
	    .local = {.family = 6, .port = 443, .ip = {0x20, 1, 0xd, 0xb8, [15] = 1}},
	    .tr_ms = 1,
	    .tw_ms = 0,
	    .tc_ms = 2,
	    .tr_res_ms = 30,
	    .ta_ms = 34,
	    .tt_ms = 99,
	    .act_conn = 5,
	    .fe_conn = 4,
	    .be_conn = 3,
	    .srv_conn = 2,
	    .retries = 1,
	};
}

enum how { LOG_LINE, VALUE, HEADER };

static const char *
render(struct fixture *f, const char *text, enum how how)
{
	static char out[2048];
	struct expr_env env = fix_env(f);
	struct err err = {{0}};
	struct str s = STR("");
	struct sbuf b;
	arena_reset(&f->arena);
	sbuf_init(&b, 4096);
	struct logfmt *fmt = logfmt_parse(&env, str_from_c(text), &err);
	if (fmt == NULL)
		(void)snprintf(out, sizeof(out), "error: %s", err.text);
	else if (how == LOG_LINE)
		logfmt_render_log(fmt, &f->ctx, &b);
	else if (!(how == VALUE ? logfmt_render : logfmt_render_header)(fmt, &f->ctx, &s))
		s = STR("(failed)");
	if (fmt != NULL)
		(void)snprintf(out, sizeof(out), "%.*s",
			       STR_ARG(how == LOG_LINE ? sbuf_str(&b) : s));
	sbuf_fini(&b);
	return out;
}

static void
test_lines(struct fixture *f)
{
	IS_STR(render(f, LOGFMT_HTTP, LOG_LINE),
	       "192.0.2.7:40312 [06/Nov/1994:08:49:38.456] www app/srv1 1/0/2/30/34 200 1234 - - "
	       "--NI 5/4/3/2/1 0/0 {Mozilla||de} \"GET /a#0Ab?x=1 HTTP/1.1\"");
	values.n_req_caps = 0;
	IS_STR(render(f, "a %hr b", LOG_LINE), "a b");
	IS_STR(render(f, LOGFMT_TCP, LOG_LINE), "192.0.2.7:40312 [06/Nov/1994:08:49:37.123] www "
						"app/srv1 0/2/99 1234 -- 5/4/3/2/1 0/0");
	IS_STR(render(f, "%T|%Tl|%trg|%Ts|%ms", LOG_LINE),
	       "06/Nov/1994:08:49:37 +0000|06/Nov/1994:08:49:37 +0000|06/Nov/1994:08:49:38 +0000|"
	       "784111777|123");
	IS_STR(render(f, "%{+X}ci:%{+X}cp %{+X}fi", LOG_LINE),
	       "C0000207:9D78 20010DB8000000000000000000000001");
	IS_STR(render(f, "%HM %HU %HP %HQ %HV %fp %U", LOG_LINE),
	       "GET /a#0Ab?x=1 /a#0Ab ?x=1 HTTP/1.1 443 56");
	values.query = STR(""); // and its place stays
	IS_STR(render(f, "%HP %HQ %HV", LOG_LINE), "/a#0Ab  HTTP/1.1");
	values.server = values.request_line = STR("");
	values.redispatched = values.log_asap = true;
	values.status = 0;
	IS_STR(render(f, "%s %r %rc %Ta %B %ST %ID %bi", LOG_LINE),
	       "<NOSRV> <BADREQ> +1 +34 +1234 -1 - -");
}

static void
test_pieces(struct fixture *f)
{
	IS_STR(render(f, "plain  text", VALUE), "plain  text");
	IS_STR(render(f, "plain  text", LOG_LINE), "plain  text");
	IS_STR(render(f, "", VALUE), "");
	IS_STR(render(f, "100%% of %[path]", VALUE), "100% of /x]y");
	IS_STR(render(f, "a  %[path]  b", VALUE), "a  /x]y  b");
	IS_STR(render(f, "a  %[path]  b", LOG_LINE), "a /x]y b");
	IS_STR(render(f, "%[str(a]b)]", VALUE), "a]b");
	IS_STR(render(f, "%[str(')]')]!", VALUE), ")]!");
	IS_STR(render(f, "%[path,upper]-%[hdr(absent)]", VALUE), "/X]Y-");
	IS_STR(render(f, "%[path,upper]-%[hdr(absent)]", LOG_LINE), "/X]Y--");
	IS_STR(render(f, "%{+Q}[path]", VALUE), "\"/x]y\"");
	IS_STR(render(f, "%{+E}[path]", LOG_LINE), "/x\\]y");
	IS_STR(render(f, "%{+Q}o %[path] %{-Q}[path]", LOG_LINE), "\"/x]y\" /x]y");
	IS_STR(render(f, "%[str(a%0Ab),url_dec]", VALUE), "a\nb");
	IS_STR(render(f, "%[str(a%0Ab),url_dec]", HEADER), "a%0Ab");
	IS_STR(render(f, "%[str(a%09b),url_dec]", HEADER), "a\tb");
	IS_STR(render(f, "%[str(a%0Ab),url_dec]", LOG_LINE), "a#0Ab");
	IS_STR(render(f, "%[int(5),add(2)]%[src]", HEADER), "7192.0.2.7");
}

static void
test_refusals(struct fixture *f)
{
	IS_STR(render(f, "a %nonsense", VALUE), "error: unknown alias '%non' at character 3");
	IS_STR(render(f, "a %", VALUE), "error: nothing stands behind '%' at the end");
	IS_STR(render(f, "%[path", VALUE), "error: ']' is missing behind character 2");
	IS_STR(render(f, "%[pth]", VALUE), "error: %[...] at character 1: unknown fetch 'pth' at "
					   "character 1; did you mean 'path'?");
	IS_STR(render(f, "%{+Z}ci", VALUE),
	       "error: unknown flag 'Z' at character 3; Q X E json cbor "
	       "bin are known");
	IS_STR(render(f, "%{+Q", VALUE), "error: '}' is missing behind character 3");
}

static void
test_encodings(struct fixture *f)
{
	fill_values();
	IS_STR(render(f, "%{+json}o x %(st)ST %(s:str)ST %(p)[path] %(no)[hdr(x)] %ci", LOG_LINE),
	       "{\"st\": 200, \"s\": \"200\", \"p\": \"/x]y\", \"no\": null}");
	IS_STR(render(f, "%{+cbor}o %(st)ST %(no)[hdr(x)] %(b:bool)ac", HEADER),
	       "BF62737418C8626E6FF66162F5FF");
	IS_STR(render(f, "%{+cbor,+bin}o %(a)[int(23)]", VALUE), "\xbf\x61\x61\x17\xff");
	IS_STR(render(f, "%{+cbor,+bin}o %(a)[int(23)]", HEADER), "BF616117FF");
	IS_STR(render(f, "%{+cbor}[int(24)] %{+cbor}[int(-1)] %{+cbor}[int(-257)]", VALUE),
	       "1818 20 390100");
	IS_STR(render(f, "%{+cbor}[int(65536)] %{+cbor}[int(4294967296)]", VALUE),
	       "1A00010000 1B0000000100000000");
	IS_STR(render(f, "%{+cbor}[bin(c328)] %{+cbor}[bin(c3a4),lower]", VALUE), "42C328 62C3A4");
	IS_STR(render(f, "%{+json}[str(a%22%5c%01%c3%a4%ff),url_dec] %{+json}[src]", LOG_LINE),
	       "\"a\\\"\\\\\\u0001\xc3\xa4\xef\xbf\xbd\" \"192.0.2.7\"");
	IS_STR(render(f, "%{+json}[bool(1)]%{+json}[int(-5)]%{+json}[meth(GET)]", LOG_LINE),
	       "true-5\"GET\"");
	values.log_asap = true;
	IS_STR(render(f, "%{+json}B %(named)B", LOG_LINE), "1234 +1234");
	IS_STR(render(f, "%{+json}o", VALUE),
	       "error: an encoded format holds the items that have a "
	       "name, and none has: write %(name)...");
	IS_STR(render(f, "%ci %{+json}o %(a)ci", VALUE),
	       "error: json, cbor and bin concern the whole: write %{...}o first");
	IS_STR(render(f, "%(a.b)ci", VALUE), "error: 'a.b' at character 3 is no item's name: "
					     "letters, digits, '_' and '-' make one");
	IS_STR(render(f, "%(a:x)ci", VALUE),
	       "error: type 'x' of item 'a' is none of str, sint, bool");
	IS_STR(render(f, "%(a", VALUE), "error: ')' is missing behind character 3");
	IS_STR(render(f, "%(a)o", VALUE), "error: %o at character 4 takes no name");
}

static void
test_const_and_full(struct fixture *f)
{
	struct expr_env env = fix_env(f);
	struct err err;
	struct str text;
	struct logfmt *fmt = logfmt_parse(&env, STR("just a name"), &err);
	OK(fmt != NULL && logfmt_is_const(fmt, &text) && str_eq(text, STR("just a name")));
	fmt = logfmt_parse(&env, STR("a %[path]"), &err);
	OK(fmt != NULL && !logfmt_is_const(fmt, &text));
	OK(logfmt_needs(fmt) & SMP_NEED_REQ);
	struct arena small;
	arena_init(&small, 0);
	f->ctx.arena = &small;
	OK(!logfmt_render(fmt, &f->ctx, &text));
	f->ctx.arena = &f->arena;
	arena_fini(&small);
	env.place = &EXPR_AT_REQUEST;
	OK(logfmt_parse(&env, STR("%[status]"), &err) == NULL);
}

int
main(void)
{
	struct fixture f;
	(void)setenv("TZ", "UTC", 1);
	tzset();
	fix_init(&f, NULL);
	fix_request(&f, "GET /x]y HTTP/1.1\r\nHost: a\r\n\r\n");
	f.ctx.host = &host;
	fill_values();
	test_lines(&f);
	test_pieces(&f);
	test_refusals(&f);
	test_encodings(&f);
	test_const_and_full(&f);
	fix_fini(&f);
	return tap_done();
}
