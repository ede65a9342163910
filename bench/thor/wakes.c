/* SPDX-License-Identifier: MIT */
/*
 * Waking: from the call that wakes, or the interrupt, to the instruction in user mode where the
 * woken thread sees why. The sleeper has the higher priority, so it runs at once; it leaves the
 * time it woke in `woken_ticks`.
 */
#include "bench.h"

constexpr uint64_t WAKES = 1'000;
constexpr uint64_t LAPIC_PHYS = 0xfee00000;
constexpr size_t LAPIC_COMMAND_LOW = 0x300 / 4;
constexpr uint32_t LAPIC_TO_SELF = 1u << 18;

static uint64_t woken_ticks;
static _Atomic bool is_ending;
static hel_handle wake_object; /* event or irq */
static bool is_irq;
static _Atomic uint32_t wake_word;

static void sleep_on_queue(UNUSED void *argument)
{
	struct hel_queue_client queue;
	uint64_t sequence = 0;

	bench_queue_open(&queue);
	while (!atomic_load(&is_ending)) {
		bench_await_event(&queue, wake_object, sequence);
		const struct hel_element *element = bench_drive(&queue);

		woken_ticks = bench_ticks();
		bench_require(element->error, "await an event");
		sequence = ((const struct hel_event_result *)(element + 1))->sequence;
		hel_queue_release(&queue, element);
		if (is_irq) {
			(void)!hel_irq_acknowledge(wake_object, HEL_IRQ_ACK, sequence);
		}
	}
	bench_queue_close(&queue);
}

static void sleep_on_futex(UNUSED void *argument)
{
	uint32_t seen = 0;

	while (!atomic_load(&is_ending)) {
		(void)!hel_futex_wait((const uint32_t *)&wake_word, seen, HEL_DEADLINE_NEVER, ~0u);
		woken_ticks = bench_ticks();
		seen = atomic_load(&wake_word);
	}
}

static void wake_event(UNUSED void *argument)
{
	(void)!hel_event_raise(wake_object, 1);
}

static void wake_futex(UNUSED void *argument)
{
	atomic_fetch_add(&wake_word, 1);
	hel_futex_wake((const uint32_t *)&wake_word, 1, ~0u, NULL);
}

struct self_interrupt {
	volatile uint32_t *lapic;
	uint32_t vector;
};

static void wake_irq(void *argument)
{
	const struct self_interrupt *interrupt = argument;

	interrupt->lapic[LAPIC_COMMAND_LOW] = LAPIC_TO_SELF | interrupt->vector;
	/* The emulator takes interrupts between blocks of instructions. */
	for (unsigned i = 0; i < 64; i++) {
		__asm__ volatile("pause");
	}
}

static void measure(const char *name, void (*sleep)(void *argument), void (*wake)(void *argument),
	void *argument)
{
	struct bench_place place = { .priority = 1, .cpu = -1 };
	struct bench_thread sleeper;
	uint64_t n_ticks = 0;

	atomic_store(&is_ending, false);
	bench_thread_start(&sleeper, &place, sleep, NULL);
	for (uint64_t i = 0; i < WAKES + 10; i++) {
		uint64_t start = bench_ticks();

		wake(argument);
		/* the first ones find everything cold */
		n_ticks += i >= 10 ? woken_ticks - start : 0;
	}
	atomic_store(&is_ending, true);
	wake(argument);
	bench_thread_join(&sleeper);
	bench_report(name, n_ticks * 100 / WAKES, "instructions");
}

static void measure_irq(void)
{
	struct hel_map_args args = {
		.space = HEL_THIS,
		.size_bytes = HEL_PAGE_SIZE,
		.flags = HEL_MAP_READ | HEL_MAP_WRITE,
	};
	struct hel_msi_info info;
	uint64_t address;

	bench_require(hel_memory_physical(bench_authority, LAPIC_PHYS, HEL_PAGE_SIZE,
			      HEL_CACHE_UNCACHED, &args.memory),
		"the interrupt controller");
	bench_require(hel_space_map(&args, &address), "space_map");
	bench_require(hel_irq_create_msi(bench_authority, &info, &wake_object), "irq_create_msi");
	is_irq = true;
	struct self_interrupt interrupt = {
		.lapic = (volatile uint32_t *)address,
		.vector = info.data & 0xff,
	};

	measure("irq.wake", sleep_on_queue, wake_irq, &interrupt);
	hel_close(HEL_THIS, wake_object);
	bench_unmap(address, HEL_PAGE_SIZE);
	hel_close(HEL_THIS, args.memory);
}

void bench_wakes(void)
{
	bench_require(hel_event_create(0, &wake_object), "event_create");
	measure("event.wake", sleep_on_queue, wake_event, NULL);
	hel_close(HEL_THIS, wake_object);
	measure("futex.handoff", sleep_on_futex, wake_futex, NULL);
	measure_irq();
}
