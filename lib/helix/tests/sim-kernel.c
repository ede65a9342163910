/* SPDX-License-Identifier: MIT */
/* Calls and queue of the small kernel: see sim-kernel.h. */
#include <helix/tests/sim-internal.h>

#include <base/assert.h>
#include <base/errors.h>
#include <hel/queue-client.h>
#include <helix/log.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* The one queue. */
static struct {
	struct hel_queue_params params;
	uint8_t *memory;
	struct hel_queue_header *header;
	uint32_t supply_head;
	struct hel_chunk *chunk; /* NULL: none */
	size_t n_drives;
	size_t n_timed_waits;
} queue;

static struct sim_object handles[SIM_HANDLES];
struct list sim_operations = LIST_INIT(sim_operations);
uint64_t sim_now_ns = 1000000000;

/* ---- handles --------------------------------------------------------------------------------- */

struct sim_object *sim_find(hel_handle handle, enum sim_type type)
{
	if (handle == HEL_NULL || handle >= SIM_HANDLES || handles[handle].type == SIM_FREE ||
		(type != SIM_FREE && handles[handle].type != type)) {
		return NULL;
	}
	return &handles[handle];
}

hel_handle sim_attach(enum sim_type type, void *object)
{
	static hel_handle next;

	/* handles are not used again soon, so that a stale one is noticed */
	for (size_t i = 0; i < SIM_HANDLES; i++) {
		next = next + 1 < SIM_HANDLES ? next + 1 : 1;
		if (handles[next].type == SIM_FREE) {
			handles[next] = (struct sim_object){ .type = type, .object = object };
			return next;
		}
	}
	UNREACHABLE();
}

/* What waits for the clock ends with the queue. */
static void drop_clocks(void)
{
	LIST_FOR_EACH_SAFE(wait, &sim_operations, struct sim_exchange, node) {
		if (wait->opcode == HEL_SUBMIT_AWAIT_CLOCK) {
			list_remove(&wait->node);
			free(wait);
		}
	}
}

void sim_detach(struct sim_object *object)
{
	if (object->type == SIM_LANE) {
		sim_lane_drop(object->object);
	} else if (object->type == SIM_EVENT) {
		free(object->object); /* nobody awaits it any more, in tests */
	} else if (object->type == SIM_QUEUE) {
		drop_clocks();
	}
	object->type = SIM_FREE;
}

size_t sim_kernel_handles(void)
{
	size_t count = 0;

	for (size_t i = 0; i < SIM_HANDLES; i++) {
		count += handles[i].type != SIM_FREE;
	}
	return count;
}

/* ---- the queue ------------------------------------------------------------------------------- */

struct hel_outcome sim_queue_create(const struct hel_queue_params *params)
{
	queue.params = *params;
	queue.memory = aligned_alloc(4096, hel_queue_memory_size(params));
	queue.header = (struct hel_queue_header *)queue.memory;
	memset(queue.header, 0, sizeof(*queue.header));
	queue.supply_head = 0;
	queue.chunk = NULL;
	return (struct hel_outcome){ .value = sim_attach(SIM_QUEUE, &queue) };
}

static struct hel_chunk *queue_next_chunk(void)
{
	if (queue.supply_head == queue.header->supply_tail) {
		return NULL;
	}
	uint32_t index = queue.header->supply[queue.supply_head++ % HEL_SUPPLY_MAX];

	ASSERT(index < queue.params.n_chunks);
	struct hel_chunk *chunk = (struct hel_chunk *)(queue.memory +
		hel_queue_chunks_offset(&queue.params) + (uint64_t)index * queue.params.chunk_size);

	ASSERT(chunk->progress == 0);
	return chunk;
}

bool sim_queue_complete(const struct hel_element *like, const void *data, uint32_t size)
{
	uint32_t total = (uint32_t)align_up(sizeof(struct hel_element) + size, 8);
	uint32_t room = queue.params.chunk_size - sizeof(struct hel_chunk);

	ASSERT(total <= room);
	if (queue.chunk != NULL && queue.chunk->progress + total > room) {
		queue.chunk->progress |= HEL_CHUNK_DONE;
		queue.chunk = NULL;
	}
	if (queue.chunk == NULL) {
		queue.chunk = queue_next_chunk();
		if (queue.chunk == NULL) {
			return false;
		}
	}
	struct hel_element *element =
		(struct hel_element *)(queue.chunk->elements + queue.chunk->progress);

	*element = *like;
	element->size = total;
	if (size > 0) {
		memcpy(element + 1, data, size);
	}
	queue.chunk->progress += total;
	queue.header->n_completions++;
	return true;
}

static void submit_await(const struct hel_record *record)
{
	struct sim_exchange *wait = calloc(1, sizeof(*wait));

	wait->context = record->context;
	wait->opcode = record->opcode;
	if (record->opcode == HEL_SUBMIT_AWAIT_CLOCK) {
		wait->deadline_ns = ((const struct hel_await_clock_record *)record)->deadline_ns;
	} else {
		const struct hel_await_event_record *event = (const void *)record;

		wait->event = sim_find(event->event, SIM_EVENT)->object;
		wait->sequence = event->sequence;
	}
	list_push_back(&sim_operations, &wait->node);
}

static void await_finish(struct sim_exchange *wait, int error, const void *data, uint32_t size)
{
	const struct hel_element like = {
		.opcode = wait->opcode,
		.context = wait->context,
		.error = error,
	};

	if (sim_queue_complete(&like, data, size)) {
		list_remove(&wait->node);
		free(wait);
	}
}

static void submit_cancel(uint64_t context)
{
	for (struct list_node *node = list_first(&sim_operations), *next; node != NULL;
		node = next) {
		struct sim_exchange *operation = container_of(node, struct sim_exchange, node);

		next = list_next(&sim_operations, node);
		if (operation->context != context) {
			continue;
		}
		if (operation->opcode == HEL_SUBMIT_EXCHANGE) {
			sim_exchange_cancel(operation);
		} else {
			await_finish(operation, -ERR_CANCELLED, NULL, 0);
		}
	}
}

static size_t n_alerts;

size_t sim_kernel_alerts(void)
{
	return n_alerts;
}

static void queue_submit(void)
{
	while (queue.header->submit_head != queue.header->submit_tail) {
		uint32_t position = queue.header->submit_head % queue.params.submit_size;
		const struct hel_record *record = (const struct hel_record *)(queue.memory +
			sizeof(struct hel_queue_header) + position);

		ASSERT(record->size >= 8);
		ASSERT(record->size % 8 == 0);
		ASSERT(position + record->size <= queue.params.submit_size);
		switch (record->opcode) {
		case HEL_SUBMIT_PAD: break;
		case HEL_SUBMIT_CANCEL: submit_cancel(record->context); break;
		case HEL_SUBMIT_EXCHANGE:
			sim_exchange_submit((const struct hel_exchange_record *)record);
			break;
		case HEL_SUBMIT_AWAIT_EVENT:
		case HEL_SUBMIT_AWAIT_CLOCK: submit_await(record); break;
		case HEL_SUBMIT_ALERT: n_alerts++; break;
		default: UNREACHABLE();
		}
		queue.header->submit_head += record->size;
	}
}

/* Complete the waits whose time or event has come. */
static void run_waits(void)
{
	for (struct list_node *node = list_first(&sim_operations), *next; node != NULL;
		node = next) {
		struct sim_exchange *wait = container_of(node, struct sim_exchange, node);

		next = list_next(&sim_operations, node);
		if (wait->opcode == HEL_SUBMIT_AWAIT_CLOCK && wait->deadline_ns <= sim_now_ns) {
			await_finish(wait, 0, NULL, 0);
		} else if (wait->opcode == HEL_SUBMIT_AWAIT_EVENT &&
			wait->event->sequence != wait->sequence) {
			struct hel_event_result result = {
				.sequence = wait->event->sequence,
				.bits = wait->event->bits,
			};

			wait->event->bits = 0;
			await_finish(wait, 0, &result, sizeof(result));
		}
	}
}

static uint64_t first_deadline(uint64_t deadline_ns)
{
	LIST_FOR_EACH(wait, &sim_operations, struct sim_exchange, node) {
		if (wait->opcode == HEL_SUBMIT_AWAIT_CLOCK) {
			deadline_ns = min_u64(deadline_ns, wait->deadline_ns);
		}
	}
	return deadline_ns;
}

struct hel_outcome sim_drive(const uint64_t *arguments)
{
	uint64_t deadline_ns = arguments[3];
	int64_t error = 0;

	queue.n_drives++;
	queue_submit();
	run_waits();
	while (sim_streams_run()) {
	}
	bool waits = (arguments[1] & HEL_DRIVE_WAIT) != 0;

	queue.n_timed_waits += waits && deadline_ns != HEL_DEADLINE_NEVER &&
		queue.header->n_completions == (uint32_t)arguments[2];
	while (waits && queue.header->n_completions == (uint32_t)arguments[2]) {
		uint64_t next_ns = first_deadline(deadline_ns);

		if (next_ns == HEL_DEADLINE_NEVER) {
			sim_kernel_deadlocked();
		}
		sim_now_ns = max_u64(sim_now_ns, next_ns);
		run_waits();
		if (sim_now_ns >= deadline_ns) {
			error = -ERR_TIMED_OUT;
			break;
		}
	}
	return (struct hel_outcome){ .error = error, .value = queue.header->n_completions };
}

size_t sim_kernel_drives(void)
{
	return queue.n_drives;
}

size_t sim_kernel_timed_waits(void)
{
	return queue.n_timed_waits;
}

/* ---- calls ----------------------------------------------------------------------------------- */

static struct hel_outcome sim_map(const struct hel_map_args *args)
{
	int placed = (args->flags & HEL_MAP_FIXED_NOREPLACE) != 0 ? MAP_FIXED_NOREPLACE : 0;
	void *pointer;

	if (args->memory != HEL_NULL) {
		return (struct hel_outcome){ .value = (uint64_t)queue.memory };
	}
	pointer = mmap((void *)args->address, args->size_bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | placed, -1, 0);
	return pointer != MAP_FAILED ? (struct hel_outcome){ .value = (uint64_t)pointer }
				     : (struct hel_outcome){ .error = -ERR_EXISTS };
}

static struct hel_outcome sim_close(hel_handle handle)
{
	struct sim_object *object = sim_find(handle, SIM_FREE);

	ASSERT(object != NULL); /* a program that closes twice has a bug */
	sim_detach(object);
	return (struct hel_outcome){};
}

static struct hel_outcome sim_stream(struct hel_stream_lanes *out_lanes)
{
	struct sim_lane *first;
	struct sim_lane *second;

	sim_stream_create(&first, &second);
	out_lanes->lane[0] = sim_attach(SIM_LANE, first);
	out_lanes->lane[1] = sim_attach(SIM_LANE, second);
	return (struct hel_outcome){};
}

static struct hel_outcome sim_raise(struct sim_event *event, uint32_t bits)
{
	event->bits |= bits;
	event->sequence++;
	return (struct hel_outcome){};
}

struct hel_outcome hel_sim_call(uint32_t number, const uint64_t *arguments)
{
	switch (number) {
	case HEL_CALL_queue_create: return sim_queue_create((const void *)arguments[0]);
	case HEL_CALL_drive: return sim_drive(arguments);
	case HEL_CALL_space_map: return sim_map((const struct hel_map_args *)arguments[0]);
	case HEL_CALL_space_unmap:
		if ((uint8_t *)arguments[1] == queue.memory) {
			free(queue.memory);
		} else {
			munmap((void *)arguments[1], arguments[2]);
		}
		break;
	case HEL_CALL_space_protect: mprotect((void *)arguments[1], arguments[2], PROT_NONE); break;
	case HEL_CALL_space_populate: break;
	case HEL_CALL_space_discard:
		madvise((void *)arguments[1], arguments[2], MADV_DONTNEED);
		break;
	case HEL_CALL_close: return sim_close(arguments[1]);
	case HEL_CALL_stream_create: return sim_stream((struct hel_stream_lanes *)arguments[0]);
	case HEL_CALL_lane_shutdown:
		sim_lane_close(sim_find(arguments[0], SIM_LANE)->object);
		break;
	case HEL_CALL_event_create:
		return (struct hel_outcome){
			.value = sim_attach(SIM_EVENT, calloc(1, sizeof(struct sim_event))),
		};
	case HEL_CALL_event_raise:
		return sim_raise(sim_find(arguments[0], SIM_EVENT)->object, (uint32_t)arguments[1]);
	case HEL_CALL_token_create:
		return (struct hel_outcome){ .value = sim_attach(SIM_TOKEN, NULL) };
	case HEL_CALL_clock_get: return (struct hel_outcome){ .value = sim_now_ns };
	case HEL_CALL_clock_page: return (struct hel_outcome){ .error = -ERR_UNSUPPORTED };
	default: UNREACHABLE();
	}
	return (struct hel_outcome){};
}

/* ---- what log.c has in a native program ------------------------------------------------------ */

void helix_log(enum hel_log_level level, const char *format, ...)
{
	va_list arguments;

	fprintf(stderr, "# log %u: ", (unsigned)level);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
}

NORETURN void helix_fatal(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	abort();
}
