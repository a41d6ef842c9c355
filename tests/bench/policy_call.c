// SPDX-License-Identifier: MIT
// What a policy call costs: nanoseconds a call of each kind, or, under callgrind, instructions
// (run with a kind and a count and take the difference of two counts).
// Build by hand:
//   gcc -O2 -std=gnu17 -D_GNU_SOURCE -Iinclude -Isrc -Itests/unit tests/bench/policy_call.c
//       build/libtidegate.a -pthread -llua5.4 -lcrypto -lm
// and run it with nothing (all kinds, 2,000,000 calls each) or KIND COUNT; a kind is one: bare var
// header memo src
#include "../unit/policy/fake.h"

static const char script[] =
    "function bare() return true end\n"
    "function var() return vars.maint > 0 end\n"
    "function header(txn) return txn.headers['x-a'] == 'beta' and txn.path:sub(1, 5) == '/api/' "
    "end\n"
    "memo = tide.memo(function() return vars.maint > 0 and vars['load.app1'] > 80 end)\n"
    "function src(txn) return vars.maint > 0 and not txn.src:within('10.0.0.0/8') end\n";

static const char *const kinds[] = {"bare", "var", "header", "memo", "src"};

static uint64_t
run(struct fake *f, struct policy_fn *fn, unsigned long count)
{
	struct fake_txn txn = {.method = "GET",
			       .path = "/api/v1/items",
			       .src = {10, 1, 2, 3},
			       .header = "beta"};
	struct policy_view *v = policy_pin(f->worker);
	struct policy_call c = {.txn = &txn,
				.arena = &f->arena,
				.now_boot_ns = clock_boot_ns(),
				.now_real_ns = clock_real_ns()};
	uint64_t start = clock_mono_ns();
	for (unsigned long i = 0; i < count; i++)
		if (policy_call(f->worker, v, fn, &c) != POLICY_VALUE || c.error != POLICY_E_NONE)
			printf("# a call failed\n");
	uint64_t spent = clock_mono_ns() - start;
	policy_unpin(f->worker, &v);
	return spent;
}

int
main(int argc, char **argv)
{
	struct fake f;
	struct err err;
	struct policy_fn *fns[ARRAY_LEN(kinds)];
	fake_init(&f);
	if (fake_add(&f, "bench", script, (struct policy_spec){0}) == NULL)
		return 1;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		fns[i] = policy_resolve(f.engine, str_from_c(kinds[i]), &err);
	if (!fake_start(&f, "bare"))
		return 1;
	fake_set(&f, "maint", "1");
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		unsigned long count = argc > 2 ? strtoul(argv[2], NULL, 10) : 2000000;
		if (argc > 2 && strcmp(argv[1], kinds[i]) != 0)
			continue;
		(void)run(&f, fns[i], 100);
		uint64_t ns = run(&f, fns[i], count);
		printf("%-8s %7.1f ns a call\n", kinds[i], (double)ns / (double)MAX(count, 1ul));
	}
	fake_stop(&f);
	return 0;
}
