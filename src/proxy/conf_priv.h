// SPDX-License-Identifier: MIT
// Shared by the files that read sections defaults, frontend, backend and listen. The object that
// keywords of these sections get is the struct proxy; what only reading needs is beside it in
// struct proxy_conf.
#pragma once

#include "backend/backend.h"
#include "conf/address.h"
#include "conf/conf.h"
#include "expr/acl.h"
#include "expr/logfmt.h"
#include "proxy/conf_health.h"
#include "proxy/proxy.h"
#include "proxy/setup.h"

// Where keywords of these sections may stand, as rows say it.
#define ALL   "defaults frontend backend listen"
#define FRONT "defaults frontend listen"
#define BACK  "defaults backend listen"

// Why a word has no effect, or is refused, where there is no more to say.
#define CONF_LATER  "it is known to HAProxy and comes in a later tidegate"
#define CONF_NO_TLS "there is no TLS yet"

// Why what reads and names HAProxy's files of servers' states has no effect.
#define CONF_STATES_STAY \
	"servers' states stay by themselves, over a full stop where 'state-dir' is set"

// The arguments of a keyword that takes one string.
#define ARG_STR1(n, h)                                    \
	{                                                 \
		{.name = n, .type = CONF_STR, .help = h}, \
		{                                         \
			.type = CONF_END                  \
		}                                         \
	}

// What `server` and `default-server` words set. The C types are conf_word's.
struct server_options {
	int64_t weight, maxconn, minconn, maxqueue, id, pool_max_conn, pool_low_conn, max_reuse;
	uint64_t pool_purge_ns, slowstart_ns;
	bool backup, non_stick, disabled, send_proxy, send_proxy_v2;
	unsigned proxy_options; // enum server_proxy_option bits
	struct str cookie;
	const struct addr *source; // NULL: the backend's
	struct str init_addr;      // empty: libc
	int resolve_prefer;        // 1: IPv4, 2: IPv6; 0: neither
	struct health_words health;
};

// A line of a named defaults section that is performed again in each section built from it.
struct kept_line {
	struct kept_line *next;
	const struct conf_line *line;
	bool (*parse)(struct conf *, void *obj, const struct conf_line *, struct err *);
};

struct proxy_conf {
	struct proxy_setup *setup;
	struct acl_scope *acls;
	const struct conf_line *begin;
	struct server_options default_server;
	struct health_conf health;
	const struct addr *source; // of its servers that have none; NULL: none
	enum backend_reuse reuse;
	struct balance balance; // row and arguments; the rest is filled in at the end
	const struct conf_line *balance_line;
	struct balance_hashing {
		const struct balance_table *table;
		uint32_t (*hash)(struct str key);
		bool avalanche;
	} hashing;
	struct kept_line *kept, **kept_tail;
	const struct conf_line *default_backend_line, *logfmt_line, *unique_id_line;
	struct str unique_id_text;
	bool logfmt_given; // by this section, not inherited
	bool is_used;      // some frontend may choose this backend
	unsigned lenient;  // enum rule_where: strict-mode off stands there
};

// A magic check and a cast.
struct proxy *conf_proxy_of(void *obj);
// True in a frontend or listen / backend or listen section; in defaults both.
static inline bool
conf_proxy_is(const struct proxy *p, unsigned caps)
{
	return (p->caps & (caps | PROXY_DEFAULTS)) != 0;
}
// The environment in which this section's expressions are parsed.
struct expr_env conf_proxy_env(const struct proxy *p, const struct conf_line *line,
			       const struct expr_place *place);
// The condition at argv[at]: NULL in *cond without one. Refuses other words there.
bool conf_proxy_cond(const struct proxy *p, const struct conf_line *line, int at,
		     const struct expr_place *place, struct cond **cond, struct err *err);
// In a defaults section: keeps the line for the sections built from it; refuses an anonymous one.
bool conf_proxy_keep(struct proxy *p, const struct conf_line *line,
		     bool (*parse)(struct conf *, void *, const struct conf_line *, struct err *),
		     struct err *err);
// From a conf_addr whose kind is INET, UNIX or ABNS.
void conf_addr_to_addr(const struct conf_addr *from, struct addr *to);
// All of a file, in the configuration's memory. At most max_bytes.
bool conf_read_file(struct conf *conf, struct str path, size_t max_bytes, struct str *out,
		    struct err *err);

// conf_bind.c, conf_server.c, conf_log.c, conf_page.c: keyword functions.
bool conf_parse_bind(struct conf *, void *obj, const struct conf_line *, struct err *);
bool conf_parse_server(struct conf *, void *obj, const struct conf_line *, struct err *);
bool conf_parse_default_server(struct conf *, void *obj, const struct conf_line *, struct err *);
bool conf_parse_log(struct conf *, void *obj, const struct conf_line *, struct err *);
bool conf_parse_global_log(struct conf *, void *obj, const struct conf_line *, struct err *);
bool conf_parse_errorfile(struct conf *, void *obj, const struct conf_line *, struct err *);
bool conf_parse_errorloc(struct conf *, void *obj, const struct conf_line *, struct err *);
bool conf_parse_http_error(struct conf *, void *obj, const struct conf_line *, struct err *);
bool conf_parse_address_option(struct conf *, void *obj, const struct conf_line *, struct err *);
extern const struct conf_word conf_bind_words[], conf_server_words[];
// conf_server_addr.c. The server's own address; a name may put the server into maintenance.
bool conf_server_addr(struct conf *conf, const struct conf_addr *written, struct server_options *o,
		      struct addr *to, struct err *err);
bool conf_parse_init_addr(struct conf *, void *obj, const struct conf_line *, struct conf_value *,
			  struct err *);
bool conf_parse_resolve_prefer(struct conf *, void *obj, const struct conf_line *,
			       struct conf_value *, struct err *);
void conf_server_defaults(struct server_options *o);

// An errorfile's reply; fits what `return errorfile` needs too. NULL with a cause.
const struct reply *conf_page_of_file(struct conf *conf, struct str path, size_t max_bytes,
				      struct err *err);
// A page of section http-errors `name`, once all files are read; NULL in *out: it has none for the
// status. False with a cause: there is no such section.
bool conf_page_of_section(const struct proxy_set *set, struct str name, unsigned status,
			  const struct reply **out, struct err *err);
// p->pages from its lines. Faults are reported.
void conf_resolve_pages(struct conf *conf, const struct proxy_set *set, struct proxy *p);

// conf_balance.c
bool conf_parse_balance(struct conf *, void *obj, const struct conf_line *, struct err *);
bool conf_parse_hash_type(struct conf *, void *obj, const struct conf_line *, struct err *);
void conf_balance_defaults(struct proxy_conf *c);
void conf_balance_apply(struct conf *conf, struct proxy *p); // all files are read

// conf_check.c: what can only be judged once all files are read.
bool conf_check_proxies(struct conf *, void *setup, struct err *);

// Rows gathered in module.c.
extern const struct conf_keyword conf_global_keywords[], conf_proxy_keywords[];
extern const struct conf_section conf_proxy_sections[];
