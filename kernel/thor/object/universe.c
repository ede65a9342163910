/* SPDX-License-Identifier: MIT */
/* Universes: see universe.h. */
#include <thor/object/universe.h>

#include <abi/hel/errors.h>
#include <base/assert.h>
#include <base/string.h>
#include <thor/ipc/queue.h>
#include <thor/object/account.h>
#include <thor/object/cycle.h>
#include <thor/object/grant.h>

struct universe_leaf {
	struct universe_slot slots[UNIVERSE_LEAF_SLOTS];
};

constexpr uint32_t UNIVERSE_NO_SLOT = UINT32_MAX;
constexpr uint32_t UNIVERSE_CLOSE_BATCH = 32; /* handles closed before others have their turn */
constexpr uint32_t UNIVERSE_CLOSE_SLOTS = 256; /* looked at */
constexpr uint32_t UNIVERSE_FREE_BATCH = 32; /* leaves freed */

/* What the slot of a descriptor that was revoked has: nobody looks into either. */
static struct object universe_nothing;
static struct grant_use universe_revoked;

/*
 * Index 0 of generation 0 would be HEL_NULL and the last slot of the last generation HEL_THIS:
 * generations start at 1, and the table is far smaller than 2^32.
 */
static hel_handle universe_handle(uint32_t index, uint32_t generation)
{
	return (uint64_t)generation << 32 | index;
}

static struct universe_slot *universe_slot_locked(struct universe *universe, uint32_t index)
{
	return &universe->leaves[index / UNIVERSE_LEAF_SLOTS]->slots[index % UNIVERSE_LEAF_SLOTS];
}

static void universe_free_directory(struct universe *universe)
{
	account_free(universe->account, universe->leaves,
		universe->n_leaves_max * sizeof(universe->leaves[0]));
}

static int universe_grow_directory_locked(struct universe *universe)
{
	uint32_t n_leaves_max = universe->n_leaves_max == 0 ? 4 : 2 * universe->n_leaves_max;

	if (n_leaves_max > UNIVERSE_HANDLES_MAX / UNIVERSE_LEAF_SLOTS) {
		return -ERR_NO_SPACE;
	}
	struct universe_leaf **leaves =
		account_allocate(universe->account, n_leaves_max * sizeof(leaves[0]));

	if (leaves == NULL) {
		return -ERR_NO_MEMORY;
	}
	if (universe->n_leaves > 0) {
		memcpy(leaves, universe->leaves, universe->n_leaves * sizeof(leaves[0]));
	}
	universe_free_directory(universe);
	universe->leaves = leaves;
	universe->n_leaves_max = n_leaves_max;
	return 0;
}

static int universe_grow_locked(struct universe *universe)
{
	if (universe->n_leaves == universe->n_leaves_max) {
		int error = universe_grow_directory_locked(universe);

		if (error != 0) {
			return error;
		}
	}
	struct universe_leaf *leaf = account_allocate(universe->account, sizeof(*leaf));

	if (leaf == NULL) {
		return -ERR_NO_MEMORY;
	}
	uint32_t first = universe->n_leaves * UNIVERSE_LEAF_SLOTS;

	for (uint32_t i = 0; i < UNIVERSE_LEAF_SLOTS; i++) {
		leaf->slots[i].generation = 1;
		leaf->slots[i].next_free =
			i + 1 < UNIVERSE_LEAF_SLOTS ? first + i + 1 : universe->free_head;
	}
	universe->leaves[universe->n_leaves++] = leaf;
	universe->free_head = first;
	return 0;
}

bool universe_visit(struct universe *universe, uint64_t *position)
{
	spinlock_acquire(&universe->lock);
	if (*position < universe->n_leaves) {
		const struct universe_leaf *leaf = universe->leaves[*position];

		for (uint32_t i = 0; i < UNIVERSE_LEAF_SLOTS; i++) {
			const struct universe_slot *slot = &leaf->slots[i];

			if (slot->object != NULL && slot->use != &universe_revoked) {
				cycle_found_handle(slot->object);
			}
		}
	}
	*position = *position + 1 < universe->n_leaves ? *position + 1 : CYCLE_VISITED;
	spinlock_release(&universe->lock);
	return true;
}

bool universe_enter(struct universe *universe)
{
	if (!object_handle_try_ref(&universe->object)) {
		return false;
	}
	atomic_fetch_add_explicit(&universe->n_threads, 1, memory_order_relaxed);
	return true;
}

/* As long as there are others the end of a thread makes no garbage, as a rule. */
void universe_leave(struct universe *universe)
{
	if (atomic_fetch_sub_explicit(&universe->n_threads, 1, memory_order_relaxed) > 1) {
		object_handle_unref_quietly(&universe->object);
	} else {
		object_handle_unref(&universe->object);
	}
}

static void universe_destroy(struct object *object)
{
	struct universe *universe = universe_of(object);

	ASSERT(universe->n_handles == 0);
	for (uint32_t i = 0; i < UNIVERSE_FREE_BATCH && universe->n_leaves > 0; i++) {
		struct universe_leaf *leaf = universe->leaves[--universe->n_leaves];

		account_free(universe->account, leaf, sizeof(*leaf));
	}
	if (universe->n_leaves > 0) {
		object_destroy_again(object);
		return;
	}
	universe_free_directory(universe);
	/* What is freed last ends the account, unless something else is still charged to it. */
	account_retire(universe->account);
	object_free(object);
}

/* The slot's object, whose handle reference is now the caller's; NULL: it was revoked. */
static struct object *universe_clear_locked(struct universe *universe, uint32_t index)
{
	struct universe_slot *slot = universe_slot_locked(universe, index);
	struct object *object = slot->object;

	if (unlikely(slot->use != NULL)) {
		if (slot->use == &universe_revoked) {
			object = NULL;
		} else {
			grant_use_end(slot->use);
		}
		slot->use = NULL;
	}
	uint32_t generation = atomic_load_explicit(&slot->generation, memory_order_relaxed);

	atomic_store_explicit(&slot->object, NULL, memory_order_relaxed);
	atomic_store_explicit(&slot->generation, generation == UINT32_MAX ? 1 : generation + 1,
		memory_order_relaxed);
	slot->next_free = universe->free_head;
	universe->free_head = index;
	universe->n_handles--;
	account_uncharge(universe->account, ACCOUNT_HANDLES, 1);
	return object;
}

/* Make it dead, and close some of its handles; whether those were the last. */
static bool universe_close_some(struct universe *universe)
{
	struct object *objects[UNIVERSE_CLOSE_BATCH];
	uint32_t n_objects = 0;

	spinlock_acquire(&universe->lock);
	uint32_t n_slots = universe->n_leaves * UNIVERSE_LEAF_SLOTS;
	uint32_t index = universe->next_closed;
	uint32_t end = (uint32_t)min_u64(n_slots, index + UNIVERSE_CLOSE_SLOTS);

	universe->is_dead = true;
	for (; index < end && n_objects < UNIVERSE_CLOSE_BATCH; index++) {
		if (universe_slot_locked(universe, index)->object != NULL) {
			objects[n_objects] = universe_clear_locked(universe, index);
			n_objects += objects[n_objects] != NULL;
		}
	}
	universe->next_closed = index;
	bool is_done = index == n_slots;

	spinlock_release(&universe->lock);
	for (uint32_t i = 0; i < n_objects; i++) {
		object_handle_unref(objects[i]);
	}
	return is_done;
}

/* No thread and no handle is left: close everything. What that ends is deferred, see object.c. */
static void universe_abandon(struct object *object)
{
	if (!universe_close_some(universe_of(object))) {
		object_abandon_again(object);
	}
}

static const struct object_class universe_class = {
	.type = HEL_TYPE_UNIVERSE,
	.name = "universe",
	.rights = HEL_RIGHT_GRANT | HEL_RIGHT_TAKE | HEL_RIGHT_DERIVE | HEL_RIGHT_READ |
		HEL_RIGHT_MANAGE,
	.destroy = universe_destroy,
	.abandon = universe_abandon,
};

int universe_create(struct universe **out_universe)
{
	struct account *account;
	int error = account_create(account_current(), &account);

	if (error != 0) {
		return error;
	}
	struct universe *universe = object_create_in(account, &universe_class, sizeof(*universe));

	if (universe == NULL) {
		account_retire(account);
		return -ERR_NO_MEMORY;
	}
	universe->account = account;
	spinlock_init(&universe->lock, LOCK_RANK_UNIVERSE);
	universe->free_head = UNIVERSE_NO_SLOT;
	*out_universe = universe;
	return 0;
}

/* ---- descriptors under grants */

/* The object loses its descriptor: a thread that waits through that looks it up again. */
static void universe_drop_revoked(struct object *object)
{
	if (object->class->type == HEL_TYPE_QUEUE) {
		queue_disturb(queue_of(object));
	}
	object_handle_unref(object);
}

static const struct grant_use_class universe_use_class;

/* Some of the descriptors that are first on the grant's list. */
static bool universe_cut(void *holder, struct grant *grant)
{
	struct object *objects[UNIVERSE_CLOSE_BATCH];
	struct universe *universe = holder;
	uint32_t n_objects = 0;
	struct grant_use *use;

	spinlock_acquire(&universe->lock);
	while (n_objects < UNIVERSE_CLOSE_BATCH &&
		(use = grant_first_use(grant, &universe_use_class, holder)) != NULL) {
		struct universe_slot *slot = use->user;

		objects[n_objects++] = slot->object;
		atomic_store_explicit(&slot->object, &universe_nothing, memory_order_relaxed);
		slot->use = &universe_revoked;
		grant_use_end(use);
	}
	spinlock_release(&universe->lock);
	for (uint32_t i = 0; i < n_objects; i++) {
		universe_drop_revoked(objects[i]);
	}
	object_unref(&universe->object);
	return true;
}

/* Leaves stay where they are, so a slot can be the user. */
static const struct grant_use_class universe_use_class = {
	.hold = grant_hold_object,
	.cut = universe_cut,
};

static int universe_use_grant_locked(
	struct universe *universe, struct universe_slot *slot, struct grant *grant)
{
	int error = grant_use_create(
		&(struct grant_use_options){
			.account = universe->account,
			.grant = grant,
			.class = &universe_use_class,
			.holder = universe,
			.user = slot,
		},
		&slot->use);

	if (error == 0) {
		error = grant_use_link(slot->use);
	}
	if (error != 0) {
		grant_use_end(slot->use);
		slot->use = NULL;
	}
	return error;
}

static bool universe_is_revoked_locked(const struct universe_slot *slot)
{
	return slot->use == &universe_revoked ||
		(slot->use != NULL && grant_is_revoked(slot->use->grant));
}

static __attribute__((noinline)) int universe_find_granted_locked(
	const struct universe_slot *slot, struct descriptor *out_descriptor)
{
	if (universe_is_revoked_locked(slot)) {
		return -ERR_REVOKED;
	}
	object_ref(slot->object);
	*out_descriptor = (struct descriptor){
		.object = slot->object,
		.grant = grant_ref(slot->use->grant),
		.rights = slot->rights,
	};
	return 0;
}

/* ---- attaching and finding */

/* Without the handle reference, which the caller makes. */
int universe_attach_locked(struct universe *universe, struct object *object, uint32_t rights,
	struct grant *grant, hel_handle *out_handle)
{
	if (universe->is_dead) {
		return -ERR_ILLEGAL_STATE;
	}
	if (universe->free_head == UNIVERSE_NO_SLOT) {
		int error = universe_grow_locked(universe);

		if (error != 0) {
			return error;
		}
	}
	int error = account_charge(universe->account, ACCOUNT_HANDLES, 1);

	if (error != 0) {
		return error;
	}
	uint32_t index = universe->free_head;
	struct universe_slot *slot = universe_slot_locked(universe, index);

	if (unlikely(grant != NULL)) {
		error = universe_use_grant_locked(universe, slot, grant);
		if (error != 0) {
			account_uncharge(universe->account, ACCOUNT_HANDLES, 1);
			return error;
		}
	}
	universe->free_head = slot->next_free;
	universe->n_handles++;
	slot->rights = rights & object->class->rights;
	atomic_store_explicit(&slot->object, object, memory_order_relaxed);
	*out_handle = universe_handle(index, slot->generation);
	return 0;
}

int universe_attach_granted(struct universe *universe, struct object *object, uint32_t rights,
	struct grant *grant, hel_handle *out_handle)
{
	spinlock_acquire(&universe->lock);
	int error = universe_attach_locked(universe, object, rights, grant, out_handle);

	if (error == 0) {
		object_handle_ref(object);
	}
	spinlock_release(&universe->lock);
	return error;
}

int universe_attach_found(struct universe *universe, const struct descriptor *found,
	uint32_t rights, struct grant *grant, hel_handle *out_handle)
{
	int error = descriptor_handle_ref(found);

	if (error != 0) {
		return error;
	}
	spinlock_acquire(&universe->lock);
	error = universe_attach_locked(universe, found->object, rights, grant, out_handle);
	spinlock_release(&universe->lock);
	if (error != 0) {
		object_handle_unref(found->object);
	}
	return error;
}

int universe_attach(
	struct universe *universe, struct object *object, uint32_t rights, hel_handle *out_handle)
{
	return universe_attach_granted(universe, object, rights, NULL, out_handle);
}

static struct universe_slot *universe_find_locked(struct universe *universe, hel_handle handle)
{
	uint32_t index = (uint32_t)handle;

	if (index >= universe->n_leaves * UNIVERSE_LEAF_SLOTS) {
		return NULL;
	}
	struct universe_slot *slot = universe_slot_locked(universe, index);

	if (slot->object == NULL || slot->generation != (uint32_t)(handle >> 32)) {
		return NULL;
	}
	return slot;
}

/* Inline, for the two that look up all the time. */
static inline int universe_find_inline(
	struct universe *universe, hel_handle handle, struct descriptor *out_descriptor)
{
	int error = -ERR_BAD_HANDLE;

	spinlock_acquire(&universe->lock);
	struct universe_slot *slot = universe_find_locked(universe, handle);

	if (slot != NULL && unlikely(slot->use != NULL)) {
		error = universe_find_granted_locked(slot, out_descriptor);
	} else if (likely(slot != NULL)) {
		object_ref(slot->object);
		out_descriptor->object = slot->object;
		out_descriptor->grant = NULL;
		out_descriptor->rights = slot->rights;
		error = 0;
	}
	spinlock_release(&universe->lock);
	return error;
}

int universe_find(struct universe *universe, hel_handle handle, struct descriptor *out_descriptor)
{
	return universe_find_inline(universe, handle, out_descriptor);
}

int descriptor__closed_error(const struct descriptor *descriptor)
{
	return descriptor->grant != NULL && grant_is_revoked(descriptor->grant) ? -ERR_REVOKED
										: -ERR_BAD_HANDLE;
}

void descriptor_release(struct descriptor *descriptor)
{
	object_unref(descriptor->object);
	grant_unref(descriptor->grant);
}

static inline int universe_lookup_inline(struct universe *universe, hel_handle handle,
	enum hel_type type, uint32_t rights, struct object **out_object, struct grant **out_grant)
{
	struct descriptor descriptor;
	int error = universe_find_inline(universe, handle, &descriptor);

	if (unlikely(error != 0)) {
		return error;
	}
	if (descriptor.object->class->type != type) {
		error = -ERR_BAD_TYPE;
	} else if ((descriptor.rights & rights) != rights) {
		error = -ERR_NO_RIGHTS;
	}
	if (error != 0) {
		descriptor_release(&descriptor);
		return error;
	}
	*out_object = descriptor.object;
	*out_grant = descriptor.grant;
	return 0;
}

int universe_lookup_granted(struct universe *universe, hel_handle handle, enum hel_type type,
	uint32_t rights, struct object **out_object, struct grant **out_grant)
{
	return universe_lookup_inline(universe, handle, type, rights, out_object, out_grant);
}

int universe_lookup_slot(struct universe *universe, hel_handle handle, enum hel_type type,
	uint32_t rights, struct object **out_object, struct grant **out_grant,
	const struct universe_slot **out_slot, uint32_t *out_rights)
{
	spinlock_acquire(&universe->lock);
	const struct universe_slot *slot = universe_find_locked(universe, handle);

	*out_slot = slot != NULL && slot->use == NULL ? slot : NULL;
	*out_rights = slot != NULL ? slot->rights : 0;
	spinlock_release(&universe->lock);
	/* If the handle is closed meanwhile this fails, or the slot has another generation. */
	return universe_lookup_inline(universe, handle, type, rights, out_object, out_grant);
}

int universe_lookup(struct universe *universe, hel_handle handle, enum hel_type type,
	uint32_t rights, struct object **out_object)
{
	struct grant *grant = NULL;
	int error = universe_lookup_inline(universe, handle, type, rights, out_object, &grant);

	if (unlikely(grant != NULL)) {
		grant_unref(grant);
	}
	return error;
}

LINK_INLINE int universe_take(struct universe *universe, hel_handle handle, enum hel_type type,
	uint32_t rights, struct object **out_object, struct grant **out_grant)
{
	int error = 0;

	spinlock_acquire(&universe->lock);
	struct universe_slot *slot = universe_find_locked(universe, handle);

	if (slot == NULL) {
		error = -ERR_BAD_HANDLE;
	} else if (universe_is_revoked_locked(slot)) {
		error = -ERR_REVOKED;
	} else if (slot->object->class->type != type) {
		error = -ERR_BAD_TYPE;
	} else if ((slot->rights & rights) != rights) {
		error = -ERR_NO_RIGHTS;
	} else {
		*out_grant = grant_ref(grant_use_grant(slot->use));
		*out_object = universe_clear_locked(universe, (uint32_t)handle);
	}
	spinlock_release(&universe->lock);
	return error;
}

int universe_close(struct universe *universe, hel_handle handle)
{
	struct object *object = NULL;
	int error = -ERR_BAD_HANDLE;

	spinlock_acquire(&universe->lock);
	if (universe_find_locked(universe, handle) != NULL) {
		object = universe_clear_locked(universe, (uint32_t)handle);
		error = 0;
	}
	spinlock_release(&universe->lock);
	if (object != NULL) {
		object_handle_unref(object);
	}
	return error;
}
