// SPDX-License-Identifier: MIT
// The rows that backend/ contributes: nbsrv, srv_is_up, srv_weight...
#pragma once

struct module;

extern const struct module backend_module;
