// SPDX-License-Identifier: MIT
// cli/server and cli/config: the sockets of a configuration, served by a real loop on both
// engines.
#include "cli/server.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/sbuf.h"
#include "conf/conf.h"
#include "net/loop.h"
#include "tap.h"

static char dir[64];
static struct cli_ref late_ref;
static bool late;

static enum cli_status
run_late(struct cli_session *s, const struct cli_args *args)
{
	(void)args;
	late_ref = cli_ref(s);
	late = true;
	return CLI_WAIT;
}

static enum cli_status
more_rows(struct cli_session *s, void *state)
{
	int *n = state;
	while (*n > 0 && cli_room(s) > 0)
		cli_printf(s, "row %d\n", (*n)--);
	return *n > 0 ? CLI_MORE : CLI_DONE;
}

static enum cli_status
run_rows(struct cli_session *s, const struct cli_args *args)
{
	(void)args;
	static int n;
	n = 200000;
	cli_continue(s, more_rows, &n, NULL);
	return CLI_MORE;
}

static const struct cli_command rows[] = {
    {.words = "late", .run = run_late, .help = "answers later"},
    {.words = "rows", .run = run_rows, .help = "answers much"},
    {.words = NULL},
};

static void *
begin_global(struct conf *c, const struct conf_line *line, struct str name, struct err *err)
{
	(void)line;
	(void)name;
	(void)err;
	return c;
}
static const struct conf_section sections[] = {
    {.name = "global", .begin = begin_global, .help = "process-wide"},
    {.name = NULL},
};
static const struct module test_module = {.name = "test", .commands = rows, .sections = sections};
static const struct module *const modules[] = {&test_module, &cli_module, NULL};

static struct conf *
load(const char *text, bool *good)
{
	struct conf *c = conf_new(modules, NULL);
	conf_add_text(c, "test.cfg", str_from_c(text));
	*good = conf_load(c);
	return c;
}

static bool
refused(const char *line)
{
	char text[512];
	snprintf(text, sizeof(text), "global\n  %s\n", line);
	bool good;
	struct conf *c = load(text, &good);
	conf_free(&c);
	return !good;
}

static void
test_config(void)
{
	bool good;
	struct conf *c = load("global\n stats socket /tmp/a mode 660 level admin uid 5 gid 6\n"
			      " stats socket 127.0.0.1:7 user root group root\n"
			      " stats socket fd@9 level user\n"
			      " stats timeout 2m\n stats maxconn 3\n"
			      " tune.cli.max-payload-size 64k\n",
			      &good);
	OK(good);
	const struct cli_conf *conf = cli_conf_of(c);
	const struct cli_socket_conf *s = conf->first;
	OK(s->level == CLI_ADMIN && s->mode == 0660 && s->uid == 5 && s->gid == 6);
	OK(s->addr.kind == CONF_ADDR_UNIX);
	s = s->next;
	OK(s->level == CLI_OPERATOR && s->mode == 0 && s->uid == 0 && s->gid == 0);
	OK(s->addr.kind == CONF_ADDR_INET && s->next->addr.fd == 9);
	OK(s->next->level == CLI_USER && s->next->uid == -1 && s->next->next == NULL);
	OK(conf->timeout_ns == 120 * NS_PER_S && conf->maxconn == 3);
	OK(conf->max_payload == 65536);
	conf_free(&c);
	c = load("global\n", &good);
	conf = cli_conf_of(c);
	OK(good && conf->first == NULL && conf->maxconn == 10);
	OK(conf->timeout_ns == 10 * NS_PER_S && conf->max_payload == CLI_PAYLOAD_BYTES);
	conf_free(&c);
	OK(refused("stats socket"));
	OK(refused("stats socket /tmp/a mode 999"));
	OK(refused("stats socket /tmp/a level king"));
	OK(refused("stats socket /tmp/a user no-such-user-here"));
	OK(refused("stats socket /tmp/a frobnicate"));
	OK(refused("stats timeout never"));
	OK(refused("stats maxconn 0"));
}

// ---- over a socket

static struct loop *loop;

static int
dial(const char *name)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	snprintf(to.sun_path, sizeof(to.sun_path), "%s/%s", dir, name);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
		close(fd);
		return -1;
	}
	(void)fcntl(fd, F_SETFL, O_NONBLOCK); // the reads below turn the loop in between
	return fd;
}

// Turns the loop and reads until the peer's end or, with `until`, until that text stood there.
static const char *
hear(int fd, const char *until)
{
	static struct sbuf b;
	sbuf_fini(&b);
	sbuf_init(&b, 16u << 20);
	sbuf_reserve(&b, 1);
	b.p[0] = '\0';
	for (int idle = 0; idle < 3000; idle++) {
		char piece[65536];
		loop_turn(loop, NS_PER_MS);
		ssize_t n = read(fd, piece, sizeof(piece));
		if (n == 0)
			return until == NULL ? b.p : "UNEXPECTED END";
		if (n < 0)
			continue;
		idle = 0;
		sbuf_add(&b, str_of(piece, (size_t)n));
		if (until != NULL && strstr(b.p, until) != NULL)
			return b.p;
	}
	return "NO ANSWER";
}

static void
say(int fd, const char *text)
{
	OK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
}

static const char *
ask(const char *socket, const char *text)
{
	int fd = dial(socket);
	say(fd, text);
	const char *answer = hear(fd, NULL);
	close(fd);
	return answer;
}

static void
test_talks(void)
{
	IS_STR(ask("a", "show cli level\n"), "admin\n\n");
	IS_STR(ask("u", "show cli level;show cli sockets\nmore\n"),
	       "user\n\nPermission denied: that needs level operator, this session has user\n\n");
	OK(strstr(ask("a", "show cli sockets\n"), "/u user all\n") != NULL);
	int fd = dial("a");
	say(fd, "prompt\n");
	IS_STR(hear(fd, "> "), "\n> ");
	say(fd, "echo one;echo two\n");
	IS_STR(hear(fd, "> "), "one\n\ntwo\n\n> ");
	// Half-closed: what was sent before is still answered.
	say(fd, "echo three\nlate\necho four\n");
	shutdown(fd, SHUT_WR);
	late = false;
	for (int i = 0; i < 3000 && !late; i++)
		loop_turn(loop, NS_PER_MS);
	struct cli_session *s = cli_deref(late_ref);
	OK(s != NULL);
	if (s != NULL) {
		OK(cli_peer(s)->known && cli_peer(s)->uid == getuid());
		OK(cli_peer(s)->pid == getpid());
		cli_printf(s, "late");
		cli_done(s);
	}
	IS_STR(hear(fd, NULL), "three\n\n> late\n\n> four\n\n> ");
	close(fd);
}

static void
test_large(void)
{
	const char *answer = ask("a", "rows\n");
	size_t n = strlen(answer);
	OK(n > 2000000 && strcmp(answer + n - 8, "\nrow 1\n\n") == 0);
}

static void
test_hangup(void)
{
	int fd = dial("a");
	say(fd, "late\n");
	late = false;
	for (int i = 0; i < 3000 && !late; i++)
		loop_turn(loop, NS_PER_MS);
	close(fd);
	struct cli_session *s = cli_deref(late_ref);
	OK(late && s != NULL);
	if (s != NULL) {
		cli_printf(s, "to nobody");
		cli_done(s);
	}
	for (int i = 0; i < 50; i++)
		loop_turn(loop, NS_PER_MS);
	OK(cli_deref(late_ref) == NULL);
	IS_STR(ask("a", "echo still here\n"), "still here\n\n");
}

static void
test_timeout(void)
{
	int fd = dial("a");
	say(fd, "prompt i;set timeout cli 30ms\n");
	IS_STR(hear(fd, NULL), "\n\n");
	close(fd);
}

static void
test_maxconn(void)
{
	int one = dial("a"), two = dial("a");
	say(one, "prompt i\n");
	say(two, "prompt i\n");
	IS_STR(hear(one, "\n"), "\n");
	IS_STR(hear(two, "\n"), "\n");
	int three = dial("a"); // stats maxconn 2: waits its turn
	say(three, "echo mine\n");
	char c;
	for (int i = 0; i < 30; i++)
		loop_turn(loop, NS_PER_MS);
	OK(read(three, &c, 1) < 0);
	close(one);
	IS_STR(hear(three, NULL), "mine\n\n");
	close(two);
	close(three);
}

static void
test_serving(enum net_engine engine)
{
	char text[512];
	snprintf(text, sizeof(text),
		 "global\n stats socket %s/a level admin mode 600\n"
		 " stats socket %s/u level user\n stats maxconn 2\n",
		 dir, dir);
	bool good;
	struct conf *c = load(text, &good);
	OK(good);
	struct cli *cli = cli_new(modules, 2);
	struct err err = {""};
	struct cli_server *srv = cli_server_new(cli, cli_conf_of(c), &err);
	IS_STR(err.text, "");
	char path[128];
	struct stat st;
	snprintf(path, sizeof(path), "%s/a", dir);
	OK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
	struct net_config net = {.engine = engine};
	loop = loop_new(&net, &err);
	OK(loop != NULL && srv != NULL);
	if (loop == NULL || srv == NULL)
		return;
	cli_server_start(srv, loop);
	test_talks();
	test_large();
	test_hangup();
	test_timeout();
	test_maxconn();
	int fd = dial("a"); // open at the stop
	say(fd, "late\n");
	for (int i = 0; i < 20; i++)
		loop_turn(loop, NS_PER_MS);
	cli_server_stop(srv);
	cli_server_free(&srv);
	close(fd);
	loop_free(&loop);
	OK(stat(path, &st) != 0);
	cli_free(&cli);
	conf_free(&c);
}

int
main(void)
{
	snprintf(dir, sizeof(dir), "/tmp/tidegate-cli-XXXXXX");
	if (mkdtemp(dir) == NULL)
		return 1;
	test_config();
	test_serving(NET_ENGINE_EPOLL);
	char why[128];
	if (net_uring_usable(why, sizeof(why)))
		test_serving(NET_ENGINE_URING);
	OK(rmdir(dir) == 0);
	return tap_done();
}
