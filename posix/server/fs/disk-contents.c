/* SPDX-License-Identifier: MIT */
/*
 * Contents of files on disks, read and written by posix.
 *
 * What is there is copied at once, without a task. If a page is absent a task has the pages locked
 * (HEL_SUBMIT_LOCK_MEMORY makes them present), copies, and unlocks them; it goes piece by piece, so
 * that a long read does not need all its pages at once. If a writer has made so many pages dirty
 * that it has to wait, the copy fails although the pages are there: a fence waits until the file is
 * written back.
 */
#include <abi/linux/errno.h>
#include <base/errors.h>
#include <helix/helix.h>
#include <helix/managed.h>
#include <posix/server/file/views.h>
#include <posix/server/fs/disk-internal.h>

constexpr uint64_t PIECE_BYTES = KIB(64);
constexpr uint64_t READ_AHEAD_BYTES = KIB(256);

/* ---- the memory ------------------------------------------------------------------------------ */

int64_t disk_need_contents(struct disk_inode *node)
{
	struct fs_contents_request request;
	struct fs_contents_reply reply;
	struct disk_call call;

	if (node->contents != HEL_NULL) {
		return 0;
	}
	int64_t error = disk_call_begin(&call, disk_of(node));

	if (error < 0) {
		return error;
	}
	fs_contents_request_init(&request);
	request.node = node->id;
	int result = fs_session_contents(call.task, DISK_CONTENTS_CLIENT(&call), &request, &reply);
	hel_handle contents =
		result == 0 ? bragi_handles_take(&call.exchange.received, 0) : HEL_NULL;

	if (result == 0 && contents == HEL_NULL) {
		result = -ERR_PROTOCOL;
	}
	transport_close_handles(&call.exchange.received);
	if (node->contents == HEL_NULL) {
		node->contents = contents;
	} else if (contents != HEL_NULL) {
		hel_close(HEL_THIS, contents); /* somebody else has asked, too */
	}
	return disk_call_end(&call, result);
}

int64_t disk_contents_memory(
	struct inode *inode, UNUSED uint64_t size_needed, hel_handle *out_memory)
{
	struct disk_inode *node = disk_inode_of(inode);
	int64_t error = disk_need_contents(node);

	if (error == 0) {
		*out_memory = node->contents;
	}
	return error;
}

/* Readers of views wait for absent pages in their own threads. */
int64_t disk_window(struct inode *inode, hel_handle *out_memory, uint64_t *out_size)
{
	const struct disk_inode *node = disk_inode_of(inode);

	if (node->contents == HEL_NULL || node->is_locked) {
		return -LINUX_ENODEV;
	}
	*out_memory = node->contents;
	*out_size = align_up(inode->size_bytes, HEL_PAGE_SIZE);
	return 0;
}

/* Writers, too, and for those who have made too much dirty. */
int64_t disk_room(struct inode *inode, uint64_t *out_start, uint64_t *out_end)
{
	const struct disk_inode *node = disk_inode_of(inode);

	if (node->is_locked) {
		return -LINUX_EAGAIN;
	}
	*out_start = node->room.start;
	*out_end = min_u64(node->room.end, inode->size_bytes);
	return 0;
}

/* ---- copying --------------------------------------------------------------------------------- */

/* One direction or the other. */
struct disk_copy {
	struct disk_inode *node;
	void *to; /* NULL: it is a write */
	const void *from;
	size_t size;
	uint64_t offset;
};

static int copy_try(const struct disk_copy *copy)
{
	hel_handle memory = copy->node->contents;

	return copy->to != NULL
		? hel_memory_try_read(memory, copy->offset, copy->to, copy->size)
		: hel_memory_try_write(memory, copy->offset, copy->from, copy->size);
}

static void copy_advance(struct disk_copy *copy, size_t n_bytes)
{
	if (copy->to != NULL) {
		copy->to = (uint8_t *)copy->to + n_bytes;
	} else {
		copy->from = (const uint8_t *)copy->from + n_bytes;
	}
	copy->size -= n_bytes;
	copy->offset += n_bytes;
}

/* A piece of at most PIECE_BYTES, in a task. */
static int copy_locked(struct task *task, const struct disk_copy *copy)
{
	hel_handle memory = copy->node->contents;
	uint64_t start = align_down(copy->offset, HEL_PAGE_SIZE);
	uint64_t length = align_up(copy->offset + copy->size, HEL_PAGE_SIZE) - start;
	int error = helix_lock(task, memory, start, length, 0);

	if (error != 0) {
		return error;
	}
	error = copy_try(copy);
	(void)!hel_memory_unlock(memory, start, length, 0); /* read only: it cannot fail */
	return error;
}

/* The same, as long as it takes. */
static int copy_piece(const struct disk_copy *copy)
{
	uint64_t file_end = align_up(copy->node->inode.size_bytes, HEL_PAGE_SIZE);
	struct request_pause pause;
	int error;

	request_pause(&pause);
	do {
		error = copy_locked(pause.task, copy);
		if (error != -ERR_AGAIN || copy->to != NULL) {
			break;
		}
		/* too much is dirty */
		error = helix_fence(
			pause.task, copy->node->contents, 0, max_u64(file_end, HEL_PAGE_SIZE));
	} while (error == 0);
	request_resume(&pause);
	return error;
}

static size_t piece_size(const struct disk_copy *copy, bool is_careful)
{
	uint64_t most = is_careful ? HEL_PAGE_SIZE : PIECE_BYTES;

	return (size_t)min_u64(copy->size, most - copy->offset % HEL_PAGE_SIZE);
}

/*
 * All of it, in a task; returns bytes. A page that cannot be read ends it where it is: pieces that
 * fail are gone through page by page.
 */
static int64_t copy_in_task(struct disk_copy *copy)
{
	bool is_careful = false;
	size_t done = 0;

	while (copy->size > 0) {
		struct disk_copy piece = *copy;

		piece.size = piece_size(copy, is_careful);
		int error = copy_piece(&piece);

		if (error != 0 && !is_careful && piece.size > HEL_PAGE_SIZE) {
			is_careful = true;
			continue;
		}
		if (error != 0) {
			return done > 0 ? (int64_t)done : fs_errno(error);
		}
		copy_advance(copy, piece.size);
		done += piece.size;
	}
	return (int64_t)done;
}

/* Bytes; REQUEST_TASK; -LINUX_E... */
static int64_t copy_run(struct disk_copy *copy)
{
	size_t size = copy->size;
	int error = copy_try(copy);

	if (error == 0) {
		return (int64_t)size;
	}
	if (error != -ERR_AGAIN && error != -ERR_OUT_OF_BOUNDS) {
		return fs_errno(error);
	}
	return request_task() == NULL ? REQUEST_TASK : copy_in_task(copy);
}

/* ---- reading --------------------------------------------------------------------------------- */

/* A reader who goes on where the last pages were asked for will soon want what is behind. */
static void read_ahead(struct disk_inode *node, uint64_t offset, uint64_t end)
{
	bool is_sequential = offset >= node->ahead.start && offset <= node->ahead.end;
	uint64_t file_end = align_up(node->inode.size_bytes, HEL_PAGE_SIZE);
	uint64_t start = align_down(offset, HEL_PAGE_SIZE);
	uint64_t until = align_up(end, HEL_PAGE_SIZE) + (is_sequential ? READ_AHEAD_BYTES : 0);

	node->ahead = (struct disk_range){ start, min_u64(until, file_end) };
	if (node->ahead.end > start) {
		(void)hel_memory_advise(
			node->contents, HEL_ADVICE_WILL_NEED, start, node->ahead.end - start);
	}
}

/* In a task: the size may have changed while it waited, so it is looked at for each piece. */
static int64_t read_in_task(struct disk_inode *node, uint8_t *buffer, size_t size, uint64_t offset)
{
	size_t done = 0;

	read_ahead(node, offset, offset + size);
	while (done < size && offset + done < node->inode.size_bytes) {
		uint64_t left = node->inode.size_bytes - offset - done;
		struct disk_copy copy = {
			.node = node, .to = buffer + done, .offset = offset + done
		};

		copy.size = (size_t)min_u64(
			min_u64(size - done, left), PIECE_BYTES - copy.offset % HEL_PAGE_SIZE);
		int64_t n_bytes = copy_in_task(&copy);

		if (n_bytes <= 0 && offset + done >= node->inode.size_bytes) {
			break; /* it was cut off */
		}
		if (n_bytes <= 0) {
			return done > 0 ? (int64_t)done : n_bytes;
		}
		done += (size_t)n_bytes;
	}
	return (int64_t)done;
}

int64_t disk_contents_read(struct inode *inode, void *buffer, size_t size, uint64_t offset)
{
	struct disk_inode *node = disk_inode_of(inode);

	if (offset >= inode->size_bytes || size == 0) {
		return 0;
	}
	size = (size_t)min_u64(size, inode->size_bytes - offset);
	int64_t error = disk_need_contents(node);

	if (error < 0) {
		return error;
	}
	error = hel_memory_try_read(node->contents, offset, buffer, size);
	if (error == 0) {
		return (int64_t)size;
	}
	if (request_task() == NULL) {
		return REQUEST_TASK;
	}
	return read_in_task(node, buffer, size, offset);
}

/* ---- room ------------------------------------------------------------------------------------ */

static bool has_room(const struct disk_inode *node, uint64_t offset, uint64_t end)
{
	return offset >= node->room.start && end <= node->room.end && end <= node->inode.size_bytes;
}

static void room_add(struct disk_inode *node, uint64_t start, uint64_t end)
{
	if (start <= node->room.end && end >= node->room.start) {
		node->room.start = min_u64(node->room.start, start);
		node->room.end = max_u64(node->room.end, end);
	} else {
		node->room = (struct disk_range){ start, end };
	}
}

void disk_room_forget(struct disk_inode *node, uint64_t offset)
{
	node->room.end = min_u64(node->room.end, align_down(offset, HEL_PAGE_SIZE));
	node->room.start = min_u64(node->room.start, node->room.end);
}

/* What the file has at an offset needs no room made for it. 0: it is made; 1: it is not. */
static int64_t room_look(struct disk_inode *node, uint64_t offset, uint64_t end)
{
	struct fs_map_request request;
	struct fs_map_reply reply;
	struct disk_call call;
	int64_t error = disk_call_begin(&call, disk_of(node));

	if (error < 0) {
		return error;
	}
	fs_map_request_init(&request);
	request.node = node->id;
	request.offset = offset;
	error = disk_call_end(
		&call, fs_session_map(call.task, DISK_CLIENT(&call), &request, &reply));
	if (error < 0) {
		return 1;
	}
	if (reply.kind != FS_EXTENT_KIND_HOLE && reply.kind != FS_EXTENT_KIND_INLINE &&
		reply.offset <= offset && reply.offset + reply.length > offset) {
		room_add(node, align_up(reply.offset, HEL_PAGE_SIZE),
			align_down(reply.offset + reply.length, HEL_PAGE_SIZE));
	}
	return has_room(node, offset, end) ? 0 : 1;
}

static int64_t reserve_once(struct disk_inode *node, uint64_t offset, uint64_t end)
{
	struct fs_reserve_request request;
	struct fs_reserve_reply reply;
	struct disk_call call;
	int64_t error = disk_call_begin(&call, disk_of(node));

	if (error < 0) {
		return error;
	}
	fs_reserve_request_init(&request);
	request.node = node->id;
	request.offset = offset;
	request.length = end - offset;
	request.size = end > node->inode.size_bytes ? end : 0;
	error = disk_call_end(
		&call, fs_session_reserve(call.task, DISK_CLIENT(&call), &request, &reply));
	if (error == 0) {
		node->inode.blocks = reply.n_sectors;
		room_add(node, align_down(offset, HEL_PAGE_SIZE), align_up(end, HEL_PAGE_SIZE));
	}
	return error;
}

/* Whoever has no room waits for what is being given back, and asks again. */
static int64_t reserve(struct disk_inode *node, uint64_t offset, uint64_t end)
{
	struct disk_super *disk = disk_of(node);
	int64_t error = reserve_once(node, offset, end);

	if (error == -LINUX_ENOSPC && disk_is_leaving(disk)) {
		disk_farewell_await(disk);
		error = reserve_once(node, offset, end);
	}
	return error;
}

/* 0, REQUEST_TASK, -LINUX_ENOSPC, … */
static int64_t need_room(struct disk_inode *node, uint64_t offset, uint64_t end)
{
	if (has_room(node, offset, end)) {
		return 0;
	}
	if (request_task() == NULL) {
		return REQUEST_TASK;
	}
	if (end <= node->inode.size_bytes && room_look(node, offset, end) == 0) {
		return 0;
	}
	return reserve(node, offset, end);
}

/* ---- writing --------------------------------------------------------------------------------- */

/* The server was told a size that is not reached. */
static void give_size_back(struct disk_inode *node)
{
	struct fs_set_attributes_request request;
	struct fs_set_attributes_reply reply;
	struct disk_call call;

	if (disk_call_begin(&call, disk_of(node)) < 0) {
		return;
	}
	fs_set_attributes_request_init(&request);
	request.node = node->id;
	request.what = FS_SET_SIZE;
	request.attributes.size = node->inode.size_bytes;
	(void)disk_call_end(
		&call, fs_session_set_attributes(call.task, DISK_CLIENT(&call), &request, &reply));
	disk_room_forget(node, node->inode.size_bytes);
}

static int64_t write_cached(
	struct disk_inode *node, const void *buffer, size_t size, uint64_t offset)
{
	struct disk_copy copy = { .node = node, .from = buffer, .size = size, .offset = offset };

	return copy_run(&copy);
}

int64_t disk_contents_write(
	struct disk_inode *node, const void *buffer, size_t size, uint64_t offset)
{
	return disk_write_with(node, buffer, size, offset, write_cached);
}

int64_t disk_write_with(struct disk_inode *node, const void *buffer, size_t size, uint64_t offset,
	disk_write_fn write)
{
	struct inode *inode = &node->inode;
	uint64_t end = offset + size;
	int64_t error = disk_need_contents(node);

	if (error == 0) {
		error = need_room(node, offset, end);
	}
	if (error < 0) {
		return error;
	}
	int64_t n_bytes = write(node, buffer, size, offset);

	if (n_bytes > 0) {
		inode->size_bytes = max_u64(inode->size_bytes, offset + (uint64_t)n_bytes);
		inode_touch_modified(inode);
	}
	if (n_bytes != (int64_t)size && end > inode->size_bytes && n_bytes != REQUEST_TASK) {
		give_size_back(node);
	}
	return n_bytes;
}

/* ---- size ------------------------------------------------------------------------------------ */

/* Readers see the smaller size from the start, and the larger one when it is so. */
static int64_t truncate_locked(struct disk_inode *node, uint64_t size)
{
	struct inode *inode = &node->inode;
	uint64_t old_size = inode->size_bytes;
	struct fs_set_attributes_request request;
	struct fs_set_attributes_reply reply;
	struct disk_told told;
	struct disk_call call;
	int64_t error = disk_call_begin(&call, disk_of(node));

	if (error < 0) {
		return error;
	}
	views_inode_changed(inode);
	inode->size_bytes = min_u64(old_size, size);
	disk_room_forget(node, min_u64(old_size, size));
	inode_touch_modified(inode);
	disk_inode_fill_untold(node, &request, &told);
	request.what |= FS_SET_SIZE | FS_SET_MTIME;
	request.attributes.size = size;
	error = disk_call_end(
		&call, fs_session_set_attributes(call.task, DISK_CLIENT(&call), &request, &reply));
	views_inode_changed(inode);
	if (error < 0) {
		inode->size_bytes = old_size;
		return error;
	}
	inode->size_bytes = size;
	inode->blocks = reply.attributes.n_sectors;
	disk_inode_has_told(node, &told);
	return 0;
}

int64_t disk_truncate(struct inode *inode, uint64_t size)
{
	struct disk_inode *node = disk_inode_of(inode);

	if (request_task() == NULL) {
		return REQUEST_TASK;
	}
	int64_t error = disk_inode_lock(node);

	if (error == 0) {
		error = truncate_locked(node, size);
		disk_inode_unlock(node);
	}
	return error;
}
