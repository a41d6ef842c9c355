// SPDX-License-Identifier: MIT
// Shared by cookie.c, a request's side, and cookie_response.c.
#pragma once

#include "proxy/cookie.h"
#include "proxy/proxy.h"
#include "proxy/txn.h"

#define COOKIE_DATE_BYTES 5

struct http_cookie;

// Whose word counts: the backend's, or, before one is chosen, the frontend's, if it is one too.
static inline const struct proxy *
cookie_backend_of(const struct txn *t)
{
	return t->backend != NULL ? t->backend : t->frontend;
}
// The transaction's; made when it is not there. NULL: no room.
struct txn_cookies *cookie_note(struct txn *t);
// Keeps it for the log in *out, if it is the one and nothing is kept yet. False: no room.
bool cookie_capture(struct txn *t, struct str field, const struct http_cookie *k, struct str *out);
// Seconds since 1970, modulo 2^32.
uint32_t cookie_now_s(const struct txn *t);
// The date in five digits to the base of 64, in steps of four seconds.
void cookie_put_date(uint32_t seconds, char out[COOKIE_DATE_BYTES]);
