// SPDX-License-Identifier: MIT
// What the framework's files share: the instance, the session, and the output filter.
#pragma once

#include "base/log.h"
#include "base/sbuf.h"
#include "cli/cli.h"
#include "cli/parse.h"
#include "cli/session.h"

#define CLI_MAGIC         0xc11a0001u
#define CLI_SESSION_MAGIC 0xc11a0002u
#define CLI_MAX_BOUND     16

enum cli_severity { CLI_SEV_ERROR = 3, CLI_SEV_WARNING = 4, CLI_SEV_INFO = 6, CLI_SEV_DATA = 7 };

// How severities show: not at all, as HAProxy does before the first line of a message, or before
// every line of every answer, which makes output and refusals tellable apart beyond doubt.
enum cli_severity_format { CLI_FORMAT_NONE, CLI_FORMAT_NUMBER, CLI_FORMAT_STRING, CLI_FORMAT_LINE };

struct cli_slot {
	struct cli_session *session; // NULL: free
	uint32_t generation; // one higher with each command that ended and each session closed
};

struct cli {
	uint32_t magic;
	const struct cli_command **rows;
	size_t n_rows, rows_cap;
	struct cli_slot *slots;
	size_t n_slots, slots_cap;
	struct {
		const char *name;
		void *object;
	} bound[CLI_MAX_BOUND];
	size_t n_bound;
	size_t max_payload;
	struct log_rate audit;
	void (*list_sockets)(struct cli_session *s, void *arg); // "show cli sockets"
	void *list_sockets_arg;
};

enum cli_state {
	CLI_STATE_LINE,         // awaits a whole line
	CLI_STATE_PAYLOAD,      // awaits the payload's last line
	CLI_STATE_COMMANDS,     // works through the commands of a line
	CLI_STATE_SKIP_LINE,    // drops the rest of a line too long
	CLI_STATE_SKIP_PAYLOAD, // drops the rest of a payload too long
	CLI_STATE_OVER,         // drops whatever comes
};

// Input is in.p[in_at .. in.n). A line and its payload stay in place until all commands of the
// line are done, and nothing is fed meanwhile: what commands hold points into it.
struct cli_session {
	uint32_t magic;
	uint32_t slot;
	struct cli *cli;
	cli_wake_f wake;
	void *owner;
	enum cli_level level;
	struct cli_peer peer;
	char who[96];
	uint64_t timeout_ns;

	enum cli_state state;
	bool interactive, prompt, eof;
	struct sbuf in;
	size_t in_at, scan; // scan: bytes before it hold no newline not yet seen
	size_t line_n;      // of the line at in_at, without \r and newline
	size_t next_command;
	size_t payload_at, payload_n;
	size_t line_end; // unread bytes that belong to the line: itself, its payload, its delimiter
	char delimiter[CLI_DELIMITER_BYTES + 1];
	struct cli_words words;

	const struct cli_command *row; // under way, or NULL
	enum cli_status status;
	bool in_call, done_early, cut;
	bool failed; // the command under way was refused
	struct cli_args args;
	cli_more_f more;
	void *more_state;
	cli_free_f free_state;
	unsigned idle_calls;
	struct {
		const char *name; // NULL: free
		void *object;
		cli_free_f free_object;
	} kept[CLI_MAX_KEPT];

	struct sbuf out;
	enum cli_severity_format format;
	bool mid_line;      // the last byte put out is not a newline
	uint8_t line_sev;   // of the line being written
	unsigned held_back; // newlines of empty lines, put out only if text follows
};

// output.c: text of a severity into the answer; `first` begins a message.
void cli_out(struct cli_session *s, enum cli_severity sev, struct str text, bool first);
// Completes the line under way, if any.
void cli_out_line_end(struct cli_session *s);
// Ends an answer: completes its last line and adds the empty one.
void cli_out_end(struct cli_session *s);
// Bytes outside any answer: prompts.
void cli_out_raw(struct cli_session *s, struct str text);

// audit.c: after the function of a command, which may still wait for the outcome.
void cli_audit(const struct cli_session *s);

// session.c: goes on until something is waited for.
void cli_session_run(struct cli_session *s);

static inline struct str
cli_unread(const struct cli_session *s)
{
	return str_of(s->in.p != NULL ? s->in.p + s->in_at : "", s->in.n - s->in_at);
}

// session_line.c
// Takes a line, one of its payload, or what is dropped; false when there is none yet.
bool cli_line_step(struct cli_session *s);
void cli_drop_input(struct cli_session *s, size_t n);
// The next line, or the end where the session has had its one.
void cli_await_line(struct cli_session *s);

// session_command.c
// Runs the line's next command, or ends the line.
bool cli_command_next(struct cli_session *s);
// One step of the command under way; false when it must wait.
bool cli_command_go_on(struct cli_session *s);
// What the function of the command under way returned, or is taken to have.
void cli_command_settle(struct cli_session *s, enum cli_status status);
// Ends the command under way, if any, and what was kept for it.
void cli_command_end(struct cli_session *s);

// registry.c: the row that these words begin with, the longest first; *n_words how many it took.
const struct cli_command *cli_match(const struct cli *cli, const struct cli_words *words,
				    int *n_words);
// suggest.c: lists the rows close to the words; none found: all that the level may run.
void cli_answer_unknown(struct cli_session *s, const struct cli_words *words);
void cli_answer_help(struct cli_session *s, const struct cli_args *filter);
