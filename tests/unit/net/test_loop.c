// SPDX-License-Identifier: MIT
// The loop's own services on both engines: messages to itself and from another thread, watches,
// timers, stopping.
#include "net/loop.h"

#include <fcntl.h>
#include <pthread.h>

#include "net/timer.h"
#include "net_test.h"

static unsigned n_ran;

static void
on_msg(struct msg *m)
{
	n_ran++;
	if (n_ran < 3)
		loop_post(loop, m); // anew: in a later turn
}

static void
test_own_messages(void)
{
	struct msg m = {.fn = on_msg};
	n_ran = 0;
	loop_post(loop, &m);
	IS_INT(n_ran, 0);
	loop_turn(loop, UINT64_MAX); // a waiting message does not let it sleep
	IS_INT(n_ran, 1);
	loop_turn(loop, UINT64_MAX);
	loop_turn(loop, 0);
	IS_INT(n_ran, 3);
}

static void *
stop_later(void *arg)
{
	(void)poll(NULL, 0, 20);
	loop_stop(arg);
	return NULL;
}

static void
test_stop_from_outside(void)
{
	pthread_t t;
	OK(pthread_create(&t, NULL, stop_later, loop) == 0);
	loop_run(loop); // sleeps without bound until it is woken
	(void)pthread_join(t, NULL);
	OK(loop_now_ns(loop) <= clock_mono_ns());
	OK(clock_mono_ns() - loop_now_ns(loop) < 5 * NS_PER_S);
	OK(loop_real_ns(loop) > 1000000 * NS_PER_S && loop_real_ns(loop) == loop_real_ns(loop));
	OK(loop_boot_ns(loop) != 0);
}

static unsigned n_watched, n_watch_stopped;

static void
on_readable(struct watch *w)
{
	char byte;
	while (read(w->fd, &byte, 1) == 1)
		n_watched++;
}

static void
on_watch_stopped(struct watch *w)
{
	(void)w;
	n_watch_stopped++;
}

static void
test_watch(void)
{
	int fd[2];
	struct watch w;
	n_watched = n_watch_stopped = 0;
	OK(pipe2(fd, O_NONBLOCK | O_CLOEXEC) == 0);
	IS_INT(write(fd[1], "a", 1), 1); // readable before it is watched
	loop_watch(loop, &w, fd[0], on_readable);
	TURN_UNTIL(n_watched == 1);
	for (unsigned i = 0; i < 3; i++) {
		IS_INT(write(fd[1], "bc", 2), 2);
		TURN_UNTIL(n_watched == 3 + 2 * i);
		IS_INT(n_watched, 3 + 2 * i);
	}
	IS_INT(write(fd[1], "x", 1), 1);
	loop_unwatch(&w, on_watch_stopped);
	IS_INT(n_watch_stopped, 0);
	TURN_UNTIL(n_watch_stopped == 1);
	IS_INT(n_watch_stopped, 1);
	IS_INT(n_watched, 7);
	(void)close(fd[0]);
	(void)close(fd[1]);
}

static uint64_t fired_at;

static void
on_timer(struct timer *t)
{
	(void)t;
	fired_at = clock_mono_ns();
}

static void
test_timer(void)
{
	struct timer t;
	uint64_t due = clock_mono_ns() + 15 * NS_PER_MS;
	fired_at = 0;
	timer_init(&t, on_timer);
	loop_timer_set(loop, &t, due);
	uint64_t turns = atomic_load(&loop_stats(loop)->turns);
	TURN_UNTIL(fired_at != 0);
	OK(fired_at >= due);
	OK(atomic_load(&loop_stats(loop)->turns) - turns < 20); // it sleeps, it does not poll
	fired_at = 0;
	loop_timer_set(loop, &t, clock_mono_ns() + NS_PER_MS);
	loop_timer_stop(loop, &t);
	loop_turn(loop, 5 * NS_PER_MS);
	loop_turn(loop, 0);
	OK(fired_at == 0);
}

static void
test_names(void)
{
	enum net_engine e;
	OK(net_engine_parse("uring", &e) && e == NET_ENGINE_URING);
	OK(net_engine_parse("auto", &e) && e == NET_ENGINE_AUTO);
	OK(!net_engine_parse("kqueue", &e));
	OK(loop_engine(loop) == config.engine && loop_self() == loop);
	struct err err = {{0}};
	struct net_config bad = {.engine = NET_ENGINE_URING, .lent_bufs = 12};
	char why[100];
	if (net_uring_usable(why, sizeof(why)))
		OK(loop_new(&bad, &err) == NULL && strstr(err.text, "power of two") != NULL);
}

int
main(void)
{
	static const test_f tests[] = {
	    test_own_messages, test_stop_from_outside, test_watch, test_timer, test_names, NULL,
	};
	run_on_engines(tests);
	return tap_done();
}
