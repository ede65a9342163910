/* SPDX-License-Identifier: MIT */
/* The log: its superblock, and where its blocks are on the disk. */
#include <base/string.h>
#include <drivers/lib/blockfs/checksum.h>
#include <drivers/lib/blockfs/ext4/journal/journal.h>

uint64_t journal_log_place(const struct journal_log *log, uint32_t block)
{
	size_t low = 0, high = log->n_runs;

	while (low + 1 < high) {
		size_t middle = (low + high) / 2;

		if (log->runs[middle].first <= block) {
			low = middle;
		} else {
			high = middle;
		}
	}
	if (log->n_runs == 0) {
		return UINT64_MAX;
	}
	const struct journal_run *run = &log->runs[low];

	return block >= run->first && block - run->first < run->n_blocks
		? run->place + (block - run->first)
		: UINT64_MAX;
}

/* As if its own field were zero. */
static uint32_t super_sum(const struct journal_super *super)
{
	const size_t at = offsetof(struct journal_super, checksum);
	const uint8_t *bytes = (const uint8_t *)super;
	const uint32_t zero = 0;
	uint32_t sum = checksum_crc32c(~0u, bytes, at);

	sum = checksum_crc32c(sum, &zero, sizeof(zero));
	return checksum_crc32c(sum, bytes + at + sizeof(zero), sizeof(*super) - at - sizeof(zero));
}

/* Bytes of a tag in descriptor blocks. */
static uint32_t tag_size(uint32_t incompat)
{
	if ((incompat & JOURNAL_INCOMPAT_CSUM_V3) != 0) {
		return sizeof(struct journal_tag3);
	}
	uint32_t size = sizeof(struct journal_tag);

	if ((incompat & JOURNAL_INCOMPAT_CSUM_V2) != 0) {
		size += 2;
	}
	return (incompat & JOURNAL_INCOMPAT_64BIT) != 0 ? size : size - 4;
}

static int super_decode(struct journal_log *log)
{
	const struct journal_super *super = &log->super;
	uint32_t type = be32_get(super->header.type);
	uint32_t n_blocks = be32_get(super->n_blocks);

	if (be32_get(super->header.magic) != JOURNAL_MAGIC ||
		(type != JOURNAL_SUPER_V1 && type != JOURNAL_SUPER_V2) ||
		be32_get(super->block_size) != log->block_size) {
		return BLOCKFS_E_CORRUPT;
	}
	if (type == JOURNAL_SUPER_V2) {
		log->compat = be32_get(super->compat);
		log->incompat = be32_get(super->incompat);
		if ((log->incompat & ~JOURNAL_INCOMPAT_KNOWN) != 0 ||
			be32_get(super->ro_compat) != 0) {
			return BLOCKFS_E_UNSUPPORTED;
		}
	}
	if ((log->incompat & JOURNAL_INCOMPAT_CSUM_V2) != 0 &&
		(log->incompat & JOURNAL_INCOMPAT_CSUM_V3) != 0) {
		return BLOCKFS_E_CORRUPT;
	}
	log->has_sums =
		(log->incompat & (JOURNAL_INCOMPAT_CSUM_V2 | JOURNAL_INCOMPAT_CSUM_V3)) != 0;
	if (log->has_sums && super_sum(super) != be32_get(super->checksum)) {
		return BLOCKFS_E_CORRUPT;
	}
	log->seed = checksum_crc32c(~0u, super->uuid, sizeof(super->uuid));
	log->tag_size = tag_size(log->incompat);
	log->first = be32_get(super->first);
	if (n_blocks > log->n_blocks) {
		return BLOCKFS_E_CORRUPT;
	}
	if ((log->incompat & JOURNAL_INCOMPAT_FAST_COMMIT) != 0) {
		uint32_t n_fast = be32_get(super->n_fast_commit_blocks);

		n_fast = n_fast != 0 ? n_fast : 256;
		if (n_fast >= n_blocks) {
			return BLOCKFS_E_CORRUPT;
		}
		n_blocks -= n_fast;
	}
	log->n_blocks = n_blocks;
	uint32_t start = be32_get(super->start);

	return log->first >= 1 && log->first < n_blocks && n_blocks - log->first >= 16 &&
			(start == 0 || (start >= log->first && start < n_blocks))
		? 0
		: BLOCKFS_E_CORRUPT;
}

static struct device_buffer log_super_buffer(const struct journal_log *log)
{
	size_t offset = log->arena.size - log->block_size;

	return (struct device_buffer){
		.memory = log->arena.memory,
		.offset = log->arena.offset + offset,
		.length = log->block_size,
		.address = log->arena.address + offset,
	};
}

int journal_log_open(struct task *task, struct journal_log *log)
{
	struct device_buffer buffer = log_super_buffer(log);
	uint64_t place = journal_log_place(log, 0);

	if (place == UINT64_MAX) {
		return BLOCKFS_E_CORRUPT;
	}
	int error = device_transfer(
		task, log->device, DEVICE_READ, place * log->block_size, &buffer, 0);

	if (error != 0) {
		return error;
	}
	memcpy(&log->super, buffer.address, sizeof(log->super));
	return super_decode(log);
}

void journal_log_close(struct journal_log *log)
{
	blockfs_free(log->runs);
	log->runs = NULL;
	log->n_runs = 0;
}

int journal_log_write_super(struct task *task, struct journal_log *log)
{
	struct device_buffer buffer = log_super_buffer(log);

	if (log->has_sums) {
		log->super.checksum = be32_of(super_sum(&log->super));
	}
	memset(buffer.address, 0, log->block_size);
	memcpy(buffer.address, &log->super, sizeof(log->super));
	return device_transfer(task, log->device, DEVICE_WRITE,
		journal_log_place(log, 0) * log->block_size, &buffer, DEVICE_FUA);
}
