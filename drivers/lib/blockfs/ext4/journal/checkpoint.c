/* SPDX-License-Identifier: MIT */
/*
 * Checkpoints: blocks of committed transactions go home, the oldest transaction first, and the log
 * begins later.
 *
 * Home must have arrived before the log is told to begin later: write, flush, then the superblock
 * of the log. A block that the running transaction has changed again cannot be written; that
 * transaction is committed first, which takes the block over.
 */
#include <base/assert.h>
#include <drivers/lib/blockfs/ext4/ext4.h>

#define CHECKPOINT_WRITES 64 /* in flight */

int journal__write_tail(struct task *task, struct journal *journal)
{
	int error = mutex_lock(task, &journal->super_lock);

	if (error != 0) {
		return error;
	}
	const struct transaction *oldest =
		LIST_FIRST(&journal->committed, struct transaction, node);

	if (oldest == NULL) {
		oldest = journal->committing;
	}
	journal->log.super.start = be32_of(oldest != NULL ? oldest->log_start : 0);
	journal->log.super.sequence = be32_of(oldest != NULL ? oldest->id : journal->next_id);
	journal->is_empty_on_disk = oldest == NULL;
	error = journal_log_write_super(task, &journal->log);
	mutex_unlock(&journal->super_lock);
	return error;
}

/* One that has come home has nothing more to do with the transaction. */
static void checkpoint_done(struct buffer *buffer)
{
	list_remove(&buffer->checkpoint_node);
	buffer->checkpoint = NULL;
	if (buffer->running == NULL) {
		buffer->cache->n_pinned--;
	}
	buffer_put(buffer);
}

/* Begin to write the blocks that may be, up to one that the running transaction has changed. */
static int checkpoint_write_some(struct task *task, struct transaction *transaction,
	struct list *writing, bool *out_must_commit)
{
	struct cache *cache = &transaction->journal->fs->cache;

	*out_must_commit = false;
	while (!list_is_empty(&transaction->checkpoint)) {
		struct buffer *buffer =
			LIST_FIRST(&transaction->checkpoint, struct buffer, checkpoint_node);

		if (buffer->running != NULL) {
			*out_must_commit = true;
			return 0;
		}
		int error = cache_wait_quiet(task, cache, CHECKPOINT_WRITES);

		if (error != 0) {
			return error;
		}
		/* what was first may have changed while this waited */
		if (buffer !=
				LIST_FIRST(
					&transaction->checkpoint, struct buffer, checkpoint_node) ||
			buffer->running != NULL) {
			continue;
		}
		list_remove(&buffer->checkpoint_node);
		list_push_back(writing, &buffer->checkpoint_node);
		if (!buffer->is_writing) {
			(void)buffer_get(buffer);
			list_remove(&buffer->lru_node);
			cache_write_start(buffer);
			buffer_put(buffer);
		}
	}
	return 0;
}

/*
 * Bring the oldest transaction home. While blocks are under way they are on a list of their own;
 * a commit may take one of them over to its own checkpoint meanwhile.
 */
static int checkpoint_oldest(struct task *task, struct journal *journal, uint32_t *out_n_freed)
{
	struct transaction *oldest = LIST_FIRST(&journal->committed, struct transaction, node);
	struct list writing;
	bool must_commit = false;
	int error;

	list_init(&writing);
	do {
		error = checkpoint_write_some(task, oldest, &writing, &must_commit);
		if (error == 0 && must_commit) {
			error = journal_commit_all(task, journal);
		}
	} while (error == 0 && must_commit);
	int waited = cache_wait_quiet(task, &journal->fs->cache, 0);

	error = error != 0 ? error : waited;
	error = error != 0 ? error : journal->fs->cache.write_error;
	while (!list_is_empty(&writing)) {
		struct buffer *buffer = LIST_FIRST(&writing, struct buffer, checkpoint_node);

		if (error != 0) { /* the log still has it */
			list_remove(&buffer->checkpoint_node);
			list_push_back(&oldest->checkpoint, &buffer->checkpoint_node);
		} else {
			checkpoint_done(buffer_get(buffer));
		}
	}
	/* what a commit has taken over has to be durable there before it is given up here */
	while (error == 0 && journal->committing != NULL) {
		error = journal->error != 0 ? journal->error : journal__wait(task, journal);
	}
	if (error != 0) {
		return error;
	}
	ASSERT(list_is_empty(&oldest->checkpoint));
	list_remove(&oldest->node);
	*out_n_freed += oldest->n_log_blocks;
	blockfs_free(oldest);
	return 0;
}

/* The room is free when the log on the disk begins behind it. */
static int checkpoint_until(struct task *task, struct journal *journal, uint32_t n_free)
{
	uint32_t n_freed = 0;
	int error = list_is_empty(&journal->committed) ? journal_commit_all(task, journal) : 0;

	while (error == 0 && journal->n_free + n_freed < n_free &&
		!list_is_empty(&journal->committed)) {
		error = checkpoint_oldest(task, journal, &n_freed);
	}
	if (n_freed == 0 || error != 0) {
		return error;
	}
	journal->statistics.n_checkpoints++;
	error = device_flush(task, journal->log.device);
	error = error != 0 ? error : journal__write_tail(task, journal);
	journal->n_free += n_freed;
	return error;
}

int journal_checkpoint(struct task *task, struct journal *journal, uint32_t n_free)
{
	struct scope shield;
	int error;

	scope_begin_shield(task, &shield);
	error = mutex_lock(task, &journal->checkpoint_lock);
	if (error == 0) {
		error = journal->error;
		if (error == 0) {
			error = checkpoint_until(task, journal, n_free);
			if (error != 0) {
				ext4_fail(journal->fs, error, "checkpoint");
			}
		}
		mutex_unlock(&journal->checkpoint_lock);
	}
	(void)scope_join(&shield);
	return error;
}
