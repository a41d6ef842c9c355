// SPDX-License-Identifier: MIT
// What the files of actions share: parsing of a rule's words, and texts that are either constant
// or rendered for each request. Functions named action_run_* run on workers.
#pragma once

#include "conf/conf.h"
#include "expr/logfmt.h"
#include "expr/pattern.h"
#include "proxy/rule.h"
#include "proxy/txn.h"

// A log format argument.
struct action_text {
	struct logfmt *format; // NULL: `text` is it
	struct str text;
};

struct expr_env action_env(const struct rule *r, const struct conf_line *line);
// The expression at *at, which is then passed. NULL with a cause, as at the end of the line.
struct expr *action_expr(const struct rule *r, const struct conf_line *line, int *at,
			 struct err *err);
// The word at *at, which is then passed; false with "NAME is missing" at the end of the line.
bool action_word(const struct conf_line *line, int *at, const char *name, struct str *word,
		 struct err *err);
// The same, as a log format.
bool action_text_word(const struct rule *r, const struct conf_line *line, int *at, const char *name,
		      struct action_text *out, struct err *err);
// A header that belongs to one connection and its framing: rules and scripts leave it alone.
bool action_header_is_ours(struct str name);
// Whether rules and scripts may touch a header of that name.
bool action_header_name(struct str name, struct err *err);
// In each field of that name that matches, or each element of its comma list, the whole text
// becomes `format` with the groups put in (replace-header, replace-value).
enum http_edit action_replace_fields(struct txn *txn, struct http_head *head,
				     const struct http_name *name, struct regex *regex,
				     struct str format, bool elements);
// A header's name that rules may touch.
bool action_header_word(const struct conf_line *line, int *at, struct str *name, struct err *err);
// "-m METHOD" at *at, if it stands there: str (the default), beg, end, sub or reg.
bool action_name_match(const struct conf_line *line, int *at, enum pat_match *match,
		       struct err *err);
// Any of them but reg; names have no case.
bool action_name_matches(enum pat_match match, struct str text, struct str name);
// False: the arena is at its cap.
bool action_text_get(const struct action_text *t, struct txn *txn, struct str *out);
// The same for a header's value: controls become %XX.
bool action_field_get(const struct action_text *t, struct txn *txn, struct str *out);

static inline struct http_head *
action_head(const struct rule *r, struct txn *txn)
{
	return r->where == RULE_HTTP_REQUEST ? &txn->req : &txn->res;
}

// An edit found no room or was invalid: counted; goes on under `strict-mode off`, else fails.
enum rule_verdict action_failed(const struct rule *r, struct txn *txn);
// The rule's proxy denied this request or response.
void action_count_denied(const struct rule *r, const struct txn *txn);

// One module for each file, as a module has one table of actions.
extern const struct action_row actions_reply[], actions_edit[], actions_var[], actions_lua[],
    actions_map[];
