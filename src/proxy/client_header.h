// SPDX-License-Identifier: MIT
// A client that is a proxy itself and says in a header for whom it speaks (the PROXY protocol,
// net/proxy_header.h): awaited where `accept-proxy` or expect-proxy demand it, before any byte of
// the connection is looked at. src and dst are then those of the header; the connection's own ends
// stay in fc_src and fc_dst.
#pragma once

#include "expr/sample.h"

struct client;
struct module;

// What the header said and what it took the place of. In the memory of the client's session.
struct client_header {
	struct sample_addr src, dst; // the connection's own
	uint64_t took_ns;            // from the connection to the header's end
	struct str tlvs;             // for proxy_header_tlv
};

// The client's next bytes are its header, within `timeout client`. Behind it tcp_greeted goes on; a
// client without a good one is closed, and logged as HAProxy logs it.
void client_header_await(struct client *c);

// Action expect-proxy; fetches fc_rcvd_proxy, fc_pp_*, fc_err.
extern const struct module proxy_header_module;
