// SPDX-License-Identifier: MIT
// The three faces of the counters. Each walks objects and rows; nothing here knows what they
// count.
#include <inttypes.h>
#include <stdio.h>

#include "base/sbuf.h"
#include "metrics/metrics.h"

#define PREFIX       "tidegate_"
#define LEAST_BUCKET 6u // of a histogram: what lies below 128 ns is one bucket

static void
add_number(const struct metric_object *o, const struct metric_row *row, struct sbuf *out)
{
	uint64_t v = metrics_read(o->blocks, row);
	if (row->kind == METRIC_GAUGE)
		sbuf_printf(out, "%" PRId64, (int64_t)v);
	else
		sbuf_printf(out, "%" PRIu64, v);
}

static const struct metric_row *
find_row(const struct metric_object *o, const char *name)
{
	for (const struct metric_row *r = o->rows; r != NULL && r->name != NULL; r++)
		if (r->name == name || strcmp(r->name, name) == 0)
			return r;
	return NULL;
}

// ------------------------------------------------------------ Prometheus

static void
add_escaped(struct str s, struct sbuf *out)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\n')
			sbuf_add(out, STR("\\n"));
		else if (s.p[i] == '"' || s.p[i] == '\\')
			sbuf_printf(out, "\\%c", s.p[i]);
		else
			sbuf_add_byte(out, s.p[i]);
	}
}

static void
add_help(const char *help, struct sbuf *out)
{
	for (const char *c = help != NULL ? help : ""; *c != '\0'; c++) {
		if (*c == '\n' || *c == '\\')
			sbuf_printf(out, "\\%c", *c == '\n' ? 'n' : '\\');
		else
			sbuf_add_byte(out, *c);
	}
}

// Name and labels; the caller may have one more.
static void
add_name(const struct metric_object *o, const char *name, const char *suffix,
	 const struct metric_label *more, struct sbuf *out)
{
	const struct metric_label none[] = {{.name = NULL}};
	const struct metric_label *lists[] = {o->labels != NULL ? o->labels : none,
					      more != NULL ? more : none};
	const char *before = "{";
	sbuf_printf(out, PREFIX "%s%s", name, suffix);
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		for (const struct metric_label *l = lists[i]; l->name != NULL; l++) {
			sbuf_printf(out, "%s%s=\"", before, l->name);
			add_escaped(l->value, out);
			sbuf_add_byte(out, '"');
			before = ",";
		}
	sbuf_add(out, before[0] == ',' ? STR("} ") : STR(" "));
}

// Prometheus counts what lies below each bound, in seconds.
static void
add_histogram(const struct metric_object *o, const struct metric_row *row, struct sbuf *out)
{
	struct metric_row at = {.name = row->name, .offset = row->offset, .kind = METRIC_COUNTER};
	uint64_t below = 0;
	char bound[32];
	for (unsigned i = 0; i < METRIC_BUCKETS; i++, at.offset += sizeof(struct metric)) {
		bool last = i + 1 == METRIC_BUCKETS;
		int n = snprintf(bound, sizeof(bound), "%.9g", (double)(UINT64_C(2) << i) / 1e9);
		struct metric_label le[] = {{"le", last ? STR("+Inf") : str_of(bound, (size_t)n)},
					    {.name = NULL}};
		below += metrics_read(o->blocks, &at);
		if (i < LEAST_BUCKET)
			continue;
		add_name(o, row->name, "_bucket", le, out);
		sbuf_printf(out, "%" PRIu64 "\n", below);
	}
	add_name(o, row->name, "_sum", NULL, out);
	sbuf_printf(out, "%.9g\n", (double)metrics_read(o->blocks, &at) / 1e9);
	add_name(o, row->name, "_count", NULL, out);
	sbuf_printf(out, "%" PRIu64 "\n", below);
}

static void
add_series(const struct metric_object *o, const struct metric_row *row, struct sbuf *out)
{
	if (row->kind == METRIC_HISTOGRAM) {
		add_histogram(o, row, out);
		return;
	}
	add_name(o, row->name, "", NULL, out);
	add_number(o, row, out);
	sbuf_add_byte(out, '\n');
}

// Was the metric printed with an earlier object?
static bool
printed(const struct metric_object *objects, size_t before, const char *name)
{
	for (size_t i = 0; i < before; i++)
		if ((i == 0 || objects[i].rows != objects[i - 1].rows) &&
		    find_row(&objects[i], name) != NULL)
			return true;
	return false;
}

void
metrics_render_prometheus(const struct metric_object *objects, size_t n, struct sbuf *out)
{
	static const char *const types[] = {[METRIC_COUNTER] = "counter",
					    [METRIC_GAUGE] = "gauge",
					    [METRIC_MAX] = "gauge",
					    [METRIC_HISTOGRAM] = "histogram"};
	for (size_t i = 0; i < n; i++) {
		// Objects of one kind stand together and share their rows.
		if (i > 0 && objects[i].rows == objects[i - 1].rows)
			continue;
		for (const struct metric_row *r = objects[i].rows; r->name != NULL; r++) {
			if (printed(objects, i, r->name))
				continue;
			sbuf_printf(out, "# HELP " PREFIX "%s ", r->name);
			add_help(r->help, out);
			sbuf_printf(out, "\n# TYPE " PREFIX "%s %s\n", r->name, types[r->kind]);
			for (size_t k = i; k < n; k++) {
				const struct metric_row *row = find_row(&objects[k], r->name);
				if (row != NULL)
					add_series(&objects[k], row, out);
			}
		}
	}
}

// ------------------------------------------------------------ JSON

static void
add_json_pair(bool first, const char *name, struct str value, struct sbuf *out)
{
	if (!first)
		sbuf_add_byte(out, ',');
	sbuf_add_json(out, str_from_c(name));
	sbuf_add_byte(out, ':');
	sbuf_add_json(out, value);
}

static void
add_json_object(const struct metric_object *o, struct sbuf *out)
{
	sbuf_add(out, STR("{\"labels\":{"));
	for (const struct metric_label *l = o->labels; l != NULL && l->name != NULL; l++)
		add_json_pair(l == o->labels, l->name, l->value, out);
	sbuf_add(out, STR("},\"stats\":{"));
	for (const struct metric_text *t = o->texts; t != NULL && t->stat_name != NULL; t++)
		add_json_pair(t == o->texts, t->stat_name, t->value, out);
	sbuf_add(out, STR("},\"metrics\":{"));
	for (const struct metric_row *r = o->rows; r->name != NULL; r++) {
		if (r != o->rows)
			sbuf_add_byte(out, ',');
		sbuf_add_json(out, str_from_c(r->name));
		sbuf_add_byte(out, ':');
		add_number(o, r, out);
	}
	sbuf_add(out, STR("}}"));
}

void
metrics_render_json(const struct metric_object *objects, size_t n, struct sbuf *out)
{
	sbuf_add_byte(out, '[');
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			sbuf_add(out, STR(",\n"));
		add_json_object(&objects[i], out);
	}
	sbuf_add(out, STR("]\n"));
}

// ------------------------------------------------------------ CSV

// A field with a comma, quote or newline is quoted, its quotes doubled (RFC 4180).
static void
add_csv_text(struct str s, struct sbuf *out)
{
	bool quote = false;
	for (size_t i = 0; i < s.n; i++)
		quote |= strchr(",\"\r\n", s.p[i]) != NULL;
	if (!quote) {
		sbuf_add(out, s);
		return;
	}
	sbuf_add_byte(out, '"');
	for (size_t i = 0; i < s.n; i++)
		sbuf_printf(out, s.p[i] == '"' ? "\"%c" : "%c", s.p[i]);
	sbuf_add_byte(out, '"');
}

static void
add_csv_field(const struct metric_object *o, const char *column, struct sbuf *out)
{
	for (const struct metric_text *t = o->texts; t != NULL && t->stat_name != NULL; t++)
		if (strcmp(t->stat_name, column) == 0) {
			add_csv_text(t->value, out);
			return;
		}
	for (const struct metric_row *r = o->rows; r->name != NULL; r++)
		if (r->stat_name != NULL && strcmp(r->stat_name, column) == 0) {
			add_number(o, r, out);
			return;
		}
}

void
metrics_render_csv(const struct metric_object *objects, size_t n, const char *const *columns,
		   struct sbuf *out)
{
	sbuf_add(out, STR("# "));
	for (const char *const *c = columns; *c != NULL; c++)
		sbuf_printf(out, "%s,", *c);
	sbuf_add_byte(out, '\n');
	for (size_t i = 0; i < n; i++) {
		for (const char *const *c = columns; *c != NULL; c++) {
			add_csv_field(&objects[i], *c, out);
			sbuf_add_byte(out, ',');
		}
		sbuf_add_byte(out, '\n');
	}
}
