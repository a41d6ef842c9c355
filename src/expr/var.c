// SPDX-License-Identifier: MIT
// Variables of rules. Names are interned while parsing; a scope is a short array searched by
// number. proc. variables are one sequence-locked record each: any worker reads without waiting
// for another, writers exclude each other for the few stores it takes.

#include "expr/var.h"

#include "base/mem.h"
#include "expr/expr_priv.h"

#define PROC_WORDS (3 + VAR_PROC_BYTES / 8)

// words: [0] type and length of text, [1..2] number or address, [3..] text. seq is odd while
// somebody writes; all words are relaxed atomics, ordered by seq alone.
struct var_proc {
	_Atomic uint32_t seq;
	struct str name;
	_Atomic uint64_t words[PROC_WORDS];
};

static const char *const scope_names[VAR_N_SCOPES] = {
    [VAR_PROC] = "proc", [VAR_SESS] = "sess", [VAR_TXN] = "txn",
    [VAR_REQ] = "req",   [VAR_RES] = "res",   [VAR_SHM] = "shm",
};

const char *
var_scope_name(enum var_scope_id id)
{
	ASSERT(id < VAR_N_SCOPES);
	return scope_names[id];
}

static bool
is_var_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '.';
}

static uint32_t
intern(struct expr_set *set, struct str name)
{
	uintptr_t id = (uintptr_t)hash_map_get(&set->var_ids, name);
	if (id == 0 && !set->frozen) {
		id = ++set->n_var_ids;
		(void)hash_map_put(&set->var_ids, name, (void *)id); // absent, just looked
	}
	// A name that only scripts use, made up at run time: a number of its own, by its hash.
	if (id == 0)
		id = (hash_str(name) & INT32_MAX) | UINT32_C(0x80000000);
	return (uint32_t)id;
}

static struct var_proc *
intern_proc(struct expr_set *set, struct str name)
{
	struct var_proc *p = hash_map_get(&set->procs, name);
	if (p == NULL) {
		p = arena_zalloc(&set->arena, sizeof(*p), CACHE_LINE);
		ASSERT(p != NULL);
		p->name = name;
		if (!set->frozen)
			(void)hash_map_put(&set->procs, name, p); // absent, just looked
	}
	return p;
}

bool
var_parse(struct expr_env *env, struct str text, struct var_ref *out, struct err *err)
{
	size_t dot = str_find_byte(text, '.');
	struct str scope = str_slice(text, 0, dot), name;
	int id = 0;
	if (dot == SIZE_MAX)
		return err_set(err,
			       "variable '%.*s' has no scope; proc. sess. txn. req. res. shm. "
			       "are known",
			       STR_ARG(text));
	while (id < VAR_N_SCOPES && !str_eq(scope, str_from_c(scope_names[id])))
		id++;
	if (id == VAR_N_SCOPES)
		return err_set(err,
			       "variable '%.*s' has an unknown scope; proc. sess. txn. req. "
			       "res. shm. are known",
			       STR_ARG(text));
	name = str_slice(text, dot + 1, text.n);
	for (size_t i = 0; i < name.n; i++) {
		if (!is_var_byte(name.p[i]))
			return err_set(err, "variable '%.*s' has a '%c' in its name", STR_ARG(text),
				       name.p[i]);
	}
	if (name.n == 0)
		return err_set(err, "variable '%.*s' has no name", STR_ARG(text));
	name = str_of(str_to_c(&env->set->arena, name), name.n);
	ASSERT(name.p != NULL);
	*out = (struct var_ref){.scope = (uint8_t)id, .name = name};
	if (id == VAR_PROC)
		out->proc = intern_proc(env->set, name);
	else if (id != VAR_SHM)
		out->id = intern(env->set, name);
	else if (env->set->shm_open || env->set->frozen)
		return var_shm_resolve(env->set, out, err);
	else
		expr_set_defer_shm(env, out);
	return true;
}

// ---- proc

static bool
proc_get(struct var_proc *p, struct sample_ctx *ctx, struct sample *out)
{
	uint64_t words[PROC_WORDS];
	uint32_t seq, n;
	do {
		seq = atomic_load_explicit(&p->seq, memory_order_acquire);
		words[0] = atomic_load_explicit(&p->words[0], memory_order_relaxed);
		n = MIN((uint32_t)(words[0] >> 8), VAR_PROC_BYTES);
		for (size_t i = 1; i < 3 + (n + 7) / 8; i++)
			words[i] = atomic_load_explicit(&p->words[i], memory_order_relaxed);
		atomic_thread_fence(memory_order_acquire);
	} while ((seq & 1) || seq != atomic_load_explicit(&p->seq, memory_order_relaxed));
	out->type = (uint8_t)words[0];
	if (out->type == SMP_ANY)
		return false;
	if (out->type != SMP_STR && out->type != SMP_BIN) {
		memcpy(out->ip, &words[1], 16);
		return true;
	}
	out->s = str_copy(ctx->arena, str_of((const char *)&words[3], n));
	ctx->failed |= out->s.p == NULL;
	return out->s.p != NULL;
}

// value NULL: unset.
static bool
proc_set(struct var_proc *p, const struct sample *value)
{
	uint64_t words[PROC_WORDS] = {0};
	size_t n = 0;
	if (value != NULL) {
		bool text =
		    value->type == SMP_STR || value->type == SMP_BIN || value->type == SMP_METH;
		n = text ? value->s.n : 0;
		if (n > VAR_PROC_BYTES)
			return false;
		if (text)
			memcpy(&words[3], value->s.p, n);
		else
			memcpy(&words[1], value->ip, 16);
		words[0] = (uint64_t)n << 8 | (value->type == SMP_METH ? SMP_STR : value->type);
	}
	uint32_t seq = atomic_load_explicit(&p->seq, memory_order_relaxed);
	do
		seq &= ~1u;
	while (!atomic_compare_exchange_weak_explicit(&p->seq, &seq, seq + 1, memory_order_acquire,
						      memory_order_relaxed));
	atomic_thread_fence(memory_order_release);
	for (size_t i = 0; i < 3 + (n + 7) / 8; i++)
		atomic_store_explicit(&p->words[i], words[i], memory_order_relaxed);
	atomic_store_explicit(&p->seq, seq + 2, memory_order_release);
	return true;
}

// ---- session, transaction, request, response

static struct var_slot *
find(struct var_scope *v, uint32_t id)
{
	for (unsigned i = 0; i < v->n; i++) {
		if (v->slots[i].id == id)
			return &v->slots[i];
	}
	return NULL;
}

static struct var_slot *
add_slot(struct var_scope *v, uint32_t id)
{
	if (v->n == v->cap) {
		unsigned cap = v->cap > 0 ? v->cap * 2u : 8;
		if (cap > UINT16_MAX)
			return NULL;
		struct var_slot *slots =
		    arena_alloc(v->arena, cap * sizeof(*slots), alignof(struct var_slot));
		if (slots == NULL)
			return NULL;
		if (v->n > 0)
			memcpy(slots, v->slots, v->n * sizeof(*slots));
		v->slots = slots;
		v->cap = (uint16_t)cap;
	}
	struct var_slot *s = &v->slots[v->n++];
	*s = (struct var_slot){.id = id};
	return s;
}

// Text is kept in memory that doubles, so that a variable written a million times in a
// session takes at most twice its longest value.
static bool
slot_text(struct var_scope *v, struct var_slot *s, const struct sample *value)
{
	char *p = s->room > 0 ? (char *)(uintptr_t)s->value.s.p : NULL;
	if (p == NULL || s->room < value->s.n) {
		uint32_t room = 16;
		while (room < value->s.n && room < (1u << 30))
			room *= 2;
		p = arena_alloc(v->arena, room, 1);
		if (p == NULL)
			return false;
		s->room = room;
	}
	if (value->s.n > 0)
		memmove(p, value->s.p, value->s.n);
	s->value = *value;
	s->value.s.p = p;
	return true;
}

static bool
scope_set(struct var_scope *v, uint32_t id, const struct sample *value)
{
	if (v == NULL || v->arena == NULL)
		return false;
	struct var_slot *s = find(v, id);
	bool is_new = s == NULL;
	if (is_new && (s = add_slot(v, id)) == NULL)
		return false;
	if (value->type == SMP_STR || value->type == SMP_BIN || value->type == SMP_METH) {
		if (slot_text(v, s, value))
			return true;
		v->n = (uint16_t)(v->n - is_new);
		return false;
	}
	s->room = 0;
	s->value = *value;
	return true;
}

// ---- all

bool
var_get(const struct var_ref *ref, struct sample_ctx *ctx, struct sample *out)
{
	if (ref->scope == VAR_SHM)
		return var_shm_get(ref, ctx, out);
	if (ref->scope == VAR_PROC)
		return proc_get(ref->proc, ctx, out);
	struct var_scope *v = ctx->vars[ref->scope];
	struct var_slot *s = v != NULL ? find(v, ref->id) : NULL;
	if (s == NULL || s->value.type == SMP_ANY)
		return false;
	uint8_t flags = out->flags;
	*out = s->value;
	out->flags = flags;
	return true;
}

bool
var_set(const struct var_ref *ref, struct sample_ctx *ctx, const struct sample *value)
{
	acl_forget_var(ctx, ref);
	if (ref->scope == VAR_SHM)
		return ctx->host != NULL && ctx->host->shm_write != NULL &&
		       ctx->host->shm_write(ctx, ref->id, value, false);
	if (ref->scope == VAR_PROC)
		return proc_set(ref->proc, value);
	struct var_scope **v = &ctx->vars[ref->scope];
	if (*v == NULL && ref->scope == VAR_SESS && ctx->host != NULL && ctx->host->session != NULL)
		*v = ctx->host->session(ctx);
	return scope_set(*v, ref->id, value);
}

bool
var_add(const struct var_ref *ref, struct sample_ctx *ctx, const struct sample *value)
{
	ASSERT(ref->scope == VAR_SHM);
	acl_forget_var(ctx, ref);
	return ctx->host != NULL && ctx->host->shm_write != NULL &&
	       ctx->host->shm_write(ctx, ref->id, value, true);
}

bool
var_unset(const struct var_ref *ref, struct sample_ctx *ctx)
{
	acl_forget_var(ctx, ref);
	if (ref->scope == VAR_SHM)
		return var_set(ref, ctx, NULL);
	if (ref->scope == VAR_PROC)
		return proc_set(ref->proc, NULL);
	struct var_scope *v = ctx->vars[ref->scope];
	struct var_slot *s = v != NULL ? find(v, ref->id) : NULL;
	if (s != NULL) {
		s->room = 0;
		s->value.type = SMP_ANY;
	}
	return true;
}

static const struct {
	const char *word;
	unsigned bit;
} conds[] = {
    {"ifexists", VAR_IF_EXISTS}, {"ifnotexists", VAR_IF_NOT_EXISTS},
    {"ifempty", VAR_IF_EMPTY},   {"ifnotempty", VAR_IF_NOT_EMPTY},
    {"ifset", VAR_IF_SET},       {"ifnotset", VAR_IF_NOT_SET},
    {"ifgt", VAR_IF_GT},         {"iflt", VAR_IF_LT},
};

bool
var_cond_parse(struct str word, unsigned *mask, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(conds); i++) {
		if (str_eq(word, str_from_c(conds[i].word))) {
			*mask |= conds[i].bit;
			return true;
		}
	}
	return err_set(err,
		       "unknown condition '%.*s'; ifexists ifnotexists ifempty ifnotempty ifset "
		       "ifnotset ifgt iflt are known",
		       STR_ARG(word));
}

static bool
is_empty(const struct sample *s)
{
	return (s->type == SMP_STR || s->type == SMP_BIN || s->type == SMP_METH) && s->s.n == 0;
}

// proc. variables exist from the start; others from their first write on, unset ones included.
static bool
exists(const struct var_ref *ref, struct sample_ctx *ctx)
{
	if (ref->scope == VAR_PROC || ref->scope == VAR_SHM)
		return true;
	return ctx->vars[ref->scope] != NULL && find(ctx->vars[ref->scope], ref->id) != NULL;
}

// old: the present value, NULL when it is not set; value: what would be set. Comparing others
// than integers is true, as in HAProxy.
static bool
conds_hold(unsigned mask, bool exists_now, const struct sample *old, const struct sample *value)
{
	bool ints = old != NULL && old->type == SMP_INT && value->type == SMP_INT;
	if (((mask & VAR_IF_EXISTS) && !exists_now) || ((mask & VAR_IF_NOT_EXISTS) && exists_now))
		return false;
	if (((mask & VAR_IF_EMPTY) && !is_empty(value)) ||
	    ((mask & VAR_IF_NOT_EMPTY) && is_empty(value)))
		return false;
	if (((mask & VAR_IF_SET) && old == NULL) || ((mask & VAR_IF_NOT_SET) && old != NULL))
		return false;
	return !((mask & VAR_IF_GT) && ints && old->i <= value->i) &&
	       !((mask & VAR_IF_LT) && ints && old->i >= value->i);
}

bool
var_set_if(const struct var_ref *ref, unsigned mask, struct sample_ctx *ctx,
	   const struct sample *value)
{
	struct sample old = {0};
	if (mask != 0) {
		bool have = var_get(ref, ctx, &old);
		if (!conds_hold(mask, exists(ref, ctx), have ? &old : NULL, value))
			return true;
	}
	return var_set(ref, ctx, value);
}
