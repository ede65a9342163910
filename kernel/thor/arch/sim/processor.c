/* SPDX-License-Identifier: MIT */
/* The simulated processor: see processor.h. */
#include <thor/arch/sim/processor-internal.h>

#include <base/assert.h>
#include <base/random.h>
#include <base/string.h>
#include <hel/hel-number.h>
#include <thor/arch/sim/iommu.h>
#include <thor/arch/sim/lines.h>
#include <thor/arch/sim/page-table.h>
#include <thor/cpu.h>
#include <thor/ipc/futex.h>
#include <thor/memory/memory.h>
#include <thor/memory/space.h>
#include <thor/sched/sched.h>
#include <thor/time/clock-page.h>

#include <setjmp.h>
#include <sys/mman.h>

constexpr size_t SIM_KERNEL_STACK_BYTES = KIB(256);
constexpr size_t SIM_PROGRAM_STACK_BYTES = KIB(128);
constexpr uint32_t SIM_PROGRAMS_MAX = 4096;
constexpr uint32_t SIM_ALIASES_MAX = 256;
constexpr uint32_t SIM_VECTORS_MAX = 16;
constexpr uint32_t SIM_VECTOR_UNDEFINED = 6;

enum sim_mode : uint32_t { SIM_IDLE, SIM_USER, SIM_KERNEL };

static struct sim_processor {
	struct sim_fibre kernel;
	jmp_buf top; /* of the kernel stack */
	enum sim_mode mode;
	struct thread *user; /* USER: whose context it has */
	enum sim_request entry;
	struct hel_fault fault;
	uint32_t interrupts; /* what it enters the kernel for */
	uint32_t vector;
	uint32_t vectors[SIM_VECTORS_MAX];
	uint32_t n_vectors;
} processors[CPUS_MAX];

static struct sim_program programs[SIM_PROGRAMS_MAX];
static uint32_t n_programs;
static uint8_t *free_stacks[SIM_PROGRAMS_MAX];
static uint32_t n_free_stacks;
static struct {
	void *base;
	size_t size;
} aliases[SIM_ALIASES_MAX];
static uint32_t n_aliases;

static struct sim_processor *in_kernel; /* whose kernel stack is current */
static struct random sim_random;
static uint32_t interleave_one_in;
static void (*advance_hook)(uint64_t duration_ns, bool is_quiet);

/* ---- the kernel's stacks --------------------------------------------------------------------- */

static void kernel_enter(struct sim_processor *processor)
{
	enum sim_request entry = processor->entry;
	uint32_t interrupts = processor->interrupts;
	struct thread *thread = processor->user;

	processor->entry = SIM_REQUEST_NONE;
	switch (entry) {
	case SIM_REQUEST_CALL:
		arch_this_cpu()->n_calls++;
		(void)thor_enter_call(thread);
		sched_leave();
	case SIM_REQUEST_FOREIGN_CALL: thor_enter_foreign_call(thread);
	case SIM_REQUEST_FAULT: thor_enter_fault(thread, &processor->fault);
	case SIM_REQUEST_NONE: break;
	}
	processor->interrupts = 0;
	/* As on hardware, where it is not an interrupt for portable thor. */
	if ((interrupts & ARCH_INTERRUPT_DEVICE) != 0 && processor->vector == SIM_VECTOR_IOMMU) {
		sim_iommu_serve();
		interrupts &= ~(uint32_t)ARCH_INTERRUPT_DEVICE;
	}
	thor_enter_interrupt(interrupts, processor->vector);
}

static void kernel_main(void *argument)
{
	struct sim_processor *processor = argument;

	sim_fibre_arrive();
	for (;;) {
		if (setjmp(processor->top) == 0) {
			kernel_enter(processor);
		}
		sim_fibre_switch(NULL);
	}
}

NORETURN void sim_leave_kernel(struct thread *thread)
{
	struct sim_processor *processor = &processors[sim_cpu->index];

	ASSERT(in_kernel == processor);
	ASSERT(sim_cpu->current == thread);
	processor->user = thread;
	processor->mode = thread != NULL ? SIM_USER : SIM_IDLE;
	longjmp(processor->top, 1);
}

static void processor_resume(struct sim_processor *processor)
{
	in_kernel = processor;
	sim_fibre_switch(&processor->kernel);
	in_kernel = NULL;
}

static void processor_enter(struct sim_processor *processor, enum sim_request entry)
{
	processor->mode = SIM_KERNEL;
	processor->entry = entry;
	processor_resume(processor);
}

void sim_atomic_point(void)
{
	if (interleave_one_in == 0 || in_kernel == NULL ||
		!random_chance(&sim_random, interleave_one_in)) {
		return;
	}
	sim_fibre_switch(NULL);
}

/* The linker lets these stand for those of sim.c, which know only one CPU at a time. */
void __wrap_sim_pause(void);
void __wrap_arch_send_shootdown(struct cpu *cpu);
void __real_arch_send_shootdown(struct cpu *cpu);

void __wrap_sim_pause(void)
{
	ASSERT(interleave_one_in != 0);
	if (in_kernel != NULL) {
		sim_fibre_switch(NULL);
	}
}

void __wrap_arch_send_shootdown(struct cpu *cpu)
{
	if (interleave_one_in == 0 || in_kernel == NULL) {
		__real_arch_send_shootdown(cpu);
		return;
	}
	cpu->arch.n_shootdowns++;
	cpu->arch.has_shootdown = true;
}

/* ---- programs -------------------------------------------------------------------------------- */

struct sim_program *sim_program_of(const struct arch_context *context)
{
	if (context->tls_base == 0 || context->tls_base > n_programs) {
		return NULL;
	}
	struct sim_program *program = &programs[context->tls_base - 1];

	return program->registers == context ? program : NULL;
}

void sim_program_bind(struct arch_context *context)
{
	if (context->tls_base != 0 && context->tls_base <= n_programs &&
		programs[context->tls_base - 1].main != NULL &&
		programs[context->tls_base - 1].registers == NULL) {
		programs[context->tls_base - 1].registers = context;
	}
}

void sim_program_release(struct sim_program *program)
{
	ASSERT(!sim_fibre_is_current(&program->fibre));
	if (program->fibre.base != NULL) {
		free_stacks[n_free_stacks++] = program->fibre.base;
	}
	*program = (struct sim_program){};
}

uint64_t sim_program_create(void (*main)(void *context), void *context)
{
	ASSERT(n_programs < SIM_PROGRAMS_MAX);
	programs[n_programs] = (struct sim_program){ .main = main, .context = context };
	return ++n_programs;
}

static struct sim_program *program_current(void)
{
	return sim_program_of(&processors[sim_cpu->index].user->arch);
}

/* From a program to the machine, and back when its thread runs again. */
static void program_leave(struct sim_program *program, enum sim_request request)
{
	program->request = request;
	sim_fibre_switch(NULL);
	while (program->is_redirected && program->on_redirect != NULL) {
		uint64_t ip = program->registers->ip;

		program->is_redirected = false;
		program->registers->ip = program->ip_before;
		program->on_redirect(program->context, ip);
	}
}

static void program_exit(void)
{
	const uint64_t arguments[6] = {};

	for (;;) {
		(void)hel_sim_call(HEL_CALL_thread_exit, arguments);
	}
}

static void program_main(void *argument)
{
	struct sim_program *program = argument;

	sim_fibre_arrive();
	program->main(program->context);
	program_exit();
}

static void program_resume(struct sim_program *program, struct thread *thread)
{
	if (program->fibre.base == NULL) {
		program->thread = thread;
		program->fibre.base = n_free_stacks > 0
			? free_stacks[--n_free_stacks]
			: sim_fibre_map_stack(SIM_PROGRAM_STACK_BYTES);
		sim_fibre_start(&program->fibre, SIM_PROGRAM_STACK_BYTES, program_main, program);
	}
	sim_fibre_switch(&program->fibre);
}

bool sim_is_program_stack(uint64_t address, size_t size)
{
	struct thread *thread = sim_cpu->current;
	struct sim_program *program = thread != NULL ? sim_program_of(&thread->arch) : NULL;

	if (program == NULL || program->fibre.base == NULL) {
		return false;
	}
	uint64_t base = (uint64_t)program->fibre.base;

	return address >= base && size <= SIM_PROGRAM_STACK_BYTES &&
		address - base <= SIM_PROGRAM_STACK_BYTES - size;
}

struct hel_outcome hel_sim_call(uint32_t number, const uint64_t *arguments)
{
	struct sim_program *program = program_current();
	struct arch_context *registers = program->registers;

	do {
		registers->call_number = number;
		memcpy(registers->call_arguments, arguments, sizeof(registers->call_arguments));
		registers->is_restarted = false;
		program_leave(program,
			(number & HEL_CALL_BASE) != 0 ? SIM_REQUEST_CALL
						      : SIM_REQUEST_FOREIGN_CALL);
	} while (registers->is_restarted);
	return (struct hel_outcome){ registers->result, registers->value };
}

void sim_compute(uint64_t duration_ns)
{
	struct sim_program *program = program_current();

	program->compute_ns = duration_ns;
	program_leave(program, SIM_REQUEST_NONE);
}

struct thread *sim_self(void)
{
	return program_current()->thread;
}

void sim_set_ip(uint64_t ip)
{
	program_current()->registers->ip = ip;
}

void sim_on_redirect(void (*handler)(void *context, uint64_t ip))
{
	program_current()->on_redirect = handler;
}

/* The byte behind a user address, or a fault and another try. */
static uint8_t *program_touch(uint64_t address, bool is_write)
{
	for (;;) {
		struct sim_program *program = program_current();
		uint64_t *slot =
			sim_page_slot(sim_cpu->arch.loaded, align_down(address, HEL_PAGE_SIZE));
		uint64_t needed = ARCH_PAGE_READ | (is_write ? ARCH_PAGE_WRITE : 0);

		if (slot != NULL && *slot != 0 && (*slot & needed) == needed) {
			*slot |= SIM_ACCESSED;
			return sim_memory +
				align_down(sim_page_entry(*slot, address), HEL_PAGE_SIZE) +
				address % HEL_PAGE_SIZE;
		}
		program->fault = (struct hel_fault){
			.vector = 14,
			.error_code = is_write ? 6 : 4,
			.address = address,
		};
		program_leave(program, SIM_REQUEST_FAULT);
	}
}

void sim_load(void *to, uint64_t address, size_t size)
{
	for (size_t done = 0; done < size;) {
		size_t part =
			min_size(size - done, HEL_PAGE_SIZE - (address + done) % HEL_PAGE_SIZE);

		memcpy((uint8_t *)to + done, program_touch(address + done, false), part);
		done += part;
	}
}

void sim_store(uint64_t address, const void *from, size_t size)
{
	for (size_t done = 0; done < size;) {
		size_t part =
			min_size(size - done, HEL_PAGE_SIZE - (address + done) % HEL_PAGE_SIZE);

		memcpy(program_touch(address + done, true), (const uint8_t *)from + done, part);
		done += part;
	}
}

void *sim_alias(uint64_t address, uint64_t n_pages)
{
	uint8_t *base = sim_fibre_map_stack(n_pages * HEL_PAGE_SIZE);

	for (uint64_t i = 0; i < n_pages; i++) {
		uint8_t *page = program_touch(address + i * HEL_PAGE_SIZE, true);
		void *alias = mremap(page, 0, HEL_PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED,
			base + i * HEL_PAGE_SIZE);

		ASSERT(alias != MAP_FAILED);
	}
	ASSERT(n_aliases < SIM_ALIASES_MAX);
	aliases[n_aliases].base = base;
	aliases[n_aliases++].size = n_pages * HEL_PAGE_SIZE;
	return base;
}

/* ---- the machine ----------------------------------------------------------------------------- */

void sim_boot(uint64_t seed)
{
	uint32_t n_cpus = cpu_count;

	random_init(&sim_random, seed);
	sim_time_ns = 1'000'000;
	interleave_one_in = 0;
	advance_hook = NULL;
	sim_lines_reset();
	for (uint32_t i = 0; i < n_cpus; i++) {
		uint8_t *stack = processors[i].kernel.base;

		processors[i] = (struct sim_processor){ .mode = SIM_IDLE };
		processors[i].kernel.base =
			stack != NULL ? stack : sim_fibre_map_stack(SIM_KERNEL_STACK_BYTES);
		sim_fibre_start(
			&processors[i].kernel, SIM_KERNEL_STACK_BYTES, kernel_main, &processors[i]);
		cpu_table[i]->arch.timer_deadline_ns = HEL_DEADLINE_NEVER;
		sim_switch_cpu(i);
		sched_init_cpu(cpu_table[i]);
	}
	sim_switch_cpu(0);
	sim_seed_kernel(seed);
	futex_init();
	ASSERT(clock_page_init() == 0);
	for (uint32_t i = 0; i < n_cpus; i++) {
		sim_interrupt(i);
	}
	ASSERT(sim_execute(HEL_DEADLINE_NEVER, 1000));
}

void sim_shutdown(void)
{
	/* A failed check has left a program, or even the kernel, by longjmp(). */
	sim_fibre_recover();
	in_kernel = NULL;
	for (uint32_t i = 0; i < n_programs; i++) {
		sim_program_release(&programs[i]);
	}
	n_programs = 0;
	for (uint32_t i = 0; i < n_aliases; i++) {
		munmap(aliases[i].base, aliases[i].size);
	}
	n_aliases = 0;
	for (uint32_t i = 0; i < cpu_count; i++) {
		sched_init_cpu(cpu_table[i]);
	}
}

void sim_reseed(uint64_t seed)
{
	random_init(&sim_random, seed);
}

void sim_interleave(uint32_t one_in)
{
	interleave_one_in = one_in;
}

struct thread *sim_spawn(
	struct universe *universe, struct space *space, void (*main)(void *context), void *context)
{
	struct thread_options options = {
		.universe = universe,
		.space = space,
		.ip = SIM_IP,
		.tls_base = sim_program_create(main, context),
	};
	struct thread *thread;

	/* As a rule it has no descriptor and no thread yet. */
	object_handle_ref(&universe->object);
	int error = thread_create(&options, &thread);

	object_handle_unref_quietly(&universe->object);
	ASSERT(error == 0);
	error = thread_start(thread);
	ASSERT(error == 0);
	sim_interrupt(sim_cpu->index);
	return thread;
}

void sim_interrupt(uint32_t cpu_index)
{
	cpu_table[cpu_index]->arch.has_reschedule = true;
}

void sim_raise_vector(uint32_t cpu_index, uint32_t vector)
{
	struct sim_processor *processor = &processors[cpu_index];

	for (uint32_t i = 0; i < processor->n_vectors; i++) {
		if (processor->vectors[i] == vector) {
			return; /* pending is pending */
		}
	}
	ASSERT(processor->n_vectors < SIM_VECTORS_MAX);
	processor->vectors[processor->n_vectors++] = vector;
}

static bool processor_has_interrupt(uint32_t index)
{
	const struct arch_cpu *arch = &cpu_table[index]->arch;

	return arch->has_reschedule || arch->timer_deadline_ns <= sim_time_ns ||
		processors[index].n_vectors > 0;
}

static bool processor_is_computing(const struct sim_processor *processor)
{
	if (processor->mode != SIM_USER) {
		return false;
	}
	const struct sim_program *program = sim_program_of(&processor->user->arch);

	return program != NULL && program->request == SIM_REQUEST_NONE && program->compute_ns > 0;
}

static bool processor_can_act(uint32_t index)
{
	const struct sim_processor *processor = &processors[index];

	if (processor->mode == SIM_KERNEL || cpu_table[index]->arch.has_shootdown ||
		processor_has_interrupt(index)) {
		return true;
	}
	return processor->mode == SIM_USER && !processor_is_computing(processor);
}

void sim_on_advance(void (*hook)(uint64_t duration_ns, bool is_quiet))
{
	advance_hook = hook;
}

static void sim_advance(uint64_t duration_ns, bool is_quiet)
{
	if (advance_hook != NULL && duration_ns > 0) {
		advance_hook(duration_ns, is_quiet);
	}
	sim_time_ns += duration_ns;
	for (uint32_t i = 0; i < cpu_count; i++) {
		if (processor_is_computing(&processors[i])) {
			struct sim_program *program = sim_program_of(&processors[i].user->arch);

			program->compute_ns -= min_u64(program->compute_ns, duration_ns);
		}
	}
}

static void processor_take_interrupt(struct sim_processor *processor)
{
	struct arch_cpu *arch = &sim_cpu->arch;

	processor->interrupts = 0;
	if (arch->has_reschedule) {
		arch->has_reschedule = false;
		processor->interrupts |= ARCH_INTERRUPT_RESCHEDULE;
	}
	if (arch->timer_deadline_ns <= sim_time_ns) {
		arch->timer_deadline_ns = HEL_DEADLINE_NEVER;
		processor->interrupts |= ARCH_INTERRUPT_TIMER;
	}
	if (processor->n_vectors > 0) {
		processor->vector = processor->vectors[--processor->n_vectors];
		arch->device_vector = processor->vector;
		processor->interrupts |= ARCH_INTERRUPT_DEVICE;
	}
	processor_enter(processor, SIM_REQUEST_NONE);
}

static void processor_run_user(struct sim_processor *processor)
{
	struct sim_program *program = sim_program_of(&processor->user->arch);

	if (program == NULL) {
		processor->fault = (struct hel_fault){ .vector = SIM_VECTOR_UNDEFINED };
		processor_enter(processor, SIM_REQUEST_FAULT);
		return;
	}
	if (program->request == SIM_REQUEST_NONE) {
		program_resume(program, processor->user);
		return;
	}
	enum sim_request request = program->request;

	program->request = SIM_REQUEST_NONE;
	if (request == SIM_REQUEST_FOREIGN_CALL && program->bounce_page != NULL) {
		program->bounce_page->user_ip = program->registers->ip;
		arch_context_redirect(program->registers, program->bounce_entry, 0);
		return;
	}
	processor->fault = program->fault;
	sim_advance(SIM_ENTRY_NS, false);
	processor_enter(processor, request);
}

static void processor_act(uint32_t index)
{
	struct sim_processor *processor = &processors[index];

	sim_switch_cpu(index);
	if (processor->mode == SIM_KERNEL) {
		processor_resume(processor);
	} else if (sim_cpu->arch.has_shootdown) {
		sim_cpu->arch.has_shootdown = false;
		shootdown_serve();
	} else if (processor_has_interrupt(index)) {
		sim_advance(SIM_ENTRY_NS, false);
		processor_take_interrupt(processor);
	} else {
		processor_run_user(processor);
	}
}

/* All wait for the clock: the time of the next thing to happen. */
static uint64_t sim_next_event_ns(void)
{
	uint64_t next_ns = HEL_DEADLINE_NEVER;

	for (uint32_t i = 0; i < cpu_count; i++) {
		next_ns = min_u64(next_ns, cpu_table[i]->arch.timer_deadline_ns);
		if (processor_is_computing(&processors[i])) {
			struct sim_program *program = sim_program_of(&processors[i].user->arch);

			next_ns = min_u64(next_ns, sim_time_ns + program->compute_ns);
		}
	}
	return next_ns;
}

bool sim_execute(uint64_t until_ns, uint64_t max_steps)
{
	while (max_steps-- > 0) {
		uint32_t can_act[CPUS_MAX];
		uint32_t n_can_act = 0;

		for (uint32_t i = 0; i < cpu_count; i++) {
			if (processor_can_act(i)) {
				can_act[n_can_act++] = i;
			}
		}
		if (n_can_act > 0) {
			processor_act(can_act[random_below(&sim_random, n_can_act)]);
			continue;
		}
		uint64_t next_ns = sim_next_event_ns();

		if (next_ns == HEL_DEADLINE_NEVER || next_ns > until_ns) {
			if (until_ns != HEL_DEADLINE_NEVER && until_ns > sim_time_ns) {
				sim_advance(until_ns - sim_time_ns, true);
			}
			return true;
		}
		sim_advance(next_ns - sim_time_ns, true);
	}
	return false;
}
