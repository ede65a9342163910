/* SPDX-License-Identifier: MIT */
/* Calls through the real dispatcher; see files.h. */
#include <posix/server/tests/files.h>

#include <helix/memory.h>
#include <posix/server/fs/tmpfs.h>
#include <posix/server/fs/unpack.h>
#include <posix/server/tests/files-machine.h>
#include <posix/server/vfs/dentry.h>
#include <posix/server/vfs/mount.h>

/* ---- the start and the end of a case ------------------------------------------------------- */

struct path case_root;

size_t n_blocks_before, n_memories_before, n_mappings_before;

/* The system's own tree is made once; what it keeps is no leak of a case. */
static void start_system(void)
{
	static bool is_started;

	if (is_started) {
		return;
	}
	is_started = true;
	ASSERT(vfs_init(&(struct boot_archive){ .data = "" }) == 0);
	case_root = *vfs_root();
	root = user_create(0);
	start(root, 319 /* memfd_create: its file system stays */, P("first"), V(0));
	ASSERT(result_of(root) >= 0);
	users_free();
}

void begin_with(const void *archive, size_t size)
{
	struct tmpfs_options options = tmpfs_default_options();
	struct super *super;

	start_system();
	fake_run_loop();
	n_blocks_before = fake_n_blocks;
	n_memories_before = fake_n_memories;
	n_mappings_before = fake_n_mappings;
	options.mode = 0755;
	ASSERT(tmpfs_create(&options, &super) == 0);
	hel_handle archive_memory = fake_memory_with(archive, size);
	ASSERT(unpack_archives(
		       super->root, &(struct boot_archive){ archive, size, archive_memory }) == 0);
	hel_close(HEL_THIS, archive_memory);
	ASSERT(mount_create(super, super->root, "case", 0, &case_root.mount) == 0);
	ASSERT(mount_tree_create(case_root.mount) != NULL);
	case_root.dentry = super->root;
	super_unref(super);
	root = user_create(0);
}

void begin(void)
{
	begin_with("", 0);
	ASSERT(call_mkdir(root, "/proc", 0755) == 0);
	ASSERT(call_mkdir(root, "/dev", 0755) == 0);
	ASSERT(call_mkdir(root, "/tmp", 01777) == 0);
	ASSERT(call_chmod(root, "/tmp", 01777) == 0);
	ASSERT(call_mount(root, "proc", "/proc", "proc", "", 0) == 0);
	ASSERT(call_mount(root, "dev", "/dev", "devtmpfs", "", 0) == 0);
}

void end_case(void)
{
	struct mount_tree *tree = case_root.mount->tree;

	users_free();
	fake_run_loop();
	mount_tree_end(tree);
}

/* ---- requests ------------------------------------------------------------------------------ */

void request_reply(struct request *request, int64_t result)
{
	struct user *user = container_of(request, struct user, request);
	struct request_internal *internal = request->internal;
	size_t size = 0;

	if (result >= 0 && internal->bulk != NULL) {
		size = internal->has_bulk_size ? internal->bulk_size : (size_t)result;
		size = internal->has_out_size ? internal->out_valid : size;
		memcpy(user->reply, internal->bulk, size);
	} else if (result >= 0 && internal->has_out) {
		size = internal->out_total;
		memcpy(user->reply, internal->out, size);
	}
	user->reply_size = size;
	user->result = result;
	user->has_result = true;
	request_drop(request);
}

void start_message(
	struct user *user, struct posix_request *header, const uint8_t *payload, size_t size)
{
	header->in_size = (uint32_t)size;
	user->has_result = false;
	int error = request_decode(&user->request, header, payload, size);

	if (error != 0) {
		user->result = error;
		user->has_result = true;
		request_drop(&user->request);
		return;
	}
	ASSERT(user->request_internal.row != NULL);
	ASSERT(user->request_internal.row->handler != NULL);
	request_run(&user->request);
}

void start_call(struct user *user, uint32_t number, uint32_t flags,
	const struct argument_value *arguments, size_t n_arguments)
{
	struct posix_request header = { .number = number, .flags = flags };
	static uint8_t payload[POSIX_PAYLOAD_MAX];
	size_t size = 0;

	for (size_t i = 0; i < n_arguments; i++) {
		header.args[i] = arguments[i].value;
		if (arguments[i].kind == ARG_PATH || arguments[i].kind == ARG_IN) {
			memset(payload + size, 0, align_up(arguments[i].value, 8));
			if (arguments[i].data == NULL) {
				header.null_mask |= 1u << i;
				continue;
			}
			memcpy(payload + size, arguments[i].data, arguments[i].value);
			size += align_up(arguments[i].value, 8);
		}
	}
	header.flags |= POSIX_REQUEST_BULK_OUT;
	start_message(user, &header, payload, size);
}

void start_raw(struct user *user, uint32_t number, const uint64_t *values, const void *payload,
	size_t size)
{
	struct posix_request header = { .number = number };

	memcpy(header.args, values, sizeof(header.args));
	start_message(user, &header, payload, size);
}

bool is_parked(const struct user *user)
{
	return !user->has_result;
}

int64_t result_of(struct user *user)
{
	fake_run_loop();
	ASSERT(user->has_result);
	return user->result;
}

void interrupt(struct user *user)
{
	ASSERT(request_interrupt(&user->request));
}

/* The result of a call that must not wait, and its output. */
static int64_t finish(struct user *user, void *out, size_t size)
{
	if (!user->has_result) {
		fake_run_loop();
	}
	if (!user->has_result) {
		interrupt(user);
		return user->result;
	}
	if (out != NULL && user->result >= 0) {
		memcpy(out, user->reply, min_size(size, user->reply_size));
	}
	return user->result;
}

int64_t answer_of(struct user *user)
{
	fake_run_loop();
	if (is_parked(user)) {
		interrupt(user);
	}
	return user->result;
}

/* ---- the usual calls ----------------------------------------------------------------------- */

enum {
	CALL_read = 0,
	CALL_write = 1,
	CALL_close = 3,
	CALL_lseek = 8,
	CALL_listen = 50,
	CALL_pread64 = 17,
	CALL_pwrite64 = 18,
	CALL_chdir = 80,
	CALL_getdents64 = 217,
	CALL_openat = 257,
	CALL_mkdirat = 258,
	CALL_fchownat = 260,
	CALL_newfstatat = 262,
	CALL_accept4 = 288,
	CALL_unlinkat = 263,
	CALL_linkat = 265,
	CALL_symlinkat = 266,
	CALL_readlinkat = 267,
	CALL_fchmodat = 268,
	CALL_pipe2 = 293,
	CALL_renameat2 = 316,
	CALL_faccessat2 = 439,
};

#define CWD V(LINUX_AT_FDCWD)

int64_t call_open(struct user *user, const char *path, uint32_t flags, uint32_t mode)
{
	start(user, CALL_openat, CWD, P(path), V(flags), V(mode));
	return finish(user, NULL, 0);
}

int64_t call_listen(struct user *user, int64_t fd, uint32_t backlog)
{
	start(user, CALL_listen, V(fd), V(backlog));
	return answer_of(user);
}

int64_t call_accept(struct user *user, int64_t fd)
{
	start(user, CALL_accept4, V(fd), OUT_DATA(120), V(0), V(0));
	return answer_of(user);
}

int64_t call_close(struct user *user, int64_t fd)
{
	start(user, CALL_close, V(fd));
	return finish(user, NULL, 0);
}

int64_t call_read(struct user *user, int64_t fd, void *buffer, size_t size)
{
	start(user, CALL_read, V(fd), V(0), V(size));
	return finish(user, buffer, size);
}

int64_t call_pread(struct user *user, int64_t fd, void *buffer, size_t size, uint64_t offset)
{
	start(user, CALL_pread64, V(fd), V(0), V(size), V(offset));
	return finish(user, buffer, size);
}

int64_t call_write(struct user *user, int64_t fd, const void *data, size_t size)
{
	start(user, CALL_write, V(fd), IN_DATA(data, size), V(size));
	return finish(user, NULL, 0);
}

int64_t call_pwrite(struct user *user, int64_t fd, const void *data, size_t size, uint64_t offset)
{
	start(user, CALL_pwrite64, V(fd), IN_DATA(data, size), V(size), V(offset));
	return finish(user, NULL, 0);
}

int64_t call_lseek(struct user *user, int64_t fd, int64_t offset, int whence)
{
	start(user, CALL_lseek, V(fd), V(offset), V(whence));
	return finish(user, NULL, 0);
}

int64_t call_pipe(struct user *user, int32_t *out_fds, uint32_t flags)
{
	start(user, CALL_pipe2, OUT_DATA(8), V(flags));
	return finish(user, out_fds, 8);
}

int64_t call_mkdir(struct user *user, const char *path, uint32_t mode)
{
	start(user, CALL_mkdirat, CWD, P(path), V(mode));
	return finish(user, NULL, 0);
}

int64_t call_unlink(struct user *user, const char *path)
{
	start(user, CALL_unlinkat, CWD, P(path), V(0));
	return finish(user, NULL, 0);
}

int64_t call_rmdir(struct user *user, const char *path)
{
	start(user, CALL_unlinkat, CWD, P(path), V(LINUX_AT_REMOVEDIR));
	return finish(user, NULL, 0);
}

int64_t call_rename(struct user *user, const char *from, const char *to, uint32_t flags)
{
	start(user, CALL_renameat2, CWD, P(from), CWD, P(to), V(flags));
	return finish(user, NULL, 0);
}

int64_t call_link(struct user *user, const char *from, const char *to)
{
	start(user, CALL_linkat, CWD, P(from), CWD, P(to), V(0));
	return finish(user, NULL, 0);
}

int64_t call_symlink(struct user *user, const char *target, const char *path)
{
	start(user, CALL_symlinkat, P(target), CWD, P(path));
	return finish(user, NULL, 0);
}

int64_t call_readlink(struct user *user, const char *path, char *buffer, size_t size)
{
	start(user, CALL_readlinkat, CWD, P(path), OUT_DATA(size), V(size));
	int64_t length = finish(user, buffer, size);

	if (length >= 0 && (size_t)length < size) {
		buffer[length] = '\0';
	}
	return length;
}

int64_t call_stat(struct user *user, const char *path, struct linux_stat *out_stat)
{
	start(user, CALL_newfstatat, CWD, P(path), OUT_DATA(144), V(0));
	return finish(user, out_stat, sizeof(*out_stat));
}

int64_t call_lstat(struct user *user, const char *path, struct linux_stat *out_stat)
{
	start(user, CALL_newfstatat, CWD, P(path), OUT_DATA(144), V(LINUX_AT_SYMLINK_NOFOLLOW));
	return finish(user, out_stat, sizeof(*out_stat));
}

int64_t call_fstat(struct user *user, int64_t fd, struct linux_stat *out_stat)
{
	start(user, CALL_newfstatat, V(fd), P(""), OUT_DATA(144), V(LINUX_AT_EMPTY_PATH));
	return finish(user, out_stat, sizeof(*out_stat));
}

int64_t call_chmod(struct user *user, const char *path, uint32_t mode)
{
	start(user, CALL_fchmodat, CWD, P(path), V(mode));
	return finish(user, NULL, 0);
}

int64_t call_chown(struct user *user, const char *path, uint32_t uid, uint32_t gid)
{
	start(user, CALL_fchownat, CWD, P(path), V(uid), V(gid), V(0));
	return finish(user, NULL, 0);
}

int64_t call_chdir(struct user *user, const char *path)
{
	start(user, CALL_chdir, P(path));
	return finish(user, NULL, 0);
}

int64_t call_getcwd(struct user *user, char *buffer, size_t size)
{
	start_raw(user, POSIX_GETCWD, (const uint64_t[6]){ size }, NULL, 0);
	return finish(user, buffer, size);
}

int64_t call_access(struct user *user, const char *path, uint32_t access)
{
	start(user, CALL_faccessat2, CWD, P(path), V(access), V(0));
	return finish(user, NULL, 0);
}

int64_t call_fcntl(struct user *user, int64_t fd, uint32_t command, uint64_t value)
{
	start_raw(user, POSIX_FCNTL, (const uint64_t[6]){ (uint64_t)fd, command, value }, NULL, 0);
	return finish(user, NULL, 0);
}

int64_t call_lock(struct user *user, int64_t fd, uint32_t command, struct linux_flock *flock)
{
	start_raw(user, POSIX_FCNTL, (const uint64_t[6]){ (uint64_t)fd, command }, flock,
		sizeof(*flock));
	if (is_parked(user)) {
		return REQUEST_PARK;
	}
	return finish(user, flock, sizeof(*flock));
}

int64_t call_poll(struct user *user, struct linux_pollfd *fds, size_t n_fds, uint64_t timeout_ns)
{
	start_raw(user, POSIX_POLL, (const uint64_t[6]){ n_fds, timeout_ns }, fds,
		n_fds * sizeof(*fds));
	if (is_parked(user)) {
		return REQUEST_PARK;
	}
	return finish(user, fds, n_fds * sizeof(*fds));
}

int64_t call_ioctl(struct user *user, int64_t fd, uint32_t command, uint64_t value, void *buffer,
	size_t in_size, size_t out_size)
{
	start_raw(user, POSIX_IOCTL,
		(const uint64_t[6]){ (uint64_t)fd, command, value, in_size, out_size }, buffer,
		in_size);
	if (is_parked(user)) {
		return REQUEST_PARK;
	}
	return finish(user, buffer, out_size);
}

void start_mount(struct user *user, const char *source, const char *target, const char *type,
	const char *options, uint64_t flags)
{
	const char *strings[] = { source, target, type, options };
	uint8_t payload[512] = { 0 };
	size_t size = 0;

	for (unsigned i = 0; i < 4; i++) {
		memcpy(payload + size, strings[i], strlen(strings[i]) + 1);
		size += align_up(strlen(strings[i]) + 1, 8);
	}
	start_raw(user, POSIX_MOUNT, (const uint64_t[6]){ flags }, payload, size);
}

int64_t call_mount(struct user *user, const char *source, const char *target, const char *type,
	const char *options, uint64_t flags)
{
	start_mount(user, source, target, type, options, flags);
	return finish(user, NULL, 0);
}

/* ---- conveniences -------------------------------------------------------------------------- */

void write_file(struct user *user, const char *path, const char *text)
{
	int64_t fd = call_open(user, path, LINUX_O_WRONLY | LINUX_O_CREAT | LINUX_O_TRUNC, 0644);

	ASSERT(fd >= 0);
	ASSERT(call_write(user, fd, text, strlen(text)) == (int64_t)strlen(text));
	ASSERT(call_close(user, fd) == 0);
}

const char *file_text(struct user *user, const char *path)
{
	static char text[8192];
	int64_t fd = call_open(user, path, LINUX_O_RDONLY, 0);
	int64_t size = fd < 0 ? -1 : call_read(user, fd, text, sizeof(text) - 1);

	if (fd >= 0) {
		call_close(user, fd);
	}
	if (size < 0) {
		return "?";
	}
	text[size] = '\0';
	return text;
}

const char *list(struct user *user, const char *path)
{
	static char names[65536];
	int64_t fd = call_open(user, path, LINUX_O_RDONLY | LINUX_O_DIRECTORY, 0);
	size_t used = 0;

	ASSERT(fd >= 0);
	for (;;) {
		start(user, CALL_getdents64, V(fd), V(0), V(256));
		int64_t size = result_of(user);

		ASSERT(size >= 0);
		if (size == 0) {
			break;
		}
		for (int64_t at = 0; at < size;) {
			const struct linux_dirent64 *entry = (const void *)(user->reply + at);

			if (strcmp(entry->name, ".") != 0 && strcmp(entry->name, "..") != 0) {
				used += (size_t)sprintf(names + used, "%s ", entry->name);
			}
			at += entry->record_size;
		}
	}
	names[used] = '\0';
	call_close(user, fd);
	return names;
}
