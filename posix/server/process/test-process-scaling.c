/* SPDX-License-Identifier: MIT */
/*
 * What must not cost more the more processes, threads or signals there are. Work is counted in
 * basic blocks (fake_n_steps), so the tests do not depend on time.
 */
#include <posix/server/process/test-process-machine.h>

constexpr uint32_t FEW = 100, MANY = 1000;
/* Trees are a little deeper with more in them. */
constexpr uint64_t SLACK = 3;

/* What was counted for MANY may be as much as for FEW. */
#define CHECK_FLAT(few, many)   CHECK((few) > 0 && (many) <= (few) * SLACK)
/* ... or as much for each. */
#define CHECK_LINEAR(few, many) CHECK((few) > 0 && (many) <= (few) * SLACK * (MANY / FEW))

/* ---- many children --------------------------------------------------------------------------- */

static void end_all(void)
{
	for (struct process *child = process_from(2); child != NULL; child = process_from(2)) {
		uint32_t pid = child->pid;

		end(child, 0);
		CHECK_EQ(wait_for(init, (int)pid, LINUX_WNOHANG), pid);
	}
}

struct wait_work {
	uint64_t n_none, n_any, n_one, n_create;
};

static struct wait_work wait_among(uint32_t n_children)
{
	struct process *shell = start(), *last = NULL;
	struct wait_work work;
	uint64_t before;

	for (uint32_t i = 0; i < n_children; i++) {
		before = fake_n_steps;
		last = spawn(shell);
		work.n_create = fake_n_steps - before;
	}
	before = fake_n_steps;
	CHECK_EQ(wait_for(shell, -1, LINUX_WNOHANG), 0);
	work.n_none = fake_n_steps - before;
	end(last, 0);
	uint32_t pid = last->pid;

	before = fake_n_steps;
	CHECK_EQ(wait_for(shell, -1, 0), pid);
	work.n_any = fake_n_steps - before;
	last = spawn(shell);
	pid = last->pid;
	end(last, 0);
	before = fake_n_steps;
	CHECK_EQ(wait_for(shell, (int)pid, 0), pid);
	work.n_one = fake_n_steps - before;
	end_session(shell);
	end_all();
	return work;
}

TEST(waiting_costs_the_same_with_many_children)
{
	struct wait_work few = wait_among(FEW), many = wait_among(MANY);

	CHECK_FLAT(few.n_none, many.n_none);
	CHECK_FLAT(few.n_any, many.n_any);
	CHECK_FLAT(few.n_one, many.n_one);
	CHECK_FLAT(few.n_create, many.n_create);
}

TEST(children_are_told_of_in_the_order_of_their_ends)
{
	struct process *shell = start(), *a = spawn(shell), *b = spawn(shell);
	uint32_t pid_a = a->pid, pid_b = b->pid;

	end(b, 0);
	end(a, 0);
	/* who only looks takes nothing away */
	CHECK_EQ(call_from(process_first_thread(shell), 247, LINUX_P_ALL, 0, 0,
			 LINUX_WEXITED | LINUX_WNOWAIT),
		0);
	CHECK_EQ(wait_for(shell, -1, 0), pid_b);
	CHECK_EQ(wait_for(shell, -1, 0), pid_a);
	CHECK_EQ(wait_for(shell, -1, 0), -LINUX_ECHILD);
	end_session(shell);
}

/* ---- a large group --------------------------------------------------------------------------- */

/* Members leave a group whose parent is outside: each could orphan it. */
static uint64_t leave_group_of(uint32_t n_members)
{
	struct process *shell = start(), *first = spawn(shell);
	uint64_t before;

	CHECK_EQ(call(first, 109, 0, 0, 0), 0); /* setpgid */
	for (uint32_t i = 1; i < n_members; i++) {
		struct process *member = spawn(shell);

		CHECK_EQ(call(member, 109, 0, first->pid, 0), 0);
	}
	before = fake_n_steps;
	process_group_check_orphans(first);
	before = fake_n_steps - before;
	end_session(shell);
	end_all();
	return before;
}

TEST(leaving_a_group_costs_the_same_if_it_is_large)
{
	uint64_t few = leave_group_of(FEW), many = leave_group_of(MANY);

	CHECK_FLAT(few, many);
}

/* ---- many threads ---------------------------------------------------------------------------- */

/* Each thread is sent a signal of its own, and then all of them are stopped, one by one. */
static uint64_t signal_threads(uint32_t n_threads, bool are_stopped)
{
	struct process *shell = start(), *child = spawn(shell);
	uint64_t before;

	set_handler(child, LINUX_SIGUSR1, HANDLER, 0);
	for (uint32_t i = 1; i < n_threads; i++) {
		add_thread(child);
	}
	before = fake_n_steps;
	if (are_stopped) {
		signal_send_process(child, &(struct signal_info){ .signal = LINUX_SIGSTOP });
	}
	LIST_FOR_EACH(thread, &child->threads, struct thread, process_node) {
		if (!are_stopped) {
			CHECK_EQ(signal_send_thread(
					 thread, &(struct signal_info){ .signal = LINUX_SIGUSR1 }),
				0);
		}
		CHECK_EQ(call_from(thread, POSIX_SIGNAL_TAKE, 0, 0, 0, 0),
			are_stopped ? REQUEST_PARK : LINUX_SIGUSR1);
	}
	CHECK_EQ(child->internal->is_stopped, are_stopped);
	before = fake_n_steps - before;
	end(child, 0);
	end_session(shell);
	return before;
}

TEST(signals_to_threads_cost_the_same_if_there_are_many)
{
	uint64_t few = signal_threads(FEW, false), many = signal_threads(MANY, false);

	CHECK_LINEAR(few, many);
}

TEST(stopping_costs_the_same_for_each_of_many_threads)
{
	uint64_t few = signal_threads(FEW, true), many = signal_threads(MANY, true);

	CHECK_LINEAR(few, many);
}

/* A process' signals are sent and taken in one place. */
static uint64_t signal_process(uint32_t n)
{
	struct process *shell = start(), *child = spawn(shell);
	uint64_t before;

	set_handler(child, LINUX_SIGUSR1, HANDLER, 0);
	while (child->internal->n_threads < n) {
		add_thread(child);
	}
	before = fake_n_steps;
	signal_send_process(child, &(struct signal_info){ .signal = LINUX_SIGUSR1 });
	CHECK_EQ(call(child, POSIX_SIGNAL_TAKE, 0, 0, 0), LINUX_SIGUSR1);
	before = fake_n_steps - before;
	end(child, 0);
	end_session(shell);
	return before;
}

TEST(signals_to_a_process_cost_the_same_if_it_has_many_threads)
{
	uint64_t few = signal_process(FEW), many = signal_process(MANY);

	CHECK_FLAT(few, many);
}

/* ---- many queued signals --------------------------------------------------------------------- */

/* The lowest comes first, and is found behind all that were sent before. */
static uint64_t take_behind(uint32_t n_queued)
{
	struct process *shell = start();
	uint64_t before;

	set_handler(shell, 40, HANDLER, 0);
	set_handler(shell, 50, HANDLER, 0);
	for (uint32_t i = 0; i < n_queued; i++) {
		CHECK_EQ(signal_send_process_checked(shell,
				 &(struct signal_info){ .signal = 50, .code = LINUX_SI_QUEUE }),
			0);
	}
	before = fake_n_steps;
	CHECK_EQ(signal_send_process_checked(
			 shell, &(struct signal_info){ .signal = 40, .code = LINUX_SI_QUEUE }),
		0);
	CHECK_EQ(call(shell, POSIX_SIGNAL_TAKE, 0, 0, 0), 40);
	before = fake_n_steps - before;
	end_session(shell);
	return before;
}

TEST(taking_a_signal_costs_the_same_if_many_are_queued)
{
	uint64_t few = take_behind(FEW), many = take_behind(MANY);

	CHECK_FLAT(few, many);
}

TEST_MAIN()
