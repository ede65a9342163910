/* SPDX-License-Identifier: MIT */
/*
 * Links below /dev/disk, by what a device is and what is on it, with the names that udev gives
 * them.
 *
 * A name belongs to the first device that has it, until that goes.
 */
#include <abi/linux/errno.h>
#include <base/format.h>
#include <base/string.h>
#include <helix/memory.h>
#include <posix/server/fs/block.h>
#include <posix/server/fs/device.h>

constexpr size_t LINK_BYTES = 280;
constexpr size_t VALUE_BYTES = 240;

struct block_link {
	struct list_node node;
	char name[]; /* below /dev */
};

static bool is_plain(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		(c != '\0' && strchr("#+-.:=@_", c) != NULL);
}

/* How long the UTF-8 character at `text` is; 0: it is none, or one byte. */
static size_t wide_character_size(const char *text)
{
	uint8_t first = (uint8_t)text[0];
	size_t size = first >= 0xf0 && first < 0xf5 ? 4
		: first >= 0xe0 && first < 0xf0     ? 3
		: first >= 0xc2 && first < 0xe0     ? 2
						    : 0;

	for (size_t i = 1; i < size; i++) {
		if (((uint8_t)text[i] & 0xc0) != 0x80) {
			return 0;
		}
	}
	return size;
}

/* Labels: what is not plain becomes \xNN. */
static void print_label(const char *text, char out_value[VALUE_BYTES])
{
	size_t used = 0;

	while (*text != '\0' && used + 5 < VALUE_BYTES) {
		size_t size = wide_character_size(text);

		if (size > 0 || is_plain(*text)) {
			size = max_size(size, 1);
			memcpy(out_value + used, text, size);
			used += size;
			text += size;
		} else {
			used += format_to(
				out_value + used, VALUE_BYTES - used, "\\x%02x", (uint8_t)*text++);
		}
	}
	out_value[used] = '\0';
}

/* Models and serial numbers: blanks around them go, what else is not plain becomes _. */
static size_t print_id(const char *text, char *out_value, size_t size)
{
	size_t used = 0;

	while (*text == ' ') {
		text++;
	}
	size_t length = strlen(text);

	while (length > 0 && text[length - 1] == ' ') {
		length--;
	}
	for (size_t i = 0; i < length && used + 1 < size; i++) {
		bool is_repeated = text[i] == ' ' && text[i - 1] == ' ';

		if (!is_repeated) {
			out_value[used++] = is_plain(text[i]) ? text[i] : '_';
		}
	}
	out_value[used] = '\0';
	return used;
}

/* ---- one link -------------------------------------------------------------------------------- */

/* Nothing is lost without one: what fails is left out. */
static void link_add(struct block *block, const char *kind, const char *value, bool is_of_disk)
{
	char name[LINK_BYTES], target[VOLUME_NAME_SIZE + 8], part[16] = "";

	if (value[0] == '\0' || str_equal(value, ".") || str_equal(value, "..")) {
		return;
	}
	if (is_of_disk && block->volume.info.partition != 0) {
		format_to(part, sizeof(part), "-part%u", block->volume.info.partition);
	}
	size_t length = format_to(name, sizeof(name), "disk/by-%s/%s%s", kind, value, part);

	if (length >= sizeof(name)) {
		return;
	}
	struct block_link *link = helix_malloc(sizeof(*link) + length + 1);

	format_to(target, sizeof(target), "../../%s", block->volume.node_name);
	if (link == NULL || devtmpfs_link(name, target) != 0) {
		helix_free(link);
		return;
	}
	*link = (struct block_link){ 0 };
	memcpy(link->name, name, length + 1);
	list_push_back(&block->links, &link->node);
}

/* ---- kinds ----------------------------------------------------------------------------------- */

static void links_add_path(struct block *block)
{
	const struct block_place *place = &block->place;
	char value[64];

	if (!place->has_address) {
		return;
	}
	switch (place->family) {
	case BLOCK_FAMILY_VD:
		format_to(value, sizeof(value), "virtio-pci-%s", place->address_text);
		link_add(block, "path", value, true);
		link_add(block, "path", value + strlen("virtio-"), true);
		return;
	case BLOCK_FAMILY_NVME:
		format_to(value, sizeof(value), "pci-%s-nvme-%u", place->address_text, place->unit);
		break;
	default:
		if (str_equal(place->driver, "ide")) { /* a channel, and which one on it */
			format_to(value, sizeof(value), "pci-%s-ata-%u.%u", place->address_text,
				(place->unit >> 16) + 1, place->unit & 0xffff);
		} else {
			format_to(value, sizeof(value), "pci-%s-ata-%u", place->address_text,
				place->unit + 1);
		}
	}
	link_add(block, "path", value, true);
}

static void links_add_id(struct block *block)
{
	static const char *const kinds[BLOCK_FAMILIES] = {
		[BLOCK_FAMILY_VD] = "virtio-",
		[BLOCK_FAMILY_SD] = "ata-",
		[BLOCK_FAMILY_NVME] = "nvme-",
	};
	const char *kind = kinds[block->place.family];
	char value[VALUE_BYTES], serial[VOLUME_TEXT_SIZE];

	if (kind == NULL || print_id(block->volume.info.serial, serial, sizeof(serial)) == 0) {
		return;
	}
	size_t used = format_to(value, sizeof(value), "%s", kind);

	if (block->place.family != BLOCK_FAMILY_VD) {
		used += print_id(block->volume.info.model, value + used, sizeof(value) - used);
		used += format_to(value + used, sizeof(value) - used, "_");
	}
	format_to(value + used, sizeof(value) - used, "%s", serial);
	link_add(block, "id", value, true);
}

static void links_add_partition(struct block *block)
{
	const struct volume_info *info = &block->volume.info;
	char value[VALUE_BYTES];

	if (info->partition == 0) {
		return;
	}
	if (info->scheme == FS_SCHEME_GPT) {
		block_guid_print(info->uuid, value);
		link_add(block, "partuuid", value, false);
		print_label(info->label, value);
		link_add(block, "partlabel", value, false);
	} else if (info->scheme == FS_SCHEME_MBR) {
		const uint8_t *id = info->table_uuid;

		format_to(value, sizeof(value), "%02x%02x%02x%02x-%02x", id[3], id[2], id[1], id[0],
			info->partition);
		link_add(block, "partuuid", value, false);
	}
}

void block_links_add(struct block *block)
{
	char value[VALUE_BYTES];

	links_add_path(block);
	links_add_id(block);
	links_add_partition(block);
	print_label(block->probe.uuid, value);
	link_add(block, "uuid", value, false);
	print_label(block->probe.label, value);
	link_add(block, "label", value, false);
}

void block_links_remove(struct block *block)
{
	for (;;) {
		struct block_link *link = LIST_POP_FRONT(&block->links, struct block_link, node);

		if (link == NULL) {
			return;
		}
		devtmpfs_remove(link->name, 0);
		helix_free(link);
	}
}
