// SPDX-License-Identifier: MIT
// Files of the configuration: what -f names, read whole and bounded.
#include "conf/conf_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

// Reads to the end or one byte past the bound. False with errno.
static bool
read_all(int fd, char **p, size_t *n)
{
	size_t cap = 0;
	*p = NULL;
	*n = 0;
	while (*n <= CONF_MAX_FILE_BYTES) {
		if (*n == cap) {
			cap = MIN(MAX(cap * 2, (size_t)65536), (size_t)CONF_MAX_FILE_BYTES + 1);
			*p = mem_realloc(*p, cap);
		}
		ssize_t got = read(fd, *p + *n, cap - *n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return false;
		if (got == 0)
			return true;
		*n += (size_t)got;
	}
	return true;
}

bool
conf_file_read(const char *path, struct str *out, struct err *err)
{
	struct stat st;
	char *p = NULL;
	size_t n = 0;
	bool good = false;
	*out = STR_NULL;
	log_doing("reading '%s'", path);
	int fd =
	    open(strcmp(path, "-") == 0 ? "/dev/stdin" : path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return err_set(err, "Cannot open configuration file %s : %s", path,
			       strerror(errno));
	if (fstat(fd, &st) != 0) {
		(void)err_set(err, "Cannot read configuration file %s : %s", path, strerror(errno));
		goto out;
	}
	if (st.st_size > (off_t)CONF_MAX_FILE_BYTES) {
		(void)err_set(err, "configuration file %s is too large: %lld bytes, at most %u",
			      path, (long long)st.st_size, CONF_MAX_FILE_BYTES);
		goto out;
	}
	if (!read_all(fd, &p, &n)) {
		(void)err_set(err, "Cannot read configuration file %s : %s", path, strerror(errno));
		goto out;
	}
	if (n > CONF_MAX_FILE_BYTES) {
		(void)err_set(err, "configuration file %s is too large, at most %u bytes", path,
			      CONF_MAX_FILE_BYTES);
		goto out;
	}
	*out = str_of(p, n);
	p = NULL;
	good = true;
out:
	mem_free(p);
	(void)close(fd); // only read from: nothing can be lost
	return good;
}

static void
add_source(struct conf *c, const char *name, struct str text)
{
	struct conf_source *s = CONF_NEW(c, struct conf_source);
	*s = (struct conf_source){.name = conf_strdup(c, str_from_c(name)).p, .text = text};
	*c->state->sources_end = s;
	c->state->sources_end = &s->next;
	c->state->n_sources++;
}

static int
is_cfg_name(const struct dirent *e)
{
	struct str name = str_from_c(e->d_name);
	return name.n > 4 && name.p[0] != '.' && str_ends(name, STR(".cfg"));
}

// By bytes, whatever the locale.
static int
by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void
free_entries(struct dirent **entries, int n)
{
	for (int i = 0; i < n; i++)
		mem_free(entries[i]);
	mem_free(entries);
}

static bool
add_directory(struct conf *c, const char *path, struct err *err)
{
	struct dirent **entries = NULL;
	int n = scandir(path, &entries, is_cfg_name, by_name);
	bool good = true, any = false;
	if (n < 0)
		return err_set(err, "Cannot open configuration directory %s : %s", path,
			       strerror(errno));
	size_t path_n = strlen(path);
	const char *slash = path_n > 0 && path[path_n - 1] == '/' ? "" : "/";
	for (int i = 0; i < n && good; i++) {
		struct stat st;
		char *full = conf_printf(c, "%s%s%s", path, slash, entries[i]->d_name);
		if (stat(full, &st) == 0 && S_ISDIR(st.st_mode))
			continue;
		any = true;
		good = conf_add_path(c, full, err);
	}
	free_entries(entries, n);
	if (good && !any)
		return err_set(err, "no *.cfg file in configuration directory %s", path);
	return good;
}

bool
conf_add_path(struct conf *c, const char *path, struct err *err)
{
	struct stat st;
	CHECK_MAGIC(c, CONF_MAGIC);
	if (c->state->n_sources >= CONF_MAX_FILES)
		return err_set(err, "too many configuration files, at most %u", CONF_MAX_FILES);
	if (strcmp(path, "-") != 0 && stat(path, &st) != 0)
		return err_set(err, "Cannot open configuration file/directory %s : %s", path,
			       strerror(errno));
	if (strcmp(path, "-") != 0 && S_ISDIR(st.st_mode))
		return add_directory(c, path, err);
	add_source(c, path, STR_NULL);
	return true;
}

void
conf_add_text(struct conf *c, const char *name, struct str text)
{
	CHECK_MAGIC(c, CONF_MAGIC);
	add_source(c, name, conf_strdup(c, text));
}

struct str
conf_files(struct conf *c)
{
	struct sbuf list;
	sbuf_init(&list, CONF_MAX_TOTAL_BYTES);
	for (const struct conf_source *s = c->state->sources; s != NULL; s = s->next) {
		if (s != c->state->sources)
			sbuf_add_byte(&list, ';');
		sbuf_add(&list, str_from_c(s->name));
	}
	struct str copy = conf_strdup(c, sbuf_str(&list));
	sbuf_fini(&list);
	return copy;
}
