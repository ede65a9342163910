/* SPDX-License-Identifier: MIT */
/*
 * References and deferred ends of kernel objects.
 *
 * Whenever a count falls to zero the object goes onto this CPU's list of deferred objects and
 * sched_leave() works it off through object_reap(), where no lock is held and no stack is deep: a
 * universe that closes its descriptors only puts more objects onto the list. `deferred` keeps an
 * object from being listed twice.
 *
 * An object may be listed to be abandoned (handles at zero, references not) while another CPU
 * drops the last reference. So being listed holds a reference of its own: the list's. It is
 * dropped after the abandon hook, and when it was the last the object is destroyed right there,
 * which is safe, for object_reap() is the only caller.
 *
 * What an object had is not free before it has been reaped. Who cannot have memory meanwhile asks
 * object_is_reaping(), see sched/shortage.c and ipc/await-ends.c.
 */
#include <thor/object/object.h>

#include <base/assert.h>
#include <thor/cpu.h>
#include <thor/ipc/await-ends.h>
#include <thor/memory/memory.h>
#include <thor/object/account.h>
#include <thor/object/cycle.h>
#include <thor/sched/sched.h>
#include <thor/trace/trace.h>

constexpr unsigned OBJECT_PAUSE_EVERY = 4; /* objects between two looks at the clock */

/* Every CPU counts by itself: 2^48 objects at one a nanosecond take three days of nothing else. */
static uint64_t object_make_identity(void)
{
	struct cpu *cpu = arch_this_cpu();

	return (uint64_t)(cpu->index + 1) << 48 | ++cpu->run_queue.n_identities;
}

void object_init(struct object *object, const struct object_class *class)
{
	object->class = class;
	atomic_init(&object->references, 1);
	atomic_init(&object->handles, 0);
	object->deferred_next = NULL;
	object->suspect_next = NULL;
	atomic_init(&object->is_suspect, false);
	object->n_tries = 0;
	object->is_condemned = false;
	atomic_init(&object->deferred, false);
	object->member_number = 0;
	object->identity = object_make_identity();
	object->n_bytes = 0;
	object->account = NULL;
	TRACE(OBJECTS, OBJECT_MADE, class->type, object->identity, 0);
}

void object_renew(struct object *object)
{
	atomic_init(&object->references, 1);
	atomic_init(&object->handles, 1);
	object->n_tries = 0;
	object->is_condemned = false;
	object->identity = object_make_identity();
	TRACE(OBJECTS, OBJECT_MADE, object->class->type, object->identity, 0);
}

void *object_create_in(struct account *account, const struct object_class *class, size_t size)
{
	struct object *object = account_allocate(account, size);

	if (object != NULL) {
		object_init(object, class);
		object->n_bytes = (uint32_t)size;
		object->account = account;
	}
	return object;
}

void *object_create(const struct object_class *class, size_t size)
{
	return object_create_in(account_current(), class, size);
}

void object_free(struct object *object)
{
	account_free(object->account, object, object->n_bytes);
}

void object_abandon_nothing(UNUSED struct object *object)
{
}

static struct object *object_first_deferred(const struct cpu *cpu)
{
	return atomic_load_explicit(&cpu->run_queue.deferred, memory_order_relaxed);
}

static void object_list(struct object *object)
{
	struct cpu *cpu = arch_this_cpu();

	object->deferred_next = object_first_deferred(cpu);
	atomic_store_explicit(&cpu->run_queue.deferred, object, memory_order_relaxed);
	sched_look(cpu);
}

bool object_try_ref(struct object *object)
{
	uint32_t references = atomic_load_explicit(&object->references, memory_order_relaxed);

	while (references > 0) {
		if (atomic_compare_exchange_weak_explicit(&object->references, &references,
			    references + 1, memory_order_relaxed, memory_order_relaxed)) {
			return true;
		}
	}
	return false;
}

/* Nobody else can make a reference any more, but for object_try_ref(). The list gets one. */
void object__last_unref(struct object *object)
{
	atomic_fetch_add_explicit(&object->references, 1, memory_order_relaxed);
	object_list(object);
}

void object_abandon_later(struct object *object)
{
	if (!atomic_exchange_explicit(&object->deferred, true, memory_order_acq_rel)) {
		object_list(object);
		return;
	}
	object_unref(object);
}

static inline void object_drop_handle(struct object *object, bool is_suspicious)
{
	uint32_t n_handles =
		(uint32_t)atomic_fetch_sub_explicit(&object->handles, 1, memory_order_acq_rel);

	if (n_handles == 1 && object->class->abandon != object_abandon_nothing) {
		object_abandon_later(object);
		return;
	}
	if (n_handles > 1 && is_suspicious && cycle_is_member(object)) {
		cycle_suspect(object);
	}
	object_unref(object);
}

void object_handle_unref(struct object *object)
{
	object_drop_handle(object, true);
}

void object_handle_unref_quietly(struct object *object)
{
	object_drop_handle(object, false);
}

void object_abandon_again(struct object *object)
{
	object_ref(object);
	object_abandon_later(object);
}

void object_destroy_again(struct object *object)
{
	/* There is one more last reference to drop. */
	atomic_store_explicit(&object->references, 1, memory_order_relaxed);
	object_unref(object);
}

static void object_finish(struct object *object)
{
	if (atomic_exchange_explicit(&object->deferred, false, memory_order_acq_rel) &&
		(object_handles(object) == 0 || object->is_condemned)) {
		object->class->abandon(object);
	}
	if (atomic_fetch_sub_explicit(&object->references, 1, memory_order_acq_rel) == 1) {
		TRACE(OBJECTS, OBJECT_ENDED, object->class->type, object->identity, 0);
		object->class->destroy(object);
	}
}

bool object_reap(struct cpu *cpu, unsigned budget, uint64_t since_ns)
{
	struct run_queue *queue = &cpu->run_queue;
	struct object *object;

	if (atomic_load_explicit(&queue->is_reaping, memory_order_relaxed)) {
		return false;
	}
	atomic_store_explicit(&queue->is_reaping, true, memory_order_relaxed);
	while ((object = object_first_deferred(cpu)) != NULL && budget-- > 0) {
		/* Who sees it off the list sees that it is being worked on. */
		atomic_store_explicit(
			&queue->deferred, object->deferred_next, memory_order_release);
		object_finish(object);
		/* A large object goes in slices: it lists itself again. */
		if ((object_first_deferred(cpu) == object || budget % OBJECT_PAUSE_EVERY == 0) &&
			sched_should_pause(since_ns)) {
			break;
		}
	}
	bool is_more = object_first_deferred(cpu) != NULL;

	if (!is_more) {
		atomic_store_explicit(&queue->reaped_until_ns, since_ns, memory_order_relaxed);
	}
	atomic_store(&queue->is_reaping, false);
	if (!is_more && unlikely(await_ends_is_wanted())) {
		await_ends_check();
	}
	return is_more;
}

static bool object_is_reaping_on(const struct cpu *cpu, uint64_t since_ns)
{
	const struct run_queue *queue = &cpu->run_queue;

	/* What it lets go of is deferred before it says that it has. */
	if (!atomic_load_explicit(&queue->must_let_go, memory_order_acquire) &&
		atomic_load_explicit(&queue->deferred, memory_order_acquire) == NULL &&
		!atomic_load_explicit(&queue->is_reaping, memory_order_acquire)) {
		return false;
	}
	return atomic_load_explicit(&queue->reaped_until_ns, memory_order_relaxed) < since_ns;
}

bool object_is_reaping(uint64_t since_ns)
{
	bool is_reaping = false;

	for (uint32_t i = 0; i < cpu_count && !is_reaping; i++) {
		is_reaping = cpu_table[i] != NULL && object_is_reaping_on(cpu_table[i], since_ns);
	}
	return is_reaping;
}
