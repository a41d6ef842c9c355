// SPDX-License-Identifier: MIT
// The prompt: what is typed goes to the daemon as it is, in one long session. Each line is
// followed by an echo of a word nobody types, whose answer tells that all answers before it are
// complete.
#include "tidectl/console.h"

#include <editline/readline.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "tidectl/link.h"
#include "tidectl/show.h"

#define HISTORY_LINES  500
#define HELP_CAP_BYTES (4u << 20)

struct console {
	int fd;
	char mark[40];
	struct answers answers;
	struct sbuf out; // collects until the mark is seen
	char *help;      // the commands, one a line
};

// Reads until the mark stands in what was collected, printing what comes before it when `show`.
static bool
read_to_mark(struct console *c, bool show)
{
	struct str mark = str_from_c(c->mark);
	for (;;) {
		struct str got = sbuf_str(&c->out);
		size_t at = str_find(got, mark);
		size_t ready = at;
		if (at == SIZE_MAX) // whole lines only
			for (ready = got.n; ready > 0 && got.p[ready - 1] != '\n';)
				ready--;
		if (show && ready > 0) {
			show_text(stdout, str_slice(got, 0, ready));
			fflush(stdout);
		}
		if (at != SIZE_MAX)
			return true;
		if (show)
			sbuf_clear(&c->out);
		char piece[65536];
		ssize_t n = read(c->fd, piece, sizeof(piece));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		answers_feed(&c->answers, str_of(piece, (size_t)n));
	}
}

static bool
exchange(struct console *c, struct str text, bool show)
{
	struct sbuf b;
	sbuf_init(&b, 64u << 20);
	sbuf_add(&b, text);
	sbuf_printf(&b, "\necho %s\n", c->mark);
	sbuf_clear(&c->out);
	bool good = !b.full && link_send(c->fd, sbuf_str(&b)) && read_to_mark(c, show);
	sbuf_fini(&b);
	return good;
}

// An endless command goes on until Enter; the empty line sent then stops it.
static bool
watch(struct console *c, struct str line)
{
	sbuf_clear(&c->out);
	struct sbuf b;
	sbuf_init(&b, 65536);
	sbuf_add(&b, line);
	sbuf_add_byte(&b, '\n');
	bool good = !b.full && link_send(c->fd, sbuf_str(&b));
	sbuf_fini(&b);
	printf("(Enter stops)\n");
	while (good) {
		struct pollfd p[2] = {{.fd = c->fd, .events = POLLIN},
				      {.fd = STDIN_FILENO, .events = POLLIN}};
		if (poll(p, 2, -1) < 0)
			continue; // interrupted
		char piece[4096];
		if (p[1].revents != 0) {
			good = read(STDIN_FILENO, piece, sizeof(piece)) >= 0;
			break;
		}
		ssize_t n = read(c->fd, piece, sizeof(piece));
		if (n <= 0)
			return false;
		answers_feed(&c->answers, str_of(piece, (size_t)n));
		show_text(stdout, sbuf_str(&c->out));
		sbuf_clear(&c->out);
	}
	return good && exchange(c, STR(""), true);
}

// The word of a `<<WORD` at the line's end; .p is NULL when there is none.
static struct str
payload_mark(struct str line)
{
	while (line.n > 0 && line.p[line.n - 1] == ' ')
		line.n--;
	size_t at = line.n;
	while (at > 0 && line.p[at - 1] != ' ')
		at--;
	struct str last = str_slice(line, at, line.n);
	return at > 0 && str_starts(last, STR("<<")) ? str_slice(last, 2, last.n) : STR_NULL;
}

// Asks for the payload's lines behind their own prompt.
static void
read_payload(struct sbuf *b, struct str mark)
{
	for (char *more; (more = readline("+ ")) != NULL;) {
		struct str line = str_from_c(more);
		bool last = str_eq(line, mark);
		sbuf_add_byte(b, '\n');
		sbuf_add(b, line);
		mem_free(more);
		if (last)
			return;
	}
}

static bool
perform_line(struct console *c, struct str line)
{
	if (str_starts(line, STR("watch ")))
		return watch(c, line);
	struct sbuf b;
	sbuf_init(&b, 64u << 20);
	sbuf_add(&b, line);
	struct str mark = payload_mark(line);
	if (mark.p != NULL)
		read_payload(&b, mark);
	bool good = exchange(c, sbuf_str(&b), true);
	sbuf_fini(&b);
	return good;
}

// ---- completion: what may follow the words before the cursor, from the daemon's own help

// libedit's generators take no argument.
static const struct console *completing;

static char *
next_completion(const char *text, int again)
{
	static const char *at;
	static size_t typed;
	static struct str last; // rows of one beginning stand together: it is offered once
	if (!again) {
		last = STR_NULL;
		at = completing->help;
		typed = (size_t)rl_point - strlen(text);
	}
	while (at != NULL && *at != '\0') {
		struct str line = str_of(at, strcspn(at, "\n"));
		at += line.n + (at[line.n] == '\n');
		if (!str_starts(line, STR("  ")))
			continue;
		line = str_slice(line, 2, line.n);
		struct str before = str_of(rl_line_buffer, typed);
		struct str word = str_slice(line, typed, line.n);
		word.n = MIN(word.n, str_find_byte(word, ' '));
		if (str_starts(line, before) && word.n > 0 && str_starts(word, str_from_c(text)) &&
		    word.p[0] >= 'a' && word.p[0] <= 'z' && !str_eq(word, last)) {
			last = word;
			char *copy = mem_zalloc(word.n + 1);
			memcpy(copy, word.p, word.n);
			return copy;
		}
	}
	return NULL;
}

static char **
complete(const char *text, int from, int to)
{
	(void)from;
	(void)to;
	rl_attempted_completion_over = 1; // no file names
	return rl_completion_matches(text, next_completion);
}

static bool
begin(struct console *c)
{
	if (!exchange(c, STR("prompt i\nset severity-output line\nhelp"), false))
		return false;
	c->help = mem_strdup(c->out.n > 0 ? c->out.p : "");
	c->answers.refused = 0;
	completing = c;
	rl_readline_name = "tidectl";
	rl_attempted_completion_function = complete;
	using_history();
	stifle_history(HISTORY_LINES);
	return true;
}

static void
converse(struct console *c)
{
	bool open = true;
	while (open) {
		char *line = readline("tidegate> ");
		if (line == NULL)
			break;
		struct str s = str_trim(str_from_c(line));
		if (s.n > 0) {
			add_history(line);
			open = perform_line(c, s);
		}
		if (!open && !str_eq(s, STR("quit")))
			fprintf(stderr, "tidectl: the connection has ended\n");
		mem_free(line);
	}
}

int
console_run(const char *path)
{
	struct err err;
	struct console c = {.fd = link_connect(path, &err)};
	if (c.fd < 0) {
		fprintf(stderr, "tidectl: %s\n", err.text);
		return EXIT_UNREACHABLE;
	}
	snprintf(c.mark, sizeof(c.mark), "tidectl-mark-%d", (int)getpid());
	answers_init(&c.answers);
	sbuf_init(&c.out, HELP_CAP_BYTES);
	c.answers.out = c.answers.refusals = &c.out;
	int status = EXIT_UNREACHABLE;
	if (begin(&c)) {
		converse(&c);
		status = EXIT_DONE;
	} else {
		fprintf(stderr, "tidectl: %s does not speak tidegate's language\n", path);
	}
	(void)close(c.fd); // nothing is under way
	mem_free(c.help);
	answers_fini(&c.answers);
	sbuf_fini(&c.out);
	return status;
}
