// SPDX-License-Identifier: MIT
// Values between scripts and the configuration's expressions.
#include <stdio.h>

#include "proxy/policy_host_priv.h"

bool
policy_give_sample(struct policy_value *out, struct sample *s, struct sample_ctx *ctx,
		   struct err *err)
{
	struct str text;
	if (s->type == SMP_INT)
		return policy_give_int(out, s->i);
	if (s->type == SMP_BOOL)
		return policy_give_bool(out, s->b);
	if (!sample_text(s, ctx, &text))
		return err_set(err, "no memory for the result");
	return policy_give_str(out, text.p != NULL ? text : STR(""));
}

bool
policy_value_text(const struct policy_value *v, struct arena *a, struct str *out, struct err *err)
{
	struct sample ip = {.type = v->family == 6 ? SMP_IP6 : SMP_IP4};
	char buf[64];
	int n = 0;
	*out = STR_NULL;
	switch ((enum policy_type)v->type) {
	case POLICY_T_NIL:
		return true;
	case POLICY_T_STR:
		*out = v->s.p != NULL ? v->s : STR("");
		return true;
	case POLICY_T_BOOL:
		*out = v->b ? STR("1") : STR("0");
		return true;
	case POLICY_T_INT:
		n = snprintf(buf, sizeof(buf), "%lld", (long long)v->i);
		break;
	case POLICY_T_DOUBLE:
		n = snprintf(buf, sizeof(buf), "%.14g", v->d);
		break;
	case POLICY_T_IP:
		memcpy(ip.ip, v->ip, sizeof(ip.ip));
		n = (int)sample_print_ip(&ip, buf, sizeof(buf));
		break;
	}
	*out = str_copy(a, str_of(buf, (size_t)n));
	return out->p != NULL || err_set(err, "no memory for arguments");
}

bool
policy_value_sample(const struct policy_value *v, struct sample_ctx *ctx, struct sample *out)
{
	struct str text;
	struct err err;
	switch ((enum policy_type)v->type) {
	case POLICY_T_NIL:
		return false;
	case POLICY_T_BOOL:
		sample_set_bool(out, v->b);
		return true;
	case POLICY_T_INT:
		sample_set_int(out, v->i);
		return true;
	case POLICY_T_IP:
		out->type = v->family == 6 ? SMP_IP6 : SMP_IP4;
		memcpy(out->ip, v->ip, sizeof(out->ip));
		return true;
	case POLICY_T_DOUBLE:
	case POLICY_T_STR:
		break;
	}
	if (!policy_value_text(v, ctx->arena, &text, &err)) {
		ctx->failed = true;
		return false;
	}
	sample_set_str(out, text);
	return true;
}
