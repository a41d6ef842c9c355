// SPDX-License-Identifier: MIT
// Giving a server another address while it serves: what stands for an address, and the way from the
// keeper to the workers. Requests under way go on where they are; each later attempt to connect and
// each request that would rest on an idle connection sees the new address.
#pragma once

#include "backend/backend.h"

struct proxy_set;

// "127.0.0.1", "::1", "unix@/path", "/path" or "abns@name", and a port from 1 to 65535; an empty
// port: the present one. No name is looked up. False with a cause.
bool server_addr_parse(const struct server *s, struct str address, struct str port,
		       struct addr *out, struct err *err);
// "127.0.0.1:80", "[::1]:80", "unix@/path", "abns@name": as struct server_addr has it.
bool server_addr_parse_text(struct str text, struct addr *out, struct err *err);
// Whether connections from the server's `source`, if it has one, can go there: of one family, or to
// a unix socket. False with a cause.
bool server_addr_suits(const struct server *s, const struct addr *a, struct err *err);
// Publishes, keeps (kept.h), logs who did it, and lets every worker close what rests at the address
// before; then `done`, if not NULL, runs on the keeper. Nothing at all when it has this address:
// false, and done is not called. Keeper.
bool server_addr_set(const struct proxy_set *set, struct server *s, const struct addr *a,
		     struct str who, void (*done)(void *arg), void *arg);
