// SPDX-License-Identifier: MIT
// Rules and their actions: "http-request ACTION args [if|unless COND]". An action is a const row;
// a rule is an action with parsed arguments and a compiled condition. Lists are built at start
// and read-only afterwards.
#pragma once

#include "base/err.h"
#include "base/str.h"

struct cond;
struct conf;
struct conf_line;
struct proxy;
struct rule;
struct txn;

// Where an action may stand.
enum rule_where {
	RULE_HTTP_REQUEST = 1 << 0,
	RULE_HTTP_RESPONSE = 1 << 1,
	RULE_HTTP_AFTER_RESPONSE = 1 << 2,
	RULE_REDIRECT = 1 << 3, // a `redirect` line: tried behind all of http-request
	RULE_TCP_CONNECTION = 1 << 4,
	RULE_TCP_SESSION = 1 << 5,
	RULE_TCP_CONTENT = 1 << 6,  // tcp-request content
	RULE_TCP_RESPONSE = 1 << 7, // tcp-response content
	RULE_TCP_REQUEST = RULE_TCP_CONNECTION | RULE_TCP_SESSION | RULE_TCP_CONTENT,
	RULE_TCP = RULE_TCP_REQUEST | RULE_TCP_RESPONSE,
	RULE_IN_REQUEST = RULE_HTTP_REQUEST | RULE_TCP_REQUEST, // judges what a client sent
};

enum rule_verdict {
	RULE_NEXT,  // go on with the next rule
	RULE_ALLOW, // leave this rule list, the message goes on
	RULE_REPLY, // txn->reply was set: answer it, nothing else is tried
	RULE_FAIL,  // the transaction cannot go on: 500, or what txn->reply says
	RULE_WAIT,  // the action waits: it is run again when the transaction is
	RULE_MORE,  // of rule_list_inspect: bytes are missing that may still come
	RULE_CUT,   // nobody is there to be answered any more: both connections are cut
};

enum action_flag {
	ACTION_FINAL = 1 << 0, // rules behind it, without condition, are never reached: a warning
	// It changes nothing that an ACL reads, or that tells it itself, as variables do.
	ACTION_KEEPS = 1 << 1,
};

struct action_row {
	const char *name; // "set-header"; a trailing '*' matches words that begin so ("lua.*")
	unsigned where;   // enum rule_where bits
	// line->argv[*at] is the first word behind the action's name; leaves *at at the first word
	// it does not know (then "if"/"unless" or the end must stand). Fills rule->args. NULL: it
	// takes no words.
	bool (*parse)(struct conf *conf, const struct conf_line *line, int *at, struct rule *rule,
		      struct err *err);
	// On a worker, one transaction. No allocation but the transaction's arena. What answers
	// RULE_WAIT has seen to it that txn_run is called; it may also be called for an event of
	// a connection. Not in http-after-response.
	enum rule_verdict (*run)(const struct rule *rule, struct txn *txn);
	unsigned flags;    // enum action_flag
	const char *usage; // "<name> <fmt>"
	const char *help;
};

struct rule {
	struct rule *next;
	const struct action_row *action;
	void *args;        // the action's own
	struct cond *cond; // NULL: always
	struct proxy *proxy;
	enum rule_where where;
	bool lenient; // strict-mode off: an edit that finds no room is skipped and counted
	const char *file;
	int line;
	uint32_t number; // where it is counted (rule_count.h); set at start
	uint64_t words;  // hash of its line's
};

struct rule_list {
	struct rule *first, **tail;
};

static inline void
rule_list_init(struct rule_list *l)
{
	*l = (struct rule_list){.tail = &l->first};
}

// Parses one http-request / http-response / http-after-response / redirect line and appends the
// rule.
bool rule_parse(struct conf *conf, const struct conf_line *line, struct proxy *proxy,
		enum rule_where where, struct err *err);
// All lists of a proxy, in the order of a request's way; NULL beyond the last.
const struct rule_list *rule_list_at(const struct proxy *p, size_t i);
// A line's words, all of them: two lines of the same words do the same, wherever they stand.
uint64_t rule_words(const struct conf_line *line);
enum rule_verdict rule_list_walk(const struct rule_list *list, struct txn *txn);

// The same for lists on bytes that are still coming (ctx.more): a condition that cannot be told yet
// gives RULE_MORE, and the next call begins with the first rule again, as HAProxy has it; behind
// RULE_WAIT it goes on with the rule that waits.
enum rule_verdict rule_list_inspect(const struct rule_list *list, struct txn *txn);

// Runs the list in order on a transaction. RULE_WAIT: the next call for the same list goes on with
// the rule that waits, and lists asked before it answer RULE_NEXT at once. A request passes six
// lists, mostly empty ones.
static inline enum rule_verdict
rule_list_run(const struct rule_list *list, struct txn *txn)
{
	return list->first != NULL ? rule_list_walk(list, txn) : RULE_NEXT;
}
