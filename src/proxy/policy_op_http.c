// SPDX-License-Identifier: MIT
// What a script's action or service does to its request and response: header fields, start lines,
// and the answer that is sent instead of a server's.
#include "proxy/action_lua.h"
#include "proxy/action_priv.h"
#include "proxy/policy_host_priv.h"
#include "proxy/policy_op_priv.h"

#define SMALL_BODY 4096

static bool
edited(struct op_call *c, enum http_edit result)
{
	switch (result) {
	case HTTP_EDIT_OK:
		return policy_give_bool(c->out, true);
	case HTTP_EDIT_FULL:
		return err_set(c->err, "no room for it");
	default:
		return err_set(c->err, "HTTP does not allow that text there");
	}
}

// --- header fields -----------------------------------------------------------------------------

struct field_args {
	struct http_head *head;
	struct http_name name;
	struct str text[2];
};

static bool
field_args(struct op_call *c, struct http_head *head, struct field_args *a)
{
	struct str name;
	a->head = head;
	if (!policy_op_text(c, 0, &name) || !action_header_name(name, c->err))
		return false;
	a->name = http_name_of(name);
	for (unsigned i = 1; i < c->n; i++)
		if (!policy_op_text(c, i, &a->text[i - 1]))
			return false;
	return true;
}

static bool
op_add_header(struct op_call *c, struct http_head *head)
{
	struct field_args a;
	return field_args(c, head, &a) &&
	       edited(c, http_head_add(head, &c->txn->arena, a.name.text, a.text[0]));
}

static bool
op_set_header(struct op_call *c, struct http_head *head)
{
	struct field_args a;
	return field_args(c, head, &a) &&
	       edited(c, http_head_set(head, &c->txn->arena, &a.name, a.text[0]));
}

static bool
op_del_header(struct op_call *c, struct http_head *head)
{
	struct field_args a;
	if (!field_args(c, head, &a))
		return false;
	(void)http_head_del(head, &a.name); // how many is of no interest
	return policy_give_bool(c->out, true);
}

// The shared actions do the same with a format instead of a text.
static bool
op_replace(struct op_call *c, struct http_head *head, bool elements)
{
	struct field_args a;
	if (!field_args(c, head, &a))
		return false;
	struct regex *regex = regex_new(a.text[0], false, c->err);
	if (regex == NULL)
		return false;
	enum http_edit result =
	    action_replace_fields(c->txn, head, &a.name, regex, a.text[1], elements);
	regex_free(&regex);
	return edited(c, result);
}

#define FIELD_OPS(side, member)                               \
	static bool op_##side##_add_header(struct op_call *c) \
	{                                                     \
		return op_add_header(c, &c->txn->member);     \
	}                                                     \
	static bool op_##side##_set_header(struct op_call *c) \
	{                                                     \
		return op_set_header(c, &c->txn->member);     \
	}                                                     \
	static bool op_##side##_del_header(struct op_call *c) \
	{                                                     \
		return op_del_header(c, &c->txn->member);     \
	}                                                     \
	static bool op_##side##_rep_header(struct op_call *c) \
	{                                                     \
		return op_replace(c, &c->txn->member, false); \
	}                                                     \
	static bool op_##side##_rep_value(struct op_call *c)  \
	{                                                     \
		return op_replace(c, &c->txn->member, true);  \
	}
FIELD_OPS(req, req)
FIELD_OPS(res, res)

// "name: value\r\n" lines, names in lower case, as HAProxy's req.hdrs.
static bool
give_headers(struct op_call *c, const struct http_head *h)
{
	char *room = policy_op_room(c);
	size_t n = 0;
	for (uint16_t i = 0; i < h->n_fields; i++) {
		const struct http_field *f = &h->field[i];
		if (f->flags & HTTP_FIELD_DROP)
			continue;
		if (n + f->name_n + f->value_n + 4 > OP_ANSWER_BYTES)
			return err_set(c->err, "the head is longer than %d bytes", OP_ANSWER_BYTES);
		for (uint16_t k = 0; k < f->name_n; k++)
			room[n++] = (char)byte_lower((unsigned char)f->name[k]);
		memcpy(room + n, ": ", 2);
		memcpy(room + n + 2, f->value, f->value_n);
		n += f->value_n + 2u;
		memcpy(room + n, "\r\n", 2);
		n += 2;
	}
	return policy_op_give_text(c, str_of(room, n));
}

static bool
op_req_headers(struct op_call *c)
{
	return give_headers(c, &c->txn->req);
}

static bool
op_res_headers(struct op_call *c)
{
	return give_headers(c, &c->txn->res);
}

// --- start lines -------------------------------------------------------------------------------

typedef enum http_edit (*set_part_f)(struct http_head *h, struct arena *arena, struct str text);

static bool
set_part(struct op_call *c, set_part_f set)
{
	struct str text;
	return policy_op_text(c, 0, &text) && edited(c, set(&c->txn->req, &c->txn->arena, text));
}

static bool
op_set_method(struct op_call *c)
{
	return set_part(c, http_head_set_method);
}

static bool
op_set_path(struct op_call *c)
{
	return set_part(c, http_head_set_path);
}

static bool
op_set_query(struct op_call *c)
{
	return set_part(c, http_head_set_query);
}

static bool
op_set_uri(struct op_call *c)
{
	return set_part(c, http_head_set_uri);
}

static bool
status_arg(struct op_call *c, unsigned *status)
{
	if (c->args[0].type != POLICY_T_INT || c->args[0].i < 200 || c->args[0].i > 999)
		return err_set(c->err, "a status is a number of 200 to 999");
	*status = (unsigned)c->args[0].i;
	return true;
}

static bool
op_set_status(struct op_call *c)
{
	unsigned status = 0;
	struct str reason = STR("");
	if (!status_arg(c, &status) || (c->n > 1 && !policy_op_text(c, 1, &reason)))
		return false;
	if (status == 204 || status == 304)
		return err_set(c->err, "%u would change the message's framing", status);
	return edited(c, http_head_set_status(&c->txn->res, &c->txn->arena, status, reason));
}

// --- answers -----------------------------------------------------------------------------------

static bool
op_reply_begin(struct op_call *c)
{
	unsigned status = 0;
	struct str reason;
	struct txn *t = c->txn;
	if (!status_arg(c, &status) || !policy_op_text(c, 1, &reason))
		return false;
	if (!http_is_field_value(reason))
		return err_set(c->err, "the reason holds a control character");
	t->reply =
	    (struct reply){.status = (uint16_t)status, .reason = str_copy(&t->arena, reason)};
	return true;
}

static bool
op_reply_header(struct op_call *c)
{
	struct txn *t = c->txn;
	struct str name, value;
	if (!policy_op_text(c, 0, &name) || !policy_op_text(c, 1, &value) ||
	    !action_header_name(name, c->err))
		return false;
	if (!http_is_field_value(value))
		return err_set(c->err, "the value of '%.*s' holds a control character",
			       STR_ARG(name));
	struct reply_header *h = ARENA_NEW(&t->arena, struct reply_header);
	if (h == NULL)
		return err_set(c->err, "no memory left in this transaction");
	*h = (struct reply_header){.name = str_copy(&t->arena, name),
				   .value = str_copy(&t->arena, value)};
	const struct reply_header **end = &t->reply.headers;
	while (*end != NULL) // those of this reply, made above
		end = &((struct reply_header *)(uintptr_t)*end)->next;
	*end = h;
	return (h->name.p != NULL && (h->value.p != NULL || value.n == 0)) ||
	       err_set(c->err, "no memory left in this transaction");
}

static bool
op_reply_body(struct op_call *c)
{
	struct txn *t = c->txn;
	struct str body;
	if (!policy_op_text(c, 0, &body))
		return false;
	t->reply.body = str_copy(body.n > SMALL_BODY ? lua_call_room(t) : &t->arena, body);
	if (t->reply.body.p == NULL && body.n > 0)
		return err_set(c->err, "a body of %zu bytes is longer than an answer may be",
			       body.n);
	lua_call_outcome(t, LUA_REPLIES);
	return true;
}

static bool
op_request_body(struct op_call *c)
{
	return policy_op_give_text(c, lua_call_body(c->txn));
}

const struct op_row policy_op_http[] = {
    {"req_add_header", REQUEST, 2, 2, op_req_add_header},
    {"req_set_header", REQUEST, 2, 2, op_req_set_header},
    {"req_del_header", REQUEST, 1, 1, op_req_del_header},
    {"req_rep_header", REQUEST, 3, 3, op_req_rep_header},
    {"req_rep_value", REQUEST, 3, 3, op_req_rep_value},
    {"req_headers", HTTP_TXN, 0, 0, op_req_headers},
    {"res_headers", RESPONSE, 0, 0, op_res_headers},
    {"req_set_method", REQUEST, 1, 1, op_set_method},
    {"req_set_path", REQUEST, 1, 1, op_set_path},
    {"req_set_query", REQUEST, 1, 1, op_set_query},
    {"req_set_uri", REQUEST, 1, 1, op_set_uri},
    {"res_add_header", RESPONSE, 2, 2, op_res_add_header},
    {"res_set_header", RESPONSE, 2, 2, op_res_set_header},
    {"res_del_header", RESPONSE, 1, 1, op_res_del_header},
    {"res_rep_header", RESPONSE, 3, 3, op_res_rep_header},
    {"res_rep_value", RESPONSE, 3, 3, op_res_rep_value},
    {"res_set_status", RESPONSE, 1, 2, op_set_status},
    {"reply_begin", HTTP_TXN, 2, 2, op_reply_begin},
    {"reply_header", HTTP_TXN, 2, 2, op_reply_header},
    {"reply_body", HTTP_TXN, 1, 1, op_reply_body},
    {"request_body", HTTP_TXN, 0, 0, op_request_body},
    {.name = NULL},
};
