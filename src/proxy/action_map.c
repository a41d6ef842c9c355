// SPDX-License-Identifier: MIT
// Actions that change a map or an ACL's file: set-map, del-map, add-acl, del-acl. A worker only
// posts the change; the keeper makes it, so that it is seen by requests some time later, normally
// within a few milliseconds. One that cannot travel counts as a failed rewrite.
#include "expr/pattern_ref.h"
#include "proxy/action_priv.h"
#include "proxy/conf_priv.h"
#include "proxy/setup.h"
#include "proxy/worker.h"

struct map_args {
	struct str name;
	bool is_map;
	enum pattern_change change;
	struct pattern_ref *ref;
	struct action_text key, value;
};

// The set may be used first by a line further down.
static bool
find_set(struct conf *conf, void *arg, struct err *err)
{
	struct map_args *a = arg;
	struct pattern_ref_info info;
	const struct proxy_setup *s = conf_bound(conf, "setup");
	a->ref = pattern_ref_find(s->exprs, a->name);
	if (a->ref != NULL)
		pattern_ref_info(a->ref, &info);
	if (a->ref != NULL && info.is_map == a->is_map)
		return true;
	return err_set(err, "no %s of this configuration uses '%.*s'",
		       a->is_map ? "map converter" : "ACL", STR_ARG(a->name));
}

static bool
parse_name(struct conf *conf, const struct conf_line *line, struct rule *r, struct err *err)
{
	struct map_args *a = r->args = CONF_NEW(conf, struct map_args);
	struct str word = line->argv[1];
	size_t open = str_find_byte(word, '(');
	if (open == SIZE_MAX || word.p[word.n - 1] != ')' || open + 2 >= word.n)
		return err_set(err, "write '%.*s(FILE)'", STR_ARG(str_slice(word, 0, open)));
	a->name = str_trim(str_slice(word, open + 1, word.n - 1));
	a->is_map = str_ends(str_slice(word, 0, open), STR("map"));
	conf_defer(conf, line, find_set, a);
	return true;
}

// set-map and add-acl make the entry where there is none; a value is a map's.
static bool
parse_put(struct conf *conf, const struct conf_line *line, int *at, struct rule *r, struct err *err)
{
	if (!parse_name(conf, line, r, err))
		return false;
	struct map_args *a = r->args;
	a->change = PATTERN_PUT;
	return action_text_word(r, line, at, "the key", &a->key, err) &&
	       (!a->is_map || action_text_word(r, line, at, "the value", &a->value, err));
}

static bool
parse_del(struct conf *conf, const struct conf_line *line, int *at, struct rule *r, struct err *err)
{
	if (!parse_name(conf, line, r, err))
		return false;
	struct map_args *a = r->args;
	a->change = PATTERN_DEL;
	return action_text_word(r, line, at, "the key", &a->key, err);
}

static enum rule_verdict
run_change(const struct rule *r, struct txn *txn)
{
	const struct map_args *a = r->args;
	struct str key, value = STR_NULL;
	bool good = action_text_get(&a->key, txn, &key);
	if (good && a->is_map && a->change == PATTERN_PUT)
		good = action_text_get(&a->value, txn, &value);
	if (good && key.n > 0)
		good = pattern_ref_post(a->ref, txn->worker->set->threads, a->change, key, value);
	return good ? RULE_NEXT : action_failed(r, txn);
}

#define ANY (RULE_HTTP_REQUEST | RULE_HTTP_RESPONSE | RULE_HTTP_AFTER_RESPONSE)

const struct action_row actions_map[] = {
    {"set-map", ANY, parse_put, run_change, ACTION_KEEPS, "set-map(<file>) <key> <value>",
     "Sets the value of a map's key, added when it is not there; requests see it a moment later."},
    {"del-map", ANY, parse_del, run_change, ACTION_KEEPS, "del-map(<file>) <key>",
     "Takes a key out of a map."},
    {"add-acl", ANY, parse_put, run_change, ACTION_KEEPS, "add-acl(<file>) <key>",
     "Adds a pattern to an ACL's file, unless it is there."},
    {"del-acl", ANY, parse_del, run_change, ACTION_KEEPS, "del-acl(<file>) <key>",
     "Takes a pattern out of an ACL's file."},
    {.name = NULL},
};
