// SPDX-License-Identifier: MIT
// The instance: the rows of all modules in order, the objects bound for commands, and the slots
// through which a late answer finds its session or learns that it is gone.
#include "base/mem.h"
#include "cli/cli_priv.h"

struct cli *
cli_new(const struct module *const *modules, size_t n)
{
	struct cli *cli = MEM_NEW(struct cli);
	cli->magic = CLI_MAGIC;
	cli->max_payload = CLI_PAYLOAD_BYTES;
	for (size_t i = 0; i < n; i++) {
		const struct cli_command *row = modules[i]->commands;
		for (; row != NULL && row->words != NULL; row++)
			cli_add_row(cli, row);
	}
	return cli;
}

void
cli_add_row(struct cli *cli, const struct cli_command *row)
{
	CHECK_MAGIC(cli, CLI_MAGIC);
	ASSERT(row->run != NULL && row->help != NULL);
	VEC_GROW(cli->rows, cli->rows_cap, cli->n_rows);
	cli->rows[cli->n_rows++] = row;
}

void
cli_free(struct cli **cli)
{
	struct cli *c = *cli;
	*cli = NULL;
	if (c == NULL)
		return;
	CHECK_MAGIC(c, CLI_MAGIC);
	for (size_t i = 0; i < c->n_slots; i++)
		ASSERT(c->slots[i].session == NULL);
	c->magic = 0;
	mem_free(c->slots);
	mem_free(c->rows);
	mem_free(c);
}

void
cli_set_max_payload(struct cli *cli, size_t bytes)
{
	CHECK_MAGIC(cli, CLI_MAGIC);
	ASSERT(cli->n_slots == 0);
	cli->max_payload = bytes;
}

void
cli_bind(struct cli *cli, const char *name, void *object)
{
	CHECK_MAGIC(cli, CLI_MAGIC);
	size_t i = 0;
	while (i < cli->n_bound && strcmp(cli->bound[i].name, name) != 0)
		i++;
	ASSERT(i < CLI_MAX_BOUND);
	cli->n_bound = MAX(cli->n_bound, i + 1);
	cli->bound[i].name = name;
	cli->bound[i].object = object;
}

void *
cli_bound(const struct cli_session *s, const char *name)
{
	CHECK_MAGIC(s, CLI_SESSION_MAGIC);
	for (size_t i = 0; i < s->cli->n_bound; i++)
		if (strcmp(s->cli->bound[i].name, name) == 0)
			return s->cli->bound[i].object;
	return NULL;
}

const struct cli_command *
cli_row(const struct cli *cli, size_t i)
{
	CHECK_MAGIC(cli, CLI_MAGIC);
	return i < cli->n_rows ? cli->rows[i] : NULL;
}

// How many words the row has if the line begins with all of them, else 0.
static int
row_matches(const struct cli_command *row, const struct cli_words *words)
{
	struct str rest = str_from_c(row->words), piece;
	int n = 0;
	if (row->flags & CLI_PREFIX)
		return words->n > 0 && str_starts(words->word[0], rest);
	while (str_next(&rest, ' ', &piece)) {
		if (n >= words->n || !str_eq(words->word[n], piece))
			return 0;
		n++;
	}
	return n;
}

const struct cli_command *
cli_match(const struct cli *cli, const struct cli_words *words, int *n_words)
{
	const struct cli_command *best = NULL;
	*n_words = 0;
	for (size_t i = 0; i < cli->n_rows; i++) {
		int n = row_matches(cli->rows[i], words);
		if (n > *n_words) {
			best = cli->rows[i];
			*n_words = n;
		}
	}
	return best;
}

struct cli_ref
cli_ref(const struct cli_session *s)
{
	CHECK_MAGIC(s, CLI_SESSION_MAGIC);
	return (struct cli_ref){s->cli, s->slot, s->cli->slots[s->slot].generation};
}

struct cli_session *
cli_deref(struct cli_ref ref)
{
	CHECK_MAGIC(ref.cli, CLI_MAGIC);
	ASSERT(ref.slot < ref.cli->n_slots);
	struct cli_slot *slot = &ref.cli->slots[ref.slot];
	return slot->generation == ref.generation ? slot->session : NULL;
}

const char *
cli_level_name(enum cli_level level)
{
	static const char *const names[] = {"user", "operator", "admin"};
	ASSERT((size_t)level < ARRAY_LEN(names));
	return names[level];
}
