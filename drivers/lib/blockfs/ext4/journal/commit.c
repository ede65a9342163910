/* SPDX-License-Identifier: MIT */
/*
 * Committing: the blocks of a transaction go to the log, then one block says that they are there.
 *
 * In the log: revoke records, then descriptors, each followed by the blocks that it lists, then the
 * commit block. All but that are put together in the journal's own memory, as they will be in the
 * log, in one step without a wait; then they are written at once, in long requests. When they have
 * arrived the device is flushed (which covers the files' data, too), and the commit block is
 * written with FUA: a commit costs one flush and one such write, however many wait for it.
 */
#include <base/assert.h>
#include <base/string.h>
#include <drivers/lib/blockfs/checksum.h>
#include <drivers/lib/blockfs/ext4/change.h>

#define COMMIT_REQUESTS       8         /* in flight */
#define COMMIT_REQUEST_BLOCKS 256

/* What is put together, as it will be in the log. */
struct assembly {
	struct journal *journal;
	struct transaction *transaction;
	uint32_t n_blocks; /* so far */
};

static uint8_t *assembly_block(const struct assembly *assembly, uint32_t index)
{
	const struct journal_log *log = &assembly->journal->log;

	ASSERT((uint64_t)(index + 2) * log->block_size <= log->arena.size);
	return log->arena.address + (size_t)index * log->block_size;
}

static uint8_t *assembly_add_header(struct assembly *assembly, enum journal_block_type type)
{
	uint8_t *block = assembly_block(assembly, assembly->n_blocks++);
	struct journal_header header = {
		.magic = be32_of(JOURNAL_MAGIC),
		.type = be32_of(type),
		.sequence = be32_of(assembly->transaction->id),
	};

	memset(block, 0, assembly->journal->log.block_size);
	memcpy(block, &header, sizeof(header));
	return block;
}

static void seal_tail(const struct journal_log *log, uint8_t *block)
{
	if (log->has_sums) {
		struct be32 sum = be32_of(checksum_crc32c(log->seed, block, log->block_size));

		memcpy(block + log->block_size - 4, &sum, sizeof(sum));
	}
}

static void assemble_revokes(struct assembly *assembly)
{
	const struct journal_log *log = &assembly->journal->log;
	const uint64_t *revokes = assembly->journal->revokes;
	uint32_t n_left = assembly->transaction->n_revokes;
	bool is_64 = (log->incompat & JOURNAL_INCOMPAT_64BIT) != 0;
	uint32_t size = is_64 ? 8 : 4;

	assembly->journal->statistics.n_revokes += n_left;
	while (n_left > 0) {
		uint8_t *block = assembly_add_header(assembly, JOURNAL_REVOKE);
		uint32_t offset = sizeof(struct journal_revoke_header);

		for (; n_left > 0 && offset + size <= log->block_size - 4; offset += size) {
			uint64_t number = revokes[--n_left];
			struct be64 wide = be64_of(number);
			struct be32 narrow = be32_of((uint32_t)number);

			memcpy(block + offset, is_64 ? wide.bytes : narrow.bytes, size);
		}
		struct be32 n_bytes = be32_of(offset);

		memcpy(block + offsetof(struct journal_revoke_header, n_bytes), &n_bytes,
			sizeof(n_bytes));
		seal_tail(log, block);
	}
}

/* The log's own magic number at the start of a block would look like one of the log's blocks. */
static bool escape(uint8_t *copy)
{
	const struct be32 magic = be32_of(JOURNAL_MAGIC);

	if (memcmp(copy, &magic, sizeof(magic)) != 0) {
		return false;
	}
	memset(copy, 0, sizeof(magic));
	return true;
}

static uint32_t tag_sum(const struct journal_log *log, uint32_t id, const uint8_t *copy)
{
	struct be32 sequence = be32_of(id);
	uint32_t sum = checksum_crc32c(log->seed, &sequence, sizeof(sequence));

	return checksum_crc32c(sum, copy, log->block_size);
}

static void tag_encode(
	const struct journal_log *log, uint8_t *place, uint64_t block, uint32_t flags, uint32_t sum)
{
	if ((log->incompat & JOURNAL_INCOMPAT_CSUM_V3) != 0) {
		struct journal_tag3 tag = {
			.block_lo = be32_of((uint32_t)block),
			.flags = be32_of(flags),
			.block_hi = be32_of((uint32_t)(block >> 32)),
			.checksum = be32_of(sum),
		};

		memcpy(place, &tag, sizeof(tag));
		return;
	}
	struct journal_tag tag = {
		.block_lo = be32_of((uint32_t)block),
		.checksum = be16_of((uint16_t)sum),
		.flags = be16_of((uint16_t)flags),
		.block_hi = be32_of((uint32_t)(block >> 32)),
	};

	memcpy(place, &tag, min_size(sizeof(tag), log->tag_size));
}

/* Descriptors and copies of all blocks. */
static void assemble_blocks(struct assembly *assembly)
{
	const struct journal_log *log = &assembly->journal->log;
	struct transaction *transaction = assembly->transaction;
	uint32_t end = log->block_size - (log->has_sums ? 4 : 0);
	uint8_t *descriptor = NULL;
	uint32_t offset = 0;

	LIST_FOR_EACH(buffer, &transaction->buffers, struct buffer, running_node) {
		uint32_t flags = descriptor != NULL ? JOURNAL_TAG_SAME_UUID : 0;

		if (descriptor == NULL) {
			descriptor = assembly_add_header(assembly, JOURNAL_DESCRIPTOR);
			offset = sizeof(struct journal_header);
		}
		uint8_t *copy = assembly_block(assembly, assembly->n_blocks++);

		memcpy(copy, buffer->data, log->block_size);
		flags |= escape(copy) ? JOURNAL_TAG_ESCAPED : 0;
		uint32_t sum = log->has_sums ? tag_sum(log, transaction->id, copy) : 0;
		bool is_first = (flags & JOURNAL_TAG_SAME_UUID) == 0;
		uint32_t next = offset + log->tag_size + (is_first ? 16 : 0);
		bool is_last = next + log->tag_size > end ||
			list_next(&transaction->buffers, &buffer->running_node) == NULL;

		tag_encode(log, descriptor + offset, buffer->block,
			flags | (is_last ? JOURNAL_TAG_LAST : 0), sum);
		if (is_first) {
			memcpy(descriptor + offset + log->tag_size, log->super.uuid, 16);
		}
		offset = next;
		if (is_last) {
			seal_tail(log, descriptor);
			descriptor = NULL;
		}
	}
}

/* Bitmaps first: theirs are in the descriptors of groups, which are then sealed with them. */
static void transaction_seal(struct transaction *transaction)
{
	struct ext4 *fs = transaction->journal->fs;

	LIST_FOR_EACH(buffer, &transaction->buffers, struct buffer, running_node) {
		if (buffer->kind == EXT4_KIND_BLOCK_BITMAP ||
			buffer->kind == EXT4_KIND_INODE_BITMAP) {
			ext4_seal(fs, buffer);
		}
	}
	LIST_FOR_EACH(buffer, &transaction->buffers, struct buffer, running_node) {
		if (buffer->kind != EXT4_KIND_BLOCK_BITMAP &&
			buffer->kind != EXT4_KIND_INODE_BITMAP) {
			ext4_seal(fs, buffer);
		}
	}
}

/* The blocks are in the assembly: they belong to the transaction's checkpoint from now on. */
static void transaction_let_go(struct transaction *transaction)
{
	struct buffer *buffer;

	while ((buffer = LIST_POP_FRONT(&transaction->buffers, struct buffer, running_node)) !=
		NULL) {
		buffer->running = NULL;
		list_remove(&buffer->checkpoint_node);
		buffer->checkpoint = transaction;
		list_push_back(&transaction->checkpoint, &buffer->checkpoint_node);
	}
}

/* Freed blocks: the log's versions are revoked, home may stay as it is, nobody needs them. */
static int transaction_forget(struct task *task, struct transaction *transaction)
{
	struct buffer *buffer;
	int error = 0;

	while ((buffer = LIST_POP_FRONT(&transaction->forgotten, struct buffer, running_node)) !=
		NULL) {
		buffer->n_holders++;
		int waited = cache_wait_written(task, buffer);

		error = error != 0 ? error : waited;
		list_remove(&buffer->checkpoint_node);
		buffer->running = NULL;
		buffer->checkpoint = NULL;
		buffer->is_forgotten = false;
		buffer->cache->n_pinned--;
		cache_discard(buffer);
		buffer_put(buffer);
	}
	return error;
}

/* ---- writing --------------------------------------------------------------------------------- */

struct commit_writes {
	struct device_request requests[COMMIT_REQUESTS];
	struct device_buffer buffers[COMMIT_REQUESTS];
	struct op *ops[COMMIT_REQUESTS];
	size_t n;
};

static int commit_writes_finish(struct task *task, struct commit_writes *writes)
{
	int error = writes->n > 0 ? await_all(task, writes->ops, writes->n) : 0;

	writes->n = 0;
	return error;
}

/* The log block behind @block, round the end. */
static uint32_t log_after(const struct journal_log *log, uint32_t block, uint32_t n)
{
	uint32_t size = log->n_blocks - log->first;

	return log->first + (uint32_t)(((uint64_t)(block - log->first) + n) % size);
}

/* Blocks from @block on that can be one request. */
static uint32_t log_run(const struct journal_log *log, uint32_t block, uint32_t n_max)
{
	uint64_t place = journal_log_place(log, block);
	uint32_t n = 1;

	while (n < n_max && n < COMMIT_REQUEST_BLOCKS && block + n < log->n_blocks &&
		journal_log_place(log, block + n) == place + n) {
		n++;
	}
	return n;
}

static int commit_write_assembly(
	struct task *task, struct assembly *assembly, struct commit_writes *writes)
{
	const struct journal_log *log = &assembly->journal->log;
	uint32_t at = assembly->journal->head;
	int error = 0;

	for (uint32_t done = 0; done < assembly->n_blocks && error == 0;) {
		uint32_t n = log_run(log, at, assembly->n_blocks - done);
		size_t slot = writes->n++;
		size_t offset = (size_t)done * log->block_size;

		writes->buffers[slot] = (struct device_buffer){
			.memory = log->arena.memory,
			.offset = log->arena.offset + offset,
			.length = (uint64_t)n * log->block_size,
			.address = log->arena.address + offset,
		};
		device_request_init(&writes->requests[slot], log->device, DEVICE_WRITE,
			journal_log_place(log, at) * log->block_size,
			(uint64_t)n * log->block_size);
		device_request_set_buffers(&writes->requests[slot], &writes->buffers[slot], 1);
		writes->ops[slot] = &writes->requests[slot].op;
		done += n;
		at = log_after(log, at, n);
		if (writes->n == COMMIT_REQUESTS) {
			error = commit_writes_finish(task, writes);
		}
	}
	int last = commit_writes_finish(task, writes);

	return error != 0 ? error : last;
}

static void commit_block_encode(struct assembly *assembly)
{
	const struct journal_log *log = &assembly->journal->log;
	struct blockfs_host *host = assembly->journal->fs->fs.host;
	struct blockfs_time now = host->now(host);
	uint8_t *block = assembly_block(assembly, 0);

	assembly->n_blocks = 0;
	block = assembly_add_header(assembly, JOURNAL_COMMIT);
	struct journal_commit_block commit;

	memcpy(&commit, block, sizeof(commit));
	commit.seconds = be64_of((uint64_t)now.seconds);
	commit.nanoseconds = be32_of(now.nanoseconds);
	memcpy(block, &commit, sizeof(commit));
	if (log->has_sums) {
		commit.checksum[0] = be32_of(checksum_crc32c(log->seed, block, log->block_size));
		memcpy(block, &commit, sizeof(commit));
	}
}

static int commit_write_end(struct task *task, struct assembly *assembly, uint32_t log_block)
{
	const struct journal_log *log = &assembly->journal->log;
	int error = device_flush(task, log->device);

	if (error != 0) {
		return error;
	}
	commit_block_encode(assembly);
	struct device_buffer buffer = {
		.memory = log->arena.memory,
		.offset = log->arena.offset,
		.length = log->block_size,
		.address = log->arena.address,
	};

	return device_transfer(task, log->device, DEVICE_WRITE,
		journal_log_place(log, log_block) * log->block_size, &buffer, DEVICE_FUA);
}

/* ---- the commit ------------------------------------------------------------------------------ */

/* No new handle joins; wait for those that are open. */
static int commit_lock(struct task *task, struct transaction *transaction)
{
	transaction->state = TRANSACTION_LOCKED;
	while (transaction->n_handles > 0) {
		int error = journal__wait(task, transaction->journal);

		if (error != 0) {
			return error;
		}
	}
	return 0;
}

static void commit_assemble(struct assembly *assembly)
{
	struct journal *journal = assembly->journal;
	struct transaction *transaction = assembly->transaction;
	uint64_t *revokes = journal->revokes;

	transaction_seal(transaction);
	assemble_revokes(assembly);
	assemble_blocks(assembly);
	transaction_let_go(transaction);
	journal->revokes = journal->old_revokes;
	journal->old_revokes = revokes;
	transaction->state = TRANSACTION_COMMITTING;
	transaction->n_log_blocks = assembly->n_blocks + 1;
	transaction->log_start = journal->head;
	ASSERT(transaction->n_log_blocks <= journal->n_free);
	journal->n_free -= transaction->n_log_blocks;
	journal->running = NULL;
	journal->committing = transaction;
	wait_queue_wake(&journal->changed);
}

static int commit_write(struct task *task, struct assembly *assembly)
{
	struct journal *journal = assembly->journal;
	struct commit_writes *writes = blockfs_allocate(sizeof(*writes));

	if (writes == NULL) {
		return -ERR_NO_MEMORY;
	}
	uint32_t end = log_after(&journal->log, journal->head, assembly->n_blocks);
	int error = commit_write_assembly(task, assembly, writes);

	blockfs_free(writes);
	if (error == 0 && journal->is_empty_on_disk) {
		error = journal__write_tail(task, journal); /* a replay has to look here */
	}
	if (error == 0) {
		error = commit_write_end(task, assembly, end);
	}
	if (error == 0) {
		journal->head = log_after(&journal->log, end, 1);
	}
	return error;
}

static int commit_finish(struct task *task, struct journal *journal)
{
	struct transaction *transaction = journal->committing;

	transaction->state = TRANSACTION_COMMITTED;
	journal->statistics.n_commits++;
	journal->statistics.n_blocks_logged += transaction->n_blocks;
	int error = transaction_forget(task, transaction);

	ext4_release_freed(journal->fs, &transaction->freed);
	list_push_back(&journal->committed, &transaction->node);
	journal->committing = NULL;
	journal->committed_id = transaction->id;
	wait_queue_wake(&journal->changed);
	return error;
}

/* Nothing to log: end the transaction as if it had never been. */
static bool commit_is_needless(const struct transaction *transaction)
{
	return transaction->n_blocks == 0 && transaction->n_revokes == 0 &&
		list_is_empty(&transaction->freed);
}

static void commit_drop(struct journal *journal)
{
	struct transaction *transaction = journal->running;

	journal->running = NULL;
	journal->next_id = transaction->id;
	blockfs_free(transaction);
	wait_queue_wake(&journal->changed);
}

static int commit_running(struct task *task, struct journal *journal)
{
	struct assembly assembly = { .journal = journal, .transaction = journal->running };
	int error = commit_lock(task, journal->running);

	if (error == 0) {
		error = journal->error;
	}
	if (error == 0 && commit_is_needless(journal->running)) {
		commit_drop(journal);
		return 0;
	}
	if (error == 0) {
		commit_assemble(&assembly);
		error = commit_write(task, &assembly);
		if (error == 0) {
			return commit_finish(task, journal);
		}
	}
	if (journal->error == 0) {
		ext4_fail(journal->fs, error, "commit");
	}
	return journal->error != 0 ? journal->error : error;
}

int journal_commit(struct task *task, struct journal *journal, uint32_t id)
{
	struct scope shield;
	int error = 0;

	scope_begin_shield(task, &shield);
	error = mutex_lock(task, &journal->commit_lock);
	if (error == 0) {
		error = journal->error;
		if (error == 0 && journal_id_before(journal->committed_id, id) &&
			journal->running != NULL) {
			error = commit_running(task, journal);
		}
		mutex_unlock(&journal->commit_lock);
	}
	(void)scope_join(&shield);
	return error;
}

int journal_commit_all(struct task *task, struct journal *journal)
{
	/* the committing one, if there is one, is waited for by the lock */
	return journal_commit(task, journal, journal->next_id - 1);
}
