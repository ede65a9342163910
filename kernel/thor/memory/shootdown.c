/* SPDX-License-Identifier: MIT */
/* TLB shoot-down: see shootdown.h. */
#include <thor/memory/shootdown.h>

#include <thor/cpu.h>
#include <thor/memory/space.h>

static_assert(ARRAY_SIZE(((struct shootdown_cpu *)0)->posts) >= CPUS_MAX);
static_assert(CPUS_MAX <= 64, "struct space.active_cpus has 64 bits");

/* Forget all of the loaded space, and have been through all flushes that its stamp tells of. */
static void shootdown_flush_all(struct cpu *cpu, struct space *space)
{
	cpu->asid_stamps[space->asid] = atomic_load_explicit(&space->stamp, memory_order_seq_cst);
	arch_tlb_flush_user();
}

static void shootdown_flush_here(const struct shootdown_request *request)
{
	struct cpu *cpu = arch_this_cpu();
	struct space *space = request->space;

	if (cpu->active_space != space) {
		return; /* it will be loaded as one that has not seen this */
	}
	uint64_t *stamp = &cpu->asid_stamps[space->asid];

	if (*stamp >= request->stamp) {
		return;
	}
	if (request->n_pages > SHOOTDOWN_PAGES_MAX || *stamp + 1 != request->stamp) {
		shootdown_flush_all(cpu, space);
		return;
	}
	for (uint32_t i = 0; i < request->n_pages; i++) {
		arch_tlb_flush_page(request->pages[i]);
	}
	*stamp = request->stamp;
}

void shootdown_serve(void)
{
	struct shootdown_cpu *own = &arch_this_cpu()->shootdown;
	struct shootdown_post *post =
		atomic_exchange_explicit(&own->first, NULL, memory_order_acquire);

	while (post != NULL) {
		struct shootdown_request *request = post->request;
		struct shootdown_post *next = post->next;

		if (unlikely(request->call != NULL)) {
			request->call(request->call_context);
		} else {
			shootdown_flush_here(request);
		}
		/* From here on post and request are the requester's again. */
		atomic_fetch_sub_explicit(&request->n_pending, 1, memory_order_release);
		post = next;
	}
}

void shootdown_poll(void)
{
	struct shootdown_cpu *own = &arch_this_cpu()->shootdown;

	if (unlikely(atomic_load_explicit(&own->first, memory_order_relaxed) != NULL)) {
		shootdown_serve();
	}
}

void shootdown_enter_idle(void)
{
	atomic_store_explicit(&arch_this_cpu()->shootdown.is_idle, true, memory_order_release);
}

void shootdown_leave_idle(bool loads_table)
{
	struct cpu *cpu = arch_this_cpu();
	struct space *space = cpu->active_space;

	/* Before looking at the stamp: whoever changes it from now on asks us. */
	atomic_store_explicit(&cpu->shootdown.is_idle, false, memory_order_seq_cst);
	if (space != NULL && !loads_table &&
		cpu->asid_stamps[space->asid] !=
			atomic_load_explicit(&space->stamp, memory_order_seq_cst)) {
		shootdown_flush_all(cpu, space);
	}
}

/* Of the CPUs in @mask those that have to be asked. */
static uint64_t shootdown_targets(const struct shootdown_request *request, uint64_t mask)
{
	uint64_t targets = mask;

	for (uint64_t left = mask; left != 0 && !request->frees_tables; left &= left - 1) {
		struct cpu *cpu = cpu_table[__builtin_ctzll(left)];

		if (atomic_load_explicit(&cpu->shootdown.is_idle, memory_order_seq_cst)) {
			targets &= ~(left & -left);
		}
	}
	return targets;
}

static void shootdown_post(struct shootdown_request *request, struct cpu *target)
{
	struct shootdown_post *post = &arch_this_cpu()->shootdown.posts[target->index];
	struct shootdown_post *first =
		atomic_load_explicit(&target->shootdown.first, memory_order_relaxed);

	post->request = request;
	do {
		post->next = first;
	} while (!atomic_compare_exchange_weak_explicit(&target->shootdown.first, &first, post,
		memory_order_release, memory_order_relaxed));
	if (first == NULL) {
		arch_send_shootdown(target);
	}
}

static void shootdown_post_all(struct shootdown_request *request, uint64_t targets)
{
	atomic_store_explicit(
		&request->n_pending, (uint32_t)__builtin_popcountll(targets), memory_order_relaxed);
	for (uint64_t left = targets; left != 0; left &= left - 1) {
		shootdown_post(request, cpu_table[__builtin_ctzll(left)]);
	}
}

static void shootdown_await(struct shootdown_request *request)
{
	uint32_t n_spins = 0;

	while (atomic_load_explicit(&request->n_pending, memory_order_acquire) != 0) {
		shootdown_poll();
		arch_relax(&n_spins);
	}
}

void shootdown_run(struct shootdown_request *request)
{
	uint32_t self = arch_this_cpu()->index;

	/*
	 * Page-table edits, the stamp, the mask, in that order: a CPU that loads the space, or
	 * ceases to idle, too late to be asked sees the stamp, and with it the edits.
	 */
	request->stamp = asid_flush(&request->space->stamp);
	uint64_t mask = atomic_load_explicit(&request->space->active_cpus, memory_order_seq_cst);
	uint64_t others = shootdown_targets(request, mask & ~((uint64_t)1 << self));

	shootdown_post_all(request, others);
	shootdown_flush_here(request);
	shootdown_await(request);
}

void shootdown_call_all(void (*call)(void *context), void *context)
{
	struct shootdown_request request = { .call = call, .call_context = context };
	uint64_t all = cpu_count == CPUS_MAX ? UINT64_MAX : ((uint64_t)1 << cpu_count) - 1;

	shootdown_post_all(&request, all & ~((uint64_t)1 << arch_this_cpu()->index));
	call(context);
	shootdown_await(&request);
}

/* ---- batches ----------------------------------------------------------------------- */

void shootdown_batch_init(struct shootdown_batch *batch, struct space *space)
{
	batch->request.call = NULL;
	batch->request.space = space;
	batch->request.n_pages = 0;
	batch->request.frees_tables = false;
	batch->n_frames = 0;
}

void shootdown_batch_add(struct shootdown_batch *batch, uint64_t address)
{
	if (batch->request.n_pages < SHOOTDOWN_PAGES_MAX) {
		batch->request.pages[batch->request.n_pages] = address;
	}
	batch->request.n_pages++;
}

void shootdown_batch_unref(struct shootdown_batch *batch, uint64_t phys)
{
	if (batch->n_frames == SHOOTDOWN_FRAMES_MAX) {
		shootdown_batch_flush(batch);
	}
	batch->frames[batch->n_frames++] = phys;
}

void shootdown_batch_flush(struct shootdown_batch *batch)
{
	if (batch->request.n_pages != 0) {
		shootdown_run(&batch->request);
		batch->request.n_pages = 0;
		batch->request.frees_tables = false;
	}
	for (uint32_t i = 0; i < batch->n_frames; i++) {
		frame_unref_owned(batch->frames[i]);
	}
	batch->n_frames = 0;
}
