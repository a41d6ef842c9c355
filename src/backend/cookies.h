// SPDX-License-Identifier: MIT
// The values by which a backend's persistence cookie names its servers: what `server ... cookie`
// says, or, with `cookie ... dynamic` and a key, a hash of key, address and port as HAProxy makes
// it, so that both name the same server alike. They stand in a table that is never changed: another
// key or address is another table, which the keeper publishes by its pointer.
#pragma once

#include "base/str.h"

#define COOKIE_KEY_MAX 1024

struct backend;
struct backend_cookies;
struct server;

// How the values of servers without one of their own are made. Keeper, or before the threads.
struct cookie_making {
	bool dynamic;
	struct str key; // .n 0: none, and none is made
	char *set_key;  // its bytes, when a command gave it; or NULL
};

// Publishes a table of how things are now; returns the one before, for backend_cookies_free.
const struct backend_cookies *backend_cookies_publish(struct backend *b);
// Once no thread can still read it. NULL is fine.
void backend_cookies_free(const struct backend_cookies *c);

// The server's value, empty: none. Any thread; it is there until their loop's turn ends.
struct str server_cookie(const struct server *s);
// The first server of that value which is up, or with `down_too` the first of all. NULL: none;
// *down then says whether there is one that is down. O(1). Any thread.
struct server *backend_cookie_find(const struct backend *b, struct str value, bool down_too,
				   bool *down);
