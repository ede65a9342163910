/* SPDX-License-Identifier: MIT */
/*
 * How the lines of PCI devices are routed: the _PRT of every bridge that has one.
 *
 * An entry names a line of an interrupt controller, or a link, which is a device that connects it
 * to one of several. A link that is connected stays as it is; another one is connected to the first
 * line that is possible.
 *
 * Below a host bridge the namespace has a device for each function that it has something to say
 * about, by number (_ADR); those that are bridges are descended into, with the bus number that they
 * have now.
 */
#include "routes.h"
#include "aml.h"

#include <base/errors.h>
#include <base/string.h>
#include <helix/helix.h>

constexpr uint32_t ROUTES_TOTAL_MAX = 4096;
constexpr uint32_t LEVELS_MAX = 16; /* of bridges */
constexpr uint32_t PCI_HEADER_TYPE = 0x0e;
constexpr uint32_t PCI_SECONDARY_BUS = 0x19;
constexpr uint32_t HEADER_TYPE_BRIDGE = 1;
constexpr uint32_t ADDRESS_NONE = UINT32_MAX;

/* The walk. */
struct walk {
	struct aml_routes *routes;
	bool has_no_memory;
};

/* A bridge that is looked at. */
struct place {
	struct walk *walk;
	uint32_t segment, bus;
	uint32_t level;
};

/* ---- links ----------------------------------------------------------------------------------- */

struct line {
	bool is_found;
	uint32_t gsi;
	uint32_t flags;
};

static uint32_t line_flags_of(u8 triggering, u8 polarity)
{
	return (triggering == ACPI_LEVEL_SENSITIVE ? ACPI_LINE_FLAGS_LEVEL : 0u) |
		(polarity == ACPI_ACTIVE_LOW ? ACPI_LINE_FLAGS_ACTIVE_LOW : 0u);
}

/* The first line of a link's _CRS or _PRS; 0 says that it is not connected. */
static acpi_status line_found(struct acpi_resource *resource, void *context)
{
	const struct acpi_resource_irq *irq = &resource->data.irq;
	const struct acpi_resource_extended_irq *extended = &resource->data.extended_irq;
	struct line *line = context;

	if (resource->type == ACPI_RESOURCE_TYPE_IRQ && irq->interrupt_count > 0) {
		line->gsi = irq->interrupts[0];
		line->flags = line_flags_of(irq->triggering, irq->polarity);
	} else if (resource->type == ACPI_RESOURCE_TYPE_EXTENDED_IRQ &&
		extended->interrupt_count > 0) {
		line->gsi = extended->interrupts[0];
		line->flags = line_flags_of(extended->triggering, extended->polarity);
	} else {
		return AE_OK;
	}
	line->is_found = line->gsi != 0;
	return line->is_found ? AE_CTRL_TERMINATE : AE_OK;
}

static struct line link_read(acpi_handle link, const char *method)
{
	struct line line = {};

	(void)acpi_walk_resources(link, (char *)method, line_found, &line);
	return line;
}

/* Connect the link to @line: its settings with that one interrupt. */
static acpi_status link_connect(acpi_handle link, const struct line *line)
{
	struct acpi_buffer buffer = { .length = ACPI_ALLOCATE_BUFFER };
	acpi_status status = acpi_get_current_resources(link, &buffer);

	if (ACPI_FAILURE(status)) {
		return status;
	}
	struct acpi_resource *resource = buffer.pointer;

	if (resource->type == ACPI_RESOURCE_TYPE_IRQ) {
		resource->data.irq.interrupt_count = 1;
		resource->data.irq.interrupts[0] = (u8)line->gsi;
	} else if (resource->type == ACPI_RESOURCE_TYPE_EXTENDED_IRQ) {
		resource->data.extended_irq.interrupt_count = 1;
		resource->data.extended_irq.interrupts[0] = line->gsi;
	} else {
		status = AE_TYPE;
	}
	if (ACPI_SUCCESS(status)) {
		status = acpi_set_current_resources(link, &buffer);
	}
	ACPI_FREE(buffer.pointer);
	return status;
}

static struct line link_resolve(acpi_handle link)
{
	struct line line = link_read(link, METHOD_NAME__CRS);

	if (!line.is_found) {
		line = link_read(link, METHOD_NAME__PRS);
		line.is_found = line.is_found && ACPI_SUCCESS(link_connect(link, &line));
	}
	return line;
}

/* ---- tables ---------------------------------------------------------------------------------- */

static void walk_add(struct walk *walk, const struct acpi_route *route)
{
	struct aml_routes *routes = walk->routes;

	if (routes->count % ACPI_LIMITS_ROUTES_MAX == 0) {
		struct acpi_route *items = helix_realloc(
			routes->items, (routes->count + ACPI_LIMITS_ROUTES_MAX) * sizeof(*items));

		if (items == NULL) {
			walk->has_no_memory = true;
			return;
		}
		routes->items = items;
	}
	routes->items[routes->count++] = *route;
}

static void place_add_entry(
	const struct place *place, acpi_handle bridge, const struct acpi_pci_routing_table *entry)
{
	/* Without a link the line is PCI's own kind. */
	struct line line = {
		.is_found = true,
		.gsi = entry->source_index,
		.flags = ACPI_LINE_FLAGS_LEVEL | ACPI_LINE_FLAGS_ACTIVE_LOW,
	};
	acpi_handle link;

	if (entry->source[0] != '\0') {
		acpi_status status = acpi_get_handle(bridge, (char *)entry->source, &link);

		line = ACPI_SUCCESS(status) ? link_resolve(link) : (struct line){};
	}
	if (!line.is_found || entry->pin > 3 || place->walk->routes->count >= ROUTES_TOTAL_MAX) {
		return;
	}
	const struct acpi_route route = {
		.segment = place->segment,
		.bus = place->bus,
		.device = (uint32_t)(entry->address >> 16) & 31,
		.pin = entry->pin + 1,
		.gsi = line.gsi,
		.flags = (enum acpi_line_flags)line.flags,
	};

	walk_add(place->walk, &route);
}

static void place_add_table(const struct place *place, acpi_handle bridge)
{
	struct acpi_buffer buffer = { .length = ACPI_ALLOCATE_BUFFER };

	if (ACPI_FAILURE(acpi_get_irq_routing_table(bridge, &buffer))) {
		return;
	}
	const uint8_t *at = buffer.pointer;
	const struct acpi_pci_routing_table *entry = (const void *)at;

	while (entry->length != 0) {
		place_add_entry(place, bridge, entry);
		at += entry->length;
		entry = (const void *)at;
	}
	ACPI_FREE(buffer.pointer);
}

/* ---- bridges --------------------------------------------------------------------------------- */

static void place_look_at(const struct place *place, acpi_handle bridge);

static uint32_t config_byte(struct acpi_pci_id *id, uint32_t offset)
{
	u64 value = 0;

	return ACPI_SUCCESS(acpi_os_read_pci_configuration(id, offset, &value, 8)) ? (uint8_t)value
										   : 0xff;
}

static void place_look_at_child(const struct place *place, acpi_handle child)
{
	uint64_t address = aml_integer(child, METHOD_NAME__ADR, ADDRESS_NONE);
	struct acpi_pci_id id = {
		.segment = (u16)place->segment,
		.bus = (u16)place->bus,
		.device = (u16)(address >> 16 & 31),
		.function = (u16)(address & 7),
	};

	if (address == ADDRESS_NONE || (address & 0xffff) > 7 ||
		(config_byte(&id, PCI_HEADER_TYPE) & 0x7f) != HEADER_TYPE_BRIDGE) {
		return;
	}
	const struct place behind = {
		.walk = place->walk,
		.segment = place->segment,
		.bus = config_byte(&id, PCI_SECONDARY_BUS),
		.level = place->level + 1,
	};

	if (behind.bus != 0 && behind.bus != 0xff && behind.level < LEVELS_MAX) {
		place_look_at(&behind, child);
	}
}

static void place_look_at(const struct place *place, acpi_handle bridge)
{
	acpi_handle child = NULL;

	place_add_table(place, bridge);
	while (ACPI_SUCCESS(acpi_get_next_object(ACPI_TYPE_DEVICE, bridge, child, &child))) {
		place_look_at_child(place, child);
	}
}

static acpi_status host_found(
	acpi_handle device, u32 depth UNUSED, void *context, void **out UNUSED)
{
	const struct place place = {
		.walk = context,
		.segment = (uint32_t)aml_integer(device, METHOD_NAME__SEG, 0),
		.bus = (uint32_t)aml_integer(device, METHOD_NAME__BBN, 0),
	};

	place_look_at(&place, device);
	return AE_OK;
}

int aml_routes(struct aml_routes *out_routes)
{
	struct walk walk = { .routes = out_routes };

	*out_routes = (struct aml_routes){};
	(void)acpi_get_devices((char *)PCI_ROOT_HID_STRING, host_found, &walk, NULL);
	return walk.has_no_memory ? -ERR_NO_MEMORY : 0;
}
