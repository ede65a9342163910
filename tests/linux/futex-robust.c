/* SPDX-License-Identifier: MIT */
/* Robust locks in memory that processes share, of threads that somebody else has ended. */
#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#define N_LOCKS 300

struct shared {
	pthread_mutex_t locks[N_LOCKS];
	_Atomic int is_ready;
};

static struct shared *shared;

static void make_locks(int protocol)
{
	pthread_mutexattr_t attributes;

	shared = mmap(
		NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(shared != MAP_FAILED);
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	pthread_mutexattr_setprotocol(&attributes, protocol);
	for (int i = 0; i < N_LOCKS; i++) {
		CHECK_EQ(pthread_mutex_init(&shared->locks[i], &attributes), 0);
	}
}

static void *take_locks_and_wait(void *argument)
{
	for (int i = 0; i < N_LOCKS; i++) {
		pthread_mutex_lock(&shared->locks[i]);
	}
	shared->is_ready = 1;
	for (;;) {
		pause();
	}
	return argument;
}

static pid_t start_holder(void (*run)(void))
{
	pid_t child = fork();

	if (child == 0) {
		run();
		_exit(9);
	}
	while (!shared->is_ready) {
		usleep(1000);
	}
	return child;
}

static void hold(void)
{
	take_locks_and_wait(NULL);
}

static void check_abandoned(int index)
{
	struct timespec end;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += 10;
	CHECK_EQ(pthread_mutex_timedlock(&shared->locks[index], &end), EOWNERDEAD);
	CHECK_EQ(pthread_mutex_consistent(&shared->locks[index]), 0);
	CHECK_EQ(pthread_mutex_unlock(&shared->locks[index]), 0);
}

CASE(killed_process_leaves_its_locks)
{
	make_locks(PTHREAD_PRIO_NONE);
	pid_t child = start_holder(hold);

	CHECK_EQ(pthread_mutex_trylock(&shared->locks[0]), EBUSY);
	kill(child, SIGKILL);
	CHECK_EQ(waitpid(child, NULL, 0), child);
	for (int i = 0; i < N_LOCKS; i++) {
		check_abandoned(i);
	}
}

CASE(killed_process_leaves_pi_locks)
{
	make_locks(PTHREAD_PRIO_INHERIT);
	pid_t child = start_holder(hold);

	kill(child, SIGKILL);
	CHECK_EQ(waitpid(child, NULL, 0), child);
	for (int i = 0; i < N_LOCKS; i++) {
		check_abandoned(i);
	}
}

static void hold_in_a_thread(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, take_locks_and_wait, NULL);
	while (!shared->is_ready) {
		usleep(1000);
	}
	pause(); /* until it is ended: by exit_group(), in the handler */
}

static void leave(int signal)
{
	_exit(signal == SIGUSR1 ? 3 : 4);
}

CASE(exit_group_leaves_the_locks_of_other_threads)
{
	int status;

	make_locks(PTHREAD_PRIO_NONE);
	signal(SIGUSR1, leave);
	pid_t child = start_holder(hold_in_a_thread);

	kill(child, SIGUSR1);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 3);
	check_abandoned(0);
	check_abandoned(N_LOCKS - 1);
}

static void *wait_for_lock(void *argument)
{
	return (void *)(intptr_t)pthread_mutex_lock(argument);
}

CASE(those_who_wait_are_woken)
{
	pthread_t threads[2];
	void *result;

	make_locks(PTHREAD_PRIO_NONE);
	pid_t child = start_holder(hold);

	for (int i = 0; i < 2; i++) {
		CHECK_EQ(pthread_create(&threads[i], NULL, wait_for_lock, &shared->locks[i * 77]),
			0);
	}
	usleep(50000);
	kill(child, SIGKILL);
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(pthread_join(threads[i], &result), 0);
		CHECK_EQ((intptr_t)result, EOWNERDEAD);
	}
	CHECK_EQ(waitpid(child, NULL, 0), child);
}

/* Lists that are nonsense: the process ends all the same. */
static void end_with_list(uint64_t head)
{
	syscall(SYS_set_robust_list, head, 24);
	kill(getpid(), SIGKILL);
}

/* Whoever comes while the owner is just ending waits until that has left its locks. */
CASE(locks_are_asked_for_while_the_owner_ends)
{
	make_locks(PTHREAD_PRIO_INHERIT);
	for (int round = 0; round < 60; round++) {
		int i = round % N_LOCKS;

		shared->is_ready = 0;
		pid_t child = fork();

		if (child == 0) {
			pthread_mutex_lock(&shared->locks[i]);
			shared->is_ready = 1;
			for (;;) {
				pause();
			}
		}
		while (!shared->is_ready) {
			sched_yield();
		}
		CHECK_EQ(kill(child, SIGKILL), 0);
		CHECK_EQ(pthread_mutex_lock(&shared->locks[i]), EOWNERDEAD);
		CHECK_EQ(pthread_mutex_consistent(&shared->locks[i]), 0);
		CHECK_EQ(pthread_mutex_unlock(&shared->locks[i]), 0);
		CHECK_EQ(waitpid(child, NULL, 0), child);
	}
}

CASE(garbage_ends)
{
	static uint64_t endless[4], nowhere[3] = { 8, 0, 8 };
	const uint64_t heads[] = { (uint64_t)endless, (uint64_t)nowhere, 8, ~UINT64_C(7) };

	endless[0] = (uint64_t)&endless[3]; /* it never leads back to the head */
	endless[3] = (uint64_t)&endless[3];
	for (int i = 0; i < 4; i++) {
		int status;
		pid_t child = fork();

		if (child == 0) {
			end_with_list(heads[i]);
		}
		CHECK_EQ(waitpid(child, &status, 0), child);
		CHECK(WIFSIGNALED(status));
	}
}

CASES_MAIN()
