// SPDX-License-Identifier: MIT
// Frontends that take no new connections for a while, or for good: commands disable, enable and
// shutdown frontend. Connections that are there go on. While one is disabled newcomers wait in the
// kernel's queue and are served once it is enabled again; HAProxy refuses them. Shut, they are
// refused, until another process serves. One that io_uring takes while its accept is called back
// waits in the acceptor; should the process be replaced before, it is served. A process that leaves
// says that all are shut.
#pragma once

#include "proxy/proxy.h"

struct module;

static inline bool
frontend_is_closed(const struct proxy *p)
{
	return UNLIKELY(atomic_load_explicit(&p->limit->closed, memory_order_relaxed) != 0);
}

// "OPEN", "PAUSED" or "STOP", as HAProxy's statistics have it. Any thread.
struct str frontend_status(const struct proxy *p);

extern const struct module proxy_frontend_module;
