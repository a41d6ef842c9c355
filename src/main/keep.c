// SPDX-License-Identifier: MIT
// What this process takes over from those before it, and what it makes for those after it: counters
// and what was set at run time. In files of the state directory, where there is one, so that they
// outlive the service; else in memory that the master holds.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "main/keep_maps.h"
#include "main/keep_numbers.h"
#include "main/service.h"
#include "master/link.h"
#include "metrics/ledger.h"
#include "proxy/kept.h"

static int
new_file(const struct service *s, char name[64], struct err *err)
{
	int dir = link_use(s->link, HERITAGE_DIR, 0, STR_NULL);
	name[0] = '\0';
	if (dir < 0) {
		int fd = memfd_create("stats", MFD_CLOEXEC);
		if (fd < 0)
			err_set(err, "memfd_create: %s", strerror(errno));
		return fd;
	}
	(void)snprintf(name, 64, HERITAGE_STATS_PREFIX "%016llx-%x",
		       (unsigned long long)clock_real_ns(), (unsigned)getpid());
	int fd = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		err_set(err, "state-dir: %s: %s", name, strerror(errno));
	return fd;
}

bool
keep_begin(struct service *s, struct err *err)
{
	char name[64];
	if (s->link == NULL)
		return true;
	int fd = new_file(s, name, err);
	if (fd < 0)
		return false;
	s->set->kept_fd = fd;
	s->numbers = keep_numbers_new(s);
	link_made(s->link, HERITAGE_STATS, s->link->number, str_from_c(name), fd);
	return true;
}

static void
take(struct service *s, const struct heritage_item *it, bool last)
{
	struct err err;
	struct ledger *l = ledger_open(it->fd, &err);
	if (l != NULL && last)
		keep_numbers_take(s->numbers, l);
	if (l == NULL)
		log_msg(LOG_WARNING, "counters of an earlier process are lost: %s", err.text);
	else
		kept_take(s->set, &l, it->kind == HERITAGE_ENDED, last);
}

// The master drops what was added up, and keeps what is read in place.
static void
tell(const struct service *s, const struct heritage_item *it)
{
	if (it->kind == HERITAGE_STATS)
		(void)link_use(s->link, it->kind, it->slot, str_from_c(it->name)); // it is there
}

void
keep_take_over(struct service *s)
{
	if (s->link == NULL)
		return;
	s->maps = keep_maps_new(s);
	(void)close(s->set->kept_fd); // mapped, and the master's
	s->set->kept_fd = -1;
	struct heritage *h = &s->link->kept;
	const struct heritage_item *last = NULL;
	for (size_t i = 0; i < h->n; i++)
		if (h->items[i].kind == HERITAGE_STATS || h->items[i].kind == HERITAGE_ENDED)
			if (last == NULL || h->items[i].slot >= last->slot)
				last = &h->items[i];
	for (size_t i = 0; i < h->n; i++) {
		const struct heritage_item *it = &h->items[i];
		if (it->kind != HERITAGE_STATS && it->kind != HERITAGE_ENDED)
			continue;
		take(s, it, it == last);
		tell(s, it);
	}
}
