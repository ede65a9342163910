/* SPDX-License-Identifier: MIT */
/* Signals: sending, taking, offers, stopping, over fake threads. */
#include <posix/server/process/test-process-machine.h>

/* What a thread sees as pending: its own, and what its process' page shows it. */
static uint64_t shown_to(const struct fake_thread *fake)
{
	const struct process *process = fake->thread.process;
	bool is_other = fake->thread.tid != process->pid;

	return fake->page.signals_pending | process->internal->page->signals_pending[is_other];
}

TEST(signal_kill_ends_a_process_without_its_help)
{
	struct process *shell = start(), *child = spawn(shell);

	set_mask(child, ~(uint64_t)0);
	set_handler(child, LINUX_SIGKILL, LINUX_SIG_IGN, 0);
	CHECK_EQ(call(shell, 62, child->pid, LINUX_SIGKILL, 0), 0);
	reap_threads();
	CHECK_EQ(child->internal->status, LINUX_SIGKILL);
	end_session(shell);
}

TEST(signal_ignored_is_dropped_unless_blocked)
{
	struct process *shell = start();

	set_handler(shell, LINUX_SIGUSR1, LINUX_SIG_IGN, 0);
	signal_send_process(shell, &(struct signal_info){ .signal = LINUX_SIGUSR1 });
	CHECK_EQ(shell->internal->pending.set, 0);
	set_mask(shell, linux_sigmask(LINUX_SIGUSR1));
	signal_send_process(shell, &(struct signal_info){ .signal = LINUX_SIGUSR1 });
	CHECK_EQ(shell->internal->pending.set, linux_sigmask(LINUX_SIGUSR1));
	CHECK_EQ(shown_to(fake_first(shell)), linux_sigmask(LINUX_SIGUSR1));
	CHECK_EQ(fake_first(shell)->n_kicks, 0);
	CHECK_EQ(call(shell, POSIX_SIGACTION_CHANGED, LINUX_SIGUSR1, 0, 0), 0);
	CHECK_EQ(shown_to(fake_first(shell)), 0);
	set_mask(shell, 0);
	end_session(shell);
}

TEST(signal_with_handler_kicks_a_running_thread)
{
	struct process *shell = start();

	set_handler(shell, LINUX_SIGUSR1, HANDLER, 0);
	signal_send_process(shell, &(struct signal_info){ .signal = LINUX_SIGUSR1 });
	CHECK_EQ(fake_first(shell)->n_kicks, 1);
	CHECK_EQ(call(shell, POSIX_SIGNAL_TAKE, 0, 0, 0), LINUX_SIGUSR1);
	end_session(shell);
}

TEST(signal_goes_to_a_thread_that_lets_it_through)
{
	struct process *shell = start();
	struct thread *second = add_thread(shell);

	set_handler(shell, LINUX_SIGUSR1, HANDLER, 0);
	set_mask(shell, linux_sigmask(LINUX_SIGUSR1));
	signal_send_process(shell, &(struct signal_info){ .signal = LINUX_SIGUSR1 });
	CHECK_EQ(fake_first(shell)->n_kicks, 0);
	CHECK_EQ(fake_of(second)->n_kicks, 1);
	CHECK_EQ(call(shell, POSIX_SIGNAL_TAKE, 0, 0, 0), 0);
	CHECK_EQ(call_from(second, POSIX_SIGNAL_TAKE, 0, 0, 0, 0), LINUX_SIGUSR1);
	end_session(shell);
}

TEST(signal_standard_ones_do_not_queue_and_real_time_ones_do)
{
	struct process *shell = start();

	set_handler(shell, LINUX_SIGUSR1, HANDLER, 0);
	set_handler(shell, 40, HANDLER, 0);
	for (int i = 0; i < 3; i++) {
		signal_send_process(shell, &(struct signal_info){ .signal = LINUX_SIGUSR1 });
		signal_send_process(
			shell, &(struct signal_info){ .signal = 40, .code = LINUX_SI_QUEUE });
	}
	CHECK_EQ(call(shell, POSIX_SIGNAL_TAKE, 0, 0, 0), LINUX_SIGUSR1);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(call(shell, POSIX_SIGNAL_TAKE, 0, 0, 0), 40);
	}
	CHECK_EQ(call(shell, POSIX_SIGNAL_TAKE, 0, 0, 0), 0);
	end_session(shell);
}

TEST(signal_queue_has_a_limit)
{
	struct process *shell = start();
	int result = 0;

	set_handler(shell, 40, HANDLER, 0);
	shell->limits[LIMIT_SIGPENDING][0] = 100;
	for (uint32_t i = 0; i <= 100; i++) {
		CHECK_EQ(result, 0);
		result = signal_send_process_checked(
			shell, &(struct signal_info){ .signal = 40, .code = LINUX_SI_QUEUE });
	}
	CHECK_EQ(result, -LINUX_EAGAIN);
	CHECK_EQ(account_count(0, ACCOUNT_SIGNALS), 100);
	/* a process of the same user has no more room, but kill() always works */
	struct process *child = spawn(shell);

	set_mask(child, linux_sigmask(40) | linux_sigmask(LINUX_SIGTERM));
	CHECK_EQ(signal_send_process_checked(
			 child, &(struct signal_info){ .signal = 40, .code = LINUX_SI_QUEUE }),
		-LINUX_EAGAIN);
	CHECK_EQ(signal_send_process_checked(
			 child, &(struct signal_info){ .signal = LINUX_SIGTERM }),
		0);
	CHECK_EQ(account_count(0, ACCOUNT_SIGNALS), 101);
	end(child, 0);
	end_session(shell);
	CHECK_EQ(account_count(0, ACCOUNT_SIGNALS), 0);
}

TEST(signal_default_of_a_pending_one_acts_when_taken)
{
	struct process *shell = start(), *child = spawn(shell);

	set_mask(child, linux_sigmask(LINUX_SIGTERM));
	signal_send_process(child, &(struct signal_info){ .signal = LINUX_SIGTERM });
	CHECK(process_is_alive(child));
	set_mask(child, 0);
	CHECK_EQ(call(child, POSIX_SIGNAL_TAKE, 0, 0, 0), REQUEST_PARK);
	reap_threads();
	CHECK_EQ(child->internal->status, LINUX_SIGTERM);
	end_session(shell);
}

TEST(signal_init_gets_only_what_it_handles)
{
	struct process *shell = start();

	CHECK_EQ(call(shell, 62, 1, LINUX_SIGKILL, 0), 0);
	CHECK_EQ(call(shell, 62, 1, LINUX_SIGTERM, 0), 0);
	CHECK(process_is_alive(init));
	set_handler(init, LINUX_SIGTERM, HANDLER, 0);
	CHECK_EQ(call(shell, 62, 1, LINUX_SIGTERM, 0), 0);
	CHECK_EQ(call(init, POSIX_SIGNAL_TAKE, 0, 0, 0), LINUX_SIGTERM);
	set_handler(init, LINUX_SIGTERM, LINUX_SIG_DFL, 0);
	end_session(shell);
}

TEST(signal_stop_and_continue)
{
	struct process *shell = start(), *child = spawn(shell);

	CHECK_EQ(call(shell, 62, child->pid, LINUX_SIGSTOP, 0), 0);
	CHECK_EQ(fake_first(child)->n_kicks, 1);
	CHECK_EQ(wait_for(shell, -1, LINUX_WNOHANG | LINUX_WUNTRACED), 0);
	CHECK_EQ(call(child, POSIX_SIGNAL_TAKE, 0, 0, 0), REQUEST_PARK);
	CHECK_EQ(wait_for(shell, -1, LINUX_WNOHANG), 0);
	CHECK_EQ(wait_for(shell, -1, LINUX_WNOHANG | LINUX_WUNTRACED), child->pid);
	CHECK_EQ(wait_for(shell, -1, LINUX_WNOHANG | LINUX_WUNTRACED), 0);
	CHECK_EQ(call(shell, 62, child->pid, LINUX_SIGCONT, 0), 0);
	fake_run_loop();
	CHECK(fake_first(child)->has_reply);
	CHECK_EQ(fake_first(child)->reply, 0);
	CHECK_EQ(wait_for(shell, -1, LINUX_WNOHANG | LINUX_WCONTINUED), child->pid);
	end(child, 0);
	end_session(shell);
}

TEST(signal_kill_ends_a_stopped_process)
{
	struct process *shell = start(), *child = spawn(shell);

	signal_send_process(child, &(struct signal_info){ .signal = LINUX_SIGSTOP });
	CHECK_EQ(call(child, POSIX_SIGNAL_TAKE, 0, 0, 0), REQUEST_PARK);
	signal_send_process(child, &(struct signal_info){ .signal = LINUX_SIGKILL });
	reap_threads();
	CHECK_EQ(child->internal->status, LINUX_SIGKILL);
	end_session(shell);
}

TEST(signal_terminal_stop_spares_orphaned_groups)
{
	struct process *shell = start();

	CHECK(process_group_is_orphaned(shell->group));
	signal_send_process(shell, &(struct signal_info){ .signal = LINUX_SIGTSTP });
	CHECK(!shell->internal->is_stopping);
	end_session(shell);
}

TEST(signal_permissions)
{
	struct process *shell = start(), *child = spawn(shell);

	shell->credentials.uid = shell->credentials.euid = shell->credentials.suid = 1000;
	shell->credentials.capabilities.effective = 0;
	CHECK_EQ(call(shell, 62, child->pid, LINUX_SIGTERM, 0), -LINUX_EPERM);
	CHECK_EQ(call(shell, 62, child->pid, LINUX_SIGCONT, 0), 0);
	CHECK_EQ(call(shell, 62, 1, 0, 0), -LINUX_EPERM);
	child->credentials.suid = 1000;
	CHECK_EQ(call(shell, 62, child->pid, 0, 0), 0);
	CHECK_EQ(call(shell, 62, 31999, 0, 0), -LINUX_ESRCH);
	CHECK_EQ(call(shell, 62, child->pid, 65, 0), -LINUX_EINVAL);
	CHECK_EQ(call(shell, 234, child->pid, child->pid, 0), 0);
	CHECK_EQ(call(shell, 234, shell->pid, child->pid, 0), -LINUX_ESRCH);
	end(child, 0);
	end_session(shell);
}

TEST(signal_to_a_group_reaches_all)
{
	struct process *shell = start(), *a = spawn(shell), *b = spawn(shell);

	CHECK_EQ(call(shell, 109, a->pid, 0, 0), 0);
	CHECK_EQ(call(shell, 109, b->pid, a->pid, 0), 0);
	CHECK_EQ(call(shell, 62, (uint64_t)-(int64_t)a->pid, LINUX_SIGINT, 0), 0);
	reap_threads();
	CHECK_EQ(a->internal->status, LINUX_SIGINT);
	CHECK_EQ(b->internal->status, LINUX_SIGINT);
	end_session(shell);
}

TEST(sigtimedwait_takes_what_is_blocked)
{
	struct process *shell = start();
	uint64_t set = linux_sigmask(LINUX_SIGUSR1);

	set_mask(shell, set);
	CHECK_EQ(call(shell, POSIX_SIGTIMEDWAIT, set, 0, 0), -LINUX_EAGAIN);
	CHECK_EQ(call(shell, POSIX_SIGTIMEDWAIT, set, ~(uint64_t)0, 0), REQUEST_PARK);
	signal_send_process(shell, &(struct signal_info){ .signal = LINUX_SIGUSR1 });
	fake_run_loop();
	CHECK_EQ(fake_first(shell)->reply, LINUX_SIGUSR1);
	CHECK_EQ(shown_to(fake_first(shell)), 0);
	end_session(shell);
}

TEST(sigtimedwait_times_out)
{
	struct process *shell = start();

	CHECK_EQ(call(shell, POSIX_SIGTIMEDWAIT, linux_sigmask(LINUX_SIGUSR1), 1000, 0),
		REQUEST_PARK);
	fake_run_loop();
	CHECK(!fake_first(shell)->has_reply);
	fake_now_ns += 2000;
	fake_run_loop();
	CHECK_EQ(fake_first(shell)->reply, -LINUX_EAGAIN);
	end_session(shell);
}

/* ---- offers: signals that a thread takes without asking ------------------------------------- */

/* What the shim does (take_offer() there); the signal, 0: there is no offer. */
static int take_offer(struct thread *thread)
{
	struct posix_thread_page *page = thread->internal->page;
	uint32_t state = page->offer.state;
	const struct linux_siginfo *info = (const struct linux_siginfo *)&page->offer.info;

	if ((state & POSIX_OFFER_STATE_MASK) != POSIX_OFFER_MADE) {
		return 0;
	}
	page->signals_pending &= ~linux_sigmask(info->signal);
	thread->process->internal->page->signals_pending[0] &= ~linux_sigmask(info->signal);
	page->offer.state = state - POSIX_OFFER_MADE + POSIX_OFFER_TAKEN;
	return info->signal;
}

TEST(offer_is_taken_without_a_request)
{
	struct process *shell = start();
	struct thread *thread = process_first_thread(shell);

	set_handler(shell, LINUX_SIGUSR1, HANDLER, 0);
	for (int i = 0; i < 3; i++) {
		signal_send_process(shell, &(struct signal_info){ .signal = LINUX_SIGUSR1 });
		CHECK_EQ(take_offer(thread), LINUX_SIGUSR1);
		/* it is known to be taken: nothing is due, and the next one counts */
		CHECK(!request_signal_is_due(thread));
		CHECK_EQ(shell->internal->pending.set, 0);
	}
	CHECK_EQ(signal_send_thread(thread, &(struct signal_info){ .signal = LINUX_SIGUSR1 }), 0);
	CHECK_EQ(take_offer(thread), LINUX_SIGUSR1);
	CHECK_EQ(call(shell, POSIX_SIGNAL_TAKE, 0, 0, 0), 0);
	end_session(shell);
}

TEST(offer_that_is_not_taken_stays_pending)
{
	struct process *shell = start();
	struct thread *thread = process_first_thread(shell);

	set_handler(shell, LINUX_SIGUSR1, HANDLER, 0);
	set_handler(shell, LINUX_SIGUSR2, HANDLER, 0);
	signal_send_process(shell, &(struct signal_info){ .signal = LINUX_SIGUSR2 });
	signal_send_process(shell, &(struct signal_info){ .signal = LINUX_SIGUSR1 });
	/* of two posix says which one is first; the last one is offered again */
	CHECK_EQ(take_offer(thread), 0);
	CHECK_EQ(call(shell, POSIX_SIGNAL_TAKE, 0, 0, 0), LINUX_SIGUSR1);
	CHECK_EQ(take_offer(thread), LINUX_SIGUSR2);
	CHECK_EQ(call(shell, POSIX_SIGNAL_TAKE, 0, 0, 0), 0);
	/* blocked since: somebody who waits for it gets it */
	signal_send_process(shell, &(struct signal_info){ .signal = LINUX_SIGUSR1 });
	set_mask(shell, linux_sigmask(LINUX_SIGUSR1));
	CHECK_EQ(
		call(shell, POSIX_SIGTIMEDWAIT, linux_sigmask(LINUX_SIGUSR1), 0, 0), LINUX_SIGUSR1);
	CHECK_EQ(take_offer(thread), 0);
	end_session(shell);
}

TEST(offer_spares_what_a_tracer_or_a_stop_must_see)
{
	struct process *shell = start();
	struct thread *thread = process_first_thread(shell);

	set_handler(shell, LINUX_SIGUSR1, HANDLER, 0);
	thread->internal->page->trace_flags = 1;
	signal_send_process(shell, &(struct signal_info){ .signal = LINUX_SIGUSR1 });
	CHECK_EQ(take_offer(thread), 0);
	CHECK_EQ(call(shell, POSIX_SIGNAL_TAKE, 0, 0, 0), LINUX_SIGUSR1);
	thread->internal->page->trace_flags = 0;
	/* one that nobody handles any more is no offer either */
	set_mask(shell, linux_sigmask(LINUX_SIGUSR1));
	signal_send_process(shell, &(struct signal_info){ .signal = LINUX_SIGUSR1 });
	CHECK_EQ(take_offer(thread), 0);
	end_session(shell);
}

TEST(signal_of_the_process_is_the_main_threads_if_it_lets_it_through)
{
	struct process *shell = start();
	struct thread *first = process_first_thread(shell), *second = add_thread(shell);

	set_handler(shell, LINUX_SIGUSR1, HANDLER, 0);
	signal_send_process(shell, &(struct signal_info){ .signal = LINUX_SIGUSR1 });
	CHECK_EQ(shown_to(fake_of(second)), 0);
	CHECK_EQ(call_from(second, POSIX_SIGNAL_TAKE, 0, 0, 0, 0), 0);
	/* it blocks it, and says so when the kick comes: the other one is to look */
	set_mask(shell, linux_sigmask(LINUX_SIGUSR1));
	CHECK_EQ(call(shell, POSIX_SIGNAL_TAKE, 0, 0, 0), 0);
	CHECK_EQ(fake_of(second)->n_kicks, 1);
	CHECK_EQ(shown_to(fake_of(second)), linux_sigmask(LINUX_SIGUSR1));
	CHECK_EQ(call_from(second, POSIX_SIGNAL_TAKE, 0, 0, 0, 0), LINUX_SIGUSR1);
	CHECK_EQ(shown_to(fake_of(first)), 0);
	end_session(shell);
}

TEST(signal_info_layouts)
{
	struct posix_signal_info encoded;
	struct linux_siginfo *info = (struct linux_siginfo *)&encoded;

	signal_info_encode(&(struct signal_info){ .signal = LINUX_SIGCHLD,
				   .code = LINUX_CLD_EXITED,
				   .pid = 9,
				   .uid = 8,
				   .status = 7 },
		&encoded);
	CHECK_EQ(info->child.pid, 9);
	CHECK_EQ(info->child.status, 7);
	signal_info_encode(
		&(struct signal_info){
			.signal = LINUX_SIGSEGV, .code = LINUX_SEGV_MAPERR, .address = 64 },
		&encoded);
	CHECK_EQ(info->fault.address, 64);
	signal_info_encode(
		&(struct signal_info){
			.signal = LINUX_SIGUSR1, .code = LINUX_SI_QUEUE, .pid = 3, .value = 99 },
		&encoded);
	CHECK_EQ(info->sender.value, 99);
}

TEST_MAIN()
