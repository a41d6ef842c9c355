// SPDX-License-Identifier: MIT
// The reader of agents' answers on any bytes. Asserted: a line that is understood is understood as
// the same with more behind it; one that is not whole is not in a prefix of it either; slices lie
// inside the bytes; weights and maxconns are in their bounds; a finding's text fits.
#include "backend/agent.h"
#include "backend/backend.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
check_inside(struct str part, const char *p, size_t n)
{
	ASSERT(part.n == 0 || (part.p >= p && part.p + part.n <= p + n));
}

static void
check_line(const struct agent_line *a, const char *p, size_t n)
{
	const struct str parts[] = {a->health,  a->state,   a->weight,
				    a->maxconn, a->unknown, a->text};
	struct health_finding f = {0};
	const char *wrong = NULL;
	uint32_t v = 0;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		check_inside(parts[i], p, n);
	if (a->weight.n > 0)
		wrong = agent_weight(a->weight, BACKEND_WEIGHT_MAX, &v);
	ASSERT(v <= BACKEND_WEIGHT_MAX);
	v = 0;
	if (a->maxconn.p != NULL && agent_maxconn(a->maxconn, &v) != NULL)
		ASSERT(v == 0);
	ASSERT(v <= INT32_MAX);
	agent_finding(a, wrong, &f);
	ASSERT(strnlen(f.info, sizeof(f.info)) < sizeof(f.info));
	ASSERT((f.status == HEALTH_CHECKED) == (a->health.n == 0));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct agent_line whole, cut;
	char *p = mem_alloc(n > 0 ? n : 1);
	if (n > 0)
		memcpy(p, data, n);
	bool is_line = agent_read(str_of(p, n), &whole);
	if (is_line)
		check_line(&whole, p, n);
	if (n > 1 && agent_read(str_of(p, n - 1), &cut)) {
		ASSERT(is_line && str_eq(cut.health, whole.health) &&
		       str_eq(cut.text, whole.text) && str_eq(cut.unknown, whole.unknown) &&
		       cut.status == whole.status);
	}
	mem_free(p);
	return 0;
}
