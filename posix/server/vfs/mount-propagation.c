/* SPDX-License-Identifier: MIT */
/*
 * Peers and slaves: what is mounted on one mount, or taken off, is so on others that show the same.
 *
 *	private      in no group, nobody's slave
 *	shared       member of a group of peers
 *	slave        of a group: hears of what happens to its members, and is not heard
 *	both         slave of one group and member of another
 *	unbindable   private, and not to be bound
 *
 * A group lives while it has members. Its slaves go over to the master of the last member, or
 * become private. All members of a group have one master.
 *
 * mount_graft() visits all mounts that are to see the new one, masters before their slaves. Each
 * group gets one copy made for it, of what its master's group got, and the copies for its other
 * members are peers of that. Everything is made before anything is mounted, so that a lack of
 * memory changes nothing.
 */
#include <abi/linux/errno.h>
#include <base/assert.h>
#include <helix/memory.h>
#include <posix/server/vfs/dentry.h>
#include <posix/server/vfs/mount.h>

static uint64_t last_visit;

/* ---- relations ------------------------------------------------------------------------------- */

static void join(struct mount *mount, struct mount_peers *peers)
{
	mount->peers = peers;
	list_push_back(&peers->members, &mount->peer_node);
}

static void enslave(struct mount *mount, struct mount_peers *master)
{
	list_remove(&mount->slave_node);
	mount->master = master;
	if (master != NULL) {
		list_push_back(&master->slaves, &mount->slave_node);
	}
}

static void leave_peers(struct mount *mount)
{
	struct mount_peers *peers = mount->peers;
	struct mount *slave;

	if (peers == NULL) {
		return;
	}
	list_remove(&mount->peer_node);
	mount->peers = NULL;
	if (!list_is_empty(&peers->members)) {
		return;
	}
	while ((slave = LIST_FIRST(&peers->slaves, struct mount, slave_node)) != NULL) {
		enslave(slave, mount->master);
	}
	helix_free(peers);
}

int64_t mount_make_shared(struct mount *mount)
{
	static uint32_t n_groups_ever;

	mount->is_unbindable = false;
	if (mount->peers != NULL) {
		return 0;
	}
	struct mount_peers *peers = helix_malloc(sizeof(*peers));

	if (peers == NULL) {
		return -LINUX_ENOMEM;
	}
	*peers = (struct mount_peers){ .id = ++n_groups_ever };
	list_init(&peers->members);
	list_init(&peers->slaves);
	join(mount, peers);
	return 0;
}

void mount_make_slave(struct mount *mount)
{
	struct mount_peers *peers = mount->peers;
	bool has_others =
		peers != NULL && list_first(&peers->members) != list_last(&peers->members);

	mount->is_unbindable = false;
	leave_peers(mount);
	if (has_others) {
		enslave(mount, peers);
	}
}

void mount_make_private(struct mount *mount)
{
	leave_peers(mount);
	enslave(mount, NULL);
	mount->is_unbindable = false;
}

int64_t mount_copy_relations(struct mount *copy, const struct mount *from, uint32_t flags)
{
	if ((flags & MOUNT_COPY_SLAVE) != 0) {
		enslave(copy, from->peers);
		return (flags & MOUNT_COPY_SHARED) != 0 ? mount_make_shared(copy) : 0;
	}
	if (from->peers != NULL) {
		join(copy, from->peers);
	}
	enslave(copy, from->master);
	copy->is_unbindable = from->is_unbindable;
	return 0;
}

/* ---- who is to see it ------------------------------------------------------------------------ */

static void visit(struct mount *mount, struct list *found)
{
	if (mount->visit != last_visit && mount->tree != NULL) {
		mount->visit = last_visit;
		list_push_back(found, &mount->visit_node);
	}
}

/* All that hear of what happens on @from, and itself. The list is to be emptied. */
static void find_listeners(struct mount *from, struct list *found)
{
	list_init(found);
	last_visit++;
	visit(from, found);
	LIST_FOR_EACH(mount, found, struct mount, visit_node) {
		struct mount_peers *peers = mount->peers;

		if (peers == NULL || peers->visit == last_visit) {
			continue;
		}
		peers->visit = last_visit;
		peers->copy = NULL;
		LIST_FOR_EACH(member, &peers->members, struct mount, peer_node) {
			visit(member, found);
		}
		LIST_FOR_EACH(slave, &peers->slaves, struct mount, slave_node) {
			visit(slave, found);
		}
	}
}

/* ---- mounting -------------------------------------------------------------------------------- */

static struct mount_peers *master_of(const struct mount_peers *peers)
{
	return LIST_FIRST(&peers->members, struct mount, peer_node)->master;
}

static int64_t copy_for(struct mount *listener, struct mount_peers *first, struct mount **out_copy)
{
	struct mount_peers *peers = listener->peers, *master = listener->master;
	uint32_t flags = MOUNT_COPY_SLAVE | (peers != NULL ? MOUNT_COPY_SHARED : 0);
	int64_t error;

	if (peers != NULL && peers->copy != NULL) {
		return mount_copy(peers->copy, peers->copy->root, 0, out_copy);
	}
	/* the place may not be seen through mounts of the master's group: then its master's */
	while (master != NULL && (master->visit != last_visit || master->copy == NULL)) {
		master = master_of(master);
	}
	if (master == NULL) {
		master = first;
	}
	error = mount_copy(master->copy, master->copy->root, flags, out_copy);
	if (error == 0 && peers != NULL) {
		peers->copy = *out_copy;
	}
	return error;
}

static int64_t make_copies(struct list *found, const struct path *at, struct list *copies)
{
	struct mount *listener;
	int64_t error = 0;

	while ((listener = LIST_FIRST(found, struct mount, visit_node)) != NULL) {
		struct mount *copy;

		list_remove(&listener->visit_node);
		if (error < 0 || listener == at->mount ||
			!dentry_is_below(at->dentry, listener->root)) {
			continue;
		}
		error = copy_for(listener, at->mount->peers, &copy);
		if (error == 0) {
			copy->target = listener;
			list_push_back(copies, &copy->visit_node);
		}
	}
	return error;
}

/* What was mounted there before lies on top of it now. */
static void mount_beneath(struct mount *mount, struct mount *parent, struct dentry *mountpoint)
{
	struct mount *above = mount_find(parent, mountpoint);

	if (above != NULL) {
		mount_disconnect(above);
	}
	mount_attach(mount, parent, mountpoint);
	mount_enter(mount, parent->tree);
	if (above != NULL) {
		mount_attach(above, mount, mount->root);
	}
}

static int64_t share_all(struct mount *mount)
{
	int64_t error = 0;

	for (struct mount *at = mount; at != NULL && error == 0; at = mount_next(at, mount)) {
		error = mount_make_shared(at);
	}
	return error;
}

static int64_t propagate(struct mount *mount, const struct path *at)
{
	struct list found, copies;
	struct mount *copy;
	int64_t error = share_all(mount);

	if (error < 0) {
		return error;
	}
	find_listeners(at->mount, &found);
	at->mount->peers->copy = mount;
	list_init(&copies);
	error = make_copies(&found, at, &copies);
	while ((copy = LIST_POP_FRONT(&copies, struct mount, visit_node)) != NULL) {
		list_node_init(&copy->visit_node);
		if (error < 0) {
			mount_dissolve(copy);
		} else {
			mount_beneath(copy, copy->target, at->dentry);
		}
	}
	return error;
}

int64_t mount_graft(struct mount *mount, const struct path *at)
{
	int64_t error = at->mount->peers == NULL ? 0 : propagate(mount, at);

	if (error == 0) {
		mount_attach(mount, at->mount, at->dentry);
		mount_enter(mount, at->mount->tree);
	}
	return error;
}

/* ---- taking off ------------------------------------------------------------------------------ */

/* Calls @act for what is mounted at the same place of others; true as soon as it says so. */
static bool for_each_elsewhere(const struct mount *mount, bool (*act)(struct mount *other))
{
	bool is_done = false;
	struct mount *listener;
	struct list found;

	if (mount->parent == NULL || mount->parent->peers == NULL) {
		return false;
	}
	find_listeners(mount->parent, &found);
	while ((listener = LIST_FIRST(&found, struct mount, visit_node)) != NULL) {
		struct mount *other = mount_find(listener, mount->mountpoint);

		list_remove(&listener->visit_node);
		if (other != NULL && other != mount && list_is_empty(&other->children) &&
			!is_done) {
			is_done = act(other);
		}
	}
	return is_done;
}

static bool is_busy(struct mount *other)
{
	return other->references > 1;
}

static bool take_off(struct mount *other)
{
	mount_dissolve(other);
	return false;
}

bool mount_is_busy_elsewhere(const struct mount *mount)
{
	return for_each_elsewhere(mount, is_busy);
}

void mount_umount_elsewhere(const struct mount *mount)
{
	(void)for_each_elsewhere(mount, take_off);
}
