// SPDX-License-Identifier: MIT
// Addresses and prefixes as values of policies. Any thread.
#pragma once

#include <stddef.h>

#include "policy/policy.h"

// Text as an address, or as a prefix with its length in bits ("10.0.0.0/8", "10.0.0.1").
bool policy_ip_parse(struct str text, struct policy_value *ip);
bool policy_prefix_parse(struct str text, struct policy_value *ip, unsigned *bits);
void policy_ip_print(const struct policy_value *ip, char *buf, size_t room); // "": no room
bool policy_ip_within(const struct policy_value *ip, const struct policy_value *net, unsigned bits);
