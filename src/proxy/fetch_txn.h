// SPDX-License-Identifier: MIT
// Fetches about a transaction of this proxy.
#pragma once

struct module;
extern const struct module proxy_fetch_module;
