// SPDX-License-Identifier: MIT
// The commands of a session's line, one after the other: whether one may run, its function, and
// what the function said of going on. What functions call to go on later is here too.
#include "cli/cli_priv.h"

void
cli_command_end(struct cli_session *s)
{
	if (s->free_state != NULL)
		s->free_state(s->more_state);
	s->free_state = NULL;
	s->more_state = NULL;
	s->more = NULL;
	s->row = NULL;
	s->idle_calls = 0;
	s->cli->slots[s->slot].generation++;
}

// A function that returns CLI_MORE again and again without output would spin the keeper.
#define MAX_IDLE_CALLS 100000u

void
cli_command_settle(struct cli_session *s, enum cli_status status)
{
	if (s->done_early && status == CLI_WAIT)
		status = CLI_DONE;
	s->done_early = false;
	s->status = status;
	if (status != CLI_DONE)
		return;
	cli_command_end(s);
	if (s->state != CLI_STATE_OVER) // "quit" answers nothing
		cli_out_end(s);
}

static bool
may_run(struct cli_session *s, const struct cli_args *args)
{
	const struct cli_command *row = args->row;
	if (row->level > s->level)
		cli_error(s, "Permission denied: that needs level %s, this session has %s",
			  cli_level_name(row->level), cli_level_name(s->level));
	else if (args->has_payload && !(row->flags & CLI_PAYLOAD))
		cli_error(s, "'%s' takes no payload.", row->words);
	else if (args->argc < row->min_args || args->argc > MAX(row->max_args, row->min_args))
		cli_usage(s, args);
	else
		return true;
	return false;
}

static void
run_words(struct cli_session *s, bool has_payload)
{
	int n;
	const struct cli_command *row = cli_match(s->cli, &s->words, &n);
	if (row == NULL) {
		cli_answer_unknown(s, &s->words);
		cli_out_end(s);
		return;
	}
	if (row->flags & CLI_PREFIX)
		n = 0;
	s->args = (struct cli_args){.argc = s->words.n - n, .argv = s->words.word + n, .row = row};
	if (has_payload) {
		s->args.has_payload = true;
		s->args.payload = str_of(s->in.p + s->in_at + s->payload_at, s->payload_n);
	}
	if (!may_run(s, &s->args)) {
		cli_out_end(s);
		return;
	}
	s->row = row;
	s->failed = false;
	s->in_call = true;
	enum cli_status status = row->run(s, &s->args);
	s->in_call = false;
	cli_audit(s);
	cli_command_settle(s, status);
}

bool
cli_command_next(struct cli_session *s)
{
	struct str line = str_slice(cli_unread(s), 0, s->line_n);
	enum cli_parse status = cli_parse_next(line, &s->next_command, &s->words);
	if (status == CLI_PARSE_OK) {
		run_words(s, s->words.payload);
		return true;
	}
	// The line was cut without fault before.
	ASSERT(status == CLI_PARSE_END);
	cli_drop_input(s, s->line_end);
	cli_await_line(s);
	return true;
}

// Bytes or the end after the line of an endless command stop it.
static bool
client_stirred(const struct cli_session *s)
{
	return s->eof || cli_unread(s).n > s->line_end;
}

bool
cli_command_go_on(struct cli_session *s)
{
	if ((s->row->flags & CLI_ENDLESS) && client_stirred(s)) {
		cli_command_settle(s, CLI_DONE);
		return true;
	}
	if (s->status == CLI_WAIT || s->out.n >= CLI_CHUNK_BYTES)
		return false;
	ASSERT(s->more != NULL);
	size_t before = s->out.n;
	s->in_call = true;
	enum cli_status status = s->more(s, s->more_state);
	s->in_call = false;
	s->idle_calls = s->out.n > before ? 0 : s->idle_calls + 1;
	ASSERT(s->idle_calls < MAX_IDLE_CALLS);
	cli_command_settle(s, status);
	return true;
}

// ---- called by commands

void
cli_continue(struct cli_session *s, cli_more_f more, void *state, cli_free_f free_state)
{
	CHECK_MAGIC(s, CLI_SESSION_MAGIC);
	ASSERT(s->row != NULL);
	s->more = more;
	s->more_state = state;
	s->free_state = free_state;
}

void *
cli_state(const struct cli_session *s)
{
	return s->more_state;
}

static void
wake(struct cli_session *s)
{
	if (s->wake != NULL)
		s->wake(s, s->owner);
}

void
cli_done(struct cli_session *s)
{
	CHECK_MAGIC(s, CLI_SESSION_MAGIC);
	ASSERT(s->row != NULL);
	if (s->in_call) {
		s->done_early = true;
		return;
	}
	ASSERT(s->status == CLI_WAIT);
	cli_command_settle(s, CLI_DONE);
	cli_session_run(s);
	wake(s);
}

void
cli_flush(struct cli_session *s)
{
	CHECK_MAGIC(s, CLI_SESSION_MAGIC);
	cli_out_line_end(s);
	if (!s->in_call)
		wake(s);
}
