/* SPDX-License-Identifier: MIT */
/* Keys, numbers and permissions of System V IPC; see ipc.h. */
#include <base/assert.h>
#include <base/hash.h>
#include <posix/server/ipc/ipc.h>
#include <posix/server/process/process-internal.h>
#include <posix/server/time/time.h>

constexpr uint32_t MODE_MASK = 0777;

int64_t ipc_now(void)
{
	return (int64_t)(clock_realtime_ns() / NS_PER_S);
}

/* ---- permissions ----------------------------------------------------------------------------- */

bool ipc_owns(const struct process *process, const struct ipc_object *object)
{
	uint32_t euid = process->credentials.euid;

	return euid == object->uid || euid == object->cuid ||
		process_has(process, LINUX_CAP_SYS_ADMIN);
}

static bool is_in_group(const struct credentials *who, uint32_t gid)
{
	for (uint32_t i = 0; i < who->n_groups; i++) {
		if (who->groups[i] == gid) {
			return true;
		}
	}
	return who->egid == gid;
}

bool ipc_may(const struct process *process, const struct ipc_object *object, uint32_t wanted)
{
	const struct credentials *who = &process->credentials;
	uint32_t granted = object->mode;

	wanted = (wanted >> 6 | wanted >> 3 | wanted) & 7;
	if (who->euid == object->uid || who->euid == object->cuid) {
		granted >>= 6;
	} else if (is_in_group(who, object->gid) || is_in_group(who, object->cgid)) {
		granted >>= 3;
	}
	return (wanted & ~granted) == 0 || process_has(process, LINUX_CAP_IPC_OWNER);
}

/* ---- the table ------------------------------------------------------------------------------- */

static void table_init(struct ipc_table *table)
{
	if (!table->is_ready) {
		hash_table_init(&table->keys, table->buckets, IPC_KEY_BUCKETS, NULL);
		table->is_ready = true;
	}
}

static uint64_t hash_of_key(int32_t key)
{
	return hash_u64((uint32_t)key);
}

static bool has_key(const struct hash_node *node, const void *key)
{
	return container_of(node, const struct ipc_object, key_node)->key == *(const int32_t *)key;
}

static struct ipc_object *find_key(const struct ipc_table *table, int32_t key)
{
	struct hash_node *node = hash_table_find(&table->keys, hash_of_key(key), has_key, &key);

	return node != NULL ? container_of(node, struct ipc_object, key_node) : NULL;
}

int64_t ipc_lookup(struct ipc_table *table, const struct process *process, int32_t key,
	uint32_t flags, uint32_t n_max, struct ipc_object **out_object)
{
	struct ipc_object *object = NULL;

	table_init(table);
	if (key != LINUX_IPC_PRIVATE) {
		object = find_key(table, key);
		if (object == NULL && (flags & LINUX_IPC_CREAT) == 0) {
			return -LINUX_ENOENT;
		}
	}
	if (object == NULL) {
		*out_object = NULL;
		return table->n_objects >= n_max ? -LINUX_ENOSPC : 0;
	}
	if ((flags & LINUX_IPC_CREAT) != 0 && (flags & LINUX_IPC_EXCL) != 0) {
		return -LINUX_EEXIST;
	}
	if (!ipc_may(process, object, flags & MODE_MASK)) {
		return -LINUX_EACCES;
	}
	*out_object = object;
	return 0;
}

void ipc_add(struct ipc_table *table, const struct process *process, int32_t key, uint32_t flags,
	struct ipc_object *object)
{
	const struct credentials *who = &process->credentials;
	size_t index = bitmap_find_clear(table->used, IPC_PLACES, 0);

	ASSERT(index != BITMAP_NONE);
	bitmap_set(table->used, index);
	table->objects[index] = object;
	table->n_objects++;
	/* A number is never negative. */
	table->round = (uint16_t)((table->round + 1) & 0x7fff);
	object->id = (int32_t)(table->round * IPC_PLACES + index);
	object->key = key;
	object->uid = object->cuid = who->euid;
	object->gid = object->cgid = who->egid;
	object->mode = flags & MODE_MASK;
	object->change_time = ipc_now();
	if (key != LINUX_IPC_PRIVATE) {
		hash_table_insert(&table->keys, &object->key_node, hash_of_key(key));
	}
}

void ipc_forget_key(struct ipc_table *table, struct ipc_object *object)
{
	if (object->key != LINUX_IPC_PRIVATE) {
		hash_table_remove(&table->keys, &object->key_node);
		object->key = LINUX_IPC_PRIVATE;
	}
}

void ipc_remove(struct ipc_table *table, struct ipc_object *object)
{
	uint32_t index = (uint32_t)object->id % IPC_PLACES;

	ASSERT(table->objects[index] == object);
	ipc_forget_key(table, object);
	table->objects[index] = NULL;
	table->n_objects--;
	bitmap_clear(table->used, index);
}

struct ipc_object *ipc_at(const struct ipc_table *table, uint32_t index)
{
	return index < IPC_PLACES ? table->objects[index] : NULL;
}

struct ipc_object *ipc_find(const struct ipc_table *table, int32_t id)
{
	struct ipc_object *object = id < 0 ? NULL : ipc_at(table, (uint32_t)id % IPC_PLACES);

	return object != NULL && object->id == id ? object : NULL;
}

int64_t ipc_last_index(const struct ipc_table *table)
{
	for (size_t i = ARRAY_SIZE(table->used); i > 0; i--) {
		if (table->used[i - 1] != 0) {
			return (int64_t)(i * 64 - 1) - __builtin_clzll(table->used[i - 1]);
		}
	}
	return 0;
}

struct ipc_object *ipc_next(const struct ipc_table *table, uint64_t *cursor)
{
	size_t index = *cursor > IPC_PLACES
		? BITMAP_NONE
		: bitmap_find_set(table->used, IPC_PLACES, (size_t)*cursor - 1);

	if (index == BITMAP_NONE) {
		*cursor = IPC_PLACES + 1;
		return NULL;
	}
	*cursor = index + 2;
	return table->objects[index];
}

/* ---- what all kinds tell and change ---------------------------------------------------------- */

void ipc_encode(const struct ipc_object *object, struct linux_ipc_perm *out_perm)
{
	*out_perm = (struct linux_ipc_perm){
		.key = object->key,
		.uid = object->uid,
		.gid = object->gid,
		.cuid = object->cuid,
		.cgid = object->cgid,
		.mode = object->mode,
		.sequence = (uint16_t)((uint32_t)object->id / IPC_PLACES),
	};
}

int64_t ipc_set(struct ipc_object *object, const struct linux_ipc_perm *perm)
{
	if (perm->uid == UINT32_MAX || perm->gid == UINT32_MAX) {
		return -LINUX_EINVAL;
	}
	object->uid = perm->uid;
	object->gid = perm->gid;
	object->mode = (object->mode & ~MODE_MASK) | (perm->mode & MODE_MASK);
	object->change_time = ipc_now();
	return 0;
}
