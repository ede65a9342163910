/* SPDX-License-Identifier: MIT */
/* On hosts whose processor is none that kernlets are made for: there are none. */
#include <thor/arch/sim/sim.h>

#include <thor/kernlet/check.h>
#include <thor/kernlet/context.h>

const uint8_t arch_kernlet_filler = 0;

uint32_t sim_window_pages(void)
{
	return 0;
}

bool kernlet_decode(UNUSED const uint8_t *code, UNUSED uint32_t size_bytes,
	UNUSED struct kernlet_form *out_form)
{
	return false;
}

int arch_window_map(UNUSED const uint64_t *phys, UNUSED uint32_t n_pages, UNUSED uint32_t flags,
	UNUSED uint64_t *out_address)
{
	return -ERR_UNSUPPORTED;
}

void arch_window_unmap(UNUSED uint64_t address, UNUSED uint32_t n_pages)
{
}

uint64_t arch_kernlet_run(UNUSED struct kernlet_context *context, UNUSED uint64_t sequence,
	UNUSED uint32_t frame_size)
{
	return HEL_KERNLET_NONE;
}

void arch__kernlet_clock_ns(void)
{
}

void arch__kernlet_event_raise(void)
{
}

void arch__kernlet_port_read(void)
{
}

void arch__kernlet_port_write(void)
{
}
