/* SPDX-License-Identifier: MIT */
/*
 * For the authors of kernlets: C for `clang -target bpf`. See docs/guide/write-a-kernlet.md.
 *
 *	KERNLET_WINDOW(0, volatile struct nic_registers, registers);
 *	KERNLET_EVENT(1, received);
 *
 *	KERNLET uint64_t handle(uint64_t sequence)
 *	{
 *		uint32_t status = registers.status;
 *
 *		if (status == 0) {
 *			return KERNLET_NACK;
 *		}
 *		registers.acknowledge = status;
 *		kernlet_event_raise(&received, status);
 *		return KERNLET_ACK;
 *	}
 *
 * The number of a binding is its index in the array that hel_kernlet_bind gets. There is one
 * function; those that it calls are inlined. No loops that are left when the compiler has unrolled
 * them, no addresses that are not constant.
 */
#ifndef ABI_HEL_KERNLET_BPF_H
#define ABI_HEL_KERNLET_BPF_H

#include <stdint.h>

#define KERNLET__IN(section_) __attribute__((section(section_), used))

/** KERNLET - before the one function */
#define KERNLET KERNLET__IN("kernlet")

/** KERNLET_INLINE - before functions that it calls */
#define KERNLET_INLINE static inline __attribute__((always_inline))

/** KERNLET_UNROLL - before a loop that is run a constant number of times */
#define KERNLET_UNROLL _Pragma("clang loop unroll(full)")

/** KERNLET_WINDOW() - memory with the layout of @type_ (volatile), to read and write */
#define KERNLET_WINDOW(index_, type_, name_) \
	extern type_ name_; \
	KERNLET__IN("kernlet." #index_ ".window-rw") type_ name_

/** KERNLET_WINDOW_READ() - the same, only to read */
#define KERNLET_WINDOW_READ(index_, type_, name_) \
	extern type_ name_; \
	KERNLET__IN("kernlet." #index_ ".window-r") type_ name_

/** KERNLET_PORTS() - @n_ports_ I/O ports to read and write */
#define KERNLET_PORTS(index_, n_ports_, name_) \
	extern struct kernlet_ports name_; \
	KERNLET__IN("kernlet." #index_ ".ports-rw." #n_ports_) struct kernlet_ports name_

/** KERNLET_EVENT() - an event */
#define KERNLET_EVENT(index_, name_) \
	extern struct kernlet_event name_; \
	KERNLET__IN("kernlet." #index_ ".event") struct kernlet_event name_

/** KERNLET_PARAMETER() - a number that the driver gives when it binds the kernlet */
#define KERNLET_PARAMETER(index_, name_) \
	extern volatile const uint64_t name_; \
	KERNLET__IN("kernlet." #index_ ".parameter") volatile const uint64_t name_ = 0

struct kernlet_ports {
	char is_there;
};

struct kernlet_event {
	char is_there;
};

/* enum hel_kernlet_verdict */
#define KERNLET_NONE 0
#define KERNLET_ACK  1
#define KERNLET_NACK 2

/** kernlet_clock_ns() - monotonic nanoseconds */
static uint64_t (*const kernlet_clock_ns)(void) __attribute__((unused)) = (void *)1;

/** kernlet_event_raise() - set @bits of an event, once the kernlet has returned */
static uint64_t (*const kernlet_event_raise)(struct kernlet_event *event, uint64_t bits)
	__attribute__((unused)) = (void *)2;

/** kernlet_port_read() - @offset and @width_bytes (1, 2, 4) are constants */
static uint64_t (*const kernlet_port_read)(struct kernlet_ports *ports, uint64_t offset,
	uint64_t width_bytes) __attribute__((unused)) = (void *)3;

/** kernlet_port_write() - likewise; returns 0 */
static uint64_t (*const kernlet_port_write)(struct kernlet_ports *ports, uint64_t offset,
	uint64_t width_bytes, uint64_t value) __attribute__((unused)) = (void *)4;

#endif
