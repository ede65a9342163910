/* SPDX-License-Identifier: MIT */
/* File locks; see lock.h. */
#include <abi/linux/errno.h>
#include <abi/linux/fcntl.h>
#include <base/format.h>
#include <base/string.h>
#include <helix/memory.h>
#include <posix/server/file/access.h>
#include <posix/server/file/handlers.h>
#include <posix/server/file/lock.h>
#include <posix/server/process/process.h>
#include <posix/server/vfs/inode.h>

constexpr uint64_t LOCK_END = INT64_MAX; /* "to the end of the file" */

/* More are -LINUX_ENOLCK: a list is searched from its start, and nobody is charged for locks. */
constexpr uint32_t LOCKS_OF_INODE_MAX = 8192;
constexpr uint32_t LOCKS_MAX = 131072;

enum lock_kind : uint8_t { LOCK_POSIX, LOCK_OFD, LOCK_FLOCK };

struct lock {
	struct list_node node;
	enum lock_kind kind;
	int16_t type; /* enum linux_lock_type */
	uint32_t pid;
	const void *owner; /* descriptor table or file */
	uint64_t start, end; /* both included */
};

struct lock_list {
	struct list locks;
	uint32_t n_locks;
	struct wait_queue changed;
};

/* A POSIX lock that waits: in `lock_waits` while its request is parked. */
struct lock_wait {
	struct list_node node;
	struct file *file;
	const void *owner, *blocker;
};

static struct list lock_waits = LIST_INIT(lock_waits);
static uint32_t n_locks; /* of all inodes */

static struct lock_list *lock_list_of(struct inode *inode)
{
	if (inode->locks == NULL) {
		inode->locks = helix_malloc(sizeof(*inode->locks));
		if (inode->locks != NULL) {
			*inode->locks = (struct lock_list){ 0 };
			list_init(&inode->locks->locks);
			wait_queue_init(&inode->locks->changed);
		}
	}
	return inode->locks;
}

static void lock_free(struct lock_list *list, struct lock *lock)
{
	list_remove(&lock->node);
	helix_free(lock);
	list->n_locks--;
	n_locks--;
}

void lock_list_free(struct inode *inode)
{
	if (inode->locks != NULL) {
		LIST_FOR_EACH_SAFE(lock, &inode->locks->locks, struct lock, node) {
			lock_free(inode->locks, lock);
		}
		helix_free(inode->locks);
		inode->locks = NULL;
	}
}

static bool lock_conflicts(const struct lock *a, const struct lock *b)
{
	return (a->kind == LOCK_FLOCK) == (b->kind == LOCK_FLOCK) && a->owner != b->owner &&
		(a->type == LINUX_F_WRLCK || b->type == LINUX_F_WRLCK) && a->start <= b->end &&
		b->start <= a->end;
}

static struct lock *lock_find_conflict(struct lock_list *list, const struct lock *wanted)
{
	LIST_FOR_EACH(lock, &list->locks, struct lock, node) {
		if (lock_conflicts(lock, wanted)) {
			return lock;
		}
	}
	return NULL;
}

static bool lock_insert(struct lock_list *list, const struct lock *model)
{
	if (list->n_locks >= LOCKS_OF_INODE_MAX || n_locks >= LOCKS_MAX) {
		return false;
	}
	struct lock *lock = helix_malloc(sizeof(*lock));

	if (lock == NULL) {
		return false;
	}
	list->n_locks++;
	n_locks++;
	*lock = *model;
	list_node_init(&lock->node);
	list_push_back(&list->locks, &lock->node);
	return true;
}

/* Cuts the range of `model` out of its owner's locks; a lock that it splits keeps both ends. */
static bool lock_cut(struct lock_list *list, const struct lock *model)
{
	LIST_FOR_EACH_SAFE(lock, &list->locks, struct lock, node) {
		if (lock->owner != model->owner || lock->kind != model->kind ||
			lock->start > model->end || model->start > lock->end) {
			continue;
		}
		bool keeps_start = lock->start < model->start;
		bool keeps_end = lock->end > model->end;

		if (keeps_start && keeps_end) {
			struct lock rest = *lock;

			rest.start = model->end + 1;
			if (!lock_insert(list, &rest)) {
				return false;
			}
			lock->end = model->start - 1;
		} else if (keeps_start) {
			lock->end = model->start - 1;
		} else if (keeps_end) {
			lock->start = model->end + 1;
		} else {
			lock_free(list, lock);
		}
	}
	return true;
}

/* Joins the owner's locks of one type that touch or overlap `model` to it. */
static void lock_absorb(struct lock_list *list, struct lock *model)
{
	LIST_FOR_EACH_SAFE(lock, &list->locks, struct lock, node) {
		bool touches = lock->start <= model->end + 1 && model->start <= lock->end + 1;

		if (lock->owner == model->owner && lock->kind == model->kind &&
			lock->type == model->type && touches) {
			model->start = min_u64(model->start, lock->start);
			model->end = max_u64(model->end, lock->end);
			lock_free(list, lock);
		}
	}
}

/* Sets a lock (or F_UNLCK) that conflicts with none. */
static int64_t lock_apply(struct lock_list *list, struct lock *wanted)
{
	if (!lock_cut(list, wanted)) {
		return -LINUX_ENOLCK;
	}
	if (wanted->type != LINUX_F_UNLCK) {
		lock_absorb(list, wanted);
		if (!lock_insert(list, wanted)) {
			return -LINUX_ENOLCK;
		}
	}
	wait_queue_wake(&list->changed);
	return 0;
}

static void lock_forget(struct inode *inode, const void *owner)
{
	bool is_changed = false;

	if (inode->locks == NULL) {
		return;
	}
	LIST_FOR_EACH_SAFE(lock, &inode->locks->locks, struct lock, node) {
		if (lock->owner == owner) {
			lock_free(inode->locks, lock);
			is_changed = true;
		}
	}
	if (is_changed) {
		wait_queue_wake(&inode->locks->changed);
	}
}

void lock_forget_owner(struct inode *inode, const struct fd_table *table)
{
	lock_forget(inode, table);
}

void lock_forget_file(struct file *file)
{
	lock_forget(file->inode, file);
}

/* ---- for /proc ----------------------------------------------------------------------------- */

static size_t lock_print_one(const struct inode *inode, const struct lock *lock, unsigned number,
	char *buffer, size_t size)
{
	static const char *const kinds[] = {
		[LOCK_POSIX] = "POSIX  ADVISORY ",
		[LOCK_OFD] = "OFDLCK ADVISORY ",
		[LOCK_FLOCK] = "FLOCK  ADVISORY ",
	};
	size_t used = format_to(buffer, size, "lock:\t%u: %s %s %d %02x:%02x:%llu %llu ", number,
		kinds[lock->kind], lock->type == LINUX_F_WRLCK ? "WRITE" : "READ",
		lock->kind == LOCK_OFD ? -1 : (int)lock->pid, linux_major(inode->super->dev),
		linux_minor(inode->super->dev), (unsigned long long)inode->ino,
		(unsigned long long)lock->start);
	char *rest = buffer + min_size(used, size);
	size_t room = size - min_size(used, size);

	if (lock->end == LOCK_END) {
		return used + format_to(rest, room, "EOF\n");
	}
	return used + format_to(rest, room, "%llu\n", (unsigned long long)lock->end);
}

size_t lock_print(const struct file *file, const struct fd_table *table, char *buffer, size_t size)
{
	const struct inode *inode = file->inode;
	unsigned n_locks = 0;
	size_t used = 0;

	if (inode->locks == NULL) {
		return 0;
	}
	LIST_FOR_EACH(lock, &inode->locks->locks, struct lock, node) {
		if (lock->owner == table || lock->owner == file) {
			size_t at = min_size(used, size);

			used += lock_print_one(inode, lock, ++n_locks, buffer + at, size - at);
		}
	}
	return used;
}

/* ---- waiting ------------------------------------------------------------------------------- */

/* Whether `owner` waits, directly or not, for `for_whom`. */
static bool lock_is_waiting_for(const void *owner, const void *for_whom)
{
	for (uint32_t n_steps = 0; n_steps < 32; n_steps++) {
		const void *blocker = NULL;

		LIST_FOR_EACH(wait, &lock_waits, struct lock_wait, node) {
			if (wait->owner == owner) {
				blocker = wait->blocker;
				break;
			}
		}
		if (blocker == NULL) {
			return false;
		}
		if (blocker == for_whom) {
			return true;
		}
		owner = blocker;
	}
	return false;
}

static void lock_wait_end(struct request *request)
{
	struct lock_wait *wait = (struct lock_wait *)request->state[1];

	list_remove(&wait->node);
	file_unref(wait->file);
	helix_free(wait);
}

static int64_t lock_wait_begin(struct request *request, struct file *file,
	const struct lock *wanted, const struct lock *blocker)
{
	struct lock_wait *wait = (struct lock_wait *)request->state[1];

	if (wanted->kind == LOCK_POSIX && lock_is_waiting_for(blocker->owner, wanted->owner)) {
		return -LINUX_EDEADLK;
	}
	if (wait == NULL) {
		wait = helix_malloc(sizeof(*wait));
		if (wait == NULL) {
			return -LINUX_ENOLCK;
		}
		*wait = (struct lock_wait){ .file = file, .owner = wanted->owner };
		file_ref(file);
		list_push_back(&lock_waits, &wait->node);
		request->state[0] = (uintptr_t)file;
		request->state[1] = (uintptr_t)wait;
		request->release = lock_wait_end;
	}
	wait->blocker = blocker->owner;
	int64_t error = request_wait_on(request, &file->inode->locks->changed);

	return error < 0 ? error : REQUEST_PARK;
}

/* ---- fcntl --------------------------------------------------------------------------------- */

static int64_t lock_base(const struct file *file, int16_t whence, int64_t *out_base)
{
	switch (whence) {
	case LINUX_SEEK_SET: *out_base = 0; return 0;
	case LINUX_SEEK_CUR: *out_base = (int64_t)file->offset; return 0;
	case LINUX_SEEK_END: *out_base = (int64_t)file->inode->size_bytes; return 0;
	default: return -LINUX_EINVAL;
	}
}

static int64_t lock_decode(
	const struct file *file, const struct linux_flock *from, struct lock *out_lock)
{
	int64_t start;
	int64_t error = lock_base(file, from->whence, &start);

	if (error < 0) {
		return error;
	}
	if (__builtin_add_overflow(start, from->start, &start)) {
		return -LINUX_EOVERFLOW;
	}
	int64_t end = (int64_t)LOCK_END;

	if (from->length > 0) {
		if (__builtin_add_overflow(start, from->length - 1, &end)) {
			return -LINUX_EOVERFLOW;
		}
	} else if (from->length < 0) {
		end = start - 1;
		if (__builtin_add_overflow(start, from->length, &start)) {
			return -LINUX_EINVAL;
		}
	}
	if (start < 0 || from->type < LINUX_F_RDLCK || from->type > LINUX_F_UNLCK) {
		return -LINUX_EINVAL;
	}
	out_lock->type = from->type;
	out_lock->start = (uint64_t)start;
	out_lock->end = (uint64_t)end;
	return 0;
}

static void lock_describe(const struct lock *lock, struct linux_flock *out_flock)
{
	out_flock->type = lock->type;
	out_flock->whence = LINUX_SEEK_SET;
	out_flock->start = (int64_t)lock->start;
	out_flock->length = lock->end == LOCK_END ? 0 : (int64_t)(lock->end - lock->start + 1);
	out_flock->pid = lock->kind == LOCK_OFD ? -1 : (int32_t)lock->pid;
}

static int64_t lock_get(struct request *request, struct lock_list *list, const struct lock *wanted)
{
	size_t size;
	struct linux_flock *out = request_out(request, 2, &size);

	if (out == NULL || size < sizeof(*out)) {
		return -LINUX_ENOMEM;
	}
	if (wanted->type == LINUX_F_UNLCK) {
		return -LINUX_EINVAL;
	}
	struct lock *conflict = lock_find_conflict(list, wanted);

	memcpy(out, request_in(request, 2, &size), sizeof(*out));
	if (conflict == NULL) {
		out->type = LINUX_F_UNLCK;
	} else {
		lock_describe(conflict, out);
	}
	return 0;
}

static int64_t lock_set(struct request *request, struct file *file, struct lock_list *list,
	struct lock *wanted, bool is_waiting)
{
	if ((wanted->type == LINUX_F_RDLCK && !file_is_readable(file)) ||
		(wanted->type == LINUX_F_WRLCK && !file_is_writable(file))) {
		return -LINUX_EBADF;
	}
	struct lock *conflict =
		wanted->type == LINUX_F_UNLCK ? NULL : lock_find_conflict(list, wanted);

	if (conflict == NULL) {
		return lock_apply(list, wanted);
	}
	return is_waiting ? lock_wait_begin(request, file, wanted, conflict) : -LINUX_EAGAIN;
}

int64_t lock_control(struct request *request, struct file *file, uint32_t command)
{
	size_t size;
	const struct linux_flock *flock = request_in(request, 2, &size);
	bool is_ofd = command >= LINUX_F_OFD_GETLK;

	if (flock == NULL || size < sizeof(*flock) || (is_ofd && flock->pid != 0)) {
		return -LINUX_EINVAL;
	}
	struct lock wanted = {
		.kind = is_ofd ? LOCK_OFD : LOCK_POSIX,
		.pid = request->process->pid,
		.owner = is_ofd ? (const void *)file : (const void *)request->process->files,
	};
	int64_t error = lock_decode(file, flock, &wanted);
	struct lock_list *list = lock_list_of(file->inode);

	if (error < 0) {
		return error;
	}
	if (list == NULL) {
		return -LINUX_ENOLCK;
	}
	if (command == LINUX_F_GETLK || command == LINUX_F_OFD_GETLK) {
		return lock_get(request, list, &wanted);
	}
	return lock_set(request, file, list, &wanted,
		command == LINUX_F_SETLKW || command == LINUX_F_OFD_SETLKW);
}

/* ---- flock --------------------------------------------------------------------------------- */

int64_t posix_flock(struct request *request)
{
	struct file *file = file_of_call(request, request->args[0]);
	uint32_t operation = (uint32_t)request->args[1] & ~LINUX_LOCK_NB;
	struct lock wanted = { .kind = LOCK_FLOCK, .pid = request->process->pid, .end = LOCK_END };

	switch (operation) {
	case LINUX_LOCK_SH: wanted.type = LINUX_F_RDLCK; break;
	case LINUX_LOCK_EX: wanted.type = LINUX_F_WRLCK; break;
	case LINUX_LOCK_UN: wanted.type = LINUX_F_UNLCK; break;
	default: return -LINUX_EINVAL;
	}
	if (file == NULL) {
		return -LINUX_EBADF;
	}
	struct lock_list *list = lock_list_of(file->inode);

	if (list == NULL) {
		return -LINUX_ENOLCK;
	}
	wanted.owner = file;
	if (wanted.type == LINUX_F_UNLCK || lock_find_conflict(list, &wanted) == NULL) {
		return lock_apply(list, &wanted);
	}
	/* a conversion gives up the old lock first, even if it then fails */
	struct lock none = wanted;

	none.type = LINUX_F_UNLCK;
	lock_apply(list, &none);
	if (request->args[1] & LINUX_LOCK_NB) {
		return -LINUX_EAGAIN;
	}
	int64_t error = request_wait_on(request, &list->changed);

	return file_end_call(request, file, error < 0 ? error : REQUEST_PARK);
}
