/* SPDX-License-Identifier: MIT */
/* Work on the way out of the kernel: see work.h. */
#include <thor/sched/work.h>

#include <thor/cpu.h>
#include <thor/sched/sched.h>

void work_post(struct work *work)
{
	struct cpu *cpu = arch_this_cpu();
	struct run_queue *queue = &cpu->run_queue;

	work->next = NULL;
	if (queue->work_first == NULL) {
		queue->work_first = work;
	} else {
		queue->work_last->next = work;
	}
	queue->work_last = work;
	sched_look(cpu);
}

bool work_do(struct cpu *cpu, unsigned budget, uint64_t since_ns)
{
	struct run_queue *queue = &cpu->run_queue;

	while (queue->work_first != NULL && budget-- > 0) {
		struct work *work = queue->work_first;

		queue->work_first = work->next;
		work->run(work);
		if (sched_should_pause(since_ns)) {
			break;
		}
	}
	return queue->work_first != NULL;
}
