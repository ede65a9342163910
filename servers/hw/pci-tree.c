/* SPDX-License-Identifier: MIT */
/* The machine's PCI functions: see pci-tree.h. */
#include "pci-tree.h"
#include "device.h"
#include "pci-assign.h"
#include "slot.h"

#include <base/errors.h>

#define BUS_FUNCTIONS_MAX 256

/* A bridge's slot, which is driven until the bridge is taken out. */
struct pci_tree_slot {
	struct slot slot;
	struct hw_object *bridge;
	struct job job;
	bool has_ended;
};

/* ---- finding --------------------------------------------------------------------------------- */

static bool is_known(const struct machine *machine, const struct pci_address *address)
{
	LIST_FOR_EACH(object, &machine->objects, struct hw_object, node) {
		const struct pci_address *known = &object->function.address;

		if (known->segment == address->segment && known->bus == address->bus &&
			known->device == address->device && known->function == address->function) {
			return true;
		}
	}
	return false;
}

static void function_found(void *context, const struct pci_function *function)
{
	struct machine *machine = context;

	if (is_known(machine, &function->address)) {
		return; /* a bridge that was plugged in says what it likes */
	}
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

void pci_tree_find(struct machine *machine)
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

/* Behind NULL is everything. */
static bool is_behind(const struct hw_object *object, const struct pci_function *bridge)
{
	const struct pci_address *address = &object->function.address;

	return bridge == NULL ||
		(address->segment == bridge->address.segment &&
			address->bus >= bridge->secondary_bus &&
			address->bus <= bridge->subordinate_bus);
}

static struct hw_object *find_new(const struct machine *machine, const struct pci_function *bridge)
{
	LIST_FOR_EACH(object, &machine->objects, struct hw_object, node) {
		if (object->is_new && is_behind(object, bridge)) {
			return object;
		}
	}
	return NULL;
}

/*
 * Publish those behind @bridge that are not yet: others may come or go meanwhile. What is behind a
 * slot is its task's alone, which takes it out, too.
 */
static size_t publish_new(
	struct task *task, struct machine *machine, const struct pci_function *bridge)
{
	size_t n_published = 0;

	for (;;) {
		struct hw_object *object = find_new(machine, bridge);

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
		if (is_behind(object, bridge)) {
			return object;
		}
	}
	return NULL;
}

/* The slot of a bridge that is taken out itself: its task finishes what it has begun. */
static void end_slot(struct task *task, struct hw_object *bridge)
{
	struct pci_tree_slot *slot = bridge->slot;

	if (slot == NULL) {
		return;
	}
	if (!slot->has_ended) {
		job_cancel(&slot->job, -ERR_END_OF_LANE);
	}
	while (!slot->has_ended) {
		(void)!wait_on(task, &bridge->departed); /* in a shield: it is not cancelled */
	}
	if (slot->slot.irq != HEL_NULL) {
		interrupts_release(bridge, hw_client_self());
		hel_close(HEL_THIS, slot->slot.irq);
	}
	bridge->slot = NULL;
	helix_free(slot);
}

/* Slots first, from the outer ones on: what is in them comes and goes no more. */
static void end_slots_behind(struct task *task, const struct hw_object *bridge)
{
	for (;;) {
		struct hw_object *inner = NULL;

		LIST_FOR_EACH(object, &bridge->machine->objects, struct hw_object, node) {
			if (object->slot != NULL && is_behind(object, &bridge->function)) {
				inner = object;
				break;
			}
		}
		if (inner == NULL) {
			return;
		}
		end_slot(task, inner);
	}
}

static void take_out(struct task *task, const struct hw_object *bridge, bool is_gone)
{
	for (;;) {
		struct hw_object *object = find_behind(bridge->machine, &bridge->function);

		if (object == NULL) {
			return;
		}
		helix_log(
			HEL_LOG_INFO, "%s %s", object->name, is_gone ? "is gone" : "is taken out");
		list_remove(&object->node);
		device_withdraw(task, object, is_gone);
	}
}

static void pci_tree_unplugged(struct task *task, struct slot *slot, bool is_gone)
{
	const struct hw_object *bridge = container_of(slot, struct pci_tree_slot, slot)->bridge;
	struct scope shield;

	/* The slot's own bridge may be taken out meanwhile. */
	scope_begin_shield(task, &shield);
	end_slots_behind(task, bridge);
	take_out(task, bridge, is_gone);
	(void)!scope_join(&shield);
}

static int pci_tree_plugged(struct task *task, struct slot *slot)
{
	const struct hw_object *bridge = container_of(slot, struct pci_tree_slot, slot)->bridge;
	struct machine *machine = bridge->machine;
	const struct pci_buses buses = {
		.segment = bridge->function.address.segment,
		.first = slot->secondary_bus,
		.last = slot->secondary_bus,
	};

	pci_scan(&machine->config.access, &buses, function_found, machine);
	assign_behind(machine, &bridge->function);
	LIST_FOR_EACH(object, &machine->objects, struct hw_object, node) {
		if (object->is_new && is_behind(object, &bridge->function)) {
			pci_settle(&object->function);
			helix_log(HEL_LOG_INFO, "%s has been plugged in", object->name);
		}
	}
	if (publish_new(task, machine, &bridge->function) == 0) {
		pci_tree_unplugged(task, slot, false);
		return -ERR_NOT_FOUND;
	}
	return 0;
}

static const struct slot_ops pci_tree_slot_ops = {
	.plugged = pci_tree_plugged,
	.unplugged = pci_tree_unplugged,
};

/* ---- slots ----------------------------------------------------------------------------------- */

/* By a message, or the slot is looked at now and then: lines are shared, and nobody else's. */
static void slot_listen(struct task *task, struct pci_tree_slot *slot)
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

static int pci_tree_slot_run(struct task *task, void *argument)
{
	struct pci_tree_slot *slot = argument;

	slot_listen(task, slot);
	int error = slot_run(task, &slot->slot);

	if (task_check(task) == 0) {
		helix_log(HEL_LOG_WARNING, "%s: what is plugged in is not seen any more: %s",
			slot->bridge->name, error_text(error));
	}
	slot->has_ended = true;
	task->job = NULL; /* who has waited for that frees it */
	wait_queue_wake(&slot->bridge->departed);
	return 0;
}

static void drive_slot(struct hw_object *bridge)
{
	struct pci_tree_slot *slot = helix_calloc(1, sizeof(*slot));

	if (slot == NULL ||
		!slot_init(&slot->slot, &pci_tree_slot_ops, bridge->access, &bridge->function)) {
		helix_free(slot);
		return;
	}
	slot->bridge = bridge;
	bridge->slot = slot;
	job_init(&slot->job, "slot", pci_tree_slot_run, slot);
	job_submit(&bridge->loop->loop, &slot->job);
}

void pci_tree_publish(struct task *task, struct machine *machine)
{
	helix_log(HEL_LOG_INFO, "%zu PCI functions published", publish_new(task, machine, NULL));
	LIST_FOR_EACH(object, &machine->objects, struct hw_object, node) {
		if (object->function.is_bridge) {
			drive_slot(object);
		}
	}
}
