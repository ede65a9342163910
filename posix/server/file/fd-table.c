/* SPDX-License-Identifier: MIT */
/*
 * Descriptor tables: an array of files and two bitmaps, which descriptors are used and which are
 * closed by exec.
 *
 * All below `lowest` are used, so that the usual search for the lowest free one begins at its
 * answer.
 */
#include <abi/linux/errno.h>
#include <base/bitmap.h>
#include <base/string.h>
#include <helix/memory.h>
#include <posix/server/file/file.h>
#include <posix/server/file/lock.h>
#include <posix/server/file/pipe.h>
#include <posix/server/file/views.h>
#include <posix/server/mqueue/mqueue.h>
#include <posix/server/socket/family.h>
#include <posix/server/task.h>
#include <posix/server/vfs/inode.h>

constexpr uint32_t FD_TABLE_FIRST_SIZE = 16;
constexpr uint32_t FD_MAX = 1u << 20;        /* as fs.nr_open */

struct fd_table {
	uint32_t references;
	uint32_t capacity;
	uint32_t lowest;
	struct views *views; /* NULL: none */
	struct file **files;
	uint64_t *used;
	uint64_t *cloexec;
};

/* One block holds the array and both bitmaps. */
static bool fd_table_allocate(struct fd_table *table, uint32_t capacity)
{
	size_t map_size = BITMAP_WORDS(capacity) * sizeof(uint64_t);
	uint8_t *block = helix_calloc(1, capacity * sizeof(struct file *) + 2 * map_size);

	if (block == NULL) {
		return false;
	}
	table->capacity = capacity;
	table->files = (struct file **)block;
	table->used = (uint64_t *)(block + capacity * sizeof(struct file *));
	table->cloexec = (uint64_t *)(block + capacity * sizeof(struct file *) + map_size);
	return true;
}

/* Copies the first `n_fds` entries, bits and pointers alone. */
static void fd_table_copy_entries(struct fd_table *to, const struct fd_table *from, uint32_t n_fds)
{
	size_t map_size = BITMAP_WORDS(n_fds) * sizeof(uint64_t);

	memcpy(to->files, from->files, n_fds * sizeof(struct file *));
	memcpy(to->used, from->used, map_size);
	memcpy(to->cloexec, from->cloexec, map_size);
	to->lowest = from->lowest;
}

struct fd_table *fd_table_create(void)
{
	struct fd_table *table = helix_malloc(sizeof(*table));

	if (table == NULL) {
		return NULL;
	}
	*table = (struct fd_table){ .references = 1 };
	if (!fd_table_allocate(table, FD_TABLE_FIRST_SIZE)) {
		helix_free(table);
		return NULL;
	}
	return table;
}

/* What a copy needs: a table that once had many descriptors is not handed on as large as it is. */
static uint32_t fd_table_size_in_use(const struct fd_table *table)
{
	uint32_t capacity = table->capacity;

	while (capacity > FD_TABLE_FIRST_SIZE &&
		bitmap_find_set(table->used, capacity, capacity / 2) == BITMAP_NONE) {
		capacity /= 2;
	}
	return capacity;
}

struct fd_table *fd_table_copy(struct fd_table *table)
{
	struct fd_table *copy = helix_malloc(sizeof(*copy));
	uint32_t capacity = fd_table_size_in_use(table);

	if (copy == NULL) {
		return NULL;
	}
	*copy = (struct fd_table){ .references = 1 };
	if (!fd_table_allocate(copy, capacity)) {
		helix_free(copy);
		return NULL;
	}
	fd_table_copy_entries(copy, table, capacity);
	for (int fd = fd_table_next(copy, 0); fd >= 0; fd = fd_table_next(copy, fd + 1)) {
		file_ref(copy->files[fd]);
	}
	return copy;
}

void fd_table_ref(struct fd_table *table)
{
	if (table->views != NULL) {
		views_hide(table->views);
	}
	table->references++;
}

uint32_t fd_table_capacity(const struct fd_table *table)
{
	return table->capacity;
}

bool fd_table_is_shared(const struct fd_table *table)
{
	return table->references > 1;
}

struct views **fd_table_views(struct fd_table *table)
{
	return &table->views;
}

void fd_table_unref(struct fd_table *table, struct process *process)
{
	if (table == NULL) {
		return;
	}
	views_leave(table, process);
	if (--table->references > 0) {
		return;
	}
	for (int fd = fd_table_next(table, 0); fd >= 0; fd = fd_table_next(table, fd + 1)) {
		fd_table_close(table, fd, process);
	}
	helix_free(table->files);
	helix_free(table);
}

static bool fd_table_grow(struct fd_table *table, uint32_t n_fds)
{
	struct fd_table old = *table;
	uint32_t capacity = table->capacity;

	while (capacity < n_fds) {
		capacity *= 2;
	}
	if (!fd_table_allocate(table, capacity)) {
		return false;
	}
	fd_table_copy_entries(table, &old, old.capacity);
	helix_free(old.files);
	return true;
}

static void fd_table_set(struct fd_table *table, uint32_t fd, struct file *file, bool is_cloexec)
{
	file_ref(file);
	table->files[fd] = file;
	bitmap_set(table->used, fd);
	bitmap_assign(table->cloexec, fd, is_cloexec);
}

/* The lowest free one from `first` on, perhaps beyond the table. */
static size_t fd_table_find(const struct fd_table *table, uint32_t first)
{
	size_t fd = bitmap_find_clear(
		table->used, table->capacity, first <= table->lowest ? table->lowest : first);

	return fd != BITMAP_NONE ? fd : max_size(first, table->capacity);
}

bool fd_table_has_room(const struct fd_table *table, uint64_t limit)
{
	return fd_table_find(table, 0) < min_u64(limit, FD_MAX);
}

int fd_table_add(
	struct fd_table *table, struct file *file, int from, bool is_cloexec, uint64_t limit)
{
	uint32_t first = from < 0 ? 0 : (uint32_t)from;
	bool is_lowest = first <= table->lowest;
	size_t fd = fd_table_find(table, first);

	if (fd >= limit || fd >= FD_MAX) {
		return -LINUX_EMFILE;
	}
	if (fd >= table->capacity && !fd_table_grow(table, (uint32_t)fd + 1)) {
		return -LINUX_ENOMEM;
	}
	fd_table_set(table, (uint32_t)fd, file, is_cloexec);
	if (is_lowest) {
		table->lowest = (uint32_t)fd + 1;
	}
	return (int)fd;
}

/* Takes a descriptor away; the reference to its file becomes the caller's. */
static struct file *fd_table_take(struct fd_table *table, uint32_t fd)
{
	struct file *file = table->files[fd];

	if (table->views != NULL) {
		views_close(table->views, fd);
	}
	table->files[fd] = NULL;
	bitmap_clear(table->used, fd);
	bitmap_clear(table->cloexec, fd);
	if (fd < table->lowest) {
		table->lowest = fd;
	}
	return file;
}

static void fd_table_let_go(struct fd_table *table, struct file *file, struct process *process)
{
	lock_forget_owner(file->inode, table);
	file->ops->flush(file, process);
	file_unref(file);
}

int fd_table_put(struct fd_table *table, int fd, struct file *file, bool is_cloexec, uint64_t limit,
	struct process *process)
{
	if (fd < 0 || (uint64_t)fd >= limit || (uint32_t)fd >= FD_MAX) {
		return -LINUX_EBADF;
	}
	if ((uint32_t)fd >= table->capacity && !fd_table_grow(table, (uint32_t)fd + 1)) {
		return -LINUX_ENOMEM;
	}
	struct file *old = table->files[fd];

	if (old != NULL && table->views != NULL) {
		views_close(table->views, (uint32_t)fd);
	}
	fd_table_set(table, (uint32_t)fd, file, is_cloexec);
	if (old != NULL) {
		fd_table_let_go(table, old, process);
	}
	return fd;
}

struct file *fd_table_get(struct fd_table *table, int fd)
{
	struct file *file = fd < 0 || (uint32_t)fd >= table->capacity ? NULL : table->files[fd];

	if (file != NULL) {
		file_take_position(file);
		/* somebody may close it while the task waits */
		if (unlikely(request_task() != NULL) && !task_hold_file(file)) {
			return NULL;
		}
	}
	return file;
}

bool fd_table_names(const struct fd_table *table, uint32_t fd, const struct file *file)
{
	return fd < table->capacity && table->files[fd] == file;
}

int fd_table_close(struct fd_table *table, int fd, struct process *process)
{
	if (fd_table_get(table, fd) == NULL) {
		return -LINUX_EBADF;
	}
	fd_table_let_go(table, fd_table_take(table, (uint32_t)fd), process);
	return 0;
}

void fd_table_close_on_exec(struct fd_table *table, struct process *process)
{
	for (size_t fd = bitmap_find_set(table->cloexec, table->capacity, 0); fd != BITMAP_NONE;
		fd = bitmap_find_set(table->cloexec, table->capacity, fd + 1)) {
		fd_table_close(table, (int)fd, process);
	}
}

bool fd_table_is_cloexec(struct fd_table *table, int fd)
{
	return fd_table_get(table, fd) != NULL && bitmap_test(table->cloexec, (size_t)fd);
}

void fd_table_set_cloexec(struct fd_table *table, int fd, bool is_cloexec)
{
	if (fd_table_get(table, fd) != NULL) {
		bitmap_assign(table->cloexec, (size_t)fd, is_cloexec);
	}
}

int fd_table_next(struct fd_table *table, int from)
{
	if (from < 0 || (uint32_t)from >= table->capacity) {
		return -1;
	}
	size_t fd = bitmap_find_set(table->used, table->capacity, (size_t)from);

	return fd == BITMAP_NONE ? -1 : (int)fd;
}

static uint64_t file_held_bytes(const struct file *file)
{
	if (socket_ops_of(file) != NULL) {
		return socket_held_bytes(file);
	}
	if (file_is_pipe(file)) {
		return pipe_n_bytes(file);
	}
	if (file->ops == &mqueue_file_ops) {
		return mqueue_held_bytes(file);
	}
	return file->inode->nlink == 0 ? file->inode->blocks * 512 : 0;
}

uint64_t fd_table_held_bytes(struct fd_table *table)
{
	uint64_t n_bytes = 0;

	for (int fd = fd_table_next(table, 0); fd >= 0; fd = fd_table_next(table, fd + 1)) {
		n_bytes += file_held_bytes(fd_table_get(table, fd));
	}
	return n_bytes;
}
