/* SPDX-License-Identifier: MIT */
/* What is on a disk: see block-probe.h. */
#include <base/format.h>
#include <base/string.h>
#include <posix/server/fs/block-probe.h>

struct probed {
	const uint8_t *data;
	size_t size;
};

/* A range of the disk, NULL if it was not read. */
static const uint8_t *probed_at(const struct probed *probed, size_t offset, size_t size)
{
	return offset <= probed->size && size <= probed->size - offset ? probed->data + offset
								       : NULL;
}

static bool probed_has(const struct probed *probed, size_t offset, const char *magic)
{
	const uint8_t *at = probed_at(probed, offset, strlen(magic));

	return at != NULL && memcmp(at, magic, strlen(magic)) == 0;
}

/* A text that may end with a zero; blanks at its end do not count. */
static void copy_label(const uint8_t *from, size_t size, char out_label[BLOCK_LABEL_SIZE])
{
	size_t length = min_size(strnlen((const char *)from, size), BLOCK_LABEL_SIZE - 1);

	while (length > 0 && from[length - 1] == ' ') {
		length--;
	}
	memcpy(out_label, from, length);
	out_label[length] = '\0';
}

static bool is_zero(const uint8_t *bytes, size_t size)
{
	uint8_t all = 0;

	for (size_t i = 0; i < size; i++) {
		all |= bytes[i];
	}
	return all == 0;
}

void block_uuid_print(const uint8_t uuid[16], char out_text[BLOCK_UUID_SIZE])
{
	size_t used = 0;

	out_text[0] = '\0';
	if (is_zero(uuid, 16)) {
		return;
	}
	for (size_t i = 0; i < 16; i++) {
		bool is_first_of_part = i == 4 || i == 6 || i == 8 || i == 10;

		used += format_to(out_text + used, BLOCK_UUID_SIZE - used,
			is_first_of_part ? "-%02x" : "%02x", uuid[i]);
	}
}

void block_guid_print(const uint8_t guid[16], char out_text[BLOCK_UUID_SIZE])
{
	static const uint8_t order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };
	uint8_t uuid[16];

	for (size_t i = 0; i < 16; i++) {
		uuid[i] = guid[order[i]];
	}
	block_uuid_print(uuid, out_text);
}

/* ---- kinds ----------------------------------------------------------------------------------- */

static bool probe_ext(const struct probed *probed, struct block_probe *out_probe)
{
	constexpr size_t SUPER = 1024, MAGIC = 0x38, UUID = 0x68, LABEL = 0x78, SIZE = 0x88;
	const uint8_t *super = probed_at(probed, SUPER, SIZE);

	if (super == NULL || super[MAGIC] != 0x53 || super[MAGIC + 1] != 0xef) {
		return false;
	}
	block_uuid_print(super + UUID, out_probe->uuid);
	copy_label(super + LABEL, 16, out_probe->label);
	return true;
}

static bool probe_swap(const struct probed *probed, struct block_probe *out_probe)
{
	constexpr size_t MAGIC = 4096 - 10, UUID = 0x40c, LABEL = 0x41c;

	if (!probed_has(probed, MAGIC, "SWAPSPACE2")) {
		return false;
	}
	block_uuid_print(probed->data + UUID, out_probe->uuid);
	copy_label(probed->data + LABEL, 16, out_probe->label);
	return true;
}

/* FAT12 and FAT16 have their names in another place than FAT32. */
static bool probe_fat(const struct probed *probed, struct block_probe *out_probe)
{
	constexpr size_t NARROW = 0x27, WIDE = 0x43, LABEL = 4, KIND = 15;
	const uint8_t *sector = probed_at(probed, 0, 512);

	if (sector == NULL || sector[510] != 0x55 || sector[511] != 0xaa) {
		return false;
	}
	bool is_wide = probed_has(probed, WIDE + KIND, "FAT32   ");

	if (!is_wide && !probed_has(probed, NARROW + KIND, "FAT1")) {
		return false;
	}
	const uint8_t *names = sector + (is_wide ? WIDE : NARROW);

	if (!is_zero(names, 4)) {
		format_to(out_probe->uuid, sizeof(out_probe->uuid), "%02X%02X-%02X%02X", names[3],
			names[2], names[1], names[0]);
	}
	if (memcmp(names + LABEL, "NO NAME    ", 11) != 0) {
		copy_label(names + LABEL, 11, out_probe->label);
	}
	return true;
}

/* A time of an ISO 9660 volume, "YYYYMMDDHHMMSScc", as its UUID; false: there is none. */
static bool print_iso_time(const uint8_t *time, char out_uuid[BLOCK_UUID_SIZE])
{
	static const uint8_t parts[] = { 4, 2, 2, 2, 2, 2, 2 };
	size_t used = 0;

	for (size_t i = 0; i < 16; i++) {
		if (time[i] < '0' || time[i] > '9') {
			return false;
		}
	}
	if (memcmp(time, "0000000000000000", 16) == 0) {
		return false;
	}
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		used += format_to(out_uuid + used, BLOCK_UUID_SIZE - used,
			i == 0 ? "%.*s" : "-%.*s", parts[i], (const char *)time);
		time += parts[i];
	}
	return true;
}

static bool probe_iso(const struct probed *probed, struct block_probe *out_probe)
{
	constexpr size_t VOLUME = 32768, LABEL = 40, CREATED = 813, MODIFIED = 830, SIZE = 2048;
	const uint8_t *volume = probed_at(probed, VOLUME, SIZE);

	if (volume == NULL || !probed_has(probed, VOLUME, "\001CD001")) {
		return false;
	}
	if (!print_iso_time(volume + MODIFIED, out_probe->uuid)) {
		(void)print_iso_time(volume + CREATED, out_probe->uuid);
	}
	copy_label(volume + LABEL, 32, out_probe->label);
	return true;
}

void block_probe(const uint8_t *data, size_t size, struct block_probe *out_probe)
{
	const struct probed probed = { .data = data, .size = size };

	*out_probe = (struct block_probe){ 0 };
	/* what was made over another leaves some of it: those further in count more */
	(void)(probe_iso(&probed, out_probe) || probe_swap(&probed, out_probe) ||
		probe_ext(&probed, out_probe) || probe_fat(&probed, out_probe));
}
