// SPDX-License-Identifier: MIT
// The same predicate asked often, of a host that tells which kept texts are others now.
#pragma once

#include "fake.h"

#define FAKE_OFTEN 200 // more than any rest

// Asks the predicate FAKE_OFTEN times; how often the answer was not `want`.
static unsigned
fake_wrong(struct fake *f, struct fake_txn *txn, const char *want)
{
	unsigned n = 0;
	for (unsigned i = 0; i < FAKE_OFTEN; i++)
		n += fake_ask(f, f->fn, txn) != POLICY_VALUE ||
		     !str_eq(f->call.out.s, str_from_c(want));
	return n;
}

// A host that tells which kept texts are others now, for those that begin with
// fake_host.changed = fake_changed.
static unsigned
fake_changed(void *data, void *request, const struct policy_answer *a, unsigned set)
{
	struct fake *f = data;
	unsigned changed = 0;
	for (unsigned i = 0; i < 32; i++) {
		struct policy_value now = {0};
		struct err err;
		if (!(set & 1u << i))
			continue;
		(void)fake_call(data, request, a[i].handle, NULL, 0, &now, &err);
		f->looked++;
		f->host_calls--; // it was not Lua who asked
		if (now.type != POLICY_T_STR || !str_eq(now.s, a[i].text))
			changed |= 1u << i;
	}
	return changed;
}
