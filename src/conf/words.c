// SPDX-License-Identifier: MIT
// Cuts a line into words as haproxy 2.6 does: spaces part words; '...' keeps all; "..." keeps
// spaces and performs $NAME, ${NAME}, ${NAME-default} and ${NAME[*]}; a backslash protects a
// space, a quote, # and itself and writes \n \r \t \xNN; # begins a comment. Any other backslash
// stays as it is, as does a $ outside of "...".
#include <stdlib.h>

#include "conf/conf_priv.h"

#define MAX_EXPANDED_BYTES (4u * CONF_MAX_LINE_BYTES)
#define MAX_NAME_BYTES     256u

struct cursor {
	struct conf_cut *cut;
	const char *p; // the line
	size_t n, i;
	bool in_word;
	char quote; // 0 outside
	size_t quote_at;
};

void
conf_cut_init(struct conf_cut *cut, const struct conf_options *opt)
{
	*cut = (struct conf_cut){.opt = opt, .file = "", .section = STR("")};
	sbuf_init(&cut->text, MAX_EXPANDED_BYTES);
}

void
conf_cut_fini(struct conf_cut *cut)
{
	sbuf_fini(&cut->text);
}

const char *
conf_cut_reason(enum conf_cut_status status)
{
	static const char *const reasons[] = {
	    [CONF_CUT_OK] = "no error",
	    [CONF_CUT_LONG] = "line too long once its variables are expanded",
	    [CONF_CUT_MANY] = "too many words",
	    [CONF_CUT_QUOTE] = "unmatched quote",
	    [CONF_CUT_BRACE] = "unmatched brace in environment variable name",
	    [CONF_CUT_HEX] = "truncated or invalid hexadecimal sequence",
	    [CONF_CUT_NUL] = "\\x00 has no place in a word",
	    [CONF_CUT_NAME] = "forbidden first char in environment variable name",
	    [CONF_CUT_EXPAND] = "truncated or invalid word expansion sequence",
	};
	ASSERT((size_t)status < ARRAY_LEN(reasons));
	return reasons[status];
}

const char *
conf_env_get(const struct conf_options *opt, const char *name)
{
	return opt->env != NULL ? opt->env(opt->env_arg, name) : getenv(name);
}

bool
conf_is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool
is_name_byte(char c, bool first)
{
	unsigned char lower = byte_lower((unsigned char)c);
	return (lower >= 'a' && lower <= 'z') || c == '_' || (!first && c >= '0' && c <= '9');
}

static char
peek(const struct cursor *cur, size_t ahead)
{
	return cur->i + ahead < cur->n ? cur->p[cur->i + ahead] : '\0';
}

static void
put(struct cursor *cur, char c)
{
	sbuf_add_byte(&cur->cut->text, c);
}

static bool
begin_word(struct cursor *cur)
{
	struct conf_cut *cut = cur->cut;
	if (cur->in_word)
		return true;
	if (cut->n == CONF_MAX_WORDS)
		return false;
	cut->at[cut->n++] = (uint32_t)cut->text.n;
	cur->in_word = true;
	return true;
}

static void
end_word(struct cursor *cur)
{
	if (cur->in_word)
		put(cur, '\0');
	cur->in_word = false;
}

static enum conf_cut_status
take_escape(struct cursor *cur)
{
	static const struct {
		char after, emit;
	} plain[] = {{' ', ' '}, {'\\', '\\'}, {'#', '#'},  {'\'', '\''},
		     {'"', '"'}, {'t', '\t'},  {'n', '\n'}, {'r', '\r'}};
	char next = peek(cur, 1);
	if (next == 'x') {
		int high = byte_hex(peek(cur, 2)), low = byte_hex(peek(cur, 3));
		if (high < 0 || low < 0)
			return CONF_CUT_HEX;
		if (high == 0 && low == 0)
			return CONF_CUT_NUL;
		put(cur, (char)(high * 16 + low));
		cur->i += 4;
		return CONF_CUT_OK;
	}
	if (next == '$' && cur->quote == '"') {
		put(cur, '$');
		cur->i += 2;
		return CONF_CUT_OK;
	}
	for (size_t k = 0; k < ARRAY_LEN(plain); k++)
		if (next == plain[k].after) {
			put(cur, plain[k].emit);
			cur->i += 2;
			return CONF_CUT_OK;
		}
	put(cur, '\\');
	cur->i++;
	return CONF_CUT_OK;
}

// The value of NAME; *set is false when there is none. number: room for ${.LINE}.
static struct str
look_up(const struct conf_cut *cut, struct str name, char number[16], bool *set)
{
	char c_name[MAX_NAME_BYTES];
	*set = true;
	if (str_eq(name, STR(".FILE")))
		return str_from_c(cut->file);
	if (str_eq(name, STR(".SECTION")))
		return cut->section;
	if (str_eq(name, STR(".LINE"))) {
		size_t at = 16;
		for (int v = cut->line; v > 0 || at == 16; v /= 10)
			number[--at] = (char)('0' + v % 10);
		return str_of(number + at, 16 - at);
	}
	*set = false;
	if (name.n >= sizeof(c_name))
		return STR("");
	memcpy(c_name, name.p, name.n);
	c_name[name.n] = '\0';
	const char *value = conf_env_get(cut->opt, c_name);
	*set = value != NULL;
	return str_from_c(value);
}

// Puts the value; with split, spaces part words and those at its ends are dropped.
static bool
put_value(struct cursor *cur, struct str value, bool split)
{
	for (size_t k = 0; k < value.n; k++) {
		if (!split || !conf_is_space(value.p[k])) {
			if (!begin_word(cur))
				return false;
			put(cur, value.p[k]);
		} else if (cur->in_word && cur->cut->text.n > cur->cut->at[cur->cut->n - 1]) {
			end_word(cur);
		}
	}
	return true;
}

// The name behind "$" or "${"; empty when it is none.
static struct str
take_name(struct cursor *cur)
{
	size_t from = cur->i;
	bool pseudo = peek(cur, 0) == '.';
	if (pseudo)
		cur->i++;
	while (is_name_byte(peek(cur, 0), cur->i == from || (pseudo && cur->i == from + 1)))
		cur->i++;
	struct str name = str_of(cur->p + from, cur->i - from);
	if (pseudo && !str_eq(name, STR(".FILE")) && !str_eq(name, STR(".LINE")) &&
	    !str_eq(name, STR(".SECTION")))
		name.n = 0;
	if (name.n == 0)
		cur->i = from;
	return name;
}

// What may follow the name inside braces: "[*]", "-default", and the brace.
static enum conf_cut_status
take_suffix(struct cursor *cur, size_t brace_at, bool *split, bool set, struct str *value)
{
	if (peek(cur, 0) == '[') {
		if (peek(cur, 1) != '*' || peek(cur, 2) != ']')
			return CONF_CUT_EXPAND;
		*split = true;
		cur->i += 3;
	}
	if (peek(cur, 0) == '-') {
		size_t from = ++cur->i;
		while (cur->i < cur->n && cur->p[cur->i] != '}')
			cur->i++;
		if (!set)
			*value = str_of(cur->p + from, cur->i - from);
	}
	if (peek(cur, 0) != '}') {
		cur->i = brace_at;
		return CONF_CUT_BRACE;
	}
	cur->i++;
	return CONF_CUT_OK;
}

static enum conf_cut_status
take_variable(struct cursor *cur)
{
	char number[16];
	size_t brace_at = cur->i + 1;
	bool brace = peek(cur, 1) == '{';
	cur->i += brace ? 2 : 1;
	struct str name = take_name(cur);
	if (name.n == 0)
		return CONF_CUT_NAME;
	bool set, split = false;
	struct str value = look_up(cur->cut, name, number, &set);
	if (brace) {
		enum conf_cut_status status = take_suffix(cur, brace_at, &split, set, &value);
		if (status != CONF_CUT_OK)
			return status;
	}
	if (!set && value.p == NULL && cur->cut->unset.n == 0)
		cur->cut->unset = name; // and there is no default
	return put_value(cur, value, split) ? CONF_CUT_OK : CONF_CUT_MANY;
}

static enum conf_cut_status
take_byte(struct cursor *cur)
{
	char c = cur->p[cur->i];
	bool closing = cur->quote != 0 && c == cur->quote;
	if (!closing && !begin_word(cur)) // behind "${A[*]}" no word may be open
		return CONF_CUT_MANY;
	if (c == '\\' && cur->quote != '\'')
		return take_escape(cur);
	if (c == '$' && cur->quote == '"')
		return take_variable(cur);
	if (closing) {
		cur->quote = 0;
	} else if (cur->quote == 0 && (c == '"' || c == '\'')) {
		cur->quote = c;
		cur->quote_at = cur->i;
	} else {
		put(cur, c);
	}
	cur->i++;
	return CONF_CUT_OK;
}

enum conf_cut_status
conf_cut_line(struct conf_cut *cut, struct str line)
{
	struct cursor cur = {.cut = cut, .p = line.p, .n = line.n};
	enum conf_cut_status status = CONF_CUT_OK;
	sbuf_clear(&cut->text);
	cut->n = 0;
	cut->unset = STR("");
	while (cur.i < cur.n && status == CONF_CUT_OK) {
		char c = cur.p[cur.i];
		if (cur.quote == 0 && conf_is_space(c)) {
			end_word(&cur);
			cur.i++;
		} else if (cur.quote == 0 && c == '#') {
			break;
		} else {
			status = take_byte(&cur);
		}
	}
	end_word(&cur);
	if (status == CONF_CUT_OK && cur.quote != 0) {
		status = CONF_CUT_QUOTE;
		cur.i = cur.quote_at;
	}
	if (status == CONF_CUT_OK && cut->text.full)
		status = CONF_CUT_LONG;
	cut->err_at = cur.i;
	return status;
}

void
conf_cut_join(const struct conf_cut *cut, unsigned from, struct sbuf *out)
{
	for (unsigned k = from; k < cut->n; k++) {
		if (k > from)
			sbuf_add_byte(out, ' ');
		sbuf_add(out, str_from_c(cut->text.p + cut->at[k]));
	}
}
