/* SPDX-License-Identifier: MIT */
/*
 * Handles and the running transaction: see journal.h.
 *
 * What handle_begin() guarantees. Let `need` be the log blocks that the running transaction will
 * take with all credits that are out, and those of the new handle. The handle begins only when the
 * log has that many free blocks beside what the committing transaction still writes. So a commit
 * never has to wait for log space, and a checkpoint can always commit the running transaction.
 */
#include <base/assert.h>
#include <base/string.h>
#include <drivers/lib/blockfs/ext4/change.h>

#define JOURNAL_TRANSACTION_MAX 1024 /* blocks */
#define JOURNAL_TRANSACTION_MIN 128  /* the largest change has a hundred */
#define JOURNAL_SLACK           32   /* blocks of handles that needed more than they said */
#define JOURNAL_REVOKES_MAX     8192
#define JOURNAL_BLOCKS_MIN      1000 /* mke2fs makes none with less than 1024 */

/* ---- without a journal ----------------------------------------------------------------------- */

/*
 * A buffer may be accessed by a handle and changed only later: so while a handle is open nothing is
 * written, as with a transaction.
 */
int handles_write_dirty(struct task *task, struct ext4 *fs)
{
	int error = rwlock_write(task, &fs->plain_lock);

	if (error == 0) {
		error = cache_write_dirty(task, &fs->cache);
		rwlock_write_done(&fs->plain_lock);
	}
	return error;
}

/* So many dirty buffers are written before more are made. */
static int handle_begin_plain(struct handle *handle)
{
	struct ext4 *fs = handle->fs;
	int error = 0;

	if (fs->cache.n_dirty > fs->cache.n_buffers / 4) {
		error = handles_write_dirty(handle->task, fs);
	}
	error = error != 0 ? error : rwlock_read(handle->task, &fs->plain_lock);
	handle->is_plain = error == 0;
	return error;
}

/* ---- the running transaction ----------------------------------------------------------------- */

uint32_t journal__log_need(const struct journal *journal, uint32_t n_blocks, uint32_t n_revokes)
{
	const struct journal_log *log = &journal->log;
	uint32_t per_descriptor = (log->block_size - 32) / (log->tag_size);
	uint32_t per_revoke = (log->block_size - 32) / 8;

	return n_blocks + (uint32_t)div_round_up(n_blocks, per_descriptor) +
		(uint32_t)div_round_up(n_revokes, per_revoke) + 1;
}

int journal__wait(struct task *task, struct journal *journal)
{
	return wait_on(task, &journal->changed);
}

static struct transaction *transaction_create(struct journal *journal)
{
	struct transaction *transaction = blockfs_allocate(sizeof(*transaction));

	if (transaction == NULL) {
		return NULL;
	}
	transaction->journal = journal;
	transaction->id = journal->next_id++;
	list_init(&transaction->buffers);
	list_init(&transaction->checkpoint);
	list_init(&transaction->forgotten);
	list_init(&transaction->freed);
	return transaction;
}

enum room { ROOM_YES, ROOM_WAIT, ROOM_COMMIT, ROOM_CHECKPOINT, ROOM_CHECKPOINT_ALL };

/*
 * Whether @n_credits more fit into the running transaction, the log and the cache. Handles ask for
 * more than they use: where only credits of open ones are in the way, they will be given back.
 */
static enum room journal_room(const struct journal *journal, uint32_t n_credits)
{
	const struct transaction *running = journal->running;
	const struct cache *cache = &journal->fs->cache;
	uint32_t n_sure = n_credits + (running != NULL ? running->n_blocks : 0);
	uint32_t n_most = n_sure + (running != NULL ? running->n_credits : 0);
	uint32_t n_revokes = journal->revokes_max;

	if (n_sure > journal->transaction_max ||
		(running != NULL && running->n_revokes > n_revokes / 2)) {
		return ROOM_COMMIT;
	}
	if (n_most > journal->transaction_max) {
		return ROOM_WAIT;
	}
	if (journal__log_need(journal, n_sure + JOURNAL_SLACK, n_revokes) > journal->n_free) {
		return ROOM_CHECKPOINT;
	}
	if (journal__log_need(journal, n_most + JOURNAL_SLACK, n_revokes) > journal->n_free) {
		return ROOM_WAIT;
	}
	return cache->n_pinned > cache->n_buffers / 2 ? ROOM_CHECKPOINT_ALL : ROOM_YES;
}

/* Wait until a handle has ended, or something else has changed. */
static int journal_wait_for_handles(struct task *task, struct journal *journal)
{
	journal->n_waiting++;
	int error = journal__wait(task, journal);

	journal->n_waiting--;
	return error;
}

/* Wait until the handle fits. */
static int journal_make_room(struct task *task, struct journal *journal, uint32_t n_credits)
{
	for (;;) {
		int error = journal->error;
		const struct transaction *running = journal->running;

		if (error != 0) {
			return error;
		}
		if (running != NULL && running->state != TRANSACTION_RUNNING) {
			error = journal__wait(task, journal);
		} else {
			switch (journal_room(journal, n_credits)) {
			case ROOM_YES: return 0;
			case ROOM_WAIT: error = journal_wait_for_handles(task, journal); break;
			case ROOM_COMMIT: error = journal_commit(task, journal, running->id); break;
			case ROOM_CHECKPOINT:
				error = journal_checkpoint(task, journal,
					(journal->log.n_blocks - journal->log.first) / 2);
				break;
			case ROOM_CHECKPOINT_ALL:
				error = journal_checkpoint(task, journal, UINT32_MAX);
				break;
			}
		}
		if (error != 0) {
			return error;
		}
	}
}

/* ---- handles --------------------------------------------------------------------------------- */

static int handle_join(struct handle *handle, uint32_t n_credits)
{
	struct journal *journal = handle->fs->journal;
	uint32_t n = (uint32_t)min_u64(n_credits, journal->transaction_max);
	int error = journal_make_room(handle->task, journal, n);

	if (error != 0) {
		return error;
	}
	if (journal->running == NULL) {
		journal->running = transaction_create(journal);
		if (journal->running == NULL) {
			return -ERR_NO_MEMORY;
		}
	}
	handle->transaction = journal->running;
	handle->transaction->n_handles++;
	handle->transaction->n_credits += n;
	handle->n_credits = n;
	return 0;
}

int handle_begin(struct task *task, struct ext4 *fs, uint32_t n_credits, struct handle *out_handle)
{
	if (fs->fs.is_read_only) {
		return BLOCKFS_E_READ_ONLY;
	}
	if (fs->fs.error != 0) {
		return BLOCKFS_E_ABORTED;
	}
	int error = task_check(task);

	if (error != 0) {
		return error;
	}
	*out_handle = (struct handle){ .task = task, .fs = fs };
	scope_begin_shield(task, &out_handle->shield);
	error = fs->journal != NULL ? handle_join(out_handle, n_credits)
				    : handle_begin_plain(out_handle);
	if (error != 0) {
		(void)scope_join(&out_handle->shield);
	}
	return error;
}

static void handle_leave(struct handle *handle)
{
	struct transaction *transaction = handle->transaction;

	if (handle->is_plain) {
		handle->is_plain = false;
		rwlock_read_done(&handle->fs->plain_lock);
	}
	if (transaction == NULL) {
		return;
	}
	ASSERT(transaction->n_handles > 0);
	transaction->n_credits -= handle->n_credits;
	handle->n_credits = 0;
	handle->transaction = NULL;
	if ((--transaction->n_handles == 0 && transaction->state == TRANSACTION_LOCKED) ||
		transaction->journal->n_waiting > 0) {
		wait_queue_wake(&transaction->journal->changed);
	}
}

void handle_end(struct handle *handle)
{
	handle_leave(handle);
	(void)scope_join(&handle->shield);
}

bool handle_extend(struct handle *handle, uint32_t n_credits)
{
	struct transaction *transaction = handle->transaction;

	if (transaction == NULL || handle->n_credits >= n_credits) {
		return true;
	}
	uint32_t n = n_credits - handle->n_credits;

	if (transaction->state != TRANSACTION_RUNNING ||
		journal_room(transaction->journal, n) != ROOM_YES) {
		return false;
	}
	transaction->n_credits += n;
	handle->n_credits += n;
	return true;
}

int handle_restart(struct handle *handle, uint32_t n_credits)
{
	handle_leave(handle);
	return handle->fs->journal != NULL ? handle_join(handle, n_credits)
					   : handle_begin_plain(handle);
}

/* ---- what a handle changes ------------------------------------------------------------------- */

static int transaction_add(struct handle *handle, struct buffer *buffer)
{
	struct transaction *transaction = handle->transaction;

	if (handle->n_credits == 0 && ++transaction->n_extra > JOURNAL_SLACK) {
		ext4_fail(handle->fs, -ERR_NO_SPACE, "more blocks in a handle than expected");
		return BLOCKFS_E_ABORTED;
	}
	if (buffer->running == NULL && buffer->checkpoint == NULL) {
		buffer->cache->n_pinned++;
	}
	buffer->running = transaction;
	list_push_back(&transaction->buffers, &buffer->running_node);
	transaction->n_blocks++;
	if (handle->n_credits > 0) {
		handle->n_credits--;
		transaction->n_credits--;
	}
	return 0;
}

/*
 * Wait until the buffer is in no older transaction: a block that was freed in one is let go of when
 * that is committed. Only a damaged file system uses such a block elsewhere.
 */
static int handle_wait_older(struct handle *handle, struct buffer *buffer)
{
	while (buffer->running != NULL && buffer->running != handle->transaction) {
		struct journal *journal = handle->transaction->journal;
		int error =
			journal->error != 0 ? journal->error : journal__wait(handle->task, journal);

		if (error != 0) {
			return error;
		}
	}
	return 0;
}

int handle_access(struct handle *handle, struct buffer *buffer)
{
	struct transaction *transaction = handle->transaction;

	if (buffer->running == transaction && transaction != NULL && !buffer->is_forgotten) {
		return 0;
	}
	int error = cache_wait_written(handle->task, buffer);

	if (error != 0) {
		return error;
	}
	if (transaction == NULL) {
		if (handle->fs->fs.error != 0) {
			return BLOCKFS_E_ABORTED;
		}
		cache_mark_dirty(buffer);
		return 0;
	}
	if (transaction->journal->error != 0) {
		return transaction->journal->error;
	}
	if (buffer->running == transaction) { /* another handle was first, or it was forgotten */
		if (buffer->is_forgotten) {
			buffer->is_forgotten = false;
			list_remove(&buffer->running_node);
			list_push_back(&transaction->buffers, &buffer->running_node);
			transaction->n_blocks++;
		}
		return 0;
	}
	error = handle_wait_older(handle, buffer);
	if (error != 0 || buffer->running == transaction) {
		return error;
	}
	return transaction_add(handle, buffer);
}

/*
 * The freed block need not be logged, but it stays pinned until the commit: a checkpoint of an
 * older transaction may still have to bring it home. Then everything is let go of, see commit.c.
 */
int handle_forget(struct handle *handle, uint64_t block, struct buffer *buffer)
{
	struct transaction *transaction = handle->transaction;

	if (transaction == NULL) {
		if (buffer != NULL) {
			cache_mark_clean(buffer);
			buffer->kind = 0;
			int error = cache_wait_written(handle->task, buffer);

			cache_discard(buffer);
			return error;
		}
		return 0;
	}
	struct journal *journal = transaction->journal;

	if (transaction->n_revokes == journal->revokes_max) {
		return -ERR_NO_MEMORY;
	}
	journal->revokes[transaction->n_revokes++] = block;
	if (buffer == NULL) {
		return 0;
	}
	int error = handle_wait_older(handle, buffer);

	if (error != 0) {
		return error;
	}
	buffer->kind = 0;
	if (buffer->running == transaction) {
		if (!buffer->is_forgotten) {
			list_remove(&buffer->running_node);
			transaction->n_blocks--;
		}
	} else {
		if (buffer->checkpoint == NULL) {
			buffer->cache->n_pinned++;
		}
		buffer->running = transaction;
	}
	if (!buffer->is_forgotten) {
		buffer->is_forgotten = true;
		list_push_back(&transaction->forgotten, &buffer->running_node);
	}
	return 0;
}

/* ---- beginning and end ----------------------------------------------------------------------- */

/* One that was not committed, after an abort. */
static void transaction_drop(struct ext4 *fs, struct transaction *transaction)
{
	if (transaction != NULL) {
		ext4_release_freed(fs, &transaction->freed);
		blockfs_free(transaction);
	}
}

static void journal_free(struct journal *journal)
{
	if (journal != NULL) {
		blockfs_free(journal->revokes);
		blockfs_free(journal->old_revokes);
		transaction_drop(journal->fs, journal->running);
		transaction_drop(journal->fs, journal->committing);
		journal_log_close(&journal->log);
		blockfs_free(journal);
	}
}

static void journal_set_limits(struct journal *journal)
{
	const struct journal_log *log = &journal->log;
	uint32_t n_log = log->n_blocks - log->first;
	/* the copies of blocks and their descriptors, in memory of the journal's own */
	uint32_t n_copies = (uint32_t)(log->arena.size / log->block_size) - 1;

	journal->n_free = n_log;
	journal->head = log->first;
	journal->revokes_max = (uint32_t)min_u64(JOURNAL_REVOKES_MAX, n_log * 16);
	journal->transaction_max = (uint32_t)min_u64(n_log / 4, JOURNAL_TRANSACTION_MAX);
	journal->transaction_max =
		(uint32_t)min_u64(journal->transaction_max, journal->fs->cache.n_buffers / 4);
	while (journal->transaction_max > 8 &&
		journal__log_need(journal, journal->transaction_max + JOURNAL_SLACK,
			journal->revokes_max) > n_copies) {
		journal->transaction_max--;
	}
}

int journal_start(struct task *task, struct ext4 *fs, struct journal_log *log, uint32_t next_id,
	struct journal **out_journal)
{
	if (log->n_blocks - log->first < JOURNAL_BLOCKS_MIN) {
		return BLOCKFS_E_UNSUPPORTED;
	}
	struct journal *journal = blockfs_allocate(sizeof(*journal));

	if (journal == NULL) {
		return -ERR_NO_MEMORY;
	}
	journal->log = *log;
	journal->fs = fs;
	journal->loop = fs->loop;
	journal->next_id = next_id;
	journal->committed_id = next_id - 1;
	journal->is_empty_on_disk = true;
	list_init(&journal->committed);
	mutex_init(&journal->super_lock);
	mutex_init(&journal->commit_lock);
	mutex_init(&journal->checkpoint_lock);
	wait_queue_init(&journal->changed);
	journal_set_limits(journal);
	journal->revokes = blockfs_allocate(journal->revokes_max * sizeof(uint64_t));
	journal->old_revokes = blockfs_allocate(journal->revokes_max * sizeof(uint64_t));
	log->runs = NULL;
	log->n_runs = 0;
	if (journal->transaction_max < JOURNAL_TRANSACTION_MIN) {
		journal_free(journal);
		return -ERR_NO_MEMORY;
	}
	if (journal->revokes == NULL || journal->old_revokes == NULL) {
		journal_free(journal);
		return -ERR_NO_MEMORY;
	}
	/* an empty log with the features that revoke records and block numbers need */
	struct journal_super *super = &journal->log.super;

	super->start = be32_of(0);
	super->sequence = be32_of(next_id);
	if (be32_get(super->header.type) == JOURNAL_SUPER_V2) {
		journal->log.incompat |= JOURNAL_INCOMPAT_REVOKE;
		super->incompat = be32_of(be32_get(super->incompat) | JOURNAL_INCOMPAT_REVOKE);
	}
	int error = journal_log_write_super(task, &journal->log);

	if (error != 0) {
		journal_free(journal);
		return error;
	}
	*out_journal = journal;
	return 0;
}

/* After an abort: what no transaction will write is let go of. */
static void journal_drop_all(struct journal *journal)
{
	struct cache *cache = &journal->fs->cache;

	for (size_t i = 0; i < cache->n_buffers; i++) {
		struct buffer *buffer = &cache->buffers[i];

		if (buffer->running == NULL && buffer->checkpoint == NULL) {
			continue;
		}
		list_remove(&buffer->running_node);
		list_remove(&buffer->checkpoint_node);
		buffer->running = NULL;
		buffer->checkpoint = NULL;
		buffer->is_forgotten = false;
		cache->n_pinned--;
		cache_unpinned(buffer);
	}
	struct transaction *transaction;

	while ((transaction = LIST_POP_FRONT(&journal->committed, struct transaction, node)) !=
		NULL) {
		blockfs_free(transaction);
	}
}

int journal_stop(struct task *task, struct journal *journal)
{
	if (journal == NULL) {
		return 0;
	}
	int error = journal_commit_all(task, journal);

	if (error == 0) {
		error = journal_checkpoint(task, journal, UINT32_MAX);
	}
	if (error != 0) {
		journal_drop_all(journal);
		journal->log.super.error = be32_of(JOURNAL_ERROR_IO);
		(void)journal_log_write_super(task, &journal->log);
	}
	journal_free(journal);
	return error;
}

void journal_abort(struct journal *journal, int error)
{
	if (journal->error == 0) {
		journal->error = error;
		wait_queue_wake(&journal->changed);
	}
}
