/* SPDX-License-Identifier: MIT */
/*
 * PCI functions as objects: see device.h and protocols/hw.
 *
 * A driver gets its function's BARs and interrupts as descriptors and may touch nothing else: the
 * registers that decide on that (command, BARs, MSI-X) are written here only.
 */
#include "device.h"
#include "reset.h"

#include <base/errors.h>
#include <base/string.h>
#include <protocols/hw/hw.gen.h>
#include <protocols/mbus/mbus-client.h>

#define CONFIG_SIZE 4096

uint32_t device_read(const struct hw_object *object, uint32_t offset, uint32_t width)
{
	return object->access->read(object->access, object->function.address, offset, width);
}

void device_write(const struct hw_object *object, uint32_t offset, uint32_t width, uint32_t value)
{
	object->access->write(object->access, object->function.address, offset, width, value);
}

void device_set_command(const struct hw_object *object, uint32_t set, uint32_t clear)
{
	uint32_t command = device_read(object, PCI_COMMAND, 2);

	device_write(object, PCI_COMMAND, 2, (command | set) & ~clear);
}

/* For calls that change the device: only its driver may, and whoever comes first is that. */
static int device_claim(struct bragi_call *call)
{
	if (hw_object_of_call(call)->function.is_bridge) {
		return -ERR_NO_RIGHTS;
	}
	return owner_claim(call->task, hw_object_of_call(call), hw_client_of_call(call));
}

/* Push @handle, which is ours, with the reply, if there was no error before. */
static int push_handle(struct bragi_call *call, int error, hel_handle handle)
{
	if (error == 0 && !bragi_handles_add(&call->to_send, handle)) {
		hel_close(HEL_THIS, handle);
		error = -ERR_NO_SPACE;
	}
	return error;
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
			.address = bar->address,
			.flags = bar->flags,
		};
	}
	for (uint32_t i = 0; i < function->n_capabilities; i++) {
		capabilities[i] = (struct hw_capability){
			.id = function->capabilities[i].id,
			.offset = function->capabilities[i].offset,
			.size_bytes = function->capabilities[i].size_bytes,
		};
	}
	const struct hw_object *object = hw_object_of_call(call);

	out_reply->n_msi_vectors = function->msix.n_vectors;
	out_reply->has_msi = object->interrupts.msi.offset != 0;
	out_reply->has_line = interrupts_count_lines(object) != 0;
	out_reply->id = (uint32_t)function->device << 16 | function->vendor;
	out_reply->subsystem_id =
		(uint32_t)function->subsystem_device << 16 | function->subsystem_vendor;
	out_reply->class = (uint32_t)function->class << 16 | (uint32_t)function->subclass << 8 |
		function->interface;
	out_reply->revision = function->revision;
	out_reply->address = bragi_string_of(object->name);
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
	hel_handle handle = HEL_NULL;
	int error = device_claim(call);

	if (error == 0 && request->index >= PCI_BARS_MAX) {
		error = -ERR_NOT_FOUND;
	}
	if (error != 0) {
		return error;
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
	return push_handle(call, error, handle);
}

/* What the device sends has to come through all bridges before it. */
static void device_open_bridges(const struct hw_object *object)
{
	const struct pci_access *access = object->access;
	const struct pci_function *bridge =
		machine_find_bridge(object->machine, &object->function.address);

	for (uint32_t level = 0; bridge != NULL && level < PCI_BUSES_MAX; level++) {
		uint32_t command = access->read(access, bridge->address, PCI_COMMAND, 2);

		access->write(
			access, bridge->address, PCI_COMMAND, 2, command | PCI_COMMAND_BUS_MASTER);
		bridge = machine_find_bridge(object->machine, &bridge->address);
	}
}

static int serve_bus_master(struct bragi_call *call, const struct hw_bus_master_request *request,
	struct hw_bus_master_reply *out_reply UNUSED)
{
	const struct hw_object *object = hw_object_of_call(call);
	int error = device_claim(call);

	if (error == 0 && request->is_enabled != 0) {
		device_open_bridges(object);
	}
	if (error == 0) {
		device_set_command(object, request->is_enabled != 0 ? PCI_COMMAND_BUS_MASTER : 0,
			request->is_enabled != 0 ? 0 : PCI_COMMAND_BUS_MASTER);
	}
	return error;
}

static int serve_interrupt(struct bragi_call *call, const struct hw_interrupt_request *request,
	struct hw_interrupt_reply *out_reply)
{
	struct hw_object *object = hw_object_of_call(call);
	hel_handle irq = HEL_NULL;
	int error = device_claim(call);

	if (error == 0) {
		error = interrupts_set_up(call->task, object, hw_client_of_call(call), request,
			&out_reply->kind, &irq);
	}
	if (error == 0) {
		owner_tell_interrupts(call->task, object, out_reply->kind);
	}
	return push_handle(call, error, irq);
}

static int serve_interrupt_mask(struct bragi_call *call,
	const struct hw_interrupt_mask_request *request,
	struct hw_interrupt_mask_reply *out_reply UNUSED)
{
	return interrupts_mask(hw_object_of_call(call), hw_client_of_call(call), request->vector,
		request->is_masked != 0);
}

static int serve_interrupt_move(struct bragi_call *call,
	const struct hw_interrupt_move_request *request,
	struct hw_interrupt_move_reply *out_reply UNUSED)
{
	return interrupts_move(hw_object_of_call(call), hw_client_of_call(call), request->vector,
		request->cpu_mask);
}

static int serve_interrupt_retarget(struct bragi_call *call,
	const struct hw_interrupt_retarget_request *request,
	struct hw_interrupt_retarget_reply *out_reply UNUSED)
{
	return interrupts_retarget(hw_object_of_call(call), hw_client_of_call(call),
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

static uint32_t device_config_size(const struct hw_object *object)
{
	bool has_more = pci_find_capability(&object->function, PCI_CAPABILITY_EXPRESS) != 0 &&
		device_read(object, PCI_CONFIG_SIZE, 4) != UINT32_MAX;

	return has_more ? CONFIG_SIZE : PCI_CONFIG_SIZE;
}

static int serve_config_block(struct bragi_call *call,
	const struct hw_config_block_request *request, struct hw_config_block_reply *out_reply)
{
	const struct hw_object *object = hw_object_of_call(call);
	uint32_t space = device_config_size(object);

	if (request->offset % 4 != 0 || request->size_bytes % 4 != 0 ||
		request->size_bytes > HW_LIMITS_CONFIG_BLOCK_MAX || request->offset > space ||
		request->size_bytes > space - request->offset) {
		return -ERR_ILLEGAL_ARGS;
	}
	uint8_t *data = bragi_arena_allocate(&call->arena, request->size_bytes);

	if (data == NULL) {
		return -ERR_NO_MEMORY;
	}
	for (uint32_t i = 0; i < request->size_bytes; i += 4) {
		uint32_t word = device_read(object, request->offset + i, 4);

		memcpy(data + i, &word, sizeof(word));
	}
	out_reply->space_bytes = space;
	out_reply->data = (struct bragi_bytes){ .data = data, .size = request->size_bytes };
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
	int error = device_claim(call);

	if (error == 0) {
		device_write(object, request->offset, request->width_bytes, request->value);
	}
	return error;
}

static int device_make_dma_space(const struct hw_object *object, hel_handle *out_space)
{
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
	if (error != 0) {
		hel_close(HEL_THIS, space);
		return error;
	}
	*out_space = space;
	return 0;
}

/* hw keeps a descriptor: what is mapped stays until the device is quiet. */
static int serve_dma_space(struct bragi_call *call,
	const struct hw_dma_space_request *request UNUSED,
	struct hw_dma_space_reply *out_reply UNUSED)
{
	struct hw_object *object = hw_object_of_call(call);
	hel_handle *space = &object->ownership.dma_space;
	hel_handle copy = HEL_NULL;
	int error = device_claim(call);

	if (error == 0 && *space == HEL_NULL) {
		error = device_make_dma_space(object, space);
	}
	if (error == 0) {
		error = hel_transfer(HEL_THIS, *space, HEL_THIS, HEL_RIGHTS_ALL, &copy);
	}
	return push_handle(call, error, copy);
}

static int serve_hold(struct bragi_call *call, const struct hw_hold_request *request UNUSED,
	struct hw_hold_reply *out_reply UNUSED)
{
	hel_handle memory = bragi_handles_take(&call->received, 0);
	int error = memory == HEL_NULL ? -ERR_ILLEGAL_ARGS : device_claim(call);

	if (error == 0) {
		error = owner_hold(hw_object_of_call(call), memory);
	}
	if (error != 0 && memory != HEL_NULL) {
		hel_close(HEL_THIS, memory);
	}
	return error;
}

static int serve_reset_device(struct bragi_call *call,
	const struct hw_reset_device_request *request UNUSED,
	struct hw_reset_device_reply *out_reply UNUSED)
{
	struct hw_object *object = hw_object_of_call(call);
	int error = device_claim(call);

	if (error == 0) {
		error = reset_function(call->task, object->access, &object->function);
	}
	if (error == 0) {
		interrupts_restore(object);
	}
	return error;
}

static int serve_removal(struct bragi_call *call, const struct hw_removal_request *request UNUSED,
	struct hw_removal_reply *out_reply)
{
	int error = hw_client_await_removal(call);

	out_reply->is_gone = hw_object_of_call(call)->is_gone;
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
	.config_block = serve_config_block,
	.hold = serve_hold,
	.reset_device = serve_reset_device,
	.removal = serve_removal,
};

/* ---- the object ------------------------------------------------------------------------------ */

static void device_dispatch(struct bragi_call *call)
{
	(void)!hw_device_dispatch(&device_ops, call);
}

static void device_connected(struct connect_listener *listener, const char *client, hel_handle lane)
{
	hw_client_start(
		container_of(listener, struct hw_object, listener), client, lane, device_dispatch);
}

static void device_control_ended(struct connect_listener *listener)
{
	struct hw_object *object = container_of(listener, struct hw_object, listener);

	object->is_published = false;
	wait_queue_wake(&object->departed);
	if (!object->is_leaving) {
		helix_log(HEL_LOG_WARNING, "%s: mbus is gone, no more clients will come",
			object->name);
	}
}

static const struct connect_listener_ops device_listener_ops = {
	.connected = device_connected,
	.ended = device_control_ended,
};

#define PROPERTIES 11

static void device_print_address(const struct pci_address *address, char *out_text, size_t size)
{
	format_to(out_text, size, "%04x:%02x:%02x.%x", address->segment, address->bus,
		address->device, address->function);
}

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

static void device_describe(const struct hw_object *object, struct device_texts *texts)
{
	const struct pci_function *function = &object->function;

	texts->count = 0;
	texts->pairs[texts->count++] = (struct mbus_pair){ .name = "class", .value = "pci" };
	texts_add(texts, "pci-vendor", 4, function->vendor);
	texts_add(texts, "pci-device", 4, function->device);
	texts_add(texts, "pci-subsystem-vendor", 4, function->subsystem_vendor);
	texts_add(texts, "pci-subsystem-device", 4, function->subsystem_device);
	texts_add(texts, "pci-class", 2, function->class);
	texts_add(texts, "pci-subclass", 2, function->subclass);
	texts_add(texts, "pci-interface", 2, function->interface);
	texts_add(texts, "pci-revision", 2, function->revision);
	texts->pairs[texts->count++] =
		(struct mbus_pair){ .name = "pci-address", .value = object->name };
	if (object->parent[0] != '\0') {
		texts->pairs[texts->count++] =
			(struct mbus_pair){ .name = "pci-parent", .value = object->parent };
	}
}

void device_init(
	struct hw_object *object, struct machine *machine, const struct pci_function *function)
{
	object->loop = machine->loop;
	object->machine = machine;
	object->access = &machine->config.access;
	object->function = *function;
	object->is_new = true;
	device_print_address(&function->address, object->name, sizeof(object->name));
	owner_init(object);
	list_init(&object->clients);
	wait_queue_init(&object->departed);
}

int device_publish(struct task *task, hel_handle mbus, struct hw_object *object)
{
	const struct pci_address *address = &object->function.address;
	const struct pci_function *bridge = machine_find_bridge(object->machine, address);
	struct device_texts texts;

	if (bridge != NULL) {
		device_print_address(&bridge->address, object->parent, sizeof(object->parent));
	}
	object->mbus = mbus;
	if (!object->function.is_bridge) {
		interrupts_init(object);
	}
	device_describe(object, &texts);
	int error = mbus_publish_object(
		task, mbus, texts.pairs, texts.count, &object->id, &object->control);

	if (error == 0) {
		object->is_published = true;
		connect_listen(&object->listener, &device_listener_ops, &object->loop->loop,
			object->control);
	}
	return error;
}

/* ---- its end --------------------------------------------------------------------------------- */

static bool device_is_used(const struct hw_object *object)
{
	return object->is_published || object->ownership.is_stopping ||
		!list_is_empty(&object->clients);
}

/* Until nobody has it any more, or the time has come. */
static void device_await_departure(
	struct task *task, struct hw_object *object, uint64_t deadline_ns)
{
	int error = 0;

	while (error == 0 && device_is_used(object)) {
		struct wait_op departed;

		wait_op_init(&departed, &object->departed);
		error = await_until(task, &departed.op, deadline_ns);
	}
}

void device_withdraw(struct task *task, struct hw_object *object, bool is_gone)
{
	object->is_gone = is_gone;
	object->is_leaving = true;
	wait_queue_wake(&object->departed);
	wait_queue_wake(&object->ownership.freed);
	if (object->is_published) {
		int error = mbus_withdraw(task, object->mbus, object->id);

		if (error != 0) {
			helix_log(HEL_LOG_WARNING, "%s cannot be withdrawn: %s", object->name,
				error_text(error));
		}
	}
	device_await_departure(task, object, task_now_ns(task) + DEVICE_LEAVE_NS);
	hw_clients_close(object);
	device_await_departure(task, object, UINT64_MAX);
	if (device_is_used(object)) {
		return; /* cancelled: the memory stays */
	}
	if (object->control != HEL_NULL) {
		hel_close(HEL_THIS, object->control);
	}
	interrupts_deinit(object);
	helix_free(object);
}
