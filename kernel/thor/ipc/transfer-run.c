/* SPDX-License-Identifier: MIT */
/*
 * Who copies large transfers, slice by slice.
 *
 * Copying costs time, and time is somebody's. A large transfer is *carried* by the thread whose
 * submission made its two actions meet: on its way to user mode it copies a few slices; then it
 * gets there, interrupts get their turn, and as there is more it soon comes back (the CPU looks
 * again, so the timer is set to now). So the scheduler may take the thread off the CPU between any
 * two of these steps, and the time is the thread's, at its priority. A thread that carries
 * something does not wait: its call is made again until nothing is left.
 *
 * What nobody carries goes on as work of a CPU: transfers whose page came, for that CPU is the
 * manager's; and those of threads that ended, were stopped, or have a kick to attend to, for the
 * two sides have nothing to do with that. They take turns, and after each turn the CPU rests from
 * them: shortly if it has nothing else to do, else so long that threads have four fifths of it.
 *
 * A list of transfers, a thread's or a CPU's, is touched by one CPU only: that which has the
 * thread, or the CPU itself. Ending a transfer needs no list: see exchange-transfer.c.
 */
#include <thor/ipc/transfer-internal.h>

#include <thor/cpu.h>
#include <thor/sched/sched.h>

constexpr unsigned TRANSFER_TURN_SLICES = 4; /* copied before interrupts get their turn */
constexpr uint64_t TRANSFER_REST_TURNS = 4; /* a rest takes as long as so many of the last turn */
constexpr uint64_t TRANSFER_SHORT_REST_NS = 20'000;

/* Copy from the first transfers of a list; those with more to copy are put back. */
static void transfer_take_turn(struct list *transfers, bool is_round_robin)
{
	uint64_t start_ns = arch_clock_ns();

	for (unsigned i = 0; i < TRANSFER_TURN_SLICES; i++) {
		struct transfer *transfer = LIST_POP_FRONT(transfers, struct transfer, runner_node);

		if (transfer == NULL) {
			return;
		}
		if (!transfer_copy_slice(transfer)) {
			continue;
		}
		if (is_round_robin) {
			list_push_back(transfers, &transfer->runner_node);
		} else {
			list_push_front(transfers, &transfer->runner_node);
		}
		if (sched_should_pause(start_ns)) {
			return;
		}
	}
}

/* ---- threads --------------------------------------------------------------------------------- */

void transfer_load(struct transfer *transfer)
{
	struct cpu *cpu = arch_this_cpu();
	struct thread *thread = cpu->current;

	/* One that waits does not get here before it is woken: this is somebody else's work. */
	if (thread == NULL ||
		atomic_load_explicit(&thread->state, memory_order_relaxed) != THREAD_RUNNING) {
		transfer_run_alone(transfer);
		return;
	}
	list_push_back(&thread->transfers, &transfer->runner_node);
	atomic_fetch_or(&thread->attention, THREAD_ATTENTION_TRANSFER);
	sched_look(cpu);
}

bool transfer_carry_on(struct thread *thread)
{
	struct transfer_runner *runner = &arch_this_cpu()->transfers;

	if (!runner->has_copied) {
		transfer_take_turn(&thread->transfers, false);
	}
	runner->has_copied = false;
	if (list_is_empty(&thread->transfers)) {
		atomic_fetch_and(&thread->attention, ~(uint32_t)THREAD_ATTENTION_TRANSFER);
		return false;
	}
	sched_look(arch_this_cpu());
	return true;
}

void transfer_put_down(struct thread *thread)
{
	if (likely(list_is_empty(&thread->transfers))) {
		return;
	}
	for (;;) {
		struct transfer *transfer =
			LIST_POP_FRONT(&thread->transfers, struct transfer, runner_node);

		if (transfer == NULL) {
			break;
		}
		transfer_run_alone(transfer);
	}
	atomic_fetch_and(&thread->attention, ~(uint32_t)THREAD_ATTENTION_TRANSFER);
}

/* ---- CPUs ------------------------------------------------------------------------------------ */

static void transfer_runner_work(struct work *work)
{
	struct transfer_runner *runner = container_of(work, struct transfer_runner, work);
	struct cpu *cpu = arch_this_cpu();

	uint64_t start_ns = arch_clock_ns();

	transfer_take_turn(&runner->transfers, true);
	if (list_is_empty(&runner->transfers)) {
		return;
	}
	bool is_busy = cpu->current != NULL || cpu->run_queue.handoff != NULL ||
		atomic_load_explicit(&cpu->run_queue.n_ready, memory_order_relaxed) != 0;

	uint64_t now_ns = arch_clock_ns();

	timer_arm(&runner->timer,
		now_ns +
			(is_busy ? TRANSFER_REST_TURNS * (now_ns - start_ns)
				 : TRANSFER_SHORT_REST_NS));
}

static void transfer_runner_rested(struct timer *timer)
{
	work_post(&container_of(timer, struct transfer_runner, timer)->work);
}

void transfer_run_alone(struct transfer *transfer)
{
	struct transfer_runner *runner = &arch_this_cpu()->transfers;

	if (list_is_empty(&runner->transfers)) {
		work_post(&runner->work);
	}
	list_push_back(&runner->transfers, &transfer->runner_node);
}

void transfer_init_cpu(struct cpu *cpu)
{
	list_init(&cpu->transfers.transfers);
	work_init(&cpu->transfers.work, transfer_runner_work);
	timer_init(&cpu->transfers.timer, NULL, transfer_runner_rested);
}
