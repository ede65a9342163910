/* SPDX-License-Identifier: MIT */
/*
 * Examinations of cycles: see cycle.h.
 *
 * An examination has a table of members and one of *ways*, each from a member to one that lives as
 * long as it does; the ways of a member are a list. Both grow by chunks of a page, so a set may be
 * as large as it likes: they take some 50 bytes for each object of hundreds. An object has its
 * number in the table, and the entry says whether that is true, so numbers need not be cleared.
 *
 * One examination is for all suspects that there are: what many of them can reach is looked at
 * once. All are gathered before the first is scanned; who is marked later is for the next one.
 *
 *	GATHER -> SCAN -> EXPLAIN -> DOUBT -> VERIFY -> CONFIRM -> ABANDON -> RELEASE -> FREE
 *	   |       |         |         |        |          |                     ^
 *	   '-------+---------+---------+--------+----------+---------------------'
 *	    no memory; or no suspect is left that may be garbage
 *
 * From EXPLAIN to CONFIRM each phase finds members that live, and spreads that along their ways
 * before the next one begins.
 *
 * Time that is spent on what lives is spent in vain, and afterwards nothing is examined for 32
 * times as long. So large structures cost 3% of a CPU at most, however often their members become
 * suspects; and garbage, however much of it there is, goes as quickly as it comes.
 */
#include <thor/object/cycle.h>

#include <base/string.h>
#include <thor/cpu.h>
#include <thor/ipc/queue.h>
#include <thor/ipc/stream.h>
#include <thor/memory/memory.h>
#include <thor/object/universe.h>
#include <thor/sched/sched.h>
#include <thor/sched/thread.h>
#include <thor/sched/work.h>

constexpr size_t CYCLE_CHUNK_BYTES = 4096;
constexpr uint32_t CYCLE_CHUNKS_FIRST = 8; /* that a table has room for at first */
constexpr uint32_t CYCLE_CHUNKS_ALWAYS = 16; /* of a table, even if memory is scarce */
constexpr uint32_t CYCLE_WAYS_SLICE = 64;
constexpr uint32_t CYCLE_NONE = UINT32_MAX;
constexpr uint32_t CYCLE_TRIES_MAX = 8; /* each after twice the time */
constexpr uint64_t CYCLE_DELAY_NS = 10'000'000; /* before suspects are examined, and again */
constexpr uint64_t CYCLE_REST = 32; /* times what was in vain */

/* What is known of a member; who is spared by one of the latter two is looked at again. */
enum cycle_life : uint8_t {
	CYCLE_CONDEMNED, /* until something is found that speaks for it */
	CYCLE_LIVES,     /* for certain: it has a handle that was not found, or its holder has */
	CYCLE_BUSY,      /* perhaps: it is used by a call, or has changed, or its holder has */
};

struct cycle_member {
	struct object *object; /* referenced */
	uint64_t handles; /* as first read: count, and how many were made */
	uint32_t references;
	uint32_t n_handles_found;
	uint32_t n_references_found;
	uint32_t first_way; /* to what it holds; CYCLE_NONE: nothing */
	uint32_t next_todo; /* another one whose ways have to be gone */
	enum cycle_life life;
	bool is_suspect; /* the examination is for it */
};

struct cycle_way {
	uint32_t to; /* a member */
	uint32_t next; /* of the same member */
};

constexpr uint32_t CYCLE_CHUNK_MEMBERS = CYCLE_CHUNK_BYTES / sizeof(struct cycle_member);
constexpr uint32_t CYCLE_CHUNK_WAYS = CYCLE_CHUNK_BYTES / sizeof(struct cycle_way);

/* Chunks of CYCLE_CHUNK_BYTES. */
struct cycle_table {
	void **chunks;
	uint32_t n_chunks, n_chunks_max;
};

enum cycle_phase : uint32_t {
	CYCLE_IDLE,
	CYCLE_GATHER, /* suspects */
	CYCLE_SCAN,
	CYCLE_EXPLAIN,
	CYCLE_DOUBT,
	CYCLE_VERIFY,  /* the condemned are what they were */
	CYCLE_CONFIRM, /* once more: nothing was made between */
	CYCLE_ABANDON, /* the condemned: they stay what they are */
	CYCLE_RELEASE,
	CYCLE_FREE,
};

/* The examination that is under way; there is one at a time. */
struct cycle {
	enum cycle_phase phase;
	bool is_given_up; /* there is no memory for it */
	uint32_t n_members, n_ways;
	uint32_t n_suspects; /* that are members */
	uint32_t n_open; /* of them, condemned yet */
	uint32_t n_abandoned;
	uint32_t current; /* the member that the phase is at */
	uint64_t position; /* in it */
	uint32_t todo; /* the first member whose ways have to be gone */
	uint32_t spread; /* the one whose ways are gone, and */
	uint32_t spread_way; /* the next of them */
	uint64_t spent_ns;
	struct cycle_table members; /* of struct cycle_member */
	struct cycle_table ways; /* of struct cycle_way */
};

static void cycle_run(struct work *work);

static _Atomic(struct object *) cycle_suspects; /* by suspect_next, each with a reference */
static _Atomic bool cycle_is_running; /* the work is posted, waits for the timer, or runs */
/* who runs it */
static bool cycle_is_due; /* the suspects have waited */
static struct work cycle_work = { .run = cycle_run };
static struct object *cycle_fresh; /* suspects that were taken */
static struct object *cycle_again; /* that were busy, or found no memory */
static uint32_t cycle_n_waits; /* since the last new suspect: how long the next one is */
static uint32_t cycle_suspects_max = UINT32_MAX; /* of an examination; fewer, if memory is short */
static uint64_t cycle_ended_ns; /* the last examination, and */
static uint64_t cycle_rest_ns; /* for so long there is no other one */
static struct timer cycle_timer;
static struct cycle cycle;

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

/* To be examined once more; it has a reference. */
static void cycle_remember(struct object *suspect)
{
	uint8_t n_tries = suspect->n_tries;

	if (n_tries < CYCLE_TRIES_MAX && cycle_mark(suspect)) {
		suspect->n_tries = n_tries + 1;
		suspect->suspect_next = cycle_again;
		cycle_again = suspect;
	}
}

/* ---- tables ------------------------------------------------------------------------ */

static struct cycle_member *cycle_member(uint32_t number)
{
	struct cycle_member *chunk = cycle.members.chunks[number / CYCLE_CHUNK_MEMBERS];

	return &chunk[number % CYCLE_CHUNK_MEMBERS];
}

static struct cycle_way *cycle_way(uint32_t number)
{
	struct cycle_way *chunk = cycle.ways.chunks[number / CYCLE_CHUNK_WAYS];

	return &chunk[number % CYCLE_CHUNK_WAYS];
}

static bool cycle_table_widen(struct cycle_table *table)
{
	uint32_t n_max = table->n_chunks_max == 0 ? CYCLE_CHUNKS_FIRST : 2 * table->n_chunks_max;
	void **chunks = heap_allocate_dirty(n_max * sizeof(chunks[0]));

	if (chunks == NULL) {
		return false;
	}
	if (table->n_chunks > 0) {
		memcpy(chunks, table->chunks, table->n_chunks * sizeof(chunks[0]));
	}
	heap_free(table->chunks);
	table->chunks = chunks;
	table->n_chunks_max = n_max;
	return true;
}

static bool cycle_table_grow(struct cycle_table *table)
{
	if (table->n_chunks >= CYCLE_CHUNKS_ALWAYS && frame_is_scarce()) {
		return false;
	}
	if (table->n_chunks == table->n_chunks_max && !cycle_table_widen(table)) {
		return false;
	}
	void *chunk = heap_allocate_dirty(CYCLE_CHUNK_BYTES);

	if (chunk == NULL) {
		return false;
	}
	table->chunks[table->n_chunks++] = chunk;
	return true;
}

/* Some of it; whether that was all. */
static bool cycle_table_free(struct cycle_table *table)
{
	if (table->n_chunks > 0) {
		heap_free(table->chunks[--table->n_chunks]);
		return false;
	}
	heap_free(table->chunks);
	*table = (struct cycle_table){};
	return true;
}

/* ---- gathering --------------------------------------------------------------------- */

static uint32_t cycle_add_member(struct object *object)
{
	uint32_t number = cycle.n_members;

	if (number / CYCLE_CHUNK_MEMBERS == cycle.members.n_chunks &&
		!cycle_table_grow(&cycle.members)) {
		cycle.is_given_up = true;
		return CYCLE_NONE;
	}
	/* What is being destroyed gives nothing to anybody. */
	if (!object_try_ref(object)) {
		return CYCLE_NONE;
	}
	cycle.n_members++;
	object->member_number = number;
	*cycle_member(number) = (struct cycle_member){
		.object = object,
		.handles = atomic_load(&object->handles),
		.references = cycle_references(object),
		.first_way = CYCLE_NONE,
	};
	return number;
}

/* The number of a member, gathered now if it is new; CYCLE_NONE: it is not examined. */
static uint32_t cycle_gather(struct object *object)
{
	uint32_t number = object->member_number;

	if (number < cycle.n_members && cycle_member(number)->object == object) {
		return number;
	}
	return cycle_add_member(object);
}

static void cycle_add_way(uint32_t from, uint32_t to)
{
	if (from == CYCLE_NONE || to == CYCLE_NONE) {
		return;
	}
	if (cycle.n_ways / CYCLE_CHUNK_WAYS == cycle.ways.n_chunks &&
		!cycle_table_grow(&cycle.ways)) {
		cycle.is_given_up = true;
		return;
	}
	struct cycle_member *member = cycle_member(from);

	*cycle_way(cycle.n_ways) = (struct cycle_way){ .to = to, .next = member->first_way };
	member->first_way = cycle.n_ways++;
}

void cycle_found_handle(struct object *object)
{
	if (!cycle_is_member(object)) {
		return;
	}
	uint32_t number = cycle_gather(object);

	cycle_add_way(cycle.current, number);
	if (number != CYCLE_NONE) {
		cycle_member(number)->n_handles_found++;
	}
}

void cycle_found_references(struct object *object, uint32_t n)
{
	uint32_t number = cycle_gather(object);

	if (number != CYCLE_NONE) {
		cycle_member(number)->n_references_found += n;
	}
}

void cycle_found_neighbour(struct object *object)
{
	(void)cycle_gather(object);
}

void cycle_found_way(struct object *object)
{
	cycle_add_way(cycle.current, cycle_gather(object));
}

void cycle_found_keeper(struct object *object)
{
	cycle_add_way(cycle_gather(object), cycle.current);
}

/* Most suspects have come to their end by the time they are looked at. */
static bool cycle_is_over(const struct object *suspect)
{
	return object_handles(suspect) == 0 ||
		atomic_load_explicit(&suspect->references, memory_order_relaxed) == 1;
}

static struct object *cycle_next_suspect(void)
{
	struct object **list = cycle_again != NULL ? &cycle_again : &cycle_fresh;
	struct object *suspect = *list;

	if (suspect != NULL) {
		*list = suspect->suspect_next;
	}
	return suspect;
}

/* The next suspect; whether there are more. */
static bool cycle_gather_suspect(void)
{
	struct object *suspect =
		cycle.n_suspects < cycle_suspects_max ? cycle_next_suspect() : NULL;

	if (suspect == NULL) {
		return false;
	}
	/* Before its counts are read: what it loses afterwards makes a suspect of it again. */
	atomic_store(&suspect->is_suspect, false);
	if (!cycle_is_over(suspect)) {
		uint32_t number = cycle_gather(suspect);

		if (number == CYCLE_NONE) {
			cycle_remember(suspect);
		} else {
			/* The list's reference was counted, too. */
			cycle_member(number)->references--;
			cycle_member(number)->is_suspect = true;
			cycle.n_suspects++;
			cycle.n_open++;
		}
	}
	object_unref(suspect);
	return true;
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
	if (!cycle_visit(member->object, &cycle.position)) {
		member->life = CYCLE_LIVES;
		cycle.position = CYCLE_VISITED;
	}
	if (cycle.position != CYCLE_VISITED) {
		return false;
	}
	cycle.position = 0;
	return true;
}

/* ---- judging ----------------------------------------------------------------------- */

/* It is not garbage; neither is what its ways lead to. */
static void cycle_spare(uint32_t number, enum cycle_life life)
{
	struct cycle_member *member = cycle_member(number);

	member->life = life;
	member->next_todo = cycle.todo;
	cycle.todo = number;
	cycle.n_open -= member->is_suspect;
}

/* Who has a handle that was not found lives for certain. */
static void cycle_explain(const struct cycle_member *member)
{
	if (member->life == CYCLE_LIVES || (uint32_t)member->handles != member->n_handles_found) {
		cycle_spare(cycle.current, CYCLE_LIVES);
	}
}

/*
 * Who has a reference, as first read, that comes neither from what was found nor from ourselves may
 * be in use by a call. Who has only a reference to a queue, or its memory, gets nothing out of it.
 */
static void cycle_doubt(const struct cycle_member *member)
{
	uint32_t n_explained = (uint32_t)member->handles + member->n_references_found + 1;

	if (member->life == CYCLE_CONDEMNED && member->object->class->type != HEL_TYPE_QUEUE &&
		member->references != n_explained) {
		cycle_spare(cycle.current, CYCLE_BUSY);
	}
}

/* Some of the ways of a member that was spared; whether there are more to be gone. */
static bool cycle_spread(void)
{
	if (cycle.spread == CYCLE_NONE) {
		if (cycle.todo == CYCLE_NONE) {
			return false;
		}
		cycle.spread = cycle.todo;
		cycle.todo = cycle_member(cycle.spread)->next_todo;
		cycle.spread_way = cycle_member(cycle.spread)->first_way;
	}
	enum cycle_life life = cycle_member(cycle.spread)->life;

	for (uint32_t i = 0; i < CYCLE_WAYS_SLICE && cycle.spread_way != CYCLE_NONE; i++) {
		const struct cycle_way *way = cycle_way(cycle.spread_way);

		if (cycle_member(way->to)->life == CYCLE_CONDEMNED) {
			cycle_spare(way->to, life);
		}
		cycle.spread_way = way->next;
	}
	if (cycle.spread_way == CYCLE_NONE) {
		cycle.spread = CYCLE_NONE;
	}
	return true;
}

static bool cycle_is_unchanged(const struct cycle_member *member)
{
	const struct object *object = member->object;

	return atomic_load(&object->handles) == member->handles &&
		(object->class->type == HEL_TYPE_QUEUE ||
			cycle_references(object) == member->references);
}

/* Whether a member is still what it was; those that are stay condemned, without it and its ways. */
static void cycle_verify(const struct cycle_member *member)
{
	if (member->life == CYCLE_CONDEMNED && !cycle_is_unchanged(member)) {
		cycle_spare(cycle.current, CYCLE_BUSY);
	}
}

static void cycle_abandon(const struct cycle_member *member)
{
	if (member->life == CYCLE_CONDEMNED) {
		member->object->is_condemned = true;
		object_abandon_again(member->object);
		cycle.n_abandoned++;
	}
}

static void cycle_release(const struct cycle_member *member)
{
	if (member->is_suspect && (cycle.is_given_up || member->life == CYCLE_BUSY)) {
		cycle_remember(member->object);
	}
	object_unref(member->object);
}

/* ---- examinations ------------------------------------------------------------------ */

static void cycle_begin_phase(enum cycle_phase phase)
{
	cycle.phase = phase;
	cycle.current = 0;
	cycle.position = 0;
}

static void cycle_begin(void)
{
	if (cycle_fresh == NULL) {
		cycle_fresh = atomic_exchange(&cycle_suspects, NULL);
	}
	cycle = (struct cycle){ .todo = CYCLE_NONE, .spread = CYCLE_NONE };
	cycle_begin_phase(CYCLE_GATHER);
}

/* All is given back. Without memory it is tried with fewer suspects the next time. */
static void cycle_end(void)
{
	uint32_t n_alive = cycle.n_members - cycle.n_abandoned;

	if (cycle.is_given_up) {
		cycle_suspects_max = cycle.n_suspects > 1 ? cycle.n_suspects / 2 : 1;
	} else if (cycle_suspects_max <= UINT32_MAX / 2) {
		cycle_suspects_max *= 2;
	}
	cycle_ended_ns = arch_clock_ns();
	cycle_rest_ns = n_alive > 0 ? CYCLE_REST * cycle.spent_ns / cycle.n_members * n_alive : 0;
}

/* One step for the current member; whether the next one is due. */
static bool cycle_treat(struct cycle_member *member)
{
	switch (cycle.phase) {
	case CYCLE_SCAN: return cycle_scan(member);
	case CYCLE_EXPLAIN: cycle_explain(member); return true;
	case CYCLE_DOUBT: cycle_doubt(member); return true;
	case CYCLE_VERIFY:
	case CYCLE_CONFIRM: cycle_verify(member); return true;
	case CYCLE_ABANDON: cycle_abandon(member); return true;
	default: cycle_release(member); return true;
	}
}

/* One step of the phase; whether there are more. */
static bool cycle_go_on(void)
{
	if (cycle.phase == CYCLE_GATHER) {
		return cycle_gather_suspect();
	}
	if (cycle.phase == CYCLE_FREE) {
		return !cycle_table_free(&cycle.members) || !cycle_table_free(&cycle.ways);
	}
	if (cycle.current < cycle.n_members) {
		cycle.current += cycle_treat(cycle_member(cycle.current));
		return true;
	}
	return cycle_spread();
}

static void cycle_step(void)
{
	bool is_hopeless = cycle.is_given_up && cycle.phase < CYCLE_RELEASE;

	if (!is_hopeless && cycle_go_on()) {
		return;
	}
	if (cycle.phase == CYCLE_FREE) {
		cycle.phase = CYCLE_IDLE;
	} else if (is_hopeless || (cycle.phase < CYCLE_RELEASE && cycle.n_open == 0)) {
		cycle_begin_phase(CYCLE_RELEASE);
	} else {
		cycle_begin_phase(cycle.phase + 1);
	}
}

/* ---- when -------------------------------------------------------------------------- */

/* Some of the examination; whether there is more of it. */
static bool cycle_examine(void)
{
	uint64_t start_ns = arch_clock_ns();

	while (cycle.phase != CYCLE_IDLE && !sched_should_pause(start_ns)) {
		cycle_step();
	}
	cycle.spent_ns += arch_clock_ns() - start_ns;
	return cycle.phase != CYCLE_IDLE;
}

/* It is time for the suspects. */
static void cycle_timer_expired(UNUSED struct timer *timer)
{
	work_post(&cycle_work);
}

/* It stays the work's turn meanwhile. */
static void cycle_wait(void)
{
	uint64_t now_ns = arch_clock_ns();
	uint64_t delay_ns = CYCLE_DELAY_NS << cycle_n_waits;
	uint64_t rested_ns = now_ns - cycle_ended_ns;

	if (rested_ns < cycle_rest_ns) {
		delay_ns = max_u64(delay_ns, cycle_rest_ns - rested_ns);
	}
	timer_init(&cycle_timer, cycle_timer_expired, NULL);
	timer_arm(&cycle_timer, now_ns + delay_ns);
}

static bool cycle_has_new(void)
{
	return cycle_fresh != NULL || atomic_load(&cycle_suspects) != NULL;
}

static void cycle_run(struct work *work)
{
	if (!cycle_is_due) {
		cycle_is_due = true;
		cycle_wait();
		return;
	}
	if (cycle.phase == CYCLE_IDLE) {
		cycle_begin();
	}
	if (cycle_examine()) {
		work_post(work);
		return;
	}
	cycle_end();
	cycle_n_waits = cycle_has_new() ? 0 : (uint32_t)min_u64(cycle_n_waits + 1, CYCLE_TRIES_MAX);
	if (cycle_has_new() || cycle_again != NULL) {
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
