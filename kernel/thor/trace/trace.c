/* SPDX-License-Identifier: MIT */
/* Writing events: see trace.h. */
#include <thor/trace/trace.h>

#include <thor/cpu.h>
#include <thor/sched/thread.h>

void trace_write(enum hel_trace_kind kind, uint64_t a, uint64_t b, uint64_t c)
{
	struct cpu *cpu = arch_this_cpu();
	struct trace_cpu *trace = &cpu->trace;

	if (unlikely(trace->ring == NULL)) {
		return;
	}
	uint64_t index = arch_trace_take(&trace->ring->n_begun);
	struct hel_trace_event *event = &trace->events[index & trace->index_mask];

	/* No reader waits for this number in this slot: it is that of another slot's event. */
	__atomic_store_n(&event->sequence, (uint32_t)index, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	event->kind = kind;
	event->cpu = (uint16_t)cpu->index;
	event->ticks = arch_trace_ticks() - trace->base_ticks;
	event->thread = cpu->current != NULL ? cpu->current->object.identity : 0;
	event->words[0] = a;
	event->words[1] = b;
	event->words[2] = c;
	__atomic_store_n(&event->sequence, (uint32_t)index + 1, __ATOMIC_RELEASE);
}
