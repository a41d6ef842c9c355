// SPDX-License-Identifier: MIT
// Patterns: what an ACL or a map compares a sample with. A pattern list is filled while parsing
// from words, then built once into its searchable form: a hash for whole strings, a trie of
// hashes for their parts, hashes of networks (longest prefix), ranges of integers, PCRE2 JIT.
// A built list is immutable and read by any number of threads without a lock. What stands in
// files, and may change at run time, is pattern_ref.h.
#pragma once

#include "base/err.h"
#include "expr/sample.h"

struct expr_set;
struct pattern_list;

enum pat_match {
	PAT_NONE, // not said and no default: an error at parse
	PAT_FOUND,
	PAT_BOOL,
	PAT_INT,
	PAT_IP,
	PAT_BIN,
	PAT_LEN,
	PAT_STR,
	PAT_BEG,
	PAT_SUB,
	PAT_DIR,
	PAT_DOM,
	PAT_END,
	PAT_REG,
	PAT_VALUE, // bool or int, by the sample's type when it runs (fetches of type SMP_ANY)
	PAT_N,
};

struct pattern_opts {
	enum pat_match match;
	bool icase;
	bool map;          // lines and pairs carry a value
	bool with_default; // HAProxy's operators: words may be eq ge gt le lt before integers
};

// An entry that matched. value is empty for ACLs.
struct pattern_entry {
	struct str key;
	struct str value;
	int64_t id;
	struct sample typed; // value as the map's output type wants it
};

const char *pat_match_name(enum pat_match m);
bool pat_match_parse(struct str word, enum pat_match *out);
// How samples of a declared type are compared when no -m says otherwise.
enum pat_match pat_match_default(enum sample_type t);
// The type a sample must be cast to before this match; SMP_ANY: as it is.
enum sample_type pat_match_type(enum pat_match m);

// Empty list in `arena`. Never NULL: the arena of a configuration is uncapped in practice.
struct pattern_list *pattern_list_new(struct arena *arena, const struct pattern_opts *opts);
// Room for n more before the first is added: a large list's in large pages, without growing.
void pattern_list_reserve(struct pattern_list *l, size_t n);
// Words after the flags of an ACL; operators as HAProxy has them. Copies nothing: words live.
bool pattern_list_add_words(struct pattern_list *l, int argc, const struct str *argv,
			    struct err *err);
bool pattern_list_add(struct pattern_list *l, struct str key, struct str value, struct err *err);
// Must be called once, before the first match. False: a regex did not compile and the like.
bool pattern_list_build(struct pattern_list *l, struct err *err);
// Frees what the arena does not hold (regex code, trees).
void pattern_list_fini(struct pattern_list *l);
size_t pattern_list_count(const struct pattern_list *l);
// Every entry, for `show acl` and `show map`; i from 0; NULL at the end.
const struct pattern_entry *pattern_list_at(const struct pattern_list *l, size_t i);

// The sample must have pat_match_type's type. NULL: no match. The order of a map is kept: the
// first entry for sub, dir, dom, reg, end; the longest for beg and ip; any equal for str.
const struct pattern_entry *pattern_match(const struct pattern_list *l, const struct sample *s,
					  struct sample_ctx *ctx);

// Regular expressions for whoever needs one (regsub, replace-header, path_reg). PCRE2 with JIT,
// match limits set, no allocation at match time.
struct regex;
struct regex *regex_new(struct str pattern, bool icase, struct err *err);
void regex_free(struct regex **re);
// One of the configuration's, which is freed with the set; none once requests are served.
struct regex *expr_set_regex(struct expr_set *set, struct str pattern, bool icase, struct err *err);
#define REGEX_GROUPS 10
// Group i spans [from[i], to[i]); SIZE_MAX: did not take part. groups may be NULL.
struct regex_groups {
	size_t from[REGEX_GROUPS], to[REGEX_GROUPS];
	int n;
};
bool regex_match(const struct regex *re, struct str text, struct regex_groups *groups);
// Puts groups into a template with \0..\9, \n... as HAProxy's exp_replace. False: arena full.
bool regex_expand(struct str subst, struct str text, const struct regex_groups *groups,
		  struct arena *arena, struct str *out);
