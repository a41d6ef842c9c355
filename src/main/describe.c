// SPDX-License-Identifier: MIT
// What a configuration means for the system it runs on, before it runs: user, limits, sockets.
#include <grp.h>
#include <pwd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/sbuf.h"
#include "main/service.h"

static void
describe_limits(const struct service *s, struct sbuf *out)
{
	struct rlimit now = {0};
	uint64_t fixed = s->setup->rlimit_nofile, need = proxy_setup_descriptors(s->set);
	(void)getrlimit(RLIMIT_NOFILE, &now); // a known limit
	// Whoever may raise the hard limit is not asked here: it is the start that finds out.
	uint64_t limit = fixed != 0 ? fixed : MAX((uint64_t)now.rlim_cur, need);
	limit = geteuid() != 0 ? MIN(limit, (uint64_t)now.rlim_max) : limit;
	sbuf_printf(out, "  %-12s: %llu for maxconn %u; the limit is %llu, at most %llu",
		    "descriptors", (unsigned long long)need, s->set->global.maxconn,
		    (unsigned long long)now.rlim_cur, (unsigned long long)now.rlim_max);
	if (fixed != 0)
		sbuf_printf(out, ", ulimit-n %llu", (unsigned long long)fixed);
	uint64_t maxconn = service_maxconn_for(s, limit);
	if (maxconn < s->set->global.maxconn)
		sbuf_printf(out, ": maxconn becomes %llu", (unsigned long long)maxconn);
	sbuf_add_byte(out, '\n');
}

static void
describe_locked(const struct service *s, struct sbuf *out)
{
	struct rlimit now = {0};
	(void)getrlimit(RLIMIT_MEMLOCK, &now); // a known limit
	sbuf_printf(out, "  %-12s: %llu KiB wanted for io_uring's rings; the limit is ", "locked",
		    (unsigned long long)service_locked_bytes(s) / 1024);
	if (now.rlim_cur == RLIM_INFINITY)
		sbuf_add(out, STR("none\n"));
	else
		sbuf_printf(out, "%llu KiB\n", (unsigned long long)now.rlim_cur / 1024);
}

static void
add_owner(struct sbuf *out, const struct cli_socket_conf *c)
{
	const struct passwd *user = c->uid >= 0 ? getpwuid((uid_t)c->uid) : NULL;
	const struct group *group = c->gid >= 0 ? getgrgid((gid_t)c->gid) : NULL;
	if (user != NULL)
		sbuf_printf(out, ", user %s", user->pw_name);
	else if (c->uid >= 0)
		sbuf_printf(out, ", user %lld", (long long)c->uid);
	if (group != NULL)
		sbuf_printf(out, ", group %s", group->gr_name);
	else if (c->gid >= 0)
		sbuf_printf(out, ", group %lld", (long long)c->gid);
	if (c->uid < 0 && c->gid < 0)
		sbuf_add(out, STR(", owner as started"));
}

static void
describe_socket(const struct cli_socket_conf *c, struct sbuf *out)
{
	struct addr a = {.len = c->addr.sa_len};
	char text[ADDR_TEXT_BYTES];
	memcpy(&a.sa, &c->addr.sa, MIN(c->addr.sa_len, sizeof(a) - offsetof(struct addr, sa)));
	if (c->addr.kind == CONF_ADDR_FD)
		sbuf_printf(out, "  %-12s: fd@%d", "socket", c->addr.fd);
	else
		sbuf_printf(out, "  %-12s: %s", "socket", addr_text(&a, text));
	sbuf_printf(out, ", level %s", cli_level_name(c->level));
	if (c->addr.kind == CONF_ADDR_FD || !addr_is_unix(&a)) {
		sbuf_add_byte(out, '\n');
		return;
	}
	if (c->mode != 0)
		sbuf_printf(out, ", mode %o", c->mode);
	else
		sbuf_add(out, STR(", mode as umask says"));
	add_owner(out, c);
	sbuf_add_byte(out, '\n');
}

void
service_describe(const struct service *s, struct sbuf *out)
{
	struct rights r = service_rights(s);
	const struct proxy_global *g = &s->set->global;
	const struct cli_conf *cli = cli_conf_of(s->conf);
	rights_describe(&r, out);
	describe_limits(s, out);
	describe_locked(s, out);
	for (const struct cli_socket_conf *c = cli->first; c != NULL; c = c->next)
		describe_socket(c, out);
	if (cli->first == NULL)
		sbuf_printf(out, "  %-12s: none: no 'stats socket' in section global\n", "socket");
	if (g->state_dir.n > 0)
		sbuf_printf(out, "  %-12s: %.*s, made with mode 750, files 600\n", "state-dir",
			    STR_ARG(g->state_dir));
	else
		sbuf_printf(out, "  %-12s: none\n", "state-dir");
}
