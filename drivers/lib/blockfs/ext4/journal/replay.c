/* SPDX-License-Identifier: MIT */
/*
 * Replay: what committed transactions changed goes home.
 *
 * Three passes over the log. The first finds its end: the last transaction that has a good commit
 * block. The second gathers revoke records: a block is not replayed from transactions up to the
 * one that revoked it. The third notes for each block where its newest version is; then each block
 * is written once, so a replay that is cut off itself can be repeated.
 */
#include <base/hash.h>
#include <drivers/lib/blockfs/checksum.h>
#include <drivers/lib/blockfs/ext4/journal/journal.h>

#define WINDOW_BLOCKS 64 /* of the log that are read at once */
#define WRITES        16 /* in flight */
#define N_BUCKETS     4096

struct replay_block {
	struct hash_node node;
	uint64_t block;
	uint32_t revoked_id; /* the newest transaction that revoked it */
	uint32_t log_block;  /* its newest version, 0: none */
	bool is_revoked;
	bool is_escaped;
	struct replay_block *next; /* of all */
};

enum replay_pass { PASS_SCAN, PASS_REVOKE, PASS_REPLAY };

struct replay {
	struct task *task;
	struct journal_log *log;
	struct journal_replay *result;
	enum replay_pass pass;
	uint32_t at;     /* the next block of the log */
	uint32_t id;     /* the transaction that is expected */
	uint32_t end_id; /* the first that is not complete */
	uint32_t n_seen; /* blocks of the log passed */
	uint32_t sum;    /* of the transaction, checksums of version 1 */
	uint32_t window_first, window_n;
	struct hash_table table;
	struct replay_block *blocks;
	bool is_bad; /* a block's checksum does not fit */
};

/* ---- reading the log ------------------------------------------------------------------------- */

/* How many blocks from @block on are consecutive on the disk. */
static uint32_t replay_run(const struct journal_log *log, uint32_t block)
{
	uint64_t place = journal_log_place(log, block);
	uint32_t n = 1;

	while (n < WINDOW_BLOCKS && block + n < log->n_blocks &&
		journal_log_place(log, block + n) == place + n) {
		n++;
	}
	return n;
}

/* A block of the log; good until the next one is read. */
static int replay_read(struct replay *replay, uint32_t block, uint8_t **out_data)
{
	struct journal_log *log = replay->log;

	if (block - replay->window_first >= replay->window_n) {
		uint64_t place = journal_log_place(log, block);
		struct device_buffer buffer = {
			.memory = log->arena.memory,
			.offset = log->arena.offset,
			.address = log->arena.address,
		};

		if (place == UINT64_MAX) {
			return BLOCKFS_E_CORRUPT;
		}
		uint32_t n = replay_run(log, block);

		buffer.length = (uint64_t)n * log->block_size;
		replay->window_n = 0;
		int error = device_transfer(replay->task, log->device, DEVICE_READ,
			place * log->block_size, &buffer, 0);

		if (error != 0) {
			return error;
		}
		replay->window_first = block;
		replay->window_n = n;
	}
	*out_data = log->arena.address + (size_t)(block - replay->window_first) * log->block_size;
	return 0;
}

static uint32_t replay_advance(struct replay *replay, uint32_t n)
{
	uint32_t here = replay->at;
	uint32_t size = replay->log->n_blocks - replay->log->first;

	replay->at = replay->log->first + (here - replay->log->first + n) % size;
	replay->n_seen += n;
	return here;
}

/* ---- blocks ---------------------------------------------------------------------------------- */

static bool replay_block_is(const struct hash_node *node, const void *key)
{
	const uint64_t *block = key;

	return container_of(node, struct replay_block, node)->block == *block;
}

static struct replay_block *replay_find(struct replay *replay, uint64_t block)
{
	struct hash_node *node =
		hash_table_find(&replay->table, hash_u64(block), replay_block_is, &block);

	return node != NULL ? container_of(node, struct replay_block, node) : NULL;
}

static struct replay_block *replay_need(struct replay *replay, uint64_t block)
{
	struct replay_block *found = replay_find(replay, block);

	if (found != NULL) {
		return found;
	}
	found = blockfs_allocate(sizeof(*found));
	if (found != NULL) {
		found->block = block;
		found->next = replay->blocks;
		replay->blocks = found;
		hash_table_insert(&replay->table, &found->node, hash_u64(block));
	}
	return found;
}

/* ---- descriptors ----------------------------------------------------------------------------- */

/* The checksum in the last four bytes of descriptor and revoke blocks. */
static bool tail_sum_is_good(const struct journal_log *log, const uint8_t *data)
{
	struct be32 stored;
	const struct be32 zero = { { 0 } };

	if (!log->has_sums) {
		return true;
	}
	memcpy(&stored, data + log->block_size - 4, sizeof(stored));
	uint32_t sum = checksum_crc32c(log->seed, data, log->block_size - 4);

	return checksum_crc32c(sum, &zero, sizeof(zero)) == be32_get(stored);
}

struct replay_tag {
	uint64_t block;
	uint32_t flags;
	uint32_t sum;
};

/* Decode the tag at @offset and step over it; false: behind the end of the descriptor. */
static bool tag_decode(const struct journal_log *log, const uint8_t *data, uint32_t *offset,
	struct replay_tag *out_tag)
{
	uint32_t end = log->block_size - (log->has_sums ? 4 : 0);

	if (*offset + log->tag_size > end) {
		return false;
	}
	if ((log->incompat & JOURNAL_INCOMPAT_CSUM_V3) != 0) {
		struct journal_tag3 tag;

		memcpy(&tag, data + *offset, sizeof(tag));
		*out_tag = (struct replay_tag){
			.block = be32_get(tag.block_lo),
			.flags = be32_get(tag.flags),
			.sum = be32_get(tag.checksum),
		};
		if ((log->incompat & JOURNAL_INCOMPAT_64BIT) != 0) {
			out_tag->block |= (uint64_t)be32_get(tag.block_hi) << 32;
		}
	} else {
		struct journal_tag tag = { 0 };

		memcpy(&tag, data + *offset, min_size(sizeof(tag), log->tag_size));
		*out_tag = (struct replay_tag){
			.block = be32_get(tag.block_lo),
			.flags = be16_get(tag.flags),
			.sum = be16_get(tag.checksum),
		};
		if ((log->incompat & JOURNAL_INCOMPAT_64BIT) != 0) {
			out_tag->block |= (uint64_t)be32_get(tag.block_hi) << 32;
		}
	}
	*offset += log->tag_size;
	if ((out_tag->flags & JOURNAL_TAG_SAME_UUID) == 0) {
		*offset += 16;
	}
	return true;
}

static bool tag_sum_is_good(
	const struct replay *replay, const struct replay_tag *tag, const uint8_t *data)
{
	const struct journal_log *log = replay->log;
	struct be32 id = be32_of(replay->id);

	if (!log->has_sums) {
		return true;
	}
	uint32_t sum = checksum_crc32c(log->seed, &id, sizeof(id));

	sum = checksum_crc32c(sum, data, log->block_size);
	return (log->incompat & JOURNAL_INCOMPAT_CSUM_V3) != 0 ? sum == tag->sum
							       : (uint16_t)sum == tag->sum;
}

/* One logged block, which is the next of the log. */
static int replay_tagged(struct replay *replay, const struct replay_tag *tag)
{
	uint32_t log_block = replay_advance(replay, 1);
	bool has_v1 = (replay->log->compat & JOURNAL_COMPAT_CHECKSUM) != 0;
	uint8_t *data;

	if (replay->pass == PASS_REVOKE || (replay->pass == PASS_SCAN && !has_v1)) {
		return 0;
	}
	int error = replay_read(replay, log_block, &data);

	if (error != 0) {
		return error;
	}
	if (replay->pass == PASS_SCAN) {
		replay->sum = checksum_crc32_be(replay->sum, data, replay->log->block_size);
		return 0;
	}
	if (tag->block >= replay->log->n_fs_blocks) {
		return BLOCKFS_E_CORRUPT;
	}
	struct replay_block *block = replay_need(replay, tag->block);

	if (block == NULL) {
		return -ERR_NO_MEMORY;
	}
	if (block->is_revoked && !journal_id_before(block->revoked_id, replay->id)) {
		replay->result->n_revoked++;
		return 0;
	}
	if (!tag_sum_is_good(replay, tag, data)) {
		replay->is_bad = true;
		return 0;
	}
	block->log_block = log_block;
	block->is_escaped = (tag->flags & JOURNAL_TAG_ESCAPED) != 0;
	return 0;
}

/* @descriptor is a copy: the window moves. */
static int replay_descriptor(struct replay *replay, const uint8_t *descriptor)
{
	uint32_t offset = sizeof(struct journal_header);
	struct replay_tag tag;

	while (tag_decode(replay->log, descriptor, &offset, &tag)) {
		if (replay->n_seen >= replay->log->n_blocks) {
			return BLOCKFS_E_END;
		}
		int error = replay_tagged(replay, &tag);

		if (error != 0) {
			return error;
		}
		if ((tag.flags & JOURNAL_TAG_LAST) != 0) {
			break;
		}
	}
	return 0;
}

static int replay_revokes(struct replay *replay, const uint8_t *data)
{
	const struct journal_log *log = replay->log;
	bool is_64 = (log->incompat & JOURNAL_INCOMPAT_64BIT) != 0;
	struct journal_revoke_header header;
	uint32_t offset = sizeof(header);

	memcpy(&header, data, sizeof(header));
	uint32_t end = be32_get(header.n_bytes);

	if (end > log->block_size - (log->has_sums ? 4 : 0) || !tail_sum_is_good(log, data)) {
		return BLOCKFS_E_CORRUPT;
	}
	for (; offset + (is_64 ? 8 : 4) <= end; offset += is_64 ? 8 : 4) {
		struct be64 wide;
		struct be32 narrow;

		memcpy(&narrow, data + offset, sizeof(narrow));
		uint64_t number = be32_get(narrow);

		if (is_64) {
			memcpy(&wide, data + offset, sizeof(wide));
			number = be64_get(wide);
		}
		struct replay_block *block = replay_need(replay, number);

		if (block == NULL) {
			return -ERR_NO_MEMORY;
		}
		if (!block->is_revoked || journal_id_before(block->revoked_id, replay->id)) {
			block->is_revoked = true;
			block->revoked_id = replay->id;
		}
	}
	return 0;
}

static bool commit_is_good(const struct replay *replay, const uint8_t *data)
{
	const struct journal_log *log = replay->log;
	struct journal_commit_block commit;
	const struct be32 zero = { { 0 } };
	const size_t at = offsetof(struct journal_commit_block, checksum);

	memcpy(&commit, data, sizeof(commit));
	if (log->has_sums) {
		uint32_t sum = checksum_crc32c(log->seed, data, at);

		sum = checksum_crc32c(sum, &zero, sizeof(zero));
		sum = checksum_crc32c(sum, data + at + 4, log->block_size - at - 4);
		return sum == be32_get(commit.checksum[0]);
	}
	if ((log->compat & JOURNAL_COMPAT_CHECKSUM) != 0 && commit.checksum_type == 1 &&
		commit.checksum_size == 4) {
		return be32_get(commit.checksum[0]) == replay->sum;
	}
	return true;
}

/* ---- passes ---------------------------------------------------------------------------------- */

/* One block that is not data: descriptor, revoke or commit. END where the log ends. */
static int replay_step(struct replay *replay, uint8_t *copy)
{
	struct journal_header header;
	uint8_t *data;
	int error = replay_read(replay, replay->at, &data);

	if (error != 0) {
		return error;
	}
	memcpy(copy, data, replay->log->block_size);
	memcpy(&header, copy, sizeof(header));
	if (be32_get(header.magic) != JOURNAL_MAGIC || be32_get(header.sequence) != replay->id) {
		return BLOCKFS_E_END;
	}
	(void)replay_advance(replay, 1);
	switch (be32_get(header.type)) {
	case JOURNAL_DESCRIPTOR:
		if (!tail_sum_is_good(replay->log, copy)) {
			return BLOCKFS_E_END;
		}
		replay->sum = checksum_crc32_be(replay->sum, copy, replay->log->block_size);
		return replay_descriptor(replay, copy);
	case JOURNAL_REVOKE: return replay->pass == PASS_REVOKE ? replay_revokes(replay, copy) : 0;
	case JOURNAL_COMMIT:
		if (replay->pass == PASS_SCAN && !commit_is_good(replay, copy)) {
			return BLOCKFS_E_END;
		}
		replay->id++;
		replay->sum = ~0u;
		return 0;
	default: return BLOCKFS_E_END;
	}
}

static int replay_pass(struct replay *replay, enum replay_pass pass, uint8_t *copy)
{
	int error = 0;

	replay->pass = pass;
	replay->at = be32_get(replay->log->super.start);
	replay->id = be32_get(replay->log->super.sequence);
	replay->n_seen = 0;
	replay->sum = ~0u;
	while (error == 0 && replay->n_seen < replay->log->n_blocks - replay->log->first &&
		(pass == PASS_SCAN || replay->id != replay->end_id)) {
		error = replay_step(replay, copy);
	}
	if (pass == PASS_SCAN) {
		replay->end_id = replay->id;
		return error == BLOCKFS_E_END ? 0 : error;
	}
	return error == BLOCKFS_E_END ? BLOCKFS_E_CORRUPT : error;
}

/* ---- writing --------------------------------------------------------------------------------- */

struct replay_writes {
	struct device_request requests[WRITES];
	struct device_buffer buffers[WRITES];
	struct op *ops[WRITES];
	size_t n;
};

static int writes_finish(struct task *task, struct replay_writes *writes)
{
	int error = writes->n > 0 ? await_all(task, writes->ops, writes->n) : 0;

	writes->n = 0;
	return error;
}

static int replay_write_block(
	struct replay *replay, struct replay_writes *writes, const struct replay_block *block)
{
	struct journal_log *log = replay->log;
	uint8_t *data;
	int error = writes->n == WRITES ? writes_finish(replay->task, writes) : 0;

	if (error == 0) {
		error = replay_read(replay, block->log_block, &data);
	}
	if (error != 0) {
		return error;
	}
	size_t slot = writes->n++;
	size_t offset = (WINDOW_BLOCKS + slot) * (size_t)log->block_size;
	uint8_t *copy = log->arena.address + offset;
	struct be32 magic = be32_of(JOURNAL_MAGIC);

	memcpy(copy, data, log->block_size);
	if (block->is_escaped) {
		memcpy(copy, &magic, sizeof(magic));
	}
	writes->buffers[slot] = (struct device_buffer){
		.memory = log->arena.memory,
		.offset = log->arena.offset + offset,
		.length = log->block_size,
		.address = copy,
	};
	device_request_init(&writes->requests[slot], log->device, DEVICE_WRITE,
		block->block * log->block_size, log->block_size);
	device_request_set_buffers(&writes->requests[slot], &writes->buffers[slot], 1);
	writes->ops[slot] = &writes->requests[slot].op;
	replay->result->n_blocks++;
	return 0;
}

static int replay_write(struct replay *replay)
{
	struct replay_writes *writes = blockfs_allocate(sizeof(*writes));
	int error = writes == NULL ? -ERR_NO_MEMORY : 0;

	for (struct replay_block *block = replay->blocks; error == 0 && block != NULL;
		block = block->next) {
		if (block->log_block != 0) {
			error = replay_write_block(replay, writes, block);
		}
	}
	if (writes != NULL) {
		int last = writes_finish(replay->task, writes);

		error = error != 0 ? error : last;
	}
	blockfs_free(writes);
	return error != 0 ? error : device_flush(replay->task, replay->log->device);
}

/* ---- fast commits ---------------------------------------------------------------------------- */

#define FAST_COMMIT_HEAD 9 /* the tag that begins one: 16-bit tag, 16-bit length, features, id */

static int replay_look_for_fast_commits(struct replay *replay)
{
	struct journal_log *log = replay->log;
	uint8_t *data;
	uint16_t tag;
	uint32_t id;

	if ((log->incompat & JOURNAL_INCOMPAT_FAST_COMMIT) == 0) {
		return 0;
	}
	int error = replay_read(replay, log->n_blocks, &data);

	if (error == 0) {
		memcpy(&tag, data, sizeof(tag));
		memcpy(&id, data + 8, sizeof(id));
		replay->result->has_fast_commits = tag == FAST_COMMIT_HEAD && id == replay->end_id;
	}
	return error;
}

static void replay_free(struct replay *replay)
{
	while (replay->blocks != NULL) {
		struct replay_block *block = replay->blocks;

		replay->blocks = block->next;
		blockfs_free(block);
	}
	blockfs_free(replay->table.buckets);
}

int journal_replay(struct task *task, struct journal_log *log, struct journal_replay *out_result)
{
	uint32_t first_id = be32_get(log->super.sequence);
	struct replay replay = { .task = task, .log = log, .result = out_result };
	struct hash_node **buckets = blockfs_allocate(N_BUCKETS * sizeof(*buckets));
	uint8_t *copy = blockfs_allocate(log->block_size);
	int error = buckets == NULL || copy == NULL ? -ERR_NO_MEMORY : 0;

	*out_result = (struct journal_replay){ .next_id = first_id };
	if (error == 0) {
		hash_table_init(&replay.table, buckets, N_BUCKETS, NULL);
		replay.end_id = first_id;
		if (be32_get(log->super.start) != 0) {
			error = replay_pass(&replay, PASS_SCAN, copy);
			error = error != 0 ? error : replay_pass(&replay, PASS_REVOKE, copy);
			error = error != 0 ? error : replay_pass(&replay, PASS_REPLAY, copy);
			error = error != 0 ? error : replay_write(&replay);
		}
		error = error != 0 ? error : replay_look_for_fast_commits(&replay);
		out_result->n_transactions = replay.end_id - first_id;
		out_result->next_id = replay.end_id + (be32_get(log->super.start) != 0 ? 1 : 0);
		if (error == 0 && replay.is_bad) {
			error = BLOCKFS_E_CORRUPT;
		}
		replay_free(&replay);
	} else {
		blockfs_free(buckets);
	}
	blockfs_free(copy);
	return error;
}
