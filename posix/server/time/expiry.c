/* SPDX-License-Identifier: MIT */
/*
 * Expiries; see expiry.h.
 *
 * Times are kept on the monotonic clock. An absolute wall-clock time is converted when it is set,
 * and again when the wall clock is set; what is relative to that clock does not move.
 */
#include <abi/linux/errno.h>
#include <async/loop.h>
#include <posix/server/request-internal.h>
#include <posix/server/time/expiry.h>
#include <posix/server/time/time.h>

constexpr uint64_t SECONDS_MAX = INT64_MAX / NS_PER_S - 1;

bool timespec_decode(const struct linux_timespec *time, uint64_t *out_ns)
{
	if (time->seconds < 0 || time->nanoseconds < 0 || time->nanoseconds >= (int64_t)NS_PER_S) {
		return false;
	}
	*out_ns = min_u64((uint64_t)time->seconds, SECONDS_MAX) * NS_PER_S +
		(uint64_t)time->nanoseconds;
	return true;
}

struct linux_timespec timespec_encode(uint64_t ns)
{
	return (struct linux_timespec){ (int64_t)(ns / NS_PER_S), (int64_t)(ns % NS_PER_S) };
}

/* Those that follow the wall clock. */
static struct list wall_expiries = LIST_INIT(wall_expiries);

void expiry_init(struct expiry *expiry, void (*expired)(struct timer *timer))
{
	*expiry = (struct expiry){ 0 };
	timer_init(&expiry->timer, expired);
	list_node_init(&expiry->wall_node);
}

void expiry_stop(struct expiry *expiry)
{
	list_remove(&expiry->wall_node);
	if (timer_is_armed(&expiry->timer)) {
		timer_disarm(posix_loop(), &expiry->timer);
	}
}

static bool is_wall_clock(int clock)
{
	return clock == LINUX_CLOCK_REALTIME || clock == LINUX_CLOCK_REALTIME_ALARM ||
		clock == LINUX_CLOCK_TAI;
}

/* The moment of the monotonic clock at which the wall clock shows @wall_ns. */
static uint64_t monotonic_of(uint64_t wall_ns)
{
	uint64_t offset_ns = (uint64_t)clock_realtime_offset_ns();

	return wall_ns > offset_ns ? wall_ns - offset_ns : 1;
}

void expiries_follow_clock(void)
{
	LIST_FOR_EACH(expiry, &wall_expiries, struct expiry, wall_node) {
		timer_disarm(posix_loop(), &expiry->timer);
		timer_arm(posix_loop(), &expiry->timer, monotonic_of(expiry->wall_ns));
	}
}

int64_t expiry_set(
	struct expiry *expiry, int clock, bool is_absolute, const struct linux_itimerspec *spec)
{
	uint64_t value_ns, interval_ns, now_ns = clock_monotonic_ns();

	if (!timespec_decode(&spec->value, &value_ns) ||
		!timespec_decode(&spec->interval, &interval_ns)) {
		return -LINUX_EINVAL;
	}
	expiry_stop(expiry);
	expiry->interval_ns = interval_ns;
	if (value_ns == 0) {
		return 0;
	}
	if (is_absolute && is_wall_clock(clock)) {
		expiry->wall_ns = value_ns;
		list_push_back(&wall_expiries, &expiry->wall_node);
		value_ns = monotonic_of(value_ns);
	} else if (!is_absolute) {
		value_ns += now_ns;
	}
	timer_arm(posix_loop(), &expiry->timer, value_ns);
	return 0;
}

void expiry_get(const struct expiry *expiry, struct linux_itimerspec *out_spec)
{
	uint64_t now_ns = clock_monotonic_ns(), left_ns = 0;

	if (timer_is_armed(&expiry->timer)) {
		left_ns =
			expiry->timer.deadline_ns > now_ns ? expiry->timer.deadline_ns - now_ns : 1;
	}
	out_spec->value = timespec_encode(left_ns);
	out_spec->interval = timespec_encode(expiry->interval_ns);
}

uint64_t expiry_renew(struct expiry *expiry)
{
	uint64_t now_ns = clock_monotonic_ns(), deadline_ns = expiry->timer.deadline_ns,
		 n_expired = 1;

	if (expiry->interval_ns == 0) {
		list_remove(&expiry->wall_node);
		return 1;
	}
	if (now_ns > deadline_ns) {
		n_expired += (now_ns - deadline_ns) / expiry->interval_ns;
	}
	expiry->wall_ns += n_expired * expiry->interval_ns;
	timer_arm(posix_loop(), &expiry->timer, deadline_ns + n_expired * expiry->interval_ns);
	return n_expired;
}
