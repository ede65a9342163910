/* SPDX-License-Identifier: MIT */
/*
 * Setting the wall clock, and what waits for it. On this machine the clock is set to what it says
 * and not more; steps are for Hati.
 */
#include "check.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/timex.h>
#include <time.h>

#define NOBODY      65534
#define STEP        100000 /* seconds */
#define CHANGE_FLAG (TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET)

/* Moves the wall clock, against the monotonic one, by seconds and next to nothing. */
static void step(long seconds)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	now.tv_sec += seconds;
	CHECK_EQ(clock_settime(CLOCK_REALTIME, &now), 0);
}

static bool may_step(void)
{
	return access("/proc/hati", F_OK) == 0;
}

static long long now_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * 1000000000ll + now.tv_nsec;
}

/* A moment of the wall clock, in seconds from now. */
static struct timespec in(long seconds)
{
	struct timespec then;

	clock_gettime(CLOCK_REALTIME, &then);
	then.tv_sec += seconds;
	return then;
}

CASE(is_set)
{
	long long before = now_ns(CLOCK_REALTIME), monotonic = now_ns(CLOCK_MONOTONIC);
	struct timeval time;

	step(0);
	CHECK(now_ns(CLOCK_REALTIME) >= before - 1000000000);
	gettimeofday(&time, NULL);
	CHECK_EQ(settimeofday(&time, NULL), 0);
	CHECK(now_ns(CLOCK_MONOTONIC) >= monotonic);
	if (may_step()) {
		struct timezone zone = { .tz_minuteswest = -120, .tz_dsttime = 1 }, told = { 0 };
		struct timespec raw;

		step(STEP);
		CHECK(now_ns(CLOCK_REALTIME) >= before + STEP * 1000000000ll);
		syscall(SYS_clock_gettime, CLOCK_REALTIME, &raw);
		CHECK(raw.tv_sec >= before / 1000000000 + STEP);
		step(-STEP);
		CHECK(now_ns(CLOCK_REALTIME) < before + STEP * 1000000000ll);
		CHECK_EQ(syscall(SYS_settimeofday, NULL, &zone), 0);
		CHECK_EQ(syscall(SYS_gettimeofday, &time, &told), 0);
		CHECK(told.tz_minuteswest == -120 && told.tz_dsttime == 1);
		zone = (struct timezone){ 0 };
		CHECK_EQ(syscall(SYS_settimeofday, NULL, &zone), 0);
	}
}

CASE(wrong_times)
{
	struct timespec time = { .tv_sec = -1 };

	CHECK_ERRNO(clock_settime(CLOCK_REALTIME, &time), EINVAL);
	time = (struct timespec){ .tv_sec = 1, .tv_nsec = 1000000000 };
	CHECK_ERRNO(clock_settime(CLOCK_REALTIME, &time), EINVAL);
	time = (struct timespec){ .tv_sec = INT64_MAX / 1000000000 };
	CHECK_ERRNO(clock_settime(CLOCK_REALTIME, &time), EINVAL);
	time = (struct timespec){ .tv_sec = 0 }; /* before 1970 when the machine started */
	CHECK_ERRNO(clock_settime(CLOCK_REALTIME, &time), EINVAL);
	CHECK_ERRNO(syscall(SYS_clock_settime, CLOCK_REALTIME, 1), EFAULT);
	CHECK_ERRNO(clock_settime(CLOCK_MONOTONIC, &time), EINVAL);
	CHECK_ERRNO(syscall(SYS_clock_settime, CLOCK_PROCESS_CPUTIME_ID, &time), EINVAL);
	CHECK_ERRNO(syscall(SYS_clock_settime, ~getpid() << 3 | 2, &time), EPERM);
	CHECK_ERRNO(syscall(SYS_clock_settime, 77, &time), EINVAL);
	CHECK_ERRNO(syscall(SYS_settimeofday,
			    (&(struct timeval){ .tv_sec = 1700000000, .tv_usec = -1 }), NULL),
		EINVAL);
	CHECK_ERRNO(syscall(SYS_settimeofday, NULL, (&(struct timezone){ 901, 0 })), EINVAL);
}

CASE(needs_the_capability)
{
	struct timex state = { .modes = ADJ_SETOFFSET };
	struct timespec now;
	struct timeval time;

	clock_gettime(CLOCK_REALTIME, &now);
	gettimeofday(&time, NULL);
	CHECK_EQ(setresuid(NOBODY, NOBODY, NOBODY), 0);
	CHECK_ERRNO(clock_settime(CLOCK_REALTIME, &now), EPERM);
	CHECK_ERRNO(settimeofday(&time, NULL), EPERM);
	CHECK_ERRNO(syscall(SYS_settimeofday, NULL, NULL), EPERM);
	CHECK_ERRNO(adjtimex(&state), EPERM);
	CHECK_ERRNO(clock_adjtime(CLOCK_REALTIME, &state), EPERM);
	state.modes = 0;
	CHECK(adjtimex(&state) >= 0);
	now.tv_sec = -1;
	CHECK_ERRNO(clock_settime(CLOCK_REALTIME, &now), EINVAL);
}

/* ---- what waits for a moment of the wall clock ---- */

static int timer_at(struct timespec then, int flags)
{
	int fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK);

	CHECK_EQ(timerfd_settime(fd, flags, &(struct itimerspec){ .it_value = then }, NULL), 0);
	return fd;
}

static bool is_readable(int fd, int timeout_ms)
{
	struct pollfd one = { .fd = fd, .events = POLLIN };

	return poll(&one, 1, timeout_ms) == 1;
}

CASE(timerfd_is_cancelled)
{
	int fd = timer_at(in(STEP), CHANGE_FLAG), other = timer_at(in(STEP), TFD_TIMER_ABSTIME);
	struct itimerspec spec = { .it_value = in(STEP) }, left;
	uint64_t n;

	CHECK_ERRNO(read(fd, &n, sizeof(n)), EAGAIN);
	step(0);
	CHECK(is_readable(fd, 10000));
	CHECK(!is_readable(other, 0));
	CHECK_ERRNO(read(fd, &n, sizeof(n)), ECANCELED);
	CHECK_ERRNO(read(fd, &n, sizeof(n)), EAGAIN); /* it goes on */
	CHECK_EQ(timerfd_gettime(fd, &left), 0);
	CHECK(left.it_value.tv_sec > STEP / 2);
	step(0);
	CHECK_ERRNO(timerfd_settime(fd, CHANGE_FLAG, &spec, NULL), ECANCELED);
	CHECK_EQ(timerfd_settime(fd, CHANGE_FLAG, &spec, NULL), 0);
	CHECK_EQ(timerfd_settime(fd, TFD_TIMER_ABSTIME, &spec, NULL), 0);
	step(0);
	CHECK_ERRNO(read(fd, &n, sizeof(n)), EAGAIN);
	close(fd);
	close(other);
}

CASE(timers_follow)
{
	int fd, backwards, relative;
	uint64_t n;

	if (!may_step()) {
		return;
	}
	fd = timer_at(in(STEP / 2), TFD_TIMER_ABSTIME);
	relative = timer_at((struct timespec){ .tv_sec = STEP / 2 }, 0);
	backwards = timer_at(in(1), TFD_TIMER_ABSTIME);
	step(-STEP);
	CHECK(!is_readable(backwards, 1500));
	step(2 * STEP);
	CHECK(is_readable(fd, 10000));
	CHECK_EQ(read(fd, &n, sizeof(n)), sizeof(n));
	CHECK(is_readable(backwards, 0));
	CHECK(!is_readable(relative, 0));
	step(-STEP);
	close(fd);
	close(backwards);
	close(relative);
}

static int n_ready;

static void *sleep_on(void *then)
{
	__atomic_add_fetch(&n_ready, 1, __ATOMIC_SEQ_CST);
	CHECK_EQ(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, then, NULL), 0);
	return NULL;
}

static void *wait_for_word(void *then)
{
	static int word;

	__atomic_add_fetch(&n_ready, 1, __ATOMIC_SEQ_CST);
	CHECK_ERRNO(syscall(SYS_futex, &word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, then,
			    NULL, FUTEX_BITSET_MATCH_ANY),
		ETIMEDOUT);
	return NULL;
}

/* Early or late, they are there when the clock says so. */
CASE(sleepers_follow)
{
	struct timespec then = in(STEP / 2);
	pthread_t threads[2];

	if (!may_step()) {
		return;
	}
	CHECK_EQ(pthread_create(&threads[0], NULL, sleep_on, &then), 0);
	CHECK_EQ(pthread_create(&threads[1], NULL, wait_for_word, &then), 0);
	while (__atomic_load_n(&n_ready, __ATOMIC_SEQ_CST) < 2) {
		sched_yield();
	}
	usleep(20000); /* so that they sleep; who does not yet looks at the clock later */
	step(STEP);
	CHECK_EQ(pthread_join(threads[0], NULL), 0);
	CHECK_EQ(pthread_join(threads[1], NULL), 0);
	step(-STEP);
}

CASES_MAIN()
