/* SPDX-License-Identifier: MIT */
/* Direct transfers without a client between: see direct.h. */
#include "direct.h"

#include "disk.h"
#include "error.h"
#include "loan.h"

#include <base/errors.h>
#include <base/string.h>

#define LOOKS_MAX 4 /* at what was submitted, before others have their turn */

struct direct;

/* What is under way of a slot. */
struct transfer {
	struct direct *direct;
	uint32_t index;
	struct contents_range range;
	struct device_buffer buffer; /* in the units, or in `loan` */
	struct loan *loan;           /* that it uses; NULL: none */
	struct device_request request; /* of a quick one */
	struct list_node node;         /* of pool.waiting: of one for a task */
};

struct direct {
	struct session *session;
	struct list_node node;
	uint64_t id;
	struct contents *contents;
	bool is_writable, is_closing;
	struct fs_direct *shared; /* the first FS_DIRECT_DATA bytes */
	struct io_memory memory;
	struct loans loans;
	hel_handle event;
	struct helix_event_op wait;
	uint64_t under_way; /* a bit for each slot */
	struct wait_queue quiet; /* nothing is under way, or the wait has ended */
	struct transfer transfers[FS_DIRECT_SLOTS];
};

static struct {
	struct list waiting; /* struct transfer.node */
	struct wait_queue has_work;
	uint32_t n_directs;
	bool is_started;
	struct job jobs[DIRECT_TASKS];
} pool;

/* ---- answers --------------------------------------------------------------------------------- */

static void answer(struct direct *direct, uint32_t index, int error, uint32_t n_bytes)
{
	struct fs_direct_slot *slot = fs_direct_slot(direct->shared, index);

	slot->error = error;
	slot->n_bytes = n_bytes;
	atomic_store_explicit(&slot->state, FS_DIRECT_DONE, memory_order_release);
	(void)!hel_futex_wake((const uint32_t *)&slot->state, 1, UINT32_MAX, NULL);
}

static void transfer_end(struct transfer *transfer, int error)
{
	struct direct *direct = transfer->direct;

	direct->under_way &= ~(UINT64_C(1) << transfer->index);
	if (transfer->loan != NULL) {
		loan_put(&direct->loans, transfer->loan);
	}
	answer(direct, transfer->index, fs_error_of(error),
		error == 0 ? (uint32_t)transfer->range.length : 0);
	if (direct->under_way == 0) {
		wait_queue_wake(&direct->quiet);
	}
}

/* ---- with a task ----------------------------------------------------------------------------- */

static void transfer_queue(struct transfer *transfer)
{
	list_push_back(&pool.waiting, &transfer->node);
	(void)!wait_queue_wake_one(&pool.has_work, 0);
}

static int pool_run(struct task *task, UNUSED void *argument)
{
	int error = 0;

	while (error == 0) {
		struct transfer *transfer = LIST_POP_FRONT(&pool.waiting, struct transfer, node);

		if (transfer == NULL) {
			error = wait_on(task, &pool.has_work);
		} else if (session_is_gone(transfer->direct->session)) {
			transfer_end(transfer, -ERR_END_OF_LANE);
		} else {
			transfer_end(transfer,
				files_move(task, transfer->direct->contents, &transfer->range,
					&transfer->buffer));
		}
	}
	return error;
}

/* With the first process: most disks never see one. */
static void pool_start(struct loop *loop)
{
	if (pool.is_started) {
		return;
	}
	pool.is_started = true;
	list_init(&pool.waiting);
	wait_queue_init(&pool.has_work);
	for (size_t i = 0; i < DIRECT_TASKS; i++) {
		job_init(&pool.jobs[i], "direct", pool_run, NULL);
		job_submit(loop, &pool.jobs[i]);
	}
}

/* ---- without one ----------------------------------------------------------------------------- */

static void quick_end(struct transfer *transfer)
{
	struct contents *contents = transfer->direct->contents;
	const struct contents_range *range = &transfer->range;

	if (range->is_write && contents->may_have_pages) {
		contents_drop(contents, range->offset, range->length);
	}
	contents_move_end(contents, &transfer->range);
	rwlock_read_done(&contents->lock);
	transfer_end(transfer, transfer->request.op.error);
}

static void quick_done(struct op *op)
{
	quick_end(op->owner);
}

/* false: not now, or not for these contents. */
static bool quick_begin(struct transfer *transfer)
{
	struct contents *contents = transfer->direct->contents;
	const struct contents_range *range = &transfer->range;
	struct device *device;
	uint64_t place;

	if (contents->ops->place == NULL ||
		contents_has_pages(contents, range->offset, range->length) ||
		!rwlock_try_read(&contents->lock)) {
		return false;
	}
	device = contents->ops->place(contents, range->offset, range->length, &place);
	if (device == NULL || !contents_try_move_begin(contents, &transfer->range)) {
		rwlock_read_done(&contents->lock);
		return false;
	}
	device_request_init(&transfer->request, device,
		range->is_write ? DEVICE_WRITE : DEVICE_READ, place, range->length);
	device_request_set_buffers(&transfer->request, &transfer->buffer, 1);
	if (op_start(&transfer->request.op, contents->loop, quick_done, transfer) == OP_DONE) {
		quick_end(transfer);
	}
	return true;
}

/* ---- slots ----------------------------------------------------------------------------------- */

/* What the process wants, each word read once: it may change at any time. */
static void copy_slot(const struct direct *direct, uint32_t index, struct fs_direct_slot *out_slot)
{
	const volatile struct fs_direct_slot *slot = fs_direct_slot(direct->shared, index);

	out_slot->offset = slot->offset;
	out_slot->length = slot->length;
	out_slot->flags = slot->flags;
	out_slot->loan = slot->loan;
	out_slot->loan_offset = slot->loan_offset;
}

/* Where the bytes are to be; *out_loan is NULL if that is the units. */
static int check_place(struct direct *direct, uint32_t index, const struct fs_direct_slot *wanted,
	struct loan **out_loan)
{
	uint32_t block = direct->session->volume->device->block_size;

	*out_loan = NULL;
	if ((wanted->flags & FS_DIRECT_LOAN) == 0) {
		return fs_direct_units(wanted->length) > FS_DIRECT_SLOTS - index ? -ERR_ILLEGAL_ARGS
										 : 0;
	}
	struct loan *loan = loans_find(&direct->loans, wanted->loan);

	if (loan == NULL) {
		return FS_DIRECT_ASK;
	}
	if (!is_aligned(wanted->loan_offset, block) ||
		!loan_has(loan, wanted->loan_offset, wanted->length)) {
		return -ERR_ILLEGAL_ARGS;
	}
	*out_loan = loan;
	return 0;
}

static int check(struct direct *direct, uint32_t index, const struct fs_direct_slot *wanted,
	struct loan **out_loan)
{
	constexpr uint32_t flags = FS_DIRECT_WRITE | FS_DIRECT_LOAN;
	const struct volume *volume = direct->session->volume;
	uint64_t size = direct->contents->ops->size(direct->contents);

	if (volume_is_gone(volume)) {
		return -ERR_END_OF_LANE;
	}
	if ((wanted->flags & ~flags) != 0 || wanted->length == 0 ||
		wanted->length > FS_DIRECT_LENGTH_MAX ||
		!is_aligned(wanted->offset | wanted->length, volume->device->block_size) ||
		wanted->length > size || wanted->offset > size - wanted->length) {
		return -ERR_ILLEGAL_ARGS;
	}
	if ((wanted->flags & FS_DIRECT_WRITE) != 0 && !direct->is_writable) {
		return FS_ERROR_READ_ONLY;
	}
	return check_place(direct, index, wanted, out_loan);
}

static void set_place(
	struct transfer *transfer, struct loan *loan, const struct fs_direct_slot *wanted)
{
	struct direct *direct = transfer->direct;

	transfer->loan = loan;
	if (loan != NULL) {
		loan_get(loan);
		transfer->buffer =
			io_buffer(&loan->memory, wanted->loan_offset, wanted->length, NULL);
	} else {
		transfer->buffer = io_buffer(&direct->memory,
			fs_direct_unit_offset(transfer->index), wanted->length, NULL);
	}
}

static void take_slot(struct direct *direct, uint32_t index)
{
	struct transfer *transfer = &direct->transfers[index];
	struct fs_direct_slot wanted;
	struct loan *loan;

	copy_slot(direct, index, &wanted);
	int error = check(direct, index, &wanted, &loan);

	if (error != 0) {
		answer(direct, index, error, 0);
		return;
	}
	transfer->range = (struct contents_range){
		.offset = wanted.offset,
		.length = wanted.length,
		.is_write = (wanted.flags & FS_DIRECT_WRITE) != 0,
	};
	set_place(transfer, loan, &wanted);
	direct->under_way |= UINT64_C(1) << index;
	if (!quick_begin(transfer)) {
		transfer_queue(transfer);
	}
}

/* Whatever was submitted, but what is under way: that is not begun again. */
static void take_slots(struct direct *direct)
{
	uint64_t submitted =
		atomic_exchange_explicit(&direct->shared->submitted, 0, memory_order_acquire) &
		~direct->under_way;

	while (submitted != 0) {
		uint32_t index = (uint32_t)__builtin_ctzll(submitted);

		submitted &= submitted - 1;
		take_slot(direct, index);
	}
}

/* Says that we sleep; false: something has been submitted. */
static bool may_sleep(struct fs_direct *shared)
{
	atomic_store_explicit(&shared->sleeps, 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&shared->submitted, memory_order_relaxed) == 0) {
		return true;
	}
	atomic_store_explicit(&shared->sleeps, 0, memory_order_relaxed);
	return false;
}

static void direct_rung(struct op *op);

/* Until there is nothing more, then wait for the event. */
static void direct_work(struct direct *direct)
{
	bool is_idle = false;

	for (uint32_t i = 0; i < LOOKS_MAX && !is_idle; i++) {
		take_slots(direct);
		is_idle = may_sleep(direct->shared);
	}
	if (!is_idle) { /* others come first */
		(void)!hel_event_raise(direct->event, 1);
	}
	(void)!op_start(&direct->wait.operation.op, direct->contents->loop, direct_rung, direct);
}

static void direct_rung(struct op *op)
{
	struct direct *direct = op->owner;

	if (op->error != 0 || direct->is_closing) {
		wait_queue_wake(&direct->quiet);
	} else {
		direct_work(direct);
	}
}

/* ---- opening --------------------------------------------------------------------------------- */

/*
 * Memory that is there and stays: what can be resized (it is refused even its own size otherwise)
 * could be cut off below our mapping.
 */
static int check_memory(hel_handle memory)
{
	constexpr uint32_t rights =
		HEL_RIGHT_READ | HEL_RIGHT_WRITE | HEL_RIGHT_MAP | HEL_RIGHT_PIN;
	struct hel_descriptor_info descriptor;
	struct hel_memory_info info;
	int error = hel_descriptor_info(HEL_THIS, memory, &descriptor);

	error = error != 0 ? error : hel_memory_info(memory, &info);
	if (error != 0) {
		return error;
	}
	if ((descriptor.rights & rights) != rights) {
		return -ERR_NO_RIGHTS;
	}
	if (info.size_bytes < FS_DIRECT_SIZE) {
		return -ERR_OUT_OF_BOUNDS;
	}
	return info.kind == HEL_MEMORY_ALLOCATED &&
			hel_memory_resize(memory, info.size_bytes) == -ERR_ILLEGAL_ARGS
		? 0
		: -ERR_UNSUPPORTED;
}

/* Of memory that is attached already. */
static int direct_make(struct direct *direct, hel_handle *out_event)
{
	void *address;
	int error = helix_map_present(
		direct->memory.handle, 0, FS_DIRECT_DATA, HEL_MAP_READ | HEL_MAP_WRITE, &address);

	if (error != 0) {
		return error;
	}
	error = hel_event_create(0, &direct->event);
	if (error == 0) {
		error = hel_transfer(HEL_THIS, direct->event, HEL_THIS,
			HEL_RIGHT_SIGNAL | HEL_RIGHT_DERIVE, out_event);
		if (error != 0) {
			hel_close(HEL_THIS, direct->event);
		}
	}
	if (error != 0) {
		helix_unmap(address, FS_DIRECT_DATA);
		return error;
	}
	direct->shared = address;
	helix_event_op_init(&direct->wait, direct->event, 0);
	return 0;
}

static struct direct *direct_create(
	struct session *session, struct contents *contents, bool is_writable)
{
	struct direct *direct = helix_calloc(1, sizeof(*direct));

	if (direct == NULL) {
		return NULL;
	}
	direct->session = session;
	direct->contents = contents;
	direct->is_writable = is_writable;
	wait_queue_init(&direct->quiet);
	loans_init(&direct->loans, contents->io);
	for (uint32_t i = 0; i < FS_DIRECT_SLOTS; i++) {
		direct->transfers[i].direct = direct;
		direct->transfers[i].index = i;
	}
	return direct;
}

static int direct_prepare(
	struct task *task, struct direct *direct, hel_handle memory, hel_handle *out_event)
{
	struct io *io = direct->contents->io;
	int error = io_memory_attach_kept(task, io, memory, &direct->memory);

	if (error != 0) {
		return error;
	}
	error = direct_make(direct, out_event);
	if (error != 0) {
		io_memory_detach(task, io, &direct->memory);
	}
	return error;
}

/* The memory is taken, if there is no error. */
static int direct_open_memory(struct bragi_call *call, struct direct *direct, hel_handle memory)
{
	struct session *session = direct->session;
	hel_handle event;
	int error = check_memory(memory);

	error = error != 0 ? error : direct_prepare(call->task, direct, memory, &event);
	if (error != 0) {
		return error;
	}
	if (!bragi_handles_add(&call->to_send, event)) { /* there is room for it */
		hel_close(HEL_THIS, event);
	}
	direct->id = ++session->direct_next;
	list_push_back(&session->directs, &direct->node);
	direct_work(direct);
	return 0;
}

int direct_open(
	struct bragi_call *call, struct contents *contents, bool is_writable, uint64_t *out_id)
{
	struct session *session = session_of_call(call);
	hel_handle memory = bragi_handles_take(&call->received, 0);
	struct direct *direct = NULL;
	int error = memory == HEL_NULL ? -ERR_BAD_HANDLE : 0;

	if (error == 0 &&
		(session->n_directs == DIRECT_SESSION_MAX || pool.n_directs == DIRECT_MAX)) {
		error = -ERR_NO_SPACE;
	}
	if (error == 0) {
		direct = direct_create(session, contents, is_writable);
		error = direct == NULL ? -ERR_NO_MEMORY : 0;
	}
	if (error == 0) {
		pool_start(contents->loop);
		session->n_directs++; /* now: it takes a while until it is there */
		pool.n_directs++;
		error = direct_open_memory(call, direct, memory);
		if (error == 0) {
			*out_id = direct->id;
			return 0;
		}
		session->n_directs--;
		pool.n_directs--;
	}
	helix_free(direct);
	if (memory != HEL_NULL) {
		hel_close(HEL_THIS, memory);
	}
	return error;
}

/* ---- closing --------------------------------------------------------------------------------- */

/* What nobody has begun yet is not begun here any more. */
static void refuse_slots(struct direct *direct)
{
	uint64_t submitted =
		atomic_exchange_explicit(&direct->shared->submitted, 0, memory_order_acquire) &
		~direct->under_way;

	while (submitted != 0) {
		answer(direct, (uint32_t)__builtin_ctzll(submitted), FS_DIRECT_ASK, 0);
		submitted &= submitted - 1;
	}
}

/* It is off the list, so nobody else does that. */
static void direct_close(struct task *task, struct direct *direct)
{
	struct session *session = direct->session;
	struct scope shield;

	direct->is_closing = true;
	refuse_slots(direct);
	op_cancel(&direct->wait.operation.op);
	scope_begin_shield(task, &shield);
	while (direct->under_way != 0 || op_is_pending(&direct->wait.operation.op)) {
		(void)!wait_on(task, &direct->quiet);
	}
	loans_close(task, &direct->loans);
	io_memory_detach(task, direct->contents->io, &direct->memory);
	(void)!scope_join(&shield);
	helix_unmap(direct->shared, FS_DIRECT_DATA);
	hel_close(HEL_THIS, direct->event);
	hel_close(HEL_THIS, direct->memory.handle);
	helix_free(direct);
	session->n_directs--;
	pool.n_directs--;
}

void direct_close_all(struct task *task, struct session *session)
{
	for (;;) {
		struct direct *direct = LIST_POP_FRONT(&session->directs, struct direct, node);

		if (direct == NULL) {
			return;
		}
		direct_close(task, direct);
	}
}

/* ---- calls ----------------------------------------------------------------------------------- */

static struct direct *direct_find(const struct session *session, uint64_t id)
{
	LIST_FOR_EACH(direct, &session->directs, struct direct, node) {
		if (direct->id == id) {
			return direct;
		}
	}
	return NULL;
}

int serve_close_direct(struct bragi_call *call, const struct fs_close_direct_request *request,
	struct fs_close_direct_reply *out_reply UNUSED)
{
	struct direct *direct = direct_find(session_of_call(call), request->id);

	if (direct == NULL) {
		return -ERR_NOT_FOUND;
	}
	list_remove(&direct->node);
	direct_close(call->task, direct);
	return 0;
}

int serve_lend_direct(struct bragi_call *call, const struct fs_lend_direct_request *request,
	struct fs_lend_direct_reply *out_reply UNUSED)
{
	struct direct *direct = direct_find(session_of_call(call), request->id);

	if (direct == NULL) {
		return -ERR_NOT_FOUND;
	}
	if (request->number == 0) {
		return -ERR_ILLEGAL_ARGS;
	}
	return fs_error_of(loans_lend(call->task, &direct->loans, request->number,
		bragi_handles_take(&call->received, 0)));
}
