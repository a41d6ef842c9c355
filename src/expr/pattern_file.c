// SPDX-License-Identifier: MIT
// Pattern and map files: one entry a line, cut as HAProxy cuts it.

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/hash.h"
#include "expr/pattern_ref_priv.h"

#define MAX_FILE_BYTES ((off_t)1 << 30)

static bool
read_file(struct arena *arena, const char *path, struct str *out, struct err *err)
{
	struct stat st;
	log_doing("reading '%s'", path);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); // a pipe shall not hold us up
	FILE *f = fd >= 0 ? fdopen(fd, "r") : NULL;
	if (f == NULL) {
		err_set(err, "%s: %s", path, strerror(errno));
		if (fd >= 0)
			(void)close(fd); // nothing was read
		return false;
	}
	bool good = fstat(fileno(f), &st) == 0 && S_ISREG(st.st_mode);
	if (!good || st.st_size > MAX_FILE_BYTES) {
		(void)fclose(f); // only read
		return err_set(err, "%s: %s", path, good ? "is larger than 1 GiB" : "is no file");
	}
	char *p = arena_alloc(arena, (size_t)st.st_size + 1, 1);
	if (p == NULL) {
		(void)fclose(f); // only read
		return err_set(err, "%s: there is no memory for its %lld bytes", path,
			       (long long)st.st_size);
	}
	size_t n = fread(p, 1, (size_t)st.st_size, f);
	good = !ferror(f);
	(void)fclose(f); // only read
	if (!good)
		return err_set(err, "%s: cannot be read", path);
	p[n] = '\0';
	*out = str_of(p, n);
	return true;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct str
skip_blanks(struct str s)
{
	while (s.n > 0 && is_blank(s.p[0]))
		s = str_slice(s, 1, s.n);
	return s;
}

void
pattern_line_cut(struct str line, bool map, struct str *key, struct str *value)
{
	size_t end = 0;
	*key = line;
	*value = STR_NULL;
	if (!map)
		return;
	while (end < line.n && !is_blank(line.p[end]))
		end++;
	*key = str_slice(line, 0, end);
	*value = str_trim(str_slice(line, end, line.n));
}

bool
pattern_file_holds(bool map, struct str key, struct str value)
{
	struct str last = value.n > 0 ? value : key;
	if (key.n == 0 || key.p[0] == '#' || is_blank(key.p[0]) || last.p[last.n - 1] == '\r')
		return false;
	for (size_t i = 0; i < key.n; i++)
		if (key.p[i] == '\n' || (map && is_blank(key.p[i])))
			return false;
	return str_find_byte(value, '\n') == SIZE_MAX && str_trim(value).n == value.n;
}

bool
pattern_file_read(struct arena *arena, const char *path, bool map, pattern_line_f fn, void *arg,
		  uint64_t *hash, struct err *err)
{
	struct str text, line, key, value;
	int number = 0;
	if (!read_file(arena, path, &text, err))
		return false;
	*hash = hash_str(text);
	while (str_next(&text, '\n', &line)) {
		number++;
		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		line = skip_blanks(line);
		if (line.n == 0 || line.p[0] == '#')
			continue;
		pattern_line_cut(line, map, &key, &value);
		if (!fn(arg, key, value, number, err))
			return err_wrap(err, "%s:%d", path, number);
	}
	return true;
}
