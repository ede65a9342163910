/* SPDX-License-Identifier: MIT */
/* What the file side needs of processes: who they are, and signals that are only noted. */
#include <posix/server/file/aio-poll.h>
#include <posix/server/file/poll.h>
#include <posix/server/fs/direct-view.h>
#include <posix/server/fs/caches.h>
#include <posix/server/fs/proc-executable.h>
#include <posix/server/process/mapped-files.h>
#include <posix/server/process/pidfd.h>
#include <posix/server/fs/procfs.h>
#include <posix/server/ipc/ipc.h>
#include <posix/server/rewrite/text.h>
#include <posix/server/tests/files.h>

#include <base/format.h>
#include <helix/await.h>
#include <helix/start.h>

/* Here nothing ends later than it is said. */
static enum op_result ends_start(struct op *op)
{
	return op_finish_inline(op, 0);
}

void helix_ends_op_init(struct helix_ends_op *wait)
{
	static const struct op_class class = { .name = "ends", .start = ends_start };

	op_init(&wait->operation.op, &class);
}

void rewritten_text_unref(UNUSED struct rewritten_text *text)
{
}

struct user *root;
static struct user *users;

static struct user *user_of(const struct process *process)
{
	return container_of(process, struct user, process);
}

/* ---- processes ----------------------------------------------------------------------------- */

struct user *user_create(uint32_t id)
{
	static uint32_t last_pid = 1;
	struct user *user = calloc(1, sizeof(*user));
	struct process *process = &user->process;

	process->pid = users == NULL ? 1 : ++last_pid;
	process->internal = &user->process_internal;
	process->credentials = (struct credentials){
		id,
		id,
		id,
		id,
		id,
		id,
		id,
		id,
		0,
		{},
		{ 0 },
	};
	if (id == 0) {
		process->credentials.capabilities = (struct capabilities){
			.effective = LINUX_CAPS_ALL,
			.permitted = LINUX_CAPS_ALL,
			.bounding = LINUX_CAPS_ALL,
		};
	}
	for (unsigned i = 0; i < LIMIT_COUNT; i++) {
		process->limits[i][0] = process->limits[i][1] = UINT64_MAX;
	}
	process->limits[LIMIT_NOFILE][0] = 1024;
	user->session.sid = process->pid;
	user->group.pgid = process->pid;
	user->group.session = &user->session;
	process->group = &user->group;
	user->mm.space = process->pid;
	user->process_internal.mm = &user->mm;
	user->process_internal.page = &user->page;
	process->files = fd_table_create();
	process->fs = fs_context_create(&case_root);
	format_to(process->comm, sizeof(process->comm), "user%u", id);
	list_init(&process->threads);
	user->thread.tid = process->pid;
	user->thread.process = process;
	user->thread.internal = &user->thread_internal;
	user->thread_internal.page = &user->thread_page;
	list_push_back(&process->threads, &user->thread.process_node);
	user->request.process = process;
	request_init(&user->request, &user->request_internal, &user->thread, posix_loop());
	user->next = users;
	users = user;
	return user;
}

struct user *user_fork(struct user *parent)
{
	struct user *child = user_create(parent->process.credentials.uid);

	fd_table_unref(child->process.files, &child->process);
	fs_context_unref(child->process.fs);
	child->process.files = fd_table_copy(parent->process.files);
	child->process.fs = fs_context_copy(parent->process.fs);
	child->process.credentials = parent->process.credentials;
	return child;
}

uint32_t fake_n_awaited;

void process_transfers_are_over(struct process *process)
{
	(void)process;
	fake_n_awaited--;
}

void user_exit(struct user *user)
{
	poll_forget_parts(&user->thread);
	aio_polls_release(&user->process);
	fd_table_unref(user->process.files, &user->process);
	fs_context_unref(user->process.fs);
	user->process.files = NULL;
	user->process.fs = NULL;
	fake_n_awaited += direct_views_await(&user->process);
	directs_left(&user->mm);
}

void users_free(void)
{
	while (users != NULL) {
		struct user *user = users;

		users = user->next;
		if (user->process.files != NULL) {
			user_exit(user);
		}
		free(user);
	}
	root = NULL;
	fake_spaces_end();
}

struct process *process_find(uint32_t pid)
{
	for (struct user *user = users; user != NULL; user = user->next) {
		if (user->process.pid == pid && user->process.files != NULL) {
			return &user->process;
		}
	}
	return NULL;
}

/* By ascending numbers, as procfs wants them. */
static struct process *process_above(uint32_t pid)
{
	struct process *best = NULL;

	for (struct user *user = users; user != NULL; user = user->next) {
		if (user->process.pid > pid && user->process.files != NULL &&
			(best == NULL || user->process.pid < best->pid)) {
			best = &user->process;
		}
	}
	return best;
}

struct process *process_first(void)
{
	return process_above(0);
}

struct process *process_next(struct process *process)
{
	return process_above(process->pid);
}

struct process *process_from(uint32_t pid)
{
	return process_above(pid == 0 ? 0 : pid - 1);
}

size_t pidfd_print(const struct file *file, char *buffer, size_t size)
{
	(void)file;
	(void)buffer;
	(void)size;
	return 0;
}

int64_t proc_open_memory(struct proc_inode *node, struct file *file, struct request *request)
{
	(void)node;
	(void)file;
	(void)request;
	return -LINUX_EACCES;
}

int64_t proc_open_pagemap(struct proc_inode *node, struct file *file, struct request *request)
{
	return proc_open_memory(node, file, request);
}

bool processor_cache(uint32_t index, struct processor_cache *out_cache)
{
	(void)index;
	(void)out_cache;
	return false;
}

bool process_executable(const struct process *process, struct path *out_path)
{
	(void)process;
	(void)out_path;
	return false;
}

const struct hel_start *helix_start(void)
{
	static const struct hel_start start = { .n_cpus = 2 };

	return &start;
}

struct thread *thread_find(uint32_t tid)
{
	struct process *process = process_find(tid); /* each has one thread */

	return process != NULL ? process_first_thread(process) : NULL;
}

struct thread *process_thread(const struct process *process, uint32_t tid)
{
	LIST_FOR_EACH(thread, &process->threads, struct thread, process_node) {
		if (thread->tid == tid) {
			return thread;
		}
	}
	return NULL;
}

int64_t process_print_mapping(struct process *process, const struct thread *thread,
	enum mapping_text form, uint64_t *address, char *buffer, size_t size)
{
	static const char *const forms[] = { "mapping", "details", "nodes" };

	(void)process;
	(void)thread;
	if (*address >= 4000) {
		return 0;
	}
	return (int64_t)format_to(
		buffer, size, "%s %llu\n", forms[form], (unsigned long long)(*address)++);
}

void thread_set_name(struct thread *thread, const char *name, size_t size)
{
	char *comm = thread->process->comm;

	memset(comm, 0, sizeof(thread->process->comm));
	memcpy(comm, name, min_size(size, sizeof(thread->process->comm) - 1));
}

int64_t process_set_login(struct process *process, uint32_t uid)
{
	(void)process;
	(void)uid;
	return -LINUX_EPERM;
}

int64_t process_set_oom_adjustment(
	struct process *process, const struct process *writer, int64_t value)
{
	(void)process;
	(void)writer;
	(void)value;
	return -LINUX_EACCES;
}

int64_t process_print(struct process *process, const struct thread *thread, const char *name,
	char *buffer, size_t size)
{
	(void)thread;
	if (strcmp(name, "comm") != 0) {
		return -LINUX_ENOENT;
	}
	return (int64_t)format_to(buffer, size, "%s\n", process->comm);
}

int64_t system_print(const char *name, char *buffer, size_t size)
{
	return (int64_t)format_to(buffer, size, "text of %s\n", name);
}

/* ---- signals ------------------------------------------------------------------------------- */

void signal_send_process(struct process *process, const struct signal_info *info)
{
	user_of(process)->signals |= 1ull << info->signal;
}

void signal_send_owner(
	int64_t pid, UNUSED uint32_t setter_uid, UNUSED uint32_t setter_euid, int signal)
{
	for (struct user *user = users; user != NULL; user = user->next) {
		if ((int64_t)user->process.pid == pid) {
			user->signals |= 1ull << signal;
		}
	}
}

void signal_send_group(struct process_group *group, const struct signal_info *info)
{
	for (struct user *user = users; user != NULL; user = user->next) {
		if (user->process.group == group) {
			user->signals |= 1ull << info->signal;
		}
	}
}

bool signal_is_ignored_or_blocked(struct thread *thread, int signal)
{
	return (user_of(thread->process)->ignored_signals >> signal & 1) != 0;
}

bool request_signal_is_due(struct thread *thread)
{
	(void)thread;
	return false;
}

bool request_is_unwanted(const struct thread *thread)
{
	(void)thread;
	return false;
}

bool request_task_may_begin(struct request *request, struct wait_queue **out_queue)
{
	(void)request;
	(void)out_queue;
	return true;
}

void request_task_began(struct thread *thread)
{
	(void)thread;
}

void request_task_ended(struct thread *thread)
{
	(void)thread;
}

struct process_group *process_group_find(uint32_t pgid)
{
	for (struct user *user = users; user != NULL; user = user->next) {
		if (user->process.group->pgid == pgid) {
			return user->process.group;
		}
	}
	return NULL;
}

bool process_group_is_orphaned(const struct process_group *group)
{
	return container_of(group, struct user, group)->is_orphaned;
}

void session_set_tty(struct session *session, struct tty *tty)
{
	session->tty = tty;
}

int thread_precedence(const struct thread *thread)
{
	return user_of(thread->process)->precedence;
}

/* ---- System V IPC: there is none ------------------------------------------------------------- */

size_t messages_print(UNUSED uint64_t *cursor, UNUSED char *buffer, UNUSED size_t size)
{
	return 0;
}

size_t semaphores_print(UNUSED uint64_t *cursor, UNUSED char *buffer, UNUSED size_t size)
{
	return 0;
}

size_t shared_memory_print(UNUSED uint64_t *cursor, UNUSED char *buffer, UNUSED size_t size)
{
	return 0;
}

/* ---- mappings, of which there are none ------------------------------------------------------- */

void mapped_files_forget_unused(void)
{
}
