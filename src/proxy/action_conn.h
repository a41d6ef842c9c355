// SPDX-License-Identifier: MIT
// Actions on the client's connection and on what is told meanwhile: set-tos, set-mark, early-hint,
// do-log.
#pragma once

struct module;

extern const struct module proxy_conn_module;
