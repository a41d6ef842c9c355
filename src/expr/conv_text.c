// SPDX-License-Identifier: MIT
// Converters on text: case, cutting, joining, replacing, hosts. What only cuts gives a slice of
// its input; what changes bytes writes to the context's arena.

#include "expr/expr_priv.h"

static bool
conv_lower(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, struct sample *smp)
{
	char *p = sample_room(ctx, smp->s.n);
	if (p == NULL)
		return false;
	for (size_t i = 0; i < smp->s.n; i++)
		p[i] = (char)byte_lower((unsigned char)smp->s.p[i]);
	smp->s.p = p;
	return true;
}

static bool
conv_upper(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, struct sample *smp)
{
	char *p = sample_room(ctx, smp->s.n);
	if (p == NULL)
		return false;
	for (size_t i = 0; i < smp->s.n; i++) {
		char c = smp->s.p[i];
		p[i] = c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
	}
	smp->s.p = p;
	return true;
}

static bool
conv_length(const struct expr_arg *args UNUSED, struct sample_ctx *ctx UNUSED, struct sample *smp)
{
	sample_set_int(smp, (int64_t)smp->s.n);
	return true;
}

static bool
in_set(struct str set, char c)
{
	return set.n > 0 && memchr(set.p, c, set.n) != NULL;
}

// The piece that begins at `at`: up to the next delimiter. For pieces counted from the end the
// text is looked at backwards; positions are then counted from its end.
static char
text_at(struct str s, size_t i, bool backwards)
{
	return s.p[backwards ? s.n - 1 - i : i];
}

static struct str
text_span(struct str s, size_t from, size_t to, bool backwards)
{
	return backwards ? str_slice(s, s.n - to, s.n - from) : str_slice(s, from, to);
}

// `index`th piece and count-1 more (0: all that follow), delimiters between them included.
// skip_empty: word(), else field().
static bool
cut_pieces(const struct expr_arg *args, bool skip_empty, struct str s, struct str *out)
{
	bool backwards = args[0].i < 0;
	int64_t index = backwards ? -args[0].i : args[0].i, count = args[2].given ? args[2].i : 1;
	int64_t n = 0;
	size_t at = 0, from = SIZE_MAX, to = 0;
	if (index == 0)
		return false;
	for (;;) {
		while (skip_empty && at < s.n && in_set(args[1].s, text_at(s, at, backwards)))
			at++;
		if (skip_empty && at == s.n)
			break;
		size_t end = at;
		while (end < s.n && !in_set(args[1].s, text_at(s, end, backwards)))
			end++;
		n++;
		if (n == index)
			from = at;
		if (n >= index)
			to = end;
		if (count > 0 && n >= index + count - 1)
			break;
		if (end >= s.n)
			break;
		at = end + 1;
	}
	if (from == SIZE_MAX)
		return false;
	*out = text_span(s, from, count == 0 ? s.n : to, backwards);
	return true;
}

static bool
conv_field(const struct expr_arg *args, struct sample_ctx *ctx UNUSED, struct sample *smp)
{
	return cut_pieces(args, false, smp->s, &smp->s);
}

// A word that is not there is an empty text, unlike a field, as in HAProxy.
static bool
conv_word(const struct expr_arg *args, struct sample_ctx *ctx UNUSED, struct sample *smp)
{
	if (!cut_pieces(args, true, smp->s, &smp->s))
		smp->s.n = 0;
	return true;
}

static bool
conv_bytes(const struct expr_arg *args, struct sample_ctx *ctx UNUSED, struct sample *smp)
{
	size_t from = MIN((size_t)args[0].i, smp->s.n);
	size_t n = smp->s.n - from;
	if (args[1].given)
		n = MIN(n, (size_t)args[1].i);
	smp->s = str_slice(smp->s, from, from + n);
	return true;
}

static bool
conv_ltrim(const struct expr_arg *args, struct sample_ctx *ctx UNUSED, struct sample *smp)
{
	while (smp->s.n > 0 && in_set(args[0].s, smp->s.p[0]))
		smp->s = str_slice(smp->s, 1, smp->s.n);
	return true;
}

static bool
conv_rtrim(const struct expr_arg *args, struct sample_ctx *ctx UNUSED, struct sample *smp)
{
	while (smp->s.n > 0 && in_set(args[0].s, smp->s.p[smp->s.n - 1]))
		smp->s.n--;
	return true;
}

static bool
conv_cut_crlf(const struct expr_arg *args UNUSED, struct sample_ctx *ctx UNUSED, struct sample *smp)
{
	for (size_t i = 0; i < smp->s.n; i++) {
		if (smp->s.p[i] == '\r' || smp->s.p[i] == '\n') {
			smp->s.n = i;
			break;
		}
	}
	return true;
}

static bool
conv_reverse(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, struct sample *smp)
{
	char *p = sample_room(ctx, smp->s.n);
	if (p == NULL)
		return false;
	for (size_t i = 0; i < smp->s.n; i++)
		p[i] = smp->s.p[smp->s.n - 1 - i];
	smp->s.p = p;
	return true;
}

// "www.example.org" to "org.example.www".
static bool
conv_reverse_dom(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, struct sample *smp)
{
	struct str rest = smp->s, label;
	char *p = sample_room(ctx, smp->s.n);
	size_t at = smp->s.n;
	if (p == NULL)
		return false;
	while (str_next(&rest, '.', &label)) {
		at -= label.n;
		if (label.n > 0)
			memcpy(p + at, label.p, label.n);
		if (at > 0)
			p[--at] = '.';
	}
	smp->s.p = p;
	return true;
}

// Where the port's ':' stands, outside of brackets; n when there is none.
static size_t
port_colon(struct str host)
{
	size_t i = host.n;
	while (i > 0 && host.p[i - 1] != ':' && host.p[i - 1] != ']')
		i--;
	return i > 0 && host.p[i - 1] == ':' ? i - 1 : host.n;
}

static bool
conv_host_only(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *smp)
{
	smp->s = str_slice(smp->s, 0, port_colon(smp->s));
	return conv_lower(args, ctx, smp);
}

static bool
conv_port_only(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, struct sample *smp)
{
	size_t colon = port_colon(smp->s);
	smp->s = colon < smp->s.n ? str_slice(smp->s, colon + 1, smp->s.n) : STR("0");
	return sample_cast(smp, SMP_INT, ctx);
}

// ---- joining

static bool
join(struct sample *smp, struct sample_ctx *ctx, const struct str *parts, int n)
{
	size_t total = 0;
	for (int i = 0; i < n; i++)
		total += parts[i].n;
	char *p = sample_room(ctx, total);
	if (p == NULL)
		return false;
	sample_set_str(smp, str_of(p, total));
	for (int i = 0; i < n; i++) {
		if (parts[i].n > 0)
			memcpy(p, parts[i].p, parts[i].n);
		p += parts[i].n;
	}
	return true;
}

// A variable as text; empty when it is not set.
static struct str
var_text(const struct expr_arg *arg, struct sample_ctx *ctx)
{
	struct sample s = {0};
	struct str text;
	if (!arg->given || !var_get(&arg->var, ctx, &s) || !sample_text(&s, ctx, &text))
		return STR("");
	return text;
}

static bool
conv_concat(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *smp)
{
	struct str parts[] = {smp->s, args[0].s, var_text(&args[1], ctx), args[2].s};
	return join(smp, ctx, parts, 4);
}

// add_item(delim[,var[,suffix]]): the delimiter only between what is not empty.
static bool
conv_add_item(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *smp)
{
	struct str item = var_text(&args[1], ctx);
	bool adds = item.n > 0 || args[2].s.n > 0;
	struct str parts[] = {smp->s, smp->s.n > 0 && adds ? args[0].s : STR(""), item, args[2].s};
	return join(smp, ctx, parts, 4);
}

static bool
check_add_item(struct expr_arg *args, struct expr_env *env UNUSED, enum sample_type *out UNUSED,
	       struct err *err)
{
	if (!args[1].given && !args[2].given)
		return err_set(err, "a variable or a suffix is needed");
	return true;
}

static bool
conv_strcmp(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *smp)
{
	struct sample other = {.flags = 0};
	if (!var_get(&args[0].var, ctx, &other) || !sample_cast(&other, SMP_STR, ctx))
		return false;
	size_t n = MIN(smp->s.n, other.s.n);
	int d = n > 0 ? memcmp(smp->s.p, other.s.p, n) : 0;
	if (d == 0)
		d = (smp->s.n > other.s.n) - (smp->s.n < other.s.n);
	sample_set_int(smp, d);
	return true;
}

// ---- regsub

#define REGSUB_GLOBAL 1

static bool
check_regsub(struct expr_arg *args, struct expr_env *env, enum sample_type *out UNUSED,
	     struct err *err)
{
	bool icase = false;
	for (size_t i = 0; i < args[2].s.n; i++) {
		char c = args[2].s.p[i];
		if (c != 'g' && c != 'i')
			return err_set(err, "flag '%c' is neither g (all) nor i (ignore case)", c);
		icase |= c == 'i';
		if (c == 'g')
			args[2].i = REGSUB_GLOBAL;
	}
	args[0].regex = expr_set_regex(env->set, args[0].s, icase, err);
	return args[0].regex != NULL;
}

// One pass: *done grows by what stands before the match and what replaces it.
static bool
regsub_once(const struct expr_arg *args, struct str rest, struct regex_groups *g,
	    struct sample_ctx *ctx, struct str *add)
{
	if (regex_expand(args[1].s, rest, g, ctx->arena, add))
		return true;
	ctx->failed = true;
	return false;
}

#define REGSUB_MAX_PARTS 256

static bool
conv_regsub(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *smp)
{
	struct str parts[REGSUB_MAX_PARTS], rest = smp->s;
	struct regex_groups g;
	int n = 0;
	while (n + 3 < REGSUB_MAX_PARTS && regex_match(args[0].regex, rest, &g)) {
		parts[n++] = str_slice(rest, 0, g.from[0]);
		if (!regsub_once(args, rest, &g, ctx, &parts[n++]))
			return false;
		size_t next = g.to[0];
		if (g.to[0] == g.from[0]) { // an empty match moves on by one byte
			parts[n++] = str_slice(rest, next, next + 1);
			next++;
		}
		rest = str_slice(rest, next, rest.n);
		if (args[2].i != REGSUB_GLOBAL || rest.n == 0)
			break;
	}
	parts[n++] = rest;
	return join(smp, ctx, parts, n);
}

// Pieces are counted from 1, or from the end from -1: 0 names none.
static bool
check_pieces(struct expr_arg *args, struct expr_env *env UNUSED, enum sample_type *out UNUSED,
	     struct err *err)
{
	return args[0].i != 0 || err_set(err, "pieces are counted from 1, or from the end from -1");
}

// ---- rows

static const struct arg_spec args_pieces[] = {{ARG_INT, .name = "index"},
					      {ARG_STR, .name = "delimiters",
					       .flags = ARG_NOT_EMPTY},
					      {ARG_INT, .name = "count", .flags = ARG_OPTIONAL,
					       .min = 0, .max = INT32_MAX},
					      {.type = ARG_END}};
static const struct arg_spec args_bytes[] = {{ARG_INT, .name = "offset", .min = 0,
					      .max = INT32_MAX},
					     {ARG_INT, .name = "length", .flags = ARG_OPTIONAL,
					      .min = 0, .max = INT32_MAX},
					     {.type = ARG_END}};
static const struct arg_spec args_chars[] = {{ARG_STR, .name = "chars", .flags = ARG_NOT_EMPTY},
					     {.type = ARG_END}};
static const struct arg_spec args_concat[] = {{ARG_STR, .name = "start", .flags = ARG_OPTIONAL},
					      {ARG_VAR, .name = "var", .flags = ARG_OPTIONAL},
					      {ARG_STR, .name = "end", .flags = ARG_OPTIONAL},
					      {.type = ARG_END}};
static const struct arg_spec args_add_item[] = {{ARG_STR, .name = "delim"},
						{ARG_VAR, .name = "var", .flags = ARG_OPTIONAL},
						{ARG_STR, .name = "suffix", .flags = ARG_OPTIONAL},
						{.type = ARG_END}};
static const struct arg_spec args_one_var[] = {{ARG_VAR, .name = "var"}, {.type = ARG_END}};
static const struct arg_spec args_regsub[] = {{ARG_STR, .name = "regex"},
					      {ARG_STR, .name = "subst"},
					      {ARG_STR, .name = "flags", .flags = ARG_OPTIONAL},
					      {.type = ARG_END}};

#define TEXT_ROW(n, a, o, f, c, h)                                                              \
	{                                                                                       \
		.name = (n), .args = (a), .in = SMP_STR, .out = (o), .conv = (f), .check = (c), \
		.help = (h)                                                                     \
	}

const struct conv_row expr_convs_text[] = {
    TEXT_ROW("lower", NULL, SMP_STR, conv_lower, NULL, "ASCII letters in lower case"),
    TEXT_ROW("upper", NULL, SMP_STR, conv_upper, NULL, "ASCII letters in upper case"),
    TEXT_ROW("length", NULL, SMP_INT, conv_length, NULL, "number of bytes"),
    TEXT_ROW("field", args_pieces, SMP_STR, conv_field, check_pieces,
	     "the piece between delimiters, from 1, from the end below 0; empty pieces count"),
    TEXT_ROW("word", args_pieces, SMP_STR, conv_word, check_pieces,
	     "as field, but empty pieces do not count"),
    {.name = "bytes",
     .args = args_bytes,
     .in = SMP_BIN,
     .out = SMP_BIN,
     .conv = conv_bytes,
     .help = "bytes from an offset on"},
    TEXT_ROW("ltrim", args_chars, SMP_STR, conv_ltrim, NULL,
	     "without any of these characters at the beginning"),
    TEXT_ROW("rtrim", args_chars, SMP_STR, conv_rtrim, NULL,
	     "without any of these characters at the end"),
    TEXT_ROW("cut_crlf", NULL, SMP_STR, conv_cut_crlf, NULL, "up to the first line end"),
    TEXT_ROW("reverse", NULL, SMP_STR, conv_reverse, NULL, "last byte first"),
    TEXT_ROW("reverse_dom", NULL, SMP_STR, conv_reverse_dom, NULL,
	     "labels of a domain in reverse order"),
    TEXT_ROW("host_only", NULL, SMP_STR, conv_host_only, NULL,
	     "a host without its port, in lower case"),
    TEXT_ROW("port_only", NULL, SMP_INT, conv_port_only, NULL, "the port of a host; 0: none"),
    TEXT_ROW("concat", args_concat, SMP_STR, conv_concat, NULL,
	     "appends a text, a variable and a text"),
    TEXT_ROW("add_item", args_add_item, SMP_STR, conv_add_item, check_add_item,
	     "appends an item to a list, with a delimiter where one is needed"),
    TEXT_ROW("strcmp", args_one_var, SMP_INT, conv_strcmp, NULL,
	     "compares with a variable: below 0, 0 or above 0"),
    TEXT_ROW("regsub", args_regsub, SMP_STR, conv_regsub, check_regsub,
	     "replaces what a regex matches; flags g (all), i (ignore case)"),
    {.name = NULL},
};
