// SPDX-License-Identifier: MIT
// Publishing while workers call: every confirmation true, no call fails or sees a generation
// older than one it saw before, three generations at most. Runs under TSan too.
#include <pthread.h>

#include "fake.h"

#define WORKERS   2
#define PUBLISHES 60

struct mailbox {
	pthread_mutex_t lock;
	struct policy_msg *msg[64];
	size_t n;
};

static struct mailbox boxes[WORKERS + 1]; // the last is the keeper's
static struct policy_engine *engine;
static struct policy_fn *fn;
static _Atomic bool stop;
static _Atomic uint64_t wrong, calls;

static void
post(void *data, int to, struct policy_msg *m)
{
	(void)data;
	struct mailbox *b = &boxes[to == POLICY_KEEPER ? WORKERS : to];
	(void)pthread_mutex_lock(&b->lock);
	if (b->n < ARRAY_LEN(b->msg))
		b->msg[b->n++] = m;
	(void)pthread_mutex_unlock(&b->lock);
}

static void
deliver(struct mailbox *b)
{
	struct policy_msg *msg[64];
	(void)pthread_mutex_lock(&b->lock);
	size_t n = b->n;
	memcpy(msg, b->msg, n * sizeof(msg[0]));
	b->n = 0;
	(void)pthread_mutex_unlock(&b->lock);
	for (size_t i = 0; i < n; i++)
		policy_msg_run(msg[i]);
}

static void *
work(void *arg)
{
	struct policy_worker *w = arg;
	struct mailbox *box = &boxes[0];
	for (unsigned i = 0; i < WORKERS; i++)
		if (policy_worker_of(engine, i) == w)
			box = &boxes[i];
	struct arena arena;
	int64_t last = 0;
	arena_init(&arena, 1 << 16);
	policy_worker_enter(w);
	while (!atomic_load(&stop)) {
		struct policy_view *v = policy_pin(w);
		for (int i = 0; i < 20; i++) {
			struct policy_call c = {.arena = &arena, .now_real_ns = 1};
			if (policy_call(w, v, fn, &c) != POLICY_VALUE || c.error != POLICY_E_NONE ||
			    c.out.i < last || c.out.i != (int64_t)c.gen)
				atomic_fetch_add(&wrong, 1);
			last = c.out.i;
			atomic_fetch_add(&calls, 1);
		}
		policy_unpin(w, &v);
		deliver(box);
	}
	deliver(box);
	policy_worker_leave(w);
	arena_fini(&arena);
	return NULL;
}

static unsigned confirmed;

static void
on_done(void *arg, struct policy *p, const struct policy_gen_info *info, unsigned workers)
{
	(void)arg, (void)p;
	if (workers == WORKERS && info->number == confirmed + 2)
		confirmed++;
}

static void
publish_many(struct policy *p)
{
	struct err err = {0};
	for (unsigned i = 0; i < PUBLISHES; i++) {
		char text[64];
		(void)snprintf(text, sizeof(text), "function f() return %u end", i + 2);
		struct str s = str_from_c(text);
		struct policy_gen *gen = policy_prepare(p, &s, NULL, &err);
		if (gen == NULL || !policy_publish(&gen, on_done, NULL, &err)) {
			printf("# %s\n", err.text);
			return;
		}
		uint64_t until = clock_mono_ns() + 10 * NS_PER_S;
		while (confirmed == i && clock_mono_ns() < until) {
			(void)sched_yield();
			deliver(&boxes[WORKERS]);
		}
	}
}

int
main(void)
{
	static const struct policy_host host = {.post = post};
	struct err err = {0};
	pthread_t thread[WORKERS];
	struct policy_spec spec = {.name = "p",
				   .text = STR("function f() return 1 end"),
				   .budget_ns = NS_PER_S};
	log_set_level(LOG_ALERT);
	for (size_t i = 0; i < ARRAY_LEN(boxes); i++)
		(void)pthread_mutex_init(&boxes[i].lock, NULL);
	engine = policy_engine_new(&host, NULL, NULL);
	struct policy *p = policy_add(engine, &spec, &err);
	if (!OK(p != NULL))
		return tap_done();
	fn = policy_resolve(engine, STR("f"), &err);
	OK(policy_engine_start(engine, WORKERS, &err));
	for (unsigned i = 0; i < WORKERS; i++)
		OK(pthread_create(&thread[i], NULL, work, policy_worker_of(engine, i)) == 0);
	publish_many(p);
	atomic_store(&stop, true);
	for (unsigned i = 0; i < WORKERS; i++)
		(void)pthread_join(thread[i], NULL);
	deliver(&boxes[WORKERS]);
	IS_INT(confirmed, PUBLISHES);
	IS_INT(wrong, 0);
	OK(calls > 0);
	struct policy_stats s;
	policy_stats(p, &s);
	OK(s.alive_most <= 3);
	struct policy_fn_stats c;
	policy_fn_stats(fn, &c);
	IS_INT(c.calls, calls);
	policy_engine_free(&engine);
	return tap_done();
}
