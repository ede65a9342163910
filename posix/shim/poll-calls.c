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

static int64_t poll_request(void *records, bool is_user, uint64_t count, uint64_t timeout_ns)
{
	struct shim_call call;

	shim_call_init(&call, POSIX_POLL);
	call.header.args[0] = count;
	call.header.args[1] = timeout_ns;
	call.header.args[2] = count * sizeof(struct linux_pollfd);
	if (is_user) {
		shim_call_in_user(&call, (uint64_t)records, count * sizeof(struct linux_pollfd));
		shim_call_out_user(&call, (uint64_t)records, count * sizeof(struct linux_pollfd));
	} else {
		shim_call_in(&call, records, count * sizeof(struct linux_pollfd));
		shim_call_out(&call, records, count * sizeof(struct linux_pollfd));
	}
	return shim_call_run(&call);
}

static int64_t poll_user(uint64_t address, uint64_t count, uint64_t timeout_ns)
{
	if (count > POLL_MAX) {
		shim_count_unimplemented(0xffff0000u | 7);
		return -LINUX_EINVAL;
	}
	if (!shim_is_user_range(address, count * sizeof(struct linux_pollfd))) {
		return -LINUX_EFAULT;
	}
	return poll_request((void *)address, true, count, timeout_ns);
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

static uint64_t gather_records(
	const struct fd_set sets[3], uint64_t n, struct linux_pollfd *records)
{
	static const uint16_t events[3] = { POLL_READ, POLL_WRITE, POLL_EXCEPT };
	uint64_t count = 0;

	for (uint64_t fd = 0; fd < n; fd++) {
		uint16_t wanted = 0;

		for (unsigned i = 0; i < 3; i++) {
			wanted |= is_set(&sets[i], fd) ? events[i] : 0;
		}
		if (wanted) {
			if (count == POLL_MAX) {
				return POLL_MAX + 1;
			}
			records[count++] = (struct linux_pollfd){ (int32_t)fd, wanted, 0 };
		}
	}
	return count;
}

static int64_t scatter_records(
	struct fd_set sets[3], const struct linux_pollfd *records, uint64_t count)
{
	static const uint16_t events[3] = { POLL_READ, POLL_WRITE, POLL_EXCEPT };
	struct fd_set results[3] = {};
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
	for (unsigned k = 0; k < 3; k++) {
		sets[k] = results[k];
	}
	return n_bits;
}

static int64_t select_user(uint64_t n, const uint64_t addresses[3], uint64_t timeout_ns)
{
	struct linux_pollfd records[POLL_MAX];
	struct fd_set sets[3];
	uint64_t count;
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
	count = gather_records(sets, n, records);
	if (count > POLL_MAX) {
		shim_count_unimplemented(0xffff0000u | 23);
		return -LINUX_EINVAL;
	}
	result = poll_request(records, false, count, timeout_ns);
	if (result < 0) {
		return result == -LINUX_ERESTARTSYS ? -LINUX_ERESTARTNOHAND : result;
	}
	result = scatter_records(sets, records, count);
	for (unsigned i = 0; i < 3 && result >= 0; i++) {
		if (addresses[i] && shim_put(addresses[i], &sets[i], (n + 63) / 64 * 8)) {
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

static int64_t epoll_request(uint64_t fd, uint64_t address, uint64_t count, uint64_t timeout_ns)
{
	struct shim_call call;
	uint64_t size;

	if ((int32_t)count <= 0) {
		return -LINUX_EINVAL;
	}
	count = count < POSIX_INLINE_MAX / 12 ? count : POSIX_INLINE_MAX / 12;
	size = count * 12;
	if (!shim_is_user_range(address, size)) {
		return -LINUX_EFAULT;
	}
	shim_call_init(&call, POSIX_EPOLL_WAIT);
	call.header.args[0] = fd;
	call.header.args[1] = count;
	call.header.args[2] = timeout_ns;
	call.header.args[3] = size;
	shim_call_out_user(&call, address, size);
	return shim_call_run(&call);
}

/* The events of an epoll that stay the same are shown; with another mask a signal may be due. */
static int64_t epoll_wait(
	uint64_t fd, uint64_t address, uint64_t count, uint64_t timeout_ms, bool has_mask)
{
	uint64_t timeout_ns = timeout_of_ms(timeout_ms);

	if (!has_mask && shim_has_view(fd) && (int32_t)count > 0) {
		int64_t result = shim_view_epoll_wait(fd, address, (uint32_t)count, timeout_ns);

		if (result != SHIM_ASK) {
			return result;
		}
	}
	return epoll_request(fd, address, count, timeout_ns);
}

int64_t shim_epoll_wait(SHIM_ARGS)
{
	SHIM_UNUSED;
	return epoll_wait(a0, a1, a2, a3, false);
}

int64_t shim_epoll_pwait(SHIM_ARGS)
{
	int error = shim_set_temporary_mask(a4, a5);
	int64_t result;

	(void)number;
	if (error) {
		return error;
	}
	result = epoll_wait(a0, a1, a2, a3, a4 != 0);
	shim_end_temporary_mask(result);
	return result;
}
