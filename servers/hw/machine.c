/* SPDX-License-Identifier: MIT */
/* The machine as ACPI describes it: see machine.h. */
#include "machine.h"
#include "device.h"

#include <base/errors.h>
#include <base/string.h>
#include <helix/helix.h>

#define TABLE_SIZE_MAX   MIB(1)
#define SLEEP_ENABLE     (1u << 13)
#define SLEEP_TYPE_SHIFT 10

/* ---- physical memory ------------------------------------------------------------------------- */

/* A mapped piece of physical memory. */
struct window {
	void *base; /* whole pages */
	size_t size;
	const uint8_t *data; /* what was asked for */
};

static int window_open(
	const struct machine *machine, uint64_t phys, size_t size, struct window *out_window)
{
	uint64_t start = align_down(phys, HEL_PAGE_SIZE);
	uint64_t n_bytes = align_up(phys + size, HEL_PAGE_SIZE) - start;
	hel_handle memory;
	int error = hel_memory_physical(
		machine->authority, start, n_bytes, HEL_CACHE_WRITE_BACK, &memory);

	if (error != 0) {
		return error;
	}
	error = helix_map(memory, 0, n_bytes, HEL_MAP_READ, &out_window->base);
	hel_close(HEL_THIS, memory);
	out_window->size = n_bytes;
	if (error == 0) {
		out_window->data = (const uint8_t *)out_window->base + (phys - start);
	}
	return error;
}

static void window_close(struct window *window)
{
	helix_unmap(window->base, window->size);
}

/* Map a whole table, whose size its header says. */
static int table_open(const struct machine *machine, uint64_t phys, struct window *out_window,
	struct acpi_header *out_header)
{
	int error = window_open(machine, phys, ACPI_HEADER_SIZE, out_window);

	if (error != 0) {
		return error;
	}
	error = acpi_parse_header(out_window->data, out_header);
	window_close(out_window);
	if (error == 0 && out_header->size_bytes > TABLE_SIZE_MAX) {
		error = -ERR_PROTOCOL;
	}
	if (error != 0) {
		return error;
	}
	error = window_open(machine, phys, out_header->size_bytes, out_window);
	if (error == 0 && !acpi_check_table(out_window->data, out_header->size_bytes)) {
		window_close(out_window);
		error = -ERR_PROTOCOL;
	}
	return error;
}

/* ---- tables ---------------------------------------------------------------------------------- */

/* What cannot be used is left out: there are the ports. */
static int machine_read_mcfg(struct machine *machine, const void *table, size_t size)
{
	struct acpi_ecam range;
	int error = 0;

	for (size_t i = 0; acpi_parse_mcfg(table, size, i, &range) == 0; i++) {
		int range_error = config_space_add(&machine->config, &range);

		error = error != 0 ? error : range_error;
	}
	return error;
}

static int machine_read_fadt(struct machine *machine, const void *table, size_t size)
{
	struct acpi_header header;
	struct window dsdt;
	int error = acpi_parse_fadt(table, size, &machine->fadt);

	if (error != 0) {
		return error;
	}
	machine->has_fadt = true;
	error = table_open(machine, machine->fadt.dsdt_phys, &dsdt, &header);
	if (error != 0) {
		return error;
	}
	error = acpi_find_s5(dsdt.data, header.size_bytes, &machine->off);
	machine->has_off = error == 0;
	window_close(&dsdt);
	return error;
}

static void machine_read_table(struct machine *machine, uint64_t phys)
{
	struct acpi_header header = { .signature = "????" };
	struct window window;
	int error = table_open(machine, phys, &window, &header);

	if (error == 0) {
		if (str_equal(header.signature, "MCFG")) {
			error = machine_read_mcfg(machine, window.data, header.size_bytes);
		} else if (str_equal(header.signature, "FACP")) {
			error = machine_read_fadt(machine, window.data, header.size_bytes);
		}
		window_close(&window);
	}
	if (error != 0) {
		helix_log(HEL_LOG_WARNING, "ACPI table %s at 0x%llx cannot be used: %s",
			header.signature, (unsigned long long)phys, error_text(error));
	}
}

int machine_init(struct machine *machine, hel_handle authority, uint64_t rsdp_phys)
{
	struct acpi_header header;
	struct acpi_rsdp rsdp;
	struct window window;

	machine->authority = authority;
	list_init(&machine->objects);
	config_space_init(&machine->config, authority);
	if (rsdp_phys == 0) {
		return -ERR_NOT_FOUND;
	}
	int error = window_open(machine, rsdp_phys, ACPI_RSDP_SIZE, &window);

	if (error != 0) {
		return error;
	}
	error = acpi_parse_rsdp(window.data, &rsdp);
	window_close(&window);
	if (error == 0) {
		error = table_open(machine, rsdp.table_phys, &window, &header);
	}
	if (error != 0) {
		return error;
	}
	for (size_t i = 0; i < acpi_table_count(&rsdp, header.size_bytes); i++) {
		machine_read_table(machine, acpi_table_phys(&rsdp, window.data, i));
	}
	window_close(&window);
	return 0;
}

/* ---- bridges --------------------------------------------------------------------------------- */

const struct pci_function *machine_find_bridge(
	const struct machine *machine, const struct pci_address *address)
{
	LIST_FOR_EACH(object, &machine->objects, struct hw_object, node) {
		const struct pci_function *function = &object->function;

		if (function->is_bridge && function->address.segment == address->segment &&
			function->secondary_bus == address->bus) {
			return function;
		}
	}
	return NULL;
}

/* ---- power ----------------------------------------------------------------------------------- */

static int port_write(const struct machine *machine, uint16_t port, uint32_t width, uint32_t value)
{
	hel_handle io;
	int error = hel_io_create(machine->authority, port, width, &io);

	if (error == 0) {
		error = hel_io_write(io, 0, width, value);
		hel_close(HEL_THIS, io);
	}
	return error;
}

int machine_power_off(struct task *task, struct machine *machine)
{
	struct acpi_sleep_type type;

	/* Interpreting takes longer than all the rest, so it is asked if it runs, or must be. */
	bool is_asked = machine->firmware.state == FIRMWARE_READY || !machine->has_off;

	if (task != NULL && is_asked && firmware_prepare_off(task, &machine->firmware, &type)) {
		machine->off = type;
		machine->has_off = true;
	}
	if (!machine->has_fadt || !machine->has_off || machine->fadt.pm1a_control_port == 0) {
		return -ERR_UNSUPPORTED;
	}
	int error = port_write(machine, machine->fadt.pm1a_control_port, 2,
		(uint32_t)machine->off.pm1a << SLEEP_TYPE_SHIFT | SLEEP_ENABLE);

	if (error == 0 && machine->fadt.pm1b_control_port != 0) {
		error = port_write(machine, machine->fadt.pm1b_control_port, 2,
			(uint32_t)machine->off.pm1b << SLEEP_TYPE_SHIFT | SLEEP_ENABLE);
	}
	return error;
}

int machine_reset(const struct machine *machine)
{
	if (!machine->has_fadt || machine->fadt.reset_port == 0) {
		return -ERR_UNSUPPORTED;
	}
	return port_write(machine, machine->fadt.reset_port, 1, machine->fadt.reset_value);
}
