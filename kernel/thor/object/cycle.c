/* SPDX-License-Identifier: MIT */
/* Examinations of cycles: see cycle.h. */
#include <thor/object/cycle.h>

#include <base/hash.h>
#include <base/string.h>
#include <thor/cpu.h>
#include <thor/ipc/queue.h>
#include <thor/ipc/stream.h>
#include <thor/memory/memory.h>
#include <thor/object/universe.h>
#include <thor/sched/sched.h>
#include <thor/sched/thread.h>
#include <thor/sched/work.h>

constexpr uint32_t CYCLE_MEMBERS_MAX = 1024;
constexpr uint32_t CYCLE_WAYS_MAX = 4096;
constexpr uint32_t CYCLE_INDEX_SIZE = 2 * CYCLE_MEMBERS_MAX;
constexpr uint16_t CYCLE_NONE = UINT16_MAX;
constexpr uint32_t CYCLE_TRIES_MAX = 8; /* each after twice the time */
constexpr uint64_t CYCLE_DELAY_NS = 10'000'000; /* before suspects are examined, and again */

struct cycle_member {
	struct object *object; /* referenced */
	uint64_t handles; /* as first read: count, and how many were made */
	uint32_t references;
	uint32_t n_handles_found;
	uint32_t n_references_found;
	uint32_t first_way, n_ways; /* to what it holds */
	bool is_alive;
};

/* What is done with the member `current`, one after the other. */
enum cycle_phase : uint32_t {
	CYCLE_SCAN,
	CYCLE_EXPLAIN,
	CYCLE_SPREAD, /* until nothing is to do */
	CYCLE_DOUBT,
	CYCLE_SPREAD_DOUBT,
	CYCLE_VERIFY,  /* the condemned are what they were */
	CYCLE_CONFIRM, /* once more: nothing was made between */
	CYCLE_ABANDON, /* the condemned: they stay what they are */
	CYCLE_RELEASE,
};

/* The examination that is under way; there is one at a time. */
struct cycle {
	enum cycle_phase phase;
	uint32_t n_members, n_ways;
	uint32_t current;
	uint64_t position; /* in it */
	bool is_given_up; /* too large, or busy */
	bool is_busy; /* some member is used by a call, or has changed */
	uint32_t n_todo; /* living members whose ways have to be gone: in `index` */
	uint16_t index[CYCLE_INDEX_SIZE]; /* of members, by address */
	uint16_t ways[CYCLE_WAYS_MAX];
	struct cycle_member members[CYCLE_MEMBERS_MAX];
};

static void cycle_run(struct work *work);

static _Atomic(struct object *) cycle_suspects; /* by suspect_next, each with a reference */
static _Atomic bool cycle_is_running; /* the work is posted, waits for the timer, or runs */
/* who runs it */
static bool cycle_is_due; /* the suspects have waited */
static struct work cycle_work = { .run = cycle_run };
static struct object *cycle_todo; /* suspects that were taken */
static struct object *cycle_busy; /* that are to be tried again, with references */
static uint32_t cycle_n_waits; /* since the last new suspect: how long the next one is */
static struct timer cycle_timer;
static struct cycle *cycle;

/* ---- suspects ---------------------------------------------------------------------- */

/* A hint: it runs, or has nothing that could make a cycle of it. */
static bool cycle_is_in_use(struct object *object)
{
	switch (object->class->type) {
	case HEL_TYPE_UNIVERSE: return false;
	case HEL_TYPE_THREAD: return atomic_load(&thread_of(object)->state) != THREAD_STOPPED;
	case HEL_TYPE_QUEUE: return queue_of(object)->n_operations == 0;
	default: return !lane_of(object)->stream->has_carried;
	}
}

static void cycle_push(struct object *object)
{
	struct object *first = atomic_load(&cycle_suspects);

	do {
		object->suspect_next = first;
	} while (!atomic_compare_exchange_weak(&cycle_suspects, &first, object));
}

/*
 * Whether it was no suspect yet; now it is one, with a reference. That comes first: who sees the
 * mark knows of the reference.
 */
static bool cycle_mark(struct object *object)
{
	object_ref(object);
	if (atomic_exchange(&object->is_suspect, true)) {
		object_unref(object);
		return false;
	}
	return true;
}

/* References but for that of a suspect in a list. */
static uint32_t cycle_references(const struct object *object)
{
	uint32_t is_suspect = atomic_load(&object->is_suspect);

	return atomic_load(&object->references) - is_suspect;
}

void cycle_suspect(struct object *object)
{
	if (cycle_is_in_use(object) || !cycle_mark(object)) {
		return;
	}
	object->n_tries = 0;
	cycle_push(object);
	if (!atomic_exchange(&cycle_is_running, true)) {
		work_post(&cycle_work);
	}
}

/* ---- gathering --------------------------------------------------------------------- */

/* The number of a member, gathered now if it is new; CYCLE_NONE: it is not examined. */
static uint16_t cycle_gather(struct object *object)
{
	uint32_t slot = (uint32_t)hash_u64((uint64_t)object) % CYCLE_INDEX_SIZE;

	for (; cycle->index[slot] != CYCLE_NONE; slot = (slot + 1) % CYCLE_INDEX_SIZE) {
		if (cycle->members[cycle->index[slot]].object == object) {
			return cycle->index[slot];
		}
	}
	if (cycle->n_members == CYCLE_MEMBERS_MAX) {
		cycle->is_given_up = true;
		return CYCLE_NONE;
	}
	if (!object_try_ref(object)) {
		cycle->is_busy = true;
		cycle->is_given_up = true;
		return CYCLE_NONE;
	}
	uint16_t number = (uint16_t)cycle->n_members++;

	cycle->index[slot] = number;
	cycle->members[number] = (struct cycle_member){
		.object = object,
		.handles = atomic_load(&object->handles),
		.references = cycle_references(object),
	};
	return number;
}

static void cycle_add_way(uint16_t to)
{
	if (to == CYCLE_NONE || cycle->n_ways == CYCLE_WAYS_MAX) {
		cycle->is_given_up = true;
		return;
	}
	cycle->ways[cycle->n_ways++] = to;
	cycle->members[cycle->current].n_ways++;
}

void cycle_found_handle(struct object *object)
{
	if (!cycle_is_member(object)) {
		return;
	}
	uint16_t number = cycle_gather(object);

	cycle_add_way(number);
	if (number != CYCLE_NONE) {
		cycle->members[number].n_handles_found++;
	}
}

void cycle_found_references(struct object *object, uint32_t n)
{
	uint16_t number = cycle_gather(object);

	if (number != CYCLE_NONE) {
		cycle->members[number].n_references_found += n;
	}
}

void cycle_found_neighbour(struct object *object)
{
	(void)cycle_gather(object);
}

void cycle_found_way(struct object *object)
{
	cycle_add_way(cycle_gather(object));
}

/* ---- scanning ---------------------------------------------------------------------- */

/* A thread that is stopped and was started has a reference to itself until it ends. */
static bool thread_visit(struct thread *thread, uint64_t *position)
{
	*position = CYCLE_VISITED;
	if (atomic_load(&thread->state) != THREAD_STOPPED) {
		return false;
	}
	if (atomic_load(&thread->is_started)) {
		cycle_found_references(&thread->object, 1);
	}
	if (thread->universe != NULL) {
		cycle_found_handle(&thread->universe->object);
	}
	return true;
}

static bool cycle_visit(struct object *object, uint64_t *position)
{
	switch (object->class->type) {
	case HEL_TYPE_UNIVERSE: return universe_visit(universe_of(object), position);
	case HEL_TYPE_THREAD: return thread_visit(thread_of(object), position);
	case HEL_TYPE_QUEUE: return queue_visit(queue_of(object), position);
	default: return lane_visit(lane_of(object), position);
	}
}

/* Some of the current member; whether that was all of it. */
static bool cycle_scan(struct cycle_member *member)
{
	if (cycle->position == 0) {
		member->first_way = cycle->n_ways;
	}
	if (!cycle_visit(member->object, &cycle->position)) {
		member->is_alive = true;
		cycle->position = CYCLE_VISITED;
	}
	if (cycle->position != CYCLE_VISITED) {
		return false;
	}
	cycle->position = 0;
	return true;
}

/* ---- judging ----------------------------------------------------------------------- */

/* It lives. The index is not needed any more, and becomes the list of what to do. */
static void cycle_spare(uint16_t number)
{
	cycle->members[number].is_alive = true;
	cycle->index[cycle->n_todo++] = number;
}

/* Who has a handle that was not found lives for certain. */
static void cycle_explain(uint16_t number)
{
	const struct cycle_member *member = &cycle->members[number];

	if (member->is_alive || (uint32_t)member->handles != member->n_handles_found) {
		cycle_spare(number);
	}
}

/*
 * Who has a reference, as first read, that comes neither from what was found nor from ourselves may
 * be in use by a call. Who has only a reference to a queue, or its memory, gets nothing out of it.
 */
static void cycle_doubt(uint16_t number)
{
	const struct cycle_member *member = &cycle->members[number];
	uint32_t n_explained = (uint32_t)member->handles + member->n_references_found + 1;

	if (!member->is_alive && member->object->class->type != HEL_TYPE_QUEUE &&
		member->references != n_explained) {
		cycle->is_busy = true;
		cycle_spare(number);
	}
}

/* What the living hold lives. */
static void cycle_spread(void)
{
	const struct cycle_member *member = &cycle->members[cycle->index[--cycle->n_todo]];

	for (uint32_t i = 0; i < member->n_ways; i++) {
		uint16_t to = cycle->ways[member->first_way + i];

		if (!cycle->members[to].is_alive) {
			cycle_spare(to);
		}
	}
}

static bool cycle_is_unchanged(const struct cycle_member *member)
{
	const struct object *object = member->object;

	return atomic_load(&object->handles) == member->handles &&
		(object->class->type == HEL_TYPE_QUEUE ||
			cycle_references(object) == member->references);
}

/* Whether a member is still what it was, if it is condemned. */
static void cycle_verify(const struct cycle_member *member)
{
	if (!member->is_alive && !cycle_is_unchanged(member)) {
		cycle->is_busy = true;
		cycle->is_given_up = true;
	}
}

static void cycle_abandon(const struct cycle_member *member)
{
	if (!member->is_alive) {
		member->object->is_condemned = true;
		object_abandon_again(member->object);
	}
}

/* ---- examinations ------------------------------------------------------------------ */

/* The next suspect, whose reference is the caller's; or NULL. */
static struct object *cycle_next(void)
{
	if (cycle_todo == NULL) {
		cycle_todo = atomic_exchange(&cycle_suspects, NULL);
		if (cycle_todo != NULL) {
			cycle_n_waits = 0;
		}
	}
	struct object *suspect = cycle_todo;

	if (suspect != NULL) {
		cycle_todo = suspect->suspect_next;
		atomic_store(&suspect->is_suspect, false);
	}
	return suspect;
}

/* Without memory it is forgotten: it would be tried for ever. */
static void cycle_begin(struct object *suspect)
{
	cycle = heap_allocate_dirty(sizeof(*cycle));
	if (cycle == NULL) {
		object_unref(suspect);
		return;
	}
	cycle->phase = CYCLE_SCAN;
	cycle->n_members = 0;
	cycle->n_ways = 0;
	cycle->n_todo = 0;
	cycle->current = 0;
	cycle->position = 0;
	cycle->is_given_up = false;
	cycle->is_busy = false;
	static_assert(CYCLE_NONE == UINT16_MAX);
	memset(cycle->index, 0xff, sizeof(cycle->index));
	(void)cycle_gather(suspect);
	/* The suspect's own reference was counted, and stays here as that of a member. */
	object_unref(suspect);
	cycle->members[0].references--;
}

/* No member is needed any more. */
static void cycle_end(void)
{
	heap_free(cycle);
	cycle = NULL;
}

/* Once for each examination, while there is a reference. */
static void cycle_remember(struct object *suspect)
{
	uint8_t n_tries = suspect->n_tries;

	if (cycle->is_busy && n_tries < CYCLE_TRIES_MAX && cycle_mark(suspect)) {
		suspect->n_tries = n_tries + 1;
		suspect->suspect_next = cycle_busy;
		cycle_busy = suspect;
	}
}

/* One step for the current member; whether the next one is due. */
static bool cycle_treat(struct cycle_member *member)
{
	switch (cycle->phase) {
	case CYCLE_SCAN: return cycle_scan(member);
	case CYCLE_EXPLAIN: cycle_explain((uint16_t)cycle->current); return true;
	case CYCLE_DOUBT: cycle_doubt((uint16_t)cycle->current); return true;
	case CYCLE_VERIFY:
	case CYCLE_CONFIRM: cycle_verify(member); return true;
	case CYCLE_ABANDON: cycle_abandon(member); return true;
	default:
		if (cycle->current == 0) {
			cycle_remember(member->object);
		}
		object_unref(member->object);
		return true;
	}
}

static void cycle_begin_phase(enum cycle_phase phase)
{
	cycle->phase = phase;
	cycle->current = 0;
}

static void cycle_step(void)
{
	if (cycle->is_given_up && cycle->phase < CYCLE_RELEASE) {
		cycle_begin_phase(CYCLE_RELEASE);
	} else if (cycle->phase == CYCLE_SPREAD || cycle->phase == CYCLE_SPREAD_DOUBT) {
		if (cycle->n_todo > 0) {
			cycle_spread();
		} else {
			/* If the suspect lives for certain so does all that can be reached. */
			cycle->is_given_up =
				cycle->phase == CYCLE_SPREAD && cycle->members[0].is_alive;
			cycle_begin_phase(cycle->phase + 1);
		}
	} else if (cycle->current < cycle->n_members) {
		cycle->current += cycle_treat(&cycle->members[cycle->current]);
	} else if (cycle->phase == CYCLE_RELEASE) {
		cycle_end();
	} else {
		cycle_begin_phase(cycle->phase + 1);
	}
}

/* Most suspects have come to their end by the time they are looked at. */
static bool cycle_is_over(const struct object *suspect)
{
	return object_handles(suspect) == 0 ||
		atomic_load_explicit(&suspect->references, memory_order_relaxed) == 1;
}

/* Some of an examination; false: there is nothing left to do. */
static bool cycle_go_on(uint64_t start_ns)
{
	while (cycle == NULL && !sched_should_pause(start_ns)) {
		struct object *suspect = cycle_next();

		if (suspect == NULL) {
			return false;
		}
		if (cycle_is_over(suspect)) {
			object_unref(suspect);
		} else {
			cycle_begin(suspect);
		}
	}
	while (cycle != NULL && !sched_should_pause(start_ns)) {
		cycle_step();
	}
	return true;
}

/* It is time for the suspects, or for those that were busy. */
static void cycle_timer_expired(UNUSED struct timer *timer)
{
	if (cycle_busy != NULL) {
		cycle_todo = cycle_busy;
		cycle_busy = NULL;
		cycle_n_waits++;
	}
	work_post(&cycle_work);
}

/* It stays the work's turn meanwhile. */
static void cycle_wait(void)
{
	timer_init(&cycle_timer, cycle_timer_expired, NULL);
	timer_arm(&cycle_timer, arch_clock_ns() + (CYCLE_DELAY_NS << cycle_n_waits));
}

static void cycle_run(struct work *work)
{
	if (!cycle_is_due) {
		cycle_is_due = true;
		cycle_wait();
		return;
	}
	if (cycle_go_on(arch_clock_ns())) {
		work_post(work);
		return;
	}
	if (cycle_busy != NULL) {
		cycle_wait();
		return;
	}
	cycle_n_waits = 0;
	cycle_is_due = false;
	atomic_store(&cycle_is_running, false);
	/* Somebody may have come in between, and left it to us. */
	if (atomic_load(&cycle_suspects) != NULL && !atomic_exchange(&cycle_is_running, true)) {
		work_post(work);
	}
}
