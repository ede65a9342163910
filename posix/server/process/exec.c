/* SPDX-License-Identifier: MIT */
/*
 * exec: a new program in an old process.
 *
 *      open, follow scripts -> load into a new space -> build stack, page, thread -> commit
 *      '------------------------- may fail, nothing has changed ----------------'   cannot fail
 *
 * All is built beside the old program: space, universe, process page, first thread. The commit
 * swaps them in and kills the old threads, which go on their own when the kernel is done with them.
 *
 * The program may be on a disk, so all but the commit may wait, in a task (task.h). Threads that
 * the commit ends may be in tasks themselves, which use what the process has: an exec in a task
 * lets none of its process begin another, and waits for those that have.
 */
#include <abi/linux/auxv.h>
#include <abi/linux/fcntl.h>
#include <abi/linux/personality.h>
#include <abi/linux/time.h>
#include <base/assert.h>
#include <base/format.h>
#include <base/string.h>
#include <helix/memory.h>
#include <helix/start.h>
#include <posix/server/file/aio-poll.h>
#include <posix/server/file/handlers.h>
#include <posix/server/file/views.h>
#include <posix/server/process/capabilities.h>
#include <posix/server/process/deadline.h>
#include <posix/server/process/exec-state.h>
#include <posix/server/seccomp/seccomp.h>
#include <posix/server/signal/signal.h>
#include <posix/server/task.h>
#include <posix/server/time/time.h>
#include <posix/server/trace/trace.h>
#include <posix/server/vfs/mount.h>

constexpr uint64_t STACK_GAP = 0x10000;  /* between the stack's top and the shim's region */
constexpr uint64_t STACK_SIZE_MIN = KIB(132);
constexpr uint64_t STACK_SIZE_MAX = MIB(64); /* also when unlimited */
constexpr uint64_t STACK_GUARD = MIB(1); /* nothing is mapped so close below the stack by itself */
constexpr uint64_t PIE_BASE = 0x555555554000;
constexpr uint64_t MMAP_LOW = 0x10000;
constexpr uint64_t BREAK_SIZE_MAX = GIB(64);
/* Stack and first mappings are in one GiB: they share page tables but those of the last level. */
constexpr uint64_t RANDOM_STACK_GIB = 256, RANDOM_STACK_PAGES = 1 << 16,
		   RANDOM_MMAP_PAGES = 1 << 16, RANDOM_PIE_PAGES = 1 << 24,
		   RANDOM_BREAK_PAGES = 1 << 12;
static_assert(POSIX_SHIM_REGION % GIB(1) == 0);
static_assert(STACK_GAP + STACK_SIZE_MAX + STACK_GUARD +
		(RANDOM_STACK_PAGES + RANDOM_MMAP_PAGES) * HEL_PAGE_SIZE <
	GIB(1) * 3 / 4);

/* The last one that ended: there is rarely more than one under way. */
static struct exec *spare;

static struct exec *exec_create(void)
{
	struct exec *exec = spare != NULL ? spare : helix_malloc(sizeof(*exec));

	spare = NULL;
	return exec;
}

static void exec_free(struct exec *exec)
{
	if (spare == NULL) {
		spare = exec;
	} else {
		helix_free(exec);
	}
}

/* ---- chance ---------------------------------------------------------------------------------- */

static bool is_random(void)
{
	static int answer = -1;
	char value[4];

	if (answer < 0) {
		answer = !helix_command_line_option("nokaslr", value, sizeof(value));
	}
	return answer != 0;
}

/* What stays of the caller's personality. */
static uint32_t personality_of(const struct exec *exec)
{
	const struct posix_process_page *page = exec->process->internal->page;
	uint32_t personality = page != NULL ? page->personality : 0;

	return exec->is_secure ? personality & ~LINUX_PERSONALITY_CLEARED : personality;
}

/* A random number below @n of pieces, in bytes. */
static uint64_t random_pieces(const struct exec *exec, uint64_t n, uint64_t piece_bytes)
{
	uint64_t value;

	if (!is_random() || (personality_of(exec) & LINUX_ADDR_NO_RANDOMIZE) != 0 ||
		hel_random(&value, sizeof(value)) != 0) {
		return 0;
	}
	return value % n * piece_bytes;
}

static uint64_t random_bytes(const struct exec *exec, uint64_t n_pages)
{
	return random_pieces(exec, n_pages, HEL_PAGE_SIZE);
}

/* ---- privileges ----------------------------------------------------------------------------- */

/* Somebody without privileges would have those of the new program. */
static bool is_traced_by_unprivileged(const struct exec *exec)
{
	const struct trace *trace = exec->caller != NULL ? trace_of(exec->caller) : NULL;

	return trace_is_on(trace) && !process_has(trace->tracer, LINUX_CAP_SYS_PTRACE);
}

/* Set-user-id and set-group-id programs, unless the process renounced them. */
static int64_t choose_credentials(struct exec *exec)
{
	struct credentials *credentials = &exec->credentials;
	struct inode_stat stat;

	*credentials = exec->process->credentials;
	inode_get_stat(exec->program.inode, &stat);
	bool may_gain = !exec->process->internal->has_no_new_privileges &&
		!is_traced_by_unprivileged(exec) &&
		(exec->program.path.mount->flags & MOUNT_NO_SET_ID) == 0;

	if (may_gain) {
		if ((stat.mode & LINUX_S_ISUID) != 0) {
			credentials->euid = stat.uid;
		}
		if ((stat.mode & (LINUX_S_ISGID | LINUX_S_IXGRP)) ==
			(LINUX_S_ISGID | LINUX_S_IXGRP)) {
			credentials->egid = stat.gid;
		}
	}
	credentials->suid = credentials->fsuid = credentials->euid;
	credentials->sgid = credentials->fsgid = credentials->egid;
	exec->is_secure =
		credentials->euid != credentials->uid || credentials->egid != credentials->gid;
	return capabilities_exec(credentials, &exec->process->credentials, exec->program.inode,
		may_gain, &exec->is_secure);
}

/* ---- memory ---------------------------------------------------------------------------------- */

/* The stack and where mappings go: everything that hangs down from the top. */
static int64_t place_stack(struct exec *exec)
{
	struct mm *mm = exec->mm;
	uint32_t flags = HEL_MAP_READ | HEL_MAP_WRITE | HEL_MAP_FORK_COPY;
	uint64_t size = align_up(
		min_u64(exec->process->limits[LIMIT_STACK][0], STACK_SIZE_MAX), HEL_PAGE_SIZE);

	exec->stack_size = max_u64(size, STACK_SIZE_MIN);
	mm->stack_top = POSIX_SHIM_REGION - random_pieces(exec, RANDOM_STACK_GIB, GIB(1)) -
		STACK_GAP - random_bytes(exec, RANDOM_STACK_PAGES);
	mm->stack_low = mm->stack_top - exec->stack_size;
	mm->mmap_low = MMAP_LOW;
	mm->mmap_high = mm->stack_low - STACK_GUARD - random_bytes(exec, RANDOM_MMAP_PAGES);
	if ((exec->program.elf.stack_flags & ELF_FLAG_EXECUTE) != 0) {
		flags |= HEL_MAP_EXECUTE;
	}
	return mm_map(mm, HEL_NULL, 0, mm->stack_low, exec->stack_size, flags);
}

static uint64_t alignment_of(const struct exec_image *image)
{
	uint64_t alignment = HEL_PAGE_SIZE;

	for (size_t i = 0; i < image->elf.n_segments; i++) {
		alignment = max_u64(alignment, image->elf.segments[i].alignment);
	}
	return min_u64(alignment, GIB(1));
}

/* Position-independent programs go low, interpreters below the mappings' top. */
static int64_t place_images(struct exec *exec)
{
	struct exec_image *program = &exec->program, *interpreter = &exec->interpreter;
	struct mm *mm = exec->mm;

	if (program->elf.is_position_independent) {
		program->base = align_up(
			PIE_BASE + random_bytes(exec, RANDOM_PIE_PAGES), alignment_of(program));
	} else if (program->elf.vaddr_start < MMAP_LOW) {
		return -LINUX_EPERM;
	}
	if (program->elf.vaddr_end > mm->mmap_high ||
		program->base > mm->mmap_high - program->elf.vaddr_end) {
		return -LINUX_ENOMEM;
	}
	if (exec->has_interpreter) {
		uint64_t size = interpreter->elf.vaddr_end;

		if (!interpreter->elf.is_position_independent) {
			return interpreter->elf.vaddr_start < MMAP_LOW || size > mm->mmap_high
				? -LINUX_ELIBBAD
				: 0;
		}
		if (size > mm->mmap_high / 4) {
			return -LINUX_ENOMEM;
		}
		interpreter->base = align_down(mm->mmap_high - size, alignment_of(interpreter));
	}
	return 0;
}

static void place_break(struct exec *exec)
{
	struct mm *mm = exec->mm;
	uint64_t end = exec->program.base + exec->program.elf.vaddr_end;
	uint64_t limit = min_u64(exec->process->limits[LIMIT_DATA][0], BREAK_SIZE_MAX);

	mm->image_start = exec->program.base + exec->program.elf.vaddr_start;
	mm->image_end = end;
	if (exec->has_interpreter) {
		mm->interpreter_start = exec->interpreter.base + exec->interpreter.elf.vaddr_start;
		mm->interpreter_end = exec->interpreter.base + exec->interpreter.elf.vaddr_end;
	}
	mm->brk_start = align_up(end, HEL_PAGE_SIZE) + random_bytes(exec, RANDOM_BREAK_PAGES);
	mm->brk_limit = min_u64(mm->brk_start + limit, max_u64(mm->mmap_high, mm->brk_start));
}

static int64_t load(struct exec *exec)
{
	int64_t error;

	if (process_universe_create(&exec->universe) != 0) {
		exec->universe = HEL_NULL;
		return -LINUX_ENOMEM;
	}
	exec->mm = mm_create(exec->universe);
	if (exec->mm == NULL) {
		return -LINUX_ENOMEM;
	}
	exec->mm->keeps_text = exec->caller != NULL && trace_is_on(trace_of(exec->caller));
	error = place_stack(exec);
	if (error == 0) {
		error = place_images(exec);
	}
	if (error == 0) {
		error = exec_image_load(exec->process, &exec->program, exec->mm);
	}
	if (error == 0 && exec->has_interpreter) {
		error = exec_image_load(exec->process, &exec->interpreter, exec->mm);
	}
	if (error == 0) {
		place_break(exec);
		exec->mm->exe = exec->program.path;
		path_ref(&exec->mm->exe);
		inode_deny_writing_again(exec->program.inode);
	}
	return error;
}

/* ---- the first stack ------------------------------------------------------------------------- */

static void add_auxv(struct exec_stack *stack, uint64_t key, uint64_t value)
{
	ASSERT(stack->n_auxv < EXEC_AUXV_MAX);
	stack->auxv[stack->n_auxv++] = (struct exec_auxv){ key, value };
}

static void fill_auxv(struct exec *exec)
{
	const struct exec_image *program = &exec->program;
	const struct processor_info *processor = processor_info();
	const struct credentials *credentials = &exec->credentials;
	struct exec_stack *stack = &exec->stack;

	add_auxv(stack, LINUX_AT_SYSINFO_EHDR, shim_vdso());
	add_auxv(stack, LINUX_AT_MINSIGSTKSZ, processor->signal_stack_min);
	add_auxv(stack, LINUX_AT_HWCAP, processor->hwcap);
	add_auxv(stack, LINUX_AT_PAGESZ, HEL_PAGE_SIZE);
	add_auxv(stack, LINUX_AT_CLKTCK, LINUX_CLOCK_TICKS);
	add_auxv(stack, LINUX_AT_PHDR,
		program->elf.phdr_vaddr != 0 ? program->base + program->elf.phdr_vaddr : 0);
	add_auxv(stack, LINUX_AT_PHENT, sizeof(struct elf_program));
	add_auxv(stack, LINUX_AT_PHNUM, program->elf.n_programs);
	add_auxv(stack, LINUX_AT_BASE, exec->has_interpreter ? exec->interpreter.base : 0);
	add_auxv(stack, LINUX_AT_FLAGS, 0);
	add_auxv(stack, LINUX_AT_ENTRY, program->base + program->elf.entry);
	add_auxv(stack, LINUX_AT_UID, credentials->uid);
	add_auxv(stack, LINUX_AT_EUID, credentials->euid);
	add_auxv(stack, LINUX_AT_GID, credentials->gid);
	add_auxv(stack, LINUX_AT_EGID, credentials->egid);
	add_auxv(stack, LINUX_AT_SECURE, exec->is_secure);
	add_auxv(stack, LINUX_AT_HWCAP2, processor->hwcap2);
}

static int64_t build_stack(struct exec *exec)
{
	struct exec_stack *stack = &exec->stack;
	struct mm *mm = exec->mm;
	uint8_t *image;
	size_t size;
	int error;

	stack->strings = &exec->strings;
	stack->path = exec->path;
	stack->platform = "x86_64";
	stack->n_auxv = 0;
	stack->top = mm->stack_top;
	(void)!hel_random(stack->random, sizeof(stack->random));
	fill_auxv(exec);
	size = exec_stack_size(stack);
	if (size > exec->stack_size / 4) {
		return -LINUX_E2BIG;
	}
	image = helix_malloc(size);
	if (image == NULL) {
		return -LINUX_ENOMEM;
	}
	exec_stack_build(stack, image);
	error = hel_space_write(mm->space, stack->pointer, image, size, NULL);
	helix_free(image);
	mm->stack_pointer = stack->pointer;
	mm->arguments_start = stack->arguments_start;
	mm->arguments_end = stack->arguments_end;
	mm->environment_start = stack->environment_start;
	mm->environment_end = stack->environment_end;
	mm->auxv_address = stack->auxv_address;
	mm->auxv_size = stack->auxv_size;
	return error != 0 ? -LINUX_ENOMEM : 0;
}

/* ---- page and thread ------------------------------------------------------------------------- */

static void fill_process_page(struct exec *exec)
{
	const struct posix_process_page *old = exec->process->internal->page;
	const struct processor_info *processor = processor_info();
	struct posix_process_page *page = exec->page.page;
	const struct mm *mm = exec->mm;

	page->is_secure = exec->is_secure;
	page->n_cpus = helix_start()->n_cpus;
	page->stack_top = mm->stack_top;
	page->brk_start = mm->brk_start;
	page->brk_now = mm->brk_start;
	page->brk_limit = mm->brk_limit;
	page->mmap_low = mm->mmap_low;
	page->mmap_high = mm->mmap_high;
	page->xsave_size = processor->xsave_size;
	page->xsave_mask = processor->xsave_mask;
	if (old == NULL) {
		return;
	}
	page->personality = personality_of(exec);
	/* What was ignored stays ignored, what was caught is as at first. */
	for (unsigned i = 0; i < LINUX_NSIG; i++) {
		if (old->actions[i].handler == LINUX_SIG_IGN) {
			page->actions[i].handler = LINUX_SIG_IGN;
		}
	}
}

static int64_t build_thread(struct exec *exec, struct thread *caller)
{
	const struct exec_image *first =
		exec->has_interpreter ? &exec->interpreter : &exec->program;
	struct posix_thread_page *page;
	int slot = mm_slot_allocate(exec->mm);
	int error = process_page_create(exec->mm, (uint32_t)slot, &exec->page);

	if (error == 0) {
		error = thread_create(
			&(struct thread_options){
				.process = exec->process,
				.mm = exec->mm,
				.slot = (uint32_t)slot,
				.tid = exec->process->pid,
				.universe = exec->universe,
				.process_page = exec->page.address,
			},
			&exec->thread);
	}
	if (error != 0) {
		return error;
	}
	fill_process_page(exec);
	page = exec->thread->internal->page;
	page->start_registers = (struct hel_registers){
		.rip = first->base + first->elf.entry,
		.rsp = exec->stack.pointer,
		.rflags = 0x202,
	};
	if (caller != NULL) {
		atomic_store(&page->signal_mask, atomic_load(&caller->internal->page->signal_mask));
		page->memory_policy = caller->internal->page->memory_policy;
		thread_schedule_as(exec->thread, caller, false);
		exec->thread->internal->timer_slack_ns = caller->internal->timer_slack_ns;
		error = seccomp_inherit(caller, exec->thread);
	}
	return error;
}

/* ---- the point of no return ------------------------------------------------------------------ */

static void replace_threads(struct process *process)
{
	struct process_internal *internal = process->internal;

	LIST_FOR_EACH_SAFE(thread, &process->threads, struct thread, process_node) {
		struct usage usage;

		thread_usage(thread, &usage);
		usage_add(&internal->dead_threads, &usage);
		thread->internal->is_replaced = true;
		process_add_threads(process, -1);
		thread_kill(thread);
		trace_thread_gone(thread, LINUX_SIGKILL);
	}
}

static void set_name(const struct exec *exec)
{
	const char *slash = strrchr(exec->path, '/');
	const char *name = slash != NULL ? slash + 1 : exec->path;

	thread_set_name(exec->thread, name, strlen(name));
}

static void commit(struct exec *exec)
{
	struct process *process = exec->process;
	struct process_internal *internal = process->internal;
	struct mm *old_mm = internal->mm;
	hel_handle old_universe = internal->universe;
	uint32_t old_slot = internal->page_slot;

	if (exec->caller != NULL) {
		trace_exec(exec->caller, exec->thread);
		deadline_move(exec->caller, exec->thread);
	}
	replace_threads(process);
	process_vfork_done(process);
	views_leave(process->files, process);
	internal->n_view_uses = 0;
	internal->mm = exec->mm;
	internal->universe = exec->universe;
	process_page_adopt(process, &exec->page);
	if (old_mm != NULL) {
		if (old_mm->references >
			3) { /* shared: the page must go; its thread's slot follows */
			hel_space_unmap(old_mm->space,
				slot_address(old_slot) + POSIX_SLOT_PROCESS_PAGE, HEL_PAGE_SIZE);
		}
		mm_unref(old_mm);
	}
	hel_close(HEL_THIS, old_universe);
	if (exec->files != NULL) {
		fd_table_unref(process->files, process);
		process->files = exec->files;
		internal->shares_files = false;
	}
	fd_table_close_on_exec(process->files, process);
	internal->is_dumpable = exec->credentials.euid == process->credentials.euid &&
		exec->credentials.egid == process->credentials.egid && !exec->is_secure;
	process->credentials = exec->credentials;
	if (exec->is_secure) {
		internal->parent_death_signal = 0;
	}
	set_name(exec);
	process_timers_exec(process);
	aio_polls_release(process);
	internal->has_executed = true;
	internal->exit_signal = LINUX_SIGCHLD;
	process_publish(process);
	thread_start(exec->thread);
}

static void abandon(struct exec *exec)
{
	if (exec->thread != NULL) {
		thread_discard(exec->thread);
	}
	process_page_discard(&exec->page);
	if (exec->universe != HEL_NULL) {
		hel_close(HEL_THIS, exec->universe);
	}
	if (exec->mm != NULL) {
		mm_unref(exec->mm);
	}
	if (exec->files != NULL) {
		fd_table_unref(exec->files, exec->process);
	}
}

static int64_t prepare(struct exec *exec, struct thread *caller)
{
	int64_t error = exec_find_program(exec);

	if (error == 0) {
		error = exec_find_interpreter(exec);
	}
	if (error == 0) {
		error = choose_credentials(exec);
	}
	if (error == 0) {
		error = load(exec);
	}
	if (error == 0) {
		error = build_stack(exec);
	}
	if (error == 0) {
		error = build_thread(exec, caller);
	}
	if (error == 0 && exec->process->internal->shares_files) {
		exec->files = fd_table_copy(exec->process->files);
		error = exec->files != NULL ? 0 : -LINUX_ENOMEM;
	}
	return error;
}

/*
 * No other thread of the process is in a task, nor begins one before exec_settle(). 0,
 * REQUEST_TASK, REQUEST_PARK, -LINUX_ENOMEM.
 */
static int64_t exec_unsettle(struct thread *caller)
{
	struct process_internal *internal = caller->process->internal;

	if (request_task() == NULL) {
		return internal->n_tasks == 0 ? 0 : REQUEST_TASK;
	}
	if (internal->exec_caller != NULL) {
		/* it may wait for this task: try again when it has ended */
		int64_t error = request_wait_on(&caller->internal->request, &internal->task_wait);

		return error < 0 ? error : REQUEST_PARK;
	}
	internal->exec_caller = caller;
	while (internal->n_tasks > 1) {
		task_wait_on(&internal->task_wait);
	}
	return 0;
}

static void exec_settle(struct thread *caller)
{
	struct process_internal *internal = caller->process->internal;

	if (internal->exec_caller == caller) {
		internal->exec_caller = NULL;
		wait_queue_wake(&internal->task_wait);
	}
}

/* All that may fail, and wait; then the commit. */
static int64_t exec_run(struct exec *exec)
{
	struct thread *caller = exec->caller;
	int64_t error = caller != NULL ? exec_unsettle(caller) : 0;

	if (error == 0) {
		error = prepare(exec, caller);
	}
	if (error == 0 && caller != NULL && caller->internal->is_dying) {
		error = -LINUX_EINTR; /* it was killed while it waited */
	}
	if (error == 0) {
		commit(exec);
	} else {
		abandon(exec);
	}
	if (caller != NULL) {
		exec_settle(caller);
	}
	exec_image_close(&exec->program);
	exec_image_close(&exec->interpreter);
	return error;
}

/* Takes the strings. */
static int64_t execute(struct process *process, const struct exec_place *place,
	struct thread *caller, struct exec_strings *strings)
{
	struct exec *exec = exec_create();
	int64_t error = -LINUX_ENOMEM;

	if (exec != NULL) {
		struct exec_place own = *place;

		str_copy(exec->called_as, sizeof(exec->called_as), place->path);
		own.path = exec->called_as;
		exec->process = process;
		exec->caller = caller;
		exec->place = &own;
		exec->path = own.path;
		exec->strings = *strings;
		exec->program.memory = HEL_NULL;
		exec->program.path.dentry = NULL;
		exec->program.denies_writing = false;
		exec->program.name = NULL;
		exec->interpreter.memory = HEL_NULL;
		exec->interpreter.path.dentry = NULL;
		exec->interpreter.denies_writing = false;
		exec->interpreter.name = NULL;
		exec->mm = NULL;
		exec->universe = HEL_NULL;
		exec->page = (struct process_page_holder){ 0 };
		exec->thread = NULL;
		exec->files = NULL;
		error = exec_run(exec);
		*strings = exec->strings;
		exec_free(exec);
	}
	exec_strings_release(strings);
	return error;
}

int64_t process_exec_first(
	struct process *process, const char *path, const struct exec_arguments *arguments)
{
	struct exec_strings strings;
	int error = exec_strings_copy(
		arguments->strings, arguments->size, arguments->argc, arguments->envc, &strings);

	return error != 0
		? error
		: execute(process, &(struct exec_place){ LINUX_AT_FDCWD, 0, path }, NULL, &strings);
}

/* A vforked child's argument list was gathered in memory that its parent would keep. */
static void unmap_gathered(struct mm *mm, uint64_t address, uint64_t size)
{
	if (address != 0 && size == POSIX_PAYLOAD_MAX && is_aligned(address, HEL_PAGE_SIZE) &&
		address < POSIX_SHIM_REGION - size) {
		hel_space_unmap(mm->space, address, size);
	}
}

int64_t posix_execve(struct request *request)
{
	struct exec_place place = {
		.dirfd = (int)request->args[0],
		.flags = (uint32_t)request->args[1],
	};
	struct exec_strings strings;
	struct mm *mm = request->thread->internal->mm;
	uint64_t gathered = request->args[4], gathered_size = request->args[5];
	size_t size, length;
	const char *bytes = request_in(request, 0, &size);
	int64_t error;

	length = bytes != NULL ? strnlen(bytes, min_size(size, POSIX_PATH_MAX)) : size;
	if (length >= min_size(size, POSIX_PATH_MAX)) {
		return -LINUX_ENAMETOOLONG;
	}
	place.path = bytes;
	if ((place.flags & ~(LINUX_AT_EMPTY_PATH | LINUX_AT_SYMLINK_NOFOLLOW)) != 0) {
		return -LINUX_EINVAL;
	}
	error = exec_strings_copy(bytes + length + 1, size - length - 1, (uint32_t)request->args[2],
		(uint32_t)request->args[3], &strings);
	if (error != 0) {
		return error;
	}
	mm_ref(mm);
	error = execute(request->process, &place, request->thread, &strings);
	if (error == 0) {
		if (mm->references > 2) {
			unmap_gathered(mm, gathered, gathered_size);
		}
		error = REQUEST_NO_REPLY;
	}
	mm_unref(mm);
	return error;
}
