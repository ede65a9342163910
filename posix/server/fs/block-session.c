/* SPDX-License-Identifier: MIT */
/* Volumes that are opened as they are: see block-session.h. */
#include <abi/linux/errno.h>
#include <base/assert.h>
#include <helix/memory.h>
#include <posix/server/fs/block-session.h>
#include <posix/server/fs/disk-internal.h>

static bool session_serves(const struct block_session *session, bool is_writable)
{
	return session != NULL && (session->is_writable || !is_writable);
}

static int64_t session_create(
	struct block *block, bool is_writable, struct block_session **out_session)
{
	struct block_session *session = helix_malloc(sizeof(*session));

	if (session == NULL) {
		return -LINUX_ENOMEM;
	}
	*session = (struct block_session){ .block = block, .is_writable = is_writable };
	int64_t error = disk_open_volume(&block->volume, is_writable, &session->node);

	if (error < 0) {
		helix_free(session);
		return error;
	}
	volume_ref(&block->volume);
	*out_session = session;
	return 0;
}

static void session_destroy(struct block_session *session)
{
	struct block *block = session->block;

	if (block->session == session) {
		block->session = NULL;
	}
	disk_close_volume(session->node);
	if (session->is_writable) {
		block_look_later(block);
	}
	helix_free(session);
	volume_unref(&block->volume);
}

int64_t block_session_get(struct block *block, bool is_writable, struct block_session **out_session)
{
	struct block_session *session = NULL;

	if (block->volume.info.flags & FS_VOLUME_FLAG_READ_ONLY) {
		is_writable = false;
	}
	if (!session_serves(block->session, is_writable)) {
		int64_t error = session_create(block, is_writable, &session);

		if (error < 0) {
			return error;
		}
		if (block->volume.object == 0) {
			session_destroy(session);
			return -LINUX_ENXIO;
		}
		/* another one may have been made meanwhile */
		if (session_serves(block->session, is_writable)) {
			session_destroy(session);
		} else {
			block->session = session;
		}
	}
	block->session->n_files++;
	*out_session = block->session;
	return 0;
}

void block_session_resized(struct block *block)
{
	if (block->session != NULL) {
		disk_volume_resized(block->session->node, block->volume.info.size_bytes);
	}
}

/* One device; it and its session are held meanwhile. */
static int64_t session_sync(struct block_session *session)
{
	struct block *block = session->block;

	volume_ref(&block->volume);
	session->n_files++;
	int64_t error = disk_sync_volume(session->node);

	block_session_put(session);
	volume_unref(&block->volume);
	return error;
}

static bool has_writable_session(const struct block *block)
{
	return block->session != NULL && block->session->is_writable;
}

int64_t block_sync_all(void)
{
	for (struct block *block = block_next(NULL); block != NULL;) {
		struct block *held = block;

		if (!has_writable_session(block)) {
			block = block_next(block);
			continue;
		}
		if (request_task() == NULL) {
			return REQUEST_TASK;
		}
		volume_ref(&held->volume);
		(void)session_sync(held->session); /* sync() tells no errors */
		block = block_next(held);
		volume_unref(&held->volume);
	}
	return 0;
}

int64_t block_sync_device(uint64_t rdev)
{
	struct volume *volume = volume_find(rdev);
	int64_t error = -LINUX_EIO;

	if (volume == NULL) {
		return error;
	}
	if (has_writable_session(block_of(volume))) {
		error = request_task() == NULL ? REQUEST_TASK
					       : session_sync(block_of(volume)->session);
	}
	return error;
}

void block_session_put(struct block_session *session)
{
	ASSERT(session->n_files > 0);
	if (--session->n_files == 0) {
		session_destroy(session);
	}
}
