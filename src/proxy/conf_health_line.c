// SPDX-License-Identifier: MIT
// The words of a line http-check or tcp-check, taken one by one.
#include "proxy/conf_health_priv.h"

bool
check_line_more(const struct check_line *l)
{
	return l->at < l->line->argc;
}

bool
check_line_take(struct check_line *l, const char *what, struct str *out)
{
	if (!check_line_more(l))
		return err_set(l->err, "'%s' needs a value", what);
	*out = l->line->argv[l->at++];
	return true;
}

bool
check_line_take_int(struct check_line *l, const char *what, int64_t min, int64_t max, int64_t *out)
{
	struct str word = STR("");
	if (!check_line_take(l, what, &word))
		return false;
	return (str_to_int(word, out) && *out >= min && *out <= max) ||
	       err_set(l->err, "'%s %.*s': a number from %lld to %lld is expected", what,
		       STR_ARG(word), (long long)min, (long long)max);
}

bool
check_line_take_text(struct check_line *l, const char *what, struct str *out)
{
	if (!check_line_take(l, what, out))
		return false;
	return str_find_byte(*out, '%') == SIZE_MAX ||
	       err_set(l->err, "'%s %.*s': expressions of log formats are not evaluated in checks",
		       what, STR_ARG(*out));
}

bool
check_line_comment(struct check_line *l, const char *name)
{
	return check_line_take(l, name, &l->step->comment);
}

bool
check_line_refuse(struct check_line *l, const char *name)
{
	return err_set(l->err, "'%s' comes in a later tidegate", name);
}

bool
check_line_take_hex(struct check_line *l, const char *what, struct str *out)
{
	struct str hex = STR("");
	if (!check_line_take(l, what, &hex))
		return false;
	char *to = conf_alloc(l->conf, hex.n / 2 + 1);
	if (hex.n == 0 || hex.n % 2 != 0)
		return err_set(l->err, "'%s' expects an even number of hexadecimal digits", what);
	if (!str_unhex(hex, to))
		return err_set(l->err, "'%s': '%.*s' is not hexadecimal", what, STR_ARG(hex));
	*out = str_of(to, hex.n / 2);
	return true;
}

const struct check_word *
check_line_find(const struct check_word *row, struct str word)
{
	while (row->name != NULL && !str_eq(word, str_from_c(row->name)))
		row++;
	return row->name != NULL ? row : NULL;
}
