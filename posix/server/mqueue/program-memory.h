/* SPDX-License-Identifier: MIT */
/*
 * The memory of a call's program, where a message may be longer than any request holds: it is read
 * and written directly.
 */
#ifndef POSIX_MQUEUE_PROGRAM_MEMORY_H
#define POSIX_MQUEUE_PROGRAM_MEMORY_H

#include <base/errors.h>
#include <hel/hel-calls.h>
#include <posix/server/process/process-internal.h>

static inline bool program_has(uint64_t address, size_t size)
{
	return address <= POSIX_SHIM_REGION && size <= POSIX_SHIM_REGION - address;
}

static inline int64_t program_error(int error)
{
	return error == 0 ? 0 : error == -ERR_NO_MEMORY ? -LINUX_ENOMEM : -LINUX_EFAULT;
}

/** program_read() - 0, -LINUX_EFAULT, -LINUX_ENOMEM */
static inline int64_t program_read(
	const struct request *request, uint64_t address, void *to, size_t size)
{
	if (size == 0) {
		return 0;
	}
	return program_has(address, size)
		? program_error(hel_space_read(
			  request->process->internal->mm->space, address, to, size, NULL))
		: -LINUX_EFAULT;
}

/** program_write() - likewise */
static inline int64_t program_write(
	const struct request *request, uint64_t address, const void *from, size_t size)
{
	if (size == 0) {
		return 0;
	}
	return program_has(address, size)
		? program_error(hel_space_write(
			  request->process->internal->mm->space, address, from, size, NULL))
		: -LINUX_EFAULT;
}

#endif
