// SPDX-License-Identifier: MIT
// What -f may name: files, directories, and what is refused about them.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sbuf.h"
#include "conf/conf.h"
#include "rows.h"
#include "tap.h"

static char dir[] = "/tmp/tidegate-conf-XXXXXX";

static const char *
path_of(const char *name)
{
	static char path[8][256];
	static unsigned turn;
	char *p = path[turn++ % 8];
	(void)snprintf(path[(turn - 1) % 8], sizeof(path[0]), "%s/%s", dir, name);
	return p;
}

static void
put_file(const char *name, struct str text)
{
	int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);
	OK(fd >= 0 && write(fd, text.p, text.n) == (ssize_t)text.n && close(fd) == 0);
}

static struct conf *
load(struct demo *d, const char *const *names, bool *good)
{
	struct conf *c = conf_new(demo_modules, NULL);
	struct err err;
	*d = (struct demo){0};
	c->user = d;
	for (; *names != NULL; names++)
		OK(conf_add_path(c, path_of(*names), &err));
	*good = conf_load(c);
	return c;
}

static void
said(const struct conf *c, const char *want)
{
	struct sbuf out;
	sbuf_init(&out, 1 << 16);
	sbuf_add(&out, STR(""));
	for (const struct conf_message *m = conf_messages(c); m != NULL; m = m->next) {
		conf_render_message(m, &out);
		sbuf_add_byte(&out, '\n');
	}
	// Paths are those of this run: compare behind them.
	struct str text = sbuf_str(&out);
	size_t at = str_find(text, str_from_c(want));
	if (!OK_MSG(at != SIZE_MAX, want))
		printf("# %s\n", out.p);
	sbuf_fini(&out);
}

static void
test_files(void)
{
	struct demo d;
	bool good;
	put_file("one.cfg", STR("global\n maxconn 5\n"));
	put_file("two.cfg", STR(" maxconn 6\n"));
	put_file("cut.cfg", STR("global\n maxconn 7"));
	put_file("bin.cfg", str_of("\177ELF\2\1\1\0\0\0\n\0\n", 13));
	put_file("open-if.cfg", STR("global\n.if 1\n"));
	struct conf *c = load(&d, (const char *const[]){"one.cfg", NULL}, &good);
	OK(good && d.maxconn == 5);
	conf_free(&c);
	c = load(&d, (const char *const[]){"one.cfg", "two.cfg", NULL}, &good);
	OK_MSG(!good && d.maxconn == 5, "each file begins out of sections");
	said(c, "two.cfg:1] : keyword 'maxconn' stands out of section");
	conf_free(&c);
	c = load(&d, (const char *const[]){"cut.cfg", NULL}, &good);
	OK(!good);
	said(c, "cut.cfg:2] : missing LF on last line, file might have been truncated at "
		"position 11");
	conf_free(&c);
	c = load(&d, (const char *const[]){"bin.cfg", "one.cfg", NULL}, &good);
	OK(!good && d.maxconn == 5 && conf_n_errors(c) == 2);
	said(c, "bin.cfg:1] : control character 0x7f at position 1");
	conf_free(&c);
	c = load(&d, (const char *const[]){"open-if.cfg", "one.cfg", NULL}, &good);
	OK_MSG(!good && d.maxconn == 5, "an open .if ends with its file");
	said(c, "open-if.cfg:2] : non-terminated '.if' block");
	conf_free(&c);
}

static void
test_directory(void)
{
	struct demo d;
	bool good;
	struct err err;
	OK(mkdir(path_of("d"), 0700) == 0 && mkdir(path_of("d/sub.cfg"), 0700) == 0);
	struct conf *c = conf_new(demo_modules, NULL);
	OK(!conf_add_path(c, path_of("d"), &err));
	OK(strstr(err.text, "no *.cfg file in configuration directory") != NULL);
	conf_free(&c);
	put_file("d/10.cfg", STR("global\n maxconn 10\n"));
	put_file("d/9.cfg", STR("global\n maxconn 9\n"));
	put_file("d/.hidden.cfg", STR("junk\n"));
	put_file("d/README", STR("junk\n"));
	c = load(&d, (const char *const[]){"d", NULL}, &good);
	OK_MSG(good && d.maxconn == 9, "lexical order: 10 before 9");
	struct str files = conf_files(c);
	OK(str_ends(files, STR("/d/9.cfg")) && str_find(files, STR("/d/10.cfg;")) != SIZE_MAX);
	conf_free(&c);
}

static void
test_refused(void)
{
	struct demo d;
	struct err err;
	bool good;
	struct conf *c = conf_new(demo_modules, NULL);
	OK(!conf_add_path(c, path_of("absent"), &err));
	OK(str_starts(str_from_c(err.text), STR("Cannot open configuration file/directory /")));
	OK(str_ends(str_from_c(err.text), STR("/absent : No such file or directory")));
	conf_free(&c);
	put_file("big.cfg", STR("global\n"));
	OK(truncate(path_of("big.cfg"), CONF_MAX_FILE_BYTES + 1) == 0);
	c = load(&d, (const char *const[]){"big.cfg", NULL}, &good);
	OK(!good);
	said(c, "big.cfg is too large: 16777217 bytes, at most 16777216");
	conf_free(&c);
	put_file("gone.cfg", STR("global\n"));
	c = conf_new(demo_modules, NULL);
	OK(conf_add_path(c, path_of("gone.cfg"), &err));
	OK(unlink(path_of("gone.cfg")) == 0);
	OK(!conf_load(c));
	said(c, "gone.cfg : No such file or directory");
	conf_free(&c);
}

// A source without end is read to the bound and no further.
static void
test_endless(void)
{
	struct conf *c = conf_new(demo_modules, NULL);
	struct err err;
	OK(conf_add_path(c, "/dev/zero", &err));
	OK(!conf_load(c));
	said(c, "/dev/zero is too large, at most 16777216 bytes");
	conf_free(&c);
}

int
main(void)
{
	char command[64];
	if (mkdtemp(dir) == NULL)
		return 1;
	test_files();
	test_directory();
	test_refused();
	test_endless();
	(void)snprintf(command, sizeof(command), "rm -r %s", dir);
	OK(system(command) == 0);
	return tap_done();
}
