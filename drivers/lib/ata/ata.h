/* SPDX-License-Identifier: MIT */
/*
 * What ATA drives say and understand (ACS-3), however they are connected: drivers of AHCI and of
 * IDE controllers share it. Nothing here touches a device.
 */
#ifndef DRIVERS_LIB_ATA_ATA_H
#define DRIVERS_LIB_ATA_ATA_H

#include <base/types.h>

#define ATA_SECTOR_BYTES   512
#define ATA_IDENTIFY_BYTES 512
#define ATA_QUEUE_MAX      32

/* Bits of the status register. */
enum ata_status : uint8_t {
	ATA_STATUS_ERROR = 0x01, /* the error register says which */
	ATA_STATUS_DATA = 0x08, /* data are to be transferred */
	ATA_STATUS_FAULT = 0x20,
	ATA_STATUS_BUSY = 0x80, /* no other bit is valid */
};

enum ata_opcode : uint8_t {
	ATA_DATA_SET_MANAGEMENT = 0x06,
	ATA_READ_SECTORS = 0x20,
	ATA_READ_SECTORS_EXT = 0x24,
	ATA_READ_DMA_EXT = 0x25,
	ATA_READ_LOG_EXT = 0x2f,
	ATA_WRITE_SECTORS = 0x30,
	ATA_WRITE_SECTORS_EXT = 0x34,
	ATA_WRITE_DMA_EXT = 0x35,
	ATA_WRITE_DMA_FUA_EXT = 0x3d,
	ATA_READ_QUEUED = 0x60,
	ATA_WRITE_QUEUED = 0x61,
	ATA_PACKET = 0xa0,
	ATA_IDENTIFY_PACKET = 0xa1,
	ATA_READ_DMA = 0xc8,
	ATA_WRITE_DMA = 0xca,
	ATA_FLUSH = 0xe7,
	ATA_FLUSH_EXT = 0xea,
	ATA_IDENTIFY = 0xec,
};

/** ATA_DEVICE_LBA - of the device register: addresses are numbers of blocks */
#define ATA_DEVICE_LBA 0x40u
/** ATA_TRIM - feature of ATA_DATA_SET_MANAGEMENT */
#define ATA_TRIM       1u

/* What a drive says of itself. */
struct ata_identity {
	char model[41], serial[21]; /* "": it has none */
	uint64_t n_blocks;
	uint32_t logical_block_bytes, physical_block_bytes;
	uint32_t depth;        /* of its queue; 1: commands are not queued */
	bool has_lba;          /* else nobody can use it */
	bool has_long;         /* commands with 48 bits of address (the EXT ones) */
	bool has_dma;          /* and a mode is chosen */
	bool has_cache;        /* which is on */
	bool has_flush, has_flush_long;
	bool has_fua;          /* ATA_WRITE_DMA_FUA_EXT */
	bool has_trim;
	bool is_rotational;    /* it says how fast it turns */
	bool is_packet_disc; /* of ATA_IDENTIFY_PACKET: a drive for CDs and DVDs, 12-byte packets */
	bool wants_direction; /* likewise: DMA wants to be told the direction */
};

/**
 * ata_identity_read() - understand the answer to ATA_IDENTIFY, or to ATA_IDENTIFY_PACKET
 * @data: ATA_IDENTIFY_BYTES, as the drive sent them
 */
void ata_identity_read(const uint8_t *data, struct ata_identity *out_identity);

/** ata_identity_is_usable() - whether its blocks can be addressed, and are 512 to 4096 bytes */
bool ata_identity_is_usable(const struct ata_identity *identity);

/** ATA_TRIM_BLOCKS_MAX - of one ata_trim_list() */
#define ATA_TRIM_BLOCKS_MAX (64 * UINT64_C(65535))

/**
 * ata_trim_list() - the data of a trim
 * @sector: ATA_SECTOR_BYTES, aligned to 8
 * @n_blocks: at most ATA_TRIM_BLOCKS_MAX
 */
void ata_trim_list(void *sector, uint64_t first_block, uint64_t n_blocks);

#endif
