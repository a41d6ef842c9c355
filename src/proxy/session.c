// SPDX-License-Identifier: MIT
// Variables of a connection (sess.) and keys that it tracks: most connections have none, so theirs
// is memory of its own, taken when the first comes.
#include "proxy/conns.h"
#include "net/loop.h"
#include "proxy/worker.h"

#define SESSION_ARENA_BYTES 65536u

struct var_scope *
session_vars(struct client *c)
{
	if (c->session != NULL)
		return &c->session->vars;
	struct session *s = pool_get(&c->worker->sessions);
	if (s == NULL)
		return NULL;
	arena_init(&s->arena, SESSION_ARENA_BYTES);
	var_scope_init(&s->vars, &s->arena);
	s->tracked = (struct stick_refs){0};
	c->session = s;
	return &s->vars;
}

void
session_end(struct client *c)
{
	if (LIKELY(c->session == NULL))
		return;
	stick_refs_let_go(&c->session->tracked, loop_boot_ns(c->worker->loop));
	arena_fini(&c->session->arena);
	pool_put(&c->worker->sessions, c->session);
	c->session = NULL;
}
