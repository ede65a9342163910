/* SPDX-License-Identifier: MIT */
/*
 * Universes: tables of descriptors.
 *
 * A descriptor is an object and the rights that its holder has on it. A handle is an index and
 * the generation of the slot, so that a handle to a closed descriptor is an error for 2^32 reuses
 * of the slot. Slots live in leaves that never move while the universe exists; only the directory
 * of leaves is replaced when it grows.
 *
 * Look-ups take the universe's lock for a few instructions. (Leaves that never move and
 * generations that are checked after the reference was taken are what an epoch-based look-up
 * without lock needs; see docs/internals/operations.md.)
 *
 * A universe lives as descriptors while it has threads or handles (both are handle references);
 * when the last goes it is *dead*: every descriptor is closed and attaching fails. Operations in
 * flight only hold a plain reference.
 *
 * A descriptor under a grant (grant.h) has a use there. When it is revoked the slot gives up its
 * object and stays, so that its handle is ERR_REVOKED until it is closed.
 */
#ifndef THOR_OBJECT_UNIVERSE_H
#define THOR_OBJECT_UNIVERSE_H

#include <thor/object/object.h>
#include <thor/spinlock.h>

constexpr uint32_t UNIVERSE_LEAF_SLOTS = 16; /* a small process has no more */
constexpr uint32_t UNIVERSE_HANDLES_MAX = 1u << 18;

struct account;
struct grant;
struct grant_use;
struct universe_leaf;

/*
 * Guarded by the universe's lock. Threads read `object` and `generation` without it, to see whether
 * what they have looked up before is still there: handle-cache.h.
 */
struct universe_slot {
	_Atomic(struct object *) object; /* NULL: free */
	struct grant_use *use; /* of the grant that it is under, or &universe_revoked; or NULL */
	uint32_t rights;
	_Atomic uint32_t generation; /* of the descriptor, or of the next one */
	uint32_t next_free;
};

struct universe {
	struct object object;
	struct account *account; /* immutable: pays for what is caused here, this table too */
	_Atomic uint32_t n_threads; /* whose universe it is, each with a handle reference */
	struct spinlock lock;
	struct universe_leaf **leaves; /* guarded by lock, as all below */
	uint32_t n_leaves, n_leaves_max;
	uint32_t free_head; /* index of a free slot, UINT32_MAX: none */
	uint32_t n_handles;
	bool is_dead;
	uint32_t next_closed; /* when it is dead: the slots below are closed */
};

struct descriptor {
	struct object *object; /* with a reference */
	struct grant *grant; /* that it is under, with a reference; or NULL */
	uint32_t rights;
};

/**
 * universe_create() - an empty table with an account below the current thread's
 *
 * The caller gets the one reference. Return: 0, -ERR_NO_MEMORY, -ERR_NO_SPACE (too deep a nest of
 * accounts).
 */
MUST_USE int universe_create(struct universe **out_universe);

/**
 * universe_enter() - a thread is made in it, which keeps it alive
 *
 * False: the last descriptor of it was closed meanwhile, and no thread was left.
 */
MUST_USE bool universe_enter(struct universe *universe);

/** universe_leave() - that thread has ended */
void universe_leave(struct universe *universe);

/** universe_of() - the universe around its object */
static inline struct universe *universe_of(struct object *object)
{
	return container_of(object, struct universe, object);
}

/**
 * universe_attach() - make a descriptor for @object (borrowed; it gets a handle reference)
 * @rights: cut to those that make sense for the object's class
 *
 * Return: 0, -ERR_NO_MEMORY, -ERR_NO_SPACE (table full), -ERR_ILLEGAL_STATE (universe is dead).
 */
MUST_USE int universe_attach(
	struct universe *universe, struct object *object, uint32_t rights, hel_handle *out_handle);

/**
 * universe_attach_granted() - the same for a descriptor under @grant, NULL: under none
 *
 * Return: also -ERR_REVOKED.
 */
MUST_USE int universe_attach_granted(struct universe *universe, struct object *object,
	uint32_t rights, struct grant *grant, hel_handle *out_handle);

/**
 * universe_attach_found() - make a descriptor of what universe_find() has found
 * @grant: the new one is under, NULL: under none
 *
 * Return: as universe_attach_granted(), and what descriptor_handle_ref() says.
 */
MUST_USE int universe_attach_found(struct universe *universe, const struct descriptor *found,
	uint32_t rights, struct grant *grant, hel_handle *out_handle);

/**
 * universe_attach_locked() - universe_attach_granted() for who has the universe's lock, as he does
 * something with the handle that must not come later; without the handle reference, which he makes
 */
MUST_USE int universe_attach_locked(struct universe *universe, struct object *object,
	uint32_t rights, struct grant *grant, hel_handle *out_handle);

/**
 * universe_find() - the descriptor behind @handle with references; descriptor_release() it
 *
 * Return: 0, -ERR_BAD_HANDLE, -ERR_REVOKED.
 */
MUST_USE int universe_find(
	struct universe *universe, hel_handle handle, struct descriptor *out_descriptor);

/**
 * descriptor_handle_ref() - object_handle_ref() for what universe_find() has found
 *
 * Return: 0; what it would find now, if all descriptors of the object are gone: -ERR_BAD_HANDLE,
 * -ERR_REVOKED.
 */
MUST_USE static inline int descriptor_handle_ref(const struct descriptor *descriptor);

/** descriptor_release() - give back what universe_find() has referenced */
void descriptor_release(struct descriptor *descriptor);

/**
 * universe_lookup() - the object behind @handle, of type @type and with all of @rights
 *
 * Return: 0 and a referenced object, -ERR_BAD_HANDLE, -ERR_REVOKED, -ERR_BAD_TYPE,
 * -ERR_NO_RIGHTS.
 */
MUST_USE int universe_lookup(struct universe *universe, hel_handle handle, enum hel_type type,
	uint32_t rights, struct object **out_object);

/**
 * universe_lookup_granted() - the same for what shall last: it has to become a use of the grant
 * @out_grant: that the descriptor is under, referenced; or NULL
 */
MUST_USE int universe_lookup_granted(struct universe *universe, hel_handle handle,
	enum hel_type type, uint32_t rights, struct object **out_object, struct grant **out_grant);

/**
 * universe_lookup_slot() - the same for handle-cache.c
 * @out_slot: that of the descriptor, if it is under no grant and never will be; else NULL
 * @out_rights: all that the descriptor has
 */
MUST_USE int universe_lookup_slot(struct universe *universe, hel_handle handle, enum hel_type type,
	uint32_t rights, struct object **out_object, struct grant **out_grant,
	const struct universe_slot **out_slot, uint32_t *out_rights);

/**
 * universe_take() - universe_lookup_granted() that closes the descriptor; the caller gets its
 * handle reference
 *
 * On errors it stays open. Return: as universe_lookup().
 */
MUST_USE int universe_take(struct universe *universe, hel_handle handle, enum hel_type type,
	uint32_t rights, struct object **out_object, struct grant **out_grant);

/** universe_close() - remove a descriptor; -ERR_BAD_HANDLE */
MUST_USE int universe_close(struct universe *universe, hel_handle handle);

/* ---- the usual path, inline */

int descriptor__closed_error(const struct descriptor *descriptor);

static inline int descriptor_handle_ref(const struct descriptor *descriptor)
{
	return likely(object_handle_try_ref(descriptor->object))
		? 0
		: descriptor__closed_error(descriptor);
}

#endif
