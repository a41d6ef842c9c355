// SPDX-License-Identifier: MIT
// Listening sockets. A listener is one bound address with one socket per worker slot
// (SO_REUSEPORT), or one socket shared by all slots where it was inherited or is a unix path.
// It is made once at start and closed only when its address leaves the configuration: closing one
// socket of a REUSEPORT group resets what waits in its queue. An acceptor is one worker's interest
// in its slot.
#pragma once

#include "base/clock.h"
#include "net/addr.h"

struct acceptor;
struct err;
struct listener;
struct loop;

// Who keeps sockets beyond this process (the master): asked before one is made, told of each that
// was. With a keeper, unix paths stay when the listener goes. A unix socket whose path is gone is
// not asked for: another is made in its place.
struct listener_keeper {
	// The socket of an address and slot, close-on-exec, now the caller's; -1: there is none.
	int (*find)(void *arg, const char *address, unsigned slot);
	void (*made)(void *arg, const char *address, unsigned slot, int fd);
	void *arg;
};

struct listener_spec {
	struct addr addr; // ignored when inherited_fd >= 0
	int inherited_fd; // a socket that is bound already (fd@N); -1: none. listen() is called on
			  // it
	unsigned n_slots; // workers that will accept, at least 1
	int backlog;      // 0: 1024
	bool v6only;      // IPv6: do not take IPv4 as well
	unsigned mode;    // unix: permissions, e.g. 0600; 0: as umask says
	int uid, gid;     // unix: owner; -1: unchanged
	const struct listener_keeper *keeper; // NULL: nobody
	uint64_t patience_ns;                 // how long an address in use is tried again; 0: once
};

// What a service that starts allows the one that ended a moment ago.
#define LISTENER_PATIENCE_NS (1000 * NS_PER_MS)

// Binds and listens. NULL with a cause that names the address ("cannot bind 127.0.0.1:80: address
// in use"). A unix path where nobody listens any more is replaced, one that answers is not.
struct listener *listener_new(const struct listener_spec *spec, struct err *err);
// Closes the sockets; a unix path it made is removed. Acceptors must be stopped.
void listener_free(struct listener **l);
// The address as bound, with the real port when port 0 was asked.
const struct addr *listener_addr(const struct listener *l);
// Nobody can reach a unix socket whose path was removed, or replaced by something else.
bool listener_out_of_reach(const struct addr *a);
// Who waits in its queues is refused, and so are newcomers, until somebody listens on these sockets
// again, as listener_new does on those that a keeper has, and at once an acceptor of another
// process that has them too. Acceptors must be paused or stopped. Sockets that others gave us
// (inherited, or kept for an abstract name) stay as they are: they may be shared. Any thread.
void listener_shut(struct listener *l);
unsigned listener_n_slots(const struct listener *l);
// Sockets to accept from: one for each slot, one shared by all, or more than slots where they were
// taken over from a process with more workers. Each needs an acceptor, or clients wait in vain.
unsigned listener_n_sockets(const struct listener *l);
// A socket by its slot, or by its number beyond (shared ones: of every slot). It stays the
// listener's.
int listener_fd(const struct listener *l, unsigned slot);

// A new connection: a close-on-exec socket with TCP_NODELAY (the engine decides whether it
// blocks), which the callee owns: conn_open it or close it. Called from the loop's turn.
typedef void (*accept_f)(struct acceptor *a, int fd);

// Starts accepting on the slot's socket with this loop; call it on the loop's thread, where all
// acceptor_* calls belong too. The acceptor is freed by acceptor_stop.
struct acceptor *acceptor_start(struct listener *l, unsigned slot, struct loop *loop, accept_f fn,
				void *arg);
// No accept_f call from the return of pause until resume: new connections wait in the kernel's
// queue (those the engine had taken already wait in the acceptor). Pausing twice is harmless.
// The acceptor pauses by itself for a tenth of a second when descriptors run out.
void acceptor_pause(struct acceptor *a);
void acceptor_resume(struct acceptor *a);
// The kernel wakes one of those that wait for a shared socket, and it may have been one that let go
// of it at that moment, or died: asks again, so that nobody waits in the queue unseen.
void acceptor_look(struct acceptor *a);
// Stops for good and nulls. Connections that the engine had taken by then are still handed to
// accept_f in the loop's next turns (paused or not), so that none is lost: arg stays valid until
// the loop has stopped. The acceptor frees itself.
void acceptor_stop(struct acceptor **a);
void *acceptor_arg(const struct acceptor *a);
struct listener *acceptor_listener(const struct acceptor *a);
struct loop *acceptor_loop(const struct acceptor *a);
