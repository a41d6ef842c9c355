// SPDX-License-Identifier: MIT
// The authority of a request: is it a host with an optional port (RFC 3986 section 3.2, RFC 9110
// section 7.2), and where the parts are.
#include "http/host_priv.h"

#include "http/names_priv.h"

// "[v6 address]" or "[vX.future]": hexadecimal, colons and dots are enough to be harmless.
static size_t
ip_literal_length(struct str s)
{
	size_t close = str_find_byte(s, ']');
	if (close == SIZE_MAX || close < 3)
		return 0;
	bool future = byte_lower((unsigned char)s.p[1]) == 'v';
	for (size_t i = 1; i < close; i++) {
		bool ok = future ? char_is(s.p[i], CHAR_HOST) || s.p[i] == ':'
				 : char_is(s.p[i], CHAR_HEX) || s.p[i] == ':' || s.p[i] == '.';
		if (!ok)
			return 0;
	}
	return close + 1;
}

// How many bytes from the start form a registered name or an IPv4 address.
static size_t
reg_name_length(struct str s)
{
	size_t i = 0;
	for (; i < s.n; i++) {
		if (LIKELY(char_is(s.p[i], CHAR_HOST)))
			continue;
		if (s.p[i] != '%' || s.n - i < 3 || !char_is(s.p[i + 1], CHAR_HEX) ||
		    !char_is(s.p[i + 2], CHAR_HEX))
			break;
		i += 2;
	}
	return i;
}

size_t
http_host_check(struct str s, struct http_host *out)
{
	size_t at = s.n > 0 && s.p[0] == '[' ? ip_literal_length(s) : reg_name_length(s);
	*out = (struct http_host){.name = str_of(s.p, at)};
	if (at == s.n)
		return SIZE_MAX;
	if (s.p[at] != ':')
		return at;
	out->port = str_of(s.p + at + 1, s.n - at - 1);
	unsigned port = 0;
	for (size_t i = 0; i < out->port.n; i++) {
		if (!char_is(out->port.p[i], CHAR_DIGIT))
			return at + 1 + i;
		port = port * 10 + (unsigned)(out->port.p[i] - '0');
		if (port > 65535)
			return at + 1 + i;
	}
	return SIZE_MAX;
}
