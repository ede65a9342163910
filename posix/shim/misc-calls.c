/* SPDX-License-Identifier: MIT */
/*
 * Small calls that the process can answer by itself: identity, futexes, random numbers, processor
 * state.
 */
#include <abi/linux/capability.h>
#include <hel/hel-calls.h>

#include "calls.h"
#include "futex.h"

int64_t shim_getpid(SHIM_ARGS)
{
	SHIM_UNUSED;
	return shim_process()->pid;
}

int64_t shim_getppid(SHIM_ARGS)
{
	SHIM_UNUSED;
	return shim_process()->ppid;
}

int64_t shim_gettid(SHIM_ARGS)
{
	SHIM_UNUSED;
	return shim_thread()->tid;
}

int64_t shim_getuid(SHIM_ARGS)
{
	SHIM_UNUSED;
	return shim_process()->uid;
}

int64_t shim_geteuid(SHIM_ARGS)
{
	SHIM_UNUSED;
	return shim_process()->euid;
}

int64_t shim_getgid(SHIM_ARGS)
{
	SHIM_UNUSED;
	return shim_process()->gid;
}

int64_t shim_getegid(SHIM_ARGS)
{
	SHIM_UNUSED;
	return shim_process()->egid;
}

/* ---- capabilities ---------------------------------------------------------------------------- */

constexpr uint32_t NR_CAPGET = 125, NR_CAPSET = 126;

/* How many data follow a header of that version; 0: there is no such version, and it is told so. */
static int64_t capability_header(uint64_t address, struct linux_cap_header *out_header)
{
	const uint32_t newest = LINUX_CAPABILITY_VERSION_3;

	if (shim_get(out_header, address, sizeof(*out_header))) {
		return -LINUX_EFAULT;
	}
	switch (out_header->version) {
	case LINUX_CAPABILITY_VERSION_1: return 1;
	case LINUX_CAPABILITY_VERSION_2:
	case LINUX_CAPABILITY_VERSION_3: return 2;
	default: return shim_put(address, &newest, sizeof(newest)) ? -LINUX_EFAULT : 0;
	}
}

int64_t shim_capget(SHIM_ARGS)
{
	struct linux_cap_data data[2];
	struct linux_cap_header header;
	int64_t n = capability_header(a0, &header);
	struct shim_call call;

	SHIM_UNUSED;
	if (n <= 0) {
		return n < 0 ? n : a1 ? -LINUX_EINVAL : 0;
	}
	shim_call_init(&call, NR_CAPGET);
	call.header.args[0] = (uint32_t)header.pid;
	call.header.args[1] = sizeof(data);
	shim_call_out(&call, data, sizeof(data));
	int64_t result = shim_call_run(&call);

	if (result < 0 || !a1) {
		return result;
	}
	return shim_put(a1, data, (uint64_t)n * sizeof(data[0])) ? -LINUX_EFAULT : 0;
}

int64_t shim_capset(SHIM_ARGS)
{
	struct linux_cap_data data[2] = {};
	struct linux_cap_header header;
	int64_t n = capability_header(a0, &header);
	struct shim_call call;

	SHIM_UNUSED;
	if (n <= 0) {
		return n < 0 ? n : -LINUX_EINVAL;
	}
	if (shim_get(data, a1, (uint64_t)n * sizeof(data[0]))) {
		return -LINUX_EFAULT;
	}
	shim_call_init(&call, NR_CAPSET);
	call.header.args[0] = (uint32_t)header.pid;
	call.header.args[1] = sizeof(data);
	shim_call_in(&call, data, sizeof(data));
	return shim_call_run(&call);
}

int64_t shim_set_tid_address(SHIM_ARGS)
{
	SHIM_UNUSED;
	shim_thread()->clear_child_tid = a0;
	return shim_thread()->tid;
}

int64_t shim_set_robust_list(SHIM_ARGS)
{
	SHIM_UNUSED;
	if (a1 != 24) {
		return -LINUX_EINVAL;
	}
	shim_thread()->robust_list = a0;
	shim_thread()->robust_list_size = a1;
	return 0;
}

int64_t shim_get_robust_list(SHIM_ARGS)
{
	const struct posix_thread_page *page = shim_thread();

	SHIM_UNUSED;
	if (a0 != 0 && a0 != page->tid) {
		shim_count_unimplemented((uint32_t)number);
		return -LINUX_EPERM;
	}
	if (shim_put(a1, &page->robust_list, sizeof(uint64_t))) {
		return -LINUX_EFAULT;
	}
	return shim_put(a2, &page->robust_list_size, sizeof(uint64_t));
}

/* As a Linux built without it: C libraries do without. */
int64_t shim_rseq(SHIM_ARGS)
{
	SHIM_UNUSED;
	return -LINUX_ENOSYS;
}

int64_t shim_sched_yield(SHIM_ARGS)
{
	SHIM_UNUSED;
	if (shim_thread()->yields_to_posix) {
		return shim_request(POSIX_DEADLINE_YIELD, 0, 0, 0, 0, 0, 0);
	}
	hel_thread_yield();
	return 0;
}

int64_t shim_personality(SHIM_ARGS)
{
	struct posix_process_page *process = shim_process();
	uint32_t old = process->personality;

	SHIM_UNUSED;
	if ((uint32_t)a0 != 0xffffffff) {
		process->personality = (uint32_t)a0;
	}
	return old;
}

int64_t shim_getcpu(SHIM_ARGS)
{
	uint32_t cpu = 0, node = 0;

	SHIM_UNUSED;
	__asm__ volatile("rdtscp" : "=c"(cpu) : : "rax", "rdx");
	cpu &= 0xfff;
	if (a0 && shim_put(a0, &cpu, sizeof(cpu))) {
		return -LINUX_EFAULT;
	}
	return a1 ? shim_put(a1, &node, sizeof(node)) : 0;
}

int64_t shim_arch_prctl(SHIM_ARGS)
{
	constexpr uint64_t ARCH_SET_GS = 0x1001, ARCH_SET_FS = 0x1002, ARCH_GET_FS = 0x1003,
			   ARCH_GET_GS = 0x1004;
	uint64_t base;

	SHIM_UNUSED;
	switch (a0) {
	case ARCH_SET_FS:
		if (a1 >= POSIX_SHIM_REGION) {
			return -LINUX_EPERM;
		}
		__asm__ volatile("wrfsbase %0" : : "r"(a1));
		return 0;
	case ARCH_GET_FS:
		__asm__ volatile("rdfsbase %0" : "=r"(base));
		return shim_put(a1, &base, sizeof(base));
	case ARCH_GET_GS: base = 0; return shim_put(a1, &base, sizeof(base));
	case ARCH_SET_GS: /* gs is the shim's */
		shim_count_unimplemented(0xffff0000u | (uint32_t)(a0 & 0xffff));
		return -LINUX_EOPNOTSUPP;
	default: return -LINUX_EINVAL;
	}
}

int64_t shim_getrandom(SHIM_ARGS)
{
	uint8_t piece[256];
	uint64_t done = 0;

	SHIM_UNUSED;
	if (a2 & ~7ull || (a2 & 6) == 6) {
		return -LINUX_EINVAL;
	}
	if (a1 > INT32_MAX) {
		a1 = INT32_MAX;
	}
	while (done < a1) {
		uint64_t n = a1 - done < sizeof(piece) ? a1 - done : sizeof(piece);

		if (hel_random(piece, n) || shim_put(a0 + done, piece, n)) {
			return done ? (int64_t)done : -LINUX_EFAULT;
		}
		done += n;
	}
	return (int64_t)done;
}

/* ---- futex ----------------------------------------------------------------------------------- */

enum linux_futex : uint32_t {
	FUTEX_WAIT = 0,
	FUTEX_WAKE = 1,
	FUTEX_REQUEUE = 3,
	FUTEX_CMP_REQUEUE = 4,
	FUTEX_LOCK_PI = 6,
	FUTEX_UNLOCK_PI = 7,
	FUTEX_TRYLOCK_PI = 8,
	FUTEX_WAIT_BITSET = 9,
	FUTEX_WAKE_BITSET = 10,
	FUTEX_WAIT_REQUEUE_PI = 11,
	FUTEX_CMP_REQUEUE_PI = 12,
	FUTEX_LOCK_PI2 = 13,
	FUTEX_PRIVATE_FLAG = 128,
	FUTEX_CLOCK_REALTIME = 256,
};

static int futex_deadline(uint64_t operation, uint64_t address, struct shim_deadline *out_deadline)
{
	bool is_absolute = (operation & 127) != FUTEX_WAIT;
	bool is_realtime = (operation & FUTEX_CLOCK_REALTIME) || (operation & 127) == FUTEX_LOCK_PI;
	uint64_t ns;
	int error;

	*out_deadline = (struct shim_deadline){ .ns = HEL_DEADLINE_NEVER };
	if (!address) {
		return 0;
	}
	error = shim_get_timespec(address, &ns);
	if (error) {
		return error;
	}
	*out_deadline = (struct shim_deadline){
		is_absolute ? ns : shim_deadline_after(ns),
		is_absolute && is_realtime,
	};
	return 0;
}

int64_t shim_futex_wait(const uint32_t *word, uint32_t expected, struct shim_deadline deadline,
	uint32_t mask, int64_t interrupted_result)
{
	for (;;) {
		int error = hel_futex_wait(word, expected, shim_deadline_ns(deadline), mask);

		if (error != -ERR_KICKED) {
			return shim_errno_of(error);
		}
		shim_note_kick();
		if (shim_has_signal()) {
			shim_look_at_exit();
			return interrupted_result;
		}
	}
}

/* The operations on locks, and those that let threads wait for two words. */
static int64_t futex_pi(uint64_t operation, uint32_t *word, uint64_t value, uint64_t timeout,
	uint32_t *other, uint64_t expected)
{
	uint32_t command = operation & 127;
	struct shim_deadline deadline = { .ns = HEL_DEADLINE_NEVER };
	int error = 0;

	if (command == FUTEX_WAIT_REQUEUE_PI || command == FUTEX_CMP_REQUEUE_PI) {
		if ((uint64_t)other & 3) {
			return -LINUX_EINVAL;
		}
		if (!shim_is_user_range((uint64_t)other, sizeof(*other))) {
			return -LINUX_EFAULT;
		}
	}
	if (command == FUTEX_LOCK_PI || command == FUTEX_LOCK_PI2 ||
		command == FUTEX_WAIT_REQUEUE_PI) {
		error = futex_deadline(operation, timeout, &deadline);
	}
	if (error) {
		return error;
	}
	switch (command) {
	case FUTEX_TRYLOCK_PI: return shim_futex_trylock_pi(word);
	case FUTEX_UNLOCK_PI: return shim_futex_unlock_pi(word);
	case FUTEX_WAIT_REQUEUE_PI:
		return shim_futex_wait_requeue_pi(word, (uint32_t)value, deadline, other);
	case FUTEX_CMP_REQUEUE_PI:
		return shim_futex_cmp_requeue_pi(
			word, (uint32_t)expected, (uint32_t)value, (uint32_t)timeout, other);
	default: return shim_futex_lock_pi(word, deadline);
	}
}

int64_t shim_futex(SHIM_ARGS)
{
	const uint32_t *word = (const uint32_t *)a0;
	uint32_t mask = ~0u, n_woken = 0;
	struct shim_deadline deadline;
	int error;

	SHIM_UNUSED;
	if ((a0 & 3) || !shim_is_user_range(a0, 4)) {
		return a0 & 3 ? -LINUX_EINVAL : -LINUX_EFAULT;
	}
	switch (a1 & 127) {
	case FUTEX_WAIT_BITSET:
		mask = (uint32_t)a5;
		if (!mask) {
			return -LINUX_EINVAL;
		}
		[[fallthrough]];
	case FUTEX_WAIT:
		error = futex_deadline(a1, a3, &deadline);
		return error ? error
			     : shim_futex_wait(word, (uint32_t)a2, deadline, mask,
				       deadline.ns == HEL_DEADLINE_NEVER ? -LINUX_ERESTARTSYS
									 : -LINUX_EINTR);
	case FUTEX_WAKE_BITSET:
		mask = (uint32_t)a5;
		if (!mask) {
			return -LINUX_EINVAL;
		}
		[[fallthrough]];
	case FUTEX_WAKE:
		error = hel_futex_wake(word, (uint32_t)a2, mask, &n_woken);
		return error ? shim_errno_of(error) : (int64_t)n_woken;
	case FUTEX_REQUEUE:
	case FUTEX_CMP_REQUEUE:
		if ((a4 & 3) || !shim_is_user_range(a4, 4)) {
			return -LINUX_EINVAL;
		}
		error = hel_futex_requeue(word, (a1 & 127) == FUTEX_REQUEUE ? ~0ull : (uint32_t)a5,
			(const uint32_t *)a4, (uint32_t)a2, (uint32_t)a3, &n_woken);
		return error ? shim_errno_of(error) : (int64_t)n_woken;
	case FUTEX_LOCK_PI:
	case FUTEX_LOCK_PI2:
	case FUTEX_TRYLOCK_PI:
	case FUTEX_UNLOCK_PI:
	case FUTEX_WAIT_REQUEUE_PI:
	case FUTEX_CMP_REQUEUE_PI: return futex_pi(a1, (uint32_t *)a0, a2, a3, (uint32_t *)a4, a5);
	default: shim_count_unimplemented((uint32_t)number); return -LINUX_ENOSYS;
	}
}
