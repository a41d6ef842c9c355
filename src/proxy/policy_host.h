// SPDX-License-Identifier: MIT
// What policies see of the proxy (policy/policy.h's host): requests, live or made by a self-test,
// fetches and converters, backends; and how its messages travel.
#pragma once

#include "cli/cli.h"
#include "expr/fetch.h"
#include "expr/pattern.h"
#include "policy/policy.h"

struct expr_calls;
struct proxy_set;
struct txn;

#define POLICY_SCRATCH_BYTES ((size_t)64 << 10)
#define POLICY_MAX_MAPS      256

// policy_call's txn. The scratch holds what one question of a script needs until the next one.
struct policy_request {
	uint32_t magic;
	struct sample_ctx *ctx;
	char *scratch; // POLICY_SCRATCH_BYTES
};
#define POLICY_REQUEST_MAGIC 0x7c5a0105u

// Given to policy_engine_new as data; lives as long as the engine.
struct policy_host_data {
	struct proxy_set *set;
	const struct expr_calls *calls;
	char *test_scratch; // of all self-tests' requests; they run on one thread at a time
	bool loading;       // the configuration is being read: maps may be loaded
	struct conf *conf;  // takes remarks on scripts while they load with it; else NULL
	// Takes them otherwise, while a command or a test loads them; NULL: they are logged.
	// Keeper.
	void (*remarked)(void *arg, const char *file, int line, const char *text);
	void *remarked_arg;
	struct policy_map { // what scripts opened, by the number they hold
		const struct pattern_use *use;
		enum pat_match match;
	} maps[POLICY_MAX_MAPS];
	_Atomic unsigned n_maps; // the keeper appends, workers read what is below
};
extern const struct policy_host policy_host;

// policy_op.c: what changes a transaction or lists the proxy's objects, one row each. find: the
// row's number, -1 with a cause. ctx is NULL outside a transaction.
int policy_op_find(struct str name, struct err *err);
bool policy_op_call(struct policy_host_data *d, int row, struct sample_ctx *ctx,
		    const struct policy_value *args, unsigned n, struct policy_value *out,
		    struct err *err);

// Remarks on scripts go there from now on; NULL: to the log again. Harmless without policies.
typedef void (*policy_remarked_f)(void *arg, const char *file, int line, const char *text);
void policy_setup_listen(struct proxy_set *set, policy_remarked_f f, void *arg);
// conf_policy.c: policy_host.remark.
void policy_setup_remark(void *data, const char *file, int line, const char *text);

// policy_cli.c, fetch_lua.c: rows of policy_module.
extern const struct cli_command policy_commands[];
extern const struct fetch_row policy_fetches[];
extern const struct conv_row policy_converters[];
