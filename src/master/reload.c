// SPDX-License-Identifier: MIT
// Reloads, one at a time: who asks while one is under way is answered by the one after it, which is
// one for all of them.
#include <inttypes.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "master/cli_master.h"
#include "master/master_priv.h"

static void
answer(struct reload_waiter **list, bool good, struct str log)
{
	while (*list != NULL) {
		struct reload_waiter *w = *list;
		*list = w->next;
		w->done(w, good, log);
	}
}

static void
add_waiter(struct reload_waiter **list, struct reload_waiter *w)
{
	while (*list != NULL)
		list = &(*list)->next;
	if (w == NULL)
		return;
	w->next = NULL;
	*list = w;
}

// What a reload would change now is not among what the successor has.
static bool
is_handing_over(const struct master *m)
{
	return m->instance != NULL && instance_is_handing_over(m->instance);
}

void
master_reload(struct master *m, struct reload_waiter *w)
{
	CHECK_MAGIC(m, MASTER_MAGIC);
	if (m->end != MASTER_GOES_ON) {
		add_waiter(&m->waiting, w);
		master_reload_refuse(m);
		return;
	}
	if (m->starting != NULL || m->retiring != NULL || is_handing_over(m)) {
		m->reload_again = true;
		add_waiter(&m->waiting_next, w);
		return;
	}
	add_waiter(&m->waiting, w);
	loop_timer_stop(m->loop, &m->restart);
	if (m->cli != NULL)
		master_cli_look(m->cli);
	if (m->instance != NULL)
		instance_look(m->instance);
	log_msg(LOG_NOTICE, "Reloading the configuration");
	master_notify("RELOADING=1\nMONOTONIC_USEC=%" PRIu64 "\nSTATUS=Reloading the configuration",
		      clock_mono_ns() / 1000);
	master_start(m, MASTER_RELOAD);
}

static void
reload_next(struct master *m)
{
	if (m->starting != NULL || m->retiring != NULL || is_handing_over(m))
		return; // whoever ends that comes here again
	m->waiting = m->waiting_next;
	m->waiting_next = NULL;
	bool again = m->reload_again;
	m->reload_again = false;
	if (again)
		master_reload(m, NULL);
}

void
master_reload_done(struct master *m, bool good, struct str log)
{
	answer(&m->waiting, good, log);
	if (m->instance != NULL)
		instance_hand_over(m->instance); // to who waits
	reload_next(m);
}

void
master_stays(void *arg)
{
	struct master *m = arg;
	reload_next(m);
}

void
master_reload_refuse(struct master *m)
{
	m->reload_again = false;
	answer(&m->waiting, false, STR("the service is stopping\n"));
	answer(&m->waiting_next, false, STR("the service is stopping\n"));
}

// --- asked by a child ----------------------------------------------------------------------------

struct child_waiter {
	struct reload_waiter waiter;
	struct master *master;
	unsigned child, number;
};

static void
tell_child_how(struct reload_waiter *w, bool good, struct str log)
{
	struct child_waiter *cw = CONTAINER_OF(w, struct child_waiter, waiter);
	LIST_FOREACH (it, &cw->master->children) {
		struct child *c = LIST_ENTRY(it, struct child, node);
		if (c->number == cw->child)
			(void)child_tell(c, CHANNEL_ANSWER, good, cw->number,
					 log); // it may be gone
	}
	mem_free(cw);
}

static struct child_waiter *
find_waiter(struct reload_waiter *list, const struct child *c)
{
	for (struct reload_waiter *w = list; w != NULL; w = w->next) {
		struct child_waiter *cw = CONTAINER_OF(w, struct child_waiter, waiter);
		if (w->done == tell_child_how && cw->child == c->number)
			return cw;
	}
	return NULL;
}

bool
master_child_waits(const struct master *m, const struct child *c)
{
	return find_waiter(m->waiting, c) != NULL || find_waiter(m->waiting_next, c) != NULL;
}

void
master_child_asks_reload(struct child *c, struct channel_msg *msg)
{
	struct master *m = c->owner;
	// Who asks while a reload is under way is answered with the others who do: one message for
	// all.
	struct child_waiter *cw = find_waiter(m->waiting_next, c);
	if (cw != NULL) {
		cw->number = msg->number;
		return;
	}
	cw = MEM_NEW(struct child_waiter);
	*cw = (struct child_waiter){.waiter.done = tell_child_how,
				    .master = m,
				    .child = c->number,
				    .number = msg->number};
	master_reload(m, &cw->waiter);
}
