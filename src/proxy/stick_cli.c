// SPDX-License-Identifier: MIT
// Commands on stick tables, with HAProxy's words and answers: show, set and clear table. Entries
// are walked a piece at a time while workers go on with them.
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "proxy/conf_priv.h"
#include "proxy/stick_priv.h"

#define MAX_FILTERS 4 // as HAProxy has it

enum compare { EQ, NE, LE, GE, LT, GT, N_COMPARES };
static const char *const compares[N_COMPARES] = {"eq", "ne", "le", "ge", "lt", "gt"};

// What a command's words say.
struct call {
	struct proxy_table *pt;
	bool has_key;
	struct stick_key key;
	unsigned n;
	struct filter {
		unsigned at; // among a view's values
		enum stick_data data;
		enum compare how;
		uint64_t value;
	} filters[MAX_FILTERS];
	bool clears;
	struct stick_view view;
};

static uint64_t
now_of(const struct proxy_table *pt)
{
	return stick_now(pt->table, clock_boot_ns());
}

// --- keys ----------------------------------------------------------------------------------------

static bool
parse_key(const struct proxy_table *pt, struct str text, struct stick_key *k)
{
	struct sample s = {.type = SMP_STR, .s = text};
	struct sample_ctx ctx = {0};
	int64_t n;
	switch (pt->def.type) {
	case STICK_IP:
	case STICK_IPV6:
		if (!sample_parse_ip(text, &s) || (s.type == SMP_IP4) != (pt->def.type == STICK_IP))
			return false;
		break;
	case STICK_INT:
		if (!str_to_int(text, &n) || n < 0 || n > UINT32_MAX)
			return false;
		sample_set_int(&s, n);
		break;
	case STICK_STRING:
	case STICK_BINARY:
	case STICK_N_KEYS:
		break;
	}
	return proxy_table_key(pt->table, &s, &ctx, k);
}

// As HAProxy prints it: what is no plain character is escaped.
static void
print_text(struct cli_session *s, struct str bytes)
{
	static const char named[] = "n\nt\tr\re\033";
	for (size_t i = 0; i < bytes.n; i++) {
		char c = bytes.p[i];
		const char *p = named;
		while (*p != '\0' && p[1] != c)
			p += 2;
		if (*p != '\0')
			cli_printf(s, "\\%c", *p);
		else if (c == ' ' || c == '=' || c == '\\')
			cli_printf(s, "\\%c", c);
		else if (c < 0x20 || c > 0x7e)
			cli_printf(s, "\\x%02x", (unsigned char)c);
		else
			cli_printf(s, "%c", c);
	}
}

static void
print_binary(struct cli_session *s, struct str bytes)
{
	for (size_t i = 0; i < bytes.n; i++)
		cli_printf(s, "%02X", (unsigned char)bytes.p[i]);
}

static void
print_key(struct cli_session *s, const struct proxy_table *pt, const uint64_t *words)
{
	char buf[STICK_KEY_BYTES], text[64];
	struct str bytes = stick_key_bytes(pt->table, words, buf);
	struct sample ip = {.type = pt->def.type == STICK_IP ? SMP_IP4 : SMP_IP6};
	uint32_t number;
	switch (pt->def.type) {
	case STICK_IP:
	case STICK_IPV6:
		memcpy(ip.ip, bytes.p, bytes.n);
		cli_add(s, str_of(text, sample_print_ip(&ip, text, sizeof(text))));
		break;
	case STICK_INT:
		memcpy(&number, bytes.p, sizeof(number));
		cli_printf(s, "%" PRIu32, number);
		break;
	case STICK_STRING:
		print_text(s, bytes);
		break;
	case STICK_BINARY:
		print_binary(s, bytes);
		break;
	case STICK_N_KEYS:
		break;
	}
}

// --- values --------------------------------------------------------------------------------------

// gpc(2) is shown as gpc0 and gpc1, gpc_rate(2,10s) as gpc0_rate(10000) and gpc1_rate(10000).
static void
print_name(struct cli_session *s, const struct stick_def *d, unsigned data, unsigned i)
{
	const struct stick_data_row *row = &stick_data_rows[data];
	if (row->array)
		cli_printf(s, " %.3s%u%s", row->name, i, row->name + 3);
	else
		cli_printf(s, " %s", row->name);
	if (row->kind == STICK_RATE)
		cli_printf(s, "(%" PRIu32 ")", d->data[data].period_ms);
}

// A server's name is kept as its hash.
static void
print_server(struct cli_session *s, uint64_t hash)
{
	const struct proxy_set *set = cli_bound(s, "proxy");
	for (size_t i = 0; i < set->n_all; i++)
		for (size_t k = 0;
		     set->all[i]->backend != NULL && k < set->all[i]->backend->n_servers; k++) {
			struct str name = set->all[i]->backend->servers[k]->name;
			if (hash_str(name) != hash)
				continue;
			cli_printf(s, "=%.*s", STR_ARG(name));
			return;
		}
	cli_printf(s, "=-");
}

static void
print_value(struct cli_session *s, unsigned data, uint64_t value)
{
	if (stick_data_rows[data].kind == STICK_NAME)
		print_server(s, value);
	else
		cli_printf(s, "=%" PRIu64, value);
}

static void
print_entry(struct cli_session *s, const struct proxy_table *pt, const struct stick_view *v)
{
	unsigned at = 0;
	cli_printf(s, "%p: key=", v->id);
	print_key(s, pt, v->key);
	cli_printf(s, " use=%" PRIu64 " exp=%" PRIu64, v->trackers, v->left_ms);
	for (unsigned d = 0; d < STICK_N_DATA; d++)
		for (unsigned i = 0; i < pt->def.data[d].n; i++) {
			print_name(s, &pt->def, d, i);
			print_value(s, d, v->values[at++]);
		}
	cli_printf(s, "\n");
}

static void
print_table(struct cli_session *s, const struct proxy_table *pt)
{
	cli_printf(s, "# table: %.*s, type: %s, size:%" PRIu32 ", used:%" PRIu64 "\n",
		   STR_ARG(pt->name), stick_key_names[pt->def.type], pt->def.size,
		   stick_used(pt->table));
}

// --- filters -------------------------------------------------------------------------------------

static bool
holds(const struct filter *f, const struct stick_view *v)
{
	uint64_t x = v->values[f->at];
	switch (f->how) {
	case EQ:
		return x == f->value;
	case NE:
		return x != f->value;
	case LE:
		return x <= f->value;
	case GE:
		return x >= f->value;
	case LT:
		return x < f->value;
	case GT:
		return x > f->value;
	case N_COMPARES:
		break;
	}
	return false;
}

static bool
all_hold(const struct call *c)
{
	for (unsigned i = 0; i < c->n; i++)
		if (!holds(&c->filters[i], &c->view))
			return false;
	return true;
}

// "data.gpc0"; gpc0 stands for the first of gpc(N).
static bool
find_data(struct cli_session *s, const char *where, const struct stick_def *d, struct str word,
	  enum stick_data *data, unsigned *i)
{
	*data = stick_data_find(str_slice(word, sizeof("data.") - 1, word.n));
	*i = 0;
	if (*data == STICK_N_DATA) {
		cli_error(s, "%sUnknown data type", where);
		return false;
	}
	if (stick_def_has(d, data, i))
		return true;
	cli_error(s, "%sData type not stored in this table", where);
	return false;
}

static bool
parse_number(struct str text, uint64_t *out)
{
	int64_t n = 0;
	bool good = str_to_int(text, &n);
	*out = (uint64_t)n;
	return good;
}

static bool
parse_filter(struct cli_session *s, struct call *c, const struct str *words)
{
	struct filter *f = &c->filters[c->n++];
	unsigned i, how = 0;
	const struct stick_def *d = &c->pt->def;
	char where[32];
	(void)snprintf(where, sizeof(where), "Filter entry #%u: ", c->n);
	if (!find_data(s, where, d, words[0], &f->data, &i))
		return false;
	for (unsigned k = 0; k < f->data; k++)
		f->at += d->data[k].n;
	f->at += i;
	while (how < N_COMPARES && !str_eq(words[1], str_from_c(compares[how])))
		how++;
	f->how = (enum compare)how;
	if (how == N_COMPARES) {
		cli_error(s,
			  "%sRequire and operator among \"eq\", \"ne\", \"le\", \"ge\", "
			  "\"lt\", \"gt\"",
			  where);
		return false;
	}
	if (parse_number(words[2], &f->value))
		return true;
	cli_error(s, "%sRequire a valid integer value to compare against", where);
	return false;
}

// "TABLE [data.X OP N]... | TABLE key K"; *at: the first word behind the key.
static bool
parse_call(struct cli_session *s, const struct cli_args *args, struct call *c)
{
	const struct proxy_set *set = cli_bound(s, "proxy");
	const struct str *w = args->argv;
	c->pt = proxy_table_find(set, w[0], NULL);
	if (c->pt == NULL) {
		cli_error(s, "No such table");
		return false;
	}
	if (str_eq(w[1], STR("key"))) {
		c->has_key = parse_key(c->pt, w[2], &c->key);
		if (!c->has_key)
			cli_error(s, "Invalid key");
		return c->has_key;
	}
	for (int i = 1; i < args->argc; i += 3) {
		if (!str_starts(w[i], STR("data.")) || c->n == MAX_FILTERS) {
			cli_error(s, "Optional argument only supports \"data.<store_data_type>\" "
				     "<operator> <value> and key <key>");
			return false;
		}
		if (!parse_filter(s, c, w + i))
			return false;
	}
	return true;
}

// --- show, clear ---------------------------------------------------------------------------------

static void
make_key(const struct call *c, struct stick_key *k)
{
	char bytes[STICK_KEY_BYTES];
	stick_key_make(c->pt->table, stick_key_bytes(c->pt->table, c->view.key, bytes), k);
}

static void
act(struct cli_session *s, const struct call *c)
{
	struct stick_key k;
	bool kept;
	if (!c->clears) {
		print_entry(s, c->pt, &c->view);
		return;
	}
	make_key(c, &k);
	(void)stick_remove(c->pt->table, &k, now_of(c->pt), &kept); // kept ones stay
}

#define STEP 4096u // places between two looks at other work

static enum cli_status
walk(struct cli_session *s, void *state)
{
	struct call *c = state;
	uint64_t now = now_of(c->pt);
	c->view.until = c->view.place + STEP;
	while (cli_room(s) > 0) {
		if (!stick_next(c->pt->table, now, &c->view))
			return c->view.more ? CLI_MORE : CLI_DONE;
		if (all_hold(c))
			act(s, c);
	}
	return CLI_MORE;
}

static enum cli_status
one(struct cli_session *s, struct call *c)
{
	uint64_t now = now_of(c->pt);
	bool kept;
	if (c->clears) {
		(void)stick_remove(c->pt->table, &c->key, now, &kept);
		return kept ? cli_error(s, "Entry currently in use, cannot remove") : CLI_DONE;
	}
	if (stick_look(c->pt->table, &c->key, now, &c->view)) {
		print_table(s, c->pt);
		print_entry(s, c->pt, &c->view);
	}
	return CLI_DONE;
}

static enum cli_status
run_call(struct cli_session *s, const struct cli_args *args, bool clears)
{
	struct call *c = MEM_NEW(struct call);
	cli_continue(s, walk, c, mem_free);
	c->clears = clears;
	if (!parse_call(s, args, c))
		return CLI_DONE;
	if (c->has_key)
		return one(s, c);
	if (!clears)
		print_table(s, c->pt);
	return walk(s, c);
}

static enum cli_status
run_show(struct cli_session *s, const struct cli_args *args)
{
	const struct proxy_set *set = cli_bound(s, "proxy");
	if (args->argc > 0)
		return run_call(s, args, false);
	for (const struct proxy_table *t = set->tables; t != NULL; t = t->next)
		print_table(s, t);
	return CLI_DONE;
}

static enum cli_status
run_clear(struct cli_session *s, const struct cli_args *args)
{
	if (args->argc == 0)
		return cli_error(s, "Required arguments: <table> \"data.<store_data_type>\" "
				    "<operator> <value> or <table> key <key>");
	return run_call(s, args, true);
}

// --- set -----------------------------------------------------------------------------------------

// All of it is looked at before anything is set.
static bool
set_values(struct cli_session *s, const struct call *c, const struct cli_args *args,
	   const struct stick_ref *r)
{
	const uint64_t now = now_of(c->pt);
	for (int i = 3; i < args->argc; i += 2) {
		enum stick_data data;
		unsigned k;
		uint64_t v;
		if (!str_starts(args->argv[i], STR("data."))) {
			cli_error(s, "\"data.<type>\" followed by a value expected");
			return false;
		}
		if (!find_data(s, "", &c->pt->def, args->argv[i], &data, &k))
			return false;
		if (i + 1 >= args->argc || !parse_number(args->argv[i + 1], &v)) {
			cli_error(s, "Require a valid integer value to store");
			return false;
		}
		if (r != NULL)
			stick_set(r, data, k, v, now);
	}
	return true;
}

static enum cli_status
run_set(struct cli_session *s, const struct cli_args *args)
{
	struct call c = {0};
	struct stick_ref r;
	if (args->argc < 3)
		return cli_error(s, "Required arguments: <table> key <key> [data.<store_data_type> "
				    "<value>]*");
	if (!str_eq(args->argv[1], STR("key")))
		return cli_error(s, "content-based lookup is only supported with the \"show\" and "
				    "\"clear\" actions");
	if (!parse_call(s, args, &c) || !set_values(s, &c, args, NULL))
		return CLI_DONE;
	if (!stick_pin(c.pt->table, &c.key, true, now_of(c.pt), &r))
		return cli_error(s, "Unable to allocate a new entry");
	stick_touch(&r, now_of(c.pt));
	(void)set_values(s, &c, args, &r); // as was just seen
	stick_unpin(&r);
	return CLI_DONE;
}

const struct cli_command stick_commands[] = {
    {.words = "show table",
     .level = CLI_USER,
     .args = "[TABLE [data.TYPE OPERATOR VALUE]... | TABLE key KEY]",
     .max_args = CLI_ANY_ARGS,
     .run = run_show,
     .help = "the stick tables, or the entries of one: all, those that hold, or one key's"},
    {.words = "clear table",
     .level = CLI_OPERATOR,
     .args = "TABLE [data.TYPE OPERATOR VALUE]... | TABLE key KEY",
     .max_args = CLI_ANY_ARGS,
     .flags = CLI_CHANGES,
     .run = run_clear,
     .help = "forget entries of a stick table that nobody tracks"},
    {.words = "set table",
     .level = CLI_OPERATOR,
     .args = "TABLE key KEY [data.TYPE VALUE]...",
     .max_args = CLI_ANY_ARGS,
     .flags = CLI_CHANGES,
     .run = run_set,
     .help = "make a key in a stick table, or set what it counts"},
    {.words = NULL},
};
