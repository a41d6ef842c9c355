// SPDX-License-Identifier: MIT
// A policy's texts: read once at a generation's making, hashed, kept for rebuilds and rollback.
// The script's folder is opened when the policy is declared; later reads are beneath that
// descriptor (openat2, RESOLVE_BENEATH), so they work after chroot and reach nothing else.
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/user.h"
#include "policy/policy_priv.h"
#include "policy/run_priv.h"

bool
policy_source_open(struct policy *p, const char *path, struct err *err)
{
	const char *slash = strrchr(path, '/');
	p->path = mem_strdup(path);
	p->file = mem_strdup(slash != NULL ? slash + 1 : path);
	if (p->text.p != NULL)
		return true;
	char folder[4096] = ".";
	if (slash != NULL) {
		size_t n = MAX((size_t)(slash - path), (size_t)1); // "/x" lies in "/"
		if (n >= sizeof(folder))
			return err_set(err, "%s: the path is too long", path);
		memcpy(folder, path, n);
		folder[n] = '\0';
	}
	p->folder = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (p->folder < 0)
		return err_set(err, "%s: %s", path, strerror(errno));
	return true;
}

void
policy_source_close(struct policy *p)
{
	for (unsigned i = 0; i < p->n_paths; i++) {
		(void)close(p->paths[i].folder); // an O_PATH descriptor: nothing to lose
		mem_free(p->paths[i].suffix);
	}
	p->n_paths = 0;
	if (p->folder >= 0)
		(void)close(p->folder); // O_PATH: nothing to lose
	p->folder = -1;
	mem_free(p->path);
	mem_free(p->file);
	p->path = p->file = NULL;
}

// ---- reading --------------------------------------------------------------------------------

static bool
read_all(int fd, struct str *out, struct err *err)
{
	struct stat st;
	if (fstat(fd, &st) != 0)
		return err_set(err, "%s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(err, "not a regular file");
	if (st.st_size > (off_t)POLICY_MAX_SOURCE)
		return err_set(err, "longer than %llu bytes",
			       (unsigned long long)POLICY_MAX_SOURCE);
	size_t room = (size_t)st.st_size + 1, n = 0;
	char *p = mem_alloc(room);
	for (;;) {
		ssize_t r = read(fd, p + n, room - n);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0 || n + (size_t)r == room) { // it grew while being read
			mem_free(p);
			return err_set(err, "%s", r < 0 ? strerror(errno) : "changed while read");
		}
		if (r == 0)
			break;
		n += (size_t)r;
	}
	*out = str_of(p, n);
	return true;
}

// Where openat2 is missing (kernels before 5.6, valgrind): component by component, following no
// link and no "..", which is stricter and as safe.
static int
walk_beneath(int folder, const char *name)
{
	char part[256];
	int at = folder;
	for (;;) {
		size_t n = strcspn(name, "/");
		bool last = name[n] == '\0';
		int fd = -1;
		if (n == 0 || n >= sizeof(part) || (n == 2 && memcmp(name, "..", 2) == 0)) {
			errno = EXDEV;
		} else {
			memcpy(part, name, n);
			part[n] = '\0';
			fd = openat(at, part,
				    O_CLOEXEC | O_NOFOLLOW |
					(last ? O_RDONLY | O_NONBLOCK : O_PATH | O_DIRECTORY));
		}
		if (at != folder)
			(void)close(at); // an O_PATH descriptor: nothing to lose
		if (fd < 0 || last)
			return fd;
		at = fd;
		name += n + 1;
	}
}

static int
open_beneath(int folder, const char *name)
{
	struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK,
			       .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
	int fd = (int)syscall(SYS_openat2, folder, name, &how, sizeof(how));
	return fd < 0 && errno == ENOSYS ? walk_beneath(folder, name) : fd;
}

static bool
read_beneath(int folder, const char *name, struct str *out, struct err *err)
{
	int fd = open_beneath(folder, name);
	if (fd < 0 && errno == EXDEV)
		return err_set(err, "leads out of the folder of its policy");
	if (fd < 0 && errno == EACCES) { // whoever serves may be another user than who started it
		char self[64];
		user_name(geteuid(), self, sizeof(self));
		return err_set(err, "%s, as user %s", strerror(EACCES), self);
	}
	if (fd < 0)
		return err_set(err, "%s", strerror(errno));
	bool ok = read_all(fd, out, err);
	(void)close(fd); // read only: nothing to lose
	return ok;
}

bool
policy_read_file(const struct policy *p, const char *name, struct str *out, struct err *err)
{
	if (p->folder < 0)
		return err_set(err, "%s: a policy without a file has no folder", name);
	if (name[0] == '/' || strstr(name, "..") != NULL)
		return err_set(err, "%s: only files beneath the script's folder are read", name);
	return read_beneath(p->folder, name, out, err) || err_wrap(err, "%s", name);
}

static struct str
copy_text(struct str text)
{
	char *p = mem_alloc(text.n + 1);
	if (text.n > 0)
		memcpy(p, text.p, text.n);
	p[text.n] = '\0';
	return str_of(p, text.n);
}

// ---- generations as texts -------------------------------------------------------------------

static bool
read_script(struct policy *p, const struct str *text, struct str *out, struct err *err)
{
	if (text != NULL && text->n > POLICY_MAX_SOURCE)
		return err_set(err, "longer than %llu bytes",
			       (unsigned long long)POLICY_MAX_SOURCE);
	if (text == NULL && p->text.p != NULL)
		text = &p->text;
	if (text == NULL)
		return read_beneath(p->folder, p->file, out, err);
	*out = copy_text(*text);
	return true;
}

struct policy_gen *
policy_gen_new(struct policy *p, const struct str *text, const char *chunk, struct err *err)
{
	struct str script;
	const char *where = chunk != NULL ? chunk : p->path;
	if (!read_script(p, text, &script, err)) {
		err_wrap(err, "%s", where);
		return NULL;
	}
	struct policy_gen *gen = MEM_NEW(struct policy_gen);
	gen->policy = p;
	gen->script = (struct policy_chunk){.name = mem_strdup(""),
					    .where = mem_strdup(where),
					    .text = script};
	gen->info.prepared_real_ns = clock_real_ns();
	return gen;
}

static void
free_chunk(struct policy_chunk *c)
{
	mem_free(c->name);
	mem_free(c->where);
	mem_free((void *)(uintptr_t)c->text.p);
}

void
policy_gen_free(struct policy_gen *gen)
{
	if (gen == NULL)
		return;
	ASSERT(gen->n_states == 0);
	free_chunk(&gen->script);
	for (size_t i = 0; i < gen->n_modules; i++)
		free_chunk(&gen->modules[i]);
	for (size_t i = 0; i < gen->n_functions; i++)
		mem_free(gen->functions[i].name);
	policy_gen_entries_free(gen);
	policy_counts_free(gen);
	mem_free(gen->modules);
	mem_free(gen->functions);
	mem_free(gen->states);
	mem_free(gen);
}

// "a.b" is a/b and the suffix; only plain names.
static bool
module_file(const char *name, const char *suffix, char *out, size_t room)
{
	size_t n = strlen(name);
	if (n == 0 || n + strlen(suffix) + 1 > room)
		return false;
	for (size_t i = 0; i < n; i++) {
		char c = name[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			     (c >= '0' && c <= '9') || c == '_' || c == '-';
		bool dot = c == '.' && i > 0 && i + 1 < n && name[i + 1] != '.';
		if (!plain && !dot)
			return false;
		out[i] = dot ? '/' : c;
	}
	memcpy(out + n, suffix, strlen(suffix) + 1);
	return true;
}

// In the script's own folder, else where lua-prepend-path says; `file` is told back.
static bool
read_module(const struct policy *p, const char *name, char *file, size_t room, struct str *text,
	    struct err *err)
{
	for (unsigned i = 0; i < p->n_paths; i++) {
		struct err other;
		if (module_file(name, p->paths[i].suffix, file, room) &&
		    read_beneath(p->paths[i].folder, file, text, &other))
			return true;
	}
	if (!module_file(name, ".lua", file, room))
		return err_set(err, "names are letters, digits, '_' and '-', with dots between");
	return read_beneath(p->folder, file, text, err) ||
	       err_wrap(err, "%s beneath the policy's folder", file);
}

bool
policy_source_paths(struct policy *p, const char *const *paths, struct err *err)
{
	for (; paths != NULL && *paths != NULL; paths++) {
		const char *mark = strstr(*paths, "/?");
		if (mark == NULL || mark[2] == '\0' || strchr(mark + 2, '?') != NULL)
			return err_set(err, "lua-prepend-path '%s': \"DIR/?.lua\" is expected",
				       *paths);
		char *folder = mem_strdup(*paths);
		folder[mark - *paths] = '\0';
		struct policy_path *at = &p->paths[p->n_paths];
		at->folder = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
		mem_free(folder);
		if (at->folder < 0)
			return err_set(err, "lua-prepend-path '%s': %s", *paths, strerror(errno));
		at->suffix = mem_strdup(mark + 2);
		p->n_paths++;
	}
	return true;
}

const struct policy_chunk *
policy_gen_module(struct policy_gen *gen, const char *name, struct err *err)
{
	struct policy *p = gen->policy;
	char file[256];
	struct str text;
	for (size_t i = 0; i < gen->n_modules; i++)
		if (strcmp(gen->modules[i].name, name) == 0)
			return &gen->modules[i];
	if (gen->recorded)
		err_set(err, "was not required when the generation was checked");
	else if (p->folder < 0)
		err_set(err, "a policy without a file has no modules");
	else if (gen->n_modules == POLICY_MAX_MODULES)
		err_set(err, "more than %d modules", POLICY_MAX_MODULES);
	else if (read_module(p, name, file, sizeof(file), &text, err)) {
		VEC_GROW(gen->modules, gen->cap_modules, gen->n_modules);
		struct policy_chunk *m = &gen->modules[gen->n_modules++];
		*m = (struct policy_chunk){.name = mem_strdup(name),
					   .where = mem_strdup(file),
					   .text = text};
		return m;
	}
	return NULL;
}

static void
digest(EVP_MD_CTX *c, struct str s)
{
	int ok = EVP_DigestUpdate(c, s.p, s.n);
	ASSERT(ok == 1);
}

// Of the script alone: what sha256sum of its file says. With modules, their names, lengths and
// texts follow.
void
policy_gen_hash(struct policy_gen *gen)
{
	char head[320];
	unsigned n = 0;
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	ASSERT(c != NULL);
	int ok = EVP_DigestInit_ex(c, EVP_sha256(), NULL);
	ASSERT(ok == 1);
	digest(c, gen->script.text);
	for (size_t i = 0; i < gen->n_modules; i++) {
		const struct policy_chunk *m = &gen->modules[i];
		int len = snprintf(head, sizeof(head), "\n-- %s %zu\n", m->name, m->text.n);
		digest(c, str_of(head, (size_t)len));
		digest(c, m->text);
	}
	ok = EVP_DigestFinal_ex(c, gen->info.hash, &n);
	ASSERT(ok == 1 && n == POLICY_HASH_BYTES);
	EVP_MD_CTX_free(c);
	for (size_t i = 0; i < POLICY_HASH_BYTES; i++)
		(void)snprintf(gen->info.hash_hex + 2 * i, 3, "%02x", gen->info.hash[i]);
}

const struct policy_global *
policy_gen_global(const struct policy_gen *gen, const char *function)
{
	size_t low = 0, high = gen->n_functions;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int r = strcmp(gen->functions[mid].name, function);
		if (r == 0)
			return &gen->functions[mid];
		if (r < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

bool
policy_gen_has(const struct policy_gen *gen, const char *function)
{
	return policy_gen_global(gen, function) != NULL;
}
