// SPDX-License-Identifier: MIT
// Variables of the shared table as samples: shm.NAME is resolved to a handle once, a read is
// tidevars_read. HAProxy's language has no fractions: as text a float is itself ("0.75"), compared
// or computed with it is rounded towards zero.

#include "base/clock.h"
#include "expr/expr_priv.h"
#include "tidegate/vars.h"

// A name that is allowed without a declaration is an integer until somebody declares it.
static bool
make_undeclared(struct expr_set *set, struct var_ref *ref, struct tidevars_error *why)
{
	struct tidevars_decl d = {.name = ref->name.p,
				  .type = TIDEVARS_INT,
				  .flags = TIDEVARS_UNDECLARED};
	return tidevars_declare(set->shm, &d, &ref->id, why) == TIDEVARS_OK;
}

bool
var_shm_resolve(struct expr_set *set, struct var_ref *ref, struct err *err)
{
	struct tidevars_error why;
	if (set->shm == NULL)
		return err_set(err, "variable 'shm.%.*s': there is no shared table",
			       STR_ARG(ref->name));
	if (tidevars_find(set->shm, ref->name.p, ref->name.n, &ref->id, &why) == TIDEVARS_OK ||
	    (set->allow_undeclared && make_undeclared(set, ref, &why)))
		return true;
	return err_set(err, "shm.%.*s: %s", STR_ARG(ref->name), why.text);
}

static int64_t
to_int(double f)
{
	return f >= 9.2e18 ? INT64_MAX : f <= -9.2e18 ? INT64_MIN : (int64_t)f;
}

static void
give_fraction(double f, struct sample *out)
{
	sample_set_int(out, to_int(f));
	out->f = f;
	out->flags |= SMP_FRACTION;
}

static bool
give_text(const struct tidevars_value *v, struct sample_ctx *ctx, struct sample *out)
{
	struct str copy = str_copy(ctx->arena, str_of(v->text, v->text_n));
	ctx->failed |= copy.p == NULL;
	sample_set_str(out, copy);
	return copy.p != NULL;
}

bool
var_shm_get(const struct var_ref *ref, struct sample_ctx *ctx, struct sample *out)
{
	struct tidevars_value v;
	if (ctx->shm == NULL ||
	    tidevars_read(ctx->shm, ref->id, ctx->now_boot_ns, &v) != TIDEVARS_OK)
		return false;
	if (UNLIKELY(ctx->shm_was_read != NULL))
		ctx->shm_was_read(ctx, ref->id, &v);
	switch (v.type) {
	case TIDEVARS_INT:
	case TIDEVARS_COUNTER:
	case TIDEVARS_HOLD:
		sample_set_int(out, v.u.i);
		return true;
	case TIDEVARS_BOOL:
		sample_set_bool(out, v.u.i != 0);
		return true;
	case TIDEVARS_FLOAT:
		give_fraction(v.u.f, out);
		return true;
	case TIDEVARS_GAUGE:
		give_fraction(v.smooth, out);
		return true;
	case TIDEVARS_STRING:
		return give_text(&v, ctx, out);
	default:
		return false;
	}
}

bool
var_shm_age(const struct var_ref *ref, struct sample_ctx *ctx, struct sample *out)
{
	struct tidevars_value v;
	if (ctx->shm == NULL ||
	    tidevars_read(ctx->shm, ref->id, ctx->now_boot_ns, &v) != TIDEVARS_OK || v.version == 0)
		return false;
	sample_set_int(out, (int64_t)((ctx->now_boot_ns - v.written_boot_ns) / NS_PER_MS));
	return true;
}
