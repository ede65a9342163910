/* SPDX-License-Identifier: MIT */
/*
 * Grants: descriptors that can be taken back, with all that came of them.
 *
 * A grant is a node of a tree. A descriptor is under one grant or none; its copies are under the
 * same, wherever they go. Granting what is under a grant makes a child. A *use* is something that
 * lasts and that exists because of a descriptor under a grant:
 *
 *	the descriptor itself, in a universe	object/universe-grant.c
 *	... on its way, in a PUSH		ipc/operation-grant.c
 *	an operation that names it		ipc/operation-grant.c
 *	a mapping				memory/space-grant.c
 *	a window of indirect memory		memory/memory-indirect.c
 *	a DMA mapping				dma/dma-map.c
 *	what a kernlet is bound or attached to	kernlet/bound.c
 *
 * Each use has a struct grant_use on the list of its grant, and whoever owns the use a pointer to
 * that, NULL if there is no grant: so what is not granted pays for one test.
 *
 * Revoking marks the grant, which ends all look-ups at once, for these look at the grant and those
 * above it. Then a sweep, in slices, goes down the tree, marks each grant below, so that it gets
 * neither uses nor children any more, and cuts its uses off. A grant that has none left leaves its
 * parent. The sweep is work: it goes on when whoever revoked is killed meanwhile.
 *
 * A use belongs to a *holder*: a universe, a space, an operation. To cut it off the sweep picks the
 * first use of the list, makes sure under the grant's lock that its holder stays, lets go of that
 * lock, and asks the class to cut. The class locks the holder, and then whatever use of the holder
 * is first on the list cannot go away: uses end with the lock of their holder held, or, for
 * operations, when nobody has a reference. If it finds another's use there, somebody else was
 * faster.
 *
 * Lock order: the locks of holders -> grant. No two grants are locked together.
 */
#ifndef THOR_OBJECT_GRANT_H
#define THOR_OBJECT_GRANT_H

#include <base/list.h>
#include <thor/object/object.h>
#include <thor/sched/work.h>
#include <thor/spinlock.h>

constexpr uint32_t GRANT_DEPTH_MAX = 15; /* grants above one */

struct account;
struct grant;
struct grant_use;

struct grant_use_class {
	/*
	 * See to it that the use's holder stays, without waiting; NULL: it is going, and its uses
	 * with it. The grant is locked.
	 */
	void *(*hold)(struct grant_use *use);
	/*
	 * Cut off uses of @holder, of those that are first on the grant's list, no more than a
	 * slice; then let go of the holder. No lock held.
	 * Return: false: nothing was done, for somebody else has the holder locked.
	 */
	bool (*cut)(void *holder, struct grant *grant);
};

struct grant_use {
	struct grant *grant; /* immutable: referenced */
	const struct grant_use_class *class; /* immutable */
	struct account *account; /* immutable: pays for this */
	void *holder; /* immutable */
	/* what it is about, as the class says: immutable, or guarded by the grant's lock */
	void *user;
	struct list_node node; /* guarded by the grant's lock */
};

struct grant {
	struct object object;
	struct grant *parent; /* immutable: referenced; NULL: the descriptors were nobody's grant */
	uint32_t depth; /* immutable */
	bool revokes_on_close; /* immutable */
	_Atomic bool is_revoked; /* written with lock held */

	struct spinlock lock; /* guards all below */
	struct list children; /* struct grant by sibling_node */
	struct list uses; /* struct grant_use by node */
	uint32_t n_cutting; /* CPUs that are cutting uses off */
	bool is_work_posted; /* holds a reference */
	struct work work;

	struct list_node sibling_node; /* guarded by the parent's lock */
};

/** grant_of() - the grant around its object */
static inline struct grant *grant_of(struct object *object)
{
	return container_of(object, struct grant, object);
}

/**
 * grant_create() - a grant of what is under @parent, or of what is under none (NULL)
 *
 * The caller gets the one reference. Return: 0, -ERR_REVOKED (@parent is), -ERR_NO_SPACE (too
 * deep), -ERR_NO_MEMORY.
 */
MUST_USE int grant_create(struct grant *parent, bool revokes_on_close, struct grant **out_grant);

/** grant_is_revoked() - whether it, or one above it, is */
bool grant_is_revoked(const struct grant *grant);

/** grant_is_below() - whether @grant is @above, or below it; NULL is above all */
bool grant_is_below(const struct grant *grant, const struct grant *above);

/** grant_revoke() - nothing under it can be found from now on; all uses will be cut off */
void grant_revoke(struct grant *grant);

/** grant_sweep() - cut off some uses of a revoked grant, and of those below; false: all are */
bool grant_sweep(struct grant *grant);

/** grant_ref() - a reference; accepts and returns NULL */
static inline struct grant *grant_ref(struct grant *grant)
{
	if (grant != NULL) {
		object_ref(&grant->object);
	}
	return grant;
}

/** grant_unref() - accepts NULL */
static inline void grant_unref(struct grant *grant)
{
	if (grant != NULL) {
		object_unref(&grant->object);
	}
}

/* ---- uses -------------------------------------------------------------------------- */

struct grant_use_options {
	struct account *account; /* pays for it */
	struct grant *grant; /* borrowed; NULL: there is no use */
	const struct grant_use_class *class;
	void *holder, *user;
};

/**
 * grant_use_create() - a use that is on no list yet; *@out_use is NULL without grant
 *
 * Return: 0, -ERR_NO_MEMORY.
 */
MUST_USE int grant_use_create(const struct grant_use_options *options, struct grant_use **out_use);

/**
 * grant_use_link() - from now on it is cut off when its grant is revoked; accepts NULL
 *
 * Context: the holder's lock is held, or nobody else has the holder. Return: 0, -ERR_REVOKED.
 */
MUST_USE int grant_use_link(struct grant_use *use);

/**
 * grant_use_link_beside() - put a use next to one of the same holder and grant
 *
 * It is on the list if @other is, also when the grant has been revoked: who cuts off @other has not
 * done so yet. Both may be NULL. Context: the holder's lock is held.
 */
void grant_use_link_beside(struct grant_use *use, struct grant_use *other);

/** grant_use_end() - take it off its list and free it; accepts NULL; the holder's lock is held */
void grant_use_end(struct grant_use *use);

/** grant_use_unlink() - only take it off its list: it has been cut off */
void grant_use_unlink(struct grant_use *use);

/** grant_use_take() - the user, once: then it is NULL; for uses that only own something */
void *grant_use_take(struct grant_use *use);

/** grant_use_grant() - the grant of a use, borrowed; NULL for NULL */
static inline struct grant *grant_use_grant(const struct grant_use *use)
{
	return use != NULL ? use->grant : NULL;
}

/**
 * grant_first_use() - the first use of a grant, if it is of @class and @holder's; else NULL
 *
 * Context: the holder's lock is held, so it stays.
 */
struct grant_use *grant_first_use(
	struct grant *grant, const struct grant_use_class *class, const void *holder);

/** grant_hold_object() - the hold hook of holders that begin with a struct object */
void *grant_hold_object(struct grant_use *use);

#endif
