// SPDX-License-Identifier: MIT
// The framework over an invented daemon's rows: what is stored, and what is said about each bad
// line.
#include "conf/conf.h"

#include "base/log.h"
#include "base/sbuf.h"
#include "rows.h"
#include "tap.h"

static const char *
test_env(void *arg, const char *name)
{
	(void)arg;
	return strcmp(name, "N") == 0 ? "77" : strcmp(name, "TWO") == 0 ? "x 127.0.0.1:1" : NULL;
}

static struct conf *
load(struct demo *d, struct str text, bool *good)
{
	struct conf_options opt = {.env = test_env};
	struct conf *c = conf_new(demo_modules, &opt);
	*d = (struct demo){0};
	c->user = d;
	conf_add_text(c, "t", text);
	*good = conf_load(c);
	return c;
}

static void
render_all(const struct conf *c, struct sbuf *out)
{
	static const char *const tags[] = {"D ", "N ", "W ", "E "};
	sbuf_clear(out);
	sbuf_add(out, STR(""));
	for (const struct conf_message *m = conf_messages(c); m != NULL; m = m->next) {
		sbuf_add(out, str_from_c(tags[m->severity]));
		conf_render_message(m, out);
		sbuf_add_byte(out, '\n');
	}
}

// ------------------------------------------------------------ messages of bad texts

// "L<n>: " stands for "config : parsing [t:<n>] : "
static const char *const said[][2] = {
    {"global\n maxconn 5\n", ""},
    {"\"global\"\r\n\"maxconn\" '5' # five\r\n", ""},
    {"global\n \"\" foo\n", ""},
    {"frontend\n", "E 1: 'frontend' expects a <name> as argument\n"},
    {"frontend \"\"\n", "E 1: 'frontend' expects a <name> as argument\n"},
    {"global x\n", "E 1: 'global' cannot handle unexpected argument 'x'\n"},
    {"backend a b\n", "E 1: 'backend' cannot handle unexpected argument 'b'\n"},
    {"frontend a%b\n", "E 1: character '%' is not permitted in 'frontend' name 'a%b'\n"},
    {"no global\n", "E 1: 'no' and 'default' cannot stand in front of section 'global'\n"},
    {"frontend taken\n maxconn x\n maxconn 5\n",
     "E 1: 'taken' is taken\n"
     "E 2: 'maxconn' : <n> is 'x', expected a whole number from 1 to 100000\n"},
    {"backend unfinished\n mode tcp\n\nglobal\n", "E 1: proxy 'unfinished' has no server\n"},
    {"maxconn 5\n",
     "E 1: keyword 'maxconn' stands out of section; it belongs in: global frontend\n"},
    {"nonsense 5\n", "E 1: unknown keyword 'nonsense' out of section\n"},
    {"frontnd x\n bind y\n foo\nglobal\n foo\n",
     "E 1: unknown keyword 'frontnd' out of section; did you mean 'frontend' maybe ?\n"
     "E 5: unknown keyword 'foo' in 'global' section\n"},
    {"global\n maxcon 5\n maxconn 0\n",
     "E 2: unknown keyword 'maxcon' in 'global' section; did you mean 'maxconn' maybe ?\n"
     "E 3: 'maxconn' : <n> is '0', expected a whole number from 1 to 100000\n"},
    {"global\n server a 127.0.0.1\n",
     "E 2: keyword 'server' is not allowed in 'global' section; it belongs in: backend\n"},
    {"global\n maxconn\n", "E 2: 'maxconn' expects <n>: a whole number from 1 to 100000\n"},
    {"global\n maxconn 5 6\n",
     "E 2: 'maxconn' cannot handle unexpected argument '6': expected 'maxconn <n>'\n"},
    {"global\n daemon now\n",
     "E 2: 'daemon' cannot handle unexpected argument 'now': it takes none\n"},
    {"global\n maxconn 100001\n maxconn 1e3\n maxconn 99999999999999999999\n",
     "E 2: 'maxconn' : <n> is '100001', expected a whole number from 1 to 100000\n"
     "E 3: 'maxconn' : <n> is '1e3', expected a whole number from 1 to 100000\n"
     "E 4: 'maxconn' : <n> is '99999999999999999999', expected a whole number from 1 to 100000\n"},
    {"defaults\n timeout client 5x\n timeout client 0\n timeout client 2h\n",
     "E 2: 'timeout client' : <time> is '5x', expected a time from 1ms to 1h with unit us, ms, s, "
     "m, h or d (without one: ms)\n"
     "E 3: 'timeout client' : <time> is '0', expected a time from 1ms to 1h with unit us, ms, s, "
     "m, h or d (without one: ms)\n"
     "E 4: 'timeout client' : <time> is '2h', expected a time from 1ms to 1h with unit us, ms, s, "
     "m, h or d (without one: ms)\n"},
    {"defaults\n timeout grace 999999999999999d\n",
     "E 2: 'timeout grace' : <time> is '999999999999999d', expected a time with unit us, ms, s, m, "
     "h or d (without one: s)\n"},
    {"defaults\n timeout cleint 5s\n timeout\n",
     "E 2: 'timeout' supports 'client', 'grace' (got 'cleint'); did you mean 'client' maybe ?\n"
     "E 3: 'timeout' supports 'client', 'grace' (got '')\n"},
    {"global\n bufsize 1k x\n bufsize 2g\n bufsize 5q\n",
     "E 2: 'bufsize' cannot handle unexpected argument 'x': expected 'bufsize <bytes>'\n"
     "E 3: 'bufsize' : <bytes> is '2g', expected a size in bytes from 1k to 1m, k, m and g "
     "allowed\n"
     "E 4: 'bufsize' : <bytes> is '5q', expected a size in bytes from 1k to 1m, k, m and g "
     "allowed\n"},
    {"global\n strict maybe\n", "E 2: 'strict' : <switch> is 'maybe', expected on or off\n"},
    {"global\n log \"\"\n log abcdefghijklmnopq\n",
     "E 2: 'log' : <where> is '', expected a text from 1 to 16 bytes\n"
     "E 3: 'log' : <where> is 'abcdefghijklmnopq', expected a text from 1 to 16 bytes\n"},
    {"global\n log x taged\n",
     "E 2: 'log' cannot handle unexpected argument 'taged': expected 'log <where> <tagged>'\n"},
    {"defaults\n mode htp\n mode foo\n",
     "E 2: 'mode' : <mode> is 'htp', expected one of 'tcp', 'http'; did you mean 'http' maybe ?\n"
     "E 3: 'mode' : <mode> is 'foo', expected one of 'tcp', 'http'\n"},
    {"global\n listen-on 127.0.0.1\n listen-on\n",
     "E 2: 'listen-on' : <address>: '127.0.0.1': missing port number, expected "
     "<address>:<port>\n"
     "E 3: 'listen-on' expects <address>: an address with a port\n"},
    {"frontend f\n maybe\n maybe 7\n no maybe\n default maybe\n",
     "E 3: 'maybe' dislikes 7\n"
     "E 5: 'default' is not supported in front of 'maybe'\n"},
    {"global\n no daemon\n no\n", "E 2: 'no' is not supported in front of 'daemon'\n"
				  "E 3: unknown keyword 'no' in 'global' section\n"},
    {"global\n oldword\n chroot /x y\n ssl-engine foo\n",
     "W 2: 'oldword' is deprecated: use 'daemon'\n"
     "W 3: 'chroot' is accepted but not performed: Jail.\n"
     "E 4: 'ssl-engine' is not supported: no TLS here\n"},
    {"backend b\n server\n server s\n server s :80\n",
     "E 2: 'server' expects <name>: a text of at least 1 bytes\n"
     "E 3: 'server' expects <address>: an address\n"
     "E 4: 'server' : <address>: ':80': an address must be given\n"},
    {"backend b\n server s 127.0.0.1:1 chekc weight 300 bakcup weight\n",
     "E 2: 'server s' : unknown keyword 'chekc'; did you mean 'check' maybe ?\n"
     "E 2: 'server s' : <weight> is '300', expected a whole number from 0 to 256\n"
     "E 2: 'server s' : unknown keyword 'bakcup'; did you mean 'backup' maybe ?\n"
     "E 2: 'server s' : 'weight' expects a value: a whole number from 0 to 256\n"},
    {"backend b\n server s 127.0.0.1:1 foo 10 bar weight 5 zork\n",
     "E 2: 'server s' : unknown keyword 'foo'\n"
     "E 2: 'server s' : unknown keyword 'zork'\n"},
    {"backend b\n server s 127.0.0.1:1 check slowstart 5s ssl no-check no-weight 3\n",
     "W 2: 'server s' : 'check' is accepted but not performed: Health checks.\n"
     "W 2: 'server s' : 'slowstart' is accepted but not performed yet\n"
     "E 2: 'server s' : 'ssl' is not supported: traffic would go unencrypted\n"
     "E 2: 'server s' : unknown keyword 'no-check'\n"},
    {"backend b\n server s 127.0.0.1:1 id 123456789 proto h3 sum 999999 1\n",
     "E 2: 'server s' : <id> is '123456789', expected a text from 1 to 8 bytes\n"
     "E 2: 'server s' : <proto> is 'h3', expected one of 'h1', 'h2'; did you mean 'h1' maybe ?\n"
     "E 2: 'server s' : the sum is too large\n"},
    {"backend b\n server s 127.0.0.1:1 weight 13\n foo\n",
     "E 3: unknown keyword 'foo' in 'backend' section\n"
     "E 2: server 's' has an unlucky weight\n"},
    // An error of a line that names a variable in vain.
    {"global\n maxconn \"${NONE}\"\n maxconn \"${N}${LESS-x}\"\n maxconn \"5$ONE$NONE\"\n"
     " maxconn x\n",
     "E 2: 'maxconn' : <n> is '', expected a whole number from 1 to 100000; environment variable "
     "'NONE' is not set\n"
     "E 3: 'maxconn' : <n> is '77x', expected a whole number from 1 to 100000\n"
     "E 5: 'maxconn' : <n> is 'x', expected a whole number from 1 to 100000\n"},
    // A section that is refused is so once; neither it nor the one before gets its lines.
    {"frontend f\n maxconn 5\nring r x y\n foo\n maxconn x\n"
     "mailers\n maxconn x\nbackend b\n foo\n",
     "E 3: section 'ring' is not supported: none here\n"
     "W 6: section 'mailers' is accepted but not performed: no mail\n"
     "E 9: unknown keyword 'foo' in 'backend' section\n"},
    // Words and what is no text.
    {"global\n server s3 \"a\n maxconn x\n",
     "E 2: unmatched quote at position 12:\n  server s3 \"a\n            ^\n"
     "E 3: 'maxconn' : <n> is 'x', expected a whole number from 1 to 100000\n"},
    {"global\n\tx \"${A B}\"\n",
     "E 2: unmatched brace in environment variable name at position 6:\n  x \"${A B}\"\n      ^\n"},
    {"global\n\001\n max\x7f"
     "conn\n daemon\n",
     "E 2: control character 0x01 at position 1\nE 3: control character 0x7f at position 5\n"},
    // Directives.
    {".if foo\n bar\n.else\n baz\n.endif\n",
     "E 1: unparsable conditional expression 'foo' in '.if' at position 1:\n  .if foo\n      ^\n"},
    {".if 1 2\n.endif\n",
     "E 1: unexpected character '2' at the end of conditional expression '1 2' in '.if' at "
     "position 3:\n  .if 1 2\n        ^\n"},
    {".endif\n.else\n.elif 1\n",
     "E 1: lone '.endif' with no matching '.if'\nE 2: lone '.else' with no matching '.if'\n"
     "E 3: lone '.elif' with no matching '.if'\n"},
    {".if 1\n.else\n.else\n.elif 1\n.endif\n",
     "E 3: '.else' after '.else' is not permitted\nE 4: '.elif' after '.else' is not permitted\n"},
    {"\n.if 1\n.if 0\n", "E 2: non-terminated '.if' block\nE 3: non-terminated '.if' block\n"},
    {".if 1\n.else foo\n.endif bar\n",
     "E 2: unexpected argument 'foo' for '.else'\nE 3: unexpected argument 'bar' for '.endif'\n"},
    {".notice \"a b\"\n.warning c\n.alert d\n.diag e\n", "N 1: 'a b'\nW 2: 'c'\nE 3: 'd'\n"},
    {".notice a b\n",
     "E 1: unexpected argument 'b' for '.notice'; use quotes if the message should contain "
     "spaces\n"},
    {".fi 1\n.notise x\n", "E 1: unknown directive '.fi'; did you mean '.if' maybe ?\n"
			   "E 2: unknown directive '.notise'; did you mean '.notice' maybe ?\n"},
    {".if 0\n.alert a\n.elif 1\n.notice b\n.elif 1\n.alert c\n.else\n.alert d\n.endif\n",
     "N 4: 'b'\n"},
    {".if 0\n.alert a\n.else\n.notice b\n.endif\n", "N 4: 'b'\n"},
    {".if 0\n.if foo bar\n.alert a\n.else\n.alert b\n.endif\n.foo\n x\n.else\n.notice c\n.endif\n",
     "N 10: 'c'\n"},
    {".if 1\n.if 0\n.alert a\n.else\n.notice b\n.endif\n.notice c\n.endif\n",
     "N 5: 'b'\nN 7: 'c'\n"},
    {".if 0\n bad\" x\n.endif\n", "E 2: unmatched quote at position 5:\n  bad\" x\n     ^\n"},
    {".if streq(\"$N\",77) && defined(N)\n.notice \"N is $N\"\n.endif\n", "N 2: 'N is 77'\n"},
    {".if streq(\"${.SECTION}\",\"\")\n.notice none\n.endif\nfrontend f\n.notice \"${.SECTION}\"\n"
     "global\n.notice \"${.SECTION}:${.LINE}:${.FILE}\"\n",
     "N 2: 'none'\nN 5: 'f'\nN 7: 'global:7:t'\n"},
};

// The table's short form of a rendered message.
static void
shorten(const struct sbuf *in, struct sbuf *out)
{
	static const char prefix[] = "config : parsing [t:";
	sbuf_clear(out);
	sbuf_add(out, STR(""));
	struct str rest = sbuf_str(in);
	for (size_t at; (at = str_find(rest, STR("config : parsing [t:"))) != SIZE_MAX;) {
		sbuf_add(out, str_slice(rest, 0, at));
		rest = str_slice(rest, at + sizeof(prefix) - 1, rest.n);
		size_t close = str_find(rest, STR("] : "));
		sbuf_add(out, str_slice(rest, 0, close));
		sbuf_add(out, STR(": "));
		rest = str_slice(rest, close + 4, rest.n);
	}
	sbuf_add(out, rest);
}

static void
test_said(void)
{
	struct sbuf all, brief;
	sbuf_init(&all, 1 << 20);
	sbuf_init(&brief, 1 << 20);
	for (size_t i = 0; i < ARRAY_LEN(said); i++) {
		struct demo d;
		bool good;
		struct conf *c = load(&d, str_from_c(said[i][0]), &good);
		render_all(c, &all);
		shorten(&all, &brief);
		IS_STR(brief.p, said[i][1]);
		OK_MSG(good == (strstr(said[i][1], "E ") == NULL), said[i][0]);
		IS_INT(good, conf_n_errors(c) == 0);
		IS_INT(d.n_begun, d.n_ended);
		conf_free(&c);
		OK(c == NULL);
	}
	sbuf_fini(&all);
	sbuf_fini(&brief);
}

// ------------------------------------------------------------ stored values

static void
test_stored(void)
{
	struct demo d;
	bool good;
	struct conf *c = load(&d,
			      STR("global\n maxconn \"$N\"\n daemon\n strict yes\n bufsize 16k\n"
				  " limit 4g\n log /dev/log tagged\n description  two  'w o' rds\n"
				  " listen-on [::1]:81\n"
				  "defaults base from x\n timeout client 2s\n timeout grace 3\n"
				  "backend b\n mode tcp\n option httplog\n"
				  " server s1 127.0.0.1:80 weight 7 id k9 backup no-backup proto h2"
				  " sum 1 2 3 inter 5ms\n"
				  " server \"${TWO[*]}\" backup\n"),
			      &good);
	OK(good);
	IS_INT(d.maxconn, 77);
	OK(d.daemon && d.strict && d.tagged && d.httplog);
	IS_INT(d.bufsize, 16384);
	IS_INT(d.limit, UINT64_C(4) << 30);
	IS_STR(d.log.p, "/dev/log");
	IS_STR(d.rest.p, "two w o rds");
	IS_INT(d.addr.port_low, 81);
	IS_INT(d.timeout_ns, 2000000000);
	IS_INT(d.grace_ns, 3000000000);
	IS_INT(d.mode, 0);
	IS_STR(d.from.p, "x");
	IS_INT(d.n_servers, 2);
	IS_STR(d.server[0].name.p, "s1");
	IS_INT(d.server[0].weight, 7);
	IS_INT(d.server[0].inter_ns, 5000000);
	IS_STR(d.server[0].id.p, "k9");
	IS_INT(d.server[0].proto, 1);
	IS_INT(d.server[0].sum, 6);
	OK(!d.server[0].backup);
	IS_STR(d.server[1].name.p, "x");
	IS_INT(d.server[1].weight, 1);
	IS_INT(d.server[1].inter_ns, 2000000000);
	OK(d.server[1].backup);
	IS_INT(d.n_begun, 3);
	conf_free(&c);
}

static void
test_no_and_defaults(void)
{
	struct demo d;
	bool good;
	struct conf *c = load(&d,
			      STR("frontend f from base\n maxconn 5\n no maxconn\n"
				  " option httplog\n no option httplog\n maybe 3\n"),
			      &good);
	OK(good);
	IS_INT(d.maxconn, 100);
	OK(!d.httplog);
	IS_INT(d.last_given, 1);
	IS_STR(d.from.p, "base");
	d.mode = 0;
	d.maxconn = 0;
	conf_apply_defaults(c, "frontend", &d);
	IS_INT(d.mode, 1);
	IS_INT(d.maxconn, 100);
	conf_free(&c);
	c = load(&d,
		 STR("frontend f\n option httplog\n default option httplog\n maybe 1\n maybe\n"),
		 &good);
	OK(good && !d.httplog);
	IS_INT(d.last_given, 0);
	IS_INT(d.n_parsed, 2);
	conf_free(&c);
	c = load(&d, STR("defaults from base\n mode tcp\n"), &good);
	OK(good);
	IS_INT(d.proxy_name.n, 0);
	IS_STR(d.from.p, "base");
	conf_free(&c);
}

static void
test_value(void)
{
	struct conf *c = conf_new(demo_modules, NULL);
	struct conf_arg arg = {.name = "t", .type = CONF_TIME, .unit = "us"};
	struct conf_value v;
	struct err err;
	OK(conf_parse_value(c, &arg, STR("7"), &v, &err));
	IS_INT(v.u, 7000);
	OK(conf_parse_value(c, &arg, STR("1d"), &v, &err));
	IS_INT(v.u, 86400 * INT64_C(1000000000));
	arg = (struct conf_arg){.name = "n", .type = CONF_INT, .min = 5, .max = 0};
	OK_MSG(conf_parse_value(c, &arg, STR("123456789"), &v, &err), "max below min: unbounded");
	OK(!conf_parse_value(c, &arg, STR("4"), &v, &err));
	IS_STR(err.text, "<n> is '4', expected a whole number of at least 5");
	arg =
	    (struct conf_arg){.name = "n", .type = CONF_INT, .min = -5, .max = 5, .unit = "steps"};
	OK(conf_parse_value(c, &arg, STR("-5"), &v, &err) && v.i == -5);
	OK(!conf_parse_value(c, &arg, STR("6"), &v, &err));
	IS_STR(err.text, "<n> is '6', expected a whole number from -5 to 5 (steps)");
	OK(conf_getenv(c, "NO_SUCH_VARIABLE_HERE") == NULL);
	OK(conf_getenv(c, "PATH") != NULL);
	conf_free(&c);
	conf_free(&c);
}

// ------------------------------------------------------------ limits

static void
test_limits(void)
{
	struct demo d;
	bool good;
	struct sbuf text, all;
	sbuf_init(&text, 1 << 22);
	sbuf_init(&all, 1 << 20);
	sbuf_add(&text, STR("global\n"));
	for (unsigned i = 0; i < CONF_MAX_LINE_BYTES + 1; i++)
		sbuf_add_byte(&text, 'x');
	sbuf_add(&text, STR("\n maxconn 9\n"));
	struct conf *c = load(&d, sbuf_str(&text), &good);
	render_all(c, &all);
	IS_STR(all.p, "E config : parsing [t:2] : line too long: 65537 bytes, at most 65536\n");
	IS_INT(d.maxconn, 9);
	conf_free(&c);

	sbuf_clear(&text);
	sbuf_add(&text, STR("global\n x"));
	for (unsigned i = 0; i < CONF_MAX_WORDS; i++)
		sbuf_add(&text, STR(" w"));
	sbuf_add(&text, STR("\n"));
	c = load(&d, sbuf_str(&text), &good);
	render_all(c, &all);
	OK(str_starts(sbuf_str(&all),
		      STR("E config : parsing [t:2] : too many words at position 2050:\n")));
	conf_free(&c);

	sbuf_clear(&text);
	for (unsigned i = 0; i < CONF_MAX_MESSAGES + 5; i++)
		sbuf_add(&text, STR("junk\n"));
	c = load(&d, sbuf_str(&text), &good);
	IS_INT(conf_n_errors(c), CONF_MAX_MESSAGES + 5);
	render_all(c, &all);
	OK(str_ends(sbuf_str(&all), STR("E config : too many messages, the rest is withheld\n")));
	conf_free(&c);

	sbuf_clear(&text);
	for (unsigned i = 0; i < CONF_MAX_NESTED_IF + 1; i++)
		sbuf_add(&text, STR(".if 1\n"));
	for (unsigned i = 0; i < CONF_MAX_NESTED_IF; i++)
		sbuf_add(&text, STR(".endif\n"));
	c = load(&d, sbuf_str(&text), &good);
	render_all(c, &all);
	IS_STR(all.p, "E config : parsing [t:65] : more than 64 nested '.if'\n");
	conf_free(&c);

	c = load(&d, str_of("global\n a\0b\n maxconn 5\n", 22), &good);
	render_all(c, &all);
	IS_STR(all.p, "E config : parsing [t:2] : stray NUL character at position 3; the rest of "
		      "the file is not read\n");
	IS_INT(d.maxconn, 0);
	conf_free(&c);
	sbuf_fini(&text);
	sbuf_fini(&all);
}

// ------------------------------------------------------------ the log, the reference

static void
count_alerts(enum log_level level, const char *line, void *arg)
{
	unsigned *n = arg;
	if (level == LOG_ALERT && strcmp(line, "config : parsing [t:2] : unknown keyword 'foo' in "
					       "'global' section") == 0)
		n[0]++;
	if (level == LOG_WARNING)
		n[1]++;
}

static void
test_log(void)
{
	struct demo d;
	bool good;
	unsigned n[2] = {0, 0};
	struct conf *c = load(&d, STR("global\n foo\n oldword\n"), &good);
	log_set_sink(count_alerts, n);
	conf_log_messages(c);
	log_set_sink(NULL, NULL);
	IS_INT(n[0], 1);
	IS_INT(n[1], 1);
	IS_INT(conf_n_warnings(c), 1);
	conf_free(&c);
}

static void
test_reference(void)
{
	struct sbuf out;
	sbuf_init(&out, 1 << 20);
	conf_print_reference(demo_modules, &out);
	static const char *const parts[] = {
	    "\n## `frontend <name> ...`\n\nAccepts.\n",
	    "\n## `defaults [<name>] ...`\n",
	    "\n**`[no] maxconn <n>`**  \nMost connections at once.\n\n  - `<n>`: a whole number",
	    "a whole number from 1 to 100000; default `100`. Connections.\n",
	    "\n**`[no] maybe [<n>]`**",
	    "\n**`log <where> [tagged]`**",
	    "**`server <name> <address> ...`**",
	    "  - `weight` <value>: a whole number from 0 to 256; default `1`. Share of the load.\n",
	    "  - `[no-]backup`: Used when the others are down.\n",
	    "  - `check`: Health checks. *Accepted, not performed yet.*\n",
	    "\n## Refused\n\n| keyword | sections | why |\n| --- | --- | --- |\n",
	    "| --- | --- | --- |\n| section `ring` | | none here |\n| `ssl-engine` | global | ",
	    "| --- | --- | --- |\n| section `mailers` | | no mail |\n",
	    "**`oldword`** *Deprecated.*",
	    "one of 'tcp', 'http'; default `http`",
	};
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		OK_MSG(strstr(out.p, parts[i]) != NULL, parts[i]);
	sbuf_clear(&out);
	conf_print_keywords(demo_modules, &out);
	OK(strstr(out.p, "frontend\n\tmaxconn <n>\n\ttimeout client <time>\n") != NULL);
	OK(strstr(out.p, "ring") == NULL);
	sbuf_fini(&out);
}

int
main(void)
{
	test_said();
	test_stored();
	test_no_and_defaults();
	test_value();
	test_limits();
	test_log();
	test_reference();
	return tap_done();
}
