/* SPDX-License-Identifier: MIT */
/* The rest of <thor/arch.h> for the simulated processor: contexts, user copies, clock, devices. */
#include <thor/arch/sim/processor-internal.h>

#include <base/assert.h>
#include <base/string.h>
#include <thor/arch/witness.h>
#include <thor/cpu.h>
#include <thor/memory/memory.h>
#include <thor/sched/shortage.h>

constexpr uint32_t SIM_VECTOR_FIRST = 64;
constexpr uint32_t SIM_VECTOR_END = 72;
constexpr size_t SIM_FPU_BYTES = 512;

static uint64_t vectors_used[CPUS_MAX]; /* from SIM_VECTOR_FIRST on */

/* ---- contexts -------------------------------------------------------------------------------- */

int arch_context_init(struct arch_context *context, uint64_t ip, uint64_t sp, uint64_t argument,
	uint64_t tls_base)
{
	if (ip >= ARCH_USER_HIGH) {
		return -ERR_ILLEGAL_ARGS;
	}
	*context = (struct arch_context){
		.ip = ip,
		.sp = sp,
		.argument = argument,
		.tls_base = tls_base,
	};
	sim_program_bind(context);
	return 0;
}

void arch_context_deinit(struct arch_context *context)
{
	struct sim_program *program = sim_program_of(context);

	if (program != NULL) {
		sim_program_release(program);
	}
}

void arch_context_set_bounce(
	struct arch_context *context, struct hel_bounce_page *page, const struct hel_bounce *bounce)
{
	struct sim_program *program = sim_program_of(context);

	if (program != NULL) {
		program->bounce_page = page;
		program->bounce_entry = bounce->entry_syscall;
	}
}

void arch_context_set_gs_base(UNUSED struct arch_context *context, UNUSED uint64_t gs_base)
{
}

void arch_enter_user(struct thread *thread)
{
	ASSERT(sim_cpu->active_space == thread->space);
	sim_leave_kernel(thread);
}

void arch_idle(void)
{
	sim_leave_kernel(NULL);
}

void arch_context_leave(UNUSED struct thread *thread)
{
}

void arch_context_get_registers(struct thread *thread, struct hel_registers *out_registers)
{
	*out_registers = (struct hel_registers){
		.rdi = thread->arch.argument,
		.rsp = thread->arch.sp,
		.rip = thread->arch.ip,
		.fs_base = thread->arch.tls_base,
	};
}

int arch_context_set_registers(struct thread *thread, const struct hel_registers *registers)
{
	if (registers->rip >= ARCH_USER_HIGH) {
		return -ERR_ILLEGAL_ARGS;
	}
	thread->arch.ip = registers->rip;
	thread->arch.sp = registers->rsp;
	thread->arch.argument = registers->rdi;
	return 0;
}

void arch_context_get_debug(UNUSED struct thread *thread, struct hel_debug_registers *out_registers)
{
	*out_registers = (struct hel_debug_registers){};
}

int arch_context_set_debug(
	UNUSED struct thread *thread, UNUSED const struct hel_debug_registers *registers)
{
	return -ERR_ILLEGAL_ARGS;
}

/* A program is a function of the host: it has no single instructions. */
void arch_context_set_step(UNUSED struct arch_context *context, UNUSED bool is_stepping)
{
}

bool arch_fault_is_step(UNUSED const struct hel_fault *fault)
{
	return false;
}

bool arch_fault_is_match(UNUSED const struct hel_fault *fault)
{
	return false;
}

int arch_context_get_fpu(UNUSED struct thread *thread, void *buffer, size_t size, size_t *out_size)
{
	if (size < SIM_FPU_BYTES) {
		return -ERR_BUFFER_TOO_SMALL;
	}
	memset(buffer, 0, SIM_FPU_BYTES);
	*out_size = SIM_FPU_BYTES;
	return 0;
}

int arch_context_set_fpu(UNUSED struct thread *thread, UNUSED const void *buffer, size_t size)
{
	return size == SIM_FPU_BYTES ? 0 : -ERR_ILLEGAL_ARGS;
}

uint32_t arch_call_number(const struct arch_context *context)
{
	return (uint32_t)context->call_number & ~HEL_CALL_BASE;
}

uint64_t arch_call_argument(const struct arch_context *context, unsigned index)
{
	return context->call_arguments[index];
}

void arch_call_return(struct arch_context *context, int64_t result, uint64_t value)
{
	context->result = result;
	context->value = value;
	sim_witness_call((uint32_t)context->call_number & ~HEL_CALL_BASE, result);
}

void arch_call_restart(struct arch_context *context)
{
	context->is_restarted = true;
}

uint64_t arch_context_ip(const struct arch_context *context)
{
	return context->ip;
}

uint32_t arch_fault_access(const struct hel_fault *fault)
{
	if (fault->vector != 14) {
		return 0;
	}
	if ((fault->error_code & 16) != 0) {
		return SPACE_ACCESS_EXECUTE;
	}
	return (fault->error_code & 2) != 0 ? SPACE_ACCESS_WRITE : SPACE_ACCESS_READ;
}

void arch_context_redirect(struct arch_context *context, uint64_t ip, uint64_t sp)
{
	struct sim_program *program = sim_program_of(context);

	if (program != NULL && !program->is_redirected) {
		program->is_redirected = true;
		program->ip_before = context->ip;
	}
	context->ip = ip;
	context->sp = sp;
}

/* ---- user copies ----------------------------------------------------------------------------- */

static int context_copy_result(int error)
{
	if (error == -ERR_NO_MEMORY) {
		shortage_note();
	}
	return error == 0 ? 0 : -ERR_FAULT;
}

int arch_copy_from_user(void *to, uint64_t from, size_t size)
{
	if (sim_is_program_stack(from, size)) {
		memcpy(to, (const void *)from, size);
		return 0;
	}
	return context_copy_result(space_copy_in(sim_cpu->active_space, to, from, size));
}

int arch_copy_to_user(uint64_t to, const void *from, size_t size)
{
	if (sim_is_program_stack(to, size)) {
		memcpy((void *)to, from, size);
		return 0;
	}
	return context_copy_result(space_copy_out(sim_cpu->active_space, to, from, size));
}

int arch_user_load_u32(uint64_t address, uint32_t *out_value)
{
	return arch_copy_from_user(out_value, address, sizeof(*out_value));
}

/* ---- clock and interrupts -------------------------------------------------------------------- */

uint64_t arch_clock_ns(void)
{
	return sim_time_ns;
}

void arch_clock_fill_page(struct hel_clock_page *page)
{
	*page = (struct hel_clock_page){ .multiplier = (uint64_t)1 << 32 };
}

void arch_timer_set(uint64_t deadline_ns)
{
	sim_cpu->arch.timer_deadline_ns = deadline_ns;
}

bool arch_random_seed(UNUSED uint64_t *out_seed)
{
	return false;
}

void arch_send_reschedule(struct cpu *cpu)
{
	cpu->arch.has_reschedule = true;
}

int arch_msi_allocate(struct cpu *cpu, uint32_t *out_vector, struct hel_msi_info *out_info)
{
	for (uint32_t vector = SIM_VECTOR_FIRST; vector < SIM_VECTOR_END; vector++) {
		uint64_t bit = (uint64_t)1 << (vector - SIM_VECTOR_FIRST);

		if ((vectors_used[cpu->index] & bit) == 0) {
			vectors_used[cpu->index] |= bit;
			*out_vector = vector;
			*out_info = (struct hel_msi_info){ .address = cpu->index, .data = vector };
			return 0;
		}
	}
	return -ERR_NO_SPACE;
}

void arch_msi_free(struct cpu *cpu, uint32_t vector)
{
	vectors_used[cpu->index] &= ~((uint64_t)1 << (vector - SIM_VECTOR_FIRST));
}

int arch_io_read(UNUSED uint16_t port, UNUSED unsigned width_bytes, UNUSED uint32_t *out_value)
{
	return -ERR_UNSUPPORTED;
}

int arch_io_write(UNUSED uint16_t port, UNUSED unsigned width_bytes, UNUSED uint32_t value)
{
	return -ERR_UNSUPPORTED;
}
