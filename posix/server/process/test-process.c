/* SPDX-License-Identifier: MIT */
/* The process tree, waiting, groups and credentials, over fake threads. */
#include <posix/server/process/test-process-machine.h>

/* ---- waiting --------------------------------------------------------------------------------- */

TEST(wait_without_children)
{
	struct process *shell = start();

	CHECK_EQ(wait_for(shell, -1, 0), -LINUX_ECHILD);
	CHECK_EQ(wait_for(shell, 4711, LINUX_WNOHANG), -LINUX_ECHILD);
	CHECK_EQ(wait_for(shell, -1, 0x100), -LINUX_EINVAL);
	end_session(shell);
}

TEST(wait_parks_until_a_child_ends)
{
	struct process *shell = start(), *child = spawn(shell);
	uint32_t pid = child->pid;

	CHECK_EQ(wait_for(shell, -1, 0), REQUEST_PARK);
	end(child, linux_status_exited(7));
	CHECK(fake_first(shell)->has_reply);
	CHECK_EQ(fake_first(shell)->reply, pid);
	CHECK(process_find(pid) == NULL);
	CHECK_EQ(shell->internal->dead_children.user_ns, 1000);
	end_session(shell);
}

TEST(wait_nohang_answers_zero_while_it_runs)
{
	struct process *shell = start(), *child = spawn(shell);

	CHECK_EQ(wait_for(shell, -1, LINUX_WNOHANG), 0);
	end(child, 0);
	check_reaps(shell, child, -1, LINUX_WNOHANG);
	CHECK_EQ(wait_for(shell, -1, LINUX_WNOHANG), -LINUX_ECHILD);
	end_session(shell);
}

TEST(wait_chooses_by_pid_and_group)
{
	struct process *shell = start(), *a = spawn(shell), *b = spawn(shell);
	uint32_t pid_a = a->pid, pid_b = b->pid;

	CHECK_EQ(call(shell, 109, b->pid, 0, 0), 0);
	end(a, 0);
	end(b, 0);
	CHECK_EQ(wait_for(shell, -(int)pid_b, LINUX_WNOHANG), pid_b);
	CHECK_EQ(wait_for(shell, 0, LINUX_WNOHANG), pid_a);
	end_session(shell);
}

/* Neither the parent nor its wait hears of it before its memory is back. */
TEST(wait_is_told_of_a_large_process_when_its_memory_is_back)
{
	struct process *shell = start(), *child = spawn(shell), *grandchild = spawn(child);
	uint32_t pid = child->pid;

	are_large = true;
	end(child, 3);
	are_large = false;
	CHECK(awaiting_memory == child);
	CHECK_EQ(child->internal->state, PROCESS_EXITING);
	CHECK(grandchild->parent != child);
	CHECK_EQ(wait_for(shell, -1, LINUX_WNOHANG), 0);
	process_memory_is_back(child);
	CHECK_EQ(wait_for(shell, -1, LINUX_WNOHANG), pid);
	end(grandchild, 0);
	end_session(shell);
}

/* Nor before the disk has let go of it. */
TEST(wait_is_told_of_a_process_when_its_transfers_are_over)
{
	struct process *shell = start(), *child = spawn(shell);
	uint32_t pid = child->pid;

	for (int i = 0; i < 2; i++) {
		have_transfers = true;
		are_large = i == 1;
		end(child, 3);
		have_transfers = are_large = false;
		CHECK(awaiting_transfers == child);
		CHECK_EQ(child->internal->state, PROCESS_EXITING);
		CHECK_EQ(wait_for(shell, -1, LINUX_WNOHANG), 0);
		awaiting_memory = NULL;
		process_transfers_are_over(child);
		if (i == 1) {
			CHECK(awaiting_memory == child);
			CHECK_EQ(wait_for(shell, -1, LINUX_WNOHANG), 0);
			process_memory_is_back(child);
		}
		CHECK_EQ(wait_for(shell, -1, LINUX_WNOHANG), pid);
		child = i == 0 ? spawn(shell) : NULL;
		pid = child != NULL ? child->pid : 0;
	}
	end_session(shell);
}

/* Its parent may be gone by then: whoever has adopted it is told. */
TEST(wait_by_who_adopted_a_large_process)
{
	struct process *shell = start(), *parent = spawn(shell), *child = spawn(parent);
	uint32_t pid = child->pid;

	are_large = true;
	end(child, 3);
	are_large = false;
	end(parent, 0);
	CHECK(child->parent == init);
	CHECK_EQ(wait_for(init, (int)pid, LINUX_WNOHANG), 0);
	process_memory_is_back(child);
	CHECK_EQ(wait_for(init, (int)pid, LINUX_WNOHANG), pid);
	end_session(shell);
}

TEST(wait_status_of_signals)
{
	struct process *shell = start(), *child = spawn(shell);

	signal_send_process(child, &(struct signal_info){ .signal = LINUX_SIGTERM });
	reap_threads();
	CHECK_EQ(child->internal->state, PROCESS_ZOMBIE);
	CHECK_EQ(child->internal->status, LINUX_SIGTERM);
	check_reaps(shell, child, -1, 0);
	end_session(shell);
}

TEST(wait_nowait_leaves_the_zombie)
{
	struct process *shell = start(), *child = spawn(shell);
	struct thread *thread = process_first_thread(shell);
	uint32_t pid = child->pid;

	end(child, 0);
	CHECK_EQ(call_from(thread, 247, LINUX_P_PID, pid, 0, LINUX_WEXITED | LINUX_WNOWAIT), 0);
	CHECK(process_find(pid) == child);
	CHECK_EQ(call_from(thread, 247, LINUX_P_ALL, 0, 0, LINUX_WEXITED), 0);
	CHECK(process_find(pid) == NULL);
	CHECK_EQ(call_from(thread, 247, LINUX_P_ALL, 0, 0, 0), -LINUX_EINVAL);
	end_session(shell);
}

TEST(wait_clone_children_only_when_asked)
{
	struct process *shell = start(), *child = spawn(shell);

	child->internal->exit_signal = 0;
	CHECK_EQ(wait_for(shell, -1, LINUX_WNOHANG), -LINUX_ECHILD);
	CHECK_EQ(wait_for(shell, -1, LINUX_WNOHANG | LINUX_WCLONE), 0);
	CHECK_EQ(wait_for(shell, -1, LINUX_WNOHANG | LINUX_WALL), 0);
	end(child, 0);
	end_session(shell);
}

TEST(wait_is_interrupted_by_a_handler)
{
	struct process *shell = start();

	spawn(shell);
	set_handler(shell, LINUX_SIGUSR1, HANDLER, 0);
	CHECK_EQ(wait_for(shell, -1, 0), REQUEST_PARK);
	signal_send_process(shell, &(struct signal_info){ .signal = LINUX_SIGUSR1 });
	CHECK(fake_first(shell)->has_reply);
	CHECK_EQ(fake_first(shell)->reply, -LINUX_ERESTARTSYS);
	CHECK_EQ(wait_for(shell, -1, 0), -LINUX_ERESTARTSYS);
	CHECK_EQ(call(shell, POSIX_SIGNAL_TAKE, 0, 0, 0), LINUX_SIGUSR1);
	CHECK_EQ(call(shell, POSIX_SIGNAL_TAKE, 0, 0, 0), 0);
	end(LIST_FIRST(&shell->internal->children, struct process_internal, sibling_node) != NULL
			? process_of(LIST_FIRST(&shell->internal->children, struct process_internal,
				  sibling_node))
			: NULL,
		0);
	end_session(shell);
}

/* ---- the tree -------------------------------------------------------------------------------- */

TEST(orphans_go_to_init)
{
	struct process *shell = start(), *child = spawn(shell), *grandchild = spawn(child);

	end(child, 0);
	CHECK(grandchild->parent == init);
	end(grandchild, 0);
	check_reaps(init, grandchild, -1, LINUX_WNOHANG);
	check_reaps(shell, child, -1, LINUX_WNOHANG);
	end_session(shell);
}

TEST(orphans_go_to_a_subreaper)
{
	struct process *shell = start(), *child = spawn(shell), *grandchild = spawn(child);

	shell->internal->is_subreaper = true;
	end(child, 0);
	CHECK(grandchild->parent == shell);
	end(grandchild, 0);
	end_session(shell);
}

TEST(zombies_of_a_dead_parent_are_inherited)
{
	struct process *shell = start(), *child = spawn(shell), *grandchild = spawn(child);
	uint32_t pid = grandchild->pid;

	end(grandchild, 0);
	CHECK_EQ(grandchild->internal->state, PROCESS_ZOMBIE);
	end(child, 0);
	CHECK_EQ(wait_for(init, (int)pid, LINUX_WNOHANG), pid);
	end_session(shell);
}

TEST(ignored_sigchld_leaves_no_zombies)
{
	struct process *shell = start(), *child = spawn(shell);
	uint32_t pid = child->pid;

	set_handler(shell, LINUX_SIGCHLD, LINUX_SIG_IGN, 0);
	CHECK_EQ(wait_for(shell, -1, 0), REQUEST_PARK);
	end(child, 0);
	CHECK(process_find(pid) == NULL);
	CHECK_EQ(fake_first(shell)->reply, -LINUX_ECHILD);
	end_session(shell);
}

TEST(nocldwait_leaves_no_zombies_but_signals)
{
	struct process *shell = start(), *child = spawn(shell);
	uint32_t pid = child->pid;

	set_handler(shell, LINUX_SIGCHLD, HANDLER, LINUX_SA_NOCLDWAIT);
	end(child, 0);
	CHECK(process_find(pid) == NULL);
	CHECK_EQ(call(shell, POSIX_SIGNAL_TAKE, 0, 0, 0), LINUX_SIGCHLD);
	end_session(shell);
}

TEST(parent_death_signal)
{
	struct process *shell = start(), *child = spawn(shell), *grandchild = spawn(child);

	grandchild->internal->parent_death_signal = LINUX_SIGTERM;
	end(child, 0);
	reap_threads();
	CHECK_EQ(grandchild->internal->state, PROCESS_ZOMBIE);
	end_session(shell);
}

TEST(last_thread_ends_the_process)
{
	struct process *shell = start(), *child = spawn(shell);
	struct thread *second = add_thread(child);

	CHECK_EQ(call_from(process_first_thread(child), POSIX_EXIT_THREAD, 3, 0, 0, 0),
		REQUEST_PARK);
	reap_threads();
	CHECK(process_is_alive(child));
	CHECK_EQ(call_from(second, POSIX_EXIT_THREAD, 4, 0, 0, 0), REQUEST_PARK);
	reap_threads();
	CHECK_EQ(child->internal->status, linux_status_exited(4));
	check_reaps(shell, child, -1, 0);
	end_session(shell);
}

TEST(numbers_of_living_groups_are_not_given_again)
{
	struct process *shell = start(), *leader = spawn(shell), *member = spawn(shell);
	uint32_t pgid = leader->pid;

	CHECK_EQ(call(shell, 109, leader->pid, 0, 0), 0);
	CHECK_EQ(call(shell, 109, member->pid, leader->pid, 0), 0);
	end(leader, 0);
	CHECK_EQ(wait_for(shell, -1, 0), pgid);
	CHECK(process_group_find(pgid) == member->group);
	for (uint32_t i = 0; i < PID_MAX; i++) {
		CHECK(pid_allocate() != pgid);
	}
	end(member, 0);
	CHECK(process_group_find(pgid) != NULL);
	end_session(shell);
	CHECK(process_group_find(pgid) == NULL);
}

/* ---- groups and sessions --------------------------------------------------------------------- */

TEST(setpgid_rules)
{
	struct process *shell = start(), *child = spawn(shell), *grandchild = spawn(child);

	CHECK_EQ(call(shell, 109, 0, 0, 0), -LINUX_EPERM);
	CHECK_EQ(call(shell, 109, grandchild->pid, 0, 0), -LINUX_ESRCH);
	CHECK_EQ(call(shell, 109, child->pid, 31000, 0), -LINUX_EPERM);
	CHECK_EQ(call(shell, 109, child->pid, (uint64_t)-5, 0), -LINUX_EINVAL);
	CHECK_EQ(call(shell, 109, 31000, 0, 0), -LINUX_ESRCH);
	CHECK_EQ(call(shell, 109, child->pid, child->pid, 0), 0);
	CHECK_EQ(call(child, 111, 0, 0, 0), child->pid);
	CHECK_EQ(call(shell, 121, child->pid, 0, 0), child->pid);
	child->internal->has_executed = true;
	CHECK_EQ(call(shell, 109, child->pid, shell->pid, 0), -LINUX_EACCES);
	end(grandchild, 0);
	end(child, 0);
	end_session(shell);
}

TEST(setsid_rules)
{
	struct process *shell = start(), *child = spawn(shell);

	CHECK_EQ(call(shell, 112, 0, 0, 0), -LINUX_EPERM);
	CHECK_EQ(call(child, 112, 0, 0, 0), child->pid);
	CHECK_EQ(call(shell, 124, child->pid, 0, 0), child->pid);
	CHECK(child->group->session->tty == NULL);
	end(child, 0);
	end_session(shell);
}

TEST(session_leader_gives_up_its_tty)
{
	struct process *shell = start();

	session_set_tty(shell->group->session, (struct tty *)&n_leaders_exited);
	n_leaders_exited = 0;
	end_session(shell);
	CHECK_EQ(n_leaders_exited, 1);
}

TEST(stopped_orphans_are_roused)
{
	struct process *shell = start(), *job = spawn(shell), *worker = spawn(job);

	CHECK_EQ(call(shell, 109, job->pid, 0, 0), 0);
	CHECK_EQ(call(job, 109, worker->pid, worker->pid, 0), 0);
	signal_send_process(worker, &(struct signal_info){ .signal = LINUX_SIGSTOP });
	CHECK(worker->internal->is_stopping);
	CHECK(!process_group_is_orphaned(worker->group));
	end(job, 0);
	reap_threads();
	/* SIGHUP without a handler ends it. */
	CHECK_EQ(worker->internal->status, LINUX_SIGHUP);
	end_session(shell);
}

/* The shell leads its session: its group has no parent in it from the start. */
TEST(orphans_of_before_are_left_alone)
{
	struct process *shell = start(), *stopped = spawn(shell), *other = spawn(shell);

	signal_send_process(stopped, &(struct signal_info){ .signal = LINUX_SIGSTOP });
	CHECK(process_group_is_orphaned(shell->group));
	end(other, 0);
	CHECK(process_is_alive(shell) && process_is_alive(stopped));
	CHECK(stopped->internal->is_stopping);
	check_reaps(shell, other, (int)other->pid, 0);
	end(stopped, 0);
	end_session(shell);
}

/* ---- credentials ----------------------------------------------------------------------------- */

static void set_ids(struct process *process, uint32_t real, uint32_t effective, uint32_t saved)
{
	process->credentials.uid = real;
	process->credentials.euid = process->credentials.fsuid = effective;
	process->credentials.suid = saved;
	process->credentials.capabilities.effective = effective == 0 ? LINUX_CAPS_ALL : 0;
}

static bool has_ids(
	const struct process *process, uint32_t real, uint32_t effective, uint32_t saved)
{
	return process->credentials.uid == real && process->credentials.euid == effective &&
		process->credentials.suid == saved && process->credentials.fsuid == effective;
}

TEST(setuid_of_root_changes_all)
{
	struct process *shell = start();

	CHECK_EQ(call(shell, 105, 1000, 0, 0), 0);
	CHECK(has_ids(shell, 1000, 1000, 1000));
	CHECK_EQ(call(shell, 105, 0, 0, 0), -LINUX_EPERM);
	CHECK_EQ(call(shell, 105, UINT32_MAX, 0, 0), -LINUX_EINVAL);
	end_session(shell);
}

TEST(setuid_of_others_changes_the_effective_one)
{
	struct process *shell = start();

	set_ids(shell, 1000, 2000, 3000);
	CHECK_EQ(call(shell, 105, 3000, 0, 0), 0);
	CHECK(has_ids(shell, 1000, 3000, 3000));
	CHECK_EQ(call(shell, 105, 1000, 0, 0), 0);
	CHECK(has_ids(shell, 1000, 1000, 3000));
	CHECK_EQ(call(shell, 105, 4000, 0, 0), -LINUX_EPERM);
	end_session(shell);
}

TEST(setreuid_swaps_and_saves)
{
	struct process *shell = start();

	set_ids(shell, 1000, 2000, 2000);
	CHECK_EQ(call(shell, 113, 2000, 1000, 0), 0);
	CHECK(has_ids(shell, 2000, 1000, 1000));
	CHECK_EQ(call(shell, 113, UINT32_MAX, 4000, 0), -LINUX_EPERM);
	CHECK_EQ(call(shell, 113, UINT32_MAX, UINT32_MAX, 0), 0);
	CHECK(has_ids(shell, 2000, 1000, 1000));
	end_session(shell);
}

TEST(setresuid_needs_one_of_the_three)
{
	struct process *shell = start();

	set_ids(shell, 1000, 2000, 3000);
	CHECK_EQ(call(shell, 117, 3000, 1000, 2000), 0);
	CHECK(has_ids(shell, 3000, 1000, 2000));
	CHECK_EQ(call(shell, 117, UINT32_MAX, UINT32_MAX, 0), -LINUX_EPERM);
	end_session(shell);
}

TEST(setfsuid_answers_the_old_one)
{
	struct process *shell = start();

	set_ids(shell, 1000, 2000, 3000);
	CHECK_EQ(call(shell, 122, 3000, 0, 0), 2000);
	CHECK_EQ(call(shell, 122, 4000, 0, 0), 3000);
	CHECK_EQ(call(shell, 122, UINT32_MAX, 0, 0), 3000);
	end_session(shell);
}

/* ---- when memory ends ------------------------------------------------------------------------ */

static struct process *spawn_with_pages(struct process *parent, hel_handle n_pages)
{
	struct process *process = spawn(parent);

	process->internal->universe = n_pages;
	return process;
}

TEST(the_largest_is_ended_and_the_others_go_on)
{
	struct process *shell = start();
	struct process *small = spawn_with_pages(shell, 10);
	struct process *large = spawn_with_pages(shell, 5000);
	struct process *medium = spawn_with_pages(shell, 300);
	int n_resumed = fake_first(small)->n_resumed;

	oom_thread_stopped(process_first_thread(small));
	oom_thread_stopped(process_first_thread(medium));
	CHECK(!process_is_alive(large) && process_is_alive(small) && process_is_alive(medium));
	CHECK_EQ(fake_first(small)->n_resumed, n_resumed);
	reap_threads();
	CHECK_EQ(fake_first(small)->n_resumed, n_resumed + 1);
	CHECK_EQ(fake_first(medium)->n_resumed, n_resumed + 1);
	CHECK_EQ(large->internal->status, LINUX_SIGKILL);
	check_reaps(shell, large, -1, 0);

	oom_thread_stopped(process_first_thread(medium)); /* is the largest now */
	CHECK(!process_is_alive(medium));
	reap_threads();
	check_reaps(shell, medium, -1, 0);
	end(small, 0);
	end_session(shell);
}

TEST(who_waits_for_memory_can_be_killed)
{
	struct process *shell = start();
	struct process *small = spawn_with_pages(shell, 10);
	struct process *large = spawn_with_pages(shell, 5000);

	oom_thread_stopped(process_first_thread(small));
	process_exit(small, LINUX_SIGTERM);
	reap_threads();
	check_reaps(shell, small, (int)small->pid, 0);
	check_reaps(shell, large, (int)large->pid, 0);
	end_session(shell);
}

TEST(adjustments_decide_who_is_ended)
{
	struct process *shell = start();
	struct process *small = spawn_with_pages(shell, 10);
	struct process *large = spawn_with_pages(shell, 5000);
	struct process *exempt = spawn_with_pages(shell, 9000);

	CHECK_EQ(process_set_oom_adjustment(exempt, init, -1000), 0);
	CHECK_EQ(oom_score(exempt), 0);
	CHECK(oom_score(large) > oom_score(small));
	CHECK_EQ(process_set_oom_adjustment(small, init, 1000), 0);
	CHECK(oom_score(large) < oom_score(small));
	oom_thread_stopped(process_first_thread(exempt));
	CHECK(process_is_alive(large) && process_is_alive(exempt) && !process_is_alive(small));
	reap_threads();
	check_reaps(shell, small, -1, 0);
	end(large, 0);
	end(exempt, 0);
	end_session(shell);
}

/* Neither init nor what may not be: they wait for what servers give back. */
TEST(nobody_is_ended_who_may_not_be)
{
	struct process *shell = start();
	int n_resumed = fake_first(init)->n_resumed;

	CHECK_EQ(process_set_oom_adjustment(shell, init, -1000), 0);
	for (int i = 1; i <= 2; i++) {
		oom_thread_stopped(process_first_thread(init));
		oom_thread_stopped(process_first_thread(shell));
		CHECK_EQ(fake_first(init)->n_resumed, n_resumed + i - 1);
		fake_now_ns += 200'000'000;
		fake_run_loop();
		CHECK_EQ(fake_first(init)->n_resumed, n_resumed + i);
		CHECK(process_is_alive(init) && process_is_alive(shell));
	}
	CHECK_EQ(process_set_oom_adjustment(shell, init, 0), 0);
	/* Now there is somebody. */
	oom_thread_stopped(process_first_thread(init));
	CHECK(process_is_alive(init) && !process_is_alive(shell));
	reap_threads();
	CHECK_EQ(fake_first(init)->n_resumed, n_resumed + 3);
	check_reaps(init, shell, -1, 0);
}

TEST(everything_is_given_back)
{
	size_t n_blocks = fake_n_blocks;
	uint32_t n_processes = process_count();
	struct process *shell = start();

	for (int i = 0; i < 50; i++) {
		struct process *child = spawn(shell);

		set_mask(child, ~(uint64_t)0);
		for (int signal = 1; signal < 64; signal++) {
			signal_send_process(child, &(struct signal_info){ .signal = signal });
		}
		reap_threads();
		check_reaps(shell, child, -1, 0);
	}
	end_session(shell);
	CHECK_EQ(fake_n_blocks, n_blocks);
	CHECK_EQ(process_count(), n_processes);
}

TEST_MAIN()
