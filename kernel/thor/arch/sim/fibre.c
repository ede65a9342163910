/* SPDX-License-Identifier: MIT */
/* Stacks of the simulated processor: see fibre.h. */
#include <thor/arch/sim/fibre.h>

#include <async/switch.h>
#include <base/assert.h>

#include <sys/mman.h>

static struct sim_fibre main_fibre;
static struct sim_fibre *current_fibre = &main_fibre;
static struct sim_fibre *previous_fibre;

#if __has_feature(address_sanitizer)
void __sanitizer_start_switch_fiber(void **out_stack_save, const void *to_base, size_t to_size);
void __sanitizer_finish_switch_fiber(
	void *stack_save, const void **out_from_base, size_t *out_from_size);
void __asan_unpoison_memory_region(void const volatile *address, size_t size);
const char *__asan_default_options(void);

/* Stacks that are left by longjmp() or for good would lose their fake frames. */
const char *__asan_default_options(void)
{
	return "detect_stack_use_after_return=0";
}

static void sanitizer_start(struct sim_fibre *from, const struct sim_fibre *to)
{
	__sanitizer_start_switch_fiber(&from->sanitizer_stack, to->base, to->size);
}

static void sanitizer_finish(struct sim_fibre *current, struct sim_fibre *previous)
{
	const void *base;
	size_t size;

	__sanitizer_finish_switch_fiber(current->sanitizer_stack, &base, &size);
	if (previous == &main_fibre) {
		main_fibre.base = (uint8_t *)(uintptr_t)base;
		main_fibre.size = size;
	}
}

static void sanitizer_forget(void *base, size_t size)
{
	__asan_unpoison_memory_region(base, size);
}
#else
static void sanitizer_start(UNUSED struct sim_fibre *from, UNUSED const struct sim_fibre *to)
{
}

static void sanitizer_finish(UNUSED struct sim_fibre *current, UNUSED struct sim_fibre *previous)
{
}

static void sanitizer_forget(UNUSED void *base, UNUSED size_t size)
{
}
#endif

void sim_fibre_arrive(void)
{
	sanitizer_finish(current_fibre, previous_fibre);
}

void sim_fibre_switch(struct sim_fibre *to)
{
	struct sim_fibre *from = current_fibre;

	if (to == NULL) {
		to = &main_fibre;
	}
	previous_fibre = from;
	current_fibre = to;
	sanitizer_start(from, to);
	fiber_switch_stack(&from->stack_pointer, to->stack_pointer);
	sim_fibre_arrive();
}

bool sim_fibre_is_current(const struct sim_fibre *fibre)
{
	return current_fibre == fibre;
}

uint8_t *sim_fibre_map_stack(size_t size)
{
	void *base = mmap(NULL, size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	ASSERT(base != MAP_FAILED);
	return base;
}

void sim_fibre_start(
	struct sim_fibre *fibre, size_t size, void (*entry)(void *argument), void *argument)
{
	sanitizer_forget(fibre->base, size);
	fibre->size = size;
	fibre->sanitizer_stack = NULL;
	fibre->stack_pointer = fiber_prepare_stack(fibre->base + size, entry, argument);
}

void sim_fibre_recover(void)
{
	struct sim_fibre *from = current_fibre;

	if (from == &main_fibre) {
		return;
	}
	previous_fibre = from;
	current_fibre = &main_fibre;
	sanitizer_start(from, &main_fibre);
	sanitizer_finish(&main_fibre, from);
	uint8_t *here = __builtin_frame_address(0);

	/* What the frames between here and there have poisoned. */
	if (main_fibre.base != NULL) {
		sanitizer_forget(main_fibre.base, (size_t)(here - main_fibre.base));
	}
}
