// SPDX-License-Identifier: MIT
// tidectl map save, acl save: the entries that the proxy has now, written back to the file they
// came from, so that the next start begins with them. Here and not in the proxy, which may run
// without the right to write its configuration. The file changes as a whole or not at all; comments
// that stood in it are lost.
#include "tidectl/mapfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tidectl/link.h"

#define CAP_BYTES ((size_t)2 << 30)

static int
complain(const char *path, const char *what)
{
	fprintf(stderr, "tidectl: %s: %s\n", path, what);
	return EXIT_REFUSED;
}

// One line of `show map` without the entry's number: "KEY VALUE". False: reading it from a file
// would not give this entry back.
static bool
entry_of(struct str line, bool is_map, struct str *entry)
{
	size_t space = str_find_byte(line, ' ');
	*entry = str_slice(line, space == SIZE_MAX ? line.n : space + 1, line.n);
	struct str trimmed = str_trim(*entry);
	bool same = trimmed.n == entry->n || (is_map && entry->p == trimmed.p);
	return entry->n > 0 && entry->p[0] != '#' && same;
}

static bool
write_entries(FILE *f, struct str text, bool is_map)
{
	struct str line, entry;
	while (str_next(&text, '\n', &line)) {
		if (line.n == 0)
			continue;
		if (!entry_of(line, is_map, &entry)) {
			fprintf(stderr, "tidectl: a file cannot hold this entry: %.*s\n",
				STR_ARG(line));
			return false;
		}
		fwrite(entry.p, 1, entry.n, f);
		fputc('\n', f);
	}
	return !ferror(f);
}

// Beside the file, with its mode, and in its place once it is on the disk.
static int
save(const char *path, struct str text, bool is_map)
{
	char fresh[4096];
	struct stat st;
	int n = snprintf(fresh, sizeof(fresh), "%s.%d.new", path, (int)getpid());
	if (n < 0 || (size_t)n >= sizeof(fresh))
		return complain(path, "the name is too long");
	mode_t mode = stat(path, &st) == 0 ? st.st_mode & 07777 : 0644;
	int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;
	if (f == NULL) {
		if (fd >= 0)
			(void)close(fd); // nothing was written
		return complain(fresh, strerror(errno));
	}
	bool good = fchmod(fd, mode) == 0 && write_entries(f, text, is_map) && fflush(f) == 0 &&
		    fsync(fd) == 0;
	good &= fclose(f) == 0;
	if (good && rename(fresh, path) == 0)
		return EXIT_DONE;
	int status = complain(path, good ? strerror(errno) : "not written");
	(void)unlink(fresh); // what is left of the attempt
	return status;
}

int
mapfile_perform(const char *socket, struct request *r, int timeout_ms)
{
	bool is_map = strcmp(r->verb->name, "map") == 0;
	if (r->argc < 2 || strcmp(r->argv[0], "save") != 0) {
		fprintf(stderr, "usage: tidectl %s save NAME [FILE]\n", r->verb->name);
		return EXIT_USAGE;
	}
	const char *path = r->argc > 2 ? r->argv[2] : r->argv[1];
	struct sbuf text;
	sbuf_init(&text, CAP_BYTES);
	struct err err;
	int status = EXIT_USAGE;
	if (request_build(r, &err))
		status = link_collect(socket, r, timeout_ms, &text);
	else
		fprintf(stderr, "tidectl: %s\n", err.text);
	if (status == EXIT_DONE)
		status = text.full ? complain(path, "the answer is too large")
				   : save(path, sbuf_str(&text), is_map);
	sbuf_fini(&text);
	return status;
}
