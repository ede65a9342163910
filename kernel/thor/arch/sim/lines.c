/* SPDX-License-Identifier: MIT */
/* The simulated interrupt controller: see lines.h. */
#include <thor/arch/sim/lines.h>

#include <abi/hel/hel.h>
#include <base/assert.h>
#include <thor/arch/sim/processor.h>
#include <thor/cpu.h>

static struct sim_line {
	bool is_level, is_asserted, is_masked;
	bool is_sent; /* level: its end has not come yet */
	uint32_t cpu_index, vector;
} lines[SIM_LINES];

void sim_lines_reset(void)
{
	for (uint32_t i = 0; i < SIM_LINES; i++) {
		lines[i] = (struct sim_line){ .is_masked = true };
	}
}

/* Send what is due of a level line. */
static void line_look(struct sim_line *line)
{
	if (line->is_level && line->is_asserted && !line->is_masked && !line->is_sent) {
		line->is_sent = true;
		sim_raise_vector(line->cpu_index, line->vector);
	}
}

void sim_line_set(uint32_t gsi, bool is_asserted)
{
	struct sim_line *line = &lines[gsi];
	bool is_edge = is_asserted && !line->is_asserted;

	line->is_asserted = is_asserted;
	if (!line->is_level && is_edge && !line->is_masked) {
		sim_raise_vector(line->cpu_index, line->vector);
	}
	line_look(line);
}

void sim_line_pulse(uint32_t gsi)
{
	sim_line_set(gsi, true);
	sim_line_set(gsi, false);
}

bool sim_line_is_masked(uint32_t gsi)
{
	return lines[gsi].is_masked;
}

/* ---- what thor wants ------------------------------------------------------------------------- */

bool arch_line_exists(uint32_t gsi)
{
	return gsi < SIM_LINES;
}

int arch_line_of_isa(uint32_t isa, uint32_t *out_gsi, uint32_t *out_line_flags)
{
	if (isa > 15) {
		return -ERR_NOT_FOUND;
	}
	*out_gsi = isa == 0 ? 2 : isa;
	*out_line_flags = isa == 9 ? HEL_IRQ_LINE_LEVEL | HEL_IRQ_LINE_ACTIVE_LOW : 0;
	return 0;
}

void arch_line_route(
	uint32_t gsi, uint32_t line_flags, struct cpu *cpu, uint32_t vector, bool is_masked)
{
	ASSERT(gsi < SIM_LINES);
	lines[gsi].is_level = (line_flags & HEL_IRQ_LINE_LEVEL) != 0;
	lines[gsi].is_sent = false;
	lines[gsi].cpu_index = cpu->index;
	lines[gsi].vector = vector;
	arch_line_set_mask(gsi, is_masked);
}

void arch_line_set_mask(uint32_t gsi, bool is_masked)
{
	ASSERT(gsi < SIM_LINES);
	lines[gsi].is_masked = is_masked;
	line_look(&lines[gsi]);
}

/* All controllers hear of the end of a vector, whichever CPU it was on. */
void arch_interrupt_end(void)
{
	for (uint32_t i = 0; i < SIM_LINES; i++) {
		if (lines[i].is_sent && lines[i].vector == sim_cpu->arch.device_vector) {
			lines[i].is_sent = false;
			line_look(&lines[i]);
		}
	}
}
