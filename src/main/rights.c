// SPDX-License-Identifier: MIT
// Least rights. A master, which hears no client, keeps what its worker processes begin with. Once
// all addresses are bound and all files open, the process becomes the configured user in the
// configured folder, drops every capability from all five sets, and rules out that a program it
// could be made to start would have more (no_new_privs). Only root without `user` keeps
// CAP_DAC_OVERRIDE: it was started to read files of others, and scripts are read again at each
// reload.
#include "main/rights.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sbuf.h"

#define N_CAPS     64u // more than any kernel knows
#define CAP_WORDS  2u  // of _LINUX_CAPABILITY_VERSION_3
#define BIT(cap)   (UINT64_C(1) << (cap))
#define ROOT_KEEPS BIT(CAP_DAC_OVERRIDE)

// --- user and root folder ------------------------------------------------------------------------

static bool
find_ids(const struct rights *r, uid_t *uid, gid_t *gid, struct err *err)
{
	if (r->user.n > 0) {
		const struct passwd *pw = getpwnam(r->user.p);
		if (pw == NULL)
			return err_set(err, "user '%s': there is none", r->user.p);
		*uid = pw->pw_uid;
		*gid = pw->pw_gid;
	}
	if (r->group.n > 0) {
		const struct group *gr = getgrnam(r->group.p);
		if (gr == NULL)
			return err_set(err, "group '%s': there is none", r->group.p);
		*gid = gr->gr_gid;
	}
	return true;
}

static bool
enter_root(struct str path, struct err *err)
{
	if (path.n == 0)
		return true;
	if (chroot(path.p) != 0 || chdir("/") != 0)
		return err_set(err, "cannot make '%s' the root: %s", path.p, strerror(errno));
	return true;
}

static bool
become(uid_t uid, gid_t gid, struct err *err)
{
	if (setgroups(0, NULL) != 0 || setgid(gid) != 0)
		return err_set(err, "cannot take group %u: %s", (unsigned)gid, strerror(errno));
	if (setuid(uid) != 0)
		return err_set(err, "cannot become user %u: %s", (unsigned)uid, strerror(errno));
	return true;
}

// --- capabilities --------------------------------------------------------------------------------

static bool
get_caps(struct __user_cap_data_struct caps[CAP_WORDS])
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	return syscall(SYS_capget, &head, caps) == 0;
}

// Needs CAP_SETPCAP; without it nothing but an exec could bring them back, which is ruled out.
static void
drop_bounding(uint64_t keep)
{
	for (unsigned cap = 0; cap < N_CAPS; cap++)
		if ((keep & BIT(cap)) == 0 && prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1)
			(void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
}

// Ambient ones go with their inheritable twins.
static bool
keep_caps(uint64_t keep, bool inheritable, struct err *err)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct caps[CAP_WORDS];
	if (!get_caps(caps))
		return err_set(err, "cannot read the capabilities: %s", strerror(errno));
	for (unsigned i = 0; i < CAP_WORDS; i++) {
		uint32_t mask = (uint32_t)(keep >> (32 * i)), kept = caps[i].permitted & mask;
		caps[i].permitted = caps[i].effective = kept;
		caps[i].inheritable &= inheritable ? mask : 0;
	}
	if (syscall(SYS_capset, &head, caps) != 0)
		return err_set(err, "cannot drop the capabilities: %s", strerror(errno));
	return true;
}

static bool
rule_out_new(struct err *err)
{
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ||
	       err_set(err, "cannot rule out new privileges: %s", strerror(errno));
}

// What a worker process needs until it serves, and what a master needs to end one of another user.
static const struct {
	unsigned cap;
	const char *name;
} of_master[] = {
    {CAP_CHOWN, "chown"},               // owners of runtime sockets
    {CAP_DAC_OVERRIDE, "dac_override"}, // files of others
    {CAP_FOWNER, "fowner"},             // modes of such
    {CAP_KILL, "kill"},
    {CAP_SETGID, "setgid"},
    {CAP_SETUID, "setuid"},
    {CAP_SETPCAP, "setpcap"}, // to drop the rest for good
    {CAP_NET_BIND_SERVICE, "net_bind_service"},
    {CAP_IPC_LOCK, "ipc_lock"}, // rings, with kernels that count them
    {CAP_SYS_CHROOT, "sys_chroot"},
    {CAP_SYS_RESOURCE, "sys_resource"}, // limits
};

bool
rights_drop_master(struct err *err)
{
	uint64_t keep = 0;
	for (size_t i = 0; i < ARRAY_LEN(of_master); i++)
		keep |= BIT(of_master[i].cap);
	drop_bounding(keep);
	return keep_caps(keep, true, err) && rule_out_new(err);
}

// The watchdog over scripts runs ahead of busy workers: what that takes outlives the capability.
static void
allow_real_time(void)
{
	struct rlimit now, want = {.rlim_cur = 1, .rlim_max = 1};
	if (getrlimit(RLIMIT_RTPRIO, &now) == 0 && now.rlim_cur < 1)
		(void)setrlimit(RLIMIT_RTPRIO, &want); // else it does with less
}

// --- all of it -----------------------------------------------------------------------------------

bool
rights_drop(const struct rights *r, struct err *err)
{
	uid_t uid = getuid();
	gid_t gid = getgid();
	bool named = r->user.n > 0 || r->group.n > 0;
	if (!find_ids(r, &uid, &gid, err) || !enter_root(r->root, err))
		return false;
	allow_real_time();
	drop_bounding(0);
	bool already = uid == geteuid() && gid == getegid() && getuid() != 0;
	if (named && !already && !become(uid, gid, err))
		return false;
	return keep_caps(geteuid() == 0 ? ROOT_KEEPS : 0, false, err) && rule_out_new(err);
}

bool
rights_filter(const struct rights *r, bool uring, struct err *err)
{
	if (!r->filter || SANITIZED)
		return true;
	if (seccomp_usable())
		return seccomp_install(uring, err);
	log_msg(LOG_NOTICE, "seccomp: the kernel, or what runs this process, cannot filter system "
			    "calls: going on without ('seccomp off' in 'global' silences this)");
	return true;
}

// --- tidegate -vv --------------------------------------------------------------------------------

static void
describe(struct sbuf *out, const char *what, struct str value, const char *without)
{
	if (value.n > 0)
		sbuf_printf(out, "  %-12s: %.*s\n", what, STR_ARG(value));
	else
		sbuf_printf(out, "  %-12s: %s\n", what, without);
}

void
rights_describe(const struct rights *r, struct sbuf *out)
{
	static const struct rights none = {.filter = true};
	const char *who = geteuid() == 0 ? "root, all dropped but reading and writing files of "
					   "others, which 'user' drops too"
					 : "all dropped";
	if (r == NULL)
		r = &none;
	sbuf_printf(out, "Rights, once everything is bound and open:\n");
	describe(out, "user", r->user, "as started");
	describe(out, "group", r->group, r->user.n > 0 ? "the user's" : "as started");
	describe(out, "root folder", r->root, "as started");
	describe(out, "capabilities", STR_NULL, r->user.n > 0 ? "all dropped" : who);
	describe(out, "privileges", STR_NULL, "no new ones (no_new_privs)");
	if (r->filter && seccomp_usable())
		sbuf_printf(out, "  %-12s: %u permitted, io_uring's only with that engine\n",
			    "system calls", seccomp_n_calls());
	else
		describe(out, "system calls", STR_NULL,
			 r->filter ? "not filtered: not in this build, or not with this kernel"
				   : "not filtered: 'seccomp off'");
	sbuf_printf(out, "  %-12s: with -W or state-dir, no new privileges, of root's", "master");
	for (size_t i = 0; i < ARRAY_LEN(of_master); i++)
		sbuf_printf(out, "%s%s", i % 6 == 0 ? "\n                " : " ",
			    of_master[i].name);
	sbuf_add_byte(out, '\n');
}
