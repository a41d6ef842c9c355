// SPDX-License-Identifier: MIT
// Which features this program has, in the order in which their rows are looked through and
// printed. Nothing registers itself: what is not named here does not exist.
#include "main/modules.h"

#include "backend/fetch_backend.h"
#include "cli/cli.h"
#include "expr/expr.h"
#include "expr/pattern_ref.h"
#include "proxy/action_conn.h"
#include "proxy/action_normalize.h"
#include "proxy/action_queue.h"
#include "proxy/action_wait.h"
#include "proxy/client_header.h"
#include "proxy/conf_cookie.h"
#include "proxy/conf_source.h"
#include "proxy/explain.h"
#include "proxy/fetch_body.h"
#include "proxy/fetch_txn.h"
#include "proxy/frontend.h"
#include "main/service.h"
#include "proxy/setup.h"
#include "proxy/stick.h"
#include "proxy/tcp.h"
#include "proxy/verdict.h"

const struct module *const main_modules[] = {
    &proxy_global_module,
    &proxy_module,
    &proxy_options_module,
    &proxy_health_module,
    &proxy_later_module,
    &proxy_var_module,
    &proxy_map_module,
    &proxy_fields_module,
    &proxy_header_module,
    &proxy_auth_module,
    &proxy_pages_module,
    &proxy_capture_module,
    &proxy_fetch_module,
    &proxy_wait_module,
    &proxy_explain_module,
    &proxy_conn_module,
    &proxy_queue_module,
    &proxy_normalize_module,
    &proxy_body_module,
    &proxy_tcp_module,
    &proxy_limits_module,
    &proxy_frontend_module,
    &proxy_cookie_module,
    &proxy_source_module,
    &policy_module,
    &proxy_verdict_module,
    &proxy_stick_module,
    &proxy_stick_conv_module,
    &proxy_stick_rule_module,
    &backend_module,
    &expr_module,
    &pattern_module,
    &service_module,
    &cli_module,
    NULL,
};

size_t
main_n_modules(void)
{
	size_t n = 0;
	while (main_modules[n] != NULL)
		n++;
	return n;
}
