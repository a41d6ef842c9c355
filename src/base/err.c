// SPDX-License-Identifier: MIT
// Error sentences, built from the inside out.
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool
err_set(struct err *err, const char *fmt, ...)
{
	if (err == NULL)
		return false;
	va_list ap;
	va_start(ap, fmt);
	(void)vsnprintf(err->text, sizeof(err->text), fmt, ap); // cutting is what we want
	va_end(ap);
	return false;
}

bool
err_wrap(struct err *err, const char *fmt, ...)
{
	if (err == NULL)
		return false;
	struct err inner = *err;
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(err->text))
		return false;
	size_t left = sizeof(err->text) - (size_t)n;
	(void)snprintf(err->text + n, left, ": %.*s", (int)left, inner.text);
	return false;
}

bool
err_add(struct err *err, const char *fmt, ...)
{
	if (err == NULL)
		return false;
	size_t n = strnlen(err->text, sizeof(err->text) - 1);
	va_list ap;
	va_start(ap, fmt);
	(void)vsnprintf(err->text + n, sizeof(err->text) - n, fmt, ap); // cutting is what we want
	va_end(ap);
	return false;
}
