// SPDX-License-Identifier: MIT
// Words of HAProxy's language that tidegate does not perform, in sections defaults, frontend,
// backend and listen: accepted with a warning where that is harmless, refused by name where it is
// not. A word that comes to life moves to the table of what it belongs to.
#include "base/module.h"
#include "proxy/conf_priv.h"

static const struct conf_arg text_args[] = {
    {.name = "text", .type = CONF_REST, .help = "Any text."}, {.type = CONF_END}};

#define IGNORED_AS(where, word, why)                                                            \
	{                                                                                       \
		.sections = where, .words = word, .flags = CONF_IGNORED | CONF_NO | CONF_EXTRA, \
		.help = why                                                                     \
	}
#define IGNORED(where, word) IGNORED_AS(where, word, CONF_NOT_YET)
#define REFUSED(where, word)                                                                    \
	{                                                                                       \
		.sections = where, .words = word, .flags = CONF_REFUSED | CONF_NO | CONF_EXTRA, \
		.help = CONF_LATER                                                              \
	}

static const struct conf_keyword later_keywords[] = {
    {ALL, "description", text_args, NULL, NULL, 0, CONF_IGNORED,
     "A comment; nothing shows it yet."},
    IGNORED(ALL, "grace"),
    IGNORED(ALL, "backlog"),
    IGNORED(ALL, "bind-process"),
    IGNORED_AS(ALL, "load-server-state-from-file", CONF_STATES_STAY),
    IGNORED_AS(ALL, "server-state-file-name", CONF_STATES_STAY),
    IGNORED(ALL, "email-alert"),
    IGNORED(ALL, "option allbackups"),
    IGNORED(ALL, "option checkcache"),
    IGNORED(ALL, "option clitcpka"),
    IGNORED(ALL, "option srvtcpka"),
    IGNORED(ALL, "option tcpka"),
    IGNORED(ALL, "option contstats"),
    IGNORED(ALL, "option disable-h2-upgrade"),
    IGNORED(ALL, "option http-ignore-probes"),
    IGNORED(ALL, "option http-no-delay"),
    IGNORED(ALL, "option http-pretend-keepalive"),
    IGNORED(ALL, "option http-use-htx"),
    IGNORED(ALL, "option http-use-proxy-header"),
    IGNORED(ALL, "option idle-close-on-response"),
    IGNORED(ALL, "option independent-streams"),
    IGNORED(ALL, "option nolinger"),
    IGNORED(ALL, "option prefer-last-server"),
    IGNORED(ALL, "option splice-auto"),
    IGNORED(ALL, "option splice-request"),
    IGNORED(ALL, "option splice-response"),
    IGNORED(ALL, "option tcp-smart-accept"),
    IGNORED(ALL, "option tcp-smart-connect"),
    IGNORED(ALL, "option h1-case-adjust-bogus-client"),
    IGNORED(ALL, "option h1-case-adjust-bogus-server"),
    {ALL, "option accept-invalid-http-request", NULL, NULL, NULL, 0, CONF_REFUSED | CONF_NO,
     "messages that are not HTTP are refused, without exception"},
    {ALL, "option accept-invalid-http-response", NULL, NULL, NULL, 0, CONF_REFUSED | CONF_NO,
     "messages that are not HTTP are refused, without exception"},
    {ALL, "option http_proxy", NULL, NULL, NULL, 0, CONF_REFUSED | CONF_NO,
     "HAProxy has removed it"},
    {ALL, "option transparent", NULL, NULL, NULL, 0, CONF_REFUSED | CONF_NO, CONF_LATER},
    REFUSED(ALL, "stats"),
    REFUSED(ALL, "compression"),
    REFUSED(ALL, "dispatch"),
    REFUSED(ALL, "external-check"),
    REFUSED(ALL, "filter"),
    REFUSED(ALL, "http-send-name-header"),
    REFUSED(ALL, "max-keep-alive-queue"),
    REFUSED(ALL, "max-session-srv-conns"),
    REFUSED(ALL, "monitor"),
    REFUSED(ALL, "persist"),
    REFUSED(ALL, "rate-limit"),
    REFUSED(ALL, "server-template"),
    REFUSED(ALL, "transparent"),
    REFUSED(ALL, "use-fcgi-app"),
    REFUSED(ALL, "option ldap-check"),
    REFUSED(ALL, "option mysql-check"),
    REFUSED(ALL, "option pgsql-check"),
    REFUSED(ALL, "option redis-check"),
    REFUSED(ALL, "option smtpchk"),
    REFUSED(ALL, "option ssl-hello-chk"),
    REFUSED(ALL, "option spop-check"),
    REFUSED(ALL, "option external-check"),
    REFUSED(ALL, "option http-restrict-req-hdr-names"),
    {.sections = NULL},
};

const struct module proxy_later_module = {
    .name = "proxy-later",
    .keywords = later_keywords,
};
