// SPDX-License-Identifier: MIT
// A line http-check or tcp-check being read: conf_health_line.c takes its words, for
// conf_health_steps.c and conf_health_expect.c. What returns false has said why in err.
#pragma once

#include "proxy/conf_health.h"

struct check_line {
	struct conf *conf;
	const struct conf_line *line;
	int at;
	bool http;
	struct check_step *step;
	struct health_request *request; // http-check send
	struct err *err;
};

// A word that may stand in a line, and what takes the words behind it. Rows end with name NULL.
struct check_word {
	const char *name;
	bool (*parse)(struct check_line *l, const char *name);
};

bool check_line_more(const struct check_line *l);
// The next word, which `what` needs.
bool check_line_take(struct check_line *l, const char *what, struct str *out);
bool check_line_take_int(struct check_line *l, const char *what, int64_t min, int64_t max,
			 int64_t *out);
// Where HAProxy takes a log format, a text without expressions is taken.
bool check_line_take_text(struct check_line *l, const char *what, struct str *out);
// The bytes that hexadecimal digits stand for.
bool check_line_take_hex(struct check_line *l, const char *what, struct str *out);
// The row of a word, or NULL.
const struct check_word *check_line_find(const struct check_word *row, struct str word);
// Rows' own: a comment; what is there in HAProxy only.
bool check_line_comment(struct check_line *l, const char *name);
bool check_line_refuse(struct check_line *l, const char *name);

bool check_line_expect(struct check_line *l); // conf_health_expect.c
