/* SPDX-License-Identifier: MIT */
/*
 * Views: made, brought up to date, taken back; see views.h.
 *
 * Who may see what: a process gets a view of a descriptor only while it has that, read-only, and
 * the window goes through a handle that allows nothing but reading, unless the descriptor is open
 * for both. So a view tells and allows nothing that read(), mmap() and fstat() on the descriptor
 * would not. What the process can write are the positions that it has borrowed, and those of files
 * that only it has: any value there is as good as an lseek() of its own; and times of what it has
 * done, which are taken for some between when it could do that first and now.
 *
 * What it costs: a table is 12 KiB and struct views; there are at most TABLES_MAX. A process has at
 * most POSIX_VIEWS_MAX views and as many windows; a further one pushes the oldest out. The pages of
 * a window are the file's, the process pays for the page tables. A file with holes has no window:
 * reading a hole there would take a page that nobody is charged for.
 */
#include <abi/linux/errno.h>
#include <abi/linux/fcntl.h>
#include <base/assert.h>
#include <base/string.h>
#include <hel/hel-calls.h>
#include <helix/memory.h>
#include <posix/server/file/access.h>
#include <posix/server/file/epoll.h>
#include <posix/server/file/views.h>
#include <posix/server/fs/direct-view.h>
#include <posix/server/process/process-internal.h>
#include <posix/server/vfs/dentry.h>

constexpr uint32_t TABLES_MAX = 1024;
/* Requests that a view would have spared, until it is made: of a file, of a process. */
constexpr uint32_t FILE_USES_MIN = 4;
constexpr uint32_t PROCESS_USES_MIN = 8;
/* A long read counts as several. */
constexpr uint64_t USE_BYTES = KIB(16);
/* Requests that a fresh view could not answer, until it is looked at again. */
constexpr uint8_t MISSES_MAX = 8;
/* Times that a view went stale without having been used, until it is mostly left so. */
constexpr uint8_t WASTED_MAX = 3;
constexpr uint8_t NO_VIEW = 0xff;
constexpr uint64_t DAY_NS = 24 * UINT64_C(3600000000000);

static_assert(POSIX_VIEWS_MAX < NO_VIEW);
static_assert(sizeof(struct linux_stat) == sizeof(((struct posix_view *)0)->stat));

struct view {
	struct list_node inode_node; /* on inode->views while it is fresh */
	struct list_node fresh_node; /* on the list of all fresh ones, likewise */
	struct views *views;
	struct file *file; /* of the descriptor: not referenced; NULL: unused */
	uint32_t fd;
	uint8_t n_misses; /* requests since it was last brought up to date */
	uint8_t n_wasted;
	bool can_lend; /* a position can be read from, or written to */
	bool is_writer; /* fresh, it may be written to */
	bool window_is_writable;
	bool has_no_direct; /* the server will not */
	struct direct_view *direct; /* of a block device; NULL: none, or not yet */
	uint64_t fresh_ns; /* when it became fresh, by the monotonic clock */
	uint64_t generation;
	uint64_t window_address, window_offset, window_size; /* what is mapped; size 0: nothing */
};

struct views {
	struct process *process;
	struct mm *mm; /* the process'; not referenced */
	hel_handle memory;
	struct posix_views *shared;
	uint64_t generation;
	uint32_t next_victim;
	uint8_t by_slot[POSIX_VIEW_SLOTS]; /* index, or NO_VIEW */
	struct view views[POSIX_VIEWS_MAX];
};

static uint32_t n_tables;
static struct list fresh = LIST_INIT(fresh);

static uint32_t view_index(const struct view *view)
{
	return (uint32_t)(view - view->views->views);
}

static _Atomic uint64_t *view_position(const struct view *view)
{
	return &view->views->process->internal->page->view_positions[view_index(view)];
}

/* ---- positions ------------------------------------------------------------------------------- */

/* If the file is the process' alone nobody else can see what it does with the position. */
static void view_lend_position(struct view *view)
{
	struct file *file = view->file;

	if (view->can_lend && file->borrower == NULL && file->references == 1 &&
		file->offset < POSIX_POSITION_MASK) {
		file->borrower = view;
		atomic_store_explicit(view_position(view),
			posix_position(view->generation, file->offset), memory_order_release);
	}
}

void view__take_position(struct file *file)
{
	struct view *view = file->borrower;
	uint64_t word = atomic_exchange(view_position(view), POSIX_POSITION_NONE);

	file->borrower = NULL;
	/* any other value is garbage of the process' own: then the file has not moved */
	if (posix_position_is_of(word, view->generation)) {
		file->offset = word & POSIX_POSITION_MASK;
	}
}

/* ---- fresh and stale ------------------------------------------------------------------------- */

static bool view_is_fresh(const struct view *view)
{
	return list_node_is_linked(&view->inode_node);
}

static struct posix_view_times *view_times(const struct view *view)
{
	return &view->views->process->internal->page->view_times[view_index(view)];
}

/* A moment that the process claims, which is one at which it could have been so. */
static uint64_t view_take_time(const struct view *view, _Atomic uint64_t *word, uint64_t now_ns)
{
	uint64_t ns = atomic_exchange(word, 0);

	return ns == 0 ? 0 : min_u64(max_u64(ns, view->fresh_ns), now_ns);
}

/* What a process says that it has done becomes times of the file. */
static void view_take_times(struct view *view)
{
	struct posix_view_times *times = view_times(view);
	uint64_t now_ns = clock_monotonic_ns();
	uint64_t written_ns = view_take_time(view, &times->written, now_ns);
	uint64_t accessed_ns = view_take_time(view, &times->accessed, now_ns);

	inode_note_uses(view->file->inode, written_ns,
		file_quiet_ns(view->file) == UINT64_MAX ? 0 : accessed_ns);
	view->is_writer = false;
}

static void view_make_stale(struct view *view)
{
	if (view_is_fresh(view)) {
		atomic_store(&view->views->shared->entries[posix_view_slot(view->fd)], 0);
		list_remove(&view->inode_node);
		list_remove(&view->fresh_node);
		if (view->is_writer) {
			view_take_times(view);
		}
	}
}

void views__settle(struct inode *inode)
{
	LIST_FOR_EACH_SAFE(view, &inode->views, struct view, inode_node) {
		struct posix_view_times *times = view->is_writer ? view_times(view) : NULL;

		if (times != NULL && (times->written != 0 || times->accessed != 0)) {
			view_make_stale(view); /* it also tells the times that were */
		}
	}
}

/* Who writes is alone, so that nobody looks at times that are old. */
static void views_make_way(struct inode *inode, bool for_writer)
{
	LIST_FOR_EACH_SAFE(view, &inode->views, struct view, inode_node) {
		if (for_writer || view->is_writer) {
			view_make_stale(view);
		}
	}
}

void views__inode_changed(struct inode *inode)
{
	LIST_FOR_EACH_SAFE(view, &inode->views, struct view, inode_node) {
		view_make_stale(view);
	}
}

/*
 * A view for direct transfers tells no times: where many threads write, requests that posix has yet
 * would take it away again before anybody could use it.
 */
void views__inode_touched(struct inode *inode)
{
	LIST_FOR_EACH_SAFE(view, &inode->views, struct view, inode_node) {
		if (view->file->ops->view_kind != POSIX_VIEW_DIRECT) {
			view_make_stale(view);
		}
	}
}

void views_directory_watched(struct inode *directory)
{
	if (!directory->has_viewed_names) {
		return;
	}
	directory->has_viewed_names = false;
	LIST_FOR_EACH_SAFE(view, &fresh, struct view, fresh_node) {
		const struct dentry *dentry = view->file->path.dentry;

		if (dentry != NULL && dentry->parent != NULL &&
			dentry->parent->inode == directory) {
			view_make_stale(view);
		}
	}
}

void views_all_changed(void)
{
	LIST_FOR_EACH_SAFE(view, &fresh, struct view, fresh_node) {
		view_make_stale(view);
	}
}

/* ---- access times ---------------------------------------------------------------------------- */

static void views_expired(UNUSED struct timer *timer)
{
	views_all_changed();
}

/* Reads need not be noted for this long; then somebody has to look again. */
static void view_expire_after(uint64_t quiet_ns)
{
	static struct timer timer = { .fire = views_expired };
	uint64_t deadline_ns = clock_monotonic_ns() + quiet_ns;

	if (timer_is_armed(&timer) && timer.deadline_ns <= deadline_ns) {
		return;
	}
	timer_disarm(posix_loop(), &timer);
	timer_arm(posix_loop(), &timer, deadline_ns);
}

/* Somebody wants to be told of each read and write. */
static bool view_is_watched(struct file *file)
{
	const struct dentry *dentry = file->path.dentry;

	if (!list_is_empty(&file->inode->watches)) {
		return true;
	}
	if (dentry == NULL || dentry->parent == NULL) {
		return false;
	}
	dentry->parent->inode->has_viewed_names = true;
	return !list_is_empty(&dentry->parent->inode->watches);
}

/* ---- windows --------------------------------------------------------------------------------- */

/* Small windows are close together, so that they do not need a page table each. */
static uint64_t window_place(const struct view *view, uint64_t size)
{
	uint64_t index = view_index(view);

	return size <= POSIX_WINDOW_SMALL ? POSIX_VIEWS + (index + 1) * POSIX_WINDOW_SMALL
					  : POSIX_WINDOWS + index * POSIX_WINDOW_SIZE;
}

static void view_close_window(struct view *view)
{
	if (view->window_size != 0) {
		hel_space_unmap(view->views->mm->space, view->window_address, view->window_size);
		view->window_size = 0;
	}
}

static bool window_covers(const struct view *view, const struct view_use *use)
{
	if (view->is_writer && !view->window_is_writable) {
		return false;
	}
	uint64_t end = min_u64(use->offset + use->size, view->file->inode->size_bytes);

	return use->offset >= view->window_offset && end <= view->window_offset + view->window_size;
}

/* Maps the part of the file in which @use lies; without memory for it there is no window. */
static void view_open_window(
	struct view *view, hel_handle memory, uint64_t memory_size, const struct view_use *use)
{
	uint64_t offset = align_down(use->offset, POSIX_WINDOW_SIZE);
	uint64_t size = min_u64(memory_size - min_u64(offset, memory_size), POSIX_WINDOW_SIZE);
	uint64_t address = window_place(view, size);
	uint32_t rights = HEL_RIGHT_READ | HEL_RIGHT_MAP;
	uint32_t flags = HEL_MAP_READ | HEL_MAP_FORK_DROP;
	hel_handle limited;

	if (view->is_writer) {
		rights |= HEL_RIGHT_WRITE;
		flags |= HEL_MAP_WRITE;
	}
	view_close_window(view);
	if (size == 0 || hel_transfer(HEL_THIS, memory, HEL_THIS, rights, &limited) != 0) {
		return;
	}
	if (mm_map(view->views->mm, limited, offset, address, size, flags) == 0) {
		view->window_address = address;
		view->window_offset = offset;
		view->window_size = size;
		view->window_is_writable = view->is_writer;
	}
	hel_close(HEL_THIS, limited);
}

/* Whether the file can be used without posix, and the window that is needed for it. */
static bool view_prepare_window(struct view *view, const struct view_use *use)
{
	struct inode *inode = view->file->inode;
	uint64_t quiet_ns = file_quiet_ns(view->file);
	uint64_t memory_size;
	hel_handle memory;

	if (quiet_ns == 0) {
		if (!view->is_writer) {
			return false;
		}
		quiet_ns = DAY_NS; /* it notes the first read itself */
	}
	if (inode->size_bytes != 0 && use->size != 0) {
		if (inode->ops->window(inode, &memory, &memory_size) < 0) {
			return false;
		}
		if (view->is_writer) { /* nothing is to be made behind the end */
			memory_size =
				min_u64(memory_size, align_up(inode->size_bytes, HEL_PAGE_SIZE));
		}
		if (!window_covers(view, use)) {
			view_open_window(view, memory, memory_size, use);
		}
	}
	if (quiet_ns != UINT64_MAX) {
		view_expire_after(quiet_ns);
	}
	return true;
}

/* ---- making ---------------------------------------------------------------------------------- */

bool view_can_write(const struct file *file)
{
	switch (file->ops->view_kind) {
	case POSIX_VIEW_NULL:
	case POSIX_VIEW_ZERO: return true;
	case POSIX_VIEW_FILE:
		/* a window can be read wherever it can be written */
		return file_is_readable(file) && file_is_writable(file) &&
			(file->flags & (LINUX_O_APPEND | LINUX_O_DSYNC | LINUX_O_DIRECT)) == 0;
	case POSIX_VIEW_DIRECT: return (direct_view_may(file) & POSIX_VIEW_WRITE) != 0;
	default: return false;
	}
}

/* Whether the file may be written to without posix, and where. */
static bool view_may_write(const struct view *view, struct posix_view *shared)
{
	struct file *file = view->file;
	uint64_t limit = view->views->process->limits[LIMIT_FSIZE][0];

	if (!view_can_write(file) || inode_has_privileges(file->inode) ||
		file->inode->ops->room(file->inode, &shared->room_start, &shared->room_end) < 0) {
		return false;
	}
	shared->room_end = min_u64(shared->room_end, limit);
	return shared->room_start < shared->room_end;
}

static uint32_t view_show_file(
	struct view *view, struct posix_view *shared, const struct view_use *use)
{
	struct file *file = view->file;
	uint32_t flags = 0;

	view->is_writer = use->is_write && view_may_write(view, shared);
	if (file_is_readable(file) && (file->flags & LINUX_O_DIRECT) == 0 &&
		view_prepare_window(view, use)) {
		flags |= POSIX_VIEW_READ;
	}
	view->is_writer =
		view->is_writer && flags != 0 && view->window_size != 0 && view->window_is_writable;
	if (view->is_writer) {
		file->inode->ops->contents_mapped(file->inode);
		flags |= POSIX_VIEW_WRITE;
		flags |= file_quiet_ns(file) != UINT64_MAX ? POSIX_VIEW_NOTE : 0;
	} else if (file_quiet_ns(file) == 0) {
		flags = 0;
	}
	shared->size = file->inode->size_bytes;
	shared->window_address = view->window_address;
	shared->window_offset = view->window_offset;
	shared->window_size = view->window_size;
	return flags;
}

/* Direct transfers are offered by the server, in a while. Reads may have to be noted, as above. */
static uint32_t view_show_direct(struct view *view, struct posix_view *shared)
{
	struct file *file = view->file;
	uint64_t quiet_ns = file_quiet_ns(file);
	uint32_t flags = 0;

	if (view->direct == NULL && !view->has_no_direct) {
		view->direct = direct_view_create(&(struct direct_view_maker){
			.view = view,
			.file = file,
			.process = view->views->process,
			.mm = view->views->mm,
		});
	}
	if (view->direct != NULL) {
		flags = direct_view_show(view->direct, file, shared);
	}
	if (quiet_ns == 0) {
		flags &= ~(uint32_t)POSIX_VIEW_READ;
	} else if (quiet_ns != UINT64_MAX) {
		view_expire_after(quiet_ns);
	}
	return flags;
}

/* Fills in what is the kind's; returns what may be done with it, enum posix_view_flags. */
static uint32_t view_show(struct view *view, struct posix_view *shared, const struct view_use *use)
{
	struct file *file = view->file;
	uint32_t flags = 0;

	if (view_is_watched(file)) {
		return 0;
	}
	switch (file->ops->view_kind) {
	case POSIX_VIEW_NULL:
	case POSIX_VIEW_ZERO:
		flags |= file_is_readable(file) ? POSIX_VIEW_READ : 0;
		flags |= file_is_writable(file) ? POSIX_VIEW_WRITE : 0;
		break;
	case POSIX_VIEW_FILE: flags |= view_show_file(view, shared, use); break;
	case POSIX_VIEW_EPOLL:
		if (epoll_show(file, (struct linux_epoll_event *)shared->events,
			    POSIX_VIEW_EVENTS_MAX, &shared->n_events)) {
			flags |= POSIX_VIEW_READ;
		}
		break;
	case POSIX_VIEW_DIRECT: flags |= view_show_direct(view, shared); break;
	default: break;
	}
	return flags;
}

/* Whether the shim may read where the file stands, or (a disk) write. */
static bool view_has_position(const struct view *view, uint32_t flags)
{
	switch (view->file->ops->view_kind) {
	case POSIX_VIEW_FILE: return (flags & POSIX_VIEW_READ) != 0;
	case POSIX_VIEW_DIRECT: return flags != 0;
	default: return false;
	}
}

/* Brings a view up to date. */
static void view_refresh(struct view *view, const struct view_use *use)
{
	struct file *file = view->file;
	struct views *views = view->views;
	struct posix_view *shared = &views->shared->views[view_index(view)];
	uint32_t flags;

	file_take_position(file);
	view_make_stale(view);
	if (file->ops->view_kind == POSIX_VIEW_FILE) {
		views_make_way(file->inode, use->is_write && view_can_write(file));
	}
	stat_fill(file->inode, (struct linux_stat *)shared->stat);
	flags = view_show(view, shared, use);
	view->generation = ++views->generation;
	view->n_misses = 0;
	if (view->is_writer) {
		view->fresh_ns = clock_monotonic_ns();
		atomic_store(&view_times(view)->written, 0);
		atomic_store(&view_times(view)->accessed, 0);
	}
	list_push_back(&file->inode->views, &view->inode_node);
	list_push_back(&fresh, &view->fresh_node);
	view->can_lend = view_has_position(view, flags);
	view_lend_position(view);
	atomic_store(&views->shared->entries[posix_view_slot(view->fd)],
		posix_view_entry(file->ops->view_kind, flags,
			&(struct posix_view_name){ view->fd, view_index(view), view->generation }));
}

static void view_drop(struct view *view)
{
	file_take_position(view->file);
	view_make_stale(view);
	view_close_window(view);
	if (view->direct != NULL) {
		direct_view_leave(view->direct, view->views->process);
		view->direct = NULL;
	}
	view->views->by_slot[posix_view_slot(view->fd)] = NO_VIEW;
	view->file = NULL;
}

void view_direct_ready(struct view *view)
{
	view_refresh(view, &(struct view_use){ 0 });
}

void view_direct_ended(struct view *view, bool is_refused)
{
	view_make_stale(view);
	view->direct = NULL;
	view->has_no_direct = is_refused;
}

/* Whether the shim has looked at it since the last question. */
static bool view_take_use(const struct view *view)
{
	_Atomic uint8_t *was_used =
		&view->views->process->internal->page->view_was_used[view_index(view)];

	return atomic_exchange(was_used, 0) != 0;
}

/* An unused view, or one that was not looked at for a while; NULL: all are busy. */
static struct view *view_find_victim(struct views *views)
{
	for (uint32_t i = 0; i < POSIX_VIEWS_MAX; i++) {
		if (views->views[i].file == NULL) {
			return &views->views[i];
		}
	}
	for (uint32_t i = 0; i < POSIX_VIEWS_MAX; i++) {
		struct view *view = &views->views[views->next_victim++ % POSIX_VIEWS_MAX];

		if (!view_take_use(view)) {
			return view;
		}
	}
	return NULL;
}

static struct view *view_create(struct views *views, uint32_t fd, struct file *file)
{
	struct view *view = view_find_victim(views);

	if (view == NULL) {
		return NULL;
	}
	if (view->file != NULL) {
		view->file->n_view_uses = 0;
		view_drop(view);
	}
	view->file = file;
	view->fd = fd;
	view->n_wasted = 0;
	view->has_no_direct = false;
	views->by_slot[posix_view_slot(fd)] = (uint8_t)view_index(view);
	return view;
}

/* ---- tables ---------------------------------------------------------------------------------- */

/* Makes the memory that both see. */
static bool views_map(struct views *views)
{
	hel_handle readable;
	void *shared;

	if (hel_memory_allocate(sizeof(*views->shared), 0, &views->memory) != 0) {
		views->memory = HEL_NULL;
		return false;
	}
	if (helix_map(views->memory, 0, sizeof(*views->shared), HEL_MAP_READ | HEL_MAP_WRITE,
		    &shared) != 0) {
		return false;
	}
	views->shared = shared;
	if (hel_transfer(HEL_THIS, views->memory, HEL_THIS, HEL_RIGHT_READ | HEL_RIGHT_MAP,
		    &readable) != 0) {
		return false;
	}
	int error = mm_map(views->mm, readable, 0, POSIX_VIEWS, sizeof(*views->shared),
		HEL_MAP_READ | HEL_MAP_FORK_DROP);

	hel_close(HEL_THIS, readable);
	return error == 0;
}

static void views_free(struct views *views)
{
	if (views->shared != NULL) {
		helix_unmap(views->shared, sizeof(*views->shared));
	}
	if (views->memory != HEL_NULL) {
		hel_close(HEL_THIS, views->memory);
	}
	helix_free(views);
	n_tables--;
}

static struct views *views_create(struct process *process)
{
	struct mm *mm = process->internal->mm;
	struct posix_process_page *page = process->internal->page;

	/* one per address space: others who live there, after vfork or so, do without */
	if (mm == NULL || page == NULL || mm->has_views || n_tables >= TABLES_MAX) {
		return NULL;
	}
	struct views *views = helix_calloc(1, sizeof(*views));

	if (views == NULL) {
		return NULL;
	}
	n_tables++;
	views->process = process;
	views->mm = mm;
	if (!views_map(views)) {
		views_free(views);
		return NULL;
	}
	memset(views->by_slot, NO_VIEW, sizeof(views->by_slot));
	for (uint32_t i = 0; i < POSIX_VIEWS_MAX; i++) {
		list_node_init(&views->views[i].inode_node);
		list_node_init(&views->views[i].fresh_node);
		views->views[i].views = views;
		atomic_store(&page->view_positions[i], POSIX_POSITION_NONE);
		atomic_store(
			&page->view_is_written[i], 0); /* of who died with an earlier program */
	}
	mm->has_views = true;
	page->views = POSIX_VIEWS;
	return views;
}

/* Whoever has the slot of a descriptor, NULL: nobody. */
static struct view *view_in_slot(struct views *views, uint32_t fd)
{
	uint8_t index = views->by_slot[posix_view_slot(fd)];

	return index == NO_VIEW ? NULL : &views->views[index];
}

void views__lend(struct views *views, uint32_t fd)
{
	struct view *view = view_in_slot(views, fd);

	if (view != NULL && view->fd == fd && view_is_fresh(view)) {
		view_lend_position(view);
	}
}

void views_close(struct views *views, uint32_t fd)
{
	struct view *view = view_in_slot(views, fd);

	if (view != NULL && view->fd == fd) {
		view_drop(view);
	}
}

void views_hide(struct views *views)
{
	for (uint32_t i = 0; i < POSIX_VIEWS_MAX; i++) {
		if (views->views[i].file != NULL) {
			view_drop(&views->views[i]);
		}
	}
}

/*
 * Threads of the process may still run and look at the table, if this is an exec: what they see
 * stays mapped, and empty, until the space goes or has another table there.
 */
void views_leave(struct fd_table *table, struct process *process)
{
	struct views **place = fd_table_views(table);
	struct views *views = *place;

	if (views == NULL || views->process != process) {
		return;
	}
	views_hide(views);
	process->internal->page->views = 0;
	views->mm->has_views = false;
	*place = NULL;
	views_free(views);
}

/* ---- noting ---------------------------------------------------------------------------------- */

/* Whether it was asked for often enough. */
static bool view_is_wanted(struct process *process, struct file *file, const struct view_use *use)
{
	uint32_t weight = 1 + (uint32_t)(use->size / USE_BYTES);
	uint32_t *n_process_uses = &process->internal->n_view_uses;

	*n_process_uses =
		*n_process_uses > UINT32_MAX - weight ? UINT32_MAX : *n_process_uses + weight;
	file->n_view_uses = (uint8_t)min_u64(file->n_view_uses + weight, UINT8_MAX);
	return file->n_view_uses >= FILE_USES_MIN && *n_process_uses >= PROCESS_USES_MIN;
}

/* Makes a view, and a table if there is none; NULL: not now. */
static struct view *view_make(
	struct process *process, struct views **place, uint32_t fd, struct file *file)
{
	struct view *view = NULL;

	if (*place == NULL) {
		*place = views_create(process);
	}
	if (*place != NULL) {
		struct view *other = view_in_slot(*place, fd);

		/* two descriptors that need the same slot do not push out each other */
		if (other != NULL && !view_is_fresh(other)) {
			view_drop(other);
			other = NULL;
		}
		view = other == NULL ? view_create(*place, fd, file) : NULL;
	}
	if (view == NULL) {
		file->n_view_uses = 0; /* not again at once */
	}
	return view;
}

/* Where each read is followed by a change it is not worth while to bring the view up to date. */
static bool view_is_in_vain(struct view *view)
{
	if (view_take_use(view)) {
		view->n_wasted = 0;
	} else if (view->n_wasted < WASTED_MAX) {
		view->n_wasted++;
	} else {
		return ++view->n_misses < MISSES_MAX;
	}
	return false;
}

void view__note(struct request *request, struct file *file, const struct view_use *use)
{
	struct process *process = request->process;
	struct views **place = fd_table_views(process->files);
	uint32_t fd = (uint32_t)request->args[0];

	if (fd_table_is_shared(process->files) || process->internal->has_no_views ||
		(file->inode->super->flags & SUPER_SHARED) != 0) {
		return;
	}
	if (!fd_table_names(process->files, fd, file)) {
		return; /* it was closed while the request waited */
	}
	struct view *view = *place == NULL ? NULL : view_in_slot(*place, fd);

	if (file->ops->view_kind == POSIX_VIEW_DIRECT && (file->flags & LINUX_O_DIRECT) == 0) {
		if (view != NULL && view->fd == fd) {
			view_drop(view); /* it had O_DIRECT before */
		}
		return;
	}
	if (view == NULL || view->fd != fd) {
		view = view_is_wanted(process, file, use) ? view_make(process, place, fd, file)
							  : NULL;
	}
	if (view == NULL) {
		return;
	}
	ASSERT(view->file == file);
	if (view->direct != NULL && use->size != 0) {
		direct_view_asked(view->direct, request->args[5], request->args[4]);
	}
	struct view_use needed = *use;

	if (view_is_fresh(view)) {
		bool lacks_window = view->can_lend && view->window_size == 0 && use->size != 0;

		needed.is_write |= view->is_writer;
		if (lacks_window || ++view->n_misses >= MISSES_MAX) {
			view_refresh(view, &needed);
		} else {
			view_lend_position(view);
		}
	} else if (!view_is_in_vain(view)) {
		view_refresh(view, &needed);
	}
}
