/* SPDX-License-Identifier: MIT */
/*
 * Signals: what is pending, who takes it, what happens when nobody does.
 *
 * Dispositions live in the process page and masks in the thread pages: both are the process' own
 * and may say anything, at any moment. posix reads them when it decides; a wrong value harms nobody
 * but that process. SIGKILL and SIGSTOP are decided without looking.
 *
 * .signals_pending of both pages is what posix tells the shim: bit n - 1 for a signal that is
 * pending for the thread or its process, and in all thread pages the bit of SIGSTOP while the
 * process is stopped, so that every thread asks (POSIX_SIGNAL_TAKE) and is held.
 */
#ifndef POSIX_SIGNAL_H
#define POSIX_SIGNAL_H

#include <abi/linux/signal.h>
#include <posix/server/process/process-internal.h>

enum signal_default : uint8_t {
	SIGNAL_TERMINATE,
	SIGNAL_CORE,  /* terminate; a core dump if the limit allows one */
	SIGNAL_IGNORE,
	SIGNAL_STOP,
	SIGNAL_CONTINUE,
};

constexpr uint64_t SIGNAL_MASK_STOP = 1ull << (LINUX_SIGSTOP - 1) | 1ull << (LINUX_SIGTSTP - 1) |
	1ull << (LINUX_SIGTTIN - 1) | 1ull << (LINUX_SIGTTOU - 1);
constexpr uint64_t SIGNAL_MASK_UNBLOCKABLE =
	1ull << (LINUX_SIGKILL - 1) | 1ull << (LINUX_SIGSTOP - 1);

/* ---- pending.c: sets, no side effects -------------------------------------------------------- */

void signal_pending_init(struct signal_pending *pending);
void signal_pending_clear(struct signal_pending *pending);
/**
 * signal_pending_add() - queue a signal
 *
 * A standard signal that is pending already is not queued again. Without memory, or over the limit,
 * a standard or kernel-made signal stays pending without information; for others -LINUX_EAGAIN.
 */
int signal_pending_add(struct signal_pending *pending, const struct process *process,
	const struct signal_info *info);
/** signal_pending_first() - the entry of @signal that came first, NULL: none has information */
struct pending_signal *signal_pending_first(const struct signal_pending *pending, int signal);
/** signal_pending_next() - the one of the same signal that came after it, or NULL */
struct pending_signal *signal_pending_next(const struct pending_signal *entry);
/**
 * signal_pending_take() - the lowest pending signal in @set, synchronous ones first; false: none
 */
bool signal_pending_take(
	struct signal_pending *pending, uint64_t set, struct signal_info *out_info);
/** signal_pending_is_single() - @signal, which is pending, is so once; then what is known of it */
bool signal_pending_is_single(
	struct signal_pending *pending, int signal, struct signal_info *out_info);
/** signal_pending_remove() - forget all of @set */
void signal_pending_remove(struct signal_pending *pending, uint64_t set);
/** signal_is_fault() - whether that code of that signal says that an instruction caused it */
bool signal_is_fault(int signal, int code);
/** signal_info_encode() - as struct linux_siginfo */
void signal_info_encode(const struct signal_info *info, struct posix_signal_info *out_info);

/* ---- disposition.c --------------------------------------------------------------------------- */

enum signal_default signal_default_of(int signal);
/**
 * signal_handler_of() - LINUX_SIG_DFL, LINUX_SIG_IGN or an address, as the process page says now
 */
uint64_t signal_handler_of(const struct process *process, int signal);
/** signal_is_discarded() - whether sending it would change nothing if it is not blocked */
bool signal_is_discarded(const struct process *process, int signal);
/**
 * signal_mask_of() - what the thread blocks now
 *
 * The thread stores its mask and then looks at its bits; who sends sets the bits and then looks at
 * the mask. One sees the other.
 */
uint64_t signal_mask_of(const struct thread *thread);
/** signal_shown_to_others() - which of the process' signals threads but the main one may have */
uint64_t signal_shown_to_others(const struct process *process);
/**
 * signal_due() - what is pending for the thread or its process, without what is for the main thread
 *
 * As in Linux the main thread takes the process' signals that it lets through.
 */
uint64_t signal_due(const struct thread *thread);
/** signal_deliverable() - due and not blocked */
uint64_t signal_deliverable(const struct thread *thread);

/* ---- take.c ---------------------------------------------------------------------------------- */

/**
 * signal_take() - take a signal of @set that is due for the thread, whether it blocks it or not;
 * false: there is none. The pages are to be published afterwards.
 */
bool signal_take(struct thread *thread, uint64_t set, struct signal_info *out_info);

/* ---- offer.c --------------------------------------------------------------------------------- */

/** signal_settle() - before the sets of @process or of @thread, NULL: of none, are looked at */
void signal_settle(const struct process *process, const struct thread *thread);
/** signal_withdraw() - before they change */
void signal_withdraw(struct process *process, struct thread *thread);
/** signal_withdraw_all() - before the sets of all its threads change */
void signal_withdraw_all(struct process *process);
/** signal_offer() - let @thread take the one signal that is due without asking, if that can be */
void signal_offer(struct thread *thread);

/* ---- send.c ---------------------------------------------------------------------------------- */

/** signal_send_thread() - to one thread; 0, -LINUX_EAGAIN (the queue is full) */
int signal_send_thread(struct thread *thread, const struct signal_info *info);
/** signal_send_process_checked() - signal_send_process() with a result: 0, -LINUX_EAGAIN */
int signal_send_process_checked(struct process *process, const struct signal_info *info);
/** signal_publish_to() - write signals_pending of one thread */
void signal_publish_to(struct thread *thread);
/** signal_publish_shared() - write that of the process, which all its threads look at */
void signal_publish_shared(struct process *process);
/** signal_publish_for() - of @thread, and of the process */
void signal_publish_for(struct thread *thread);
/** signal_publish() - of the process and all its threads, which may be many: for stops */
void signal_publish(struct process *process);
/** signal_retarget() - somebody blocks what he was to take, or is gone: find others for it */
void signal_retarget(struct process *process);
/** signal_kick() - make the thread look at its signals soon */
void signal_kick(struct thread *thread);
/**
 * signal_act_default() - the default action of @signal for @process; true if the caller is to be
 * held or is dead
 */
bool signal_act_default(struct process *process, int signal);

/* ---- stop.c ---------------------------------------------------------------------------------- */

/** process_stop() - begin to hold all threads */
void process_stop(struct process *process, int signal);
/** process_continue() - SIGCONT was sent */
void process_continue(struct process *process);
/**
 * process_check_stopped() - a thread was held, or has gone: if all are held now, tell the parent
 */
void process_check_stopped(struct process *process);

/* ---- take.c ---------------------------------------------------------------------------------- */

/** signal_take() - the next signal of @set that is due for the thread; false: none */
bool signal_take(struct thread *thread, uint64_t set, struct signal_info *out_info);
/** signal_hold() - for a handler: its process is stopped, wait until it is continued */
int64_t signal_hold(struct request *request);

/* ---- status ---------------------------------------------------------------------------------- */

/** signal_death_status() - the wait status of a process that @signal kills */
uint32_t signal_death_status(const struct process *process, int signal);

#endif
