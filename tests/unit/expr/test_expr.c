// SPDX-License-Identifier: MIT
// Expressions against a request: text in, typed sample out. The expected values follow
// haproxy 2.6.

#include "expr_fixture.h"

static const char request[] = "GET /api/v1/users?id=7&name=J%C3%BCrgen&id=8&flag HTTP/1.1\r\n"
			      "Host: www.example.org:8080\r\n"
			      "X-List: a, b,c\r\n"
			      "X-List: d\r\n"
			      "X-Num: 42x\r\n"
			      "X-Addr: nonsense, 10.1.2.3:99, [2001:db8::2]\r\n"
			      "Cookie: sid=abc; n=5; sid=def\r\n"
			      "Empty:\r\n\r\n";
static const char response[] = "HTTP/1.1 503 Sorry\r\n"
			       "Set-Cookie: sid=new; Path=/\r\n"
			       "Server: one\r\n"
			       "Content-Length: 0\r\n\r\n";

static const struct {
	const char *text, *want;
} cases[] = {
    // whole heads
    {"res.hdrs", "string:set-cookie: sid=new; Path=/\r\nserver: one\r\ncontent-length: 0\r\n\r\n"},
    {"res.hdrs_bin,hex", "string:0A7365742D636F6F6B6965"
			 "0F7369643D6E65773B20506174683D2F"
			 "06736572766572"
			 "036F6E65"
			 "0E636F6E74656E742D6C656E677468"
			 "0130"
			 "0000"},
    {"req.hdrs,length", "int:155"},
    {"req.cook_names", "string:sid,n,sid"},
    {"req.cook_names(' | ')", "string:sid | n | sid"},
    {"res.cook_names", "string:sid"},
    {"set-cookie(sid)", "string:new"},
    // questions
    {"str(a b),has_ctl", "bool:0"},
    {"bin(610a),has_ctl", "bool:1"},
    {"bin(610a),has_ctl(0x200)", "bool:0"},
    {"bin(610a),has_ctl(1024)", "bool:1"},
    {"query,param(id)", "string:7"},
    {"query,param(flag)", "string:"},
    {"query,param(none)", "none"},
    {"str(a=1|b=2),param(b,|)", "string:2"},
    {"str(x),set-var(txn.sec),secure_memcmp(txn.sec)", "bool:1"},
    {"str(y),secure_memcmp(txn.sec)", "bool:0"},
    {"str(xx),secure_memcmp(txn.sec)", "bool:0"},
    {"str(y),secure_memcmp(txn.nothing)", "none"},
    {"bin(a5),base2", "string:10100101"},
    {"str('Sun, 06 Nov 1994 08:49:37 GMT'),date", "int:784111777"},
    {"str('Sunday, 06-Nov-94 08:49:37 GMT'),date", "int:784111777"},
    {"str('Sun Nov  6 08:49:37 1994'),date", "int:784111777"},
    {"str(yesterday),date", "none"},
    {"str(a),when(acl,TRUE)", "string:a"},
    {"str(a),when(acl,!TRUE)", "none"},
    {"str(a),when(!acl,FALSE)", "string:a"},
    {"str(a),when(normal)", "string:a"},
    {"str(a),when(error)", "none"},
    {"int(784111777123),ms_utime(%H:%M:%S.%N)", "string:08:49:37.123"},
    {"int(784111777000007),us_utime(%S.%N %%N)", "string:37.000007 %N"},
    {"int(784111777),utime(%S.%N)", "string:37.%N"},
    {"int(-1),ms_utime(%Y %S.%N)", "string:1969 59.999"},
    {"int(-9223372036854775807),sub(1),us_utime(%Y %N)", "string:-290308 224192"},
    // constants
    {"always_true", "bool:1"},
    {"always_false", "bool:0"},
    {"bool(true)", "bool:1"},
    {"int(-5)", "int:-5"},
    {"str(a b)", "string:a b"},
    {"str('a,b)')", "string:a,b)"},
    {"str(\"it's\")", "string:it's"},
    {"str(a\\ b\\\\c\\d)", "string:a b\\c\\d"},
    {"str()", "string:"},
    {"bin(48656C6c6f)", "bin:Hello"},
    {"ipv4(10.0.0.1)", "ip4:10.0.0.1"},
    {"ipv6(2001:DB8::1)", "ip6:2001:db8::1"},
    {"meth(GET)", "method:GET"},
    // start line
    {"method", "method:GET"},
    {"path", "string:/api/v1/users"},
    {"pathq", "string:/api/v1/users?id=7&name=J%C3%BCrgen&id=8&flag"},
    {"url", "string:/api/v1/users?id=7&name=J%C3%BCrgen&id=8&flag"},
    {"query", "string:id=7&name=J%C3%BCrgen&id=8&flag"},
    {"base", "string:www.example.org:8080/api/v1/users"},
    {"req.ver", "string:1.1"},
    {"req_ver", "string:1.1"},
    // fields
    {"hdr(x-list)", "string:d"},
    {"req.hdr(X-LIST,1)", "string:a"},
    {"hdr(x-list,-2)", "string:c"},
    {"hdr(x-list,5)", "none"},
    {"req.fhdr(x-list,1)", "string:a, b,c"},
    {"hdr_cnt(x-list)", "int:4"},
    {"req.fhdr_cnt(x-list)", "int:2"},
    {"hdr_cnt", "int:7"},
    {"hdr_val(x-num)", "int:42"},
    {"hdr_ip(x-addr,2)", "ip4:10.1.2.3"},
    {"hdr_ip(x-addr)", "ip6:2001:db8::2"},
    {"hdr(absent)", "none"},
    {"hdr(empty)", "string:"},
    {"cook(sid)", "string:def"},
    {"cook_cnt(sid)", "int:2"},
    {"cook_val(n)", "int:5"},
    {"cook(none)", "none"},
    {"urlp(id)", "string:7"},
    {"url_param(name),url_dec", "string:J\xc3\xbcrgen"},
    {"urlp_val(id)", "int:7"},
    {"urlp(ID,,i)", "string:7"},
    {"urlp(flag)", "none"},
    // response
    {"status", "int:503"},
    {"res.hdr(server)", "string:one"},
    {"shdr(server)", "string:one"},
    {"res.cook(sid)", "string:new"},
    {"scook_cnt(sid)", "int:1"},
    // connection
    {"src", "ip4:192.0.2.7"},
    {"src_port", "int:40312"},
    {"dst", "ip6:2001:db8::1"},
    {"dst_port", "int:443"},
    // variables, time
    {"var(txn.absent)", "none"},
    {"var(txn.absent,fallback)", "string:fallback"},
    {"int(5),set-var(txn.five)", "int:5"},
    {"var(txn.five)", "int:5"},
    {"str(x),set-var(txn.five,ifnotexists)", "string:x"},
    {"var(txn.five)", "int:5"},
    {"int(4),set-var(txn.five,iflt)", "int:4"},
    {"var(txn.five)", "int:5"},
    {"int(4),set-var(txn.five,ifgt)", "int:4"},
    {"var(txn.five)", "int:4"},
    {"str(),set-var(txn.five,ifnotempty)", "string:"},
    {"var(txn.five)", "int:4"},
    {"int(1),unset-var(txn.five)", "int:1"},
    {"var(txn.five)", "none"},
    {"str(once upon),set-var(proc.tale)", "string:once upon"},
    {"var(proc.tale)", "string:once upon"},
    {"date", "int:784111777"},
    {"date(-60)", "int:784111717"},
    {"date(1,ms)", "int:784111777001"},
    {"date,http_date", "string:Sun, 06 Nov 1994 08:49:37 GMT"},
    {"date,http_date(3600)", "string:Sun, 06 Nov 1994 09:49:37 GMT"},
    {"date(0,us),http_date(0,us)", "string:Sun, 06 Nov 1994 08:49:37 GMT"},
    {"date,utime(%Y-%m-%d %H:%M)", "string:1994-11-06 08:49"},
    {"rand(1)", "int:0"},
    {"env(TG_TEST_ENV)", "string:from -s"},
    {"env_int(TG_TEST_INT)", "int:3"},
    {"env(TG_TEST_ABSENT)", "none"},
    // text
    {"str(AbC),lower", "string:abc"},
    {"str(AbC),upper", "string:ABC"},
    {"str(hello),length", "int:5"},
    {"str(f1_f2_f3__f5),field(4,_)", "string:"},
    {"str(f1_f2_f3__f5),field(5,_)", "string:f5"},
    {"str(f1_f2_f3__f5),field(2,_,0)", "string:f2_f3__f5"},
    {"str(f1_f2_f3__f5),field(2,_,2)", "string:f2_f3"},
    {"str(f1_f2_f3__f5),field(-2,_,3)", "string:f2_f3_"},
    {"str(f1_f2_f3__f5),field(-3,_,0)", "string:f1_f2_f3"},
    {"str(f1_f2_f3__f5),field(6,_)", "none"},
    {"str(f1_f2_f3__f5),word(4,_)", "string:f5"},
    {"str(f1_f2_f3__f5),word(2,_,0)", "string:f2_f3__f5"},
    {"str(f1_f2_f3__f5),word(3,_,2)", "string:f3__f5"},
    {"str(f1_f2_f3__f5),word(-2,_,3)", "string:f1_f2_f3"},
    {"str(f1_f2_f3__f5),word(-3,_,0)", "string:f1_f2"},
    {"str(f1_f2_f3__f5),word(5,_)", "string:"},
    {"str(abcdef),bytes(2)", "string:cdef"},
    {"str(abcdef),bytes(2,3)", "string:cde"},
    {"str(abcdef),bytes(9)", "string:"},
    {"str(xxabxx),ltrim(x)", "string:abxx"},
    {"str(xxabxx),rtrim(x)", "string:xxab"},
    {"str(abc),reverse", "string:cba"},
    {"str(www.example.org),reverse_dom", "string:org.example.www"},
    {"str(host:80),host_only", "string:host"},
    {"str([::1]:80),host_only", "string:[::1]"},
    {"str([::1]),host_only", "string:[::1]"},
    {"str(host:80),port_only", "int:80"},
    {"str(host),port_only", "int:0"},
    {"str(a),concat(-,txn.none,+)", "string:a-+"},
    {"int(9),set-var(txn.n),concat(<,txn.n,>)", "string:9<9>"},
    {"str(a),add_item(;,txn.n,!)", "string:a;9!"},
    {"str(),add_item(;,txn.n)", "string:9"},
    {"str(abc),set-var(txn.s),strcmp(txn.s)", "int:0"},
    {"str(abd),strcmp(txn.s)", "int:1"},
    {"str(ab),strcmp(txn.s)", "int:-1"},
    {"str(foo-bar-foo),regsub(foo,X)", "string:X-bar-foo"},
    {"str(foo-bar-foo),regsub(foo,X,g)", "string:X-bar-X"},
    {"str(FOO),regsub(foo,x,gi)", "string:x"},
    {"str(john.doe),regsub('(.*)[.](.*)','\\2,\\1')", "string:doe,john"},
    {"str(true),bool,iif(yes,no)", "string:no"},
    {"always_true,iif(yes,no)", "string:yes"},
    // integers
    {"int(7),add(3)", "int:10"},
    {"int(7),sub(10)", "int:-3"},
    {"int(7),mul(3)", "int:21"},
    {"int(7),div(2)", "int:3"},
    {"int(7),mod(4)", "int:3"},
    {"int(7),div(0)", "int:9223372036854775807"},
    {"int(7),mod(0)", "int:0"},
    {"int(12),and(10)", "int:8"},
    {"int(12),or(3)", "int:15"},
    {"int(12),xor(10)", "int:6"},
    {"int(9223372036854775807),add(1)", "int:9223372036854775807"},
    {"int(7),neg", "int:-7"},
    {"int(0),cpl", "int:-1"},
    {"int(7),add(txn.n)", "int:16"},
    {"int(7),odd", "bool:1"},
    {"int(7),even", "bool:0"},
    {"int(7),not", "bool:0"},
    {"always_true,not", "bool:0"},
    // codes
    {"str(Hello),hex", "string:48656C6C6F"},
    {"int(258),hex", "string:0000000000000102"},
    {"int(-1),hex", "string:FFFFFFFFFFFFFFFF"},
    {"bool(true),hex", "string:0000000000000001"},
    {"str(ff),hex2i", "int:255"},
    {"str(Hello!!),base64", "string:SGVsbG8hIQ=="},
    {"str(SGVsbG8hIQ==),b64dec", "bin:Hello!!"},
    {"str(SGVsbG8hIQ=),b64dec", "none"},
    {"bin(fbff),ub64enc", "string:-_8"},
    {"str(-_8),ub64dec,hex", "string:FBFF"},
    {"str(a%20b+c),url_dec", "string:a b+c"},
    {"str(a%20b+c),url_dec(1)", "string:a b c"},
    {"str(a%2),url_dec", "none"},
    {"str(a b/c?d),url_enc", "string:a%20b%2Fc%3Fd"},
    {"bin(01020304050607),be2dec(:,2)", "string:258:772:1286:7"},
    {"bin(01020304050607),be2dec(:,2,1)", "string:258:772:1286"},
    {"bin(01020304),le2dec(:,2)", "string:513:1027"},
    {"bin(01020304050607),be2hex(-,3)", "string:010203-040506-07"},
    // hashes
    {"str(abc),crc32", "int:891568578"},
    {"str(abc),crc32c", "int:910901175"},
    {"str(abc),djb2", "int:193485963"},
    {"str(abc),sdbm", "int:807794786"},
    {"str(abc),xxh32", "int:852579327"},
    {"str(abc),xxh64", "int:4952883123889572249"},
    {"str(abc),xxh3", "int:8696274497037089104"},
    {"str(abc),sha1,hex", "string:A9993E364706816ABA3E25717850C26C9CD0D89D"},
    {"str(abc),sha2,hex",
     "string:BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD"},
    {"str(abc),digest(md5),hex", "string:900150983CD24FB0D6963F7D28E17F72"},
    {"str(what do ya want for nothing?),hmac(md5,SmVmZQ==),hex",
     "string:750C783E6AB0B503EAA86E310A5DB738"},
    // addresses, JSON
    {"ipv4(10.1.2.3),ipmask(24)", "ip4:10.1.2.0"},
    {"ipv6(2001:db8::1),ipmask(24,32)", "ip6:2001:db8::"},
    {"ipv6(2001:db8::1),ipmask(24)", "none"},
    {"str('a\"b/c'),json", "string:a\\\"b\\/c"},
    {"str(J%C3%BCrgen),url_dec,json(utf8)", "string:J\\u00fcrgen"},
    {"str(%F0%9F%98%80),url_dec,json(utf8)", "string:\\ud83d\\ude00"},
    {"str(%FF),url_dec,json(utf8)", "none"},
    {"str(a%FFb),url_dec,json(utf8s)", "string:ab"},
    {"str(a%FFb),url_dec,json(utf8p)", "none"},
    {"bin(61620063),length", "int:2"},
    {"bin(6162),upper", "string:AB"},
    {"str(),add(1)", "none"},
    {"str(Ex.COM:80),host_only", "string:ex.com"},
    {"int(1),htonl,hex", "string:00000001"},
    {"str(de-AT),language(da;de,xx)", "string:de"},
    {"str(fr),language(da;de,xx)", "string:xx"},
    {"str(fr),language(da;de)", "none"},
    {"str(a%FFb),url_dec,json", "string:a\\u00ffb"},
    {"str('{\"a\":{\"b\":[1,\"x\"]}}'),json_query($.a.b[1])", "string:x"},
    {"str('{\"a\":{\"b\":[1,\"x\"]}}'),json_query('$.a.b[0]',int)", "int:1"},
    {"str('{\"a\":true}'),json_query($.a)", "bool:1"},
    {"str('{\"a\":true}'),json_query($.b)", "none"},
    // casts
    {"str(12),add(1)", "int:13"},
    {"str(abc),add(1)", "int:1"},
    {"int(5),concat(x)", "string:5x"},
    {"src,concat(x)", "string:192.0.2.7x"},
    {"str(10.0.0.1),ipmask(8)", "ip4:10.0.0.0"},
    {"ipv4(0.0.1.1),add(0)", "int:257"},
};

static const struct {
	const char *text, *want;
} errors[] = {
    {"str(a),has_ctl(0)", "error: has_ctl: '0' is no mask of bits 0 to 31"},
    {"str(a),when(sunny)",
     "error: when: condition 'sunny' is none of acl, error, normal, stopping, "
     "forwarded"},
    {"str(a),when(acl,nobody)", "error: when: no ACL 'nobody' is declared before this line"},
    {"str(a),debug(x,buf0)", "error: debug: 'buf0': stderr is the only place to tell it"},
    {"pth", "error: unknown fetch 'pth' at character 1; did you mean 'path'?"},
    {"path,lowr", "error: unknown converter 'lowr' at character 6; did you mean 'lower'?"},
    {"path,", "string:/api/v1/users"},
    {"path x", "error: unexpected ' ' at character 5 of 'path x'"},
    {"", "error: a fetch's name is missing at character 1"},
    {"int(abc)", "error: int: argument 1 (integer): 'abc' is not an integer"},
    {"int", "error: int: argument 1 (integer) is missing"},
    {"int(5", "error: int: ')' is missing at character 6"},
    {"str('a)", "error: str: quote ' is not closed at character 5"},
    {"path(x)", "error: path: takes at most 0 arguments, not 1"},
    {"hdr(a b)", "error: hdr: 'a b' is no header name"},
    {"hdr(x,-11)", "error: hdr: argument 2 (occ): -11 is not within -10..2147483647"},
    {"str(a),field(1)", "error: field: argument 2 (delimiters) is missing"},
    {"str(a),sha2(100)", "error: sha2: 100 is none of 224, 256, 384, 512"},
    {"str(a),regsub('(',x)",
     "error: regsub: regex '(' at character 2: missing closing parenthesis"},
    {"var(foo)", "error: var: argument 1 (name): variable 'foo' has no scope; proc. sess. txn. "
		 "req. res. shm. are known"},
    {"var(tnx.foo)", "error: var: argument 1 (name): variable 'tnx.foo' has an unknown scope; "
		     "proc. sess. txn. req. res. shm. are known"},
    {"always_true,ipmask(8)",
     "error: ipmask takes a addr at character 13, but what is before it is a bool and cannot "
     "be turned into one"},
    {"acl(nobody)", "error: acl: argument 1 (name): no ACL 'nobody' is declared before this "
		    "line"},
    {"env_int(TG_TEST_ENV)", "error: env_int: TG_TEST_ENV=from -s is not an integer"},
};

static void
test_places(struct fixture *f)
{
	struct expr_env env = fix_env(f);
	struct err err;
	env.place = &EXPR_AT_REQUEST;
	OK(expr_parse(&env, STR("path"), &err) != NULL);
	OK(expr_parse(&env, STR("status"), &err) == NULL);
	IS_STR(err.text,
	       "'status' needs the response head, which a http-request rule does not have");
	env.place = &EXPR_AT_TCP_CONNECTION;
	OK(expr_parse(&env, STR("src"), &err) != NULL);
	OK(expr_parse(&env, STR("path"), &err) == NULL);
	OK(expr_parse(&env, STR("var(sess.x)"), &err) != NULL);
	OK(expr_parse(&env, STR("var(txn.x)"), &err) == NULL);
	env.place = &EXPR_AT_LOG;
	OK(expr_parse(&env, STR("txn.sess_term_state"), &err) != NULL);
}

static void
test_words(struct fixture *f)
{
	struct expr_env env = fix_env(f);
	struct err err;
	struct str argv[] = {STR("hdr(x-list)"), STR("upper"), STR("if"), STR("TRUE")}, text;
	int used = 0;
	struct expr *e = expr_parse_words(&env, 4, argv, &used, &err);
	OK(e != NULL);
	IS_INT(used, 2);
	OK(expr_eval_text(e, &f->ctx, &text) && str_eq(text, STR("D")));
	OK(expr_parse_words(&env, 0, argv, &used, &err) == NULL);
}

// Every row that can be reached by name says what it does.
static void
test_rows(struct fixture *f)
{
	bool all = true;
	size_t n = 0;
	for (const struct fetch_row *r; (r = expr_set_fetch_at(f->set, n)) != NULL; n++) {
		if (r->help == NULL || r->help[0] == '\0' || r->fetch == NULL) {
			printf("# fetch %s lacks help or function\n", r->name);
			all = false;
		}
	}
	OK_MSG(n >= 80, "fetch rows are there");
	n = 0;
	for (const struct conv_row *r; (r = expr_set_conv_at(f->set, n)) != NULL; n++) {
		if (r->help == NULL || r->help[0] == '\0' || r->conv == NULL) {
			printf("# converter %s lacks help or function\n", r->name);
			all = false;
		}
	}
	OK_MSG(n >= 60, "converter rows are there");
	OK_MSG(all, "each row has help and a function");
}

// Without a head nothing is found; with more to come it is a miss.
static void
test_absent(void)
{
	static const char *const texts[] = {"path",    "hdr(x)", "cook(x)",    "method", "status",
					    "urlp(x)", "base",   "hdr_cnt(x)", "res.ver"};
	struct fixture f;
	fix_init(&f, NULL);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		IS_STR(fix_eval(&f, texts[i]), "none");
	f.ctx.more = true;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		IS_STR(fix_eval(&f, texts[i]), "miss");
	f.ctx.src = NULL;
	IS_STR(fix_eval(&f, "src"), "none");
	IS_STR(fix_eval(&f, "fe_name"), "none");
	fix_fini(&f);
}

// A full arena is told, never read past.
static void
test_arena_full(struct fixture *f)
{
	static const char *const texts[] = {"path,lower",       "path,concat(x)",
					    "src,concat(x)",    "path,sha1,hex",
					    "path,regsub(a,b)", "base",
					    "date,http_date",   "uuid",
					    "path,url_enc",     "path,json",
					    "path,base64",      "req.hdr_names"};
	struct expr_env env = fix_env(f);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct arena small;
		struct sample s;
		struct err err;
		struct expr *e = expr_parse(&env, str_from_c(texts[i]), &err);
		OK(e != NULL);
		arena_init(&small, 0);
		f->ctx.arena = &small;
		f->ctx.failed = false;
		OK_MSG(!expr_eval(e, &f->ctx, &s) && f->ctx.failed, texts[i]);
		arena_fini(&small);
	}
	f->ctx.arena = &f->arena;
}

// RFC 7239: the examples of its sections 4 and 6, and what breaks its grammar.
static void
test_forwarded(struct fixture *f)
{
	static const struct {
		const char *expr, *want;
	} rows[] = {
	    {"str('for=\"_gazonk\"'),rfc7239_is_valid", "bool:1"},
	    {"str('For=\"[2001:db8:cafe::17]:4711\"'),rfc7239_is_valid", "bool:1"},
	    {"str('for=192.0.2.60;proto=http;by=203.0.113.43'),rfc7239_is_valid", "bool:1"},
	    {"str('for=192.0.2.60;ext=1'),rfc7239_is_valid", "bool:1"},
	    {"str('for=192.0.2.43, for=198.51.100.17'),rfc7239_is_valid", "bool:0"},
	    {"str('for=192.0.2.43:80'),rfc7239_is_valid", "bool:0"},
	    {"str('for=a;for=b'),rfc7239_is_valid", "bool:0"},
	    {"str('for=_a;for=_b'),rfc7239_is_valid", "bool:0"},
	    {"str('proto=gopher'),rfc7239_is_valid", "bool:0"},
	    {"str('for=_a;'),rfc7239_is_valid", "bool:0"},
	    {"str('for=\"_a'),rfc7239_is_valid", "bool:0"},
	    {"str('for'),rfc7239_is_valid", "bool:0"},
	    {"str(''),rfc7239_is_valid", "bool:0"},
	    {"str('for=_a;proto=https'),rfc7239_field(proto)", "string:https"},
	    {"str('for=\"_\\\\a\"'),rfc7239_field(for)", "none"},
	    {"str('host=\"a\\\"b\"'),rfc7239_field(host)", "string:a\"b"},
	    {"str('for=_a'),rfc7239_field(by)", "none"},
	    {"str('[2001:db8::1]:4711'),rfc7239_n2nn", "ip6:2001:db8::1"},
	    {"str('[2001:db8::1]:4711'),rfc7239_n2np", "int:4711"},
	    {"str('192.0.2.1:_x'),rfc7239_n2np", "string:_x"},
	    {"str('192.0.2.1'),rfc7239_nn", "ip4:192.0.2.1"},
	    {"str('192.0.2.1'),rfc7239_np", "none"},
	    {"str('unknown:80'),rfc7239_nn", "string:unknown"},
	    {"str('192.0.2.1:70000'),rfc7239_nn", "none"},
	    {"str('2001:db8::1'),rfc7239_nn", "none"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		IS_STR(fix_eval(f, rows[i].expr), rows[i].want);
}

int
main(void)
{
	struct fixture f;
	fix_init(&f, NULL);
	fix_request(&f, request);
	fix_response(&f, response);
	expr_set_env(f.set, STR("TG_TEST_ENV"), STR("from -s"));
	(void)setenv("TG_TEST_ENV", "from the environment", 1); // -s must win
	(void)setenv("TG_TEST_INT", "3", 1);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *got = fix_eval(&f, cases[i].text);
		if (!OK_MSG(strcmp(got, cases[i].want) == 0, cases[i].text))
			printf("#  got: %s\n# want: %s\n", got, cases[i].want);
	}
	for (size_t i = 0; i < ARRAY_LEN(errors); i++)
		IS_STR(fix_eval(&f, errors[i].text), errors[i].want);
	test_places(&f);
	test_words(&f);
	test_rows(&f);
	test_absent();
	test_arena_full(&f);
	test_forwarded(&f);
	fix_fini(&f);
	return tap_done();
}
