// SPDX-License-Identifier: MIT
// Printing of every row this program has.
#include "main/reference.h"

#include "base/sbuf.h"
#include "cli/cli.h"
#include "conf/conf.h"
#include "expr/expr.h"
#include "expr/logfmt.h"
#include "main/modules.h"
#include "metrics/metrics.h"
#include "proxy/rule.h"
#include "proxy/rule_explain.h"
#include "proxy/stats.h"

static const char *
arg_type_name(enum arg_type t)
{
	static const char *const names[] = {
	    [ARG_END] = "",         [ARG_STR] = "text",    [ARG_INT] = "number",
	    [ARG_TIME_US] = "time", [ARG_IP4] = "ipv4",    [ARG_IP6] = "ipv6",
	    [ARG_MASK4] = "mask",   [ARG_MASK6] = "mask6", [ARG_VAR] = "variable",
	    [ARG_REGEX] = "regex",  [ARG_ACL] = "acl",     [ARG_NAME] = "name",
	    [ARG_REST] = "more...",
	};
	return names[t];
}

// "(name[,other])"
static void
print_args(const struct arg_spec *a, struct sbuf *out)
{
	if (a == NULL || a->type == ARG_END)
		return;
	sbuf_add_byte(out, '(');
	unsigned open = 0;
	for (const struct arg_spec *it = a; it->type != ARG_END; it++) {
		if (it->flags & ARG_OPTIONAL) {
			sbuf_add_byte(out, '[');
			open++;
		}
		sbuf_printf(out, "%s%s", it != a ? "," : "",
			    it->name != NULL ? it->name : arg_type_name(it->type));
	}
	while (open-- > 0)
		sbuf_add_byte(out, ']');
	sbuf_add_byte(out, ')');
}

static void
print_places(unsigned where, struct sbuf *out)
{
	const char *between = " ";
	for (unsigned bit = 1; bit <= RULE_TCP_RESPONSE; bit <<= 1) {
		if (!(where & bit))
			continue;
		sbuf_printf(out, "%s%s", between, rule_list_name((enum rule_where)bit));
		between = ", ";
	}
}

// Text in a table's cell: '|' would end it.
static void
print_cell(const char *text, struct sbuf *out)
{
	for (; text != NULL && *text != '\0'; text++) {
		if (*text == '|')
			sbuf_add_byte(out, '\\');
		sbuf_add_byte(out, *text);
	}
}

static void
print_actions(struct sbuf *out)
{
	sbuf_add(out,
		 STR("\n## Actions\n\n| action | where | what it does |\n| --- | --- | --- |\n"));
	for (size_t i = 0; main_modules[i] != NULL; i++)
		for (const struct action_row *r = main_modules[i]->actions;
		     r != NULL && r->name != NULL; r++) {
			sbuf_add(out, STR("| `"));
			print_cell(r->usage, out);
			sbuf_add(out, STR("` |"));
			print_places(r->where, out);
			sbuf_add(out, STR(" | "));
			print_cell(r->help, out);
			sbuf_add(out, STR(" |\n"));
		}
}

static void
print_fetches(struct sbuf *out)
{
	sbuf_add(out, STR("\n## Fetches\n\n| fetch | other names | type | what it gives |\n"
			  "| --- | --- | --- | --- |\n"));
	struct expr_set *set = expr_set_new(main_modules);
	const struct fetch_row *r;
	for (size_t i = 0; (r = expr_set_fetch_at(set, i)) != NULL; i++) {
		sbuf_printf(out, "| `%s", r->name);
		print_args(r->args, out);
		sbuf_printf(out, "` | %s | %s | ", r->aliases != NULL ? r->aliases : "",
			    sample_type_name(r->out));
		print_cell(r->help, out);
		sbuf_add(out, STR(" |\n"));
	}
	expr_set_free(&set);
}

static void
print_convs(struct sbuf *out)
{
	sbuf_add(out,
		 STR("\n## Converters\n\n| converter | other names | from | to | what it gives "
		     "|\n| --- | --- | --- | --- | --- |\n"));
	struct expr_set *set = expr_set_new(main_modules);
	const struct conv_row *r;
	for (size_t i = 0; (r = expr_set_conv_at(set, i)) != NULL; i++) {
		sbuf_printf(out, "| `%s", r->name);
		print_args(r->args, out);
		sbuf_printf(out, "` | %s | %s | %s | ", r->aliases != NULL ? r->aliases : "",
			    sample_type_name(r->in), sample_type_name(r->out));
		print_cell(r->help, out);
		sbuf_add(out, STR(" |\n"));
	}
	expr_set_free(&set);
}

static void
print_aliases(struct sbuf *out)
{
	const char *name, *help;
	sbuf_add(out, STR("\n## Aliases of log formats\n\n| alias | what it prints |\n"
			  "| --- | --- |\n"));
	for (size_t i = 0; (name = logfmt_alias_at(i, &help)) != NULL; i++)
		sbuf_printf(out, "| `%%%s` | %s |\n", name, help);
}

static void
print_commands(struct sbuf *out)
{
	sbuf_add(out, STR("\n## Commands\n\n| command | level | what it does |\n"
			  "| --- | --- | --- |\n"));
	for (size_t i = 0; main_modules[i] != NULL; i++)
		for (const struct cli_command *r = main_modules[i]->commands;
		     r != NULL && r->words != NULL; r++) {
			if (r->flags & CLI_HIDDEN)
				continue;
			sbuf_printf(out, "| `%s%s", r->words, r->args != NULL ? " " : "");
			print_cell(r->args, out);
			sbuf_printf(out, "` | %s | ", cli_level_name(r->level));
			print_cell(r->help, out);
			sbuf_add(out, STR(" |\n"));
		}
}

static void
print_metrics(struct sbuf *out)
{
	static const struct metric_row *const tables[] = {stats_proc_rows, stats_fe_rows,
							  stats_listener_rows, stats_be_rows,
							  stats_srv_rows};
	sbuf_add(out, STR("\n## Counters\n\n| metric | column of show stat | what it counts |\n"
			  "| --- | --- | --- |\n"));
	for (size_t i = 0; i < ARRAY_LEN(tables); i++)
		for (const struct metric_row *r = tables[i]; r->name != NULL; r++)
			sbuf_printf(out, "| `tidegate_%s` | %s | %s |\n", r->name,
				    r->stat_name != NULL ? r->stat_name : "", r->help);
}

void
reference_print_markdown(struct sbuf *out)
{
	sbuf_add(out, STR("# Reference\n\nPrinted from the program's rows by `tidegate "
			  "--reference`; `make doc` writes it anew.\n"));
	conf_print_reference(main_modules, out);
	print_actions(out);
	print_fetches(out);
	print_convs(out);
	print_aliases(out);
	print_commands(out);
	print_metrics(out);
}

static void
list_actions(struct sbuf *out)
{
	for (size_t i = 0; main_modules[i] != NULL; i++)
		for (const struct action_row *r = main_modules[i]->actions;
		     r != NULL && r->name != NULL; r++) {
			sbuf_printf(out, "%s", r->usage);
			print_places(r->where, out);
			sbuf_add_byte(out, '\n');
		}
}

static void
list_fetches(struct sbuf *out)
{
	struct expr_set *set = expr_set_new(main_modules);
	const struct fetch_row *r;
	for (size_t i = 0; (r = expr_set_fetch_at(set, i)) != NULL; i++) {
		sbuf_add(out, str_from_c(r->name));
		print_args(r->args, out);
		sbuf_printf(out, ": %s%s%s\n", sample_type_name(r->out),
			    r->aliases != NULL ? ", also " : "",
			    r->aliases != NULL ? r->aliases : "");
	}
	expr_set_free(&set);
}

static void
list_convs(struct sbuf *out)
{
	struct expr_set *set = expr_set_new(main_modules);
	const struct conv_row *r;
	for (size_t i = 0; (r = expr_set_conv_at(set, i)) != NULL; i++) {
		sbuf_add(out, str_from_c(r->name));
		print_args(r->args, out);
		sbuf_printf(out, ": %s => %s%s%s\n", sample_type_name(r->in),
			    sample_type_name(r->out), r->aliases != NULL ? ", also " : "",
			    r->aliases != NULL ? r->aliases : "");
	}
	expr_set_free(&set);
}

static void
list_commands(struct sbuf *out)
{
	for (size_t i = 0; main_modules[i] != NULL; i++)
		for (const struct cli_command *r = main_modules[i]->commands;
		     r != NULL && r->words != NULL; r++)
			sbuf_printf(out, "%s %s\n", r->words, r->args != NULL ? r->args : "");
}

static void
list_aliases(struct sbuf *out)
{
	const char *name, *help;
	for (size_t i = 0; (name = logfmt_alias_at(i, &help)) != NULL; i++)
		sbuf_printf(out, "%%%s: %s\n", name, help);
}

static void
list_keywords(struct sbuf *out)
{
	conf_print_keywords(main_modules, out);
}

static const struct {
	const char *name, *title;
	void (*print)(struct sbuf *out);
} lists[] = {
    {"cfg", "configuration keywords", list_keywords},
    {"act", "actions", list_actions},
    {"smp", "sample fetches", list_fetches},
    {"cnv", "converters", list_convs},
    {"log", "log aliases", list_aliases},
    {"cli", "commands", list_commands},
};

void
reference_print_lists(const char *what, struct sbuf *out)
{
	struct str rest = str_from_c(what), name;
	bool all = rest.n == 0 || str_find(rest, STR("all")) != SIZE_MAX;
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		bool wanted = all;
		for (struct str r = rest; str_next(&r, ',', &name);)
			wanted |= str_eq(name, str_from_c(lists[i].name));
		if (!wanted)
			continue;
		sbuf_printf(out, "# List of %s:\n", lists[i].title);
		lists[i].print(out);
	}
}
