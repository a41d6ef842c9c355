// SPDX-License-Identifier: MIT
// A transaction tells what it met on its server.
#pragma once

#include "backend/observe.h"
#include "net/worker.h"
#include "proxy/txn.h"
#include "proxy/worker.h"

static inline void
txn_observed(const struct txn *t, enum observe_what what)
{
	struct observed *o = t->server->observed;
	if (UNLIKELY(o != NULL))
		observe_note(o, what, workers_get(t->worker->set->threads, 0)->loop);
}

static inline void
txn_observed_status(const struct txn *t, unsigned status)
{
	if (LIKELY(t->server->observed == NULL))
		return;
	bool bad = status >= 500 && status != 501 && status != 505;
	txn_observed(t, bad ? OBSERVE_BAD_STATUS : OBSERVE_GOOD_ANSWER);
}
