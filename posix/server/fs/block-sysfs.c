/* SPDX-License-Identifier: MIT */
/*
 * Block devices in sysfs: a folder below the device that a disk is, links to it from block,
 * class/block and dev/block.
 *
 *	virtio	devices/pci0000:00/0000:00:10.0/virtio0/block/vda
 *	SCSI	.../0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0/block/sda	as Linux shows SATA
 *	NVMe	.../0000:00:04.0/nvme/nvme0/nvme0n1
 *	others	devices/virtual/block/ram0
 *
 * What is in between is numbered as the disk is. Texts are written when a device is shown, or has
 * changed; counters are made when they are read.
 */
#include <abi/linux/errno.h>
#include <abi/linux/stat.h>
#include <base/format.h>
#include <base/string.h>
#include <helix/log.h>
#include <posix/server/fs/block.h>
#include <posix/server/fs/sysfs-pci.h>
#include <posix/server/fs/sysfs.h>

#include <stdarg.h>

constexpr size_t PATH_BYTES = 320;
constexpr size_t TEXT_BYTES = 512;

/* Folders of a disk, or of a partition in its disk's. */
struct folders {
	char device[PATH_BYTES]; /* what `device` leads to, "": there is none */
	char own[PATH_BYTES];
};

static void print_pci_folder(const struct block_place *place, char *buffer, size_t size)
{
	if (!sysfs_pci_path(place->address_text, buffer, size)) {
		format_to(buffer, size, "devices/pci%.7s/%s", place->address_text,
			place->address_text);
	}
}

static void print_disk_folders(const struct block *block, const char *name, struct folders *out)
{
	const struct block_place *place = &block->place;
	char pci[PATH_BYTES / 2];
	uint32_t index = block->index;

	out->device[0] = '\0';
	if (!place->has_address) {
		format_to(out->own, sizeof(out->own), "devices/virtual/block/%s", name);
		return;
	}
	print_pci_folder(place, pci, sizeof(pci));
	switch (place->family) {
	case BLOCK_FAMILY_VD:
		format_to(out->device, sizeof(out->device), "%s/virtio%u", pci, index);
		break;
	case BLOCK_FAMILY_NVME:
		format_to(out->device, sizeof(out->device), "%s/nvme/nvme%u", pci, index);
		format_to(out->own, sizeof(out->own), "%s/%s", out->device, name);
		return;
	default:
		format_to(out->device, sizeof(out->device), "%s/ata%u/host%u/target%u:0:0/%u:0:0:0",
			pci, index + 1, index, index, index);
	}
	format_to(out->own, sizeof(out->own), "%s/block/%s", out->device, name);
}

static void print_folders(const struct block *block, struct folders *out)
{
	char disk[VOLUME_NAME_SIZE];
	size_t used;

	block_name_print(&block->place, block->index, 0, disk, sizeof(disk));
	print_disk_folders(block, disk, out);
	if (block->volume.info.partition != 0) {
		used = strlen(out->own);
		format_to(out->own + used, sizeof(out->own) - used, "/%s", block->volume.node_name);
		out->device[0] = '\0';
	}
}

/* ---- writing --------------------------------------------------------------------------------- */

static void report(const char *path, int64_t error)
{
	if (error < 0 && error != -LINUX_EEXIST) {
		helix_log(HEL_LOG_WARNING, "sysfs: %s cannot be made: errno %d", path, (int)-error);
	}
}

PRINTF_LIKE(3, 4)
static void put(const char *folder, const char *name, const char *format, ...)
{
	char path[PATH_BYTES + 64], text[TEXT_BYTES];
	va_list arguments;

	va_start(arguments, format);
	(void)vformat_to(text, sizeof(text), format, arguments);
	va_end(arguments);
	format_to(path, sizeof(path), "%s/%s", folder, name);
	report(path, sysfs_make_text(path, text));
}

static void put_number(const char *folder, const char *name, uint64_t number)
{
	put(folder, name, "%llu\n", (unsigned long long)number);
}

static void put_link(const char *folder, const char *name, const char *target)
{
	char path[PATH_BYTES + 64];

	format_to(path, sizeof(path), "%s/%s", folder, name);
	report(path, sysfs_link(path, target));
}

static void put_folder(const char *folder, const char *name)
{
	char path[PATH_BYTES + 64];

	format_to(path, sizeof(path), "%s/%s", folder, name);
	report(path, sysfs_make_folder(path));
}

static int64_t print_stat(uint64_t key, char *buffer, size_t size)
{
	struct volume *volume = volume_find(key);

	return volume == NULL ? -LINUX_ENODEV
			      : (int64_t)block_stat_print(block_of(volume), buffer, size);
}

static int64_t print_in_flight(uint64_t key, char *buffer, size_t size)
{
	struct volume *volume = volume_find(key);

	return volume == NULL ? -LINUX_ENODEV
			      : (int64_t)block_in_flight_print(block_of(volume), buffer, size);
}

static void put_live(const struct block *block, const char *folder)
{
	char path[PATH_BYTES + 64];

	format_to(path, sizeof(path), "%s/stat", folder);
	report(path, sysfs_make_live(path, print_stat, block->volume.rdev));
	format_to(path, sizeof(path), "%s/inflight", folder);
	report(path, sysfs_make_live(path, print_in_flight, block->volume.rdev));
}

/* ---- what both kinds have -------------------------------------------------------------------- */

static void put_event(const struct block *block, const char *folder)
{
	const struct volume *volume = &block->volume;
	char more[VOLUME_TEXT_SIZE + 48] = "";

	if (volume->info.partition != 0) {
		size_t used = format_to(more, sizeof(more), "PARTN=%u\n", volume->info.partition);

		if (volume->info.label[0] != '\0' && strchr(volume->info.label, '\n') == NULL) {
			format_to(more + used, sizeof(more) - used, "PARTNAME=%s\n",
				volume->info.label);
		}
	}
	put(folder, "uevent", "MAJOR=%u\nMINOR=%u\nDEVNAME=%s\nDEVTYPE=%s\nDISKSEQ=%llu\n%s",
		linux_major(volume->rdev), linux_minor(volume->rdev), volume->node_name,
		volume->info.partition != 0 ? "partition" : "disk",
		(unsigned long long)block->sequence, more);
}

static void put_changing(const struct block *block, const char *folder)
{
	put_number(folder, "size", block_n_sectors(block));
	put_number(folder, "ro", block_is_read_only(block));
}

static void put_common(const struct block *block, const char *folder)
{
	put(folder, "dev", "%u:%u\n", linux_major(block->volume.rdev),
		linux_minor(block->volume.rdev));
	put_event(block, folder);
	put_changing(block, folder);
	put_number(folder, "alignment_offset", 0);
	put_number(folder, "discard_alignment", 0);
	put_live(block, folder);
	put_folder(folder, "holders");
	put_folder(folder, "power");
	put_link(folder, "subsystem", "class/block");
}

/* ---- disks ----------------------------------------------------------------------------------- */

/* The limits of requests, as programs that make file systems look for them. */
static void put_queue_limits(const struct volume_info *info, const char *folder)
{
	bool can_discard = (info->flags & FS_VOLUME_FLAG_DISCARD) != 0;
	uint32_t granularity =
		info->discard_alignment != 0 ? info->discard_alignment : info->logical_block_bytes;
	const struct {
		const char *name;
		uint64_t value;
	} numbers[] = {
		{ "logical_block_size", info->logical_block_bytes },
		{ "hw_sector_size", info->logical_block_bytes },
		{ "physical_block_size", info->physical_block_bytes },
		{ "minimum_io_size", info->physical_block_bytes },
		{ "optimal_io_size", info->optimal_bytes },
		{ "rotational", (info->flags & FS_VOLUME_FLAG_ROTATIONAL) != 0 },
		{ "discard_granularity", can_discard ? granularity : 0 },
		{ "discard_max_bytes", can_discard ? info->discard_bytes_max : 0 },
		{ "discard_max_hw_bytes", can_discard ? info->discard_bytes_max : 0 },
		{ "discard_zeroes_data", 0 },
		{ "write_same_max_bytes", 0 },
		{ "write_zeroes_max_bytes", info->zeroes_bytes_max },
		{ "max_sectors_kb", BLOCK_TRANSFER_SECTORS * BLOCK_SECTOR / KIB(1) },
		{ "max_hw_sectors_kb", BLOCK_TRANSFER_SECTORS * BLOCK_SECTOR / KIB(1) },
	};

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		put_number(folder, numbers[i].name, numbers[i].value);
	}
}

/* What Linux' layer of queues does, and nobody does here. */
static void put_queue_constants(const char *folder)
{
	static const struct {
		const char *name, *text;
	} texts[] = {
		{ "add_random", "0\n" },
		{ "chunk_sectors", "0\n" },
		{ "dax", "0\n" },
		{ "io_poll", "0\n" },
		{ "iostats", "1\n" },
		{ "nomerges", "0\n" },
		{ "nr_requests", "128\n" },
		{ "nr_zones", "0\n" },
		{ "rq_affinity", "0\n" },
		{ "scheduler", "[none]\n" },
		{ "stable_writes", "0\n" },
		{ "zoned", "none\n" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		put(folder, texts[i].name, "%s", texts[i].text);
	}
}

static void put_queue(const struct block *block, const char *own)
{
	bool has_cache = (block->volume.info.flags & FS_VOLUME_FLAG_WRITE_CACHE) != 0;
	char folder[PATH_BYTES + 16];

	format_to(folder, sizeof(folder), "%s/queue", own);
	put_queue_limits(&block->volume.info, folder);
	put_queue_constants(folder);
	put(folder, "write_cache", has_cache ? "write back\n" : "write through\n");
	put_number(folder, "read_ahead_kb", block->read_ahead * BLOCK_SECTOR / KIB(1));
}

/* SATA disks are behind the SCSI layer of Linux. */
static void put_scsi_device(const struct block *block, const char *device)
{
	char host[64];

	put(device, "vendor", "ATA     \n");
	put(device, "model", "%-16.16s\n", block->volume.info.model);
	put(device, "type", "0\n");
	put(device, "state", "running\n");
	put_link(device, "subsystem", "bus/scsi");
	format_to(host, sizeof(host), "class/scsi_host/host%u", block->index);
	put(host, "proc_name", "%s\n", block->place.driver);
	put_number(host, "unique_id", block->index + 1);
}

static void put_nvme_device(const struct block *block, const struct folders *folders)
{
	const struct volume_info *info = &block->volume.info;
	char name[32];

	put(folders->device, "model", "%-40.40s\n", info->model);
	put(folders->device, "serial", "%-20.20s\n", info->serial);
	put(folders->device, "transport", "pcie\n");
	put(folders->device, "address", "%s\n", block->place.address_text);
	put(folders->device, "state", "live\n");
	put_link(folders->device, "subsystem", "class/nvme");
	put_number(folders->own, "nsid", block->place.unit);
	format_to(name, sizeof(name), "nvme%u", block->index);
	put_link("class/nvme", name, folders->device);
}

static void put_device(const struct block *block, const struct folders *folders)
{
	const struct volume_info *info = &block->volume.info;

	if (folders->device[0] == '\0') {
		return;
	}
	switch (block->place.family) {
	case BLOCK_FAMILY_VD:
		put_link(folders->device, "subsystem", "bus/virtio");
		put(folders->own, "serial", "%s", info->serial);
		put(folders->own, "cache_type",
			(info->flags & FS_VOLUME_FLAG_WRITE_CACHE) ? "write back\n"
								   : "write through\n");
		break;
	case BLOCK_FAMILY_NVME: put_nvme_device(block, folders); break;
	default: put_scsi_device(block, folders->device);
	}
	put_link(folders->own, "device", folders->device);
}

static void put_disk(const struct block *block, const struct folders *folders)
{
	const struct volume_info *info = &block->volume.info;
	const char *own = folders->own;
	bool has_numbers = block->place.family <= BLOCK_FAMILY_SD;

	put_number(own, "removable", (info->flags & FS_VOLUME_FLAG_REMOVABLE) != 0);
	put_number(own, "diskseq", block->sequence);
	put_number(own, "hidden", 0);
	put_number(own, "range", has_numbers ? 16 : 0);
	put_number(own, "ext_range", 256);
	put(own, "capability", "0\n");
	put(own, "events", "\n");
	put(own, "events_async", "\n");
	put(own, "events_poll_msecs", "-1\n");
	put_folder(own, "slaves");
	put_queue(block, own);
	put_device(block, folders);
}

/* ---- the three doings ------------------------------------------------------------------------ */

static void print_number_link(const struct block *block, char *buffer, size_t size)
{
	format_to(buffer, size, "dev/block/%u:%u", linux_major(block->volume.rdev),
		linux_minor(block->volume.rdev));
}

void block_sysfs_add(const struct block *block)
{
	const struct volume *volume = &block->volume;
	struct folders folders;
	char number[48];

	print_folders(block, &folders);
	put_common(block, folders.own);
	if (volume->info.partition == 0) {
		put_disk(block, &folders);
		put_link("block", volume->node_name, folders.own);
	} else {
		put_number(folders.own, "partition", volume->info.partition);
		put_number(folders.own, "start", volume->info.start_bytes / BLOCK_SECTOR);
	}
	put_link("class/block", volume->node_name, folders.own);
	print_number_link(block, number, sizeof(number));
	report(number, sysfs_link(number, folders.own));
}

void block_sysfs_update(const struct block *block)
{
	struct folders folders;

	print_folders(block, &folders);
	put_changing(block, folders.own);
	if (block->volume.info.partition == 0) {
		put_queue(block, folders.own);
	}
}

static bool is_last_of_controller(const struct block *block)
{
	for (struct block *other = block_next(NULL); other != NULL; other = block_next(other)) {
		if (other != block && other->is_shown && other->index == block->index &&
			other->place.family == block->place.family) {
			return false;
		}
	}
	return true;
}

/* What is between the controller's own folder and the disk's. */
static void remove_device(const struct block *block, const struct folders *folders)
{
	char path[PATH_BYTES], pci[PATH_BYTES / 2];

	if (folders->device[0] == '\0') {
		return;
	}
	print_pci_folder(&block->place, pci, sizeof(pci));
	switch (block->place.family) {
	case BLOCK_FAMILY_VD: sysfs_remove(folders->device); break;
	case BLOCK_FAMILY_NVME:
		if (is_last_of_controller(block)) {
			sysfs_remove(folders->device);
			format_to(path, sizeof(path), "class/nvme/nvme%u", block->index);
			sysfs_remove(path);
		}
		break;
	default:
		format_to(path, sizeof(path), "%s/ata%u", pci, block->index + 1);
		sysfs_remove(path);
		format_to(path, sizeof(path), "class/scsi_host/host%u", block->index);
		sysfs_remove(path);
	}
}

void block_sysfs_remove(const struct block *block)
{
	static const char *const places[] = { "block", "class/block" };
	struct folders folders;
	char path[PATH_BYTES];

	print_folders(block, &folders);
	print_number_link(block, path, sizeof(path));
	sysfs_remove(path);
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		format_to(path, sizeof(path), "%s/%s", places[i], block->volume.node_name);
		sysfs_remove(path);
	}
	sysfs_remove(folders.own);
	remove_device(block, &folders);
}
