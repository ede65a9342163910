/* SPDX-License-Identifier: MIT */
/*
 * Processes and threads as their own parts (process/, signal/, time/, request dispatch) see them.
 *
 * Life of a process:
 *
 *      RUNNING -- process_exit() --> EXITING -- last thread gone --> ZOMBIE -- reaped --> freed
 *
 * and of a thread:
 *
 *      created -- thread_start() --> alive -- thread_kill() or its own end --> dying
 *              -- terminated as observed, no operation pending --> gone, freed
 *
 * EXITING: every thread is dying, no request of it is served; memory and descriptors go when the
 * last thread is gone, because until then it may run. A ZOMBIE holds its number, status and times.
 * exec replaces the calling thread: the new one has the same tid, the old one dies on its own
 * (is_replaced) with the old address space.
 *
 * References: a process and each of its threads hold one on their mm. Everything belongs to the one
 * loop.
 */
#ifndef POSIX_PROCESS_INTERNAL_H
#define POSIX_PROCESS_INTERNAL_H

#include <async/timer.h>
#include <base/bitmap.h>
#include <base/tree.h>
#include <helix/await.h>
#include <helix/exchange.h>
#include <posix/server/process/account.h>
#include <posix/server/process/process.h>
#include <posix/server/request-internal.h>
#include <posix/server/vfs/vfs.h>

constexpr uint32_t PID_MAX = 32768;  /* numbers are below */
constexpr uint32_t MM_SLOTS_MAX = 16384; /* threads in one address space */

/* ---- address spaces -------------------------------------------------------------------------- */

struct mm {
	uint32_t references;
	uint64_t serial; /* no other has had it */
	bool has_views; /* of one of its processes; see file/views.h */
	uint8_t direct_places; /* a bit for each that is taken; fs/direct-view.h */
	bool keeps_text, has_rewritten_text; /* see rewriting.h */
	hel_handle space;
	uint64_t *slots; /* bitmap of those taken: first_slots, or a block for more */
	uint64_t first_slots;
	uint32_t n_slots; /* that the bitmap has */
	/* the program, for /proc; addresses are those exec chose */
	struct path exe; /* referenced; dentry NULL: none */
	uint64_t image_start, image_end; /* of the program file, with what it leaves free inside */
	uint64_t interpreter_start, interpreter_end; /* likewise, of its interpreter */
	uint64_t code_start, code_end, data_start, data_end;
	uint64_t brk_start, brk_limit, stack_low, stack_top, stack_pointer;
	uint64_t arguments_start, arguments_end, environment_start, environment_end;
	uint64_t mmap_low, mmap_high;
	uint64_t auxv_address, auxv_size;
	struct mapped_files *mapped_files; /* NULL: none yet; mapped-files.h */
	struct tree attachments; /* of System V shared memory, ipc/shared-memory.c */
};

/* ---- signals --------------------------------------------------------------------------------- */

struct pending_signal {
	struct list_node node;
	struct tree_node order_node;
	struct account *account; /* of the user who was sent it */
	struct signal_info info;
};

struct signal_pending {
	uint64_t set; /* signal n is bit n - 1 */
	struct list queue; /* struct pending_signal; a bit without an entry has no information */
	struct tree order; /* the same by number of the signal, and as they came */
};

/* ---- a thread's conversation (lane.c) -------------------------------------------------------- */

struct lane {
	hel_handle handle;
	hel_handle queue; /* of the thread: alerted when its request is answered */
	struct helix_operation listen;
	bool is_open;
	bool is_listening; /* `listen` is pending */
	bool is_serving; /* a request has come and is not answered yet */
	bool has_answer; /* to its last request, for which pages were absent */
	int64_t answer;
};

struct trace;
struct seccomp;

constexpr uint64_t TIMER_SLACK_NS = 50000;

/* ---- threads --------------------------------------------------------------------------------- */

struct thread_scheduling { /* scheduling.c */
	uint8_t policy; /* enum linux_sched_policy */
	uint8_t priority; /* 1 ... 99 of the real-time ones, else 0 */
	int8_t nice;
	int8_t kernel_priority; /* that the thread has in thor */
	int8_t kernel_nice; /* whose weight it has there, NICE_IDLE: that of SCHED_IDLE */
	bool resets_on_fork;
	uint16_t io_priority; /* 0: what nice says */
	struct deadline *deadline; /* of SCHED_DEADLINE only, deadline.c */
	uint64_t affinity; /* processors that it may run on, 0: all */
};

/* How long a real-time thread has not waited: time/rt-limit.c. */
struct rt_stretch {
	uint64_t start_ns; /* what it had used when it began */
	uint64_t n_waits; /* when it was last looked at */
	uint8_t n_ignored; /* of the next waits */
};

struct thread_internal {
	struct mm *mm; /* referenced */
	uint32_t slot;
	uint64_t stack_top; /* of its shim stack */
	hel_handle thread;
	struct posix_thread_page *page; /* in its queue's first page; the process writes it, too */
	hel_handle universe; /* of the process, borrowed */
	hel_handle remote_queue, remote_lane; /* in that universe */
	struct helix_observe_op observe;
	struct lane lane;
	struct request request;
	struct request_internal request_internal;
	struct signal_pending pending;
	uint32_t offer_generation; /* signal/offer.c */
	uint8_t offered; /* the signal that the thread's page offers, 0: none */
	bool is_offer_shared; /* it is one of the process' */
	struct thread_scheduling scheduling;
	struct rt_stretch rt_stretch;
	uint64_t start_ns;
	bool is_started, is_dying, is_terminated;
	bool leaves_locks, has_left_locks; /* robust.c: is at it; is through */
	bool is_replaced; /* by exec: no longer counted among the process' threads */
	uint64_t timer_slack_ns; /* for prctl() */
	char name[16]; /* of a process' first thread: also the process' comm */
	bool is_held; /* stopped: its POSIX_SIGNAL_TAKE or POSIX_TRACE_REPORT is parked */
	struct trace *trace; /* trace/trace.h; NULL: it was never traced */
	struct seccomp *seccomp; /* seccomp/seccomp.h; NULL: it may make all calls */
	struct list_node oom_node; /* waits for memory, oom.c */
};

/* ---- processes ------------------------------------------------------------------------------- */

enum process_state : uint8_t { PROCESS_RUNNING, PROCESS_EXITING, PROCESS_ZOMBIE };

struct usage {
	uint64_t user_ns, kernel_ns, n_faults;
	uint64_t n_waits, n_preempted; /* how often it gave its CPU up, and lost it */
};

struct interval_timer { /* ITIMER_REAL, alarm */
	struct timer timer;
	struct process *process;
	uint64_t interval_ns;
};

struct cpu_clock { /* time/cpu-clock.c: of a process or thread that may be gone */
	uint32_t id; /* its number, */
	uint64_t start_ns; /* and when it began, for another may have that number later */
	bool is_thread;
	bool is_user; /* counts the time in user mode only */
};

struct cpu_timer { /* time/cpu-timer.c */
	struct timer timer; /* when to look again */
	struct cpu_clock clock;
	void (*expired)(struct cpu_timer *timer, uint64_t n_expired);
	uint64_t interval_ns;
	uint64_t due_ns, seen_ns; /* of the clock: when it expires, 0: not set; at the last look */
	uint64_t pause_ns;
	bool is_settling; /* the threads that run have been kicked */
};

struct process_internal {
	struct tree_node all_node; /* in the tree of all processes, by pid */
	struct loop *loop; /* its home, see turn.h */
	struct list children;
	struct list_node sibling_node;
	struct list news; /* children of whom wait may have something to tell, in that order */
	struct list_node news_node; /* in the parent's */
	enum process_state state;
	uint32_t status; /* as of wait: valid when EXITING or ZOMBIE */
	int exit_signal;
	struct mm *mm; /* referenced; NULL: zombie */
	hel_handle universe;
	hel_handle page_memory;
	struct posix_process_page *page; /* the process writes it, too */
	uint64_t page_address; /* in the process */
	uint32_t page_slot;
	uint32_t n_threads; /* that are not gone; dying ones of an exec are not counted */
	uint32_t n_tasks; /* threads' requests that are in a task */
	struct thread *exec_caller; /* whose exec lets no other begin, NULL: nobody's */
	struct wait_queue task_wait; /* a task has ended, or that exec */
	struct account *account; /* of the real user, who has these threads */
	struct helix_ends_op memory_back; /* EXITING, without threads: memory-back.c */
	struct wait_queue child_wait; /* something happened to a child */
	struct wait_queue signal_wait; /* a signal was queued */
	struct wait_queue continue_wait; /* stopped threads wait for SIGCONT */
	struct signal_pending pending;
	struct thread *offered_to; /* one of these signals is offered to it, NULL: none is */
	struct usage dead_threads, dead_children;
	uint64_t start_ns;
	struct list tracees; /* struct trace: whom its threads trace */
	struct trace *leader_trace; /* of its first thread, also when that has ended */
	uint32_t maker_tid; /* the parent's thread that forked it */
	struct wait_queue vfork_wait; /* the parent's thread, until exec or exit */
	bool is_vforked; /* uses the parent's memory while the parent waits */

	/* job control; see signal/stop.c */
	bool is_stopping; /* every thread is to be held */
	bool is_stopped; /* every thread is held, the parent was told */
	struct thread *not_held; /* the last that was found so while stopping, NULL: none */
	int stop_signal;
	bool has_stop_news, has_continue_news; /* for wait */

	struct interval_timer alarm;
	struct cpu_timer virtual_timer, profile_timer;
	struct cpu_limit *cpu_limit; /* time/cpu-limit.c; NULL: RLIMIT_CPU was never there */
	struct rt_limit *rt_limit; /* time/rt-limit.c; NULL: RLIMIT_RTTIME was never there */
	struct list timers; /* struct posix_timer, time/posix-timer.c */
	uint32_t next_timer_id;
	struct tree semaphore_undos; /* ipc/semaphores.c */
	struct aio_polls *aio_polls; /* file/aio-poll.c; NULL: it never had any */

	struct thread_scheduling last_scheduling; /* of its first thread, which has ended */
	int oom_adjustment; /* of what memory's end chooses by, oom.c */
	int oom_adjustment_min; /* what the unprivileged may lower it to */
	uint32_t login_uid, login_session; /* LOGIN_NONE: nobody has logged in; credentials.c */
	int parent_death_signal;
	bool is_dumpable, has_no_new_privileges, is_subreaper;
	bool has_executed;
	bool was_large; /* EXITING, without threads: process_is_large() */
	struct pidfd_subject *pidfds; /* NULL: none yet; pidfd.c */
	bool shares_files; /* CLONE_FILES, by whichever side */
	uint32_t n_view_uses; /* requests that a view would have spared */
	bool has_no_views; /* seccomp restricts what they are for */
};

/* ---- pid.c ----------------------------------------------------------------------------------- */

/** pid_allocate() - a number that no thread, process, group or session has; 0 if all are taken */
uint32_t pid_allocate(void);
void pid_set_thread(uint32_t pid, struct thread *thread);
/** pid_count_ending() - one (-1: less) thread that had the number is dying, and not gone yet */
void pid_count_ending(uint32_t pid, int n);
/** pid_has_thread() - whether a thread has the number, or one that is not gone yet has had it */
bool pid_has_thread(uint32_t pid);
void pid_set_process(uint32_t pid, struct process *process);
void pid_set_group(uint32_t pid, struct process_group *group);
void pid_set_session(uint32_t pid, struct session *session);
struct thread *thread_find(uint32_t tid);
struct session *session_find(uint32_t sid);
uint32_t pid_last(void);

/* ---- process.c ------------------------------------------------------------------------------- */

/**
 * process_create() - a process without threads, a copy of @parent where Linux copies
 * @parent: NULL for the first process, which then gets @fs_root
 * @out_process: in no group and no one's child until process_attach()
 *
 * Return: 0, -LINUX_ENOMEM, -LINUX_EAGAIN.
 */
int process_create(
	struct process *parent, const struct path *fs_root, struct process **out_process);

/** process_attach() - make @process visible: a child of @parent, a member of @group */
void process_attach(struct process *process, struct process *parent, struct process_group *group);

/** process_discard() - undo process_create() for a process that never ran */
void process_discard(struct process *process);

/** process_free() - the zombie was reaped */
void process_free(struct process *process);

struct process *process_of(const struct process_internal *internal);
struct process *process_init(void); /* pid 1, NULL before it exists */
uint32_t process_count(void);
uint32_t thread_count(void);
void thread_count_add(int n);
/** thread_limit(), process_limit() - what the machine's memory is good for */
uint32_t thread_limit(void);
uint32_t process_limit(void);
/** process_add_threads() - @process has @n threads more, or less, and so has its user */
void process_add_threads(struct process *process, int n);
/** process_change_user() - its real user id is to be @uid: 0 or -LINUX_EAGAIN, no memory */
int64_t process_change_user(struct process *process, uint32_t uid);
/** process_has_news() - wait may have something to tell of it */
void process_has_news(struct process *process);
/** process_set_stopping() - whether its threads are to be held; counted in its group */
void process_set_stopping(struct process *process, bool is_stopping);
/** process_universe_create() - a universe for a process, with limits; a negative ERR_* */
int process_universe_create(hel_handle *out_universe);
/** process_publish() - write identity and limits to the process page */
void process_publish(struct process *process);

static inline bool process_is_alive(const struct process *process)
{
	return process->internal->state == PROCESS_RUNNING;
}

static inline bool process_has(const struct process *process, enum linux_capability capability)
{
	return credentials_has(&process->credentials, capability);
}

/* ---- group.c --------------------------------------------------------------------------------- */

struct process_group *process_group_create(uint32_t pgid, struct session *session);
struct session *session_create(uint32_t sid);
void process_group_unref(struct process_group *group);
void process_group_join(struct process_group *group, struct process *process);
void process_group_leave(struct process *process);
/**
 * process_group_check_orphans() - a parent's death or group change may orphan groups: SIGHUP,
 * SIGCONT
 */
void process_group_check_orphans(struct process *leaver);

/* ---- thread.c -------------------------------------------------------------------------------- */

struct thread_options {
	struct process *process;
	struct mm *mm;
	uint32_t slot;
	uint32_t tid;
	hel_handle universe; /* of the process */
	uint64_t process_page; /* its address in the process */
	uint64_t start_stack; /* where it begins on the shim stack; 0: at its top */
};

/** thread_create() - a thread that does not run yet, not on the process' list; -LINUX_ENOMEM */
int thread_create(const struct thread_options *options, struct thread **out_thread);
/** thread_start() - cannot fail; the thread joins its process */
void thread_start(struct thread *thread);

/** thread_log_names() - from now on log which thread is of which program, for tools/trace */
void thread_log_names(void);
/** thread_discard() - undo thread_create() */
void thread_discard(struct thread *thread);
/** thread_kill() - end it, whatever it does; harmless when repeated */
void thread_kill(struct thread *thread);
/** thread_check_gone() - free a dying thread when nothing of it is pending any more */
void thread_check_gone(struct thread *thread);
/** thread_usage() - what it has used so far */
void thread_usage(const struct thread *thread, struct usage *out_usage);
void usage_add(struct usage *to, const struct usage *from);

/* ---- scheduling.c ---------------------------------------------------------------------------- */

constexpr int NICE_MIN = -20, NICE_MAX = 19, NICE_IDLE = 20;

/** thread_schedule() - give it the kernel's priority and weight, by its policy and nice value */
void thread_schedule(struct thread *thread);
/** process_scheduling() - of the thread that has its number, also when that has ended */
struct thread_scheduling *process_scheduling(struct process *process);
/** process_allows_nice() - whether its RLIMIT_NICE lets anybody give it a nice value that low */
bool process_allows_nice(const struct process *target, int nice);
/** thread_kick_if_running() - make the kernel count what it runs; whether it does */
bool thread_kick_if_running(struct thread *thread);
/** thread_schedule_end() - it will not run again */
void thread_schedule_end(struct thread *thread);
/** thread_precedence() - who goes first where several wait: who has more, as Linux orders them */
int thread_precedence(const struct thread *thread);
/** thread_affinity() - the processors, by bit, that it may run on, of those that there are */
uint64_t thread_affinity(const struct thread *thread);
/** thread_may_be_copied() - clone is refused to threads of SCHED_DEADLINE without a reset */
bool thread_may_be_copied(const struct thread *thread);
/** thread_schedule_as() - before it starts: inherit from @parent, by clone or (exec) all of it */
void thread_schedule_as(struct thread *thread, const struct thread *parent, bool is_clone);

/* A process page that is not yet, or no longer, the one of its process. */
struct process_page_holder {
	hel_handle memory;
	struct posix_process_page *page;
	uint64_t address;
	uint32_t slot;
};
/** process_page_create() - make a page and map it into @mm at its slot; -LINUX_ENOMEM */
int process_page_create(struct mm *mm, uint32_t slot, struct process_page_holder *out_holder);
/** process_page_adopt() - it is the process' page now, what that had is released */
void process_page_adopt(struct process *process, struct process_page_holder *holder);
/** process_page_discard() - undo process_page_create() but for the mapping in the mm */
void process_page_discard(struct process_page_holder *holder);
void process_page_release(struct process *process);
/** process_usage() - all threads, living and dead */
void process_usage(const struct process *process, struct usage *out_usage);

static inline struct thread *process_first_thread(const struct process *process)
{
	return LIST_FIRST(&process->threads, struct thread, process_node);
}

/* ---- lane.c ---------------------------------------------------------------------------------- */

/** lane_open() - begin to serve the requests that arrive on the thread's lane */
void lane_open(struct thread *thread);
/** lane_close() - no more; what is pending ends soon */
void lane_close(struct thread *thread);
static inline bool lane_is_idle(const struct lane *lane)
{
	return !lane->is_listening;
}

/* ---- address-space.c ------------------------------------------------------------------------- */

int shim_load(const void *initrd, size_t initrd_size);
const struct hel_bounce *shim_bounce(void);
uint64_t shim_entry_child(void);
uint64_t shim_vdso(void); /* user address of the vDSO, 0: none */
/** mm_create() - with shim and clock page; @universe, borrowed, pays for it; NULL: no memory */
struct mm *mm_create(hel_handle universe);
/** mm_fork() - copy for fork: without slots, of which @slot is taken */
struct mm *mm_fork(struct mm *mm, uint32_t slot, hel_handle universe);
void mm_ref(struct mm *mm);
void mm_unref(struct mm *mm);
/** mm_slot_allocate() - a free slot, -LINUX_EAGAIN */
int mm_slot_allocate(struct mm *mm);
/** mm_slot_release() - unmap what the slot holds */
void mm_slot_release(struct mm *mm, uint32_t slot, bool keeps_process_page);
/** mm_map_tagged() - the same with a tag, see mapped-files.h */
int mm_map_tagged(struct mm *mm, hel_handle memory, uint64_t offset, uint64_t address,
	uint64_t size, uint32_t flags, uint64_t tag);
/** mm_map() - map memory at a fixed place of the space; -LINUX_E... */
int mm_map(struct mm *mm, hel_handle memory, uint64_t offset, uint64_t address, uint64_t size,
	uint32_t flags);

static inline uint64_t slot_address(uint32_t slot)
{
	return POSIX_SLOTS + slot * POSIX_SLOT_SIZE;
}

/* ---- exit.c ---------------------------------------------------------------------------------- */

/** process_exit() - begin the end of a process; @status as of wait; the first one counts */
void process_exit(struct process *process, uint32_t status);
/** process_thread_gone() - @thread, still linked, is about to be freed */
void process_thread_gone(struct thread *thread);
/** process_transfers_are_over() - what direct_views_await() has waited for */
void process_transfers_are_over(struct process *process);
/** process_memory_is_back() - what process_await_memory() has waited for: tell the parent now */
void process_memory_is_back(struct process *process);

/* ---- memory-back.c --------------------------------------------------------------------------- */

/** process_is_large() - the last thread is going: whether it takes a while to free the memory */
bool process_is_large(const struct process *process);
/** process_await_memory() - process_memory_is_back() when what it has given up is free */
void process_await_memory(struct process *process);
/** process_vfork_done() - the child no longer uses its parent's memory */
void process_vfork_done(struct process *process);
/** process_tell_end() - tell who is to know that it is a zombie, which may be gone afterwards */
void process_tell_end(struct process *process);
/** process_reap() - free a zombie, adding its times to the parent's */
void process_reap(struct process *process);
/** process_notify_parent() - SIGCHLD with @code, and wake those who wait */
void process_notify_parent(struct process *process, int code, int status);

/** system_init_died() - the first process is gone: nothing can go on (system.c) */
void system_init_died(uint32_t status);

/* ---- exec.c ---------------------------------------------------------------------------------- */

struct exec_arguments { /* strings one after the other, each with its NUL */
	const char *strings;
	size_t size;
	uint32_t argc, envc;
};

/** process_exec_first() - make @process run @path as its first thread; for pid 1 */
int64_t process_exec_first(
	struct process *process, const char *path, const struct exec_arguments *arguments);

/* ---- arch ------------------------------------------------------------------------------------ */

struct processor_info {
	uint64_t xsave_size, xsave_mask;
	uint64_t hwcap, hwcap2;
	uint64_t signal_stack_min;
	char vendor[13];
	char brand[49];
	uint32_t family, model, stepping;
};
const struct processor_info *processor_info(void);
/** processor_print() - /proc/cpuinfo; returns bytes */
size_t processor_print(char *buffer, size_t size, uint32_t n_cpus);

/* ---- errors ---------------------------------------------------------------------------------- */

/** linux_errno_of() - a negative ERR_* as a negative LINUX_E* */
int linux_errno_of(int error);

#endif
