/* SPDX-License-Identifier: MIT */
/*
 * Kernlets: code that user mode gives thor to run when an interrupt arrives.
 *
 *	kernlet         checked code, in pages that are mapped to be executed and nothing else
 *	bound kernlet   a kernlet and the objects that it works on; attached to one irq, or none
 *
 * Neither needs an authority: what the code can do is in its bindings, and the code cannot do more
 * (check.c). The pages of windows are kept as long as the bound kernlet exists.
 *
 * A bound kernlet is detached when its last descriptor is gone, and when a descriptor that it was
 * bound or attached with is revoked (object/grant.h). It has a reference to the irq that
 * it is attached to, the irq has none to it.
 *
 * Locks: bound->lock > pin. The kernlet runs under its pin's lock, and that is what guards the
 * context and the pending bits.
 */
#ifndef THOR_KERNLET_KERNLET_H
#define THOR_KERNLET_KERNLET_H

#include <thor/irq/irq.h>
#include <thor/kernlet/check.h>
#include <thor/kernlet/context.h>
#include <thor/object/account.h>
#include <thor/object/grant.h>
#include <thor/object/object.h>
#include <thor/object/universe.h>
#include <thor/spinlock.h>

constexpr uint32_t KERNLET_CODE_PAGES_MAX = HEL_KERNLET_CODE_MAX / HEL_PAGE_SIZE;
/** KERNLET_SIZE_MAX - bytes of the largest container */
constexpr size_t KERNLET_SIZE_MAX = sizeof(struct hel_kernlet_header) +
	HEL_KERNLET_BINDINGS_MAX * sizeof(struct hel_kernlet_slot) + HEL_KERNLET_CODE_MAX;

/* Pages in a row of kernel addresses. */
struct kernlet_pages {
	uint64_t address; /* 0: not mapped */
	uint32_t n_pages_max;
	uint32_t n_pages; /* that are referenced */
	uint64_t *phys;   /* of each; from the heap */
};

struct kernlet {
	struct object object;
	/* immutable */
	uint32_t frame_size;
	uint32_t n_bindings;
	struct hel_kernlet_slot slots[HEL_KERNLET_BINDINGS_MAX];
	struct kernlet_pages code;
};

/* What stands behind one slot. */
struct kernlet_binding {
	struct object *object;       /* io, event: referenced; else NULL */
	struct grant_use *use;       /* immutable: of the grant of its descriptor; or NULL */
	struct kernlet_pages window; /* of memory */
	uint32_t pending;            /* bits to raise when the run is over; guarded by the pin */
};

struct bound_kernlet {
	struct object object;
	/* immutable */
	struct kernlet *kernlet; /* referenced */
	struct grant_use *kernlet_use; /* of the grant of its descriptor; or NULL */
	struct kernlet_binding bindings[HEL_KERNLET_BINDINGS_MAX];

	struct kernlet_context context; /* immutable but for `stack`: guarded by the pin */
	struct irq_handler handler;
	struct spinlock lock; /* rank KERNLET */
	/* guarded by lock */
	struct irq *irq; /* referenced: attached to this one */
	/* of the grants of the descriptors that it was attached with; or NULL */
	struct grant_use *attach_uses[2];
	bool is_revoked; /* something that it works on: it cannot be attached any more */
};

/* What a kernlet is bound to. */
struct kernlet_request {
	struct kernlet *kernlet; /* borrowed, as all here */
	struct grant *grant; /* that its descriptor is under; or NULL */
	struct universe *universe; /* where the handles are from */
	const struct hel_kernlet_binding *bindings; /* one for each slot */
};

/* What a bound kernlet is attached to. */
struct kernlet_attachment {
	struct irq *irq; /* borrowed, as all here */
	struct grant *irq_grant, *bound_grant; /* that the descriptors are under; or NULL */
};

/** kernlet_of(), bound_kernlet_of() - what is around an object */
static inline struct kernlet *kernlet_of(struct object *object)
{
	return container_of(object, struct kernlet, object);
}

static inline struct bound_kernlet *bound_kernlet_of(struct object *object)
{
	return container_of(object, struct bound_kernlet, object);
}

/**
 * kernlet_create() - check a container and make a kernlet; the caller gets the one reference
 * @container: nobody else can write it
 * @out_offset: with -ERR_ILLEGAL_ARGS: of what is refused in the container
 *
 * Return: 0, -ERR_ILLEGAL_ARGS, -ERR_UNSUPPORTED, -ERR_NO_MEMORY, -ERR_NO_SPACE.
 */
MUST_USE int kernlet_create(
	const void *container, size_t size, uint64_t *out_offset, struct kernlet **out_kernlet);

/**
 * kernlet_bind() - bind the slots to objects; the caller gets the one reference
 * @out_index: with an error that concerns one binding: its index
 *
 * Return: 0, -ERR_BAD_HANDLE, -ERR_REVOKED, -ERR_BAD_TYPE, -ERR_NO_RIGHTS, -ERR_ILLEGAL_ARGS,
 * -ERR_OUT_OF_BOUNDS, -ERR_UNSUPPORTED, -ERR_NO_MEMORY, -ERR_NO_SPACE.
 */
MUST_USE int kernlet_bind(const struct kernlet_request *request, uint64_t *out_index,
	struct bound_kernlet **out_bound);

/**
 * bound_kernlet_attach() - run at every interrupt of an irq, from the next one on
 *
 * Return: 0, -ERR_BUSY (it is attached), -ERR_EXISTS (the irq has another one), -ERR_REVOKED,
 * -ERR_NO_MEMORY.
 */
MUST_USE int bound_kernlet_attach(
	struct bound_kernlet *bound, const struct kernlet_attachment *attachment);

/** bound_kernlet_detach() - it does not run any more; -ERR_ILLEGAL_STATE: it is not attached */
MUST_USE int bound_kernlet_detach(struct bound_kernlet *bound);

/* ---- for bound.c */

/** kernlet_pages_init() - room for @n_pages, that @account pays for; -ERR_NO_MEMORY */
MUST_USE int kernlet_pages_init(
	struct kernlet_pages *pages, struct account *account, uint64_t n_pages);

/** kernlet_pages_free() - unmap, and give the references up; of zeroed or half-made pages, too */
void kernlet_pages_free(struct kernlet_pages *pages, struct account *account);

#endif
