/* SPDX-License-Identifier: MIT */
/* Made by tools/hel/generate.py of abi/hel/definition: do not edit. */
/* The hel calls as C functions: a part of hel-calls.h. */
#ifndef HEL_HEL_CALLS_GEN_H
#define HEL_HEL_CALLS_GEN_H

#include <hel/hel-number.h>

/* ---- descriptors ----------------------------------------------------------------------------- */

/**
 * hel_nop() - do nothing; measures the way into the kernel and back
 *
 * Return: 0.
 */
static inline int hel_nop(void)
{
	return (int)hel_call0(HEL_CALL_nop).error;
}

/**
 * hel_close() - give up a descriptor
 * @universe: HEL_THIS or needs TAKE; has @handle
 * @handle: of any type, or revoked; HEL_NULL and HEL_THIS are refused as any other bad handle
 *
 * Operations in flight keep what they use. Closing the last descriptor of a lane ends its stream
 * for the peer, that of a queue cancels its operations; of a thread, space or memory only the name
 * goes away.
 *
 * Return: 0.
 */
static inline int hel_close(hel_handle universe, hel_handle handle)
{
	return (int)hel_call2(HEL_CALL_close, universe, handle).error;
}

/**
 * hel_transfer() - put a copy of a descriptor into a universe
 * @from_universe: HEL_THIS or needs TAKE; has @handle
 * @handle: needs DERIVE; stays as it is
 * @to_universe: HEL_THIS or needs GRANT; gets the copy; HEL_THIS for both universes duplicates
 * @rights: mask of the rights that the copy keeps, 0 for all
 * @out_handle: valid in @to_universe
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (a universe would hold itself, or @rights has bits that are no
 * rights), -ERR_ILLEGAL_STATE (the last descriptor of @to_universe is being closed), -ERR_NO_SPACE
 * (@to_universe is full), -ERR_NO_MEMORY (no memory for its table).
 */
HEL_MUST_USE static inline int hel_transfer(hel_handle from_universe, hel_handle handle,
	hel_handle to_universe, uint32_t rights, hel_handle *out_handle)
{
	struct hel_outcome outcome = hel_call4(HEL_CALL_transfer, from_universe, handle,
		to_universe, rights);

	if (outcome.error == 0) {
		*out_handle = outcome.value;
	}
	return (int)outcome.error;
}

/**
 * hel_descriptor_info() - type, rights and identity of a descriptor
 * @universe: HEL_THIS or needs TAKE; has @handle
 * @handle: of any type
 * @out_info: what it is
 *
 * Return: 0.
 */
HEL_MUST_USE static inline int hel_descriptor_info(hel_handle universe, hel_handle handle,
	struct hel_descriptor_info *out_info)
{
	return (int)hel_call3(HEL_CALL_descriptor_info, universe, handle, (uint64_t)out_info).error;
}

/**
 * hel_universe_create() - make an empty universe (table of descriptors)
 * @out_handle: with all rights
 *
 * Return: 0, -ERR_NO_SPACE (the caller's universe is full, or universes are nested too deeply),
 * -ERR_NO_MEMORY (no memory for the object or for the caller's table).
 */
HEL_MUST_USE static inline int hel_universe_create(hel_handle *out_handle)
{
	struct hel_outcome outcome = hel_call0(HEL_CALL_universe_create);

	if (outcome.error == 0) {
		*out_handle = outcome.value;
	}
	return (int)outcome.error;
}

/**
 * hel_token_create() - make an object that is nothing but an identity
 * @out_handle: with all rights
 *
 * Return: 0, -ERR_NO_SPACE (the caller's universe is full), -ERR_NO_MEMORY (no memory for the
 * object or for the caller's table).
 */
HEL_MUST_USE static inline int hel_token_create(hel_handle *out_handle)
{
	struct hel_outcome outcome = hel_call0(HEL_CALL_token_create);

	if (outcome.error == 0) {
		*out_handle = outcome.value;
	}
	return (int)outcome.error;
}

/**
 * hel_universe_set_limits() - limit what a universe may use
 * @universe: needs MANAGE; not HEL_THIS: nobody sets the own limits
 * @limits: HEL_UNLIMITED for none
 *
 * What is beyond a limit ends with ERR_NO_MEMORY, as if memory had run out: making objects,
 * touching pages, submitting, opening handles. What is in use beyond a lower limit stays.
 *
 * Return: 0.
 */
HEL_MUST_USE static inline int hel_universe_set_limits(hel_handle universe,
	const struct hel_limits *limits)
{
	return (int)hel_call2(HEL_CALL_universe_set_limits, universe, (uint64_t)limits).error;
}

/**
 * hel_universe_account() - how much a universe uses, and what its limits are
 * @universe: HEL_THIS or needs READ; whose account
 * @out_info: used and limits
 *
 * What universes use that were made from this one is in it, with what their accounts have in
 * reserve.
 *
 * Return: 0.
 */
HEL_MUST_USE static inline int hel_universe_account(hel_handle universe,
	struct hel_account_info *out_info)
{
	return (int)hel_call2(HEL_CALL_universe_account, universe, (uint64_t)out_info).error;
}

/**
 * hel_grant_create() - make a copy of a descriptor that can be revoked
 * @grant: HEL_NULL or needs GRANT; to put the copy under; HEL_NULL makes one
 * @handle: needs DERIVE; stays as it is
 * @rights: mask of the rights that the copy keeps, 0 for all
 * @flags: enum hel_grant_flags, of the new grant
 * @out_handles: of the grant, with all rights if it is new, and of the copy
 *
 * Whatever comes of the copy is under the grant, too: copies of it wherever they go, slices and
 * copy-on-write views of memory, what is made with an authority, streams offered and accepted over
 * a lane. If @handle is under a grant itself the new one is below that.
 *
 * The grant is charged to the caller. Closing its last descriptor revokes it only with
 * HEL_GRANT_REVOKE_ON_CLOSE; without that nobody can revoke it any more but by a grant above.
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (@rights has bits that are no rights, @flags has unknown bits or is
 * not 0 with a @grant, or @handle is under a grant and @grant is not below that), -ERR_NO_SPACE
 * (the caller's universe is full, or grants are nested too deeply), -ERR_NO_MEMORY (no memory for
 * the grant or for the caller's table).
 */
HEL_MUST_USE static inline int hel_grant_create(hel_handle grant, hel_handle handle,
	uint32_t rights, uint32_t flags, struct hel_grant_handles *out_handles)
{
	return (int)hel_call5(HEL_CALL_grant_create, grant, handle, rights, flags,
		(uint64_t)out_handles).error;
}

/**
 * hel_grant_revoke() - take back all that was granted, and what came of it
 * @grant: needs MANAGE; with all grants below it
 *
 * From now on each look-up of a descriptor under the grant ends with ERR_REVOKED; such a handle can
 * only be closed. Operations that name one complete with ERR_REVOKED, those on lanes as if the peer
 * had hung up; what is mapped from memory is unmapped, also for devices; kernlets are detached.
 * Revoking again does nothing, and waits for the end of the first.
 *
 * Return: 0.
 */
HEL_MUST_USE static inline int hel_grant_revoke(hel_handle grant)
{
	return (int)hel_call1(HEL_CALL_grant_revoke, grant).error;
}

/* ---- time, ports, statistics and log --------------------------------------------------------- */

/**
 * hel_log() - write one message to the kernel's log
 * @authority: needs WRITE; svrctl hands out copies of its authority with nothing but that
 * @level: how important it is
 * @text: any bytes; one line, without newline
 * @size: at most HEL_LOG_MAX; what is longer is cut
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (unknown @level).
 */
static inline int hel_log(hel_handle authority, enum hel_log_level level, const char *text,
	size_t size)
{
	return (int)hel_call4(HEL_CALL_log, authority, level, (uint64_t)text, size).error;
}

/**
 * hel_clock_get() - monotonic time
 * @out_now_ns: since boot
 *
 * Return: 0.
 */
static inline int hel_clock_get(uint64_t *out_now_ns)
{
	struct hel_outcome outcome = hel_call0(HEL_CALL_clock_get);

	if (outcome.error == 0) {
		*out_now_ns = outcome.value;
	}
	return (int)outcome.error;
}

/**
 * hel_clock_page() - the memory of struct hel_clock_page, readable
 * @out_handle: with READ, MAP and DERIVE
 *
 * Return: 0, -ERR_NO_SPACE (the caller's universe is full), -ERR_NO_MEMORY (no memory for the
 * caller's table).
 */
HEL_MUST_USE static inline int hel_clock_page(hel_handle *out_handle)
{
	struct hel_outcome outcome = hel_call0(HEL_CALL_clock_page);

	if (outcome.error == 0) {
		*out_handle = outcome.value;
	}
	return (int)outcome.error;
}

/**
 * hel_random() - random bytes of cryptographic quality
 * @buffer: where they go
 * @size: at most 256
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (@size is too large).
 */
HEL_MUST_USE static inline int hel_random(void *buffer, size_t size)
{
	return (int)hel_call2(HEL_CALL_random, (uint64_t)buffer, size).error;
}

/**
 * hel_clock_set_realtime() - set the wall clock: realtime_offset_ns of the clock page
 * @authority: needs SIGNAL; svrctl hands out copies of its authority with nothing but that
 * @offset_ns: nanoseconds of the wall clock at monotonic time 0
 *
 * Return: 0.
 */
static inline int hel_clock_set_realtime(hel_handle authority, int64_t offset_ns)
{
	return (int)hel_call2(HEL_CALL_clock_set_realtime, authority, (uint64_t)offset_ns).error;
}

/**
 * hel_io_create() - name a range of I/O ports
 * @authority: needs MANAGE; the machine's
 * @port: the first
 * @n_ports: how many
 * @out_handle: with all rights
 *
 * Return: 0, -ERR_OUT_OF_BOUNDS (there are no such ports), -ERR_NO_SPACE (the caller's universe is
 * full), -ERR_NO_MEMORY (no memory for the object).
 */
HEL_MUST_USE static inline int hel_io_create(hel_handle authority, uint32_t port, uint32_t n_ports,
	hel_handle *out_handle)
{
	struct hel_outcome outcome = hel_call3(HEL_CALL_io_create, authority, port, n_ports);

	if (outcome.error == 0) {
		*out_handle = outcome.value;
	}
	return (int)outcome.error;
}

/**
 * hel_io_read() - read a port
 * @io: needs READ; a range of ports
 * @offset: from the first port of the range
 * @width_bytes: 1, 2 or 4
 * @out_value: what was read
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (bad @width_bytes), -ERR_OUT_OF_BOUNDS (not inside the range),
 * -ERR_UNSUPPORTED (the machine has no ports).
 */
HEL_MUST_USE static inline int hel_io_read(hel_handle io, uint32_t offset, uint32_t width_bytes,
	uint32_t *out_value)
{
	struct hel_outcome outcome = hel_call3(HEL_CALL_io_read, io, offset, width_bytes);

	if (outcome.error == 0) {
		*out_value = (uint32_t)outcome.value;
	}
	return (int)outcome.error;
}

/**
 * hel_io_write() - write a port
 * @io: needs WRITE; a range of ports
 * @offset: from the first port of the range
 * @width_bytes: 1, 2 or 4
 * @value: what to write
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (bad @width_bytes), -ERR_OUT_OF_BOUNDS (not inside the range),
 * -ERR_UNSUPPORTED (the machine has no ports).
 */
static inline int hel_io_write(hel_handle io, uint32_t offset, uint32_t width_bytes, uint32_t value)
{
	return (int)hel_call4(HEL_CALL_io_write, io, offset, width_bytes, value).error;
}

/**
 * hel_kernel_stats() - what the machine and the kernel use
 * @authority: needs READ; the machine's
 * @out_stats: counts since boot
 *
 * Return: 0.
 */
HEL_MUST_USE static inline int hel_kernel_stats(hel_handle authority,
	struct hel_kernel_stats *out_stats)
{
	return (int)hel_call2(HEL_CALL_kernel_stats, authority, (uint64_t)out_stats).error;
}

/**
 * hel_log_read() - read the kernel's log
 * @authority: needs READ; the machine's
 * @in_out_offset: position in all the bytes ever logged; on success moved behind those that were
 * 	read, and to the oldest ones still there if those asked for are gone
 * @buffer: where they go
 * @size: room there
 * @out_size: bytes read, 0 when there are no newer ones
 *
 * Return: 0.
 */
HEL_MUST_USE static inline int hel_log_read(hel_handle authority, uint64_t *in_out_offset,
	void *buffer, size_t size, size_t *out_size)
{
	struct hel_outcome outcome = hel_call4(HEL_CALL_log_read, authority,
		(uint64_t)in_out_offset, (uint64_t)buffer, size);

	if (outcome.error == 0) {
		*out_size = (size_t)outcome.value;
	}
	return (int)outcome.error;
}

/* ---- memory ---------------------------------------------------------------------------------- */

/**
 * hel_memory_allocate() - make zeroed memory, whose pages appear when they are touched
 * @size_bytes: a multiple of the page size
 * @flags: enum hel_allocate_flags
 * @out_handle: with all rights
 *
 * With SWAPPABLE it is copy-on-write memory of zeros whose pages may be put into the swap space.
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (@size_bytes is no multiple of the page size or absurd, unknown
 * @flags, SWAPPABLE with others, a limit of addresses alone or of less than 13 or more than 52
 * bits, or CONTIGUOUS with no page or more than 4 MiB), -ERR_NO_SPACE (the caller's universe is
 * full), -ERR_NO_MEMORY (no memory for the object, or with CONTIGUOUS no such run).
 */
HEL_MUST_USE static inline int hel_memory_allocate(uint64_t size_bytes, uint64_t flags,
	hel_handle *out_handle)
{
	struct hel_outcome outcome = hel_call2(HEL_CALL_memory_allocate, size_bytes, flags);

	if (outcome.error == 0) {
		*out_handle = outcome.value;
	}
	return (int)outcome.error;
}

/**
 * hel_memory_physical() - name a range of physical addresses, such as device registers or firmware
 * tables
 * @authority: needs MANAGE; the machine's
 * @address_phys: page-aligned, as @size_bytes
 * @size_bytes: not 0
 * @caching: how the processor caches accesses
 * @out_handle: with all rights
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (not page-aligned, no pages, more than the processor addresses, or
 * unknown @caching), -ERR_OUT_OF_BOUNDS (the range wraps around, or has RAM that thor owns),
 * -ERR_NO_SPACE (the caller's universe is full), -ERR_NO_MEMORY (no memory for the object).
 */
HEL_MUST_USE static inline int hel_memory_physical(hel_handle authority, uint64_t address_phys,
	uint64_t size_bytes, enum hel_caching caching, hel_handle *out_handle)
{
	struct hel_outcome outcome = hel_call4(HEL_CALL_memory_physical, authority, address_phys,
		size_bytes, caching);

	if (outcome.error == 0) {
		*out_handle = outcome.value;
	}
	return (int)outcome.error;
}

/**
 * hel_memory_copy_on_write() - make a private copy of a range of a memory, page by page as it is
 * written
 * @source: HEL_NULL or needs READ and DERIVE; HEL_NULL: a copy of zeros
 * @offset: page-aligned, as @size_bytes
 * @size_bytes: of the copy
 * @out_handle: with all rights
 *
 * What is written to the source later may or may not be seen in pages that the copy has not
 * touched.
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (not page-aligned or absurd, or the source can only be shared:
 * device memory, queues), -ERR_OUT_OF_BOUNDS (the range is not inside the source), -ERR_NO_SPACE
 * (the caller's universe is full), -ERR_NO_MEMORY (no memory for the object).
 */
HEL_MUST_USE static inline int hel_memory_copy_on_write(hel_handle source, uint64_t offset,
	uint64_t size_bytes, hel_handle *out_handle)
{
	struct hel_outcome outcome = hel_call3(HEL_CALL_memory_copy_on_write, source, offset,
		size_bytes);

	if (outcome.error == 0) {
		*out_handle = outcome.value;
	}
	return (int)outcome.error;
}

/**
 * hel_memory_resize() - change the size of allocated memory
 * @memory: needs WRITE; not contiguous, not physical; of managed memory the backing
 * @size_bytes: a multiple of the page size; what is cut off is gone, what is added reads zero
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (@size_bytes is no multiple of the page size or absurd, or the kind
 * of memory cannot be resized).
 */
HEL_MUST_USE static inline int hel_memory_resize(hel_handle memory, uint64_t size_bytes)
{
	return (int)hel_call2(HEL_CALL_memory_resize, memory, size_bytes).error;
}

/**
 * hel_memory_info() - size and kind of a memory
 * @memory: any right does
 * @out_info: its size and kind
 *
 * Return: 0.
 */
HEL_MUST_USE static inline int hel_memory_info(hel_handle memory, struct hel_memory_info *out_info)
{
	return (int)hel_call2(HEL_CALL_memory_info, memory, (uint64_t)out_info).error;
}

/**
 * hel_memory_read() - copy bytes out of a memory without mapping it
 * @memory: needs READ; not that of a device
 * @offset: bytes from its start
 * @buffer: where they go
 * @size: bytes, at most 16 MiB
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (@size is too large, or device memory that the kernel does not
 * reach), -ERR_OUT_OF_BOUNDS (the range is not inside the memory), -ERR_AGAIN (of a loan: a page is
 * absent; it was not asked for), -ERR_IO (managed memory whose manager is gone, or has failed),
 * -ERR_NO_MEMORY (no memory for a page).
 */
HEL_MUST_USE static inline int hel_memory_read(hel_handle memory, uint64_t offset, void *buffer,
	size_t size)
{
	return (int)hel_call4(HEL_CALL_memory_read, memory, offset, (uint64_t)buffer, size).error;
}

/**
 * hel_memory_write() - copy bytes into a memory without mapping it
 * @memory: needs WRITE; not that of a device
 * @offset: bytes from its start
 * @buffer: what to write
 * @size: bytes, at most 16 MiB
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (@size is too large, or device memory that the kernel does not
 * reach), -ERR_OUT_OF_BOUNDS (the range is not inside the memory), -ERR_AGAIN (of a loan: a page is
 * absent; it was not asked for), -ERR_IO (managed memory whose manager is gone, or has failed),
 * -ERR_NO_MEMORY (no memory for a page).
 */
HEL_MUST_USE static inline int hel_memory_write(hel_handle memory, uint64_t offset,
	const void *buffer, size_t size)
{
	return (int)hel_call4(HEL_CALL_memory_write, memory, offset, (uint64_t)buffer, size).error;
}

/**
 * hel_memory_pin() - keep pages in place and learn their physical address, for DMA
 * @memory: needs PIN; allocated memory
 * @offset: page-aligned, as @size_bytes
 * @size_bytes: at most 4 MiB
 * @out_address_phys: of the byte at @offset; the range is one physical run
 *
 * The pages stay pinned as long as the memory exists.
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (not page-aligned, no pages or more than 4 MiB), -ERR_OUT_OF_BOUNDS
 * (the range is not inside the memory), -ERR_UNSUPPORTED (the kind of memory cannot be pinned, or
 * the pages are not one run), -ERR_NO_MEMORY (no memory for a page).
 */
HEL_MUST_USE static inline int hel_memory_pin(hel_handle memory, uint64_t offset,
	uint64_t size_bytes, uint64_t *out_address_phys)
{
	struct hel_outcome outcome = hel_call3(HEL_CALL_memory_pin, memory, offset, size_bytes);

	if (outcome.error == 0) {
		*out_address_phys = outcome.value;
	}
	return (int)outcome.error;
}

/**
 * hel_memory_try_read() - copy bytes out of a memory if they are there
 * @memory: needs READ; not that of a device
 * @offset: bytes from its start
 * @buffer: where they go
 * @size: bytes, at most 16 MiB
 *
 * As hel_memory_read(), for who has better things to do than to wait for a manager.
 *
 * Return: 0, -ERR_AGAIN (a page is absent; it was not asked for), -ERR_ILLEGAL_ARGS (@size is too
 * large, or device memory that the kernel does not reach), -ERR_OUT_OF_BOUNDS (the range is not
 * inside the memory), -ERR_IO (managed memory whose manager is gone, or has failed), -ERR_NO_MEMORY
 * (no memory for a page).
 */
HEL_MUST_USE static inline int hel_memory_try_read(hel_handle memory, uint64_t offset, void *buffer,
	size_t size)
{
	return (int)hel_call4(HEL_CALL_memory_try_read, memory, offset, (uint64_t)buffer,
		size).error;
}

/**
 * hel_memory_try_write() - copy bytes into a memory if its pages are there
 * @memory: needs WRITE; not that of a device
 * @offset: bytes from its start
 * @buffer: what to write
 * @size: bytes, at most 16 MiB
 *
 * As hel_memory_write(), for who has better things to do than to wait for a manager.
 *
 * Return: 0, -ERR_AGAIN (a page is absent and was not asked for, or so many pages have been written
 * to that others must be written back before), -ERR_ILLEGAL_ARGS (@size is too large, or device
 * memory that the kernel does not reach), -ERR_OUT_OF_BOUNDS (the range is not inside the memory),
 * -ERR_IO (managed memory whose manager is gone, or has failed), -ERR_NO_MEMORY (no memory for a
 * page).
 */
HEL_MUST_USE static inline int hel_memory_try_write(hel_handle memory, uint64_t offset,
	const void *buffer, size_t size)
{
	return (int)hel_call4(HEL_CALL_memory_try_write, memory, offset, (uint64_t)buffer,
		size).error;
}

/**
 * hel_memory_slice() - make a memory that stands for a range of another one
 * @memory: needs MAP and DERIVE; not the backing of managed memory; of a slice it is one of what
 * 	that shows
 * @offset: page-aligned, as @size_bytes
 * @size_bytes: not 0
 * @out_handle: with the rights of @memory, but for MANAGE and PIN
 *
 * It shows the same pages. Mappings of it are mappings of @memory and do not grow beyond the slice.
 * It can be mapped, read, written and copied, not resized or pinned.
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (not page-aligned, no size, or a backing), -ERR_OUT_OF_BOUNDS (the
 * range is not inside the memory), -ERR_NO_SPACE (the caller's universe is full), -ERR_NO_MEMORY
 * (no memory for the object).
 */
HEL_MUST_USE static inline int hel_memory_slice(hel_handle memory, uint64_t offset,
	uint64_t size_bytes, hel_handle *out_handle)
{
	struct hel_outcome outcome = hel_call3(HEL_CALL_memory_slice, memory, offset, size_bytes);

	if (outcome.error == 0) {
		*out_handle = outcome.value;
	}
	return (int)outcome.error;
}

/**
 * hel_memory_indirect_create() - make memory of slots, each of which can show a range of another
 * memory
 * @n_slots: not 0; all of them are empty
 * @slot_bytes: of each: a power of two, at least a page
 * @access: of READ, WRITE and EXECUTE of enum hel_map_flags, not nothing: what mappings of it can
 * 	allow, and what is set has to
 * @level: 1 to HEL_INDIRECT_LEVELS: it can show indirect memory of lower levels
 * @out_handle: with MAP, DERIVE and MANAGE, and the rights that @access names
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (no slots, @slot_bytes is no power of two or less than a page, the
 * slots are absurdly large together, unknown or no @access, or no such level), -ERR_NO_SPACE (the
 * caller's universe is full), -ERR_NO_MEMORY (no memory for the object).
 */
HEL_MUST_USE static inline int hel_memory_indirect_create(uint64_t n_slots, uint64_t slot_bytes,
	uint64_t access, uint64_t level, hel_handle *out_handle)
{
	struct hel_outcome outcome = hel_call4(HEL_CALL_memory_indirect_create, n_slots, slot_bytes,
		access, level);

	if (outcome.error == 0) {
		*out_handle = outcome.value;
	}
	return (int)outcome.error;
}

/**
 * hel_memory_indirect_set() - let a slot of indirect memory show a range of another memory, or
 * nothing
 * @indirect: needs MANAGE; indirect memory
 * @slot: its number
 * @memory: HEL_NULL or needs MAP and DERIVE; what is shown; needs also READ, WRITE and EXECUTE as
 * 	the indirect memory allows them; HEL_NULL: the slot is to be empty
 * @offset: in @memory, page-aligned, as @size_bytes; 0 with HEL_NULL
 * @size_bytes: of the range, at most a slot; what is left of the slot is empty; 0 with HEL_NULL
 *
 * Accesses to what is empty fault with -ERR_OUT_OF_BOUNDS. @memory is kept as by a descriptor. If
 * it is under a grant the slot becomes empty when that is revoked.
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (no indirect memory, not page-aligned, no size or more than a slot,
 * a range of nothing, or @memory is a backing or indirect memory that is not of a lower level),
 * -ERR_NO_RIGHTS (@memory does not allow what the indirect memory allows), -ERR_OUT_OF_BOUNDS (no
 * such slot, or the range is not inside the memory), -ERR_NO_MEMORY (no memory for the window).
 */
HEL_MUST_USE static inline int hel_memory_indirect_set(hel_handle indirect, uint64_t slot,
	hel_handle memory, uint64_t offset, uint64_t size_bytes)
{
	return (int)hel_call5(HEL_CALL_memory_indirect_set, indirect, slot, memory, offset,
		size_bytes).error;
}

/* ---- spaces ---------------------------------------------------------------------------------- */

/**
 * hel_space_create() - make an empty address space
 * @universe: HEL_THIS or needs GRANT; whose account pays for it and for what is mapped privately in
 * 	it
 * @out_handle: with all rights
 *
 * Return: 0, -ERR_NO_SPACE (the caller's universe is full), -ERR_NO_MEMORY (no memory for the
 * object).
 */
HEL_MUST_USE static inline int hel_space_create(hel_handle universe, hel_handle *out_handle)
{
	struct hel_outcome outcome = hel_call1(HEL_CALL_space_create, universe);

	if (outcome.error == 0) {
		*out_handle = outcome.value;
	}
	return (int)outcome.error;
}

/**
 * hel_space_map() - map memory, see struct hel_map_args
 * @args: what to map, and where
 * @out_address: where it is now
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (no size, something not page-aligned, unknown or contradicting
 * flags, addresses outside the user half), -ERR_NO_RIGHTS (the descriptor of the memory does not
 * allow the protection), -ERR_OUT_OF_BOUNDS (the range is not inside the memory), -ERR_EXISTS
 * (FIXED_NOREPLACE, and something is there), -ERR_NO_SPACE (no free range), -ERR_NO_MEMORY (no
 * memory for the mapping).
 */
HEL_MUST_USE static inline int hel_space_map(const struct hel_map_args *args, uint64_t *out_address)
{
	struct hel_outcome outcome = hel_call1(HEL_CALL_space_map, (uint64_t)args);

	if (outcome.error == 0) {
		*out_address = outcome.value;
	}
	return (int)outcome.error;
}

/**
 * hel_space_unmap() - make a hole; what is not mapped there is no error
 * @space: HEL_THIS or needs MAP; whose mappings go
 * @address: page-aligned, as @size_bytes
 * @size_bytes: not 0
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (not page-aligned, no size, or outside the user half),
 * -ERR_NO_MEMORY (a mapping had to be split, and there was no memory for the second part; nothing
 * was unmapped).
 */
static inline int hel_space_unmap(hel_handle space, uint64_t address, uint64_t size_bytes)
{
	return (int)hel_call3(HEL_CALL_space_unmap, space, address, size_bytes).error;
}

/**
 * hel_space_protect() - change the access that a range allows
 * @space: HEL_THIS or needs MAP; whose mappings change
 * @address: page-aligned, as @size_bytes
 * @size_bytes: not 0
 * @flags: READ, WRITE, EXECUTE of enum hel_map_flags; none: no access
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (not page-aligned, no size, outside the user half, or unknown
 * flags), -ERR_NOT_FOUND (there is a hole in the range), -ERR_NO_RIGHTS (a guard, or the mapping
 * was made with a descriptor that does not allow it), -ERR_NO_MEMORY (a mapping had to be split,
 * and there was no memory).
 */
HEL_MUST_USE static inline int hel_space_protect(hel_handle space, uint64_t address,
	uint64_t size_bytes, uint32_t flags)
{
	return (int)hel_call4(HEL_CALL_space_protect, space, address, size_bytes, flags).error;
}

/**
 * hel_space_fork() - make a space that shares, copies or leaves out each mapping, as its flags say
 * @space: HEL_THIS or needs MANAGE; what is forked
 * @universe: HEL_THIS or needs GRANT; whose account pays for the new space and for its pages
 * @out_handle: of the new space, with all rights
 *
 * Return: 0, -ERR_NO_SPACE (the caller's universe is full), -ERR_NO_MEMORY (no memory for the new
 * space).
 */
HEL_MUST_USE static inline int hel_space_fork(hel_handle space, hel_handle universe,
	hel_handle *out_handle)
{
	struct hel_outcome outcome = hel_call2(HEL_CALL_space_fork, space, universe);

	if (outcome.error == 0) {
		*out_handle = outcome.value;
	}
	return (int)outcome.error;
}

/**
 * hel_space_read() - copy bytes out of another space
 * @space: HEL_THIS or needs READ; where they are
 * @address: in @space
 * @buffer: in the caller's space
 * @size: at most 16 MiB
 * @out_size: also with an error; may be NULL; bytes copied
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (@size is too large), -ERR_FAULT (@address is not readable there),
 * -ERR_NO_MEMORY (no memory for a page).
 */
HEL_MUST_USE static inline int hel_space_read(hel_handle space, uint64_t address, void *buffer,
	size_t size, size_t *out_size)
{
	struct hel_outcome outcome = hel_call4(HEL_CALL_space_read, space, address,
		(uint64_t)buffer, size);

	if (out_size != NULL) {
		*out_size = (size_t)outcome.value;
	}
	return (int)outcome.error;
}

/**
 * hel_space_write() - copy bytes into another space
 * @space: HEL_THIS or needs WRITE; where they go
 * @address: in @space
 * @buffer: in the caller's space
 * @size: at most 16 MiB
 * @out_size: also with an error; may be NULL; bytes copied
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (@size is too large), -ERR_FAULT (@address is not writable there),
 * -ERR_NO_MEMORY (no memory for a page).
 */
HEL_MUST_USE static inline int hel_space_write(hel_handle space, uint64_t address,
	const void *buffer, size_t size, size_t *out_size)
{
	struct hel_outcome outcome = hel_call4(HEL_CALL_space_write, space, address,
		(uint64_t)buffer, size);

	if (out_size != NULL) {
		*out_size = (size_t)outcome.value;
	}
	return (int)outcome.error;
}

/**
 * hel_space_query() - describe the first mapping that ends above an address
 * @space: HEL_THIS or needs READ; whose mapping
 * @address: any
 * @out_info: the mapping
 *
 * Return: 0, -ERR_NOT_FOUND (nothing is mapped at or above @address).
 */
HEL_MUST_USE static inline int hel_space_query(hel_handle space, uint64_t address,
	struct hel_mapping_info *out_info)
{
	return (int)hel_call3(HEL_CALL_space_query, space, address, (uint64_t)out_info).error;
}

/**
 * hel_space_discard() - drop the contents of private pages: they read as when they were mapped
 * @space: HEL_THIS or needs MAP; whose pages
 * @address: page-aligned, as @size_bytes
 * @size_bytes: not 0
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (not page-aligned, no size, or outside the user half),
 * -ERR_NOT_FOUND (there are holes; the rest was done).
 */
HEL_MUST_USE static inline int hel_space_discard(hel_handle space, uint64_t address,
	uint64_t size_bytes)
{
	return (int)hel_call3(HEL_CALL_space_discard, space, address, size_bytes).error;
}

/**
 * hel_space_move() - move what is mapped, with its pages; what is at the new place is replaced
 * @space: HEL_THIS or needs MAP; whose mappings move
 * @from: page-aligned, as all that follow
 * @size_bytes: not 0
 * @to: where it is afterwards
 * @new_size_bytes: more: the last mapping grows; less: the rest is unmapped
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (not page-aligned, no size, outside the user half, or the ranges
 * overlap), -ERR_NOT_FOUND (there is a hole in the range), -ERR_EXISTS (no room to grow in place),
 * -ERR_OUT_OF_BOUNDS (the memory is too small to grow), -ERR_NO_MEMORY (no memory for the mapping).
 */
HEL_MUST_USE static inline int hel_space_move(hel_handle space, uint64_t from, uint64_t size_bytes,
	uint64_t to, uint64_t new_size_bytes)
{
	return (int)hel_call5(HEL_CALL_space_move, space, from, size_bytes, to,
		new_size_bytes).error;
}

/**
 * hel_space_try_read() - copy bytes out of another space if they are there
 * @space: HEL_THIS or needs READ; where they are
 * @address: in @space
 * @buffer: in the caller's space
 * @size: at most 16 MiB
 * @out_size: also with an error; may be NULL; bytes copied
 *
 * As hel_space_read(), for who has better things to do than to wait for a manager.
 *
 * Return: 0, -ERR_AGAIN (a page is absent; it was not asked for), -ERR_ILLEGAL_ARGS (@size is too
 * large), -ERR_FAULT (@address is not readable there), -ERR_NO_MEMORY (no memory for a page).
 */
HEL_MUST_USE static inline int hel_space_try_read(hel_handle space, uint64_t address, void *buffer,
	size_t size, size_t *out_size)
{
	struct hel_outcome outcome = hel_call4(HEL_CALL_space_try_read, space, address,
		(uint64_t)buffer, size);

	if (out_size != NULL) {
		*out_size = (size_t)outcome.value;
	}
	return (int)outcome.error;
}

/**
 * hel_space_try_write() - copy bytes into another space if its pages are there
 * @space: HEL_THIS or needs WRITE; where they go
 * @address: in @space
 * @buffer: in the caller's space
 * @size: at most 16 MiB
 * @out_size: also with an error; may be NULL; bytes copied
 *
 * As hel_space_write(), for who has better things to do than to wait for a manager.
 *
 * Return: 0, -ERR_AGAIN (a page is absent and was not asked for, or so many pages have been written
 * to that others must be written back before), -ERR_ILLEGAL_ARGS (@size is too large), -ERR_FAULT
 * (@address is not writable there), -ERR_NO_MEMORY (no memory for a page).
 */
HEL_MUST_USE static inline int hel_space_try_write(hel_handle space, uint64_t address,
	const void *buffer, size_t size, size_t *out_size)
{
	struct hel_outcome outcome = hel_call4(HEL_CALL_space_try_write, space, address,
		(uint64_t)buffer, size);

	if (out_size != NULL) {
		*out_size = (size_t)outcome.value;
	}
	return (int)outcome.error;
}

/**
 * hel_space_populate() - make pages present before they are touched
 * @space: HEL_THIS or needs MAP; whose pages
 * @address: page-aligned, as @size_bytes
 * @size_bytes: not 0
 * @flags: POPULATE_WRITE of enum hel_populate_flags: as if each page were written, else as if it
 * 	were read
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (not page-aligned, no size, outside the user half, or unknown
 * flags), -ERR_FAULT (there is a hole in the range), -ERR_NO_RIGHTS (a guard, or the mapping does
 * not allow the access), -ERR_OUT_OF_BOUNDS (the memory ends before the mapping), -ERR_NO_MEMORY
 * (no memory for a page), -ERR_IO (managed memory whose manager has failed or is gone).
 */
HEL_MUST_USE static inline int hel_space_populate(hel_handle space, uint64_t address,
	uint64_t size_bytes, uint64_t flags)
{
	return (int)hel_call4(HEL_CALL_space_populate, space, address, size_bytes, flags).error;
}

/**
 * hel_space_advise() - say whether a range may have large pages from now on
 * @space: HEL_THIS or needs MAP; whose mappings
 * @address: page-aligned, as @size_bytes
 * @size_bytes: not 0
 * @advice: enum hel_space_advice
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (not page-aligned, no size, outside the user half, or unknown
 * advice), -ERR_NOT_FOUND (there are holes in the range; the rest was done), -ERR_NO_MEMORY (a
 * mapping had to be split, and there was no memory; what is below was done).
 */
HEL_MUST_USE static inline int hel_space_advise(hel_handle space, uint64_t address,
	uint64_t size_bytes, uint64_t advice)
{
	return (int)hel_call4(HEL_CALL_space_advise, space, address, size_bytes, advice).error;
}

/**
 * hel_space_pages() - tell which pages of a range are there
 * @space: HEL_THIS or needs READ; whose pages
 * @address: page-aligned, in the user half as all pages that are asked for
 * @states: enum hel_page_state, for each page
 * @n_pages: at most 65536; 0: nothing is told
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (not page-aligned, too many pages, or outside the user half).
 */
HEL_MUST_USE static inline int hel_space_pages(hel_handle space, uint64_t address, uint8_t *states,
	size_t n_pages)
{
	return (int)hel_call4(HEL_CALL_space_pages, space, address, (uint64_t)states,
		n_pages).error;
}

/**
 * hel_space_remap() - show another part of a memory that is mapped, with the access, tag and rights
 * of that mapping
 * @space: HEL_THIS or needs MAP; whose mappings change
 * @address: where it is shown, replacing what is there; page-aligned, as @size_bytes and @offset
 * @size_bytes: not 0
 * @from: an address in the mapping
 * @offset: in its memory
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (not page-aligned, no size, or outside the user half),
 * -ERR_NOT_FOUND (nothing is mapped at @from), -ERR_UNSUPPORTED (a guard is, or what a fork copies
 * or drops, or part of a slice), -ERR_OUT_OF_BOUNDS (the range is not inside the memory),
 * -ERR_NO_MEMORY (no memory for the mapping).
 */
HEL_MUST_USE static inline int hel_space_remap(hel_handle space, uint64_t address,
	uint64_t size_bytes, uint64_t from, uint64_t offset)
{
	return (int)hel_call5(HEL_CALL_space_remap, space, address, size_bytes, from, offset).error;
}

/**
 * hel_space_label() - write into the labels of mappings, which mean something to the user only
 * @space: HEL_THIS or needs MAP; whose mappings
 * @address: page-aligned, as @size_bytes
 * @size_bytes: not 0
 * @mask: the bits of the label that change
 * @label: to what
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (not page-aligned, no size, outside the user half, or bits of @label
 * that are not in @mask), -ERR_NOT_FOUND (there are holes in the range; the rest was done),
 * -ERR_NO_MEMORY (a mapping had to be split, and there was no memory; what is below was done).
 */
HEL_MUST_USE static inline int hel_space_label(hel_handle space, uint64_t address,
	uint64_t size_bytes, uint64_t mask, uint64_t label)
{
	return (int)hel_call5(HEL_CALL_space_label, space, address, size_bytes, mask, label).error;
}

/**
 * hel_space_lend() - make memory that stands for what a range of a space shows at any time
 * @space: HEL_THIS or needs READ and WRITE and DERIVE; it lasts as long as the memory
 * @address: page-aligned, as @size_bytes
 * @size_bytes: not 0
 * @out_handle: with READ, WRITE, PIN and DERIVE
 *
 * A loan is for transfers: hel_dma_map_pages(), hel_memory_read() and hel_memory_write() are about
 * the pages that are mapped in the space by then, as far as those mappings allow it, and fault
 * where nothing is. A page that a manager would have to bring first is -ERR_AGAIN: nobody waits for
 * another's memory. While a device may write to a private page that stays what it is, and a child
 * that is made meanwhile gets a copy. Of memory that a manager fills devices may only read. A loan
 * cannot be mapped.
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (not page-aligned, no size, or outside the user half), -ERR_NO_SPACE
 * (the caller's universe is full), -ERR_NO_MEMORY (no memory for the object).
 */
HEL_MUST_USE static inline int hel_space_lend(hel_handle space, uint64_t address,
	uint64_t size_bytes, hel_handle *out_handle)
{
	struct hel_outcome outcome = hel_call3(HEL_CALL_space_lend, space, address, size_bytes);

	if (outcome.error == 0) {
		*out_handle = outcome.value;
	}
	return (int)outcome.error;
}

/* ---- threads --------------------------------------------------------------------------------- */

/**
 * hel_thread_create() - make a thread, stopped; see struct hel_thread_args
 * @args: how it starts
 * @out_handle: with all rights
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (unknown flags, an address outside the user half, a bounce without
 * its page or not in one piece there), -ERR_NO_SPACE (the caller's universe is full),
 * -ERR_NO_MEMORY (no memory for the object).
 */
HEL_MUST_USE static inline int hel_thread_create(const struct hel_thread_args *args,
	hel_handle *out_handle)
{
	struct hel_outcome outcome = hel_call1(HEL_CALL_thread_create, (uint64_t)args);

	if (outcome.error == 0) {
		*out_handle = outcome.value;
	}
	return (int)outcome.error;
}

/**
 * hel_thread_start() - let a new thread run
 * @thread: needs MANAGE; a new one
 *
 * Return: 0, -ERR_ILLEGAL_STATE (it was started before, or killed).
 */
HEL_MUST_USE static inline int hel_thread_start(hel_handle thread)
{
	return (int)hel_call1(HEL_CALL_thread_start, thread).error;
}

/**
 * hel_thread_kill() - end a thread, whatever it does
 * @thread: needs MANAGE; no error if it has ended
 *
 * Its observer gets HEL_OBSERVE_TERMINATED when it is gone. That does not depend on its priority,
 * nor on others that keep its CPUs busy: a killed thread goes before all others to its end.
 *
 * Return: 0.
 */
static inline int hel_thread_kill(hel_handle thread)
{
	return (int)hel_call1(HEL_CALL_thread_kill, thread).error;
}

/**
 * hel_thread_kick() - interrupt a bounced thread, see abi/hel/bounce.h
 * @thread: needs SIGNAL; usually one with a bounce
 *
 * A wait of the thread ends with -ERR_KICKED. A kick that finds it not waiting is latched, and ends
 * the next wait.
 *
 * Return: 0, -ERR_THREAD_TERMINATED (it has ended).
 */
static inline int hel_thread_kick(hel_handle thread)
{
	return (int)hel_call1(HEL_CALL_thread_kick, thread).error;
}

/**
 * hel_thread_exit() - end the calling thread
 */
__attribute__((noreturn)) static inline void hel_thread_exit(void)
{
	for (;;) {
		hel_call0(HEL_CALL_thread_exit);
	}
}

/**
 * hel_thread_read_registers() - look at the registers of a thread that does not run
 * @thread: needs READ; stopped by an observation, or not started
 * @set: which registers
 * @buffer: where they go
 * @size: room there
 * @out_size: bytes of the set
 *
 * Return: 0, -ERR_ILLEGAL_STATE (it runs), -ERR_ILLEGAL_ARGS (unknown @set), -ERR_BUFFER_TOO_SMALL
 * (the set has more bytes), -ERR_THREAD_TERMINATED (it has ended), -ERR_NO_MEMORY (no memory for a
 * copy).
 */
HEL_MUST_USE static inline int hel_thread_read_registers(hel_handle thread,
	enum hel_register_set set, void *buffer, size_t size, size_t *out_size)
{
	struct hel_outcome outcome = hel_call4(HEL_CALL_thread_read_registers, thread, set,
		(uint64_t)buffer, size);

	if (outcome.error == 0) {
		*out_size = (size_t)outcome.value;
	}
	return (int)outcome.error;
}

/**
 * hel_thread_write_registers() - change the registers of a thread that does not run
 * @thread: HEL_THIS or needs WRITE; stopped by an observation, or not started
 * @set: which registers
 * @buffer: their values
 * @size: that of the set
 *
 * A thread may change its own debug registers, and nothing else of itself.
 *
 * Return: 0, -ERR_ILLEGAL_STATE (it runs, and is not the caller whose debug registers these are),
 * -ERR_ILLEGAL_ARGS (unknown @set, wrong @size, or values that user mode cannot have),
 * -ERR_THREAD_TERMINATED (it has ended), -ERR_NO_MEMORY (no memory for a copy).
 */
HEL_MUST_USE static inline int hel_thread_write_registers(hel_handle thread,
	enum hel_register_set set, const void *buffer, size_t size)
{
	return (int)hel_call4(HEL_CALL_thread_write_registers, thread, set, (uint64_t)buffer,
		size).error;
}

/**
 * hel_thread_stats() - what a thread has used
 * @thread: HEL_THIS or needs READ; also one that has ended
 * @out_stats: its times and counts
 *
 * The time in user mode and the time in the kernel are told apart for threads that were made with
 * HEL_THREAD_TIMED, and @stats says whether this one was; without that user_ns has both. A stay in
 * the kernel counts when it is over, what the thread waits in it not at all, and interrupts count
 * for the thread that they meet. What runs at the moment on another CPU counts from the next time
 * on that its scheduler looks.
 *
 * Return: 0.
 */
HEL_MUST_USE static inline int hel_thread_stats(hel_handle thread,
	struct hel_thread_stats *out_stats)
{
	return (int)hel_call2(HEL_CALL_thread_stats, thread, (uint64_t)out_stats).error;
}

/**
 * hel_thread_set_priority() - say before whom a thread goes
 * @thread: HEL_THIS or needs MANAGE; whose
 * @priority: -8 to 7, 0 as at first; the greater goes first, always
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (out of range).
 */
static inline int hel_thread_set_priority(hel_handle thread, int32_t priority)
{
	return (int)hel_call2(HEL_CALL_thread_set_priority, thread,
		(uint64_t)(int64_t)priority).error;
}

/**
 * hel_thread_yield() - let another thread run first, if there is one
 *
 * Return: 0.
 */
static inline int hel_thread_yield(void)
{
	return (int)hel_call0(HEL_CALL_thread_yield).error;
}

/**
 * hel_thread_resume() - let a thread that an observation stopped go on
 * @thread: needs MANAGE; a stopped one
 *
 * Return: 0, -ERR_ILLEGAL_STATE (it is not stopped), -ERR_THREAD_TERMINATED (it has ended).
 */
static inline int hel_thread_resume(hel_handle thread)
{
	return (int)hel_call1(HEL_CALL_thread_resume, thread).error;
}

/**
 * hel_thread_interrupt() - stop a thread; its observer gets HEL_OBSERVE_INTERRUPTED
 * @thread: needs MANAGE; whatever it does
 *
 * Return: 0, -ERR_THREAD_TERMINATED (it has ended).
 */
static inline int hel_thread_interrupt(hel_handle thread)
{
	return (int)hel_call1(HEL_CALL_thread_interrupt, thread).error;
}

/**
 * hel_thread_set_affinity() - say on which of the first 64 CPUs a thread may run
 * @thread: HEL_THIS or needs MANAGE; whose
 * @cpu_mask: a bit for each
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (none of them is online).
 */
static inline int hel_thread_set_affinity(hel_handle thread, uint64_t cpu_mask)
{
	return (int)hel_call2(HEL_CALL_thread_set_affinity, thread, cpu_mask).error;
}

/**
 * hel_thread_set_weight() - change a thread's share of the processor
 * @thread: HEL_THIS or needs MANAGE; whose
 * @weight: 1 to HEL_WEIGHT_MAX, HEL_WEIGHT_DEFAULT as at first
 *
 * Busy threads of the same priority on a CPU share it as their weights are to each other. A thread
 * that has a CPU for itself gets all of it, whatever it weighs. Who waits for a lock that the
 * thread has lends it a priority, but no weight.
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (out of range).
 */
static inline int hel_thread_set_weight(hel_handle thread, uint32_t weight)
{
	return (int)hel_call2(HEL_CALL_thread_set_weight, thread, weight).error;
}

/**
 * hel_thread_step() - let a thread that an observation stopped execute one instruction
 * @thread: needs MANAGE; a stopped one
 *
 * It stops again with HEL_OBSERVE_FAULT, vector 1, also if it is bounced; or with what comes before
 * that. A step over `syscall` ends after the instruction behind it, a step over the system call of
 * a bounced thread when the bounce has come back.
 *
 * Return: 0, -ERR_ILLEGAL_STATE (it is not stopped), -ERR_THREAD_TERMINATED (it has ended).
 */
HEL_MUST_USE static inline int hel_thread_step(hel_handle thread)
{
	return (int)hel_call1(HEL_CALL_thread_step, thread).error;
}

/* ---- queues ---------------------------------------------------------------------------------- */

/**
 * hel_queue_create() - make a queue; its handle is mapped as memory, see abi/hel/queue.h
 * @params: its sizes
 * @out_handle: with all rights
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (a size is out of range or no power of two), -ERR_NO_SPACE (the
 * caller's universe is full), -ERR_NO_MEMORY (no memory for the queue).
 */
HEL_MUST_USE static inline int hel_queue_create(const struct hel_queue_params *params,
	hel_handle *out_handle)
{
	struct hel_outcome outcome = hel_call1(HEL_CALL_queue_create, (uint64_t)params);

	if (outcome.error == 0) {
		*out_handle = outcome.value;
	}
	return (int)outcome.error;
}

/**
 * hel_drive() - submit what is in the queue's ring, and wait for completions if asked to
 * @queue: needs INVOKE; which is driven
 * @flags: enum hel_drive_flags
 * @seen: with HEL_DRIVE_WAIT: do not wait if the header's n_completions is not this
 * @deadline_ns: of the wait, absolute monotonic; HEL_DEADLINE_NEVER
 * @out_completions: also with an error; may be NULL; n_completions
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (unknown @flags), -ERR_ALERTED (hel_queue_alert() ended the wait, or
 * one that came before it), -ERR_TIMED_OUT (the deadline passed), -ERR_KICKED (the thread was
 * kicked), -ERR_QUEUE_CORRUPT (records or supplied chunks were nonsense, and were skipped),
 * -ERR_BUSY (too many threads wait for this queue), -ERR_NO_MEMORY (no memory for an operation, or
 * too many are pending; its record stays and can be driven again).
 */
static inline int hel_drive(hel_handle queue, uint32_t flags, uint32_t seen, uint64_t deadline_ns,
	uint32_t *out_completions)
{
	struct hel_outcome outcome = hel_call4(HEL_CALL_drive, queue, flags, seen, deadline_ns);

	if (out_completions != NULL) {
		*out_completions = (uint32_t)outcome.value;
	}
	return (int)outcome.error;
}

/**
 * hel_queue_alert() - end a wait for a queue without a completion
 * @queue: needs SIGNAL; which is waited for, now or later
 *
 * The thread that has waited longest in hel_drive() for this queue returns with -ERR_ALERTED. If
 * none waits the alert is kept, and the next call that would wait returns at once with that error.
 * There is one alert to keep: those that find one do nothing.
 *
 * Return: 0.
 */
HEL_MUST_USE static inline int hel_queue_alert(hel_handle queue)
{
	return (int)hel_call1(HEL_CALL_queue_alert, queue).error;
}

/* ---- streams --------------------------------------------------------------------------------- */

/**
 * hel_stream_create() - make a stream; two handles come back, one for each end
 * @out_lanes: with all rights
 *
 * Return: 0, -ERR_NO_SPACE (the caller's universe is full), -ERR_NO_MEMORY (no memory for the
 * stream).
 */
HEL_MUST_USE static inline int hel_stream_create(struct hel_stream_lanes *out_lanes)
{
	return (int)hel_call1(HEL_CALL_stream_create, (uint64_t)out_lanes).error;
}

/**
 * hel_lane_shutdown() - end a stream: what is pending on it completes with an error
 * @lane: needs INVOKE; our end
 *
 * Our own actions get -ERR_LANE_SHUTDOWN, the peer's -ERR_END_OF_LANE, those that are submitted
 * later, too.
 *
 * Return: 0.
 */
static inline int hel_lane_shutdown(hel_handle lane)
{
	return (int)hel_call1(HEL_CALL_lane_shutdown, lane).error;
}

/* ---- events and interrupts ------------------------------------------------------------------- */

/**
 * hel_event_create() - make an event
 * @bits: set at the start; if not 0, the first await from sequence 0 completes at once
 * @out_handle: with all rights
 *
 * Return: 0, -ERR_NO_SPACE (the caller's universe is full), -ERR_NO_MEMORY (no memory for the
 * event).
 */
HEL_MUST_USE static inline int hel_event_create(uint32_t bits, hel_handle *out_handle)
{
	struct hel_outcome outcome = hel_call1(HEL_CALL_event_create, bits);

	if (outcome.error == 0) {
		*out_handle = outcome.value;
	}
	return (int)outcome.error;
}

/**
 * hel_event_raise() - set bits and wake those who await the event
 * @event: needs SIGNAL; which is raised
 * @bits: that are set
 *
 * Return: 0.
 */
static inline int hel_event_raise(hel_handle event, uint32_t bits)
{
	return (int)hel_call2(HEL_CALL_event_raise, event, bits).error;
}

/**
 * hel_irq_create_msi() - allocate an interrupt vector for a message-signalled interrupt
 * @authority: needs MANAGE; the machine's
 * @out_info: what to write into the device's MSI or MSI-X entry
 * @out_handle: with all rights
 *
 * Return: 0, -ERR_NO_SPACE (no vector is free, or the caller's universe is full), -ERR_NO_MEMORY
 * (no memory for the object).
 */
HEL_MUST_USE static inline int hel_irq_create_msi(hel_handle authority,
	struct hel_msi_info *out_info, hel_handle *out_handle)
{
	struct hel_outcome outcome = hel_call2(HEL_CALL_irq_create_msi, authority,
		(uint64_t)out_info);

	if (outcome.error == 0) {
		*out_handle = outcome.value;
	}
	return (int)outcome.error;
}

/**
 * hel_irq_acknowledge() - end the service of an interrupt
 * @irq: needs MANAGE; which was delivered
 * @actions: enum hel_irq_action
 * @sequence: of the completion that is answered
 *
 * It is no error if that sequence is not in service any more.
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (no or unknown actions, ACK and NACK together, or a sequence that
 * has not been yet).
 */
static inline int hel_irq_acknowledge(hel_handle irq, uint32_t actions, uint64_t sequence)
{
	return (int)hel_call3(HEL_CALL_irq_acknowledge, irq, actions, sequence).error;
}

/**
 * hel_irq_create_line() - share a line of an interrupt controller
 * @authority: needs MANAGE; the machine's
 * @gsi: number of the line (ACPI: global system interrupt); with HEL_IRQ_LINE_ISA: 0 to 15
 * @line_flags: enum hel_irq_line_flags; the same as that of all who share the line; with ISA no
 * 	other one, for the machine knows
 * @out_handle: with all rights
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (unknown @line_flags, or others with ISA), -ERR_NOT_FOUND (no such
 * line), -ERR_BUSY (somebody has it otherwise wired), -ERR_NO_SPACE (no vector is free, too many
 * share the line, or the caller's universe is full), -ERR_NO_MEMORY (no memory for the object).
 */
HEL_MUST_USE static inline int hel_irq_create_line(hel_handle authority, uint32_t gsi,
	uint32_t line_flags, hel_handle *out_handle)
{
	struct hel_outcome outcome = hel_call3(HEL_CALL_irq_create_line, authority, gsi,
		line_flags);

	if (outcome.error == 0) {
		*out_handle = outcome.value;
	}
	return (int)outcome.error;
}

/**
 * hel_irq_set_affinity() - let an interrupt arrive at a CPU of a set
 * @irq: needs WRITE; which
 * @cpu_mask: a bit for each CPU
 * @out_info: what to write into the device's MSI or MSI-X entry now; zero for a line
 *
 * If it arrives at one of them already, nothing changes. A message's old address stays valid until
 * the new one has been used or hel_irq_settle() is called; until then it cannot be moved again.
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (no such CPU), -ERR_NO_SPACE (no vector is free there), -ERR_BUSY
 * (the last move is not settled).
 */
HEL_MUST_USE static inline int hel_irq_set_affinity(hel_handle irq, uint64_t cpu_mask,
	struct hel_msi_info *out_info)
{
	return (int)hel_call3(HEL_CALL_irq_set_affinity, irq, cpu_mask, (uint64_t)out_info).error;
}

/**
 * hel_irq_settle() - give up the address that a message had before it was moved
 * @irq: needs WRITE; which
 *
 * The device must have been told the new one. Without an unsettled move nothing happens.
 *
 * Return: 0.
 */
static inline int hel_irq_settle(hel_handle irq)
{
	return (int)hel_call1(HEL_CALL_irq_settle, irq).error;
}

/**
 * hel_irq_info() - counters and state of an interrupt
 * @irq: needs WAIT; which
 * @out_info: its counters and state
 *
 * Return: 0.
 */
HEL_MUST_USE static inline int hel_irq_info(hel_handle irq, struct hel_irq_info *out_info)
{
	return (int)hel_call2(HEL_CALL_irq_info, irq, (uint64_t)out_info).error;
}

/* ---- futexes --------------------------------------------------------------------------------- */

/**
 * hel_futex_wait() - sleep until woken, if a word has the expected value
 * @word: 4-aligned; private and shared memory alike
 * @expected: what it must be
 * @deadline_ns: absolute monotonic; HEL_DEADLINE_NEVER
 * @mask: only wakes whose mask has one of these bits count; not 0
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (@word is not aligned, or @mask is 0), -ERR_RETRY (the word has
 * another value), -ERR_TIMED_OUT (the deadline passed), -ERR_KICKED (the thread was kicked).
 */
HEL_MUST_USE static inline int hel_futex_wait(const uint32_t *word, uint32_t expected,
	uint64_t deadline_ns, uint32_t mask)
{
	return (int)hel_call4(HEL_CALL_futex_wait, (uint64_t)word, expected, deadline_ns,
		mask).error;
}

/**
 * hel_futex_wake() - wake threads that wait for a word
 * @word: 4-aligned
 * @n_max: at most so many
 * @mask: of the wake; not 0
 * @out_woken: also with an error; may be NULL; how many there were
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (@word is not aligned, @mask is 0, or somebody waits there who can
 * only be moved to a lock).
 */
static inline int hel_futex_wake(const uint32_t *word, uint32_t n_max, uint32_t mask,
	uint32_t *out_woken)
{
	struct hel_outcome outcome = hel_call3(HEL_CALL_futex_wake, (uint64_t)word, n_max, mask);

	if (out_woken != NULL) {
		*out_woken = (uint32_t)outcome.value;
	}
	return (int)outcome.error;
}

/**
 * hel_futex_requeue() - wake some threads and let others wait for another word
 * @from: 4-aligned
 * @expected: value that *@from must have, or HEL_FUTEX_ANY
 * @to: 4-aligned
 * @n_wake: at most so many
 * @n_requeue: at most so many of the others
 * @out_count: woken and moved together
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (a word is not aligned, or somebody waits there who can only be
 * moved to a lock), -ERR_RETRY (the word has another value), -ERR_NO_MEMORY (no memory for the
 * word's page).
 */
HEL_MUST_USE static inline int hel_futex_requeue(const uint32_t *from, uint64_t expected,
	const uint32_t *to, uint32_t n_wake, uint32_t n_requeue, uint32_t *out_count)
{
	struct hel_outcome outcome = hel_call5(HEL_CALL_futex_requeue, (uint64_t)from, expected,
		(uint64_t)to, n_wake, n_requeue);

	if (outcome.error == 0) {
		*out_count = (uint32_t)outcome.value;
	}
	return (int)outcome.error;
}

/**
 * hel_futex_name() - give a thread the number by which locks name it
 * @thread: needs MANAGE; which one
 * @number: 1 to HEL_LOCK_OWNER, or 0: none
 *
 * A number is known among the threads that the caller's universe has named. If several have it, it
 * is the one's that got it last. It ends with the thread.
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (@number is too large).
 */
HEL_MUST_USE static inline int hel_futex_name(hel_handle thread, uint32_t number)
{
	return (int)hel_call2(HEL_CALL_futex_name, thread, number).error;
}

/**
 * hel_futex_lock() - wait for a lock that another thread has
 * @word: 4-aligned; private and shared memory alike
 * @expected: what it must be: HEL_LOCK_OWNER of it is the owner's number
 * @deadline_ns: absolute monotonic; HEL_DEADLINE_NEVER
 * @out_is_abandoned: the owner has ended, the word is as it left it, and the caller has the lock
 * 	now; 0: the word names the caller
 *
 * As long as the caller waits the owner has at least its priority, and so has whom that one waits
 * for.
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (@word is not aligned), -ERR_RETRY (the word has another value),
 * -ERR_NOT_FOUND (no thread has the number in it), -ERR_ILLEGAL_STATE (the owner waits for the
 * caller, or is the caller, or that has no number), -ERR_TIMED_OUT (the deadline passed),
 * -ERR_KICKED (the thread was kicked), -ERR_NO_MEMORY (no memory for the lock).
 */
HEL_MUST_USE static inline int hel_futex_lock(const uint32_t *word, uint32_t expected,
	uint64_t deadline_ns, uint32_t *out_is_abandoned)
{
	struct hel_outcome outcome = hel_call3(HEL_CALL_futex_lock, (uint64_t)word, expected,
		deadline_ns);

	if (outcome.error == 0) {
		*out_is_abandoned = (uint32_t)outcome.value;
	}
	return (int)outcome.error;
}

/**
 * hel_futex_unlock() - give a lock to the most urgent thread that waits for it
 * @word: 4-aligned; it names the caller
 *
 * The word names that thread then, with HEL_LOCK_WAITERS if there are more; it is 0 if nobody
 * waits.
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (@word is not aligned), -ERR_NO_RIGHTS (the word does not name the
 * caller).
 */
HEL_MUST_USE static inline int hel_futex_unlock(const uint32_t *word)
{
	return (int)hel_call1(HEL_CALL_futex_unlock, (uint64_t)word).error;
}

/**
 * hel_futex_wake_in() - wake threads that wait for a word of another space
 * @space: HEL_THIS or needs READ; where the word is
 * @address: of the word, 4-aligned
 * @n_max: at most so many
 * @mask: of the wake; not 0
 * @out_woken: also with an error; may be NULL; how many there were
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (@address is not aligned, or @mask is 0), -ERR_FAULT (nothing can be
 * read at @address).
 */
static inline int hel_futex_wake_in(hel_handle space, uint64_t address, uint32_t n_max,
	uint32_t mask, uint32_t *out_woken)
{
	struct hel_outcome outcome = hel_call4(HEL_CALL_futex_wake_in, space, address, n_max, mask);

	if (out_woken != NULL) {
		*out_woken = (uint32_t)outcome.value;
	}
	return (int)outcome.error;
}

/**
 * hel_futex_wait_requeue() - sleep until moved to a lock and given that, if a word has the expected
 * value
 * @word: 4-aligned; private and shared memory alike
 * @expected: what it must be
 * @deadline_ns: absolute monotonic; HEL_DEADLINE_NEVER
 * @lock: 4-aligned, another word: to where futex_requeue_lock may move the caller
 * @out_state: also with an error; may be NULL; HEL_FUTEX_MOVED: it waited for the lock in the end;
 * 	HEL_FUTEX_ABANDONED: it has the lock, whose owner has ended, and the word is as that left
 * 	it; HEL_LOCK_OWNER of it was that owner's number
 *
 * A condition variable for the locks of futex_lock. Plain wakes and requeues do not reach who waits
 * so.
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (one of the words is not aligned, or they are one), -ERR_RETRY (the
 * word has another value), -ERR_ILLEGAL_STATE (the caller has no number), -ERR_TIMED_OUT (the
 * deadline passed), -ERR_KICKED (the thread was kicked), -ERR_NO_MEMORY (no memory for what is
 * noted).
 */
HEL_MUST_USE static inline int hel_futex_wait_requeue(const uint32_t *word, uint32_t expected,
	uint64_t deadline_ns, const uint32_t *lock, uint32_t *out_state)
{
	struct hel_outcome outcome = hel_call4(HEL_CALL_futex_wait_requeue, (uint64_t)word,
		expected, deadline_ns, (uint64_t)lock);

	if (out_state != NULL) {
		*out_state = (uint32_t)outcome.value;
	}
	return (int)outcome.error;
}

/**
 * hel_futex_requeue_lock() - let threads that wait for a word wait for a lock that somebody has
 * @from: 4-aligned; the word of futex_wait_requeue
 * @expected: value that *@from must have
 * @lock: 4-aligned; that which they named
 * @lock_expected: value that *@lock must have, with HEL_LOCK_WAITERS
 * @n_max: at most so many, the most urgent first
 * @out_count: how many were moved
 *
 * None of them runs for that. The owner has at least their priorities from then on.
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (one of the words is not aligned, they are one, or somebody waits
 * for @from who did not name @lock; others may have been moved), -ERR_RETRY (one of the words has
 * another value), -ERR_NOT_FOUND (no thread has the number in the lock), -ERR_ILLEGAL_STATE (the
 * owner waits for one of them, or is it; others may have been moved), -ERR_NO_MEMORY (no memory for
 * the lock).
 */
HEL_MUST_USE static inline int hel_futex_requeue_lock(const uint32_t *from, uint32_t expected,
	const uint32_t *lock, uint32_t lock_expected, uint32_t n_max, uint32_t *out_count)
{
	struct hel_outcome outcome = hel_call5(HEL_CALL_futex_requeue_lock, (uint64_t)from,
		expected, (uint64_t)lock, lock_expected, n_max);

	if (outcome.error == 0) {
		*out_count = (uint32_t)outcome.value;
	}
	return (int)outcome.error;
}

/* ---- managed memory -------------------------------------------------------------------------- */

/**
 * hel_memory_create_managed() - make memory whose pages a server fills and writes back
 * @size_bytes: a multiple of the page size
 * @flags: 0
 * @out_handles: the backing, for the manager, and the frontal, for users
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (@size_bytes is no multiple of the page size or absurd, or unknown
 * @flags), -ERR_NO_SPACE (the caller's universe is full), -ERR_NO_MEMORY (no memory for the
 * objects).
 */
HEL_MUST_USE static inline int hel_memory_create_managed(uint64_t size_bytes, uint64_t flags,
	struct hel_managed_handles *out_handles)
{
	return (int)hel_call3(HEL_CALL_memory_create_managed, size_bytes, flags,
		(uint64_t)out_handles).error;
}

/**
 * hel_memory_update() - say what has become of pages of managed memory
 * @backing: needs MANAGE; of managed memory
 * @kind: pages in another state than it is about are passed over
 * @offset: page-aligned, as is @length
 * @length: at most 16 MiB, unless they are ZERO; what is beyond the end is ignored
 * @error: the negative error of INITIALISE_FAILED and WRITE_BACK_FAILED, else 0
 *
 * ZERO is remembered for one range of an object: one that does not touch it takes its place. Of the
 * range goes what is before a page that was dropped, and what is beyond the end of memory that
 * shrinks.
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (the memory is no backing, not page-aligned, no or too many pages,
 * unknown @kind, or an @error that does not go with it), -ERR_NO_MEMORY (no memory to note what has
 * changed).
 */
HEL_MUST_USE static inline int hel_memory_update(hel_handle backing, enum hel_update kind,
	uint64_t offset, uint64_t length, int error)
{
	return (int)hel_call5(HEL_CALL_memory_update, backing, kind, offset, length,
		(uint64_t)(int64_t)error).error;
}

/**
 * hel_memory_invalidate() - drop the clean pages of a range of managed memory
 * @backing: needs MANAGE; of managed memory
 * @offset: page-aligned, as is @length
 * @length: not 0
 *
 * Users who touch them make thor ask for them again. Dirty pages and those that are being
 * initialised stay.
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (the memory is no backing, not page-aligned, or no page).
 */
HEL_MUST_USE static inline int hel_memory_invalidate(hel_handle backing, uint64_t offset,
	uint64_t length)
{
	return (int)hel_call3(HEL_CALL_memory_invalidate, backing, offset, length).error;
}

/**
 * hel_memory_advise() - say how a range of managed memory will be used
 * @frontal: needs READ; of managed memory
 * @advice: WILL_NEED: pages are asked for before they are touched, and the last such advice counts;
 * 	DONT_NEED: clean pages are dropped
 * @offset: page-aligned, as is @length
 * @length: not 0
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (the memory is no frontal, not page-aligned, no page, or unknown
 * @advice).
 */
HEL_MUST_USE static inline int hel_memory_advise(hel_handle frontal, enum hel_advice advice,
	uint64_t offset, uint64_t length)
{
	return (int)hel_call4(HEL_CALL_memory_advise, frontal, advice, offset, length).error;
}

/**
 * hel_memory_unlock() - give up locks of pages that lock_memory took
 * @memory: needs PIN; managed, or allocated
 * @offset: page-aligned, as is @length
 * @length: at most 4 MiB and not 0
 * @flags: HEL_LOCK_WRITE: a device has written to the pages
 *
 * Pages without a lock are passed over.
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (memory of another kind, not page-aligned, no or too many pages, or
 * unknown @flags), -ERR_NO_MEMORY (no memory to note what was written).
 */
HEL_MUST_USE static inline int hel_memory_unlock(hel_handle memory, uint64_t offset,
	uint64_t length, uint64_t flags)
{
	return (int)hel_call4(HEL_CALL_memory_unlock, memory, offset, length, flags).error;
}

/**
 * hel_memory_create_swap() - become the swap manager: make the swap space
 * @authority: needs MANAGE; the machine's
 * @size_bytes: a multiple of the page size, not 0, at most 2^32 - 1 pages
 * @out_handle: the backing, with all rights
 *
 * The space is managed memory without a frontal: requests come by manage operations on the backing
 * and are answered by hel_memory_update(), as for any other. A page of it keeps what it was given
 * until thor gives it another one to write. When the last descriptor of the backing is closed,
 * pages that are in memory stay there, and those that are out are lost: accesses fault with
 * -ERR_IO.
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (@size_bytes is no multiple of the page size, 0, or too much),
 * -ERR_BUSY (there is a swap manager, or pages of too many that have gone), -ERR_NO_SPACE (the
 * caller's universe is full), -ERR_NO_MEMORY (no memory for the object).
 */
HEL_MUST_USE static inline int hel_memory_create_swap(hel_handle authority, uint64_t size_bytes,
	hel_handle *out_handle)
{
	struct hel_outcome outcome = hel_call2(HEL_CALL_memory_create_swap, authority, size_bytes);

	if (outcome.error == 0) {
		*out_handle = outcome.value;
	}
	return (int)outcome.error;
}

/* ---- dma ------------------------------------------------------------------------------------- */

/**
 * hel_dma_space_create() - make a set of mappings for devices, without any
 * @out_handle: with all rights
 *
 * Works on every machine; hel_dma_space_info() says whether there is an IOMMU behind it.
 *
 * Return: 0, -ERR_NO_SPACE (the caller's universe is full), -ERR_NO_MEMORY (no memory for the
 * object).
 */
HEL_MUST_USE static inline int hel_dma_space_create(hel_handle *out_handle)
{
	struct hel_outcome outcome = hel_call0(HEL_CALL_dma_space_create);

	if (outcome.error == 0) {
		*out_handle = outcome.value;
	}
	return (int)outcome.error;
}

/**
 * hel_dma_space_attach() - let a device reach what is mapped in a dma-space, and nothing else
 * @authority: needs MANAGE; the machine's
 * @dma_space: needs MANAGE; which it shall reach
 * @device: the source of the requests, which is a bridge for devices behind one that answers for
 * 	them
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (the reserved field is not 0), -ERR_ILLEGAL_STATE (the last
 * descriptor of the dma-space is being closed), -ERR_BUSY (it is in a dma-space already),
 * -ERR_UNSUPPORTED (no IOMMU is responsible for it, or the firmware reserves memory for it),
 * -ERR_NO_SPACE (too many dma-spaces have devices), -ERR_IO (the IOMMU does not answer),
 * -ERR_NO_MEMORY (no memory for the IOMMU's tables).
 */
HEL_MUST_USE static inline int hel_dma_space_attach(hel_handle authority, hel_handle dma_space,
	const struct hel_dma_device *device)
{
	return (int)hel_call3(HEL_CALL_dma_space_attach, authority, dma_space,
		(uint64_t)device).error;
}

/**
 * hel_dma_space_detach() - cut a device off: it reaches nothing any more
 * @authority: needs MANAGE; the machine's
 * @dma_space: needs MANAGE; which it reaches
 * @device: the source of the requests
 *
 * Closing the last descriptor of a dma-space does the same to all its devices.
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (the reserved field is not 0), -ERR_NOT_FOUND (it is not in this
 * dma-space), -ERR_IO (the IOMMU does not answer).
 */
static inline int hel_dma_space_detach(hel_handle authority, hel_handle dma_space,
	const struct hel_dma_device *device)
{
	return (int)hel_call3(HEL_CALL_dma_space_detach, authority, dma_space,
		(uint64_t)device).error;
}

/**
 * hel_dma_map() - make a part of a memory object reachable, and pin its pages
 * @args: dma-space, memory, range and access
 * @out_address: what to tell the device
 *
 * The memory is of kind ALLOCATED or PHYSICAL. Its pages stay what they are until the mapping ends,
 * also if the memory is made smaller or closed.
 *
 * Return: 0, -ERR_NO_RIGHTS (the memory's descriptor does not allow the access), -ERR_ILLEGAL_ARGS
 * (unknown or no flags, not page-aligned, or no size), -ERR_OUT_OF_BOUNDS (the range is not inside
 * the memory), -ERR_EXISTS (a fixed address is taken), -ERR_NO_SPACE (no free addresses below the
 * limit, or too many mappings), -ERR_UNSUPPORTED (another kind of memory; without IOMMU: the pages
 * are not contiguous, or not at the fixed address), -ERR_IO (the IOMMU does not answer),
 * -ERR_NO_MEMORY (no memory for a page or for the mapping).
 */
HEL_MUST_USE static inline int hel_dma_map(const struct hel_dma_map_args *args,
	uint64_t *out_address)
{
	struct hel_outcome outcome = hel_call1(HEL_CALL_dma_map, (uint64_t)args);

	if (outcome.error == 0) {
		*out_address = outcome.value;
	}
	return (int)outcome.error;
}

/**
 * hel_dma_unmap() - end a mapping
 * @dma_space: needs MAP; where it is
 * @address: as hel_dma_map() gave it
 * @size_bytes: as it was mapped
 *
 * Return: 0, -ERR_NOT_FOUND (there is no mapping of exactly this range), -ERR_IO (the IOMMU does
 * not answer: the mapping is gone, its pages stay pinned).
 */
static inline int hel_dma_unmap(hel_handle dma_space, uint64_t address, uint64_t size_bytes)
{
	return (int)hel_call3(HEL_CALL_dma_unmap, dma_space, address, size_bytes).error;
}

/**
 * hel_dma_space_info() - what is mapped, and what was refused
 * @dma_space: needs READ; which
 * @out_info: counts and the last fault
 *
 * Devices that were muted because they caused too many faults report them again from now on.
 *
 * Return: 0.
 */
HEL_MUST_USE static inline int hel_dma_space_info(hel_handle dma_space,
	struct hel_dma_space_info *out_info)
{
	return (int)hel_call2(HEL_CALL_dma_space_info, dma_space, (uint64_t)out_info).error;
}

/**
 * hel_dma_space_event() - the event that is raised by faults
 * @dma_space: needs WAIT; whose
 * @out_event: can be awaited; its bits are HEL_DMA_READ and HEL_DMA_WRITE, as the device tried
 *
 * It is the same event for every call.
 *
 * Return: 0, -ERR_NO_SPACE (the caller's universe is full), -ERR_NO_MEMORY (no memory for the
 * caller's table).
 */
HEL_MUST_USE static inline int hel_dma_space_event(hel_handle dma_space, hel_handle *out_event)
{
	struct hel_outcome outcome = hel_call1(HEL_CALL_dma_space_event, dma_space);

	if (outcome.error == 0) {
		*out_event = outcome.value;
	}
	return (int)outcome.error;
}

/**
 * hel_dma_map_pages() - make pages reachable wherever they lie, and pin them: for one transfer of a
 * device
 * @args: dma-space, memory, range and access
 * @addresses: what to tell the device, of each page
 * @n_pages: those of args.size_bytes
 * @out_address: for hel_dma_unmap(), and nothing else
 *
 * As hel_dma_map(), but without IOMMU, or with HEL_DMA_PHYSICAL, the addresses are where the pages
 * lie, and they need not be contiguous. The memory is of kind ALLOCATED or PHYSICAL, or the backing
 * of managed memory: pages that are not there are made, as if the manager had touched them. What
 * becomes of them in the managed memory meanwhile is not the device's business: the page it was
 * told stays. Or it is a LOAN: then it is about the pages that are mapped in its space now, see
 * hel_space_lend().
 *
 * Return: 0, -ERR_NO_RIGHTS (the memory's descriptor does not allow the access), -ERR_ILLEGAL_ARGS
 * (unknown or no flags or HEL_DMA_FIXED, not page-aligned, no size or too much, or another
 * @n_pages), -ERR_OUT_OF_BOUNDS (the range is not inside the memory), -ERR_NO_SPACE (no free
 * addresses, or a page that is not, below the limit; or too many mappings), -ERR_UNSUPPORTED
 * (another kind of memory; of a loan: a page that a device may not write to), -ERR_FAULT (of a
 * loan: nothing is mapped there, or it may not be accessed so), -ERR_AGAIN (of a loan: a page is
 * absent; it was not asked for), -ERR_IO (the IOMMU does not answer), -ERR_NO_MEMORY (no memory for
 * a page or for the mapping).
 */
HEL_MUST_USE static inline int hel_dma_map_pages(const struct hel_dma_map_args *args,
	uint64_t *addresses, size_t n_pages, uint64_t *out_address)
{
	struct hel_outcome outcome = hel_call3(HEL_CALL_dma_map_pages, (uint64_t)args,
		(uint64_t)addresses, n_pages);

	if (outcome.error == 0) {
		*out_address = outcome.value;
	}
	return (int)outcome.error;
}

/* ---- kernlets -------------------------------------------------------------------------------- */

/**
 * hel_kernlet_create() - let the kernel check native code and keep it
 * @container: as abi/hel/kernlet.h says; copied
 * @size: in bytes
 * @out_handle: also with an error; may be NULL; with all rights; with ILLEGAL_ARGS the offset in
 * 	@container of what is refused
 *
 * Needs no right: the code can reach nothing but what it gets bound to.
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (that is no kernlet), -ERR_UNSUPPORTED (a kernlet for another
 * architecture or of another version), -ERR_NO_SPACE (the kernel has too many, or the caller's
 * universe is full), -ERR_NO_MEMORY (no memory for the code).
 */
HEL_MUST_USE static inline int hel_kernlet_create(const void *container, uint64_t size,
	hel_handle *out_handle)
{
	struct hel_outcome outcome = hel_call2(HEL_CALL_kernlet_create, (uint64_t)container, size);

	if (out_handle != NULL) {
		*out_handle = outcome.value;
	}
	return (int)outcome.error;
}

/**
 * hel_kernlet_bind() - bind a kernlet to the objects that it works on
 * @kernlet: needs EXECUTE; which
 * @bindings: one for each of its slots, in their order. Memory needs MAP and READ, and WRITE if the
 * 	slot has it; io needs READ and WRITE likewise; an event needs SIGNAL
 * @size: in bytes
 * @out_handle: also with an error; may be NULL; with all rights; with errors of a binding its index
 *
 * The pages of memory are kept until the bound kernlet is gone.
 *
 * Return: 0, -ERR_BAD_HANDLE (of a binding), -ERR_BAD_TYPE (of a binding), -ERR_NO_RIGHTS (of a
 * binding), -ERR_ILLEGAL_ARGS (not as many bindings as slots; a field that has to be 0; memory at
 * an offset that is no multiple of 8), -ERR_OUT_OF_BOUNDS (memory or io is smaller than the slot),
 * -ERR_UNSUPPORTED (memory that is neither physical nor allocated), -ERR_NO_SPACE (the kernel has
 * too many windows, or the caller's universe is full), -ERR_NO_MEMORY (no memory for the object,
 * its windows, or a page of the memory).
 */
HEL_MUST_USE static inline int hel_kernlet_bind(hel_handle kernlet,
	const struct hel_kernlet_binding *bindings, uint64_t size, hel_handle *out_handle)
{
	struct hel_outcome outcome = hel_call3(HEL_CALL_kernlet_bind, kernlet, (uint64_t)bindings,
		size);

	if (out_handle != NULL) {
		*out_handle = outcome.value;
	}
	return (int)outcome.error;
}

/**
 * hel_irq_attach_kernlet() - run a bound kernlet whenever an interrupt arrives
 * @irq: needs MANAGE; which
 * @bound: needs MANAGE; to be kept: when its last descriptor is gone it is detached
 *
 * It runs before the driver learns of the interrupt, and says whether it does. What is in service
 * at the moment stays with the driver: HEL_IRQ_KICK | HEL_IRQ_CLEAR hands it over.
 *
 * Return: 0, -ERR_BUSY (the kernlet is attached already), -ERR_EXISTS (the irq has one),
 * -ERR_NO_MEMORY (no memory to note that @irq or @bound are under a grant).
 */
HEL_MUST_USE static inline int hel_irq_attach_kernlet(hel_handle irq, hel_handle bound)
{
	return (int)hel_call2(HEL_CALL_irq_attach_kernlet, irq, bound).error;
}

/**
 * hel_irq_detach_kernlet() - let a bound kernlet run no more
 * @bound: needs MANAGE; which
 *
 * When the call returns it runs on no CPU.
 *
 * Return: 0, -ERR_ILLEGAL_STATE (it is not attached).
 */
static inline int hel_irq_detach_kernlet(hel_handle bound)
{
	return (int)hel_call1(HEL_CALL_irq_detach_kernlet, bound).error;
}

/* ---- trace ----------------------------------------------------------------------------------- */

/**
 * hel_trace_control() - say what the kernel traces, and make the rings for it
 * @authority: needs MANAGE; the machine's
 * @mask: enum hel_trace_category; 0: nothing
 * @n_events: of each CPU's new ring, a power of two from HEL_TRACE_EVENTS_MIN to
 * 	HEL_TRACE_EVENTS_MAX; 0: the rings stay
 * @sample_ns: between two samples of a CPU, from HEL_TRACE_SAMPLE_NS_MIN to
 * 	HEL_TRACE_SAMPLE_NS_MAX, with HEL_TRACE_SAMPLES in @mask; else 0
 *
 * What is not traced costs nothing. All CPUs are held for some microseconds while the categories
 * change. With neither @mask nor @n_events the kernel gives the rings up; who has mapped them can
 * read on.
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (unknown categories, or a number out of its range),
 * -ERR_ILLEGAL_STATE (there are no rings), -ERR_UNSUPPORTED (no samples on this machine),
 * -ERR_NO_MEMORY (no memory for the rings).
 */
HEL_MUST_USE static inline int hel_trace_control(hel_handle authority, uint32_t mask,
	uint32_t n_events, uint64_t sample_ns)
{
	return (int)hel_call4(HEL_CALL_trace_control, authority, mask, n_events, sample_ns).error;
}

/**
 * hel_trace_ring() - the ring of one CPU: memory to be mapped and read as abi/hel/trace.h says
 * @authority: needs READ; the machine's
 * @cpu: 0 to n_cpus - 1
 * @out_memory: with READ and MAP
 *
 * Return: 0, -ERR_OUT_OF_BOUNDS (no such CPU), -ERR_ILLEGAL_STATE (there are no rings),
 * -ERR_NO_SPACE (the caller's universe is full), -ERR_NO_MEMORY (no memory for the object).
 */
HEL_MUST_USE static inline int hel_trace_ring(hel_handle authority, uint32_t cpu,
	hel_handle *out_memory)
{
	struct hel_outcome outcome = hel_call2(HEL_CALL_trace_ring, authority, cpu);

	if (outcome.error == 0) {
		*out_memory = outcome.value;
	}
	return (int)outcome.error;
}

#endif
