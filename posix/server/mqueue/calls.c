/* SPDX-License-Identifier: MIT */
/* mq_open, mq_unlink, mq_timedsend, mq_timedreceive, mq_getsetattr; mq_notify is in notify.c. */
#include <base/string.h>
#include <helix/memory.h>
#include <posix/server/mqueue/mqueue.h>
#include <posix/server/mqueue/program-memory.h>
#include <posix/server/time/expiry.h>
#include <posix/server/vfs/call.h>

/* ---- names ----------------------------------------------------------------------------------- */

/* One component; C libraries have taken the slash off that programs put before it. */
static int64_t check_name(const char *name)
{
	if (name[0] == '\0') {
		return -LINUX_ENOENT;
	}
	if (str_equal(name, ".") || str_equal(name, "..") || strchr(name, '/') != NULL) {
		return -LINUX_EACCES;
	}
	return strlen(name) > NAME_SIZE_MAX ? -LINUX_ENAMETOOLONG : 0;
}

/* The dentry of a name, referenced; only if @is_wanted one of nothing. */
static int64_t find_name(
	struct mqueue_super *super, const char *name, bool is_wanted, struct dentry **out_dentry)
{
	int64_t error = check_name(name);

	if (error == 0) {
		error = dentry_find(super->super.root, name, strlen(name), is_wanted, out_dentry);
	}
	if (error == 0 && (*out_dentry)->inode == NULL && !is_wanted) {
		dentry_unref(*out_dentry);
		error = -LINUX_ENOENT;
	}
	return error;
}

static struct path path_of_root(struct mqueue_super *super)
{
	return (struct path){ .mount = &super->mount, .dentry = super->super.root };
}

int64_t posix_mq_unlink(struct request *request)
{
	struct mqueue_super *super = mqueue_super();
	struct path root = path_of_root(super);
	struct dentry *dentry;
	int64_t error = find_name(super, request_path(request, 0), false, &dentry);

	if (error < 0) {
		return error;
	}
	error = name_remove(&request->process->credentials, &root, dentry);
	dentry_unref(dentry);
	return error;
}

/* ---- mq_open --------------------------------------------------------------------------------- */

static int64_t create(struct request *request, struct dentry *dentry)
{
	const struct process *process = request->process;
	struct path root = path_of_root(mqueue_super());
	struct node_spec spec = {
		.mode = LINUX_S_IFREG | ((uint32_t)request->args[2] & 07777 & ~process->fs->umask),
		.uid = process->credentials.fsuid,
		.gid = process->credentials.fsgid,
	};
	int64_t error = name_may_create(&process->credentials, &root);

	if (error == 0) {
		error = mqueue_make(dentry, process, &spec, request_in(request, 3, NULL));
	}
	if (error == 0) {
		notify_child(dentry, LINUX_IN_CREATE);
	}
	return error;
}

static int64_t check_existing(const struct request *request, const struct dentry *dentry)
{
	static const uint32_t access_by_mode[] = {
		[LINUX_O_RDONLY] = ACCESS_READ,
		[LINUX_O_WRONLY] = ACCESS_WRITE,
		[LINUX_O_RDWR] = ACCESS_READ | ACCESS_WRITE,
	};
	uint32_t flags = (uint32_t)request->args[1], mode = flags & LINUX_O_ACCMODE;

	if ((flags & LINUX_O_CREAT) && (flags & LINUX_O_EXCL)) {
		return -LINUX_EEXIST;
	}
	return mode == LINUX_O_ACCMODE ? -LINUX_EINVAL
				       : inode_permission(&request->process->credentials,
						 dentry->inode, access_by_mode[mode]);
}

/* Queue descriptors are always closed by exec. */
static int64_t open_queue(struct request *request, struct dentry *dentry)
{
	constexpr uint32_t once =
		LINUX_O_CREAT | LINUX_O_EXCL | LINUX_O_NOCTTY | LINUX_O_TRUNC | LINUX_O_CLOEXEC;
	uint32_t flags = (uint32_t)request->args[1] & ~once;
	struct file *file;

	if (flags & LINUX_O_PATH) {
		flags = LINUX_O_PATH;
	} else if (flags & LINUX_O_DIRECT) {
		return -LINUX_EINVAL;
	}
	int64_t error =
		file_create(request->process, &mqueue_file_ops, dentry->inode, flags, &file);

	if (error < 0) {
		return error;
	}
	file->path = (struct path){ .mount = &mqueue_super()->mount, .dentry = dentry };
	path_ref(&file->path);
	file->is_announced = true;
	notify_file(file, LINUX_IN_OPEN);
	return file_install(request, file, true);
}

int64_t posix_mq_open(struct request *request)
{
	struct process *process = request->process;
	bool is_creating = ((uint32_t)request->args[1] & LINUX_O_CREAT) != 0;
	struct dentry *dentry;

	if (!fd_table_has_room(process->files, process->limits[LIMIT_NOFILE][0])) {
		return -LINUX_EMFILE;
	}
	int64_t result = find_name(mqueue_super(), request_path(request, 0), is_creating, &dentry);

	if (result < 0) {
		return result;
	}
	result = dentry->inode == NULL ? create(request, dentry) : check_existing(request, dentry);
	if (result == 0) {
		result = open_queue(request, dentry);
	}
	dentry_unref(dentry);
	return result;
}

/* ---- messages -------------------------------------------------------------------------------- */

/* The deadline of a call, a moment of the wall clock; UINT64_MAX: none. */
static int64_t read_deadline(struct request *request, uint64_t *out_deadline_ns)
{
	const struct linux_timespec *time = request_in(request, 4, NULL);

	*out_deadline_ns = UINT64_MAX;
	return time == NULL || timespec_decode(time, out_deadline_ns) ? 0 : -LINUX_EINVAL;
}

/* The file of a descriptor of a queue; NULL: EBADF. */
static struct file *queue_file(struct request *request)
{
	struct file *file = file_of_fd(request, request->args[0]);

	return file != NULL && file->ops == &mqueue_file_ops ? file : NULL;
}

static int64_t read_message(const struct request *request, struct mqueue_message **out_message)
{
	size_t size = (size_t)request->args[2];
	struct mqueue_message *message = helix_malloc(sizeof(*message) + size);

	if (message == NULL) {
		return -LINUX_ENOMEM;
	}
	*message = (struct mqueue_message){
		.priority = (uint32_t)request->args[3],
		.size = size,
	};
	int64_t error = program_read(request, request->args[1], message->bytes, size);

	if (error < 0) {
		helix_free(message);
		return error;
	}
	*out_message = message;
	return 0;
}

static int64_t send(struct request *request, uint64_t deadline_ns)
{
	struct file *file = queue_file(request);
	struct mqueue_message *message;

	if (file == NULL || !file_is_writable(file)) {
		return -LINUX_EBADF;
	}
	struct mqueue *queue = mqueue_of(file->inode);

	if (request->args[2] > queue->message_size_max) {
		return -LINUX_EMSGSIZE;
	}
	int64_t result = read_message(request, &message);

	if (result < 0) {
		return result;
	}
	if (!mqueue_is_full(queue)) {
		mqueue_send(queue, request->process, message);
		return 0;
	}
	result = mqueue_wait(request, file, message, deadline_ns);
	if (result != REQUEST_PARK) {
		helix_free(message);
	}
	return result;
}

int64_t posix_mq_timedsend(struct request *request)
{
	const struct mqueue_message *nothing;
	uint64_t deadline_ns;
	int64_t error;

	if (!request->is_first_attempt) {
		return mqueue_wait_result(request, &nothing);
	}
	error = read_deadline(request, &deadline_ns);
	if (error == 0 && (uint32_t)request->args[3] >= LINUX_MQ_PRIO_MAX) {
		error = -LINUX_EINVAL;
	}
	return error < 0 ? error : send(request, deadline_ns);
}

/* The program gets the message: its size. */
static int64_t deliver(struct request *request, const struct mqueue_message *message)
{
	uint32_t *out_priority = request_out(request, 3, NULL);
	int64_t error = program_write(request, request->args[1], message->bytes, message->size);

	if (error < 0) {
		return error;
	}
	if (out_priority != NULL) {
		*out_priority = message->priority;
	}
	return (int64_t)message->size;
}

static int64_t receive(struct request *request, uint64_t deadline_ns)
{
	struct file *file = queue_file(request);

	if (file == NULL || !file_is_readable(file)) {
		return -LINUX_EBADF;
	}
	struct mqueue *queue = mqueue_of(file->inode);

	if (request->args[2] < queue->message_size_max) {
		return -LINUX_EMSGSIZE;
	}
	struct mqueue_message *message = mqueue_receive(queue);

	if (message == NULL) {
		return mqueue_wait(request, file, NULL, deadline_ns);
	}
	int64_t result = deliver(request, message);

	helix_free(message);
	return result;
}

int64_t posix_mq_timedreceive(struct request *request)
{
	const struct mqueue_message *message;
	uint64_t deadline_ns;
	int64_t result;

	if (request->is_first_attempt) {
		result = read_deadline(request, &deadline_ns);
		return result < 0 ? result : receive(request, deadline_ns);
	}
	result = mqueue_wait_result(request, &message);
	return result == 0 ? deliver(request, message) : result;
}

/* ---- mq_getsetattr --------------------------------------------------------------------------- */

static void describe(const struct file *file, struct linux_mq_attr *out)
{
	const struct mqueue *queue = mqueue_of(file->inode);

	*out = (struct linux_mq_attr){
		.flags = file->flags & LINUX_O_NONBLOCK,
		.n_messages_max = queue->n_messages_max,
		.message_size_max = queue->message_size_max,
		.n_messages = queue->n_messages,
	};
}

int64_t posix_mq_getsetattr(struct request *request)
{
	const struct linux_mq_attr *new = request_in(request, 1, NULL);
	struct linux_mq_attr *old = request_out(request, 2, NULL);

	if (new != NULL && ((uint64_t)new->flags & ~(uint64_t)LINUX_O_NONBLOCK) != 0) {
		return -LINUX_EINVAL;
	}
	struct file *file = queue_file(request);

	if (file == NULL) {
		return -LINUX_EBADF;
	}
	if (old != NULL) {
		describe(file, old);
	}
	if (new != NULL) {
		file->flags = (file->flags & ~LINUX_O_NONBLOCK) | (uint32_t)new->flags;
		mqueue_touch_accessed(mqueue_of(file->inode));
	}
	return 0;
}
