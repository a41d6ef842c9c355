// SPDX-License-Identifier: MIT
// The runtime command line: rows of commands and what a command's function may do. A command is
// a const struct cli_command in its folder's `struct module`; the framework matches its words,
// checks level and argument count, and runs it on the keeper, one command of a session at a time.
//
// Answers. Add text with cli_add, cli_printf or cli_add_json, or refuse with cli_error, which
// answers one clear sentence and marks the command failed. Lines end with \n; the framework
// completes the last one, keeps an empty line from looking like the end of an answer, and ends
// each answer with an empty line. A command that has nothing to say answers nothing.
//
// Time. A function must not block. It returns
//   CLI_DONE  the answer is complete;
//   CLI_MORE  call the function given to cli_continue again once the client took what is there
//             (large outputs: fill while cli_room() > 0, then return CLI_MORE);
//   CLI_WAIT  something else finishes it: keep cli_ref(s) in the message that travels, and when
//             it is back on the keeper `if ((s = cli_deref(ref)) != NULL) { cli_printf(s, ...);
//             cli_done(s); }`. The ref is of this command only: it answers NULL once the client
//             hung up.
//
// All functions here: keeper thread only, except that a struct cli_ref may be carried anywhere.
// Strings given to a command live until the command is done.
#pragma once

#include "base/module.h"
#include "base/str.h"

struct cli;         // rows, sessions, what is bound
struct cli_session; // one client and its command under way

enum cli_level { CLI_USER, CLI_OPERATOR, CLI_ADMIN };

enum cli_status { CLI_DONE, CLI_MORE, CLI_WAIT };

enum cli_flags {
	CLI_PAYLOAD = 1,  // may be followed by << and text; others refuse one
	CLI_ENDLESS = 2,  // goes on until the client sends something or hangs up ("watch")
	CLI_HIDDEN = 4,   // not listed by help
	CLI_PREFIX = 8,   // the row's word begins the line's first word ("@1"), which is argv[0]
	CLI_CHANGES = 16, // changes the service: a line in its log says who did it
	CLI_SECRET_LAST = 32, // without a payload, the last argument is not for the log
};

#define CLI_MAX_ARGS 64
#define CLI_ANY_ARGS CLI_MAX_ARGS

// What the client wrote after the row's own words.
struct cli_args {
	int argc;
	const struct str *argv; // NUL-terminated; argv[i] beyond argc is empty up to CLI_MAX_ARGS
	struct str payload;     // lines as sent, each with its \n; NUL-terminated
	bool has_payload;
	const struct cli_command *row;
};

typedef enum cli_status (*cli_run_f)(struct cli_session *, const struct cli_args *);
typedef enum cli_status (*cli_more_f)(struct cli_session *, void *state);
typedef void (*cli_free_f)(void *state);

// One command. Tables end with words == NULL. Of several rows whose words begin a line, the one
// with most words is taken ("show policy errors" before "show policy").
struct cli_command {
	const char *words;    // "set var"
	enum cli_level level; // least level that may run it; others get "Permission denied"
	const char *args;     // for help and refusals: "NAME VALUE [ttl TIME]"; NULL: none
	uint8_t min_args;     // fewer are refused with the row's usage
	uint8_t max_args;     // more are refused; CLI_ANY_ARGS: no bound but the parser's
	uint8_t flags;        // enum cli_flags
	cli_run_f run;
	const char *help; // one line, lower case, no full stop
	const void *arg;  // for functions that serve several rows: args->row->arg
};

// ---- answering

void cli_add(struct cli_session *s, struct str text);
void cli_printf(struct cli_session *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
// A JSON string with its quotes.
void cli_add_json(struct cli_session *s, struct str text);
// An answer that is a sentence rather than data ("ok maint gen 12 ..."), severity 6.
void cli_msg(struct cli_session *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
// Refuses: one sentence, severity 3. Returns CLI_DONE, so `return cli_error(s, ...)` reads well
// in a command; in a CLI_WAIT command's end call cli_done after it.
enum cli_status cli_error(struct cli_session *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
// A remark beside the answer, severity 4; the command is not failed.
void cli_warn(struct cli_session *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
// Refuses with the row's usage line.
enum cli_status cli_usage(struct cli_session *s, const struct cli_args *args);

// ---- large and late answers

// Bytes that still fit the chunk being filled; 0: return CLI_MORE. An answer added without
// looking may grow to the session's hard cap (1 MiB), beyond it is cut with an error.
size_t cli_room(const struct cli_session *s);
// Sets what CLI_MORE calls, with a state that free_state (may be NULL) releases when the command
// is over, whatever the reason. For CLI_WAIT too: then `more` may be NULL.
void cli_continue(struct cli_session *s, cli_more_f more, void *state, cli_free_f free_state);
// The state given to cli_continue, NULL before.
void *cli_state(const struct cli_session *s);

// Something of this session that outlives the command, by a constant name: `object` takes the place
// of what was kept under it, which its free_object (may be NULL) releases; so does the session's
// end. NULL keeps nothing.
#define CLI_MAX_KEPT 4
void cli_keep(struct cli_session *s, const char *name, void *object, cli_free_f free_object);
void *cli_kept(const struct cli_session *s, const char *name); // NULL: nothing

struct cli_ref {
	struct cli *cli;
	uint32_t slot;
	uint32_t generation;
};
struct cli_ref cli_ref(const struct cli_session *s);
// The session, if it still waits in the very command that took the ref; else NULL.
struct cli_session *cli_deref(struct cli_ref ref);
// Ends a CLI_WAIT command. Also allowed before its function returned CLI_WAIT. The session may be
// gone afterwards: do not touch it.
void cli_done(struct cli_session *s);
// Completes the line, sends what was added so far and goes on waiting. Do not touch the session
// afterwards except through cli_deref.
void cli_flush(struct cli_session *s);

// ---- who asks

#define CLI_PEER_GROUPS 64

struct cli_peer {
	bool known; // uid, gid and pid are the kernel's word (unix sockets)
	uint32_t uid, gid;
	int32_t pid;
	uint32_t groups[CLI_PEER_GROUPS]; // the further ones, n_groups of them
	uint32_t n_groups;
	char from[64]; // "unix:/run/tidegate.sock", "tcp:127.0.0.1:40312"; for logs and the write
		       // log
};

// Whether the kernel says so; false for a peer that is not known.
bool cli_peer_in_group(const struct cli_peer *peer, uint32_t gid);
enum cli_level cli_level(const struct cli_session *s);
const char *cli_level_name(enum cli_level level);
const struct cli_peer *cli_peer(const struct cli_session *s);
// The user's name, or where it comes from: who a write is charged to, whose hold a set takes. The
// same for all sessions of a user, as tidectl --file has it too.
struct str cli_who(const struct cli_session *s);

// ---- the instance

// Collects the rows of the modules (n pointers); they and their tables outlive it. The
// framework's own commands (help, prompt, quit, ...) are in cli_module like anybody's.
struct cli *cli_new(const struct module *const *modules, size_t n);
// One more row, which outlives it. Rows before it win over it where they have the same words.
void cli_add_row(struct cli *cli, const struct cli_command *row);
// Every session must have been closed.
void cli_free(struct cli **cli);
// Objects that commands work on, by name: main binds "vars", "policy", ...; commands look up.
void cli_bind(struct cli *cli, const char *name, void *object);
void *cli_bound(const struct cli_session *s, const char *name); // NULL when nobody bound it
// Longest payload; default CLI_PAYLOAD_BYTES. Before the first session.
#define CLI_PAYLOAD_BYTES (1u << 20)
void cli_set_max_payload(struct cli *cli, size_t bytes);
// Walks the rows in order; NULL at the end. For printed references and lint.
const struct cli_command *cli_row(const struct cli *cli, size_t i);

// Framework commands (help, prompt, quit, echo, ...) and the `stats` lines of section global.
extern const struct module cli_module;
