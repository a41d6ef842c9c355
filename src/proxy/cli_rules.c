// SPDX-License-Identifier: MIT
// show rules: how often each rule was applied, those of one proxy or all, in the order in which a
// request meets them.
#include "proxy/cli_proxy_priv.h"

#include <inttypes.h>

#include "base/sbuf.h"
#include "proxy/rule_count.h"
#include "proxy/rule_explain.h"

#define MOST_TEXT_BYTES 65536u

static void
print_line(struct cli_session *s, const struct counted_rule *c)
{
	struct sbuf text;
	sbuf_init(&text, MOST_TEXT_BYTES);
	if (c->rule != NULL)
		rule_print(c->rule, &text);
	else
		switch_rule_print(c->use, &text);
	cli_printf(s, "%.*s %" PRIu64 " %.*s\n", STR_ARG(c->proxy->name), rule_count_read(c),
		   STR_ARG(sbuf_str(&text)));
	sbuf_fini(&text);
}

static void
print_json(struct cli_session *s, const struct counted_rule *c)
{
	struct sbuf text;
	sbuf_init(&text, MOST_TEXT_BYTES);
	counted_rule_print(c, &text);
	cli_add(s, STR("{\"proxy\":"));
	cli_add_json(s, c->proxy->name);
	cli_printf(s, ",\"applied\":%" PRIu64 ",\"file\":", rule_count_read(c));
	cli_add_json(s, str_from_c(c->rule != NULL ? c->rule->file : c->use->file));
	cli_printf(s, ",\"line\":%d,\"rule\":", c->rule != NULL ? c->rule->line : c->use->line);
	cli_add_json(s, sbuf_str(&text));
	cli_add(s, STR("}"));
	sbuf_fini(&text);
}

static const struct proxy *
find_proxy(const struct proxy_set *set, struct str name)
{
	const struct proxy *p = hash_map_get(&set->frontends, name);
	return p != NULL ? p : hash_map_get(&set->backends, name);
}

struct names {
	const struct proxy_set *set;
	size_t at;
};

static const char *
next_name(void *iter)
{
	struct names *n = iter;
	return n->at < n->set->n_all ? n->set->all[n->at++]->name.p : NULL;
}

static enum cli_status
no_such(struct cli_session *s, const struct proxy_set *set, struct str name)
{
	struct names n = {.set = set};
	const char *near = str_suggest(name, next_name, &n);
	return cli_error(s, "No such frontend or backend: '%.*s'%s%s%s", STR_ARG(name),
			 near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
			 near != NULL ? "'?" : ".");
}

enum cli_status
cli_show_rules(struct cli_session *s, const struct cli_args *a)
{
	const struct proxy_set *set = cli_bound(s, "proxy");
	ASSERT(set != NULL);
	bool json = a->argc > 0 && str_eq(a->argv[a->argc - 1], STR("json"));
	int n_names = a->argc - json;
	if (n_names > 1)
		return cli_usage(s, a);
	if (n_names == 1 && find_proxy(set, a->argv[0]) == NULL)
		return no_such(s, set, a->argv[0]);
	bool first = true;
	cli_add(s, json ? STR("[") : STR("# proxy applied rule\n"));
	for (size_t i = 0; i < set->rules->n; i++) {
		const struct counted_rule *c = &set->rules->all[i];
		if (n_names == 1 && !str_eq(c->proxy->name, a->argv[0]))
			continue;
		if (json && !first)
			cli_add(s, STR(",\n"));
		first = false;
		json ? print_json(s, c) : print_line(s, c);
	}
	if (json)
		cli_add(s, STR("]\n"));
	return CLI_DONE;
}
