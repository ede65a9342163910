/* SPDX-License-Identifier: MIT */
/* The machine's PCI functions: see tree.h. */
#include "tree.h"
#include "device.h"
#include "pci-assign.h"
#include "slot.h"

#include <base/errors.h>

#define BUS_FUNCTIONS_MAX 256

/* A bridge's slot, which is driven for ever. */
struct tree_slot {
	struct slot slot;
	struct hw_object *bridge;
	struct job job;
};

/* ---- finding --------------------------------------------------------------------------------- */

static void function_found(void *context, const struct pci_function *function)
{
	struct machine *machine = context;
	struct hw_object *object = helix_calloc(1, sizeof(*object));

	if (object == NULL) {
		helix_log(HEL_LOG_ERROR, "no memory for a device");
		return;
	}
	device_init(object, machine, function);
	list_push_back(&machine->objects, &object->node);
}

/* Give addresses to those on the bus behind @bridge that have none. */
static void assign_behind(struct machine *machine, const struct pci_function *bridge)
{
	struct pci_function **functions = helix_calloc(BUS_FUNCTIONS_MAX, sizeof(*functions));
	size_t n_functions = 0;

	if (functions == NULL) {
		return; /* what has no address is not there */
	}
	LIST_FOR_EACH(object, &machine->objects, struct hw_object, node) {
		struct pci_function *function = &object->function;

		if (function->address.segment == bridge->address.segment &&
			function->address.bus == bridge->secondary_bus &&
			n_functions < BUS_FUNCTIONS_MAX) {
			functions[n_functions++] = function;
		}
	}
	struct pci_windows windows = pci_read_windows(&machine->config.access, bridge->address);
	uint32_t n_refused = pci_assign(
		&machine->config.access, &windows, functions, n_functions, HEL_PAGE_SIZE);

	if (n_refused != 0) {
		helix_log(HEL_LOG_WARNING, "bus %02x: no room for %u BARs", bridge->secondary_bus,
			n_refused);
	}
	helix_free(functions);
}

/*
 * Which buses begin at a host bridge only bytecode knows; looking at all that have configuration
 * space in memory is quicker. Through the ports it is not: there is bus 0.
 */
static void scan_all(struct machine *machine)
{
	const struct config_space *config = &machine->config;
	bool has_first = false;

	for (size_t i = 0; i < config->n_ranges; i++) {
		const struct acpi_ecam *ecam = &config->ranges[i].ecam;
		const struct pci_buses buses = {
			.segment = ecam->segment,
			.first = ecam->first_bus,
			.last = ecam->last_bus,
		};

		has_first |= ecam->segment == 0 && ecam->first_bus == 0;
		pci_scan(&config->access, &buses, function_found, machine);
	}
	if (!has_first) {
		pci_scan(&config->access, &(struct pci_buses){}, function_found, machine);
	}
}

void tree_find(struct machine *machine)
{
	scan_all(machine);
	LIST_FOR_EACH(object, &machine->objects, struct hw_object, node) {
		if (object->function.is_bridge && object->function.secondary_bus != 0) {
			assign_behind(machine, &object->function);
		}
	}
	LIST_FOR_EACH(object, &machine->objects, struct hw_object, node) {
		pci_settle(&object->function);
	}
}

/* ---- publishing ------------------------------------------------------------------------------ */

static struct hw_object *find_new(const struct machine *machine)
{
	LIST_FOR_EACH(object, &machine->objects, struct hw_object, node) {
		if (object->is_new) {
			return object;
		}
	}
	return NULL;
}

/* Publish those that are not yet: others may come or go meanwhile. */
static size_t publish_new(struct task *task, struct machine *machine)
{
	size_t n_published = 0;

	for (;;) {
		struct hw_object *object = find_new(machine);

		if (object == NULL) {
			return n_published;
		}
		object->is_new = false;
		int error = device_publish(task, machine->mbus, object);

		if (error != 0) {
			helix_log(HEL_LOG_ERROR, "%s cannot be published: %s", object->name,
				error_text(error));
		} else {
			n_published++;
		}
	}
}

/* ---- what comes and goes --------------------------------------------------------------------- */

/* The first behind a bridge; NULL: none. */
static struct hw_object *find_behind(
	const struct machine *machine, const struct pci_function *bridge)
{
	LIST_FOR_EACH(object, &machine->objects, struct hw_object, node) {
		const struct pci_address *address = &object->function.address;

		if (address->segment == bridge->address.segment &&
			address->bus >= bridge->secondary_bus &&
			address->bus <= bridge->subordinate_bus) {
			return object;
		}
	}
	return NULL;
}

static int tree_plugged(struct task *task, struct slot *slot)
{
	const struct hw_object *bridge = container_of(slot, struct tree_slot, slot)->bridge;
	struct machine *machine = bridge->machine;
	const struct pci_buses buses = {
		.segment = bridge->function.address.segment,
		.first = slot->secondary_bus,
		.last = slot->secondary_bus,
	};

	pci_scan(&machine->config.access, &buses, function_found, machine);
	assign_behind(machine, &bridge->function);
	LIST_FOR_EACH(object, &machine->objects, struct hw_object, node) {
		if (object->is_new) {
			pci_settle(&object->function);
			helix_log(HEL_LOG_INFO, "%s has been plugged in", object->name);
		}
	}
	return publish_new(task, machine) != 0 ? 0 : -ERR_NOT_FOUND;
}

static void tree_unplugged(struct task *task, struct slot *slot, bool is_gone)
{
	const struct hw_object *bridge = container_of(slot, struct tree_slot, slot)->bridge;
	struct machine *machine = bridge->machine;

	for (;;) {
		struct hw_object *object = find_behind(machine, &bridge->function);

		if (object == NULL) {
			return;
		}
		helix_log(
			HEL_LOG_INFO, "%s %s", object->name, is_gone ? "is gone" : "is taken out");
		list_remove(&object->node);
		device_withdraw(task, object, is_gone);
	}
}

static const struct slot_ops tree_slot_ops = {
	.plugged = tree_plugged,
	.unplugged = tree_unplugged,
};

/* ---- slots ----------------------------------------------------------------------------------- */

/* By a message, or the slot is looked at now and then: lines are shared, and nobody else's. */
static void slot_listen(struct task *task, struct tree_slot *slot)
{
	static const enum hw_interrupt_kind kinds[] = {
		HW_INTERRUPT_KIND_MSIX,
		HW_INTERRUPT_KIND_MSI,
	};
	struct hw_object *bridge = slot->bridge;
	int error = -ERR_UNSUPPORTED;

	interrupts_init(bridge);
	device_set_command(bridge, PCI_COMMAND_BUS_MASTER, 0);
	for (size_t i = 0; i < ARRAY_SIZE(kinds) && error != 0; i++) {
		const struct hw_interrupt_request request = {
			.kind = kinds[i],
			.vector = kinds[i] == HW_INTERRUPT_KIND_MSIX ? slot->slot.vector : 0,
		};
		enum hw_interrupt_kind kind;

		error = interrupts_set_up(
			task, bridge, hw_client_self(), &request, &kind, &slot->slot.irq);
	}
	if (error != 0) {
		slot->slot.irq = HEL_NULL;
	}
}

static int tree_slot_run(struct task *task, void *argument)
{
	struct tree_slot *slot = argument;

	slot_listen(task, slot);
	int error = slot_run(task, &slot->slot);

	helix_log(HEL_LOG_WARNING, "%s: what is plugged in is not seen any more: %s",
		slot->bridge->name, error_text(error));
	return 0;
}

static void drive_slot(struct hw_object *bridge)
{
	struct tree_slot *slot = helix_calloc(1, sizeof(*slot));

	if (slot == NULL ||
		!slot_init(&slot->slot, &tree_slot_ops, bridge->access, &bridge->function)) {
		helix_free(slot);
		return;
	}
	slot->bridge = bridge;
	job_init(&slot->job, "slot", tree_slot_run, slot);
	job_submit(&bridge->loop->loop, &slot->job);
}

void tree_publish(struct task *task, struct machine *machine)
{
	helix_log(HEL_LOG_INFO, "%zu PCI functions published", publish_new(task, machine));
	LIST_FOR_EACH(object, &machine->objects, struct hw_object, node) {
		if (object->function.is_bridge) {
			drive_slot(object);
		}
	}
}
