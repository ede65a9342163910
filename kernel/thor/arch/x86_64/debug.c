/* SPDX-License-Identifier: MIT */
/* Backtraces, registers as text, and stopping the machine. */
#include <base/format.h>
#include <thor/arch.h>

#include "machine.h"
#include "registers.h"

#define DEBUG_EXIT_PORT  0xf4
#define DEBUG_EXIT_PANIC 0x7d
#define KERNEL_HALF      0xffff800000000000u
#define FRAMES_MAX       64

/* What the code pushes at the start of each function: the caller's rbp below the return address. */
struct stack_frame {
	const struct stack_frame *next;
	uint64_t return_ip;
};

static bool frame_is_readable(const struct stack_frame *frame)
{
	uint64_t address = (uint64_t)frame;

	return address >= KERNEL_HALF && is_aligned(address, 8) &&
		address <= UINT64_MAX - sizeof(*frame) && kernel_map_has(address) &&
		kernel_map_has(address + sizeof(*frame) - 1);
}

void arch_backtrace(uint64_t frame_pointer, void (*emit)(uint64_t ip))
{
	const struct stack_frame *frame = (const struct stack_frame *)frame_pointer;

	for (unsigned i = 0; i < FRAMES_MAX && frame_is_readable(frame); i++) {
		if (frame->return_ip == 0) {
			return;
		}
		emit(frame->return_ip);
		if (frame->next <= frame) {
			return;
		}
		frame = frame->next;
	}
}

void arch_describe_registers(const struct arch_context *context, void (*line)(const char *text))
{
	const struct {
		const char *name;
		uint64_t value;
	} registers[] = {
		{ "rax", context->rax },
		{ "rbx", context->rbx },
		{ "rcx", context->rcx },
		{ "rdx", context->rdx },
		{ "rsi", context->rsi },
		{ "rdi", context->rdi },
		{ "rbp", context->rbp },
		{ "rsp", context->rsp },
		{ "r8 ", context->r8 },
		{ "r9 ", context->r9 },
		{ "r10", context->r10 },
		{ "r11", context->r11 },
		{ "r12", context->r12 },
		{ "r13", context->r13 },
		{ "r14", context->r14 },
		{ "r15", context->r15 },
		{ "rip", context->rip },
		{ "rfl", context->rflags },
		{ "cr2", cr2_read() },
		{ "cr3", cr3_read() },
		{ "cs ", context->cs },
	};
	char text[96];
	size_t size = 0;

	for (size_t i = 0; i < ARRAY_SIZE(registers); i++) {
		size += format_to(&text[size], sizeof(text) - size, "%s%s %016llx",
			i % 3 == 0 ? "" : "  ", registers[i].name,
			(unsigned long long)registers[i].value);
		if (i % 3 == 2) {
			line(text);
			size = 0;
		}
	}
}

void debug_stop_this_cpu(void)
{
	for (;;) {
		__asm__ volatile("cli; hlt");
	}
}

void arch_panic_stop(void)
{
	lapic_send_nmi_to_others();
	port_write_u8(DEBUG_EXIT_PORT, DEBUG_EXIT_PANIC);
	debug_stop_this_cpu();
}

int arch_io_read(uint16_t port, unsigned width_bytes, uint32_t *out_value)
{
	switch (width_bytes) {
	case 1: *out_value = port_read_u8(port); return 0;
	case 2: *out_value = port_read_u16(port); return 0;
	case 4: *out_value = port_read_u32(port); return 0;
	default: return -ERR_ILLEGAL_ARGS;
	}
}

int arch_io_write(uint16_t port, unsigned width_bytes, uint32_t value)
{
	switch (width_bytes) {
	case 1: port_write_u8(port, (uint8_t)value); return 0;
	case 2: port_write_u16(port, (uint16_t)value); return 0;
	case 4: port_write_u32(port, value); return 0;
	default: return -ERR_ILLEGAL_ARGS;
	}
}
