// SPDX-License-Identifier: MIT
// Inside of named pattern sets. pattern_table.c: the entries of one version; pattern_ref.c: sets
// and what changes them; pattern_gen.c: what requests look into, and when it is freed.
#pragma once

#include <stdatomic.h>

#include "base/sbuf.h"
#include "expr/pattern_priv.h"
#include "expr/pattern_ref.h"
#include "net/worker.h"

// The bytes of keys and values. Counted by what points into it; the keeper's.
struct pattern_text {
	unsigned refs;
	struct arena arena;
};
struct pattern_text *pattern_text_new(void);
void pattern_text_unref(struct pattern_text **t);

struct table_entry {
	struct str key, value;
	int64_t id;     // kept when the value changes
	uint32_t same;  // next entry of the same key: its index + 1
	uint32_t after; // the one that took its place and id: its index + 1
	int line;       // of its file; 0: came at run time
	bool took;      // the place of another
	bool live;
	bool dying; // dead since the last publish
};

// Entries in order of appearance, and the first of each key. Dead ones stay until a rebuild.
struct pattern_table {
	uint32_t version;
	struct table_entry *entry;
	size_t n, cap, n_live;
	uint32_t *slot; // index + 1 of a key's first entry; open addressing
	size_t n_slots, n_keys;
	uint64_t seed; // of the keys' hashes
	struct pattern_text *text;
};
void pattern_table_init(struct pattern_table *t, uint32_t version);
void pattern_table_fini(struct pattern_table *t);
// Indexes of live entries; SIZE_MAX: none.
size_t pattern_table_find(const struct pattern_table *t, struct str key);
size_t pattern_table_find_id(const struct pattern_table *t, int64_t id);
size_t pattern_table_next_same(const struct pattern_table *t, size_t i);
// What stands now where entry i stood first, so that all come in the order of ids; NULL: nothing,
// or entry i stands in another's place.
const struct table_entry *pattern_table_latest(const struct pattern_table *t, size_t i);
// The last entry takes the place of entry i, which ends.
void pattern_table_replace(struct pattern_table *t, size_t i);
// Key and value must live as long as t->text.
void pattern_table_append(struct pattern_table *t, struct str key, struct str value, int64_t id,
			  int line);
void pattern_table_kill(struct pattern_table *t, size_t i);
// The same without the dead, in the order of ids, with bytes of its own.
void pattern_table_compact(const struct pattern_table *from, struct pattern_table *to);

// A built list over a range of entries. Immutable, but for items' dead flags.
struct pattern_part {
	unsigned refs; // generations; the keeper's
	struct arena arena;
	struct pattern_list *list;
	struct pattern_text *text;
};

// What a request sees of one use.
struct pattern_gen {
	struct pattern_part *base;  // the first n_base entries
	struct pattern_part *delta; // those behind; NULL: none
	struct pattern_gen *next;   // of those that wait to be freed
};

struct pattern_use {
	struct pattern_use *next;
	struct pattern_ref *ref;
	struct pattern_opts opts;
	enum sample_type type;
	_Atomic(struct pattern_gen *) now;
};

struct pattern_ref {
	struct pattern_ref *next;
	struct pattern_refs *refs;
	struct str name;                   // without file@ and opt@; empty: of an ACL's words
	const struct pattern_words *words; // or NULL
	struct str title;                  // what messages call it
	unsigned number;
	bool numbered;
	bool chosen; // the number is the configuration's, of -u
	bool is_map;
	bool absent; // opt@ and there was no file
	const char *file;
	int line;
	struct sbuf used_too;
	struct pattern_use *uses; // none of an ACL's words that nobody asked for yet
	struct pattern_use own;   // theirs
	struct pattern_table live;
	size_t n_base; // entries that the bases were built from
	int64_t next_id;
	uint32_t version, next_version, rebuilds;
	struct pattern_table *prepared; // PATTERN_REF_MAX_VERSIONS; NULL: none was ever
	size_t n_prepared;
	// since the last publish
	size_t batch_from; // the first entry that came
	uint32_t *dying;   // indexes of those that ended
	size_t n_dying, cap_dying;
	bool whole; // a rebuild is needed
	uint64_t logged_ns;
	uint64_t file_hash;   // pattern_kept.c: of what the file gave
	uint64_t text_hash;   // of its text, when it was read or written; 0: there was none
	uint64_t dumped_hash; // as file_hash, of the last whole dump
};

struct pattern_refs {
	struct pattern_ref *first, **tail;
	bool numbered;               // all are, and new ones at once
	struct pattern_gen *waiting; // to be freed when all workers have turned once more
	struct pattern_gen *leaving; // the workers are turning
	struct msg publish;
	bool publish_posted;
	atomic_uint posted;
	void (*changed)(void *arg, struct pattern_ref *r, bool by_rules); // pattern_kept.h
	bool publishing_posted;
	void *changed_arg;
};

// Those of a set, made when there are none; and one more, at the end, without entries.
struct pattern_refs *pattern_refs_of(struct expr_set *set);
struct pattern_ref *pattern_ref_add(struct expr_env *env, bool is_map);
// What requests would look into, so that it can be asked and changed: of an ACL's words.
void pattern_ref_open(struct pattern_ref *r);

// Builds the base of a use from the live table. False with *err: FILE:LINE and what is wrong.
bool pattern_gen_first(struct pattern_use *u, struct err *err);
// Entry as this use wants it?
bool pattern_gen_check(const struct pattern_use *u, struct str key, struct str value,
		       struct err *err);
// Publishes the live table to every use: as a delta, or rebuilt where r->whole says so or it pays.
void pattern_gen_publish(struct pattern_ref *r);
void pattern_gen_free_all(struct pattern_refs *refs);

// Each line of a file that is no comment: as HAProxy cuts it. The bytes are in `arena`.
typedef bool (*pattern_line_f)(void *arg, struct str key, struct str value, int line,
			       struct err *err);
// An ACL's pattern is the whole line, which begins with no blank; a map's key ends at the first
// blank, its value is the rest without blanks around it.
void pattern_line_cut(struct str line, bool map, struct str *key, struct str *value);
// A line "KEY VALUE", or "KEY", would give this entry when it is read.
bool pattern_file_holds(bool map, struct str key, struct str value);
// *hash: of the text as it stands.
bool pattern_file_read(struct arena *arena, const char *path, bool map, pattern_line_f fn,
		       void *arg, uint64_t *hash, struct err *err);
// Goes on from `before`, 0 at first, with an entry as files give them: the set's file_hash.
uint64_t pattern_kept_hash(uint64_t before, struct str key, struct str value);
