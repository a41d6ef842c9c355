// SPDX-License-Identifier: MIT
// Addresses and prefixes from text, without Lua and without a copy.
#include <arpa/inet.h>

#include "policy/policy_priv.h"

bool
policy_ip_parse(struct str text, struct policy_value *ip)
{
	char buf[INET6_ADDRSTRLEN];
	if (text.n == 0 || text.n >= sizeof(buf))
		return false;
	memcpy(buf, text.p, text.n);
	buf[text.n] = '\0';
	*ip = (struct policy_value){.type = POLICY_T_IP};
	bool six = memchr(buf, ':', text.n) != NULL;
	ip->family = six ? 6 : 4;
	return inet_pton(six ? AF_INET6 : AF_INET, buf, ip->ip) == 1;
}

void
policy_ip_print(const struct policy_value *ip, char *buf, size_t room)
{
	if (inet_ntop(ip->family == 6 ? AF_INET6 : AF_INET, ip->ip, buf, (socklen_t)room) == NULL)
		buf[0] = '\0';
}

bool
policy_prefix_parse(struct str text, struct policy_value *ip, unsigned *bits)
{
	size_t slash = str_find_byte(text, '/');
	int64_t n;
	if (!policy_ip_parse(str_slice(text, 0, slash), ip))
		return false;
	int64_t most = ip->family == 4 ? 32 : 128;
	if (slash == SIZE_MAX)
		n = most;
	else if (!str_to_int(str_slice(text, slash + 1, text.n), &n) || n < 0 || n > most)
		return false;
	*bits = (unsigned)n;
	return true;
}

bool
policy_ip_within(const struct policy_value *ip, const struct policy_value *net, unsigned bits)
{
	if (ip->family != net->family)
		return false;
	size_t whole = bits / 8;
	if (memcmp(ip->ip, net->ip, whole) != 0)
		return false;
	unsigned rest = bits % 8;
	return rest == 0 || ((ip->ip[whole] ^ net->ip[whole]) & (0xff00u >> rest) & 0xff) == 0;
}
