// SPDX-License-Identifier: MIT
// The framework's own commands: help, the modes of a session, its level, its limits.
#include <unistd.h>

#include "cli/cli_priv.h"
#include "cli/config_priv.h"

static enum cli_status
run_help(struct cli_session *s, const struct cli_args *args)
{
	cli_answer_help(s, args);
	return CLI_DONE;
}

static enum cli_status
run_quit(struct cli_session *s, const struct cli_args *args)
{
	(void)args;
	s->state = CLI_STATE_OVER;
	return CLI_DONE;
}

// Without a word it toggles; n, i and p name the modes: one line then close, many lines, many
// lines with a prompt.
static enum cli_status
run_prompt(struct cli_session *s, const struct cli_args *args)
{
	struct str mode = args->argc > 0 ? args->argv[0] : s->interactive ? STR("n") : STR("p");
	if (mode.n != 1 || strchr("nip", mode.p[0]) == NULL)
		return cli_usage(s, args);
	s->interactive = mode.p[0] != 'n';
	s->prompt = mode.p[0] == 'p';
	return CLI_DONE;
}

static enum cli_status
run_echo(struct cli_session *s, const struct cli_args *args)
{
	for (int i = 0; i < args->argc; i++) {
		cli_add(s, i > 0 ? STR(" ") : STR(""));
		cli_add(s, args->argv[i]);
	}
	cli_add(s, args->argc > 0 ? STR("\n") : STR(""));
	return CLI_DONE;
}

static enum cli_status
run_show_version(struct cli_session *s, const struct cli_args *args)
{
	(void)args;
	cli_msg(s, "%s", TIDEGATE_VERSION);
	return CLI_DONE;
}

static enum cli_status
run_show_level(struct cli_session *s, const struct cli_args *args)
{
	(void)args;
	cli_msg(s, "%s", cli_level_name(s->level));
	return CLI_DONE;
}

static enum cli_status
run_show_sockets(struct cli_session *s, const struct cli_args *args)
{
	(void)args;
	cli_add(s, STR("# socket lvl processes\n"));
	if (s->cli->list_sockets != NULL)
		s->cli->list_sockets(s, s->cli->list_sockets_arg);
	return CLI_DONE;
}

static enum cli_status
run_show_env(struct cli_session *s, const struct cli_args *args)
{
	struct str want = args->argv[0];
	bool found = false;
	for (char **e = environ; *e != NULL; e++) {
		struct str line = str_from_c(*e);
		size_t n = str_find_byte(line, '=');
		if (args->argc == 1 && !str_eq(str_slice(line, 0, n), want))
			continue;
		found = true;
		cli_printf(s, "%s\n", *e);
	}
	if (args->argc == 1 && !found)
		return cli_error(s, "Variable not found");
	return CLI_DONE;
}

// `user` and `operator`: only downwards.
static enum cli_status
run_lower(struct cli_session *s, const struct cli_args *args)
{
	s->level = str_eq(str_from_c(args->row->words), STR("user")) ? CLI_USER : CLI_OPERATOR;
	return CLI_DONE;
}

static enum cli_status
run_set_timeout(struct cli_session *s, const struct cli_args *args)
{
	uint64_t us;
	if (!str_to_time_us(args->argv[0], 1000000, &us) || us == 0 || us > UINT64_MAX / 1000)
		return cli_error(s, "Invalid timeout value.");
	s->timeout_ns = us * 1000;
	return CLI_DONE;
}

static enum cli_status
run_set_severity(struct cli_session *s, const struct cli_args *args)
{
	static const char *const words[] = {"none", "number", "string", "line"};
	for (unsigned i = 0; i < ARRAY_LEN(words); i++) {
		if (args->argc != 1 || !str_eq(args->argv[0], str_from_c(words[i])))
			continue;
		s->format = (enum cli_severity_format)i;
		return CLI_DONE;
	}
	return cli_error(s, "one of 'none', 'number', 'string', 'line' is a required argument");
}

static const struct cli_command commands[] = {
    {.words = "help",
     .level = CLI_USER,
     .args = "[WORD]...",
     .max_args = CLI_ANY_ARGS,
     .run = run_help,
     .help = "list matching or all commands"},
    {.words = "prompt",
     .level = CLI_USER,
     .args = "[n|i|p]",
     .max_args = 1,
     .run = run_prompt,
     .help = "toggle interactive mode with prompt; n one line, i many lines, p with prompt"},
    {.words = "quit", .level = CLI_USER, .run = run_quit, .help = "disconnect"},
    {.words = "echo",
     .level = CLI_USER,
     .args = "[WORD]...",
     .max_args = CLI_ANY_ARGS,
     .run = run_echo,
     .help = "answer the words"},
    {.words = "user",
     .level = CLI_USER,
     .run = run_lower,
     .help = "lower the level of the current CLI session to user"},
    {.words = "operator",
     .level = CLI_OPERATOR,
     .run = run_lower,
     .help = "lower the level of the current CLI session to operator"},
    {.words = "set severity-output",
     .level = CLI_USER,
     .args = "none|number|string|line",
     .max_args = CLI_ANY_ARGS,
     .run = run_set_severity,
     .help = "show severities: before messages by number or word, or before every line"},
    {.words = "set timeout cli",
     .level = CLI_USER,
     .args = "TIME",
     .min_args = 1,
     .max_args = 1,
     .run = run_set_timeout,
     .help = "change the idle timeout of this session, in seconds unless a unit is given"},
    {.words = "show cli level",
     .level = CLI_USER,
     .run = run_show_level,
     .help = "display the level of the current CLI session"},
    {.words = "show cli sockets",
     .level = CLI_OPERATOR,
     .run = run_show_sockets,
     .help = "list the sockets of the CLI"},
    {.words = "show env",
     .level = CLI_OPERATOR,
     .args = "[NAME]",
     .max_args = 1,
     .run = run_show_env,
     .help = "dump environment variables known to the process"},
    {.words = "show version",
     .level = CLI_USER,
     .run = run_show_version,
     .help = "show the version of the process"},
    {.words = NULL},
};

const struct module cli_module = {
    .name = "cli",
    .keywords = cli_keywords,
    .commands = commands,
};
