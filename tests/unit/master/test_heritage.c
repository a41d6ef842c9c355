// SPDX-License-Identifier: MIT
// What is handed from process to process: found once, through text and back, refused when foreign.
#include "master/heritage.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/sbuf.h"
#include "tap.h"

static int
some_fd(void)
{
	struct err err;
	int fd = heritage_text_new("test", STR("text"), &err);
	if (fd < 0)
		printf("# %s\n", err.text);
	return fd;
}

static bool
is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void
finding(void)
{
	struct heritage h;
	heritage_init(&h);
	int a = some_fd(), b = some_fd();
	OK(heritage_add(&h, HERITAGE_SOCKET, 0, STR("127.0.0.1:0"), a, HERITAGE_KEPT));
	OK(heritage_add(&h, HERITAGE_SOCKET, 0, STR("127.0.0.1:0"), b, HERITAGE_KEPT));
	struct heritage_item *it = heritage_find(&h, HERITAGE_SOCKET, 0, STR("127.0.0.1:0"));
	OK(it != NULL && it->fd == a);
	it->mark = HERITAGE_TAKEN;
	it = heritage_find(&h, HERITAGE_SOCKET, 0, STR("127.0.0.1:0"));
	OK_MSG(it != NULL && it->fd == b, "the second of a name is found behind the first");
	it->mark = HERITAGE_TAKEN;
	OK(heritage_find(&h, HERITAGE_SOCKET, 0, STR("127.0.0.1:0")) == NULL);
	OK(heritage_find(&h, HERITAGE_SOCKET, 1, STR("127.0.0.1:0")) == NULL);
	OK(heritage_find(&h, HERITAGE_VARS, 0, STR("127.0.0.1:0")) == NULL);
	OK(!heritage_add(&h, HERITAGE_POLICY, 0, STR("a\nb"), a, HERITAGE_KEPT));
	IS_INT(heritage_count(&h, HERITAGE_SOCKET), 2);
	heritage_fini(&h);
	OK(!is_open(a) && !is_open(b));
}

static void
as_text(void)
{
	struct heritage h, got;
	struct sbuf text;
	struct err err;
	struct str read;
	heritage_init(&h);
	heritage_init(&got);
	sbuf_init(&text, 65536);
	int fd = some_fd(), vars = some_fd();
	(void)heritage_add(&h, HERITAGE_CONFIG, UINT32_MAX, STR("/etc/a file.cfg"), fd,
			   HERITAGE_KEPT);
	(void)heritage_add(&h, HERITAGE_VARS, 0, STR_NULL, vars, HERITAGE_KEPT);
	heritage_write(&h, &text);
	(void)fcntl(fd, F_SETFD, 0); // as through exec
	OK(heritage_read(&got, sbuf_str(&text), &err));
	IS_INT(got.n, 2);
	IS_STR(got.items[0].name, "/etc/a file.cfg");
	IS_INT(got.items[0].slot, UINT32_MAX);
	IS_INT(got.items[0].fd, fd);
	IS_STR(got.items[1].name, "");
	OK_MSG(fcntl(fd, F_GETFD) & FD_CLOEXEC, "close-on-exec again");
	OK(heritage_text_read(fd, 16, &read, &err) && str_eq(read, STR("text")));
	mem_free((void *)(uintptr_t)read.p);
	OK(!heritage_text_read(fd, 3, &read, &err));
	OK_MSG(write(fd, "x", 1) < 0, "a kept text cannot be written");
	for (size_t i = 0; i < h.n; i++)
		h.items[i].fd = -1; // the same descriptors are in `got`
	heritage_fini(&h);
	heritage_fini(&got);
	sbuf_fini(&text);
}

static void
foreign_text(void)
{
	static const char *const bad[] = {
	    "",
	    "tidegate-heritage 2\n",
	    "tidegate-heritage 1\nnonsense\n",
	    "tidegate-heritage 1\nwheel 0 0 x\n",
	    "tidegate-heritage 1\nsocket -1 0 x\n",
	    "tidegate-heritage 1\nsocket 4294967296 0 x\n",
	    "tidegate-heritage 1\nsocket 0 9999 x\n",
	    "tidegate-heritage 1\nsocket 0 99999999999 x\n",
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct heritage h;
		struct err err = {{0}};
		heritage_init(&h);
		OK(!heritage_read(&h, str_from_c(bad[i]), &err) && err.text[0] != '\0');
		heritage_fini(&h);
	}
}

static void
paths_go_with_their_sockets(void)
{
	char path[] = "/tmp/tide-heritage-XXXXXX", name[64];
	struct heritage h;
	int fd = mkstemp(path);
	heritage_init(&h);
	(void)snprintf(name, sizeof(name), "unix@%s", path);
	(void)heritage_add(&h, HERITAGE_CONFIG, 0, str_from_c(path), some_fd(), HERITAGE_KEPT);
	(void)heritage_add(&h, HERITAGE_SOCKET, 0, str_from_c(name), fd, HERITAGE_KEPT);
	heritage_drop(&h, 0, true);
	OK_MSG(access(path, F_OK) == 0, "only a socket's path is removed");
	heritage_drop(&h, 0, true);
	OK(access(path, F_OK) != 0);
	heritage_fini(&h);
}

int
main(void)
{
	finding();
	as_text();
	foreign_text();
	paths_go_with_their_sockets();
	return tap_done();
}
