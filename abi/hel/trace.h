/* SPDX-License-Identifier: MIT */
/*
 * The kernel's trace: what hel_trace_control() switches on and hel_trace_ring() shows. CONTRACT.
 *
 * Each CPU writes its events into a ring of its own, the oldest are overwritten. The memory of a
 * ring is one struct hel_trace_ring, which fills the first page, and behind it `n_events` slots.
 * The event with the index i, counted from 0 since the ring was made, is in slot i % n_events.
 *
 * Reading. A reader that wants the event i loads `sequence` of its slot (acquire), and
 *	d = (int32_t)(sequence - (uint32_t)(i + 1))
 * says what is there: d < 0: the event is not written yet; d > 0: it was overwritten, as a later
 * one is there or on its way; d == 0: it is there. Then the slot is copied and `sequence` loaded
 * again (acquire fence before): if it has changed the event was overwritten meanwhile. So every
 * event is either read as it was written or known to be lost, and readers never slow the kernel
 * down. `n_begun` says how many events there have been.
 *
 * Time. `ticks` of an event count from when the rings were made:
 *	nanoseconds since boot = base_ns + ((unsigned __int128)ticks * multiplier >> 32)
 * One CPU's events are in order of their indices; those of all CPUs are sorted by ticks.
 *
 * Identities are those of hel_descriptor_info().
 */
#ifndef ABI_HEL_TRACE_H
#define ABI_HEL_TRACE_H

#include <stdint.h>

constexpr uint64_t HEL_TRACE_MAGIC = 0x3165636172746148; /* "Hatrace1" */
constexpr uint32_t HEL_TRACE_EVENTS_MIN = 64; /* in one ring; a power of two */
constexpr uint32_t HEL_TRACE_EVENTS_MAX = 65536;
constexpr uint64_t HEL_TRACE_SAMPLE_NS_MIN = 100'000; /* between two samples */
constexpr uint64_t HEL_TRACE_SAMPLE_NS_MAX = 50'000'000;

/* What can be switched on, each by itself. */
enum hel_trace_category : uint32_t {
	HEL_TRACE_SCHEDULING = 1,
	HEL_TRACE_IPC = 2,
	HEL_TRACE_FAULTS = 4,
	HEL_TRACE_INTERRUPTS = 8,
	HEL_TRACE_CALLS = 16,
	HEL_TRACE_OBJECTS = 32,
	HEL_TRACE_ALL = 63,
	/* at intervals: where each CPU is and what called that; some thousand instructions */
	HEL_TRACE_SAMPLES = 64,
};

/* What happened, and what the three words of the event say; 0 if nothing is named. */
enum hel_trace_kind : uint16_t {
	HEL_TRACE_NONE = 0,

	/* scheduling */
	HEL_TRACE_SWITCH = 1, /* `thread` runs from now on: its universe; its ip; ready threads */
	HEL_TRACE_LEAVE = 2, /* `thread` runs no longer: 1: it waits, else 0; its universe */
	HEL_TRACE_WAKE = 3, /* `thread` made another one runnable: that one; the CPU it is on + 1 */
	HEL_TRACE_MIGRATE = 4, /* `thread` runs on another CPU than last time: from CPU; to CPU */
	HEL_TRACE_IDLE = 5, /* nothing to do */
	HEL_TRACE_STOP = 6, /* a thread that has left: enum hel_observation; that one; vector */

	/* IPC */
	HEL_TRACE_SUBMIT = 16, /* a record was taken: opcode; context; queue */
	HEL_TRACE_COMPLETE = 17, /* its completion: opcode | error << 32; context; queue */
	HEL_TRACE_MEET = 18, /* two actions met: type | type << 32; length; length */
	HEL_TRACE_DRIVE = 19, /* a wait for completions begins: queue; deadline in ns */

	/* faults of user mode */
	HEL_TRACE_FAULT = 32, /* vector | error code << 32; address; ip */
	HEL_TRACE_FAULT_END = 33, /* what became of it: 0 or the error; address */

	/* interrupts */
	HEL_TRACE_INTERRUPT = 48, /* enum hel_trace_interrupt; vector of a device */

	/* hel calls */
	HEL_TRACE_CALL = 64, /* number; first argument; second argument */
	HEL_TRACE_CALL_END =
		65, /* number; result, positive: the thread waits or calls again; value */

	/* objects */
	HEL_TRACE_OBJECT_MADE = 80, /* enum hel_type; its identity */
	HEL_TRACE_OBJECT_ENDED = 81, /* enum hel_type; its identity */

	/* samples: SAMPLE, and FRAMES right behind it as often as needed */
	HEL_TRACE_SAMPLE = 96, /* ip, in the kernel as it was linked; universe of `thread` */
	/* return addresses, the innermost first, 0: none; those of user mode after the kernel's,
	   where the first is the ip with which user mode was left */
	HEL_TRACE_FRAMES = 97,
};

enum hel_trace_interrupt : uint64_t {
	HEL_TRACE_INTERRUPT_TIMER = 1,
	HEL_TRACE_INTERRUPT_RESCHEDULE = 2,
	HEL_TRACE_INTERRUPT_DEVICE = 4,
};

struct hel_trace_event {
	uint32_t sequence; /* low half of the event's index + 1 */
	uint16_t kind; /* enum hel_trace_kind */
	uint16_t cpu;
	uint64_t ticks;
	uint64_t thread; /* identity of the thread that has the CPU, 0: none */
	uint64_t words[3];
};

struct hel_trace_ring {
	uint64_t magic;
	uint32_t cpu;
	uint32_t n_events; /* slots */
	uint32_t event_size;
	uint32_t first_offset; /* of slot 0, in bytes from the start of the memory */
	uint64_t base_ns;
	uint64_t multiplier; /* nanoseconds per tick, 32.32 fixed point */
	uint64_t n_begun; /* events begun so far; changes at any time */
};

#endif
