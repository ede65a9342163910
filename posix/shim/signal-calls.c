/* SPDX-License-Identifier: MIT */
/*
 * System calls about signals. Dispositions and masks are the process' own, so most need no request.
 */
#include <hel/hel-calls.h>

#include "calls.h"
#include "signal.h"

static bool is_default_ignored(unsigned signal)
{
	/* CHLD, CONT, URG, WINCH */
	return signal == 17 || signal == 18 || signal == 23 || signal == 28;
}

int64_t shim_rt_sigaction(SHIM_ARGS)
{
	struct posix_sigaction *slot, next, old;

	SHIM_UNUSED;
	if (a3 != sizeof(uint64_t) || a0 < 1 || a0 > 64) {
		return -LINUX_EINVAL;
	}
	if (a1 && (a0 == 9 || a0 == 19)) {
		return -LINUX_EINVAL;
	}
	if (a1 && shim_get(&next, a1, sizeof(next))) {
		return -LINUX_EFAULT;
	}
	slot = &shim_process()->actions[a0 - 1];
	shim_lock();
	old = *slot;
	if (a1) {
		next.mask &= ~SIGNALS_UNBLOCKABLE;
		*slot = next;
	}
	shim_unlock();
	if (a1 && (next.handler == 1 || (next.handler == 0 && is_default_ignored((unsigned)a0))) &&
		(shim_pending() & 1ull << (a0 - 1))) {
		shim_request(POSIX_SIGACTION_CHANGED, a0, 0, 0, 0, 0, 0);
	}
	return a2 ? shim_put(a2, &old, sizeof(old)) : 0;
}

int64_t shim_rt_sigprocmask(SHIM_ARGS)
{
	uint64_t old = shim_thread()->signal_mask;
	uint64_t set;

	SHIM_UNUSED;
	if (a3 != sizeof(uint64_t)) {
		return -LINUX_EINVAL;
	}
	if (a1) {
		if (shim_get(&set, a1, sizeof(set))) {
			return -LINUX_EFAULT;
		}
		switch (a0) {
		case 0: shim_set_mask(old | set); break;
		case 1: shim_set_mask(old & ~set); break;
		case 2: shim_set_mask(set); break;
		default: return -LINUX_EINVAL;
		}
	}
	return a2 ? shim_put(a2, &old, sizeof(old)) : 0;
}

int64_t shim_rt_sigpending(SHIM_ARGS)
{
	uint64_t pending = shim_pending() & shim_thread()->signal_mask;

	SHIM_UNUSED;
	if (a1 > sizeof(pending)) {
		return -LINUX_EINVAL;
	}
	return shim_put(a0, &pending, a1);
}

int64_t shim_rt_sigsuspend(SHIM_ARGS)
{
	int error;
	int64_t result;

	SHIM_UNUSED;
	if (!a0) {
		return -LINUX_EFAULT;
	}
	error = shim_set_temporary_mask(a0, a1);
	if (error) {
		return error;
	}
	result = shim_pause(0, 0, 0, 0, 0, 0, 0);
	shim_end_temporary_mask(result);
	return result;
}

/* Only a signal ends it, so posix need not know: it kicks whoever is to look at one. */
int64_t shim_pause(SHIM_ARGS)
{
	SHIM_UNUSED;
	if (shim_has_signal()) {
		shim_look_at_exit();
	} else {
		(void)shim_sleep_until((struct shim_deadline){ .ns = HEL_DEADLINE_NEVER });
	}
	return -LINUX_ERESTARTNOHAND;
}

int64_t shim_rt_sigtimedwait(SHIM_ARGS)
{
	struct posix_signal_info info;
	struct shim_call call;
	uint64_t set, timeout_ns = ~0ull;
	int64_t result;

	SHIM_UNUSED;
	if (a3 != sizeof(set)) {
		return -LINUX_EINVAL;
	}
	if (shim_get(&set, a0, sizeof(set))) {
		return -LINUX_EFAULT;
	}
	if (a2) {
		int error = shim_get_timespec(a2, &timeout_ns);

		if (error) {
			return error;
		}
	}
	shim_call_init(&call, POSIX_SIGTIMEDWAIT);
	call.header.args[0] = set & ~SIGNALS_UNBLOCKABLE;
	call.header.args[1] = timeout_ns;
	shim_call_out(&call, &info, sizeof(info));
	result = shim_call_run(&call);
	if (result > 0 && a1 && shim_put(a1, &info, sizeof(info))) {
		return -LINUX_EFAULT;
	}
	return result;
}

int64_t shim_sigaltstack(SHIM_ARGS)
{
	struct posix_thread_page *page = shim_thread();
	uint64_t sp = page->bounce.user_sp;
	bool is_on = page->altstack_size && sp > page->altstack_sp &&
		sp - page->altstack_sp <= page->altstack_size;
	struct linux_stack next,
		old = {
			.sp = page->altstack_sp,
			.flags = page->altstack_size
				? (is_on ? SS_ONSTACK_FLAG : 0) | page->altstack_flags
				: SS_DISABLE_FLAG,
			.size = page->altstack_size,
		};

	SHIM_UNUSED;
	if (a0) {
		if (shim_get(&next, a0, sizeof(next))) {
			return -LINUX_EFAULT;
		}
		if (is_on) {
			return -LINUX_EPERM;
		}
		if (next.flags & ~(SS_ONSTACK_FLAG | SS_DISABLE_FLAG | SS_AUTODISARM_FLAG)) {
			return -LINUX_EINVAL;
		}
		if (next.flags & SS_DISABLE_FLAG) {
			next.sp = next.size = 0;
		} else if (next.size < 2048) {
			return -LINUX_ENOMEM;
		}
		page->altstack_sp = next.sp;
		page->altstack_size = next.size;
		page->altstack_flags = next.flags & SS_AUTODISARM_FLAG;
	}
	return a1 ? shim_put(a1, &old, sizeof(old)) : 0;
}
