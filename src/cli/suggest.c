// SPDX-License-Identifier: MIT
// help, and what an unknown command is answered: HAProxy's wording and layout. A row is close to
// what was typed when its words are, each by itself, within a third of the letters; words not
// typed yet cost little, so that "show" lists all of its commands.
#include "cli/cli_priv.h"

#define MAX_WORD_BYTES 32
#define MAX_SHOWN      6
#define TOO_FAR        1000u

// Edit distance where swapping two neighbours is one edit; words beyond the limit are too far.
static unsigned
distance(struct str a, struct str b)
{
	if (a.n > MAX_WORD_BYTES || b.n > MAX_WORD_BYTES)
		return TOO_FAR;
	unsigned d[3][MAX_WORD_BYTES + 1];
	for (unsigned j = 0; j <= b.n; j++)
		d[0][j] = j;
	for (unsigned i = 1; i <= a.n; i++) {
		unsigned *now = d[i % 3], *up = d[(i - 1) % 3], *up2 = d[(i + 1) % 3];
		now[0] = i;
		for (unsigned j = 1; j <= b.n; j++) {
			unsigned cost = a.p[i - 1] != b.p[j - 1];
			unsigned best = MIN(MIN(now[j - 1], up[j]) + 1, up[j - 1] + cost);
			if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1])
				best = MIN(best, up2[j - 2] + 1);
			now[j] = best;
		}
	}
	return d[a.n % 3][b.n];
}

static unsigned
word_distance(struct str typed, struct str want)
{
	if (str_eq(typed, want))
		return 0;
	if (typed.n > 0 && str_starts(want, typed))
		return 1;
	unsigned d = distance(typed, want);
	return d <= MAX((size_t)1, MAX(typed.n, want.n) / 3) ? d + 1 : TOO_FAR;
}

// How far the row is from the typed words, from the skip-th of the row's words on.
static unsigned
row_distance_from(struct str row, const struct cli_words *typed, int skip)
{
	struct str piece;
	unsigned sum = skip > 0 ? 2 : 0;
	int i = -skip;
	for (; str_next(&row, ' ', &piece); i++) {
		if (i < 0)
			continue;
		sum += i < typed->n ? word_distance(typed->word[i], piece) : 1;
	}
	return i > 0 ? MIN(sum, TOO_FAR) : TOO_FAR;
}

static unsigned
row_distance(const struct cli_command *row, const struct cli_words *typed)
{
	struct str words = str_from_c(row->words);
	unsigned whole = row_distance_from(words, typed, 0);
	return MIN(whole, row_distance_from(words, typed, 1));
}

static bool
listed(const struct cli_session *s, const struct cli_command *row)
{
	return !(row->flags & CLI_HIDDEN) && row->level <= s->level;
}

static void
show_row(struct cli_session *s, enum cli_severity sev, const struct cli_command *row)
{
	struct sbuf line;
	sbuf_init(&line, 4096);
	sbuf_printf(&line, "%s%s%s", row->words, row->args != NULL ? " " : "",
		    row->args != NULL ? row->args : "");
	struct str usage = sbuf_str(&line);
	struct sbuf text;
	sbuf_init(&text, 8192);
	sbuf_printf(&text, "  %-40.*s: %s\n", STR_ARG(usage), row->help);
	cli_out(s, sev, sbuf_str(&text), false);
	sbuf_fini(&text);
	sbuf_fini(&line);
}

static void
show_where(struct cli_session *s, enum cli_severity sev, const struct cli_words *typed,
	   unsigned want)
{
	for (size_t i = 0; i < s->cli->n_rows; i++) {
		const struct cli_command *row = s->cli->rows[i];
		if (listed(s, row) && (typed == NULL || row_distance(row, typed) == want))
			show_row(s, sev, row);
	}
}

static unsigned
count_within(const struct cli_session *s, const struct cli_words *typed, unsigned most)
{
	unsigned n = 0;
	for (size_t i = 0; i < s->cli->n_rows; i++) {
		const struct cli_command *row = s->cli->rows[i];
		n += listed(s, row) && row_distance(row, typed) <= most;
	}
	return n;
}

void
cli_answer_unknown(struct cli_session *s, const struct cli_words *words)
{
	// The closest rows, whole steps of distance at a time: all of the closest, then more
	// while they stay few.
	unsigned closest = 0;
	while (closest < 12 && (words->n == 0 || count_within(s, words, closest) == 0))
		closest++;
	if (closest == 12) {
		cli_error(s, "Unknown command. Please enter one of the following commands only:");
		show_where(s, CLI_SEV_ERROR, NULL, 0);
		return;
	}
	cli_error(s, "Unknown command, but maybe one of the following ones is a better match:");
	show_where(s, CLI_SEV_ERROR, words, closest);
	for (unsigned d = closest + 1; d < 12 && count_within(s, words, d) <= MAX_SHOWN; d++)
		show_where(s, CLI_SEV_ERROR, words, d);
}

// Whether the row begins with all of the words, the last of which may be the start of one.
static bool
row_begins(const struct cli_command *row, const struct cli_args *words)
{
	struct str rest = str_from_c(row->words), piece;
	for (int i = 0; i < words->argc; i++)
		if (!str_next(&rest, ' ', &piece) || !str_starts(piece, words->argv[i]))
			return false;
	return true;
}

void
cli_answer_help(struct cli_session *s, const struct cli_args *filter)
{
	unsigned n = 0;
	for (size_t i = 0; i < s->cli->n_rows; i++) {
		const struct cli_command *row = s->cli->rows[i];
		if (!listed(s, row) || !row_begins(row, filter))
			continue;
		if (n++ == 0)
			cli_add(s, STR("The following commands are valid at this level:\n"));
		show_row(s, CLI_SEV_DATA, row);
	}
	if (n == 0)
		cli_error(s, "No command of this level begins with '%.*s'.",
			  STR_ARG(filter->argv[0]));
}
