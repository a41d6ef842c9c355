// SPDX-License-Identifier: MIT
// What a server line's words on health make of the server: its check, what requests tell of it, and
// whom it tracks.
#include "backend/agent.h"
#include "base/hash.h"
#include "proxy/conf_health.h"
#include "proxy/conf_priv.h"

struct tracking {
	struct server *server;
	struct str name; // of the other
	const struct conf_line *line;
};

static struct server *
find_tracked(struct conf *conf, const struct tracking *t, struct err *err)
{
	const struct hash_map *backends = conf_bound(conf, "backends");
	struct str rest = t->name, name;
	const struct backend *b = t->server->backend;
	(void)str_next(&rest, '/', &name); // the whole of it, if there is none
	if (rest.p != NULL) {
		b = hash_map_get(backends, name);
		name = rest;
	}
	struct server *s = b != NULL ? backend_find_server(b, name) : NULL;
	if (s == NULL)
		err_set(err, "'track %.*s': there is no such server", STR_ARG(t->name));
	return s;
}

// Once all are linked: at the end of each chain stands one that is checked.
static bool
check_tracking(struct conf *conf, void *arg, struct err *err)
{
	const struct tracking *t = arg;
	const struct server *s = t->server->track, *slow = s;
	(void)conf;
	for (unsigned n = 0; s != NULL && s->track != NULL; n++) {
		s = s->track;
		slow = n % 2 == 1 ? slow->track : slow;
		if (s == t->server || s == slow)
			return err_set(err, "'track %.*s': the chain comes back to where it was",
				       STR_ARG(t->name));
	}
	return (s != NULL && s->check != NULL) ||
	       err_set(err, "'track %.*s': it is not checked, nor does it track one that is",
		       STR_ARG(t->name));
}

static bool
link_tracking(struct conf *conf, void *arg, struct err *err)
{
	struct tracking *t = arg;
	struct server *s = t->server, *of = find_tracked(conf, t, err);
	if (of == NULL)
		return false;
	s->track = of;
	s->next_tracker = of->trackers;
	of->trackers = s;
	conf_defer(conf, t->line, check_tracking, t);
	return true;
}

static bool
begin_tracking(struct conf *conf, const struct conf_line *line, struct server *s,
	       const struct health_words *w, struct err *err)
{
	if (w->check)
		return err_set(err,
			       "'check' and 'track' exclude each other: write 'no-check' or take "
			       "'track' away");
	struct tracking *t = CONF_NEW(conf, struct tracking);
	*t = (struct tracking){.server = s, .name = w->track, .line = line};
	conf_defer(conf, line, link_tracking, t);
	return true;
}

static bool
begin_agent(struct server *s, const struct health_words *w, struct err *err)
{
	if (!w->agent)
		return true;
	if (w->agent_port == 0)
		return err_set(err,
			       "'agent-check' needs the port where it is: add 'agent-port PORT'");
	if (w->track.n > 0)
		return err_set(err,
			       "'agent-check' and 'track' exclude each other: give the agent to "
			       "the server that is tracked");
	const struct check_conf c = {.inter_ns =
					 w->agent_inter_ns != 0 ? w->agent_inter_ns : w->inter_ns,
				     .addr = w->agent_addr,
				     .port = (uint16_t)w->agent_port};
	s->agent = agent_new(s, &c, w->agent_send);
	return true;
}

bool
conf_health_server(struct conf *conf, const struct conf_line *line, struct proxy *p,
		   struct server *s, const struct health_words *w, struct err *err)
{
	if (w->observe && w->observe_layer == OBSERVE_LAYER7 && p->mode == PROXY_TCP)
		return err_set(err, "'observe layer7' needs mode http");
	if (w->observe && !w->check)
		conf_warn(conf, line, "'observe' has no effect without 'check'");
	s->kills_when_down = w->kills_when_down;
	s->kills_backups_when_up = w->kills_backups_when_up;
	if (!begin_agent(s, w, err))
		return false;
	if (w->track.n > 0)
		return begin_tracking(conf, line, s, w, err);
	if (!w->check)
		return true;
	struct check_conf c = {.inter_ns = w->inter_ns,
			       .fastinter_ns = w->fastinter_ns,
			       .downinter_ns = w->downinter_ns,
			       .addr = w->addr,
			       .port = (uint16_t)w->port,
			       .send_proxy = w->send_proxy || (s->proxy_version != 0 &&
							       w->port == 0 && w->addr.len == 0)};
	s->check = check_new(s, &c, (uint32_t)w->rise, (uint32_t)w->fall, NULL);
	if (w->observe)
		s->observed =
		    observed_new(s, (enum observe_layer)w->observe_layer,
				 (enum observe_action)w->on_error, (uint32_t)w->error_limit);
	if (atomic_load_explicit(&s->admin, memory_order_relaxed) & SERVER_MAINT)
		s->check->health.points = 0;
	return true;
}
