// SPDX-License-Identifier: MIT
// Commands on policies. Preparing a generation (reading, compiling, self-tests, states) happens
// here on the keeper and is bounded by the policies' own limits; publishing is answered when every
// worker has confirmed. Several policies at once are prepared first and published only when all
// of them are good.
#include <inttypes.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/sbuf.h"
#include "cli/cli.h"
#include "proxy/policy_host.h"
#include "proxy/proxy.h"

#define ANSWER_CAP ((size_t)1 << 20)

// ---- words --------------------------------------------------------------------------------------

// NULL: refused.
static struct policy_engine *
engine_of(struct cli_session *s)
{
	const struct proxy_set *set = cli_bound(s, "proxy");
	if (set != NULL && set->policies != NULL)
		return set->policies;
	(void)cli_error(s,
			"There is no policy: a section 'policy' of the configuration names one.");
	return NULL;
}

struct policy_iter {
	struct policy_engine *engine;
	struct policy *at;
};

static const char *
next_policy_name(void *iter)
{
	struct policy_iter *it = iter;
	it->at = policy_next(it->engine, it->at);
	return it->at != NULL ? policy_name(it->at) : NULL;
}

// NULL: refused.
static struct policy *
policy_of(struct cli_session *s, struct str name)
{
	struct policy_engine *e = engine_of(s);
	struct policy *p = e != NULL ? policy_find(e, name, NULL) : NULL;
	if (e == NULL || p != NULL)
		return p;
	struct policy_iter it = {.engine = e};
	const char *near = str_suggest(name, next_policy_name, &it);
	(void)cli_error(s, "No policy named '%.*s'%s%s%s", STR_ARG(name),
			near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
			near != NULL ? "'?" : ".");
	return NULL;
}

// The nth earlier generation: argv[1], default 1.
static bool
number_of(struct cli_session *s, const struct cli_args *args, unsigned *n)
{
	int64_t i = 1;
	if (args->argc > 1 && (!str_to_int(args->argv[1], &i) || i < 1 || i > UINT16_MAX)) {
		(void)cli_error(s, "'%.*s' is no number of generations back: 1 is the one before.",
				STR_ARG(args->argv[1]));
		return false;
	}
	*n = (unsigned)i;
	return true;
}

// The source that a command brings: the payload, or FILE beside the policy's script; neither: the
// configured file. `owned` is freed by the caller.
struct brought {
	const struct str *text; // NULL: the configured file
	const char *name;       // for errors; NULL: the configured one
	struct str storage;
	char *owned;
};

#define MAX_NAME_BYTES 255 // of a source, which stands in front of each of its errors

// The client's name of a payload. It goes into answers and logs.
static bool
name_payload(struct cli_session *s, const struct cli_args *args, struct brought *b)
{
	b->name = "payload";
	if (args->argc < 2)
		return true;
	struct str name = args->argv[1];
	bool good = name.n > 0 && name.n <= MAX_NAME_BYTES;
	for (size_t i = 0; good && i < name.n; i++)
		good = name.p[i] >= ' ' && name.p[i] <= '~';
	if (!good) {
		(void)cli_error(s, "A payload's name has 1 to %d printable ASCII characters.",
				MAX_NAME_BYTES);
		return false;
	}
	b->name = name.p;
	return true;
}

static bool
bring(struct cli_session *s, const struct cli_args *args, const struct policy *p, struct brought *b)
{
	struct err err = {{0}};
	*b = (struct brought){0};
	if (args->has_payload) {
		b->storage = args->payload;
		b->text = &b->storage;
		return name_payload(s, args, b);
	}
	if (args->argc < 2)
		return true;
	b->name = args->argv[1].p;
	if (!policy_read_file(p, b->name, &b->storage, &err)) {
		(void)cli_error(s, "policy %s: %s", policy_name(p), err.text);
		return false;
	}
	b->owned = (char *)(uintptr_t)b->storage.p;
	b->text = &b->storage;
	return true;
}

// ---- remarks ------------------------------------------------------------------------------------

static void
tell_remark(void *arg, const char *file, int line, const char *text)
{
	cli_warn(arg, "%s:%d: %s", file, line, text);
}

static void
tell_and_log_remark(void *arg, const char *file, int line, const char *text)
{
	tell_remark(arg, file, line, text);
	log_msg(LOG_WARNING, "%s:%d: %s", file, line, text);
}

// What is doubtful in a script stands in front of the answer of who brings it.
static void
listen_to(struct cli_session *s, policy_remarked_f f)
{
	policy_setup_listen(cli_bound(s, "proxy"), f, s);
}

// NULL: refused, with a cause in *err.
static struct policy_gen *
prepare(struct cli_session *s, struct policy *p, const struct brought *b, struct err *err)
{
	listen_to(s, tell_and_log_remark);
	struct policy_gen *gen = policy_prepare(p, b->text, b->name, err);
	listen_to(s, NULL);
	return gen;
}

// ---- load, rollback -----------------------------------------------------------------------------

// One command on its way through the workers: it is freed when the last policy was confirmed,
// whether the client still waits or not.
#define LOAD_MAGIC 0x7c5a0106u
struct load {
	uint32_t magic;
	struct cli_ref client;
	unsigned left; // policies not yet confirmed, and 1 for the command itself
	const char *remark;
};

static void
load_unref(struct load *l)
{
	if (--l->left > 0)
		return;
	struct cli_session *s = cli_deref(l->client);
	l->magic = 0;
	mem_free(l);
	if (s != NULL)
		cli_done(s);
}

static void
tell(struct cli_session *s, const struct policy *p, const struct policy_gen_info *g,
     unsigned workers, const char *remark)
{
	cli_printf(s, "ok %s gen %" PRIu32 " %.12s workers %u/%u tests %u%s\n", policy_name(p),
		   g->number, g->hash_hex, workers, workers, g->tests, remark);
}

// On the keeper, all workers have it.
static void
confirmed(void *arg, struct policy *p, const struct policy_gen_info *info, unsigned workers)
{
	struct load *l = arg;
	CHECK_MAGIC(l, LOAD_MAGIC);
	struct cli_session *s = cli_deref(l->client);
	if (s != NULL)
		tell(s, p, info, workers, l->remark);
	load_unref(l);
}

// Publishing what runs already would push the generation before it out of reach.
static bool
is_live(const struct policy *p, const struct policy_gen *gen)
{
	struct policy_gen_info now, new;
	policy_live_info(p, &now);
	policy_gen_info(gen, &new);
	return memcmp(now.hash, new.hash, sizeof(now.hash)) == 0;
}

struct candidate {
	struct policy *policy;
	struct policy_gen *gen;
};

// Takes the candidates over. Adds a line for each, now or when it is confirmed, with `remark`
// (static) at its end.
static enum cli_status
publish(struct cli_session *s, struct candidate *c, size_t n, const char *remark)
{
	const struct proxy_set *set = cli_bound(s, "proxy");
	struct load *l = MEM_NEW(struct load);
	struct err err = {{0}};
	bool failed = false;
	*l = (struct load){.magic = LOAD_MAGIC, .client = cli_ref(s), .left = 1, .remark = remark};
	for (size_t i = 0; i < n; i++) {
		struct policy_gen_info live;
		if (is_live(c[i].policy, c[i].gen)) {
			policy_live_info(c[i].policy, &live);
			tell(s, c[i].policy, &live, set->n_workers, " unchanged");
			continue;
		}
		l->left++;
		if (!failed && policy_publish(&c[i].gen, confirmed, l, &err))
			continue;
		l->left--;
		failed = true;
	}
	for (size_t i = 0; i < n; i++)
		policy_gen_drop(&c[i].gen);
	if (failed)
		(void)cli_error(s, "%s", err.text);
	load_unref(l);
	return CLI_WAIT;
}

static enum cli_status
load_all(struct cli_session *s)
{
	struct policy_engine *e = engine_of(s);
	struct candidate *c = NULL;
	size_t n = 0, cap = 0;
	struct err err = {{0}};
	bool ok = e != NULL;
	for (struct policy *p = NULL; ok && (p = policy_next(e, p)) != NULL;) {
		VEC_GROW(c, cap, n);
		c[n] = (struct candidate){p, prepare(s, p, &(struct brought){0}, &err)};
		ok = c[n++].gen != NULL;
		if (!ok)
			(void)cli_error(s, "%s", err.text);
	}
	enum cli_status status = CLI_DONE;
	if (ok)
		status = publish(s, c, n, "");
	for (size_t i = 0; !ok && i < n; i++)
		policy_gen_drop(&c[i].gen);
	mem_free(c);
	return status;
}

static enum cli_status
run_load(struct cli_session *s, const struct cli_args *args)
{
	struct brought b;
	struct err err = {{0}};
	if (args->argc == 0 && args->has_payload)
		return cli_error(s, "Which policy? Write policy load NAME <<WORD.");
	if (args->argc == 0)
		return load_all(s);
	struct policy *p = policy_of(s, args->argv[0]);
	if (p == NULL || !bring(s, args, p, &b))
		return CLI_DONE;
	struct candidate c = {p, prepare(s, p, &b, &err)};
	mem_free(b.owned);
	if (c.gen == NULL)
		return cli_error(s, "%s", err.text);
	return publish(s, &c, 1, "");
}

static enum cli_status
run_rollback(struct cli_session *s, const struct cli_args *args)
{
	unsigned n;
	struct err err = {{0}};
	struct policy *p = policy_of(s, args->argv[0]);
	if (p == NULL || !number_of(s, args, &n))
		return CLI_DONE;
	listen_to(s, tell_and_log_remark);
	struct candidate c = {p, policy_rollback(p, n, &err)};
	listen_to(s, NULL);
	if (c.gen == NULL)
		return cli_error(s, "%s", err.text);
	return publish(s, &c, 1, "; a reload or restart takes its file again");
}

// ---- check, test, diff, eval --------------------------------------------------------------------

static enum cli_status
run_check(struct cli_session *s, const struct cli_args *args)
{
	struct brought b;
	struct err err = {{0}};
	struct policy_gen_info info;
	struct policy *p = policy_of(s, args->argv[0]);
	if (p == NULL || !bring(s, args, p, &b))
		return CLI_DONE;
	struct policy_gen *gen = prepare(s, p, &b, &err);
	mem_free(b.owned);
	if (gen == NULL)
		return cli_error(s, "%s", err.text);
	policy_gen_info(gen, &info);
	cli_printf(s, "ok %s %.12s tests %u%s\n", policy_name(p), info.hash_hex, info.tests,
		   is_live(p, gen) ? " unchanged" : "");
	policy_gen_drop(&gen);
	return CLI_DONE;
}

struct tally {
	struct cli_session *s;
	unsigned passed, failed;
};

static void
tell_test(void *arg, const char *name, bool passed, const char *where, const char *message)
{
	struct tally *t = arg;
	*(passed ? &t->passed : &t->failed) += 1;
	if (passed)
		cli_printf(t->s, "ok - %s\n", name);
	else
		cli_printf(t->s, "not ok - %s\n# %s: %s\n", name, where, message);
}

static enum cli_status
run_test(struct cli_session *s, const struct cli_args *args)
{
	struct brought b;
	struct err err = {{0}};
	struct tally t = {.s = s};
	struct policy_test_sink sink = {.result = tell_test, .arg = &t};
	struct policy *p = policy_of(s, args->argv[0]);
	if (p == NULL || !bring(s, args, p, &b))
		return CLI_DONE;
	listen_to(s, tell_remark);
	bool ok = policy_test(p, b.text, b.name, &sink, &err);
	listen_to(s, NULL);
	mem_free(b.owned);
	if (!ok)
		return cli_error(s, "%s", err.text);
	if (t.failed > 0)
		return cli_error(s, "%u passed, %u failed", t.passed, t.failed);
	cli_printf(s, "%u passed, 0 failed\n", t.passed);
	return CLI_DONE;
}

static enum cli_status
run_diff(struct cli_session *s, const struct cli_args *args)
{
	unsigned n;
	struct err err = {{0}};
	struct sbuf out;
	struct policy *p = policy_of(s, args->argv[0]);
	if (p == NULL || !number_of(s, args, &n))
		return CLI_DONE;
	sbuf_init(&out, ANSWER_CAP);
	if (policy_diff(p, n, &out, &err))
		cli_add(s, sbuf_str(&out));
	else
		(void)cli_error(s, "%s", err.text);
	sbuf_fini(&out);
	return CLI_DONE;
}

// The words behind the name are one expression.
static enum cli_status
run_eval(struct cli_session *s, const struct cli_args *args)
{
	struct err err = {{0}};
	struct sbuf text, out;
	struct policy *p = policy_of(s, args->argv[0]);
	if (p == NULL)
		return CLI_DONE;
	sbuf_init(&text, ANSWER_CAP);
	sbuf_init(&out, ANSWER_CAP);
	for (int i = 1; i < args->argc; i++) {
		sbuf_add(&text, i > 1 ? STR(" ") : STR(""));
		sbuf_add(&text, args->argv[i]);
	}
	if (policy_eval(p, sbuf_str(&text), &out, &err))
		cli_printf(s, "%.*s\n", STR_ARG(sbuf_str(&out)));
	else
		(void)cli_error(s, "%s", err.text);
	sbuf_fini(&text);
	sbuf_fini(&out);
	return CLI_DONE;
}

// ---- show ---------------------------------------------------------------------------------------

static enum cli_status
run_show(struct cli_session *s, const struct cli_args *args)
{
	struct sbuf out;
	bool json = args->argc > 0;
	if (json && !str_eq(args->argv[0], STR("json")))
		return cli_usage(s, args);
	const struct proxy_set *set = cli_bound(s, "proxy");
	if (set == NULL || set->policies == NULL) {
		cli_add(s, json ? STR("[]\n") : STR(""));
		return CLI_DONE;
	}
	sbuf_init(&out, ANSWER_CAP);
	policy_show(set->policies, json, &out);
	cli_add(s, sbuf_str(&out));
	sbuf_fini(&out);
	return CLI_DONE;
}

static enum cli_status
run_show_errors(struct cli_session *s, const struct cli_args *args)
{
	struct sbuf out;
	const struct proxy_set *set = cli_bound(s, "proxy");
	(void)args;
	if (set == NULL || set->policies == NULL)
		return CLI_DONE;
	sbuf_init(&out, ANSWER_CAP);
	policy_show_errors(set->policies, &out);
	cli_add(s, sbuf_str(&out));
	sbuf_fini(&out);
	return CLI_DONE;
}

// ---- rows ---------------------------------------------------------------------------------------

const struct cli_command policy_commands[] = {
    {.words = "policy load",
     .level = CLI_ADMIN,
     .args = "[NAME [FILE] [<<payload]]",
     .max_args = 2,
     .flags = CLI_CHANGES | CLI_PAYLOAD,
     .run = run_load,
     .help = "check and publish scripts; answers when every worker has them; FILE names a payload"},
    {.words = "policy check",
     .level = CLI_OPERATOR,
     .args = "NAME [FILE] [<<payload]",
     .min_args = 1,
     .max_args = 2,
     .flags = CLI_PAYLOAD,
     .run = run_check,
     .help = "what policy load would say, without publishing"},
    {.words = "policy test",
     .level = CLI_OPERATOR,
     .args = "NAME [FILE] [<<payload]",
     .min_args = 1,
     .max_args = 2,
     .flags = CLI_PAYLOAD,
     .run = run_test,
     .help = "run the self-tests of a script"},
    {.words = "policy rollback",
     .level = CLI_ADMIN,
     .args = "NAME [N]",
     .min_args = 1,
     .max_args = 2,
     .flags = CLI_CHANGES,
     .run = run_rollback,
     .help = "publish the script of N generations ago again; default 1"},
    {.words = "policy diff",
     .level = CLI_OPERATOR,
     .args = "NAME [N]",
     .min_args = 1,
     .max_args = 2,
     .run = run_diff,
     .help = "show what changed since N generations ago; default 1"},
    {.words = "policy eval",
     .level = CLI_ADMIN,
     .args = "NAME EXPRESSION",
     .min_args = 2,
     .max_args = CLI_ANY_ARGS,
     .run = run_eval,
     .help = "evaluate a Lua expression in a throw-away state of the live script"},
    {.words = "show policy errors",
     .level = CLI_OPERATOR,
     .run = run_show_errors,
     .help = "list the last failures of policies' functions"},
    {.words = "show policy",
     .level = CLI_OPERATOR,
     .args = "[json]",
     .max_args = 1,
     .run = run_show,
     .help = "list policies with their generations, functions and counters"},
    {.words = NULL},
};
