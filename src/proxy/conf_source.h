// SPDX-License-Identifier: MIT
// `source`: the address that connections to servers come from, of a backend or of one server.
#pragma once

#include "base/err.h"

struct conf;
struct conf_addr;
struct conf_line;
struct module;
struct proxy;
struct server;

// The value of the word `source`; NULL with *err.
const struct addr *conf_source_of(struct conf *conf, const struct conf_addr *a, struct err *err);
// Of a server that was read: its own, or NULL, and then its backend's. Judged once all is read.
void conf_source_server(struct conf *conf, const struct conf_line *line, const struct proxy *p,
			struct server *s, const struct addr *own);
extern const struct module proxy_source_module;
