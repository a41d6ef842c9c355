// SPDX-License-Identifier: MIT
// Single writes, as commits of one operation.
#include "vars/write_priv.h"

int
tidevars_set(struct tidevars *t, uint32_t handle, const struct tidevars_value *value,
	     uint64_t ttl_ns, const struct tidevars_writer *writer, struct tidevars_error *err)
{
	struct tidevars_op op = {.handle = handle,
				 .kind = TIDEVARS_SET,
				 .value = *value,
				 .ttl_ns = ttl_ns};
	return vars_commit_ops(t, &op, 1, writer, VARS_WAIT, err);
}

int
tidevars_unset(struct tidevars *t, uint32_t handle, const struct tidevars_writer *writer,
	       struct tidevars_error *err)
{
	struct tidevars_op op = {.handle = handle, .kind = TIDEVARS_UNSET};
	return vars_commit_ops(t, &op, 1, writer, VARS_WAIT, err);
}

int
tidevars_add(struct tidevars *t, uint32_t handle, const struct tidevars_value *value,
	     const struct tidevars_writer *writer, struct tidevars_error *err)
{
	struct tidevars_op op = {.handle = handle, .kind = TIDEVARS_ADD, .value = *value};
	return vars_commit_ops(t, &op, 1, writer, VARS_WAIT, err);
}

int
tidevars_take(struct tidevars *t, uint32_t handle, const char *owner, uint64_t ttl_ns,
	      const struct tidevars_writer *writer, struct tidevars_error *err)
{
	struct tidevars_op op = {.handle = handle,
				 .kind = TIDEVARS_TAKE,
				 .ttl_ns = ttl_ns,
				 .owner = owner};
	return vars_commit_ops(t, &op, 1, writer, VARS_WAIT, err);
}

int
tidevars_extend(struct tidevars *t, uint32_t handle, const char *owner, uint64_t ttl_ns,
		const struct tidevars_writer *writer, struct tidevars_error *err)
{
	struct tidevars_op op = {.handle = handle,
				 .kind = TIDEVARS_EXTEND,
				 .ttl_ns = ttl_ns,
				 .owner = owner};
	return vars_commit_ops(t, &op, 1, writer, VARS_WAIT, err);
}

int
tidevars_release(struct tidevars *t, uint32_t handle, const char *owner,
		 const struct tidevars_writer *writer, struct tidevars_error *err)
{
	struct tidevars_op op = {.handle = handle, .kind = TIDEVARS_RELEASE, .owner = owner};
	return vars_commit_ops(t, &op, 1, writer, VARS_WAIT, err);
}

int
tidevars_set_text(struct tidevars *t, const char *name, const char *text, uint64_t ttl_ns,
		  const struct tidevars_writer *writer, struct tidevars_error *err)
{
	uint32_t handle;
	struct tidevars_op op = {.kind = TIDEVARS_SET, .ttl_ns = ttl_ns};
	int status = tidevars_find(t, name, strlen(name), &handle, err);
	if (status == TIDEVARS_OK) {
		op.handle = handle;
		status =
		    tidevars_parse(tidevars_type(t, handle), text, strlen(text), &op.value, err);
	}
	return status == TIDEVARS_OK ? vars_commit_ops(t, &op, 1, writer, VARS_WAIT, err) : status;
}
