// SPDX-License-Identifier: MIT
// The io_uring engine. This build has none yet: it says so to whoever asks, and `auto` takes epoll.
#include <stdio.h>

#include "base/err.h"
#include "net/loop_priv.h"

bool
net_uring_usable(char *why, size_t n)
{
	(void)snprintf(why, n, "this build has no io_uring engine");
	return false;
}

static bool
uring_init(struct loop *l, const struct net_config *cfg, struct err *err)
{
	(void)l;
	(void)cfg;
	return err_set(err, "io-engine uring: this build has no io_uring engine");
}

const struct loop_engine loop_uring = {.kind = NET_ENGINE_URING, .init = uring_init};
