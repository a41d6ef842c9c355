// SPDX-License-Identifier: MIT
// The way from files to a struct proxy_set, and the module that proxy/ contributes.
#include "proxy/setup.h"

#include "base/mem.h"
#include "base/module.h"
#include "net/loop.h"
#include "proxy/action_priv.h"
#include "proxy/cli_proxy_priv.h"
#include "proxy/conf_priv.h"
#include "proxy/kept.h"
#include "proxy/lua_socket.h"

static void
set_global_defaults(struct proxy_global *g)
{
	*g = (struct proxy_global){.maxconn = 2000,
				   .bufsize = NET_BUFSIZE,
				   .gather_ns = NET_GATHER_NS,
				   .maxrewrite = 1024,
				   .max_headers = 101,
				   .cookie_len = 63,
				   .io_engine = STR("auto"),
				   .seccomp = true,
				   .log_tag = STR("tidegate"),
				   .pool_max_idle = 64,
				   .most_draining = 3,
				   .start_timeout_ns = 60 * NS_PER_S};
	g->logs_tail = &g->logs;
}

struct proxy_setup *
proxy_setup_new(struct conf *conf, struct expr_set *exprs, const struct module *const *modules)
{
	struct proxy_setup *s = CONF_NEW(conf, struct proxy_setup);
	s->magic = PROXY_SETUP_MAGIC;
	s->conf = conf;
	s->exprs = exprs;
	s->modules = modules;
	s->policy_tail = &s->first_policy;
	s->set = CONF_NEW(conf, struct proxy_set);
	set_global_defaults(&s->set->global);
	s->set->lua_sockets_most = PROXY_LUA_SOCKETS_LEAST;
	s->set->acl_memo = expr_set_memo(exprs);
	conf_bind(conf, "setup", s);
	conf_bind(conf, "proxy", s->set);
	conf_bind(conf, "expr", exprs);
	conf_bind(conf, "backends", &s->backend_objects);
	conf_defer(conf, NULL, conf_check_proxies, s);
	s->lua_limits =
	    (struct policy_limits){.session_ns = 4 * NS_PER_S, .service_ns = 4 * NS_PER_S};
	return s;
}

void
proxy_set_fini(struct proxy_set *set)
{
	struct proxy_setup *s = set->all != NULL ? set->all[0]->conf->setup : NULL;
	kept_fini(set);
	for (size_t i = 0; i < set->n_all; i++)
		backend_free(&set->all[i]->backend);
	if (s != NULL) {
		hash_map_fini(&s->defaults);
		hash_map_fini(&s->backend_objects);
	}
	hash_map_fini(&set->frontends);
	hash_map_fini(&set->backends);
	mem_free(set->all);
	set->all = NULL;
	set->n_all = 0;
}

// global's rows and those of proxies are two tables, but a module has one.
const struct module proxy_module = {
    .name = "proxy",
    .sections = conf_proxy_sections,
    .keywords = conf_proxy_keywords,
    .actions = actions_reply,
    .commands = cli_proxy_commands,
};
const struct module proxy_global_module = {
    .name = "global",
    .keywords = conf_global_keywords,
    .actions = actions_edit,
};
const struct module proxy_map_module = {
    .name = "rule-maps",
    .actions = actions_map,
};
const struct module proxy_var_module = {
    .name = "rule-variables",
    .actions = actions_var,
};
