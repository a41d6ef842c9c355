// SPDX-License-Identifier: MIT
// Calls that fail on command. A test program linked with ld's --wrap for the names in
// tests/unit/main/wrapped reaches the C library through the functions below; the Nth call of the
// kind that is armed fails as the kernel or the allocator would, all others pass. Calls that cannot
// fail with the arguments they get (sigaction, pthread_mutex_init) are not among them.
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum shim_kind { SHIM_NONE, SHIM_MEMORY, SHIM_CALL };

// Written by the test while no other thread runs.
static enum shim_kind shim_kind;
static unsigned shim_nth;
static _Atomic unsigned shim_count;        // calls of the armed kind so far
static _Atomic(const char *) *shim_failed; // the name of the one that failed is left here

// The nth call of this kind fails from now on; 0: none does, they are only counted.
static inline void
shim_arm(enum shim_kind kind, unsigned nth, _Atomic(const char *) *failed)
{
	shim_failed = failed;
	shim_kind = kind;
	shim_nth = nth;
	atomic_store(&shim_count, 0);
}

static inline bool
shim_fails(enum shim_kind kind, const char *name)
{
	if (shim_kind != kind || atomic_fetch_add(&shim_count, 1) + 1 != shim_nth)
		return false;
	atomic_store(shim_failed, name);
	return true;
}

// A wrapper: what it returns, the value and the errno of its failure, its name, parameters and
// arguments.
#define SHIM(kind, type, failed, code, name, params, args) \
	extern type __real_##name params;                  \
	type __wrap_##name params;                         \
	type __wrap_##name params                          \
	{                                                  \
		if (shim_fails(kind, #name)) {             \
			errno = code;                      \
			return failed;                     \
		}                                          \
		return __real_##name args;                 \
	}
#define MEMORY(name, params, args)        SHIM(SHIM_MEMORY, void *, NULL, ENOMEM, name, params, args)
#define CALL(code, name, params, args)    SHIM(SHIM_CALL, int, -1, code, name, params, args)
#define RETURNS(code, name, params, args) SHIM(SHIM_CALL, int, code, 0, name, params, args)

MEMORY(malloc, (size_t n), (n))
MEMORY(calloc, (size_t n, size_t size), (n, size))
MEMORY(realloc, (void *p, size_t n), (p, n))
SHIM(SHIM_MEMORY, int, ENOMEM, 0, posix_memalign, (void **p, size_t align, size_t n), (p, align, n))

CALL(EMFILE, socket, (int family, int type, int protocol), (family, type, protocol))
CALL(EADDRNOTAVAIL, bind, (int fd, const struct sockaddr *a, socklen_t n), (fd, a, n))
CALL(EOPNOTSUPP, listen, (int fd, int backlog), (fd, backlog))
CALL(ENFILE, accept4, (int fd, struct sockaddr *a, socklen_t *n, int flags), (fd, a, n, flags))
CALL(ENETUNREACH, connect, (int fd, const struct sockaddr *a, socklen_t n), (fd, a, n))
CALL(ENOPROTOOPT, setsockopt, (int fd, int level, int o, const void *v, socklen_t n),
     (fd, level, o, v, n))
CALL(ENOBUFS, getsockname, (int fd, struct sockaddr *a, socklen_t *n), (fd, a, n))
CALL(EIO, fstat, (int fd, struct stat *s), (fd, s))
CALL(EIO, stat, (const char *path, struct stat *s), (path, s))
CALL(EIO, lstat, (const char *path, struct stat *s), (path, s))
CALL(EPERM, chmod, (const char *path, mode_t mode), (path, mode))
CALL(EPERM, fchmod, (int fd, mode_t mode), (fd, mode))
CALL(EBUSY, unlink, (const char *path), (path))
CALL(ENOSPC, link, (const char *from, const char *to), (from, to))
CALL(ENOSPC, rename, (const char *from, const char *to), (from, to))
SHIM(SHIM_CALL, ssize_t, -1, EIO, read, (int fd, void *p, size_t n), (fd, p, n))
SHIM(SHIM_CALL, ssize_t, -1, EIO, pread, (int fd, void *p, size_t n, off_t at), (fd, p, n, at))
SHIM(SHIM_CALL, ssize_t, -1, ENOSPC, pwrite, (int fd, const void *p, size_t n, off_t at),
     (fd, p, n, at))
SHIM(SHIM_CALL, void *, MAP_FAILED, ENOMEM, mmap,
     (void *p, size_t n, int prot, int flags, int fd, off_t at), (p, n, prot, flags, fd, at))
CALL(EIO, msync, (void *p, size_t n, int flags), (p, n, flags))
RETURNS(ENOSPC, posix_fallocate, (int fd, off_t at, off_t n), (fd, at, n))
CALL(EMFILE, memfd_create, (const char *name, unsigned flags), (name, flags))
CALL(EMFILE, eventfd, (unsigned value, int flags), (value, flags))
CALL(EMFILE, epoll_create1, (int flags), (flags))
CALL(EPERM, getrlimit, (__rlimit_resource_t what, struct rlimit *l), (what, l))
CALL(EPERM, setrlimit, (__rlimit_resource_t what, const struct rlimit *l), (what, l))
RETURNS(EAI_MEMORY, getaddrinfo,
	(const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **list),
	(host, port, hints, list))
RETURNS(EAGAIN, pthread_create,
	(pthread_t * t, const pthread_attr_t *attr, void *(*fn)(void *), void *arg),
	(t, attr, fn, arg))
RETURNS(-ENOMEM, io_uring_queue_init_params,
	(unsigned n, struct io_uring *ring, struct io_uring_params *p), (n, ring, p))
RETURNS(-EINVAL, io_uring_register_ring_fd, (struct io_uring * ring), (ring))
RETURNS(-EINVAL, io_uring_register_buf_ring,
	(struct io_uring * ring, struct io_uring_buf_reg *reg, unsigned flags), (ring, reg, flags))
RETURNS(-EINTR, io_uring_submit_and_get_events, (struct io_uring * ring), (ring))
RETURNS(-EINTR, io_uring_submit_and_wait_timeout,
	(struct io_uring * ring, struct io_uring_cqe **c, unsigned n, struct __kernel_timespec *t,
	 sigset_t *set),
	(ring, c, n, t, set))

// --- those that fail in some uses only, or have a variable number of arguments
// --------------------

#define SHIM_REST(first, type, n, out)                    \
	va_list ap;                                       \
	va_start(ap, first);                              \
	for (unsigned shim_i = 0; shim_i < (n); shim_i++) \
		(out)[shim_i] = va_arg(ap, type);         \
	va_end(ap)

extern int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int
__wrap_open(const char *path, int flags, ...)
{
	mode_t mode[1] = {0};
	if (flags & (O_CREAT | O_TMPFILE)) {
		SHIM_REST(flags, mode_t, 1, mode);
	}
	if (!shim_fails(SHIM_CALL, "open"))
		return __real_open(path, flags, mode[0]);
	errno = EMFILE;
	return -1;
}

extern int __real_fcntl(int fd, int op, ...);
int __wrap_fcntl(int fd, int op, ...);
int
__wrap_fcntl(int fd, int op, ...)
{
	long rest[1];
	SHIM_REST(op, long, 1, rest);
	if (!shim_fails(SHIM_CALL, "fcntl"))
		return __real_fcntl(fd, op, rest[0]);
	errno = EAGAIN;
	return -1;
}

extern int __real_epoll_ctl(int fd, int op, int other, struct epoll_event *e);
int __wrap_epoll_ctl(int fd, int op, int other, struct epoll_event *e);
int
__wrap_epoll_ctl(int fd, int op, int other, struct epoll_event *e)
{
	if (op != EPOLL_CTL_ADD || !shim_fails(SHIM_CALL, "epoll_ctl"))
		return __real_epoll_ctl(fd, op, other, e);
	errno = ENOMEM;
	return -1;
}

extern long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
long
__wrap_syscall(long number, ...)
{
	long a[6];
	SHIM_REST(number, long, 6, a);
	if (!shim_fails(SHIM_CALL, "syscall"))
		return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	errno = EINTR;
	return -1;
}

extern int __real_prctl(int op, ...);
int __wrap_prctl(int op, ...);
int
__wrap_prctl(int op, ...)
{
	unsigned long a[4];
	SHIM_REST(op, unsigned long, 4, a);
	if (!shim_fails(SHIM_CALL, "prctl"))
		return __real_prctl(op, a[0], a[1], a[2], a[3]);
	errno = EINVAL;
	return -1;
}
