// SPDX-License-Identifier: MIT
// The text: a head, the set's name, the hash of what its file gave, then keys and values, each
// behind its length.
#include "expr/pattern_kept.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/hash.h"
#include "base/sbuf.h"
#include "expr/pattern_ref_priv.h"

#define HEAD "tidegate-map 2"

struct str
pattern_kept_title(const struct pattern_ref *r)
{
	return r->title;
}

void
pattern_kept_name(const struct pattern_ref *r, char out[PATTERN_KEPT_NAME_BYTES])
{
	(void)snprintf(out, PATTERN_KEPT_NAME_BYTES, "%016" PRIx64,
		       hash_str(pattern_kept_title(r)));
}

uint64_t
pattern_kept_hash(uint64_t before, struct str key, struct str value)
{
	uint64_t h = hash_bytes(key.p, key.n, before + 1);
	return hash_bytes(value.p, value.n, h + 1);
}

static uint64_t
hash_of(const struct pattern_table *t)
{
	uint64_t h = 0;
	for (size_t i = 0; i < t->n; i++)
		h = pattern_kept_hash(h, t->entry[i].key, t->entry[i].value);
	return h;
}

void
pattern_kept_begin(struct expr_set *set)
{
	for (struct pattern_ref *r = set->refs != NULL ? set->refs->first : NULL; r != NULL;
	     r = r->next)
		r->file_hash = hash_of(&r->live);
}

void
pattern_kept_watch(struct expr_set *set, pattern_changed_f changed, void *arg)
{
	if (set->refs == NULL)
		return;
	set->refs->changed = changed;
	set->refs->changed_arg = arg;
}

size_t
pattern_kept_entries(const struct pattern_ref *r)
{
	return r->live.n_live;
}

static void
add_part(struct sbuf *out, struct str part)
{
	sbuf_printf(out, "%zu\n", part.n);
	sbuf_add(out, part);
}

void
pattern_kept_write(const struct pattern_ref *r, struct sbuf *out)
{
	sbuf_add(out, STR(HEAD "\n"));
	add_part(out, pattern_kept_title(r));
	sbuf_printf(out, "%016" PRIx64 "\n%zu\n", r->file_hash, (size_t)r->live.n_live);
	for (size_t i = 0; i < r->live.n; i++) {
		const struct table_entry *e = &r->live.entry[i];
		if (!e->live)
			continue;
		add_part(out, e->key);
		add_part(out, e->value);
	}
}

static bool
next_number(struct str *rest, int64_t *n)
{
	struct str line;
	return str_next(rest, '\n', &line) && str_to_int(line, n) && *n >= 0;
}

static bool
next_part(struct str *rest, struct str *part)
{
	int64_t n;
	if (!next_number(rest, &n) || (size_t)n > rest->n)
		return false;
	*part = str_slice(*rest, 0, (size_t)n);
	*rest = str_slice(*rest, (size_t)n, rest->n);
	return true;
}

struct str
pattern_kept_title_of(struct str text)
{
	struct str head, title;
	bool good =
	    str_next(&text, '\n', &head) && str_eq(head, STR(HEAD)) && next_part(&text, &title);
	return good ? title : STR_NULL;
}

static struct pattern_ref *
find(const struct expr_set *set, struct str name)
{
	struct pattern_ref *r = set->refs != NULL ? set->refs->first : NULL;
	while (r != NULL && !str_eq(pattern_kept_title(r), name))
		r = r->next;
	return r;
}

static bool
fill(struct pattern_ref *r, struct str rest, struct err *err)
{
	struct str key, value;
	int64_t n = 0;
	uint32_t version = pattern_ref_prepare(r, err);
	bool good = version != 0 && (next_number(&rest, &n) || err_set(err, "it is cut short"));
	for (; good && n > 0; n--) {
		good = (next_part(&rest, &key) && next_part(&rest, &value)) ||
		       err_set(err, "it is cut short");
		good = good && pattern_ref_change(r, PATTERN_ADD, version, key, value, err);
	}
	if (good && rest.n > 0)
		good = err_set(err, "something stands behind its end");
	if (!good)
		return err_wrap(err, "'%.*s': what was changed at run time is lost",
				STR_ARG(r->name));
	return pattern_ref_commit(r, version, err);
}

static bool
is_hash(struct str text)
{
	size_t n = 0;
	while (n < text.n && strchr("0123456789abcdef", text.p[n]) != NULL && text.p[n] != '\0')
		n++;
	return n == 16 && n == text.n;
}

enum pattern_kept
pattern_kept_read(struct expr_set *set, struct str text, struct err *err)
{
	struct str rest = text, head, name, hash;
	char mine[24];
	if (!str_next(&rest, '\n', &head) || !str_eq(head, STR(HEAD)) || !next_part(&rest, &name) ||
	    !str_next(&rest, '\n', &hash) || !is_hash(hash)) {
		err_set(err, "no map or list that this program knows");
		return PATTERN_KEPT_DAMAGED;
	}
	struct pattern_ref *r = find(set, name);
	if (r == NULL) {
		err_set(err,
			"'%.*s' was changed at run time, but the configuration does not use it "
			"any more",
			STR_ARG(name));
		return PATTERN_KEPT_OLD;
	}
	(void)snprintf(mine, sizeof(mine), "%016" PRIx64, r->file_hash);
	if (!str_eq(hash, str_from_c(mine))) {
		err_set(err,
			"'%.*s' was changed at run time, but its file is another now, which counts",
			STR_ARG(name));
		return PATTERN_KEPT_OLD;
	}
	return fill(r, rest, err) ? PATTERN_KEPT_READ : PATTERN_KEPT_DAMAGED;
}
