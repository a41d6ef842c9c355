// SPDX-License-Identifier: MIT
// What the master keeps of what its children make: who may hand over what, what the
// next took, and what nobody asks for any more.
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "master/master_priv.h"

#define MAX_MAP_BYTES (1u << 30)
#define SAVE_NS       (5 * NS_PER_S)

// --- made ----------------------------------------------------------------------------------------

// What a worker may hand over: everything it makes while it starts, when it has heard no client
// yet; later only what operators change. The master acts on these names with its own rights.
static const struct {
	bool starting, serving, is_file;
} makes[HERITAGE_KINDS] = {
    [HERITAGE_SOCKET] = {.starting = true},
    [HERITAGE_VARS] = {.starting = true},
    [HERITAGE_VARS_FILE] = {.starting = true},
    [HERITAGE_STATS] = {.starting = true, .is_file = true},
    [HERITAGE_MAP] = {.starting = true, .serving = true, .is_file = true},
    [HERITAGE_STICK] = {.starting = true, .is_file = true},
    [HERITAGE_CONFIG] = {.starting = true},
    [HERITAGE_POLICY] = {.starting = true, .serving = true},
};

static bool
may_make(const struct master *m, const struct child *c, const struct channel_msg *msg)
{
	if (msg->kind >= HERITAGE_KINDS ||
	    (makes[msg->kind].is_file && str_find_byte(msg->text, '/') != SIZE_MAX))
		return false;
	if (c->state == CHILD_STARTING)
		return makes[msg->kind].starting;
	return c == m->serving && makes[msg->kind].serving;
}

// Beyond the service as well.
static bool
save_map(struct master *m, struct heritage_item *it)
{
	struct str text = STR_NULL;
	struct err err = {{0}};
	char file[64];
	(void)snprintf(file, sizeof(file), HERITAGE_MAP_PREFIX "%s", it->name);
	it->unsaved = strlen(it->name) > 32 ||
		      !heritage_text_read(it->fd, MAX_MAP_BYTES, &text, &err) ||
		      !instance_save(m->instance, file, text, &err);
	struct str title = m->spec->map_title(text);
	if (it->unsaved && !m->save_fails) // once, not for each change of a busy map
		log_msg(LOG_WARNING,
			"'%.*s', as it was changed at run time, is not kept beyond a stop: %s; "
			"it is tried again every %u s",
			(int)MIN(title.n, (size_t)PATH_MAX), title.p,
			err.text[0] != '\0' ? err.text : "its name",
			(unsigned)(SAVE_NS / NS_PER_S));
	mem_free((void *)(uintptr_t)text.p);
	return !it->unsaved;
}

bool
master_save_maps(struct master *m)
{
	bool good = true;
	for (size_t i = 0; i < m->kept.n; i++)
		if (m->kept.items[i].unsaved && !save_map(m, &m->kept.items[i]))
			good = false;
	return good;
}

void
master_on_save(struct timer *t)
{
	struct master *m = CONTAINER_OF(t, struct master, save);
	if (!master_save_maps(m)) {
		loop_timer_set(m->loop, t, loop_now_ns(m->loop) + SAVE_NS);
		return;
	}
	log_msg(LOG_NOTICE, "maps are kept beyond a stop again");
	m->save_fails = false;
}

static void
save_changed(struct master *m, struct heritage_item *it)
{
	if (m->instance == NULL || save_map(m, it) || m->save_fails)
		return;
	m->save_fails = true;
	loop_timer_set(m->loop, &m->save, loop_now_ns(m->loop) + SAVE_NS);
}

void
master_child_made(struct child *c, struct channel_msg *msg)
{
	struct master *m = c->owner;
	bool starting = c->state == CHILD_STARTING;
	int fd = msg->fd;
	msg->fd = -1;
	if (fd < 0 || !may_make(m, c, msg)) {
		if (fd >= 0)
			(void)close(fd); // of one that serves no more
		return;
	}
	enum heritage_kind kind = msg->kind;
	enum heritage_mark mark = HERITAGE_KEPT;
	struct heritage *to = starting ? &c->made : &m->kept;
	// Two sockets may bear one name: both asked for any port.
	for (size_t i = to->n; kind != HERITAGE_SOCKET && i-- > 0;)
		if (to->items[i].kind == kind && to->items[i].slot == msg->number &&
		    str_eq(str_from_c(to->items[i].name), msg->text)) {
			mark = to->items[i].mark; // one that starts may use it already
			heritage_drop(to, i, false);
		}
	if (!heritage_add(to, kind, msg->number, msg->text, fd, mark))
		(void)close(fd); // its name is none
	else if (kind == HERITAGE_MAP && !starting)
		save_changed(m, &to->items[to->n - 1]);
}

// --- taken, or forgotten ------------------------------------------------------------------------

// Nobody will ask for it again: its name in the file system goes too.
static void
forget(struct master *m, struct heritage *h, size_t i)
{
	const struct heritage_item *it = &h->items[i];
	char file[256];
	bool whole_name =
	    it->kind == HERITAGE_STATS || it->kind == HERITAGE_ENDED || it->kind == HERITAGE_STICK;
	(void)snprintf(file, sizeof(file), "%s%s", whole_name ? "" : HERITAGE_MAP_PREFIX, it->name);
	if ((whole_name || it->kind == HERITAGE_MAP) && it->name[0] != '\0' && m->instance != NULL)
		(void)unlinkat(instance_dir(m->instance), file, 0); // may be gone
	heritage_drop(h, i, true);
}

void
master_stats_ended(struct master *m, unsigned first, unsigned last)
{
	for (size_t i = 0; i < m->kept.n; i++) {
		struct heritage_item *it = &m->kept.items[i];
		if (it->kind == HERITAGE_STATS && it->slot >= first && it->slot <= last)
			it->kind = HERITAGE_ENDED;
	}
}

void
master_forget_made(struct master *m, struct child *c)
{
	for (size_t i = c->made.n; i-- > 0;)
		forget(m, &c->made, i);
}

void
master_child_took(struct child *c, const struct channel_msg *msg)
{
	struct master *m = c->owner;
	if (c->state != CHILD_STARTING || msg->kind >= HERITAGE_KINDS)
		return;
	struct heritage_item *it = heritage_find(&m->kept, msg->kind, msg->number, msg->text);
	// Its process may have ended since this one was told of it.
	if (it == NULL && msg->kind == HERITAGE_STATS)
		it = heritage_find(&m->kept, HERITAGE_ENDED, msg->number, msg->text);
	if (it != NULL)
		it->mark = HERITAGE_TAKEN;
}

// A unix socket whose path had been removed: what stands there now is the new one's.
static bool
was_made_anew(const struct child *c, const struct heritage_item *it)
{
	for (size_t i = 0; i < c->made.n; i++) {
		const struct heritage_item *made = &c->made.items[i];
		if (it->kind == HERITAGE_SOCKET && made->kind == HERITAGE_SOCKET &&
		    strcmp(made->name, it->name) == 0)
			return true;
	}
	return false;
}

void
master_take_over(struct master *m, struct child *c)
{
	for (size_t i = m->kept.n; i-- > 0;) {
		if (m->kept.items[i].kind == HERITAGE_MASTER ||
		    m->kept.items[i].kind == HERITAGE_DIR)
			continue;
		if (m->kept.items[i].mark == HERITAGE_TAKEN)
			m->kept.items[i].mark = HERITAGE_KEPT;
		else if (was_made_anew(c, &m->kept.items[i]))
			heritage_drop(&m->kept, i, false);
		else
			forget(m, &m->kept, i);
	}
	for (size_t i = 0; i < c->made.n; i++)
		c->made.items[i].mark = HERITAGE_KEPT;
	heritage_move(&m->kept, &c->made);
}
