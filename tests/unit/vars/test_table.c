// SPDX-License-Identifier: MIT
// vars/table: files of every kind of damage are refused with a reason and never crash; what was
// written outlives its process; deadlines follow into another boot; a file cut short under a
// running process is survived.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "vars/layout_priv.h"

#include "table.h"

static struct test_dir dir;

// The status of opening; *text gets the reason.
static int
try_open(const char *path, uint32_t flags, struct tidevars_error *err)
{
	struct tidevars *t;
	struct tidevars_options o = {.path = path, .flags = flags, .size = 64};
	int status = tidevars_open(&t, &o, err);
	OK((t != NULL) == (status == TIDEVARS_OK));
	tidevars_close(&t);
	return status;
}

static void
patch(off_t at, const void *p, size_t n)
{
	int fd = open(dir.file, O_RDWR | O_CLOEXEC);
	if (pwrite(fd, p, n, at) != (ssize_t)n)
		OK_MSG(false, "patch");
	(void)close(fd);
}

static void
patch_header(void (*change)(struct layout_header *), bool sum)
{
	static struct layout_header h;
	int fd = open(dir.file, O_RDWR | O_CLOEXEC);
	if (pread(fd, &h, sizeof(h), 0) != (ssize_t)sizeof(h))
		OK_MSG(false, "patch_header");
	(void)close(fd);
	change(&h);
	if (sum)
		h.sum = layout_sum(LAYOUT_SUM_START, &h, LAYOUT_SUMMED);
	patch(0, &h, sizeof(h));
}

static void
make_file(void)
{
	struct tidevars_error err;
	struct tidevars_value v = test_int(5), s = test_text("a string of some length");
	(void)unlink(dir.file);
	struct tidevars *t = test_open(dir.file, TIDEVARS_CREATE);
	uint32_t i = test_declare(t, "i", TIDEVARS_INT), x = test_declare(t, "s", TIDEVARS_STRING);
	uint32_t h = test_declare(t, "h", TIDEVARS_HOLD),
		 c = test_declare(t, "c", TIDEVARS_COUNTER);
	(void)tidevars_set(t, i, &v, 0, NULL, &err);
	(void)tidevars_set(t, x, &s, 0, NULL, &err);
	(void)tidevars_take(t, h, "deploy", 3600 * SECOND, NULL, &err);
	(void)tidevars_count_up(t, c, 3, 1);
	tidevars_close(&t);
}

static void
test_persistence(void)
{
	make_file();
	struct stat st;
	OK(stat(dir.file, &st) == 0 && (st.st_mode & 0777) == 0600);
	struct tidevars *t = test_open(dir.file, 0);
	uint64_t now = tidevars_now_boot_ns();
	IS_INT(tidevars_count(t), 4);
	IS_INT(test_read(t, 0, now).u.i, 5);
	IS_STR(test_read(t, 1, now).text, "a string of some length");
	IS_INT(test_read(t, 2, now).u.i, 1);
	IS_INT(test_read(t, 3, now).u.i, 3);
	struct tidevars *ro = test_open(dir.file, TIDEVARS_READ_ONLY);
	struct tidevars_value v = test_int(6);
	struct tidevars_error err;
	IS_INT(tidevars_set(ro, 0, &v, 0, NULL, &err), TIDEVARS_REFUSED);
	IS_INT(tidevars_count_up(ro, 3, 1, now), TIDEVARS_REFUSED);
	IS_INT(tidevars_set(t, 0, &v, 0, NULL, &err), TIDEVARS_OK);
	IS_INT(test_read(ro, 0, now).u.i, 6);
	tidevars_close(&ro);
	struct tidevars *again;
	IS_INT(tidevars_open_fd(&again, tidevars_fd(t), 0, &err), TIDEVARS_OK);
	IS_INT(test_read(again, 0, now).u.i, 6);
	tidevars_close(&again);
	tidevars_close(&t);
	struct tidevars_options o = {.path = dir.file,
				     .flags = TIDEVARS_CREATE | TIDEVARS_SYNC,
				     .mode = 0660};
	(void)unlink(dir.file);
	IS_INT(tidevars_open(&t, &o, &err), TIDEVARS_OK);
	OK(stat(dir.file, &st) == 0 && (st.st_mode & 0777) == 0660);
	uint32_t h = test_declare(t, "i", TIDEVARS_INT);
	IS_INT(tidevars_set(t, h, &v, 0, NULL, &err), TIDEVARS_OK);
	OK(tidevars_size(t) == 1024);
	tidevars_close(&t);
}

static void
newer(struct layout_header *h)
{
	h->major = LAYOUT_MAJOR + 1;
}

static void
older(struct layout_header *h)
{
	h->major = LAYOUT_MAJOR - 1;
}

static void
feature(struct layout_header *h)
{
	h->features = 4;
}

static void
overlap(struct layout_header *h)
{
	h->data_at = h->slots_at;
}

static void
huge(struct layout_header *h)
{
	h->slots_at = UINT64_MAX - 63;
}

static void
many(struct layout_header *h)
{
	h->n_slots = 65;
}

static void
many_data(struct layout_header *h)
{
	h->data_used = UINT64_MAX;
}

static void
no_epoch(struct layout_header *h)
{
	h->epoch = 0;
}

static void
nothing(struct layout_header *h)
{
	h->reserved2[0] = 1; // a byte that nobody knows yet is let be
}

static void
later_minor(struct layout_header *h)
{
	h->minor = LAYOUT_MINOR + 1; // what cannot be let be is a feature bit, or another major
}

static void
test_refusals(void)
{
	static const struct {
		const char *says;
		void (*change)(struct layout_header *);
		bool sum;
	} cases[] = {
	    {"a newer version; dump it there", newer, true},
	    {"an older version; dump it there", older, true},
	    {"sum over its header", feature, false},
	    {"features", feature, true},
	    {"parts overlap", overlap, true},
	    {"parts overlap", huge, true},
	    {"more than it has room", many, true},
	    {"more than it has room", many_data, true},
	    {"commit number", no_epoch, true},
	};
	struct tidevars_error err;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		make_file();
		patch_header(cases[i].change, cases[i].sum);
		IS_INT(try_open(dir.file, TIDEVARS_CREATE, &err), TIDEVARS_BAD_FILE);
		if (!OK_MSG(strstr(err.text, cases[i].says) != NULL, cases[i].says))
			printf("# %s\n", err.text);
	}
	make_file();
	patch_header(nothing, true);
	IS_INT(try_open(dir.file, 0, &err), TIDEVARS_OK);
	patch_header(later_minor, true);
	IS_INT(try_open(dir.file, 0, &err), TIDEVARS_OK);
}

static void
test_files(void)
{
	struct tidevars_error err;
	IS_INT(try_open("/nonexistent/vars", TIDEVARS_CREATE, &err), TIDEVARS_SYSTEM);
	OK(err.sys_errno == 2 && strstr(err.text, "/nonexistent/vars") != NULL);
	IS_INT(try_open("/tmp", 0, &err), TIDEVARS_BAD_FILE);
	IS_INT(try_open("/dev/null", 0, &err), TIDEVARS_BAD_FILE);
	(void)unlink(dir.file);
	IS_INT(try_open(dir.file, 0, &err), TIDEVARS_SYSTEM);
	make_file();
	static const off_t sizes[] = {0, 5, 100, 4096, 10000, 1 << 20};
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		make_file();
		if (truncate(dir.file, sizes[i]) != 0)
			OK_MSG(false, "truncate");
		IS_INT(try_open(dir.file, TIDEVARS_CREATE, &err), TIDEVARS_BAD_FILE);
		OK(strstr(err.text, sizes[i] < 1 << 20 ? "truncated" : "longer") != NULL);
	}
	int fd = open(dir.file, O_WRONLY | O_TRUNC | O_CLOEXEC);
	OK(write(fd, "#!/bin/sh\nexit 0\n", 17) == 17);
	(void)close(fd);
	IS_INT(try_open(dir.file, 0, &err), TIDEVARS_BAD_FILE);
	OK(strstr(err.text, "not a variable table") != NULL);
}

// A damaged file that opens must be usable without a crash, whatever it says.
static void
use(struct tidevars *t)
{
	struct tidevars_value v;
	struct tidevars_info info;
	struct tidevars_hold holds[TIDEVARS_HOLDS_MAX];
	struct tidevars_log_entry e;
	struct tidevars_error err;
	size_t n;
	char buf[600];
	uint64_t seq = 0;
	struct tidevars_writer w = {.who = "fuzz", .wait_ms = 50};
	for (uint32_t i = 0; i < tidevars_count(t); i++) {
		(void)tidevars_read(t, i, 1, &v);
		(void)tidevars_format_json(&v, buf, sizeof(buf));
		(void)tidevars_info(t, i, tidevars_now_boot_ns(), &info, &err);
		(void)tidevars_read_holds(t, i, 1, holds, &n);
		(void)tidevars_unset(t, i, &w, &err);
		(void)tidevars_take(t, i, "fuzz", 0, &w, &err);
	}
	for (int i = 0; i < 40 && tidevars_log_next(t, seq, &e) == 1; i++)
		seq = e.seq;
	(void)tidevars_sweep(t, tidevars_now_boot_ns(), NULL, &err);
	(void)test_declare(t, "fresh", TIDEVARS_STRING);
}

static void
test_flips(void)
{
	static char image[1 << 20];
	make_file();
	int fd = open(dir.file, O_RDWR | O_CLOEXEC);
	ssize_t n = read(fd, image, sizeof(image));
	OK(n > 4096);
	unsigned seed = 12345, refused = 0, opened = 0;
	struct layout_header *h = (void *)image;
	for (unsigned i = 0; i < 1500; i++) {
		// Bytes that are in use: the header, four slots, their data, the log's start.
		size_t span = i % 4 == 0 ? 512 : 4 * sizeof(struct layout_slot);
		size_t base = i % 4 == 0 ? 0 : i % 4 == 3 ? h->data_at : h->slots_at;
		seed = seed * 1103515245 + 12345;
		size_t at = base + (seed >> 8) % span;
		char was = image[at], flip = (char)(was ^ (1 << (seed >> 4) % 8));
		if (pwrite(fd, image, (size_t)n, 0) != n || pwrite(fd, &flip, 1, (off_t)at) != 1)
			break;
		struct tidevars *t;
		struct tidevars_options o = {.path = dir.file};
		struct tidevars_error err = {.text = ""};
		int status = tidevars_open(&t, &o, &err);
		if (status == TIDEVARS_OK)
			use(t);
		else if (err.text[0] == '\0')
			OK_MSG(false, "a refusal says why");
		*(status == TIDEVARS_OK ? &opened : &refused) += 1;
		tidevars_close(&t);
	}
	(void)close(fd);
	OK_MSG(refused > 200 && opened > 200,
	       "flipped bits are refused or harmless, never a crash");
}

// Another boot id in the file: as after a restart of the machine.
static void
other_boot(struct layout_header *h)
{
	h->boot_id[0]++;
}

static void
test_boot(void)
{
	struct tidevars_error err;
	uint64_t now = tidevars_now_boot_ns();
	(void)unlink(dir.file);
	struct tidevars *t = test_open(dir.file, TIDEVARS_CREATE);
	uint32_t i = test_declare(t, "i", TIDEVARS_INT), h = test_declare(t, "h", TIDEVARS_HOLD);
	uint32_t gone = test_declare(t, "gone", TIDEVARS_INT);
	// Written on a boot clock that stood 5000 s further than this one, an hour to go.
	struct timespec ts;
	(void)clock_gettime(CLOCK_REALTIME, &ts);
	uint64_t real = (uint64_t)ts.tv_sec * SECOND;
	struct tidevars_writer w = {.who = "w",
				    .now_boot_ns = now + 5000 * SECOND,
				    .now_real_ns = real - 60 * SECOND};
	struct tidevars_value v = test_int(1);
	(void)tidevars_set(t, i, &v, 3600 * SECOND, &w, &err);
	(void)tidevars_take(t, h, "deploy", 3600 * SECOND, &w, &err);
	(void)tidevars_set(t, gone, &v, 30 * SECOND, &w, &err);
	uint32_t c = test_declare(t, "c", TIDEVARS_COUNTER);
	struct tidevars_value one = test_typed(TIDEVARS_COUNTER, 1);
	(void)tidevars_set(t, c, &one, 0, &w, &err);
	(void)tidevars_count_up(t, c, 1, w.now_boot_ns + 20 * SECOND);
	tidevars_close(&t);
	patch_header(other_boot, false);
	IS_INT(try_open(dir.file, TIDEVARS_READ_ONLY, &err), TIDEVARS_REFUSED);
	t = test_open(dir.file, 0);
	v = test_read(t, i, now);
	OK(v.u.i == 1 && v.until_boot_ns > now + 3530 * SECOND &&
	   v.until_boot_ns < now + 3550 * SECOND);
	uint64_t age = now - v.written_boot_ns;
	OK_MSG(age > 50 * SECOND && age < 70 * SECOND, "its age counts on");
	v = test_read(t, h, now);
	OK(v.u.i == 1 && v.until_boot_ns < now + 3550 * SECOND);
	v = test_read(t, c, now);
	age = now - v.written_boot_ns;
	OK_MSG(v.u.i == 2 && age > 30 * SECOND && age < 50 * SECOND, "a counter's too");
	OK(test_read(t, gone, now).flags == (TIDEVARS_IS_DEFAULT | TIDEVARS_IS_EXPIRED));
	tidevars_close(&t);
	IS_INT(try_open(dir.file, TIDEVARS_READ_ONLY, &err), TIDEVARS_OK);
}

// As the disk has it when the power goes after four commits that the header's page has missed.
static void
cut_power(struct layout_header *h)
{
	other_boot(h);
	atomic_fetch_sub(&h->epoch, 4);
}

// Only what stood at the epoch counts, now and ever after; a variable that has nothing so old
// keeps its newest value instead of making the table useless.
static void
test_power_cut(void)
{
	struct tidevars_error err;
	(void)unlink(dir.file);
	struct tidevars *t = test_open(dir.file, TIDEVARS_CREATE);
	uint32_t late = test_declare(t, "late", TIDEVARS_INT);
	uint32_t busy = test_declare(t, "busy", TIDEVARS_INT);
	(void)tidevars_set_text(t, "late", "1", 0, NULL, &err);
	(void)tidevars_set_text(t, "late", "2", 0, NULL, &err);
	for (int i = 3; i < 6; i++) {
		struct tidevars_value v = test_int(i);
		(void)tidevars_set(t, busy, &v, 0, NULL, &err);
	}
	tidevars_close(&t);
	patch_header(cut_power, false);
	t = test_open(dir.file, 0);
	OK_MSG(t != NULL, "not refused");
	if (t == NULL)
		return;
	IS_INT(test_read(t, late, 1).u.i, 1);
	IS_INT(test_read(t, busy, 1).u.i, 5);
	for (int i = 6; i < 12; i++) {
		struct tidevars_value v = test_int(i);
		IS_INT(tidevars_set(t, busy, &v, 0, NULL, &err), TIDEVARS_OK);
		IS_INT(test_read(t, busy, 1).u.i, i);
	}
	IS_INT(test_read(t, late, 1).u.i, 1);
	struct tidevars_log_entry e;
	uint64_t seq = 0;
	int n = 0;
	for (; tidevars_log_next(t, seq, &e) == 1; seq = e.seq, n++)
		OK(e.seq > seq);
	IS_INT(n, 1 + 6);
	tidevars_close(&t);
}

static void
test_sigbus(void)
{
	struct tidevars_error err;
	make_file();
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		int good = tidevars_guard_sigbus(&err) == TIDEVARS_OK;
		struct tidevars *t = test_open(dir.file, 0);
		uint32_t h = TIDEVARS_NO_HANDLE;
		struct tidevars_decl d = {.name = "d",
					  .type = TIDEVARS_INT,
					  .initial = test_int(42)};
		struct tidevars_value v = test_int(1);
		good = good && tidevars_declare(t, &d, &h, &err) == TIDEVARS_OK &&
		       tidevars_set(t, h, &v, 0, NULL, &err) == TIDEVARS_OK;
		good = good && truncate(dir.file, 0) == 0;
		v = test_read(t, h, 1);
		good = good && v.u.i == 42 && (v.flags & TIDEVARS_IS_DAMAGED) != 0;
		good = good && tidevars_damaged(t) == 1;
		good = good && tidevars_set(t, h, &v, 0, NULL, &err) == TIDEVARS_DAMAGED;
		tidevars_close(&t);
		_exit(good ? 0 : 1);
	}
	int status;
	OK(waitpid(pid, &status, 0) == pid);
	OK_MSG(WIFEXITED(status) && WEXITSTATUS(status) == 0,
	       "cut short under a process: defaults, the flag, no crash");
}

int
main(void)
{
	test_dir_make(&dir);
	test_persistence();
	test_refusals();
	test_files();
	test_flips();
	test_boot();
	test_power_cut();
	test_sigbus();
	test_dir_remove(&dir);
	return tap_done();
}
