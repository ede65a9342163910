/* SPDX-License-Identifier: MIT */
/* epoll; see epoll.h. */
#include <abi/linux/errno.h>
#include <abi/linux/poll.h>
#include <base/assert.h>
#include <base/hash.h>
#include <base/string.h>
#include <base/tree.h>
#include <helix/memory.h>
#include <posix/server/file/access.h>
#include <posix/server/file/epoll.h>
#include <posix/server/file/handlers.h>
#include <posix/server/file/views.h>
#include <posix/server/process/account.h>
#include <posix/server/process/process.h>
#include <posix/server/vfs/memory-size.h>

constexpr uint32_t EPOLL_QUEUES_MAX = 4; /* wait queues of one file */
constexpr uint32_t EPOLL_DEPTH_MAX = 5;  /* epolls that watch epolls */
constexpr uint32_t EPOLL_EVENTS_MAX = 256;
constexpr uint64_t EPOLL_MEMORY_PART = 25; /* of memory that watches of one user may take */
constexpr uint32_t SAME_MIN = 2; /* waits without a change, until it is worth while to show it */
constexpr uint32_t EPOLL_FLAGS =
	LINUX_EPOLLET | LINUX_EPOLLONESHOT | LINUX_EPOLLEXCLUSIVE | LINUX_EPOLLWAKEUP;

struct epoll {
	struct inode *inode; /* its file's, on which views hang */
	struct tree items;  /* by descriptor and file */
	struct list ready;  /* items that may be ready */
	struct wait_queue changed;
	struct account *account; /* of the user who made it; has the items */
	struct file *file; /* its own, which lives as long */
	struct list nested; /* items that watch epolls */
	uint64_t visit; /* the last check of paths that came here */
	uint32_t n_same; /* waits since an item was woken or changed */
	uint64_t pass; /* counts the rounds of telling what is ready; see epoll_collect() */
};

struct epoll_item {
	struct tree_node node;
	struct list_node ready_node;
	struct list_node file_node; /* in file->watches */
	struct list_node nested_node; /* in epoll->nested, if the file is an epoll */
	struct epoll *epoll;
	struct file *file; /* not referenced: the file takes the item with it */
	int32_t fd;
	uint32_t events; /* wanted, with EPOLL_FLAGS; 0 after a one-shot */
	uint64_t data;
	uint64_t pass; /* the last one in which it was told */
	uint32_t n_waits;
	struct wait_entry waits[EPOLL_QUEUES_MAX];
};

struct epoll_key {
	int32_t fd;
	const struct file *file;
};

static const struct file_ops epoll_file_ops;

static struct epoll *epoll_of(const struct file *file)
{
	return file->data;
}

static int epoll_compare_key(const void *argument, const struct tree_node *node)
{
	const struct epoll_key *key = argument;
	const struct epoll_item *item = container_of(node, struct epoll_item, node);

	if (key->fd != item->fd) {
		return key->fd < item->fd ? -1 : 1;
	}
	if (key->file != item->file) {
		return (uintptr_t)key->file < (uintptr_t)item->file ? -1 : 1;
	}
	return 0;
}

static int epoll_compare(const struct tree_node *a, const struct tree_node *b)
{
	const struct epoll_item *item = container_of(a, struct epoll_item, node);

	return epoll_compare_key(&(struct epoll_key){ .fd = item->fd, .file = item->file }, b);
}

int64_t epoll_watched(struct file *file, int32_t fd, uint32_t n, const struct file **out_watched)
{
	if (file->ops != &epoll_file_ops) {
		return -LINUX_EINVAL;
	}
	struct tree_node *node = tree_lower_bound(&epoll_of(file)->items,
		&(struct epoll_key){ .fd = fd, .file = NULL }, epoll_compare_key);

	for (; node != NULL; node = tree_next(node)) {
		const struct epoll_item *item = container_of(node, struct epoll_item, node);

		if (item->fd != fd) {
			break;
		}
		if (n-- == 0) {
			*out_watched = item->file;
			return 0;
		}
	}
	return -LINUX_ENOENT;
}

/* ---- items --------------------------------------------------------------------------------- */

/* What the next wait reports may be something else. */
static void epoll_changed(struct epoll *epoll)
{
	epoll->n_same = 0;
	views_inode_changed(epoll->inode);
}

static void epoll_make_ready(struct epoll_item *item)
{
	epoll_changed(item->epoll);
	if (!list_node_is_linked(&item->ready_node)) {
		list_push_back(&item->epoll->ready, &item->ready_node);
	}
	wait_queue_wake(&item->epoll->changed);
}

static void epoll_item_woken(struct wait_entry *entry)
{
	struct epoll_item *item = entry->owner;

	if ((item->events & ~EPOLL_FLAGS) != 0) {
		epoll_make_ready(item);
	}
}

static void epoll_item_add_queue(void *context, struct wait_queue *queue)
{
	struct epoll_item *item = context;

	ASSERT(item->n_waits < EPOLL_QUEUES_MAX);
	struct wait_entry *entry = &item->waits[item->n_waits++];

	*entry = (struct wait_entry){ .wake = epoll_item_woken, .owner = item };
	wait_entry_add(entry, queue);
}

static uint32_t epoll_item_poll(struct epoll_item *item)
{
	uint32_t wanted = item->events & ~EPOLL_FLAGS;

	return wanted == 0 ? 0 : item->file->ops->poll(item->file, NULL, NULL) & wanted;
}

static void epoll_item_free(struct epoll_item *item)
{
	epoll_changed(item->epoll);
	for (uint32_t i = 0; i < item->n_waits; i++) {
		wait_entry_remove(&item->waits[i]);
	}
	list_remove(&item->ready_node);
	list_remove(&item->file_node);
	list_remove(&item->nested_node);
	item->epoll->account->n[ACCOUNT_EPOLL_WATCHES]--;
	tree_remove(&item->epoll->items, &item->node);
	helix_free(item);
}

void epoll_forget_file(struct file *file)
{
	LIST_FOR_EACH_SAFE(item, &file->watches, struct epoll_item, file_node) {
		epoll_item_free(item);
	}
}

/* What the program asks for: errors and hang-ups are always reported. */
static void epoll_item_set(struct epoll_item *item, const struct linux_epoll_event *event)
{
	epoll_changed(item->epoll);
	item->events = event->events | LINUX_POLLERR | LINUX_POLLHUP;
	item->data = event->data;
	if (epoll_item_poll(item) != 0) {
		epoll_make_ready(item);
	}
}

/* ---- the file ------------------------------------------------------------------------------ */

/* Moves items that are not ready off the front of the list; true if one that is ready is left. */
static bool epoll_has_events(struct epoll *epoll)
{
	LIST_FOR_EACH_SAFE(item, &epoll->ready, struct epoll_item, ready_node) {
		if (epoll_item_poll(item) != 0) {
			return true;
		}
		list_remove(&item->ready_node);
	}
	return false;
}

static uint32_t epoll_poll(
	struct file *file, void (*queue_of)(void *context, struct wait_queue *queue), void *context)
{
	struct epoll *epoll = epoll_of(file);

	if (queue_of != NULL) {
		queue_of(context, &epoll->changed);
	}
	return epoll_has_events(epoll) ? LINUX_POLLIN | LINUX_POLLRDNORM : 0;
}

static void epoll_release(struct file *file)
{
	struct epoll *epoll = epoll_of(file);

	while (!tree_is_empty(&epoll->items)) {
		epoll_item_free(container_of(tree_first(&epoll->items), struct epoll_item, node));
	}
	account_unref(epoll->account);
	helix_free(epoll);
}

static const struct file_ops epoll_file_ops = {
	FILE_OPS_DEFAULT,
	.name = "epoll",
	.view_kind = POSIX_VIEW_EPOLL,
	.poll = epoll_poll,
	.release = epoll_release,
};

static int64_t epoll_create(struct request *request, uint32_t flags)
{
	struct file *file;
	struct epoll *epoll;

	if (flags & ~LINUX_O_CLOEXEC) {
		return -LINUX_EINVAL;
	}
	epoll = helix_malloc(sizeof(*epoll));
	if (epoll == NULL) {
		return -LINUX_ENOMEM;
	}
	*epoll = (struct epoll){ .account = account_get(request->process->credentials.uid) };
	if (epoll->account == NULL) {
		helix_free(epoll);
		return -LINUX_ENOMEM;
	}
	tree_init(&epoll->items);
	list_init(&epoll->ready);
	list_init(&epoll->nested);
	wait_queue_init(&epoll->changed);
	int64_t error = file_create_anonymous(
		request->process, &epoll_file_ops, "[eventpoll]", epoll, LINUX_O_RDWR, &file);

	if (error < 0) {
		account_unref(epoll->account);
		helix_free(epoll);
		return error;
	}
	epoll->inode = file->inode;
	epoll->file = file;
	return file_install(request, file, (flags & LINUX_O_CLOEXEC) != 0);
}

int64_t posix_epoll_create(struct request *request)
{
	return (int32_t)request->args[0] <= 0 ? -LINUX_EINVAL : epoll_create(request, 0);
}

int64_t posix_epoll_create1(struct request *request)
{
	return epoll_create(request, (uint32_t)request->args[0]);
}

/* ---- changing the set ---------------------------------------------------------------------- */

/*
 * Epolls that watch epolls. Programs may build a tree of them, and by several descriptors of one
 * file even several ways from a watched file up to the same epoll; a wake-up takes them all. So, as
 * in Linux, the number of ways of each length is limited, beside their length, and each epoll is
 * looked at once by a check.
 */
static uint64_t last_visit;

/* How deep epolls are nested from @file down; more than the limit if @forbidden is among them. */
static uint32_t epoll_depth(const struct file *file, const struct epoll *forbidden, uint32_t depth)
{
	struct epoll *epoll = epoll_of(file);
	uint32_t deepest = depth;

	if (epoll == forbidden || depth > EPOLL_DEPTH_MAX) {
		return EPOLL_DEPTH_MAX + 1;
	}
	/* from the same depth, or less, it has been looked at */
	if (epoll->visit >= last_visit + depth) {
		return depth;
	}
	epoll->visit = last_visit + depth;
	LIST_FOR_EACH(item, &epoll->nested, struct epoll_item, nested_node) {
		uint32_t below = epoll_depth(item->file, forbidden, depth + 1);

		deepest = below > deepest ? below : deepest;
	}
	return deepest;
}

/* Counts the ways from @file up by their length; false: there are too many. */
static bool epoll_count_ways(const struct file *file, uint32_t length, uint32_t *n_ways)
{
	static const uint32_t n_max[EPOLL_DEPTH_MAX] = { UINT32_MAX, 500, 100, 50, 10 };

	if (length == EPOLL_DEPTH_MAX) {
		return list_is_empty(&file->watches);
	}
	LIST_FOR_EACH(item, &file->watches, struct epoll_item, file_node) {
		if (++n_ways[length] > n_max[length] ||
			!epoll_count_ways(item->epoll->file, length + 1, n_ways)) {
			return false;
		}
	}
	return true;
}

/* The same for all files that are watched through @file, an epoll. */
static bool epoll_may_be_watched(const struct file *file)
{
	struct epoll *epoll = epoll_of(file);

	if (epoll->visit >= last_visit) {
		return true;
	}
	epoll->visit = last_visit;
	TREE_FOR_EACH(item, &epoll->items, struct epoll_item, node) {
		uint32_t n_ways[EPOLL_DEPTH_MAX] = { 0 };

		if (!(item->file->ops == &epoll_file_ops
				    ? epoll_may_be_watched(item->file)
				    : epoll_count_ways(item->file, 0, n_ways))) {
			return false;
		}
	}
	return true;
}

static int64_t epoll_check_ways(struct epoll *epoll, struct file *file)
{
	uint32_t n_ways[EPOLL_DEPTH_MAX] = { 0 };

	last_visit += EPOLL_DEPTH_MAX + 2;
	if (file->ops == &epoll_file_ops) {
		return epoll_may_be_watched(file) ? 0 : -LINUX_EINVAL;
	}
	return list_is_empty(&epoll->file->watches) || epoll_count_ways(file, 0, n_ways)
		? 0
		: -LINUX_EINVAL;
}

uint64_t epoll_watch_limit(void)
{
	return memory_size_bytes() / EPOLL_MEMORY_PART / sizeof(struct epoll_item);
}

static int64_t epoll_item_create(
	struct epoll *epoll, struct file *file, int32_t fd, struct epoll_item **out_item)
{
	uint64_t *n_of_user = &epoll->account->n[ACCOUNT_EPOLL_WATCHES];

	if (*n_of_user >= epoll_watch_limit()) {
		return -LINUX_ENOSPC;
	}
	struct epoll_item *item = helix_malloc(sizeof(*item));

	if (item == NULL) {
		return -LINUX_ENOMEM;
	}
	*item = (struct epoll_item){ .epoll = epoll, .file = file, .fd = fd };
	list_node_init(&item->ready_node);
	list_node_init(&item->nested_node);
	tree_insert(&epoll->items, &item->node, epoll_compare);
	list_push_back(&file->watches, &item->file_node);
	if (file->ops == &epoll_file_ops) {
		list_push_back(&epoll->nested, &item->nested_node);
	}
	(*n_of_user)++;
	*out_item = item;
	return 0;
}

static int64_t epoll_add(
	struct epoll *epoll, struct file *file, int32_t fd, const struct linux_epoll_event *event)
{
	struct epoll_item *item;

	last_visit += EPOLL_DEPTH_MAX + 2;
	if (file->ops == &epoll_file_ops && epoll_depth(file, epoll, 1) > EPOLL_DEPTH_MAX) {
		return -LINUX_ELOOP;
	}
	int64_t error = epoll_item_create(epoll, file, fd, &item);

	if (error < 0) {
		return error;
	}
	error = epoll_check_ways(epoll, file);
	if (error < 0) {
		epoll_item_free(item);
		return error;
	}
	file->ops->poll(file, epoll_item_add_queue, item);
	epoll_item_set(item, event);
	return 0;
}

/* Only who watches something that is no epoll may ask for it, when it begins, with few others. */
static bool epoll_refuses_exclusive(
	const struct file *file, uint32_t operation, const struct linux_epoll_event *event)
{
	constexpr uint32_t allowed = LINUX_POLLIN | LINUX_POLLOUT | LINUX_POLLERR | LINUX_POLLHUP |
		LINUX_EPOLLWAKEUP | LINUX_EPOLLET | LINUX_EPOLLEXCLUSIVE;

	if (operation == LINUX_EPOLL_CTL_DEL || (event->events & LINUX_EPOLLEXCLUSIVE) == 0) {
		return false;
	}
	return operation != LINUX_EPOLL_CTL_ADD || file->ops == &epoll_file_ops ||
		(event->events & ~allowed) != 0;
}

static int64_t epoll_change(struct epoll *epoll, struct file *file, int32_t fd, uint32_t operation,
	const struct linux_epoll_event *event)
{
	struct epoll_item *item =
		TREE_ENTRY(tree_find(&epoll->items, &(struct epoll_key){ .fd = fd, .file = file },
				   epoll_compare_key),
			struct epoll_item, node);

	if (operation != LINUX_EPOLL_CTL_DEL && event == NULL) {
		return -LINUX_EFAULT;
	}
	if (epoll_refuses_exclusive(file, operation, event)) {
		return -LINUX_EINVAL;
	}
	switch (operation) {
	case LINUX_EPOLL_CTL_ADD:
		return item != NULL ? -LINUX_EEXIST : epoll_add(epoll, file, fd, event);
	case LINUX_EPOLL_CTL_MOD:
		if (item == NULL) {
			return -LINUX_ENOENT;
		}
		if (item->events & LINUX_EPOLLEXCLUSIVE) {
			return -LINUX_EINVAL;
		}
		epoll_item_set(item, event);
		return 0;
	case LINUX_EPOLL_CTL_DEL:
		if (item == NULL) {
			return -LINUX_ENOENT;
		}
		epoll_item_free(item);
		return 0;
	default: return -LINUX_EINVAL;
	}
}

int64_t posix_epoll_ctl(struct request *request)
{
	struct file *epoll_file = file_of_fd(request, request->args[0]);
	struct file *file = file_of_fd(request, request->args[2]);
	struct linux_epoll_event event;
	size_t size;
	const void *in = request_in(request, 3, &size);

	if (epoll_file == NULL || file == NULL) {
		return -LINUX_EBADF;
	}
	if (file->ops->poll == file_default_poll) {
		return -LINUX_EPERM;
	}
	if (epoll_file->ops != &epoll_file_ops || file == epoll_file) {
		return -LINUX_EINVAL;
	}
	if (in != NULL && size >= sizeof(event)) {
		memcpy(&event, in, sizeof(event));
	} else {
		in = NULL;
	}
	return epoll_change(epoll_of(epoll_file), file, (int32_t)request->args[2],
		(uint32_t)request->args[1], in == NULL ? NULL : &event);
}

/* ---- waiting ------------------------------------------------------------------------------- */

/*
 * Level-triggered items that were told go to the end of the list, so that all get their turn. A
 * program that wants more events than one request carries gets them by several, which are one
 * pass: it ends at the first item that was told in it.
 */
static uint32_t epoll_collect(
	struct epoll *epoll, struct linux_epoll_event *out_events, uint32_t n_max)
{
	struct list again;
	uint32_t n_events = 0;

	list_init(&again);
	while (n_events < n_max) {
		struct epoll_item *item = LIST_FIRST(&epoll->ready, struct epoll_item, ready_node);

		if (item == NULL || item->pass == epoll->pass) {
			break;
		}
		list_remove(&item->ready_node);
		uint32_t events = epoll_item_poll(item);

		if (events == 0) {
			continue;
		}
		out_events[n_events++] =
			(struct linux_epoll_event){ .events = events, .data = item->data };
		item->pass = epoll->pass;
		if (item->events & LINUX_EPOLLONESHOT) {
			item->events &= EPOLL_FLAGS;
		} else if (!(item->events & LINUX_EPOLLET)) {
			list_push_back(&again, &item->ready_node);
		}
	}
	list_append_all(&epoll->ready, &again);
	return n_events;
}

bool epoll_show(struct file *file, struct linux_epoll_event *out_events, uint32_t n_max,
	uint32_t *out_n_events)
{
	struct epoll *epoll = epoll_of(file);
	uint32_t n_events = 0;

	LIST_FOR_EACH_SAFE(item, &epoll->ready, struct epoll_item, ready_node) {
		uint32_t events = epoll_item_poll(item);

		if (events == 0) {
			list_remove(&item->ready_node);
			continue;
		}
		if ((item->events & (LINUX_EPOLLET | LINUX_EPOLLONESHOT)) ||
			!item->file->ops->announces_falls || n_events == n_max) {
			return false;
		}
		out_events[n_events++] =
			(struct linux_epoll_event){ .events = events, .data = item->data };
	}
	*out_n_events = n_events;
	return true;
}

static bool epoll_may_wait(struct request *request)
{
	uint64_t timeout_ns = request->args[2];

	if (timeout_ns == 0 || request->is_timed_out) {
		return false;
	}
	if (request->is_first_attempt && timeout_ns != HEL_DEADLINE_NEVER) {
		uint64_t now = clock_monotonic_ns();

		request->deadline_ns =
			timeout_ns > UINT64_MAX - 1 - now ? UINT64_MAX - 1 : now + timeout_ns;
	}
	return true;
}

int64_t posix_epoll_wait(struct request *request)
{
	struct file *file = file_of_call(request, request->args[0]);
	int32_t n_max = (int32_t)request->args[1];

	if (file == NULL) {
		return -LINUX_EBADF;
	}
	if (file->ops != &epoll_file_ops || n_max <= 0) {
		return -LINUX_EINVAL;
	}
	size_t out_size;
	struct epoll *epoll = epoll_of(file);
	struct linux_epoll_event *out = request_out(request, 2, &out_size);

	if (out == NULL) {
		return -LINUX_ENOMEM;
	}
	if (request->args[4] == 0) {
		epoll->pass++;
	}
	uint32_t room = (uint32_t)min_size(out_size / sizeof(*out), EPOLL_EVENTS_MAX);
	uint32_t n_events =
		epoll_collect(epoll, out, (uint32_t)n_max < room ? (uint32_t)n_max : room);

	if (n_events > 0 || !epoll_may_wait(request)) {
		if (++epoll->n_same > SAME_MIN) {
			view_note(request, file, &(struct view_use){ 0 });
		}
		request_set_out_size(request, n_events * sizeof(*out));
		return n_events;
	}
	request->interrupted_result = -LINUX_EINTR;
	request_forget_out(request);
	int64_t error = request_wait_on(request, &epoll->changed);

	return file_end_call(request, file, error < 0 ? error : REQUEST_PARK);
}
