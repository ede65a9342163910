/* SPDX-License-Identifier: MIT */
/*
 * Credentials: the set*id family by Linux' rules.
 *
 * A call that would change nothing it may not change succeeds; -1 means "leave as it is". The
 * file-system id follows the effective one. Capabilities follow user ids: capabilities.c.
 */
#include <base/string.h>
#include <posix/server/file/handlers.h>
#include <posix/server/process/capabilities.h>

constexpr uint32_t UNCHANGED = UINT32_MAX;

/* Real, effective, saved, file-system: the same four for users and groups. */
struct ids {
	uint32_t real, effective, saved, fs;
};

static struct ids uids_of(const struct process *process)
{
	const struct credentials *c = &process->credentials;

	return (struct ids){ c->uid, c->euid, c->suid, c->fsuid };
}

static struct ids gids_of(const struct process *process)
{
	const struct credentials *c = &process->credentials;

	return (struct ids){ c->gid, c->egid, c->sgid, c->fsgid };
}

/* Changed ids end what only the old ones allowed. */
static int64_t finish(struct process *process, bool has_changed)
{
	if (has_changed) {
		process->internal->is_dumpable = false;
		process->internal->parent_death_signal = 0;
	}
	process_publish(process);
	return 0;
}

static int64_t set_uids(struct process *process, const struct ids *ids)
{
	struct credentials *c = &process->credentials;
	struct credentials old = *c;
	int64_t error = process_change_user(process, ids->real);

	if (error != 0) {
		return error;
	}
	c->uid = ids->real;
	c->euid = ids->effective;
	c->suid = ids->saved;
	c->fsuid = ids->fs;
	capabilities_change_uids(c, &old);
	return finish(process, old.euid != c->euid || old.fsuid != c->fsuid);
}

static int64_t set_gids(struct process *process, const struct ids *ids)
{
	struct credentials *c = &process->credentials;
	bool has_changed = c->egid != ids->effective || c->fsgid != ids->fs;

	c->gid = ids->real;
	c->egid = ids->effective;
	c->sgid = ids->saved;
	c->fsgid = ids->fs;
	return finish(process, has_changed);
}

/* ---- the rules ------------------------------------------------------------------------------- */

static int64_t change_one(struct ids *ids, uint32_t id, bool is_privileged)
{
	if (id == UNCHANGED) {
		return -LINUX_EINVAL;
	}
	if (is_privileged) {
		ids->real = ids->saved = id;
	} else if (id != ids->real && id != ids->saved) {
		return -LINUX_EPERM;
	}
	ids->effective = ids->fs = id;
	return 0;
}

static int64_t change_two(struct ids *ids, uint32_t real, uint32_t effective, bool is_privileged)
{
	struct ids old = *ids;

	if (real != UNCHANGED) {
		if (!is_privileged && real != old.real && real != old.effective) {
			return -LINUX_EPERM;
		}
		ids->real = real;
	}
	if (effective != UNCHANGED) {
		if (!is_privileged && effective != old.real && effective != old.effective &&
			effective != old.saved) {
			return -LINUX_EPERM;
		}
		ids->effective = effective;
	}
	if (real != UNCHANGED || (effective != UNCHANGED && effective != old.real)) {
		ids->saved = ids->effective;
	}
	ids->fs = ids->effective;
	return 0;
}

static bool may_become(const struct ids *ids, uint32_t id, bool is_privileged)
{
	return id == UNCHANGED || is_privileged || id == ids->real || id == ids->effective ||
		id == ids->saved;
}

static int64_t change_three(struct ids *ids, const uint64_t args[3], bool is_privileged)
{
	uint32_t real = (uint32_t)args[0], effective = (uint32_t)args[1], saved = (uint32_t)args[2];

	if (!may_become(ids, real, is_privileged) || !may_become(ids, effective, is_privileged) ||
		!may_become(ids, saved, is_privileged)) {
		return -LINUX_EPERM;
	}
	ids->real = real != UNCHANGED ? real : ids->real;
	ids->effective = effective != UNCHANGED ? effective : ids->effective;
	ids->saved = saved != UNCHANGED ? saved : ids->saved;
	ids->fs = ids->effective;
	return 0;
}

/* ---- calls ----------------------------------------------------------------------------------- */

int64_t posix_setuid(struct request *request)
{
	struct ids ids = uids_of(request->process);
	int64_t error = change_one(
		&ids, (uint32_t)request->args[0], process_has(request->process, LINUX_CAP_SETUID));

	return error != 0 ? error : set_uids(request->process, &ids);
}

int64_t posix_setgid(struct request *request)
{
	struct ids ids = gids_of(request->process);
	int64_t error = change_one(
		&ids, (uint32_t)request->args[0], process_has(request->process, LINUX_CAP_SETGID));

	return error != 0 ? error : set_gids(request->process, &ids);
}

int64_t posix_setreuid(struct request *request)
{
	struct ids ids = uids_of(request->process);
	int64_t error = change_two(&ids, (uint32_t)request->args[0], (uint32_t)request->args[1],
		process_has(request->process, LINUX_CAP_SETUID));

	return error != 0 ? error : set_uids(request->process, &ids);
}

int64_t posix_setregid(struct request *request)
{
	struct ids ids = gids_of(request->process);
	int64_t error = change_two(&ids, (uint32_t)request->args[0], (uint32_t)request->args[1],
		process_has(request->process, LINUX_CAP_SETGID));

	return error != 0 ? error : set_gids(request->process, &ids);
}

int64_t posix_setresuid(struct request *request)
{
	struct ids ids = uids_of(request->process);
	int64_t error =
		change_three(&ids, request->args, process_has(request->process, LINUX_CAP_SETUID));

	return error != 0 ? error : set_uids(request->process, &ids);
}

int64_t posix_setresgid(struct request *request)
{
	struct ids ids = gids_of(request->process);
	int64_t error =
		change_three(&ids, request->args, process_has(request->process, LINUX_CAP_SETGID));

	return error != 0 ? error : set_gids(request->process, &ids);
}

static int64_t put_three(struct request *request, const struct ids *ids)
{
	const uint32_t values[3] = { ids->real, ids->effective, ids->saved };

	for (unsigned i = 0; i < 3; i++) {
		uint32_t *out = request_out(request, i, NULL);

		if (out == NULL) {
			return -LINUX_EFAULT;
		}
		*out = values[i];
	}
	return 0;
}

int64_t posix_getresuid(struct request *request)
{
	struct ids ids = uids_of(request->process);

	return put_three(request, &ids);
}

int64_t posix_getresgid(struct request *request)
{
	struct ids ids = gids_of(request->process);

	return put_three(request, &ids);
}

/* These two answer with the old value, whether they did anything or not. */
int64_t posix_setfsuid(struct request *request)
{
	struct ids ids = uids_of(request->process);
	uint32_t old = ids.fs, id = (uint32_t)request->args[0];

	if (id != UNCHANGED &&
		(may_become(&ids, id, process_has(request->process, LINUX_CAP_SETUID)) ||
			id == old)) {
		struct credentials *c = &request->process->credentials;
		struct credentials before = *c;

		c->fsuid = id;
		capabilities_change_fsuid(c, &before);
		(void)finish(request->process, id != old);
	}
	return old;
}

int64_t posix_setfsgid(struct request *request)
{
	struct ids ids = gids_of(request->process);
	uint32_t old = ids.fs, id = (uint32_t)request->args[0];

	if (id != UNCHANGED &&
		(may_become(&ids, id, process_has(request->process, LINUX_CAP_SETGID)) ||
			id == old)) {
		ids.fs = id;
		(void)set_gids(request->process, &ids);
	}
	return old;
}

int64_t posix_getgroups(struct request *request)
{
	const struct credentials *credentials = &request->process->credentials;
	int32_t count = (int32_t)request->args[0];
	uint32_t *out;

	if (count < 0) {
		return -LINUX_EINVAL;
	}
	if (count == 0) {
		return credentials->n_groups;
	}
	if ((uint32_t)count < credentials->n_groups) {
		return -LINUX_EINVAL;
	}
	out = request_out(request, 1, NULL);
	if (out == NULL) {
		return credentials->n_groups == 0 ? 0 : -LINUX_EFAULT;
	}
	memcpy(out, credentials->groups, credentials->n_groups * sizeof(*out));
	request_set_out_size(request, credentials->n_groups * sizeof(*out));
	return credentials->n_groups;
}

int64_t posix_setgroups(struct request *request)
{
	struct credentials *credentials = &request->process->credentials;
	uint32_t count = (uint32_t)request->args[0];
	size_t size;
	const uint32_t *groups = request_in(request, 1, &size);

	if (!process_has(request->process, LINUX_CAP_SETGID)) {
		return -LINUX_EPERM;
	}
	if (count > ARRAY_SIZE(credentials->groups)) {
		return -LINUX_EINVAL;
	}
	if (count != 0 && (groups == NULL || size < count * sizeof(*groups))) {
		return -LINUX_EFAULT;
	}
	if (count != 0) {
		memcpy(credentials->groups, groups, count * sizeof(*groups));
	}
	credentials->n_groups = count;
	return 0;
}

/* ---- logins ---------------------------------------------------------------------------------- */

int64_t process_set_login(struct process *process, uint32_t uid)
{
	static uint32_t n_sessions;
	struct process_internal *internal = process->internal;

	if (internal->login_uid != LOGIN_NONE && !process_has(process, LINUX_CAP_AUDIT_CONTROL)) {
		return -LINUX_EPERM;
	}
	internal->login_uid = uid;
	internal->login_session = LOGIN_NONE;
	if (uid != LOGIN_NONE) {
		n_sessions = n_sessions + 1 == LOGIN_NONE ? 1 : n_sessions + 1;
		internal->login_session = n_sessions;
	}
	return 0;
}
