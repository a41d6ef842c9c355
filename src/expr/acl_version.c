// SPDX-License-Identifier: MIT
// Versions in the place of integers: "3.1" stands for 3 * 65536 + 1 and "3" for 3.0, in values and
// ranges of the fetches that give a protocol's version.

#include "base/mem.h"
#include "expr/acl_priv.h"

// False: it is none.
static bool
parse_version(struct str text, int64_t *n)
{
	struct str rest = text, word;
	int64_t major, minor = 0;
	if (!str_next(&rest, '.', &word) || !str_to_int(word, &major))
		return false;
	if (rest.p != NULL && (!str_to_int(rest, &minor) || minor > UINT16_MAX))
		return false;
	*n = major << 16 | minor;
	return major >= 0 && major <= UINT16_MAX && minor >= 0;
}

// Both ends of a range, of which one may be missing, as numbers.
static struct str
as_numbers(struct arena *arena, struct str word)
{
	size_t colon = str_find_byte(word, ':');
	struct str ends[2] = {str_slice(word, 0, colon), STR("")};
	char *text[2];
	if (colon != SIZE_MAX)
		ends[1] = str_slice(word, colon + 1, word.n);
	for (int i = 0; i < 2; i++) {
		int64_t n;
		if (ends[i].n > 0 && !parse_version(ends[i], &n))
			return STR_NULL;
		text[i] = ends[i].n > 0 ? arena_printf(arena, "%lld", (long long)n) : "";
		ASSERT(text[i] != NULL);
	}
	return str_from_c(
	    arena_printf(arena, "%s%s%s", text[0], colon != SIZE_MAX ? ":" : "", text[1]));
}

static bool
is_operator(struct str word)
{
	static const char *const operators[] = {"eq", "ge", "gt", "le", "lt"};
	for (size_t i = 0; i < ARRAY_LEN(operators); i++)
		if (str_eq(word, str_from_c(operators[i])))
			return true;
	return false;
}

const struct str *
acl_versions(struct arena *arena, int n, const struct str *words, struct err *err)
{
	struct str *out = arena_alloc(arena, ((size_t)n + 1) * sizeof(*out), alignof(struct str));
	ASSERT(out != NULL);
	for (int i = 0; i < n; i++) {
		out[i] = is_operator(words[i]) ? words[i] : as_numbers(arena, words[i]);
		if (out[i].p != NULL)
			continue;
		err_set(err, "'%.*s' is no version (3.1) and no range of some (3.0:3.3)",
			STR_ARG(words[i]));
		return NULL;
	}
	return out;
}
