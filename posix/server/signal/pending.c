/* SPDX-License-Identifier: MIT */
/* Sets of pending signals and their information. */
#include <base/string.h>
#include <helix/memory.h>
#include <posix/server/signal/signal.h>

/* Faults come before everything else, as in Linux. */
constexpr uint64_t MASK_SYNCHRONOUS = 1ull << (LINUX_SIGSEGV - 1) | 1ull << (LINUX_SIGBUS - 1) |
	1ull << (LINUX_SIGILL - 1) | 1ull << (LINUX_SIGTRAP - 1) | 1ull << (LINUX_SIGFPE - 1) |
	1ull << (LINUX_SIGSYS - 1);

void signal_pending_init(struct signal_pending *pending)
{
	pending->set = 0;
	list_init(&pending->queue);
	tree_init(&pending->order);
}

void signal_pending_clear(struct signal_pending *pending)
{
	signal_pending_remove(pending, ~(uint64_t)0);
}

static int compare_signal(const void *key, const struct tree_node *node)
{
	return *(const int *)key -
		container_of(node, const struct pending_signal, order_node)->info.signal;
}

static int compare_entries(const struct tree_node *a, const struct tree_node *b)
{
	return compare_signal(
		&container_of(a, const struct pending_signal, order_node)->info.signal, b);
}

/*
 * The user who is sent them may have so many. What the system, or kill(), says of an ordinary
 * signal is kept beyond that: there is one of each.
 */
static struct pending_signal *entry_create(
	const struct process *process, const struct signal_info *info)
{
	bool is_free = info->signal < LINUX_SIGRTMIN && info->code >= 0;
	uint64_t limit = is_free ? UINT64_MAX : process->limits[LIMIT_SIGPENDING][0];
	struct pending_signal *entry = helix_malloc(sizeof(*entry));

	if (entry != NULL &&
		account_charge(process->internal->account->uid, ACCOUNT_SIGNALS, 1, limit,
			&entry->account) != 0) {
		helix_free(entry);
		return NULL;
	}
	if (entry != NULL) {
		entry->info = *info;
		list_node_init(&entry->node);
		tree_node_init(&entry->order_node);
	}
	return entry;
}

static void entry_free(struct signal_pending *pending, struct pending_signal *entry)
{
	list_remove(&entry->node);
	tree_remove(&pending->order, &entry->order_node);
	account_discharge(entry->account, ACCOUNT_SIGNALS, 1);
	helix_free(entry);
}

struct pending_signal *signal_pending_first(const struct signal_pending *pending, int signal)
{
	struct pending_signal *entry =
		TREE_ENTRY(tree_lower_bound(&pending->order, &signal, compare_signal),
			struct pending_signal, order_node);

	return entry != NULL && entry->info.signal == signal ? entry : NULL;
}

struct pending_signal *signal_pending_next(const struct pending_signal *entry)
{
	struct pending_signal *next =
		TREE_ENTRY(tree_next(&entry->order_node), struct pending_signal, order_node);

	return next != NULL && next->info.signal == entry->info.signal ? next : NULL;
}

int signal_pending_add(struct signal_pending *pending, const struct process *process,
	const struct signal_info *info)
{
	uint64_t bit = linux_sigmask(info->signal);
	struct pending_signal *entry;

	if (info->signal < LINUX_SIGRTMIN && (pending->set & bit) != 0) {
		return 0;
	}
	entry = entry_create(process, info);
	if (entry == NULL) {
		if (info->signal >= LINUX_SIGRTMIN && info->code < 0) {
			return -LINUX_EAGAIN;
		}
		pending->set |= bit;
		return 0;
	}
	list_push_back(&pending->queue, &entry->node);
	tree_insert(&pending->order, &entry->order_node, compare_entries);
	pending->set |= bit;
	return 0;
}

static struct pending_signal *find_entry(
	struct signal_pending *pending, int signal, bool *out_has_more)
{
	struct pending_signal *found = signal_pending_first(pending, signal);

	*out_has_more = found != NULL && signal_pending_next(found) != NULL;
	return found;
}

bool signal_pending_take(struct signal_pending *pending, uint64_t set, struct signal_info *out_info)
{
	uint64_t candidates = pending->set & set;
	struct pending_signal *entry;
	bool has_more;
	int signal;

	if (candidates == 0) {
		return false;
	}
	if ((candidates & MASK_SYNCHRONOUS) != 0) {
		candidates &= MASK_SYNCHRONOUS;
	}
	signal = __builtin_ctzll(candidates) + 1;
	entry = find_entry(pending, signal, &has_more);
	if (!has_more) {
		pending->set &= ~linux_sigmask(signal);
	}
	if (entry == NULL) {
		*out_info = (struct signal_info){ .signal = signal, .code = LINUX_SI_USER };
		return true;
	}
	*out_info = entry->info;
	entry_free(pending, entry);
	return true;
}

bool signal_pending_is_single(
	struct signal_pending *pending, int signal, struct signal_info *out_info)
{
	bool has_more;
	const struct pending_signal *entry = find_entry(pending, signal, &has_more);

	if (has_more) {
		return false;
	}
	*out_info = entry != NULL ? entry->info
				  : (struct signal_info){ .signal = signal, .code = LINUX_SI_USER };
	return true;
}

void signal_pending_remove(struct signal_pending *pending, uint64_t set)
{
	if ((pending->set & set) == 0) {
		return;
	}
	LIST_FOR_EACH_SAFE(entry, &pending->queue, struct pending_signal, node) {
		if ((linux_sigmask(entry->info.signal) & set) != 0) {
			entry_free(pending, entry);
		}
	}
	pending->set &= ~set;
}

bool signal_is_fault(int signal, int code)
{
	return (linux_sigmask(signal) & MASK_SYNCHRONOUS) != 0 && code > 0 &&
		code < LINUX_SI_KERNEL;
}

void signal_info_encode(const struct signal_info *info, struct posix_signal_info *out_info)
{
	struct linux_siginfo siginfo = { .signal = info->signal, .code = info->code };

	if (info->is_raw) {
		memcpy(&siginfo, info->raw, sizeof(info->raw));
		siginfo.signal = info->signal;
	} else if (signal_is_fault(info->signal, info->code)) {
		siginfo.fault.address = info->address;
	} else if (info->signal == LINUX_SIGCHLD && info->code > 0) {
		siginfo.child.pid = info->pid;
		siginfo.child.uid = info->uid;
		siginfo.child.status = info->status;
	} else {
		siginfo.sender.pid = info->pid;
		siginfo.sender.uid = info->uid;
		siginfo.sender.value = info->value;
	}
	static_assert(sizeof(siginfo) == sizeof(*out_info));
	memcpy(out_info, &siginfo, sizeof(siginfo));
}
