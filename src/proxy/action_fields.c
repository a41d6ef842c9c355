// SPDX-License-Identifier: MIT
// Actions on a list of fields whose names are known only when they run: add-headers-bin,
// set-headers-bin, del-headers-bin. The list is a sample in the form of req.hdrs_bin, which whoever
// wrote the bytes may have made wrong: it is read to its end before anything is edited, and has no
// more fields than a head may have. What belongs to the connection and its framing is passed over,
// so that a list of all of a head's fields can be put back.
#include "base/module.h"
#include "expr/expr.h"
#include "http/fields_bin.h"
#include "proxy/action_priv.h"
#include "proxy/conf_priv.h"
#include "proxy/setup.h"

struct fields_args {
	struct expr *expr;
	struct str prefix;    // only fields whose names begin so
	enum pat_match match; // del-headers-bin: how names are compared
	bool set;             // those of the same names go first
};

static bool
parse_list(struct conf *conf, const struct conf_line *line, int *at, struct rule *r,
	   struct err *err)
{
	struct fields_args *a = r->args = CONF_NEW(conf, struct fields_args);
	a->expr = action_expr(r, line, at, err);
	return a->expr != NULL;
}

static bool
parse_put(struct conf *conf, const struct conf_line *line, int *at, struct rule *r, struct err *err)
{
	if (!parse_list(conf, line, at, r, err))
		return false;
	struct fields_args *a = r->args;
	a->set = str_starts(str_from_c(r->action->name), STR("set"));
	if (*at >= line->argc || !str_eq(line->argv[*at], STR("prefix")))
		return true;
	++*at;
	return action_word(line, at, "the prefix", &a->prefix, err);
}

static bool
parse_del(struct conf *conf, const struct conf_line *line, int *at, struct rule *r, struct err *err)
{
	if (!parse_list(conf, line, at, r, err))
		return false;
	struct fields_args *a = r->args;
	return action_name_match(line, at, &a->match, err) &&
	       (a->match != PAT_REG || err_set(err, "-m reg: str, beg, end and sub are there"));
}

// The list's next field that is ours to touch.
static bool
next_field(const struct fields_args *a, struct str *list, struct str *name, struct str *value)
{
	while (fields_bin_next(list, name, value) == FIELDS_BIN_FIELD)
		if (!action_header_is_ours(*name) && action_name_matches(PAT_BEG, a->prefix, *name))
			return true;
	return false;
}

// Whole, and each field could stand in a head.
static bool
is_good(struct str list, size_t most)
{
	struct str name, value;
	enum fields_bin_status st;
	for (size_t n = 0; (st = fields_bin_next(&list, &name, &value)) == FIELDS_BIN_FIELD; n++)
		if (n == most || !http_is_token(name) || !http_is_field_value(value))
			return false;
	return st == FIELDS_BIN_END;
}

// False: there is no such sample. Else *list may be touched, or *verdict says that it may not.
static bool
get_list(const struct rule *r, struct txn *txn, struct str *list, enum rule_verdict *verdict)
{
	const struct fields_args *a = r->args;
	struct sample s;
	*verdict = RULE_NEXT;
	if (!expr_eval(a->expr, &txn->ctx, &s) || !sample_cast(&s, SMP_BIN, &txn->ctx))
		return false;
	*list = s.s;
	if (is_good(*list, action_head(r, txn)->max_fields))
		return true;
	*verdict = action_failed(r, txn);
	return false;
}

// All of them go before the first comes, so that fields of one name in the list stay side by side.
static void
drop_named(const struct fields_args *a, struct http_head *h, struct str list)
{
	struct str name, value;
	while (next_field(a, &list, &name, &value)) {
		struct http_name n = http_name_of(name);
		(void)http_head_del(h, &n); // how many is of no interest
	}
}

static enum rule_verdict
run_put(const struct rule *r, struct txn *txn)
{
	const struct fields_args *a = r->args;
	struct http_head *h = action_head(r, txn);
	enum rule_verdict verdict;
	struct str list, name, value;
	if (!get_list(r, txn, &list, &verdict))
		return verdict;
	if (a->set)
		drop_named(a, h, list);
	while (next_field(a, &list, &name, &value)) {
		// With a second Host the server would refuse the request.
		if (http_field_id_of(name) == HTTP_FIELD_HOST &&
		    http_head_find_id(h, HTTP_FIELD_HOST, NULL) != NULL)
			continue;
		if (http_head_add(h, &txn->arena, name, value) != HTTP_EDIT_OK)
			return action_failed(r, txn);
	}
	return RULE_NEXT;
}

static bool
is_listed(const struct fields_args *a, struct str list, struct str field)
{
	struct str name, value;
	while (fields_bin_next(&list, &name, &value) == FIELDS_BIN_FIELD)
		if (action_name_matches(a->match, name, field))
			return true;
	return false;
}

static enum rule_verdict
run_del(const struct rule *r, struct txn *txn)
{
	struct http_head *h = action_head(r, txn);
	enum rule_verdict verdict;
	struct str list;
	if (!get_list(r, txn, &list, &verdict))
		return verdict;
	for (uint16_t i = 0; i < h->n_fields; i++) {
		struct http_field *f = &h->field[i];
		struct str name = str_of(f->name, f->name_n);
		bool stays = f->flags & HTTP_FIELD_DROP || f->id == HTTP_FIELD_HOST ||
			     action_header_is_ours(name);
		if (!stays && is_listed(r->args, list, name))
			http_head_drop(h, f);
	}
	return RULE_NEXT;
}

#define ANY (RULE_HTTP_REQUEST | RULE_HTTP_RESPONSE | RULE_HTTP_AFTER_RESPONSE)

static const struct action_row actions[] = {
    {"add-headers-bin", ANY, parse_put, run_put, 0, "add-headers-bin <expr> [prefix <text>]",
     "Adds the fields of a list in the form of req.hdrs_bin, or those whose names begin with the "
     "prefix; a second Host is passed over."},
    {"set-headers-bin", ANY, parse_put, run_put, 0, "set-headers-bin <expr> [prefix <text>]",
     "The same, in place of all fields of these names."},
    {"del-headers-bin", ANY, parse_del, run_del, 0, "del-headers-bin <expr> [-m str|beg|end|sub]",
     "Removes the fields whose names match one in such a list, whose values do not count."},
    {.name = NULL},
};

const struct module proxy_fields_module = {
    .name = "rule-fields",
    .actions = actions,
};
