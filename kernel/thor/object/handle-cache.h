/* SPDX-License-Identifier: MIT */
/*
 * What a thread has looked up last: descriptors of its universe that it uses again and again (its
 * queue, the lanes of its servers), so that threads of one universe do not meet at its lock.
 *
 * An entry is right while the slot has the same generation and the same object: a closed slot has
 * another generation, and a slot does not go before its universe, which lives as long as the
 * thread. So nothing has to be told to other threads when a handle is closed. Descriptors under a
 * grant are never kept.
 *
 * An entry has a plain reference: a queue or a lane that was closed by somebody else keeps its
 * memory until the thread looks up something else, or ends. So only small objects are looked up
 * this way.
 *
 * Context: the thread itself, which is current; or its end.
 */
#ifndef THOR_OBJECT_HANDLE_CACHE_H
#define THOR_OBJECT_HANDLE_CACHE_H

#include <thor/object/universe.h>

constexpr uint32_t HANDLE_CACHE_LANES = 4;

struct handle_cache_entry {
	hel_handle handle;
	const struct universe_slot *slot;
	struct object *object; /* referenced; NULL: the entry is empty, and its type none */
	enum hel_type type;
	uint32_t rights;
};

struct handle_cache {
	struct handle_cache_entry queue; /* a thread drives one, as a rule */
	struct handle_cache_entry lanes[HANDLE_CACHE_LANES]; /* by the index of the handle */
};

/** handle_cache_lane() - the entry where a lane is kept */
static inline struct handle_cache_entry *handle_cache_lane(
	struct handle_cache *cache, hel_handle handle)
{
	return &cache->lanes[handle % HANDLE_CACHE_LANES];
}

/** handle_cache__lookup_slowly() - at the universe; what it finds is kept */
MUST_USE int handle_cache__lookup_slowly(struct handle_cache_entry *entry,
	struct universe *universe, hel_handle handle, enum hel_type type, uint32_t rights,
	struct object **out_object, struct grant **out_grant);

/**
 * handle_cache_has() - whether the entry is what the thread has looked up before behind @handle
 *
 * Its object is borrowed then: the entry's, which stays until the thread looks up something else.
 */
static ALWAYS_INLINE bool handle_cache_has(const struct handle_cache_entry *entry,
	hel_handle handle, enum hel_type type, uint32_t rights)
{
	return likely(entry->handle == handle) && likely(entry->type == type) &&
		likely((entry->rights & rights) == rights) &&
		likely(atomic_load_explicit(&entry->slot->generation, memory_order_relaxed) ==
			(uint32_t)(handle >> 32)) &&
		likely(atomic_load_explicit(&entry->slot->object, memory_order_relaxed) ==
			entry->object);
}

/**
 * handle_cache_lookup() - universe_lookup_granted() in the thread's own universe
 * @entry: for objects of that type
 * @out_grant: as there
 */
MUST_USE static inline int handle_cache_lookup(struct handle_cache_entry *entry,
	struct universe *universe, hel_handle handle, enum hel_type type, uint32_t rights,
	struct object **out_object, struct grant **out_grant)
{
	if (handle_cache_has(entry, handle, type, rights)) {
		object_ref(entry->object);
		*out_object = entry->object;
		*out_grant = NULL;
		return 0;
	}
	return handle_cache__lookup_slowly(
		entry, universe, handle, type, rights, out_object, out_grant);
}

/** handle_cache_forget() - the thread closes a handle of its own universe */
void handle_cache_forget(struct handle_cache *cache, hel_handle handle);

/** handle_cache_clear() - the thread ends */
void handle_cache_clear(struct handle_cache *cache);

#endif
