// SPDX-License-Identifier: MIT
#include "proxy/metrics_page.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/sbuf.h"
#include "net/worker.h"
#include "proxy/action_priv.h"
#include "proxy/cli_proxy_priv.h"
#include "proxy/conns.h"
#include "proxy/txn.h"
#include "proxy/worker.h"

#define PAGE_MAGIC 0x7c5a0021
#define PAGE_BYTES ((size_t)64 << 20)
#define MOST_PAGES 16 // at once, of all workers: so much is asked of the keeper and no more

// The keeper's: who asks stands in line, and half of its time stays for everything else.
struct metrics_writer {
	struct proxy_set *set;
	struct loop *loop;
	struct timer timer; // set while somebody waits
	struct metrics_page *first, **end;
	uint64_t rested_ns; // not before is another one written; CLOCK_MONOTONIC
};

struct metrics_page {
	uint32_t magic;
	struct msg msg;
	struct proxy_worker *worker;
	struct txn *txn;           // its worker's; NULL: it has left
	bool there;                // likewise
	atomic_bool left;          // the same for the keeper, which then need not write it; relaxed
	struct metrics_page *next; // in line
	struct sbuf text;          // the keeper's until it is there
};

static void
page_free(struct metrics_page *p)
{
	atomic_fetch_sub_explicit(&p->worker->set->metrics_pages, 1, memory_order_relaxed);
	sbuf_fini(&p->text);
	p->magic = 0;
	mem_free(p);
}

// On its worker.
static void
come_back(struct msg *m)
{
	struct metrics_page *p = CONTAINER_OF(m, struct metrics_page, msg);
	CHECK_MAGIC(p, PAGE_MAGIC);
	p->there = true;
	if (p->txn == NULL)
		page_free(p);
	else if (!(p->txn->flags & TXN_ENDED))
		txn_run(p->txn);
}

// --- on the keeper -------------------------------------------------------------------------------

static struct metrics_page *
take_first(struct metrics_writer *w)
{
	struct metrics_page *p = w->first;
	w->first = p->next;
	if (w->first == NULL)
		w->end = &w->first;
	return p;
}

// One that somebody still waits for; the others go by.
static void
write_next(struct timer *t)
{
	struct metrics_writer *w = CONTAINER_OF(t, struct metrics_writer, timer);
	bool wrote = false;
	while (w->first != NULL && !wrote) {
		struct metrics_page *p = take_first(w);
		CHECK_MAGIC(p, PAGE_MAGIC);
		wrote = !atomic_load_explicit(&p->left, memory_order_relaxed);
		uint64_t begin = clock_mono_ns();
		if (wrote)
			cli_render_metrics(w->set, &p->text);
		uint64_t end = clock_mono_ns();
		w->rested_ns = wrote ? end + (end - begin) : w->rested_ns;
		p->msg.fn = come_back;
		loop_post(p->worker->loop, &p->msg);
	}
	if (w->first != NULL)
		loop_timer_set(w->loop, &w->timer, w->rested_ns);
}

static struct metrics_writer *
writer_of(struct proxy_set *set)
{
	struct metrics_writer *w = set->metrics_writer;
	if (w != NULL)
		return w;
	w = set->metrics_writer = MEM_NEW(struct metrics_writer);
	*w = (struct metrics_writer){.set = set,
				     .loop = workers_get(set->threads, 0)->loop,
				     .end = &w->first};
	timer_init(&w->timer, write_next);
	return w;
}

static void
line_up(struct msg *m)
{
	struct metrics_page *p = CONTAINER_OF(m, struct metrics_page, msg);
	CHECK_MAGIC(p, PAGE_MAGIC);
	struct metrics_writer *w = writer_of(p->worker->set);
	if (w->first == NULL)
		loop_timer_set(w->loop, &w->timer, MAX(w->rested_ns, loop_now_ns(w->loop)));
	*w->end = p;
	w->end = &p->next;
}

void
metrics_page_stop(struct proxy_set *set)
{
	struct metrics_writer *w = set->metrics_writer;
	set->metrics_writer = NULL;
	if (w == NULL)
		return;
	loop_timer_stop(w->loop, &w->timer);
	while (w->first != NULL) { // of workers that have ended
		struct metrics_page *p = take_first(w);
		page_free(p);
	}
	mem_free(w);
}

// --- on a worker ---------------------------------------------------------------------------------

// NULL: too many are under way, or there is no memory.
static struct metrics_page *
ask_keeper(struct txn *t)
{
	struct proxy_set *set = t->worker->set;
	struct metrics_page *p = NULL;
	if (atomic_fetch_add_explicit(&set->metrics_pages, 1, memory_order_relaxed) < MOST_PAGES)
		p = mem_try_realloc(NULL, sizeof(*p));
	if (p == NULL) {
		atomic_fetch_sub_explicit(&set->metrics_pages, 1, memory_order_relaxed);
		return NULL;
	}
	*p = (struct metrics_page){.magic = PAGE_MAGIC,
				   .msg.fn = line_up,
				   .worker = t->worker,
				   .txn = t};
	sbuf_init(&p->text, PAGE_BYTES);
	worker_post(workers_get(set->threads, 0), &p->msg);
	return p;
}

void
metrics_page_leave(struct txn *t)
{
	struct metrics_page *p = t->page;
	t->page = NULL;
	p->txn = NULL;
	atomic_store_explicit(&p->left, true, memory_order_relaxed);
	if (p->there)
		page_free(p);
}

static enum rule_verdict
refuse(struct txn *t, unsigned status)
{
	static const struct reply_header allow = {.name = {"allow", 5}, .value = {"GET, HEAD", 9}};
	txn_error_page(t, status);
	if (status == 405)
		t->reply.headers = &allow; // RFC 9110 section 15.5.6
	return RULE_REPLY;
}

static enum rule_verdict
answer(struct txn *t, struct str text)
{
	static const struct reply_header no_cache = {.name = {"cache-control", 13},
						     .value = {"no-cache", 8}};
	t->reply = (struct reply){.status = 200,
				  .content_type = STR("text/plain; version=0.0.4"),
				  .body = text,
				  .headers = &no_cache};
	t->flags |= TXN_SERVICE;
	return RULE_REPLY;
}

static enum rule_verdict
run_page(const struct rule *r, struct txn *t)
{
	(void)r;
	if (t->seen & SEEN_CLIENT_FAILED)
		return RULE_CUT;
	if (t->req.method != HTTP_METHOD_GET && t->req.method != HTTP_METHOD_HEAD)
		return refuse(t, 405);
	if (t->worker->set->offline != NULL) // nobody is there to write it
		return answer(t, STR(""));
	if (t->page == NULL) {
		t->page = ask_keeper(t);
		if (t->page == NULL)
			return refuse(t, 503);
		txn_watch_client(t);
	}
	if (!t->page->there)
		return RULE_WAIT;
	return t->page->text.full ? refuse(t, 500) : answer(t, sbuf_str(&t->page->text));
}

const struct action_row metrics_page_action = {
    "use-service",
    RULE_HTTP_REQUEST,
    NULL,
    run_page,
    ACTION_FINAL,
    "use-service prometheus-exporter",
    "Answers with what 'show metrics' says.",
};
