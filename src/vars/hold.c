// SPDX-License-Identifier: MIT
// Named holds: the switch is on while anybody holds it, and nobody's release lifts another's. A
// change copies the holds that still stand, alters the copy, and the commit stores it whole.
#include <stdio.h>

#include "vars/write_priv.h"

// "deploy, ops and 2 more"
static void
list_owners(const struct vars_holds *s, char *buf, size_t room)
{
	size_t at = 0;
	buf[0] = '\0';
	for (size_t i = 0; i < s->n && at + 40 < room; i++) {
		int n = snprintf(buf + at, room - at, "%s%s", i > 0 ? ", " : "", s->h[i].owner);
		at += n > 0 ? (size_t)n : 0;
	}
}

static size_t
find_owner(const struct vars_holds *s, struct str owner)
{
	size_t i = 0;
	while (i < s->n && !str_eq(str_from_c(s->h[i].owner), owner))
		i++;
	return i;
}

// The hold stands from now on for the operation's time, the declared one, or for ever.
static void
renew(const struct vars_commit *c, const struct vars_meta *m, const struct tidevars_op *op,
      struct layout_hold *h)
{
	uint64_t ttl = op->ttl_ns != 0 ? op->ttl_ns : m->ttl != 0 ? m->ttl : TIDEVARS_NEVER;
	if (c->who.reason[0] != '\0')
		memcpy(h->reason, c->who.reason, sizeof(h->reason));
	h->until_boot = vars_after(c->now_boot, ttl);
	h->until_real = vars_after(c->now_real, ttl);
}

static int
take(const struct vars_commit *c, const struct vars_meta *m, const struct tidevars_op *op,
     struct str owner, struct vars_holds *s)
{
	size_t i = find_owner(s, owner);
	if (i == LAYOUT_N_HOLDS) {
		char owners[400];
		list_owners(s, owners, sizeof(owners));
		return vars_fail(c->err, TIDEVARS_FULL, "'%s' has all its %d holds taken: %s",
				 m->name, LAYOUT_N_HOLDS, owners);
	}
	struct layout_hold *h = &s->h[i];
	if (i == s->n && !tidevars_owner_ok(owner.p, owner.n))
		return vars_fail(c->err, TIDEVARS_BOUNDS,
				 "'%s': an owner's name has no control bytes", m->name);
	if (i == s->n) {
		memset(h, 0, sizeof(*h));
		memcpy(h->owner, owner.p, owner.n);
		h->taken_real = c->now_real;
		s->n++;
	}
	renew(c, m, op, h);
	return TIDEVARS_OK;
}

static int
not_held(const struct vars_commit *c, const struct vars_meta *m, struct str owner,
	 const struct vars_holds *s)
{
	char owners[400];
	if (s->n == 0)
		return vars_fail(c->err, TIDEVARS_NOT_HELD,
				 "'%s' is not held by %.*s, nor by anybody else", m->name,
				 STR_ARG(owner));
	list_owners(s, owners, sizeof(owners));
	return vars_fail(c->err, TIDEVARS_NOT_HELD, "'%s' is held by %s, not by %.*s", m->name,
			 owners, STR_ARG(owner));
}

static int
extend(const struct vars_commit *c, const struct vars_meta *m, const struct tidevars_op *op,
       struct str owner, struct vars_holds *s)
{
	size_t i = find_owner(s, owner);
	if (i == s->n)
		return not_held(c, m, owner, s);
	renew(c, m, op, &s->h[i]);
	return TIDEVARS_OK;
}

// `strict`: holding nothing is an error even while nobody holds anything.
static int
release(const struct vars_commit *c, const struct vars_meta *m, struct str owner, bool strict,
	struct vars_holds *s)
{
	size_t i = find_owner(s, owner);
	if (i < s->n) {
		memmove(&s->h[i], &s->h[i + 1], (s->n - i - 1) * sizeof(s->h[0]));
		s->n--;
		return TIDEVARS_OK;
	}
	if (s->n == 0 && !strict)
		return TIDEVARS_OK;
	return not_held(c, m, owner, s);
}

static void
drop_ran_out(uint64_t now, struct vars_holds *s)
{
	size_t kept = 0;
	for (size_t i = 0; i < s->n; i++) {
		if (now < s->h[i].until_boot)
			s->h[kept++] = s->h[i];
		else
			memcpy(s->gone[s->ran_out++], s->h[i].owner, sizeof(s->gone[0]));
	}
	s->n = kept;
}

int
vars_holds_apply(const struct vars_commit *c, const struct vars_meta *m,
		 const struct tidevars_op *op, struct vars_holds *out)
{
	struct vars_record r;
	if (!vars_copy_holds(c->t, m, &r, out->h, &out->n))
		out->n = 0; // no record in force: begin anew
	out->ran_out = 0;
	drop_ran_out(c->now_boot, out);
	struct str owner = str_from_c(op->owner != NULL ? op->owner : c->who.who);
	if (owner.n == 0 || owner.n > TIDEVARS_WHO_MAX)
		return vars_fail(c->err, TIDEVARS_BOUNDS, "'%s': an owner's name has 1 to %d bytes",
				 m->name, TIDEVARS_WHO_MAX);
	switch (op->kind) {
	case TIDEVARS_TAKE:
		return take(c, m, op, owner, out);
	case TIDEVARS_EXTEND:
		return extend(c, m, op, owner, out);
	case TIDEVARS_RELEASE:
		return release(c, m, owner, true, out);
	case TIDEVARS_SET:
		if (op->value.u.i != 0)
			return take(c, m, op, owner, out);
		return release(c, m, owner, false, out);
	case TIDEVARS_UNSET:
		out->n = 0;
		return TIDEVARS_OK;
	case TIDEVARS_EXPIRE:
		return TIDEVARS_OK;
	default:
		return vars_fail(c->err, TIDEVARS_TYPE,
				 "'%s' is a hold: it can be taken, released, set and unset",
				 m->name);
	}
}
