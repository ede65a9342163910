/* SPDX-License-Identifier: MIT */
/*
 * Partition tables: GPT (UEFI specification 2.10, chapter 5.3) and MBR with logical partitions.
 *
 * A table is read as a whole. What it says is data: partitions that do not lie on the device are
 * left out, chains of logical partitions end after PARTITIONS_MAX.
 */
#ifndef BLOCKFS_PARTITION_PARTITION_H
#define BLOCKFS_PARTITION_PARTITION_H

#include <drivers/lib/blockfs/device.h>
#include <drivers/lib/blockfs/errors.h>
#include <drivers/lib/blockfs/memory.h>

#define PARTITIONS_MAX      128
#define PARTITION_NAME_SIZE 112 /* 36 UTF-16 units as UTF-8, and a terminator */

enum partition_scheme { PARTITIONS_NONE, PARTITIONS_MBR, PARTITIONS_GPT };

struct partition {
	uint32_t number; /* as Linux counts: from 1; logical partitions of an MBR from 5 */
	uint64_t start;  /* bytes */
	uint64_t size;
	uint8_t mbr_type; /* MBR only */
	bool is_active;   /* MBR: the flag of boot loaders */
	uint8_t type
		[16]; /* GPT only, as they are on the disk: the first three fields little-endian */
	uint8_t uuid[16];
	uint64_t flags;
	char name[PARTITION_NAME_SIZE]; /* UTF-8, terminated */
};

struct partition_table {
	enum partition_scheme scheme;
	bool is_damaged; /* GPT: one of the two copies is not good */
	uint8_t uuid[16]; /* GPT: of the disk; MBR: the first four bytes are its signature */
	size_t n_partitions;
	struct partition partitions[PARTITIONS_MAX];
};

/**
 * partition_table_read() - read the table of a device
 * @arena: memory to read into, at least 64 KiB; borrowed during the call
 * @out_table: scheme PARTITIONS_NONE if there is none
 *
 * Return: 0, BLOCKFS_E_CORRUPT (there is a GPT, and neither copy is good), -ERR_X.
 */
MUST_USE int partition_table_read(struct task *task, struct device *device,
	const struct blockfs_arena *arena, struct partition_table *out_table);

/* ---- inside ---------------------------------------------------------------------------------- */

struct partition_reader {
	struct task *task;
	struct device *device;
	struct blockfs_arena arena;
	struct partition_table *table;
};

/** partition__read() - read bytes into the arena; at most its size */
MUST_USE int partition__read(struct partition_reader *reader, uint64_t offset, uint64_t size);

/** partition__add() - one more, if it lies on the device and there is room; NULL otherwise */
struct partition *partition__add(
	struct partition_reader *reader, uint32_t number, uint64_t start, uint64_t size);

/** partition__read_gpt() - read a GPT; CORRUPT: neither copy is good */
MUST_USE int partition__read_gpt(struct partition_reader *reader);

#endif
