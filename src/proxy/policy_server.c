// SPDX-License-Identifier: MIT
// Servers as scripts see them: rows of names and getters, and the three things that may be set,
// by the functions behind the command `set server`.
#include "proxy/policy_server.h"

#include "base/log.h"
#include "policy/policy.h"
#include "proxy/policy_host_priv.h"
#include "proxy/proxy.h"
#include "proxy/server_addr.h"
#include "proxy/stats.h"

int64_t
policy_sum_of(const struct metric_blocks *stats, size_t offset)
{
	const struct metric_row row = {.offset = offset, .kind = METRIC_GAUGE};
	if (stats->n_workers == 0)
		return 0; // nothing runs yet
	return (int64_t)metrics_read(stats, &row);
}

bool
policy_response_time(const struct metric_blocks *stats, struct policy_value *out)
{
	int64_t answers = 0;
	for (unsigned i = 1; i < 6; i++)
		answers += policy_sum_of(stats, offsetof(struct be_counters, responses.n) +
						    i * sizeof(struct metric));
	int64_t ms = policy_sum_of(stats, offsetof(struct be_counters, response_ms));
	if (answers > 0)
		*out = (struct policy_value){.type = POLICY_T_DOUBLE,
					     .d = (double)ms / (double)answers};
	return true;
}

// ---- what there is to read --------------------------------------------------------------------

static bool
get_name(const struct server *s, struct policy_value *out)
{
	return policy_give_str(out, s->name);
}

// In the words that set it, and "down" and "stopping" for what its checks say.
static bool
get_state(const struct server *s, struct policy_value *out)
{
	uint32_t bits = atomic_load_explicit(&s->admin, memory_order_relaxed);
	return policy_give_str(out, bits & (SERVER_MAINT | SERVER_MAINT_VIA)   ? STR("maint")
				    : bits & SERVER_DOWN                       ? STR("down")
				    : bits & (SERVER_DRAIN | SERVER_DRAIN_VIA) ? STR("drain")
				    : bits & SERVER_STOPPING                   ? STR("stopping")
									       : STR("ready"));
}

// What was set of it, whatever checks say.
static struct str
state_set(const struct server *s)
{
	uint32_t bits = atomic_load_explicit(&s->admin, memory_order_relaxed);
	return bits & SERVER_MAINT   ? STR("maint")
	       : bits & SERVER_DRAIN ? STR("drain")
				     : STR("ready");
}

static bool
get_up(const struct server *s, struct policy_value *out)
{
	return policy_give_bool(out, server_is_usable(s));
}

static bool
get_weight(const struct server *s, struct policy_value *out)
{
	return policy_give_int(out, atomic_load_explicit(&s->weight, memory_order_relaxed));
}

static bool
get_address(const struct server *s, struct policy_value *out)
{
	return policy_give_str(out, str_from_c(server_addr(s)->text));
}

static bool
get_initial_weight(const struct server *s, struct policy_value *out)
{
	return policy_give_int(out, s->weight_configured);
}

#define SUM(s, member) policy_sum_of(&(s)->stats, offsetof(struct be_counters, member))

static bool
get_sessions(const struct server *s, struct policy_value *out)
{
	return policy_give_int(out, SUM(s, sessions_now));
}

static bool
get_requests(const struct server *s, struct policy_value *out)
{
	return policy_give_int(out, SUM(s, requests));
}

static bool
get_response_time(const struct server *s, struct policy_value *out)
{
	return policy_response_time(&s->stats, out);
}

static const struct {
	const char *name;
	bool (*get)(const struct server *s, struct policy_value *out);
} rows[] = {
    {"name", get_name},         {"state", get_state},       {"up", get_up},
    {"weight", get_weight},     {"address", get_address},   {"initial_weight", get_initial_weight},
    {"sessions", get_sessions}, {"requests", get_requests}, {"response_time", get_response_time},
};

// ---- finding ------------------------------------------------------------------------------------

struct names {
	const struct backend *backend;
	size_t at;
};

static const char *
next_name(void *iter)
{
	struct names *n = iter;
	return n->at < n->backend->n_servers ? n->backend->servers[n->at++]->name.p : NULL;
}

// NULL with a cause.
static struct server *
find(const struct proxy *p, struct str name, struct err *err)
{
	struct server *s = backend_find_server(p->backend, name);
	struct names n = {.backend = p->backend};
	if (s != NULL)
		return s;
	const char *near = str_suggest(name, next_name, &n);
	err_set(err, "backend '%.*s' has no server '%.*s'%s%s%s", STR_ARG(p->name), STR_ARG(name),
		near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
		near != NULL ? "'?" : "");
	return NULL;
}

bool
policy_server_ask(const struct proxy *p, struct str what, const struct policy_value *server,
		  struct policy_value *out, struct err *err)
{
	const struct server *s;
	if (server->type == POLICY_T_INT) {
		if (server->i < 0 || (uint64_t)server->i >= p->backend->n_servers)
			return true;
		s = p->backend->servers[server->i];
	} else {
		s = find(p, server->s, err);
	}
	if (s == NULL)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (str_eq(what, str_from_c(rows[i].name)))
			return rows[i].get(s, out);
	return err_set(err,
		       "server %.*s/%.*s has no '%.*s': name, state, up, weight, address, "
		       "initial_weight, sessions, requests, response_time",
		       STR_ARG(p->name), STR_ARG(s->name), STR_ARG(what));
}

// ---- setting ------------------------------------------------------------------------------------

static bool
set_state(struct server *s, struct str value, struct str who, struct err *err)
{
	if (str_eq(state_set(s), value))
		return true;
	if (!server_set_state(s, value, err))
		return false;
	log_msg(LOG_WARNING, "Server %.*s/%.*s is %s, set by %.*s", STR_ARG(s->backend->name),
		STR_ARG(s->name), server_state_name(s), STR_ARG(who));
	return true;
}

static bool
set_weight(struct server *s, struct str value, struct str who, struct err *err)
{
	struct policy_value before, after;
	(void)get_weight(s, &before); // cannot fail
	if (!server_set_weight(s, value, err))
		return false;
	(void)get_weight(s, &after);
	if (before.i != after.i)
		log_msg(LOG_NOTICE, "Server %.*s/%.*s has weight %lld, set by %.*s",
			STR_ARG(s->backend->name), STR_ARG(s->name), (long long)after.i,
			STR_ARG(who));
	return true;
}

// What stands already is not set again: a script may say each second what it wants.
bool
policy_server_set(const struct proxy_set *set, const struct proxy *p, struct str name,
		  struct str what, struct str value, const char *who, struct err *err)
{
	struct server *s = find(p, name, err);
	struct addr to;
	if (s == NULL)
		return false;
	if (str_eq(what, STR("state")))
		return set_state(s, value, str_from_c(who), err);
	if (str_eq(what, STR("weight")))
		return set_weight(s, value, str_from_c(who), err);
	ASSERT(str_eq(what, STR("address")));
	if (!server_addr_parse_text(value, &to, err) || !server_addr_suits(s, &to, err))
		return false;
	(void)server_addr_set(set, s, &to, str_from_c(who), NULL, NULL); // or it is there already
	return true;
}
