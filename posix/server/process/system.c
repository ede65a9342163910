/* SPDX-License-Identifier: MIT */
/* Calls about the system as a whole: its name, its state, its end. */
#include <abi/linux/resource.h>
#include <base/string.h>
#include <helix/log.h>
#include <helix/start.h>
#include <posix/server/file/handlers.h>
#include <posix/server/process/power.h>
#include <posix/server/process/system.h>
#include <posix/server/time/time.h>

constexpr size_t NAME_MAX_SIZE = 64;
constexpr size_t LOG_BUFFER_SIZE = 131072; /* what the log is said to hold */

static char host_name[NAME_MAX_SIZE + 1] = "hati";
static char domain_name[NAME_MAX_SIZE + 1] = "(none)";

const char *system_host_name(void)
{
	return host_name;
}

int64_t posix_uname(struct request *request)
{
	struct linux_utsname *out = request_out(request, 0, NULL);

	if (out == NULL) {
		return -LINUX_EFAULT;
	}
	str_copy(out->sysname, sizeof(out->sysname), SYSTEM_NAME);
	str_copy(out->nodename, sizeof(out->nodename), host_name);
	str_copy(out->release, sizeof(out->release), SYSTEM_RELEASE);
	str_copy(out->version, sizeof(out->version), SYSTEM_VERSION);
	str_copy(out->machine, sizeof(out->machine), SYSTEM_MACHINE);
	str_copy(out->domainname, sizeof(out->domainname), domain_name);
	return 0;
}

static int64_t set_name(struct request *request, char *name)
{
	size_t size;
	const char *in = request_in(request, 0, &size);

	if (!process_has(request->process, LINUX_CAP_SYS_ADMIN)) {
		return -LINUX_EPERM;
	}
	if ((int64_t)request->args[1] < 0 || request->args[1] > NAME_MAX_SIZE) {
		return -LINUX_EINVAL;
	}
	if (in == NULL) {
		return -LINUX_EFAULT;
	}
	memcpy(name, in, size);
	name[size] = '\0';
	return 0;
}

int64_t posix_sethostname(struct request *request)
{
	return set_name(request, host_name);
}

int64_t posix_setdomainname(struct request *request)
{
	return set_name(request, domain_name);
}

int64_t posix_sysinfo(struct request *request)
{
	struct linux_sysinfo *out = request_out(request, 0, NULL);
	struct hel_kernel_stats stats = { 0 };

	if (out == NULL) {
		return -LINUX_EFAULT;
	}
	(void)kernel_stats_get(&stats);
	*out = (struct linux_sysinfo){
		.uptime = (int64_t)(clock_monotonic_ns() / NS_PER_S),
		.total_ram = stats.memory_total_bytes,
		.free_ram = stats.memory_free_bytes,
		.n_processes = (uint16_t)min_u64(process_count(), UINT16_MAX),
		.unit = 1,
	};
	load_average(out->loads);
	return 0;
}

/* ---- the end --------------------------------------------------------------------------------- */

static bool is_reboot_magic(uint32_t magic)
{
	return magic == LINUX_REBOOT_MAGIC2 || magic == LINUX_REBOOT_MAGIC2A ||
		magic == LINUX_REBOOT_MAGIC2B || magic == LINUX_REBOOT_MAGIC2C;
}

int64_t posix_reboot(struct request *request)
{
	if (!process_has(request->process, LINUX_CAP_SYS_BOOT)) {
		return -LINUX_EPERM;
	}
	if ((uint32_t)request->args[0] != LINUX_REBOOT_MAGIC1 ||
		!is_reboot_magic((uint32_t)request->args[1])) {
		return -LINUX_EINVAL;
	}
	switch ((uint32_t)request->args[2]) {
	case LINUX_REBOOT_POWER_OFF:
	case LINUX_REBOOT_HALT: power_off(false); return 0;
	case LINUX_REBOOT_RESTART: power_off(true); return 0;
	case LINUX_REBOOT_CAD_ON:
	case LINUX_REBOOT_CAD_OFF: return 0; /* there is no such key */
	default: return -LINUX_EINVAL;
	}
}

void system_init_died(uint32_t status)
{
	helix_log(HEL_LOG_ERROR, "init is dead (status %x): nothing can go on", status);
	power_off(false);
}

/* ---- the kernel's log ------------------------------------------------------------------------ */

enum syslog_action : uint32_t {
	SYSLOG_CLOSE = 0,
	SYSLOG_OPEN = 1,
	SYSLOG_READ_ALL = 3,
	SYSLOG_READ_CLEAR = 4,
	SYSLOG_CLEAR = 5,
	SYSLOG_CONSOLE_OFF = 6,
	SYSLOG_CONSOLE_ON = 7,
	SYSLOG_CONSOLE_LEVEL = 8,
	SYSLOG_SIZE_UNREAD = 9,
	SYSLOG_SIZE_BUFFER = 10,
};

static uint64_t log_cleared_to;

/* The last bytes of the log that fit. */
static int64_t read_log(struct request *request)
{
	size_t size, n_read = 0, used = 0;
	char *out = request_out(request, 1, &size);
	uint64_t offset = log_cleared_to;
	hel_handle authority = helix_start_handle("statistics");

	if (out == NULL) {
		return -LINUX_EINVAL;
	}
	for (;;) {
		if (used == size) {
			/* Full: keep the newer half. */
			memmove(out, out + size / 2, size - size / 2);
			used = size - size / 2;
		}
		if (hel_log_read(authority, &offset, out + used, size - used, &n_read) != 0 ||
			n_read == 0) {
			break;
		}
		used += n_read;
	}
	request_set_out_size(request, used);
	return (int64_t)used;
}

int64_t posix_syslog(struct request *request)
{
	if (!process_has(request->process, LINUX_CAP_SYSLOG)) {
		return -LINUX_EPERM;
	}
	switch ((uint32_t)request->args[0]) {
	case SYSLOG_READ_ALL: return read_log(request);
	case SYSLOG_SIZE_BUFFER: return LOG_BUFFER_SIZE;
	case SYSLOG_CLOSE:
	case SYSLOG_OPEN:
	case SYSLOG_CONSOLE_OFF:
	case SYSLOG_CONSOLE_ON:
	case SYSLOG_CONSOLE_LEVEL: return 0;
	default: unimplemented_count(request->number); return -LINUX_EINVAL;
	}
}
