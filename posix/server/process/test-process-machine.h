/* SPDX-License-Identifier: MIT */
/*
 * Fake threads for test-process.c, and what its cases are built from.
 *
 * A fake thread is pages in memory; "kill" makes it dying, and reap_threads() plays the kernel that
 * says it has terminated. Requests are run through the real dispatcher; replies are kept in the
 * thread's record. The functions stand in for the parts of posix that need a kernel.
 */
#ifndef POSIX_TEST_PROCESS_MACHINE_H
#define POSIX_TEST_PROCESS_MACHINE_H

#include <abi/linux/wait.h>
#include <base/testing.h>
#include <helix/log.h>
#include <helix/memory.h>
#include <helix/start.h>
#include <posix/server/file/aio-poll.h>
#include <posix/server/file/handlers.h>
#include <posix/server/file/access.h>
#include <posix/server/file/views.h>
#include <posix/server/fs/direct-view.h>
#include <posix/server/fs/procfs.h>
#include <posix/server/ipc/ipc.h>
#include <posix/server/process/oom.h>
#include <posix/server/process/pidfd.h>
#include <posix/server/process/usage.h>
#include <posix/server/signal/signal.h>
#include <posix/server/tests/fakes.h>
#include <posix/server/time/cpu-timer.h>
#include <posix/server/time/time.h>
#include <posix/server/trace/trace.h>
#include <posix/server/vfs/xattr.h>

/* ---- fakes of the parts that need a kernel -------------------------------------------------- */

struct fake_thread {
	struct thread thread;
	struct thread_internal internal;
	struct posix_thread_page page;
	struct posix_process_page process_page;
	bool has_reply;
	int64_t reply;
	int n_kicks, n_resumed;
	struct fake_thread *next;
};

static struct fake_thread *threads;

static struct fake_thread *fake_of(struct thread *thread)
{
	return container_of(thread, struct fake_thread, thread);
}

/* A universe uses as many pages as its handle says. What the kernel does is not counted as work. */
[[clang::no_sanitize("coverage")]]
struct hel_outcome hel_sim_call(uint32_t number, const uint64_t *arguments)
{
	if (number == HEL_CALL_universe_account) {
		*(struct hel_account_info *)arguments[1] =
			(struct hel_account_info){ .used.n_pages = arguments[0] };
	}
	for (struct fake_thread *fake = threads; fake != NULL; fake = fake->next) {
		if (fake->internal.thread == arguments[0]) {
			fake->n_kicks += number == HEL_CALL_thread_kick;
			fake->n_resumed += number == HEL_CALL_thread_resume;
		}
	}
	return (struct hel_outcome){ 0, 7 };
}

void helix_log(enum hel_log_level level, const char *format, ...)
{
	(void)level;
	(void)format;
}

const struct hel_start *helix_start(void)
{
	static const struct hel_start start = { .n_cpus = 2 };

	return &start;
}

int kernel_stats_get(struct hel_kernel_stats *out_stats)
{
	*out_stats = (struct hel_kernel_stats){ .memory_total_bytes = MIB(512) };
	return 0;
}

struct fd_table *fd_table_create(void)
{
	return (struct fd_table *)helix_malloc(1);
}

struct views **fd_table_views(struct fd_table *table)
{
	static struct views *none;

	(void)table;
	return &none;
}

void views__lend(struct views *views, uint32_t fd)
{
	(void)views;
	(void)fd;
}

uint64_t fd_table_held_bytes(struct fd_table *table)
{
	(void)table;
	return 0;
}

void fd_table_unref(struct fd_table *table, struct process *process)
{
	(void)process;
	helix_free(table);
}

struct fs_context *fs_context_create(const struct path *root)
{
	(void)root;
	return helix_malloc(sizeof(struct fs_context));
}

void fs_context_unref(struct fs_context *context)
{
	helix_free(context);
}

/* Nobody has descriptors of files, or of processes: tests/linux/pidfd.c has. */
struct file *file_of_fd(struct request *request, uint64_t fd)
{
	(void)request;
	(void)fd;
	return NULL;
}

struct file *file_of_call(struct request *request, uint64_t fd)
{
	return file_of_fd(request, fd);
}

int64_t file_end_call(struct request *request, struct file *file, int64_t result)
{
	(void)request;
	(void)file;
	return result;
}

int64_t pidfd_process(const struct file *file, struct process **out_process)
{
	(void)file;
	*out_process = NULL;
	return -LINUX_EBADF;
}

bool proc_folder_process(const struct file *file, struct process **out_process)
{
	(void)file;
	(void)out_process;
	return false;
}

int cpu_limit_follow(struct process *process)
{
	(void)process;
	return 0;
}

void aio_polls_release(struct process *process)
{
	(void)process;
}

int rt_limit_follow(struct process *process)
{
	(void)process;
	return 0;
}

void rt_limit_watch(struct thread *thread)
{
	(void)thread;
}

/* tests/linux/ptrace-debug.c has them. */
void trace_reset_debug(struct trace *trace)
{
	(void)trace;
}

void trace_answer_debug(struct trace *trace, struct posix_trace_answer *out_answer)
{
	(void)trace;
	(void)out_answer;
}

void pidfd_tell_end(struct process *process)
{
	(void)process;
}

void pidfd_forget(struct process *process)
{
	(void)process;
}

static unsigned n_leaders_exited;
static uint32_t init_status;

void tty_session_leader_exited(struct tty *tty, struct session *session)
{
	(void)tty;
	n_leaders_exited++;
	session->tty = NULL;
}

void system_init_died(uint32_t status)
{
	init_status = status;
}

/* No program has capabilities of its own. */
int64_t xattr_get(const struct inode *inode, const char *name, const void **out_value)
{
	(void)inode;
	(void)name;
	(void)out_value;
	return -LINUX_ENODATA;
}

static bool are_large; /* processes that end */
static struct process *awaiting_memory;

bool process_is_large(const struct process *process)
{
	(void)process;
	return are_large;
}

void process_await_memory(struct process *process)
{
	awaiting_memory = process;
}

static bool have_transfers; /* processes that end */
static struct process *awaiting_transfers;

bool direct_views_await(struct process *process)
{
	awaiting_transfers = have_transfers ? process : NULL;
	return have_transfers;
}

void process_timers_init(struct process *process)
{
	(void)process;
}

void semaphores_process_ended(struct process *process)
{
	(void)process;
}

void process_timers_release(struct process *process)
{
	(void)process;
}

void mm_unref(struct mm *mm)
{
	(void)mm;
}

void mm_slot_release(struct mm *mm, uint32_t slot, bool keeps_process_page)
{
	(void)mm;
	(void)slot;
	(void)keeps_process_page;
}

void process_page_release(struct process *process)
{
	process->internal->page = NULL;
}

void thread_usage(const struct thread *thread, struct usage *out_usage)
{
	(void)thread;
	*out_usage = (struct usage){ .user_ns = 1000 };
}

void usage_add(struct usage *to, const struct usage *from)
{
	to->user_ns += from->user_ns;
}

void process_usage(const struct process *process, struct usage *out_usage)
{
	*out_usage = process->internal->dead_threads;
}

void usage_encode(const struct usage *usage, struct linux_rusage *out_rusage)
{
	out_rusage->user.microseconds = (int64_t)usage->user_ns / 1000;
}

void thread_kill(struct thread *thread)
{
	thread->internal->is_dying = true;
	oom_thread_dies(thread);
	list_remove(&thread->process_node);
	pid_set_thread(thread->tid, NULL);
	request_abandon(&thread->internal->request);
}

void request_reply(struct request *request, int64_t result)
{
	struct fake_thread *fake = fake_of(request->thread);

	fake->has_reply = true;
	fake->reply = result;
	request_drop(request);
}

void file_ref(UNUSED struct file *file)
{
}

void file_unref(UNUSED struct file *file)
{
}

bool request_is_unwanted(const struct thread *thread)
{
	return thread->internal->is_dying;
}

bool request_task_may_begin(UNUSED struct request *request, UNUSED struct wait_queue **out_queue)
{
	return true;
}

void request_task_began(UNUSED struct thread *thread)
{
}

void request_task_ended(UNUSED struct thread *thread)
{
}

/* The kernel says that dying threads have terminated. */
static void reap_threads(void)
{
	for (struct fake_thread **link = &threads; *link != NULL;) {
		struct fake_thread *fake = *link;

		if (!fake->internal.is_dying) {
			link = &fake->next;
			continue;
		}
		*link = fake->next;
		signal_pending_clear(&fake->internal.pending);
		process_thread_gone(&fake->thread);
		free(fake);
		link = &threads;
	}
	fake_run_loop();
}

/* ---- building ------------------------------------------------------------------------------- */

static struct thread *add_thread(struct process *process)
{
	struct fake_thread *fake = calloc(1, sizeof(*fake));
	struct thread *thread = &fake->thread;

	thread->internal = &fake->internal;
	thread->process = process;
	thread->tid = list_is_empty(&process->threads) ? process->pid : pid_allocate();
	pid_set_thread(thread->tid, thread);
	fake->internal.page = &fake->page;
	fake->internal.thread = (hel_handle)fake;
	fake->internal.is_started = true;
	list_node_init(&fake->internal.oom_node);
	signal_pending_init(&fake->internal.pending);
	request_init(
		&fake->internal.request, &fake->internal.request_internal, thread, posix_loop());
	fake->internal.request.process = process;
	if (process->internal->page == NULL) {
		process->internal->page = &fake->process_page;
	}
	list_push_back(&process->threads, &thread->process_node);
	process_add_threads(process, 1);
	fake->next = threads;
	threads = fake;
	return thread;
}

static struct process *spawn(struct process *parent)
{
	struct process *process;
	struct process_group *group = parent != NULL ? parent->group : NULL;

	CHECK_EQ(process_create(parent, NULL, &process), 0);
	if (parent == NULL) {
		group = process_group_create(process->pid, session_create(process->pid));
	}
	process_attach(process, parent, group);
	add_thread(process);
	return process;
}

static struct process *init;

/* Each case starts with init and its child, a shell in a session of its own. */
static struct process *start(void)
{
	struct process *shell;
	struct request *request;

	if (init == NULL) {
		init = spawn(NULL);
		CHECK_EQ(init->pid, 1);
	}
	shell = spawn(init);
	request = &process_first_thread(shell)->internal->request;
	CHECK_EQ(posix_setsid(request), shell->pid);
	return shell;
}

static struct fake_thread *fake_first(struct process *process)
{
	return fake_of(process_first_thread(process));
}

/* Send a request through the dispatcher; the reply, or REQUEST_PARK while there is none. */
static int64_t call_from(
	struct thread *thread, uint32_t number, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3)
{
	struct fake_thread *fake = fake_of(thread);
	const struct posix_request header = { .number = number, .args = { a0, a1, a2, a3 } };

	fake->has_reply = false;
	CHECK_EQ(request_decode(&fake->internal.request, &header, "", 0), 0);
	request_run(&fake->internal.request);
	return fake->has_reply ? fake->reply : REQUEST_PARK;
}

static int64_t call(struct process *process, uint32_t number, uint64_t a0, uint64_t a1, uint64_t a2)
{
	return call_from(process_first_thread(process), number, a0, a1, a2, 0);
}

static int64_t wait_for(struct process *process, int pid, uint32_t options)
{
	return call(process, 61, (uint64_t)(int64_t)pid, 0, options);
}

static void end(struct process *process, uint32_t status)
{
	process_exit(process, status);
	reap_threads();
}

/* The child is gone afterwards. */
UNUSED static void check_reaps(
	struct process *parent, struct process *child, int pid, uint32_t options)
{
	uint32_t expected = child->pid;

	CHECK_EQ(wait_for(parent, pid, options), expected);
	CHECK(process_find(expected) == NULL);
}

static void end_session(struct process *shell)
{
	end(shell, 0);
	while (wait_for(init, -1, LINUX_WNOHANG) > 0) {
	}
}

static void set_handler(struct process *process, int signal, uint64_t handler, uint64_t flags)
{
	process->internal->page->actions[signal - 1].handler = handler;
	process->internal->page->actions[signal - 1].flags = flags;
}

UNUSED static void set_mask(struct process *process, uint64_t mask)
{
	fake_first(process)->page.signal_mask = mask;
}

constexpr uint64_t HANDLER = 0x401234;

#endif
