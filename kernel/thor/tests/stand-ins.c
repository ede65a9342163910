/* SPDX-License-Identifier: MIT */
/* What the tests of memory alone need of the parts of thor that they do not link. */
#include <thor/ipc/await-ends.h>
#include <thor/memory/managed.h>
#include <thor/object/cycle.h>
#include <thor/sched/sched.h>

uint64_t arch_clock_ns(void)
{
	return 0;
}

bool sched_should_pause(UNUSED uint64_t since_ns)
{
	return false;
}

/* CPUs have loaded what the tests tell them to. */
void sched_let_go(UNUSED uint64_t cpus)
{
}

/* There are no operations. */
_Atomic bool await_ends_wanted;

void await_ends_check(void)
{
}

/* There are no universes. */
void cycle_suspect(UNUSED struct object *object)
{
}

/* Nobody has operations on managed memory here. */
void managed_service(struct work *work)
{
	struct managed *managed = container_of(work, struct managed, work);

	managed->is_work_posted = false;
	object_unref(&managed->backing->object);
}
