// SPDX-License-Identifier: MIT
// Fetches of servers' states: how many are usable, whether one is up, what it weighs. Names are
// resolved once the configuration is read; at run time each is a few atomic loads.
#include "backend/fetch_backend.h"

#include "backend/backend.h"
#include "base/hash.h"
#include "base/module.h"
#include "conf/conf.h"
#include "expr/fetch.h"

struct name_iter {
	const struct hash_map *map;
	size_t at;
};

static const char *
next_name(void *arg)
{
	struct name_iter *it = arg;
	while (it->at < it->map->n_slots) {
		const struct hash_slot *s = &it->map->slots[it->at++];
		if (s->key.p != NULL)
			return s->key.p; // names of the configuration are NUL-terminated
	}
	return NULL;
}

static struct backend *
find_backend(struct conf *conf, struct str name, struct err *err)
{
	const struct hash_map *map = conf_bound(conf, "backends");
	struct backend *b = map != NULL ? hash_map_get(map, name) : NULL;
	if (b != NULL || map == NULL)
		return b;
	struct name_iter it = {.map = map};
	const char *near = str_suggest(name, next_name, &it);
	err_set(err, "there is no backend '%.*s'%s%s%s", STR_ARG(name),
		near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
		near != NULL ? "'?" : "");
	return NULL;
}

// Without an argument the request's own backend is asked; the map finds it by name.
static bool
link_backend(struct expr_arg *args, struct conf *conf, struct err *err)
{
	args[0].ptr = args[0].given ? (void *)find_backend(conf, args[0].s, err)
				    : conf_bound(conf, "backends");
	return args[0].ptr != NULL;
}

static const struct backend *
backend_of(const struct expr_arg *args, struct sample_ctx *ctx)
{
	if (args[0].given)
		return args[0].ptr;
	if (ctx->host == NULL || ctx->host->text == NULL)
		return NULL;
	struct str name = ctx->host->text(ctx, SMP_TEXT_BACKEND);
	return name.p != NULL ? hash_map_get(args[0].ptr, name) : NULL;
}

static bool
fetch_nbsrv(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *out)
{
	const struct backend *b = backend_of(args, ctx);
	if (b == NULL)
		return false;
	sample_set_int(out, backend_usable_servers(b));
	return true;
}

// "backend/server".
static bool
link_server(struct expr_arg *args, struct conf *conf, struct err *err)
{
	struct str rest = args[0].s, backend;
	(void)str_next(&rest, '/', &backend); // the argument is not empty
	if (rest.p == NULL)
		return err_set(err, "'%.*s': write BACKEND/SERVER", STR_ARG(args[0].s));
	struct backend *b = find_backend(conf, backend, err);
	if (b == NULL)
		return false;
	args[0].ptr = backend_find_server(b, rest);
	return args[0].ptr != NULL ||
	       err_set(err, "backend '%.*s' has no server '%.*s'", STR_ARG(backend), STR_ARG(rest));
}

static bool
fetch_srv_is_up(const struct expr_arg *args, struct sample_ctx *ctx UNUSED, struct sample *out)
{
	sample_set_bool(out, server_is_up(args[0].ptr));
	return true;
}

static bool
fetch_srv_weight(const struct expr_arg *args, struct sample_ctx *ctx UNUSED, struct sample *out)
{
	const struct server *s = args[0].ptr;
	uint32_t weight = atomic_load_explicit(&s->weight, memory_order_relaxed);
	sample_set_int(out, (weight * balance_parts(s) + SLOWSTART_WHOLE - 1) / SLOWSTART_WHOLE);
	return true;
}

static bool
fetch_srv_iweight(const struct expr_arg *args, struct sample_ctx *ctx UNUSED, struct sample *out)
{
	sample_set_int(out, ((const struct server *)args[0].ptr)->weight_configured);
	return true;
}

// ---- the same by a name that is known only then

static bool
conv_map(struct expr_arg *args, struct conf *conf, struct err *err UNUSED)
{
	args[0].ptr = conf_bound(conf, "backends");
	return true;
}

static const struct backend *
named(const struct expr_arg *args, struct str name)
{
	return args[0].ptr != NULL ? hash_map_get(args[0].ptr, name) : NULL;
}

static bool
conv_nbsrv(const struct expr_arg *args, struct sample_ctx *ctx UNUSED, struct sample *smp)
{
	const struct backend *b = named(args, smp->s);
	if (b == NULL)
		return false;
	sample_set_int(smp, backend_usable_servers(b));
	return true;
}

// Of "backend/server".
static const struct server *
named_server(const struct expr_arg *args, struct str text)
{
	struct str rest = text, name;
	const struct backend *b = str_next(&rest, '/', &name) ? named(args, name) : NULL;
	return b != NULL && rest.p != NULL ? backend_find_server(b, rest) : NULL;
}

// Requests wait for any server of their backend, never for one.
static bool
conv_srv_queue(const struct expr_arg *args, struct sample_ctx *ctx UNUSED, struct sample *smp)
{
	bool known = named_server(args, smp->s) != NULL;
	sample_set_int(smp, 0);
	return known;
}

static bool
conv_srv_is_up(const struct expr_arg *args, struct sample_ctx *ctx UNUSED, struct sample *smp)
{
	const struct server *s = named_server(args, smp->s);
	if (s == NULL)
		return false;
	sample_set_bool(smp, server_is_up(s));
	return true;
}

static const struct conv_row convs[] = {
    {.name = "nbsrv",
     .in = SMP_STR,
     .out = SMP_INT,
     .flags = ROW_VOLATILE | ROW_LINK_LOOKS,
     .conv = conv_nbsrv,
     .link = conv_map,
     .help = "number of servers of the backend of that name that take requests"},
    {.name = "srv_queue",
     .in = SMP_STR,
     .out = SMP_INT,
     .flags = ROW_VOLATILE | ROW_LINK_LOOKS,
     .conv = conv_srv_queue,
     .link = conv_map,
     .help = "of \"backend/server\": 0, as requests wait for a backend, not for one server"},
    {.name = "srv_is_up",
     .in = SMP_STR,
     .out = SMP_BOOL,
     .flags = ROW_VOLATILE | ROW_LINK_LOOKS,
     .conv = conv_srv_is_up,
     .link = conv_map,
     .help = "of \"backend/server\": true unless the server is in maintenance or down"},
    {0},
};

static const struct arg_spec backend_arg[] = {
    {.type = ARG_NAME, .name = "backend", .flags = ARG_OPTIONAL | ARG_NOT_EMPTY},
    {.type = ARG_END},
};
static const struct arg_spec server_arg[] = {
    {.type = ARG_NAME, .name = "backend/server", .flags = ARG_NOT_EMPTY},
    {.type = ARG_END},
};

static const struct fetch_row fetches[] = {
    {.name = "nbsrv",
     .args = backend_arg,
     .out = SMP_INT,
     .flags = ROW_VOLATILE | ROW_LINK_LOOKS,
     .fetch = fetch_nbsrv,
     .link = link_backend,
     .help = "number of servers that take requests; of the request's backend without an argument"},
    {.name = "srv_is_up",
     .args = server_arg,
     .out = SMP_BOOL,
     .flags = ROW_VOLATILE | ROW_LINK_LOOKS,
     .fetch = fetch_srv_is_up,
     .link = link_server,
     .help = "true unless the server is in maintenance or down"},
    {.name = "srv_weight",
     .aliases = "srv_uweight",
     .args = server_arg,
     .out = SMP_INT,
     .flags = ROW_VOLATILE | ROW_LINK_LOOKS,
     .fetch = fetch_srv_weight,
     .link = link_server,
     .help = "the server's present weight"},
    {.name = "srv_iweight",
     .args = server_arg,
     .out = SMP_INT,
     .flags = ROW_LINK_LOOKS,
     .fetch = fetch_srv_iweight,
     .link = link_server,
     .help = "the server's configured weight"},
    {0},
};

const struct module backend_module = {.name = "backend", .fetches = fetches, .convs = convs};
