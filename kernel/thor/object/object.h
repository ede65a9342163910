/* SPDX-License-Identifier: MIT */
/*
 * Kernel objects: what a descriptor names.  CONTRACT.
 *
 * Every object starts with struct object. `references` counts descriptors, and pointers inside the
 * kernel; `destroy` runs at zero, on whatever CPU, without locks held. `handles` counts descriptors
 * (and messages in flight that carry one); when it falls to zero `abandon` tells the object that
 * user mode can no longer name it (a lane shuts down, for example). So who has found an object
 * through a descriptor, and has only a reference, may come too late to make another one of it.
 */
#ifndef THOR_OBJECT_OBJECT_H
#define THOR_OBJECT_OBJECT_H

#include <abi/hel/types.h>
#include <base/types.h>

struct account;
struct object;

struct object_class {
	enum hel_type type;
	const char *name;
	uint32_t rights; /* all rights that make sense for it */
	void (*destroy)(struct object *object);
	void (*abandon)(struct object *object); /* may be a no-op function, never NULL */
};

struct object {
	const struct object_class *class;
	_Atomic uint64_t handles; /* count below, above how many were ever made */
	_Atomic uint32_t references;
	uint32_t member_number; /* in the examination that is under way, perhaps: cycle.c */
	struct object *deferred_next; /* this CPU's list of objects to abandon or destroy */
	struct object *suspect_next; /* list of cycle.c */
	_Atomic bool deferred; /* is on the first list */
	_Atomic bool is_suspect; /* is on the second */
	uint8_t n_tries; /* examinations of it as a suspect; by who has set is_suspect */
	_Atomic bool
		is_condemned; /* nobody has its handles: it is abandoned as if there were none */
	uint32_t n_bytes; /* immutable: of the structure around it, charged to */
	struct account *account; /* immutable; NULL: part of something that is charged itself */
	uint64_t identity; /* unique, for user mode to compare; tells nothing about addresses */
};

/* What one more handle adds to `handles`; one less takes 1 away. */
constexpr uint64_t OBJECT_HANDLE_MADE = ((uint64_t)1 << 32) + 1;

/** object_handles() - how many there are */
static inline uint32_t object_handles(const struct object *object)
{
	return (uint32_t)atomic_load_explicit(&object->handles, memory_order_acquire);
}

/**
 * object_create() - a zeroed structure of @size bytes that begins with an initialised object,
 * charged to the account of the current thread's universe, or to the root when there is none
 *
 * Return: NULL: no memory, or over the limit of the account.
 */
void *object_create(const struct object_class *class, size_t size);

/** object_create_in() - the same, charged to @account */
void *object_create_in(struct account *account, const struct object_class *class, size_t size);

/** object_free() - free what object_create() made: the end of a `destroy`, or of a failed start */
void object_free(struct object *object);

void object_init(
	struct object *object, const struct object_class *class); /* one reference, no handle */
/** object_renew() - make another of one that nobody knows any more, with one handle */
void object_renew(struct object *object);
static inline void object_ref(struct object *object);
bool object_try_ref(
	struct object *object); /* false: it is being destroyed; the memory must still be there */
static inline void object_unref(struct object *object); /* accepts NULL */
/*
 * A descriptor more; takes a reference too. The caller has another one, or the object is new: a
 * count that has fallen to zero stays there, for the object may have been abandoned.
 */
static inline void object_handle_ref(struct object *object);
/* the same for who has only a reference; false: the last descriptor was closed meanwhile */
static inline bool object_handle_try_ref(struct object *object);
void object_handle_unref(struct object *object);
/* the same where it cannot have made a cycle that nobody knows (cycle.h) */
void object_handle_unref_quietly(struct object *object);
void object_abandon_nothing(struct object *object);

/**
 * object_abandon_later() - the last handle is gone: abandon the object on the way out of the
 * kernel; takes the caller's reference
 */
void object_abandon_later(struct object *object);

/*
 * Abandoning and destroying is always deferred to the end of the stay in the kernel, so references
 * may be dropped under any lock and long chains (a universe full of universes) need no stack.
 * object_reap() does what is due; sched_leave() calls it.
 */
struct cpu;
/* @since_ns: when all that is due was begun, see sched_should_pause(). True: something is left. */
bool object_reap(struct cpu *cpu, unsigned budget, uint64_t since_ns);

/**
 * object_is_reaping() - whether there may still be objects that were deferred before @since_ns, on
 * any CPU; each works on its own as fast as it can
 */
bool object_is_reaping(uint64_t since_ns);

/** object_abandon_again() - for an `abandon` that did a part of its work: it is called once more */
void object_abandon_again(struct object *object);

/** object_destroy_again() - for a `destroy` that did a part of its work */
void object_destroy_again(struct object *object);

/* ---- the usual path, inline */

void object__last_unref(struct object *object);

static inline void object_ref(struct object *object)
{
	atomic_fetch_add_explicit(&object->references, 1, memory_order_relaxed);
}

static inline void object_unref(struct object *object)
{
	if (object != NULL &&
		unlikely(atomic_fetch_sub_explicit(&object->references, 1, memory_order_acq_rel) ==
			1)) {
		object__last_unref(object);
	}
}

static inline void object_handle_ref(struct object *object)
{
	object_ref(object);
	atomic_fetch_add_explicit(&object->handles, OBJECT_HANDLE_MADE, memory_order_relaxed);
}

static inline bool object_handle_try_ref(struct object *object)
{
	uint64_t handles = atomic_load_explicit(&object->handles, memory_order_relaxed);

	do {
		if (unlikely((uint32_t)handles == 0)) {
			return false;
		}
	} while (!atomic_compare_exchange_weak_explicit(&object->handles, &handles,
		handles + OBJECT_HANDLE_MADE, memory_order_relaxed, memory_order_relaxed));
	object_ref(object);
	return true;
}

#endif
