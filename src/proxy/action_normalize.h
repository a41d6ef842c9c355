// SPDX-License-Identifier: MIT
// normalize-uri, an action on the request's target.
#pragma once

struct module;

extern const struct module proxy_normalize_module;
