/* SPDX-License-Identifier: MIT */
/* Terminals and job control: whose terminal it is, who is in the foreground. */
#include <abi/linux/errno.h>
#include <abi/linux/signal.h>
#include <base/string.h>
#include <posix/server/process/process.h>
#include <posix/server/tty/tty.h>
#include <posix/server/vfs/inode.h>

static struct session *session_of(const struct request *request)
{
	return request->process->group->session;
}

int64_t tty_check_background(struct tty *tty, struct request *request, int signal)
{
	struct process_group *group = request->process->group;

	if (group->session->tty != tty || tty->foreground == 0 || tty->foreground == group->pgid) {
		return 0;
	}
	if (signal_is_ignored_or_blocked(request->thread, signal)) {
		return signal == LINUX_SIGTTIN ? -LINUX_EIO : 0;
	}
	if (process_group_is_orphaned(group)) {
		return -LINUX_EIO;
	}
	signal_send_group(
		group, &(struct signal_info){ .signal = signal, .code = LINUX_SI_KERNEL });
	return -LINUX_ERESTARTSYS;
}

void tty_acquire(struct tty *tty, struct request *request)
{
	struct session *session = session_of(request);

	tty->session = session;
	tty->foreground = request->process->group->pgid;
	session_set_tty(session, tty);
}

static int64_t tty_set_controlling(struct tty *tty, struct request *request, uint64_t is_stealing)
{
	struct session *session = session_of(request);
	bool is_leader = session->sid == request->process->pid;

	if (is_leader && tty->session == session) {
		return 0;
	}
	if (!is_leader || session->tty != NULL) {
		return -LINUX_EPERM;
	}
	if (tty->session != NULL) {
		if (is_stealing != 1 ||
			!credentials_has(&request->process->credentials, LINUX_CAP_SYS_ADMIN)) {
			return -LINUX_EPERM;
		}
		session_set_tty(tty->session, NULL);
	}
	tty_acquire(tty, request);
	return 0;
}

/*
 * A leader takes the terminal from its whole session; others keep theirs, as it is the session's.
 */
static int64_t tty_give_up(struct tty *tty, struct request *request)
{
	struct session *session = session_of(request);

	if (session->tty != tty) {
		return -LINUX_ENOTTY;
	}
	if (session->sid == request->process->pid) {
		tty_signal_foreground(tty, LINUX_SIGHUP);
		tty_signal_foreground(tty, LINUX_SIGCONT);
		session_set_tty(session, NULL);
		tty->session = NULL;
		tty->foreground = 0;
	}
	return 0;
}

static int64_t tty_set_foreground(
	struct tty *tty, struct request *request, const void *buffer, size_t size)
{
	struct session *session = session_of(request);
	int32_t pgid;

	if (size < sizeof(pgid)) {
		return -LINUX_EFAULT;
	}
	memcpy(&pgid, buffer, sizeof(pgid));
	if (session->tty != tty) {
		return -LINUX_ENOTTY;
	}
	int64_t error = tty_check_background(tty, request, LINUX_SIGTTOU);

	if (error < 0) {
		return error;
	}
	if (pgid < 0) {
		return -LINUX_EINVAL;
	}
	struct process_group *group = process_group_find((uint32_t)pgid);

	if (group == NULL) {
		return -LINUX_ESRCH;
	}
	if (group->session != session) {
		return -LINUX_EPERM;
	}
	tty->foreground = group->pgid;
	return 0;
}

int64_t tty_job_control(struct tty *tty, struct request *request, uint32_t command, uint64_t value,
	void *buffer, size_t size, bool is_master)
{
	bool is_ours = is_master || session_of(request)->tty == tty;
	int32_t number;

	switch (command) {
	case LINUX_TIOCSCTTY: return tty_set_controlling(tty, request, value);
	case LINUX_TIOCNOTTY: return tty_give_up(tty, request);
	case LINUX_TIOCSPGRP: return tty_set_foreground(tty, request, buffer, size);
	case LINUX_TIOCGPGRP: number = (int32_t)tty->foreground; break;
	case LINUX_TIOCGSID:
		number = tty->session == NULL ? 0 : (int32_t)tty->session->sid;
		is_ours = is_ours && tty->session != NULL;
		break;
	default: return -LINUX_ENOTTY;
	}
	if (!is_ours) {
		return -LINUX_ENOTTY;
	}
	if (size < sizeof(number)) {
		return -LINUX_EFAULT;
	}
	memcpy(buffer, &number, sizeof(number));
	return 0;
}
