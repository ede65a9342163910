/* SPDX-License-Identifier: MIT */
/* FUTEX_WAIT_REQUEUE_PI and FUTEX_CMP_REQUEUE_PI: who is moved, who is woken, how waits end. */
#include "check.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#define WAITERS 4

static _Atomic uint32_t condition, own_lock, other_lock;

static struct waiter {
	pthread_t thread;
	_Atomic pid_t tid;
	_Atomic long result; /* -errno; 1: it still waits */
	_Atomic uint32_t word; /* the lock when it got it */
	const struct timespec *deadline;
	bool is_plain;
} waiters[WAITERS];

static atomic_bool may_unlock;

static long futex(_Atomic uint32_t *word, int operation, uint32_t value, const void *timeout,
	_Atomic uint32_t *other, uint32_t expected)
{
	return syscall(SYS_futex, word, operation, value, timeout, other, expected);
}

static long requeue(unsigned long n_requeue)
{
	return futex(&condition, FUTEX_CMP_REQUEUE_PI, 1, (void *)n_requeue, &own_lock, condition);
}

static void *wait_main(void *arg)
{
	struct waiter *waiter = arg;

	waiter->tid = gettid();
	long result = waiter->is_plain
		? futex(&condition, FUTEX_WAIT, condition, waiter->deadline, NULL, 0)
		: futex(&condition, FUTEX_WAIT_REQUEUE_PI, condition, waiter->deadline, &own_lock,
			  0);

	waiter->word = own_lock;
	waiter->result = result == 0 ? 0 : -errno;
	if (result == 0 && !waiter->is_plain) {
		while (!may_unlock) {
			usleep(500);
		}
		futex(&own_lock, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0);
	}
	return NULL;
}

/* Whether it sleeps, and how often it has. */
static bool is_asleep(pid_t tid, long *out_n_waits)
{
	char path[64], line[256];
	bool is_sleeping = false;

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", tid);
	FILE *file = fopen(path, "r");

	while (file && fgets(line, sizeof(line), file)) {
		is_sleeping |= strncmp(line, "State:\tS", 8) == 0;
		sscanf(line, "voluntary_ctxt_switches: %ld", out_n_waits);
	}
	if (file) {
		fclose(file);
	}
	return is_sleeping;
}

/* Until it sleeps, for good as it seems; or does not wait any more: deadlines may come first. */
static long await_sleep(const struct waiter *waiter)
{
	long n_waits = 0, n_before = -1;

	while (waiter->result == 1 &&
		(waiter->tid == 0 || !is_asleep(waiter->tid, &n_waits) || n_waits != n_before)) {
		n_before = n_waits;
		usleep(3000);
	}
	return n_waits;
}

static void start_waiter(struct waiter *waiter, bool is_plain, const struct timespec *deadline)
{
	waiter->result = 1;
	waiter->tid = 0;
	waiter->is_plain = is_plain;
	waiter->deadline = deadline;
	pthread_create(&waiter->thread, NULL, wait_main, waiter);
	await_sleep(waiter);
}

static void start_waiters(int n)
{
	for (int i = 0; i < n; i++) {
		start_waiter(&waiters[i], false, NULL);
	}
}

static void lock(void)
{
	futex(&own_lock, FUTEX_LOCK_PI, 0, NULL, NULL, 0);
}

static long unlock(void)
{
	return futex(&own_lock, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0);
}

static int n_through(void)
{
	int n = 0;

	for (int i = 0; i < WAITERS; i++) {
		n += waiters[i].tid != 0 && waiters[i].result == 0;
	}
	return n;
}

static void join(struct waiter *waiter)
{
	pthread_join(waiter->thread, NULL);
}

CASE(moved_waiters_do_not_run)
{
	long n_waits[WAITERS];

	may_unlock = true;
	start_waiters(WAITERS);
	lock();
	for (int i = 0; i < WAITERS; i++) {
		n_waits[i] = await_sleep(&waiters[i]);
	}
	CHECK_EQ(requeue(1), 2);
	CHECK_EQ(requeue(100), 2);
	CHECK_EQ(requeue(100), 0);
	usleep(10000);
	for (int i = 0; i < WAITERS; i++) {
		CHECK_EQ(await_sleep(&waiters[i]), n_waits[i]);
		CHECK_EQ(waiters[i].result, 1);
	}
	CHECK_EQ(own_lock, (uint32_t)gettid() | FUTEX_WAITERS);
	CHECK_EQ(unlock(), 0);
	for (int i = 0; i < WAITERS; i++) {
		join(&waiters[i]);
		CHECK_EQ(waiters[i].result, 0);
		CHECK_EQ(waiters[i].word & FUTEX_TID_MASK, (uint32_t)waiters[i].tid);
	}
	CHECK_EQ(own_lock, 0);
}

/* One gets it at once, the others wait for it. */
CASE(a_free_lock_is_given_to_one)
{
	start_waiters(3);
	CHECK_EQ(requeue(0), 1);
	while (n_through() < 1) {
		usleep(500);
	}
	usleep(5000);
	CHECK_EQ(n_through(), 1);
	CHECK_EQ(requeue(5), 2);
	usleep(5000);
	CHECK_EQ(n_through(), 1);
	may_unlock = true;
	for (int i = 0; i < 3; i++) {
		join(&waiters[i]);
		CHECK_EQ(waiters[i].result, 0);
	}
	CHECK_EQ(own_lock, 0);
	start_waiters(3);
	may_unlock = false;
	CHECK_EQ(requeue(5), 3);
	while (n_through() < 1) {
		usleep(500);
	}
	CHECK(own_lock & FUTEX_WAITERS);
	usleep(5000);
	CHECK_EQ(n_through(), 1);
	may_unlock = true;
	for (int i = 0; i < 3; i++) {
		join(&waiters[i]);
	}
	CHECK_EQ(n_through(), 3);
	CHECK_EQ(own_lock, 0);
}

CASE(only_pairs_go_together)
{
	may_unlock = true;
	CHECK_EQ(requeue(5), 0);
	CHECK_EQ(own_lock, 0);
	start_waiter(&waiters[0], false, NULL);
	CHECK_ERRNO(futex(&condition, FUTEX_WAKE, 1, NULL, NULL, 0), EINVAL);
	CHECK_ERRNO(
		futex(&condition, FUTEX_CMP_REQUEUE, 0, (void *)1, &other_lock, condition), EINVAL);
	CHECK_ERRNO(futex(&condition, FUTEX_CMP_REQUEUE_PI, 1, (void *)1, &other_lock, condition),
		EINVAL);
	CHECK_ERRNO(futex(&condition, FUTEX_CMP_REQUEUE_PI, 1, (void *)1, &own_lock, 5), EAGAIN);
	CHECK_ERRNO(futex(&condition, FUTEX_CMP_REQUEUE_PI, 1, (void *)-1, &own_lock, condition),
		EINVAL);
	CHECK_EQ(waiters[0].result, 1);
	CHECK_EQ(requeue(0), 1);
	join(&waiters[0]);
	CHECK_EQ(waiters[0].result, 0);
	start_waiter(&waiters[0], true, NULL);
	CHECK_ERRNO(requeue(1), EINVAL);
	CHECK_EQ(futex(&condition, FUTEX_WAKE, 1, NULL, NULL, 0), 1);
	join(&waiters[0]);
	CHECK_EQ(own_lock & FUTEX_TID_MASK, 0);
}

static struct timespec in_ms(long ms)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	now.tv_nsec += ms * 1000000;
	now.tv_sec += now.tv_nsec / 1000000000;
	now.tv_nsec %= 1000000000;
	return now;
}

CASE(deadlines_count_before_and_after)
{
	struct timespec soon = in_ms(30), later = in_ms(600);

	start_waiter(&waiters[0], false, &later);
	start_waiter(&waiters[1], false, &soon);
	join(&waiters[1]);
	CHECK_EQ(waiters[1].result, -ETIMEDOUT);
	lock();
	CHECK_EQ(requeue(5), waiters[0].result == 1 ? 1 : 0);
	join(&waiters[0]);
	CHECK_EQ(waiters[0].result, -ETIMEDOUT);
	CHECK_EQ(unlock(), 0);
	CHECK_EQ(own_lock, 0);
}

static atomic_int n_signals;

static void note(int signal)
{
	(void)signal;
	n_signals++;
}

/* Who waits for the word begins again, who waits for the lock cannot. */
CASE(signals_before_and_after)
{
	struct sigaction action = { .sa_handler = note };

	may_unlock = true;
	sigaction(SIGUSR1, &action, NULL);
	start_waiters(2);
	CHECK_EQ(syscall(SYS_tgkill, getpid(), waiters[0].tid, SIGUSR1), 0);
	while (n_signals < 1) {
		usleep(500);
	}
	await_sleep(&waiters[0]);
	CHECK_EQ(waiters[0].result, 1);
	lock();
	CHECK_EQ(requeue(5), 2);
	CHECK_EQ(syscall(SYS_tgkill, getpid(), waiters[0].tid, SIGUSR1), 0);
	join(&waiters[0]);
	CHECK_EQ(waiters[0].result, -EAGAIN);
	CHECK_EQ(n_signals, 2);
	CHECK_EQ(waiters[1].result, 1);
	CHECK_EQ(unlock(), 0);
	join(&waiters[1]);
	CHECK_EQ(waiters[1].result, 0);
}

/* Who waits for the word does so again after a stop. */
CASE(stops_are_no_ends)
{
	int status;

	may_unlock = true;
	pid_t child = fork();

	if (child == 0) {
		start_waiters(2);
		kill(getpid(), SIGSTOP);
		bool waited = waiters[0].result == 1 && waiters[1].result == 1;

		usleep(5000);
		waited = waited && waiters[0].result == 1 && waiters[1].result == 1;
		lock();
		waited = waited && requeue(5) == 2;
		unlock();
		join(&waiters[0]);
		join(&waiters[1]);
		_exit(waited && n_through() == 2 ? 0 : 1);
	}
	CHECK_EQ(waitpid(child, &status, WUNTRACED), child);
	CHECK(WIFSTOPPED(status));
	kill(child, SIGCONT);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
}

static void *leave_with_lock(void *arg)
{
	(void)arg;
	lock();
	requeue(5);
	return NULL;
}

/* The lock of an owner that ends goes to who waits for it longest. */
CASE(the_owner_ends)
{
	pthread_t owner;

	may_unlock = true;
	start_waiters(2);
	pthread_create(&owner, NULL, leave_with_lock, NULL);
	pthread_join(owner, NULL);
	join(&waiters[0]);
	join(&waiters[1]);
	CHECK_EQ(waiters[0].result, 0);
	CHECK_EQ(waiters[1].result, 0);
	CHECK_EQ(waiters[0].word & FUTEX_TID_MASK, (uint32_t)waiters[0].tid);
	CHECK(waiters[0].word & FUTEX_OWNER_DIED);
}

/* Between processes, at different addresses. */
CASE(shared_between_processes)
{
	_Atomic uint32_t *words =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status;
	pid_t child = fork();

	if (child == 0) {
		_Atomic uint32_t *there = mremap((void *)words, 0, 4096, MREMAP_MAYMOVE);

		words[2] = 1;
		bool is_right =
			futex(&there[0], FUTEX_WAIT_REQUEUE_PI, 0, NULL, &there[1], 0) == 0 &&
			(words[1] & FUTEX_TID_MASK) == (uint32_t)getpid();

		is_right = is_right && futex(&there[1], FUTEX_UNLOCK_PI, 0, NULL, NULL, 0) == 0;
		/* Two names of one word are one word. */
		errno = 0;
		is_right = is_right &&
			futex(&there[0], FUTEX_CMP_REQUEUE_PI, 1, (void *)1, &words[0], 0) == -1 &&
			errno == EINVAL;
		_exit(is_right ? 0 : 1);
	}
	CHECK_EQ(futex(&words[1], FUTEX_LOCK_PI, 0, NULL, NULL, 0), 0);
	while (futex(&words[0], FUTEX_CMP_REQUEUE_PI, 1, (void *)1, &words[1], 0) == 0) {
		usleep(500);
	}
	CHECK_EQ(futex(&words[1], FUTEX_UNLOCK_PI, 0, NULL, NULL, 0), 0);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
	CHECK_EQ(words[1], 0);
}

CASES_MAIN()
