// SPDX-License-Identifier: MIT
// A self-test's request, made from `t.txn {...}`.
#include "base/clock.h"
#include "base/sbuf.h"
#include "http/h1.h"
#include "http/head.h"
#include "proxy/policy_host_priv.h"
#include "proxy/proxy.h"

#define TEST_FIELDS 128

struct test_request {
	struct policy_request request;
	struct sample_ctx ctx;
	struct http_head head;
	struct sample_addr src, dst;
	struct http_field fields[TEST_FIELDS];
};

static void
set_addr(struct sample_addr *a, const struct policy_value *ip)
{
	if (ip->type != POLICY_T_IP)
		return;
	a->family = ip->family;
	memcpy(a->ip, ip->ip, sizeof(a->ip));
}

static struct str
or_else(struct str s, struct str dflt)
{
	return s.p != NULL ? s : dflt;
}

static bool
is_named(const struct policy_field *f, const char *name)
{
	return str_eq_nocase(f->name, str_from_c(name));
}

// The head as a client would send it; the codec then judges it like any other.
static bool
write_head(const struct policy_test_request *q, struct sbuf *b, struct err *err)
{
	bool host = false;
	sbuf_printf(b, "%.*s %.*s", STR_ARG(or_else(q->method, STR("GET"))),
		    STR_ARG(or_else(q->path, STR("/"))));
	if (q->query.p != NULL)
		sbuf_printf(b, "?%.*s", STR_ARG(q->query));
	sbuf_printf(b, " HTTP/%.*s\r\n", STR_ARG(or_else(q->version, STR("1.1"))));
	for (size_t i = 0; i < q->n_headers; i++) {
		const struct policy_field *f = &q->headers[i];
		if (!http_is_token(f->name) || !http_is_field_value(f->value))
			return err_set(err, "'%.*s: %.*s' is no header", STR_ARG(f->name),
				       STR_ARG(f->value));
		host |= is_named(f, "host");
		sbuf_printf(b, "%.*s: %.*s\r\n", STR_ARG(f->name), STR_ARG(f->value));
	}
	if (!host)
		sbuf_printf(b, "Host: %.*s\r\n", STR_ARG(q->host));
	for (size_t i = 0; i < q->n_cookies; i++)
		sbuf_printf(b, "%s%.*s=%.*s", i == 0 ? "Cookie: " : "; ",
			    STR_ARG(q->cookies[i].name), STR_ARG(q->cookies[i].value));
	sbuf_add(b, q->n_cookies > 0 ? STR("\r\n\r\n") : STR("\r\n"));
	return !b->full || err_set(err, "the request is too long");
}

static bool
parse_head(struct test_request *t, struct str text, struct err *err)
{
	struct h1_parser parser;
	h1_parser_init(&parser);
	http_head_init(&t->head, t->fields, TEST_FIELDS);
	switch (h1_parse_request(&parser, text.p, text.n, &t->head)) {
	case H1_OK:
		return true;
	case H1_MORE:
		return err_set(err, "the request is not complete");
	case H1_BAD:
		break;
	}
	return err_set(err, "no such request can come: %s",
		       http_reason((enum http_reason_id)parser.reason)->text);
}

void *
policy_host_test_txn(void *data, const struct policy_test_request *q, struct arena *arena,
		     struct err *err)
{
	struct policy_host_data *d = data;
	struct test_request *t = ARENA_NEW(arena, struct test_request);
	struct sbuf b;
	if (t == NULL) {
		err_set(err, "no memory for more requests in one test");
		return NULL;
	}
	t->request = (struct policy_request){POLICY_REQUEST_MAGIC, &t->ctx, d->test_scratch};
	set_addr(&t->src, &q->src);
	set_addr(&t->dst, &q->dst);
	t->ctx = (struct sample_ctx){.req = &t->head,
				     .src = &t->src,
				     .dst = &t->dst,
				     .now_mono_ns = clock_mono_ns(),
				     .now_boot_ns = clock_boot_ns(),
				     .now_real_ns = clock_real_ns(),
				     .shm = d->set->vars};
	sbuf_init(&b, 16384);
	bool ok = write_head(q, &b, err);
	struct str text = ok ? str_copy(arena, sbuf_str(&b)) : STR_NULL;
	sbuf_fini(&b);
	if (ok && text.p == NULL)
		ok = err_set(err, "no memory for more requests in one test");
	return ok && parse_head(t, text, err) ? &t->request : NULL;
}
