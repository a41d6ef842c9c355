// SPDX-License-Identifier: MIT
// cli/session: modes, levels, payloads, late and large answers, and that the cut of the bytes
// changes nothing.
#include "cli/session.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/user.h"
#include "tap.h"

// ---- commands of the test

static struct cli_ref late_ref;
static int freed;

static void
count_free(void *state)
{
	(void)state;
	freed++;
}

static enum cli_status
run_late(struct cli_session *s, const struct cli_args *args)
{
	(void)args;
	cli_continue(s, NULL, NULL, count_free);
	late_ref = cli_ref(s);
	return CLI_WAIT;
}

static enum cli_status
run_early(struct cli_session *s, const struct cli_args *args)
{
	(void)args;
	cli_printf(s, "early\n");
	cli_done(s);
	return CLI_WAIT;
}

static enum cli_status
more_rows(struct cli_session *s, void *state)
{
	int *n = state;
	while (*n > 0 && cli_room(s) > 0)
		cli_printf(s, "row %d\n", (*n)--);
	return *n > 0 ? CLI_MORE : CLI_DONE;
}

static enum cli_status
run_rows(struct cli_session *s, const struct cli_args *args)
{
	static int n;
	int64_t v;
	if (!str_to_int(args->argv[0], &v))
		return cli_error(s, "Not a number.");
	n = (int)v;
	cli_continue(s, more_rows, &n, count_free);
	return CLI_MORE;
}

static enum cli_status
run_load(struct cli_session *s, const struct cli_args *args)
{
	cli_printf(s, "%.*s %zu ", STR_ARG(args->argv[0]), args->payload.n);
	cli_add_json(s, args->payload);
	return CLI_DONE;
}

static enum cli_status
run_blank(struct cli_session *s, const struct cli_args *args)
{
	(void)args;
	cli_add(s, STR("a\n\n\nb\n\n"));
	return CLI_DONE;
}

static enum cli_status
run_fail(struct cli_session *s, const struct cli_args *args)
{
	(void)args;
	cli_add(s, STR("data\nhalf"));
	cli_warn(s, "careful");
	return cli_error(s, "broke: %s", "why");
}

static enum cli_status
run_big(struct cli_session *s, const struct cli_args *args)
{
	(void)args;
	for (int i = 0; i < 40000; i++)
		cli_add(s, STR("0123456789012345678901234567890123456789\n"));
	return CLI_DONE;
}

static const struct cli_command rows[] = {
    {.words = "late", .level = CLI_USER, .run = run_late, .help = "h"},
    {.words = "early", .level = CLI_USER, .run = run_early, .help = "h"},
    {.words = "watch", .level = CLI_USER, .flags = CLI_ENDLESS, .run = run_late, .help = "h"},
    {.words = "rows", .args = "N", .min_args = 1, .max_args = 1, .run = run_rows, .help = "h"},
    {.words = "policy load",
     .level = CLI_ADMIN,
     .args = "NAME [FILE]",
     .min_args = 1,
     .max_args = 2,
     .flags = CLI_PAYLOAD,
     .run = run_load,
     .help = "load a policy"},
    {.words = "show policy", .run = run_blank, .help = "list policies"},
    {.words = "show policy errors", .run = run_fail, .help = "list errors"},
    {.words = "big", .run = run_big, .help = "h"},
    {.words = "secret", .run = run_blank, .flags = CLI_HIDDEN, .help = "h"},
    {.words = NULL},
};
static const struct module test_module = {.name = "test", .commands = rows};
static const struct module *const modules[] = {&cli_module, &test_module};

// ---- feeding

static struct cli *cli;
static struct sbuf got;
static int wakes;

static void
count_wake(struct cli_session *s, void *owner)
{
	(void)s;
	(void)owner;
	wakes++;
}

static struct cli_session *
open_session(enum cli_level level)
{
	struct cli_peer peer = {.known = true, .uid = 7, .gid = 8, .pid = 9, .from = "test"};
	return cli_session_open(cli, level, &peer, count_wake, NULL);
}

static bool
take_all(struct cli_session *s)
{
	struct sbuf chunk;
	bool any = false;
	sbuf_init(&chunk, 1);
	while (cli_session_take(s, &chunk)) {
		sbuf_add(&got, sbuf_str(&chunk));
		sbuf_clear(&chunk);
		any = true;
	}
	sbuf_fini(&chunk);
	return any;
}

static void
feed(struct cli_session *s, struct str bytes)
{
	while (bytes.n > 0) {
		size_t n = cli_session_feed(s, bytes);
		bytes = str_slice(bytes, n, bytes.n);
		if (!take_all(s) && n == 0)
			return;
	}
}

// What a whole conversation answers, fed in pieces of `piece` bytes, then the end.
static const char *
talk_in(enum cli_level level, struct str bytes, size_t piece)
{
	sbuf_clear(&got);
	struct cli_session *s = open_session(level);
	for (size_t at = 0; at < bytes.n; at += piece)
		feed(s, str_slice(bytes, at, at + piece));
	cli_session_eof(s);
	take_all(s);
	if (!cli_session_over(s))
		sbuf_add(&got, STR("NOT OVER"));
	cli_session_close(&s);
	return got.n > 0 ? got.p : "";
}

static const char *
talk(enum cli_level level, const char *text)
{
	return talk_in(level, str_from_c(text), SIZE_MAX / 2);
}

// ---- tests

static void
test_modes(void)
{
	IS_STR(talk(CLI_ADMIN, "show cli level\nshow cli level\n"), "admin\n\n");
	IS_STR(talk(CLI_USER, "show cli level;echo a\\;b 'c  d'\n"), "user\n\na;b c  d\n\n");
	IS_STR(talk(CLI_USER, "prompt\nshow cli level\n\nquit\necho no\n"), "\n> user\n\n> > ");
	IS_STR(talk(CLI_USER, "prompt i\necho a\r\nprompt n;echo b\necho no\n"), "\na\n\n\nb\n\n");
	IS_STR(talk(CLI_USER, "prompt x\n"), "Usage: prompt [n|i|p]\n\n");
	IS_STR(talk(CLI_USER, "echo cut of"),
	       "The last line has no newline; it was not performed.\n\n");
	IS_STR(talk(CLI_USER, ""), "");
}

static void
test_levels(void)
{
	IS_STR(talk(CLI_USER, "policy load x\n"),
	       "Permission denied: that needs level admin, this session has user\n\n");
	IS_STR(talk(CLI_OPERATOR, "user;operator\n"),
	       "\nPermission denied: that needs level operator, this session has user\n\n");
	IS_STR(talk(CLI_ADMIN, "operator;show cli level;user;show cli level\n"),
	       "\noperator\n\n\nuser\n\n");
	OK(strstr(talk(CLI_USER, "help\n"), "policy load") == NULL);
	OK(strstr(talk(CLI_ADMIN, "help\n"), "  policy load NAME [FILE]") != NULL);
	OK(strstr(talk(CLI_ADMIN, "help\n"), "secret") == NULL);
	IS_STR(talk(CLI_ADMIN, "help policy\n"),
	       "The following commands are valid at this level:\n"
	       "  policy load NAME [FILE]                 : load a policy\n\n");
	OK(strstr(talk(CLI_ADMIN, "help zz\n"), "No command") != NULL);
}

static void
test_unknown(void)
{
	const char *a = talk(CLI_ADMIN, "shwo policy\n");
	OK(strncmp(a, "Unknown command, but maybe one of the following ones is a better match:\n",
		   72) == 0);
	OK(strstr(a, "show policy errors") != NULL && strstr(a, "late") == NULL);
	OK(strstr(talk(CLI_USER, "lood policy\n"), "policy load") == NULL);
	OK(strstr(talk(CLI_ADMIN, "show\n"), "show policy") != NULL);
	a = talk(CLI_USER, "xyzzyxyzzy plugh\n");
	OK(strstr(a, "Please enter one of the following commands only:") != NULL);
	OK(strstr(a, "  help ") != NULL);
	OK(strstr(talk(CLI_USER, "\n"), "Please enter one") != NULL);
}

static void
test_payload(void)
{
	IS_STR(talk(CLI_ADMIN, "policy load x <<\na\nb\n\n"), "x 4 \"a\\u000ab\\u000a\"\n\n");
	IS_STR(talk(CLI_ADMIN, "policy load x <<EOF\na\n\nEOFx\r\nEOF\r\necho no\n"),
	       "x 9 \"a\\u000a\\u000aEOFx\\u000d\\u000a\"\n\n");
	IS_STR(talk(CLI_ADMIN, "echo 1;policy load x <<E\nE\n"), "1\n\nx 0 \"\"\n\n");
	IS_STR(talk(CLI_ADMIN, "prompt\npolicy load x <<E\na\nE\necho z\n"),
	       "\n> + + x 2 \"a\\u000a\"\n\n> z\n\n> ");
	IS_STR(talk(CLI_ADMIN, "echo <<\nx\n\n"), "'echo' takes no payload.\n\n");
	IS_STR(talk(CLI_USER, "prompt i\npolicy load x <<E\nprompt\nE\necho z\n"),
	       "\nPermission denied: that needs level admin, this session has user\n\nz\n\n");
	IS_STR(talk(CLI_ADMIN, "policy load x <<E\nab\n"),
	       "The payload was not ended; nothing was done.\n\n");
	// A line that is not understood must not let its payload be taken for commands.
	IS_STR(talk(CLI_ADMIN, "prompt i\npolicy load 'x <<E\necho no\nE\n"),
	       "\nA quote is not closed; nothing was done.\n\n");
	IS_STR(talk(CLI_ADMIN, "prompt i\necho 'x\necho yes\n"),
	       "\nA quote is not closed; nothing was done.\n\nyes\n\n");
}

static char *
filled(const char *head, size_t n, const char *tail)
{
	char *p = mem_alloc(strlen(head) + n + strlen(tail) + 1);
	memcpy(p, head, strlen(head));
	memset(p + strlen(head), 'a', n);
	memcpy(p + strlen(head) + n, tail, strlen(tail) + 1);
	return p;
}

static void
test_limits(void)
{
	char *line = filled("echo ", 16384 - 5, "\n");
	OK(strlen(talk(CLI_USER, line)) == 16384 - 5 + 2);
	mem_free(line);
	line = filled("echo ", 16384 - 4, "\n");
	IS_STR(talk(CLI_USER, line), "The line is longer than 16384 bytes; nothing was done.\n\n");
	mem_free(line);
	line = filled("prompt i\n", 40000, "\necho no\n");
	IS_STR(talk(CLI_USER, line),
	       "\nThe line is longer than 16384 bytes; nothing was done.\n\n");
	mem_free(line);
	// max payload is 1000 here
	line = filled("policy load x <<E\n", 999, "\nE\n");
	OK(strncmp(talk(CLI_ADMIN, line), "x 1000 ", 7) == 0);
	mem_free(line);
	line = filled("prompt i\npolicy load x <<E\n", 1000, "\nshow version\nE\necho z\n");
	IS_STR(talk(CLI_ADMIN, line),
	       "\nThe payload is longer than 1000 bytes; nothing was done.\n\nz\n\n");
	mem_free(line);
	const char *big = talk(CLI_USER, "big\n");
	OK(strlen(big) < (2u << 20) && strstr(big, "was cut.\n\n") != NULL);
}

static void
test_severity(void)
{
	IS_STR(talk(CLI_ADMIN, "show policy\n"), "a\n \n \nb\n\n");
	IS_STR(talk(CLI_ADMIN, "show policy errors\n"), "data\nhalf\ncareful\nbroke: why\n\n");
	IS_STR(talk(CLI_ADMIN, "set severity-output number;show policy errors;show cli level\n"),
	       "\ndata\nhalf\n[4]: careful\n[3]: broke: why\n\n[6]: admin\n\n");
	talk(CLI_ADMIN, "set severity-output string;show cli level;nonsensicality\n");
	OK(strstr(got.p, "[info]: admin\n\n[error]: Unknown command.") != NULL);
	IS_STR(talk(CLI_ADMIN, "set severity-output line;show policy;show policy errors\n"),
	       "\n[6]: a\n[6]:  \n[6]:  \n[6]: b\n\n"
	       "[6]: data\n[6]: half\n[4]: careful\n[3]: broke: why\n\n");
	IS_STR(talk(CLI_ADMIN, "set severity-output x\n"),
	       "one of 'none', 'number', 'string', 'line' is a required argument\n\n");
}

static void
test_arguments(void)
{
	IS_STR(talk(CLI_ADMIN, "rows\n"), "Usage: rows N\n\n");
	IS_STR(talk(CLI_ADMIN, "rows 1 2\n"), "Usage: rows N\n\n");
	IS_STR(talk(CLI_ADMIN, "set timeout cli 0\n"), "Invalid timeout value.\n\n");
	struct cli_session *s = open_session(CLI_USER);
	IS_INT(cli_session_timeout_ns(s), 0);
	feed(s, STR("set timeout cli 2\n"));
	IS_INT(cli_session_timeout_ns(s), 2000000000);
	char name[64]; // of uid 7
	user_name(7, name, sizeof(name));
	IS_STR(cli_who(s).p, name);
	cli_session_close(&s);
	setenv("CLI_TEST_ENV", "x=y", 1);
	IS_STR(talk(CLI_OPERATOR, "show env CLI_TEST_ENV\n"), "CLI_TEST_ENV=x=y\n\n");
	IS_STR(talk(CLI_OPERATOR, "show env CLI_TEST_NONE\n"), "Variable not found\n\n");
}

static void
test_late(void)
{
	sbuf_clear(&got);
	freed = wakes = 0;
	struct cli_session *s = open_session(CLI_USER);
	feed(s, STR("prompt i\nlate;echo after\n"));
	IS_STR(got.p, "\n");
	OK(cli_session_waits(s));
	IS_INT(cli_session_feed(s, STR("echo x\n")), 0);
	struct cli_ref ref = late_ref;
	OK(cli_deref(ref) == s);
	cli_printf(s, "now");
	cli_done(s);
	IS_INT(wakes, 1);
	IS_INT(freed, 1);
	OK(cli_deref(ref) == NULL);
	take_all(s);
	feed(s, STR("early\n"));
	IS_STR(got.p, "\nnow\n\nafter\n\nearly\n\n");
	// The client hangs up while the command waits.
	feed(s, STR("late\n"));
	ref = late_ref;
	OK(cli_deref(ref) == s);
	cli_session_close(&s);
	IS_INT(freed, 2);
	OK(cli_deref(ref) == NULL);
	// The slot is used again; the old ref does not reach the new session.
	s = open_session(CLI_USER);
	feed(s, STR("late\n"));
	OK(cli_deref(ref) == NULL && cli_deref(late_ref) == s);
	cli_session_close(&s);
}

static void
test_endless(void)
{
	sbuf_clear(&got);
	struct cli_session *s = open_session(CLI_USER);
	feed(s, STR("prompt i\nwatch\n"));
	OK(cli_session_waits(s));
	cli_printf(cli_deref(late_ref), "1\n");
	cli_flush(s);
	take_all(s);
	OK(cli_session_waits(s));
	feed(s, STR("echo on\n"));
	IS_STR(got.p, "\n1\n\non\n\n");
	feed(s, STR("watch\n"));
	cli_session_eof(s);
	take_all(s);
	OK(cli_session_over(s));
	cli_session_close(&s);
}

static void
test_large(void)
{
	freed = 0;
	struct cli_session *s = open_session(CLI_USER);
	struct sbuf chunk;
	sbuf_init(&chunk, 1);
	cli_session_feed(s, STR("rows 100000\n"));
	size_t most = 0, sum = 0;
	while (cli_session_take(s, &chunk)) {
		most = MAX(most, chunk.n);
		sum += chunk.n;
		sbuf_clear(&chunk);
	}
	OK_MSG(most < 2 * CLI_CHUNK_BYTES, "a large answer is made while it is taken");
	IS_INT(sum, 488895 + 100000 * 5 + 1); // digits, "row " and newlines, the end
	OK(cli_session_over(s));
	IS_INT(freed, 1);
	cli_session_close(&s);
	cli_session_close(&(struct cli_session *){open_session(CLI_USER)});
	s = open_session(CLI_USER);
	cli_session_feed(s, STR("rows 100000\n"));
	cli_session_close(&s);
	IS_INT(freed, 2);
	sbuf_fini(&chunk);
}

// Whatever the cut, the same answers.
static void
test_cuts(void)
{
	static const char *const talks[] = {
	    "prompt\necho a;policy load x <<E\nl1\n\nE\r\nshwo\nrows 5\nearly\n\nquit\n",
	    "prompt i\nset severity-output line\npolicy load x <<\nx\n\necho 'a\necho b;zz",
	    "prompt i\npolicy load x <<END\nEN\nEND \nEND",
	    "policy load y <<LONG\nL\nLONG\n",
	};
	char *want;
	for (size_t i = 0; i < ARRAY_LEN(talks); i++) {
		want = mem_strdup(talk(CLI_ADMIN, talks[i]));
		for (size_t piece = 1; piece < 12; piece++)
			IS_STR(talk_in(CLI_ADMIN, str_from_c(talks[i]), piece), want);
		mem_free(want);
	}
	char *over = filled("prompt\npolicy load x <<E\na\n", 2500, "\nE\necho z\n");
	want = mem_strdup(talk(CLI_ADMIN, over));
	for (size_t piece = 1; piece < 4000; piece = piece * 3 + 1)
		IS_STR(talk_in(CLI_ADMIN, str_from_c(over), piece), want);
	mem_free(want);
	mem_free(over);
	over = filled("prompt\n", 20000, "\necho z\n");
	want = mem_strdup(talk(CLI_ADMIN, over));
	for (size_t piece = 7; piece < 40000; piece = piece * 3 + 1)
		IS_STR(talk_in(CLI_ADMIN, str_from_c(over), piece), want);
	mem_free(want);
	mem_free(over);
}

static void
test_rows(void)
{
	const struct cli_command *row;
	for (size_t i = 0; (row = cli_row(cli, i)) != NULL; i++)
		OK_MSG(row->help[0] != '\0' && row->run != NULL, row->words);
}

int
main(void)
{
	sbuf_init(&got, 8u << 20);
	sbuf_reserve(&got, 1);
	cli = cli_new(modules, ARRAY_LEN(modules));
	cli_set_max_payload(cli, 1000);
	test_modes();
	test_levels();
	test_unknown();
	test_payload();
	test_limits();
	test_severity();
	test_arguments();
	test_late();
	test_endless();
	test_large();
	test_cuts();
	test_rows();
	cli_free(&cli);
	sbuf_fini(&got);
	return tap_done();
}
