/* SPDX-License-Identifier: MIT */
/* Capabilities: the rules of capabilities(7), and capget and capset. See capabilities.h. */
#include <posix/server/process/capabilities.h>

#include <abi/linux/prctl.h>
#include <abi/linux/xattr.h>
#include <base/string.h>
#include <posix/server/file/handlers.h>
#include <posix/server/vfs/xattr.h>

/* What follows the user id of the file system. */
static uint64_t file_set(void)
{
	return capability_bit(LINUX_CAP_CHOWN) | capability_bit(LINUX_CAP_MKNOD) |
		capability_bit(LINUX_CAP_DAC_OVERRIDE) | capability_bit(LINUX_CAP_DAC_READ_SEARCH) |
		capability_bit(LINUX_CAP_FOWNER) | capability_bit(LINUX_CAP_FSETID) |
		capability_bit(LINUX_CAP_LINUX_IMMUTABLE) | capability_bit(LINUX_CAP_MAC_OVERRIDE);
}

static void trim_ambient(struct capabilities *sets)
{
	sets->ambient &= sets->permitted & sets->inheritable;
}

/* ---- user ids -------------------------------------------------------------------------------- */

void capabilities_change_uids(struct credentials *credentials, const struct credentials *old)
{
	struct capabilities *sets = &credentials->capabilities;
	bool was_root = old->uid == 0 || old->euid == 0 || old->suid == 0;
	bool is_root = credentials->uid == 0 || credentials->euid == 0 || credentials->suid == 0;

	if ((sets->securebits & LINUX_SECBIT_NO_SETUID_FIXUP) != 0) {
		return;
	}
	if (was_root && !is_root) {
		if ((sets->securebits & LINUX_SECBIT_KEEP_CAPS) == 0) {
			sets->permitted = 0;
			sets->effective = 0;
		}
		sets->ambient = 0;
	}
	if (old->euid == 0 && credentials->euid != 0) {
		sets->effective = 0;
	} else if (old->euid != 0 && credentials->euid == 0) {
		sets->effective = sets->permitted;
	}
}

void capabilities_change_fsuid(struct credentials *credentials, const struct credentials *old)
{
	struct capabilities *sets = &credentials->capabilities;

	if ((sets->securebits & LINUX_SECBIT_NO_SETUID_FIXUP) != 0) {
		return;
	}
	if (old->fsuid == 0 && credentials->fsuid != 0) {
		sets->effective &= ~file_set();
	} else if (old->fsuid != 0 && credentials->fsuid == 0) {
		sets->effective |= sets->permitted & file_set();
	}
}

/* ---- exec ------------------------------------------------------------------------------------ */

struct file_capabilities {
	uint64_t permitted, inheritable;
	bool is_effective;
};

/* What a file gives to who runs it; false: nothing, or nothing that can be understood. */
static bool file_capabilities_of(const struct inode *inode, struct file_capabilities *out_file)
{
	struct linux_vfs_cap_data data = { 0 };
	const void *value;
	int64_t size = xattr_get(inode, LINUX_XATTR_CAPABILITY, &value);

	if (size < (int64_t)sizeof(data.magic)) {
		return false;
	}
	memcpy(&data, value, min_size((size_t)size, sizeof(data)));
	uint32_t revision = data.magic & LINUX_VFS_CAP_REVISION_MASK;

	if (revision == LINUX_VFS_CAP_REVISION_3 && data.root_id != 0) {
		return false; /* for another user namespace */
	}
	if (revision == LINUX_VFS_CAP_REVISION_1) {
		memset(&data.data[1], 0, sizeof(data.data[1]));
	}
	*out_file = (struct file_capabilities){
		.permitted = (data.data[0].permitted | (uint64_t)data.data[1].permitted << 32) &
			LINUX_CAPS_ALL,
		.inheritable =
			(data.data[0].inheritable | (uint64_t)data.data[1].inheritable << 32) &
			LINUX_CAPS_ALL,
		.is_effective = (data.magic & LINUX_VFS_CAP_EFFECTIVE) != 0,
	};
	return true;
}

int64_t capabilities_exec(struct credentials *credentials, const struct credentials *old,
	const struct inode *inode, bool has_file_rights, bool *out_is_secure)
{
	struct capabilities *sets = &credentials->capabilities;
	struct file_capabilities file = { 0 };
	bool has_file = has_file_rights && file_capabilities_of(inode, &file);
	bool has_set_id = credentials->euid != old->euid || credentials->egid != old->egid;
	uint64_t permitted =
		(sets->bounding & file.permitted) | (sets->inheritable & file.inheritable);

	if (has_file && file.is_effective && (file.permitted & ~permitted) != 0) {
		return -LINUX_EPERM;
	}
	bool is_root = (credentials->uid == 0 || credentials->euid == 0) &&
		(sets->securebits & LINUX_SECBIT_NOROOT) == 0;

	/* a file that says what it gives does so, unless it is the user 0 who runs it */
	if (is_root && !(has_file && credentials->uid != 0)) {
		permitted = sets->bounding | sets->inheritable;
		file.is_effective = credentials->euid == 0;
	}
	if (has_set_id || has_file) {
		sets->ambient = 0;
	}
	sets->permitted = permitted | sets->ambient;
	sets->effective = file.is_effective ? sets->permitted : sets->ambient;
	sets->securebits &= ~(uint32_t)LINUX_SECBIT_KEEP_CAPS;
	if (credentials->uid != 0 && (file.is_effective || (permitted & ~sets->ambient) != 0)) {
		*out_is_secure = true;
	}
	return 0;
}

/* ---- prctl ----------------------------------------------------------------------------------- */

int64_t capabilities_read_bounding(const struct credentials *credentials, uint64_t capability)
{
	return capability > LINUX_CAP_LAST
		? -LINUX_EINVAL
		: (int64_t)(credentials->capabilities.bounding >> capability & 1);
}

int64_t capabilities_drop_bounding(struct credentials *credentials, uint64_t capability)
{
	if (!credentials_has(credentials, LINUX_CAP_SETPCAP)) {
		return -LINUX_EPERM;
	}
	if (capability > LINUX_CAP_LAST) {
		return -LINUX_EINVAL;
	}
	credentials->capabilities.bounding &= ~(UINT64_C(1) << capability);
	return 0;
}

int64_t capabilities_change_ambient(
	struct credentials *credentials, uint64_t operation, uint64_t capability)
{
	struct capabilities *sets = &credentials->capabilities;
	uint64_t mask = UINT64_C(1) << (capability & 63);

	if (operation == LINUX_PR_CAP_AMBIENT_CLEAR_ALL) {
		if (capability != 0) {
			return -LINUX_EINVAL;
		}
		sets->ambient = 0;
		return 0;
	}
	if (capability > LINUX_CAP_LAST) {
		return -LINUX_EINVAL;
	}
	switch (operation) {
	case LINUX_PR_CAP_AMBIENT_IS_SET: return (sets->ambient & mask) != 0;
	case LINUX_PR_CAP_AMBIENT_LOWER: sets->ambient &= ~mask; return 0;
	case LINUX_PR_CAP_AMBIENT_RAISE:
		if ((sets->permitted & sets->inheritable & mask) == 0 ||
			(sets->securebits & LINUX_SECBIT_NO_CAP_AMBIENT_RAISE) != 0) {
			return -LINUX_EPERM;
		}
		sets->ambient |= mask;
		return 0;
	default: return -LINUX_EINVAL;
	}
}

int64_t capabilities_set_securebits(struct credentials *credentials, uint64_t bits)
{
	struct capabilities *sets = &credentials->capabilities;
	uint32_t locked = (sets->securebits & LINUX_SECUREBITS_LOCKS) >> 1;

	/* locks stay, and so does what they lock */
	if ((bits & ~(uint64_t)LINUX_SECUREBITS_ALL) != 0 ||
		(locked & (sets->securebits ^ (uint32_t)bits)) != 0 ||
		(sets->securebits & LINUX_SECUREBITS_LOCKS & ~(uint32_t)bits) != 0 ||
		!credentials_has(credentials, LINUX_CAP_SETPCAP)) {
		return -LINUX_EPERM;
	}
	sets->securebits = (uint32_t)bits;
	return 0;
}

/* ---- capget, capset -------------------------------------------------------------------------- */

int64_t posix_capget(struct request *request)
{
	int32_t pid = (int32_t)request->args[0];
	struct linux_cap_data *out = request_out(request, 1, NULL);

	if (pid < 0) {
		return -LINUX_EINVAL;
	}
	if (out == NULL) {
		return -LINUX_EFAULT;
	}
	const struct thread *thread = pid == 0 ? request->thread : thread_find((uint32_t)pid);

	if (thread == NULL) {
		return -LINUX_ESRCH;
	}
	const struct capabilities *sets = &thread->process->credentials.capabilities;

	for (unsigned i = 0; i < 2; i++) {
		out[i] = (struct linux_cap_data){
			.effective = (uint32_t)(sets->effective >> 32 * i),
			.permitted = (uint32_t)(sets->permitted >> 32 * i),
			.inheritable = (uint32_t)(sets->inheritable >> 32 * i),
		};
	}
	return 0;
}

int64_t posix_capset(struct request *request)
{
	uint32_t pid = (uint32_t)request->args[0];
	struct credentials *credentials = &request->process->credentials;
	struct capabilities *sets = &credentials->capabilities;
	struct linux_cap_data data[2];
	size_t size;
	const void *in = request_in(request, 1, &size);

	if (pid != 0 && pid != request->thread->tid) {
		return -LINUX_EPERM;
	}
	if (in == NULL || size != sizeof(data)) {
		return -LINUX_EFAULT;
	}
	memcpy(data, in, sizeof(data));
	uint64_t effective = (data[0].effective | (uint64_t)data[1].effective << 32);
	uint64_t permitted = (data[0].permitted | (uint64_t)data[1].permitted << 32);
	uint64_t inheritable = (data[0].inheritable | (uint64_t)data[1].inheritable << 32);

	effective &= LINUX_CAPS_ALL;
	permitted &= LINUX_CAPS_ALL;
	inheritable &= LINUX_CAPS_ALL;
	if ((!credentials_has(credentials, LINUX_CAP_SETPCAP) &&
		    (inheritable & ~(sets->inheritable | sets->permitted)) != 0) ||
		(inheritable & ~(sets->inheritable | sets->bounding)) != 0 ||
		(permitted & ~sets->permitted) != 0 || (effective & ~permitted) != 0) {
		return -LINUX_EPERM;
	}
	sets->effective = effective;
	sets->permitted = permitted;
	sets->inheritable = inheritable;
	trim_ambient(sets);
	process_publish(request->process);
	return 0;
}
