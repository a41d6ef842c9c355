// SPDX-License-Identifier: MIT
// Writes as words. In `commit` an operation is one text: words at spaces, quotes and backslashes
// as on the runtime socket; behind the values stand `ttl TIME` (or `for`) and `owner WHO`.
#include "tidectl/ops.h"

#include <stdio.h>

#include "tidectl/verbs.h"
#include "tidegate/vars.h"

#define MAX_WORDS 8

const struct op_row op_rows[] = {
    {"set", "set var shm.", TIDEVARS_SET, 1, false},
    {"unset", "unset var shm.", TIDEVARS_UNSET, 0, false},
    {"add", "add var shm.", TIDEVARS_ADD, 1, false},
    {"cas", "cas var shm.", TIDEVARS_CAS, 2, false},
    {"hold", "hold ", TIDEVARS_TAKE, 0, true},
    {"extend", "extend ", TIDEVARS_EXTEND, 0, true},
    {"release", "release ", TIDEVARS_RELEASE, 0, true},
    {NULL, NULL, 0, 0, false},
};

const struct op_row *
op_row_find(const char *verb)
{
	for (const struct op_row *r = op_rows; r->verb != NULL; r++)
		if (strcmp(r->verb, verb) == 0)
			return r;
	return NULL;
}

static const char *
plain_name(const char *name)
{
	return strncmp(name, "shm.", 4) == 0 ? name + 4 : name;
}

// `maint on` and `maint off` are a hold and a release of the variable maint.
static bool
of_maint(const struct request *r, struct op *op, struct err *err)
{
	bool on = strcmp(r->argv[0], "on") == 0;
	if (!on && strcmp(r->argv[0], "off") != 0)
		return err_set(err, "'%s' is none of on, off, status", r->argv[0]);
	if (!on && r->for_time != NULL)
		return err_set(err, "--for belongs to 'maint on'");
	op->row = op_row_find(on ? "hold" : "release");
	op->name = "maint";
	return true;
}

bool
op_of_request(struct request *r, struct op *op, struct err *err)
{
	*op = (struct op){.row = op_row_find(r->verb->name), .name = plain_name(r->argv[0])};
	if (op->row == NULL && !of_maint(r, op, err))
		return false;
	int last = op->row->n_values - 1;
	for (int i = 0; i < last; i++)
		op->value[i] = r->argv[i + 1];
	if (last >= 0 && !request_value(r, r->argv[last + 1], &op->value[last], err))
		return false;
	op->ttl = r->ttl != NULL ? r->ttl : r->for_time;
	if (op->row->of_owner)
		op->owner = r->owner != NULL ? r->owner : default_owner();
	return true;
}

// ---- the texts of commit

// Cuts the text in place. -1: a quote is left open, or there are too many words.
static int
cut_words(char *text, char *words[MAX_WORDS])
{
	int n = 0;
	char *to = text;
	for (;;) {
		while (*text == ' ' || *text == '\t')
			text++;
		if (*text == '\0')
			return n;
		if (n == MAX_WORDS)
			return -1;
		words[n++] = to;
		for (char quote = '\0';
		     *text != '\0' && (quote != '\0' || strchr(" \t", *text) == NULL); text++) {
			if (quote == '\0' && (*text == '"' || *text == '\'')) {
				quote = *text;
			} else if (quote != '\0' && *text == quote) {
				quote = '\0';
			} else {
				if (*text == '\\' && quote != '\'' && text[1] != '\0')
					text++;
				*to++ = *text;
			}
			if (text[1] == '\0' && quote != '\0')
				return -1;
		}
		bool more = *text != '\0';
		*to++ = '\0';
		text += more;
	}
}

static bool
read_options(char **words, int n, struct op *op, struct err *err)
{
	for (int i = 0; i < n; i += 2) {
		bool ttl = strcmp(words[i], "ttl") == 0 || strcmp(words[i], "for") == 0;
		bool owner = op->row->of_owner && strcmp(words[i], "owner") == 0;
		if (!ttl && !owner)
			return err_set(err, "'%s' is none of ttl%s", words[i],
				       op->row->of_owner ? ", for, owner" : "");
		if (i + 1 == n)
			return err_set(err, "a value is missing behind '%s'", words[i]);
		*(ttl ? &op->ttl : &op->owner) = words[i + 1];
	}
	return true;
}

static bool
read_op(char *text, struct op *op, struct err *err)
{
	char *words[MAX_WORDS];
	int n = cut_words(text, words);
	if (n < 0)
		return err_set(err, "an open quote or more than %d words", MAX_WORDS);
	*op = (struct op){.row = n > 0 ? op_row_find(words[0]) : NULL};
	if (op->row == NULL)
		return err_set(err,
			       "'%s' is no write: set, unset, add, cas, hold, extend and release "
			       "are",
			       n > 0 ? words[0] : "");
	if (n < 2 + op->row->n_values)
		return err_set(err, "%s: a name%s", op->row->verb,
			       op->row->n_values == 2   ? ", the value expected and a value"
			       : op->row->n_values == 1 ? " and a value"
							: " is missing");
	op->name = plain_name(words[1]);
	for (int i = 0; i < op->row->n_values; i++)
		op->value[i] = words[2 + i];
	if (op->row->of_owner)
		op->owner = default_owner();
	return read_options(words + 2 + op->row->n_values, n - 2 - op->row->n_values, op, err);
}

static bool
add_op(struct op *ops, size_t *n, char *text, struct err *err)
{
	char shown[80];
	(void)snprintf(shown, sizeof(shown), "%s", text); // before it is cut
	if (*n == OPS_MAX)
		return err_set(err, "a commit has at most %d writes", OPS_MAX);
	if (read_op(text, &ops[*n], err)) {
		++*n;
		return true;
	}
	return err_wrap(err, "'%s'", shown);
}

bool
ops_of_commit(struct request *r, struct op *ops, size_t *n, struct err *err)
{
	*n = 0;
	bool from_input = r->argc == 1 && strcmp(r->argv[0], "-") == 0;
	if (from_input && !request_read_payload(r, NULL, err))
		return false;
	char *at = r->payload.p;
	for (char *end; from_input && at != NULL && *at != '\0'; at = end) {
		end = at + strcspn(at, "\r\n");
		end += *end != '\0' ? (*end = '\0', 1) : 0;
		at += strspn(at, " \t");
		if (*at != '\0' && *at != '#' && !add_op(ops, n, at, err))
			return false;
	}
	for (int i = 0; !from_input && i < r->argc; i++)
		if (!add_op(ops, n, request_copy(r, r->argv[i]), err))
			return false;
	return *n > 0 || err_set(err, "nothing to commit");
}

// ---- as a command

bool
op_command(const struct op *op, struct sbuf *out, struct err *err)
{
	sbuf_add(out, str_from_c(op->row->command));
	bool good = quote_word(out, str_from_c(op->name));
	const char *const more[] = {op->value[0],
				    op->value[1],
				    op->owner != NULL ? "owner" : NULL,
				    op->owner,
				    op->ttl != NULL ? (op->row->of_owner ? "for" : "ttl") : NULL,
				    op->ttl};
	for (size_t i = 0; i < ARRAY_LEN(more); i++) {
		if (more[i] == NULL)
			continue;
		sbuf_add_byte(out, ' ');
		good = quote_word(out, str_from_c(more[i])) && good;
	}
	return good ||
	       err_set(err,
		       "'%s': the runtime socket takes no line break; with --file it is written",
		       op->name);
}
