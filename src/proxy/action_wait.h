// SPDX-License-Identifier: MIT
// Rules that wait, and the request's body for rules.
#pragma once

struct conf;
struct module;
struct proxy;

// `option http-buffer-request`: the body is awaited before all http-request rules.
void action_wait_for_body_first(struct conf *conf, struct proxy *p);

extern const struct module proxy_wait_module;
