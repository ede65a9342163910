/* SPDX-License-Identifier: MIT */
/* The page cache of files, as its manager: see contents.h. */
#include "contents.h"

#include <base/assert.h>
#include <base/errors.h>
#include <drivers/lib/blockfs/errors.h>

/** PAGES_AT_ONCE - that are looked at before others have their turn */
#define PAGES_AT_ONCE    256
/** PAGES_LOOKED_FOR - one by one, before a range is taken to have pages */
#define PAGES_LOOKED_FOR 2
/** RACES_BYTES_MAX - in longer holes only the ends are zeroed where somebody writes meanwhile */
#define RACES_BYTES_MAX  MIB(64)

static struct {
	struct list queue; /* struct page_request.queue_node */
	struct wait_queue has_work;
	struct job jobs[PAGER_TASKS];
} pager;

static void request_listen(struct page_request *request);

/* ---- listening ------------------------------------------------------------------------------- */

static struct page_request *request_create(struct contents *contents)
{
	struct page_request *request = helix_calloc(1, sizeof(*request));

	if (request != NULL) {
		request->contents = contents;
		list_push_back(&contents->requests, &request->node);
		contents->n_requests++;
	}
	return request;
}

static void request_destroy(struct page_request *request)
{
	struct contents *contents = request->contents;

	list_remove(&request->node);
	contents->n_requests--;
	helix_free(request);
}

static struct page_request *find_idle(const struct contents *contents)
{
	LIST_FOR_EACH(request, &contents->requests, struct page_request, node) {
		if (request->state == PAGES_IDLE) {
			return request;
		}
	}
	return NULL;
}

/* Whoever has just got a request leaves listening to another one. */
static void contents_listen(struct contents *contents)
{
	struct page_request *request;

	if (contents->is_quiet || contents->n_listening > 0) {
		return;
	}
	request = find_idle(contents);
	if (request == NULL && contents->n_requests < CONTENTS_REQUESTS_MAX) {
		request = request_create(contents);
	}
	if (request != NULL) {
		request_listen(request);
	}
}

static void request_come(struct op *op)
{
	struct page_request *request = op->owner;
	struct contents *contents = request->contents;

	contents->n_listening--;
	if (op->error != 0) {
		request->state = PAGES_IDLE;
		wait_queue_wake(&contents->listeners);
		return;
	}
	contents->may_have_pages = true;
	request->state = PAGES_QUEUED;
	request->offset = request->manage.request.offset;
	request->length = request->manage.request.length;
	list_push_back(&pager.queue, &request->queue_node);
	(void)!wait_queue_wake_one(&pager.has_work, 0);
	wait_queue_wake(&contents->listeners);
	contents_listen(contents);
}

static void request_listen(struct page_request *request)
{
	struct contents *contents = request->contents;

	request->state = PAGES_LISTENING;
	contents->n_listening++;
	helix_manage_op_init(&request->manage, contents->memory.handle);
	if (op_start(&request->manage.operation.op, contents->loop, request_come, request) ==
		OP_DONE) {
		request_come(&request->manage.operation.op);
	}
}

/* It has been answered. */
static void request_end(struct page_request *request)
{
	struct contents *contents = request->contents;

	request->state = PAGES_IDLE;
	if (!contents->is_quiet && contents->n_listening == 0) {
		request_listen(request);
	} else {
		request_destroy(request);
	}
	wait_queue_wake(&contents->listeners);
}

/* Wait until no request can come that was made before; the task cannot be cancelled meanwhile. */
static void contents_quieten(struct task *task, struct contents *contents)
{
	struct scope shield;

	contents->is_quiet = true;
	LIST_FOR_EACH(request, &contents->requests, struct page_request, node) {
		if (request->state == PAGES_LISTENING) {
			op_cancel(&request->manage.operation.op);
		}
	}
	scope_begin_shield(task, &shield);
	while (contents->n_listening > 0) {
		(void)!wait_on(task, &contents->listeners);
	}
	(void)!scope_join(&shield);
}

/* ---- ranges ---------------------------------------------------------------------------------- */

static bool is_in_the_way(const struct contents *contents, const struct contents_range *range)
{
	LIST_FOR_EACH(other, &contents->ranges, struct contents_range, node) {
		if ((other->is_write || range->is_write) &&
			other->offset < range->offset + range->length &&
			range->offset < other->offset + other->length) {
			return true;
		}
	}
	return false;
}

int contents_move_begin(struct task *task, struct contents *contents, struct contents_range *range)
{
	int error = 0;

	while (error == 0 && is_in_the_way(contents, range)) {
		error = wait_on(task, &contents->moved);
	}
	if (error == 0) {
		list_push_back(&contents->ranges, &range->node);
	}
	return error;
}

bool contents_try_move_begin(struct contents *contents, struct contents_range *range)
{
	if (is_in_the_way(contents, range)) {
		return false;
	}
	list_push_back(&contents->ranges, &range->node);
	return true;
}

void contents_move_end(struct contents *contents, struct contents_range *range)
{
	list_remove(&range->node);
	wait_queue_wake(&contents->moved);
}

/* ---- moving pages ---------------------------------------------------------------------------- */

/* What fences and those who wait for pages are told. */
static int kernel_error(int error)
{
	if (error == BLOCKFS_E_NO_SPACE) {
		return -ERR_NO_SPACE;
	}
	return error < 0 ? error : -ERR_IO;
}

static void answer(const struct page_request *request, enum hel_update update, int error)
{
	(void)!hel_memory_update(
		request->contents->memory.handle, update, request->offset, request->length, error);
}

/* The driver learns of the memory. */
static int contents_attach(struct task *task, struct contents *contents)
{
	if (contents->is_attached) {
		return 0;
	}
	int error = mutex_lock(task, &contents->attach_lock);

	if (error != 0) {
		return error;
	}
	if (!contents->is_attached) { /* by somebody else meanwhile */
		error = io_memory_attach(
			task, contents->io, contents->memory.handle, &contents->memory);
		contents->is_attached = error == 0;
	}
	mutex_unlock(&contents->attach_lock);
	return error;
}

static void request_read(struct task *task, struct page_request *request)
{
	struct contents *contents = request->contents;
	const struct device_buffer buffer =
		io_buffer(&contents->memory, request->offset, request->length, NULL);
	int error = contents_attach(task, contents);

	error = error != 0 ? error : contents->ops->read(task, contents, request->offset, &buffer);
	if (error == 0) {
		error = hel_memory_update(contents->memory.handle, HEL_UPDATE_INITIALISED,
			request->offset, request->length, 0);
	}
	if (error != 0) {
		answer(request, HEL_UPDATE_INITIALISE_FAILED, kernel_error(error));
	}
}

/* Zeros into a part of a page, if it is there: one that comes later is read from the disk. */
static void zero_in_page(const struct contents *contents, uint64_t offset, uint64_t length)
{
	const struct device_buffer part = io_buffer(&contents->memory, offset, length, NULL);
	uint8_t byte;

	if (length > 0 && hel_memory_try_read(contents->frontal, offset, &byte, 1) == 0) {
		io_buffer_zero(&part, 0, length);
	}
}

void contents_clear_tail(const struct contents *contents, uint64_t size)
{
	uint64_t end = align_up(size, HEL_PAGE_SIZE);

	if (end <= contents->memory_size) {
		zero_in_page(contents, size, end - size);
	}
}

static void request_write(struct task *task, struct page_request *request)
{
	struct contents *contents = request->contents;
	const struct device_buffer buffer =
		io_buffer(&contents->memory, request->offset, request->length, NULL);
	uint64_t size = contents->ops->size(contents);

	if (size > request->offset && size < request->offset + request->length) {
		contents_clear_tail(contents, size);
	}
	int error = contents_attach(task, contents);

	error = error != 0 ? error : contents->ops->write(task, contents, request->offset, &buffer);
	if (error == 0) {
		answer(request, HEL_UPDATE_WRITTEN_BACK, 0);
	} else {
		contents->error = error;
		answer(request, HEL_UPDATE_WRITE_BACK_FAILED, kernel_error(error));
	}
}

static void request_move(struct task *task, struct page_request *request)
{
	struct contents_range range = {
		.offset = request->offset,
		.length = request->length,
		.is_write = request->manage.request.kind == HEL_MANAGE_WRITE_BACK,
	};

	if (contents_move_begin(task, request->contents, &range) != 0) {
		return; /* never: nobody cancels pagers */
	}
	if (range.is_write) {
		request_write(task, request);
	} else {
		request_read(task, request);
	}
	contents_move_end(request->contents, &range);
}

static void request_serve(struct task *task, struct page_request *request)
{
	struct contents *contents = request->contents;

	request->state = PAGES_WORKING;
	if (rwlock_read(task, &contents->lock) == 0) {
		if (request->length > 0) {
			request_move(task, request);
		}
		rwlock_read_done(&contents->lock);
	}
	request_end(request);
}

static int pager_run(struct task *task, UNUSED void *argument)
{
	int error = 0;

	while (error == 0) {
		struct page_request *request =
			LIST_POP_FRONT(&pager.queue, struct page_request, queue_node);

		if (request != NULL) {
			request_serve(task, request);
		} else {
			error = wait_on(task, &pager.has_work);
		}
	}
	return error;
}

void pager_start(struct loop *loop)
{
	list_init(&pager.queue);
	wait_queue_init(&pager.has_work);
	for (size_t i = 0; i < PAGER_TASKS; i++) {
		job_init(&pager.jobs[i], "pager", pager_run, NULL);
		job_submit(loop, &pager.jobs[i]);
	}
}

/* ---- life ------------------------------------------------------------------------------------ */

int contents_init(
	struct contents *contents, const struct contents_ops *ops, struct loop *loop, struct io *io)
{
	struct hel_managed_handles handles;

	*contents = (struct contents){ .ops = ops, .io = io, .loop = loop };
	rwlock_init(&contents->lock);
	list_init(&contents->requests);
	list_init(&contents->ranges);
	wait_queue_init(&contents->moved);
	wait_queue_init(&contents->listeners);
	mutex_init(&contents->attach_lock);
	contents->memory_size = align_up(ops->size(contents), HEL_PAGE_SIZE);
	int error = hel_memory_create_managed(contents->memory_size, 0, &handles);

	if (error != 0) {
		return error;
	}
	contents->frontal = handles.frontal;
	contents->memory.handle = handles.backing;
	contents_listen(contents);
	if (contents->n_listening == 0) {
		hel_close(HEL_THIS, handles.backing);
		hel_close(HEL_THIS, handles.frontal);
		return -ERR_NO_MEMORY;
	}
	return 0;
}

void contents_close(struct task *task, struct contents *contents)
{
	struct scope shield;

	scope_begin_shield(task, &shield);
	hel_close(HEL_THIS, contents->frontal);
	contents_quieten(task, contents);
	for (struct page_request *idle; (idle = find_idle(contents)) != NULL;) {
		request_destroy(idle);
	}
	while (contents->n_requests > 0) { /* they are queued or worked on, and end themselves */
		(void)!wait_on(task, &contents->listeners);
	}
	if (contents->is_attached) {
		io_memory_detach(task, contents->io, &contents->memory);
	}
	hel_close(HEL_THIS, contents->memory.handle);
	(void)!scope_join(&shield);
}

/* ---- what users of the file do --------------------------------------------------------------- */

bool contents_is_empty(const struct contents *contents)
{
	struct hel_memory_info info;

	return hel_memory_info(contents->memory.handle, &info) == 0 && info.resident_bytes == 0;
}

bool contents_has_pages(struct contents *contents, uint64_t offset, uint64_t length)
{
	uint64_t first = align_down(offset, HEL_PAGE_SIZE);
	uint8_t byte;

	if (!contents->may_have_pages) {
		return false;
	}
	if (contents_is_empty(contents)) {
		/* what is asked for, or is zero without being asked for, may come yet */
		contents->may_have_pages =
			contents->has_zeros || contents->n_requests > contents->n_listening;
		return false;
	}
	for (uint32_t i = 0; i < PAGES_LOOKED_FOR && first < offset + length; i++) {
		if (hel_memory_try_read(contents->frontal, first, &byte, 1) == 0) {
			return true;
		}
		first += HEL_PAGE_SIZE;
	}
	return first < offset + length;
}

int contents_sync(struct task *task, struct contents *contents, uint64_t offset, uint64_t length)
{
	uint64_t first = align_down(offset, HEL_PAGE_SIZE);
	uint64_t end = contents->memory_size;

	if (length != 0 && length < end - min_u64(offset, end)) {
		end = align_up(offset + length, HEL_PAGE_SIZE);
	}
	if (first >= end || contents_is_empty(contents)) {
		return 0;
	}
	return contents_sync_result(
		contents, helix_fence(task, contents->frontal, first, end - first));
}

/* The client's fences may have been told of an error that ours would else end with. */
int contents_sync_result(struct contents *contents, int fence_error)
{
	int error = contents->error;

	if (fence_error == -ERR_CANCELLED || error == 0) {
		return fence_error;
	}
	contents->error = 0;
	return error;
}

void contents_store(struct task *task, struct contents *contents)
{
	if (!contents_is_empty(contents)) {
		(void)!helix_fence(task, contents->frontal, 0, contents->memory_size);
	}
}

int contents_grow(struct contents *contents, uint64_t size)
{
	uint64_t memory_size = align_up(size, HEL_PAGE_SIZE);

	if (memory_size < size) {
		return BLOCKFS_E_TOO_LARGE;
	}
	if (memory_size <= contents->memory_size) {
		return 0;
	}
	int error = hel_memory_resize(contents->memory.handle, memory_size);

	if (error == 0) {
		contents->has_zeros = true;
		contents->may_have_pages = true;
		(void)!hel_memory_update(contents->memory.handle, HEL_UPDATE_ZERO,
			contents->memory_size, memory_size - contents->memory_size, 0);
		contents->memory_size = memory_size;
	}
	return error == -ERR_ILLEGAL_ARGS ? BLOCKFS_E_TOO_LARGE : error;
}

/* Requests that have come and were not begun: nothing of them is behind @end. */
static void cut_requests(struct contents *contents, uint64_t end)
{
	LIST_FOR_EACH(request, &contents->requests, struct page_request, node) {
		if (request->offset >= end) {
			request->length = 0;
		} else {
			request->length = min_u64(request->length, end - request->offset);
		}
	}
}

void contents_cut(struct task *task, struct contents *contents, uint64_t size)
{
	uint64_t memory_size = align_up(size, HEL_PAGE_SIZE);

	if (memory_size < contents->memory_size &&
		hel_memory_resize(contents->memory.handle, memory_size) == 0) {
		contents->memory_size = memory_size;
		contents_quieten(task, contents);
		cut_requests(contents, memory_size);
		contents->is_quiet = false;
		contents_listen(contents);
	}
	contents_clear_tail(contents, size);
}

void contents_drop(struct contents *contents, uint64_t offset, uint64_t length)
{
	uint64_t first = align_down(offset, HEL_PAGE_SIZE);
	uint64_t end = contents->memory_size;

	if (length < end - min_u64(offset, end)) {
		end = align_up(offset + length, HEL_PAGE_SIZE);
	}
	if (first < end) {
		(void)!hel_memory_invalidate(contents->memory.handle, first, end - first);
	}
}

/* Whole pages that are dirty all the same: of a mapping that is written to at this moment. */
static void zero_pages(
	struct task *task, const struct contents *contents, uint64_t offset, uint64_t end)
{
	uint32_t n_pages = 0;

	if (end - offset > RACES_BYTES_MAX) {
		return;
	}
	for (; offset < end; offset += HEL_PAGE_SIZE) {
		zero_in_page(contents, offset, HEL_PAGE_SIZE);
		if (++n_pages % PAGES_AT_ONCE == 0 && task_yield(task) != 0) {
			return;
		}
	}
}

void contents_show_zeros(
	struct task *task, struct contents *contents, uint64_t offset, uint64_t length)
{
	uint64_t end = min_u64(offset + length, contents->memory_size);
	uint64_t first_whole = min_u64(align_up(offset, HEL_PAGE_SIZE), end);
	uint64_t end_whole = max_u64(align_down(end, HEL_PAGE_SIZE), first_whole);

	contents_drop(contents, offset, length);
	if (offset < end && !contents_is_empty(contents)) {
		zero_in_page(contents, offset, first_whole - offset);
		zero_pages(task, contents, first_whole, end_whole);
		zero_in_page(contents, end_whole, end - end_whole);
	}
}
