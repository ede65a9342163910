/* SPDX-License-Identifier: MIT */
/*
 * Waiting for descriptors: poll, ppoll, select, pselect6 and epoll_wait become two requests,
 * POSIX_POLL and POSIX_EPOLL_WAIT.
 */
#include "calls.h"
#include "signal.h"

constexpr uint64_t POLL_MAX = 448; /* records of one request */
constexpr uint64_t FD_SET_MAX = 1024;
constexpr uint64_t NO_TIMEOUT = ~0ull;
/* IN RDNORM RDBAND HUP ERR */
constexpr uint16_t POLL_READ = 0x001 | 0x040 | 0x080 | 0x010 | 0x008;
constexpr uint16_t POLL_WRITE = 0x004 | 0x100 | 0x200 | 0x008;  /* OUT WRNORM WRBAND ERR */
constexpr uint16_t POLL_EXCEPT = 0x002;
constexpr uint16_t POLL_INVALID = 0x020;

struct linux_pollfd {
	int32_t fd;
	uint16_t events, revents;
};

/* ---- one request, or several ----------------------------------------------------------------- */

struct poll_records {
	void *records; /* struct linux_pollfd */
	uint64_t count;
	bool is_user;
	uint32_t flags; /* enum posix_poll_flags */
};

static int64_t poll_request(const struct poll_records *set, uint64_t timeout_ns)
{
	uint64_t size = set->count * sizeof(struct linux_pollfd);
	struct shim_call call;

	shim_call_init(&call, POSIX_POLL);
	call.header.args[0] = set->count;
	call.header.args[1] = timeout_ns;
	call.header.args[2] = size;
	call.header.args[3] = set->flags;
	if (set->is_user) {
		shim_call_in_user(&call, (uint64_t)set->records, size);
		shim_call_out_user(&call, (uint64_t)set->records, size);
	} else {
		shim_call_in(&call, set->records, size);
		shim_call_out(&call, set->records, size);
	}
	return shim_call_run(&call);
}

/* An error came between the parts of a set: posix need not keep those that it has. */
static int64_t poll_give_up(int64_t error)
{
	struct poll_records nothing = {};

	(void)poll_request(&nothing, 0);
	return error;
}

static uint64_t deadline_of(uint64_t timeout_ns)
{
	return timeout_ns == NO_TIMEOUT ? NO_TIMEOUT : shim_deadline_after(timeout_ns);
}

static uint64_t time_left(uint64_t deadline_ns)
{
	uint64_t now_ns;

	if (deadline_ns == NO_TIMEOUT) {
		return NO_TIMEOUT;
	}
	now_ns = shim_clock_ns();
	return deadline_ns > now_ns ? deadline_ns - now_ns : 0;
}

/* ---- poll ------------------------------------------------------------------------------------ */

/*
 * All parts once: how many records are ready. Waits if none is, but maybe not until one is; and
 * what became ready meanwhile in a part before the last one is not seen.
 */
static int64_t poll_round(uint64_t address, uint64_t count, uint64_t deadline_ns)
{
	int64_t n_ready = 0, result = 0;

	for (uint64_t at = 0; at < count && result >= 0; at += POLL_MAX) {
		bool goes_on = count - at > POLL_MAX;
		struct poll_records part = {
			.records = (void *)(address + at * sizeof(struct linux_pollfd)),
			.count = goes_on ? POLL_MAX : count - at,
			.is_user = true,
			.flags = goes_on ? POSIX_POLL_GOES_ON : 0,
		};

		result = poll_request(&part, goes_on || n_ready > 0 ? 0 : time_left(deadline_ns));
		n_ready += result;
	}
	if (result == -LINUX_EFAULT) {
		return poll_give_up(result);
	}
	return result < 0 ? result : n_ready;
}

static int64_t poll_user(uint64_t address, uint64_t count, uint64_t timeout_ns)
{
	struct poll_records set = { (void *)address, count, true, 0 };
	uint64_t deadline_ns;
	int64_t n_ready;

	if (!shim_is_user_range(address, count * sizeof(struct linux_pollfd))) {
		return -LINUX_EFAULT;
	}
	if (count <= POLL_MAX) {
		return poll_request(&set, timeout_ns);
	}
	deadline_ns = deadline_of(timeout_ns);
	do {
		n_ready = poll_round(address, count, deadline_ns);
		if (n_ready > 0) {
			n_ready = poll_round(address, count, 0);
		}
	} while (n_ready == 0 && time_left(deadline_ns) > 0);
	return n_ready;
}

static uint64_t timeout_of_ms(uint64_t ms)
{
	return (int32_t)ms < 0 ? NO_TIMEOUT : (uint64_t)(uint32_t)ms * 1000000;
}

int64_t shim_poll(SHIM_ARGS)
{
	SHIM_UNUSED;
	return poll_user(a0, (uint32_t)a1, timeout_of_ms(a2));
}

/* What is left of a timeout goes back to the program, as Linux does for ppoll and select. */
static void put_remaining(uint64_t address, uint64_t start_ns, uint64_t timeout_ns, bool is_timeval)
{
	uint64_t passed = shim_clock_ns() - start_ns;
	uint64_t left = passed < timeout_ns ? timeout_ns - passed : 0;
	int64_t time[2] = { (int64_t)(left / 1000000000), (int64_t)(left % 1000000000) };

	if (is_timeval) {
		time[1] /= 1000;
	}
	(void)shim_put(address, time, sizeof(time)); /* read-only memory is fine */
}

int64_t shim_ppoll(SHIM_ARGS)
{
	uint64_t timeout_ns = NO_TIMEOUT, start_ns = shim_clock_ns();
	int64_t result;
	int error = a2 ? shim_get_timespec(a2, &timeout_ns) : 0;

	SHIM_UNUSED;
	if (!error) {
		error = shim_set_temporary_mask(a3, a4);
	}
	if (error) {
		return error;
	}
	result = poll_user(a0, (uint32_t)a1, timeout_ns);
	if (result == -LINUX_ERESTARTSYS) {
		result = -LINUX_ERESTARTNOHAND;
	}
	shim_end_temporary_mask(result);
	if (a2) {
		put_remaining(a2, start_ns, timeout_ns, false);
	}
	return result;
}

/* ---- select ---------------------------------------------------------------------------------- */

struct fd_set {
	uint64_t words[FD_SET_MAX / 64];
};

static bool is_set(const struct fd_set *set, uint64_t fd)
{
	return set->words[fd / 64] >> (fd % 64) & 1;
}

static int get_set(struct fd_set *set, uint64_t address, uint64_t n)
{
	*set = (struct fd_set){};
	return address ? shim_get(set, address, (n + 63) / 64 * 8) : 0;
}

/* Records of the descriptors from *fd on, as many as fit; *fd is the first that does not. */
static uint64_t gather_records(
	const struct fd_set sets[3], uint64_t n, uint64_t *fd, struct linux_pollfd *records)
{
	static const uint16_t events[3] = { POLL_READ, POLL_WRITE, POLL_EXCEPT };
	uint64_t count = 0;

	for (; *fd < n; ++*fd) {
		uint16_t wanted = 0;

		for (unsigned i = 0; i < 3; i++) {
			wanted |= is_set(&sets[i], *fd) ? events[i] : 0;
		}
		if (wanted && count == POLL_MAX) {
			break;
		}
		if (wanted) {
			records[count++] = (struct linux_pollfd){ (int32_t)*fd, wanted, 0 };
		}
	}
	return count;
}

/* Sets in @results what is ready; how many bits that are, or -LINUX_EBADF. */
static int64_t scatter_records(const struct fd_set sets[3], const struct linux_pollfd *records,
	uint64_t count, struct fd_set results[3])
{
	static const uint16_t events[3] = { POLL_READ, POLL_WRITE, POLL_EXCEPT };
	int64_t n_bits = 0;

	for (uint64_t i = 0; i < count; i++) {
		if (records[i].revents & POLL_INVALID) {
			return -LINUX_EBADF;
		}
		for (unsigned k = 0; k < 3; k++) {
			uint64_t fd = (uint64_t)records[i].fd;

			if (is_set(&sets[k], fd) && records[i].revents & events[k]) {
				results[k].words[fd / 64] |= 1ull << (fd % 64);
				n_bits++;
			}
		}
	}
	return n_bits;
}

/* All descriptors once, as poll_round(); @out_is_whole: there was only one part. */
static int64_t select_round(const struct fd_set sets[3], uint64_t n, uint64_t deadline_ns,
	struct fd_set results[3], bool *out_is_whole)
{
	struct linux_pollfd records[POLL_MAX];
	struct poll_records part = { .records = records };
	int64_t n_bits = 0, result;
	uint64_t fd = 0;

	for (unsigned i = 0; i < 3; i++) {
		results[i] = (struct fd_set){};
	}
	*out_is_whole = true;
	do {
		part.count = gather_records(sets, n, &fd, records);
		part.flags = POSIX_POLL_EXACT | (fd < n ? POSIX_POLL_GOES_ON : 0);
		result = poll_request(&part, fd < n || n_bits > 0 ? 0 : time_left(deadline_ns));
		if (result < 0) {
			return result == -LINUX_ERESTARTSYS ? -LINUX_ERESTARTNOHAND : result;
		}
		result = scatter_records(sets, records, part.count, results);
		if (result < 0) {
			return fd < n ? poll_give_up(result) : result;
		}
		n_bits += result;
		*out_is_whole = *out_is_whole && fd >= n;
	} while (fd < n);
	return n_bits;
}

static int64_t select_user(uint64_t n, const uint64_t addresses[3], uint64_t timeout_ns)
{
	uint64_t deadline_ns = deadline_of(timeout_ns);
	struct fd_set sets[3], results[3];
	bool is_whole;
	int64_t result;

	if ((int32_t)n < 0) {
		return -LINUX_EINVAL;
	}
	n = (uint32_t)n < FD_SET_MAX ? (uint32_t)n : FD_SET_MAX;
	for (unsigned i = 0; i < 3; i++) {
		if (get_set(&sets[i], addresses[i], n)) {
			return -LINUX_EFAULT;
		}
	}
	do {
		result = select_round(sets, n, deadline_ns, results, &is_whole);
		if (result > 0 && !is_whole) {
			result = select_round(sets, n, 0, results, &is_whole);
		}
	} while (result == 0 && time_left(deadline_ns) > 0);
	for (unsigned i = 0; i < 3 && result >= 0; i++) {
		if (addresses[i] && shim_put(addresses[i], &results[i], (n + 63) / 64 * 8)) {
			return -LINUX_EFAULT;
		}
	}
	return result;
}

int64_t shim_select(SHIM_ARGS)
{
	const uint64_t addresses[3] = { a1, a2, a3 };
	uint64_t timeout_ns = NO_TIMEOUT, start_ns = shim_clock_ns();
	int64_t time[2], result;

	SHIM_UNUSED;
	if (a4) {
		if (shim_get(time, a4, sizeof(time))) {
			return -LINUX_EFAULT;
		}
		if (time[0] < 0 || time[1] < 0) {
			return -LINUX_EINVAL;
		}
		timeout_ns = (uint64_t)time[0] > INT64_MAX / 2000000000
			? INT64_MAX
			: (uint64_t)time[0] * 1000000000 + (uint64_t)time[1] * 1000;
	}
	result = select_user(a0, addresses, timeout_ns);
	if (a4) {
		put_remaining(a4, start_ns, timeout_ns, true);
	}
	return result;
}

int64_t shim_pselect6(SHIM_ARGS)
{
	const uint64_t addresses[3] = { a1, a2, a3 };
	uint64_t timeout_ns = NO_TIMEOUT, start_ns = shim_clock_ns();
	uint64_t mask[2] = { 0, 0 };
	int64_t result;
	int error = a4 ? shim_get_timespec(a4, &timeout_ns) : 0;

	(void)number;
	if (!error && a5) {
		error = shim_get(mask, a5, sizeof(mask));
	}
	if (!error) {
		error = shim_set_temporary_mask(mask[0], mask[1]);
	}
	if (error) {
		return error;
	}
	result = select_user(a0, addresses, timeout_ns);
	shim_end_temporary_mask(result);
	if (a4) {
		put_remaining(a4, start_ns, timeout_ns, false);
	}
	return result;
}

/* ---- epoll ----------------------------------------------------------------------------------- */

constexpr uint64_t EPOLL_MAX = 256; /* events of one request */
constexpr uint64_t EPOLL_EVENT_SIZE = 12;

static int64_t epoll_request(
	uint64_t fd, uint64_t address, uint64_t count, uint64_t timeout_ns, bool is_more)
{
	struct shim_call call;

	shim_call_init(&call, POSIX_EPOLL_WAIT);
	call.header.args[0] = fd;
	call.header.args[1] = count;
	call.header.args[2] = timeout_ns;
	call.header.args[3] = count * EPOLL_EVENT_SIZE;
	call.header.args[4] = is_more;
	shim_call_out_user(&call, address, count * EPOLL_EVENT_SIZE);
	return shim_call_run(&call);
}

/*
 * Events that were told are gone for those who want edges: an error after the first request is no
 * error.
 */
static int64_t epoll_user(uint64_t fd, uint64_t address, uint64_t count, uint64_t timeout_ns)
{
	int64_t n_events, result;

	if ((int32_t)count <= 0) {
		return -LINUX_EINVAL;
	}
	count = (uint32_t)count;
	if (!shim_is_user_range(address, count * EPOLL_EVENT_SIZE)) {
		return -LINUX_EFAULT;
	}
	result = epoll_request(
		fd, address, count < EPOLL_MAX ? count : EPOLL_MAX, timeout_ns, false);
	n_events = result;
	while (result == (int64_t)EPOLL_MAX && (uint64_t)n_events < count) {
		uint64_t left = count - (uint64_t)n_events;

		result = epoll_request(fd, address + (uint64_t)n_events * EPOLL_EVENT_SIZE,
			left < EPOLL_MAX ? left : EPOLL_MAX, 0, true);
		n_events += result > 0 ? result : 0;
	}
	return n_events;
}

/* The events of an epoll that stay the same are shown; with another mask a signal may be due. */
static int64_t epoll_wait(
	uint64_t fd, uint64_t address, uint64_t count, uint64_t timeout_ns, bool has_mask)
{
	if (!has_mask && shim_has_view(fd) && (int32_t)count > 0) {
		int64_t result = shim_view_epoll_wait(fd, address, (uint32_t)count, timeout_ns);

		if (result != SHIM_ASK) {
			return result;
		}
	}
	return epoll_user(fd, address, count, timeout_ns);
}

int64_t shim_epoll_wait(SHIM_ARGS)
{
	SHIM_UNUSED;
	return epoll_wait(a0, a1, a2, timeout_of_ms(a3), false);
}

/* With the signal mask @mask of @mask_size bytes meanwhile. */
static int64_t epoll_wait_masked(uint64_t fd, uint64_t address, uint64_t count, uint64_t timeout_ns,
	uint64_t mask, uint64_t mask_size)
{
	int error = shim_set_temporary_mask(mask, mask_size);
	int64_t result;

	if (error) {
		return error;
	}
	result = epoll_wait(fd, address, count, timeout_ns, mask != 0);
	shim_end_temporary_mask(result);
	return result;
}

int64_t shim_epoll_pwait(SHIM_ARGS)
{
	(void)number;
	return epoll_wait_masked(a0, a1, a2, timeout_of_ms(a3), a4, a5);
}

int64_t shim_epoll_pwait2(SHIM_ARGS)
{
	uint64_t timeout_ns = NO_TIMEOUT;
	int error = a3 ? shim_get_timespec(a3, &timeout_ns) : 0;

	(void)number;
	return error ? error : epoll_wait_masked(a0, a1, a2, timeout_ns, a4, a5);
}
