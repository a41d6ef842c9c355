// SPDX-License-Identifier: MIT
// The CLI's session fed with anything: it must never crash, must end its answers, and must answer
// the same however the bytes are cut. The first byte chooses level and cut.
#include "cli/session.h"

#define MAX_TAKES 100000

static enum cli_status
run_echo(struct cli_session *s, const struct cli_args *args)
{
	for (int i = 0; i < args->argc; i++)
		cli_printf(s, "%zu:%s,", args->argv[i].n, args->argv[i].p);
	cli_add_json(s, args->payload);
	return CLI_DONE;
}

static enum cli_status
run_early(struct cli_session *s, const struct cli_args *args)
{
	cli_done(s);
	return args->argc > 0 ? cli_usage(s, args) : CLI_WAIT;
}

static enum cli_status
run_wait(struct cli_session *s, const struct cli_args *args)
{
	(void)s;
	(void)args;
	return CLI_WAIT;
}

static const struct cli_command rows[] = {
    {.words = "p",
     .max_args = CLI_ANY_ARGS,
     .flags = CLI_PAYLOAD,
     .run = run_echo,
     .help = "answers its arguments"},
    {.words = "p p",
     .level = CLI_ADMIN,
     .max_args = 3,
     .flags = CLI_PAYLOAD,
     .run = run_echo,
     .help = "answers its arguments"},
    {.words = "d", .max_args = 1, .run = run_early, .help = "is done early"},
    {.words = "w", .flags = CLI_ENDLESS, .run = run_wait, .help = "waits"},
    {.words = NULL},
};
static const struct module fuzz_module = {.name = "fuzz", .commands = rows};
static const struct module *const modules[] = {&cli_module, &fuzz_module};

static void
take_all(struct cli_session *s, struct sbuf *got)
{
	struct sbuf chunk;
	sbuf_init(&chunk, 1);
	for (int i = 0; cli_session_take(s, &chunk); i++) {
		ASSERT(i < MAX_TAKES);
		sbuf_add(got, sbuf_str(&chunk));
		sbuf_clear(&chunk);
	}
	sbuf_fini(&chunk);
}

static void
talk(struct cli *cli, enum cli_level level, struct str bytes, size_t piece, struct sbuf *got)
{
	struct cli_peer peer = {.from = "fuzz"};
	struct cli_session *s = cli_session_open(cli, level, &peer, NULL, NULL);
	while (bytes.n > 0) {
		size_t n = cli_session_feed(s, str_slice(bytes, 0, piece));
		bytes = str_slice(bytes, n, bytes.n);
		take_all(s, got);
		ASSERT(n > 0);
	}
	cli_session_eof(s);
	take_all(s, got);
	ASSERT(cli_session_over(s));
	cli_session_close(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n < 1 || n > 65536)
		return 0;
	enum cli_level level = (enum cli_level)(data[0] % 3);
	size_t piece = (size_t)data[0] / 3 + 1;
	struct str bytes = str_of((const char *)data + 1, n - 1);
	struct cli *cli = cli_new(modules, ARRAY_LEN(modules));
	cli_set_max_payload(cli, 300);
	struct sbuf whole, cut;
	sbuf_init(&whole, 64u << 20);
	sbuf_init(&cut, 64u << 20);
	talk(cli, level, bytes, bytes.n, &whole);
	talk(cli, level, bytes, piece, &cut);
	ASSERT(str_eq(sbuf_str(&whole), sbuf_str(&cut)));
	sbuf_fini(&whole);
	sbuf_fini(&cut);
	cli_free(&cli);
	return 0;
}
