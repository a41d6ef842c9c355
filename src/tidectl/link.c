// SPDX-License-Identifier: MIT
// One request over the runtime socket. `set severity-output line` goes first on the same line, so
// that every line of the answer carries its severity: refusals go to standard error and into the
// exit status, whatever the output holds. An answer that ends early is no success.
#include "tidectl/link.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tidectl/show.h"
#include "tidectl/verbs.h"

#define ANSWER_CAP_BYTES (256u << 20)

const char *
link_default_path(char *buf, size_t room)
{
	const char *env = getenv("TIDEGATE_SOCKET");
	if (env != NULL && env[0] != '\0')
		return env;
	const char *dir = getenv("XDG_RUNTIME_DIR");
	if (dir != NULL && dir[0] != '\0') {
		snprintf(buf, room, "%s/tidegate.sock", dir);
		if (access(buf, F_OK) == 0)
			return buf;
	}
	// The service as packaged has a folder of its own, as it is not root.
	static const char packaged[] = "/run/tidegate/tidegate.sock";
	return access(packaged, F_OK) == 0 ? packaged : "/run/tidegate.sock";
}

int
link_connect(const char *path, struct err *err)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(to.sun_path)) {
		err_set(err, "the path '%s' is too long for a socket", path);
		return -1;
	}
	memcpy(to.sun_path, path, strlen(path));
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
		return fd;
	int cause = errno;
	if (fd >= 0)
		(void)close(fd); // nothing was sent
	const char *hint =
	    cause == EACCES
		? "This user may not use that socket; see its mode and group."
		: "Is tidegate running? 'systemctl status tidegate' says so of the service; by "
		  "hand it is\nstarted with 'tidegate -f FILE', or 'make run' for the example. "
		  "Its configuration needs 'global'\nwith 'stats socket PATH level admin'. "
		  "Another socket: -S PATH or TIDEGATE_SOCKET.";
	err_set(err, "cannot reach tidegate at %s: %s\n%s", path, strerror(cause), hint);
	return -1;
}

bool
link_send(int fd, struct str bytes)
{
	while (bytes.n > 0) {
		ssize_t n = send(fd, bytes.p, bytes.n, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		bytes = str_slice(bytes, (size_t)n, bytes.n);
	}
	return true;
}

// ---- answers

void
answers_init(struct answers *a)
{
	*a = (struct answers){.out_terminal = isatty(STDOUT_FILENO) != 0,
			      .err_terminal = isatty(STDERR_FILENO) != 0};
	sbuf_init(&a->line, ANSWER_CAP_BYTES);
}

void
answers_fini(struct answers *a)
{
	sbuf_fini(&a->line);
}

static void
put(struct sbuf *kept, FILE *stream, bool to_terminal, struct str line)
{
	if (kept != NULL) {
		sbuf_add(kept, line);
		sbuf_add_byte(kept, '\n');
		return;
	}
	if (stream == stderr)
		fflush(stdout); // both may be one file, a journal, where order tells
	if (to_terminal)
		show_text(stream, line);
	else
		fwrite(line.p, 1, line.n, stream);
	fputc('\n', stream);
}

static void
take_line(struct answers *a, struct str line)
{
	if (line.n == 0) {
		a->ended++;
		return;
	}
	int severity = 6;
	if (line.n >= 5 && line.p[0] == '[' && line.p[2] == ']') {
		severity = line.p[1] - '0';
		line = str_slice(line, 5, line.n);
	}
	a->refused += severity <= 3;
	if (severity <= 4)
		put(a->refusals, stderr, a->err_terminal, line);
	else
		put(a->out, stdout, a->out_terminal, line);
}

void
answers_feed(struct answers *a, struct str bytes)
{
	while (bytes.n > 0) {
		size_t n = str_find_byte(bytes, '\n');
		sbuf_add(&a->line, str_slice(bytes, 0, n));
		if (n == SIZE_MAX)
			return;
		take_line(a, sbuf_str(&a->line));
		sbuf_clear(&a->line);
		bytes = str_slice(bytes, n + 1, bytes.n);
	}
}

// ---- one request

enum heard { HEARD_END, HEARD_TIMEOUT, HEARD_ERROR };

static enum heard
hear(int fd, struct answers *a, int timeout_ms)
{
	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int ready = poll(&p, 1, timeout_ms);
		if (ready == 0)
			return HEARD_TIMEOUT;
		if (ready < 0 && errno != EINTR)
			return HEARD_ERROR;
		char piece[65536];
		ssize_t n = ready < 0 ? -1 : read(fd, piece, sizeof(piece));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return HEARD_ERROR;
		if (n == 0)
			return HEARD_END;
		answers_feed(a, str_of(piece, (size_t)n));
		if (a->out == NULL)
			fflush(stdout);
	}
}

static bool
say(int fd, const struct request *r)
{
	struct sbuf b;
	sbuf_init(&b, ANSWER_CAP_BYTES);
	sbuf_add(&b, STR("set severity-output line;"));
	sbuf_add(&b, sbuf_str(&r->line));
	sbuf_add_byte(&b, '\n');
	if (r->has_payload) {
		sbuf_add(&b, sbuf_str(&r->payload));
		sbuf_printf(&b, "%s\n", r->delimiter);
	}
	bool sent = !b.full && link_send(fd, sbuf_str(&b));
	sbuf_fini(&b);
	return sent;
}

static struct str
one_line(const struct sbuf *b)
{
	struct str s = sbuf_str(b);
	return s.n > 0 && s.p[s.n - 1] == '\n' ? str_slice(s, 0, s.n - 1) : s;
}

// What --json shows of an answer that is plain text.
static void
print_wrapped(bool good, const struct sbuf *out, const struct sbuf *refusals)
{
	struct sbuf json;
	sbuf_init(&json, ANSWER_CAP_BYTES);
	sbuf_printf(&json, "{\"ok\":%s,\"output\":", good ? "true" : "false");
	sbuf_add_json(&json, one_line(out));
	if (refusals->n > 0) {
		sbuf_add(&json, STR(",\"error\":"));
		sbuf_add_json(&json, one_line(refusals));
	}
	sbuf_add(&json, STR("}\n"));
	fwrite(json.p, 1, json.n, stdout);
	sbuf_fini(&json);
}

static int
conclude(const char *path, const struct answers *a, enum heard heard, bool sent, int timeout_ms)
{
	if (a->refused > 0)
		return EXIT_REFUSED;
	if (heard == HEARD_TIMEOUT)
		fprintf(stderr, "tidectl: no answer from %s within %d ms\n", path, timeout_ms);
	else if (heard == HEARD_ERROR || a->ended < 2 || !sent)
		fprintf(stderr, "tidectl: the connection to %s broke before the answer ended\n",
			path);
	else
		return EXIT_DONE;
	return EXIT_UNREACHABLE;
}

static int
reach(const char *path)
{
	struct err err;
	int fd = link_connect(path, &err);
	if (fd < 0)
		fprintf(stderr, "tidectl: %s\n", err.text);
	return fd;
}

// out, refusals NULL: printed as it comes. Closes fd.
static int
ask(int fd, const char *path, struct request *r, int timeout_ms, struct sbuf *out,
    struct sbuf *refusals)
{
	struct answers a;
	answers_init(&a);
	a.out = out;
	a.refusals = refusals;
	// A daemon that answered and closed while we still send is heard out.
	bool sent = say(fd, r);
	enum heard heard = hear(fd, &a, r->endless ? -1 : timeout_ms);
	int status = conclude(path, &a, heard, sent, timeout_ms);
	(void)close(fd); // all was read
	answers_fini(&a);
	return status;
}

int
link_collect(const char *path, struct request *r, int timeout_ms, struct sbuf *out)
{
	int fd = reach(path);
	return fd < 0 ? EXIT_UNREACHABLE : ask(fd, path, r, timeout_ms, out, NULL);
}

int
link_perform(const char *path, struct request *r, int timeout_ms)
{
	struct sbuf out, refusals;
	int fd = reach(path);
	if (fd < 0)
		return EXIT_UNREACHABLE;
	sbuf_init(&out, ANSWER_CAP_BYTES);
	sbuf_init(&refusals, ANSWER_CAP_BYTES);
	bool wrap = r->json && !r->native_json && !r->endless;
	int status = ask(fd, path, r, timeout_ms, wrap ? &out : NULL, wrap ? &refusals : NULL);
	if (wrap)
		print_wrapped(status == EXIT_DONE, &out, &refusals);
	if (fflush(stdout) != 0)
		status = EXIT_REFUSED;
	sbuf_fini(&out);
	sbuf_fini(&refusals);
	return status;
}
