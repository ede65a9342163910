/* SPDX-License-Identifier: MIT */
/*
 * Direct transfers of programs: how they begin and end; see direct-view.h.
 *
 * Who may have one: a process that has the device open with O_DIRECT, to do what pread() and
 * pwrite() on that descriptor would do. It is closed with the view of the descriptor, which goes
 * with the descriptor, the descriptor table, the program and the process; when the device may not
 * be written to any more, and when it vanishes. The server also ends it with the session, so it
 * holds neither session nor file.
 *
 * What it costs: 2 MiB of posix' memory, of which there are VIEWS_MAX times so much at most, and
 * less on small machines. A process has a handle that raises an event of the file server's, and
 * nothing else.
 */
#include <abi/linux/errno.h>
#include <abi/linux/fcntl.h>
#include <async/loop.h>
#include <async/timer.h>
#include <base/errors.h>
#include <hel/hel-calls.h>
#include <helix/memory.h>
#include <posix/server/file/access.h>
#include <posix/server/file/views.h>
#include <posix/server/fs/block-session.h>
#include <posix/server/fs/direct-loans.h>
#include <posix/server/fs/direct-view.h>
#include <posix/server/fs/disk-internal.h>
#include <posix/server/process/process-internal.h>
#include <posix/server/turn.h>
#include <posix/server/vfs/memory-size.h>
#include <protocols/fs/direct.h>

constexpr uint32_t VIEWS_MAX = 32; /* of all processes, */
constexpr uint64_t MEMORY_SHARE = 16; /* and of the machine's memory one part of so many */
constexpr uint64_t LOOK_AGAIN_NS = 20000000; /* for what nobody tells */

static_assert(FS_DIRECT_SIZE <= POSIX_DIRECT_PLACE);
static_assert(POSIX_DIRECTS_MAX <= 8 * sizeof(((struct mm *)0)->direct_places));

enum direct_phase : uint8_t {
	DIRECT_OPENING,
	DIRECT_SERVED,
	DIRECT_CLOSING,
	DIRECT_OVER, /* nothing is served; threads of the process may still look at the memory */
};

struct direct_view {
	struct list_node node;
	struct view *view; /* NULL: it has left */
	struct process *process; /* of the view; when that has left only its name */
	struct process *waiter; /* that ends when nothing is served; NULL: none */
	struct block *block; /* its volume is referenced by the session */
	struct disk_super *disk; /* the session; referenced */
	uint64_t node_id;
	bool is_writable;
	enum direct_phase phase;
	struct mm *mm; /* not referenced; NULL: it is gone */
	uint32_t place;
	hel_handle memory;
	struct fs_direct *shared; /* its first pages */
	hel_handle event; /* of the server, in the process' universe; HEL_NULL: none */
	uint64_t id; /* of the server */
	struct direct_loans loans;
	struct job job; /* opens, lends or closes: one of them at a time */
	struct timer timer;
	struct wait_entry session_wait; /* that ends */
};

static struct list directs = LIST_INIT(directs);
static uint32_t n_directs;
/* Woken when one is over. */
static struct wait_queue news = { .entries = LIST_INIT(news.entries) };

static uint64_t direct_address(const struct direct_view *direct)
{
	return POSIX_DIRECTS + direct->place * POSIX_DIRECT_PLACE;
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void direct_free(struct direct_view *direct)
{
	if (direct->mm != NULL) {
		hel_space_unmap(direct->mm->space, direct_address(direct), FS_DIRECT_SIZE);
		direct->mm->direct_places &= (uint8_t)~(1u << direct->place);
	}
	if (direct->shared != NULL) {
		helix_unmap(direct->shared, FS_DIRECT_DATA);
	}
	if (direct->memory != HEL_NULL) {
		hel_close(HEL_THIS, direct->memory);
	}
	timer_disarm(posix_loop(), &direct->timer);
	wait_entry_remove(&direct->session_wait);
	list_remove(&direct->node);
	n_directs--;
	super_unref(&direct->disk->super);
	helix_free(direct);
}

static bool direct_allocate(struct direct_view *direct)
{
	void *shared;

	if (hel_memory_allocate(FS_DIRECT_SIZE, HEL_ALLOCATE_CONTIGUOUS, &direct->memory) != 0) {
		direct->memory = HEL_NULL;
		return false;
	}
	if (helix_map(direct->memory, 0, FS_DIRECT_DATA, HEL_MAP_READ | HEL_MAP_WRITE, &shared) !=
		0) {
		return false;
	}
	direct->shared = shared;
	return true;
}

static bool direct_map(struct direct_view *direct, struct mm *mm)
{
	while ((mm->direct_places >> direct->place & 1) != 0) {
		direct->place++;
	}
	if (mm_map(mm, direct->memory, 0, direct_address(direct), FS_DIRECT_SIZE,
		    HEL_MAP_READ | HEL_MAP_WRITE | HEL_MAP_FORK_DROP) != 0) {
		return false;
	}
	direct->mm = mm;
	mm->direct_places |= (uint8_t)(1u << direct->place);
	return true;
}

/* Whether the process says that threads of it are in the middle of a transfer. */
static bool direct_is_used(const struct direct_view *direct)
{
	return direct->mm != NULL && atomic_load(&direct->shared->taken) != 0;
}

static void direct_look_later(struct direct_view *direct)
{
	timer_arm(posix_loop(), &direct->timer, loop_now_ns(posix_loop()) + LOOK_AGAIN_NS);
}

static void session_changed(struct wait_entry *entry)
{
	struct direct_view *direct = entry->owner;

	wait_entry_remove(entry);
	timer_arm(posix_loop(), &direct->timer, loop_now_ns(posix_loop()));
}

/* The session is ending: then this is over, too. */
static void direct_await_session(struct direct_view *direct)
{
	direct->session_wait = (struct wait_entry){ .wake = session_changed, .owner = direct };
	wait_entry_add(&direct->session_wait, &direct->disk->phase_changed);
}

/* Requests that nobody will look at any more are answered; see direct.h. */
static void direct_sweep(struct direct_view *direct)
{
	atomic_store(&direct->shared->is_over, 1);
	for (uint32_t i = 0; i < FS_DIRECT_SLOTS; i++) {
		struct fs_direct_slot *slot = fs_direct_slot(direct->shared, i);
		uint32_t state = FS_DIRECT_SUBMITTED;

		if (atomic_load(&slot->state) == state) {
			slot->error = FS_DIRECT_ASK;
			if (atomic_compare_exchange_strong(&slot->state, &state, FS_DIRECT_DONE)) {
				hel_futex_wake(
					(uint32_t *)&slot->state, UINT32_MAX, UINT32_MAX, NULL);
			}
		}
	}
}

static bool has_transfers(const struct process *waiter)
{
	LIST_FOR_EACH(direct, &directs, struct direct_view, node) {
		if (direct->waiter == waiter) {
			return true;
		}
	}
	return false;
}

static void direct_over(struct direct_view *direct)
{
	struct process *waiter = direct->waiter;

	direct->phase = DIRECT_OVER;
	direct->waiter = NULL;
	direct_sweep(direct);
	wait_queue_wake(&news);
	if (waiter != NULL && !has_transfers(waiter)) {
		process_transfers_are_over(waiter);
	}
	if (direct_is_used(direct)) {
		direct_look_later(direct);
	} else {
		direct_free(direct);
	}
}

/* ---- the server ------------------------------------------------------------------------------ */

static bool add_memory(struct disk_call *call, const struct direct_view *direct)
{
	constexpr uint32_t RIGHTS =
		HEL_RIGHT_READ | HEL_RIGHT_WRITE | HEL_RIGHT_MAP | HEL_RIGHT_PIN | HEL_RIGHT_DERIVE;
	hel_handle limited;

	if (hel_transfer(HEL_THIS, direct->memory, HEL_THIS, RIGHTS, &limited) != 0) {
		return false;
	}
	return bragi_handles_add(&call->exchange.to_send, limited);
}

/* The server takes it; @out_event is the caller's. */
static int64_t call_open(struct direct_view *direct, hel_handle *out_event)
{
	struct fs_open_direct_request request;
	struct fs_open_direct_reply reply;
	struct disk_call call;
	int64_t error = disk_call_begin(&call, direct->disk);

	if (error < 0) {
		return error;
	}
	fs_open_direct_request_init(&request);
	request.node = direct->node_id;
	request.is_writable = direct->is_writable;
	int result = -ERR_NO_MEMORY;

	if (add_memory(&call, direct)) {
		result = fs_session_open_direct(
			call.task, DISK_CONTENTS_CLIENT(&call), &request, &reply);
	}
	transport_close_handles(&call.exchange.to_send);
	if (result == 0) {
		direct->id = reply.id;
		*out_event = bragi_handles_take(&call.exchange.received, 0);
	}
	transport_close_handles(&call.exchange.received);
	return disk_call_end(&call, result);
}

static int64_t call_close(struct direct_view *direct)
{
	struct fs_close_direct_request request;
	struct fs_close_direct_reply reply;
	struct disk_call call;
	int64_t error = disk_call_begin(&call, direct->disk);

	if (error < 0) {
		return error;
	}
	fs_close_direct_request_init(&request);
	request.id = direct->id;
	int result = fs_session_close_direct(call.task, DISK_CLIENT(&call), &request, &reply);

	return disk_call_end(&call, result == -ERR_NOT_FOUND ? 0 : result);
}

/*
 * Until nothing is served: that has to be so, whatever is short. The session's end does it, too; it
 * is not waited for here in the task, because it needs one.
 */
static int64_t direct_close(void *context)
{
	struct direct_view *direct = context;
	enum disk_phase phase = direct->disk->phase;
	bool is_over = phase == DISK_GONE;

	direct->phase = DIRECT_CLOSING;
	if (!is_over && phase != DISK_UNMOUNTING) {
		/* a device that has vanished takes its server along, which would have answered */
		is_over = call_close(direct) == 0 || direct->block->volume.object == 0;
	}
	if (is_over) {
		direct_over(direct);
	} else if (phase == DISK_UNMOUNTING) {
		direct_await_session(direct);
	} else {
		direct_look_later(direct);
	}
	return 0;
}

static int close_job(struct task *task, void *argument)
{
	task->job = NULL; /* its memory goes */
	return (int)task_run_own(task, direct_close, argument);
}

static void direct_start_close(struct direct_view *direct)
{
	direct->phase = DIRECT_CLOSING;
	job_init(&direct->job, "direct close", close_job, direct);
	job_submit(posix_loop(), &direct->job);
}

static void direct_look(struct timer *timer)
{
	struct direct_view *direct = container_of(timer, struct direct_view, timer);

	if (direct->phase == DIRECT_OVER) {
		direct_over(direct);
	} else if (direct->disk->phase == DISK_UNMOUNTING) {
		direct_await_session(direct);
	} else {
		direct_start_close(direct);
	}
}

/* The process gets what wakes the server. */
static bool direct_hand_out(struct direct_view *direct, hel_handle event)
{
	return event != HEL_NULL &&
		hel_transfer(HEL_THIS, event, direct->process->internal->universe, HEL_RIGHT_SIGNAL,
			&direct->event) == 0;
}

static int64_t run_open(void *context)
{
	struct direct_view *direct = context;
	hel_handle event = HEL_NULL;
	int64_t error = direct->view == NULL ? -LINUX_ENODEV : call_open(direct, &event);
	bool is_wanted = error == 0 && direct->view != NULL && direct_hand_out(direct, event);

	if (event != HEL_NULL) {
		hel_close(HEL_THIS, event);
	}
	if (is_wanted) {
		direct->phase = DIRECT_SERVED;
		direct_loans_begin(&direct->loans, direct->shared);
		view_direct_ready(direct->view);
		return 0;
	}
	if (direct->view != NULL) {
		view_direct_ended(direct->view, true);
		direct->view = NULL;
	}
	if (error == 0) {
		return direct_close(direct);
	}
	direct_over(direct);
	return 0;
}

static int open_job(struct task *task, void *argument)
{
	task->job = NULL;
	return (int)task_run_own(task, run_open, argument);
}

/* What the view is of may have gone by now, and goes on meanwhile. */
static int64_t run_lend(void *context)
{
	struct direct_view *direct = context;

	if (direct->view != NULL && direct->mm != NULL) {
		direct_loans_give(&direct->loans,
			&(struct direct_lender){
				.disk = direct->disk,
				.id = direct->id,
				.space = direct->mm->space,
			});
	} else {
		direct_loans_forget(&direct->loans);
	}
	return direct->view != NULL ? 0 : direct_close(direct);
}

static int lend_job(struct task *task, void *argument)
{
	task->job = NULL;
	return (int)task_run_own(task, run_lend, argument);
}

/* ---- for views ------------------------------------------------------------------------------- */

uint32_t direct_view_may(const struct file *file)
{
	constexpr uint32_t NOT_PLAIN = LINUX_O_APPEND | LINUX_O_DSYNC;
	uint32_t flags = 0;

	if ((file->flags & LINUX_O_DIRECT) == 0) {
		return 0;
	}
	flags |= file_is_readable(file) ? POSIX_VIEW_READ : 0;
	if (file_is_writable(file) && (file->flags & NOT_PLAIN) == 0 &&
		block_file_of(file)->session->is_writable &&
		!block_is_read_only(block_of_file(file))) {
		flags |= POSIX_VIEW_WRITE;
	}
	return flags;
}

static bool has_room(const struct mm *mm)
{
	return n_directs < VIEWS_MAX &&
		n_directs < memory_size_bytes() / MEMORY_SHARE / FS_DIRECT_SIZE &&
		mm->direct_places != UINT8_MAX;
}

struct direct_view *direct_view_create(const struct direct_view_maker *maker)
{
	const struct block_session *session = block_file_of(maker->file)->session;

	if (!has_room(maker->mm) || session->block->volume.object == 0) {
		return NULL;
	}
	struct direct_view *direct = helix_malloc(sizeof(*direct));

	if (direct == NULL) {
		return NULL;
	}
	*direct = (struct direct_view){
		.view = maker->view,
		.process = maker->process,
		.block = session->block,
		.disk = disk_of(session->node),
		.node_id = session->node->id,
		.is_writable = (direct_view_may(maker->file) & POSIX_VIEW_WRITE) != 0,
		.phase = DIRECT_OPENING,
	};
	timer_init(&direct->timer, direct_look);
	super_ref(&direct->disk->super);
	list_push_back(&directs, &direct->node);
	n_directs++;
	if (!direct_allocate(direct) || !direct_map(direct, maker->mm)) {
		direct_free(direct);
		return NULL;
	}
	job_init(&direct->job, "direct open", open_job, direct);
	job_submit(posix_loop(), &direct->job);
	return direct;
}

uint32_t direct_view_show(
	const struct direct_view *direct, const struct file *file, struct posix_view *shared)
{
	uint32_t flags = direct_view_may(file);

	if (direct->phase != DIRECT_SERVED) {
		return 0;
	}
	shared->direct_address = direct_address(direct);
	shared->direct_event = direct->event;
	shared->direct_size = direct->block->volume.info.size_bytes;
	shared->direct_block = direct->block->volume.info.logical_block_bytes;
	return direct->is_writable ? flags : flags & ~(uint32_t)POSIX_VIEW_WRITE;
}

void direct_view_asked(struct direct_view *direct, uint64_t address, uint64_t size)
{
	if (direct->phase == DIRECT_SERVED && direct_loans_want(&direct->loans, address, size)) {
		job_init(&direct->job, "direct loan", lend_job, direct);
		job_submit(posix_loop(), &direct->job);
	}
}

void direct_view_leave(struct direct_view *direct, struct process *process)
{
	direct->view = NULL;
	if (direct->event != HEL_NULL) {
		/* who has not raised it by now finds that it is over */
		hel_close(process->internal->universe, direct->event);
		direct->event = HEL_NULL;
	}
	if (direct->phase == DIRECT_SERVED && !direct_loans_are_wanted(&direct->loans)) {
		direct_start_close(direct);
	} /* else its job sees that it has left */
}

/* ---- all of a device ------------------------------------------------------------------------- */

void direct_views_start_end(struct block *block)
{
	LIST_FOR_EACH_SAFE(direct, &directs, struct direct_view, node) {
		if (direct->block == block && direct->view != NULL) {
			view_direct_ended(direct->view, false);
			direct_view_leave(direct, direct->process);
		}
	}
}

static bool has_directs(const struct block *block)
{
	LIST_FOR_EACH(direct, &directs, struct direct_view, node) {
		if (direct->block == block && direct->phase != DIRECT_OVER) {
			return true;
		}
	}
	return false;
}

int64_t direct_views_end(struct block *block)
{
	if (has_directs(block) && request_task() == NULL) {
		return REQUEST_TASK;
	}
	direct_views_start_end(block);
	while (has_directs(block)) {
		task_wait_on(&news);
		direct_views_start_end(block);
	}
	return 0;
}

bool direct_views_await(struct process *process)
{
	bool is_large = process->internal->was_large;
	bool has_some = false;

	LIST_FOR_EACH(direct, &directs, struct direct_view, node) {
		if (direct->process == process && direct->view == NULL && direct->mm != NULL &&
			direct->phase != DIRECT_OVER &&
			(direct_is_used(direct) || (is_large && direct->loans.n_tried != 0))) {
			direct->waiter = process;
			has_some = true;
		}
	}
	return has_some;
}

void directs_left(struct mm *mm)
{
	LIST_FOR_EACH_SAFE(direct, &directs, struct direct_view, node) {
		if (direct->mm != mm) {
			continue;
		}
		direct->mm = NULL;
		if (direct->phase == DIRECT_OVER) {
			direct_free(direct);
		}
	}
}
