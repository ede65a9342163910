/* SPDX-License-Identifier: MIT */
/* What a thread has looked up last: see handle-cache.h. */
#include <thor/object/handle-cache.h>

#include <thor/object/cycle.h>

static void handle_cache_empty(struct handle_cache_entry *entry)
{
	/* Closed by somebody else: an examination may have taken our reference for a use. */
	if (entry->object != NULL && object_handles(entry->object) != 0 &&
		atomic_load_explicit(&entry->slot->generation, memory_order_relaxed) !=
			(uint32_t)(entry->handle >> 32)) {
		cycle_suspect(entry->object);
	}
	object_unref(entry->object);
	*entry = (struct handle_cache_entry){};
}

__attribute__((noinline)) int handle_cache__lookup_slowly(struct handle_cache_entry *entry,
	struct universe *universe, hel_handle handle, enum hel_type type, uint32_t rights,
	struct object **out_object, struct grant **out_grant)
{
	const struct universe_slot *slot;
	uint32_t all_rights;
	int error = universe_lookup_slot(
		universe, handle, type, rights, out_object, out_grant, &slot, &all_rights);

	if (error == 0 && slot != NULL) {
		handle_cache_empty(entry);
		object_ref(*out_object);
		*entry = (struct handle_cache_entry){
			.handle = handle,
			.slot = slot,
			.object = *out_object,
			.type = type,
			.rights = all_rights,
		};
	}
	return error;
}

void handle_cache_forget(struct handle_cache *cache, hel_handle handle)
{
	struct handle_cache_entry *lane = handle_cache_lane(cache, handle);

	if (lane->handle == handle) {
		handle_cache_empty(lane);
	} else if (cache->queue.handle == handle) {
		handle_cache_empty(&cache->queue);
	}
}

void handle_cache_clear(struct handle_cache *cache)
{
	handle_cache_empty(&cache->queue);
	for (uint32_t i = 0; i < HANDLE_CACHE_LANES; i++) {
		handle_cache_empty(&cache->lanes[i]);
	}
}
