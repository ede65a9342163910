/* SPDX-License-Identifier: MIT */
/* Processes: creation, the tree, and what their pages tell the shim. */
#include <base/assert.h>
#include <base/string.h>
#include <helix/memory.h>
#include <helix/start.h>
#include <posix/server/process/pidfd.h>
#include <posix/server/signal/signal.h>
#include <posix/server/time/cpu-timer.h>
#include <posix/server/time/time.h>
#include <posix/server/trace/trace.h>

/* One block per process. */
struct process_block {
	struct process process;
	struct process_internal internal;
};

constexpr uint64_t MEMORY_PER_PROCESS = KIB(160); /* what a small one may cost in all */
constexpr uint64_t MEMORY_PER_THREAD = KIB(64);
constexpr uint32_t LIMIT_MIN = 64;
/* What one process may make the kernel hold: a part of memory, and of others so many a thread. */
constexpr uint64_t KERNEL_MEMORY_PART = 8;
constexpr uint64_t KERNEL_MEMORY_MIN = MIB(16);
constexpr uint64_t OBJECTS_PER_THREAD = 4;

static struct tree processes; /* by number */
static uint32_t n_processes, n_threads;

struct process *process_of(const struct process_internal *internal)
{
	return &container_of(internal, struct process_block, internal)->process;
}

/* ---- counting -------------------------------------------------------------------------------- */

uint32_t process_count(void)
{
	return n_processes;
}

uint32_t thread_count(void)
{
	return n_threads;
}

void thread_count_add(int n)
{
	n_threads += (uint32_t)n;
}

static uint32_t limit_by_memory(uint64_t bytes_each)
{
	struct hel_kernel_stats stats;
	uint64_t n = PID_MAX / 2;

	if (kernel_stats_get(&stats) == 0) {
		n = min_u64(n, stats.memory_total_bytes / bytes_each);
	}
	return (uint32_t)max_u64(n, LIMIT_MIN);
}

uint32_t thread_limit(void)
{
	static uint32_t limit;

	if (limit == 0) {
		limit = limit_by_memory(MEMORY_PER_THREAD);
	}
	return limit;
}

uint32_t process_limit(void)
{
	static uint32_t limit;

	if (limit == 0) {
		limit = limit_by_memory(MEMORY_PER_PROCESS);
	}
	return limit;
}

/* One process cannot use up what the kernel has for all; pages are the business of oom.c. */
int process_universe_create(hel_handle *out_universe)
{
	static struct hel_limits limits;
	struct hel_kernel_stats stats;
	hel_handle universe;

	if (limits.kernel_bytes == 0) {
		uint64_t total = kernel_stats_get(&stats) == 0 ? stats.memory_total_bytes : 0;

		limits = (struct hel_limits){
			.kernel_bytes = max_u64(total / KERNEL_MEMORY_PART, KERNEL_MEMORY_MIN),
			.n_pages = HEL_UNLIMITED,
			.n_operations = OBJECTS_PER_THREAD * (thread_limit() + LIMIT_MIN),
			.n_handles = OBJECTS_PER_THREAD * (thread_limit() + LIMIT_MIN),
		};
	}
	int error = hel_universe_create(&universe);

	if (error != 0) {
		return error;
	}
	error = hel_universe_set_limits(universe, &limits);
	if (error != 0) {
		hel_close(HEL_THIS, universe);
		return error;
	}
	*out_universe = universe;
	return 0;
}

void process_add_threads(struct process *process, int n)
{
	process->internal->n_threads += (uint32_t)n;
	process->internal->account->n[ACCOUNT_THREADS] += (uint64_t)n;
}

int64_t process_change_user(struct process *process, uint32_t uid)
{
	struct process_internal *internal = process->internal;
	struct account *account;

	if (internal->account->uid == uid) {
		return 0;
	}
	account = account_get(uid);
	if (account == NULL) {
		return -LINUX_EAGAIN;
	}
	account->n[ACCOUNT_THREADS] += internal->n_threads;
	account_discharge(internal->account, ACCOUNT_THREADS, internal->n_threads);
	internal->account = account;
	return 0;
}

/* ---- walking --------------------------------------------------------------------------------- */

static struct process *process_of_node(struct tree_node *node)
{
	return node == NULL ? NULL
			    : process_of(container_of(node, struct process_internal, all_node));
}

static int compare_pid(const void *key, const struct tree_node *node)
{
	uint32_t pid = *(const uint32_t *)key;
	uint32_t other =
		process_of(container_of(node, const struct process_internal, all_node))->pid;

	return pid < other ? -1 : pid > other;
}

static int compare_nodes(const struct tree_node *a, const struct tree_node *b)
{
	return compare_pid(
		&process_of(container_of(a, const struct process_internal, all_node))->pid, b);
}

struct process *process_first(void)
{
	return process_of_node(tree_first(&processes));
}

struct process *process_next(struct process *process)
{
	return process_of_node(tree_next(&process->internal->all_node));
}

struct process *process_from(uint32_t pid)
{
	return process_of_node(tree_lower_bound(&processes, &pid, compare_pid));
}

struct process *process_init(void)
{
	return process_find(1);
}

/* ---- creation -------------------------------------------------------------------------------- */

static void init_limits(struct process *process)
{
	for (unsigned i = 0; i < LIMIT_COUNT; i++) {
		process->limits[i][0] = ~(uint64_t)0;
		process->limits[i][1] = ~(uint64_t)0;
	}
	process->limits[LIMIT_STACK][0] = MIB(8);
	process->limits[LIMIT_CORE][0] = 0;
	process->limits[LIMIT_NICE][0] = process->limits[LIMIT_NICE][1] = 0;
	process->limits[LIMIT_RTPRIO][0] = process->limits[LIMIT_RTPRIO][1] = 0;
	process->limits[LIMIT_NPROC][0] = process->limits[LIMIT_NPROC][1] = thread_limit() / 2;
	process->limits[LIMIT_NOFILE][0] = 1024;
	process->limits[LIMIT_NOFILE][1] = 1048576;
	process->limits[LIMIT_MEMLOCK][0] = process->limits[LIMIT_MEMLOCK][1] = MIB(8);
	process->limits[LIMIT_SIGPENDING][0] = process->limits[LIMIT_SIGPENDING][1] =
		thread_limit() / 2;
	process->limits[LIMIT_MSGQUEUE][0] = process->limits[LIMIT_MSGQUEUE][1] = 819200;
	process->limits[LIMIT_NICE][0] = process->limits[LIMIT_NICE][1] = 0;
	process->limits[LIMIT_RTPRIO][0] = process->limits[LIMIT_RTPRIO][1] = 0;
}

static void init_internal(struct process *process)
{
	struct process_internal *internal = process->internal;

	list_init(&process->threads);
	list_init(&internal->children);
	list_init(&internal->news);
	list_node_init(&internal->news_node);
	wait_queue_init(&internal->child_wait);
	wait_queue_init(&internal->signal_wait);
	wait_queue_init(&internal->continue_wait);
	wait_queue_init(&internal->vfork_wait);
	wait_queue_init(&internal->task_wait);
	signal_pending_init(&internal->pending);
	list_init(&internal->timers);
	tree_init(&internal->semaphore_undos);
	list_init(&internal->tracees);
	list_node_init(&process->group_node);
	list_node_init(&internal->sibling_node);
	process_timers_init(process);
	internal->loop = turn_choose_home();
	internal->start_ns = clock_monotonic_ns();
	internal->exit_signal = LINUX_SIGCHLD;
	internal->login_uid = internal->login_session = LOGIN_NONE;
	internal->is_dumpable = true;
}

static void inherit(struct process *process, const struct process *parent)
{
	struct process_internal *internal = process->internal;
	const struct process_internal *from = parent->internal;

	process->credentials = parent->credentials;
	memcpy(process->limits, parent->limits, sizeof(process->limits));
	memcpy(process->comm, parent->comm, sizeof(process->comm));
	internal->oom_adjustment = from->oom_adjustment;
	internal->oom_adjustment_min = from->oom_adjustment_min;
	internal->login_uid = from->login_uid;
	internal->login_session = from->login_session;
	internal->is_dumpable = from->is_dumpable;
	internal->has_no_new_privileges = from->has_no_new_privileges;
}

int process_create(struct process *parent, const struct path *fs_root, struct process **out_process)
{
	struct process_block *block = helix_calloc(1, sizeof(*block));
	struct process *process;

	if (block == NULL) {
		return -LINUX_ENOMEM;
	}
	process = &block->process;
	process->internal = &block->internal;
	init_internal(process);
	process->pid = pid_allocate();
	if (process->pid == 0) {
		helix_free(block);
		return -LINUX_EAGAIN;
	}
	pid_set_process(process->pid, process);
	tree_insert(&processes, &process->internal->all_node, compare_nodes);
	n_processes++;
	if (parent != NULL) {
		inherit(process, parent);
	} else {
		init_limits(process);
		process->credentials.capabilities = (struct capabilities){
			.effective = LINUX_CAPS_ALL,
			.permitted = LINUX_CAPS_ALL,
			.bounding = LINUX_CAPS_ALL,
		};
		process->files = fd_table_create();
		process->fs = fs_context_create(fs_root);
	}
	process->internal->account = account_get(process->credentials.uid);
	if (process->internal->account == NULL ||
		process_universe_create(&process->internal->universe) != 0 ||
		cpu_limit_follow(process) != 0 || rt_limit_follow(process) != 0 ||
		(parent == NULL && (process->files == NULL || process->fs == NULL))) {
		process_discard(process);
		return -LINUX_ENOMEM;
	}
	*out_process = process;
	return 0;
}

void process_attach(struct process *process, struct process *parent, struct process_group *group)
{
	process->parent = parent;
	if (parent != NULL) {
		list_push_back(&parent->internal->children, &process->internal->sibling_node);
	}
	process_group_join(group, process);
}

void process_discard(struct process *process)
{
	struct process_internal *internal = process->internal;

	if (process->files != NULL) {
		fd_table_unref(process->files, process);
		process->files = NULL;
	}
	if (process->fs != NULL) {
		fs_context_unref(process->fs);
		process->fs = NULL;
	}
	process_page_release(process);
	if (internal->universe != HEL_NULL) {
		hel_close(HEL_THIS, internal->universe);
		internal->universe = HEL_NULL;
	}
	if (internal->mm != NULL) {
		mm_unref(internal->mm);
		internal->mm = NULL;
	}
	process_free(process);
}

void process_free(struct process *process)
{
	struct process_internal *internal = process->internal;

	ASSERT(list_is_empty(&process->threads));
	ASSERT(list_is_empty(&internal->children));
	ASSERT(list_is_empty(&internal->news));
	pidfd_forget(process);
	if (internal->leader_trace != NULL) {
		trace_forget(internal->leader_trace);
	}
	signal_pending_clear(&internal->pending);
	wait_queue_deinit(&internal->signal_wait); /* epolls watch signalfds there */
	process_timers_release(process);
	if (process->group != NULL) {
		process_group_leave(process);
	}
	list_remove(&internal->sibling_node);
	list_remove(&internal->news_node);
	tree_remove(&processes, &internal->all_node);
	account_unref(internal->account);
	pid_set_process(process->pid, NULL);
	n_processes--;
	helix_free(container_of(process, struct process_block, process));
}

/* ---- the process page ------------------------------------------------------------------------ */

void process_publish(struct process *process)
{
	struct posix_process_page *page = process->internal->page;
	const struct credentials *credentials = &process->credentials;

	if (page == NULL) {
		return;
	}
	page->pid = process->pid;
	page->ppid = process->parent != NULL ? process->parent->pid : 0;
	page->uid = credentials->uid;
	page->euid = credentials->euid;
	page->gid = credentials->gid;
	page->egid = credentials->egid;
	page->limit_address_space = process->limits[LIMIT_AS][0];
	page->limit_data = process->limits[LIMIT_DATA][0];
	page->limit_locked = credentials_has(credentials, LINUX_CAP_IPC_LOCK)
		? UINT64_MAX
		: process->limits[LIMIT_MEMLOCK][0];
}
