/* SPDX-License-Identifier: MIT */
/* The ioctls of block devices, as on Linux. */
#ifndef ABI_LINUX_BLOCK_H
#define ABI_LINUX_BLOCK_H

#include <stdint.h>

enum linux_block_ioctl : uint32_t {
	LINUX_HDIO_GETGEO = 0x301,
	LINUX_BLKROSET = 0x125d,
	LINUX_BLKROGET = 0x125e,
	LINUX_BLKRRPART = 0x125f,
	LINUX_BLKGETSIZE = 0x1260,
	LINUX_BLKFLSBUF = 0x1261,
	LINUX_BLKRASET = 0x1262,
	LINUX_BLKRAGET = 0x1263,
	LINUX_BLKFRASET = 0x1264,
	LINUX_BLKFRAGET = 0x1265,
	LINUX_BLKSECTGET = 0x1267,
	LINUX_BLKSSZGET = 0x1268,
	LINUX_BLKPG = 0x1269,
	LINUX_BLKDISCARD = 0x1277,
	LINUX_BLKIOMIN = 0x1278,
	LINUX_BLKIOOPT = 0x1279,
	LINUX_BLKALIGNOFF = 0x127a,
	LINUX_BLKPBSZGET = 0x127b,
	LINUX_BLKDISCARDZEROES = 0x127c,
	LINUX_BLKSECDISCARD = 0x127d,
	LINUX_BLKROTATIONAL = 0x127e,
	LINUX_BLKZEROOUT = 0x127f,
	/* whose numbers say a size that is not that of what is transferred: 4 bytes */
	LINUX_BLKBSZGET = 0x80081270,
	LINUX_BLKBSZSET = 0x40081271,
	LINUX_BLKGETSIZE64 = 0x80081272,
	LINUX_BLKGETDISKSEQ = 0x80081280,
	LINUX_BLKGETZONESZ = 0x80041284,
	LINUX_BLKGETNRZONES = 0x80041285,
};

struct linux_hd_geometry {
	uint8_t heads, sectors;
	uint16_t cylinders;
	uint64_t start; /* of the partition, in sectors */
};
static_assert(sizeof(struct linux_hd_geometry) == 16);

enum linux_blkpg_op : int32_t {
	LINUX_BLKPG_ADD_PARTITION = 1,
	LINUX_BLKPG_DEL_PARTITION = 2,
	LINUX_BLKPG_RESIZE_PARTITION = 3,
};

struct linux_blkpg {
	int32_t op, flags, data_size;
	uint64_t data; /* address of a struct linux_blkpg_partition */
};
static_assert(sizeof(struct linux_blkpg) == 24);

#endif
