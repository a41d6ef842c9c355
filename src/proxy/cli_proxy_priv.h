// SPDX-License-Identifier: MIT
// Commands of proxy/: what cli_proxy.c (servers) and cli_show.c (reports) share.
#pragma once

#include "base/clock.h"
#include "base/log.h"
#include "cli/cli.h"
#include "proxy/proxy.h"

extern const struct cli_command cli_proxy_commands[];

enum cli_status cli_show_info(struct cli_session *s, const struct cli_args *a);
enum cli_status cli_show_stat(struct cli_session *s, const struct cli_args *a);
enum cli_status cli_show_metrics(struct cli_session *s, const struct cli_args *a);
enum cli_status cli_show_sess(struct cli_session *s, const struct cli_args *a);
enum cli_status cli_show_errors(struct cli_session *s, const struct cli_args *a);
enum cli_status cli_show_activity(struct cli_session *s, const struct cli_args *a);
