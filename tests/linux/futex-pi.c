/* SPDX-License-Identifier: MIT */
/* PI futexes and robust locks: words, errors, owners that end, condition variables. */
#include "check.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#ifndef FUTEX_LOCK_PI2
#define FUTEX_LOCK_PI2 13
#endif

static _Atomic uint32_t lock_a, lock_b;
static atomic_int stage;

static long futex(_Atomic uint32_t *word, int operation, uint32_t value, const void *timeout,
	_Atomic uint32_t *other, uint32_t expected)
{
	return syscall(SYS_futex, word, operation, value, timeout, other, expected);
}

static long lock(_Atomic uint32_t *word)
{
	return futex(word, FUTEX_LOCK_PI, 0, NULL, NULL, 0);
}

static long unlock(_Atomic uint32_t *word)
{
	return futex(word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0);
}

static void await_stage(int wanted)
{
	while (stage < wanted) {
		sched_yield();
	}
}

static void await_waiters(_Atomic uint32_t *word)
{
	while ((*word & FUTEX_WAITERS) == 0) {
		sched_yield();
	}
	usleep(2000);
}

static pthread_t start(void *(*main_of)(void *arg))
{
	pthread_t thread;

	pthread_create(&thread, NULL, main_of, NULL);
	return thread;
}

CASE(alone)
{
	uint32_t me = (uint32_t)gettid();

	CHECK_EQ(lock(&lock_a), 0);
	CHECK_EQ(lock_a, me);
	CHECK_ERRNO(lock(&lock_a), EDEADLK);
	CHECK_ERRNO(futex(&lock_a, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0), EDEADLK);
	CHECK_EQ(unlock(&lock_a), 0);
	CHECK_EQ(lock_a, 0);
	CHECK_ERRNO(unlock(&lock_a), EPERM);
	CHECK_EQ(futex(&lock_a, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0), 0);
	CHECK_EQ(lock_a, me);
	lock_a = me | FUTEX_WAITERS; /* nobody waits */
	CHECK_EQ(unlock(&lock_a), 0);
	CHECK_EQ(lock_a, 0);
	lock_a = FUTEX_OWNER_DIED;
	CHECK_EQ(lock(&lock_a), 0);
	CHECK_EQ(lock_a, me | FUTEX_OWNER_DIED);
}

static void *give_tid(void *arg)
{
	*(pid_t *)arg = gettid();
	return NULL;
}

CASE(refusals)
{
	pthread_t thread;
	pid_t gone;

	pthread_create(&thread, NULL, give_tid, &gone);
	pthread_join(thread, NULL);
	while (syscall(SYS_tgkill, getpid(), gone, 0) == 0) {
		sched_yield();
	}
	/* Its number may be gone before the kernel is through with it. */
	do {
		lock_a = (uint32_t)gone;
	} while (lock(&lock_a) == 0);
	CHECK_EQ(errno, ESRCH);
	CHECK_ERRNO(futex(&lock_a, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0), ESRCH);
	CHECK_ERRNO(unlock(&lock_a), EPERM);
	CHECK_ERRNO(lock((_Atomic uint32_t *)((char *)&lock_a + 1)), EINVAL);
	CHECK_ERRNO(lock((_Atomic uint32_t *)4096), EFAULT);
	CHECK_ERRNO(unlock((_Atomic uint32_t *)4096), EFAULT);
	CHECK_ERRNO(futex(&lock_b, FUTEX_CMP_REQUEUE, 1, (void *)1, &lock_a, 5), EAGAIN);
	CHECK_ERRNO(futex((_Atomic uint32_t *)4096, FUTEX_WAKE, 1, NULL, NULL, 0), EFAULT);
}

static void *hold_a_while(void *arg)
{
	(void)arg;
	lock(&lock_a);
	stage = 1;
	await_waiters(&lock_a);
	stage = 2;
	unlock(&lock_a);
	return NULL;
}

CASE(handed_over)
{
	pthread_t thread = start(hold_a_while);

	await_stage(1);
	CHECK_ERRNO(futex(&lock_a, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0), EAGAIN);
	CHECK_EQ(lock(&lock_a), 0);
	CHECK_EQ(stage, 2);
	CHECK_EQ(lock_a & FUTEX_TID_MASK, gettid());
	CHECK_EQ(unlock(&lock_a), 0);
	pthread_join(thread, NULL);
	CHECK_EQ(lock_a, 0);
}

static void *hold_until_three(void *arg)
{
	(void)arg;
	lock(&lock_a);
	stage = 1;
	await_stage(3);
	unlock(&lock_a);
	return NULL;
}

CASE(deadlines)
{
	struct timespec past = { 1, 0 }, soon;
	pthread_t thread = start(hold_until_three);

	await_stage(1);
	CHECK_ERRNO(futex(&lock_a, FUTEX_LOCK_PI, 0, &past, NULL, 0), ETIMEDOUT);
	past.tv_nsec = -1;
	CHECK_ERRNO(futex(&lock_a, FUTEX_LOCK_PI, 0, &past, NULL, 0), EINVAL);
	clock_gettime(CLOCK_REALTIME, &soon);
	soon.tv_sec += soon.tv_nsec >= 990000000;
	soon.tv_nsec = (soon.tv_nsec + 10000000) % 1000000000;
	CHECK_ERRNO(futex(&lock_a, FUTEX_LOCK_PI, 0, &soon, NULL, 0), ETIMEDOUT);
	clock_gettime(CLOCK_MONOTONIC, &soon);
	if (futex(&lock_a, FUTEX_LOCK_PI2, 0, &soon, NULL, 0) == -1) {
		CHECK(errno == ETIMEDOUT || errno == ENOSYS); /* Linux 5.14 */
	}
	stage = 3;
	CHECK_EQ(lock(&lock_a), 0);
	CHECK_EQ(unlock(&lock_a), 0);
	pthread_join(thread, NULL);
	CHECK_EQ(lock_a, 0);
}

static void *want_a_with_b(void *arg)
{
	lock(&lock_b);
	stage = 1;
	*(long *)arg = lock(&lock_a);
	unlock(&lock_a);
	unlock(&lock_b);
	return NULL;
}

CASE(cycles_are_refused)
{
	pthread_t thread;
	long result = -2;

	CHECK_EQ(lock(&lock_a), 0);
	pthread_create(&thread, NULL, want_a_with_b, &result);
	await_stage(1);
	await_waiters(&lock_a);
	CHECK_ERRNO(lock(&lock_b), EDEADLK);
	CHECK_EQ(unlock(&lock_a), 0);
	pthread_join(thread, NULL);
	CHECK_EQ(result, 0);
	CHECK_EQ(lock_b & FUTEX_TID_MASK, 0);
}

static void *lock_and_end(void *arg)
{
	(void)arg;
	lock(&lock_a);
	stage = 1;
	await_waiters(&lock_a);
	return NULL;
}

CASE(owner_ends_while_others_wait)
{
	pthread_t thread = start(lock_and_end);

	await_stage(1);
	CHECK_EQ(lock(&lock_a), 0);
	CHECK_EQ(lock_a & FUTEX_TID_MASK, gettid());
	CHECK(lock_a & FUTEX_OWNER_DIED);
	CHECK_EQ(unlock(&lock_a), 0);
	CHECK_EQ(lock_a, 0);
	pthread_join(thread, NULL);
}

static atomic_int n_signals;

static void on_signal(int signal)
{
	(void)signal;
	n_signals++;
}

static pthread_t main_thread;

static void *signal_the_waiter(void *arg)
{
	(void)arg;
	lock(&lock_a);
	stage = 1;
	await_waiters(&lock_a);
	pthread_kill(main_thread, SIGUSR1);
	while (n_signals == 0) {
		sched_yield();
	}
	unlock(&lock_a);
	return NULL;
}

CASE(signals_do_not_end_it)
{
	struct sigaction action = { .sa_handler = on_signal };
	pthread_t thread;

	sigaction(SIGUSR1, &action, NULL);
	main_thread = pthread_self();
	thread = start(signal_the_waiter);
	await_stage(1);
	CHECK_EQ(lock(&lock_a), 0);
	CHECK_EQ(n_signals, 1);
	CHECK_EQ(unlock(&lock_a), 0);
	pthread_join(thread, NULL);
}

CASE(between_processes)
{
	_Atomic uint32_t *word =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t child;

	CHECK_EQ(lock(word), 0);
	child = fork();
	if (child == 0) {
		bool is_good = lock(word) == 0 && (*word & FUTEX_TID_MASK) == (uint32_t)gettid();

		unlock(word);
		_exit(is_good ? 0 : 1);
	}
	await_waiters(word);
	CHECK_EQ(unlock(word), 0);
	int status;

	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
	CHECK_EQ(*word & FUTEX_TID_MASK, 0);
}

/* ---- requeueing ------------------------------------------------------------------------------ */

static _Atomic uint32_t condition;
static atomic_int n_through, n_waiting;

static void *wait_and_lock(void *arg)
{
	(void)arg;
	n_waiting++;
	if (futex(&condition, FUTEX_WAIT_REQUEUE_PI, 0, NULL, &lock_a, 0) == 0 &&
		(lock_a & FUTEX_TID_MASK) == (uint32_t)gettid()) {
		n_through++;
		unlock(&lock_a);
	}
	return NULL;
}

CASE(requeue_moves_waiters_to_the_lock)
{
	pthread_t threads[4];
	struct timespec past = { 1, 0 };

	for (int i = 0; i < 4; i++) {
		threads[i] = start(wait_and_lock);
	}
	while (n_waiting < 4) {
		sched_yield();
	}
	usleep(20000);
	CHECK_EQ(lock(&lock_a), 0);
	CHECK_ERRNO(futex(&condition, FUTEX_CMP_REQUEUE_PI, 1, (void *)100, &lock_a, 1), EAGAIN);
	CHECK_ERRNO(futex(&condition, FUTEX_CMP_REQUEUE_PI, 2, (void *)100, &lock_a, 0), EINVAL);
	CHECK_ERRNO(futex(&condition, FUTEX_CMP_REQUEUE_PI, 1, (void *)100, &condition, 0), EINVAL);
	CHECK_EQ(futex(&condition, FUTEX_CMP_REQUEUE_PI, 1, (void *)100, &lock_a, 0), 4);
	usleep(5000);
	CHECK_EQ(n_through, 0);
	CHECK_EQ(unlock(&lock_a), 0);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
	}
	CHECK_EQ(n_through, 4);
	CHECK_ERRNO(futex(&condition, FUTEX_WAIT_REQUEUE_PI, 1, NULL, &lock_a, 0), EAGAIN);
	CHECK_ERRNO(futex(&condition, FUTEX_WAIT_REQUEUE_PI, 0, &past, &lock_a, 0), ETIMEDOUT);
}

/* ---- the C library's ------------------------------------------------------------------------- */

static pthread_mutex_t mutex;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int counter;

static void make_mutex(int protocol, int robust)
{
	pthread_mutexattr_t attributes;

	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setprotocol(&attributes, protocol);
	pthread_mutexattr_setrobust(&attributes, robust);
	pthread_mutex_init(&mutex, &attributes);
}

static void *count(void *arg)
{
	(void)arg;
	for (int i = 0; i < 500; i++) {
		pthread_mutex_lock(&mutex);
		counter++;
		if (i % 50 == 0) {
			sched_yield();
		}
		pthread_mutex_unlock(&mutex);
	}
	return NULL;
}

CASE(mutexes_exclude)
{
	pthread_t threads[6];

	make_mutex(PTHREAD_PRIO_INHERIT, PTHREAD_MUTEX_STALLED);
	for (int i = 0; i < 6; i++) {
		threads[i] = start(count);
	}
	for (int i = 0; i < 6; i++) {
		pthread_join(threads[i], NULL);
	}
	CHECK_EQ(counter, 3000);
}

static void *wait_for_condition(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&mutex);
	n_waiting++;
	while (stage < 1) {
		pthread_cond_wait(&cond, &mutex);
	}
	counter++;
	pthread_mutex_unlock(&mutex);
	return NULL;
}

CASE(conditions_with_inheriting_mutexes)
{
	pthread_t threads[5];

	make_mutex(PTHREAD_PRIO_INHERIT, PTHREAD_MUTEX_STALLED);
	for (int i = 0; i < 5; i++) {
		threads[i] = start(wait_for_condition);
	}
	while (n_waiting < 5) {
		sched_yield();
	}
	pthread_mutex_lock(&mutex);
	stage = 1;
	pthread_cond_broadcast(&cond);
	pthread_mutex_unlock(&mutex);
	for (int i = 0; i < 5; i++) {
		pthread_join(threads[i], NULL);
	}
	CHECK_EQ(counter, 5);
}

static void *die_with_mutex(void *arg)
{
	pthread_mutex_lock(&mutex);
	stage = 1;
	if (arg != NULL) {
		await_stage(2);
		usleep(20000);
	}
	return NULL;
}

static void check_robust(int protocol)
{
	pthread_t thread;

	make_mutex(protocol, PTHREAD_MUTEX_ROBUST);
	/* nobody waits when it ends */
	stage = 0;
	CHECK_EQ(pthread_create(&thread, NULL, die_with_mutex, NULL), 0);
	pthread_join(thread, NULL);
	CHECK_EQ(pthread_mutex_lock(&mutex), EOWNERDEAD);
	CHECK_EQ(pthread_mutex_consistent(&mutex), 0);
	CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
	/* somebody does */
	stage = 0;
	CHECK_EQ(pthread_create(&thread, NULL, die_with_mutex, &stage), 0);
	await_stage(1);
	stage = 2;
	CHECK_EQ(pthread_mutex_lock(&mutex), EOWNERDEAD);
	CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
	CHECK_EQ(pthread_mutex_lock(&mutex), ENOTRECOVERABLE);
	pthread_join(thread, NULL);
}

CASE(robust_mutexes)
{
	check_robust(PTHREAD_PRIO_NONE);
}

CASE(robust_mutexes_that_inherit)
{
	check_robust(PTHREAD_PRIO_INHERIT);
}
CASES_MAIN()
