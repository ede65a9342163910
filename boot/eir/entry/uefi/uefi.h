/* SPDX-License-Identifier: MIT */
/* What a UEFI firmware offers a program, as far as eir uses it; names are ours. */
#ifndef EIR_ENTRY_UEFI_UEFI_H
#define EIR_ENTRY_UEFI_UEFI_H

#include <base/types.h>

/* How the firmware's functions are called. */
#define UEFI_CALL __attribute__((ms_abi))

#define UEFI_PAGE_SIZE 4096u

typedef uint64_t uefi_status; /* 0: success */
typedef void *uefi_handle;

struct uefi_guid {
	uint32_t a;
	uint16_t b, c;
	uint8_t d[8];
};

struct uefi_text_output {
	void *reset;
	uefi_status(UEFI_CALL *write)(struct uefi_text_output *output, const uint16_t *text);
};

enum uefi_allocation : uint32_t { UEFI_ALLOCATE_BELOW = 1 };

enum uefi_memory_type : uint32_t {
	UEFI_LOADER_CODE = 1,
	UEFI_LOADER_DATA = 2,
	UEFI_BOOT_CODE = 3,
	UEFI_BOOT_DATA = 4,
	UEFI_FREE = 7,
	UEFI_ACPI = 9,
};

struct uefi_boot_services {
	uint64_t head[3];
	void *priorities[2];
	uefi_status(UEFI_CALL *allocate_pages)(uint32_t kind, uint32_t type, uint64_t n_pages,
		uint64_t *address); /* UEFI_ALLOCATE_BELOW: in, the last byte that may be taken */
	void *free_pages;
	uefi_status(UEFI_CALL *get_memory_map)(uint64_t *size, void *map, uint64_t *key,
		uint64_t *descriptor_size, uint32_t *version);
	void *pools[2];
	void *events[6];
	void *interfaces[3];
	uefi_status(UEFI_CALL *handle_protocol)(
		uefi_handle handle, const struct uefi_guid *protocol, void **out_interface);
	void *handles[5];
	void *images[4];
	uefi_status(UEFI_CALL *exit)(uefi_handle image, uint64_t map_key);
	void *times[3];
	void *drivers[2];
	void *protocols[5];
	uefi_status(UEFI_CALL *locate_protocol)(
		const struct uefi_guid *protocol, void *registration, void **out_interface);
};

struct uefi_configuration {
	struct uefi_guid guid;
	void *table;
};

struct uefi_system_table {
	uint64_t head[3];
	const uint16_t *vendor;
	uint32_t revision;
	void *input[2];
	uefi_handle output_handle;
	struct uefi_text_output *output;
	void *errors[2];
	void *runtime_services;
	struct uefi_boot_services *boot_services;
	uint64_t n_configurations;
	const struct uefi_configuration *configurations;
};

/* The program itself. */
struct uefi_loaded_image {
	uint32_t revision;
	uefi_handle parent;
	struct uefi_system_table *system_table;
	uefi_handle device;
};

#define UEFI_FILE_READ 1

struct uefi_file {
	uint64_t revision;
	uefi_status(UEFI_CALL *open)(struct uefi_file *folder, struct uefi_file **out_file,
		const uint16_t *path, uint64_t mode, uint64_t attributes);
	uefi_status(UEFI_CALL *close)(struct uefi_file *file);
	void *remove;
	uefi_status(UEFI_CALL *read)(struct uefi_file *file, uint64_t *size, void *buffer);
	void *write;
	uefi_status(UEFI_CALL *get_position)(struct uefi_file *file, uint64_t *out_position);
	uefi_status(UEFI_CALL *set_position)(struct uefi_file *file, uint64_t position);
};

struct uefi_file_system {
	uint64_t revision;
	uefi_status(UEFI_CALL *open)(struct uefi_file_system *system, struct uefi_file **out_root);
};

enum uefi_pixel_format : uint32_t { UEFI_PIXEL_RGBX = 0, UEFI_PIXEL_BGRX = 1 };

struct uefi_graphics_info {
	uint32_t version;
	uint32_t width, height;
	uint32_t pixel_format;
	uint32_t masks[4];
	uint32_t pixels_per_line;
};

struct uefi_graphics_mode {
	uint32_t n_modes, mode;
	const struct uefi_graphics_info *info;
	uint64_t info_size;
	uint64_t address_phys;
	uint64_t size;
};

struct uefi_graphics {
	void *functions[3];
	const struct uefi_graphics_mode *mode;
};

static_assert(offsetof(struct uefi_boot_services, get_memory_map) == 24 + 8 * 4);
static_assert(offsetof(struct uefi_boot_services, handle_protocol) == 24 + 8 * 16);
static_assert(offsetof(struct uefi_boot_services, exit) == 24 + 8 * 26);
static_assert(offsetof(struct uefi_boot_services, locate_protocol) == 24 + 8 * 37);

#endif
