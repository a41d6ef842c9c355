// SPDX-License-Identifier: MIT
// Values as text and back, the names of types, sources and statuses, and error sentences.
#include "tidegate/vars.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/sbuf.h"
#include "vars/table_priv.h"

static const char *const type_names[TIDEVARS_N_TYPES] = {
    [TIDEVARS_INT] = "int",       [TIDEVARS_BOOL] = "bool",       [TIDEVARS_FLOAT] = "float",
    [TIDEVARS_STRING] = "string", [TIDEVARS_COUNTER] = "counter", [TIDEVARS_HOLD] = "hold",
    [TIDEVARS_GAUGE] = "gauge",
};

// What a text must be to become a value.
static const char *const wanted[TIDEVARS_N_TYPES] = {
    [TIDEVARS_INT] = "a whole number",   [TIDEVARS_COUNTER] = "a whole number",
    [TIDEVARS_FLOAT] = "a number",       [TIDEVARS_GAUGE] = "a number",
    [TIDEVARS_BOOL] = "on, off, 1 or 0", [TIDEVARS_HOLD] = "on, off, 1 or 0",
};

static const char *const source_names[TIDEVARS_N_SOURCES] = {
    [TIDEVARS_FROM_PROGRAM] = "program", [TIDEVARS_FROM_CLI] = "cli",
    [TIDEVARS_FROM_LUA] = "lua",         [TIDEVARS_FROM_RULE] = "rule",
    [TIDEVARS_FROM_CONFIG] = "config",   [TIDEVARS_FROM_FLEET] = "fleet",
    [TIDEVARS_FROM_EXPIRY] = "expiry",
};

static const char *const status_names[] = {
    [TIDEVARS_OK] = "ok",
    [TIDEVARS_UNKNOWN] = "unknown",
    [TIDEVARS_TYPE] = "type",
    [TIDEVARS_BOUNDS] = "bounds",
    [TIDEVARS_FULL] = "full",
    [TIDEVARS_BUSY] = "busy",
    [TIDEVARS_REFUSED] = "refused",
    [TIDEVARS_CONFLICT] = "conflict",
    [TIDEVARS_BAD_NAME] = "bad-name",
    [TIDEVARS_BAD_FILE] = "bad-file",
    [TIDEVARS_DAMAGED] = "damaged",
    [TIDEVARS_SYSTEM] = "system",
    [TIDEVARS_TIMEOUT] = "timeout",
    [TIDEVARS_NOT_HELD] = "not-held",
    [TIDEVARS_BAD_CALL] = "bad-call",
};

const char *
tidevars_type_name(uint32_t type)
{
	return type < TIDEVARS_N_TYPES ? type_names[type] : NULL;
}

uint32_t
tidevars_type_of(const char *name, size_t n)
{
	for (uint32_t i = TIDEVARS_INT; i < TIDEVARS_N_TYPES; i++) {
		if (str_eq(str_from_c(type_names[i]), str_of(name, n)))
			return i;
	}
	return TIDEVARS_NONE;
}

const char *
tidevars_source_name(uint32_t source)
{
	return source < TIDEVARS_N_SOURCES ? source_names[source] : "unknown";
}

const char *
tidevars_kind_name(uint32_t kind)
{
	static const char *const names[] = {"none", "set",     "unset",  "add",    "cas",
					    "take", "release", "expire", "forget", "extend"};
	return kind < ARRAY_LEN(names) ? names[kind] : "unknown";
}

const char *
tidevars_status_name(int status)
{
	return status >= 0 && (size_t)status < ARRAY_LEN(status_names) ? status_names[status]
								       : "unknown-status";
}

int
tidevars_name_ok(const char *name, size_t n)
{
	if (n == 0 || n > TIDEVARS_NAME_MAX)
		return 0;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = byte_lower((unsigned char)name[i]);
		bool first = (c >= 'a' && c <= 'z') || c == '_';
		if (!first && (i == 0 || ((c < '0' || c > '9') && c != '.')))
			return 0;
	}
	return 1;
}

// Read back as it was given: another name could not be told from it, nor released.
int
tidevars_owner_ok(const char *name, size_t n)
{
	char text[TIDEVARS_WHO_MAX + 1];
	if (n == 0 || n > TIDEVARS_WHO_MAX)
		return 0;
	memcpy(text, name, n);
	text[n] = '\0';
	str_tame(text, "");
	return str_eq(str_from_c(text), str_of(name, n));
}

static int
fail(struct tidevars_error *err, int status, const char *fmt, va_list ap)
{
	err->status = status;
	err->sys_errno = 0;
	(void)vsnprintf(err->text, sizeof(err->text), fmt, ap); // cutting is what we want
	return status;
}

int
vars_fail(struct tidevars_error *err, int status, const char *fmt, ...)
{
	if (err == NULL)
		return status;
	va_list ap;
	va_start(ap, fmt);
	(void)fail(err, status, fmt, ap);
	va_end(ap);
	return status;
}

int
vars_fail_sys(struct tidevars_error *err, const char *fmt, ...)
{
	int saved = errno;
	if (err == NULL)
		return TIDEVARS_SYSTEM;
	va_list ap;
	va_start(ap, fmt);
	(void)fail(err, TIDEVARS_SYSTEM, fmt, ap);
	va_end(ap);
	err->sys_errno = saved;
	size_t n = strlen(err->text);
	char why[128];
	(void)snprintf(err->text + n, sizeof(err->text) - n, ": %s",
		       strerror_r(saved, why, sizeof(why)));
	return TIDEVARS_SYSTEM;
}

int
tidevars_parse(uint32_t type, const char *text, size_t n, struct tidevars_value *out,
	       struct tidevars_error *err)
{
	struct str s = str_of(text, n);
	bool good = true, on;
	memset(out, 0, offsetof(struct tidevars_value, text));
	out->type = type;
	switch (type) {
	case TIDEVARS_INT:
	case TIDEVARS_COUNTER:
		good = str_to_int(s, &out->u.i);
		break;
	case TIDEVARS_BOOL:
	case TIDEVARS_HOLD:
		good = str_to_bool(s, &on);
		out->u.i = good && on;
		break;
	case TIDEVARS_FLOAT:
	case TIDEVARS_GAUGE:
		good = str_to_double(s, &out->u.f);
		out->smooth = out->u.f;
		break;
	case TIDEVARS_STRING:
		if (n > TIDEVARS_TEXT_MAX)
			return vars_fail(err, TIDEVARS_BOUNDS,
					 "a string has at most %d bytes, this one %zu",
					 TIDEVARS_TEXT_MAX, n);
		if (n > 0)
			memcpy(out->text, text, n);
		out->text[n] = '\0';
		out->text_n = (uint32_t)n;
		break;
	default:
		good = false;
	}
	if (good)
		return TIDEVARS_OK;
	const char *want = type < ARRAY_LEN(wanted) ? wanted[type] : NULL;
	return vars_fail(err, TIDEVARS_TYPE, "'%.*s' is not %s", (int)MIN(n, (size_t)80),
			 n > 0 ? text : "", want != NULL ? want : "of a known type");
}

// The shortest decimal that reads back as the same double.
static int
shortest_double(double f, char *buf, size_t room)
{
	int n = 0;
	for (int digits = 15; digits <= 17; digits++) {
		n = snprintf(buf, room, "%.*g", digits, f);
		if (n > 0 && strtod(buf, NULL) == f)
			break;
	}
	for (int i = 0; i < n; i++) { // whatever the program's locale
		if (buf[i] == ',')
			buf[i] = '.';
	}
	return n;
}

static size_t
give(struct str s, char *buf, size_t room)
{
	if (room > 0) {
		size_t n = MIN(s.n, room - 1);
		if (n > 0)
			memcpy(buf, s.p, n);
		buf[n] = '\0';
	}
	return s.n;
}

size_t
tidevars_format(const struct tidevars_value *v, char *buf, size_t room)
{
	char text[48];
	int n = 0;
	switch (v->type) {
	case TIDEVARS_FLOAT:
	case TIDEVARS_GAUGE:
		n = shortest_double(v->u.f, text, sizeof(text));
		break;
	case TIDEVARS_STRING:
		return give(str_of(v->text, MIN(v->text_n, (uint32_t)TIDEVARS_TEXT_MAX)), buf,
			    room);
	case TIDEVARS_NONE:
		break;
	default:
		n = snprintf(text, sizeof(text), "%lld", (long long)v->u.i);
	}
	return give(str_of(text, n > 0 ? (size_t)n : 0), buf, room);
}

size_t
tidevars_format_json(const struct tidevars_value *v, char *buf, size_t room)
{
	if (v->type == TIDEVARS_STRING) {
		struct sbuf b;
		sbuf_init(&b, (size_t)8 * TIDEVARS_TEXT_MAX + 16);
		sbuf_add_json(&b, str_of(v->text, MIN(v->text_n, (uint32_t)TIDEVARS_TEXT_MAX)));
		size_t n = give(sbuf_str(&b), buf, room);
		sbuf_fini(&b);
		return n;
	}
	if (v->type == TIDEVARS_BOOL)
		return give(v->u.i != 0 ? STR("true") : STR("false"), buf, room);
	bool real = v->type == TIDEVARS_FLOAT || v->type == TIDEVARS_GAUGE;
	if (v->type == TIDEVARS_NONE || (real && !isfinite(v->u.f)))
		return give(STR("null"), buf, room); // JSON has no nan
	return tidevars_format(v, buf, room);
}

int
tidevars_value_eq(const struct tidevars_value *a, const struct tidevars_value *b)
{
	if (a->type != b->type)
		return 0;
	switch (a->type) {
	case TIDEVARS_FLOAT:
	case TIDEVARS_GAUGE:
		return a->u.f == b->u.f;
	case TIDEVARS_STRING:
		return a->text_n <= TIDEVARS_TEXT_MAX &&
		       str_eq(str_of(a->text, a->text_n), str_of(b->text, b->text_n));
	case TIDEVARS_NONE:
		return 1;
	default:
		return a->u.i == b->u.i;
	}
}
