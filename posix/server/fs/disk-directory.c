/* SPDX-License-Identifier: MIT */
/*
 * Open directories of file systems on disks.
 *
 * A position is a cookie of the server's. What one reply brought is kept with the open file, so
 * that the next call, or one with a small buffer, need not ask; it is dropped when the directory
 * has changed or the position is elsewhere.
 */
#include <abi/linux/errno.h>
#include <base/string.h>
#include <helix/memory.h>
#include <posix/server/fs/disk-ioctl.h>
#include <posix/server/vfs/directory.h>

constexpr size_t ENTRY_HEAD = 18; /* number, cookie, type, size of the name */
constexpr size_t LISTING_CALL_BYTES = 2 * FS_LIMITS_LISTING_BYTES_MAX;

struct listing {
	uint64_t position; /* of the entry at `at` */
	uint64_t start; /* of the first entry */
	uint32_t n_name_changes; /* of the directory when it was made */
	bool is_end; /* there is nothing, as there are no more entries */
	size_t size, at;
	uint8_t entries[];
};

struct entry {
	uint64_t number, cookie;
	uint8_t type, name_size;
	const char *name;
};

/* The entry at listing->at; false: there is none, or it makes no sense. */
static bool listing_peek(const struct listing *listing, struct entry *out_entry)
{
	const uint8_t *at = listing->entries + listing->at;

	if (listing->size - listing->at < ENTRY_HEAD) {
		return false;
	}
	memcpy(&out_entry->number, at, sizeof(out_entry->number));
	memcpy(&out_entry->cookie, at + 8, sizeof(out_entry->cookie));
	out_entry->type = at[16];
	out_entry->name_size = at[17];
	out_entry->name = (const char *)at + ENTRY_HEAD;
	return listing->size - listing->at - ENTRY_HEAD >= out_entry->name_size;
}

static void listing_next(struct listing *listing, const struct entry *entry)
{
	listing->at += ENTRY_HEAD + entry->name_size;
	listing->position = entry->cookie;
}

/* Go to a position that the listing has; false: it has not. */
static bool listing_go(struct listing *listing, uint64_t position)
{
	struct entry entry;

	if (listing->position == position) {
		return true;
	}
	listing->at = 0;
	listing->position = listing->start;
	while (listing->position != position) {
		if (!listing_peek(listing, &entry)) {
			return false;
		}
		listing_next(listing, &entry);
	}
	return true;
}

static int64_t listing_create(uint64_t position, uint32_t n_changes,
	const struct bragi_bytes *entries, struct listing **out_listing)
{
	struct listing *listing = helix_malloc(sizeof(*listing) + entries->size);

	if (listing == NULL) {
		return -LINUX_ENOMEM;
	}
	*listing = (struct listing){
		.position = position,
		.start = position,
		.n_name_changes = n_changes,
		.is_end = entries->size == 0,
		.size = entries->size,
	};
	memcpy(listing->entries, entries->data, entries->size);
	*out_listing = listing;
	return 0;
}

static int64_t listing_fetch(
	struct disk_inode *directory, uint64_t position, struct listing **out_listing)
{
	uint32_t n_changes = directory->n_name_changes;
	struct fs_read_directory_request request;
	struct fs_read_directory_reply reply;
	struct disk_call call;
	int64_t error = disk_call_begin_long(&call, disk_of(directory), LISTING_CALL_BYTES);

	if (error < 0) {
		return error;
	}
	fs_read_directory_request_init(&request);
	request.directory = directory->id;
	request.cookie = position;
	request.bytes_max = FS_LIMITS_LISTING_BYTES_MAX;
	int result = fs_session_read_directory(call.task, DISK_CLIENT(&call), &request, &reply);

	error = result == 0 ? listing_create(position, n_changes, &reply.entries, out_listing) : 0;
	int64_t answer = disk_call_end(&call, result);

	return answer < 0 ? answer : error;
}

/* A listing that stands at the file's position. */
static int64_t listing_need(struct file *file, struct listing **out_listing)
{
	struct disk_inode *directory = disk_inode_of(file->inode);
	struct listing *listing = file->data;
	struct entry unused;

	if (listing != NULL && listing->n_name_changes == directory->n_name_changes &&
		file->offset != 0 && listing_go(listing, file->offset) &&
		(listing->is_end || listing_peek(listing, &unused))) {
		*out_listing = listing;
		return 0;
	}
	int64_t error = listing_fetch(directory, file->offset, &listing);

	if (error == 0) {
		helix_free(file->data);
		file->data = listing;
		*out_listing = listing;
	}
	return error;
}

static int64_t disk_readdir(struct file *file, void *buffer, size_t size)
{
	struct dirent_writer writer = { .buffer = buffer, .size = size, .position = file->offset };
	struct listing *listing;
	struct entry entry;

	if (file->inode->nlink == 0) {
		return -LINUX_ENOENT; /* removed */
	}
	int64_t error = listing_need(file, &listing);

	if (error < 0) {
		return error;
	}
	if (!listing->is_end && !listing_peek(listing, &entry)) {
		return -LINUX_EUCLEAN;
	}
	while (listing_peek(listing, &entry) &&
		dirent_write(&writer, entry.cookie, entry.number, entry.type, entry.name,
			entry.name_size)) {
		listing_next(listing, &entry);
	}
	if (writer.used == 0 && writer.is_full) {
		return -LINUX_EINVAL; /* not even one fits */
	}
	file->offset = writer.position;
	inode_touch_accessed(file->inode);
	return (int64_t)writer.used;
}

static void disk_directory_release(struct file *file)
{
	helix_free(file->data);
}

static int64_t disk_directory_sync(struct file *file, UNUSED struct request *request)
{
	return disk_sync_node(disk_inode_of(file->inode), false);
}

static int64_t disk_directory_ioctl(struct file *file, struct request *request, uint32_t command,
	UNUSED uint64_t value, void *buffer, size_t size)
{
	return disk_ioctl(file, request, command, buffer, size);
}

static const struct file_ops disk_directory_ops = {
	FILE_OPS_DEFAULT,
	DIRECTORY_FILE_OPS,
	.name = "directory",
	.readdir = disk_readdir,
	.ioctl = disk_directory_ioctl,
	.sync = disk_directory_sync,
	.release = disk_directory_release,
};

int64_t disk_directory_open(
	UNUSED struct inode *inode, struct file *file, UNUSED struct request *request)
{
	file->ops = &disk_directory_ops;
	return 0;
}
