// SPDX-License-Identifier: MIT
// The session's state machine: awaits a line (and its payload), works through the line's commands
// one after the other, and closes or awaits the next. It moves on whenever something arrived or
// something was taken, and stops where a command waits or the client must read first. A line that
// cannot be cut into words does nothing at all.
#include <stdio.h>

#include "base/mem.h"
#include "base/user.h"
#include "cli/cli_priv.h"

// Room behind the longest line and payload: newlines, delimiter, and what follows in one read.
#define IN_SLACK_BYTES 4096
#define OUT_CAP_BYTES  (CLI_ANSWER_BYTES * 8) // prefixes can grow an answer sevenfold

static uint32_t
take_slot(struct cli *cli, struct cli_session *s)
{
	size_t i = 0;
	while (i < cli->n_slots && cli->slots[i].session != NULL)
		i++;
	if (i == cli->n_slots) {
		VEC_GROW(cli->slots, cli->slots_cap, cli->n_slots);
		cli->slots[cli->n_slots++] = (struct cli_slot){0};
	}
	cli->slots[i].session = s;
	return (uint32_t)i;
}

struct cli_session *
cli_session_open(struct cli *cli, enum cli_level level, const struct cli_peer *peer,
		 cli_wake_f wake, void *owner)
{
	CHECK_MAGIC(cli, CLI_MAGIC);
	struct cli_session *s = MEM_NEW(struct cli_session);
	s->magic = CLI_SESSION_MAGIC;
	s->cli = cli;
	s->slot = take_slot(cli, s);
	s->level = level;
	s->peer = *peer;
	s->wake = wake;
	s->owner = owner;
	if (peer->known)
		user_name(peer->uid, s->who, sizeof(s->who));
	else
		snprintf(s->who, sizeof(s->who), "%s", peer->from);
	sbuf_init(&s->in, CLI_LINE_BYTES + cli->max_payload + IN_SLACK_BYTES);
	sbuf_init(&s->out, OUT_CAP_BYTES);
	return s;
}

static void
end_command(struct cli_session *s)
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

void
cli_session_close(struct cli_session **sp)
{
	struct cli_session *s = *sp;
	*sp = NULL;
	CHECK_MAGIC(s, CLI_SESSION_MAGIC);
	ASSERT(!s->in_call);
	end_command(s);
	for (size_t i = 0; i < CLI_MAX_KEPT; i++)
		if (s->kept[i].name != NULL)
			cli_keep(s, s->kept[i].name, NULL, NULL);
	s->cli->slots[s->slot].session = NULL;
	sbuf_fini(&s->in);
	sbuf_fini(&s->out);
	s->magic = 0;
	mem_free(s);
}

// ---- input

static struct str
unread(const struct cli_session *s)
{
	return str_of(s->in.p != NULL ? s->in.p + s->in_at : "", s->in.n - s->in_at);
}

static void
drop_input(struct cli_session *s, size_t n)
{
	s->in_at += n;
	s->scan = 0;
	if (s->in_at == s->in.n) {
		s->in.n = 0;
		s->in_at = 0;
	}
}

// Length of the line at `from` of the unread bytes without its newline; SIZE_MAX while it is not
// whole. Bytes before s->scan were looked at before.
static size_t
line_length(struct cli_session *s, size_t from)
{
	struct str in = unread(s);
	size_t at = MAX(from, s->scan);
	size_t n = str_find_byte(str_slice(in, at, in.n), '\n');
	if (n == SIZE_MAX) {
		s->scan = in.n;
		return SIZE_MAX;
	}
	return at + n - from;
}

static struct str
without_cr(struct str line)
{
	return line.n > 0 && line.p[line.n - 1] == '\r' ? str_slice(line, 0, line.n - 1) : line;
}

static void
show_prompt(struct cli_session *s, struct str prompt)
{
	if (s->prompt && s->state != CLI_STATE_OVER)
		cli_out_raw(s, prompt);
}

static void
await_line(struct cli_session *s)
{
	s->state = s->interactive ? CLI_STATE_LINE : CLI_STATE_OVER;
	show_prompt(s, STR("> "));
}

static void
refuse(struct cli_session *s, const char *text)
{
	cli_error(s, "%s", text);
	cli_out_end(s);
}

// The end of input inside something unfinished.
static bool
refuse_unfinished(struct cli_session *s, const char *text)
{
	if (!s->eof)
		return false;
	if (text != NULL && unread(s).n > 0)
		refuse(s, text);
	s->state = CLI_STATE_OVER;
	return true;
}

static void
keep_delimiter(struct cli_session *s, struct str delimiter)
{
	if (delimiter.n > 0)
		memcpy(s->delimiter, delimiter.p, delimiter.n);
	s->delimiter[delimiter.n] = '\0';
}

// Cuts the whole line once before anything of it runs: faults and the payload's mark show.
static void
begin_line(struct cli_session *s, size_t n)
{
	struct str line = without_cr(str_slice(unread(s), 0, n));
	s->line_n = line.n;
	s->next_command = 0;
	s->payload_at = n + 1;
	s->payload_n = 0;
	s->line_end = n + 1;
	size_t at = 0;
	bool empty = true, payload = false;
	enum cli_parse status;
	while ((status = cli_parse_next(line, &at, &s->words)) == CLI_PARSE_OK) {
		empty = false;
		payload = s->words.payload;
		keep_delimiter(s, s->words.delimiter);
	}
	if (status != CLI_PARSE_END) {
		// What follows may be the payload of a mark that was not understood.
		if (str_find(line, STR("<<")) != SIZE_MAX)
			s->interactive = false;
		refuse(s, cli_parse_text(status));
		drop_input(s, n + 1);
		await_line(s);
		return;
	}
	if (empty && !s->interactive) {
		cli_answer_unknown(s, &s->words);
		cli_out_end(s);
	}
	s->state = CLI_STATE_COMMANDS;
	if (!payload)
		return;
	s->state = CLI_STATE_PAYLOAD;
	show_prompt(s, STR("+ "));
}

static bool
step_line(struct cli_session *s)
{
	size_t n = line_length(s, 0);
	if (n == SIZE_MAX && unread(s).n <= CLI_LINE_BYTES)
		return refuse_unfinished(s, "The last line has no newline; it was not performed.");
	if (n == SIZE_MAX || n > CLI_LINE_BYTES) {
		cli_error(s, "The line is longer than %d bytes; nothing was done.", CLI_LINE_BYTES);
		cli_out_end(s);
		s->interactive = false; // the part not read may have announced a payload
		s->state = CLI_STATE_SKIP_LINE;
		return true;
	}
	begin_line(s, n);
	return true;
}

static bool
is_payload_end(const struct cli_session *s, struct str line)
{
	return str_eq(without_cr(line), str_from_c(s->delimiter));
}

static bool
step_payload(struct cli_session *s)
{
	size_t from = s->payload_at + s->payload_n;
	size_t n = line_length(s, from);
	bool whole = n != SIZE_MAX;
	struct str in = unread(s);
	struct str line = str_slice(in, from, whole ? from + n : in.n);
	if (whole && is_payload_end(s, line)) {
		s->in.p[s->in_at + from] = '\0'; // the payload's end; this line was read
		s->line_end = from + n + 1;
		s->state = CLI_STATE_COMMANDS;
		return true;
	}
	// An unfinished line this short may still be the delimiter.
	bool surely_payload = whole || line.n > strlen(s->delimiter) + 1;
	if (surely_payload && s->payload_n + line.n + whole > s->cli->max_payload) {
		cli_error(s, "The payload is longer than %zu bytes; nothing was done.",
			  s->cli->max_payload);
		cli_out_end(s);
		drop_input(s, from);
		s->state = CLI_STATE_SKIP_PAYLOAD;
		return true;
	}
	if (!whole)
		return refuse_unfinished(s, "The payload was not ended; nothing was done.");
	s->payload_n += n + 1;
	show_prompt(s, STR("+ "));
	return true;
}

static bool
step_skip(struct cli_session *s)
{
	size_t n = line_length(s, 0);
	if (n == SIZE_MAX) {
		// Of a payload's line keep the start, where a delimiter would stand.
		struct str in = unread(s);
		if (s->state == CLI_STATE_SKIP_LINE)
			drop_input(s, in.n);
		else if (in.n > CLI_DELIMITER_BYTES + 2)
			drop_input(s, in.n - CLI_DELIMITER_BYTES - 2);
		return refuse_unfinished(s, NULL);
	}
	struct str line = str_slice(unread(s), 0, n);
	bool last = s->state == CLI_STATE_SKIP_LINE || is_payload_end(s, line);
	drop_input(s, n + 1);
	if (last)
		await_line(s);
	return true;
}

// ---- commands

// A function that returns CLI_MORE again and again without output would spin the keeper.
#define MAX_IDLE_CALLS 100000u

static void
settle(struct cli_session *s, enum cli_status status)
{
	if (s->done_early && status == CLI_WAIT)
		status = CLI_DONE;
	s->done_early = false;
	s->status = status;
	if (status != CLI_DONE)
		return;
	end_command(s);
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
	settle(s, status);
}

static bool
step_commands(struct cli_session *s)
{
	struct str line = str_slice(unread(s), 0, s->line_n);
	enum cli_parse status = cli_parse_next(line, &s->next_command, &s->words);
	if (status == CLI_PARSE_OK) {
		run_words(s, s->words.payload);
		return true;
	}
	// The line was cut without fault before.
	ASSERT(status == CLI_PARSE_END);
	drop_input(s, s->line_end);
	await_line(s);
	return true;
}

// Bytes or the end after the line of an endless command stop it.
static bool
client_stirred(const struct cli_session *s)
{
	return s->eof || unread(s).n > s->line_end;
}

// One step of the command under way; false when it must wait.
static bool
step_running(struct cli_session *s)
{
	if ((s->row->flags & CLI_ENDLESS) && client_stirred(s)) {
		settle(s, CLI_DONE);
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
	settle(s, status);
	return true;
}

static bool
step(struct cli_session *s)
{
	if (s->row != NULL)
		return step_running(s);
	if (s->out.n >= CLI_CHUNK_BYTES)
		return false;
	switch (s->state) {
	case CLI_STATE_LINE:
		return step_line(s);
	case CLI_STATE_PAYLOAD:
		return step_payload(s);
	case CLI_STATE_COMMANDS:
		return step_commands(s);
	case CLI_STATE_SKIP_LINE:
	case CLI_STATE_SKIP_PAYLOAD:
		return step_skip(s);
	case CLI_STATE_OVER:
		drop_input(s, unread(s).n);
		return false;
	}
	return false;
}

void
cli_session_run(struct cli_session *s)
{
	CHECK_MAGIC(s, CLI_SESSION_MAGIC);
	if (s->in_call)
		return;
	while (step(s))
		;
}

// ---- from outside

// Input moves only between lines, when nothing points into it.
static void
make_room(struct cli_session *s)
{
	bool worth_it = s->in_at >= s->in.n / 2 || s->in.cap - s->in.n < CLI_CHUNK_BYTES;
	if (s->in_at == 0 || !worth_it)
		return;
	memmove(s->in.p, s->in.p + s->in_at, s->in.n - s->in_at);
	s->in.n -= s->in_at;
	s->in_at = 0;
}

size_t
cli_session_feed(struct cli_session *s, struct str bytes)
{
	CHECK_MAGIC(s, CLI_SESSION_MAGIC);
	ASSERT(!s->in_call && !s->eof);
	size_t taken = 0;
	if (s->row != NULL && (s->row->flags & CLI_ENDLESS) && bytes.n > 0) {
		settle(s, CLI_DONE);
		cli_session_run(s);
	}
	while (taken < bytes.n && s->row == NULL) {
		make_room(s);
		size_t room = s->in.cap - s->in.n;
		size_t n = MIN(MIN(bytes.n - taken, (size_t)CLI_CHUNK_BYTES), room);
		if (n == 0)
			break;
		sbuf_add(&s->in, str_slice(bytes, taken, taken + n));
		if (s->in.full) // no memory: the client is told nothing true any more
			s->state = CLI_STATE_OVER;
		taken += n;
		cli_session_run(s);
	}
	return taken;
}

void
cli_session_eof(struct cli_session *s)
{
	CHECK_MAGIC(s, CLI_SESSION_MAGIC);
	s->eof = true;
	cli_session_run(s);
}

bool
cli_session_take(struct cli_session *s, struct sbuf *into)
{
	CHECK_MAGIC(s, CLI_SESSION_MAGIC);
	ASSERT(into->n == 0);
	cli_session_run(s);
	if (s->out.n == 0)
		return false;
	struct sbuf had = s->out;
	s->out = *into;
	s->out.cap = OUT_CAP_BYTES;
	*into = had;
	return true;
}

bool
cli_session_over(const struct cli_session *s)
{
	return s->row == NULL && s->out.n == 0 && (s->state == CLI_STATE_OVER || s->out.full);
}

bool
cli_session_waits(const struct cli_session *s)
{
	return s->row != NULL && s->status == CLI_WAIT;
}

uint64_t
cli_session_timeout_ns(const struct cli_session *s)
{
	return s->timeout_ns;
}

// ---- for commands

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

static size_t
find_kept(const struct cli_session *s, const char *name)
{
	size_t i = 0;
	while (i < CLI_MAX_KEPT && (s->kept[i].name == NULL || strcmp(s->kept[i].name, name) != 0))
		i++;
	return i;
}

void
cli_keep(struct cli_session *s, const char *name, void *object, cli_free_f free_object)
{
	CHECK_MAGIC(s, CLI_SESSION_MAGIC);
	size_t i = find_kept(s, name);
	if (i < CLI_MAX_KEPT && s->kept[i].free_object != NULL)
		s->kept[i].free_object(s->kept[i].object);
	for (size_t k = 0; i == CLI_MAX_KEPT && k < CLI_MAX_KEPT; k++)
		if (s->kept[k].name == NULL)
			i = k;
	ASSERT(i < CLI_MAX_KEPT);
	s->kept[i].name = object != NULL ? name : NULL;
	s->kept[i].object = object;
	s->kept[i].free_object = free_object;
}

void *
cli_kept(const struct cli_session *s, const char *name)
{
	size_t i = find_kept(s, name);
	return i < CLI_MAX_KEPT ? s->kept[i].object : NULL;
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
	settle(s, CLI_DONE);
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

enum cli_level
cli_level(const struct cli_session *s)
{
	return s->level;
}

const struct cli_peer *
cli_peer(const struct cli_session *s)
{
	return &s->peer;
}

bool
cli_peer_in_group(const struct cli_peer *peer, uint32_t gid)
{
	if (!peer->known)
		return false;
	bool in = peer->gid == gid;
	for (uint32_t i = 0; i < peer->n_groups && !in; i++)
		in = peer->groups[i] == gid;
	return in;
}

struct str
cli_who(const struct cli_session *s)
{
	return str_from_c(s->who);
}
