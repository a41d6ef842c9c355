// SPDX-License-Identifier: MIT
// Variables of a connection (sess.): most connections have none, so theirs is memory of its own,
// taken at the first write.
#include "proxy/conns.h"
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
	c->session = s;
	return &s->vars;
}

void
session_end(struct client *c)
{
	if (LIKELY(c->session == NULL))
		return;
	arena_fini(&c->session->arena);
	pool_put(&c->worker->sessions, c->session);
	c->session = NULL;
}
