// SPDX-License-Identifier: MIT
// A generation as one text, for the process that comes after this one: its number, then the script
// and each module that it took, every part behind its length. What is read back is checked like any
// source; the lengths are, too.
#include <inttypes.h>

#include "base/mem.h"
#include "base/sbuf.h"
#include "policy/policy_priv.h"
#include "policy/source.h"

#define HEAD "tidegate-policy 1"

static void
add_part(struct sbuf *out, struct str part)
{
	sbuf_printf(out, "%zu\n", part.n);
	sbuf_add(out, part);
}

static void
add_chunk(struct sbuf *out, const struct policy_chunk *c)
{
	add_part(out, str_from_c(c->name));
	add_part(out, str_from_c(c->where));
	add_part(out, c->text);
}

void
policy_live_text(const struct policy *p, struct sbuf *out)
{
	const struct policy_gen *gen = p->history[p->n_history - 1];
	sbuf_printf(out, HEAD "\n%" PRIu32 "\n", gen->info.number);
	add_chunk(out, &gen->script);
	for (size_t i = 0; i < gen->n_modules; i++)
		add_chunk(out, &gen->modules[i]);
}

static bool
next_part(struct str *rest, struct str *part)
{
	struct str line;
	int64_t n;
	if (!str_next(rest, '\n', &line) || !str_to_int(line, &n) || n < 0 || (size_t)n > rest->n)
		return false;
	*part = str_slice(*rest, 0, (size_t)n);
	*rest = str_slice(*rest, (size_t)n, rest->n);
	return true;
}

struct chunk_parts {
	struct str name, where, text;
};

static bool
next_chunk(struct str *rest, struct chunk_parts *c)
{
	return next_part(rest, &c->name) && next_part(rest, &c->where) && next_part(rest, &c->text);
}

static char *
c_string(struct str s)
{
	char *p = mem_alloc(s.n + 1);
	if (s.n > 0)
		memcpy(p, s.p, s.n);
	p[s.n] = '\0';
	return p;
}

static void
add_module(struct policy_gen *gen, const struct chunk_parts *c)
{
	VEC_GROW(gen->modules, gen->cap_modules, gen->n_modules);
	gen->modules[gen->n_modules++] =
	    (struct policy_chunk){.name = c_string(c->name),
				  .where = c_string(c->where),
				  .text = str_of(c_string(c->text), c->text.n)};
}

struct policy_gen *
policy_gen_kept(struct policy *p, struct str kept, struct err *err)
{
	struct str rest = kept, head, number_text;
	struct chunk_parts c;
	int64_t number;
	if (!str_next(&rest, '\n', &head) || !str_eq(head, STR(HEAD)) ||
	    !str_next(&rest, '\n', &number_text) || !str_to_int(number_text, &number) ||
	    number < 1 || number >= UINT32_MAX || !next_chunk(&rest, &c)) {
		err_set(err, "policy %s: the kept source is none of this tidegate's", p->name);
		return NULL;
	}
	char *where = c_string(c.where);
	struct policy_gen *gen = policy_gen_new(p, &c.text, where, err);
	mem_free(where);
	if (gen == NULL)
		return NULL;
	gen->info.number = (uint32_t)number;
	while (rest.n > 0 && next_chunk(&rest, &c))
		add_module(gen, &c);
	gen->recorded = true;
	return gen;
}
