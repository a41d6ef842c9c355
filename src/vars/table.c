// SPDX-License-Identifier: MIT
// Opening a table: the file is made aside and linked into place whole, or found and checked
// before any byte of it is believed. What a writable opener must set right is set right here:
// deadlines of an earlier boot are moved to this boot's clock.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "vars/table_priv.h"

enum { DEFAULT_SIZE = 1024, DEFAULT_LOG = 1024, OPEN_WAIT_MS = 1000 };

// File systems on which another machine may write the bytes we map, or none sees ours.
static const struct {
	uint32_t type;
	const char *name;
} network_fs[] = {
    {0x6969, "nfs"},       {0x517B, "smb"},      {0xFF534D42, "cifs"},   {0xFE534D42, "smb2"},
    {0x5346414F, "afs"},   {0x00C36400, "ceph"}, {0x01021997, "9p"},     {0x65735546, "fuse"},
    {0x7461636F, "ocfs2"}, {0x01161970, "gfs2"}, {0x0BD00BD0, "lustre"}, {0x73757245, "coda"},
    {0x564C, "ncp"},       {0x47504653, "gpfs"},
};

static uint64_t
page_up(uint64_t n)
{
	return (n + LAYOUT_PAGE - 1) & ~(uint64_t)(LAYOUT_PAGE - 1);
}

bool
vars_boot_id(uint64_t id[2])
{
	char text[64];
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t n = read(fd, text, sizeof(text));
	(void)close(fd); // was only read
	if (n < 36)
		return false;
	id[0] = layout_sum(LAYOUT_SUM_START, text, 36);
	id[1] = layout_sum(id[0], text, 36);
	return true;
}

static int
check_fs(int fd, const char *path, struct tidevars_error *err)
{
	struct statfs fs;
	if (fstatfs(fd, &fs) != 0)
		return vars_fail_sys(err, "%s: cannot tell its file system", path);
	for (size_t i = 0; i < ARRAY_LEN(network_fs); i++) {
		if ((uint32_t)fs.f_type == network_fs[i].type)
			return vars_fail(err, TIDEVARS_BAD_FILE,
					 "%s lies on a network file system (%s), where a shared "
					 "table cannot work; use a local one",
					 path, network_fs[i].name);
	}
	return TIDEVARS_OK;
}

// ---- creating -----------------------------------------------------------------------------

static void
fill_header(struct layout_header *h, uint32_t size, uint32_t log_size)
{
	uint64_t data = (uint64_t)size * 3 * LAYOUT_TEXT_BYTES + (uint64_t)LAYOUT_SPARE_HOLDS * 2 *
								     LAYOUT_N_HOLDS *
								     sizeof(struct layout_hold);
	memset(h, 0, sizeof(*h));
	memcpy(h->magic, LAYOUT_MARK, sizeof(h->magic));
	h->major = LAYOUT_MAJOR;
	h->minor = LAYOUT_MINOR;
	h->header_bytes = sizeof(struct layout_header);
	h->slot_bytes = sizeof(struct layout_slot);
	h->log_bytes = sizeof(struct layout_log);
	h->size = size;
	h->log_size = log_size;
	h->slots_at = h->header_bytes;
	h->data_at = page_up(h->slots_at + (uint64_t)size * h->slot_bytes);
	h->data_bytes = page_up(data);
	h->log_at = h->data_at + h->data_bytes;
	h->file_bytes = page_up(h->log_at + (uint64_t)log_size * h->log_bytes);
	h->created_real_ns = clock_real_ns();
	if (getrandom(h->id, sizeof(h->id), GRND_NONBLOCK) != (ssize_t)sizeof(h->id))
		memcpy(h->id, &h->created_real_ns, sizeof(h->created_real_ns)); // early at boot
	h->sum = layout_sum(LAYOUT_SUM_START, h, LAYOUT_SUMMED);
	uint64_t boot[2] = {0, 0};
	(void)vars_boot_id(boot); // zeros where it is not told
	atomic_store(&h->boot_id[0], boot[0]);
	atomic_store(&h->boot_id[1], boot[1]);
	atomic_store(&h->epoch, 1);
	atomic_store(&h->data_used, 64); // offset 0 means none
}

// Gives an empty file its size and header.
static int
fill_file(int fd, const struct tidevars_options *o, const char *path, struct tidevars_error *err)
{
	uint32_t size = o->size != 0 ? o->size : DEFAULT_SIZE;
	uint32_t log_size = o->log_size != 0 ? o->log_size : DEFAULT_LOG;
	if (size > LAYOUT_MAX_SIZE || log_size > LAYOUT_MAX_SIZE)
		return vars_fail(err, TIDEVARS_BAD_CALL, "%s: at most %u variables and log entries",
				 path, LAYOUT_MAX_SIZE);
	struct layout_header *h = mem_aligned(CACHE_LINE, sizeof(*h));
	fill_header(h, size, log_size);
	int status = TIDEVARS_OK;
	errno = posix_fallocate(fd, 0, (off_t)h->file_bytes);
	if (errno != 0)
		status = vars_fail_sys(err, "%s: cannot get %llu bytes for the variable table",
				       path, (unsigned long long)h->file_bytes);
	else if (pwrite(fd, h, sizeof(*h), 0) != (ssize_t)sizeof(*h))
		status = vars_fail_sys(err, "%s: cannot write the variable table", path);
	mem_free(h);
	return status;
}

static int
fill_named(int fd, const struct tidevars_options *o, const char *tmp, struct tidevars_error *err)
{
	int status = check_fs(fd, o->path, err);
	if (status == TIDEVARS_OK)
		status = fill_file(fd, o, o->path, err);
	if (status != TIDEVARS_OK)
		return status;
	if (o->set_gid != 0 && fchown(fd, (uid_t)-1, (gid_t)o->gid) != 0)
		return vars_fail_sys(err, "%s: cannot give it to group %u", o->path, o->gid);
	if (fchmod(fd, o->mode != 0 ? (mode_t)o->mode & 0777 : 0600) != 0)
		return vars_fail_sys(err, "%s: cannot set its mode", o->path);
	if ((o->flags & TIDEVARS_SYNC) != 0 && fsync(fd) != 0)
		return vars_fail_sys(err, "%s: cannot sync", o->path);
	// Somebody else may have made the file meanwhile; then theirs is the table.
	if (link(tmp, o->path) != 0 && errno != EEXIST)
		return vars_fail_sys(err, "%s: cannot put the variable table in place", o->path);
	return TIDEVARS_OK;
}

// Made aside, so that nobody ever sees half of it.
int
vars_create_file(const struct tidevars_options *o, struct tidevars_error *err)
{
	size_t n = strlen(o->path) + sizeof(".new-XXXXXX");
	char *tmp = mem_alloc(n);
	(void)snprintf(tmp, n, "%s.new-XXXXXX", o->path);
	int status;
	int fd = mkostemp(tmp, O_CLOEXEC);
	if (fd < 0) {
		status = vars_cannot_create(o->path, err);
	} else {
		status = fill_named(fd, o, tmp, err);
		(void)unlink(tmp); // linked under its name, or of no use
		(void)close(fd);   // synced above where it matters
	}
	mem_free(tmp);
	return status;
}

static int
create_memfd(const struct tidevars_options *o, int *fd, struct tidevars_error *err)
{
	*fd = memfd_create("tidevars", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (*fd < 0)
		return vars_fail_sys(err, "memfd_create");
	int status = fill_file(*fd, o, "memfd", err);
	// Nobody can cut it short, so there is no SIGBUS to fear.
	if (status == TIDEVARS_OK &&
	    fcntl(*fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
		status = vars_fail_sys(err, "cannot seal the memfd");
	if (status != TIDEVARS_OK)
		(void)close(*fd); // nothing was in it
	return status;
}

// ---- checking -----------------------------------------------------------------------------

static bool
region_ok(uint64_t at, uint64_t count, uint64_t each, uint64_t end)
{
	return at % 64 == 0 && at <= end && count * each <= end - at; // both below 2^32
}

// What is wrong with the geometry, or NULL. The numbers are under the header's sum; this is for
// files made to deceive.
static const char *
check_geometry(const struct layout_header *h)
{
	if (h->header_bytes < sizeof(struct layout_header) ||
	    h->slot_bytes < sizeof(struct layout_slot) || h->slot_bytes % 64 != 0 ||
	    h->log_bytes < sizeof(struct layout_log) || h->log_bytes % 64 != 0)
		return "its records are too small";
	if (h->size == 0 || h->size > LAYOUT_MAX_SIZE || h->log_size == 0 ||
	    h->log_size > LAYOUT_MAX_SIZE)
		return "its number of variables or log entries is out of range";
	if (h->slots_at < h->header_bytes ||
	    !region_ok(h->slots_at, h->size, h->slot_bytes, h->data_at) ||
	    !region_ok(h->data_at, 1, h->data_bytes, h->log_at) ||
	    !region_ok(h->log_at, h->log_size, h->log_bytes, h->file_bytes))
		return "its parts overlap";
	if (atomic_load(&h->epoch) == 0 || atomic_load(&h->epoch) > LAYOUT_MAX_EPOCH)
		return "its commit number is out of range";
	if (atomic_load(&h->n_slots) > h->size || atomic_load(&h->data_used) > h->data_bytes)
		return "it holds more than it has room for";
	return NULL;
}

static int
check_header(const struct layout_header *h, uint64_t bytes, const char *path,
	     struct tidevars_error *err)
{
	if (memcmp(h->magic, LAYOUT_MARK, sizeof(h->magic)) != 0)
		return vars_fail(err, TIDEVARS_BAD_FILE,
				 "%s is not a variable table: it does not begin with %s", path,
				 LAYOUT_MARK);
	if (h->major != LAYOUT_MAJOR)
		return vars_fail(err, TIDEVARS_BAD_FILE,
				 "%s has layout %u.%u, this program knows %d.x: it was made by "
				 "%s version; dump it there (tidectl vars dump), restore it here",
				 path, h->major, h->minor, LAYOUT_MAJOR,
				 h->major > LAYOUT_MAJOR ? "a newer" : "an older");
	if (h->sum != layout_sum(LAYOUT_SUM_START, h, LAYOUT_SUMMED))
		return vars_fail(err, TIDEVARS_BAD_FILE,
				 "%s is corrupt: the sum over its header does not match", path);
	if (h->features != 0)
		return vars_fail(err, TIDEVARS_BAD_FILE,
				 "%s uses features (%#x) of a newer version", path, h->features);
	const char *wrong = check_geometry(h);
	if (wrong != NULL)
		return vars_fail(err, TIDEVARS_BAD_FILE, "%s is corrupt: %s", path, wrong);
	if (bytes != h->file_bytes)
		return vars_fail(err, TIDEVARS_BAD_FILE, "%s is %s: it has %llu bytes of %llu",
				 path, bytes < h->file_bytes ? "truncated" : "longer than it says",
				 (unsigned long long)bytes, (unsigned long long)h->file_bytes);
	return TIDEVARS_OK;
}

// Reads (not maps: no SIGBUS) and checks the header.
static int
read_header(int fd, const char *path, struct layout_header *h, struct tidevars_error *err)
{
	struct stat st;
	if (fstat(fd, &st) != 0)
		return vars_fail_sys(err, "%s", path);
	if (!S_ISREG(st.st_mode))
		return vars_fail(err, TIDEVARS_BAD_FILE, "%s is not a regular file", path);
	ssize_t n = pread(fd, h, sizeof(*h), 0);
	if (n < 0)
		return vars_fail_sys(err, "%s: cannot read", path);
	if ((size_t)n >= sizeof(h->magic) && memcmp(h->magic, LAYOUT_MARK, sizeof(h->magic)) != 0)
		return check_header(h, 0, path, err); // foreign rather than short
	if ((size_t)n < sizeof(*h))
		return vars_fail(err, TIDEVARS_BAD_FILE,
				 "%s is truncated: it has %lld bytes, the header alone %zu", path,
				 (long long)n, sizeof(*h));
	return check_header(h, (uint64_t)st.st_size, path, err);
}

// ---- this boot ----------------------------------------------------------------------------

struct clocks {
	uint64_t boot, real;
};

// The same moment on this boot's clock. 0, which has always passed, for what lies before it.
static uint64_t
deadline_now(const struct clocks *now, uint64_t boot, uint64_t real)
{
	if (boot == TIDEVARS_NEVER)
		return TIDEVARS_NEVER;
	return real > now->real ? now->boot + (real - now->real) : 0;
}

static void
rewrite_hot(struct layout_hot *hot, const struct clocks *now)
{
	uint64_t deadline = atomic_load(&hot->deadline_boot);
	atomic_store(&hot->deadline_boot,
		     deadline_now(now, deadline, atomic_load(&hot->deadline_real)));
	atomic_store(&hot->written_boot, now->boot - (now->real - atomic_load(&hot->written_real)));
}

// The last add has no twin: it moves as the record did. `was`: before that. A process killed
// between the two leaves this time off, and nothing else.
static void
rewrite_counter(struct vars_meta *m, const struct vars_record *was)
{
	struct layout_live *l = &m->slot->live;
	uint64_t then = atomic_load(&l->counter_boot);
	if (then != 0)
		atomic_store(&l->counter_boot,
			     then - was->written +
				 atomic_load(&m->slot->hot[was->which].written_boot));
}

static void
rewrite_holds(struct vars_meta *m, int r, const struct clocks *now)
{
	struct layout_hold *holds = (void *)m->data[r];
	for (size_t i = 0; i < LAYOUT_N_HOLDS; i++)
		holds[i].until_boot = deadline_now(now, holds[i].until_boot, holds[i].until_real);
}

// A power cut may have left a string or holds half on the disk; the record before stands then.
static void
void_torn(struct vars_meta *m, int r)
{
	struct layout_hot *hot = &m->slot->hot[r];
	size_t n =
	    m->type == TIDEVARS_STRING ? MIN(atomic_load(&hot->value), (uint64_t)TIDEVARS_TEXT_MAX)
	    : m->type == TIDEVARS_HOLD ? MIN(atomic_load(&hot->value), (uint64_t)LAYOUT_N_HOLDS) *
					     sizeof(struct layout_hold)
				       : 0;
	if (n == 0 || layout_sum(LAYOUT_SUM_START, m->data[r], n) == m->slot->cold[r].data_sum)
		return;
	if (atomic_load(&m->slot->hot[1 - r].stamp) != 0)
		atomic_store(&hot->stamp, 0);
	else
		atomic_store(&hot->flags, LAYOUT_HOT_DEFAULT);
}

// Under the lock; a process killed here leaves the boot id as it was, and the next begins again:
// all is computed from the realtime twins.
static void
rewrite_boot(struct tidevars *t, const uint64_t id[2])
{
	struct clocks now = {clock_boot_ns(), clock_real_ns()};
	for (uint32_t i = 0; i < t->n_known; i++) {
		struct vars_meta *m = vars_meta(t, i);
		struct vars_record was = {0};
		bool counted =
		    m->type == TIDEVARS_COUNTER && vars_pick(m->slot, vars_epoch(t), &was);
		for (int r = 0; r < 2; r++) {
			void_torn(m, r);
			rewrite_hot(&m->slot->hot[r], &now);
			if (m->type != TIDEVARS_HOLD)
				continue;
			rewrite_holds(m, r, &now);
			size_t n =
			    MIN(atomic_load(&m->slot->hot[r].value), (uint64_t)LAYOUT_N_HOLDS);
			m->slot->cold[r].data_sum = layout_sum(LAYOUT_SUM_START, m->data[r],
							       n * sizeof(struct layout_hold));
		}
		if (counted)
			rewrite_counter(m, &was);
	}
	atomic_store(&t->hdr->boot_id[0], id[0]);
	atomic_store(&t->hdr->boot_id[1], id[1]);
}

static bool
other_boot(const struct tidevars *t, const uint64_t id[2])
{
	return atomic_load(&t->hdr->boot_id[0]) != id[0] ||
	       atomic_load(&t->hdr->boot_id[1]) != id[1];
}

static int
meet_boot(struct tidevars *t, const uint64_t id[2], const char *path, struct tidevars_error *err)
{
	if ((t->flags & TIDEVARS_READ_ONLY) != 0)
		return vars_fail(err, TIDEVARS_REFUSED,
				 "%s was last written before this boot: open it for writing once, "
				 "so that its deadlines are set right",
				 path);
	int status = vars_lock(t, OPEN_WAIT_MS, err);
	if (status != TIDEVARS_OK)
		return status;
	if (other_boot(t, id)) {
		// Always: a power cut may have kept `dirty` as it was before the commit.
		vars_recover(t);
		rewrite_boot(t, id);
	}
	vars_unlock(t);
	return TIDEVARS_OK;
}

// ---- opening ------------------------------------------------------------------------------

static int
map_table(struct tidevars *t, const struct layout_header *h, const char *path,
	  struct tidevars_error *err)
{
	int prot = PROT_READ | ((t->flags & TIDEVARS_READ_ONLY) != 0 ? 0 : PROT_WRITE);
	t->map_bytes = h->file_bytes;
	void *map = mmap(NULL, t->map_bytes, prot, MAP_SHARED, t->fd, 0);
	if (map == MAP_FAILED)
		return vars_fail_sys(err, "%s: cannot map", path);
	t->hdr = map;
	t->slots = (uint8_t *)map + h->slots_at;
	t->data = (uint8_t *)map + h->data_at;
	t->log = (uint8_t *)map + h->log_at;
	t->size = h->size;
	t->log_size = h->log_size;
	t->slot_bytes = h->slot_bytes;
	t->log_bytes = h->log_bytes;
	t->data_bytes = h->data_bytes;
	t->meta = mem_zalloc(t->size * sizeof(*t->meta));
	return TIDEVARS_OK;
}

// t->fd is open; all the rest.
static int
set_up(struct tidevars *t, const char *path, struct tidevars_error *err)
{
	struct layout_header *h = mem_aligned(CACHE_LINE, sizeof(*h));
	struct tidevars_error inner;
	int status = check_fs(t->fd, path, err);
	if (status == TIDEVARS_OK)
		status = read_header(t->fd, path, h, err);
	if (status == TIDEVARS_OK)
		status = map_table(t, h, path, err);
	mem_free(h);
	if (status != TIDEVARS_OK)
		return status;
	if (!vars_guard_add(t))
		return vars_fail(err, TIDEVARS_FULL, "%s: too many tables open", path);
	uint64_t id[2];
	bool booted = vars_boot_id(id) && other_boot(t, id);
	status = vars_index_load(t, booted, &inner);
	if (status != TIDEVARS_OK)
		return vars_fail(err, status, "%s is corrupt: %s", path, inner.text);
	return booted ? meet_boot(t, id, path, err) : TIDEVARS_OK;
}

static struct tidevars *
new_table(uint32_t flags)
{
	struct tidevars *t = mem_aligned(CACHE_LINE, sizeof(*t));
	memset(t, 0, sizeof(*t));
	t->magic = VARS_MAGIC;
	t->flags = flags;
	t->fd = t->lock_fd = -1;
	(void)pthread_mutex_init(&t->index_mutex, NULL); // default mutexes: cannot fail
	(void)pthread_mutex_init(&t->write_mutex, NULL);
	return t;
}

int
tidevars_open(struct tidevars **out, const struct tidevars_options *options,
	      struct tidevars_error *err)
{
	*out = NULL;
	struct tidevars *t = new_table(options->flags);
	const char *path = options->path != NULL ? options->path : "memfd";
	int status = options->path != NULL ? vars_open_path(options, &t->fd, err)
					   : create_memfd(options, &t->fd, err);
	if (status == TIDEVARS_OK) {
		t->path = options->path != NULL ? mem_strdup(options->path) : NULL;
		status = set_up(t, path, err);
	} else {
		t->fd = -1;
	}
	if (status != TIDEVARS_OK)
		tidevars_close(&t);
	*out = t;
	return status;
}

int
tidevars_open_fd(struct tidevars **out, int fd, uint32_t flags, struct tidevars_error *err)
{
	*out = NULL;
	struct tidevars *t = new_table(flags);
	int status = TIDEVARS_OK;
	t->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (t->fd < 0)
		status = vars_fail_sys(err, "descriptor %d", fd);
	if (status == TIDEVARS_OK)
		status = set_up(t, "the table's descriptor", err);
	if (status != TIDEVARS_OK)
		tidevars_close(&t);
	*out = t;
	return status;
}

int
tidevars_fd(const struct tidevars *t)
{
	return t->fd;
}

void
tidevars_close(struct tidevars **tp)
{
	struct tidevars *t = *tp;
	*tp = NULL;
	if (t == NULL)
		return;
	CHECK_MAGIC(t, VARS_MAGIC);
	vars_guard_remove(t);
	vars_lock_fini(t);
	vars_index_fini(t);
	if (t->hdr != NULL)
		(void)munmap(t->hdr, t->map_bytes); // cannot fail: it is our mapping
	if (t->fd >= 0)
		(void)close(t->fd); // nothing was buffered
	(void)pthread_mutex_destroy(&t->index_mutex);
	(void)pthread_mutex_destroy(&t->write_mutex);
	mem_free(t->path);
	t->magic = 0;
	mem_free(t);
}

int
vars_sync(struct tidevars *t, struct tidevars_error *err)
{
	if ((t->flags & TIDEVARS_SYNC) == 0)
		return TIDEVARS_OK;
	if (msync(t->hdr, t->map_bytes, MS_SYNC) != 0)
		return vars_fail_sys(err, "written, but cannot sync the variable table");
	return TIDEVARS_OK;
}
