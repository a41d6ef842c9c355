// SPDX-License-Identifier: MIT
// Keywords of persistence by cookies.
#pragma once

struct conf;
struct module;
struct proxy;
struct proxy_set;

// What can only be judged once all files are read.
void conf_cookie_apply(struct conf *conf, const struct proxy_set *set, struct proxy *p);
extern const struct module proxy_cookie_module;
