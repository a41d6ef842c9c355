// SPDX-License-Identifier: MIT
// From entering to leaving; the three parts are in files of their own (instance_priv.h).
#include "master/instance.h"

#include <unistd.h>

#include "base/mem.h"
#include "master/instance_priv.h"

struct instance *
instance_enter(const struct instance_spec *spec, struct heritage *kept, struct err *err)
{
	struct instance *in = MEM_NEW(struct instance);
	in->magic = INSTANCE_MAGIC;
	in->path = mem_strdup(spec->path);
	in->dir = in->lock = in->his_lock = in->control = in->before = in->after = -1;
	if (instance_open_dir(in, err) && instance_open_lock(in, err) &&
	    instance_take_lock(in, spec, kept, err) && instance_listen(in, err)) {
		if (in->before < 0) {
			instance_name_strangers(spec, in->path, -1);
			instance_find_files(in, kept);
			instance_add_dir(in, kept);
		}
		return in;
	}
	in->given_away = true; // what is there is another's
	instance_leave(&in);
	return NULL;
}

static void
on_before(struct watch *w)
{
	struct instance *in = CONTAINER_OF(w, struct instance, on_before);
	struct channel_msg m;
	enum channel_status s;
	while ((s = channel_receive(in->before, &m)) == CHANNEL_GOT || s == CHANNEL_LOST)
		if (s == CHANNEL_GOT && m.fd >= 0)
			(void)close(m.fd); // not asked for
	if (s == CHANNEL_CLOSED)
		in->hooks.gone(in->hooks.arg);
	in->hooks.look(in->hooks.arg);
}

void
instance_serve(struct instance *in, struct loop *loop, struct heritage *kept,
	       const struct instance_hooks *hooks)
{
	CHECK_MAGIC(in, INSTANCE_MAGIC);
	in->loop = loop;
	in->kept = kept;
	in->hooks = *hooks;
	if (in->control >= 0)
		loop_watch(loop, &in->on_control, in->control, instance_on_control);
	if (in->before >= 0)
		loop_watch(loop, &in->on_before, in->before, on_before);
}

void
instance_ready(struct instance *in)
{
	CHECK_MAGIC(in, INSTANCE_MAGIC);
	struct channel_msg m = {.type = CHANNEL_RETIRE, .fd = -1};
	if (in->before >= 0)
		(void)channel_send(in->before, &m, true); // gone: as well
	in->serving = true;
	instance_look(in);
	instance_accept(in);
}

void
instance_deaf(struct instance *in)
{
	CHECK_MAGIC(in, INSTANCE_MAGIC);
	struct channel_msg m = {.type = CHANNEL_DEAF, .fd = -1};
	if (in->after >= 0)
		(void)channel_send(in->after, &m, false); // he looks again at our end
}

int
instance_dir(const struct instance *in)
{
	return in->dir;
}

void
instance_leave(struct instance **ip)
{
	struct instance *in = *ip;
	*ip = NULL;
	if (in == NULL)
		return;
	CHECK_MAGIC(in, INSTANCE_MAGIC);
	// Until we serve, it is the predecessor's; later the successor's.
	bool holds = (in->before < 0 || in->serving) && !in->given_away;
	if (holds && in->control >= 0)
		(void)unlinkat(in->dir, "control", 0); // a successor would replace it
	const int fds[] = {in->before, in->after, in->control, in->his_lock, in->lock, in->dir};
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		if (fds[i] >= 0)
			(void)close(fds[i]); // nothing to flush
	in->magic = 0;
	mem_free(in->path);
	mem_free(in);
}
