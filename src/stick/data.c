// SPDX-License-Identifier: MIT
#include "stick/data.h"

const struct stick_data_row stick_data_rows[STICK_N_DATA] = {
#define ROW(constant, name, kind, array) [STICK_##constant] = {name, STICK_##kind, array},
    STICK_DATA_ROWS(ROW)
#undef ROW
};

const char *const stick_key_names[STICK_N_KEYS] = {
    [STICK_IP] = "ip",         [STICK_IPV6] = "ipv6",     [STICK_INT] = "integer",
    [STICK_STRING] = "string", [STICK_BINARY] = "binary",
};

enum stick_data
stick_data_find(struct str name)
{
	unsigned i = 0;
	while (i < STICK_N_DATA && !str_eq(name, str_from_c(stick_data_rows[i].name)))
		i++;
	return (enum stick_data)i;
}

static const char *
next_name(void *at)
{
	unsigned *i = at;
	return *i < STICK_N_DATA ? stick_data_rows[(*i)++].name : NULL;
}

static bool
unknown(struct str name, struct err *err)
{
	unsigned at = 0;
	const char *near = str_suggest(name, next_name, &at);
	return err_set(err, "there is no data type '%.*s'%s%s%s", STR_ARG(name),
		       near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
		       near != NULL ? "'?" : "");
}

// "(3)", "(10s)", "(3,10s)" by what the row wants.
static bool
parse_bounds(const struct stick_data_row *row, struct str rest, struct stick_stored *s,
	     struct err *err)
{
	struct str word;
	int64_t n = 1;
	uint64_t us = 0;
	if (row->array && (!str_next(&rest, ',', &word) || !str_to_int(str_trim(word), &n) ||
			   n < 1 || n > STICK_MAX_ARRAY))
		return err_set(err, "'%s' needs how many in parentheses, 1 to %u", row->name,
			       STICK_MAX_ARRAY);
	if (row->kind == STICK_RATE &&
	    (!str_next(&rest, ',', &word) || !str_to_time_us(str_trim(word), 1000, &us) ||
	     us < 1000 || us / 1000 > STICK_MAX_PERIOD))
		return err_set(err, "'%s' needs its period in parentheses, 1ms to %d ms", row->name,
			       STICK_MAX_PERIOD);
	if (rest.n > 0)
		return err_set(err, "'%s' takes no '%.*s'", row->name, STR_ARG(rest));
	*s = (struct stick_stored){.n = (uint32_t)n, .period_ms = (uint32_t)(us / 1000)};
	return true;
}

bool
stick_def_store(struct stick_def *d, struct str element, struct err *err)
{
	size_t open = str_find_byte(element, '(');
	struct str name = str_slice(element, 0, open), rest = STR_NULL;
	enum stick_data data = stick_data_find(name);
	if (data == STICK_N_DATA)
		return unknown(name, err);
	if (open != SIZE_MAX) {
		if (element.p[element.n - 1] != ')')
			return err_set(err, "'%.*s': ')' is missing", STR_ARG(element));
		rest = str_slice(element, open + 1, element.n - 1);
	}
	if (d->data[data].n > 0)
		return err_set(err, "'%.*s' is stored already", STR_ARG(name));
	return parse_bounds(&stick_data_rows[data], rest, &d->data[data], err);
}

// An array, and what stands for its elements.
static const struct {
	enum stick_data of, array;
	unsigned i;
} elements[] = {
    {STICK_GPT0, STICK_GPT, 0},           {STICK_GPC0, STICK_GPC, 0},
    {STICK_GPC1, STICK_GPC, 1},           {STICK_GPC0_RATE, STICK_GPC_RATE, 0},
    {STICK_GPC1_RATE, STICK_GPC_RATE, 1},
};

bool
stick_def_check(const struct stick_def *d, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(elements); i++)
		if (d->data[elements[i].of].n > 0 && d->data[elements[i].array].n > 0)
			return err_set(err, "'%s' is a part of '%s': store one of them",
				       stick_data_rows[elements[i].of].name,
				       stick_data_rows[elements[i].array].name);
	return true;
}

bool
stick_def_has_part(const struct stick_def *d, enum stick_data *data, unsigned *i)
{
	for (size_t k = 0; k < ARRAY_LEN(elements) && d->data[*data].n == 0; k++)
		if (elements[k].of == *data) {
			*data = elements[k].array;
			*i = elements[k].i;
		}
	return *i < d->data[*data].n;
}
