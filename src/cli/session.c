// SPDX-License-Identifier: MIT
// The session's state machine: awaits a line and its payload (session_line.c), works through the
// line's commands one after the other (session_command.c), and closes or awaits the next. It moves
// on whenever something arrived or something was taken, and stops where a command waits or the
// client must read first.
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

void
cli_session_close(struct cli_session **sp)
{
	struct cli_session *s = *sp;
	*sp = NULL;
	CHECK_MAGIC(s, CLI_SESSION_MAGIC);
	ASSERT(!s->in_call);
	cli_command_end(s);
	for (size_t i = 0; i < CLI_MAX_KEPT; i++)
		if (s->kept[i].name != NULL)
			cli_keep(s, s->kept[i].name, NULL, NULL);
	s->cli->slots[s->slot].session = NULL;
	sbuf_fini(&s->in);
	sbuf_fini(&s->out);
	s->magic = 0;
	mem_free(s);
}

static bool
step(struct cli_session *s)
{
	if (s->row != NULL)
		return cli_command_go_on(s);
	if (s->out.n >= CLI_CHUNK_BYTES)
		return false;
	if (s->state == CLI_STATE_COMMANDS)
		return cli_command_next(s);
	if (s->state != CLI_STATE_OVER)
		return cli_line_step(s);
	cli_drop_input(s, cli_unread(s).n);
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
		cli_command_settle(s, CLI_DONE);
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

// ---- what commands ask of it

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
