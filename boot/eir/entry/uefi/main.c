/* SPDX-License-Identifier: MIT */
/*
 * eir as a UEFI application: /EFI/BOOT/BOOTX64.EFI on the EFI system partition.
 *
 * It reads hati/boot.cfg and the initrd from the partition that it was started from, asks for the
 * framebuffer and the root pointer of ACPI, and leaves boot services with the memory map that goes
 * with that. Then nothing of the firmware is used any more: eir changes to its own stack and page
 * tables and goes on as after any other boot protocol.
 */
#include <base/string.h>
#include <eir/arch/x86_64/machine.h>
#include <eir/core/boot.h>

#include "config.h"
#include "files.h"
#include "map.h"
#include "uefi.h"

#define CONFIG_FILE    "/hati/boot.cfg"
#define MAP_SIZE_MAX   KIB(64)
#define EXIT_TRIES_MAX 8

static const struct uefi_guid graphics_guid = { 0x9042a9de, 0x23dc, 0x4a38,
	{ 0x96, 0xfb, 0x7a, 0xde, 0xd0, 0x80, 0x51, 0x6a } };
/* of ACPI 1.0 and 2.0 */
static const struct uefi_guid acpi_guids[] = {
	{ 0xeb9d2d30, 0x2d88, 0x11d3, { 0x9a, 0x16, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d } },
	{ 0x8868e871, 0xe4f1, 0x11d3, { 0xbc, 0x22, 0x00, 0x80, 0xc7, 0x3c, 0x88, 0x81 } },
};

static struct boot_source uefi_source;
static struct config uefi_config;
static ALIGNED(8) uint8_t uefi_map[MAP_SIZE_MAX];
static uint64_t uefi_map_size, uefi_descriptor_size;

uefi_status UEFI_CALL uefi_main(uefi_handle image, struct uefi_system_table *system);

/* On the firmware's console, too, which is the screen. */
NORETURN static void uefi_fail(
	const struct uefi_system_table *system, const char *what, const char *why)
{
	const char *const parts[] = { "eir: ", what, ": ", why, "\r\n" };

	for (size_t i = 0; i < ARRAY_SIZE(parts) && system->output != NULL; i++) {
		for (const char *at = parts[i]; *at != '\0'; at++) {
			const uint16_t text[] = { (uint8_t)*at, 0 };

			system->output->write(system->output, text);
		}
	}
	boot_fail("%s: %s", what, why);
}

/* The newer of the two root pointers, where both are. */
static void uefi_find_acpi(const struct uefi_system_table *system)
{
	for (size_t version = 0; version < ARRAY_SIZE(acpi_guids); version++) {
		for (uint64_t i = 0; i < system->n_configurations; i++) {
			const struct uefi_configuration *found = &system->configurations[i];

			if (memcmp(&found->guid, &acpi_guids[version], sizeof(found->guid)) == 0) {
				uefi_source.rsdp_phys = (uint64_t)found->table;
			}
		}
	}
}

static void uefi_find_framebuffer(struct uefi_boot_services *boot)
{
	struct uefi_graphics *graphics;

	if (boot->locate_protocol(&graphics_guid, NULL, (void **)&graphics) != 0) {
		return;
	}
	const struct uefi_graphics_mode *mode = graphics->mode;
	const struct uefi_graphics_info *info = mode->info;

	if (info->pixel_format != UEFI_PIXEL_RGBX && info->pixel_format != UEFI_PIXEL_BGRX) {
		return;
	}
	if (mode->size / sizeof(uint32_t) < (uint64_t)info->pixels_per_line * info->height) {
		return;
	}
	uefi_source.framebuffer = (struct boot_framebuffer){
		.address_phys = mode->address_phys,
		.width = info->width,
		.height = info->height,
		.pitch = info->pixels_per_line * (uint32_t)sizeof(uint32_t),
		.bits_per_pixel = 32,
	};
}

static void uefi_read_files(const struct uefi_system_table *system, uefi_handle image)
{
	struct uefi_boot_services *boot = system->boot_services;
	struct uefi_file *root = files_open_root(boot, image);
	void *data;
	size_t size;
	const char *why;

	if (root == NULL) {
		uefi_fail(system, "UEFI", "eir was not started from a partition with files");
	}
	why = files_read(boot, root, CONFIG_FILE, &data, &size);
	if (why == NULL) {
		why = config_read(data, size, &uefi_config);
	}
	if (why != NULL) {
		uefi_fail(system, CONFIG_FILE, why);
	}
	why = files_read(boot, root, uefi_config.initrd, &data, &size);
	if (why != NULL) {
		uefi_fail(system, uefi_config.initrd, why);
	}
	uefi_source.command_line = uefi_config.options;
	uefi_source.initrd_phys = (uint64_t)data;
	uefi_source.initrd_size = size;
}

/* The map may change until it works: events of the firmware allocate. */
static void uefi_leave(const struct uefi_system_table *system, uefi_handle image)
{
	struct uefi_boot_services *boot = system->boot_services;

	for (unsigned tries = 0; tries < EXIT_TRIES_MAX; tries++) {
		uint64_t key;
		uint32_t version;

		uefi_map_size = sizeof(uefi_map);
		if (boot->get_memory_map(
			    &uefi_map_size, uefi_map, &key, &uefi_descriptor_size, &version) == 0 &&
			uefi_map_size <= sizeof(uefi_map) && boot->exit(image, key) == 0) {
			return;
		}
	}
	boot_fail("the firmware does not let go");
}

static void uefi_run(void)
{
	const char *why = map_read(uefi_map, uefi_map_size, uefi_descriptor_size, &uefi_source);

	if (why != NULL) {
		boot_fail("UEFI: %s", why);
	}
	boot_run(&uefi_source);
}

uefi_status UEFI_CALL uefi_main(uefi_handle image, struct uefi_system_table *system)
{
	uefi_source.tsc_at_entry = machine_tsc();
	if (!machine_can_take_over()) {
		uefi_fail(system, "UEFI", "eir cannot run where, or how, the firmware runs it");
	}
	uefi_read_files(system, image);
	uefi_find_acpi(system);
	uefi_find_framebuffer(system->boot_services);
	uefi_leave(system, image);
	machine_take_over(uefi_run);
}
