/* SPDX-License-Identifier: MIT */
/*
 * The submission side of queues: records become operations.
 *
 * User mode may change a record at any time. So its header is read once, checked, and believed from
 * then on; exchanges are decoded in place, each word read once, and all other records are looked at
 * only in a copy, over which that header is put.
 */
#include <thor/ipc/queue-internal.h>

#include <base/string.h>
#include <thor/ipc/await-ends.h>
#include <thor/ipc/event.h>
#include <thor/ipc/exchange.h>
#include <thor/ipc/manage.h>
#include <thor/ipc/page-lock.h>
#include <thor/memory/memory.h>
#include <thor/object/universe.h>
#include <thor/sched/observe.h>
#include <thor/sched/sched.h>
#include <thor/time/await-clock.h>
#include <thor/trace/trace.h>

constexpr uint32_t SUBMIT_PAD_MIN = 8;
constexpr uint32_t SUBMIT_PAUSE_EVERY = 8; /* records between two looks at the clock */

/* An operation that was over before it began, and whose completion finds no chunk. */
static void submit_nothing_cancel(UNUSED struct operation *operation)
{
}

static void submit_nothing_destroy(struct operation *operation)
{
	operation_free(operation);
}

static const struct operation_class submit_nothing_class = {
	.name = "nothing",
	.cancel = submit_nothing_cancel,
	.result_size = operation_no_result,
	.write_result = operation_write_nothing,
	.destroy = submit_nothing_destroy,
};

static __attribute__((noinline)) int submit_post_later(
	struct queue *queue, const struct hel_record *record, int error)
{
	struct operation *operation = operation_allocate(sizeof(*operation));

	if (operation == NULL) {
		return -ERR_NO_MEMORY;
	}
	operation_init(operation, &submit_nothing_class, queue, record);
	operation_complete(operation, error);
	return 0;
}

int queue_post(struct queue *queue, const struct hel_record *record, int error)
{
	if (likely(queue_try_post(queue, *record, error, NULL))) {
		return 0;
	}
	return submit_post_later(queue, record, error);
}

static int submit_pad(UNUSED struct queue *queue, UNUSED struct thread *thread,
	UNUSED const struct hel_record *record)
{
	return 0;
}

static int submit_cancel(
	struct queue *queue, UNUSED struct thread *thread, const struct hel_record *record)
{
	queue_cancel(queue, record->context);
	return 0;
}

static int submit_await_clock(
	struct queue *queue, UNUSED struct thread *thread, const struct hel_record *record)
{
	return await_clock_submit(queue, record);
}

static int submit_await_ends(
	struct queue *queue, UNUSED struct thread *thread, const struct hel_record *record)
{
	return await_ends_submit(queue, record);
}

static int submit_alert(struct queue *queue, struct thread *thread, const struct hel_record *record)
{
	const struct hel_alert_record *request = (const struct hel_alert_record *)record;
	struct object *object;
	int error = universe_lookup(
		thread->universe, request->queue, HEL_TYPE_QUEUE, HEL_RIGHT_SIGNAL, &object);

	if (unlikely(error != 0)) {
		return queue_post(queue, record, error);
	}
	queue_alert(queue_of(object));
	object_unref(object);
	return 0;
}

/*
 * What can be submitted: by opcode, with the smallest record. `submit` says 0, or that nothing
 * happened and the record has to stay: -ERR_NO_MEMORY, or THREAD_WAIT_RESTART with a page note.
 * NULL: submit_one() does it, without a copy.
 */
static const struct submit_kind {
	uint32_t size_min;
	int (*submit)(struct queue *queue, struct thread *thread, const struct hel_record *record);
} submit_kinds[] = {
	[HEL_SUBMIT_PAD] = { SUBMIT_PAD_MIN, submit_pad },
	[HEL_SUBMIT_NOP] = { sizeof(struct hel_record), NULL },
	[HEL_SUBMIT_CANCEL] = { sizeof(struct hel_cancel_record), submit_cancel },
	[HEL_SUBMIT_EXCHANGE] = { sizeof(struct hel_exchange_record), NULL },
	[HEL_SUBMIT_AWAIT_EVENT] = { sizeof(struct hel_await_event_record), event_submit },
	[HEL_SUBMIT_AWAIT_CLOCK] = { sizeof(struct hel_await_clock_record), submit_await_clock },
	[HEL_SUBMIT_OBSERVE] = { sizeof(struct hel_observe_record), observe_submit },
	[HEL_SUBMIT_MANAGE] = { sizeof(struct hel_manage_record), manage_submit },
	[HEL_SUBMIT_FENCE] = { sizeof(struct hel_fence_record), fence_submit },
	[HEL_SUBMIT_LOCK_MEMORY] = { sizeof(struct hel_lock_record), page_lock_submit },
	[HEL_SUBMIT_AWAIT_ENDS] = { sizeof(struct hel_record), submit_await_ends },
	[HEL_SUBMIT_ALERT] = { sizeof(struct hel_alert_record), submit_alert },
};

/*
 * The header of the record at @head; false: it is nonsense. @available: bytes up to the tail. The
 * rest of the record may change at any time.
 */
static ALWAYS_INLINE bool submit_fetch(struct queue *queue, uint32_t head, uint32_t available,
	struct hel_record *out_header, const volatile uint64_t **out_words)
{
	uint32_t ring_size = queue->params.submit_size;
	uint32_t offset = head & (ring_size - 1);
	const volatile uint64_t *words = (const volatile uint64_t *)(queue->ring + offset);
	uint64_t word = words[0];
	uint32_t size = (uint32_t)word;
	uint64_t opcode = word >> 32;

	/* Both the ring and its contents end at multiples of 8. */
	if (unlikely(size > available || size > ring_size - offset || size > HEL_RECORD_MAX ||
		    size % 8 != 0 || opcode >= ARRAY_SIZE(submit_kinds) ||
		    size < submit_kinds[opcode].size_min)) {
		return false;
	}
	out_header->size = size;
	out_header->opcode = (uint32_t)opcode;
	/* Behind a pad of 8 bytes at the end of the ring is the rest of a page: never used. */
	out_header->context = words[1];
	*out_words = words;
	return true;
}

/* A copy of the record, which begins with what was checked. */
static __attribute__((noinline)) int submit_copied(struct queue *queue, struct thread *thread,
	struct hel_record header, const volatile uint64_t *words)
{
	union {
		struct hel_record record;
		uint64_t words[HEL_RECORD_MAX / 8];
	} copy;

	if (unlikely(queue->n_operations >= QUEUE_OPERATIONS_MAX &&
		    header.opcode != HEL_SUBMIT_CANCEL)) {
		return -ERR_NO_MEMORY;
	}
	copy.record = header;
#pragma clang loop vectorize(disable) unroll(disable)
	for (uint32_t i = sizeof(header) / 8; i < header.size / 8; i++) {
		copy.words[i] = words[i];
	}
	return submit_kinds[header.opcode].submit(queue, thread, &copy.record);
}

static ALWAYS_INLINE int submit_one(struct queue *queue, struct thread *thread,
	struct hel_record header, const volatile uint64_t *words)
{
	if (likely(header.opcode == HEL_SUBMIT_EXCHANGE)) {
		return exchange_submit(
			queue, thread, header, (const volatile struct hel_exchange_record *)words);
	}
	if (header.opcode == HEL_SUBMIT_NOP) {
		return likely(queue_try_post(queue, header, 0, NULL))
			? 0
			: submit_post_later(queue, &header, 0);
	}
	return submit_copied(queue, thread, header, words);
}

/* Nonsense. */
static int submit_skip(struct queue *queue, uint32_t tail)
{
	queue->submit_head = tail;
	return -ERR_QUEUE_CORRUPT;
}

static uint32_t submit_load_tail(const struct queue *queue)
{
	return atomic_load_explicit(
		(const _Atomic uint32_t *)&queue->header->submit_tail, memory_order_acquire);
}

/* When others should have their turn. */
struct submit_pace {
	uint32_t n_left;   /* records until the next look at the clock */
	uint64_t start_ns; /* when it was looked at first; 0: not yet */
};

static __attribute__((noinline)) bool submit_should_pause(struct submit_pace *pace)
{
	pace->n_left = SUBMIT_PAUSE_EVERY;
	if (pace->start_ns == 0) {
		pace->start_ns = arch_clock_ns();
		return false;
	}
	return sched_should_pause(pace->start_ns);
}

/* Consume the records up to @tail; queue->submit_head is then behind the last one that was. */
static int submit_all_locked(struct queue *queue, struct thread *thread, uint32_t tail)
{
	struct submit_pace pace = { .n_left = SUBMIT_PAUSE_EVERY };

	if (unlikely(tail - queue->submit_head > queue->params.submit_size ||
		    !is_aligned(tail, 8))) {
		return submit_skip(queue, tail);
	}
	while (queue->submit_head != tail) {
		uint32_t head = queue->submit_head;
		const volatile uint64_t *words;
		struct hel_record header;

		if (unlikely(!submit_fetch(queue, head, tail - head, &header, &words))) {
			return submit_skip(queue, tail);
		}
		TRACE(IPC, SUBMIT, header.opcode, header.context, queue->object.identity);
		int error = submit_one(queue, thread, header, words);

		if (unlikely(error != 0 && error != SUBMIT_PAUSE)) {
			return error;
		}
		atomic_store_explicit(
			&queue->submit_head, head + header.size, memory_order_relaxed);
		if (unlikely(error == SUBMIT_PAUSE)) {
			return queue->submit_head != tail ? THREAD_WAIT_RESTART : 0;
		}
		pace.n_left--;
		if (unlikely(pace.n_left == 0) && submit_should_pause(&pace)) {
			return THREAD_WAIT_RESTART;
		}
	}
	return 0;
}

/* The tail is read once; the head is told to user mode when all is done. */
static int submit_locked(struct queue *queue, struct thread *thread)
{
	uint32_t tail = submit_load_tail(queue);

	/*
	 * The last handle was closed after ours was looked up: nobody would ever cancel what
	 * begins now.
	 */
	if (queue->is_dead) {
		return -ERR_BAD_HANDLE;
	}
	int error = submit_all_locked(queue, thread, tail);

	atomic_store_explicit((_Atomic uint32_t *)&queue->header->submit_head, queue->submit_head,
		memory_order_release);
	return error;
}

int queue_submit(struct queue *queue, struct thread *thread)
{
	if (!queue_has_work(queue)) {
		return 0;
	}
	spinlock_acquire(&queue->submit_lock);
	int error = submit_locked(queue, thread);

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
