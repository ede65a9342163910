/* SPDX-License-Identifier: MIT */
/* prctl: small settings of a process, one row per option. */
#include <abi/linux/prctl.h>
#include <base/string.h>
#include <posix/server/file/handlers.h>
#include <posix/server/process/capabilities.h>
#include <posix/server/seccomp/seccomp.h>
#include <posix/server/signal/signal.h>

static int64_t set_name(struct request *request)
{
	size_t size;
	const char *name = request_in(request, 0, &size);

	if (name == NULL || size != sizeof(request->process->comm)) {
		return -LINUX_EFAULT;
	}
	thread_set_name(request->thread, name, strnlen(name, size));
	return 0;
}

static int64_t get_name(struct request *request)
{
	const char *name = request->thread->internal->name;

	memcpy(request_out(request, 0, NULL), name, sizeof(request->thread->internal->name));
	return 0;
}

static int64_t set_parent_death_signal(struct request *request)
{
	if (request->args[1] > LINUX_NSIG) {
		return -LINUX_EINVAL;
	}
	request->process->internal->parent_death_signal = (int)request->args[1];
	return 0;
}

static int64_t get_dumpable(struct request *request)
{
	return request->process->internal->is_dumpable;
}

static int64_t set_dumpable(struct request *request)
{
	if (request->args[1] > 1) {
		return -LINUX_EINVAL;
	}
	request->process->internal->is_dumpable = request->args[1] != 0;
	return 0;
}

static int64_t get_keepcaps(struct request *request)
{
	return (request->process->credentials.capabilities.securebits & LINUX_SECBIT_KEEP_CAPS) !=
		0;
}

static int64_t set_keepcaps(struct request *request)
{
	if (request->args[1] > 1) {
		return -LINUX_EINVAL;
	}
	struct capabilities *sets = &request->process->credentials.capabilities;

	if ((sets->securebits & LINUX_SECBIT_KEEP_CAPS_LOCKED) != 0) {
		return -LINUX_EPERM;
	}
	sets->securebits &= ~(uint32_t)LINUX_SECBIT_KEEP_CAPS;
	sets->securebits |= request->args[1] != 0 ? LINUX_SECBIT_KEEP_CAPS : 0;
	return 0;
}

/* These two answer through a pointer. */
static int64_t put_number(struct request *request, int32_t value)
{
	int32_t *out = request_out(request, 0, NULL);

	if (out == NULL) {
		return -LINUX_EFAULT;
	}
	*out = value;
	return 0;
}

static int64_t get_parent_death_signal(struct request *request)
{
	return put_number(request, request->process->internal->parent_death_signal);
}

static int64_t get_subreaper(struct request *request)
{
	return put_number(request, request->process->internal->is_subreaper);
}

static int64_t set_subreaper(struct request *request)
{
	request->process->internal->is_subreaper = request->args[1] != 0;
	return 0;
}

static int64_t set_no_new_privileges(struct request *request)
{
	if (request->args[1] != 1) {
		return -LINUX_EINVAL;
	}
	request->process->internal->has_no_new_privileges = true;
	return 0;
}

static int64_t get_no_new_privileges(struct request *request)
{
	return request->process->internal->has_no_new_privileges;
}

static int64_t read_bounding_set(struct request *request)
{
	return capabilities_read_bounding(&request->process->credentials, request->args[1]);
}

static int64_t drop_from_bounding_set(struct request *request)
{
	return capabilities_drop_bounding(&request->process->credentials, request->args[1]);
}

static int64_t change_ambient_set(struct request *request)
{
	if (request->args[3] != 0 || request->args[4] != 0) {
		return -LINUX_EINVAL;
	}
	return capabilities_change_ambient(
		&request->process->credentials, request->args[1], request->args[2]);
}

static int64_t get_securebits(struct request *request)
{
	return request->process->credentials.capabilities.securebits;
}

static int64_t set_securebits(struct request *request)
{
	return capabilities_set_securebits(&request->process->credentials, request->args[1]);
}

static int64_t get_timer_slack(struct request *request)
{
	return (int64_t)request->thread->internal->timer_slack_ns;
}

/* It only allows to be late, which nobody is; 0: as it was at the start. */
static int64_t set_timer_slack(struct request *request)
{
	request->thread->internal->timer_slack_ns =
		(int64_t)request->args[1] <= 0 ? TIMER_SLACK_NS : request->args[1];
	return 0;
}

static int64_t get_seccomp(struct request *request)
{
	return seccomp_mode_of(request->thread);
}

static int64_t set_seccomp(struct request *request)
{
	switch (request->args[1]) {
	case LINUX_SECCOMP_MODE_STRICT:
		return seccomp_set(request, LINUX_SECCOMP_SET_MODE_STRICT, 0, 0);
	case LINUX_SECCOMP_MODE_FILTER:
		return seccomp_set(request, LINUX_SECCOMP_SET_MODE_FILTER, 0, request->args[2]);
	default: return -LINUX_EINVAL;
	}
}

static const struct {
	uint32_t option;
	int64_t (*act)(struct request *request);
} options[] = {
	{ LINUX_PR_SET_NAME, set_name },
	{ LINUX_PR_GET_NAME, get_name },
	{ LINUX_PR_SET_PDEATHSIG, set_parent_death_signal },
	{ LINUX_PR_GET_PDEATHSIG, get_parent_death_signal },
	{ LINUX_PR_GET_DUMPABLE, get_dumpable },
	{ LINUX_PR_SET_DUMPABLE, set_dumpable },
	{ LINUX_PR_GET_KEEPCAPS, get_keepcaps },
	{ LINUX_PR_SET_KEEPCAPS, set_keepcaps },
	{ LINUX_PR_SET_CHILD_SUBREAPER, set_subreaper },
	{ LINUX_PR_GET_CHILD_SUBREAPER, get_subreaper },
	{ LINUX_PR_SET_NO_NEW_PRIVS, set_no_new_privileges },
	{ LINUX_PR_GET_NO_NEW_PRIVS, get_no_new_privileges },
	{ LINUX_PR_CAPBSET_READ, read_bounding_set },
	{ LINUX_PR_CAPBSET_DROP, drop_from_bounding_set },
	{ LINUX_PR_CAP_AMBIENT, change_ambient_set },
	{ LINUX_PR_GET_TIMERSLACK, get_timer_slack },
	{ LINUX_PR_SET_TIMERSLACK, set_timer_slack },
	{ LINUX_PR_GET_SECCOMP, get_seccomp },
	{ LINUX_PR_SET_SECCOMP, set_seccomp },
	{ LINUX_PR_GET_SECUREBITS, get_securebits },
	{ LINUX_PR_SET_SECUREBITS, set_securebits },
};

int64_t posix_prctl(struct request *request)
{
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		if (options[i].option == (uint32_t)request->args[0]) {
			return options[i].act(request);
		}
	}
	unimplemented_count(0xffff0000u | ((uint32_t)request->args[0] & 0xff) | 0x9d00);
	return -LINUX_EINVAL;
}
