/* SPDX-License-Identifier: MIT */
/* Filters: taken from programs, put on threads, inherited, run. */
#include <abi/linux/ptrace.h>
#include <base/string.h>
#include <hel/hel-calls.h>
#include <helix/memory.h>
#include <posix/server/file/handlers.h>
#include <posix/server/file/views.h>
#include <posix/server/seccomp/seccomp.h>
#include <posix/server/trace/trace.h>
#include <posix/server/vfs/memory-size.h>

constexpr uint32_t INSTRUCTIONS_MAX = 32768; /* of all filters of a thread */
constexpr uint32_t INSTRUCTIONS_EXTRA = 4;   /* that each of them but the latest counts for */
constexpr uint64_t MEMORY_PART = 64; /* of the machine's memory, for one user's filters */
constexpr uint64_t FLAGS = LINUX_SECCOMP_FLAG_TSYNC | LINUX_SECCOMP_FLAG_LOG |
	LINUX_SECCOMP_FLAG_SPEC_ALLOW | LINUX_SECCOMP_FLAG_NEW_LISTENER |
	LINUX_SECCOMP_FLAG_TSYNC_ESRCH | LINUX_SECCOMP_FLAG_WAIT_KILLABLE_RECV;

#define LINUX_CALL(number, name, where, a0, a1, a2, a3, a4, a5) CALL_##name = number,
enum call : uint32_t {
#include <protocols/posix/calls.def>
};
#undef LINUX_CALL

static const uint32_t strict_calls[] = { CALL_read, CALL_write, CALL_exit, CALL_rt_sigreturn };

/* What the shim does with views; see protocols/posix/views.h. */
static const uint32_t view_calls[] = { CALL_read, CALL_pread64, CALL_write, CALL_lseek, CALL_fstat,
	CALL_epoll_wait };

/* ---- filters --------------------------------------------------------------------------------- */

static size_t filter_size(uint32_t n)
{
	return sizeof(struct seccomp_filter) + n * sizeof(struct linux_bpf);
}

static void filter_unref(struct seccomp_filter *filter)
{
	while (filter != NULL && --filter->references == 0) {
		struct seccomp_filter *earlier = filter->earlier;

		if (filter->listener != NULL) {
			listener_filter_gone(filter->listener);
		}
		account_discharge(filter->account, ACCOUNT_FILTER_BYTES, filter_size(filter->n));
		helix_free(filter);
		filter = earlier;
	}
}

static bool has_bit(const uint64_t *words, uint32_t number)
{
	return (words[number / 64] >> number % 64 & 1) != 0;
}

/* Looks at each program once for a number. */
static bool filter_always_allows(struct seccomp_filter *filter, uint32_t number)
{
	uint64_t bit = UINT64_C(1) << number % 64;
	bool is_allowed = true;

	for (const struct seccomp_filter *at = filter; at != NULL && is_allowed; at = at->earlier) {
		if (has_bit(at->is_known, number)) {
			is_allowed = has_bit(at->allows, number);
			break;
		}
		is_allowed = bpf_always_allows(at->program, number, LINUX_AUDIT_ARCH_X86_64);
	}
	filter->is_known[number / 64] |= bit;
	filter->allows[number / 64] |= is_allowed ? bit : 0;
	return is_allowed;
}

bool seccomp_always_allows(const struct seccomp *seccomp, uint32_t number)
{
	if (number >= SECCOMP_NUMBERS) {
		return false;
	}
	if (seccomp->mode == LINUX_SECCOMP_MODE_FILTER) {
		return filter_always_allows(seccomp->filter, number);
	}
	for (size_t i = 0; i < ARRAY_SIZE(strict_calls); i++) {
		if (strict_calls[i] == number) {
			return true;
		}
	}
	return false;
}

static int32_t strength(uint32_t verdict)
{
	return (int32_t)(verdict & LINUX_SECCOMP_RET_ACTION);
}

uint32_t seccomp_run(const struct seccomp *seccomp, const struct linux_seccomp_data *data,
	const struct seccomp_filter **out_filter)
{
	uint32_t verdict = LINUX_SECCOMP_RET_ALLOW;

	*out_filter = NULL;
	for (const struct seccomp_filter *at = seccomp->filter; at != NULL; at = at->earlier) {
		uint32_t said = bpf_run(at->program, data);

		if (strength(said) < strength(verdict)) {
			verdict = said;
			*out_filter = at;
		}
	}
	return verdict;
}

/* ---- threads --------------------------------------------------------------------------------- */

static struct seccomp *seccomp_of(const struct thread *thread)
{
	return thread->internal->seccomp;
}

enum linux_seccomp_mode seccomp_mode_of(const struct thread *thread)
{
	const struct seccomp *seccomp = seccomp_of(thread);

	return seccomp != NULL ? seccomp->mode : LINUX_SECCOMP_MODE_DISABLED;
}

static struct seccomp_filter *filter_of(const struct thread *thread)
{
	const struct seccomp *seccomp = seccomp_of(thread);

	return seccomp != NULL ? seccomp->filter : NULL;
}

uint32_t seccomp_filters_of(const struct thread *thread)
{
	const struct seccomp_filter *filter = filter_of(thread);

	return filter != NULL ? filter->n_filters : 0;
}

void seccomp_publish(const struct thread *thread)
{
	const struct seccomp_filter *filter = filter_of(thread);
	struct posix_thread_page *page = thread->internal->page;

	for (uint32_t i = 0; i < SECCOMP_WORDS; i++) {
		atomic_store(&page->calls_allowed[i], filter != NULL ? filter->allows[i] : 0);
	}
	atomic_store(&page->is_restricted, 1);
	__atomic_store_n(&page->bounce.calls_end, 0, __ATOMIC_RELEASE);
}

/* Views answer calls that the filters may have something to say to. */
static void hide_views(struct process *process, const struct seccomp *seccomp)
{
	for (size_t i = 0; i < ARRAY_SIZE(view_calls); i++) {
		if (!seccomp_always_allows(seccomp, view_calls[i])) {
			process->internal->has_no_views = true;
			views_leave(process->files, process);
			return;
		}
	}
}

static void set_filter_of(struct thread *thread, struct seccomp_filter *filter)
{
	struct seccomp *seccomp = seccomp_of(thread);

	if (filter != NULL) {
		filter->references++;
	}
	filter_unref(seccomp->filter);
	seccomp->filter = filter;
	seccomp->has_grant = seccomp->was_sent_back = false;
	seccomp_publish(thread);
}

/* What is to be filled; -LINUX_ENOMEM */
static int prepare(struct thread *thread)
{
	if (thread->internal->seccomp == NULL) {
		thread->internal->seccomp = helix_calloc(1, sizeof(struct seccomp));
	}
	return thread->internal->seccomp != NULL ? 0 : -LINUX_ENOMEM;
}

int seccomp_inherit(const struct thread *parent, struct thread *thread)
{
	int error;

	if (seccomp_of(parent) == NULL) {
		return 0;
	}
	error = prepare(thread);
	if (error == 0) {
		thread->process->internal->has_no_views |= parent->process->internal->has_no_views;
		seccomp_of(thread)->mode = seccomp_of(parent)->mode;
		set_filter_of(thread, filter_of(parent));
	}
	return error;
}

void seccomp_release(struct thread *thread)
{
	struct seccomp *seccomp = seccomp_of(thread);

	if (seccomp != NULL) {
		filter_unref(seccomp->filter);
		helix_free(seccomp);
		thread->internal->seccomp = NULL;
	}
}

/* ---- all threads of a process ---------------------------------------------------------------- */

static bool is_ancestor(const struct seccomp_filter *earlier, const struct seccomp_filter *filter)
{
	uint32_t n_filters = earlier != NULL ? earlier->n_filters : 0;

	while (filter != NULL && filter->n_filters > n_filters) {
		filter = filter->earlier;
	}
	return filter == earlier;
}

/* A thread whose filters are not @caller's earlier ones: its number; 0: there is none. */
static uint32_t find_stranger(const struct thread *caller)
{
	LIST_FOR_EACH(thread, &caller->process->threads, struct thread, process_node) {
		if (thread != caller && !is_ancestor(filter_of(thread), filter_of(caller))) {
			return thread->tid;
		}
	}
	return 0;
}

/* Those that get nothing now but could keep an empty one: it is undone. */
static void forget_empty(struct process *process)
{
	LIST_FOR_EACH(thread, &process->threads, struct thread, process_node) {
		if (seccomp_mode_of(thread) == LINUX_SECCOMP_MODE_DISABLED) {
			seccomp_release(thread);
		}
	}
}

static int prepare_all(struct process *process)
{
	LIST_FOR_EACH(thread, &process->threads, struct thread, process_node) {
		if (prepare(thread) != 0) {
			forget_empty(process);
			return -LINUX_ENOMEM;
		}
	}
	return 0;
}

static void attach(struct thread *thread, struct seccomp_filter *filter)
{
	seccomp_of(thread)->mode = LINUX_SECCOMP_MODE_FILTER;
	set_filter_of(thread, filter);
}

/* Takes @filter, which is on nothing yet: 0, a negative errno, or a thread that cannot have it. */
static int64_t put_on(struct thread *caller, struct seccomp_filter *filter, uint64_t flags)
{
	struct process *process = caller->process;
	bool is_for_all = (flags & LINUX_SECCOMP_FLAG_TSYNC) != 0;
	uint32_t stranger = is_for_all ? find_stranger(caller) : 0;
	int error;

	if (stranger != 0) {
		return (flags & LINUX_SECCOMP_FLAG_TSYNC_ESRCH) != 0 ? -LINUX_ESRCH
								     : (int64_t)stranger;
	}
	error = is_for_all ? prepare_all(process) : prepare(caller);
	if (error != 0) {
		return error;
	}
	filter->earlier = filter_of(caller);
	if (filter->earlier != NULL) {
		filter->earlier->references++;
	}
	attach(caller, filter);
	LIST_FOR_EACH(thread, &process->threads, struct thread, process_node) {
		if (is_for_all && thread != caller) {
			attach(thread, filter);
		}
	}
	hide_views(process, seccomp_of(caller));
	return 0;
}

/* ---- taking a program ------------------------------------------------------------------------ */

static int64_t read_process(
	const struct thread *thread, uint64_t address, void *out_data, size_t size)
{
	int error;

	if (address > POSIX_SHIM_REGION - size) {
		return -LINUX_EFAULT;
	}
	error = hel_space_read(thread->internal->mm->space, address, out_data, size, NULL);
	return error == 0 ? 0 : error == -ERR_NO_MEMORY ? -LINUX_ENOMEM : -LINUX_EFAULT;
}

/* One that is counted for the user, and nothing else; NULL: no memory, or no more for this user. */
static struct seccomp_filter *filter_create(const struct process *process, uint32_t n)
{
	struct seccomp_filter *filter = helix_calloc(1, filter_size(n));

	if (filter != NULL &&
		account_charge(process->credentials.uid, ACCOUNT_FILTER_BYTES, filter_size(n),
			memory_size_bytes() / MEMORY_PART, &filter->account) != 0) {
		helix_free(filter);
		return NULL;
	}
	if (filter != NULL) {
		filter->references = 1;
		filter->n = n;
	}
	return filter;
}

static int64_t filter_read(const struct thread *thread, const struct linux_bpf_program *from,
	struct seccomp_filter **out_filter)
{
	struct seccomp_filter *filter = filter_create(thread->process, from->n_instructions);
	int64_t error;

	if (filter == NULL) {
		return -LINUX_ENOMEM;
	}
	error = read_process(
		thread, from->address, filter->program, filter->n * sizeof(struct linux_bpf));
	if (error == 0 && !bpf_check(filter->program, filter->n)) {
		error = -LINUX_EINVAL;
	}
	if (error != 0) {
		filter_unref(filter);
		return error;
	}
	*out_filter = filter;
	return 0;
}

static int64_t count(const struct thread *thread, struct seccomp_filter *filter)
{
	const struct seccomp_filter *earlier = filter_of(thread);

	filter->n_filters = 1;
	filter->n_instructions = filter->n;
	if (earlier != NULL) {
		filter->n_filters += earlier->n_filters;
		filter->n_instructions += earlier->n_instructions + INSTRUCTIONS_EXTRA;
	}
	return filter->n_instructions <= INSTRUCTIONS_MAX ? 0 : -LINUX_ENOMEM;
}

static bool are_flags_valid(uint64_t flags)
{
	bool has_listener = (flags & LINUX_SECCOMP_FLAG_NEW_LISTENER) != 0;

	/* threads and listeners are told in the same result */
	if (has_listener && (flags & LINUX_SECCOMP_FLAG_TSYNC) != 0 &&
		(flags & LINUX_SECCOMP_FLAG_TSYNC_ESRCH) == 0) {
		return false;
	}
	return (flags & ~FLAGS) == 0 &&
		(has_listener || (flags & LINUX_SECCOMP_FLAG_WAIT_KILLABLE_RECV) == 0);
}

static bool has_open_listener(const struct seccomp_filter *filter)
{
	while (filter != NULL && !listener_is_open(filter->listener)) {
		filter = filter->earlier;
	}
	return filter != NULL;
}

/* The same as put_on(), but for who gets a listener: the result is its descriptor. */
static int64_t put_on_with_listener(
	struct request *request, struct seccomp_filter *filter, uint64_t flags)
{
	struct process *process = request->process;
	int64_t fd, error;

	filter->listener = listener_create((flags & LINUX_SECCOMP_FLAG_WAIT_KILLABLE_RECV) != 0);
	if (filter->listener == NULL) {
		return -LINUX_ENOMEM;
	}
	fd = listener_open(request, filter->listener);
	if (fd < 0) {
		return fd;
	}
	error = has_open_listener(filter_of(request->thread))
		? -LINUX_EBUSY
		: put_on(request->thread, filter, flags);
	if (error != 0) {
		fd_table_close(process->files, (int)fd, process);
		return error;
	}
	return fd;
}

static int64_t set_filter(struct request *request, uint64_t flags, uint64_t address)
{
	struct thread *thread = request->thread;
	struct linux_bpf_program program;
	struct seccomp_filter *filter;
	int64_t result;

	if (!are_flags_valid(flags)) {
		return -LINUX_EINVAL;
	}
	result = read_process(thread, address, &program, sizeof(program));
	if (result != 0) {
		return result;
	}
	if (program.n_instructions == 0 || program.n_instructions > LINUX_BPF_INSTRUCTIONS_MAX) {
		return -LINUX_EINVAL;
	}
	if (!request->process->internal->has_no_new_privileges &&
		!process_has(request->process, LINUX_CAP_SYS_ADMIN)) {
		return -LINUX_EACCES;
	}
	result = filter_read(thread, &program, &filter);
	if (result != 0) {
		return result;
	}
	result = seccomp_mode_of(thread) == LINUX_SECCOMP_MODE_STRICT ? -LINUX_EINVAL
								      : count(thread, filter);
	if (result == 0) {
		result = (flags & LINUX_SECCOMP_FLAG_NEW_LISTENER) != 0
			? put_on_with_listener(request, filter, flags)
			: put_on(thread, filter, flags);
	}
	filter_unref(filter);
	return result;
}

static int64_t set_strict(struct thread *thread, uint64_t flags, uint64_t address)
{
	if (flags != 0 || address != 0 || seccomp_mode_of(thread) == LINUX_SECCOMP_MODE_FILTER) {
		return -LINUX_EINVAL;
	}
	if (prepare(thread) != 0) {
		return -LINUX_ENOMEM;
	}
	seccomp_of(thread)->mode = LINUX_SECCOMP_MODE_STRICT;
	set_filter_of(thread, NULL);
	hide_views(thread->process, seccomp_of(thread));
	return 0;
}

/* ---- questions ------------------------------------------------------------------------------- */

static int64_t get_action(const struct thread *thread, uint64_t flags, uint64_t address)
{
	uint32_t action;
	int64_t error =
		flags != 0 ? -LINUX_EINVAL : read_process(thread, address, &action, sizeof(action));

	if (error != 0) {
		return error;
	}
	switch (action) {
	case LINUX_SECCOMP_RET_KILL_PROCESS:
	case LINUX_SECCOMP_RET_KILL_THREAD:
	case LINUX_SECCOMP_RET_TRAP:
	case LINUX_SECCOMP_RET_ERRNO:
	case LINUX_SECCOMP_RET_USER_NOTIF:
	case LINUX_SECCOMP_RET_TRACE:
	case LINUX_SECCOMP_RET_LOG:
	case LINUX_SECCOMP_RET_ALLOW: return 0;
	default: return -LINUX_EOPNOTSUPP;
	}
}

static int64_t get_sizes(const struct thread *thread, uint64_t flags, uint64_t address)
{
	static const struct linux_seccomp_sizes sizes = {
		.notification = 80, .response = 24, .data = sizeof(struct linux_seccomp_data)
	};

	if (flags != 0) {
		return -LINUX_EINVAL;
	}
	if (address > POSIX_SHIM_REGION - sizeof(sizes)) {
		return -LINUX_EFAULT;
	}
	return hel_space_write(thread->internal->mm->space, address, &sizes, sizeof(sizes), NULL) ==
			0
		? 0
		: -LINUX_EFAULT;
}

int64_t seccomp_set(struct request *request, uint64_t operation, uint64_t flags, uint64_t address)
{
	switch (operation) {
	case LINUX_SECCOMP_SET_MODE_STRICT: return set_strict(request->thread, flags, address);
	case LINUX_SECCOMP_SET_MODE_FILTER: return set_filter(request, flags, address);
	case LINUX_SECCOMP_GET_ACTION_AVAIL: return get_action(request->thread, flags, address);
	case LINUX_SECCOMP_GET_NOTIF_SIZES: return get_sizes(request->thread, flags, address);
	default: return -LINUX_EINVAL;
	}
}

int64_t posix_seccomp(struct request *request)
{
	return seccomp_set(
		request, (uint32_t)request->args[0], (uint32_t)request->args[1], request->args[2]);
}
