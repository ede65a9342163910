/* SPDX-License-Identifier: MIT */
/*
 * What a process may map, and mlock.
 *
 * Nobody counts what is mapped: with a limit, which few processes have, the mappings are asked for
 * before each new one. Limits are kept by the process itself, as all that the shim does: what it
 * really uses is charged to its universe by the kernel.
 *
 * Pages of programs are never taken away, so mlock() has but to make them present. Labels of
 * mappings say what is locked (protocols/posix/label.h): thor splits and moves them with the
 * mappings, and children have none.
 */
#include <hel/hel-calls.h>
#include <protocols/posix/label.h>

#include "calls.h"

constexpr uint64_t UNLIMITED = ~0ull;
constexpr uint64_t MLOCK_ONFAULT = 1;
constexpr uint64_t MCL_CURRENT = 1, MCL_FUTURE = 2, MCL_ONFAULT = 4;

static bool is_data(const struct hel_mapping_info *info)
{
	return (info->flags & HEL_MAP_FORK_COPY) && (info->flags & HEL_MAP_WRITE);
}

/* All mappings together but for [low, high), which will be replaced. */
static uint64_t mapped_bytes(bool only_data, uint64_t low, uint64_t high)
{
	struct hel_mapping_info info;
	uint64_t at = 0, total = 0;

	while (!hel_space_query(HEL_THIS, at, &info) && info.address < POSIX_SHIM_REGION) {
		uint64_t end = info.address + info.size_bytes;

		if (!only_data || is_data(&info)) {
			uint64_t from = info.address > low ? info.address : low;
			uint64_t to = end < high ? end : high;

			total += info.size_bytes - (to > from ? to - from : 0);
		}
		at = end;
	}
	return total;
}

static bool is_within(uint64_t limit, uint64_t total, uint64_t size)
{
	return total <= limit && size <= limit - total;
}

bool shim_may_map(uint64_t address, uint64_t size, bool is_private_data)
{
	const struct posix_process_page *process = shim_process();

	if (process->limit_address_space != UNLIMITED &&
		!is_within(process->limit_address_space,
			mapped_bytes(false, address, address + size), size)) {
		return false;
	}
	return !is_private_data || process->limit_data == UNLIMITED ||
		is_within(process->limit_data, mapped_bytes(true, address, address + size), size);
}

/* ---- mlock ----------------------------------------------------------------------------------- */

/* What is locked, in [low, high) and altogether. */
static uint64_t locked_bytes(uint64_t low, uint64_t high, uint64_t *out_within)
{
	struct hel_mapping_info info;
	uint64_t at = 0, total = 0;

	*out_within = 0;
	while (!hel_space_query(HEL_THIS, at, &info) && info.address < POSIX_SHIM_REGION) {
		at = info.address + info.size_bytes;
		if (info.label & POSIX_LABEL_LOCKED) {
			uint64_t from = info.address > low ? info.address : low;
			uint64_t to = at < high ? at : high;

			total += info.size_bytes;
			*out_within += to > from ? to - from : 0;
		}
	}
	return total;
}

/* Whether the limit allows to lock [start, end), of which some may be locked already. */
static bool may_lock(uint64_t start, uint64_t end)
{
	uint64_t limit = shim_process()->limit_locked & ~(uint64_t)(HEL_PAGE_SIZE - 1), within;

	if (shim_process()->limit_locked == UNLIMITED) {
		return true;
	}
	uint64_t total = locked_bytes(start, end, &within);

	return is_within(limit, total - within, end - start);
}

bool shim_may_lock_new(uint64_t size, bool is_locked)
{
	return (!is_locked && !(shim_process()->locks & POSIX_LOCKS_FUTURE)) || may_lock(0, size);
}

/* Makes the pages of a mapping's part present; private ones to be written to get their own. */
static int populate(const struct hel_mapping_info *info, uint64_t start, uint64_t end)
{
	if (!(info->flags & HEL_MAP_READ)) {
		return -ERR_FAULT;
	}
	return hel_space_populate(
		HEL_THIS, start, end - start, is_data(info) ? HEL_POPULATE_WRITE : 0);
}

/* Makes a range present: -LINUX_ENOMEM if it has holes, or there is no memory. */
static int64_t populate_range(uint64_t start, uint64_t end)
{
	struct hel_mapping_info info;

	while (start < end) {
		if (hel_space_query(HEL_THIS, start, &info) || info.address > start) {
			return -LINUX_ENOMEM;
		}
		uint64_t part_end = info.address + info.size_bytes;

		if (part_end > end) {
			part_end = end;
		}
		if (populate(&info, start, part_end)) {
			return -LINUX_ENOMEM;
		}
		start = part_end;
	}
	return 0;
}

/* Whether mappings are locked; -LINUX_ENOMEM: there are holes between them, or no memory. */
static int64_t set_locked(uint64_t start, uint64_t end, bool is_locked)
{
	if (is_locked) {
		shim_process()->locks |= POSIX_LOCKS_EVER;
	}
	return start < end &&
			hel_space_label(HEL_THIS, start, end - start, POSIX_LABEL_LOCKED,
				is_locked ? POSIX_LABEL_LOCKED : 0)
		? -LINUX_ENOMEM
		: 0;
}

static int64_t lock_range(uint64_t address, uint64_t length, bool is_locking, bool is_to_populate)
{
	uint64_t start = address & ~(uint64_t)(HEL_PAGE_SIZE - 1);
	/* as Linux has it, a length that wraps around is none */
	uint64_t size =
		(length + (address - start) + HEL_PAGE_SIZE - 1) & ~(uint64_t)(HEL_PAGE_SIZE - 1);
	uint64_t end = start + size;

	if (is_locking && shim_process()->limit_locked == 0) {
		return -LINUX_EPERM;
	}
	if (end < start) {
		return is_locking && shim_process()->limit_locked != UNLIMITED ? -LINUX_ENOMEM
									       : -LINUX_EINVAL;
	}
	if ((is_locking && !may_lock(start, end)) || !shim_is_user_range(start, size)) {
		return -LINUX_ENOMEM;
	}
	int64_t error = set_locked(start, end, is_locking);

	return !error && is_to_populate ? populate_range(start, end) : error;
}

int64_t shim_mlock(SHIM_ARGS)
{
	SHIM_UNUSED;
	return lock_range(a0, a1, true, true);
}

int64_t shim_mlock2(SHIM_ARGS)
{
	SHIM_UNUSED;
	return a2 & ~MLOCK_ONFAULT ? -LINUX_EINVAL
				   : lock_range(a0, a1, true, !(a2 & MLOCK_ONFAULT));
}

int64_t shim_munlock(SHIM_ARGS)
{
	SHIM_UNUSED;
	return lock_range(a0, a1, false, false);
}

int64_t shim_mlockall(SHIM_ARGS)
{
	struct posix_process_page *process = shim_process();
	struct hel_mapping_info info;
	uint64_t at = 0;

	SHIM_UNUSED;
	if (!a0 || a0 & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) || a0 == MCL_ONFAULT) {
		return -LINUX_EINVAL;
	}
	if (process->limit_locked == 0) {
		return -LINUX_EPERM;
	}
	if (a0 & MCL_CURRENT && process->limit_locked != UNLIMITED &&
		mapped_bytes(false, 0, 0) > process->limit_locked) {
		return -LINUX_ENOMEM;
	}
	process->locks = (process->locks & POSIX_LOCKS_EVER) |
		(a0 & MCL_FUTURE ? POSIX_LOCKS_FUTURE | POSIX_LOCKS_EVER : 0) |
		(a0 & MCL_ONFAULT ? POSIX_LOCKS_ON_FAULT : 0);
	if (a0 & MCL_CURRENT) {
		/* There are always holes, which is no error. */
		(void)!set_locked(HEL_PAGE_SIZE, POSIX_SHIM_REGION, true);
	}
	while (a0 & MCL_CURRENT && !(a0 & MCL_ONFAULT) && !hel_space_query(HEL_THIS, at, &info) &&
		info.address < POSIX_SHIM_REGION) {
		at = info.address + info.size_bytes;
		(void)!populate(&info, info.address, at);
	}
	return 0;
}

int64_t shim_munlockall(SHIM_ARGS)
{
	SHIM_UNUSED;
	shim_process()->locks &= POSIX_LOCKS_EVER;
	if (shim_process()->locks) {
		(void)!set_locked(HEL_PAGE_SIZE, POSIX_SHIM_REGION, false);
	}
	return 0;
}

void shim_settle_new(uint64_t address, uint64_t size, bool is_to_populate, bool is_locked)
{
	uint32_t locks = shim_process()->locks;

	if (is_locked || locks & POSIX_LOCKS_FUTURE) {
		(void)!set_locked(address, address + size, true);
	}
	if (is_to_populate || is_locked ||
		(locks & (POSIX_LOCKS_FUTURE | POSIX_LOCKS_ON_FAULT)) == POSIX_LOCKS_FUTURE) {
		(void)!populate_range(address, address + size);
	}
}

bool shim_has_locked(uint64_t start, uint64_t end)
{
	uint64_t within = 0;

	if (shim_process()->locks & POSIX_LOCKS_EVER) {
		(void)locked_bytes(start, end, &within);
	}
	return within > 0;
}
