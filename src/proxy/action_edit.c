// SPDX-License-Identifier: MIT
// Actions that edit a head: fields, start line, status. The edits themselves are http/head.h's;
// here arguments are parsed and texts rendered.
#include "proxy/action_priv.h"
#include "proxy/conf_priv.h"

#define REQUEST  RULE_HTTP_REQUEST
#define RESPONSE RULE_HTTP_RESPONSE
#define AFTER    RULE_HTTP_AFTER_RESPONSE
#define ANY      (REQUEST | RESPONSE | AFTER)

struct edit_args {
	struct http_name name;
	struct action_text text;
	struct regex *regex;
	enum pat_match match; // del-header
	unsigned status;
	struct str reason;
};

static enum rule_verdict
done(const struct rule *r, struct txn *txn, enum http_edit result)
{
	return LIKELY(result == HTTP_EDIT_OK) ? RULE_NEXT : action_failed(r, txn);
}

// --- fields --------------------------------------------------------------------------------------

static bool
parse_name_format(struct conf *conf, const struct conf_line *line, int *at, struct rule *r,
		  struct err *err)
{
	struct edit_args *a = r->args = CONF_NEW(conf, struct edit_args);
	struct str name;
	if (!action_header_word(line, at, &name, err) ||
	    !action_text_word(r, line, at, "the value", &a->text, err))
		return false;
	a->name = http_name_of(name);
	if (a->text.format == NULL && !http_is_field_value(a->text.text))
		return err_set(err, "the value of '%.*s' holds a control character", STR_ARG(name));
	return true;
}

static enum rule_verdict
run_set_header(const struct rule *r, struct txn *txn)
{
	const struct edit_args *a = r->args;
	struct str value;
	if (!action_field_get(&a->text, txn, &value))
		return action_failed(r, txn);
	return done(r, txn, http_head_set(action_head(r, txn), &txn->arena, &a->name, value));
}

static enum rule_verdict
run_add_header(const struct rule *r, struct txn *txn)
{
	const struct edit_args *a = r->args;
	struct str value;
	if (!action_field_get(&a->text, txn, &value))
		return action_failed(r, txn);
	return done(r, txn, http_head_add(action_head(r, txn), &txn->arena, a->name.text, value));
}

bool
action_name_match(const struct conf_line *line, int *at, enum pat_match *match, struct err *err)
{
	struct str method;
	*match = PAT_STR;
	if (*at >= line->argc || !str_eq(line->argv[*at], STR("-m")))
		return true;
	++*at;
	if (!action_word(line, at, "a matching method", &method, err))
		return false;
	if (!pat_match_parse(method, match) ||
	    (*match != PAT_STR && *match != PAT_BEG && *match != PAT_END && *match != PAT_SUB &&
	     *match != PAT_REG))
		return err_set(err, "-m %.*s: str, beg, end, sub and reg are there",
			       STR_ARG(method));
	return true;
}

static bool
parse_del_header(struct conf *conf, const struct conf_line *line, int *at, struct rule *r,
		 struct err *err)
{
	struct edit_args *a = r->args = CONF_NEW(conf, struct edit_args);
	struct str name;
	a->match = PAT_STR;
	if (*at + 1 < line->argc && str_eq(line->argv[*at + 1], STR("-m"))) {
		name = line->argv[*at];
		++*at;
		if (!action_name_match(line, at, &a->match, err))
			return false;
	} else if (!action_header_word(line, at, &name, err)) {
		return false;
	}
	a->name = http_name_of(name);
	if (a->match == PAT_REG)
		a->regex = expr_set_regex(conf_bound(conf, "expr"), name, true, err);
	return a->match != PAT_REG || a->regex != NULL;
}

static bool
begins_nocase(struct str s, struct str prefix)
{
	return str_eq_nocase(str_slice(s, 0, prefix.n), prefix);
}

static bool
holds_nocase(struct str s, struct str part)
{
	for (size_t i = 0; i + part.n <= s.n; i++)
		if (begins_nocase(str_slice(s, i, s.n), part))
			return true;
	return false;
}

bool
action_name_matches(enum pat_match match, struct str text, struct str name)
{
	switch (match) {
	case PAT_BEG:
		return begins_nocase(name, text);
	case PAT_END:
		return name.n >= text.n &&
		       str_eq_nocase(str_slice(name, name.n - text.n, name.n), text);
	case PAT_SUB:
		return holds_nocase(name, text);
	default:
		return str_eq_nocase(name, text);
	}
}

static bool
name_matches(const struct edit_args *a, struct str name)
{
	return a->match == PAT_REG ? regex_match(a->regex, name, NULL)
				   : action_name_matches(a->match, a->name.text, name);
}

// What a message cannot lose without changing what it is.
static bool
is_framing(const struct http_field *f)
{
	return f->id == HTTP_FIELD_CONTENT_LENGTH || f->id == HTTP_FIELD_TRANSFER_ENCODING ||
	       f->id == HTTP_FIELD_HOST || f->id == HTTP_FIELD_CONNECTION;
}

static enum rule_verdict
run_del_header(const struct rule *r, struct txn *txn)
{
	const struct edit_args *a = r->args;
	struct http_head *h = action_head(r, txn);
	if (a->match == PAT_STR) {
		(void)http_head_del(h, &a->name); // how many is of no interest
		return RULE_NEXT;
	}
	for (uint16_t i = 0; i < h->n_fields; i++) {
		struct http_field *f = &h->field[i];
		if (!(f->flags & HTTP_FIELD_DROP) && !is_framing(f) &&
		    name_matches(a, str_of(f->name, f->name_n)))
			http_head_drop(h, f);
	}
	return RULE_NEXT;
}

static bool
parse_regex(struct conf *conf, const struct conf_line *line, int *at, struct edit_args *a,
	    struct err *err)
{
	struct str pattern;
	if (!action_word(line, at, "a regular expression", &pattern, err))
		return false;
	a->regex = expr_set_regex(conf_bound(conf, "expr"), pattern, false, err);
	return a->regex != NULL;
}

static bool
parse_replace_header(struct conf *conf, const struct conf_line *line, int *at, struct rule *r,
		     struct err *err)
{
	struct edit_args *a = r->args = CONF_NEW(conf, struct edit_args);
	struct str name;
	if (!action_header_word(line, at, &name, err) || !parse_regex(conf, line, at, a, err) ||
	    !action_text_word(r, line, at, "the replacement", &a->text, err))
		return false;
	a->name = http_name_of(name);
	return true;
}

// What `text` becomes as a whole when the regex matches somewhere in it, as HAProxy has it; the
// groups carry over what shall stay. True with *changed false: no match.
static bool
replaced(const struct edit_args *a, struct txn *txn, struct str text, struct str *out,
	 bool *changed)
{
	struct regex_groups g;
	struct str format;
	*changed = regex_match(a->regex, text, &g);
	if (!*changed)
		return true;
	return action_text_get(&a->text, txn, &format) &&
	       regex_expand(format, text, &g, &txn->arena, out);
}

// Each element of a comma list by itself. White space around an element goes with it when it is
// replaced, as in HAProxy.
static bool
replace_elements(const struct edit_args *a, struct txn *txn, struct str value, struct str *out,
		 bool *changed)
{
	struct str rest = value, piece;
	char *joined = NULL;
	size_t n = 0;
	*changed = false;
	while (str_next(&rest, ',', &piece)) {
		struct str trimmed = str_trim(piece), text = trimmed;
		bool here;
		if (!replaced(a, txn, trimmed, &text, &here))
			return false;
		*changed |= here;
		size_t before = trimmed.n > 0 ? (size_t)(trimmed.p - piece.p) : piece.n;
		size_t after = piece.n - before - trimmed.n;
		if (here)
			before = after = 0;
		char *p = arena_printf(&txn->arena, "%.*s%s%.*s%.*s%.*s", (int)n,
				       joined != NULL ? joined : "", joined != NULL ? "," : "",
				       (int)before, piece.p, STR_ARG(text), (int)after,
				       piece.p + piece.n - after);
		if (p == NULL)
			return false;
		joined = p;
		n = strlen(p);
	}
	*out = str_of(joined, n);
	return true;
}

static enum http_edit
replace_fields(const struct edit_args *a, struct txn *txn, struct http_head *h, bool elements)
{
	for (struct http_field *f = NULL; (f = http_head_find(h, &a->name, f)) != NULL;) {
		struct str value, old = http_field_value(f);
		bool changed;
		if (!(elements ? replace_elements : replaced)(a, txn, old, &value, &changed))
			return HTTP_EDIT_FULL;
		enum http_edit result =
		    changed ? http_head_replace(h, &txn->arena, f, value) : HTTP_EDIT_OK;
		if (result != HTTP_EDIT_OK)
			return result;
	}
	return HTTP_EDIT_OK;
}

enum http_edit
action_replace_fields(struct txn *txn, struct http_head *head, const struct http_name *name,
		      struct regex *regex, struct str format, bool elements)
{
	const struct edit_args a = {.name = *name, .regex = regex, .text.text = format};
	return replace_fields(&a, txn, head, elements);
}

static enum rule_verdict
run_replace_header(const struct rule *r, struct txn *txn)
{
	return done(r, txn, replace_fields(r->args, txn, action_head(r, txn), false));
}

static enum rule_verdict
run_replace_value(const struct rule *r, struct txn *txn)
{
	return done(r, txn, replace_fields(r->args, txn, action_head(r, txn), true));
}

// --- the start line ------------------------------------------------------------------------------

static bool
parse_format(struct conf *conf, const struct conf_line *line, int *at, struct rule *r,
	     struct err *err)
{
	struct edit_args *a = r->args = CONF_NEW(conf, struct edit_args);
	return action_text_word(r, line, at, "the new text", &a->text, err);
}

typedef enum http_edit (*set_part_f)(struct http_head *h, struct arena *arena, struct str text);

static enum rule_verdict
set_part(const struct rule *r, struct txn *txn, set_part_f set)
{
	const struct edit_args *a = r->args;
	struct str text;
	if (!action_text_get(&a->text, txn, &text))
		return action_failed(r, txn);
	return done(r, txn, set(&txn->req, &txn->arena, text));
}

static enum rule_verdict
run_set_method(const struct rule *r, struct txn *txn)
{
	return set_part(r, txn, http_head_set_method);
}

static enum rule_verdict
run_set_path(const struct rule *r, struct txn *txn)
{
	return set_part(r, txn, http_head_set_path);
}

static enum rule_verdict
run_set_pathq(const struct rule *r, struct txn *txn)
{
	return set_part(r, txn, http_head_set_pathq);
}

static enum rule_verdict
run_set_query(const struct rule *r, struct txn *txn)
{
	return set_part(r, txn, http_head_set_query);
}

static enum rule_verdict
run_set_uri(const struct rule *r, struct txn *txn)
{
	return set_part(r, txn, http_head_set_uri);
}

static bool
parse_replace(struct conf *conf, const struct conf_line *line, int *at, struct rule *r,
	      struct err *err)
{
	struct edit_args *a = r->args = CONF_NEW(conf, struct edit_args);
	return parse_regex(conf, line, at, a, err) &&
	       action_text_word(r, line, at, "the replacement", &a->text, err);
}

static enum rule_verdict
replace_part(const struct rule *r, struct txn *txn, struct str old, set_part_f set)
{
	struct str text;
	bool changed;
	if (!replaced(r->args, txn, old, &text, &changed))
		return action_failed(r, txn);
	return changed ? done(r, txn, set(&txn->req, &txn->arena, text)) : RULE_NEXT;
}

// Of OPTIONS * and CONNECT there is no path to replace.
static enum rule_verdict
replace_path(const struct rule *r, struct txn *txn, struct str old, set_part_f set)
{
	return old.n > 0 && old.p[0] == '/' ? replace_part(r, txn, old, set) : RULE_NEXT;
}

static enum rule_verdict
run_replace_path(const struct rule *r, struct txn *txn)
{
	return replace_path(r, txn, http_head_path(&txn->req), http_head_set_path);
}

static enum rule_verdict
run_replace_pathq(const struct rule *r, struct txn *txn)
{
	return replace_path(r, txn, http_head_pathq(&txn->req), http_head_set_pathq);
}

static enum rule_verdict
run_replace_uri(const struct rule *r, struct txn *txn)
{
	return replace_part(r, txn, txn->req.target, http_head_set_uri);
}

static bool
parse_set_status(struct conf *conf, const struct conf_line *line, int *at, struct rule *r,
		 struct err *err)
{
	struct edit_args *a = r->args = CONF_NEW(conf, struct edit_args);
	struct str word;
	int64_t n;
	if (!action_word(line, at, "a status", &word, err))
		return false;
	// A final status stays final: the framing of the message depends on it.
	if (!str_to_int(word, &n) || n < 200 || n > 999 || n == 204 || n == 304)
		return err_set(err, "'%.*s' is no status from 200 to 999 other than 204 and 304",
			       STR_ARG(word));
	a->status = (unsigned)n;
	if (*at < line->argc && str_eq(line->argv[*at], STR("reason"))) {
		++*at;
		if (!action_word(line, at, "a reason phrase", &a->reason, err))
			return false;
		if (!http_is_field_value(a->reason))
			return err_set(err, "the reason phrase holds a control character");
	}
	return true;
}

static enum rule_verdict
run_set_status(const struct rule *r, struct txn *txn)
{
	const struct edit_args *a = r->args;
	return done(r, txn, http_head_set_status(&txn->res, &txn->arena, a->status, a->reason));
}

const struct action_row actions_edit[] = {
    {"set-header", ANY, parse_name_format, run_set_header, 0, "set-header <name> <format>",
     "Replaces all fields of that name by one."},
    {"add-header", ANY, parse_name_format, run_add_header, 0, "add-header <name> <format>",
     "Adds a field behind those that are there."},
    {"del-header", ANY, parse_del_header, run_del_header, 0,
     "del-header <name> [-m str|beg|end|sub|reg]", "Removes the fields whose name matches."},
    {"replace-header", ANY, parse_replace_header, run_replace_header, 0,
     "replace-header <name> <regex> <format>",
     "Replaces the value of each field of that name that matches; \\1 to \\9 stand for groups."},
    {"replace-value", ANY, parse_replace_header, run_replace_value, 0,
     "replace-value <name> <regex> <format>", "As replace-header, in each element of comma lists."},
    {"set-method", REQUEST, parse_format, run_set_method, 0, "set-method <format>",
     "Replaces the method."},
    {"set-path", REQUEST, parse_format, run_set_path, 0, "set-path <format>",
     "Replaces the path; the query stays."},
    {"set-pathq", REQUEST, parse_format, run_set_pathq, 0, "set-pathq <format>",
     "Replaces path and query."},
    {"set-query", REQUEST, parse_format, run_set_query, 0, "set-query <format>",
     "Replaces the query, without '?'; empty removes it."},
    {"set-uri", REQUEST, parse_format, run_set_uri, 0, "set-uri <format>",
     "Replaces the whole request target."},
    {"replace-path", REQUEST, parse_replace, run_replace_path, 0, "replace-path <regex> <format>",
     "Replaces the path if it matches."},
    {"replace-pathq", REQUEST, parse_replace, run_replace_pathq, 0,
     "replace-pathq <regex> <format>", "Replaces path and query if they match."},
    {"replace-uri", REQUEST, parse_replace, run_replace_uri, 0, "replace-uri <regex> <format>",
     "Replaces the request target if it matches."},
    {"set-status", RESPONSE | AFTER, parse_set_status, run_set_status, 0,
     "set-status <status> [reason <text>]", "Replaces the status and its phrase."},
    {.name = NULL},
};
