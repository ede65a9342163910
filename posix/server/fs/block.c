/* SPDX-License-Identifier: MIT */
/*
 * Block devices that come and go: see block.h.
 *
 * All of them are on one list, which is short: it is walked. A device is on it from block_add()
 * until nobody has a reference; who finds volumes has one until the volume has vanished.
 */
#include <abi/linux/errno.h>
#include <base/assert.h>
#include <base/string.h>
#include <hel/hel-calls.h>
#include <helix/log.h>
#include <helix/memory.h>
#include <posix/server/fs/block-session.h>
#include <posix/server/fs/device.h>
#include <posix/server/fs/direct-view.h>

constexpr uint32_t NODE_MODE = LINUX_S_IFBLK | 0600;
constexpr uint32_t READ_AHEAD_SECTORS = 256;
constexpr uint32_t BLOCKS_MAX = 4096;

struct wait_queue block_news = { .entries = LIST_INIT(block_news.entries) };

static struct list blocks = LIST_INIT(blocks);
static uint32_t n_blocks;
static struct block_names names;
static uint64_t last_sequence;

static bool block_is_disk(const struct block *block)
{
	return block->volume.info.partition == 0;
}

/* Loop devices have nodes also while there is no disk. */
static bool block_has_lasting_node(const struct block *block)
{
	return block->place.family == BLOCK_FAMILY_LOOP && block_is_disk(block);
}

static bool block_is_there(const struct block *block)
{
	return block->volume.object != 0;
}

struct block *block_next(struct block *block)
{
	struct list_node *node =
		block == NULL ? list_first(&blocks) : list_next(&blocks, &block->volume.node);

	return LIST_ENTRY(node, struct block, volume.node);
}

uint64_t block_n_sectors(const struct block *block)
{
	return block->volume.info.size_bytes / BLOCK_SECTOR;
}

bool block_is_read_only(const struct block *block)
{
	return block->is_set_read_only || (block->volume.info.flags & FS_VOLUME_FLAG_READ_ONLY);
}

/* ---- volumes --------------------------------------------------------------------------------- */

struct volume *volume_find(uint64_t rdev)
{
	LIST_FOR_EACH(volume, &blocks, struct volume, node) {
		if (volume->rdev == rdev && volume->object != 0) {
			return volume;
		}
	}
	return NULL;
}

struct volume *volume_find_name(const char *name)
{
	LIST_FOR_EACH(volume, &blocks, struct volume, node) {
		if (volume->object != 0 &&
			(str_equal(volume->node_name, name) || str_equal(volume->name, name))) {
			return volume;
		}
	}
	return NULL;
}

void volume_ref(struct volume *volume)
{
	ASSERT(volume->references > 0);
	volume->references++;
}

void volume_unref(struct volume *volume)
{
	if (volume == NULL) {
		return;
	}
	ASSERT(volume->references > 0);
	if (--volume->references > 0) {
		return;
	}
	if (volume->release != NULL) {
		volume->release(volume);
		return;
	}
	struct block *block = block_of(volume);

	ASSERT(!block_is_there(block) && !block->is_shown && block->session == NULL);
	list_remove(&volume->node);
	n_blocks--;
	block_names_give_number(&names, volume->rdev);
	helix_free(block);
}

/* ---- adding ---------------------------------------------------------------------------------- */

void block_expect(const char *name)
{
	(void)block_names_expect(&names, name); /* without it the order is another one */
}

/* The device that a volume of that name was, if it is still used. */
static struct block *block_find_kept(const char *name)
{
	LIST_FOR_EACH(volume, &blocks, struct volume, node) {
		if (str_equal(volume->name, name)) {
			return block_of(volume);
		}
	}
	return NULL;
}

static int64_t block_check(const struct block_found *found)
{
	const struct volume_info *info = found->info;
	bool is_sound = is_power_of_two(info->logical_block_bytes) &&
		info->logical_block_bytes >= BLOCK_SECTOR &&
		info->logical_block_bytes <= HEL_PAGE_SIZE &&
		is_power_of_two(info->physical_block_bytes) &&
		info->size_bytes % BLOCK_SECTOR == 0 && info->size_bytes <= INT64_MAX &&
		info->partition < BLOCK_NAME_PLACES_MAX && strchr(found->name, '/') == NULL &&
		strlen(found->name) < VOLUME_NAME_SIZE && strlen(found->disk) < VOLUME_NAME_SIZE;

	if (!is_sound) {
		return -LINUX_EINVAL;
	}
	return n_blocks < BLOCKS_MAX ? 0 : -LINUX_ENOSPC;
}

/* In order of the numbers, as /proc lists them. */
static void block_insert(struct block *block)
{
	uint64_t rdev = block->volume.rdev;
	struct block *after = NULL;

	for (struct block *other = block_next(NULL); other != NULL; other = block_next(other)) {
		uint32_t major = linux_major(other->volume.rdev);

		if (major > linux_major(rdev) ||
			(major == linux_major(rdev) &&
				linux_minor(other->volume.rdev) > linux_minor(rdev))) {
			break;
		}
		after = other;
	}
	struct list_node *position = after == NULL ? blocks.head.next : after->volume.node.next;

	list_insert_before(position, &block->volume.node);
	n_blocks++;
}

static int64_t block_create(const struct block_found *found, struct block **out_block)
{
	struct block *block = helix_calloc(1, sizeof(*block));

	if (block == NULL) {
		return -LINUX_ENOMEM;
	}
	struct volume *volume = &block->volume;

	volume->block = block;
	volume->references = 1;
	str_copy(volume->name, sizeof(volume->name), found->name);
	str_copy(block->disk_name, sizeof(block->disk_name), found->disk);
	block->counters = HEL_NULL;
	list_init(&block->links);
	block_place_parse(found->disk, &block->place);
	int64_t error = block_names_index(&names, found->disk, &block->index);

	if (error == 0) {
		error = block_names_take_number(
			&names, &block->place, block->index, found->info->partition, &volume->rdev);
	}
	if (error < 0) {
		helix_free(block);
		return error;
	}
	block_name_print(&block->place, block->index, found->info->partition, volume->node_name,
		sizeof(volume->node_name));
	block_insert(block);
	*out_block = block;
	return 0;
}

/* The largest that divides the device into whole blocks, up to a page. */
static uint32_t first_block_bytes(const struct volume_info *info)
{
	uint32_t bytes = info->logical_block_bytes;

	while (bytes < HEL_PAGE_SIZE && (info->size_bytes & bytes) == 0) {
		bytes *= 2;
	}
	return bytes;
}

int64_t block_add(const struct block_found *found, struct block **out_block)
{
	struct block *block = block_find_kept(found->name);
	int64_t error = block_check(found);

	if (error == 0 && block == NULL) {
		error = block_create(found, &block);
	} else if (error == 0 &&
		(block_is_there(block) || strcmp(block->disk_name, found->disk) ||
			block->volume.info.partition != found->info->partition)) {
		error = -LINUX_EINVAL; /* two of one name */
	} else if (error == 0) {
		volume_ref(&block->volume);
	}
	if (error < 0) {
		return error;
	}
	block->volume.object = found->object;
	block->volume.info = *found->info;
	transport_client_init(&block->volume.client, found->lane, 1);
	block->block_bytes = first_block_bytes(found->info);
	block->read_ahead = READ_AHEAD_SECTORS;
	volume_ref(&block->volume); /* while it is published */
	*out_block = block;
	return 0;
}

/* ---- showing --------------------------------------------------------------------------------- */

static struct block *block_find_disk(const struct block *partition)
{
	LIST_FOR_EACH(volume, &blocks, struct volume, node) {
		struct block *block = block_of(volume);

		if (block->is_shown && block_is_disk(block) &&
			str_equal(volume->name, partition->disk_name)) {
			return block;
		}
	}
	return NULL;
}

static void block_make_seen(struct block *block)
{
	int64_t error = block_has_lasting_node(block)
		? 0
		: devtmpfs_make_node(block->volume.node_name, NODE_MODE, block->volume.rdev);

	if (error < 0) {
		helix_log(HEL_LOG_WARNING, "/dev/%s cannot be made: errno %d",
			block->volume.node_name, (int)-error);
	}
	block->is_shown = true;
	block_sysfs_add(block);
	block_links_add(block);
	wait_queue_wake(&block_news);
}

/* Partitions that came before their disk, or whose disk was away. */
static void block_show_partitions(const struct block *disk)
{
	LIST_FOR_EACH(volume, &blocks, struct volume, node) {
		struct block *block = block_of(volume);

		if (!block_is_disk(block) && block->is_wanted &&
			str_equal(block->disk_name, disk->volume.name)) {
			block_show(block);
		}
	}
}

void block_show(struct block *block)
{
	if (block->is_shown || !block_is_there(block)) {
		return;
	}
	block->is_wanted = true;
	if (block_is_disk(block)) {
		block->sequence = ++last_sequence;
		block_make_seen(block);
		block_show_partitions(block);
		return;
	}
	struct block *disk = block_find_disk(block);

	if (disk != NULL) {
		volume_ref(&disk->volume);
		block->disk = disk;
		disk->n_exclusive_partitions += block->n_exclusive;
		block->sequence = disk->sequence;
		block_make_seen(block);
	}
}

static void block_make_unseen(struct block *block)
{
	block->is_shown = false;
	block_links_remove(block);
	block_sysfs_remove(block);
	if (!block_has_lasting_node(block)) {
		devtmpfs_remove(block->volume.node_name, block->volume.rdev);
	}
	wait_queue_wake(&block_news);
	if (block->disk != NULL) {
		block->disk->n_exclusive_partitions -= block->n_exclusive;
		volume_unref(&block->disk->volume);
		block->disk = NULL;
	}
}

/* A disk takes its partitions along; they are shown again with it if they have not gone, too. */
static void block_hide(struct block *block)
{
	LIST_FOR_EACH(volume, &blocks, struct volume, node) {
		struct block *partition = block_of(volume);

		if (partition->disk == block) {
			block_make_unseen(partition);
		}
	}
	block->is_wanted = false;
	if (block->is_shown) {
		block_make_unseen(block);
	}
}

void block_vanished(uint64_t object)
{
	LIST_FOR_EACH(volume, &blocks, struct volume, node) {
		if (volume->object == object && object != 0) {
			block_hide(block_of(volume));
			volume->object = 0;
			block_of(volume)->session = NULL; /* its files keep it, and get errors */
			direct_views_start_end(block_of(volume));
			block_set_counters(block_of(volume), HEL_NULL);
			/* calls that are under way end, whether the server lives or not */
			(void)hel_lane_shutdown(volume->client.lane);
			hel_close(HEL_THIS, volume->client.lane);
			volume->client.lane = HEL_NULL;
			volume_unref(volume);
			return;
		}
	}
}

void block_forget_places(void)
{
	ASSERT(n_blocks == 0);
	block_names_deinit(&names);
	block_names_init(&names);
	last_sequence = 0;
}

void block_set_probe(struct block *block, const struct block_probe *probe)
{
	bool is_same = memcmp(&block->probe, probe, sizeof(*probe)) == 0;

	if (is_same) {
		return;
	}
	if (block->is_shown) {
		block_links_remove(block);
	}
	block->probe = *probe;
	if (block->is_shown) {
		block_links_add(block);
	}
}

void block_set_counters(struct block *block, hel_handle memory)
{
	if (block->counters != HEL_NULL) {
		hel_close(HEL_THIS, block->counters);
	}
	if (!block_is_there(block) && memory != HEL_NULL) {
		hel_close(HEL_THIS, memory); /* it has gone meanwhile */
		memory = HEL_NULL;
	}
	block->counters = memory;
}

void block_size_changed(struct block *block, uint64_t size_bytes)
{
	if (size_bytes % BLOCK_SECTOR == 0 && size_bytes <= INT64_MAX) {
		block->volume.info.size_bytes = size_bytes;
		block_session_resized(block);
		if (block->is_shown) {
			block_sysfs_update(block);
		}
	}
}

/* ---- claims ---------------------------------------------------------------------------------- */

static bool has_mounted_partition(const struct block *disk)
{
	LIST_FOR_EACH(volume, &blocks, struct volume, node) {
		if (volume->super != NULL && block_of(volume)->disk == disk) {
			return true;
		}
	}
	return false;
}

static bool block_is_alone(const struct block *block)
{
	return block->n_exclusive > 0 || block->volume.super != NULL;
}

static bool block_is_claimed(const struct block *block)
{
	return block_is_alone(block) || block->n_exclusive_partitions > 0 ||
		(block->disk != NULL && block_is_alone(block->disk)) ||
		(block_is_disk(block) && has_mounted_partition(block));
}

bool volume_is_claimed(const struct volume *volume)
{
	const struct block *block = volume->block;

	if (block == NULL) {
		return false;
	}
	return block->n_exclusive > 0 || block->n_exclusive_partitions > 0 ||
		(block->disk != NULL && block_is_alone(block->disk)) ||
		(block_is_disk(block) && has_mounted_partition(block));
}

int64_t block_claim(struct block *block)
{
	if (block_is_claimed(block)) {
		return -LINUX_EBUSY;
	}
	block->n_exclusive++;
	if (block->disk != NULL) {
		block->disk->n_exclusive_partitions++;
	}
	return 0;
}

void block_unclaim(struct block *block)
{
	ASSERT(block->n_exclusive > 0);
	block->n_exclusive--;
	if (block->disk != NULL) {
		block->disk->n_exclusive_partitions--;
	}
}
