// SPDX-License-Identifier: MIT
// Telling a server who the client is, ahead of its bytes: servers with send-proxy and send-proxy-v2
// get a header of the PROXY protocol on each new connection. Such a connection speaks for one
// client and serves no other: it rests in the pool for requests of the same two ends alone, and one
// whose header names more (a unique id, an authority) serves one request.
#pragma once

#include "base/base.h"

struct server;
struct server_conn;
struct txn;
struct txn_step;

// Between "connecting" and what follows it, where server.proxy_version is not 0.
extern const struct txn_step step_send_header;

// As server_conn_from_pool, with a header that says what this transaction's would.
struct server_conn *server_header_from_pool(struct txn *t, struct server *s, bool ask);
