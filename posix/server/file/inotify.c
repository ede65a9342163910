/* SPDX-License-Identifier: MIT */
/* inotify; see inotify.h. */
#include <abi/linux/errno.h>
#include <abi/linux/poll.h>
#include <abi/linux/termios.h>
#include <base/string.h>
#include <base/tree.h>
#include <helix/memory.h>
#include <posix/server/file/access.h>
#include <posix/server/file/handlers.h>
#include <posix/server/file/inotify.h>
#include <posix/server/file/views.h>
#include <posix/server/process/account.h>
#include <posix/server/process/process.h>
#include <posix/server/vfs/call.h>

/* As the sysctls fs.inotify say. */
constexpr uint32_t INSTANCES_MAX = 128; /* of one user */
constexpr uint32_t EVENTS_MAX = 16384;  /* in one queue */
constexpr uint32_t WATCHES_MAX = 65536; /* of one user, in instances that are theirs */

constexpr uint32_t HOW_TO_WATCH = LINUX_IN_ONLYDIR | LINUX_IN_DONT_FOLLOW | LINUX_IN_EXCL_UNLINK |
	LINUX_IN_MASK_CREATE | LINUX_IN_MASK_ADD | LINUX_IN_ONESHOT;
constexpr uint32_t UNASKED = LINUX_IN_UNMOUNT | LINUX_IN_Q_OVERFLOW | LINUX_IN_IGNORED;
constexpr uint32_t KEPT = LINUX_IN_ALL_EVENTS | LINUX_IN_EXCL_UNLINK | LINUX_IN_ONESHOT;

struct inotify {
	struct account *account; /* of the user who made it */
	int32_t last_watch; /* numbers are not used again before all were */
	struct tree watches; /* by number */
	struct list events;
	uint32_t n_events;
	size_t n_bytes; /* that a reader would get */
	bool has_overflow; /* IN_Q_OVERFLOW is the last event */
	struct wait_queue changed;
};

struct inotify_watch {
	struct tree_node number_node;
	struct list_node inode_node;
	struct inotify *inotify;
	struct inode *inode; /* referenced */
	int32_t number;
	uint32_t mask; /* events, IN_EXCL_UNLINK, IN_ONESHOT */
};

struct inotify_event {
	struct list_node node;
	struct linux_inotify_event event;
	char name[]; /* terminated, if the event has a size for it */
};

uint32_t inotify_n_watches;

/* ---- the queue of events ------------------------------------------------------------------- */

static size_t event_size(const struct inotify_event *event)
{
	return sizeof(event->event) + event->event.name_size;
}

/* A name of a child, or none: then it has no text. */
struct event_name {
	const char *text;
	size_t size;
};

static bool event_equal(const struct inotify_event *event, const struct linux_inotify_event *other,
	const struct event_name *name)
{
	return event->event.watch == other->watch && event->event.mask == other->mask &&
		event->event.name_size == other->name_size &&
		(name->size == 0 ||
			(memcmp(event->name, name->text, name->size) == 0 &&
				event->name[name->size] == '\0'));
}

static bool inotify_append(struct inotify *inotify, const struct linux_inotify_event *what,
	const struct event_name *name)
{
	struct inotify_event *event = helix_calloc(1, sizeof(*event) + what->name_size);

	if (event == NULL) {
		return false;
	}
	event->event = *what;
	if (name->size > 0) {
		memcpy(event->name, name->text, name->size);
	}
	list_push_back(&inotify->events, &event->node);
	inotify->n_events++;
	inotify->n_bytes += event_size(event);
	wait_queue_wake(&inotify->changed);
	return true;
}

static const struct event_name no_name;

/* What no longer fits, or finds no memory, is one event of its own. */
static void inotify_overflow(struct inotify *inotify)
{
	static const struct linux_inotify_event overflow = { .watch = -1,
		.mask = LINUX_IN_Q_OVERFLOW };

	if (!inotify->has_overflow) {
		inotify->has_overflow = inotify_append(inotify, &overflow, &no_name);
	}
}

static void inotify_put(struct inotify *inotify, int32_t watch, uint32_t mask, uint32_t cookie,
	const struct event_name *name)
{
	struct linux_inotify_event event = { .watch = watch, .mask = mask, .cookie = cookie };
	struct list_node *last = list_last(&inotify->events);

	if (name->size > 0) {
		event.name_size = (uint32_t)align_up(name->size + 1, sizeof(event));
	}
	if (last != NULL && mask != LINUX_IN_IGNORED &&
		event_equal(container_of(last, struct inotify_event, node), &event, name)) {
		return; /* one is as good as two */
	}
	if (inotify->n_events >= EVENTS_MAX || !inotify_append(inotify, &event, name)) {
		inotify_overflow(inotify);
	}
}

static void inotify_drop_first(struct inotify *inotify)
{
	struct inotify_event *event = LIST_FIRST(&inotify->events, struct inotify_event, node);

	inotify->n_events--;
	inotify->n_bytes -= event_size(event);
	if (event->event.mask == LINUX_IN_Q_OVERFLOW) {
		inotify->has_overflow = false;
	}
	list_remove(&event->node);
	helix_free(event);
}

/* ---- watches ------------------------------------------------------------------------------- */

static int watch_compare_key(const void *key, const struct tree_node *node)
{
	int32_t number = *(const int32_t *)key;
	int32_t other = container_of(node, struct inotify_watch, number_node)->number;

	return number < other ? -1 : number > other;
}

static int watch_compare(const struct tree_node *a, const struct tree_node *b)
{
	return watch_compare_key(&container_of(a, struct inotify_watch, number_node)->number, b);
}

static struct inotify_watch *watch_find(const struct inotify *inotify, int32_t number)
{
	struct tree_node *node = tree_find(&inotify->watches, &number, watch_compare_key);

	return node == NULL ? NULL : container_of(node, struct inotify_watch, number_node);
}

static struct inotify_watch *watch_find_inode(const struct inotify *inotify, struct inode *inode)
{
	LIST_FOR_EACH(watch, &inode->watches, struct inotify_watch, inode_node) {
		if (watch->inotify == inotify) {
			return watch;
		}
	}
	return NULL;
}

static void watch_free(struct inotify_watch *watch)
{
	tree_remove(&watch->inotify->watches, &watch->number_node);
	list_remove(&watch->inode_node);
	inode_unref(watch->inode);
	inotify_n_watches--;
	watch->inotify->account->n[ACCOUNT_INOTIFY_WATCHES]--;
	helix_free(watch);
}

static void watch_end(struct inotify_watch *watch)
{
	inotify_put(watch->inotify, watch->number, LINUX_IN_IGNORED, 0, &no_name);
	watch_free(watch);
}

static int64_t watch_create(struct inotify *inotify, struct inode *inode, uint32_t mask)
{
	struct inotify_watch *watch;

	uint64_t *n_of_user = &inotify->account->n[ACCOUNT_INOTIFY_WATCHES];

	if (*n_of_user >= WATCHES_MAX) {
		return -LINUX_ENOSPC;
	}
	watch = helix_malloc(sizeof(*watch));
	if (watch == NULL) {
		return -LINUX_ENOMEM;
	}
	do {
		inotify->last_watch =
			inotify->last_watch == INT32_MAX ? 1 : inotify->last_watch + 1;
	} while (watch_find(inotify, inotify->last_watch) != NULL);
	*watch = (struct inotify_watch){
		.inotify = inotify,
		.inode = inode,
		.number = inotify->last_watch,
		.mask = mask,
	};
	inode_ref(inode);
	views_inode_changed(inode);
	views_directory_watched(inode);
	tree_insert(&inotify->watches, &watch->number_node, watch_compare);
	list_push_back(&inode->watches, &watch->inode_node);
	inotify_n_watches++;
	(*n_of_user)++;
	return watch->number;
}

/* ---- telling ------------------------------------------------------------------------------- */

/* Tells the watches of @inode; @name: of the child that it happened to. */
static void notify_watches(struct inode *inode, uint32_t mask, uint32_t cookie,
	const struct event_name *name, bool is_unlinked)
{
	LIST_FOR_EACH_SAFE(watch, &inode->watches, struct inotify_watch, inode_node) {
		if ((watch->mask & mask & LINUX_IN_ALL_EVENTS) == 0 ||
			(is_unlinked && (watch->mask & LINUX_IN_EXCL_UNLINK))) {
			continue;
		}
		inotify_put(watch->inotify, watch->number, mask, cookie, name);
		if (watch->mask & LINUX_IN_ONESHOT) {
			watch_end(watch);
		}
	}
}

static uint32_t notify_directory_bit(const struct inode *inode)
{
	return inode_is_directory(inode) ? (uint32_t)LINUX_IN_ISDIR : 0;
}

void notify__inode(struct inode *inode, uint32_t mask)
{
	if ((mask & (LINUX_IN_DELETE_SELF | LINUX_IN_MOVE_SELF)) == 0) {
		mask |= notify_directory_bit(inode);
	}
	notify_watches(inode, mask, 0, &no_name, false);
}

void notify__dentry(struct dentry *dentry, uint32_t mask)
{
	const struct event_name name = { .text = dentry->name, .size = dentry->name_size };

	mask |= notify_directory_bit(dentry->inode);
	if (dentry->parent != NULL) {
		notify_watches(dentry->parent->inode, mask, 0, &name, !dentry->is_hashed);
	}
	notify_watches(dentry->inode, mask, 0, &no_name, false);
}

void notify__file(struct file *file, uint32_t mask)
{
	if (file->flags & LINUX_O_PATH) {
		return;
	}
	if (file->path.dentry != NULL) {
		notify__dentry(file->path.dentry, mask);
	} else {
		notify__inode(file->inode, mask);
	}
}

void notify__name(const struct name_event *event)
{
	const struct event_name name = { .text = event->name, .size = event->name_size };

	notify_watches(event->directory, event->mask | notify_directory_bit(event->child),
		event->cookie, &name, false);
}

uint32_t notify_cookie(void)
{
	static uint32_t last;

	return ++last;
}

void notify_gone(struct inode *inode, uint32_t mask)
{
	LIST_FOR_EACH_SAFE(watch, &inode->watches, struct inotify_watch, inode_node) {
		if (mask & (watch->mask | UNASKED)) {
			inotify_put(watch->inotify, watch->number, mask, 0, &no_name);
		}
		watch_end(watch);
	}
}

/* ---- the file ------------------------------------------------------------------------------ */

static int64_t inotify_read(struct file *file, struct request *request, void *buffer, size_t size,
	UNUSED uint64_t *offset)
{
	struct inotify *inotify = file->data;
	size_t used = 0;

	if (list_is_empty(&inotify->events)) {
		return file_wait(file, request, &inotify->changed);
	}
	while (!list_is_empty(&inotify->events)) {
		const struct inotify_event *event =
			LIST_FIRST(&inotify->events, struct inotify_event, node);

		if (event_size(event) > size - used) {
			break;
		}
		memcpy((uint8_t *)buffer + used, &event->event, sizeof(event->event));
		memcpy((uint8_t *)buffer + used + sizeof(event->event), event->name,
			event->event.name_size);
		used += event_size(event);
		inotify_drop_first(inotify);
	}
	return used == 0 ? -LINUX_EINVAL : (int64_t)used;
}

/* A reader that waits holds no buffer. */
static int64_t inotify_read_bulk(
	struct file *file, struct request *request, size_t size, uint64_t *offset)
{
	struct inotify *inotify = file->data;

	if (list_is_empty(&inotify->events)) {
		return file_wait(file, request, &inotify->changed);
	}
	void *buffer = request_bulk_buffer(request, size);

	return buffer == NULL ? -LINUX_ENOMEM : inotify_read(file, request, buffer, size, offset);
}

static uint32_t inotify_poll(
	struct file *file, void (*queue_of)(void *context, struct wait_queue *queue), void *context)
{
	struct inotify *inotify = file->data;

	if (queue_of != NULL) {
		queue_of(context, &inotify->changed);
	}
	return list_is_empty(&inotify->events) ? 0 : LINUX_POLLIN | LINUX_POLLRDNORM;
}

static int64_t inotify_ioctl(struct file *file, UNUSED struct request *request, uint32_t command,
	UNUSED uint64_t value, void *buffer, size_t size)
{
	const struct inotify *inotify = file->data;
	int32_t n_bytes = (int32_t)inotify->n_bytes;

	if (command != LINUX_FIONREAD || size < sizeof(n_bytes)) {
		return -LINUX_ENOTTY;
	}
	memcpy(buffer, &n_bytes, sizeof(n_bytes));
	return 0;
}

static void inotify_release(struct file *file)
{
	struct inotify *inotify = file->data;

	while (!tree_is_empty(&inotify->watches)) {
		watch_free(TREE_ENTRY(
			tree_first(&inotify->watches), struct inotify_watch, number_node));
	}
	while (!list_is_empty(&inotify->events)) {
		inotify_drop_first(inotify);
	}
	account_discharge(inotify->account, ACCOUNT_INOTIFY_INSTANCES, 1);
	helix_free(inotify);
}

static const struct file_ops inotify_file_ops = {
	FILE_OPS_DEFAULT,
	.name = "inotify",
	.read = inotify_read,
	.read_bulk = inotify_read_bulk,
	.poll = inotify_poll,
	.ioctl = inotify_ioctl,
	.release = inotify_release,
};

/* ---- the calls ----------------------------------------------------------------------------- */

static int64_t inotify_create(uint32_t uid, struct inotify **out_inotify)
{
	struct account *account;
	int64_t error = account_charge(uid, ACCOUNT_INOTIFY_INSTANCES, 1, INSTANCES_MAX, &account);

	if (error < 0) {
		return error == -LINUX_EDQUOT ? -LINUX_EMFILE : error;
	}
	struct inotify *inotify = helix_malloc(sizeof(*inotify));

	if (inotify == NULL) {
		account_discharge(account, ACCOUNT_INOTIFY_INSTANCES, 1);
		return -LINUX_ENOMEM;
	}
	*inotify = (struct inotify){ .account = account };
	tree_init(&inotify->watches);
	list_init(&inotify->events);
	wait_queue_init(&inotify->changed);
	*out_inotify = inotify;
	return 0;
}

int64_t posix_inotify_init1(struct request *request)
{
	uint32_t flags = (uint32_t)request->args[0];
	struct inotify *inotify;
	struct file *file;

	if (flags & ~(LINUX_O_CLOEXEC | LINUX_O_NONBLOCK)) {
		return -LINUX_EINVAL;
	}
	int64_t result = inotify_create(request->process->credentials.uid, &inotify);

	if (result < 0) {
		return result;
	}
	int64_t error = file_create_anonymous(request->process, &inotify_file_ops, "inotify",
		inotify, flags & LINUX_O_NONBLOCK, &file);

	if (error < 0) {
		account_discharge(inotify->account, ACCOUNT_INOTIFY_INSTANCES, 1);
		helix_free(inotify);
		return error;
	}
	return file_install(request, file, (flags & LINUX_O_CLOEXEC) != 0);
}

static int64_t inotify_of(struct request *request, struct inotify **out_inotify)
{
	struct file *file = file_of_fd(request, request->args[0]);

	if (file == NULL) {
		return -LINUX_EBADF;
	}
	if (file->ops != &inotify_file_ops) {
		return -LINUX_EINVAL;
	}
	*out_inotify = file->data;
	return 0;
}

static int64_t inotify_watch_inode(struct inotify *inotify, struct inode *inode, uint32_t mask)
{
	struct inotify_watch *watch = watch_find_inode(inotify, inode);

	if (watch == NULL) {
		return watch_create(inotify, inode, mask & KEPT);
	}
	if (mask & LINUX_IN_MASK_CREATE) {
		return -LINUX_EEXIST;
	}
	watch->mask = (mask & KEPT) | ((mask & LINUX_IN_MASK_ADD) ? watch->mask : 0);
	return watch->number;
}

int64_t posix_inotify_add_watch(struct request *request)
{
	uint32_t known = LINUX_IN_ALL_EVENTS | HOW_TO_WATCH | UNASKED | LINUX_IN_ISDIR;
	uint32_t both = LINUX_IN_MASK_ADD | LINUX_IN_MASK_CREATE;
	uint32_t mask = (uint32_t)request->args[2];
	uint32_t lookup = (mask & LINUX_IN_DONT_FOLLOW) ? 0 : VFS_FOLLOW;
	struct inotify *inotify;
	struct path path;

	if (mask == 0 || (mask & ~known)) {
		return -LINUX_EINVAL;
	}
	int64_t result = inotify_of(request, &inotify);

	if (result == -LINUX_EBADF) {
		return result;
	}
	if (result < 0 || (mask & both) == both) {
		return -LINUX_EINVAL;
	}
	lookup |= (mask & LINUX_IN_ONLYDIR) ? VFS_DIRECTORY : 0;
	result = vfs_lookup(
		request->process, LINUX_AT_FDCWD, request_path(request, 1), lookup, &path);
	if (result < 0) {
		return result;
	}
	struct inode *inode = path.dentry->inode;

	result = inode_permission(&request->process->credentials, inode, ACCESS_READ);
	if (result == 0) {
		result = inotify_watch_inode(inotify, inode, mask);
	}
	path_unref(&path);
	return result;
}

int64_t posix_inotify_rm_watch(struct request *request)
{
	struct inotify *inotify;
	int64_t error = inotify_of(request, &inotify);

	if (error < 0) {
		return error;
	}
	struct inotify_watch *watch = watch_find(inotify, (int32_t)request->args[1]);

	if (watch == NULL) {
		return -LINUX_EINVAL;
	}
	watch_end(watch);
	return 0;
}
