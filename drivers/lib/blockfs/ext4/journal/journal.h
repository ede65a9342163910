/* SPDX-License-Identifier: MIT */
/*
 * The journal: several changes of metadata become one, or none.
 *
 * A change is made inside a *handle*. The handle belongs to the running transaction, which gathers
 * the blocks that all its handles change. Committing it writes the blocks to the log, flushes, and
 * writes the commit block: from then on the changes survive. Later the blocks go home, and when
 * they all are, the transaction's part of the log is free again (a checkpoint).
 *
 *            first handle       commit begins       no handle open        commit block durable
 *    (none) -------------> RUNNING ----------> LOCKED -----------> COMMITTING ------------+
 *                                                                                         v
 *                                       log space reused <---------------------- CHECKPOINTED
 *
 * - At most one transaction runs and at most one commits. While one is LOCKED new handles wait;
 *   this is short, since handles only wait for reads of metadata.
 * - When a transaction stops being LOCKED its blocks are copied to the journal's own memory, all in
 *   one step. So the commit is not disturbed by handles of the next transaction, and they never
 *   wait for it.
 * - A block goes home from its buffer, only when no uncommitted transaction has changed it. A
 *   checkpoint that finds one in the running transaction has that committed first; room for that
 *   commit is kept in the log by handle_begin().
 * - A freed block may be in the log; replaying it would overwrite what the block is used for next.
 *   So freeing one writes a *revoke* record, and freed blocks are not reused before the transaction
 *   that freed them is committed.
 * - Data of files are written before the handle that makes them visible begins, so the flush before
 *   the commit block covers them: that is data=ordered, without lists.
 * - After an error the journal is aborted: no handle begins, nothing is written.
 *
 * Without a journal (ext2) the same calls mark buffers dirty; see `struct handle`.
 *
 * Commits and checkpoints run in the task that needs them, under shields.
 */
#ifndef BLOCKFS_JOURNAL_H
#define BLOCKFS_JOURNAL_H

#include <drivers/lib/blockfs/blockfs.h>
#include <drivers/lib/blockfs/cache.h>
#include <drivers/lib/blockfs/ext4/journal/format.h>

struct ext4;

/* Consecutive blocks of the log that are consecutive on the disk, too. */
struct journal_run {
	uint32_t first;
	uint32_t n_blocks;
	uint64_t place;
};

/* The log as such: enough to read it, for replay. */
struct journal_log {
	struct device *device;
	struct cache *cache; /* for the limits of the file system */
	struct blockfs_arena arena; /* memory of the journal's own; its last block is the super's */
	uint32_t block_size;
	uint64_t n_fs_blocks;
	struct journal_run *runs;
	size_t n_runs;
	struct journal_super super;
	uint32_t n_blocks; /* log blocks are [first, n_blocks) */
	uint32_t first;
	uint32_t incompat;
	uint32_t compat;
	uint32_t seed; /* of checksums */
	uint32_t tag_size;
	bool has_sums; /* version 2 or 3 */
};

enum transaction_state {
	TRANSACTION_RUNNING,
	TRANSACTION_LOCKED,
	TRANSACTION_COMMITTING,
	TRANSACTION_COMMITTED,
};

struct transaction {
	struct journal *journal;
	uint32_t id; /* its sequence in the log */
	uint8_t state;
	uint32_t n_handles;
	uint32_t n_blocks; /* in `buffers`, to be logged */
	uint32_t n_credits; /* that open handles may still use */
	uint32_t n_extra; /* blocks for which no handle had credits */
	uint32_t n_revokes;
	struct list buffers; /* running_node */
	struct list checkpoint; /* checkpoint_node: committed, not home */
	struct list forgotten; /* running_node: freed in this one */
	struct list freed; /* of the file system: what to release when this is committed */
	uint32_t log_start; /* its blocks in the log */
	uint32_t n_log_blocks;
	struct list_node node; /* on journal->committed */
};

struct journal {
	struct journal_log log;
	struct ext4 *fs;
	struct loop *loop;
	struct transaction *running;
	struct transaction *committing;
	struct list committed; /* not checkpointed, the oldest first */
	uint32_t next_id;
	uint32_t committed_id; /* the newest that is durable */
	uint32_t head; /* the next block of the log to write */
	uint32_t n_waiting; /* tasks that wait for handles to end */
	uint32_t n_free; /* log blocks that may be written */
	uint32_t transaction_max; /* blocks */
	uint32_t revokes_max;
	uint64_t *revokes; /* of the running transaction */
	uint64_t *old_revokes; /* of the committing one */
	int error; /* aborted */
	bool is_empty_on_disk; /* the superblock says that there is nothing to replay */
	struct mutex super_lock; /* of the log's superblock and its buffer */
	struct mutex commit_lock;
	struct mutex checkpoint_lock;
	struct wait_queue changed; /* a handle ended, or a transaction changed its state */
	struct {
		uint64_t n_commits, n_blocks_logged, n_checkpoints, n_revokes;
	} statistics;
};

/*
 * One atomic change, on the stack of the task that makes it. From begin to end the task is
 * shielded: a cancel does not stop it half way.
 */
struct handle {
	struct task *task;
	struct ext4 *fs;
	struct transaction *transaction; /* NULL: no journal */
	uint32_t n_credits; /* blocks that it may still add */
	bool is_plain; /* without a journal, and holds fs->plain_lock */
	struct scope shield;
};

/* ---- load.c, replay.c ------------------------------------------------------------------------ */

/** journal_log_open() - read the superblock of the log in the given runs, which are taken */
MUST_USE int journal_log_open(struct task *task, struct journal_log *log);

/** journal_log_close() - free the runs */
void journal_log_close(struct journal_log *log);

/** journal_log_place() - where a block of the log is on the disk; UINT64_MAX: nowhere */
uint64_t journal_log_place(const struct journal_log *log, uint32_t block);

/** journal_log_write_super() - write the superblock of the log, durably */
MUST_USE int journal_log_write_super(struct task *task, struct journal_log *log);

struct journal_replay {
	uint32_t n_transactions, n_blocks, n_revoked;
	uint32_t next_id;
	bool has_fast_commits; /* behind the last transaction: not replayed */
};

/** journal_replay() - bring home what the log holds; the log's superblock is not changed */
MUST_USE int journal_replay(
	struct task *task, struct journal_log *log, struct journal_replay *out_result);

/* ---- transaction.c --------------------------------------------------------------------------- */

/** journal_start() - make a journal of an opened, replayed log, for writing */
MUST_USE int journal_start(struct task *task, struct ext4 *fs, struct journal_log *log,
	uint32_t next_id, struct journal **out_journal);

/** journal_stop() - commit, checkpoint, say that the log is empty, free; NULL is accepted */
int journal_stop(struct task *task, struct journal *journal);

/**
 * handle_begin() - begin a change
 * @n_credits: blocks that will be changed, at most
 * @out_handle: on the caller's stack; handle_end() must follow, in the same task and scope
 *
 * Waits for room. Return: 0, BLOCKFS_E_READ_ONLY, BLOCKFS_E_ABORTED, -ERR_X.
 */
MUST_USE int handle_begin(
	struct task *task, struct ext4 *fs, uint32_t n_credits, struct handle *out_handle);

/** handle_end() - the change is complete */
void handle_end(struct handle *handle);

/**
 * handle_extend() - more credits, without waiting
 *
 * Return: whether the handle now has at least @n_credits. If not, the caller brings what it changes
 * into a state that may be committed, and calls handle_restart().
 */
MUST_USE bool handle_extend(struct handle *handle, uint32_t n_credits);

/** handle_restart() - end the handle and begin another one; what was changed may be committed */
MUST_USE int handle_restart(struct handle *handle, uint32_t n_credits);

/**
 * handle_access() - a held buffer is going to be changed in this handle
 *
 * Waits while the buffer is on its way home. To be called before the first change; what is then
 * changed is logged as it is when the handle ends. Return: 0 or an error, and nothing may be
 * changed.
 */
MUST_USE int handle_access(struct handle *handle, struct buffer *buffer);

/**
 * handle_forget() - a block of metadata is freed in this handle
 * @buffer: held, or NULL if the block is not cached
 *
 * Return: 0 or -ERR_NO_MEMORY.
 */
MUST_USE int handle_forget(struct handle *handle, uint64_t block, struct buffer *buffer);

/** handle_id() - the transaction, for journal_wait(); 0 without a journal */
static inline uint64_t handle_id(const struct handle *handle)
{
	return handle->transaction != NULL ? handle->transaction->id : 0;
}

/** handles_write_dirty() - without a journal: write all dirty buffers while no handle is open */
MUST_USE int handles_write_dirty(struct task *task, struct ext4 *fs);

/* ---- commit.c, checkpoint.c ------------------------------------------------------------------ */

/** journal_commit() - make everything durable that was changed up to transaction @id */
MUST_USE int journal_commit(struct task *task, struct journal *journal, uint32_t id);

/** journal_commit_all() - make everything durable that was changed until now */
MUST_USE int journal_commit_all(struct task *task, struct journal *journal);

/** journal_checkpoint() - bring blocks home until the log has @n_free free blocks, or is empty */
MUST_USE int journal_checkpoint(struct task *task, struct journal *journal, uint32_t n_free);

/** journal_abort() - stop writing, for ever */
void journal_abort(struct journal *journal, int error);

/** journal__write_tail() - tell the disk where the log begins now */
MUST_USE int journal__write_tail(struct task *task, struct journal *journal);

/** journal__log_need() - log blocks for a transaction of so many blocks and revokes */
uint32_t journal__log_need(const struct journal *journal, uint32_t n_blocks, uint32_t n_revokes);

/** journal__wait_for() - wait until something changed */
MUST_USE int journal__wait(struct task *task, struct journal *journal);

/** journal_id_before() - whether sequence @a is older than @b; they wrap around */
static inline bool journal_id_before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

#endif
