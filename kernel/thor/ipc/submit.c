/* SPDX-License-Identifier: MIT */
/*
 * The submission side of queues: records are copied out of shared memory, checked, and become
 * operations.
 *
 * Each record is looked at only in the copy. Its size and opcode are read once, before it is
 * copied, and put over whatever the copy says.
 */
#include <thor/ipc/queue-internal.h>

#include <base/string.h>
#include <thor/ipc/event.h>
#include <thor/ipc/exchange.h>
#include <thor/ipc/manage.h>
#include <thor/ipc/page-lock.h>
#include <thor/memory/memory.h>
#include <thor/sched/observe.h>
#include <thor/sched/sched.h>
#include <thor/time/await-clock.h>
#include <thor/trace/trace.h>

constexpr uint32_t SUBMIT_PAD_MIN = 8;
constexpr uint32_t SUBMIT_PAUSE_EVERY = 8; /* records between two looks at the clock */

/* An operation that was over before it began: a no-operation, or a refusal. */
static void submit_nothing_cancel(UNUSED struct operation *operation)
{
}

static void submit_nothing_destroy(struct operation *operation)
{
	heap_free(operation);
}

static const struct operation_class submit_nothing_class = {
	.name = "nothing",
	.cancel = submit_nothing_cancel,
	.result_size = operation_no_result,
	.write_result = operation_write_nothing,
	.destroy = submit_nothing_destroy,
};

int queue_post(struct queue *queue, const struct hel_record *record, int error)
{
	struct operation *operation = heap_allocate(sizeof(*operation));

	if (operation == NULL) {
		return -ERR_NO_MEMORY;
	}
	operation_init(operation, &submit_nothing_class, queue, record);
	operation_complete(operation, error);
	return 0;
}

static uint32_t submit_size_min(uint32_t opcode)
{
	switch (opcode) {
	case HEL_SUBMIT_PAD: return SUBMIT_PAD_MIN;
	case HEL_SUBMIT_NOP: return sizeof(struct hel_record);
	case HEL_SUBMIT_CANCEL: return sizeof(struct hel_cancel_record);
	case HEL_SUBMIT_EXCHANGE: return sizeof(struct hel_exchange_record);
	case HEL_SUBMIT_AWAIT_EVENT: return sizeof(struct hel_await_event_record);
	case HEL_SUBMIT_AWAIT_CLOCK: return sizeof(struct hel_await_clock_record);
	case HEL_SUBMIT_OBSERVE: return sizeof(struct hel_observe_record);
	case HEL_SUBMIT_MANAGE: return sizeof(struct hel_manage_record);
	case HEL_SUBMIT_FENCE: return sizeof(struct hel_fence_record);
	case HEL_SUBMIT_LOCK_MEMORY: return sizeof(struct hel_lock_record);
	default: return UINT32_MAX;
	}
}

/*
 * -ERR_NO_MEMORY, or THREAD_WAIT_RESTART with a page note: nothing happened, the record has to
 * stay.
 */
static int submit_record(
	struct queue *queue, struct thread *thread, const struct hel_record *record)
{
	TRACE(IPC, SUBMIT, record->opcode, record->context, queue->object.identity);
	switch (record->opcode) {
	case HEL_SUBMIT_PAD: return 0;
	case HEL_SUBMIT_NOP: return queue_post(queue, record, 0);
	case HEL_SUBMIT_CANCEL: queue_cancel(queue, record->context); return 0;
	case HEL_SUBMIT_EXCHANGE: return exchange_submit(queue, thread, record);
	case HEL_SUBMIT_AWAIT_EVENT: return event_submit(queue, thread, record);
	case HEL_SUBMIT_AWAIT_CLOCK: return await_clock_submit(queue, record);
	case HEL_SUBMIT_OBSERVE: return observe_submit(queue, thread, record);
	case HEL_SUBMIT_MANAGE: return manage_submit(queue, thread, record);
	case HEL_SUBMIT_FENCE: return fence_submit(queue, thread, record);
	case HEL_SUBMIT_LOCK_MEMORY: return page_lock_submit(queue, thread, record);
	default: return 0;
	}
}

/* Copies the record at @head; false: it is nonsense. @available: bytes up to the tail. */
static bool submit_fetch(
	struct queue *queue, uint32_t head, uint32_t available, struct hel_record *out_record)
{
	uint32_t ring_size = queue->params.submit_size;
	uint32_t offset = head & (ring_size - 1);
	const uint8_t *source = queue->ring + offset;
	uint32_t room = ring_size - offset;

	if (available > ring_size || !is_aligned(head, 8) || !is_aligned(available, 8)) {
		return false;
	}
	if (room > available) {
		room = available;
	}
	uint64_t word =
		atomic_load_explicit((const _Atomic uint64_t *)source, memory_order_relaxed);
	uint32_t size = (uint32_t)word;
	uint32_t opcode = (uint32_t)(word >> 32);

	if (size > room || size > HEL_RECORD_MAX || !is_aligned(size, 8) ||
		size < submit_size_min(opcode)) {
		return false;
	}
	if (opcode != HEL_SUBMIT_PAD) {
		memcpy(out_record, source, size);
	}
	out_record->size = size;
	out_record->opcode = opcode;
	return true;
}

static void submit_set_head(struct queue *queue, uint32_t head)
{
	atomic_store_explicit(&queue->submit_head, head, memory_order_relaxed);
	atomic_store_explicit(
		(_Atomic uint32_t *)&queue->header->submit_head, head, memory_order_release);
}

static uint32_t submit_load_tail(const struct queue *queue)
{
	return atomic_load_explicit(
		(const _Atomic uint32_t *)&queue->header->submit_tail, memory_order_acquire);
}

static int submit_all_locked(struct queue *queue, struct thread *thread)
{
	union {
		struct hel_record record;
		uint64_t words[HEL_RECORD_MAX / 8];
	} copy;
	uint32_t tail = submit_load_tail(queue);
	uint64_t start_ns = 0;

	/*
	 * The last handle was closed after ours was looked up: nobody would ever cancel what
	 * begins now.
	 */
	if (queue->is_dead) {
		return -ERR_BAD_HANDLE;
	}
	for (uint32_t n_records = 1; tail != queue->submit_head; n_records++) {
		uint32_t head = queue->submit_head;

		if (!submit_fetch(queue, head, tail - head, &copy.record)) {
			submit_set_head(queue, tail);
			return -ERR_QUEUE_CORRUPT;
		}
		if (queue->n_operations >= QUEUE_OPERATIONS_MAX &&
			copy.record.opcode != HEL_SUBMIT_CANCEL) {
			return -ERR_NO_MEMORY;
		}
		uint32_t size = copy.record.size;
		int error = submit_record(queue, thread, &copy.record);

		if (error != 0) {
			return error;
		}
		submit_set_head(queue, head + size);
		if (n_records % SUBMIT_PAUSE_EVERY == 0) {
			if (start_ns == 0) {
				start_ns = arch_clock_ns();
			} else if (sched_should_pause(start_ns)) {
				return THREAD_WAIT_RESTART;
			}
		}
	}
	return 0;
}

int queue_submit(struct queue *queue, struct thread *thread)
{
	if (!queue_has_work(queue)) {
		return 0;
	}
	spinlock_acquire(&queue->submit_lock);
	int error = submit_all_locked(queue, thread);

	spinlock_release(&queue->submit_lock);
	if (!list_is_empty(&queue->stalled)) {
		queue_flush(queue);
	}
	if (queue->is_corrupt) {
		spinlock_acquire(&queue->lock);
		queue->is_corrupt = false;
		spinlock_release(&queue->lock);
		error = -ERR_QUEUE_CORRUPT;
	}
	return error;
}
