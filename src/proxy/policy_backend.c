// SPDX-License-Identifier: MIT
// Backends as scripts see them, one row each; their servers are policy_server.c.
#include "proxy/policy_host_priv.h"
#include "proxy/policy_server.h"
#include "proxy/proxy.h"
#include "proxy/stats.h"

#define SUM(p, member) policy_sum_of(&(p)->be_stats, offsetof(struct be_counters, member))

static bool
state_response_time(const struct proxy *p, struct policy_value *out)
{
	return policy_response_time(&p->be_stats, out);
}

static bool
state_name(const struct proxy *p, struct policy_value *out)
{
	return policy_give_str(out, p->name);
}

static bool
state_sessions(const struct proxy *p, struct policy_value *out)
{
	return policy_give_int(out, SUM(p, sessions_now));
}

static bool
state_queue(const struct proxy *p, struct policy_value *out)
{
	return policy_give_int(out, backend_queued(p->backend));
}

static bool
state_up_servers(const struct proxy *p, struct policy_value *out)
{
	return policy_give_int(out, backend_usable_servers(p->backend));
}

static bool
state_servers(const struct proxy *p, struct policy_value *out)
{
	return policy_give_int(out, (int64_t)p->backend->n_servers);
}

static bool
state_requests(const struct proxy *p, struct policy_value *out)
{
	return policy_give_int(out, SUM(p, requests));
}

static const struct {
	const char *name;
	bool (*get)(const struct proxy *p, struct policy_value *out);
} states[] = {
    {"name", state_name},
    {"sessions", state_sessions},
    {"queue", state_queue},
    {"up_servers", state_up_servers},
    {"servers", state_servers},
    {"requests", state_requests},
    {"response_time", state_response_time},
};

bool
policy_backend_ask(const struct proxy_set *set, size_t index, const struct policy_value *args,
		   unsigned n, struct policy_value *out, struct err *err)
{
	const struct proxy *p = set->all[index];
	struct str what = args[0].s;
	if (n > 1)
		return policy_server_ask(p, what, &args[1], out, err);
	for (size_t i = 0; i < ARRAY_LEN(states); i++)
		if (str_eq(what, str_from_c(states[i].name)))
			return states[i].get(p, out);
	return err_set(err,
		       "backends.%.*s has no '%.*s': name, sessions, queue, up_servers, servers, "
		       "requests, response_time",
		       STR_ARG(p->name), STR_ARG(what));
}

struct name_iter {
	const struct proxy_set *set;
	size_t at;
};

static const char *
next_backend(void *iter)
{
	struct name_iter *it = iter;
	while (it->at < it->set->n_all) {
		const struct proxy *p = it->set->all[it->at++];
		if (p->backend != NULL)
			return p->name.p; // NUL-terminated: a word of the configuration
	}
	return NULL;
}

int
policy_backend_find(const struct proxy_set *set, struct str name, struct err *err)
{
	for (size_t i = 0; i < set->n_all; i++)
		if (set->all[i]->backend != NULL && str_eq(name, set->all[i]->name))
			return (int)i;
	struct name_iter it = {.set = set};
	const char *near = str_suggest(name, next_backend, &it);
	err_set(err, "there is no backend '%.*s'%s%s%s", STR_ARG(name),
		near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
		near != NULL ? "'?" : "");
	return -1;
}
