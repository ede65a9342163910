/* SPDX-License-Identifier: MIT */
/*
 * The end of the world: say what is known, stop everything.
 *
 * The launcher looks for the line with "panic" and turns addresses of the image into names, for
 * which it needs the slide.
 */
#include <thor/panic.h>

#include <base/assert.h>
#include <base/format.h>
#include <thor/arch.h>
#include <thor/cpu.h>
#include <thor/log.h>

#define PANIC_FRAMES_MAX 32

static _Atomic(struct cpu *) panic_cpu;
static uint64_t panic_slide;
static unsigned panic_n_frames;

void panic_set_slide(uint64_t slide)
{
	panic_slide = slide;
}

bool panic_is_under_way(void)
{
	return panic_cpu != NULL;
}

static void panic_put_line(const char *text)
{
	klog("  %s", text);
}

static void panic_put_frame(uint64_t ip)
{
	if (panic_n_frames < PANIC_FRAMES_MAX) {
		klog("  #%u 0x%016llx", panic_n_frames++, (unsigned long long)ip);
	}
}

/* Of CPUs that panic at once the first one reports; a panic while panicking just stops. */
static void panic_begin(const char *format, va_list arguments)
{
	struct cpu *cpu = arch_this_cpu();
	struct cpu *nobody = NULL;
	char text[256];

	if (!atomic_compare_exchange_strong(&panic_cpu, &nobody, cpu)) {
		if (nobody == cpu) {
			arch_panic_stop();
		}
		for (;;) {
			arch_pause();
		}
	}
	log_break_lock();
	vformat_to(text, sizeof(text), format, arguments);
	klog("thor: panic: %s", text);
	klog("thor: CPU %u of %u, thread %p", cpu->index, cpu_count, (void *)cpu->current);
	klog("thor: slide 0x%llx", (unsigned long long)panic_slide);
}

void panic(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	panic_begin(format, arguments);
	va_end(arguments);
	arch_backtrace((uint64_t)__builtin_frame_address(0), panic_put_frame);
	arch_panic_stop();
}

void panic_at(const struct arch_context *context, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	panic_begin(format, arguments);
	va_end(arguments);
	arch_describe_registers(context, panic_put_line);
	panic_put_frame(arch_context_ip(context));
	arch_backtrace(arch_context_frame_pointer(context), panic_put_frame);
	arch_panic_stop();
}

void assert_fail(const char *file, int line, const char *expression)
{
	panic("%s:%d: assertion failed: %s", file, line, expression);
}
