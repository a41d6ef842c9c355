// SPDX-License-Identifier: MIT
// What a policy sees of a request: names become handles once, when a script is prepared, and a
// handle is answered from a struct sample_ctx, so that a live transaction and a request made by a
// self-test look the same. Converters and fetches are those of expr/. Runs on workers inside Lua
// calls: no allocation but the context's arena, nothing that waits.
#include "proxy/policy_host.h"

#include "backend/backend.h"
#include "base/mem.h"
#include "expr/expr.h"
#include "expr/var.h"
#include "http/head.h"
#include "net/worker.h"
#include "proxy/proxy.h"
#include "proxy/stats.h"

// A handle is a kind and a number within it.
#define KIND_SHIFT 20
enum kind { KIND_FIELD, KIND_HEADER, KIND_COOKIE, KIND_VAR, KIND_FETCH, KIND_CONV, KIND_BACKEND };

static int
make_handle(enum kind kind, size_t n)
{
	ASSERT(n < (1u << KIND_SHIFT));
	return (int)((unsigned)kind << KIND_SHIFT | (unsigned)n);
}

// --- values --------------------------------------------------------------------------------------

static void
give_str(struct policy_value *out, struct str s)
{
	if (s.p == NULL)
		return; // NIL
	out->type = POLICY_T_STR;
	out->s = s;
}

static void
give_int(struct policy_value *out, int64_t i)
{
	out->type = POLICY_T_INT;
	out->i = i;
}

static void
give_addr(struct policy_value *out, const struct sample_addr *a)
{
	if (a == NULL || (a->family != 4 && a->family != 6))
		return;
	out->type = POLICY_T_IP;
	out->family = a->family;
	memcpy(out->ip, a->ip, sizeof(out->ip));
}

static void
give_sample(struct policy_value *out, const struct sample *s)
{
	switch (s->type) {
	case SMP_BOOL:
		out->type = POLICY_T_BOOL;
		out->b = s->b;
		break;
	case SMP_INT:
		give_int(out, s->i);
		break;
	case SMP_IP4:
	case SMP_IP6:
		out->type = POLICY_T_IP;
		out->family = s->type == SMP_IP4 ? 4 : 6;
		memcpy(out->ip, s->ip, sizeof(out->ip));
		break;
	default:
		give_str(out, s->s.p != NULL ? s->s : STR(""));
		break;
	}
}

bool
policy_host_to_sample(const struct policy_value *v, struct sample *s)
{
	*s = (struct sample){0};
	switch (v->type) {
	case POLICY_T_BOOL:
		sample_set_bool(s, v->b);
		return true;
	case POLICY_T_INT:
		sample_set_int(s, v->i);
		return true;
	case POLICY_T_DOUBLE:
		// Samples have no fractions; beyond 64 bits there is no such integer.
		if (!(v->d >= -9.2e18 && v->d <= 9.2e18))
			return false;
		sample_set_int(s, (int64_t)v->d);
		return true;
	case POLICY_T_STR:
		sample_set_str(s, v->s);
		return true;
	case POLICY_T_IP:
		s->type = v->family == 4 ? SMP_IP4 : SMP_IP6;
		memcpy(s->ip, v->ip, sizeof(s->ip));
		return true;
	default:
		return false;
	}
}

// --- txn.NAME ------------------------------------------------------------------------------------

typedef void (*field_f)(const struct sample_ctx *ctx, struct policy_value *out);

static void
field_method(const struct sample_ctx *ctx, struct policy_value *out)
{
	if (ctx->req != NULL)
		give_str(out, ctx->req->method_text);
}

static void
field_path(const struct sample_ctx *ctx, struct policy_value *out)
{
	if (ctx->req != NULL)
		give_str(out, http_head_path(ctx->req));
}

static void
field_query(const struct sample_ctx *ctx, struct policy_value *out)
{
	if (ctx->req != NULL)
		give_str(out, http_head_query(ctx->req));
}

static void
field_url(const struct sample_ctx *ctx, struct policy_value *out)
{
	if (ctx->req != NULL)
		give_str(out, ctx->req->target);
}

static void
field_host(const struct sample_ctx *ctx, struct policy_value *out)
{
	if (ctx->req != NULL && ctx->req->host.n > 0)
		give_str(out, ctx->req->host);
}

static void
field_version(const struct sample_ctx *ctx, struct policy_value *out)
{
	if (ctx->req != NULL)
		give_str(out, ctx->req->version == 0 ? STR("1.0") : STR("1.1"));
}

static void
field_src(const struct sample_ctx *ctx, struct policy_value *out)
{
	give_addr(out, ctx->src);
}

static void
field_dst(const struct sample_ctx *ctx, struct policy_value *out)
{
	give_addr(out, ctx->dst);
}

static void
field_src_port(const struct sample_ctx *ctx, struct policy_value *out)
{
	if (ctx->src != NULL && ctx->src->family > 1)
		give_int(out, ctx->src->port);
}

static void
field_dst_port(const struct sample_ctx *ctx, struct policy_value *out)
{
	if (ctx->dst != NULL && ctx->dst->family > 1)
		give_int(out, ctx->dst->port);
}

static void
field_status(const struct sample_ctx *ctx, struct policy_value *out)
{
	if (ctx->res != NULL)
		give_int(out, ctx->res->status);
}

static void
field_frontend(const struct sample_ctx *ctx, struct policy_value *out)
{
	if (ctx->host != NULL)
		give_str(out, ctx->host->text(ctx, SMP_TEXT_FRONTEND));
}

static void
field_backend(const struct sample_ctx *ctx, struct policy_value *out)
{
	if (ctx->host != NULL)
		give_str(out, ctx->host->text(ctx, SMP_TEXT_BACKEND));
}

static const struct {
	const char *name;
	field_f get;
} fields[] = {
    {"method", field_method},     {"path", field_path},       {"query", field_query},
    {"url", field_url},           {"host", field_host},       {"version", field_version},
    {"src", field_src},           {"dst", field_dst},         {"src_port", field_src_port},
    {"dst_port", field_dst_port}, {"port", field_dst_port},   {"status", field_status},
    {"frontend", field_frontend}, {"backend", field_backend},
};

static const char *
next_field(void *iter)
{
	size_t *i = iter;
	return *i < ARRAY_LEN(fields) ? fields[(*i)++].name : NULL;
}

static int
not_known(const char *what, struct str name, const char *near, struct err *err)
{
	err_set(err, "there is no %s '%.*s'%s%s%s", what, STR_ARG(name),
		near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
		near != NULL ? "'?" : "");
	return -1;
}

static int
resolve_field(struct str name, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		if (str_eq(name, str_from_c(fields[i].name)))
			return make_handle(KIND_FIELD, i);
	size_t i = 0;
	return not_known("field of txn", name, str_suggest(name, next_field, &i), err);
}

// --- headers, cookies, variables -----------------------------------------------------------------

static bool
text_arg(const struct policy_value *args, unsigned n, struct str *out, struct err *err)
{
	if (n != 1 || args[0].type != POLICY_T_STR)
		return err_set(err, "a name is expected");
	*out = args[0].s;
	return true;
}

static bool
call_header(const struct sample_ctx *ctx, struct str name, struct policy_value *out)
{
	struct http_name known = http_name_of(name);
	const struct http_head *h = ctx->res != NULL ? ctx->res : ctx->req;
	if (ctx->req != NULL)
		h = ctx->req;
	const struct http_field *f = h != NULL ? http_head_find(h, &known, NULL) : NULL;
	if (f != NULL)
		give_str(out, http_field_value(f));
	return true;
}

static bool
call_cookie(const struct sample_ctx *ctx, struct str name, struct policy_value *out)
{
	struct str value;
	if (ctx->req != NULL && http_cookie_get(ctx->req, name, &value))
		give_str(out, value);
	return true;
}

static bool
call_var(const struct policy_host_data *d, struct sample_ctx *ctx, struct str name,
	 struct policy_value *out, struct err *err)
{
	struct var_ref ref;
	struct sample s;
	if (str_starts(name, STR("shm.")))
		return err_set(err, "'%.*s' is read as vars[\"%.*s\"]", STR_ARG(name),
			       STR_ARG(str_slice(name, 4, name.n)));
	// A name that no rule uses has never been set.
	if (var_lookup(d->exprs, name, &ref) && var_get(&ref, ctx, &s))
		give_sample(out, &s);
	return true;
}

// --- fetches and converters ----------------------------------------------------------------------

// Lua's names cannot hold '.' or '-': "req_hdr" finds "req.hdr".
static bool
same_name(const char *row, struct str name)
{
	size_t n = strlen(row);
	if (n != name.n)
		return false;
	for (size_t i = 0; i < n; i++) {
		char c = row[i] == '.' || row[i] == '-' ? '_' : row[i];
		char d = name.p[i] == '.' || name.p[i] == '-' ? '_' : name.p[i];
		if (c != d)
			return false;
	}
	return true;
}

static bool
any_name(const char *name, const char *aliases, struct str wanted)
{
	if (same_name(name, wanted))
		return true;
	struct str rest = str_from_c(aliases), piece;
	while (rest.n > 0 && str_next(&rest, ' ', &piece)) {
		char buf[64];
		if (piece.n == 0 || piece.n >= sizeof(buf))
			continue;
		memcpy(buf, piece.p, piece.n);
		buf[piece.n] = '\0';
		if (same_name(buf, wanted))
			return true;
	}
	return false;
}

static int
resolve_fetch(const struct policy_host_data *d, struct str name, struct err *err)
{
	const struct fetch_row *r;
	for (size_t i = 0; (r = expr_set_fetch_at(d->exprs, i)) != NULL; i++) {
		if (!any_name(r->name, r->aliases, name))
			continue;
		if (strcmp(r->name, "lua") == 0) {
			err_set(err, "a policy cannot call a policy through fetch 'lua'");
			return -1;
		}
		return make_handle(KIND_FETCH, i);
	}
	return not_known("fetch", name, NULL, err);
}

static int
resolve_conv(const struct policy_host_data *d, struct str name, struct err *err)
{
	const struct conv_row *r;
	for (size_t i = 0; (r = expr_set_conv_at(d->exprs, i)) != NULL; i++)
		if (any_name(r->name, r->aliases, name))
			return make_handle(KIND_CONV, i);
	return not_known("converter", name, NULL, err);
}

#define MAX_ROW_ARGS 12

static bool
give_arg(const struct arg_spec *spec, const struct policy_value *v, struct sample_ctx *ctx,
	 struct expr_arg *a, struct err *err)
{
	struct sample s;
	*a = (struct expr_arg){.type = (uint8_t)spec->type, .given = v->type != POLICY_T_NIL};
	if (!a->given)
		return (spec->flags & ARG_OPTIONAL) != 0 ||
		       err_set(err, "%s is missing",
			       spec->name != NULL ? spec->name : "an argument");
	if (!policy_host_to_sample(v, &s))
		return err_set(err, "an argument has no value that a fetch could take");
	switch (spec->type) {
	case ARG_STR:
	case ARG_REST:
		if (!sample_text(&s, ctx, &a->s))
			return err_set(err, "the transaction has no memory left");
		a->s = str_copy(ctx->arena, a->s); // NUL-terminated there
		return a->s.p != NULL || err_set(err, "the transaction has no memory left");
	case ARG_INT:
	case ARG_TIME_US:
		if (!sample_cast(&s, SMP_INT, ctx))
			return err_set(err, "%s is no number", spec->name);
		a->i = s.i;
		if ((spec->min != 0 || spec->max != 0) && (a->i < spec->min || a->i > spec->max))
			return err_set(err, "%lld is not within %lld..%lld", (long long)a->i,
				       (long long)spec->min, (long long)spec->max);
		return true;
	default:
		return err_set(err, "its arguments can only be given in the configuration");
	}
}

static bool
give_args(const struct arg_spec *specs, const struct policy_value *v, unsigned n,
	  struct sample_ctx *ctx, struct expr_arg *out, struct err *err)
{
	static const struct policy_value nil = {.type = POLICY_T_NIL};
	unsigned at = 0, filled = 0;
	for (const struct arg_spec *s = specs; s != NULL && s->type != ARG_END; s++) {
		if (s->type == ARG_REST) {
			for (; at < n && filled < MAX_ROW_ARGS; at++)
				if (!give_arg(s, &v[at], ctx, &out[filled++], err))
					return false;
			break;
		}
		const struct policy_value *value = at < n ? &v[at++] : &nil;
		if (!give_arg(s, value, ctx, &out[filled++], err))
			return false;
	}
	out[filled] = (struct expr_arg){.type = ARG_END};
	return at == n || err_set(err, "%u arguments are too many", n);
}

// What a row's check would refuse or make of arguments happens while the configuration is read;
// here there is none, so rows that have one are not offered.
static bool
call_fetch(const struct policy_host_data *d, struct sample_ctx *ctx, size_t i,
	   const struct policy_value *args, unsigned n, struct policy_value *out, struct err *err)
{
	const struct fetch_row *r = expr_set_fetch_at(d->exprs, i);
	struct expr_arg a[MAX_ROW_ARGS + 1];
	struct sample s = {0};
	if ((r->check != NULL || r->link != NULL) && n > 0)
		return err_set(err, "fetch '%s' takes its arguments only in the configuration",
			       r->name);
	if (!give_args(r->args, args, n, ctx, a, err))
		return err_wrap(err, "fetch '%s'", r->name);
	memset(&ctx->iter, 0, sizeof(ctx->iter));
	if (r->fetch(a, ctx, &s))
		give_sample(out, &s);
	return true;
}

static bool
call_conv(const struct policy_host_data *d, struct sample_ctx *ctx, size_t i,
	  const struct policy_value *args, unsigned n, struct policy_value *out, struct err *err)
{
	const struct conv_row *r = expr_set_conv_at(d->exprs, i);
	struct expr_arg a[MAX_ROW_ARGS + 1];
	struct sample s;
	if (n == 0)
		return err_set(err, "converter '%s' needs an input", r->name);
	if ((r->check != NULL || r->link != NULL) && n > 1)
		return err_set(err, "converter '%s' takes its arguments only in the configuration",
			       r->name);
	if (!policy_host_to_sample(&args[0], &s))
		return true; // no input: no sample
	if (!give_args(r->args, args + 1, n - 1, ctx, a, err))
		return err_wrap(err, "converter '%s'", r->name);
	if (sample_cast(&s, r->in, ctx) && r->conv(a, ctx, &s))
		give_sample(out, &s);
	return true;
}

// --- backends.NAME -------------------------------------------------------------------------------

static uint64_t
sum(const struct metric_blocks *b, size_t offset)
{
	const struct metric_row row = {.offset = offset, .kind = METRIC_GAUGE};
	return b->mem != NULL ? metrics_read(b, &row) : 0;
}

static const char *const backend_fields[] = {"name",       "sessions", "queue",
					     "up_servers", "servers",  "requests"};

static const char *
next_backend_field(void *iter)
{
	size_t *i = iter;
	return *i < ARRAY_LEN(backend_fields) ? backend_fields[(*i)++] : NULL;
}

static bool
call_backend(const struct policy_host_data *d, size_t i, struct str what, struct policy_value *out,
	     struct err *err)
{
	const struct proxy *p = d->set->all[i];
	if (str_eq(what, STR("name")))
		give_str(out, p->name);
	else if (str_eq(what, STR("sessions")))
		give_int(out,
			 (int64_t)sum(&p->be_stats, offsetof(struct be_counters, sessions_now)));
	else if (str_eq(what, STR("requests")))
		give_int(out, (int64_t)sum(&p->be_stats, offsetof(struct be_counters, requests)));
	else if (str_eq(what, STR("queue")))
		give_int(out, 0); // there is no queue yet
	else if (str_eq(what, STR("up_servers")))
		give_int(out, backend_usable_servers(p->backend));
	else if (str_eq(what, STR("servers")))
		give_int(out, (int64_t)p->backend->n_servers);
	else {
		size_t at = 0;
		(void)not_known("field of a backend", what,
				str_suggest(what, next_backend_field, &at), err);
		return false;
	}
	return true;
}

static int
resolve_backend(const struct policy_host_data *d, struct str name, struct err *err)
{
	const struct proxy *p = hash_map_get(&d->set->backends, name);
	return p != NULL ? make_handle(KIND_BACKEND, p->index)
			 : not_known("backend", name, NULL, err);
}

// --- the vtable ----------------------------------------------------------------------------------

static int
host_resolve(void *data, enum policy_what what, struct str name, struct err *err)
{
	const struct policy_host_data *d = data;
	switch (what) {
	case POLICY_FIELD:
		return resolve_field(name, err);
	case POLICY_HEADER:
		return make_handle(KIND_HEADER, 0);
	case POLICY_COOKIE:
		return make_handle(KIND_COOKIE, 0);
	case POLICY_VAR:
		return make_handle(KIND_VAR, 0);
	case POLICY_FETCH:
		return resolve_fetch(d, name, err);
	case POLICY_CONV:
		return resolve_conv(d, name, err);
	case POLICY_BACKEND:
		return resolve_backend(d, name, err);
	}
	return -1;
}

static bool
host_call(void *data, void *txn, int handle, const struct policy_value *args, unsigned n,
	  struct policy_value *out, struct err *err)
{
	const struct policy_host_data *d = data;
	struct sample_ctx *ctx = txn;
	size_t i = (unsigned)handle & ((1u << KIND_SHIFT) - 1);
	enum kind kind = (enum kind)((unsigned)handle >> KIND_SHIFT);
	struct str name;
	*out = (struct policy_value){.type = POLICY_T_NIL};
	if (kind == KIND_BACKEND)
		return text_arg(args, n, &name, err) && call_backend(d, i, name, out, err);
	if (ctx == NULL)
		return err_set(err, "there is no request here");
	switch (kind) {
	case KIND_FIELD:
		fields[i].get(ctx, out);
		return true;
	case KIND_HEADER:
		return text_arg(args, n, &name, err) && call_header(ctx, name, out);
	case KIND_COOKIE:
		return text_arg(args, n, &name, err) && call_cookie(ctx, name, out);
	case KIND_VAR:
		return text_arg(args, n, &name, err) && call_var(d, ctx, name, out, err);
	case KIND_FETCH:
		return call_fetch(d, ctx, i, args, n, out, err);
	case KIND_CONV:
		return call_conv(d, ctx, i, args, n, out, err);
	default:
		return err_set(err, "unknown handle");
	}
}

// --- a self-test's request -----------------------------------------------------------------------

#define TEST_FIELDS 128

struct test_request {
	struct sample_ctx ctx;
	struct http_head head;
	struct sample_addr src, dst;
	struct var_scope vars[4];
	struct http_field fields[TEST_FIELDS];
};

static void
set_addr(struct sample_addr *a, const struct policy_value *v)
{
	if (v->type != POLICY_T_IP)
		return;
	a->family = v->family;
	memcpy(a->ip, v->ip, sizeof(a->ip));
}

static bool
add_fields(struct test_request *t, const struct policy_test_request *req, struct arena *arena,
	   struct err *err)
{
	for (size_t i = 0; i < req->n_headers; i++) {
		const struct policy_field *f = &req->headers[i];
		enum http_edit e = http_head_add(&t->head, arena, f->name, f->value);
		if (e != HTTP_EDIT_OK)
			return err_set(err, "header '%.*s' %s", STR_ARG(f->name),
				       e == HTTP_EDIT_FULL ? "finds no room"
							   : "is no valid header");
	}
	struct str all = STR("");
	for (size_t i = 0; i < req->n_cookies; i++)
		all = str_from_c(arena_printf(arena, "%.*s%s%.*s=%.*s", STR_ARG(all),
					      i > 0 ? "; " : "", STR_ARG(req->cookies[i].name),
					      STR_ARG(req->cookies[i].value)));
	if (req->n_cookies > 0 &&
	    http_head_add(&t->head, arena, STR("Cookie"), all) != HTTP_EDIT_OK)
		return err_set(err, "the cookies are no valid header");
	if (req->host.p != NULL &&
	    http_head_add(&t->head, arena, STR("Host"), req->host) != HTTP_EDIT_OK)
		return err_set(err, "host '%.*s' is no valid header", STR_ARG(req->host));
	return true;
}

static bool
set_target(struct test_request *t, const struct policy_test_request *req, struct arena *arena,
	   struct err *err)
{
	struct str path = req->path.p != NULL ? req->path : STR("/");
	char *target = arena_printf(arena, "%.*s%s%.*s", STR_ARG(path),
				    req->query.p != NULL ? "?" : "", STR_ARG(req->query));
	struct str method = req->method.p != NULL ? req->method : STR("GET");
	if (target == NULL)
		return err_set(err, "the request is too large");
	t->head.target = STR("/");
	t->head.method_text = STR("GET");
	t->head.method = HTTP_METHOD_GET;
	if (http_head_set_uri(&t->head, arena, str_from_c(target)) != HTTP_EDIT_OK)
		return err_set(err, "'%s' is no request target", target);
	if (http_head_set_method(&t->head, arena, method) != HTTP_EDIT_OK)
		return err_set(err, "'%.*s' is no method", STR_ARG(method));
	t->head.version = str_eq(req->version, STR("1.0")) ? 0 : 1;
	if (req->host.p != NULL)
		t->head.host = req->host;
	return true;
}

static void *
host_test_txn(void *data, const struct policy_test_request *req, struct arena *arena,
	      struct err *err)
{
	const struct policy_host_data *d = data;
	struct test_request *t = ARENA_NEW(arena, struct test_request);
	if (t == NULL) {
		err_set(err, "there is no memory for the request");
		return NULL;
	}
	http_head_init(&t->head, t->fields, TEST_FIELDS);
	set_addr(&t->src, &req->src);
	set_addr(&t->dst, &req->dst);
	t->ctx = (struct sample_ctx){
	    .req = &t->head, .src = &t->src, .dst = &t->dst, .arena = arena, .shm = d->set->vars};
	for (size_t i = 0; i < ARRAY_LEN(t->vars); i++) {
		var_scope_init(&t->vars[i], arena);
		t->ctx.vars[VAR_SESS + i] = &t->vars[i];
	}
	return set_target(t, req, arena, err) && add_fields(t, req, arena, err) ? t : NULL;
}

// --- messages between threads --------------------------------------------------------------------

struct carried {
	struct msg msg; // first: the engine's memory is ours while it travels
	struct policy_msg *policy;
};

static void
run_carried(struct msg *m)
{
	struct carried *c = CONTAINER_OF(m, struct carried, msg);
	policy_msg_run(c->policy);
}

static void
host_post(void *data, int to, struct policy_msg *m)
{
	const struct policy_host_data *d = data;
	_Static_assert(sizeof(struct carried) <= sizeof(m->host), "fits the engine's room for it");
	struct carried *c = (struct carried *)(void *)m->host;
	*c = (struct carried){.msg.fn = run_carried, .policy = m};
	ASSERT(d->set->threads != NULL);
	worker_post(workers_get(d->set->threads, to == POLICY_KEEPER ? 0 : (unsigned)to + 1),
		    &c->msg);
}

const struct policy_host policy_host = {
    .resolve = host_resolve,
    .call = host_call,
    .test_txn = host_test_txn,
    .post = host_post,
};
