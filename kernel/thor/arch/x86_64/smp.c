/* SPDX-License-Identifier: MIT */
/*
 * Starting the other CPUs, and interrupts for devices on them.
 *
 * They are started one after the other, for they share the trampoline's parameters, and wait at a
 * gate until all that come have come.  A virtual CPU may take seconds on a busy host; one that
 * does not come within SMP_PATIENCE_US might still come later, so nothing of what it would use is
 * reused.
 */
#include <base/assert.h>
#include <base/string.h>
#include <thor/init/init.h>
#include <thor/memory/memory.h>
#include <thor/panic.h>
#include <thor/sched/sched.h>

#include "acpi.h"
#include "machine.h"
#include "page-entry.h"
#include "registers.h"

#define SMP_PATIENCE_US  30000000
#define SMP_INIT_WAIT_US 200
#define SMP_RETRY_US     20000
#define MSI_ADDRESS      0xfee00000u
#define MSI_LAPIC_ID_MAX 255

struct smp_parameters {
	uint64_t root_phys;
	uint64_t stack;
	struct cpu *cpu;
	void (*entry)(struct cpu *cpu);
};

extern const uint8_t smp_trampoline[], smp_trampoline_end[], smp_trampoline_parameters[];

static _Atomic uint32_t smp_n_arrived;
static _Atomic bool smp_is_gate_open;

/*
 * A root that also maps the low 2 MiB one to one; 0: no memory.  Only ever used to get off the
 * ground.
 */
static uint64_t smp_make_root(void)
{
	uint64_t root_phys = frame_allocate_run(0, GIB(4));
	uint64_t level2_phys = frame_allocate_zeroed();
	uint64_t level1_phys = frame_allocate_zeroed();
	uint64_t *root = arch_phys_to_virt(root_phys);

	if (root_phys == 0 || level2_phys == 0 || level1_phys == 0) {
		return 0;
	}
	memset(root, 0, PAGE_SIZE_BYTES);
	kernel_map_fill_root(root);
	root[0] = level2_phys | PAGE_PRESENT | PAGE_WRITE;
	*(uint64_t *)arch_phys_to_virt(level2_phys) = level1_phys | PAGE_PRESENT | PAGE_WRITE;
	*(uint64_t *)arch_phys_to_virt(level1_phys) = PAGE_PRESENT | PAGE_WRITE | PAGE_LARGE;
	return root_phys;
}

/* The first C code of a further CPU, on its own stack. */
void smp_cpu_entry(struct cpu *cpu)
{
	cpu->arch.cr3 = kernel_map_root();
	cr3_write(cpu->arch.cr3);
	cpu_load_tables(cpu);
	features_enable();
	init_run_cpu();
	cpu->is_online = true;
	atomic_fetch_add(&smp_n_arrived, 1);
	while (!atomic_load(&smp_is_gate_open)) {
		arch_pause();
	}
	thor_cpu_main(cpu);
}

static struct cpu *smp_make_cpu(uint32_t lapic_id)
{
	struct cpu *cpu = heap_allocate(sizeof(*cpu));

	if (cpu == NULL) {
		return NULL;
	}
	cpu->index = cpu_count;
	cpu->arch.lapic_id = lapic_id;
	return kernel_map_stacks(cpu) == 0 ? cpu : NULL;
}

static bool smp_wait_for_arrival(uint32_t n_before, uint64_t patience_us)
{
	uint64_t end_ns = arch_clock_ns() + patience_us * 1000;

	while (atomic_load(&smp_n_arrived) == n_before) {
		if (arch_clock_ns() > end_ns) {
			return false;
		}
		arch_pause();
	}
	return true;
}

/* False: it did not come, or there was no memory for it; then no further one can be started. */
static bool smp_start_cpu(uint32_t lapic_id, struct smp_parameters *parameters)
{
	struct cpu *cpu = smp_make_cpu(lapic_id);
	uint32_t n_before = atomic_load(&smp_n_arrived);

	if (cpu == NULL) {
		klog("thor: no memory for CPU %u", cpu_count);
		return false;
	}
	parameters->stack = cpu->arch.stack_top;
	parameters->cpu = cpu;
	cpu_table[cpu->index] = cpu;
	lapic_send_init(lapic_id);
	clock_wait_us(SMP_INIT_WAIT_US);
	lapic_send_startup(lapic_id, TRAMPOLINE_PHYS / PAGE_SIZE_BYTES);
	if (!smp_wait_for_arrival(n_before, SMP_RETRY_US)) {
		lapic_send_startup(lapic_id, TRAMPOLINE_PHYS / PAGE_SIZE_BYTES);
		if (!smp_wait_for_arrival(n_before, SMP_PATIENCE_US)) {
			klog("thor: CPU %u (local APIC %u) does not start", cpu->index, lapic_id);
			return false;
		}
	}
	cpu_count++;
	return true;
}

/* Whether @entry is a processor that can be started, and its id. */
static bool smp_is_processor(const struct madt_entry *entry, uint32_t *out_lapic_id)
{
	if (entry->type == MADT_LAPIC && (entry->lapic.flags & MADT_ENABLED) != 0) {
		*out_lapic_id = entry->lapic.lapic_id;
		return true;
	}
	if (entry->type == MADT_X2APIC && (entry->x2apic.flags & MADT_ENABLED) != 0) {
		*out_lapic_id = entry->x2apic.lapic_id;
		return features.has_x2apic;
	}
	return false;
}

static void smp_start_all(void)
{
	const struct madt *madt = acpi_find("APIC");
	uint64_t offset = (uint64_t)(smp_trampoline_parameters - smp_trampoline);
	uint8_t *trampoline = arch_phys_to_virt(TRAMPOLINE_PHYS);
	struct smp_parameters *parameters = (struct smp_parameters *)(trampoline + offset);
	const struct madt_entry *entry = NULL;
	uint32_t lapic_id;

	if (madt == NULL) {
		return;
	}
	memcpy(trampoline, smp_trampoline, (size_t)(smp_trampoline_end - smp_trampoline));
	parameters->root_phys = 0;
	parameters->entry = smp_cpu_entry;
	while ((entry = madt_next(madt, entry)) != NULL && cpu_count < CPUS_MAX) {
		if (!smp_is_processor(entry, &lapic_id) ||
			lapic_id == cpu_table[0]->arch.lapic_id) {
			continue;
		}
		if (parameters->root_phys == 0) {
			parameters->root_phys = smp_make_root();
		}
		if (parameters->root_phys == 0) {
			klog("thor: no memory to start CPUs");
			break;
		}
		if (!smp_start_cpu(lapic_id, parameters)) {
			break;
		}
	}
	atomic_store(&smp_is_gate_open, true);
}

static void smp_start(UNUSED const struct boot_info *boot)
{
	smp_start_all();
	klog("thor: started, %u CPUs, %llu MiB", cpu_count,
		(unsigned long long)(frame_total_bytes() >> 20));
}
INIT_TASK(cpus, "cpus", .run = smp_start, .needs = { "tasking" }, .provides = { "ready" });

/* ---- message-signalled interrupts */

static _Atomic uint64_t *msi_word(struct cpu *cpu, uint32_t vector)
{
	return &cpu->arch.vectors[vector / 64];
}

int arch_msi_allocate(struct cpu *cpu, uint32_t *out_vector, struct hel_msi_info *out_info)
{
	constexpr uint32_t N_VECTORS = VECTOR_DEVICE_LAST - VECTOR_DEVICE_FIRST + 1;

	if (cpu->arch.lapic_id > MSI_LAPIC_ID_MAX) {
		return -ERR_UNSUPPORTED;
	}
	/* Each time from the last one on: a late message to a former owner meets nobody then. */
	for (uint32_t i = 0; i < N_VECTORS; i++) {
		uint32_t offset = atomic_fetch_add(&cpu->arch.next_vector, 1) % N_VECTORS;
		uint32_t vector = VECTOR_DEVICE_FIRST + offset;
		uint64_t bit = UINT64_C(1) << vector % 64;

		if ((atomic_fetch_or(msi_word(cpu, vector), bit) & bit) == 0) {
			*out_vector = vector;
			*out_info = (struct hel_msi_info){
				.address = MSI_ADDRESS | cpu->arch.lapic_id << 12,
				.data = vector,
			};
			return 0;
		}
	}
	return -ERR_NO_SPACE;
}

void arch_msi_free(struct cpu *cpu, uint32_t vector)
{
	ASSERT(vector >= VECTOR_DEVICE_FIRST && vector <= VECTOR_DEVICE_LAST);
	atomic_fetch_and(msi_word(cpu, vector), ~(UINT64_C(1) << vector % 64));
}
