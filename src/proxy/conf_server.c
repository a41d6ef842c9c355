// SPDX-License-Identifier: MIT
// `server` and `default-server`. Words whose work comes later are accepted with a warning where a
// configuration serves correctly without them, and refused where it does not (TLS).
#include "http/names.h"
#include "proxy/conf_priv.h"
#include "proxy/conf_source.h"

#define MOST_INTER  ((int64_t)INT32_MAX * 1000000) // haproxy's bound: 2^31-1 milliseconds
#define OPT(member) offsetof(struct server_options, member)
#define LATER(word)                                                                              \
	{                                                                                        \
		.name = word, .type = CONF_STR, .flags = CONF_WORD_IGNORED, .help = CONF_NOT_YET \
	}
#define LATER_FLAG(word)                                                                          \
	{                                                                                         \
		.name = word, .type = CONF_FLAG, .flags = CONF_WORD_IGNORED, .help = CONF_NOT_YET \
	}
#define NO_TLS "TLS towards servers comes in a later tidegate"

static bool
parse_enabled(struct conf *conf, void *obj, const struct conf_line *line, struct conf_value *value,
	      struct err *err)
{
	(void)conf;
	(void)line;
	(void)value;
	(void)err;
	((struct server_options *)obj)->disabled = false;
	return true;
}

static bool
take_check_addr(const struct conf_addr *a, struct addr *out, struct err *err)
{
	if (a->port_is_offset || a->kind == CONF_ADDR_NAMED)
		return err_set(err, "'%.*s' is no address to check", STR_ARG(a->text));
	conf_addr_to_addr(a, out);
	return true;
}

static bool
parse_check_addr(struct conf *conf, void *obj, const struct conf_line *line,
		 struct conf_value *value, struct err *err)
{
	(void)conf;
	(void)line;
	return take_check_addr(value->addr, &((struct server_options *)obj)->health.addr, err);
}

static bool
parse_agent_addr(struct conf *conf, void *obj, const struct conf_line *line,
		 struct conf_value *value, struct err *err)
{
	(void)conf;
	(void)line;
	return take_check_addr(value->addr, &((struct server_options *)obj)->health.agent_addr,
			       err);
}

static const char *const observe_words[] = {"layer4", "layer7", NULL};
static const char *const error_words[] = {"fastinter", "fail-check", "sudden-death", "mark-down",
					  NULL};

static bool
parse_observe(struct conf *conf, void *obj, const struct conf_line *line, struct conf_value *value,
	      struct err *err)
{
	struct health_words *w = &((struct server_options *)obj)->health;
	(void)conf;
	(void)line;
	(void)err;
	w->observe_layer = (int)value->i;
	return w->observe = true;
}

static bool
parse_source(struct conf *conf, void *obj, const struct conf_line *line, struct conf_value *value,
	     struct err *err)
{
	struct server_options *o = obj;
	(void)line;
	o->source = conf_source_of(conf, value->addr, err);
	return o->source != NULL;
}

// "unique-id,authority": the words of proxy-v2-options take the place of those before.
static bool
parse_proxy_options(struct conf *conf, void *obj, const struct conf_line *line,
		    struct conf_value *value, struct err *err)
{
	static const struct {
		const char *name;
		unsigned option; // 0: it speaks of TLS
	} known[] = {{"unique-id", SERVER_PROXY_UNIQUE_ID},
		     {"authority", SERVER_PROXY_AUTHORITY},
		     {"crc32c", SERVER_PROXY_CRC32C},
		     {"ssl", 0},
		     {"cert-cn", 0},
		     {"ssl-cipher", 0},
		     {"cert-sig", 0},
		     {"cert-key", 0}};
	struct server_options *o = obj;
	struct str rest = value->s, word;
	(void)conf;
	(void)line;
	o->proxy_options = 0;
	while (str_next(&rest, ',', &word)) {
		size_t i = 0;
		while (i < ARRAY_LEN(known) && !str_eq(word, str_from_c(known[i].name)))
			i++;
		if (i == ARRAY_LEN(known))
			return err_set(err, "'%.*s' is none of unique-id, authority, crc32c",
				       STR_ARG(word));
		if (known[i].option == 0)
			return err_set(err, "'%.*s' speaks of TLS, which comes in a later tidegate",
				       STR_ARG(word));
		o->proxy_options |= known[i].option;
	}
	return true;
}

static const char *const family_words[] = {"ipv4", "ipv6", NULL};
static const char *const down_words[] = {"shutdown-sessions", NULL};
static const char *const up_words[] = {"shutdown-backup-sessions", NULL};

static bool
parse_stick(struct conf *conf, void *obj, const struct conf_line *line, struct conf_value *v,
	    struct err *err)
{
	(void)conf;
	(void)line;
	(void)v;
	(void)err;
	((struct server_options *)obj)->non_stick = false;
	return true;
}

static bool
parse_marked_down(struct conf *conf, void *obj, const struct conf_line *line,
		  struct conf_value *value, struct err *err)
{
	(void)conf;
	(void)line;
	(void)value; // there is but one
	(void)err;
	return ((struct server_options *)obj)->health.kills_when_down = true;
}

static bool
parse_marked_up(struct conf *conf, void *obj, const struct conf_line *line,
		struct conf_value *value, struct err *err)
{
	(void)conf;
	(void)line;
	(void)value; // there is but one
	(void)err;
	return ((struct server_options *)obj)->health.kills_backups_when_up = true;
}

static bool
parse_cookie(struct conf *conf, void *obj, const struct conf_line *line, struct conf_value *value,
	     struct err *err)
{
	(void)conf;
	(void)line;
	if (!http_is_field_value(value->s))
		return err_set(err, "'%.*s' is no value of a cookie", STR_ARG(value->s));
	((struct server_options *)obj)->cookie = value->s;
	return true;
}

const struct conf_word conf_server_words[] = {
    {.name = "weight",
     .type = CONF_INT,
     .min = 0,
     .max = BACKEND_WEIGHT_MAX,
     .dflt = "1",
     .offset = OPT(weight),
     .help = "Share of the requests; 0: none new."},
    {.name = "backup",
     .type = CONF_FLAG,
     .flags = CONF_WORD_NO,
     .offset = OPT(backup),
     .help = "Used only while no other server is usable."},
    {.name = "non-stick",
     .type = CONF_FLAG,
     .offset = OPT(non_stick),
     .help = "Lines stick do not store it."},
    {.name = "stick",
     .type = CONF_FLAG,
     .parse = parse_stick,
     .help = "They do, unlike what default-server said."},
    {.name = "disabled",
     .type = CONF_FLAG,
     .offset = OPT(disabled),
     .help = "Starts in maintenance; 'enable server' opens it."},
    {.name = "enabled",
     .type = CONF_FLAG,
     .parse = parse_enabled,
     .help = "Undoes 'disabled' of a default-server."},
    {.name = "id",
     .type = CONF_INT,
     .min = 1,
     .max = INT32_MAX,
     .offset = OPT(id),
     .help = "Number in srv_id and stats; default counts from 1."},
    {.name = "maxconn",
     .type = CONF_INT,
     .min = 0,
     .max = INT32_MAX,
     .offset = OPT(maxconn),
     .help = "Most requests at once, of all workers together. 0: no limit."},
    {.name = "slowstart",
     .type = CONF_TIME,
     .max = MOST_INTER,
     .unit = "ms",
     .offset = OPT(slowstart_ns),
     .help = "Once it serves again after it was down or in maintenance, its weight grows in "
	     "sixteenths, and its maxconn from 1, for so long. Not at the start; weights of "
	     "static-rr and map-based hashing stand still."},
    {.name = "maxqueue",
     .type = CONF_INT,
     .min = 0,
     .max = INT32_MAX,
     .offset = OPT(maxqueue),
     .help = "Most requests that wait for it alone, since a hash or a cookie names it. Of a cookie "
	     "the next go to another server with 'option redispatch'; else they get 503. "
	     "0: unlimited."},
    {.name = "minconn",
     .type = CONF_INT,
     .min = 0,
     .max = INT32_MAX,
     .offset = OPT(minconn),
     .help = "maxconn while the backend has little to do: it grows with the backend's requests up "
	     "to maxconn at 'fullconn'. Alone, or above maxconn, it is maxconn. 0: maxconn stands "
	     "still."},
    {.name = "pool-max-conn",
     .type = CONF_INT,
     .min = -1,
     .max = INT32_MAX,
     .dflt = "-1",
     .offset = OPT(pool_max_conn),
     .help = "Most idle connections kept per worker; -1: tidegate's limit of 64; 0: none."},
    {.name = "pool-low-conn",
     .type = CONF_INT,
     .min = 0,
     .max = INT32_MAX,
     .offset = OPT(pool_low_conn),
     .help = "Of no weight here: a worker keeps its own idle connections and takes none of "
	     "another's, however many there are."},
    {.name = "max-reuse",
     .type = CONF_INT,
     .min = -1,
     .max = INT32_MAX,
     .dflt = "-1",
     .offset = OPT(max_reuse),
     .help = "Requests that a connection may serve beyond its first; -1: any number; 0: none."},
    {.name = "init-addr",
     .type = CONF_STR,
     .min = 1,
     .max = 1024,
     .parse = conf_parse_init_addr,
     .help =
	 "How a host's name becomes an address at start; the first of the list that finds one: "
	 "libc asks the system, an IP address is it, none is 0.0.0.0 and starts in maintenance, "
	 "last passes on to the next (what an operator set before a reload holds anyway). "
	 "Default last,libc."},
    {.name = "resolve-prefer",
     .type = CONF_ENUM,
     .words = family_words,
     .parse = conf_parse_resolve_prefer,
     .help = "The family that is asked for first when a name is looked up. Without it the "
	     "system's order holds."},
    {.name = "pool-purge-delay",
     .type = CONF_TIME,
     .dflt = "5s",
     .unit = "ms",
     .offset = OPT(pool_purge_ns),
     .help = "Idle connections older than this are closed."},
    {.name = "check",
     .type = CONF_FLAG,
     .flags = CONF_WORD_NO,
     .offset = OPT(health.check),
     .help = "Its health is checked: by connecting, or as 'option httpchk' or 'tcp-check' say."},
    {.name = "inter",
     .type = CONF_TIME,
     .min = CONF_MS(1),
     .max = MOST_INTER,
     .dflt = "2s",
     .unit = "ms",
     .offset = OPT(health.inter_ns),
     .help = "Time between two checks."},
    {.name = "fastinter",
     .type = CONF_TIME,
     .min = CONF_MS(1),
     .max = MOST_INTER,
     .unit = "ms",
     .offset = OPT(health.fastinter_ns),
     .help = "The same while it is on its way up or down; inter, unless it is given."},
    {.name = "downinter",
     .type = CONF_TIME,
     .min = CONF_MS(1),
     .max = MOST_INTER,
     .unit = "ms",
     .offset = OPT(health.downinter_ns),
     .help = "The same while it is down; inter, unless it is given."},
    {.name = "rise",
     .type = CONF_INT,
     .min = 1,
     .max = HEALTH_MOST_COUNT,
     .dflt = "2",
     .offset = OPT(health.rise),
     .help = "So many checks in a row must pass before it is up again."},
    {.name = "fall",
     .type = CONF_INT,
     .min = 1,
     .max = HEALTH_MOST_COUNT,
     .dflt = "3",
     .offset = OPT(health.fall),
     .help = "So many checks in a row must fail before it is down."},
    {.name = "port",
     .type = CONF_INT,
     .min = 1,
     .max = UINT16_MAX,
     .offset = OPT(health.port),
     .help = "Port that is checked, if it is another."},
    {.name = "addr",
     .type = CONF_ADDR,
     .addr_flags = CONF_ADDR_FOR_SERVER,
     .parse = parse_check_addr,
     .help = "Address that is checked, if it is another."},
    {.name = "track",
     .type = CONF_STR,
     .offset = OPT(health.track),
     .help = "[BACKEND/]SERVER whose state is its own too, instead of checks of its own."},
    {.name = "observe",
     .type = CONF_ENUM,
     .words = observe_words,
     .parse = parse_observe,
     .help = "What requests meet counts for its health too: layer4 connections, layer7 answers."},
    {.name = "on-error",
     .type = CONF_ENUM,
     .words = error_words,
     .dflt = "fail-check",
     .offset = OPT(health.on_error),
     .help = "What error-limit failures in a row do: check sooner, count as a failed check, as all "
	     "but the last one, as all of them."},
    {.name = "error-limit",
     .type = CONF_INT,
     .min = 1,
     .max = INT32_MAX,
     .dflt = "10",
     .offset = OPT(health.error_limit),
     .help = "So many requests must fail in a row."},
    {.name = "on-marked-down",
     .type = CONF_ENUM,
     .words = down_words,
     .parse = parse_marked_down,
     .help = "shutdown-sessions: requests on it are ended when it leaves service."},
    {.name = "on-marked-up",
     .type = CONF_ENUM,
     .words = up_words,
     .parse = parse_marked_up,
     .help = "shutdown-backup-sessions: requests on backups are ended when it comes back."},
    {.name = "source",
     .type = CONF_ADDR,
     .addr_flags = CONF_ADDR_PORT_OPTIONAL | CONF_ADDR_ANY | CONF_ADDR_RESOLVE,
     .parse = parse_source,
     .help = "ADDRESS[:PORT] that connections to it come from, checks among them, instead of the "
	     "backend's; 0.0.0.0 and :: leave it to the system."},
    {.name = "send-proxy",
     .type = CONF_FLAG,
     .flags = CONF_WORD_NO,
     .offset = OPT(send_proxy),
     .help =
	 "Each connection to it begins with a header of the PROXY protocol, version 1, that says "
	 "who the client is; such a connection serves that client alone."},
    {.name = "send-proxy-v2",
     .type = CONF_FLAG,
     .flags = CONF_WORD_NO,
     .offset = OPT(send_proxy_v2),
     .help = "The same with version 2."},
    {.name = "proxy-v2-options",
     .type = CONF_STR,
     .parse = parse_proxy_options,
     .help = "unique-id, authority, crc32c, joined by commas: what send-proxy-v2 adds: the id of "
	     "unique-id-format, the authority that the client's own header had, a checksum."},
    {.name = "check-send-proxy",
     .type = CONF_FLAG,
     .flags = CONF_WORD_NO,
     .offset = OPT(health.send_proxy),
     .help = "Checks begin with such a header. So they do with send-proxy, unless 'addr' or 'port' "
	     "is given."},
    {.name = "send-proxy-v2-ssl", .type = CONF_FLAG, .flags = CONF_WORD_REFUSED, .help = NO_TLS},
    {.name = "send-proxy-v2-ssl-cn", .type = CONF_FLAG, .flags = CONF_WORD_REFUSED, .help = NO_TLS},
    {.name = "agent-check",
     .type = CONF_FLAG,
     .flags = CONF_WORD_NO,
     .offset = OPT(health.agent),
     .help = "A program beside it is asked for a line of words on its weight, maxconn, state and "
	     "health: '75%', 'maxconn:30', ready, drain, maint, up, down, stopped, fail."},
    {.name = "agent-port",
     .type = CONF_INT,
     .min = 1,
     .max = UINT16_MAX,
     .offset = OPT(health.agent_port),
     .help = "Port of its agent."},
    {.name = "agent-addr",
     .type = CONF_ADDR,
     .addr_flags = CONF_ADDR_FOR_SERVER & ~(unsigned)(CONF_ADDR_PORT_OPTIONAL | CONF_ADDR_OFFSET),
     .parse = parse_agent_addr,
     .help = "Address of its agent, if it is another."},
    {.name = "agent-inter",
     .type = CONF_TIME,
     .min = CONF_MS(1),
     .max = MOST_INTER,
     .unit = "ms",
     .offset = OPT(health.agent_inter_ns),
     .help = "Time between two questions to its agent; inter, unless it is given."},
    {.name = "agent-send",
     .type = CONF_STR,
     .offset = OPT(health.agent_send),
     .help = "Sent to its agent first; a line's end is written \\n."},
    {.name = "cookie",
     .type = CONF_STR,
     .min = 1,
     .max = 1024,
     .parse = parse_cookie,
     .help = "Its name in the backend's cookie; several servers may share one."},
    LATER("resolvers"),
    LATER("tcp-ut"),
    LATER("log-proto"),
    LATER_FLAG("tfo"),
    {.name = "ssl", .type = CONF_FLAG, .flags = CONF_WORD_REFUSED, .help = NO_TLS},
    {.name = "crt", .type = CONF_STR, .flags = CONF_WORD_REFUSED, .help = NO_TLS},
    {.name = "ca-file", .type = CONF_STR, .flags = CONF_WORD_REFUSED, .help = NO_TLS},
    {.name = "sni", .type = CONF_STR, .flags = CONF_WORD_REFUSED, .help = NO_TLS},
    {.name = "alpn", .type = CONF_STR, .flags = CONF_WORD_REFUSED, .help = NO_TLS},
    {.name = "verify",
     .type = CONF_STR,
     .flags = CONF_WORD_IGNORED,
     .help = "It has no meaning without ssl."},
    {.name = "proto",
     .type = CONF_STR,
     .flags = CONF_WORD_REFUSED,
     .help = "other protocols than HTTP/1 come in a later tidegate"},
    {.name = "usesrc",
     .type = CONF_STR,
     .flags = CONF_WORD_REFUSED,
     .help =
	 "tidegate does not take its clients' addresses; 'send-proxy' tells them to the server"},
    {.name = "interface",
     .type = CONF_STR,
     .flags = CONF_WORD_REFUSED,
     .help = "it comes in a later tidegate; an address of the interface behind 'source' often does "
	     "as well"},
    {.name = "redir",
     .type = CONF_STR,
     .flags = CONF_WORD_REFUSED,
     .help = "it comes in a later tidegate; 'http-request redirect' can do it"},
    {.name = "namespace",
     .type = CONF_STR,
     .flags = CONF_WORD_REFUSED,
     .help = "it comes in a later tidegate"},
    {.name = "socks4",
     .type = CONF_STR,
     .flags = CONF_WORD_REFUSED,
     .help = "it comes in a later tidegate"},
    {.name = NULL},
};

void
conf_server_defaults(struct server_options *o)
{
	*o = (struct server_options){.weight = 1,
				     .pool_max_conn = -1,
				     .max_reuse = -1,
				     .pool_purge_ns = UINT64_C(5000000000)};
}

bool
conf_parse_default_server(struct conf *conf, void *obj, const struct conf_line *line,
			  struct err *err)
{
	struct proxy *p = conf_proxy_of(obj);
	return conf_parse_words(conf, line, line->args, conf_server_words, &p->conf->default_server,
				err);
}

static bool
check_id(const struct backend *b, int64_t id, struct err *err)
{
	for (size_t i = 0; id != 0 && i < b->n_servers; i++)
		if (b->servers[i]->id == (uint32_t)id)
			return err_set(err, "id %lld is server '%.*s' already", (long long)id,
				       STR_ARG(b->servers[i]->name));
	return true;
}

static void
apply(struct server *s, const struct server_options *o)
{
	struct backend *b = s->backend;
	if (o->id != 0)
		s->id = (uint32_t)o->id;
	s->is_backup = o->backup;
	s->non_stick = o->non_stick;
	s->cookie = o->cookie;
	s->max_requests = o->max_reuse < 0 ? UINT32_MAX : (uint32_t)o->max_reuse + 1u;
	server_set_maxconn(s, (uint32_t)MAX(o->maxconn, o->minconn));
	s->min_conn = o->minconn < o->maxconn ? (uint32_t)o->minconn : 0;
	s->slowstart.ns = o->slowstart_ns;
	s->ramps = s->min_conn > 0 || s->slowstart.ns > 0;
	b->ramps |= s->min_conn > 0;
	s->max_queue = (uint32_t)o->maxqueue;
	s->proxy_version = o->send_proxy_v2 ? 2 : o->send_proxy ? 1 : 0;
	s->proxy_options = (uint8_t)o->proxy_options;
	s->weight_configured = (uint32_t)o->weight;
	atomic_store_explicit(&s->weight, s->weight_configured, memory_order_relaxed);
	atomic_store_explicit(&s->admin, o->disabled ? SERVER_MAINT : 0, memory_order_relaxed);
	// The pool's bounds are the backend's so far: the widest that one of its servers asks for.
	if (o->pool_max_conn >= 0)
		b->pool_max_idle = s->index == 0
				       ? (uint32_t)o->pool_max_conn
				       : MAX(b->pool_max_idle, (uint32_t)o->pool_max_conn);
	b->pool_purge_ns =
	    s->index == 0 ? o->pool_purge_ns : MAX(b->pool_purge_ns, o->pool_purge_ns);
}

bool
conf_parse_server(struct conf *conf, void *obj, const struct conf_line *line, struct err *err)
{
	struct proxy *p = conf_proxy_of(obj);
	struct server_options o = p->conf->default_server;
	o.id = 0;
	const struct conf_addr *from = line->values[1].addr;
	struct addr addr = {0};
	if (!conf_parse_words(conf, line, line->args + 2, conf_server_words, &o, err) ||
	    !conf_server_addr(conf, from, &o, &addr, err) || !check_id(p->backend, o.id, err))
		return false;
	struct server *s =
	    backend_add_server(p->backend, conf_strdup(conf, line->values[0].s), &addr, err);
	if (s == NULL)
		return false;
	s->addr_written = conf_strdup(conf, from->text);
	apply(s, &o);
	conf_source_server(conf, line, p, s, o.source);
	return conf_health_server(conf, line, p, s, &o.health, err);
}
