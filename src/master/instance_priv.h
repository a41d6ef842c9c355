// SPDX-License-Identifier: MIT
// The parts of an instance see each other here.
//     instance.c       from entering to leaving
//     instance_dir.c   the state directory: lock, control socket, files
//     instance_take.c  the successor's side of a handing over
//     instance_give.c  the predecessor's
#pragma once

#include "master/channel.h"
#include "master/instance.h"

struct sockaddr_un;
struct ucred;

#define INSTANCE_MAGIC 0x74c40006u

struct instance {
	uint32_t magic;
	char *path;
	int dir, lock;
	int control;     // -1: nobody can take over
	int his_lock;    // while the predecessor hands over; -1
	int before;      // connection to the predecessor; -1
	int after;       // to the successor that asks; -1
	bool serving;    // our first worker is ready
	bool asked;      // a successor waits until no worker process starts
	bool handed;     // he has it all
	bool given_away; // and serves
	bool remaking;   // on_control stops, for another socket
	struct loop *loop;
	struct watch on_control, on_before, on_after;
	struct heritage *kept;
	struct instance_hooks hooks;
};

// --- instance_dir.c ------------------------------------------------------------------------------

bool instance_open_dir(struct instance *in, struct err *err);
bool instance_open_lock(struct instance *in, struct err *err);
void instance_control_address(const struct instance *in, struct sockaddr_un *a);
bool instance_make_control(struct instance *in, struct err *err);
bool instance_listen(struct instance *in, struct err *err);
// Who is at the other end of a unix socket.
bool instance_peer(int fd, struct ucred *cred);
void instance_find_files(struct instance *in, struct heritage *kept);
void instance_add_dir(struct instance *in, struct heritage *kept);

// --- instance_take.c -----------------------------------------------------------------------------

// Numbers that were expected to be the holder's, and are not.
void instance_name_strangers(const struct instance_spec *spec, const char *path, int64_t holder);
// Waits for the predecessor, where there is one.
bool instance_take_lock(struct instance *in, const struct instance_spec *spec,
			struct heritage *kept, struct err *err);

// --- instance_give.c -----------------------------------------------------------------------------

void instance_on_control(struct watch *w);
// The next successor that waits.
void instance_accept(struct instance *in);
