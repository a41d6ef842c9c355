// SPDX-License-Identifier: MIT
// Errors in a row, counted by whoever meets them; the words are HAProxy's.
#include "backend/observe.h"

#include "backend/check.h"
#include "base/mem.h"

enum meaning { NOTHING, GOOD, BAD };

static const struct {
	const char *text;
	enum meaning layer[2];
} rows[OBSERVE_WHATS] = {
    [OBSERVE_CONNECTED] = {"L4 successful connection", {GOOD, NOTHING}},
    [OBSERVE_NO_CONNECTION] = {"L4 unsuccessful connection", {BAD, BAD}},
    [OBSERVE_GOOD_ANSWER] = {"Correct http response", {NOTHING, GOOD}},
    [OBSERVE_BAD_STATUS] = {"Wrong http response", {NOTHING, BAD}},
    [OBSERVE_BAD_HEAD] = {"Invalid http response (headers)", {NOTHING, BAD}},
    [OBSERVE_READ_ERROR] = {"Read error (http)", {NOTHING, BAD}},
    [OBSERVE_TIMEOUT] = {"Read timeout (http)", {NOTHING, BAD}},
    [OBSERVE_CLOSED] = {"Close from server (http)", {NOTHING, BAD}},
};

const char *
observe_text(enum observe_what what)
{
	return rows[what].text;
}

// On the keeper, which may come to it late: what ended a row stands, whatever was met since.
static void
too_many(struct msg *m)
{
	struct observed *o = CONTAINER_OF(m, struct observed, msg);
	CHECK_MAGIC(o, OBSERVED_MAGIC);
	uint32_t n = atomic_exchange_explicit(&o->n_rows, 0, memory_order_acquire);
	enum observe_what last =
	    (enum observe_what)atomic_load_explicit(&o->last, memory_order_relaxed);
	while (n-- > 0)
		check_observed(o->server->check, o->limit, last, o->action);
}

struct observed *
observed_new(struct server *s, enum observe_layer layer, enum observe_action action, uint32_t limit)
{
	struct observed *o = MEM_NEW(struct observed);
	*o = (struct observed){.magic = OBSERVED_MAGIC,
			       .server = s,
			       .layer = layer,
			       .action = action,
			       .limit = limit,
			       .msg.fn = too_many};
	return o;
}

// One more in the row; true: it is full, and the next error begins a new one.
static bool
fills_row(struct observed *o)
{
	uint32_t n = atomic_load_explicit(&o->errors, memory_order_relaxed), next;
	do {
		next = n + 1 >= o->limit ? 0 : n + 1;
	} while (!atomic_compare_exchange_weak_explicit(&o->errors, &n, next, memory_order_relaxed,
							memory_order_relaxed));
	return next == 0;
}

void
observe_note(struct observed *o, enum observe_what what, struct loop *keeper)
{
	enum meaning m = rows[what].layer[o->layer];
	if (m == GOOD && atomic_load_explicit(&o->errors, memory_order_relaxed) != 0)
		atomic_store_explicit(&o->errors, 0, memory_order_relaxed);
	if (m != BAD || !fills_row(o))
		return;
	atomic_store_explicit(&o->last, what, memory_order_relaxed);
	if (atomic_fetch_add_explicit(&o->n_rows, 1, memory_order_release) == 0)
		loop_post(keeper, &o->msg);
}
