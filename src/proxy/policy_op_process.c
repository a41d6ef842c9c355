// SPDX-License-Identifier: MIT
// What a script asks of the process, in a transaction or outside one: maps and lists of patterns,
// variables, what the process is and which proxies it has.
#include <unistd.h>

#include "base/clock.h"
#include "base/sbuf.h"
#include "expr/call.h"
#include "expr/pattern_ref.h"
#include "proxy/conns.h"
#include "proxy/policy_host_priv.h"
#include "proxy/policy_op_priv.h"

// --- maps and lists ------------------------------------------------------------------------------

// Map.new(file, method): a number that stands for it.
static bool
op_map_open(struct op_call *c)
{
	struct policy_host_data *d = c->host;
	struct str file, word;
	enum pat_match match;
	if (!policy_op_text(c, 0, &file) || !policy_op_text(c, 1, &word))
		return false;
	if (!pat_match_parse(word, &match) || match == PAT_FOUND || match == PAT_BOOL)
		return err_set(c->err, "'%.*s' is no method of a map", STR_ARG(word));
	const struct pattern_use *use = expr_calls_map(d->calls, d->loading, file, match, c->err);
	if (use == NULL)
		return false;
	unsigned n = atomic_load_explicit(&d->n_maps, memory_order_relaxed);
	for (unsigned i = 0; i < n; i++)
		if (d->maps[i].use == use)
			return policy_give_int(c->out, i);
	if (n == POLICY_MAX_MAPS)
		return err_set(c->err, "more than %d maps", POLICY_MAX_MAPS);
	d->maps[n] = (struct policy_map){use, match};
	atomic_store_explicit(&d->n_maps, n + 1, memory_order_release);
	return policy_give_int(c->out, n);
}

static bool
op_map_lookup(struct op_call *c)
{
	const struct policy_host_data *d = c->host;
	struct arena arena = {.at = policy_op_room(c), .end = policy_op_room(c) + OP_ANSWER_BYTES};
	struct sample_ctx ctx = {.arena = &arena};
	struct sample s = {0};
	if (c->args[0].type != POLICY_T_INT || c->args[0].i < 0 ||
	    c->args[0].i >= atomic_load_explicit(&d->n_maps, memory_order_acquire))
		return err_set(c->err, "no such map");
	const struct policy_map *m = &d->maps[c->args[0].i];
	if (!policy_op_sample(c, &c->args[1], &ctx, &s))
		return false;
	if (!sample_cast(&s, pat_match_type(m->match), &ctx))
		return true;
	const struct pattern_entry *e = pattern_use_match(m->use, &s, &ctx);
	return e == NULL || policy_op_give_text(c, e->value);
}

// The set that the first argument names.
static struct pattern_ref *
patterns_of(struct op_call *c)
{
	struct str name;
	if (!policy_op_text(c, 0, &name))
		return NULL;
	struct pattern_ref *r = expr_calls_patterns(c->host->calls, name);
	if (r == NULL)
		err_set(c->err, "nothing in the configuration uses '%.*s'", STR_ARG(name));
	return r;
}

static struct pattern_ref *
patterns_to_change(struct op_call *c)
{
	struct pattern_ref *r = patterns_of(c);
	if (r == NULL || c->host->set->threads != NULL)
		return r;
	err_set(c->err, "not before the proxy runs");
	return NULL;
}

static bool
change_patterns(struct op_call *c, enum pattern_change change)
{
	struct str key, value = STR("");
	struct pattern_ref *r = patterns_to_change(c);
	if (r == NULL || !policy_op_text(c, 1, &key) || (c->n > 2 && !policy_op_text(c, 2, &value)))
		return false;
	return policy_give_bool(c->out,
				pattern_ref_post(r, c->host->set->threads, change, key, value));
}

static bool
op_patref_add(struct op_call *c)
{
	return change_patterns(c, PATTERN_ADD);
}

static bool
op_patref_set(struct op_call *c)
{
	return change_patterns(c, PATTERN_SET);
}

static bool
op_patref_fill(struct op_call *c)
{
	struct str pairs;
	struct pattern_ref *r = patterns_to_change(c);
	return r != NULL && policy_op_text(c, 1, &pairs) &&
	       policy_give_bool(c->out, pattern_ref_post_all(r, c->host->set->threads, pairs));
}

static bool
op_patref_is_map(struct op_call *c)
{
	const struct pattern_ref *r = patterns_of(c);
	return r != NULL && policy_give_bool(c->out, pattern_ref_is_map(r));
}

static bool
op_put(struct op_call *c)
{
	return change_patterns(c, PATTERN_PUT);
}

static bool
op_del(struct op_call *c)
{
	return change_patterns(c, PATTERN_DEL);
}

static bool
op_get_var(struct op_call *c)
{
	char room[2 * EXPR_CALL_MAX_TEXT_BYTES];
	struct arena arena = {.at = room, .end = room + sizeof(room)};
	struct sample_ctx ctx = {.arena = &arena,
				 .shm = c->host->set->vars,
				 .now_boot_ns = clock_boot_ns(),
				 .now_real_ns = clock_real_ns()};
	struct str name;
	struct sample s;
	if (!policy_op_text(c, 0, &name))
		return false;
	enum expr_call_result r = expr_calls_var(c->host->calls, name, &ctx, &s, c->err);
	if (r == EXPR_CALL_BAD)
		return false;
	if (r == EXPR_CALL_NOTHING)
		return true;
	if (s.type == SMP_INT)
		return policy_give_int(c->out, s.i);
	if (s.type == SMP_BOOL)
		return policy_give_bool(c->out, s.b);
	struct str text;
	if (!sample_text(&s, &ctx, &text) || text.n > OP_ANSWER_BYTES)
		return err_set(c->err, "its text is too long");
	memcpy(policy_op_room(c), text.p, text.n);
	return policy_op_give_text(c, str_of(policy_op_room(c), text.n));
}

// --- the process -------------------------------------------------------------------------------

// Copies the text into the scratch, and ends the buffer.
static bool
give_built(struct op_call *c, struct sbuf *b)
{
	struct str text = sbuf_str(b);
	bool fits = !b->full;
	if (fits)
		memcpy(policy_op_room(c), text.p, text.n);
	sbuf_fini(b);
	return fits ? policy_op_give_text(c, str_of(policy_op_room(c), text.n))
		    : err_set(c->err, "the answer is longer than %d bytes", OP_ANSWER_BYTES);
}

static bool
op_info(struct op_call *c)
{
	const struct proxy_set *set = c->host->set;
	struct sbuf b;
	sbuf_init(&b, OP_ANSWER_BYTES);
	sbuf_printf(&b,
		    "Name: tidegate\nVersion: %s\nNbthread: %u\nPid: %d\nUptime_sec: %llu\n"
		    "Maxconn: %u\nCurrConns: %llu\nnode: %.*s\ndescription: %.*s\n",
		    TIDEGATE_VERSION, set->n_workers, (int)getpid(),
		    (unsigned long long)((clock_mono_ns() - set->started_mono_ns) / NS_PER_S),
		    set->global.maxconn,
		    (unsigned long long)(set->threads != NULL ? proxy_current_connections(set) : 0),
		    STR_ARG(set->global.node), STR_ARG(set->global.description));
	return give_built(c, &b);
}

// Lines "name frontend|backend|proxy http|tcp id".
static bool
op_proxies(struct op_call *c)
{
	const struct proxy_set *set = c->host->set;
	struct sbuf b;
	sbuf_init(&b, OP_ANSWER_BYTES);
	for (size_t i = 0; i < set->n_all; i++) {
		const struct proxy *p = set->all[i];
		unsigned both = p->caps & (PROXY_FRONTEND | PROXY_BACKEND);
		sbuf_printf(&b, "%.*s %s %s %u\n", STR_ARG(p->name),
			    both == PROXY_FRONTEND  ? "frontend"
			    : both == PROXY_BACKEND ? "backend"
						    : "proxy",
			    proxy_mode_name(p->mode), p->id);
	}
	return give_built(c, &b);
}

const struct op_row policy_op_process[] = {
    {"map_open", ANYWHERE, 2, 2, op_map_open},
    {"map_lookup", ANYWHERE, 2, 2, op_map_lookup},
    {"set_map", ANYWHERE, 3, 3, op_put},
    {"del_map", ANYWHERE, 2, 2, op_del},
    {"add_acl", ANYWHERE, 2, 2, op_put},
    {"del_acl", ANYWHERE, 2, 2, op_del},
    {"patref_add", ANYWHERE, 3, 3, op_patref_add},
    {"patref_set", ANYWHERE, 3, 3, op_patref_set},
    {"patref_fill", ANYWHERE, 2, 2, op_patref_fill},
    {"patref_is_map", ANYWHERE, 1, 1, op_patref_is_map},
    {"get_var", ANYWHERE, 1, 1, op_get_var},
    {"info", ANYWHERE, 0, 0, op_info},
    {"proxies", ANYWHERE, 0, 0, op_proxies},
    {.name = NULL},
};
