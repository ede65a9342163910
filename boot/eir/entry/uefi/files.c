/* SPDX-License-Identifier: MIT */
/* Reading files through the firmware's file systems. */
#include "files.h"

#include "config.h"

#define FILE_SIZE_MAX GIB(1)
#define POSITION_END  UINT64_MAX

static const struct uefi_guid loaded_image_guid = { 0x5b1b31a1, 0x9562, 0x11d2,
	{ 0x8e, 0x3f, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b } };
static const struct uefi_guid file_system_guid = { 0x964e5b22, 0x6459, 0x11d2,
	{ 0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b } };

struct uefi_file *files_open_root(struct uefi_boot_services *boot, uefi_handle image)
{
	struct uefi_loaded_image *loaded;
	struct uefi_file_system *system;
	struct uefi_file *root;

	if (boot->handle_protocol(image, &loaded_image_guid, (void **)&loaded) != 0 ||
		boot->handle_protocol(loaded->device, &file_system_guid, (void **)&system) != 0 ||
		system->open(system, &root) != 0) {
		return NULL;
	}
	return root;
}

static const char *file_read_all(struct uefi_file *file, uint8_t *data, uint64_t size)
{
	uint64_t done = 0;

	while (done < size) {
		uint64_t n = size - done;

		if (file->read(file, &n, &data[done]) != 0) {
			return "reading fails";
		}
		if (n == 0 || n > size - done) {
			return "the file ends early";
		}
		done += n;
	}
	return NULL;
}

static const char *file_read(
	struct uefi_boot_services *boot, struct uefi_file *file, void **out_data, size_t *out_size)
{
	uint64_t size, address = UINT32_MAX;

	if (file->set_position(file, POSITION_END) != 0 || file->get_position(file, &size) != 0 ||
		file->set_position(file, 0) != 0) {
		return "it has no size";
	}
	if (size == 0 || size > FILE_SIZE_MAX) {
		return "it is empty or too large";
	}
	if (boot->allocate_pages(UEFI_ALLOCATE_BELOW, UEFI_LOADER_DATA,
		    (size + UEFI_PAGE_SIZE - 1) / UEFI_PAGE_SIZE, &address) != 0) {
		return "there is no memory for it";
	}
	*out_data = (void *)address;
	*out_size = size;
	return file_read_all(file, (uint8_t *)address, size);
}

const char *files_read(struct uefi_boot_services *boot, struct uefi_file *root, const char *path,
	void **out_data, size_t *out_size)
{
	uint16_t native_path[CONFIG_PATH_MAX];
	struct uefi_file *file;

	if (!config_path(path, native_path, ARRAY_SIZE(native_path))) {
		return "that is no path";
	}
	if (root->open(root, &file, native_path, UEFI_FILE_READ, 0) != 0) {
		return "it is not on the partition";
	}
	const char *why = file_read(boot, file, out_data, out_size);

	file->close(file);
	return why;
}
