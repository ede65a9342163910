/* SPDX-License-Identifier: MIT */
/* The loop over a queue: see loop.h. */
#include <helix/await.h>
#include <helix/log.h>
#include <helix/loop.h>
#include <helix/memory.h>

#include <base/assert.h>
#include <base/errors.h>

static const struct hel_queue_params usual_queue = {
	.n_chunks = 16,
	.chunk_size = 16384,
	.submit_size = 8192,
};

constexpr uint32_t COLLECT_MAX = 64; /* elements at once */

static struct helix_operation *helix_operation_of(struct op *op)
{
	return container_of(op, struct helix_operation, op);
}

/* ---- into the kernel ------------------------------------------------------------------------- */

static ALWAYS_INLINE int loop_drive(
	struct helix_loop *loop, uint32_t flags, uint32_t n_seen, uint64_t deadline_ns)
{
	int error = hel_drive(loop->queue.handle, flags, n_seen, deadline_ns, NULL);

	switch (error) {
	case 0:
	case -ERR_TIMED_OUT:
	case -ERR_KICKED:
	case -ERR_ALERTED:
	case -ERR_NO_MEMORY: return error;
	default: helix_fatal("queue cannot be driven: %s", error_name(error));
	}
}

int helix_loop_drive(struct helix_loop *loop, uint32_t flags, uint32_t n_seen, uint64_t deadline_ns)
{
	return loop_drive(loop, flags, n_seen, deadline_ns);
}

static bool helix_operation_try_submit(struct helix_loop *loop, struct helix_operation *operation)
{
	const struct helix_operation_class *class =
		container_of(operation->op.class, struct helix_operation_class, op);

	if (!class->submit(operation, &loop->queue)) {
		helix_loop_drive(loop, 0, 0, 0);
		if (!class->submit(operation, &loop->queue)) {
			return false;
		}
	}
	hel_queue_commit(&loop->queue);
	operation->is_submitted = true;
	return true;
}

static void *helix_loop_try_reserve(
	struct helix_loop *loop, uint32_t opcode, uint32_t size, uint64_t context)
{
	void *record = hel_queue_reserve(&loop->queue, opcode, size, context);

	if (record == NULL) {
		helix_loop_drive(loop, 0, 0, 0);
		record = hel_queue_reserve(&loop->queue, opcode, size, context);
	}
	return record;
}

void *helix_loop_reserve(struct helix_loop *loop, uint32_t opcode, uint32_t size, uint64_t context)
{
	return list_is_empty(&loop->unsubmitted)
		? helix_loop_try_reserve(loop, opcode, size, context)
		: NULL;
}

static bool helix_operation_try_cancel(struct helix_loop *loop, struct helix_operation *operation)
{
	if (helix_loop_try_reserve(loop, HEL_SUBMIT_CANCEL, sizeof(struct hel_cancel_record),
		    (uint64_t)operation) == NULL) {
		return false;
	}
	hel_queue_commit(&loop->queue);
	return true;
}

enum op_result helix_operation_start(struct op *op)
{
	struct helix_loop *loop = helix_loop_of(op->loop);
	struct helix_operation *operation = helix_operation_of(op);

	operation->is_submitted = false;
	list_node_init(&op->node);
	/* those that wait go first */
	if (!list_is_empty(&loop->unsubmitted) || !helix_operation_try_submit(loop, operation)) {
		list_push_back(&loop->unsubmitted, &op->node);
	}
	return OP_PENDING;
}

void helix_operation_cancel(struct op *op)
{
	struct helix_loop *loop = helix_loop_of(op->loop);
	struct helix_operation *operation = helix_operation_of(op);

	if (!operation->is_submitted) {
		list_remove(&op->node);
		op_complete(op, -ERR_CANCELLED);
	} else if (!helix_operation_try_cancel(loop, operation)) {
		list_push_back(&loop->uncancelled, &op->node);
	}
}

/* Give the kernel what it had no room for. */
static void helix_loop_flush(struct helix_loop *loop)
{
	while (!list_is_empty(&loop->unsubmitted)) {
		struct op *op = container_of(list_first(&loop->unsubmitted), struct op, node);

		if (!helix_operation_try_submit(loop, helix_operation_of(op))) {
			return;
		}
		list_remove(&op->node);
	}
	while (!list_is_empty(&loop->uncancelled)) {
		struct op *op = container_of(list_first(&loop->uncancelled), struct op, node);

		if (!helix_operation_try_cancel(loop, helix_operation_of(op))) {
			return;
		}
		list_remove(&op->node);
	}
}

/* ---- out of the kernel ----------------------------------------------------------------------- */

/*
 * Complete the operations whose results have arrived; returns how many there were. A take() may do
 * all that its element asks for, so if there are very many timers and other work come in between.
 */
static uint32_t helix_loop_collect(struct helix_loop *loop)
{
	const struct hel_element *element = hel_queue_take(&loop->queue);
	uint32_t n = 0;

	while (element != NULL) {
		struct helix_operation *operation = (struct helix_operation *)element->context;
		const struct helix_operation_class *class =
			container_of(operation->op.class, struct helix_operation_class, op);

		if (class->take != NULL) {
			class->take(operation, element);
		} else {
			list_remove(&operation->op.node);
			op_complete(&operation->op, class->complete(operation, element));
		}
		element = ++n != COLLECT_MAX ? hel_queue_take(&loop->queue) : NULL;
	}
	return n;
}

bool helix_loop_serve(struct helix_loop *loop)
{
	uint32_t supply_tail = loop->queue.supply_tail;
	uint32_t n = helix_loop_collect(loop);

	loop_serve(&loop->loop);
	if (loop->queue.supply_tail != supply_tail) {
		/* Completions may have waited in the kernel for what was given back. */
		helix_loop_drive(loop, 0, 0, 0);
	}
	return n != COLLECT_MAX;
}

void helix_loop_release(struct helix_loop *loop, const struct hel_element *element)
{
	hel_queue_release(&loop->queue, element);
}

void helix_loop_alert(struct helix_loop *loop, hel_handle queue)
{
	struct hel_alert_record *record =
		helix_loop_reserve(loop, HEL_SUBMIT_ALERT, sizeof(*record), (uint64_t)&loop->quiet);

	if (record == NULL) {
		(void)!hel_queue_alert(queue);
		return;
	}
	record->queue = queue;
	hel_queue_commit(&loop->queue);
}

/* ---- bells ----------------------------------------------------------------------------------- */

static struct helix_bell *helix_bell_behind(const struct helix_bell *bell)
{
	return LIST_ENTRY(list_next(&bell->loop->bells, &bell->node), struct helix_bell, node);
}

void helix_bell_add(
	struct helix_loop *loop, struct helix_bell *bell, void (*look)(struct helix_bell *bell))
{
	bell->loop = loop;
	bell->look = look;
	list_push_back(&loop->bells, &bell->node);
}

void helix_bell_remove(struct helix_bell *bell)
{
	if (bell->loop == NULL) {
		return;
	}
	if (bell->loop->bell_next == bell) {
		bell->loop->bell_next = helix_bell_behind(bell);
	}
	bell->loop = NULL;
	list_remove(&bell->node);
}

int helix_loop_give_alert(struct helix_loop *loop, hel_handle *out_handle)
{
	return loop->wait != NULL ? -ERR_UNSUPPORTED
				  : hel_transfer(HEL_THIS, loop->queue.handle, HEL_THIS,
					    HEL_RIGHT_SIGNAL | HEL_RIGHT_DERIVE, out_handle);
}

/* Each once, whichever of them are removed meanwhile. */
static void helix_loop_look(struct helix_loop *loop)
{
	loop->bell_next = LIST_FIRST(&loop->bells, struct helix_bell, node);
	while (loop->bell_next != NULL) {
		struct helix_bell *bell = loop->bell_next;

		loop->bell_next = helix_bell_behind(bell);
		bell->look(bell);
	}
}

/* ---- waiting --------------------------------------------------------------------------------- */

/* A quiet message did not arrive: as good as one that nobody has read. */
static void quiet_take(struct helix_operation *operation, const struct hel_element *element)
{
	helix_loop_release(container_of(operation, struct helix_loop, quiet), element);
}

static const struct helix_operation_class quiet_class = {
	.op = { .name = "quiet" },
	.take = quiet_take,
};

static void alarm_take(struct helix_operation *operation, const struct hel_element *element)
{
	struct helix_loop *loop = container_of(operation, struct helix_loop, alarm);

	loop->alarm_ns = HEL_DEADLINE_NEVER;
	helix_loop_release(loop, element);
}

static const struct helix_operation_class alarm_class = {
	.op = { .name = "alarm" },
	.take = alarm_take,
};

/*
 * The deadline for a wait. One that is waited for again and again, while other things come, would
 * be armed and disarmed by the kernel each time; so it is asked for once, as an operation. It may
 * be early, when the timer is gone: then the loop looks, and waits again. It cannot come while all
 * chunks are kept.
 */
static uint64_t helix_loop_deadline(struct helix_loop *loop, uint64_t deadline_ns)
{
	uint64_t alarm_ns = loop->alarm_ns;

	if (!hel_queue_has_spare_chunk(&loop->queue)) {
		return deadline_ns;
	}
	if (deadline_ns >= alarm_ns) {
		return HEL_DEADLINE_NEVER;
	}
	if (deadline_ns != loop->waited_ns || alarm_ns != HEL_DEADLINE_NEVER) {
		loop->waited_ns = deadline_ns;
		return deadline_ns;
	}
	struct hel_await_clock_record *record = hel_queue_reserve(
		&loop->queue, HEL_SUBMIT_AWAIT_CLOCK, sizeof(*record), (uint64_t)&loop->alarm);

	if (record == NULL) {
		return deadline_ns;
	}
	record->deadline_ns = deadline_ns;
	hel_queue_commit(&loop->queue);
	loop->alarm_ns = deadline_ns;
	return HEL_DEADLINE_NEVER;
}

/* ---- the platform ---------------------------------------------------------------------------- */

static struct helix_loop *helix_loop_of_platform(struct async_platform *platform)
{
	return container_of(platform, struct helix_loop, platform);
}

static uint64_t helix_platform_now(struct async_platform *platform UNUSED)
{
	return helix_now_ns();
}

static bool helix_platform_wait(struct async_platform *platform, uint64_t deadline_ns)
{
	struct helix_loop *loop = helix_loop_of_platform(platform);

	helix_loop_flush(loop);
	if (!hel_queue_has_submissions(&loop->queue) && helix_loop_collect(loop) != 0) {
		helix_loop_look(loop);
		return true;
	}
	if (deadline_ns == 0 || !list_is_empty(&loop->unsubmitted)) {
		helix_loop_drive(loop, 0, 0, 0);
	} else if (loop->wait != NULL) {
		loop->wait(loop, deadline_ns);
	} else {
		loop_drive(loop, HEL_DRIVE_WAIT, loop->queue.n_taken,
			helix_loop_deadline(loop, deadline_ns));
	}
	helix_loop_collect(loop);
	helix_loop_look(loop);
	return true;
}

/*
 * Every slot is a mapping of its own behind a guard. (One sparse region with holes would be a
 * single mapping; the kernel has no such kind yet.)
 */
static int helix_platform_map_stacks(struct async_platform *platform, struct async_stacks *stacks)
{
	struct helix_loop *loop = helix_loop_of_platform(platform);
	void *base;
	int error;

	loop->stacks_size = stacks->n_slots * stacks->slot_size;
	error = helix_map(HEL_NULL, 0, loop->stacks_size, HEL_MAP_READ | HEL_MAP_WRITE, &base);
	if (error != 0) {
		return error;
	}
	stacks->base = base;
	for (size_t i = 0; i < stacks->n_slots; i++) {
		error = hel_space_protect(
			HEL_THIS, (uint64_t)base + i * stacks->slot_size, stacks->guard_size, 0);
		if (error != 0) {
			helix_unmap(base, loop->stacks_size);
			return error;
		}
	}
	return 0;
}

static void helix_platform_unmap_stacks(
	struct async_platform *platform, struct async_stacks *stacks)
{
	helix_unmap(stacks->base, helix_loop_of_platform(platform)->stacks_size);
}

static const struct async_platform_ops helix_platform_ops = {
	.now_ns = helix_platform_now,
	.wait = helix_platform_wait,
	.map_stacks = helix_platform_map_stacks,
	.unmap_stacks = helix_platform_unmap_stacks,
};

/* ---- life ------------------------------------------------------------------------------------ */

static int helix_loop_make_queue(struct helix_loop *loop, const struct hel_queue_params *params)
{
	hel_handle handle;
	void *memory;
	int error = hel_queue_create(params, &handle);

	if (error != 0) {
		return error;
	}
	error = helix_map(
		handle, 0, hel_queue_memory_size(params), HEL_MAP_READ | HEL_MAP_WRITE, &memory);
	if (error != 0) {
		hel_close(HEL_THIS, handle);
		return error;
	}
	hel_queue_client_init(&loop->queue, handle, memory, params);
	return 0;
}

static int helix_loop_make_tasks(
	struct helix_loop *loop, size_t n_tasks_max, size_t stack_slot_size)
{
	size_t tasks_size = n_tasks_max * sizeof(struct task);

	loop->tasks = helix_calloc(1, tasks_size + (n_tasks_max + 1) * sizeof(struct fiber));
	if (loop->tasks == NULL) {
		return -ERR_NO_MEMORY;
	}
	const struct loop_config config = {
		.platform = &loop->platform,
		.tasks = loop->tasks,
		.fibers = (struct fiber *)((uint8_t *)loop->tasks + tasks_size),
		.n_tasks_max = n_tasks_max,
		.stack_slot_size = stack_slot_size,
	};

	return loop_init(&loop->loop, &config);
}

int helix_loop_init(struct helix_loop *loop, const struct helix_loop_config *config)
{
	const struct hel_queue_params *params = &usual_queue;
	size_t n_tasks_max = HELIX_TASKS_MAX;
	size_t stack_slot_size = HELIX_STACK_SLOT_SIZE;

	if (config != NULL && config->queue.n_chunks != 0) {
		params = &config->queue;
	}
	if (config != NULL && config->n_tasks_max != 0) {
		n_tasks_max = config->n_tasks_max;
	}
	if (config != NULL && config->stack_slot_size != 0) {
		stack_slot_size = config->stack_slot_size;
	}
	*loop = (struct helix_loop){
		.platform.ops = &helix_platform_ops,
		.alarm_ns = HEL_DEADLINE_NEVER,
		.waited_ns = HEL_DEADLINE_NEVER,
	};
	list_init(&loop->unsubmitted);
	list_init(&loop->uncancelled);
	list_init(&loop->bells);
	op_init(&loop->quiet.op, &quiet_class.op);
	op_init(&loop->alarm.op, &alarm_class.op);
	int error = helix_loop_make_queue(loop, params);

	if (error != 0) {
		return error;
	}
	error = helix_loop_make_tasks(loop, n_tasks_max, stack_slot_size);
	if (error != 0) {
		helix_free(loop->tasks);
		helix_unmap(loop->queue.header, hel_queue_memory_size(params));
		hel_close(HEL_THIS, loop->queue.handle);
	}
	return error;
}

void helix_loop_deinit(struct helix_loop *loop)
{
	loop_deinit(&loop->loop);
	helix_free(loop->tasks);
	helix_unmap(loop->queue.header, hel_queue_memory_size(&loop->queue.params));
	hel_close(HEL_THIS, loop->queue.handle);
}

void helix_loop_run(struct helix_loop *loop)
{
	loop_run(&loop->loop);
}
