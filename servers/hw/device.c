/* SPDX-License-Identifier: MIT */
/*
 * PCI functions as objects: see device.h and protocols/hw.
 *
 * A driver gets its function's BARs and interrupts as descriptors and may touch nothing else: the
 * registers that decide on that (command, BARs, MSI-X) are written here only.
 */
#include "device.h"

#include <base/errors.h>
#include <base/string.h>
#include <protocols/hw/hw.gen.h>
#include <protocols/mbus/mbus-client.h>

#define MSIX_ENABLE   (1u << 15)
#define MSIX_MASK_ALL (1u << 14)
#define CONFIG_SIZE   4096

static uint32_t device_read(const struct hw_object *object, uint32_t offset, uint32_t width)
{
	const struct pci_access *access = &object->machine->ecam.access;

	return access->read(access, object->function.address, offset, width);
}

static void device_write(
	const struct hw_object *object, uint32_t offset, uint32_t width, uint32_t value)
{
	const struct pci_access *access = &object->machine->ecam.access;

	access->write(access, object->function.address, offset, width, value);
}

static void device_set_command(const struct hw_object *object, uint32_t set, uint32_t clear)
{
	uint32_t command = device_read(object, PCI_COMMAND, 2);

	device_write(object, PCI_COMMAND, 2, (command | set) & ~clear);
}

/* ---- calls ----------------------------------------------------------------------------------- */

static int serve_info(struct bragi_call *call, const struct hw_info_request *request UNUSED,
	struct hw_info_reply *out_reply)
{
	const struct pci_function *function = &hw_object_of_call(call)->function;
	struct hw_bar *bars = bragi_arena_allocate(&call->arena, PCI_BARS_MAX * sizeof(*bars));
	struct hw_capability *capabilities = bragi_arena_allocate(
		&call->arena, function->n_capabilities * sizeof(*capabilities));

	if (bars == NULL || capabilities == NULL) {
		return -ERR_NO_MEMORY;
	}
	for (unsigned i = 0; i < PCI_BARS_MAX; i++) {
		const struct pci_bar *bar = &function->bars[i];

		bars[i] = (struct hw_bar){
			.kind = bar->kind == PCI_BAR_MEMORY ? HW_BAR_KIND_MEMORY
				: bar->kind == PCI_BAR_IO   ? HW_BAR_KIND_IO
							    : HW_BAR_KIND_NONE,
			.is_prefetchable = bar->is_prefetchable,
			.size_bytes = bar->size_bytes,
		};
	}
	for (uint32_t i = 0; i < function->n_capabilities; i++) {
		capabilities[i] = (struct hw_capability){
			.id = function->capabilities[i].id,
			.offset = function->capabilities[i].offset,
			.size_bytes = function->capabilities[i].size_bytes,
		};
	}
	out_reply->n_msi_vectors = function->msix.n_vectors;
	out_reply->bars = (struct hw_bar_span){ .items = bars, .count = PCI_BARS_MAX };
	out_reply->capabilities = (struct hw_capability_span){
		.items = capabilities,
		.count = function->n_capabilities,
	};
	return 0;
}

static int give_memory_bar(const struct hw_object *object, uint32_t index,
	struct hw_bar_reply *reply, hel_handle *out_memory)
{
	const struct pci_bar *bar = &object->function.bars[index];
	struct pci_range pages = pci_bar_pages(&object->function, index, HEL_PAGE_SIZE);

	if (pages.start == pages.end) {
		return -ERR_NO_RIGHTS;
	}
	reply->kind = HW_BAR_KIND_MEMORY;
	reply->offset = (uint32_t)(bar->address - pages.start);
	reply->size_bytes = min_u64(bar->size_bytes, pages.end - bar->address);
	return hel_memory_physical(object->machine->authority, pages.start, pages.end - pages.start,
		HEL_CACHE_UNCACHED, out_memory);
}

static int serve_bar(struct bragi_call *call, const struct hw_bar_request *request,
	struct hw_bar_reply *out_reply)
{
	const struct hw_object *object = hw_object_of_call(call);
	hel_handle handle;
	int error;

	if (request->index >= PCI_BARS_MAX) {
		return -ERR_NOT_FOUND;
	}
	const struct pci_bar *bar = &object->function.bars[request->index];

	switch (bar->kind) {
	case PCI_BAR_MEMORY:
		error = give_memory_bar(object, request->index, out_reply, &handle);
		device_set_command(object, PCI_COMMAND_MEMORY, 0);
		break;
	case PCI_BAR_IO:
		error = hel_io_create(object->machine->authority, (uint32_t)bar->address,
			(uint32_t)bar->size_bytes, &handle);
		out_reply->kind = HW_BAR_KIND_IO;
		out_reply->size_bytes = bar->size_bytes;
		device_set_command(object, PCI_COMMAND_IO, 0);
		break;
	default: return -ERR_NOT_FOUND;
	}
	if (error == 0 && !bragi_handles_add(&call->to_send, handle)) {
		hel_close(HEL_THIS, handle);
		error = -ERR_NO_SPACE;
	}
	return error;
}

static int serve_bus_master(struct bragi_call *call, const struct hw_bus_master_request *request,
	struct hw_bus_master_reply *out_reply UNUSED)
{
	const struct hw_object *object = hw_object_of_call(call);

	if (request->is_enabled != 0) {
		device_set_command(object, PCI_COMMAND_BUS_MASTER, 0);
	} else {
		device_set_command(object, 0, PCI_COMMAND_BUS_MASTER);
	}
	return 0;
}

/* Map the pages with the table of MSI-X. */
static int device_map_table(const struct hw_object *object, volatile uint32_t **out_table)
{
	const struct pci_msix *msix = &object->function.msix;
	uint64_t address = object->function.bars[msix->table_bar].address + msix->table_offset;
	uint64_t start = align_down(address, HEL_PAGE_SIZE);
	uint64_t end =
		align_up(address + (uint64_t)PCI_MSIX_ENTRY_SIZE * msix->n_vectors, HEL_PAGE_SIZE);
	hel_handle memory;
	void *mapped;
	int error = hel_memory_physical(
		object->machine->authority, start, end - start, HEL_CACHE_UNCACHED, &memory);

	if (error != 0) {
		return error;
	}
	error = helix_map(memory, 0, end - start, HEL_MAP_READ | HEL_MAP_WRITE, &mapped);
	hel_close(HEL_THIS, memory);
	if (error == 0) {
		*out_table = (volatile uint32_t *)((uint8_t *)mapped + (address - start));
	}
	return error;
}

/* Mask all vectors, and turn MSI-X on. What fails is tried again with the next vector. */
static int device_enable_msix(struct hw_object *object)
{
	const struct pci_msix *msix = &object->function.msix;
	int error = object->msix_table == NULL ? device_map_table(object, &object->msix_table) : 0;

	if (error != 0) {
		return error;
	}
	device_set_command(object, PCI_COMMAND_MEMORY | PCI_COMMAND_NO_INTX, 0);
	error = msix_init(
		&object->msix, object->machine->authority, object->msix_table, msix->n_vectors);
	if (error != 0) {
		return error;
	}
	uint32_t control = device_read(object, msix->offset + 2u, 2);

	device_write(object, msix->offset + 2u, 2, (control | MSIX_ENABLE) & ~MSIX_MASK_ALL);
	return 0;
}

static int serve_interrupt(struct bragi_call *call, const struct hw_interrupt_request *request,
	struct hw_interrupt_reply *out_reply UNUSED)
{
	struct hw_object *object = hw_object_of_call(call);
	hel_handle irq;
	int error = 0;

	if (request->vector >= object->function.msix.n_vectors) {
		return -ERR_OUT_OF_BOUNDS;
	}
	if (!msix_is_on(&object->msix)) {
		error = device_enable_msix(object);
	}
	if (error == 0) {
		error = msix_set_up(&object->msix, hw_client_of_call(call), request->vector, &irq);
	}
	if (error == 0 && !bragi_handles_add(&call->to_send, irq)) {
		hel_close(HEL_THIS, irq);
		error = -ERR_NO_SPACE;
	}
	return error;
}

static int serve_interrupt_mask(struct bragi_call *call,
	const struct hw_interrupt_mask_request *request,
	struct hw_interrupt_mask_reply *out_reply UNUSED)
{
	return msix_mask(&hw_object_of_call(call)->msix, hw_client_of_call(call), request->vector,
		request->is_masked != 0);
}

static int serve_interrupt_move(struct bragi_call *call,
	const struct hw_interrupt_move_request *request,
	struct hw_interrupt_move_reply *out_reply UNUSED)
{
	return msix_move(&hw_object_of_call(call)->msix, hw_client_of_call(call), request->vector,
		request->cpu_mask);
}

static int serve_interrupt_retarget(struct bragi_call *call,
	const struct hw_interrupt_retarget_request *request,
	struct hw_interrupt_retarget_reply *out_reply UNUSED)
{
	return msix_retarget(&hw_object_of_call(call)->msix, hw_client_of_call(call),
		request->vector, request->to_vector);
}

static bool config_is_valid(uint32_t offset, uint32_t width)
{
	return (width == 1 || width == 2 || width == 4) && offset % width == 0 &&
		offset < CONFIG_SIZE;
}

static int serve_config_read(struct bragi_call *call, const struct hw_config_read_request *request,
	struct hw_config_read_reply *out_reply)
{
	if (!config_is_valid(request->offset, request->width_bytes)) {
		return -ERR_ILLEGAL_ARGS;
	}
	out_reply->value =
		device_read(hw_object_of_call(call), request->offset, request->width_bytes);
	return 0;
}

static int serve_config_write(struct bragi_call *call,
	const struct hw_config_write_request *request,
	struct hw_config_write_reply *out_reply UNUSED)
{
	const struct hw_object *object = hw_object_of_call(call);

	if (!config_is_valid(request->offset, request->width_bytes)) {
		return -ERR_ILLEGAL_ARGS;
	}
	if (!pci_config_is_writable(&object->function, request->offset, request->width_bytes)) {
		return -ERR_NO_RIGHTS;
	}
	device_write(object, request->offset, request->width_bytes, request->value);
	return 0;
}

/* hw keeps no descriptor: when the driver is gone, its device is cut off. */
static int serve_dma_space(struct bragi_call *call,
	const struct hw_dma_space_request *request UNUSED,
	struct hw_dma_space_reply *out_reply UNUSED)
{
	const struct hw_object *object = hw_object_of_call(call);
	const struct pci_address *address = &object->function.address;
	const struct hel_dma_device device = {
		.segment = address->segment,
		.bus = address->bus,
		.devfn = (uint8_t)(address->device << 3 | address->function),
	};
	hel_handle space;
	int error = hel_dma_space_create(&space);

	if (error != 0) {
		return error;
	}
	error = hel_dma_space_attach(object->machine->authority, space, &device);
	if (error == 0 && !bragi_handles_add(&call->to_send, space)) {
		error = -ERR_NO_SPACE;
	}
	if (error != 0) {
		hel_close(HEL_THIS, space);
	}
	return error;
}

static const struct hw_device_ops device_ops = {
	.info = serve_info,
	.bar = serve_bar,
	.bus_master = serve_bus_master,
	.interrupt = serve_interrupt,
	.interrupt_mask = serve_interrupt_mask,
	.interrupt_move = serve_interrupt_move,
	.interrupt_retarget = serve_interrupt_retarget,
	.config_read = serve_config_read,
	.config_write = serve_config_write,
	.dma_space = serve_dma_space,
};

/* ---- the object ------------------------------------------------------------------------------ */

static void device_dispatch(struct bragi_call *call)
{
	(void)!hw_device_dispatch(&device_ops, call);
}

static void device_connected(
	struct connect_listener *listener, const char *client UNUSED, hel_handle lane)
{
	hw_client_start(container_of(listener, struct hw_object, listener), lane, device_dispatch);
}

static const struct connect_listener_ops device_listener_ops = {
	.connected = device_connected,
	.ended = hw_control_ended,
};

#define PROPERTIES 9

/* The texts of an object's properties. */
struct device_texts {
	char values[PROPERTIES][16];
	struct mbus_pair pairs[PROPERTIES];
	size_t count;
};

static void texts_add(struct device_texts *texts, const char *name, unsigned width, uint32_t value)
{
	char *text = texts->values[texts->count];

	format_to(text, sizeof(texts->values[0]), "%0*x", (int)width, value);
	texts->pairs[texts->count++] = (struct mbus_pair){ .name = name, .value = text };
}

static void device_describe(const struct pci_function *function, struct device_texts *texts)
{
	const struct pci_address *address = &function->address;

	texts->count = 0;
	texts->pairs[texts->count++] = (struct mbus_pair){ .name = "class", .value = "pci" };
	texts_add(texts, "pci-vendor", 4, function->vendor);
	texts_add(texts, "pci-device", 4, function->device);
	texts_add(texts, "pci-subsystem-vendor", 4, function->subsystem_vendor);
	texts_add(texts, "pci-subsystem-device", 4, function->subsystem_device);
	texts_add(texts, "pci-class", 2, function->class);
	texts_add(texts, "pci-subclass", 2, function->subclass);
	texts_add(texts, "pci-interface", 2, function->interface);
	char *text = texts->values[texts->count];

	format_to(text, sizeof(texts->values[0]), "%04x:%02x:%02x.%x", address->segment,
		address->bus, address->device, address->function);
	texts->pairs[texts->count++] = (struct mbus_pair){ .name = "pci-address", .value = text };
}

int device_publish(struct task *task, hel_handle mbus, struct hw_object *object)
{
	struct device_texts texts;

	device_describe(&object->function, &texts);
	int error = mbus_publish(task, mbus, texts.pairs, texts.count, &object->control);

	if (error == 0) {
		connect_listen(&object->listener, &device_listener_ops, &object->loop->loop,
			object->control);
	}
	return error;
}
