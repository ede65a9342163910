/* SPDX-License-Identifier: MIT */
/*
 * The registers of stopped threads, in the shapes that ptrace has for them. General registers are
 * in the trace; the vector state lies in the thread's own memory, where its shim has saved it and
 * will load it from; debug registers are kept here, and loaded by the thread when it goes on.
 */
#include <base/string.h>
#include <posix/server/trace/trace.h>

constexpr uint64_t USER_CODE = 0x33, USER_STACK = 0x2b;
constexpr uint64_t FLAGS_OF_USER = 0x244dd5; /* what a tracer may set */
constexpr uint64_t FLAGS_ALWAYS = 0x202;
constexpr size_t FPU_LEGACY_SIZE = 512, FPU_HEADER = 512, FPU_HEADER_SIZE = 64;
constexpr size_t FPU_MASK_OFFSET = 464; /* where debuggers look for what may be saved */
constexpr uint64_t FPU_LEGACY_MASK = 3; /* x87 and SSE: what the first 512 bytes hold */

/* ---- debug registers ------------------------------------------------------------------------- */

constexpr uint64_t STATUS_FIXED = 0xffff0ff0; /* how DR6 reads when nothing has happened */
constexpr uint64_t CONTROL_SETTABLE = 0xffff03ff;
constexpr uint64_t CONTROL_ENABLES = 0xff;
constexpr unsigned DEBUG_STATUS = 6, DEBUG_CONTROL = 7; /* 0 to 3 are addresses */

enum debug_kind : uint32_t {
	DEBUG_EXECUTE = 0,
	DEBUG_PORT = 2,
};

static bool is_watching(const struct hel_debug_registers *debug)
{
	return (debug->control & CONTROL_ENABLES) != 0;
}

static bool is_enabled(const struct hel_debug_registers *debug, unsigned i)
{
	return (debug->control >> 2 * i & 3) != 0;
}

/* What the program cannot do is not watched; what is not enabled may be anything. */
static bool is_debug_valid(const struct hel_debug_registers *debug)
{
	static const uint8_t sizes[] = { 1, 2, 8, 4 };

	for (unsigned i = 0; i < ARRAY_SIZE(debug->addresses); i++) {
		uint64_t size = sizes[debug->control >> (18 + 4 * i) & 3];
		uint32_t kind = debug->control >> (16 + 4 * i) & 3;

		if (is_enabled(debug, i) &&
			(kind == DEBUG_PORT || (kind == DEBUG_EXECUTE && size != 1) ||
				!is_aligned(debug->addresses[i], size) ||
				debug->addresses[i] >= POSIX_SHIM_REGION)) {
			return false;
		}
	}
	return true;
}

static int set_debug_register(struct trace *trace, unsigned index, uint64_t value)
{
	struct hel_debug_registers debug = trace->debug;

	switch (index) {
	case 0:
	case 1:
	case 2:
	case 3: debug.addresses[index] = value; break;
	case DEBUG_STATUS: trace->debug.status = value ^ STATUS_FIXED; return 0;
	case DEBUG_CONTROL: debug.control = value & CONTROL_SETTABLE; break;
	default: return -LINUX_EIO;
	}
	if (!is_debug_valid(&debug) || (index < DEBUG_STATUS && value >= POSIX_SHIM_REGION)) {
		return -LINUX_EINVAL;
	}
	trace->debug = debug;
	trace->is_debug_new = true;
	return 0;
}

static uint64_t debug_register(const struct trace *trace, unsigned index)
{
	switch (index) {
	case 0:
	case 1:
	case 2:
	case 3: return trace->debug.addresses[index];
	case DEBUG_STATUS: return trace->debug.status ^ STATUS_FIXED;
	case DEBUG_CONTROL: return trace->debug.control;
	default: return 0;
	}
}

void trace_reset_debug(struct trace *trace)
{
	trace->is_debug_new = is_watching(&trace->debug);
	trace->debug = (struct hel_debug_registers){ 0 };
}

void trace_answer_debug(struct trace *trace, struct posix_trace_answer *out_answer)
{
	struct hel_debug_registers *debug = &out_answer->debug;

	if (!trace->is_debug_new) {
		return;
	}
	out_answer->sets_debug = true;
	debug->control = trace->debug.control;
	for (unsigned i = 0; i < ARRAY_SIZE(debug->addresses); i++) {
		if (is_enabled(debug, i)) {
			debug->addresses[i] = trace->debug.addresses[i];
		} else {
			debug->control &= ~(UINT64_C(0xf) << (16 + 4 * i));
		}
	}
	trace->is_debug_new = false;
}

/* ---- general --------------------------------------------------------------------------------- */

void trace_get_registers(const struct trace *trace, struct linux_user_registers *out_registers)
{
	const struct hel_registers *r = &trace->context.registers;

	*out_registers = (struct linux_user_registers){
		.r15 = r->r15,
		.r14 = r->r14,
		.r13 = r->r13,
		.r12 = r->r12,
		.rbp = r->rbp,
		.rbx = r->rbx,
		.r11 = r->r11,
		.r10 = r->r10,
		.r9 = r->r9,
		.r8 = r->r8,
		.rax = r->rax,
		.rcx = r->rcx,
		.rdx = r->rdx,
		.rsi = r->rsi,
		.rdi = r->rdi,
		.orig_rax = trace->context.number,
		.rip = r->rip,
		.cs = USER_CODE,
		.eflags = r->rflags,
		.rsp = r->rsp,
		.ss = USER_STACK,
		.fs_base = r->fs_base,
	};
}

int trace_set_registers(struct trace *trace, const struct linux_user_registers *registers)
{
	const struct linux_user_registers *r = registers;

	if (r->cs != USER_CODE || r->ss != USER_STACK || r->fs_base >= POSIX_SHIM_REGION ||
		r->gs_base != 0) {
		return -LINUX_EIO;
	}
	/* A breakpoint at which it has stopped is passed over unless the registers are loaded. */
	if (r->rip != trace->context.registers.rip && is_watching(&trace->debug)) {
		trace->is_debug_new = true;
	}
	trace->context.registers = (struct hel_registers){
		.rax = r->rax,
		.rbx = r->rbx,
		.rcx = r->rcx,
		.rdx = r->rdx,
		.rsi = r->rsi,
		.rdi = r->rdi,
		.rbp = r->rbp,
		.rsp = r->rsp,
		.r8 = r->r8,
		.r9 = r->r9,
		.r10 = r->r10,
		.r11 = r->r11,
		.r12 = r->r12,
		.r13 = r->r13,
		.r14 = r->r14,
		.r15 = r->r15,
		.rip = r->rip,
		.rflags = (r->eflags & FLAGS_OF_USER) | FLAGS_ALWAYS,
		.fs_base = r->fs_base,
	};
	trace->context.number = r->orig_rax;
	return 0;
}

/* ---- struct user ----------------------------------------------------------------------------- */

static bool is_word(uint64_t offset)
{
	return offset % sizeof(uint64_t) == 0 && offset < LINUX_USER_SIZE;
}

static bool is_debug_word(uint64_t offset)
{
	return is_word(offset) && offset >= LINUX_USER_DEBUG_REGISTERS;
}

static unsigned index_of_debug_word(uint64_t offset)
{
	return (unsigned)((offset - LINUX_USER_DEBUG_REGISTERS) / sizeof(uint64_t));
}

int trace_get_word(const struct trace *trace, uint64_t offset, uint64_t *out_value)
{
	struct linux_user_registers registers;

	if (!is_word(offset)) {
		return -LINUX_EIO;
	}
	*out_value = 0;
	if (is_debug_word(offset)) {
		*out_value = debug_register(trace, index_of_debug_word(offset));
	} else if (offset < sizeof(registers)) {
		trace_get_registers(trace, &registers);
		memcpy(out_value, (const uint8_t *)&registers + offset, sizeof(*out_value));
	}
	return 0;
}

int trace_set_word(struct trace *trace, uint64_t offset, uint64_t value)
{
	struct linux_user_registers registers;

	if (is_debug_word(offset)) {
		return set_debug_register(trace, index_of_debug_word(offset), value);
	}
	if (!is_word(offset) || offset >= sizeof(registers)) {
		return -LINUX_EIO;
	}
	trace_get_registers(trace, &registers);
	memcpy((uint8_t *)&registers + offset, &value, sizeof(value));
	return trace_set_registers(trace, &registers);
}

/* ---- sets ------------------------------------------------------------------------------------ */

static const struct {
	uint32_t set;
	uint32_t unit;
} sets[] = {
	{ LINUX_NT_PRSTATUS, 8 },
	{ LINUX_NT_PRFPREG, 8 },
	{ LINUX_NT_X86_XSTATE, 8 },
};

static size_t size_of_set(uint32_t set)
{
	switch (set) {
	case LINUX_NT_PRSTATUS: return sizeof(struct linux_user_registers);
	case LINUX_NT_PRFPREG: return FPU_LEGACY_SIZE;
	default: return processor_info()->xsave_size;
	}
}

static int check_set(uint32_t set, size_t size)
{
	for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
		if (sets[i].set == set) {
			return size % sets[i].unit == 0 ? 0 : -LINUX_EINVAL;
		}
	}
	return -LINUX_EINVAL;
}

int64_t trace_get_set(const struct trace *trace, uint32_t set, void *to, size_t size)
{
	struct linux_user_registers registers;
	uint64_t mask = processor_info()->xsave_mask;
	int error = check_set(set, size);

	if (error != 0) {
		return error;
	}
	size = min_size(size, size_of_set(set));
	if (set == LINUX_NT_PRSTATUS) {
		trace_get_registers(trace, &registers);
		memcpy(to, &registers, size);
		return (int64_t)size;
	}
	if (trace->context.fpu_address == 0 ||
		trace_read(trace->thread->internal->mm, trace->context.fpu_address, to, size) !=
			(int64_t)size) {
		return -LINUX_EIO;
	}
	if (set == LINUX_NT_X86_XSTATE && size >= FPU_MASK_OFFSET + sizeof(mask)) {
		memcpy((uint8_t *)to + FPU_MASK_OFFSET, &mask, sizeof(mask));
	}
	return (int64_t)size;
}

/* What XRSTOR would refuse. */
static bool is_header_valid(const uint8_t *area)
{
	uint64_t words[FPU_HEADER_SIZE / sizeof(uint64_t)];

	memcpy(words, area + FPU_HEADER, sizeof(words));
	for (size_t i = 1; i < ARRAY_SIZE(words); i++) {
		if (words[i] != 0) {
			return false;
		}
	}
	return (words[0] & ~processor_info()->xsave_mask) == 0;
}

/* The legacy part alone says nothing of whether it is to be loaded: the header does. */
static int64_t write_fpu(struct trace *trace, uint32_t set, const void *from, size_t size)
{
	struct mm *mm = trace->thread->internal->mm;
	uint64_t address = trace->context.fpu_address, mask;

	if (address == 0 || trace_write(mm, address, from, size) != (int64_t)size) {
		return -LINUX_EIO;
	}
	if (set == LINUX_NT_PRFPREG) {
		if (trace_read(mm, address + FPU_HEADER, &mask, sizeof(mask)) != sizeof(mask)) {
			return -LINUX_EIO;
		}
		mask |= FPU_LEGACY_MASK;
		(void)!trace_write(mm, address + FPU_HEADER, &mask, sizeof(mask));
	}
	return (int64_t)size;
}

int64_t trace_set_set(struct trace *trace, uint32_t set, const void *from, size_t size)
{
	struct linux_user_registers registers;
	int error = check_set(set, size);

	if (error != 0) {
		return error;
	}
	if (set == LINUX_NT_PRSTATUS) {
		size = min_size(size, sizeof(registers));
		trace_get_registers(trace, &registers);
		memcpy(&registers, from, size);
		error = trace_set_registers(trace, &registers);
		return error != 0 ? error : (int64_t)size;
	}
	if (set == LINUX_NT_X86_XSTATE ? size != size_of_set(set) : size < size_of_set(set)) {
		return -LINUX_EINVAL;
	}
	size = size_of_set(set);
	if (set == LINUX_NT_X86_XSTATE && !is_header_valid(from)) {
		return -LINUX_EINVAL;
	}
	return write_fpu(trace, set, from, size);
}

/* ---- system calls ---------------------------------------------------------------------------- */

size_t trace_get_syscall_info(const struct trace *trace, struct linux_syscall_info *out_info)
{
	const struct hel_registers *r = &trace->context.registers;
	int64_t value = (int64_t)r->rax;

	*out_info = (struct linux_syscall_info){
		.arch = LINUX_AUDIT_ARCH_X86_64,
		.instruction_pointer = r->rip,
		.stack_pointer = r->rsp,
	};
	bool is_filtered =
		trace->stop == TRACE_STOP_EVENT && trace->status >> 8 == LINUX_PTRACE_EVENT_SECCOMP;

	if (trace->stop == TRACE_STOP_ENTRY || is_filtered) {
		out_info->op = LINUX_SYSCALL_INFO_ENTRY;
		out_info->entry.number = trace->context.number;
		out_info->entry.arguments[0] = r->rdi;
		out_info->entry.arguments[1] = r->rsi;
		out_info->entry.arguments[2] = r->rdx;
		out_info->entry.arguments[3] = r->r10;
		out_info->entry.arguments[4] = r->r8;
		out_info->entry.arguments[5] = r->r9;
		if (is_filtered) {
			out_info->op = LINUX_SYSCALL_INFO_SECCOMP;
			out_info->seccomp.value = (uint32_t)trace->message;
			return offsetof(struct linux_syscall_info, seccomp.value) +
				sizeof(out_info->seccomp.value);
		}
		return offsetof(struct linux_syscall_info, entry) + sizeof(out_info->entry);
	}
	if (trace->stop == TRACE_STOP_EXIT) {
		out_info->op = LINUX_SYSCALL_INFO_EXIT;
		out_info->exit.value = value;
		out_info->exit.is_error = value < 0 && value >= -4095;
		return offsetof(struct linux_syscall_info, exit.is_error) + 1;
	}
	return offsetof(struct linux_syscall_info, entry);
}
