/* SPDX-License-Identifier: MIT */
/*
 * What disks are called and numbered, as by Linux: vda and 254:0, sdb1 and 8:17, nvme0n1 and 259:0.
 *
 * A disk comes under the name that it has on mbus, which says by what driver it is driven and where
 * it is: "virtio-0000:00:10.0", "ahci-0000:00:1f.2p3", "nvme-0000:00:04.0n1", "ram0". That is its
 * *place*. Disks come in any order, but shall be numbered in the order of their places; so whoever
 * hears beforehand of places where there may be disks says so (block_names_expect()), and a disk
 * gets the number of places that are before its own, or the lowest one that is free if that is
 * taken. A place keeps its number for ever, so a disk that comes back is what it was.
 */
#ifndef POSIX_FS_BLOCK_NAME_H
#define POSIX_FS_BLOCK_NAME_H

#include <base/bitmap.h>
#include <base/tree.h>

/** BLOCK_NAME_PLACES_MAX - of each family */
#define BLOCK_NAME_PLACES_MAX 1024
/** BLOCK_NAME_EXTRA_MAX - minor numbers of the major 259 */
#define BLOCK_NAME_EXTRA_MAX  8192

/* Kinds of disks whose names begin alike. */
enum block_family : uint8_t {
	BLOCK_FAMILY_VD,
	BLOCK_FAMILY_SD, /* also all that is not known to be of another one */
	BLOCK_FAMILY_NVME,
	BLOCK_FAMILY_RAM,
	BLOCK_FAMILY_LOOP,
	BLOCK_FAMILIES,
};

/* Where a disk is. */
struct block_place {
	enum block_family family;
	bool has_address;
	uint32_t unit; /* behind the controller: its port or namespace */
	uint64_t address; /* of the controller, as a number that is in order */
	char address_text[16]; /* "0000:00:10.0", or "" */
	char driver[16]; /* "virtio" */
};

struct block_names {
	struct tree places[BLOCK_FAMILIES];
	uint32_t n_places[BLOCK_FAMILIES];
	uint64_t taken[BLOCK_FAMILIES][BITMAP_WORDS(BLOCK_NAME_PLACES_MAX)];
	uint64_t extra[BITMAP_WORDS(BLOCK_NAME_EXTRA_MAX)];
};

/** block_place_parse() - what a name on mbus says; any name is some place */
void block_place_parse(const char *name, struct block_place *out_place);

void block_names_init(struct block_names *names);
void block_names_deinit(struct block_names *names);

/**
 * block_names_expect() - there is, or may come, a disk of this name
 *
 * Return: 0, -LINUX_ENOMEM, -LINUX_ENOSPC: too many.
 */
int64_t block_names_expect(struct block_names *names, const char *name);

/** block_names_index() - the number of the disk, or of its controller if it has several disks */
int64_t block_names_index(struct block_names *names, const char *name, uint32_t *out_index);

/**
 * block_name_print() - the name below /dev
 * @index: that block_names_index() gives
 * @partition: 0: of the whole disk
 *
 * Return: its length, at least @size if it does not fit.
 */
size_t block_name_print(const struct block_place *place, uint32_t index, uint32_t partition,
	char *buffer, size_t size);

/**
 * block_names_take_number() - a device number for a disk or partition
 *
 * Return: 0 or -LINUX_ENOSPC.
 */
int64_t block_names_take_number(struct block_names *names, const struct block_place *place,
	uint32_t index, uint32_t partition, uint64_t *out_rdev);

/** block_names_give_number() - it is not used any more */
void block_names_give_number(struct block_names *names, uint64_t rdev);

/** block_majors_print() - the second half of /proc/devices; returns its size */
size_t block_majors_print(char *buffer, size_t size);

#endif
