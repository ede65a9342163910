/* SPDX-License-Identifier: MIT */
/* /proc/<name>: a row per file about the system. */
#include <abi/linux/time.h>
#include <base/string.h>
#include <helix/start.h>
#include <posix/server/process/print.h>
#include <posix/server/process/system.h>
#include <posix/server/process/usage.h>
#include <posix/server/time/time.h>
#include <posix/server/turn.h>

static void print_meminfo(struct printer *printer)
{
	struct hel_kernel_stats stats = { 0 };
	unsigned long long total, available, free_kib, cached, dirty;

	(void)kernel_stats_get(&stats);
	total = stats.memory_total_bytes / 1024;
	free_kib = stats.memory_free_bytes / 1024;
	cached = stats.cache_bytes / 1024;
	dirty = stats.cache_unclean_bytes / 1024;
	available = free_kib + cached - dirty;
	print(printer,
		"MemTotal:       %8llu kB\nMemFree:        %8llu kB\nMemAvailable:   %8llu kB\n",
		total, free_kib, available);
	print(printer, "Buffers:        %8u kB\nCached:         %8llu kB\nSwapCached:     %8u kB\n",
		0, cached, 0);
	print(printer, "Active:         %8u kB\nInactive:       %8u kB\n", 0, 0);
	print(printer, "SwapTotal:      %8u kB\nSwapFree:       %8u kB\nDirty:          %8llu kB\n",
		0, 0, dirty);
	print(printer, "Writeback:      %8u kB\nAnonPages:      %8u kB\nMapped:         %8u kB\n",
		0, 0, 0);
	print(printer, "Shmem:          %8u kB\nSlab:           %8llu kB\nSReclaimable:   %8u kB\n",
		0, (unsigned long long)stats.kernel_bytes / 1024, 0);
	print(printer, "SUnreclaim:     %8u kB\nPageTables:     %8u kB\nCommitLimit:    %8llu kB\n",
		0, 0, total);
	print(printer, "Committed_AS:   %8llu kB\nVmallocTotal:   34359738367 kB\n",
		total - available);
}

/* The same of the one node, as sysfs shows it. */
static void print_node_meminfo(struct printer *printer)
{
	struct hel_kernel_stats stats = { 0 };
	unsigned long long total, free_kib;

	(void)kernel_stats_get(&stats);
	total = stats.memory_total_bytes / 1024;
	free_kib = stats.memory_free_bytes / 1024;
	print(printer,
		"Node 0 MemTotal:       %8llu kB\nNode 0 MemFree:        %8llu kB\n"
		"Node 0 MemUsed:        %8llu kB\nNode 0 Dirty:          %8llu kB\n"
		"Node 0 FilePages:      %8llu kB\nNode 0 Slab:           %8llu kB\n",
		total, free_kib, total - free_kib,
		(unsigned long long)stats.cache_unclean_bytes / 1024,
		(unsigned long long)stats.cache_bytes / 1024,
		(unsigned long long)stats.kernel_bytes / 1024);
}

static uint64_t idle_ns_of(const struct hel_kernel_stats *stats, uint32_t cpu)
{
	return cpu < ARRAY_SIZE(stats->idle_ns) ? stats->idle_ns[cpu] : 0;
}

static void print_cpu_line(struct printer *printer, uint64_t busy_ns, uint64_t idle_ns)
{
	print(printer, " %llu 0 0 %llu 0 0 0 0 0 0\n", (unsigned long long)ns_to_ticks(busy_ns),
		(unsigned long long)ns_to_ticks(idle_ns));
}

static void print_stat(struct printer *printer)
{
	struct hel_kernel_stats stats = { 0 };
	uint64_t now_ns = clock_monotonic_ns(), idle_ns = 0, busy_ns = 0;
	uint32_t n_cpus = helix_start()->n_cpus;

	(void)kernel_stats_get(&stats);
	for (uint32_t i = 0; i < n_cpus; i++) {
		uint64_t idle = min_u64(idle_ns_of(&stats, i), now_ns);

		idle_ns += idle;
		busy_ns += now_ns - idle;
	}
	print(printer, "cpu ");
	print_cpu_line(printer, busy_ns, idle_ns);
	for (uint32_t i = 0; i < n_cpus; i++) {
		uint64_t idle = min_u64(idle_ns_of(&stats, i), now_ns);

		print(printer, "cpu%u", i);
		print_cpu_line(printer, now_ns - idle, idle);
	}
	print(printer,
		"intr %llu\nctxt %llu\nbtime %llu\nprocesses %u\n"
		"procs_running %u\nprocs_blocked 0\n",
		(unsigned long long)stats.n_interrupts, (unsigned long long)stats.n_switches,
		(unsigned long long)((clock_realtime_ns() - now_ns) / NS_PER_S), pid_last(), 1u);
}

static void print_uptime(struct printer *printer)
{
	struct hel_kernel_stats stats = { 0 };
	uint64_t now = clock_monotonic_ns() / (NS_PER_S / 100), idle = 0;

	(void)kernel_stats_get(&stats);
	for (uint32_t i = 0; i < helix_start()->n_cpus; i++) {
		idle += idle_ns_of(&stats, i) / (NS_PER_S / 100);
	}
	print(printer, "%llu.%02llu %llu.%02llu\n", (unsigned long long)now / 100,
		(unsigned long long)now % 100, (unsigned long long)idle / 100,
		(unsigned long long)idle % 100);
}

static void print_loadavg(struct printer *printer)
{
	uint64_t loads[3];

	load_average(loads);
	for (unsigned i = 0; i < 3; i++) {
		uint64_t hundredths = (loads[i] * 100 + 0x8000) >> 16;

		print(printer, "%llu.%02llu ", (unsigned long long)hundredths / 100,
			(unsigned long long)hundredths % 100);
	}
	print(printer, "1/%u %u\n", thread_count(), pid_last());
}

static void print_version(struct printer *printer)
{
	print(printer, "%s version %s %s\n", SYSTEM_NAME, SYSTEM_RELEASE, SYSTEM_VERSION);
}

static void print_cpuinfo(struct printer *printer)
{
	printer->used += processor_print(printer->buffer + printer->used,
		printer->size - printer->used, helix_start()->n_cpus);
}

static void print_command_line(struct printer *printer)
{
	const char *line = (const char *)helix_start()->command_line;

	print(printer, "%s\n", line != NULL ? line : "");
}

static void print_unimplemented(struct printer *printer)
{
	printer->used +=
		unimplemented_print(printer->buffer + printer->used, printer->size - printer->used);
}

static void print_vmstat(struct printer *printer)
{
	struct hel_kernel_stats stats = { 0 };

	(void)kernel_stats_get(&stats);
	print(printer, "nr_free_pages %llu\npgfault %llu\n",
		(unsigned long long)stats.memory_free_bytes / HEL_PAGE_SIZE,
		(unsigned long long)stats.n_faults);
}

static void print_host_name(struct printer *printer)
{
	print(printer, "%s\n", system_host_name());
}

static void print_release(struct printer *printer)
{
	print(printer, "%s\n", SYSTEM_RELEASE);
}

static void print_system_name(struct printer *printer)
{
	print(printer, "%s\n", SYSTEM_NAME);
}

static void print_pid_max(struct printer *printer)
{
	print(printer, "%u\n", PID_MAX);
}

static void print_threads_max(struct printer *printer)
{
	print(printer, "%u\n", thread_limit());
}

static void print_system_version(struct printer *printer)
{
	print(printer, "%s\n", SYSTEM_VERSION);
}

static void print_kernel(struct printer *printer)
{
	struct hel_kernel_stats stats = { 0 };

	(void)kernel_stats_get(&stats);
	print(printer,
		"memory_total_bytes %llu\nmemory_free_bytes %llu\nkernel_bytes %llu\nthreads %u\n",
		(unsigned long long)stats.memory_total_bytes,
		(unsigned long long)stats.memory_free_bytes, (unsigned long long)stats.kernel_bytes,
		stats.n_threads);
	print(printer,
		"switches %llu\ninterrupts %llu\nfaults %llu\ncalls %llu\nspace_loads %llu\n",
		(unsigned long long)stats.n_switches, (unsigned long long)stats.n_interrupts,
		(unsigned long long)stats.n_faults, (unsigned long long)stats.n_calls,
		(unsigned long long)stats.n_space_loads);
	print(printer, "irqs_off_max_ns %llu\n", (unsigned long long)stats.irqs_off_max_ns);
}

static void print_posix(struct printer *printer)
{
	struct turn_counts counts;

	turns_count(&counts);
	print(printer, "threads %u\nattempts %llu\nturns %llu\nleft %llu\nalerts %llu\n",
		counts.n_threads, (unsigned long long)counts.n_attempts,
		(unsigned long long)counts.n_turns, (unsigned long long)counts.n_left,
		(unsigned long long)counts.n_alerts);
}

static const struct {
	const char *name;
	void (*print)(struct printer *printer);
} system_files[] = {
	{ "meminfo", print_meminfo },
	{ "node0/meminfo", print_node_meminfo },
	{ "stat", print_stat },
	{ "uptime", print_uptime },
	{ "loadavg", print_loadavg },
	{ "version", print_version },
	{ "cpuinfo", print_cpuinfo },
	{ "cmdline", print_command_line },
	{ "vmstat", print_vmstat },
	{ "hati/unimplemented", print_unimplemented },
	{ "hati/kernel", print_kernel },
	{ "hati/posix", print_posix },
	{ "sys/kernel/hostname", print_host_name },
	{ "sys/kernel/osrelease", print_release },
	{ "sys/kernel/ostype", print_system_name },
	{ "sys/kernel/pid_max", print_pid_max },
	{ "sys/kernel/threads-max", print_threads_max },
	{ "sys/kernel/version", print_system_version },
};

int64_t system_print(const char *name, char *buffer, size_t size)
{
	struct printer printer = { .buffer = buffer, .size = size };

	for (size_t i = 0; i < ARRAY_SIZE(system_files); i++) {
		if (str_equal(system_files[i].name, name)) {
			system_files[i].print(&printer);
			return (int64_t)printer.used;
		}
	}
	return -LINUX_ENOENT;
}
