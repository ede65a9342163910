/* SPDX-License-Identifier: MIT */
/* The hel calls on managed memory: see hel-calls.h, which includes this. */
#ifndef HEL_HEL_MANAGED_CALLS_H
#define HEL_HEL_MANAGED_CALLS_H

#include <abi/hel/hel.h>
#include <hel/hel-number.h>

/* ---- managed memory ------------------------------------------------------------------------- */

/**
 * hel_memory_create_managed() - make memory whose pages a server fills and writes back
 * @size_bytes: a multiple of the page size
 * @flags: 0
 * @out_handles: the backing, for the manager, and the frontal, for users
 *
 * Return: 0, -ERR_ILLEGAL_ARGS.
 */
HEL_MUST_USE static inline int hel_memory_create_managed(
	uint64_t size_bytes, uint64_t flags, struct hel_managed_handles *out_handles)
{
	return (int)hel_call3(
		HEL_CALL_memory_create_managed, size_bytes, flags, (uint64_t)out_handles)
		.error;
}

/**
 * hel_memory_update() - say what has become of pages of managed memory
 * @backing: needs MANAGE
 * @kind: pages in another state than it is about are passed over
 * @offset: page-aligned, as is @length, which is at most 16 MiB; what is beyond the end is ignored
 * @error: the negative error of INITIALISE_FAILED and WRITE_BACK_FAILED, else 0
 *
 * After -ERR_NO_MEMORY a part of the pages may have been updated; the call can be repeated.
 *
 * Return: 0, -ERR_ILLEGAL_ARGS.
 */
HEL_MUST_USE static inline int hel_memory_update(
	hel_handle backing, enum hel_update kind, uint64_t offset, uint64_t length, int error)
{
	return (int)hel_call5(
		HEL_CALL_memory_update, backing, kind, offset, length, (uint64_t)(int64_t)error)
		.error;
}

/**
 * hel_memory_invalidate() - drop the clean pages of a range of managed memory
 * @backing: needs MANAGE
 * @offset: page-aligned, as is @length, which is not 0
 *
 * Users who touch them make thor ask for them again. Dirty pages and those that are being
 * initialised stay.
 *
 * Return: 0, -ERR_ILLEGAL_ARGS.
 */
HEL_MUST_USE static inline int hel_memory_invalidate(
	hel_handle backing, uint64_t offset, uint64_t length)
{
	return (int)hel_call3(HEL_CALL_memory_invalidate, backing, offset, length).error;
}

/**
 * hel_memory_advise() - say how a range of managed memory will be used
 * @frontal: needs READ
 * @advice: WILL_NEED: pages are asked for before they are touched, and the last such advice counts;
 * 	DONT_NEED: clean pages are dropped
 * @offset: page-aligned, as is @length, which is not 0
 *
 * Return: 0, -ERR_ILLEGAL_ARGS.
 */
HEL_MUST_USE static inline int hel_memory_advise(
	hel_handle frontal, enum hel_advice advice, uint64_t offset, uint64_t length)
{
	return (int)hel_call4(HEL_CALL_memory_advise, frontal, advice, offset, length).error;
}

#endif
