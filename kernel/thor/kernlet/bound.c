/* SPDX-License-Identifier: MIT */
/* Bound kernlets: what a kernlet works on, its runs, its helpers. See kernlet.h. */
#include <thor/kernlet/kernlet.h>

#include <thor/ipc/event.h>
#include <thor/memory/memory-object.h>
#include <thor/object/io.h>

/* ---- uses of grants */

static bool bound_kernlet_cut(void *holder, struct grant *grant);
static bool attachment_cut(void *holder, struct grant *grant);

/* Of what it works on. */
static const struct grant_use_class bound_use_class = {
	.hold = grant_hold_object,
	.cut = bound_kernlet_cut,
};

/* Of what it is attached with: it could be attached again. */
static const struct grant_use_class attach_use_class = {
	.hold = grant_hold_object,
	.cut = attachment_cut,
};

static int bound_kernlet_create_use(struct bound_kernlet *bound, struct grant *grant,
	const struct grant_use_class *class, struct grant_use **out_use)
{
	int error = grant_use_create(
		&(struct grant_use_options){
			.account = bound->object.account,
			.grant = grant,
			.class = class,
			.holder = bound,
		},
		out_use);

	return error != 0 ? error : grant_use_link(*out_use);
}

static int bound_kernlet_use(
	struct bound_kernlet *bound, struct grant *grant, struct grant_use **out_use)
{
	return bound_kernlet_create_use(bound, grant, &bound_use_class, out_use);
}

/* ---- binding */

static void bound_kernlet_free(struct bound_kernlet *bound)
{
	grant_use_end(bound->kernlet_use);
	for (uint32_t i = 0; i < HEL_KERNLET_BINDINGS_MAX; i++) {
		grant_use_end(bound->bindings[i].use);
		object_unref(bound->bindings[i].object);
		kernlet_pages_free(&bound->bindings[i].window, bound->object.account);
	}
	object_unref(&bound->kernlet->object);
	object_free(&bound->object);
}

static void bound_kernlet_abandon(struct object *object)
{
	(void)!bound_kernlet_detach(bound_kernlet_of(object));
}

static void bound_kernlet_destroy(struct object *object)
{
	bound_kernlet_abandon(object);
	bound_kernlet_free(bound_kernlet_of(object));
}

static const struct object_class bound_kernlet_class = {
	.type = HEL_TYPE_BOUND_KERNLET,
	.name = "bound-kernlet",
	.rights = HEL_RIGHT_MANAGE | HEL_RIGHT_DERIVE,
	.destroy = bound_kernlet_destroy,
	.abandon = bound_kernlet_abandon,
};

/* Reference the pages of memory that have [@offset, @offset + @size_bytes), and map them. */
static int kernlet_window_make(struct kernlet_pages *window, struct account *account,
	struct memory *memory, uint64_t offset, const struct hel_kernlet_slot *slot)
{
	bool can_write = (slot->rights & HEL_RIGHT_WRITE) != 0;
	uint64_t end = offset + slot->size_bytes;
	uint64_t first = align_down(offset, HEL_PAGE_SIZE);
	uint64_t n_pages = div_round_up(end - first, HEL_PAGE_SIZE);
	int error = kernlet_pages_init(window, account, n_pages);

	if (error != 0) {
		return error;
	}
	for (uint64_t at = first; at < end; at += HEL_PAGE_SIZE) {
		error = memory_get_frame(memory, at, can_write, &window->phys[window->n_pages]);

		if (error != 0) {
			return error;
		}
		window->n_pages++;
	}
	return arch_window_map(window->phys, window->n_pages,
		ARCH_PAGE_READ | (can_write ? ARCH_PAGE_WRITE : 0) | memory->page_flags,
		&window->address);
}

static int kernlet_bind_window(struct bound_kernlet *bound, uint32_t index, struct object *object,
	const struct hel_kernlet_binding *binding)
{
	struct memory *memory = container_of(object, struct memory, object);
	const struct hel_kernlet_slot *slot = &bound->kernlet->slots[index];
	struct hel_memory_info info = {};

	memory_get_info(memory, &info);
	if (binding->value % 8 != 0) {
		return -ERR_ILLEGAL_ARGS;
	}
	if (binding->value > info.size_bytes ||
		slot->size_bytes > info.size_bytes - binding->value) {
		return -ERR_OUT_OF_BOUNDS;
	}
	if (info.kind != HEL_MEMORY_PHYSICAL && info.kind != HEL_MEMORY_ALLOCATED) {
		return -ERR_UNSUPPORTED;
	}
	struct kernlet_pages *window = &bound->bindings[index].window;
	int error =
		kernlet_window_make(window, bound->object.account, memory, binding->value, slot);

	if (error == 0) {
		bound->context.bindings[index] = window->address + binding->value % HEL_PAGE_SIZE;
	}
	return error;
}

/* What the descriptor behind a slot has to be. */
static void kernlet_slot_needs(
	const struct hel_kernlet_slot *slot, enum hel_type *out_type, uint32_t *out_rights)
{
	*out_rights = slot->rights;
	switch (slot->kind) {
	case HEL_KERNLET_WINDOW:
		*out_type = HEL_TYPE_MEMORY;
		*out_rights |= HEL_RIGHT_MAP;
		break;
	case HEL_KERNLET_PORTS: *out_type = HEL_TYPE_IO; break;
	default:
		*out_type = HEL_TYPE_EVENT;
		*out_rights = HEL_RIGHT_SIGNAL;
		break;
	}
}

static int kernlet_bind_object(struct bound_kernlet *bound, uint32_t index,
	struct universe *universe, const struct hel_kernlet_binding *binding)
{
	const struct hel_kernlet_slot *slot = &bound->kernlet->slots[index];
	struct object *object;
	struct grant *grant;
	enum hel_type type;
	uint32_t rights;

	kernlet_slot_needs(slot, &type, &rights);
	int error =
		universe_lookup_granted(universe, binding->object, type, rights, &object, &grant);

	if (error != 0) {
		return error;
	}
	error = bound_kernlet_use(bound, grant, &bound->bindings[index].use);
	grant_unref(grant);
	if (error != 0) {
		object_unref(object);
		return error;
	}
	if (slot->kind == HEL_KERNLET_WINDOW) {
		error = kernlet_bind_window(bound, index, object, binding);
		object_unref(object);
		return error;
	}
	bound->bindings[index].object = object;
	if (binding->value != 0) {
		return -ERR_ILLEGAL_ARGS;
	}
	return slot->kind == HEL_KERNLET_PORTS && slot->size_bytes > io_of(object)->n_ports
		? -ERR_OUT_OF_BOUNDS
		: 0;
}

static int kernlet_bind_slot(struct bound_kernlet *bound, uint32_t index, struct universe *universe,
	const struct hel_kernlet_binding *binding)
{
	if (bound->kernlet->slots[index].kind != HEL_KERNLET_PARAMETER) {
		return kernlet_bind_object(bound, index, universe, binding);
	}
	bound->context.bindings[index] = binding->value;
	return binding->object == HEL_NULL ? 0 : -ERR_ILLEGAL_ARGS;
}

/* ---- running */

static enum irq_verdict bound_kernlet_run(struct irq_handler *handler, uint64_t sequence)
{
	struct bound_kernlet *bound = container_of(handler, struct bound_kernlet, handler);
	const struct kernlet *kernlet = bound->kernlet;
	uint64_t verdict = arch_kernlet_run(&bound->context, sequence, kernlet->frame_size);

	for (uint32_t i = 0; i < kernlet->n_bindings; i++) {
		struct kernlet_binding *binding = &bound->bindings[i];

		if (binding->pending != 0) {
			event_source_raise(&event_of(binding->object)->source, binding->pending);
			binding->pending = 0;
		}
	}
	switch (verdict) {
	case HEL_KERNLET_ACK: return IRQ_VERDICT_ACK;
	case HEL_KERNLET_NACK: return IRQ_VERDICT_NACK;
	default: return IRQ_VERDICT_NONE;
	}
}

static struct kernlet_binding *kernlet_context_binding(
	struct kernlet_context *context, uint64_t index, enum hel_kernlet_kind kind)
{
	struct bound_kernlet *bound = container_of(context, struct bound_kernlet, context);

	return index < bound->kernlet->n_bindings && bound->kernlet->slots[index].kind == kind
		? &bound->bindings[index]
		: NULL;
}

/* The ports of a binding, if the access is within what its slot says; or NULL. */
static struct io *kernlet_context_ports(struct kernlet_context *context, uint64_t index,
	uint32_t right, uint64_t offset, uint64_t width_bytes)
{
	struct bound_kernlet *bound = container_of(context, struct bound_kernlet, context);
	struct kernlet_binding *binding =
		kernlet_context_binding(context, index, HEL_KERNLET_PORTS);

	if (binding == NULL) {
		return NULL;
	}
	const struct hel_kernlet_slot *slot = &bound->kernlet->slots[index];

	return (slot->rights & right) != 0 && offset < slot->size_bytes &&
			width_bytes <= slot->size_bytes - offset
		? io_of(binding->object)
		: NULL;
}

uint64_t kernlet_help_clock_ns(UNUSED struct kernlet_context *context)
{
	return arch_clock_ns();
}

uint64_t kernlet_help_event_raise(struct kernlet_context *context, uint64_t index, uint64_t bits)
{
	struct kernlet_binding *binding =
		kernlet_context_binding(context, index, HEL_KERNLET_EVENT);

	if (binding != NULL) {
		binding->pending |= (uint32_t)bits;
	}
	return 0;
}

uint64_t kernlet_help_port_read(
	struct kernlet_context *context, uint64_t index, uint64_t offset, uint64_t width_bytes)
{
	struct io *io = kernlet_context_ports(context, index, HEL_RIGHT_READ, offset, width_bytes);
	uint32_t value;

	return io != NULL && io_read(io, offset, width_bytes, &value) == 0 ? value : ~UINT64_C(0);
}

uint64_t kernlet_help_port_write(struct kernlet_context *context, uint64_t index, uint64_t offset,
	uint64_t width_bytes, uint64_t value)
{
	struct io *io = kernlet_context_ports(context, index, HEL_RIGHT_WRITE, offset, width_bytes);

	if (io != NULL) {
		(void)!io_write(io, offset, width_bytes, (uint32_t)value);
	}
	return 0;
}

/* ---- the life of a bound kernlet */

static void bound_kernlet_init_context(struct bound_kernlet *bound)
{
	bound->context.code = bound->kernlet->code.address;
	bound->context.helpers[HEL_KERNLET_CLOCK_NS] = arch__kernlet_clock_ns;
	bound->context.helpers[HEL_KERNLET_EVENT_RAISE] = arch__kernlet_event_raise;
	bound->context.helpers[HEL_KERNLET_PORT_READ] = arch__kernlet_port_read;
	bound->context.helpers[HEL_KERNLET_PORT_WRITE] = arch__kernlet_port_write;
}

int kernlet_bind(const struct kernlet_request *request, uint64_t *out_index,
	struct bound_kernlet **out_bound)
{
	struct bound_kernlet *bound = object_create(&bound_kernlet_class, sizeof(*bound));

	if (bound == NULL) {
		return -ERR_NO_MEMORY;
	}
	object_ref(&request->kernlet->object);
	bound->kernlet = request->kernlet;
	bound->handler.run = bound_kernlet_run;
	spinlock_init(&bound->lock, LOCK_RANK_KERNLET);
	bound_kernlet_init_context(bound);
	int error = bound_kernlet_use(bound, request->grant, &bound->kernlet_use);

	for (uint32_t i = 0; i < bound->kernlet->n_bindings && error == 0; i++) {
		*out_index = i;
		error = kernlet_bind_slot(bound, i, request->universe, &request->bindings[i]);
	}
	if (error != 0) {
		/* A sweep may have a reference. */
		object_unref(&bound->object);
		return error;
	}
	*out_bound = bound;
	return 0;
}

static int bound_kernlet_use_attachment_locked(
	struct bound_kernlet *bound, const struct kernlet_attachment *attachment)
{
	int error = bound_kernlet_create_use(
		bound, attachment->irq_grant, &attach_use_class, &bound->attach_uses[0]);

	if (error == 0) {
		error = bound_kernlet_create_use(
			bound, attachment->bound_grant, &attach_use_class, &bound->attach_uses[1]);
	}
	return error;
}

static void bound_kernlet_end_uses_locked(struct bound_kernlet *bound)
{
	for (size_t i = 0; i < ARRAY_SIZE(bound->attach_uses); i++) {
		grant_use_end(bound->attach_uses[i]);
		bound->attach_uses[i] = NULL;
	}
}

static int bound_kernlet_attach_locked(
	struct bound_kernlet *bound, const struct kernlet_attachment *attachment)
{
	if (bound->is_revoked) {
		return -ERR_REVOKED;
	}
	if (bound->irq != NULL) {
		return -ERR_BUSY;
	}
	int error = bound_kernlet_use_attachment_locked(bound, attachment);

	if (error == 0) {
		error = irq_set_handler(attachment->irq, &bound->handler);
	}
	if (error != 0) {
		bound_kernlet_end_uses_locked(bound);
		return error;
	}
	object_ref(&attachment->irq->object);
	bound->irq = attachment->irq;
	return 0;
}

int bound_kernlet_attach(struct bound_kernlet *bound, const struct kernlet_attachment *attachment)
{
	spinlock_acquire(&bound->lock);
	int error = bound_kernlet_attach_locked(bound, attachment);

	spinlock_release(&bound->lock);
	return error;
}

static bool bound_kernlet_detach_locked(struct bound_kernlet *bound)
{
	struct irq *irq = bound->irq;

	if (irq == NULL) {
		return false;
	}
	irq_remove_handler(irq, &bound->handler);
	bound->irq = NULL;
	object_unref(&irq->object);
	bound_kernlet_end_uses_locked(bound);
	return true;
}

int bound_kernlet_detach(struct bound_kernlet *bound)
{
	spinlock_acquire(&bound->lock);
	bool was_attached = bound_kernlet_detach_locked(bound);

	spinlock_release(&bound->lock);
	return was_attached ? 0 : -ERR_ILLEGAL_STATE;
}

/* ---- what it was bound or attached with is revoked */

static bool bound_kernlet_cut(void *holder, struct grant *grant)
{
	struct bound_kernlet *bound = holder;
	struct grant_use *use;

	spinlock_acquire(&bound->lock);
	bound->is_revoked = true;
	(void)bound_kernlet_detach_locked(bound);
	/* They are freed with the bound kernlet. */
	while ((use = grant_first_use(grant, &bound_use_class, bound)) != NULL) {
		grant_use_unlink(use);
	}
	spinlock_release(&bound->lock);
	object_unref(&bound->object);
	return true;
}

static bool attachment_cut(void *holder, struct grant *grant)
{
	struct bound_kernlet *bound = holder;

	spinlock_acquire(&bound->lock);
	if (grant_first_use(grant, &attach_use_class, bound) != NULL) {
		(void)bound_kernlet_detach_locked(bound);
	}
	spinlock_release(&bound->lock);
	object_unref(&bound->object);
	return true;
}
