// SPDX-License-Identifier: MIT
// A host for policies: messages wait in one queue until pump() delivers them; a request is a
// struct fake_txn; two fetches and a backend.
#pragma once

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/sbuf.h"
#include "policy/policy.h"
#include "tap.h"
#include "tidegate/vars.h"

// TSan hands signals over at the thread's next system call: a loop in Lua is never stopped.
#define FAKE_NO_STOPS "TSan delays signals, so that nothing can be stopped"
#if defined(__SANITIZE_THREAD__)
#define FAKE_STOPS_RUN 0
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define FAKE_STOPS_RUN 0
#else
#define FAKE_STOPS_RUN 1
#endif
#else
#define FAKE_STOPS_RUN 1
#endif

enum {
	FAKE_METHOD = 1,
	FAKE_PATH,
	FAKE_SRC,
	FAKE_HEADER,
	FAKE_COOKIE,
	FAKE_SLOW,
	FAKE_UPPER,
	FAKE_BACKEND,
	FAKE_NESTED,
	FAKE_BURN
};

struct fake_txn {
	const char *method, *path;
	uint8_t src[4];
	const char *header, *cookie; // the value of every header and cookie
};

struct fake {
	struct policy_engine *engine;
	struct policy_msg *queue[256];
	size_t n_queue;
	struct tidevars *vars;
	struct arena arena;
	struct policy_call call;
	unsigned host_calls, asked;
	unsigned looked;          // by fake_changed: at texts that were kept
	void (*burn)(void);       // what FAKE_BURN does, instead of burning
	enum policy_error nested; // what a call from inside a call ended with
	struct policy_worker *worker;
	struct policy_fn *fn;
};

static int
fake_resolve(void *data, enum policy_what what, struct str name, struct err *err)
{
	static const struct {
		enum policy_what what;
		const char *name;
		int handle;
	} known[] = {{POLICY_FIELD, "method", FAKE_METHOD}, {POLICY_FIELD, "path", FAKE_PATH},
		     {POLICY_FIELD, "src", FAKE_SRC},       {POLICY_HEADER, "", FAKE_HEADER},
		     {POLICY_COOKIE, "", FAKE_COOKIE},      {POLICY_FETCH, "slow", FAKE_SLOW},
		     {POLICY_FETCH, "nested", FAKE_NESTED}, {POLICY_FETCH, "burn", FAKE_BURN},
		     {POLICY_CONV, "upper", FAKE_UPPER},    {POLICY_BACKEND, "app", FAKE_BACKEND}};
	(void)data;
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (known[i].what == what &&
		    (what == POLICY_HEADER || str_eq(name, str_from_c(known[i].name))))
			return known[i].handle;
	err_set(err, "unknown name '%.*s'", STR_ARG(name));
	return -1;
}

static inline struct policy_value
fake_text(const char *c)
{
	struct policy_value v = {0};
	if (c != NULL) {
		v.type = POLICY_T_STR;
		v.s = str_from_c(c);
	}
	return v;
}

static void
fake_burn(uint64_t ns)
{
	for (uint64_t end = clock_thread_ns() + ns; clock_thread_ns() < end;)
		;
}

static bool
fake_call(void *data, void *txn, int handle, const struct policy_value *args, unsigned n,
	  struct policy_value *out, struct err *err)
{
	struct fake *f = data;
	struct fake_txn *t = txn;
	static char upper[64];
	f->host_calls++;
	switch (handle) {
	case FAKE_METHOD:
		*out = fake_text(t->method);
		return true;
	case FAKE_PATH:
		*out = fake_text(t->path);
		return true;
	case FAKE_SRC:
		out->type = POLICY_T_IP;
		out->family = 4;
		memcpy(out->ip, t->src, 4);
		return true;
	case FAKE_HEADER:
	case FAKE_COOKIE:
		*out = fake_text(handle == FAKE_HEADER ? t->header : t->cookie);
		return true;
	case FAKE_SLOW:
		return err_set(err, "the fetch says no");
	case FAKE_BURN: // longer than budget and hard stop
		f->burn != NULL ? f->burn() : fake_burn(8 * NS_PER_MS);
		*out = fake_text("burnt");
		return true;
	case FAKE_NESTED: {
		struct policy_call inner = {.arena = &f->arena, .now_real_ns = 1};
		struct policy_view *v = policy_pin(f->worker);
		(void)policy_call(f->worker, v, f->fn, &inner);
		f->nested = inner.error;
		policy_unpin(f->worker, &v);
		return true;
	}
	case FAKE_UPPER:
		if (n < 1 || args[0].type != POLICY_T_STR || args[0].s.n >= sizeof(upper))
			return err_set(err, "upper: a short string");
		for (size_t i = 0; i < args[0].s.n; i++)
			upper[i] = (char)(args[0].s.p[i] & ~0x20);
		out->type = POLICY_T_STR;
		out->s = str_of(upper, args[0].s.n);
		return true;
	case FAKE_BACKEND:
		out->type = POLICY_T_INT;
		out->i = 7;
		return true;
	}
	return err_set(err, "no such handle");
}

static void
fake_post(void *data, int to UNUSED, struct policy_msg *m)
{
	struct fake *f = data;
	if (f->n_queue < ARRAY_LEN(f->queue))
		f->queue[f->n_queue++] = m;
}

// Delivers all messages, and what they cause. In single-threaded tests every thread is this one.
static inline void
pump(struct fake *f)
{
	while (f->n_queue > 0) {
		struct policy_msg *m = f->queue[0];
		f->n_queue--;
		memmove(f->queue, f->queue + 1, f->n_queue * sizeof(f->queue[0]));
		policy_msg_run(m);
	}
}

static size_t
fake_describe(void *data UNUSED, void *txn, char *buf, size_t room)
{
	const struct fake_txn *t = txn;
	return (size_t)snprintf(buf, room, "%s %s", t->method, t->path);
}

static struct policy_host fake_host = {.describe = fake_describe,
				       .resolve = fake_resolve,
				       .call = fake_call,
				       .post = fake_post};

static inline void
fake_declare(struct fake *f, const char *name, uint32_t type)
{
	struct tidevars_decl d = {.name = name, .type = type};
	uint32_t handle;
	struct tidevars_error err;
	if (tidevars_declare(f->vars, &d, &handle, &err) != TIDEVARS_OK)
		printf("# %s\n", err.text);
}

static inline void
fake_set(struct fake *f, const char *name, const char *value)
{
	struct tidevars_error err;
	if (tidevars_set_text(f->vars, name, value, 0, NULL, &err) != TIDEVARS_OK)
		printf("# %s\n", err.text);
}

static inline void
fake_init(struct fake *f)
{
	struct tidevars_error err;
	const struct tidevars_options options = {.size = 64};
	*f = (struct fake){0};
	if (tidevars_open(&f->vars, &options, &err) != TIDEVARS_OK)
		printf("# %s\n", err.text);
	fake_declare(f, "maint", TIDEVARS_INT);
	fake_declare(f, "load.app1", TIDEVARS_FLOAT);
	fake_declare(f, "word", TIDEVARS_STRING);
	arena_init(&f->arena, 1 << 20);
	f->engine = policy_engine_new(&fake_host, f, f->vars);
}

static inline void
fake_fini(struct fake *f)
{
	policy_engine_free(&f->engine);
	tidevars_close(&f->vars);
	arena_fini(&f->arena);
}

// A policy of this text; complains when it is refused.
static inline struct policy *
fake_add(struct fake *f, const char *name, const char *text, struct policy_spec spec)
{
	struct err err = {0};
	spec.name = spec.path = name;
	spec.text = str_from_c(text);
	struct policy *p = policy_add(f->engine, &spec, &err);
	if (p == NULL)
		printf("# %s\n", err.text);
	return p;
}

// Starts one worker on this thread, for the function.
static inline bool
fake_start(struct fake *f, const char *function)
{
	struct err err = {0};
	f->fn = policy_resolve(f->engine, str_from_c(function), &err);
	if (f->fn == NULL || !policy_engine_start(f->engine, 1, &err)) {
		printf("# %s\n", err.text);
		return false;
	}
	f->worker = policy_worker_of(f->engine, 0);
	policy_worker_enter(f->worker);
	return true;
}

static inline void
fake_stop(struct fake *f)
{
	pump(f);
	policy_worker_leave(f->worker);
	fake_fini(f);
}

static inline enum policy_verdict
fake_ask(struct fake *f, struct policy_fn *fn, struct fake_txn *txn)
{
	arena_reset(&f->arena);
	f->call =
	    (struct policy_call){.txn = txn,
				 .arena = &f->arena,
				 .now_boot_ns = clock_boot_ns(),
				 .now_real_ns = clock_real_ns() +
						f->asked++ * NS_PER_S, // no report is withheld
				 .args = f->call.args,
				 .n_args = f->call.n_args};
	struct policy_view *v = policy_pin(f->worker);
	enum policy_verdict r = policy_call(f->worker, v, fn, &f->call);
	policy_unpin(f->worker, &v);
	return r;
}

// The text of the newest reported error ("" without any).
static inline const char *
fake_last_error(struct fake *f, char *buf, size_t room)
{
	struct sbuf out;
	pump(f);
	sbuf_init(&out, 1 << 20);
	policy_show_errors(f->engine, &out);
	struct str all = str_trim(sbuf_str(&out)), line = STR_NULL;
	while (all.n > 0 && str_next(&all, '\n', &line))
		;
	(void)snprintf(buf, room, "%.*s", STR_ARG(line));
	sbuf_fini(&out);
	return buf;
}
