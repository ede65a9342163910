/* SPDX-License-Identifier: MIT */
/*
 * The boot sector and the info sector.
 *
 * Which of the three it is follows Linux: FAT32 has no 16-bit length of the table; of the others,
 * up to 4,084 clusters are FAT12. There is no signature that all have, so what is not a FAT is told
 * by a geometry that cannot be.
 */
#include <base/string.h>
#include <drivers/lib/blockfs/fat/fat.h>

#define BOOT_SIZE        512u
#define SECTOR_SIZE_MAX  4096u
#define CLUSTER_SIZE_MAX KIB(256)

static struct device_buffer scratch_buffer(const struct fat *fs, uint64_t length)
{
	return (struct device_buffer){
		.memory = fs->scratch.memory,
		.offset = fs->scratch.offset,
		.address = fs->scratch.address,
		.length = length,
	};
}

static bool is_fat(const uint8_t *boot)
{
	uint32_t sector_size = fat_get_16(boot + FAT_BOOT_SECTOR_SIZE);
	uint8_t media = boot[FAT_BOOT_MEDIA];
	bool has_jump = boot[0] == 0xeb || boot[0] == 0xe9;
	bool has_signature =
		boot[FAT_BOOT_SIGNATURE] == 0x55 && boot[FAT_BOOT_SIGNATURE + 1] == 0xaa;

	return (has_jump || has_signature) && is_power_of_two(sector_size) && sector_size >= 512 &&
		sector_size <= SECTOR_SIZE_MAX && boot[FAT_BOOT_CLUSTER_SECTORS] != 0 &&
		is_power_of_two(boot[FAT_BOOT_CLUSTER_SECTORS]) &&
		fat_get_16(boot + FAT_BOOT_RESERVED) != 0 && boot[FAT_BOOT_N_FATS] != 0 &&
		(media == 0xf0 || media >= 0xf8);
}

static void sizes_decode(struct fat *fs, const uint8_t *boot)
{
	uint32_t n_sectors = fat_get_16(boot + FAT_BOOT_N_SECTORS_16);

	fs->sector_size = fat_get_16(boot + FAT_BOOT_SECTOR_SIZE);
	fs->sector_bits = (uint32_t)__builtin_ctz(fs->sector_size);
	fs->cluster_sectors = boot[FAT_BOOT_CLUSTER_SECTORS];
	fs->cluster_size = fs->cluster_sectors * fs->sector_size;
	fs->cluster_bits = (uint32_t)__builtin_ctz(fs->cluster_size);
	fs->n_fats = boot[FAT_BOOT_N_FATS];
	fs->is_mirrored = true;
	fs->fat_start = fat_get_16(boot + FAT_BOOT_RESERVED);
	fs->fat_sectors = fat_get_16(boot + FAT_BOOT_FAT_SECTORS_16);
	fs->root_slots = fat_get_16(boot + FAT_BOOT_ROOT_ENTRIES);
	fs->n_sectors = n_sectors != 0 ? n_sectors : fat_get_32(boot + FAT_BOOT_N_SECTORS_32);
}

static int fat32_decode(struct fat *fs, const uint8_t *boot)
{
	uint16_t flags = fat_get_16(boot + FAT_BOOT_FLAGS);
	uint16_t info = fat_get_16(boot + FAT_BOOT_INFO_SECTOR);

	fs->bits = 32;
	fs->fat_sectors = fat_get_32(boot + FAT_BOOT_FAT_SECTORS_32);
	fs->root_cluster = fat_get_32(boot + FAT_BOOT_ROOT_CLUSTER);
	fs->root_slots = 0;
	fs->info_sector = info != 0 && info < fs->fat_start ? info : 0;
	fs->id = fat_get_32(boot + FAT_BOOT_ID_32);
	fs->was_dirty = (boot[FAT_BOOT_STATE_32] & FAT_STATE_DIRTY) != 0;
	if (fat_get_16(boot + FAT_BOOT_VERSION) != 0) {
		return BLOCKFS_E_UNSUPPORTED;
	}
	if ((flags & FAT_FLAGS_ONE_ACTIVE) != 0) {
		fs->is_mirrored = false;
		fs->active_fat = flags & 15;
	}
	return fs->active_fat < fs->n_fats ? 0 : BLOCKFS_E_CORRUPT;
}

static int geometry_decode(struct fat *fs, const uint8_t *boot)
{
	sizes_decode(fs, boot);
	int error = 0;

	if (fs->sector_size < fs->device->block_size || fs->cluster_size > CLUSTER_SIZE_MAX) {
		return BLOCKFS_E_UNSUPPORTED;
	}
	if (fs->fat_sectors == 0) {
		error = fat32_decode(fs, boot);
	} else {
		fs->id = fat_get_32(boot + FAT_BOOT_ID_16);
		fs->was_dirty = (boot[FAT_BOOT_STATE_16] & FAT_STATE_DIRTY) != 0;
	}
	if (error != 0) {
		return error;
	}
	uint64_t root_sectors =
		div_round_up((uint64_t)fs->root_slots * FAT_SLOT_SIZE, fs->sector_size);

	fs->root_slots = align_down(fs->root_slots, fs->sector_size / FAT_SLOT_SIZE);
	fs->root_start = fs->fat_start + fs->n_fats * fs->fat_sectors;
	fs->data_start = fs->root_start + root_sectors;
	if (fs->fat_sectors == 0 || fs->data_start >= fs->n_sectors ||
		fs->n_sectors > fs->device->size >> fs->sector_bits) {
		return BLOCKFS_E_CORRUPT;
	}
	uint64_t n_clusters = (fs->n_sectors - fs->data_start) / fs->cluster_sectors;

	if (fs->bits != 32) {
		fs->bits = n_clusters > FAT12_CLUSTERS_MAX ? 16 : 12;
	}
	uint64_t n_entries = (fs->fat_sectors << fs->sector_bits) * 8 / fs->bits;
	uint64_t n_max = fs->bits == 32 ? FAT32_CLUSTERS_MAX : FAT16_CLUSTERS_MAX;

	if (n_entries <= FAT_FIRST_CLUSTER || n_clusters == 0 || n_clusters > n_max) {
		return BLOCKFS_E_CORRUPT;
	}
	fs->n_clusters = (uint32_t)min_u64(n_clusters, n_entries - FAT_FIRST_CLUSTER);
	return fs->bits == 32 ? (fat_is_cluster(fs, fs->root_cluster) ? 0 : BLOCKFS_E_CORRUPT)
			      : (fs->root_slots > 0 ? 0 : BLOCKFS_E_CORRUPT);
}

static int info_load(struct task *task, struct fat *fs)
{
	struct device_buffer buffer = scratch_buffer(fs, fs->sector_size);
	const uint8_t *info = fs->scratch.address;

	if (fs->info_sector == 0) {
		return 0;
	}
	int error = device_transfer(task, fs->device, DEVICE_READ,
		(uint64_t)fs->info_sector << fs->sector_bits, &buffer, 0);

	if (error != 0) {
		return error;
	}
	if (fat_get_32(info) != FAT_INFO_LEAD ||
		fat_get_32(info + FAT_INFO_AT_STRUCT) != FAT_INFO_STRUCT) {
		fs->info_sector = 0;
		return 0;
	}
	fs->info_free = fat_get_32(info + FAT_INFO_AT_FREE);
	fs->info_next = fat_get_32(info + FAT_INFO_AT_NEXT);
	return 0;
}

int fat_boot_load(struct task *task, struct fat *fs)
{
	struct device_buffer buffer =
		scratch_buffer(fs, align_up(BOOT_SIZE, fs->device->block_size));

	if (fs->device->block_size > SECTOR_SIZE_MAX || fs->device->size < buffer.length) {
		return BLOCKFS_E_NOT_THIS;
	}
	int error = device_transfer(task, fs->device, DEVICE_READ, 0, &buffer, 0);

	if (error != 0) {
		return error;
	}
	if (!is_fat(fs->scratch.address)) {
		return BLOCKFS_E_NOT_THIS;
	}
	error = geometry_decode(fs, fs->scratch.address);
	return error != 0 ? error : info_load(task, fs);
}

/* What was not left in order before stays so: only fsck knows what is wrong. */
int fat_boot_set_dirty(struct task *task, struct fat *fs, bool is_dirty)
{
	struct device_buffer buffer = scratch_buffer(fs, fs->sector_size);
	uint8_t *state =
		fs->scratch.address + (fs->bits == 32 ? FAT_BOOT_STATE_32 : FAT_BOOT_STATE_16);

	if (fs->was_dirty) {
		return 0;
	}
	int error = device_transfer(task, fs->device, DEVICE_READ, 0, &buffer, 0);

	if (error != 0) {
		return error;
	}
	*state = (uint8_t)(is_dirty ? *state | FAT_STATE_DIRTY : *state & ~FAT_STATE_DIRTY);
	return device_transfer(task, fs->device, DEVICE_WRITE, 0, &buffer, DEVICE_FUA);
}

int fat_info_write(struct task *task, struct fat *fs)
{
	struct device_buffer buffer = scratch_buffer(fs, fs->sector_size);
	uint8_t *info = fs->scratch.address;
	uint64_t place = (uint64_t)fs->info_sector << fs->sector_bits;

	if (fs->info_sector == 0 || (fs->info_free == fs->n_free && fs->info_next == fs->next)) {
		return 0;
	}
	int error = device_transfer(task, fs->device, DEVICE_READ, place, &buffer, 0);

	if (error != 0) {
		return error;
	}
	fs->info_free = fs->n_free;
	fs->info_next = fs->next;
	fat_put_32(info + FAT_INFO_AT_FREE, fs->info_free);
	fat_put_32(info + FAT_INFO_AT_NEXT, fs->info_next);
	return device_transfer(task, fs->device, DEVICE_WRITE, place, &buffer, 0);
}
