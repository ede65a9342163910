/* SPDX-License-Identifier: MIT */
/* The simulated machine: memory, CPUs as fibres, user accesses. See sim.h. */
#include <thor/arch/sim/sim.h>

#include <base/assert.h>
#include <base/string.h>
#include <thor/arch/sim/page-table.h>
#include <thor/cpu.h>
#include <thor/memory/heap-debug.h>
#include <thor/memory/memory.h>
#include <thor/memory/page-cache.h>
#include <thor/memory/space.h>

#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

struct cpu *sim_cpu;
uint8_t *sim_memory;
uint64_t sim_time_ns;
uint32_t sim_trace_mask;

struct cpu *cpu_table[CPUS_MAX];
uint32_t cpu_count;

static uint64_t sim_memory_bytes;
static struct random sim_random;

/* ---- fibres ------------------------------------------------------------------------ */

constexpr size_t SIM_STACK_BYTES = KIB(256);

static struct sim_fibre {
	ucontext_t context;
	uint8_t *stack;
	bool is_done;
} sim_fibres[CPUS_MAX];
static ucontext_t sim_main;
static bool sim_is_interleaved;
static void (*sim_body)(void *context);
static void *sim_body_context;

static void sim_fibre_main(void)
{
	sim_body(sim_body_context);
	sim_fibres[sim_cpu->index].is_done = true;
	swapcontext(&sim_fibres[sim_cpu->index].context, &sim_main);
}

/* Go back to the scheduler, which picks who is next. */
static void sim_yield(void)
{
	uint32_t self = sim_cpu->index;

	swapcontext(&sim_fibres[self].context, &sim_main);
	sim_cpu = cpu_table[self];
}

void sim_run(void (*body)(void *context), void *context)
{
	uint32_t n_left = cpu_count;

	sim_body = body;
	sim_body_context = context;
	sim_is_interleaved = true;
	for (uint32_t i = 0; i < cpu_count; i++) {
		struct sim_fibre *fibre = &sim_fibres[i];

		fibre->is_done = false;
		fibre->stack = malloc(SIM_STACK_BYTES);
		getcontext(&fibre->context);
		fibre->context.uc_stack.ss_sp = fibre->stack;
		fibre->context.uc_stack.ss_size = SIM_STACK_BYTES;
		makecontext(&fibre->context, sim_fibre_main, 0);
	}
	while (n_left > 0) {
		uint32_t index = (uint32_t)(random_u64(&sim_random) % cpu_count);

		sim_cpu = cpu_table[index];
		if (sim_fibres[index].is_done) {
			shootdown_poll(); /* a CPU that has nothing to do still takes interrupts */
			continue;
		}
		swapcontext(&sim_main, &sim_fibres[index].context);
		n_left -= sim_fibres[index].is_done;
	}
	for (uint32_t i = 0; i < cpu_count; i++) {
		free(sim_fibres[i].stack);
	}
	sim_is_interleaved = false;
	sim_cpu = cpu_table[0];
}

void sim_point(bool is_user)
{
	if (!sim_is_interleaved) {
		return;
	}
	if (random_u64(&sim_random) % 4 == 0) {
		sim_yield();
	}
	if (is_user && sim_cpu->arch.has_shootdown) {
		sim_cpu->arch.has_shootdown = false;
		shootdown_serve();
	}
}

void sim_pause(void)
{
	if (sim_is_interleaved) {
		sim_yield();
	}
}

void arch_send_shootdown(struct cpu *cpu)
{
	cpu->arch.n_shootdowns++;
	if (sim_is_interleaved) {
		cpu->arch.has_shootdown = true;
		return;
	}
	struct cpu *self = sim_cpu;

	sim_cpu = cpu;
	shootdown_serve();
	sim_cpu = self;
}

void sim_switch_cpu(uint32_t index)
{
	ASSERT(index < cpu_count);
	sim_cpu = cpu_table[index];
}

/* ---- the machine ------------------------------------------------------------------- */

void sim_machine_create(const struct sim_options *options)
{
	struct boot_info *boot = calloc(1, sizeof(*boot));

	sim_memory_bytes = options->memory_bytes;
	sim_memory = mmap(NULL, sim_memory_bytes, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ASSERT(sim_memory != MAP_FAILED);
	random_init(&sim_random, options->seed);
	cpu_count = options->n_cpus;
	for (uint32_t i = 0; i < cpu_count; i++) {
		cpu_table[i] = calloc(1, sizeof(struct cpu));
		cpu_table[i]->self = cpu_table[i];
		cpu_table[i]->index = i;
		cpu_table[i]->is_online = true;
	}
	sim_cpu = cpu_table[0];
	boot->n_memory = 2;
	boot->memory[0] = (struct boot_memory){ 0, MIB(1), BOOT_MEMORY_RESERVED, 0 };
	boot->memory[1] = (struct boot_memory){
		MIB(1),
		sim_memory_bytes - MIB(1),
		BOOT_MEMORY_FREE,
		0,
	};
	heap_reset();
	frame_init(boot);
	page_cache_init();
	free(boot);
}

bool sim_has_memory(uint64_t phys)
{
	return phys < sim_memory_bytes && HEL_PAGE_SIZE <= sim_memory_bytes - phys;
}

void sim_machine_destroy(void)
{
	for (uint32_t i = 0; i < cpu_count; i++) {
		free(cpu_table[i]);
		cpu_table[i] = NULL;
	}
	cpu_count = 0;
	sim_cpu = NULL;
	HEAP_UNPOISON(sim_memory, sim_memory_bytes);
	munmap(sim_memory, sim_memory_bytes);
}

/* ---- the processor in user mode ---------------------------------------------------- */

static bool sim_entry_allows(uint64_t entry, uint32_t access)
{
	return entry != 0 && (access & ~(uint32_t)ARCH_PAGE_READ & ~(entry & SIM_FLAGS)) == 0;
}

int sim_user_access(uint64_t address, uint32_t access, uint8_t *byte)
{
	struct sim_tlb_entry *cached = sim_tlb_entry(sim_cpu, sim_cpu->arch.asid, address);
	uint64_t page = align_down(address, 4096);

	sim_point(true);
	while (cached->address != page || !sim_entry_allows(cached->entry, access)) {
		const struct arch_page_table *table = sim_cpu->arch.loaded;
		uint64_t *slot = table != NULL ? sim_page_slot(table, page) : NULL;

		if (slot != NULL && sim_entry_allows(*slot, access)) {
			*slot |= SIM_ACCESSED;
			*cached = (struct sim_tlb_entry){ page, sim_page_entry(*slot, page) };
			break;
		}
		int error =
			space_fault(sim_cpu->active_space, address, access | SPACE_ACCESS_SLICES);

		if (error != 0) {
			return error;
		}
		sim_point(true);
	}
	uint8_t *target = sim_memory + align_down(cached->entry, 4096) + address % 4096;

	if ((access & SPACE_ACCESS_WRITE) != 0) {
		*target = *byte;
	} else {
		*byte = *target;
	}
	return 0;
}

/* Whether a page table still has what a TLB has. */
static bool sim_table_allows(
	const struct arch_page_table *table, const struct sim_tlb_entry *cached)
{
	const uint64_t *slot = sim_page_slot(table, cached->address);

	return slot != NULL && *slot != 0 &&
		align_down(sim_page_entry(*slot, cached->address), 4096) ==
		align_down(cached->entry, 4096) &&
		(cached->entry & SIM_FLAGS & ~*slot) == 0;
}

static uint64_t sim_check_translations(
	struct cpu *cpu, uint32_t asid, const struct arch_page_table *table)
{
	for (uint32_t i = 0; i < SIM_TLB_SIZE; i++) {
		const struct sim_tlb_entry *cached = &cpu->arch.tlb[asid][i];

		if (cached->address != 0 && !sim_table_allows(table, cached)) {
			return cached->address;
		}
	}
	return 0;
}

uint64_t sim_check_tlbs(void)
{
	uint64_t address = 0;

	for (uint32_t i = 0; i < cpu_count && address == 0; i++) {
		const struct arch_cpu *arch = &cpu_table[i]->arch;

		if (arch->loaded != NULL) {
			address = sim_check_translations(cpu_table[i], arch->asid, arch->loaded);
		}
	}
	return address;
}

uint64_t sim_check_space(const struct space *space)
{
	uint64_t address = 0;

	for (uint32_t i = 0; i < cpu_count && address == 0; i++) {
		if (cpu_table[i]->asid_stamps[space->asid] == space->stamp) {
			address = sim_check_translations(
				cpu_table[i], space->asid, &space->page_table);
		}
	}
	return address;
}
