/* SPDX-License-Identifier: MIT */
/* A device's interrupts: see interrupts.h. */
#include "interrupts.h"
#include "device.h"
#include "routing.h"

#include <base/errors.h>
#include <helix/helix.h>

#define MSIX_ENABLE   (1u << 15)
#define MSIX_MASK_ALL (1u << 14)

void interrupts_init(struct hw_object *object)
{
	object->interrupts.msi = msi_read(object->access, &object->function);
	if (object->interrupts.msi.offset != 0) {
		msi_disable(object->access, object->function.address, &object->interrupts.msi);
	}
	device_set_command(object, PCI_COMMAND_NO_INTX, 0);
}

uint32_t interrupts_count_lines(const struct hw_object *object)
{
	const struct pci_function *function = &object->function;

	return function->compatible_channels != 0 ? PCI_IDE_CHANNELS
		: function->interrupt_pin != 0    ? 1
						  : 0;
}

static bool interrupts_has(const struct hw_object *object, enum hw_interrupt_kind kind)
{
	switch (kind) {
	case HW_INTERRUPT_KIND_MSIX: return object->function.msix.n_vectors != 0;
	case HW_INTERRUPT_KIND_MSI: return object->interrupts.msi.offset != 0;
	case HW_INTERRUPT_KIND_LINE: return interrupts_count_lines(object) != 0;
	default: return false;
	}
}

/* The kind that a request is about; ANY: there is none. */
static enum hw_interrupt_kind interrupts_choose(
	const struct hw_object *object, enum hw_interrupt_kind wanted)
{
	enum hw_interrupt_kind in_use = object->interrupts.kind;

	if (in_use != HW_INTERRUPT_KIND_ANY) {
		return wanted == HW_INTERRUPT_KIND_ANY || wanted == in_use ? in_use
									   : HW_INTERRUPT_KIND_ANY;
	}
	if (wanted != HW_INTERRUPT_KIND_ANY) {
		return interrupts_has(object, wanted) ? wanted : HW_INTERRUPT_KIND_ANY;
	}
	for (uint32_t kind = HW_INTERRUPT_KIND_MSIX; kind <= HW_INTERRUPT_KIND_LINE; kind++) {
		if (interrupts_has(object, kind)) {
			return (enum hw_interrupt_kind)kind;
		}
	}
	return HW_INTERRUPT_KIND_ANY;
}

/* ---- MSI-X ----------------------------------------------------------------------------------- */

static uint64_t interrupts_table_address(const struct hw_object *object)
{
	const struct pci_msix *msix = &object->function.msix;

	return object->function.bars[msix->table_bar].address + msix->table_offset;
}

/* The pages with the table of MSI-X. */
static struct pci_range interrupts_table_pages(const struct hw_object *object)
{
	uint64_t address = interrupts_table_address(object);
	uint64_t size = (uint64_t)PCI_MSIX_ENTRY_SIZE * object->function.msix.n_vectors;

	return (struct pci_range){
		.start = align_down(address, HEL_PAGE_SIZE),
		.end = align_up(address + size, HEL_PAGE_SIZE),
	};
}

static int interrupts_map_table(const struct hw_object *object, volatile uint32_t **out_table)
{
	struct pci_range pages = interrupts_table_pages(object);
	uint64_t size = pages.end - pages.start;
	hel_handle memory;
	void *mapped;
	int error = hel_memory_physical(
		object->machine->authority, pages.start, size, HEL_CACHE_UNCACHED, &memory);

	if (error != 0) {
		return error;
	}
	error = helix_map(memory, 0, size, HEL_MAP_READ | HEL_MAP_WRITE, &mapped);
	hel_close(HEL_THIS, memory);
	if (error == 0) {
		*out_table = (volatile uint32_t *)((uint8_t *)mapped +
			(interrupts_table_address(object) - pages.start));
	}
	return error;
}

void interrupts_deinit(struct hw_object *object)
{
	struct interrupts *interrupts = &object->interrupts;

	if (interrupts->msix_table != NULL) {
		struct pci_range pages = interrupts_table_pages(object);
		uintptr_t table = (uintptr_t)interrupts->msix_table;

		msix_deinit(&interrupts->msix);
		helix_unmap((void *)align_down(table, HEL_PAGE_SIZE), pages.end - pages.start);
		interrupts->msix_table = NULL;
	}
}

static void interrupts_enable_table(const struct hw_object *object, bool is_enabled)
{
	uint32_t offset = object->function.msix.offset + 2u;
	uint32_t control = device_read(object, offset, 2) & ~(MSIX_ENABLE | MSIX_MASK_ALL);

	device_write(object, offset, 2, control | (is_enabled ? MSIX_ENABLE : 0));
}

/* Mask all vectors, and turn MSI-X on. What fails is tried again with the next vector. */
static int interrupts_enable_msix(struct hw_object *object)
{
	struct interrupts *interrupts = &object->interrupts;
	int error = 0;

	if (interrupts->msix_table == NULL) {
		error = interrupts_map_table(object, &interrupts->msix_table);
	}
	if (error != 0) {
		return error;
	}
	device_set_command(object, PCI_COMMAND_MEMORY | PCI_COMMAND_NO_INTX, 0);
	if (msix_is_initialized(&interrupts->msix)) {
		msix_mask_all(&interrupts->msix);
	} else {
		error = msix_init(&interrupts->msix, object->machine->authority,
			interrupts->msix_table, object->function.msix.n_vectors);
	}
	if (error == 0) {
		interrupts_enable_table(object, true);
	}
	return error;
}

static int interrupts_set_up_msix(struct hw_object *object, const struct hw_client *client,
	uint32_t vector, hel_handle *out_irq)
{
	int error = 0;

	if (vector >= object->function.msix.n_vectors) {
		return -ERR_OUT_OF_BOUNDS;
	}
	if (object->interrupts.kind != HW_INTERRUPT_KIND_MSIX) {
		error = interrupts_enable_msix(object);
	}
	return error != 0 ? error : msix_set_up(&object->interrupts.msix, client, vector, out_irq);
}

/* ---- MSI ------------------------------------------------------------------------------------- */

/*
 * Have the device send what @target says. While its message changes the device sends none, so
 * there is one by software, for what it would have sent.
 */
static int interrupts_write_msi(const struct hw_object *object, const struct irq_target *target)
{
	const struct interrupts *interrupts = &object->interrupts;

	device_set_command(object, PCI_COMMAND_NO_INTX, 0);
	if (!msi_enable(object->access, object->function.address, &interrupts->msi,
		    target->message.address, target->message.data, interrupts->is_masked)) {
		return -ERR_UNSUPPORTED;
	}
	return 0;
}

static int interrupts_set_up_msi(struct hw_object *object, hel_handle *out_irq)
{
	struct interrupts *interrupts = &object->interrupts;
	struct irq_target *target;
	int error = irq_target_create(object->machine->authority, &target);

	if (error != 0) {
		return error;
	}
	error = irq_share(target->irq, out_irq);
	if (error == 0) {
		interrupts->is_masked = false;
		error = interrupts_write_msi(object, target);
		if (error != 0) {
			hel_close(HEL_THIS, *out_irq);
		}
	}
	if (error != 0) {
		irq_target_destroy(target);
		return error;
	}
	irq_target_destroy(interrupts->msi_target);
	interrupts->msi_target = target;
	return 0;
}

static int interrupts_move_msi(struct hw_object *object, uint64_t cpu_mask)
{
	struct irq_target *target = object->interrupts.msi_target;
	int error = irq_target_move(target, cpu_mask);

	if (error == 0) {
		error = interrupts_write_msi(object, target);
	}
	if (error == 0) {
		error = hel_irq_acknowledge(target->irq, HEL_IRQ_KICK, 0);
	}
	return error;
}

/* ---- lines ----------------------------------------------------------------------------------- */

static int interrupts_set_up_line(
	struct task *task, struct hw_object *object, uint32_t vector, hel_handle *out_irq)
{
	struct interrupts *interrupts = &object->interrupts;
	struct interrupt_line line;
	hel_handle irq;
	int error = routing_find_line(task, object, vector, &line);

	/* Asking took a while: another request may have decided otherwise. */
	if (error == 0 &&
		interrupts_choose(object, HW_INTERRUPT_KIND_LINE) != HW_INTERRUPT_KIND_LINE) {
		error = -ERR_UNSUPPORTED;
	}
	if (error == 0) {
		error = hel_irq_create_line(
			object->machine->authority, line.number, line.flags, &irq);
	}
	if (error != 0) {
		return error;
	}
	error = irq_share(irq, out_irq);
	if (error != 0) {
		hel_close(HEL_THIS, irq);
		return error;
	}
	if (interrupts->line_irqs[vector] != HEL_NULL) {
		hel_close(HEL_THIS, interrupts->line_irqs[vector]);
	}
	interrupts->line_irqs[vector] = irq;
	interrupts->is_masked = false;
	device_set_command(object, 0, PCI_COMMAND_NO_INTX);
	return 0;
}

static void interrupts_mask_line(struct hw_object *object, bool is_masked)
{
	device_set_command(
		object, is_masked ? PCI_COMMAND_NO_INTX : 0, is_masked ? 0 : PCI_COMMAND_NO_INTX);
}

/* ---- all of them ----------------------------------------------------------------------------- */

int interrupts_set_up(struct task *task, struct hw_object *object, const struct hw_client *client,
	const struct hw_interrupt_request *request, enum hw_interrupt_kind *out_kind,
	hel_handle *out_irq)
{
	enum hw_interrupt_kind kind = interrupts_choose(object, request->kind);
	int error;

	if (kind == HW_INTERRUPT_KIND_ANY) {
		return -ERR_UNSUPPORTED;
	}
	if (kind == HW_INTERRUPT_KIND_MSIX) {
		error = interrupts_set_up_msix(object, client, request->vector, out_irq);
	} else if (request->vector >=
		(kind == HW_INTERRUPT_KIND_LINE ? interrupts_count_lines(object) : 1)) {
		error = -ERR_OUT_OF_BOUNDS;
	} else if (kind == HW_INTERRUPT_KIND_MSI) {
		error = interrupts_set_up_msi(object, out_irq);
	} else {
		error = interrupts_set_up_line(task, object, request->vector, out_irq);
	}
	if (error == 0) {
		object->interrupts.kind = kind;
		*out_kind = kind;
	}
	return error;
}

/* Whether a request is about the one vector of MSI, or that of a line, which this client has. */
static int interrupts_check_vector(
	const struct hw_object *object, const struct hw_client *client, uint32_t vector)
{
	const struct interrupts *interrupts = &object->interrupts;
	bool is_line = interrupts->kind == HW_INTERRUPT_KIND_LINE;

	if (vector >= (is_line ? interrupts_count_lines(object) : 1)) {
		return -ERR_OUT_OF_BOUNDS;
	}
	bool is_set_up = is_line ? interrupts->line_irqs[vector] != HEL_NULL
				 : interrupts->kind != HW_INTERRUPT_KIND_ANY;

	return is_set_up && object->owner == client ? 0 : -ERR_NOT_FOUND;
}

int interrupts_mask(
	struct hw_object *object, const struct hw_client *client, uint32_t vector, bool is_masked)
{
	struct interrupts *interrupts = &object->interrupts;

	if (interrupts->kind == HW_INTERRUPT_KIND_MSIX) {
		return msix_mask(&interrupts->msix, client, vector, is_masked);
	}
	int error = interrupts_check_vector(object, client, vector);

	if (error == 0 && interrupts->kind == HW_INTERRUPT_KIND_MSI) {
		if (!interrupts->msi.can_mask) {
			return -ERR_UNSUPPORTED;
		}
		msi_set_masked(
			object->access, object->function.address, &interrupts->msi, is_masked);
	} else if (error == 0 && pci_ide_is_compatible(&object->function, vector)) {
		return -ERR_UNSUPPORTED; /* the function's own mask is that of INTx */
	} else if (error == 0) {
		interrupts_mask_line(object, is_masked);
	}
	interrupts->is_masked = error == 0 ? is_masked : interrupts->is_masked;
	return error;
}

int interrupts_move(struct hw_object *object, const struct hw_client *client, uint32_t vector,
	uint64_t cpu_mask)
{
	struct interrupts *interrupts = &object->interrupts;
	struct hel_msi_info message;

	if (interrupts->kind == HW_INTERRUPT_KIND_MSIX) {
		return msix_move(&interrupts->msix, client, vector, cpu_mask);
	}
	int error = interrupts_check_vector(object, client, vector);

	if (error != 0) {
		return error;
	}
	return interrupts->kind == HW_INTERRUPT_KIND_MSI
		? interrupts_move_msi(object, cpu_mask)
		: hel_irq_set_affinity(interrupts->line_irqs[vector], cpu_mask, &message);
}

int interrupts_retarget(struct hw_object *object, const struct hw_client *client, uint32_t vector,
	uint32_t to_vector)
{
	if (object->interrupts.kind == HW_INTERRUPT_KIND_MSIX) {
		return msix_retarget(&object->interrupts.msix, client, vector, to_vector);
	}
	int error = interrupts_check_vector(object, client, vector);

	if (error == 0) {
		error = interrupts_check_vector(object, client, to_vector);
	}
	return error == 0 && vector != to_vector ? -ERR_UNSUPPORTED : error;
}

/* What the device could still send is turned off before the irqs behind it are given up. */
void interrupts_release(struct hw_object *object, const struct hw_client *client)
{
	struct interrupts *interrupts = &object->interrupts;

	device_set_command(object, PCI_COMMAND_NO_INTX, 0);
	switch (interrupts->kind) {
	case HW_INTERRUPT_KIND_MSIX:
		msix_release(&interrupts->msix, client);
		interrupts_enable_table(object, false);
		break;
	case HW_INTERRUPT_KIND_MSI:
		msi_disable(object->access, object->function.address, &interrupts->msi);
		irq_target_destroy(interrupts->msi_target);
		interrupts->msi_target = NULL;
		break;
	case HW_INTERRUPT_KIND_LINE:
		for (uint32_t i = 0; i < PCI_IDE_CHANNELS; i++) {
			if (interrupts->line_irqs[i] != HEL_NULL) {
				hel_close(HEL_THIS, interrupts->line_irqs[i]);
				interrupts->line_irqs[i] = HEL_NULL;
			}
		}
		break;
	default: break;
	}
	interrupts->kind = HW_INTERRUPT_KIND_ANY;
}

void interrupts_restore(struct hw_object *object)
{
	struct interrupts *interrupts = &object->interrupts;

	switch (interrupts->kind) {
	case HW_INTERRUPT_KIND_MSIX:
		device_set_command(object, PCI_COMMAND_MEMORY | PCI_COMMAND_NO_INTX, 0);
		msix_restore(&interrupts->msix);
		interrupts_enable_table(object, true);
		break;
	case HW_INTERRUPT_KIND_MSI:
		(void)interrupts_write_msi(object, interrupts->msi_target);
		break;
	case HW_INTERRUPT_KIND_LINE: interrupts_mask_line(object, interrupts->is_masked); break;
	default: device_set_command(object, PCI_COMMAND_NO_INTX, 0);
	}
}
