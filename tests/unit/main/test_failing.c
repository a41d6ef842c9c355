// SPDX-License-Identifier: MIT
// The whole way from a configuration to a service that listens and ends, walked once for every
// call and every allocation on it, which then fails. Whatever fails, the service either goes on
// or ends with a message; it never crashes, hangs, or leaves descriptors, memory, sockets or a
// pidfile behind. Each walk is a process of its own.
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <sys/wait.h>

#include "base/base.h"
#include "main/service.h"
#include "shim.h"
#include "tap.h"

#define PATIENCE_S 60
#define DENSE      250
#define SPARSE     23
#define SAID_BYTES 4096

static char folder[64];

// --- the configuration ---------------------------------------------------------------------------

static const char cfg_text[] =
    "global\n nbthread 2\n maxconn 100\n io-engine %s\n"
    " stats socket %s/cli level admin mode 600\n pidfile %s/pid\n"
    " log 127.0.0.1:9 format raw local0\n"
    "vars\n file %s/vars\n var maint int default 0\n var word string default a\n"
    "policy p\n script %s/p.lua\n on-error last-good\n"
    "defaults\n mode http\n log global\n option httplog\n timeout client 1s\n timeout server 1s\n"
    " timeout connect 1s\n errorfile 503 %s/503.http\n"
    "frontend f\n bind 127.0.0.1:0\n bind unix@%s/front\n acl m lua(is_maint)\n"
    " acl r path_reg ^/a[0-9]+$\n acl l path -f %s/paths\n"
    " http-request set-header x %%[path,map_str(%s/map,none)]\n"
    " http-request deny if r !l\n use_backend b if m\n default_backend b\n"
    "backend b\n server s 127.0.0.1:1\n server t %s:2 weight 3\n";

static void
put(const char *name, const char *text)
{
	char path[128];
	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *f = fopen(path, "w");
	if (f == NULL || fputs(text, f) < 0 || fclose(f) != 0)
		abort();
}

static void
put_files(const char *engine)
{
	char text[4096];
	const char *d = folder;
	// A name to look up, where no name server need be asked.
	const char *name = access("/etc/hosts", R_OK) == 0 ? "localhost" : "127.0.0.1";
	(void)snprintf(text, sizeof(text), cfg_text, engine, d, d, d, d, d, d, d, d, name);
	put("t.cfg", text);
	put("p.lua", "function is_maint(txn) return vars.maint > 0 end\n"
		     "test('off', function(t) assert(not is_maint(t.txn{})) end)\n");
	put("503.http", "HTTP/1.0 503 Busy\r\nContent-Length: 0\r\n\r\n");
	put("paths", "/a1\n/b\n");
	put("map", "/a1 one\n/b two\n");
}

static bool
is_input(const char *name)
{
	static const char *const inputs[] = {"t.cfg", "p.lua", "503.http", "paths", "map"};
	for (size_t i = 0; i < ARRAY_LEN(inputs); i++)
		if (strcmp(name, inputs[i]) == 0)
			return true;
	return false;
}

// What a walk made, each makes it anew; or all.
static void
clear_folder(bool inputs_too)
{
	char path[512];
	DIR *d = opendir(folder);
	if (d == NULL)
		abort();
	for (const struct dirent *e; (e = readdir(d)) != NULL;) {
		if (e->d_name[0] == '.' || (!inputs_too && is_input(e->d_name)))
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
		if (unlink(path) != 0)
			abort();
	}
	(void)closedir(d); // was only read
}

// --- one walk ------------------------------------------------------------------------------------

static unsigned
count_entries(const char *path)
{
	unsigned n = 0;
	DIR *d = opendir(path);
	if (d == NULL)
		abort();
	while (readdir(d) != NULL)
		n++;
	(void)closedir(d); // was only read
	return n;
}

// As main() does; a SIGTERM that waits ends the service when it serves.
static int
walk(void)
{
	char cfg[128];
	(void)snprintf(cfg, sizeof(cfg), "%s/t.cfg", folder);
	char *argv[] = {(char[]){"tidegate"}, (char[]){"-f"}, cfg, NULL};
	struct options o;
	struct service s;
	struct err err;
	int status = 1;
	if (options_parse(&o, 3, argv, &err)) {
		if (service_load(&s, &o, NULL))
			status = service_run(&s);
		service_free(&s);
	}
	options_fini(&o);
	return status;
}

struct report {
	unsigned calls;
	_Atomic(const char *) failed; // static text, the same in every process
	bool done;
	unsigned fds_before, fds_after, files_after;
};

NORETURN static void
child(enum shim_kind kind, unsigned nth, int said, struct report *r)
{
	sigset_t term;
	(void)alarm(PATIENCE_S);
	(void)__real_setrlimit(RLIMIT_CORE, &(struct rlimit){0}); // panics are expected
	if (dup2(said, STDERR_FILENO) < 0 || sigemptyset(&term) != 0 ||
	    sigaddset(&term, SIGTERM) != 0 || sigprocmask(SIG_BLOCK, &term, NULL) != 0 ||
	    raise(SIGTERM) != 0)
		abort();
	r->fds_before = count_entries("/proc/self/fd");
	shim_arm(kind, nth, &r->failed);
	int status = walk();
	shim_kind = SHIM_NONE;
	r->calls = atomic_load(&shim_count);
	r->fds_after = count_entries("/proc/self/fd");
	r->files_after = count_entries(folder);
	r->done = true;
	exit(status); // a leak checker has its say here
}

// What the walk printed, cut to `size`.
static void
read_said(int fd, char *said, size_t size)
{
	ssize_t n = pread(fd, said, size - 1, 0);
	said[n > 0 ? n : 0] = '\0';
}

// A file may stay where removing it is what failed.
static bool
may_stay(const struct report *r)
{
	const char *failed = r->failed;
	return failed != NULL && strcmp(failed, "unlink") == 0;
}

static const char *
fault_of(int status, const struct report *r, const char *said, unsigned files)
{
	bool oom = strstr(said, "panic: out of memory") != NULL ||
		   strstr(said, "panic: cannot start") != NULL;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT && oom)
		return NULL; // the end that fixed structures are meant to have
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGALRM ? "hangs" : "crashed";
	if (WEXITSTATUS(status) > 1 || !r->done)
		return "ended in an odd way";
	if (WEXITSTATUS(status) == 1 && strstr(said, "[ALERT]") == NULL)
		return "failed without a word";
	if (strstr(said, "Success") != NULL || strstr(said, ": \n") != NULL)
		return "does not know the cause";
	if (r->fds_after != r->fds_before)
		return "left descriptors open";
	if (r->files_after > files && !may_stay(r))
		return "left files behind";
	return NULL;
}

// One walk in a process of its own; prints what is wrong with it.
static bool
walk_apart(enum shim_kind kind, unsigned nth, struct report *r, unsigned files)
{
	char said[SAID_BYTES];
	int fd = memfd_create("said", MFD_CLOEXEC), status = 0;
	*r = (struct report){0};
	clear_folder(false);
	(void)fflush(stdout); // else the child prints it again
	pid_t pid = fork();
	if (pid == 0)
		child(kind, nth, fd, r);
	if (fd < 0 || pid < 0 || waitpid(pid, &status, 0) != pid)
		abort();
	read_said(fd, said, sizeof(said));
	(void)close(fd); // was only read
	const char *failed = r->failed;
	const char *fault = fault_of(status, r, said, files);
	if (fault != NULL)
		printf("# call %u, %s: %s (status %x, descriptors %u -> %u, files %u of %u)\n%s\n",
		       nth, failed != NULL ? failed : "-", fault, (unsigned)status, r->fds_before,
		       r->fds_after, r->files_after, files, said);
	return fault == NULL;
}

// All walks of one kind. The buffers that io_uring lends are hundreds of allocations in a row at
// one place: of those, some will do.
static void
walk_for_each(enum shim_kind kind, struct report *r)
{
	char title[64];
	bool good = walk_apart(kind, 0, r, UINT_MAX);
	unsigned total = r->calls, files = r->files_after, walks = 0, bad = 0;
	OK_MSG(good && total > 50, "undisturbed");
	for (unsigned i = 1; i <= total; i += i < DENSE ? 1 : SPARSE, walks++)
		bad += walk_apart(kind, i, r, files) ? 0 : 1;
	(void)snprintf(title, sizeof(title), "%u walks of %u calls", walks, total);
	OK_MSG(bad == 0, title);
}

int
main(void)
{
	struct report *r =
	    mmap(NULL, sizeof(*r), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (r == MAP_FAILED)
		return 1;
	static const char *const engines[] = {"epoll", "uring"};
	for (size_t i = 0; i < ARRAY_LEN(engines); i++) {
		(void)snprintf(folder, sizeof(folder), "/tmp/failing.XXXXXX");
		if (mkdtemp(folder) == NULL)
			return 1;
		put_files(engines[i]);
		walk_for_each(SHIM_CALL, r);
		walk_for_each(SHIM_MEMORY, r);
		clear_folder(true);
		if (rmdir(folder) != 0)
			return 1;
	}
	return tap_done();
}
