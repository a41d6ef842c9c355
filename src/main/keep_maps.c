// SPDX-License-Identifier: MIT
// The whole of a set is kept, not its changes. What an operator changes is with the master before
// he has his answer, unless the set is large; of that and of what rules change, one in some
// milliseconds, and never more than a twentieth of the keeper's time.
#include "main/keep_maps.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sbuf.h"
#include "expr/pattern_kept.h"
#include "main/service.h"
#include "master/link.h"
#include "net/timer.h"

#define MAX_KEPT_MAP (1u << 30)
#define PAUSE_NS     (5 * NS_PER_MS)
#define SHARE        20
#define SMALL        4096 // entries

struct keep_maps {
	struct service *s;
	struct loop *loop;
	struct timer timer;
	uint64_t next_ns;     // not earlier
	struct log_rate lost; // of lines on what could not be kept
	struct pattern_ref **dirty;
	size_t n_dirty, cap_dirty;
};

static void
save(struct keep_maps *k, const struct pattern_ref *r)
{
	char name[PATTERN_KEPT_NAME_BYTES];
	struct sbuf text;
	struct err err = {{0}};
	sbuf_init(&text, MAX_KEPT_MAP);
	pattern_kept_write(r, &text);
	pattern_kept_name(r, name);
	if (text.full)
		err_set(&err, "it has more than %u bytes", MAX_KEPT_MAP);
	bool good = !text.full && link_made_text(k->s->link, HERITAGE_MAP, 0, str_from_c(name),
						 sbuf_str(&text), &err);
	if (!good && log_rate_ok(&k->lost, clock_mono_ns(), 1))
		log_msg(LOG_WARNING,
			"'%.*s': what was changed at run time ends with this process: %s",
			STR_ARG(pattern_kept_title(r)), err.text);
	sbuf_fini(&text);
}

static void
save_all(struct keep_maps *k)
{
	uint64_t begin = clock_mono_ns();
	for (size_t i = 0; i < k->n_dirty; i++)
		save(k, k->dirty[i]);
	k->n_dirty = 0;
	uint64_t end = clock_mono_ns();
	k->next_ns = end + MAX(PAUSE_NS, SHARE * (end - begin));
}

static void
on_timer(struct timer *t)
{
	save_all(CONTAINER_OF(t, struct keep_maps, timer));
}

static void
changed(void *arg, struct pattern_ref *r, bool by_rules)
{
	struct keep_maps *k = arg;
	size_t i = 0;
	while (i < k->n_dirty && k->dirty[i] != r)
		i++;
	if (i == k->n_dirty) {
		VEC_GROW(k->dirty, k->cap_dirty, k->n_dirty);
		k->dirty[k->n_dirty++] = r;
	}
	bool at_once = !by_rules && pattern_kept_entries(r) <= SMALL;
	if (at_once || clock_mono_ns() >= k->next_ns)
		save_all(k);
	else
		loop_timer_set(k->loop, &k->timer, k->next_ns);
}

static void
take(struct service *s, const struct heritage_item *it)
{
	struct str text;
	struct err err;
	char file[sizeof(HERITAGE_MAP_PREFIX) + PATTERN_KEPT_NAME_BYTES];
	enum pattern_kept how = PATTERN_KEPT_DAMAGED;
	if (heritage_text_read(it->fd, MAX_KEPT_MAP, &text, &err))
		how = pattern_kept_read(s->exprs, text, &err);
	(void)snprintf(file, sizeof(file), HERITAGE_MAP_PREFIX "%s", it->name);
	if (how == PATTERN_KEPT_READ)
		(void)link_use(s->link, it->kind, it->slot, str_from_c(it->name));
	else if (how == PATTERN_KEPT_OLD)
		log_msg(LOG_NOTICE, "%s", err.text);
	else
		keep_put_aside(s, file, err.text);
	mem_free((void *)(uintptr_t)text.p);
}

struct keep_maps *
keep_maps_new(struct service *s)
{
	if (s->link == NULL)
		return NULL;
	struct keep_maps *k = MEM_NEW(struct keep_maps);
	k->s = s;
	timer_init(&k->timer, on_timer);
	pattern_kept_begin(s->exprs);
	for (size_t i = 0; i < s->link->kept.n; i++)
		if (s->link->kept.items[i].kind == HERITAGE_MAP)
			take(s, &s->link->kept.items[i]);
	return k;
}

void
keep_maps_start(struct keep_maps *k, struct loop *loop)
{
	if (k == NULL)
		return;
	k->loop = loop;
	pattern_kept_watch(k->s->exprs, changed, k);
}

void
keep_maps_stop(struct keep_maps *k)
{
	if (k == NULL || k->loop == NULL)
		return;
	pattern_kept_watch(k->s->exprs, NULL, NULL);
	loop_timer_stop(k->loop, &k->timer);
	save_all(k);
	k->loop = NULL;
}

void
keep_maps_free(struct keep_maps **kp)
{
	struct keep_maps *k = *kp;
	*kp = NULL;
	if (k == NULL)
		return;
	mem_free(k->dirty);
	mem_free(k);
}
