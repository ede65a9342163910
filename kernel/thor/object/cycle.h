/* SPDX-License-Identifier: MIT */
/*
 * Cycles of descriptors: objects that only have each other.
 *
 * A universe closes its descriptors when nobody has a handle of it any more. Two that hold each
 * other, a queue whose operations carry its own descriptor, a thread that was not started and is
 * only known in its own universe: those have handles, and nobody will ever use them. Counting
 * cannot end them, so they are looked for.
 *
 * *Members* are what can be in a cycle: universes, threads, queues, lanes. When a member loses a
 * handle and still has others it is a *suspect*, unless it is obviously in use. An examination
 * gathers all members that can be reached from the suspects and counts the handles that it finds in
 * them. A member that has more handles than were found has one outside, or a thread that runs; it
 * lives, and so does what can be reached from it. Whatever remains is garbage, and is abandoned as
 * if its last handle had been closed.
 *
 * Nothing stands still meanwhile. What is garbage does not change, and so an examination believes
 * only what has not changed:
 *
 *	gather	the reference that it takes, then handles and references of the member are read
 *	scan	the containers, each under its lock, a slice at a time
 *	judge	members whose counts are explained by what was found, and by nothing else; if all
 *		suspects live for certain, that is all
 *	verify	the counts of the condemned have to be the same, and no handle was made meanwhile
 *
 * Handles are counted with how many were ever made (struct object), so moving one out of the set
 * and closing it there does not go unnoticed. A call that is under way holds plain references, at
 * most to a universe and to one object in it, both of which it cannot have got after the first
 * reading and given back before the second without making a handle. So if somebody from outside
 * held a member after the last first reading, some count would not fit. All this is true of any
 * set whose counts are explained by itself: if some of the condemned have changed they are spared
 * with what can be reached from them, and the others are garbage all the same.
 *
 * A wrong guess is always "it lives". Suspects wait for 10 ms, in which most of them come to their
 * end as usual. What was busy, used by a call perhaps, is examined again up to eight times, each
 * after twice the time. How large sets are dealt with is told in cycle.c.
 */
#ifndef THOR_OBJECT_CYCLE_H
#define THOR_OBJECT_CYCLE_H

#include <thor/object/object.h>

struct lane;
struct queue;
struct universe;

/** cycle_is_member() - whether an object can be in a cycle */
static inline bool cycle_is_member(const struct object *object)
{
	constexpr uint32_t types = 1u << HEL_TYPE_UNIVERSE | 1u << HEL_TYPE_THREAD |
		1u << HEL_TYPE_QUEUE | 1u << HEL_TYPE_LANE;

	return (types >> object->class->type & 1) != 0;
}

/** cycle_suspect() - look at a member that lost a handle, and has others; any locks may be held */
void cycle_suspect(struct object *object);

/* ---- for the visits: the container's lock is held */

/** cycle_found_handle() - the container that is visited has a handle of @object, of any type */
void cycle_found_handle(struct object *object);

/** cycle_found_references() - @n operations that wait have a plain reference to a member each */
void cycle_found_references(struct object *object, uint32_t n);

/** cycle_found_way() - while the container lives @object, a member, must not be abandoned */
void cycle_found_way(struct object *object);

/** cycle_found_keeper() - while @object, a member, lives the container must not be abandoned */
void cycle_found_keeper(struct object *object);

/** cycle_found_neighbour() - @object, a member, may say so of the container, or hold it */
void cycle_found_neighbour(struct object *object);

/*
 * Visits: report some of what a container holds, from *@position on, which is 0 at first. False: it
 * cannot be examined.
 */
constexpr uint64_t CYCLE_VISITED = ~(uint64_t)0; /* a position: that was all */
bool universe_visit(struct universe *universe, uint64_t *position);
bool queue_visit(struct queue *queue, uint64_t *position);
bool lane_visit(struct lane *lane, uint64_t *position);

#endif
