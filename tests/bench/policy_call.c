// SPDX-License-Identifier: MIT
// What a policy call costs by itself, without a request around it: CPU time of a call of each kind,
// a name and a number a line, for the job policy-call (hot.py); the median of ROUNDS. A verdict
// that stands is taken away before each call, so that Lua runs, but for the kind "stands". With
// KIND COUNT it makes so many calls of one kind once, for callgrind: the difference of two counts.
// Usage: policy_call [bare|var|header|memo|src|stands COUNT]
#include "../unit/policy/fake.h"

#include "policy/policy_priv.h"

static const char script[] =
    "function bare() return true end\n"
    "function var() return vars.maint > 0 end\n"
    "function header(txn) return txn.headers['x-a'] == 'beta' and txn.path:sub(1, 5) == '/api/' "
    "end\n"
    "memo = tide.memo(function() return vars.maint > 0 and vars['load.app1'] > 80 end)\n"
    "function src(txn) return vars.maint > 0 and not txn.src:within('10.0.0.0/8') end\n"
    "function stands() return vars.maint > 0 end\n";

static const char *const kinds[] = {"bare", "var", "header", "memo", "src", "stands"};

enum { ROUNDS = 5, CALLS = 1000000 };

static uint64_t
run(struct fake *f, struct policy_fn *fn, unsigned long count)
{
	unsigned again = strcmp(policy_fn_name(fn), "stands") != 0;
	struct fake_txn txn = {.method = "GET",
			       .path = "/api/v1/items",
			       .src = {10, 1, 2, 3},
			       .header = "beta"};
	struct policy_view *v = policy_pin(f->worker);
	struct policy_call c = {.txn = &txn,
				.arena = &f->arena,
				.now_boot_ns = clock_boot_ns(),
				.now_real_ns = clock_real_ns()};
	uint64_t start = clock_thread_ns();
	for (unsigned long i = 0; i < count; i++) {
		v->e[0].live->inputs += again;
		if (policy_call(f->worker, v, fn, &c) != POLICY_VALUE || c.error != POLICY_E_NONE)
			printf("# a call failed\n");
	}
	uint64_t spent = clock_thread_ns() - start;
	policy_unpin(f->worker, &v);
	return spent;
}

static int
ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

static double
median_ns(struct fake *f, struct policy_fn *fn, unsigned long count, int rounds)
{
	double ns[ROUNDS];
	(void)run(f, fn, 100);
	for (int i = 0; i < rounds; i++)
		ns[i] = (double)run(f, fn, count) / (double)count;
	qsort(ns, (size_t)rounds, sizeof(ns[0]), ascending);
	return ns[rounds / 2];
}

int
main(int argc, char **argv)
{
	struct fake f;
	struct err err;
	struct policy_fn *fns[ARRAY_LEN(kinds)];
	unsigned long count = argc > 2 ? strtoul(argv[2], NULL, 10) : CALLS;
	fake_init(&f);
	if (count == 0 || fake_add(&f, "bench", script, (struct policy_spec){0}) == NULL)
		return 1;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		fns[i] = policy_resolve(f.engine, str_from_c(kinds[i]), &err);
	if (!fake_start(&f, "bare"))
		return 1;
	fake_set(&f, "maint", "1");
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (argc < 3 || strcmp(argv[1], kinds[i]) == 0)
			printf("%s_ns %.1f\n", kinds[i],
			       median_ns(&f, fns[i], count, argc < 3 ? ROUNDS : 1));
	fake_stop(&f);
	return 0;
}
