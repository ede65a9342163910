/* SPDX-License-Identifier: MIT */
/*
 * The hel calls as C functions: the whole interface between user mode and thor.
 *
 * Usable by any code in user mode, also without a C library, a stack frame or vector registers
 * (the shim). Every function is one `syscall` instruction; none of them keeps state.
 *
 * All return 0 or -ERR_X (abi/hel/errors.def). An out parameter is written on success only, unless
 * its line says otherwise. What every call can return is not repeated below: -ERR_BAD_HANDLE for a
 * handle that names nothing, -ERR_BAD_TYPE for a descriptor of the wrong type, -ERR_NO_RIGHTS if it
 * lacks a right that is named as needed, -ERR_FAULT for a pointer that is not the caller's readable
 * (or writable) memory, -ERR_NO_MEMORY if thor or the caller's account has no more.
 *
 * A `universe`, `space` or `thread` argument may be HEL_THIS: the caller's own, which needs no
 * rights.
 */
#ifndef HEL_HEL_CALLS_H
#define HEL_HEL_CALLS_H

#include <hel/hel-dma-calls.h>
#include <hel/hel-managed-calls.h>
#include <hel/hel-number.h>
#include <hel/hel-thread-calls.h>

/* ---- log ------------------------------------------------------------------------------------ */

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
 * hel_log() - write one message to the kernel's log
 * @authority: needs WRITE (svrctl hands out copies of its authority with nothing but that)
 * @text: any bytes; one line, without newline
 * @size: at most HEL_LOG_MAX; what is longer is cut
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (level).
 */
static inline int hel_log(
	hel_handle authority, enum hel_log_level level, const char *text, size_t size)
{
	return (int)hel_call4(HEL_CALL_log, authority, level, (uint64_t)text, size).error;
}

/**
 * hel_log_read() - read the kernel's log
 * @authority: needs READ
 * @in_out_offset: position in all the bytes ever logged; on success moved behind those that were
 * read, and
 * 	to the oldest ones still there if those asked for are gone
 * @out_size: bytes read, 0 when there are no newer ones
 *
 * Return: 0.
 */
HEL_MUST_USE static inline int hel_log_read(
	hel_handle authority, uint64_t *in_out_offset, void *buffer, size_t size, size_t *out_size)
{
	struct hel_outcome outcome = hel_call4(
		HEL_CALL_log_read, authority, (uint64_t)in_out_offset, (uint64_t)buffer, size);

	if (outcome.error == 0) {
		*out_size = (size_t)outcome.value;
	}
	return (int)outcome.error;
}

/* ---- descriptors ---------------------------------------------------------------------------- */

/**
 * hel_close() - give up a descriptor
 * @universe: HEL_THIS or needs TAKE
 *
 * Operations in flight keep what they use. Closing the last descriptor of a lane ends its stream
 * for the peer; of a thread, space or memory only the name goes away. HEL_NULL is refused as any
 * other bad handle.
 *
 * Return: 0.
 */
static inline int hel_close(hel_handle universe, hel_handle handle)
{
	return (int)hel_call2(HEL_CALL_close, universe, handle).error;
}

/**
 * hel_transfer() - put a copy of a descriptor into a universe
 * @from_universe: has @handle; HEL_THIS or needs TAKE
 * @handle: needs DERIVE; stays as it is
 * @to_universe: gets the copy; HEL_THIS (then this is "duplicate") or needs GRANT
 * @rights: mask of the rights that the copy keeps, 0 for all
 * @out_handle: valid in @to_universe
 *
 * Return: 0, -ERR_NO_SPACE (the universe is full).
 */
HEL_MUST_USE static inline int hel_transfer(hel_handle from_universe, hel_handle handle,
	hel_handle to_universe, uint32_t rights, hel_handle *out_handle)
{
	struct hel_outcome outcome =
		hel_call4(HEL_CALL_transfer, from_universe, handle, to_universe, rights);

	if (outcome.error == 0) {
		*out_handle = outcome.value;
	}
	return (int)outcome.error;
}

/**
 * hel_descriptor_info() - type, rights and identity of a descriptor
 * @universe: HEL_THIS or needs TAKE
 *
 * Return: 0.
 */
HEL_MUST_USE static inline int hel_descriptor_info(
	hel_handle universe, hel_handle handle, struct hel_descriptor_info *out_info)
{
	return (int)hel_call3(HEL_CALL_descriptor_info, universe, handle, (uint64_t)out_info).error;
}

/**
 * hel_universe_create() - make an empty universe (table of descriptors)
 *
 * Return: 0.
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
 *
 * Return: 0.
 */
HEL_MUST_USE static inline int hel_token_create(hel_handle *out_handle)
{
	struct hel_outcome outcome = hel_call0(HEL_CALL_token_create);

	if (outcome.error == 0) {
		*out_handle = outcome.value;
	}
	return (int)outcome.error;
}

/* ---- memory --------------------------------------------------------------------------------- */

/**
 * hel_memory_allocate() - make zeroed memory, whose pages appear when they are touched
 * @size_bytes: a multiple of the page size, not 0
 * @flags: enum hel_allocate_flags
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (size, flags, CONTIGUOUS with more than 4 MiB).
 */
HEL_MUST_USE static inline int hel_memory_allocate(
	uint64_t size_bytes, uint64_t flags, hel_handle *out_handle)
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
 * @authority: needs MANAGE
 * @address_phys: page-aligned, as @size_bytes
 *
 * Return: 0, -ERR_ILLEGAL_ARGS, -ERR_OUT_OF_BOUNDS (RAM that thor owns).
 */
HEL_MUST_USE static inline int hel_memory_physical(hel_handle authority, uint64_t address_phys,
	uint64_t size_bytes, enum hel_caching caching, hel_handle *out_handle)
{
	struct hel_outcome outcome =
		hel_call4(HEL_CALL_memory_physical, authority, address_phys, size_bytes, caching);

	if (outcome.error == 0) {
		*out_handle = outcome.value;
	}
	return (int)outcome.error;
}

/**
 * hel_memory_copy_on_write() - make a private copy of a range of a memory, page by page as it is
 * written
 * @source: needs READ and DERIVE; HEL_NULL: a copy of zeros
 * @offset: page-aligned, as @size_bytes
 *
 * What is written to the source later may or may not be seen in pages that the copy has not
 * touched.
 *
 * Return: 0, -ERR_ILLEGAL_ARGS, -ERR_OUT_OF_BOUNDS.
 */
HEL_MUST_USE static inline int hel_memory_copy_on_write(
	hel_handle source, uint64_t offset, uint64_t size_bytes, hel_handle *out_handle)
{
	struct hel_outcome outcome =
		hel_call3(HEL_CALL_memory_copy_on_write, source, offset, size_bytes);

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
 * Return: 0, -ERR_ILLEGAL_ARGS, -ERR_UNSUPPORTED (kind of memory).
 */
HEL_MUST_USE static inline int hel_memory_resize(hel_handle memory, uint64_t size_bytes)
{
	return (int)hel_call2(HEL_CALL_memory_resize, memory, size_bytes).error;
}

/**
 * hel_memory_info() - size and kind of a memory
 *
 * Return: 0.
 */
HEL_MUST_USE static inline int hel_memory_info(hel_handle memory, struct hel_memory_info *out_info)
{
	return (int)hel_call2(HEL_CALL_memory_info, memory, (uint64_t)out_info).error;
}

/**
 * hel_memory_read() - copy bytes out of a memory without mapping it
 * @memory: needs READ; not physical
 *
 * Return: 0, -ERR_OUT_OF_BOUNDS.
 */
HEL_MUST_USE static inline int hel_memory_read(
	hel_handle memory, uint64_t offset, void *buffer, size_t size)
{
	return (int)hel_call4(HEL_CALL_memory_read, memory, offset, (uint64_t)buffer, size).error;
}

/**
 * hel_memory_write() - copy bytes into a memory without mapping it
 * @memory: needs WRITE; not physical
 *
 * Return: 0, -ERR_OUT_OF_BOUNDS.
 */
HEL_MUST_USE static inline int hel_memory_write(
	hel_handle memory, uint64_t offset, const void *buffer, size_t size)
{
	return (int)hel_call4(HEL_CALL_memory_write, memory, offset, (uint64_t)buffer, size).error;
}

/**
 * hel_memory_pin() - keep pages in place and learn their physical address, for DMA
 * @memory: needs PIN
 * @offset: page-aligned, as @size_bytes
 * @out_address_phys: of the byte at @offset; the range is one physical run
 *
 * The pages stay pinned as long as the memory exists.
 *
 * Return: 0, -ERR_ILLEGAL_ARGS, -ERR_OUT_OF_BOUNDS, -ERR_UNSUPPORTED (the pages are not one run).
 */
HEL_MUST_USE static inline int hel_memory_pin(
	hel_handle memory, uint64_t offset, uint64_t size_bytes, uint64_t *out_address_phys)
{
	struct hel_outcome outcome = hel_call3(HEL_CALL_memory_pin, memory, offset, size_bytes);

	if (outcome.error == 0) {
		*out_address_phys = outcome.value;
	}
	return (int)outcome.error;
}

/* ---- spaces --------------------------------------------------------------------------------- */

/**
 * hel_space_create() - make an empty address space
 *
 * Return: 0.
 */
HEL_MUST_USE static inline int hel_space_create(hel_handle *out_handle)
{
	struct hel_outcome outcome = hel_call0(HEL_CALL_space_create);

	if (outcome.error == 0) {
		*out_handle = outcome.value;
	}
	return (int)outcome.error;
}

/**
 * hel_space_map() - map memory, see struct hel_map_args
 *
 * Return: 0, -ERR_ILLEGAL_ARGS, -ERR_OUT_OF_BOUNDS, -ERR_EXISTS, -ERR_NO_SPACE.
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
 * @space: HEL_THIS or needs MAP
 * @address: page-aligned, as @size_bytes
 *
 * Return: 0, -ERR_ILLEGAL_ARGS.
 */
static inline int hel_space_unmap(hel_handle space, uint64_t address, uint64_t size_bytes)
{
	return (int)hel_call3(HEL_CALL_space_unmap, space, address, size_bytes).error;
}

/**
 * hel_space_protect() - change the access that a range allows
 * @space: HEL_THIS or needs MAP
 * @flags: READ, WRITE, EXECUTE of enum hel_map_flags; none: no access
 *
 * Return: 0, -ERR_ILLEGAL_ARGS, -ERR_NOT_FOUND (a hole in the range), -ERR_NO_RIGHTS (the mapping
 * was made with a descriptor that does not allow it).
 */
HEL_MUST_USE static inline int hel_space_protect(
	hel_handle space, uint64_t address, uint64_t size_bytes, uint32_t flags)
{
	return (int)hel_call4(HEL_CALL_space_protect, space, address, size_bytes, flags).error;
}

/**
 * hel_space_fork() - make a space that shares, copies or leaves out each mapping, as its flags say
 * @space: HEL_THIS or needs MANAGE
 *
 * Return: 0.
 */
HEL_MUST_USE static inline int hel_space_fork(hel_handle space, hel_handle *out_handle)
{
	struct hel_outcome outcome = hel_call1(HEL_CALL_space_fork, space);

	if (outcome.error == 0) {
		*out_handle = outcome.value;
	}
	return (int)outcome.error;
}

/**
 * hel_space_read() - copy bytes out of another space
 * @space: HEL_THIS or needs READ
 * @out_size: bytes copied, also with an error; may be NULL
 *
 * Return: 0, -ERR_FAULT (also if @address is not readable there).
 */
HEL_MUST_USE static inline int hel_space_read(
	hel_handle space, uint64_t address, void *buffer, size_t size, size_t *out_size)
{
	struct hel_outcome outcome =
		hel_call4(HEL_CALL_space_read, space, address, (uint64_t)buffer, size);

	if (out_size != NULL) {
		*out_size = (size_t)outcome.value;
	}
	return (int)outcome.error;
}

/**
 * hel_space_write() - copy bytes into another space
 * @space: HEL_THIS or needs WRITE
 * @out_size: bytes copied, also with an error; may be NULL
 *
 * Return: 0, -ERR_FAULT (also if @address is not writable there).
 */
HEL_MUST_USE static inline int hel_space_write(
	hel_handle space, uint64_t address, const void *buffer, size_t size, size_t *out_size)
{
	struct hel_outcome outcome =
		hel_call4(HEL_CALL_space_write, space, address, (uint64_t)buffer, size);

	if (out_size != NULL) {
		*out_size = (size_t)outcome.value;
	}
	return (int)outcome.error;
}

/**
 * hel_space_query() - describe the first mapping that ends above an address
 * @space: HEL_THIS or needs READ
 *
 * Return: 0, -ERR_NOT_FOUND (nothing at or above @address).
 */
HEL_MUST_USE static inline int hel_space_query(
	hel_handle space, uint64_t address, struct hel_mapping_info *out_info)
{
	return (int)hel_call3(HEL_CALL_space_query, space, address, (uint64_t)out_info).error;
}

/**
 * hel_space_discard() - drop the contents of private pages: they read as when they were mapped
 * @space: HEL_THIS or needs MAP
 *
 * Return: 0, -ERR_ILLEGAL_ARGS.
 */
HEL_MUST_USE static inline int hel_space_discard(
	hel_handle space, uint64_t address, uint64_t size_bytes)
{
	return (int)hel_call3(HEL_CALL_space_discard, space, address, size_bytes).error;
}

/**
 * hel_space_move() - move what is mapped, with its pages; what is at the new place is replaced
 * @space: HEL_THIS or needs MAP
 * @new_size_bytes: the last mapping of the range is extended, or the range is cut, to this
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (also if the ranges overlap), -ERR_NOT_FOUND.
 */
HEL_MUST_USE static inline int hel_space_move(
	hel_handle space, uint64_t from, uint64_t size_bytes, uint64_t to, uint64_t new_size_bytes)
{
	return (int)hel_call5(HEL_CALL_space_move, space, from, size_bytes, to, new_size_bytes)
		.error;
}

/* ---- queues and streams --------------------------------------------------------------------- */

/**
 * hel_queue_create() - make a queue; its handle is mapped as memory, see abi/hel/queue.h
 *
 * Return: 0, -ERR_ILLEGAL_ARGS.
 */
HEL_MUST_USE static inline int hel_queue_create(
	const struct hel_queue_params *params, hel_handle *out_handle)
{
	struct hel_outcome outcome = hel_call1(HEL_CALL_queue_create, (uint64_t)params);

	if (outcome.error == 0) {
		*out_handle = outcome.value;
	}
	return (int)outcome.error;
}

/**
 * hel_drive() - submit what is in the queue's ring, and wait for completions if asked to
 * @queue: needs INVOKE
 * @flags: enum hel_drive_flags
 * @seen: with HEL_DRIVE_WAIT: do not wait if the header's n_completions is not this
 * @deadline_ns: of the wait, absolute monotonic; HEL_DEADLINE_NEVER
 * @out_completions: n_completions, also with an error; may be NULL
 *
 * Return: 0, -ERR_TIMED_OUT, -ERR_KICKED, -ERR_QUEUE_CORRUPT (records were skipped),
 * -ERR_ILLEGAL_ARGS.
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
 * hel_stream_create() - make a stream; two handles come back, one for each end
 *
 * Return: 0.
 */
HEL_MUST_USE static inline int hel_stream_create(struct hel_stream_lanes *out_lanes)
{
	return (int)hel_call1(HEL_CALL_stream_create, (uint64_t)out_lanes).error;
}

/**
 * hel_lane_shutdown() - end a stream: what is pending on it completes with an error
 * @lane: needs INVOKE
 *
 * Our own actions get -ERR_LANE_SHUTDOWN, the peer's -ERR_END_OF_LANE.
 *
 * Return: 0.
 */
static inline int hel_lane_shutdown(hel_handle lane)
{
	return (int)hel_call1(HEL_CALL_lane_shutdown, lane).error;
}

/* ---- events and interrupts ------------------------------------------------------------------ */

/**
 * hel_event_create() - make an event
 * @bits: set at the start; if not 0, the first await from sequence 0 completes at once
 *
 * Return: 0.
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
 * @event: needs SIGNAL
 *
 * Return: 0.
 */
static inline int hel_event_raise(hel_handle event, uint32_t bits)
{
	return (int)hel_call2(HEL_CALL_event_raise, event, bits).error;
}

/**
 * hel_irq_create_msi() - allocate an interrupt vector for a message-signalled interrupt
 * @authority: needs MANAGE
 * @out_info: what to write into the device's MSI or MSI-X entry
 *
 * Return: 0, -ERR_NO_SPACE (no vector is free).
 */
HEL_MUST_USE static inline int hel_irq_create_msi(
	hel_handle authority, struct hel_msi_info *out_info, hel_handle *out_handle)
{
	struct hel_outcome outcome =
		hel_call2(HEL_CALL_irq_create_msi, authority, (uint64_t)out_info);

	if (outcome.error == 0) {
		*out_handle = outcome.value;
	}
	return (int)outcome.error;
}

/**
 * hel_irq_create_line() - share a line of an interrupt controller
 * @authority: needs MANAGE
 * @gsi: number of the line (ACPI: global system interrupt); with HEL_IRQ_LINE_ISA: 0 to 15
 * @line_flags: enum hel_irq_line_flags; the same as that of all who share the line. With ISA no
 *              other one: the machine knows.
 *
 * Return: 0, -ERR_ILLEGAL_ARGS, -ERR_NOT_FOUND (no such line), -ERR_BUSY (somebody has it otherwise
 * wired), -ERR_NO_SPACE (no vector is free, or too many share the line), -ERR_NO_MEMORY.
 */
HEL_MUST_USE static inline int hel_irq_create_line(
	hel_handle authority, uint32_t gsi, uint32_t line_flags, hel_handle *out_handle)
{
	struct hel_outcome outcome =
		hel_call3(HEL_CALL_irq_create_line, authority, gsi, line_flags);

	if (outcome.error == 0) {
		*out_handle = outcome.value;
	}
	return (int)outcome.error;
}

/**
 * hel_irq_acknowledge() - end the service of an interrupt
 * @irq: needs MANAGE
 * @actions: enum hel_irq_action
 * @sequence: of the completion that is answered
 *
 * Return: 0, also if that sequence is not in service any more; -ERR_ILLEGAL_ARGS (also: it has not
 * been yet).
 */
static inline int hel_irq_acknowledge(hel_handle irq, uint32_t actions, uint64_t sequence)
{
	return (int)hel_call3(HEL_CALL_irq_acknowledge, irq, actions, sequence).error;
}

/**
 * hel_irq_set_affinity() - let an interrupt arrive at a CPU of a set
 * @irq: needs MANAGE
 * @cpu_mask: a bit for each CPU
 * @out_info: what to write into the device's MSI or MSI-X entry now; zero for a line
 *
 * If it arrives at one of them already, nothing changes. A message's old address stays valid until
 * the new one has been used or hel_irq_settle() is called; until then it cannot be moved again.
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (no such CPU), -ERR_NO_SPACE (no vector is free there), -ERR_BUSY
 * (the last move is not settled).
 */
HEL_MUST_USE static inline int hel_irq_set_affinity(
	hel_handle irq, uint64_t cpu_mask, struct hel_msi_info *out_info)
{
	return (int)hel_call3(HEL_CALL_irq_set_affinity, irq, cpu_mask, (uint64_t)out_info).error;
}

/**
 * hel_irq_settle() - give up the address that a message had before it was moved
 * @irq: needs MANAGE
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
 * @irq: needs WAIT
 *
 * Return: 0.
 */
HEL_MUST_USE static inline int hel_irq_info(hel_handle irq, struct hel_irq_info *out_info)
{
	return (int)hel_call2(HEL_CALL_irq_info, irq, (uint64_t)out_info).error;
}

/* ---- time and randomness -------------------------------------------------------------------- */

/**
 * hel_clock_get() - monotonic time
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
 * hel_clock_set_realtime() - set the wall clock: realtime_offset_ns of the clock page
 * @authority: needs MANAGE
 * @offset_ns: nanoseconds of the wall clock at monotonic time 0
 *
 * Return: 0, -ERR_BAD_HANDLE, -ERR_BAD_TYPE, -ERR_NO_RIGHTS.
 */
static inline int hel_clock_set_realtime(hel_handle authority, int64_t offset_ns)
{
	return (int)hel_call2(HEL_CALL_clock_set_realtime, authority, (uint64_t)offset_ns).error;
}

/**
 * hel_clock_page() - the memory of struct hel_clock_page, readable
 *
 * Return: 0.
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
 * @size: at most 256
 *
 * Return: 0, -ERR_ILLEGAL_ARGS.
 */
HEL_MUST_USE static inline int hel_random(void *buffer, size_t size)
{
	return (int)hel_call2(HEL_CALL_random, (uint64_t)buffer, size).error;
}

/* ---- ports and statistics ------------------------------------------------------------------- */

/**
 * hel_io_create() - name a range of I/O ports
 * @authority: needs MANAGE
 *
 * Return: 0, -ERR_OUT_OF_BOUNDS, -ERR_UNSUPPORTED (a machine without ports).
 */
HEL_MUST_USE static inline int hel_io_create(
	hel_handle authority, uint32_t port, uint32_t n_ports, hel_handle *out_handle)
{
	struct hel_outcome outcome = hel_call3(HEL_CALL_io_create, authority, port, n_ports);

	if (outcome.error == 0) {
		*out_handle = outcome.value;
	}
	return (int)outcome.error;
}

/**
 * hel_io_read() - read a port
 * @io: needs READ
 * @offset: from the first port of the range
 * @width_bytes: 1, 2 or 4
 *
 * Return: 0, -ERR_OUT_OF_BOUNDS, -ERR_ILLEGAL_ARGS.
 */
HEL_MUST_USE static inline int hel_io_read(
	hel_handle io, uint32_t offset, uint32_t width_bytes, uint32_t *out_value)
{
	struct hel_outcome outcome = hel_call3(HEL_CALL_io_read, io, offset, width_bytes);

	if (outcome.error == 0) {
		*out_value = (uint32_t)outcome.value;
	}
	return (int)outcome.error;
}

/**
 * hel_io_write() - write a port
 * @io: needs WRITE
 * @offset: from the first port of the range
 * @width_bytes: 1, 2 or 4
 *
 * Return: 0, -ERR_OUT_OF_BOUNDS, -ERR_ILLEGAL_ARGS.
 */
static inline int hel_io_write(hel_handle io, uint32_t offset, uint32_t width_bytes, uint32_t value)
{
	return (int)hel_call4(HEL_CALL_io_write, io, offset, width_bytes, value).error;
}

/**
 * hel_kernel_stats() - what the machine and the kernel use
 * @authority: needs READ
 *
 * Return: 0.
 */
HEL_MUST_USE static inline int hel_kernel_stats(
	hel_handle authority, struct hel_kernel_stats *out_stats)
{
	return (int)hel_call2(HEL_CALL_kernel_stats, authority, (uint64_t)out_stats).error;
}

/* ---- trace ---------------------------------------------------------------------------------- */

/**
 * hel_trace_control() - say what the kernel traces, and make the rings for it
 * @authority: needs MANAGE
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
 * Return: 0, -ERR_ILLEGAL_ARGS, -ERR_ILLEGAL_STATE (there are no rings), -ERR_UNSUPPORTED (no
 * samples on this machine).
 */
HEL_MUST_USE static inline int hel_trace_control(
	hel_handle authority, uint32_t mask, uint32_t n_events, uint64_t sample_ns)
{
	return (int)hel_call4(HEL_CALL_trace_control, authority, mask, n_events, sample_ns).error;
}

/**
 * hel_trace_ring() - the ring of one CPU: memory to be mapped and read as abi/hel/trace.h says
 * @authority: needs READ
 * @cpu: 0 to n_cpus - 1
 *
 * Return: 0, -ERR_OUT_OF_BOUNDS (no such CPU), -ERR_ILLEGAL_STATE (there are no rings).
 */
HEL_MUST_USE static inline int hel_trace_ring(
	hel_handle authority, uint32_t cpu, hel_handle *out_memory)
{
	struct hel_outcome outcome = hel_call2(HEL_CALL_trace_ring, authority, cpu);

	if (outcome.error == 0) {
		*out_memory = outcome.value;
	}
	return (int)outcome.error;
}

#endif
