// SPDX-License-Identifier: MIT
// Intrusive doubly linked ring: the head is a node of its own. A node in no list points at
// itself. One thread, or the lock named by the list's owner.
#pragma once

#include "base/base.h"

struct list {
	struct list *next, *prev;
};

static inline void
list_init(struct list *l)
{
	l->next = l->prev = l;
}

static inline bool
list_empty(const struct list *l)
{
	return l->next == l;
}

static inline void
list_insert_before(struct list *at, struct list *node)
{
	node->next = at;
	node->prev = at->prev;
	at->prev->next = node;
	at->prev = node;
}

// At the end of the list whose head is `head`.
static inline void
list_append(struct list *head, struct list *node)
{
	list_insert_before(head, node);
}

static inline void
list_prepend(struct list *head, struct list *node)
{
	list_insert_before(head->next, node);
}

// Safe on a node that is in no list.
static inline void
list_remove(struct list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	list_init(node);
}

#define LIST_ENTRY(node, type, member) CONTAINER_OF(node, type, member)

// it: struct list *. The SAFE form allows removing `it`.
#define LIST_FOREACH(it, head) for (struct list *it = (head)->next; it != (head); it = it->next)
#define LIST_FOREACH_SAFE(it, head)                                               \
	for (struct list *it = (head)->next, *it##_next = it->next; it != (head); \
	     it = it##_next, it##_next = it->next)
