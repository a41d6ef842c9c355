// SPDX-License-Identifier: MIT
// The system calls of a process that serves: a filter made of the rows below and loaded before any
// thread starts. What is not in them fails with EPERM; what only an intruder would ask for ends
// the process. Rings of io_uring are restricted by themselves (net/uring_ring.c), as a filter does
// not see what is submitted through them.
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "main/rights.h"

#define NAME_BYTES 32

// Names with spaces between; one that the machine's architecture lacks is left out.
static const char *const permitted[] = {
    // connections
    "accept accept4 bind connect getpeername getsockname getsockopt listen recvfrom recvmsg "
    "sendmmsg sendmsg sendto setsockopt shutdown socketpair",
    // waiting and waking
    "clock_gettime clock_nanosleep epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait "
    "eventfd2 futex futex_waitv nanosleep pipe2 poll ppoll pselect6 select",
    // files: scripts, maps, pages, the variable table and its dumps
    "access chdir chmod close close_range dup dup2 dup3 faccessat faccessat2 fallocate fchdir "
    "fchmod fchmodat fchown fcntl fdatasync flock fstat fstatfs fsync ftruncate getcwd getdents64 "
    "inotify_add_watch inotify_init1 inotify_rm_watch link linkat lseek lstat memfd_create mkdir "
    "mkdirat newfstatat open openat openat2 pread64 preadv preadv2 pwrite64 pwritev pwritev2 read "
    "readlink "
    "readlinkat readv rename renameat renameat2 rmdir stat statfs statx umask unlink unlinkat "
    "utimensat write writev",
    // memory
    "brk madvise mlock mmap mprotect mremap msync munlock munmap",
    // threads and signals of this process
    "exit exit_group gettid membarrier restart_syscall rseq rt_sigaction rt_sigpending "
    "rt_sigprocmask rt_sigreturn rt_sigsuspend rt_sigtimedwait sched_get_priority_max "
    "sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler "
    "sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield "
    "set_robust_list set_tid_address sigaltstack wait4 waitid",
    // what is asked about the process and the system
    "capget clock_getres getcpu getegid geteuid getgid getgroups getpgrp getpid getppid "
    "getpriority getrandom getresgid getresuid getrlimit getrusage getsid gettimeofday getuid "
    "prlimit64 sysinfo time times uname",
};

static const char *const of_uring[] = {"io_uring_enter io_uring_register io_uring_setup"};

// Programs, other processes, the kernel itself: nothing that serves requests asks for these.
static const char *const deadly[] = {
    "add_key bpf chroot delete_module execve execveat finit_module init_module kexec_file_load "
    "kexec_load keyctl mount move_mount name_to_handle_at open_by_handle_at perf_event_open "
    "pivot_root process_vm_readv process_vm_writev ptrace reboot request_key setns swapon umount2 "
    "unshare userfaultfd",
};

// Calls permitted with some values of one argument only.
static const struct {
	const char *name;
	unsigned arg;
	enum scmp_compare how;
	uint64_t a, b;
} partly[] = {
    {"socket", 0, SCMP_CMP_EQ, AF_UNIX, 0},
    {"socket", 0, SCMP_CMP_EQ, AF_INET, 0},
    {"socket", 0, SCMP_CMP_EQ, AF_INET6, 0},
    {"socket", 0, SCMP_CMP_EQ, AF_NETLINK, 0}, // getaddrinfo asks which addresses there are
    {"clone", 0, SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD},
    {"prctl", 0, SCMP_CMP_EQ, PR_SET_NAME, 0},
    {"prctl", 0, SCMP_CMP_EQ, PR_GET_NAME, 0},
    {"prctl", 0, SCMP_CMP_EQ, PR_SET_VMA, 0},
    {"prctl", 0, SCMP_CMP_EQ, PR_SET_TIMERSLACK, 0},
    {"ioctl", 1, SCMP_CMP_EQ, FIONREAD, 0},
    {"ioctl", 1, SCMP_CMP_EQ, FIONBIO, 0},
    {"ioctl", 1, SCMP_CMP_EQ, TCGETS, 0}, // isatty
};

static bool
next_name(struct str *rest, char name[NAME_BYTES])
{
	struct str word;
	if (!str_next(rest, ' ', &word))
		return false;
	ASSERT(word.n < NAME_BYTES);
	memcpy(name, word.p, word.n);
	name[word.n] = '\0';
	return true;
}

static bool
add_calls(scmp_filter_ctx ctx, uint32_t action, const char *const *groups, size_t n,
	  struct err *err)
{
	char name[NAME_BYTES];
	for (size_t i = 0; i < n; i++) {
		for (struct str rest = str_from_c(groups[i]); next_name(&rest, name);) {
			int number = seccomp_syscall_resolve_name(name);
			int r = number == __NR_SCMP_ERROR
				    ? 0
				    : seccomp_rule_add(ctx, action, number, 0);
			if (r != 0)
				return err_set(err, "seccomp: %s: %s", name, strerror(-r));
		}
	}
	return true;
}

static bool
add_partly(scmp_filter_ctx ctx, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(partly); i++) {
		struct scmp_arg_cmp cmp = {.arg = partly[i].arg,
					   .op = partly[i].how,
					   .datum_a = partly[i].a,
					   .datum_b = partly[i].b};
		int r =
		    seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW,
					   seccomp_syscall_resolve_name(partly[i].name), 1, &cmp);
		if (r != 0)
			return err_set(err, "seccomp: %s: %s", partly[i].name, strerror(-r));
	}
	return true;
}

// Signals go to this process only; the C library falls back from clone3, whose flags a filter
// cannot see, to clone when it is told that there is none.
static bool
add_special(scmp_filter_ctx ctx, struct err *err)
{
	struct scmp_arg_cmp self = {.arg = 0, .op = SCMP_CMP_EQ, .datum_a = (uint64_t)getpid()};
	int r = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, &self);
	if (r == 0)
		r = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, SCMP_SYS(kill), 1, &self);
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	return r == 0 || err_set(err, "seccomp: %s", strerror(-r));
}

bool
seccomp_install(bool uring, struct err *err)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	if (ctx == NULL)
		return err_set(err, "seccomp: no memory for the filter");
	bool ok = add_calls(ctx, SCMP_ACT_ALLOW, permitted, ARRAY_LEN(permitted), err) &&
		  (!uring || add_calls(ctx, SCMP_ACT_ALLOW, of_uring, ARRAY_LEN(of_uring), err)) &&
		  add_calls(ctx, SCMP_ACT_KILL_PROCESS, deadly, ARRAY_LEN(deadly), err) &&
		  add_partly(ctx, err) && add_special(ctx, err);
	int r = ok ? seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2) : 0; // a tree, not a list
	if (ok && r == 0)
		r = seccomp_load(ctx);
	seccomp_release(ctx);
	return ok && (r == 0 || err_set(err, "cannot filter system calls: %s", strerror(-r)));
}

bool
seccomp_usable(void)
{
	// The kernel is asked as it will be when the filter is loaded: prctl answers also where
	// seccomp(2) is missing, as under valgrind and in some sandboxes.
	uint32_t action = SECCOMP_RET_KILL_PROCESS;
	return !SANITIZED && syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

unsigned
seccomp_n_calls(void)
{
	char name[NAME_BYTES];
	unsigned n = 0;
	for (size_t i = 0; i < ARRAY_LEN(permitted); i++)
		for (struct str rest = str_from_c(permitted[i]); next_name(&rest, name);)
			n++;
	return n;
}
