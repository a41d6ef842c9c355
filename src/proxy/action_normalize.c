// SPDX-License-Identifier: MIT
// normalize-uri: the normal forms of RFC 3986 section 6.2.2, one by one, so that rules and servers
// compare what is the same. Each normalizer is a row: what it looks at, and a function from the old
// text to the new one.
#include "base/module.h"
#include "proxy/action_normalize.h"
#include "proxy/action_priv.h"

struct normalizer {
	const char *name;
	const char *option; // a further word it may have
	enum { OF_NOTHING, OF_PATH, OF_QUERY, OF_BOTH } part;
	// Writes the new text to `to`, which has room for the old one and NORMAL_MORE. False: what
	// came is no URI, and the strict form was asked for.
	bool (*run)(struct str from, struct str *to, bool option, struct arena *scratch);
};
#define NORMAL_MORE 2

struct normal_args {
	const struct normalizer *how;
	bool option;
};

static void
put(struct str *to, struct str s)
{
	if (s.n > 0)
		memcpy((char *)(uintptr_t)to->p + to->n, s.p, s.n);
	to->n += s.n;
}

// --- paths -------------------------------------------------------------------------------------

static bool
merge_slashes(struct str from, struct str *to, bool option UNUSED, struct arena *scratch UNUSED)
{
	for (size_t i = 0; i < from.n; i++)
		if (from.p[i] != '/' || i == 0 || from.p[i - 1] != '/')
			put(to, str_of(from.p + i, 1));
	return true;
}

// The next segment of a path, with its '/' if one follows. False behind the last.
static bool
next_segment(struct str *rest, struct str *segment, bool *slash)
{
	if (rest->n == 0)
		return false;
	size_t end = str_find_byte(*rest, '/');
	*segment = str_slice(*rest, 0, end);
	*slash = end != SIZE_MAX;
	*rest = *slash ? str_slice(*rest, end + 1, rest->n) : STR("");
	return true;
}

static bool
strip_dot(struct str from, struct str *to, bool option UNUSED, struct arena *scratch UNUSED)
{
	struct str rest = str_slice(from, 1, from.n), segment;
	bool slash;
	put(to, STR("/"));
	while (next_segment(&rest, &segment, &slash)) {
		if (str_eq(segment, STR(".")))
			continue;
		put(to, segment);
		put(to, slash ? STR("/") : STR(""));
	}
	return true;
}

// ".." takes the segment before it away; at the beginning it stays, unless `full`.
static bool
strip_dotdot(struct str from, struct str *to, bool full, struct arena *scratch UNUSED)
{
	struct str rest = str_slice(from, 1, from.n), segment;
	size_t depth = 0;
	bool slash;
	put(to, STR("/"));
	while (next_segment(&rest, &segment, &slash)) {
		if (!str_eq(segment, STR(".."))) {
			put(to, segment);
			put(to, slash ? STR("/") : STR(""));
			depth++;
		} else if (depth > 0) {
			depth--;
			for (to->n--; to->p[to->n - 1] != '/';)
				to->n--;
		} else if (!full) {
			put(to, STR("../"));
		}
	}
	return true;
}

// --- percent-encoding --------------------------------------------------------------------------

// The byte that "%XX" at s.p[i] stands for, or -1.
static int
encoded(struct str s, size_t i)
{
	if (i + 2 >= s.n || byte_hex(s.p[i + 1]) < 0 || byte_hex(s.p[i + 2]) < 0)
		return -1;
	return byte_hex(s.p[i + 1]) << 4 | byte_hex(s.p[i + 2]);
}

// RFC 3986 section 2.3.
static bool
is_unreserved(int c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       c == '-' || c == '.' || c == '_' || c == '~';
}

static bool
decode_unreserved(struct str from, struct str *to, bool strict, struct arena *scratch UNUSED)
{
	for (size_t i = 0; i < from.n; i++) {
		int c = from.p[i] == '%' ? encoded(from, i) : -1;
		if (from.p[i] == '%' && c < 0 && strict)
			return false;
		if (is_unreserved(c)) {
			put(to, str_of(&(char){(char)c}, 1));
			i += 2;
		} else {
			put(to, str_of(from.p + i, 1));
		}
	}
	return true;
}

static bool
to_uppercase(struct str from, struct str *to, bool strict, struct arena *scratch UNUSED)
{
	static const char hex[] = "0123456789ABCDEF";
	for (size_t i = 0; i < from.n; i++) {
		int c = from.p[i] == '%' ? encoded(from, i) : -1;
		if (from.p[i] == '%' && c < 0 && strict)
			return false;
		if (c >= 0) {
			put(to, str_of((char[]){'%', hex[c >> 4], hex[c & 15]}, 3));
			i += 2;
		} else {
			put(to, str_of(from.p + i, 1));
		}
	}
	return true;
}

// --- queries -----------------------------------------------------------------------------------

static bool
comes_after(struct str a, struct str b)
{
	struct str x = str_slice(a, 0, str_find_byte(a, '='));
	struct str y = str_slice(b, 0, str_find_byte(b, '='));
	size_t n = MIN(x.n, y.n);
	int order = n > 0 ? memcmp(x.p, y.p, n) : 0;
	return order != 0 ? order > 0 : x.n > y.n;
}

// Sorted runs of `width` become runs twice as long; equal ones keep their order.
static void
merge_runs(const struct str *from, struct str *to, size_t n, size_t width)
{
	for (size_t low = 0; low < n; low += 2 * width) {
		size_t middle = MIN(low + width, n), high = MIN(low + 2 * width, n);
		for (size_t at = low, i = low, j = middle; at < high; at++) {
			bool right = i == middle || (j < high && comes_after(from[i], from[j]));
			to[at] = right ? from[j++] : from[i++];
		}
	}
}

static bool
sort_by_name(struct str from, struct str *to, bool option UNUSED, struct arena *scratch)
{
	size_t n = 1, at = 0;
	struct str rest = from, piece;
	for (size_t i = 0; i < from.n; i++)
		n += from.p[i] == '&';
	struct str *list = arena_alloc(scratch, 2 * n * sizeof(*list), alignof(struct str));
	if (list == NULL || from.n == 0) {
		put(to, from); // no room: as it was
		return true;
	}
	struct str *other = list + n; // of as many
	while (str_next(&rest, '&', &piece))
		list[at++] = piece;
	n = at > 1 && list[at - 1].n == 0 ? at - 1 : at; // what ends in '&' has no parameter there
	for (size_t width = 1; width < n; width *= 2) {
		merge_runs(list, other, n, width);
		struct str *swap = list;
		list = other;
		other = swap;
	}
	for (size_t i = 0; i < n; i++) {
		put(to, i > 0 ? STR("&") : STR(""));
		put(to, list[i]);
	}
	return true;
}

// --- the action --------------------------------------------------------------------------------

// A target with a fragment is refused before any rule sees it, so there is never one to strip.
static const struct normalizer normalizers[] = {
    {"fragment-encode", NULL, OF_NOTHING, NULL},
    {"fragment-strip", NULL, OF_NOTHING, NULL},
    {"path-merge-slashes", NULL, OF_PATH, merge_slashes},
    {"path-strip-dot", NULL, OF_PATH, strip_dot},
    {"path-strip-dotdot", "full", OF_PATH, strip_dotdot},
    {"percent-decode-unreserved", "strict", OF_BOTH, decode_unreserved},
    {"percent-to-uppercase", "strict", OF_BOTH, to_uppercase},
    {"query-sort-by-name", NULL, OF_QUERY, sort_by_name},
};

static bool
parse_normalize(struct conf *conf, const struct conf_line *line, int *at, struct rule *r,
		struct err *err)
{
	struct normal_args *a = r->args = CONF_NEW(conf, struct normal_args);
	struct str word;
	size_t i = 0;
	if (!action_word(line, at, "a normalizer", &word, err))
		return false;
	while (i < ARRAY_LEN(normalizers) && !str_eq(word, str_from_c(normalizers[i].name)))
		i++;
	if (i == ARRAY_LEN(normalizers))
		return err_set(err,
			       "'%.*s' is no normalizer: fragment-encode, fragment-strip, "
			       "path-merge-slashes, path-strip-dot, path-strip-dotdot, "
			       "percent-decode-unreserved, percent-to-uppercase and "
			       "query-sort-by-name are",
			       STR_ARG(word));
	a->how = &normalizers[i];
	if (a->how->option != NULL && *at < line->argc &&
	    str_eq(line->argv[*at], str_from_c(a->how->option))) {
		a->option = true;
		++*at;
	}
	return true;
}

static enum http_edit
set_part(const struct normalizer *how, struct txn *txn, struct str text)
{
	struct http_head *h = &txn->req;
	return how->part == OF_PATH    ? http_head_set_path(h, &txn->arena, text)
	       : how->part == OF_QUERY ? http_head_set_query(h, &txn->arena, text)
				       : http_head_set_pathq(h, &txn->arena, text);
}

static enum rule_verdict
run_normalize(const struct rule *r, struct txn *txn)
{
	const struct normal_args *a = r->args;
	struct http_head *h = &txn->req;
	struct str path = http_head_path(h);
	if (a->how->run == NULL || path.n == 0 || path.p[0] != '/')
		return RULE_NEXT; // "*" and CONNECT's have no normal form
	struct str old = a->how->part == OF_PATH    ? path
			 : a->how->part == OF_QUERY ? http_head_query(h)
						    : http_head_pathq(h);
	char *room = arena_alloc(&txn->arena, old.n + NORMAL_MORE, 1);
	if (room == NULL)
		return action_failed(r, txn);
	struct str text = str_of(room, 0);
	if (!a->how->run(old, &text, a->option, &txn->arena)) {
		txn_error_page(txn, 400);
		return RULE_REPLY;
	}
	if (str_eq(text, old))
		return RULE_NEXT;
	return set_part(a->how, txn, text) == HTTP_EDIT_OK ? RULE_NEXT : action_failed(r, txn);
}

static const struct action_row actions[] = {
    {"normalize-uri", RULE_HTTP_REQUEST, parse_normalize, run_normalize, 0,
     "normalize-uri <normalizer> [full|strict]",
     "Brings the target into a normal form: path-merge-slashes, path-strip-dot, path-strip-dotdot "
     "(full: at the beginning too), percent-decode-unreserved and percent-to-uppercase (strict: "
     "400 for a broken %XX), query-sort-by-name; fragment-strip and fragment-encode never have "
     "anything to do, as a target with '#' is refused."},
    {.name = NULL},
};

const struct module proxy_normalize_module = {
    .name = "normalize-uri",
    .actions = actions,
};
