// SPDX-License-Identifier: MIT
// Commands on how the names of servers in a backend's cookie are made.
#include "base/mem.h"
#include "net/worker.h"
#include "proxy/cli_proxy_priv.h"

struct change {
	const struct backend_cookies *before;
	struct cli_ref ref;
};

static void
nothing(struct worker *w UNUSED, void *arg UNUSED)
{
}

static void
changed(struct worker *keeper UNUSED, void *arg)
{
	struct change *c = arg;
	struct cli_session *s = cli_deref(c->ref);
	backend_cookies_free(c->before);
	if (s != NULL)
		cli_done(s);
	mem_free(c);
}

// Answers when every worker has had a turn with the new ones.
static enum cli_status
publish(struct cli_session *s, struct backend *b)
{
	const struct proxy_set *set = cli_bound(s, "proxy");
	struct change *c = MEM_NEW(struct change);
	*c = (struct change){.before = backend_cookies_publish(b), .ref = cli_ref(s)};
	worker_broadcast(set->threads, nothing, changed, c);
	return CLI_WAIT;
}

enum cli_status
cli_set_cookie_key(struct cli_session *s, const struct cli_args *a)
{
	struct backend *b = cli_find_backend(s, a->argv[0]);
	struct str key = a->argv[1];
	if (b == NULL)
		return CLI_DONE;
	if (key.n == 0 || key.n > COOKIE_KEY_MAX)
		return cli_error(s, "A key has 1 to %d bytes.", COOKIE_KEY_MAX);
	char *copy = mem_alloc(key.n);
	memcpy(copy, key.p, key.n);
	mem_free(b->cookie_making.set_key);
	b->cookie_making.set_key = copy;
	b->cookie_making.key = str_of(copy, key.n);
	return publish(s, b);
}

static enum cli_status
set_dynamic(struct cli_session *s, const struct cli_args *a, bool dynamic)
{
	struct backend *b = cli_find_backend(s, a->argv[0]);
	if (b == NULL)
		return CLI_DONE;
	b->cookie_making.dynamic = dynamic;
	return publish(s, b);
}

enum cli_status
cli_enable_dynamic_cookie(struct cli_session *s, const struct cli_args *a)
{
	return set_dynamic(s, a, true);
}

enum cli_status
cli_disable_dynamic_cookie(struct cli_session *s, const struct cli_args *a)
{
	return set_dynamic(s, a, false);
}
