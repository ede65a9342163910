/* SPDX-License-Identifier: MIT */
/*
 * Forking a space.
 *
 * For each mapping the child gets the same memory (share), a copy-on-write copy of it (copy), or
 * nothing (drop). A private object is copied once, however many mappings show it: `fork_copy` of
 * the object remembers the copy while the fork is under way.
 *
 * The entries that the parent has are copied into the child's page table, without write access
 * if the memory was copied, so the child does not fault for each page that it reads. Write
 * access is taken from the parent in the same pass, and one flush at the end makes its CPUs
 * notice. Until then they may go on writing to what is now shared; as nobody can break the
 * sharing before (the space is locked) parent and child see the same.
 *
 * Running out of memory for page tables only stops the copying of entries.
 */
#include <thor/memory/space.h>

#include <base/string.h>
#include <thor/object/account.h>

struct space_fork {
	struct space *source, *child;
	struct shootdown_batch batch; /* of the source */
	struct memory *half_built; /* dropped when nothing is locked */
	bool has_copies;  /* some fork_copy is set */
};

/* ---- entries ----------------------------------------------------------------------- */

/* The memory is locked, so what the entries point to stays. */
static void space_fork_table(struct space_fork *fork, const struct mapping *mapping, bool is_copy)
{
	bool is_view = mapping->memory->kind == HEL_MEMORY_COPY_ON_WRITE;
	uint32_t flags = !is_copy ? 0
		: is_view         ? ARCH_COPY_READ_ONLY | ARCH_COPY_PROTECT_SOURCE
				  : ARCH_COPY_READ_ONLY;

	spinlock_acquire_pair(&fork->source->table_lock, &fork->child->table_lock);
	if (arch_page_copy_range(&fork->child->page_table, &fork->source->page_table,
		    mapping->address, mapping_end(mapping), flags) != 0) {
		fork->batch.request.n_pages = SHOOTDOWN_PAGES_MAX + 1;
	}
	spinlock_release(&fork->source->table_lock);
	spinlock_release(&fork->child->table_lock);
}

/* ---- memory ------------------------------------------------------------------------ */

static bool space_has_other_mappings(const struct memory *memory)
{
	return list_first(&memory->mappings) != list_last(&memory->mappings);
}

/* The child's copy of an object, which is locked. */
static int space_fork_memory(
	struct space_fork *fork, struct memory *memory, struct memory **out_copy)
{
	if (memory->fork_space == fork->source) {
		object_ref(&memory->fork_copy->object);
		*out_copy = memory->fork_copy;
		return 0;
	}
	int error = memory__fork(memory, fork->source, fork->child->object.account, out_copy);

	if (error != 0) {
		fork->half_built = *out_copy;
		return error;
	}
	/* If another space that shares the object is being forked just now it has the field. */
	if (memory->fork_space == NULL && space_has_other_mappings(memory)) {
		object_ref(&(*out_copy)->object);
		memory->fork_space = fork->source;
		memory->fork_copy = *out_copy;
		fork->has_copies = true;
	}
	return 0;
}

static int space_fork_mapping(struct space_fork *fork, const struct mapping *mapping)
{
	struct memory *memory = mapping->memory;
	struct mapping *copy = space__create_mapping(fork->child);

	if (copy == NULL) {
		return -ERR_NO_MEMORY;
	}
	copy->tag = mapping->tag;
	copy->address = mapping->address;
	copy->size_bytes = mapping->size_bytes;
	copy->offset = mapping->offset;
	copy->flags = mapping->flags;
	copy->allowed = mapping->allowed;
	if (memory == NULL) {
		space__attach(fork->child, copy);
		return 0;
	}
	bool is_copy = (mapping->flags & HEL_MAP_FORK_COPY) != 0 && memory_is_forkable(memory);
	int error = 0;

	memory__lock(memory);
	if (is_copy) {
		error = space_fork_memory(fork, memory, &copy->memory);
	} else {
		object_ref(&memory->object);
		copy->memory = memory;
	}
	if (error == 0) {
		space__attach_locked(fork->child, copy);
		space_fork_table(fork, mapping, is_copy);
	}
	memory__unlock(memory);
	if (error != 0) {
		space__free_mapping(fork->child, copy);
	}
	return error;
}

/* Forget the copies that objects remember; the child's mappings keep them. */
static void space_fork_forget(struct space_fork *fork)
{
	struct mapping *mapping = fork->source->mappings.first;

	for (; mapping != NULL && fork->has_copies; mapping = mapping->next) {
		struct memory *memory = mapping->memory;

		if (memory == NULL) {
			continue;
		}
		struct memory *copy = NULL;

		spinlock_acquire(&memory->lock);
		if (memory->fork_space == fork->source) {
			copy = memory->fork_copy;
			memory->fork_space = NULL;
			memory->fork_copy = NULL;
		}
		spinlock_release(&memory->lock);
		object_unref(copy != NULL ? &copy->object : NULL);
	}
}

/** space_fork() - space_fork_in() with the account of the current thread */
int space_fork(struct space *source, struct space **out_space)
{
	return space_fork_in(account_current(), source, out_space);
}

/**
 * space_fork_in() - a new space with what the mappings of @source say that a child gets
 * @account: pays for it, and for all pages that it shares with its parent
 *
 * Return: 0, -ERR_NO_MEMORY; then nothing has changed.
 */
int space_fork_in(struct account *account, struct space *source, struct space **out_space)
{
	struct space_fork fork = { .source = source };
	int error = space_create_in(account, &fork.child);

	if (error != 0) {
		return error;
	}
	shootdown_batch_init(&fork.batch, source);
	spinlock_acquire(&source->lock);
	struct mapping *mapping = source->mappings.first;

	for (; mapping != NULL && error == 0; mapping = mapping->next) {
		if ((mapping->flags & HEL_MAP_FORK_DROP) == 0) {
			error = space_fork_mapping(&fork, mapping);
		}
	}
	space_fork_forget(&fork);
	shootdown_batch_flush(&fork.batch);
	spinlock_release(&source->lock);
	object_unref(fork.half_built != NULL ? &fork.half_built->object : NULL);
	if (error != 0) {
		object_unref(&fork.child->object);
		return error;
	}
	*out_space = fork.child;
	return 0;
}
