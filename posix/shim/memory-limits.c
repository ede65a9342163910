/* SPDX-License-Identifier: MIT */
/*
 * What a process may map, and mlock.
 *
 * Nobody counts what is mapped: with a limit, which few processes have, the mappings are asked for
 * before each new one. Limits are kept by the process itself, as all that the shim does: what it
 * really uses is charged to its universe by the kernel.
 *
 * Pages of programs are never taken away, so mlock() has but to make them present.
 */
#include <hel/hel-calls.h>

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

/* Makes the pages of a mapping's part present; private ones to be written to get their own. */
static int populate(const struct hel_mapping_info *info, uint64_t start, uint64_t end)
{
	if (!(info->flags & HEL_MAP_READ)) {
		return -ERR_FAULT;
	}
	return hel_space_populate(
		HEL_THIS, start, end - start, is_data(info) ? HEL_POPULATE_WRITE : 0);
}

/* Walks a range without holes: -LINUX_ENOMEM if it has some, or no memory. */
static int64_t walk(uint64_t start, uint64_t end, bool is_to_populate)
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
		if (is_to_populate && populate(&info, start, part_end)) {
			return -LINUX_ENOMEM;
		}
		start = part_end;
	}
	return 0;
}

static int64_t lock_range(uint64_t address, uint64_t length, bool is_locking, bool is_to_populate)
{
	uint64_t start = address & ~(uint64_t)(HEL_PAGE_SIZE - 1);
	/* as Linux has it, a length that wraps around is none */
	uint64_t end = start +
		((length + (address - start) + HEL_PAGE_SIZE - 1) & ~(uint64_t)(HEL_PAGE_SIZE - 1));
	uint64_t limit = shim_process()->limit_locked;

	if (end < start) {
		return -LINUX_EINVAL;
	}
	if (is_locking && limit == 0) {
		return -LINUX_EPERM;
	}
	if ((is_locking && end - start > limit) || !shim_is_user_range(start, end - start)) {
		return -LINUX_ENOMEM;
	}
	return walk(start, end, is_to_populate);
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
	process->locks_future = a0 & MCL_FUTURE && !(a0 & MCL_ONFAULT);
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
	shim_process()->locks_future = 0;
	return 0;
}

void shim_populate_new(uint64_t address, uint64_t size)
{
	(void)!walk(address, address + size, true);
}
