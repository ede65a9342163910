/* SPDX-License-Identifier: MIT */
/*
 * The rings of the trace, and what is traced.
 *
 * A set of rings is made CPU by CPU, with a pause after each, for a large one takes a while to be
 * cleared. The set that is being made is kept here meanwhile; whoever asks for another size than it
 * has begins anew. When it is complete each CPU changes over to its new ring by itself, so no event
 * is ever written into memory that has been given up. A ring's memory lives as long as somebody has
 * it mapped: what was traced can be read after the trace was switched off.
 */
#include <thor/trace/control.h>

#include <thor/cpu.h>
#include <thor/memory/memory.h>
#include <thor/memory/shootdown.h>
#include <thor/sched/thread.h>
#include <thor/trace/trace.h>

struct trace_ring_set {
	uint64_t n_events; /* 0: there is no set */
	uint32_t n_rings;
	struct memory *memory[CPUS_MAX];             /* referenced */
	struct hel_trace_ring *ring[CPUS_MAX];       /* with a frame reference */
};

static struct spinlock trace_lock = { .rank = LOCK_RANK_TRACE };
static struct trace_ring_set trace_rings; /* guarded by trace_lock */
static struct trace_ring_set trace_new_rings; /* guarded by trace_lock */

static void trace_drop(struct trace_ring_set *set)
{
	for (uint32_t i = 0; i < set->n_rings; i++) {
		frame_unref(arch_virt_to_phys(set->ring[i]));
		object_unref((struct object *)set->memory[i]);
	}
	*set = (struct trace_ring_set){};
}

static int trace_make_ring(struct trace_ring_set *set)
{
	uint64_t size_bytes = HEL_PAGE_SIZE +
		align_up(set->n_events * sizeof(struct hel_trace_event), HEL_PAGE_SIZE);
	struct memory *memory;
	struct hel_clock_page clock = {};
	uint64_t phys;
	int error = memory_create_allocated(size_bytes, HEL_ALLOCATE_CONTIGUOUS, &memory);

	if (error != 0) {
		return error;
	}
	error = memory_get_frame(memory, 0, true, &phys);
	if (error != 0) {
		object_unref((struct object *)memory);
		return error;
	}
	struct hel_trace_ring *ring = arch_phys_to_virt(phys);

	arch_clock_fill_page(&clock);
	*ring = (struct hel_trace_ring){
		.magic = HEL_TRACE_MAGIC,
		.cpu = set->n_rings,
		.n_events = (uint32_t)set->n_events,
		.event_size = sizeof(struct hel_trace_event),
		.first_offset = (uint32_t)HEL_PAGE_SIZE,
		.multiplier = clock.multiplier,
	};
	set->memory[set->n_rings] = memory;
	set->ring[set->n_rings] = ring;
	set->n_rings++;
	return 0;
}

/* All rings count their ticks from now on. */
static void trace_start_clock(struct trace_ring_set *set)
{
	uint64_t now_ns = arch_clock_ns();

	for (uint32_t i = 0; i < set->n_rings; i++) {
		set->ring[i]->base_ns = now_ns;
	}
}

/* This CPU's part of a change of rings; @context: its ticks from now on count from there. */
static void trace_change_over(void *context)
{
	struct cpu *cpu = arch_this_cpu();
	struct hel_trace_ring *ring = trace_rings.ring[cpu->index];

	cpu->trace.ring = NULL;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (ring != NULL) {
		cpu->trace.events = (struct hel_trace_event *)((uint8_t *)ring + HEL_PAGE_SIZE);
		cpu->trace.index_mask = trace_rings.n_events - 1;
		cpu->trace.base_ticks = *(const uint64_t *)context;
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
		cpu->trace.ring = ring;
	}
}

/* Everybody writes into the rings of @set, which is taken; the old ones are given up. */
static void trace_install(struct trace_ring_set *set)
{
	struct trace_ring_set old = trace_rings;
	uint64_t base_ticks = arch_trace_ticks();

	trace_start_clock(set);
	trace_rings = *set;
	*set = (struct trace_ring_set){};
	shootdown_call_all(trace_change_over, &base_ticks);
	trace_drop(&old);
}

static int trace_make_next(uint64_t n_events)
{
	struct trace_ring_set *set = &trace_new_rings;

	if (set->n_events != n_events) {
		trace_drop(set);
		set->n_events = n_events;
	}
	int error = trace_make_ring(set);

	if (error != 0) {
		trace_drop(set);
		return error;
	}
	return set->n_rings < cpu_count ? THREAD_WAIT_RESTART : 0;
}

static int trace_control_locked(uint32_t mask, uint64_t n_events, uint64_t sample_ns)
{
	if (n_events != 0) {
		int error = trace_make_next(n_events);

		if (error != 0) {
			return error;
		}
		trace_install(&trace_new_rings);
	} else if (mask != 0 && trace_rings.n_events == 0) {
		return -ERR_ILLEGAL_STATE;
	}
	arch_sample_stop();
	if (sample_ns != 0) {
		int error = arch_sample_start(sample_ns);

		if (error != 0) {
			return error;
		}
	}
	arch_trace_switch(mask);
	if (mask == 0 && n_events == 0) {
		trace_drop(&trace_new_rings);
		trace_install(&trace_new_rings);
	}
	return 0;
}

static bool trace_is_valid(uint64_t mask, uint64_t n_events, uint64_t sample_ns)
{
	bool has_samples = (mask & HEL_TRACE_SAMPLES) != 0;

	if ((mask & ~(uint64_t)(HEL_TRACE_ALL | HEL_TRACE_SAMPLES)) != 0 ||
		has_samples != (sample_ns != 0)) {
		return false;
	}
	if (has_samples &&
		(sample_ns < HEL_TRACE_SAMPLE_NS_MIN || sample_ns > HEL_TRACE_SAMPLE_NS_MAX)) {
		return false;
	}
	return n_events == 0 ||
		((n_events & (n_events - 1)) == 0 && n_events >= HEL_TRACE_EVENTS_MIN &&
			n_events <= HEL_TRACE_EVENTS_MAX);
}

int trace_control(uint64_t mask, uint64_t n_events, uint64_t sample_ns)
{
	if (!trace_is_valid(mask, n_events, sample_ns)) {
		return -ERR_ILLEGAL_ARGS;
	}
	spinlock_acquire(&trace_lock);
	int error = trace_control_locked((uint32_t)mask, n_events, sample_ns);

	spinlock_release(&trace_lock);
	return error;
}

int trace_ring(uint64_t cpu_index, struct memory **out_memory)
{
	int error = 0;

	if (cpu_index >= cpu_count) {
		return -ERR_OUT_OF_BOUNDS;
	}
	spinlock_acquire(&trace_lock);
	if (trace_rings.n_events == 0) {
		error = -ERR_ILLEGAL_STATE;
	} else {
		*out_memory = trace_rings.memory[cpu_index];
		object_ref((struct object *)*out_memory);
	}
	spinlock_release(&trace_lock);
	return error;
}
