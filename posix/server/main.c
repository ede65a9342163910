/* SPDX-License-Identifier: MIT */
/*
 * posix: the server of Linux programs.
 *
 * It starts the file system from the boot archive and then one process, /boot/hati/init; everything
 * else comes by requests (lane.c) and completions, on a thread per processor (turn.c).
 *
 * Handles: "log", "statistics" (counters of the kernel), "clock" (setting it), "initrd", "mbus"
 * (terminals, power).
 */
#include <base/errors.h>
#include <base/string.h>
#include <helix/helix.h>
#include <posix/server/fs/block-finder.h>
#include <posix/server/fs/sysfs-pci.h>
#include <posix/server/fs/unpack.h>
#include <posix/server/process/process-internal.h>
#include <posix/server/rewrite/text.h>
#include <posix/server/time/time.h>
#include <posix/server/turn.h>

constexpr char INIT_PATH[] =
	"/boot/hati/init"; /* part of the system, not of the root that is brought along */
constexpr char INIT_STRINGS[] =
	"/boot/hati/init\0HOME=/root\0"
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\0"
	"TERM=linux";

/* One thread per processor; hati.posix.threads=N chooses another number. */
static uint32_t number_of_threads(void)
{
	uint64_t n = helix_start()->n_cpus;
	char text[16];

	if (helix_command_line_option("hati.posix.threads", text, sizeof(text))) {
		n = 0;
		for (const char *digit = text; *digit >= '0' && *digit <= '9'; digit++) {
			n = min_u64(n * 10 + (uint64_t)(*digit - '0'), TURNS_MAX);
		}
	}
	return (uint32_t)min_u64(max_u64(n, 1), TURNS_MAX);
}

static int64_t start_init(void)
{
	const struct exec_arguments arguments = {
		.strings = INIT_STRINGS,
		.size = sizeof(INIT_STRINGS),
		.argc = 1,
		.envc = 3,
	};
	struct process *process;
	struct session *session;
	struct process_group *group;
	int64_t error = process_create(NULL, vfs_root(), &process);

	if (error != 0) {
		return error;
	}
	session = session_create(process->pid);
	group = session != NULL ? process_group_create(process->pid, session) : NULL;
	if (group == NULL) {
		return -LINUX_ENOMEM;
	}
	process_attach(process, NULL, group);
	return process_exec_first(process, INIT_PATH, &arguments);
}

static struct boot_archive map_initrd(void)
{
	struct boot_archive initrd = {
		.memory = helix_start_handle("initrd"),
		.size = helix_start_value("initrd"),
	};
	void *data;
	int error = initrd.memory == HEL_NULL || initrd.size == 0
		? -ERR_NOT_FOUND
		: helix_map(initrd.memory, 0, initrd.size, HEL_MAP_READ, &data);

	if (error != 0) {
		helix_fatal("the boot archive cannot be mapped: %s", error_text(error));
	}
	initrd.data = data;
	return initrd;
}

int main(int n_arguments, char **arguments)
{
	struct boot_archive initrd;
	char text[16];
	int64_t result;
	int error = turns_init(number_of_threads());

	(void)n_arguments;
	(void)arguments;
	if (error != 0) {
		helix_fatal("no loops: %s", error_text(error));
	}
	initrd = map_initrd();
	clock_init();
	error = shim_load(initrd.data, initrd.size);
	if (error != 0) {
		helix_fatal("boot/hati/shim cannot be loaded: %s", error_text(error));
	}
	error = vfs_init(&initrd);
	if (error != 0) {
		helix_fatal("the file system cannot be started: %d", error);
	}
	if (sysfs_pci_start() != 0) {
		helix_log(HEL_LOG_WARNING, "no memory for PCI devices in sysfs");
	}
	block_finder_start();
	rewriting_init();
	load_init();
	if (helix_command_line_option("hati.trace", text, sizeof(text))) {
		thread_log_names();
	}
	result = start_init();
	if (result != 0) {
		helix_fatal("%s cannot be started: errno %d", INIT_PATH, (int)-result);
	}
	turns_run();
}
