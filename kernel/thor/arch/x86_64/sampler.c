/* SPDX-License-Identifier: MIT */
/*
 * Sampling where the CPUs are, by non-maskable interrupts.
 *
 * thor runs with interrupts off, so an ordinary timer would never see it. The old interval timer
 * (PIT) goes through the old interrupt controller (8259) to the pin LINT0 of the boot CPU's local
 * APIC, which takes it as an NMI. The handler polls the controller, which acknowledges the
 * interrupt and makes room for the next one (the end of interrupt is automatic), and passes an NMI
 * on to all other CPUs. Their own LINT0 stays masked: QEMU would hold back other interrupts of a
 * CPU that accepts the old controller's while that has one for all of them.
 *
 * What an NMI does here must not fault, for a fault's iret would let the next NMI in on the same
 * stack, and must take no lock. Stacks are read through page walks of the table that is loaded:
 * tables and pages of a space are only freed after this CPU has acknowledged a shoot-down, which it
 * does not within an NMI. Device registers, which may do something when read, are left out.
 *
 * An NMI that is under way when sampling ends comes afterwards: it is ignored.
 */
#include <base/assert.h>
#include <thor/memory/shootdown.h>
#include <thor/object/universe.h>
#include <thor/sched/thread.h>
#include <thor/trace/trace.h>

#include "machine.h"
#include "page-walk.h"
#include "registers.h"

#define PIC1_COMMAND   0x20
#define PIC1_DATA      0x21
#define PIC2_COMMAND   0xa0
#define PIC2_DATA      0xa1
#define PIC_INIT       0x11
#define PIC_BASE       0x20 /* vectors that are never delivered */
#define PIC_AUTO_EOI   0x03
#define PIC_POLL       0x0c
#define PIC_ALL_MASKED 0xff
#define PIC_ONLY_TIMER 0xfe

#define PIT_FREQUENCY UINT64_C(1193182)
#define PIT_CHANNEL0  0x40
#define PIT_COMMAND   0x43
#define PIT_RATE      0x34 /* channel 0, low and high byte, a pulse each period */

#define IMAGE_LINKED 0xffffffff80000000u

#define NS_PER_S        UINT64_C(1000000000)
#define FRAMES_MAX      48 /* of one stack */
#define STACK_BYTES_MAX KIB(512) /* between two frames */
#define WORDS_PER_EVENT 3

static _Atomic bool sampler_is_known; /* sampling was on at some time */

struct sampler_frames {
	uint64_t words[WORDS_PER_EVENT];
	unsigned n_words;
};

/* ---- what an NMI does */

/* A word of user memory, without a fault; false: it is not there, or no memory. */
static bool sampler_read_user(uint64_t address, uint64_t *out_value)
{
	uint64_t entry = cr3_read();

	if (!is_aligned(address, 8) || address < ARCH_USER_LOW || address >= ARCH_USER_HIGH) {
		return false;
	}
	for (unsigned level = PAGE_LEVEL_ROOT;; level--) {
		entry = entry_load(&table_at(entry)[page_index(address, level)]);
		if ((entry & PAGE_PRESENT) == 0 || (entry & PAGE_USER) == 0) {
			return false;
		}
		bool is_page = level == 0 || (level < PAGE_LEVEL_ROOT && (entry & PAGE_LARGE) != 0);

		if (is_page) {
			uint64_t mask = page_span(level) - 1;
			uint64_t phys = (entry & PAGE_ADDRESS & ~mask) | (address & mask);

			if ((entry & PAGE_CACHING) != 0) {
				return false;
			}
			*out_value = *(const volatile uint64_t *)arch_phys_to_virt(phys);
			return true;
		}
	}
}

static bool sampler_read_kernel(uint64_t address, uint64_t *out_value)
{
	if (!is_aligned(address, 8) || address >> 63 == 0 || !kernel_map_has(address)) {
		return false;
	}
	*out_value = *(const volatile uint64_t *)address;
	return true;
}

static void sampler_flush(struct sampler_frames *frames)
{
	if (frames->n_words > 0) {
		trace_write(HEL_TRACE_FRAMES, frames->words[0], frames->words[1], frames->words[2]);
	}
	*frames = (struct sampler_frames){};
}

static void sampler_put(struct sampler_frames *frames, uint64_t ip)
{
	frames->words[frames->n_words++] = ip;
	if (frames->n_words == WORDS_PER_EVENT) {
		sampler_flush(frames);
	}
}

/* Kernel addresses as they were linked: where the kernel is stays its secret. */
static uint64_t sampler_linked(uint64_t ip)
{
	return ip >= arch__image_base && ip < arch__image_end ? ip - arch__image_base + IMAGE_LINKED
							      : ip;
}

/* The return addresses above a frame, as far as the stack makes sense. */
static void sampler_walk(struct sampler_frames *frames, uint64_t frame,
	bool (*read)(uint64_t address, uint64_t *out_value))
{
	for (unsigned i = 0; i < FRAMES_MAX; i++) {
		uint64_t next, ip;

		if (!read(frame, &next) || !read(frame + 8, &ip) || ip == 0) {
			return;
		}
		sampler_put(frames, sampler_linked(ip));
		if (next <= frame || next - frame > STACK_BYTES_MAX) {
			return;
		}
		frame = next;
	}
}

static void sampler_sample(const struct arch_context *frame)
{
	const struct thread *thread = arch_this_cpu()->current;
	uint64_t universe = thread != NULL ? thread->universe->object.identity : 0;
	struct sampler_frames frames = {};

	if ((frame->cs & 3) != 0) {
		trace_write(HEL_TRACE_SAMPLE, frame->rip, universe, 0);
		sampler_walk(&frames, frame->rbp, sampler_read_user);
	} else {
		trace_write(HEL_TRACE_SAMPLE, sampler_linked(frame->rip), universe, 0);
		sampler_walk(&frames, frame->rbp, sampler_read_kernel);
		if (thread != NULL) {
			sampler_put(&frames, thread->arch.rip);
			sampler_walk(&frames, thread->arch.rbp, sampler_read_user);
		}
	}
	sampler_flush(&frames);
}

bool sampler_take_nmi(const struct arch_context *frame)
{
	if (!atomic_load_explicit(&sampler_is_known, memory_order_relaxed)) {
		return false;
	}
	if (arch_this_cpu()->index == 0) {
		port_write_u8(PIC1_COMMAND, PIC_POLL);
		(void)port_read_u8(PIC1_COMMAND);
		lapic_pass_nmi_on();
	}
	sampler_sample(frame);
	return true;
}

/* ---- on and off */

static void sampler_set_here(void *context)
{
	if (arch_this_cpu()->index == 0) {
		lapic_take_pin_as_nmi(*(const bool *)context);
	}
}

static void sampler_set_boot_cpu(bool is_on)
{
	shootdown_call_all(sampler_set_here, &is_on);
}

static void pic_init(uint8_t mask)
{
	port_write_u8(PIC1_COMMAND, PIC_INIT);
	port_write_u8(PIC1_DATA, PIC_BASE);
	port_write_u8(PIC1_DATA, 1u << 2); /* where the other one is */
	port_write_u8(PIC1_DATA, PIC_AUTO_EOI);
	port_write_u8(PIC2_DATA, PIC_ALL_MASKED);
	port_write_u8(PIC1_DATA, mask);
}

static void pit_start(uint64_t period_ns)
{
	uint64_t count = max_u64(period_ns * PIT_FREQUENCY / NS_PER_S, 2);

	ASSERT(count <= UINT16_MAX);
	port_write_u8(PIT_COMMAND, PIT_RATE);
	port_write_u8(PIT_CHANNEL0, (uint8_t)count);
	port_write_u8(PIT_CHANNEL0, (uint8_t)(count >> 8));
}

int arch_sample_start(uint64_t period_ns)
{
	atomic_store(&sampler_is_known, true);
	sampler_set_boot_cpu(true);
	pic_init(PIC_ONLY_TIMER);
	pit_start(period_ns);
	return 0;
}

void arch_sample_stop(void)
{
	if (!atomic_load(&sampler_is_known)) {
		return;
	}
	port_write_u8(PIC1_DATA, PIC_ALL_MASKED);
	sampler_set_boot_cpu(false);
}
