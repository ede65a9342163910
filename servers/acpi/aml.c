/* SPDX-License-Identifier: MIT */
/* The machine as its bytecode describes it: see aml.h. */
#include "aml.h"
#include "routes.h"

#include <acpi/acpi.h>

#include <base/errors.h>
#include <helix/helix.h>

constexpr u32 TABLES_AT_FIRST = 16;
constexpr u32 PIC_MODE_IO_APIC = 1;
constexpr u32 INITIALIZATION =
	ACPI_NO_HARDWARE_INIT | ACPI_NO_ACPI_ENABLE | ACPI_NO_EVENT_INIT | ACPI_NO_HANDLER_INIT;

/* ---- opening --------------------------------------------------------------------------------- */

/* Many machines have no _PIC, and some want to know which controller is used. */
static void aml_choose_io_apic(void)
{
	union acpi_object argument = { .integer = {
					       .type = ACPI_TYPE_INTEGER,
					       .value = PIC_MODE_IO_APIC,
				       } };
	struct acpi_object_list arguments = { .count = 1, .pointer = &argument };

	(void)acpi_evaluate_object(ACPI_ROOT_OBJECT, (acpi_string) "_PIC", &arguments, NULL);
}

int aml_open(void)
{
	acpi_status status = acpi_initialize_subsystem();

	if (ACPI_SUCCESS(status)) {
		status = acpi_initialize_tables(NULL, TABLES_AT_FIRST, TRUE);
	}
	if (ACPI_SUCCESS(status)) {
		status = acpi_load_tables();
	}
	if (ACPI_SUCCESS(status)) {
		status = acpi_enable_subsystem(INITIALIZATION);
	}
	if (ACPI_SUCCESS(status)) {
		status = acpi_initialize_objects(ACPI_NO_EVENT_INIT);
	}
	if (ACPI_FAILURE(status)) {
		helix_log(
			HEL_LOG_ERROR, "tables cannot be used: %s", acpi_format_exception(status));
		return -ERR_PROTOCOL;
	}
	aml_choose_io_apic();
	return 0;
}

/* ---- host bridges ---------------------------------------------------------------------------- */

uint64_t aml_integer(acpi_handle device, const char *name, uint64_t otherwise)
{
	union acpi_object object;
	struct acpi_buffer buffer = { .length = sizeof(object), .pointer = &object };
	acpi_status status = acpi_evaluate_object(device, (char *)name, NULL, &buffer);

	return ACPI_SUCCESS(status) && object.type == ACPI_TYPE_INTEGER ? object.integer.value
									: otherwise;
}

/* Those of one bridge that have been found. */
struct windows {
	struct acpi_window *items;
	uint32_t count;
};

static void windows_add(struct windows *windows, const struct acpi_resource_address64 *address)
{
	static const enum acpi_window_kind kinds[] = {
		[ACPI_MEMORY_RANGE] = ACPI_WINDOW_KIND_MEMORY,
		[ACPI_IO_RANGE] = ACPI_WINDOW_KIND_IO,
		[ACPI_BUS_NUMBER_RANGE] = ACPI_WINDOW_KIND_BUSES,
	};
	uint64_t start = address->address.minimum;
	uint64_t end = address->address.maximum;

	if (address->producer_consumer == ACPI_CONSUMER ||
		address->resource_type >= ARRAY_SIZE(kinds) || end < start ||
		address->address.address_length == 0 || windows->count == ACPI_LIMITS_WINDOWS_MAX) {
		return;
	}
	windows->items[windows->count++] = (struct acpi_window){
		.kind = kinds[address->resource_type],
		.is_prefetchable = address->resource_type == ACPI_MEMORY_RANGE &&
			address->info.mem.caching == ACPI_PREFETCHABLE_MEMORY,
		.start = start,
		.size = end - start + 1,
	};
}

static acpi_status window_found(struct acpi_resource *resource, void *context)
{
	struct acpi_resource_address64 address;

	if (ACPI_SUCCESS(acpi_resource_to_address64(resource, &address))) {
		windows_add(context, &address);
	}
	return AE_OK;
}

struct bridges {
	struct bragi_arena *arena;
	struct acpi_bridge *items;
	uint32_t count;
	bool has_no_memory;
};

static acpi_status bridge_found(
	acpi_handle device, u32 depth UNUSED, void *context, void **out UNUSED)
{
	struct bridges *bridges = context;
	struct windows windows = {
		.items = bragi_arena_allocate(
			bridges->arena, ACPI_LIMITS_WINDOWS_MAX * sizeof(*windows.items)),
	};

	if (windows.items == NULL) {
		bridges->has_no_memory = true;
		return AE_CTRL_TERMINATE;
	}
	if (bridges->count == ACPI_LIMITS_BRIDGES_MAX) {
		return AE_CTRL_TERMINATE;
	}
	(void)acpi_walk_resources(device, (char *)METHOD_NAME__CRS, window_found, &windows);
	bridges->items[bridges->count++] = (struct acpi_bridge){
		.segment = (uint32_t)aml_integer(device, METHOD_NAME__SEG, 0),
		.bus = (uint32_t)aml_integer(device, METHOD_NAME__BBN, 0),
		.windows = { .items = windows.items, .count = windows.count },
	};
	return AE_OK;
}

/* Bridges of PCI Express have both ids, one of them as compatible: they are found once. */
int aml_bridges(struct bragi_arena *arena, struct acpi_bridge_span *out_bridges)
{
	struct bridges bridges = {
		.arena = arena,
		.items = bragi_arena_allocate(
			arena, ACPI_LIMITS_BRIDGES_MAX * sizeof(*bridges.items)),
	};

	if (bridges.items == NULL) {
		return -ERR_NO_MEMORY;
	}
	(void)acpi_get_devices((char *)PCI_ROOT_HID_STRING, bridge_found, &bridges, NULL);
	*out_bridges = (struct acpi_bridge_span){ .items = bridges.items, .count = bridges.count };
	return bridges.has_no_memory ? -ERR_NO_MEMORY : 0;
}

/* ---- the end --------------------------------------------------------------------------------- */

int aml_prepare_off(uint32_t *out_pm1a_type, uint32_t *out_pm1b_type)
{
	u8 pm1a, pm1b;

	if (ACPI_FAILURE(acpi_get_sleep_type_data(ACPI_STATE_S5, &pm1a, &pm1b)) ||
		ACPI_FAILURE(acpi_enter_sleep_state_prep(ACPI_STATE_S5))) {
		return -ERR_NOT_FOUND;
	}
	*out_pm1a_type = pm1a;
	*out_pm1b_type = pm1b;
	return 0;
}
