/* SPDX-License-Identifier: MIT */
/*
 * Hostile images: what tools of the host made, with a few fields that lie.
 *
 * A base is an image and a list of its structures: superblocks, descriptors, inodes, extents,
 * entries of directories, blocks of journals, chains of clusters, records. A mutation takes a kind
 * of structure, one of that kind, one of its fields and a value that means trouble: 0, 1, the
 * largest, one more or less, a bit turned over, the number of a block of metadata or of itself.
 * Every other time the checksums above the field are made right again, so that not only the code
 * that compares checksums is reached. All follows from a seed and the number of the case.
 */
#ifndef TESTS_HOSTILE_IMAGES_HOSTILE_H
#define TESTS_HOSTILE_IMAGES_HOSTILE_H

#include <base/random.h>
#include <drivers/lib/blockfs/tests/harness.h>

enum hostile_type { HOSTILE_EXT4, HOSTILE_FAT, HOSTILE_ISO9660, HOSTILE_TABLE };

enum structure_kind {
	/* ext2, ext3, ext4 */
	STRUCTURE_SUPER,
	STRUCTURE_DESCRIPTOR,
	STRUCTURE_BLOCK_BITMAP,
	STRUCTURE_INODE_BITMAP,
	STRUCTURE_INODE,
	STRUCTURE_EXTENT_HEADER,
	STRUCTURE_EXTENT,
	STRUCTURE_EXTENT_INDEX,
	STRUCTURE_POINTERS,
	STRUCTURE_ENTRY,
	STRUCTURE_INDEX_INFO,
	STRUCTURE_INDEX_ENTRIES,
	STRUCTURE_XATTR_HEADER,
	STRUCTURE_XATTR_ENTRY,
	STRUCTURE_ORPHANS,
	STRUCTURE_JOURNAL_SUPER,
	STRUCTURE_JOURNAL_DESCRIPTOR,
	STRUCTURE_JOURNAL_REVOKES,
	STRUCTURE_JOURNAL_COMMIT,
	STRUCTURE_JOURNAL_DATA,
	/* FAT */
	STRUCTURE_BOOT,
	STRUCTURE_BOOT_END,
	STRUCTURE_FAT_INFO,
	STRUCTURE_FAT,
	STRUCTURE_SLOT,
	STRUCTURE_LONG_SLOT,
	/* ISO 9660 */
	STRUCTURE_VOLUME,
	STRUCTURE_RECORD,
	STRUCTURE_SYSTEM_USE,
	/* partitions */
	STRUCTURE_MBR_ENTRY,
	STRUCTURE_GPT_HEADER,
	STRUCTURE_GPT_ENTRY,
	N_STRUCTURE_KINDS
};

struct structure {
	enum structure_kind kind;
	uint64_t offset; /* in the image */
	uint32_t size;
	const char *layout; /* the sizes of its fields, '1' to '8'; repeated up to `size` */
	/* for repairing it: */
	uint64_t owner; /* the inode, the group; the image's offset of what holds the checksum */
	uint64_t block; /* that it is in */
};

struct base {
	const char *name;
	enum hostile_type type;
	uint8_t *image;
	uint64_t size;
	struct structure *structures;
	size_t n_structures, n_structures_max;
	size_t n_of_kind[N_STRUCTURE_KINDS];
	uint64_t *numbers; /* that mean something in it: of blocks, of inodes, of clusters */
	size_t n_numbers, n_numbers_max;
	/* make the checksums above a structure right again; NULL: there are none */
	void (*repair)(const struct base *base, uint8_t *image, const struct structure *structure);
	void *layout; /* the type's own */
};

#define HOSTILE_BASES_MAX 32

/** hostile_bases - the images; made by hostile_bases_make() */
extern struct base hostile_bases[HOSTILE_BASES_MAX];
extern size_t hostile_n_bases;

/** hostile_bases_make() - make all images with the tools of this machine */
void hostile_bases_make(void);

/** hostile_bases_free() - free all images */
void hostile_bases_free(void);

/** base_add() - one more structure */
void base_add(struct base *base, struct structure structure);

/** base_add_number() - a number that means something in the image */
void base_add_number(struct base *base, uint64_t number);

/** ext4_base_scan(), ... - find the structures of an image */
void ext4_base_scan(struct base *base);
void fat_base_scan(struct base *base);
void iso9660_base_scan(struct base *base);
void table_base_scan(struct base *base);

/** hostile_mutate() - lie in an image, which holds what the base has; what is printed of it */
void hostile_mutate(const struct base *base, uint8_t *image, struct random *random, char *out_text,
	size_t size);

/* What came of a case. */
struct outcome {
	bool was_mounted;
	uint64_t n_nodes;   /* that were looked at */
	uint64_t n_changed; /* changes that succeeded */
	uint64_t n_refused; /* ... that did not */
};

/** hostile_use() - mount what is on the disk, walk, read, change, unmount, and look again */
void hostile_use(struct harness *harness, const struct base *base, struct random *random,
	struct outcome *out);

#endif
