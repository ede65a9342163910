/* SPDX-License-Identifier: MIT */
/*
 * Forking a space.
 *
 * For each mapping the child gets the same memory (share), a copy-on-write copy of it (copy), or
 * nothing (drop). A private object is copied once, however many mappings show it: a *pair*, which
 * is on a list of the object, remembers the copy while the fork is under way.
 *
 * A fork goes through the mappings by address, a slice at a time: a part of a mapping with so many
 * pages, or so many mappings. The child holds what has been done, `cursor` says how far that is.
 * Between slices the space is not locked, so the parent's other threads run and change it:
 *
 *	anonymous memory	the pages of a part are copied in the slice that gives the part to
 *				the child, so it never has pages that no mapping of it shows
 *	other views		all their pages are copied before the first part that shows them
 *
 * The child thus gets each mapping, and each page, as it was at some moment of the call, and if no
 * other thread changes anything all of them at once. Mappings that move could be missed; if some do
 * the fork begins again, and the third time the space stays locked.
 *
 * The entries that the parent has are copied into the child's page table, without write access
 * if the memory was copied, so the child does not fault for each page that it reads; but not one
 * that would need a table for itself. Write
 * access is taken from the parent in the same pass, and one flush at the end of the slice makes its
 * CPUs notice. Until then they may go on writing to what is now shared; as nobody can break the
 * sharing before (the space is locked) parent and child see the same. Of a view whose pages were
 * copied in an earlier slice the parent's entries may be for newer pages: they are not copied.
 *
 * Mappings of what was granted (object/grant.h) become uses of their grants when the child is
 * complete.
 *
 * Running out of memory for page tables only stops the copying of entries.
 */
#include <thor/memory/space.h>

#include <base/string.h>
#include <thor/memory/swappable.h>
#include <thor/object/account.h>
#include <thor/object/grant.h>

constexpr uint32_t FORK_MAPPINGS = 6; /* of one slice */
constexpr uint32_t FORK_PAIRS = 32; /* forgotten in a slice */
constexpr uint32_t FORK_TRIES = 3;

/* A private object and its copy for the child. */
struct space_fork_pair {
	struct space_fork *fork;
	struct memory *memory, *copy; /* both referenced */
	uint64_t next_index; /* of a view: the first page that is not copied */
	uint64_t slice; /* in which its copying began */
	struct list_node node; /* owner: the fork */
	struct list_node memory_node; /* guarded by memory->lock */
};

struct space_fork {
	struct space *source; /* referenced */
	struct space *child; /* which owns this */
	struct list pairs;
	struct list uses; /* struct grant_use.node: of mappings, not on their grants' lists yet */
	uint64_t cursor; /* what lies below has been done */
	uint64_t n_moves; /* of the source, when it began */
	uint32_t n_tries;
	bool is_complete; /* but for pairs to be forgotten */

	/* of this slice */
	uint64_t slice;
	uint32_t n_mappings, n_pages, n_entries; /* that may still be handled */
	struct shootdown_batch *batch; /* of the source */
};

/* ---- entries ----------------------------------------------------------------------- */

/* The memory is locked, so what the entries point to stays. */
static void space_fork_table(
	struct space_fork *fork, const struct mapping *part, const struct memory *memory)
{
	uint32_t flags = part->memory == memory ? 0
		: memory->is_anonymous          ? ARCH_COPY_READ_ONLY | ARCH_COPY_PROTECT_SOURCE
						: ARCH_COPY_READ_ONLY;

	spinlock_acquire_pair(&fork->source->table_lock, &fork->child->table_lock);
	if (arch_page_copy_range(&fork->child->page_table, &fork->source->page_table, part->address,
		    mapping_end(part), flags) != 0) {
		fork->batch->request.n_pages = SHOOTDOWN_PAGES_MAX + 1;
	}
	spinlock_release(&fork->source->table_lock);
	spinlock_release(&fork->child->table_lock);
}

/* ---- pairs ------------------------------------------------------------------------- */

/* The pair of an object, which is locked; NULL: no memory. */
static struct space_fork_pair *space_fork_get_pair(struct space_fork *fork, struct memory *memory)
{
	LIST_FOR_EACH(known, &memory->forks, struct space_fork_pair, memory_node) {
		if (known->fork == fork) {
			return known;
		}
	}
	struct account *account = fork->child->object.account;
	struct space_fork_pair *pair = account_allocate(account, sizeof(*pair));

	if (pair == NULL ||
		memory__fork_begin(memory, account, 0, memory->size_bytes, &pair->copy) != 0) {
		account_free(account, pair, sizeof(*pair));
		return NULL;
	}
	object_ref(&memory->object);
	pair->memory = memory;
	pair->fork = fork;
	pair->slice = fork->slice;
	list_push_back(&fork->pairs, &pair->node);
	list_push_back(&memory->forks, &pair->memory_node);
	return pair;
}

/* The object is locked. */
static void space_fork_drop_pair(struct space_fork_pair *pair)
{
	list_remove(&pair->node);
	list_remove(&pair->memory_node);
	swappable__publish(pair->copy);
	object_unref(&pair->memory->object);
	object_unref(&pair->copy->object);
	account_free(pair->fork->child->object.account, pair, sizeof(*pair));
}

/* Drop up to @n_pairs; whether those were all. */
static bool space_fork_drop_pairs(struct space_fork *fork, uint32_t n_pairs)
{
	for (; n_pairs > 0 && !list_is_empty(&fork->pairs); n_pairs--) {
		struct space_fork_pair *pair =
			container_of(list_first(&fork->pairs), struct space_fork_pair, node);
		struct memory *memory = pair->memory;

		/* It is destroyed, if that was its last reference, later and unlocked. */
		spinlock_acquire(&memory->lock);
		space_fork_drop_pair(pair);
		spinlock_release(&memory->lock);
	}
	return list_is_empty(&fork->pairs);
}

static bool space_has_other_mappings(const struct memory *memory)
{
	return list_first(&memory->mappings) != list_last(&memory->mappings);
}

/* ---- parts of mappings ------------------------------------------------------------- */

/* Give the child a part of a mapping: its last one becomes larger if they are one thing. */
static int space_fork_attach(struct space_fork *fork, const struct mapping *part)
{
	struct space *child = fork->child;
	struct mapping *last = child->mappings.last;

	if (last != NULL && mapping_end(last) == part->address && last->memory == part->memory &&
		last->flags == part->flags && last->tag == part->tag &&
		last->allowed == part->allowed && last->label == part->label &&
		last->offset_end == part->offset_end &&
		grant_use_grant(last->use) == grant_use_grant(part->use) &&
		(part->memory == NULL || last->offset + last->size_bytes == part->offset)) {
		last->size_bytes += part->size_bytes;
		mapping_set_resized(&child->mappings, last);
		return 0;
	}
	struct mapping *copy =
		child->mappings.n_mappings < MAPPING_MAX ? space__create_mapping(child) : NULL;

	if (copy == NULL) {
		return -ERR_NO_MEMORY;
	}
	copy->space = child;
	if (unlikely(part->use != NULL)) {
		if (space__create_use(copy, part->use->grant) != 0) {
			space__free_mapping(child, copy);
			return -ERR_NO_MEMORY;
		}
		list_push_back(&fork->uses, &copy->use->node);
	}
	copy->tag = part->tag;
	copy->address = part->address;
	copy->size_bytes = part->size_bytes;
	copy->offset = part->offset;
	copy->flags = part->flags;
	copy->allowed = part->allowed;
	copy->label = part->label;
	copy->offset_end = part->offset_end;
	copy->memory = part->memory;
	if (copy->memory != NULL) {
		object_ref(&copy->memory->object);
	}
	space__attach_locked(child, copy);
	return 0;
}

/* The part ends at an offset, if that is not beyond its end. */
static void space_fork_shorten(struct mapping *part, uint64_t end_offset)
{
	part->size_bytes = min_u64(part->size_bytes, end_offset - part->offset);
}

/*
 * Copy the private pages that @part shows, and make it shorter if they are too many. A view is
 * copied as a whole: MEMORY_MORE: that takes another slice.
 */
static int space_fork_pages(
	struct space_fork *fork, struct space_fork_pair *pair, struct mapping *part)
{
	struct memory *memory = pair->memory;

	if (memory->kind != HEL_MEMORY_COPY_ON_WRITE) {
		return 0;
	}
	if (!memory->is_anonymous) {
		return memory__fork_pages(memory, pair->copy, 0, &pair->next_index,
			MEMORY_SIZE_MAX / FRAME_SIZE, &fork->n_pages);
	}
	uint64_t index = part->offset / FRAME_SIZE;
	int error = memory__fork_pages(memory, pair->copy, 0, &index,
		(part->offset + part->size_bytes) / FRAME_SIZE, &fork->n_pages);

	space_fork_shorten(part, index * FRAME_SIZE);
	return error == MEMORY_MORE && part->size_bytes > 0 ? 0 : error;
}

/* Copy a part of a private mapping, the memory of which is locked. */
static int space_fork_copy(struct space_fork *fork, struct mapping *part, bool is_last)
{
	struct memory *memory = part->memory;
	struct space_fork_pair *pair = space_fork_get_pair(fork, memory);
	uint64_t size_bytes = part->size_bytes;

	if (pair == NULL) {
		return -ERR_NO_MEMORY;
	}
	int error = space_fork_pages(fork, pair, part);

	if (error != 0) {
		return error;
	}
	part->memory = pair->copy;
	error = space_fork_attach(fork, part);
	if (error != 0) {
		return error;
	}
	/* What a view that shrinks has shown beyond its size is hidden in its own mappings only. */
	if ((pair->slice == fork->slice && !memory->is_cutting) || memory->is_anonymous ||
		memory->kind != HEL_MEMORY_COPY_ON_WRITE) {
		space_fork_table(fork, part, memory);
		if (unlikely(pair->copy->is_apart)) { /* of some pages the child has others */
			space__hide(fork->child, part->address, mapping_end(part));
		}
	}
	if (is_last && part->size_bytes == size_bytes && !space_has_other_mappings(memory)) {
		space_fork_drop_pair(pair);
	}
	return 0;
}

/* Fork what a mapping shows from the cursor on, or as much of it as this slice may. */
static int space_fork_part(struct space_fork *fork, const struct mapping *mapping)
{
	struct memory *memory = mapping->memory;
	struct mapping part = {
		.memory = memory,
		.tag = mapping->tag,
		.flags = mapping->flags,
		.allowed = mapping->allowed,
		.label = mapping->label & HEL_LABEL_FORKED,
		.offset_end = mapping->offset_end,
		.use = mapping->use,
		.address = max_u64(fork->cursor, mapping->address),
	};
	int error;

	part.offset = mapping_offset_of(mapping, part.address);
	part.size_bytes = mapping_end(mapping) - part.address;
	if (memory == NULL) {
		error = space_fork_attach(fork, &part);
	} else {
		bool is_copy =
			(mapping->flags & HEL_MAP_FORK_COPY) != 0 && memory_is_forkable(memory);

		part.size_bytes = space__bound_entries(fork->source, part.address,
					  mapping_end(mapping), &fork->n_entries) -
			part.address;
		memory__lock(memory);
		if (is_copy) {
			error = space_fork_copy(
				fork, &part, mapping_end(&part) == mapping_end(mapping));
		} else {
			error = space_fork_attach(fork, &part);
			if (error == 0) {
				space_fork_table(fork, &part, memory);
			}
		}
		memory__unlock(memory);
	}
	if (error == 0) {
		fork->cursor = mapping_end(&part);
	}
	return error;
}

/* ---- slices ------------------------------------------------------------------------ */

static int space_fork_mappings(struct space_fork *fork)
{
	while (fork->n_mappings > 0 && fork->n_pages > 0 && fork->n_entries > 0) {
		struct mapping *mapping = mapping_set_above(&fork->source->mappings, fork->cursor);

		if (mapping == NULL) {
			fork->is_complete = true;
			return 0;
		}
		fork->n_mappings--;
		if ((mapping->flags & HEL_MAP_FORK_DROP) != 0) {
			fork->cursor = mapping_end(mapping);
			continue;
		}
		int error = space_fork_part(fork, mapping);

		if (error != 0) {
			return error;
		}
	}
	return MEMORY_MORE;
}

/* One slice; is_stale: mappings have moved since it began. */
static int space_fork_step(struct space_fork *fork, bool *out_is_stale)
{
	bool is_whole = fork->n_tries >= FORK_TRIES;
	uint32_t n_pages = is_whole ? UINT32_MAX : memory__slice_pages * 3 / 4 + 1;
	struct shootdown_batch batch;
	int error = MEMORY_MORE;

	fork->slice++;
	fork->n_mappings = is_whole ? UINT32_MAX : FORK_MAPPINGS;
	fork->n_pages = n_pages;
	fork->n_entries = n_pages;
	fork->batch = &batch;
	shootdown_batch_init(&batch, fork->source);
	spinlock_acquire(&fork->source->lock);
	if (fork->slice == 1) {
		fork->n_moves = fork->source->n_moves;
	}
	*out_is_stale = fork->n_moves != fork->source->n_moves;
	if (!*out_is_stale) {
		error = space_fork_mappings(fork);
	}
	shootdown_batch_flush(&batch);
	spinlock_release(&fork->source->lock);
	return error;
}

/*
 * The child is complete: from now on its mappings can be cut off, and those whose grants have been
 * revoked meanwhile go at once. Before that nobody could lock it against the fork. Whether those
 * were all.
 */
static bool space_fork_link_uses(struct space_fork *fork)
{
	uint32_t n_entries = memory__slice_pages;
	struct space_edit edit;

	if (likely(list_is_empty(&fork->uses))) {
		return true;
	}
	space__edit_begin(&edit, fork->child);
	for (uint32_t i = 0; i < FORK_PAIRS && n_entries > 0; i++) {
		struct grant_use *use = LIST_POP_FRONT(&fork->uses, struct grant_use, node);

		if (use == NULL) {
			break;
		}
		if (grant_use_link(use) != 0 && !space__cut_mapping(&edit, use->user, &n_entries)) {
			list_push_front(&fork->uses, &use->node);
		}
	}
	bool is_over = list_is_empty(&fork->uses);

	space__edit_end(&edit);
	return is_over;
}

bool space__end_fork_slice(struct space *child)
{
	struct space_fork *fork = child->fork;

	if (fork == NULL) {
		return true;
	}
	for (uint32_t i = 0; i < FORK_PAIRS && !list_is_empty(&fork->uses); i++) {
		(void)list_pop_front(&fork->uses);
	}
	if (!list_is_empty(&fork->uses)) {
		return false;
	}
	if (!space_fork_drop_pairs(fork, FORK_PAIRS)) {
		return false;
	}
	object_unref(&fork->source->object);
	account_free(child->object.account, fork, sizeof(*fork));
	child->fork = NULL;
	return true;
}

static int space_fork_begin(
	struct account *account, struct space *source, uint32_t n_tries, struct space **out_child)
{
	struct space_fork *fork = account_allocate(account, sizeof(*fork));

	if (fork == NULL || space_create_in(account, &fork->child) != 0) {
		account_free(account, fork, sizeof(*fork));
		return -ERR_NO_MEMORY;
	}
	object_ref(&source->object);
	fork->source = source;
	fork->n_tries = n_tries;
	list_init(&fork->pairs);
	list_init(&fork->uses);
	fork->child->fork = fork;
	*out_child = fork->child;
	return 0;
}

static int space_fork_go_on(struct space *source, struct space **child)
{
	struct space_fork *fork = (*child)->fork;
	bool is_stale = false;

	if (!fork->is_complete) {
		int error = space_fork_step(fork, &is_stale);

		if (error != 0 && !is_stale) {
			return error;
		}
	}
	if (is_stale) {
		struct space *old = *child;
		int error = space_fork_begin(old->object.account, source, fork->n_tries + 1, child);

		if (error == 0) {
			object_unref(&old->object);
		}
		return error != 0 ? error : MEMORY_MORE;
	}
	return space_fork_link_uses(fork) && space__end_fork_slice(*child) ? 0 : MEMORY_MORE;
}

/**
 * space_fork_slice() - a new space with what the mappings of @source say that a child gets
 * @account: pays for it, and for all pages that it shares with its parent
 * @child: NULL at first; half-built after MEMORY_MORE, dropped and NULL after an error
 *
 * A child that was begun for another source or account is dropped, and one for these begun.
 * Return: 0, MEMORY_MORE, -ERR_NO_MEMORY.
 */
int space_fork_slice(struct account *account, struct space *source, struct space **child)
{
	int error = 0;

	if (*child != NULL &&
		((*child)->fork->source != source || (*child)->object.account != account)) {
		object_unref(&(*child)->object);
		*child = NULL;
	}
	if (*child == NULL) {
		error = space_fork_begin(account, source, 1, child);
	}
	if (error == 0) {
		error = space_fork_go_on(source, child);
	}
	if (error < 0) {
		object_unref(*child != NULL ? &(*child)->object : NULL);
		*child = NULL;
	}
	return error;
}

/** space_fork() - space_fork_slice() to its end; 0, -ERR_NO_MEMORY: then nothing has changed */
int space_fork(struct space *source, struct space **out_space)
{
	struct space *child = NULL;
	int error;

	do {
		error = space_fork_slice(account_current(), source, &child);
	} while (error == MEMORY_MORE);
	if (error == 0) {
		*out_space = child;
	}
	return error;
}
