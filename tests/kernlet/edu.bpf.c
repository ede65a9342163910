/* SPDX-License-Identifier: MIT */
/*
 * Acknowledges QEMU's teaching device (-device edu): its interrupts go to the driver as bits of an
 * event, and count in memory.
 */
#include <abi/hel/kernlet-bpf.h>

struct edu_registers {
	uint8_t unused[0x24];
	uint32_t interrupt_status;
	uint8_t unused_too[0x3c];
	uint32_t interrupt_acknowledge;
};
_Static_assert(__builtin_offsetof(struct edu_registers, interrupt_acknowledge) == 0x64);

struct statistics {
	uint64_t n_interrupts;
	uint64_t last_ns;
	uint64_t key;
	uint64_t sequence;
};

KERNLET_WINDOW(0, volatile struct edu_registers, edu);
KERNLET_EVENT(1, raised);
KERNLET_WINDOW(2, volatile struct statistics, statistics);
KERNLET_PARAMETER(3, key);

KERNLET uint64_t handle(uint64_t sequence)
{
	uint32_t status = edu.interrupt_status;

	if (status == 0) {
		return KERNLET_NACK;
	}
	/* Leave one kind to the driver. */
	if ((status & 0x80000000) != 0) {
		return KERNLET_NONE;
	}
	edu.interrupt_acknowledge = status;
	statistics.n_interrupts++;
	statistics.last_ns = kernlet_clock_ns();
	statistics.key = key;
	statistics.sequence = sequence;
	kernlet_event_raise(&raised, status);
	return KERNLET_ACK;
}
