// SPDX-License-Identifier: MIT
// Objects by name. A handful, asked for while reading only: a list.
#include "conf/conf.h"

void
conf_bind(struct conf *c, const char *name, void *object)
{
	CHECK_MAGIC(c, CONF_MAGIC);
	ASSERT(object != NULL && conf_bound(c, name) == NULL);
	struct conf_object *o = CONF_NEW(c, struct conf_object);
	*o = (struct conf_object){.next = c->objects, .name = name, .object = object};
	c->objects = o;
}

void *
conf_bound(const struct conf *c, const char *name)
{
	CHECK_MAGIC(c, CONF_MAGIC);
	for (const struct conf_object *o = c->objects; o != NULL; o = o->next)
		if (strcmp(o->name, name) == 0)
			return o->object;
	return NULL;
}
