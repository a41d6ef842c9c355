// SPDX-License-Identifier: MIT
// Converters for the field Forwarded (RFC 7239): one element, "for=192.0.2.43;proto=http", is
// looked through pair by pair; a node is cut into its name and its port.

#include "expr/expr_priv.h"
#include "http/names.h"

struct pair {
	struct str name, value; // without quotes and escapes
	bool quoted;
};

// The value at the front of *rest: a token, or a quoted string, whose escapes are performed in the
// arena. False: it is neither.
static bool
take_value(struct str *rest, struct arena *arena, struct pair *p)
{
	size_t n = 0, at = 1;
	p->quoted = rest->n > 0 && rest->p[0] == '"';
	if (!p->quoted) {
		size_t end = MIN(str_find_byte(*rest, ';'), rest->n);
		p->value = str_slice(*rest, 0, end);
		*rest = str_slice(*rest, end, rest->n);
		return http_is_token(p->value);
	}
	char *text = arena_alloc(arena, rest->n, 1);
	while (text != NULL && at < rest->n && rest->p[at] != '"') {
		at += rest->p[at] == '\\';
		if (at < rest->n)
			text[n++] = rest->p[at++];
	}
	if (text == NULL || at >= rest->n)
		return false;
	p->value = str_of(text, n);
	*rest = str_slice(*rest, at + 1, rest->n);
	return true;
}

// The next pair of *rest. False at the end, with *broken where it breaks the grammar.
static bool
next_pair(struct str *rest, struct arena *arena, struct pair *p, bool *broken)
{
	size_t eq = str_find_byte(*rest, '=');
	*broken = rest->n > 0;
	if (eq == SIZE_MAX)
		return false;
	p->name = str_slice(*rest, 0, eq);
	*rest = str_slice(*rest, eq + 1, rest->n);
	if (!http_is_token(p->name) || !take_value(rest, arena, p))
		return false;
	if (rest->n > 0 && (rest->p[0] != ';' || rest->n == 1))
		return false;
	*rest = str_slice(*rest, rest->n > 0, rest->n);
	*broken = false;
	return true;
}

// ---- nodes (section 6)

// '_' and letters, digits, '.', '_', '-'.
static bool
is_obfuscated(struct str s)
{
	for (size_t i = 1; i < s.n; i++) {
		char c = s.p[i];
		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		      c == '.' || c == '_' || c == '-'))
			return false;
	}
	return s.n > 1 && s.p[0] == '_';
}

// What stands in front of the port, typed; false: it is no node's name.
static bool
node_name(struct str s, struct sample *out)
{
	if (s.n > 2 && s.p[0] == '[' && s.p[s.n - 1] == ']')
		return sample_parse_ip(str_slice(s, 1, s.n - 1), out) && out->type == SMP_IP6;
	if (sample_parse_ip(s, out))
		return out->type == SMP_IP4;
	sample_set_str(out, s);
	return str_eq_nocase(s, STR("unknown")) || is_obfuscated(s);
}

static bool
node_port(struct str s, struct sample *out)
{
	int64_t n;
	if (is_obfuscated(s)) {
		sample_set_str(out, s);
		return true;
	}
	if (s.n == 0 || s.n > 5 || !str_to_int(s, &n) || n > UINT16_MAX || s.p[0] == '+' ||
	    s.p[0] == '-')
		return false;
	sample_set_int(out, n);
	return true;
}

// False: the whole is no node. port->type is SMP_ANY when none is written.
static bool
parse_node(struct str s, struct sample *name, struct sample *port)
{
	size_t close = str_find_byte(s, ']'), from = close == SIZE_MAX ? 0 : close;
	size_t colon = str_find_byte(str_slice(s, from, s.n), ':');
	size_t end = colon == SIZE_MAX ? s.n : from + colon;
	*name = *port = (struct sample){.type = SMP_ANY};
	if (!node_name(str_slice(s, 0, end), name))
		return false;
	return end == s.n || node_port(str_slice(s, end + 1, s.n), port);
}

// ---- elements (section 4)

enum field { F_BY, F_FOR, F_HOST, F_PROTO, F_OTHER };

static enum field
field_of(struct str name)
{
	static const char *const names[] = {"by", "for", "host", "proto"};
	unsigned i = 0;
	while (i < ARRAY_LEN(names) && !str_eq_nocase(name, str_from_c(names[i])))
		i++;
	return (enum field)i;
}

// A value that a field of that name may have. Addresses with colons stand in quotes, as the
// grammar of tokens wants it.
static bool
is_possible(enum field f, struct str value)
{
	struct sample name, port;
	if (f == F_BY || f == F_FOR)
		return parse_node(value, &name, &port);
	return f != F_PROTO || str_eq_nocase(value, STR("http")) ||
	       str_eq_nocase(value, STR("https"));
}

// Looks an element through; *found, if it is there, is the value of `wanted`. False: invalid.
static bool
look_through(struct str rest, struct arena *arena, enum field wanted, struct str *found)
{
	struct pair p;
	unsigned seen = 0;
	bool broken;
	*found = STR_NULL;
	while (next_pair(&rest, arena, &p, &broken)) {
		enum field f = field_of(p.name);
		bool twice = f != F_OTHER && seen & 1u << f;
		if (twice || !is_possible(f, p.value))
			return false;
		seen |= 1u << f;
		if (f == wanted)
			*found = p.value;
	}
	return !broken && seen != 0;
}

static bool
conv_is_valid(const struct expr_arg *args UNUSED, struct sample_ctx *ctx, struct sample *smp)
{
	struct str none;
	sample_set_bool(smp, look_through(str_trim(smp->s), ctx->arena, F_OTHER, &none));
	return true;
}

static bool
check_field(struct expr_arg *args, struct expr_env *env UNUSED, enum sample_type *out UNUSED,
	    struct err *err)
{
	args[0].i = field_of(args[0].s);
	return args[0].i != F_OTHER ||
	       err_set(err, "'%.*s' is none of by, for, host and proto", STR_ARG(args[0].s));
}

static bool
conv_field(const struct expr_arg *args, struct sample_ctx *ctx, struct sample *smp)
{
	struct str value;
	if (!look_through(str_trim(smp->s), ctx->arena, (enum field)args[0].i, &value))
		return false;
	sample_set_str(smp, value);
	return value.p != NULL;
}

static bool
conv_node_name(const struct expr_arg *args UNUSED, struct sample_ctx *ctx UNUSED,
	       struct sample *smp)
{
	struct sample name, port;
	if (!parse_node(smp->s, &name, &port))
		return false;
	*smp = name;
	return true;
}

static bool
conv_node_port(const struct expr_arg *args UNUSED, struct sample_ctx *ctx UNUSED,
	       struct sample *smp)
{
	struct sample name, port;
	if (!parse_node(smp->s, &name, &port) || port.type == SMP_ANY)
		return false;
	*smp = port;
	return true;
}

static const struct arg_spec args_field[] = {{ARG_STR, .name = "field", .flags = ARG_NOT_EMPTY},
					     {.type = ARG_END}};

const struct conv_row expr_convs_forwarded[] = {
    {.name = "rfc7239_is_valid",
     .in = SMP_STR,
     .out = SMP_BOOL,
     .conv = conv_is_valid,
     .help = "whether an element of Forwarded follows RFC 7239"},
    {.name = "rfc7239_field",
     .args = args_field,
     .in = SMP_STR,
     .out = SMP_STR,
     .conv = conv_field,
     .check = check_field,
     .help = "by, for, host or proto of a valid element of Forwarded"},
    {.name = "rfc7239_n2nn",
     .aliases = "rfc7239_nn",
     .in = SMP_STR,
     .out = SMP_ANY,
     .conv = conv_node_name,
     .help = "of a node (by, for): its address, or the text that hides it"},
    {.name = "rfc7239_n2np",
     .aliases = "rfc7239_np",
     .in = SMP_STR,
     .out = SMP_ANY,
     .conv = conv_node_port,
     .help = "of a node (by, for): its port, or the text that hides it"},
    {.name = NULL},
};
