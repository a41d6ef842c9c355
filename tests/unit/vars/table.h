// SPDX-License-Identifier: MIT
// What the tests of vars/ share: a folder of their own, tables in it, short words for writes.
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tidegate/vars.h"

#include "tap.h"

#define SECOND UINT64_C(1000000000)

struct test_dir {
	char path[64];
	char file[96];
};

static inline void
test_dir_make(struct test_dir *d)
{
	(void)snprintf(d->path, sizeof(d->path), "/tmp/tidevars-test-XXXXXX");
	if (mkdtemp(d->path) == NULL) {
		perror("mkdtemp");
		exit(1);
	}
	(void)snprintf(d->file, sizeof(d->file), "%s/vars", d->path);
}

static inline void
test_dir_remove(const struct test_dir *d)
{
	(void)unlink(d->file);
	(void)rmdir(d->path);
}

static inline struct tidevars *
test_open(const char *path, uint32_t flags)
{
	struct tidevars *t;
	struct tidevars_error err;
	struct tidevars_options o = {.path = path, .flags = flags, .size = 64, .log_size = 32};
	if (tidevars_open(&t, &o, &err) != TIDEVARS_OK) {
		printf("# open: %s\n", err.text);
		return NULL;
	}
	return t;
}

static inline uint32_t
test_declare(struct tidevars *t, const char *name, uint32_t type)
{
	struct tidevars_decl d = {.name = name, .type = type};
	struct tidevars_error err;
	uint32_t h;
	if (tidevars_declare(t, &d, &h, &err) != TIDEVARS_OK)
		printf("# declare %s: %s\n", name, err.text);
	return h;
}

static inline struct tidevars_value
test_int(int64_t i)
{
	return (struct tidevars_value){.type = TIDEVARS_INT, .u.i = i};
}

static inline struct tidevars_value
test_typed(uint32_t type, int64_t i)
{
	return (struct tidevars_value){.type = type, .u.i = i};
}

static inline struct tidevars_value
test_real(uint32_t type, double f)
{
	return (struct tidevars_value){.type = type, .u.f = f};
}

static inline struct tidevars_value
test_text(const char *s)
{
	struct tidevars_value v = {.type = TIDEVARS_STRING};
	v.text_n = (uint32_t)strlen(s);
	memcpy(v.text, s, v.text_n);
	return v;
}

static inline struct tidevars_value
test_read(struct tidevars *t, uint32_t h, uint64_t now)
{
	struct tidevars_value v;
	if (tidevars_read(t, h, now, &v) != TIDEVARS_OK)
		v.type = TIDEVARS_NONE;
	return v;
}
