// SPDX-License-Identifier: MIT
// Named pattern sets: the files (and virt@ names) that ACLs and maps look into, which commands,
// rules and scripts may change while the proxy runs. The keeper owns the entries; a request reads
// built lists. A change is published as a new generation behind one pointer of each use (an ACL's
// or a map converter's match, case and value type): a large list built once, and a small one of
// what was added since, so that one more entry of a million costs neither a request nor the
// keeper a rebuild. A generation is freed when every worker has passed a turn of its loop since;
// that is why a match's value is copied by whoever keeps it longer.
//
// Threads. Set-up, then the keeper, call everything here but pattern_use_match, pattern_ref_is_map
// and pattern_ref_post(_all), which any thread may.
#pragma once

#include "expr/expr.h"
#include "expr/pattern.h"

struct pattern_ref;
struct pattern_use;
struct workers;

#define PATTERN_REF_MAX_ENTRIES  ((size_t)1 << 24)
#define PATTERN_REF_MAX_VERSIONS 8 // prepared, not committed
#define PATTERN_LIVE             0 // the version that requests see

// The set `name` ("file@P", "P": a file that must be there; "opt@P": may be; "virt@N": no file),
// looked at in the way of opts, values typed as `type` (SMP_STR, SMP_INT, SMP_ADDR). While the
// configuration is read the file is loaded once for all its uses; at run time (txn.c:map_str) only
// what the configuration uses in that way is found. NULL with *err: file:line and what is wrong.
// Lives as long as the set.
struct pattern_use *pattern_use_get(struct expr_env *env, struct str name,
				    const struct pattern_opts *opts, enum sample_type type,
				    struct err *err);
// The words of one ACL, which commands know by number. Nobody looks into the set that is made of
// them until it is changed; from then on it stands for the list's items.
struct pattern_words {
	struct str keyword; // its criterion, as written
	struct pattern_opts opts;
	struct pattern_list *list; // which has the words; lives as long as the set
	bool constant;             // its answer has left conditions: it cannot change
};
// `id` of -u; below 0: a number that nobody chose. The struct is copied. False: the id is taken.
bool pattern_words_add(struct expr_env *env, int64_t id, const struct pattern_words *w,
		       struct err *err);
// Behind the configuration, before its lines are linked: gives numbers in its order to all that
// did not choose one.
void pattern_refs_number(struct expr_set *set);
// The entry, or NULL; good until the calling thread's loop turns. No lock, no allocation but
// ctx->arena's for texts over 512 bytes whose case does not count.
const struct pattern_entry *pattern_use_match(const struct pattern_use *u, const struct sample *s,
					      struct sample_ctx *ctx);
// The same of a regex map, with the groups of its match.
const struct pattern_entry *pattern_use_match_groups(const struct pattern_use *u, struct str text,
						     struct regex_groups *groups);
struct pattern_ref *pattern_use_ref(const struct pattern_use *u);

// ---- looking

// By number ("#3", "3") or name, with or without its file@, opt@; NULL: none.
struct pattern_ref *pattern_ref_find(struct expr_set *set, struct str name);
// By its number; NULL: none has it.
struct pattern_ref *pattern_ref_at(struct expr_set *set, size_t i);
// Each, in the order of their numbers; NULL at the end.
struct pattern_ref *pattern_ref_nth(struct expr_set *set, size_t i);

struct pattern_ref_info {
	struct str name;
	unsigned number;
	bool is_map; // entries have values
	size_t n_entries;
	uint32_t version, next_version; // of the live one; the next that prepare gives
	const char *used_in;            // file of the first use
	int used_line;
	struct str used_too; // the others: ", by acl at file 'X' line N"...
	struct str keyword;  // of an ACL's words; empty: a named set
};
bool pattern_ref_is_map(const struct pattern_ref *r); // its entries have values
void pattern_ref_info(const struct pattern_ref *r, struct pattern_ref_info *out);

// One entry behind *at of a version, which starts as {0}; false at the end or when there is no
// such version. While the set changes between two calls an entry may be missed or seen twice.
struct pattern_walk {
	size_t at;
	uint32_t rebuilds;
	int64_t last_id;
};
bool pattern_ref_next(const struct pattern_ref *r, uint32_t version, struct pattern_walk *w,
		      struct pattern_entry *out);
bool pattern_ref_has_version(const struct pattern_ref *r, uint32_t version);
// First entry of the live version with exactly this key.
bool pattern_ref_get(const struct pattern_ref *r, struct str key, struct pattern_entry *out);

// ---- changing

enum pattern_change {
	PATTERN_ADD, // one more entry, though its key be there
	PATTERN_PUT, // the value of its key; added when there is none (rules: set-map, add-acl)
	PATTERN_SET, // the value of its key, which must be there; a key "#ID" means that entry
	PATTERN_DEL, // every entry of its key, or "#ID"; it must be there
};

// Copies key and value. The live version changes at pattern_ref_publish, or goes back to what it
// was at pattern_ref_undo. False with *err: not a pattern or a value of each use, no such key or
// version, too many.
bool pattern_ref_change(struct pattern_ref *r, enum pattern_change change, uint32_t version,
			struct str key, struct str value, struct err *err);
// All entries of a version.
bool pattern_ref_clear(struct pattern_ref *r, uint32_t version, struct err *err);
// An empty version to fill; 0 with *err: too many.
uint32_t pattern_ref_prepare(struct pattern_ref *r, struct err *err);
// The version is the live one from now on; it and older ones end. Publishes.
bool pattern_ref_commit(struct pattern_ref *r, uint32_t version, struct err *err);
void pattern_ref_publish(struct pattern_ref *r);
void pattern_ref_undo(struct pattern_ref *r);

// From a worker: the change is made on the keeper, soon; one that fails is logged there. False:
// too many are on their way, or no memory.
bool pattern_ref_post(struct pattern_ref *r, struct workers *to, enum pattern_change change,
		      struct str key, struct str value);
// The same of a whole new content, all of it or nothing: keys and values in turn, each ended by a
// NUL (an ACL's values are empty).
bool pattern_ref_post_all(struct pattern_ref *r, struct workers *to, struct str pairs);

extern const struct module pattern_module; // commands on maps and acls

struct pattern_refs;                               // of one expr_set
void pattern_refs_free(struct pattern_refs *refs); // NULL is fine; the threads have ended
