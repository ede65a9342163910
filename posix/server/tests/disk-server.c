/* SPDX-License-Identifier: MIT */
/* A file server that exists only here; see disk-server.h. */
#include <abi/linux/stat.h>
#include <posix/server/fs/block.h>
#include <posix/server/tests/disk-server-internal.h>

constexpr size_t ENTRIES_MAX = 1024;
constexpr size_t XATTRS_MAX = 64;

struct server_xattr {
	uint64_t number; /* 0: unused */
	char name[64];
	uint8_t value[256];
	size_t size;
};

struct disk_server disk_server;
struct server_node disk_nodes[DISK_NODES_MAX];
static struct server_entry entries[ENTRIES_MAX];
static struct server_xattr xattrs[XATTRS_MAX];
static struct block *block;

/* ---- nodes and names ------------------------------------------------------------------------- */

struct server_node *disk_node_of(uint64_t id)
{
	struct server_node *node = &disk_nodes[id % DISK_NODES_MAX];

	return node->is_used && node->id == id && node->n_given > 0 ? node : NULL;
}

uint64_t disk_number_of(const struct server_node *node)
{
	return (uint64_t)(node - disk_nodes);
}

static void node_describe(struct server_node *node, struct fs_node *out)
{
	node->n_given++;
	*out = (struct fs_node){
		.id = node->id,
		.number = disk_number_of(node),
		.generation = 1,
		.attributes = node->attributes,
	};
}

static void node_free_if_unused(struct server_node *node)
{
	if (node->n_given > 0 || node->attributes.n_links > 0) {
		return;
	}
	if (node->memory != HEL_NULL) {
		hel_close(HEL_THIS, node->memory);
	}
	for (size_t i = 0; i < XATTRS_MAX; i++) {
		if (xattrs[i].number == disk_number_of(node)) {
			xattrs[i].number = 0;
		}
	}
	*node = (struct server_node){ 0 };
}

struct server_entry *disk_entry_find(uint64_t directory, const char *name, size_t length)
{
	for (size_t i = 0; i < ENTRIES_MAX; i++) {
		if (entries[i].directory == directory && strlen(entries[i].name) == length &&
			memcmp(entries[i].name, name, length) == 0) {
			return &entries[i];
		}
	}
	return NULL;
}

void disk_entry_add(uint64_t directory, const char *name, size_t length, uint64_t number)
{
	struct server_entry *entry = entries;

	while (entry->directory != 0) {
		entry++;
		ASSERT(entry < entries + ENTRIES_MAX);
	}
	entry->directory = directory;
	entry->number = number;
	memcpy(entry->name, name, length);
	entry->name[length] = '\0';
}

static bool directory_is_empty(uint64_t directory)
{
	for (size_t i = 0; i < ENTRIES_MAX; i++) {
		if (entries[i].directory == directory) {
			return false;
		}
	}
	return true;
}

static bool is_directory(const struct server_node *node)
{
	return linux_is_type(node->attributes.mode, LINUX_S_IFDIR);
}

void disk_node_touch(struct server_node *node)
{
	node->attributes.mtime.seconds++;
	node->attributes.ctime.seconds++;
	node->attributes.version++;
}

struct server_node *disk_node_create(uint32_t mode)
{
	struct server_node *node = &disk_nodes[DISK_ROOT_NUMBER];

	while (node->is_used) {
		node++;
		if (node == disk_nodes + DISK_NODES_MAX) {
			return NULL;
		}
	}
	static uint64_t n_made;

	*node = (struct server_node){
		.is_used = true,
		.id = ++n_made * DISK_NODES_MAX + disk_number_of(node),
		.memory = HEL_NULL,
		.attributes = {
			.mode = mode,
			.n_links = linux_is_type(mode, LINUX_S_IFDIR) ? 2 : 1,
			.atime.seconds = 1000,
			.mtime.seconds = 1000,
			.ctime.seconds = 1000,
		},
	};
	return node;
}

/* ---- names ----------------------------------------------------------------------------------- */

static int server_lookup(struct bragi_call *call UNUSED, const struct fs_lookup_request *request,
	struct fs_lookup_reply *out_reply)
{
	struct server_node *directory = disk_node_of(request->directory);

	disk_server.n_lookups++;
	ASSERT(directory != NULL && is_directory(directory));
	const struct server_entry *entry = disk_entry_find(
		disk_number_of(directory), request->name.text, request->name.length);

	if (entry == NULL) {
		return -ERR_NOT_FOUND;
	}
	node_describe(&disk_nodes[entry->number], &out_reply->node);
	return 0;
}

static int server_create(struct bragi_call *call UNUSED, const struct fs_create_request *request,
	struct fs_create_reply *out_reply)
{
	struct server_node *directory = disk_node_of(request->directory);

	ASSERT(directory != NULL && is_directory(directory));
	if (request->is_unnamed == 0 &&
		disk_entry_find(
			disk_number_of(directory), request->name.text, request->name.length)) {
		return -ERR_EXISTS;
	}
	struct server_node *node = disk_node_create(request->mode);

	if (node == NULL) {
		return FS_ERROR_NO_SPACE;
	}
	node->attributes.uid = request->uid;
	node->attributes.gid = request->gid;
	node->attributes.device_number = request->device_number;
	memcpy(node->target, request->target.text, request->target.length);
	node->attributes.size = request->target.length;
	if (request->is_unnamed != 0) {
		node->attributes.n_links = 0;
	} else {
		disk_entry_add(disk_number_of(directory), request->name.text, request->name.length,
			disk_number_of(node));
		directory->attributes.n_links += is_directory(node);
	}
	disk_node_touch(directory);
	if (disk_server.cannot_tell) {
		disk_server.cannot_tell = false;
		return -ERR_NO_MEMORY;
	}
	node_describe(node, &out_reply->node);
	out_reply->directory = directory->attributes;
	return 0;
}

static int server_link(struct bragi_call *call UNUSED, const struct fs_link_request *request,
	struct fs_link_reply *out_reply)
{
	struct server_node *directory = disk_node_of(request->directory);
	struct server_node *node = disk_node_of(request->node);

	ASSERT(directory != NULL && node != NULL);
	if (disk_entry_find(disk_number_of(directory), request->name.text, request->name.length)) {
		return -ERR_EXISTS;
	}
	disk_entry_add(disk_number_of(directory), request->name.text, request->name.length,
		disk_number_of(node));
	node->attributes.n_links++;
	disk_node_touch(directory);
	out_reply->node = node->attributes;
	out_reply->directory = directory->attributes;
	return 0;
}

static void name_gone(struct server_node *directory, struct server_node *node)
{
	if (is_directory(node)) {
		directory->attributes.n_links--;
		node->attributes.n_links = 0;
	} else {
		node->attributes.n_links--;
	}
}

void disk_entry_remove(struct server_entry *entry)
{
	struct server_node *directory = &disk_nodes[entry->directory];
	struct server_node *node = &disk_nodes[entry->number];

	entry->directory = 0;
	name_gone(directory, node);
	node_free_if_unused(node);
	disk_node_touch(directory);
}

static int server_unlink(struct bragi_call *call UNUSED, const struct fs_unlink_request *request,
	struct fs_unlink_reply *out_reply)
{
	struct server_node *directory = disk_node_of(request->directory);

	ASSERT(directory != NULL);
	struct server_entry *entry = disk_entry_find(
		disk_number_of(directory), request->name.text, request->name.length);

	if (entry == NULL) {
		return -ERR_NOT_FOUND;
	}
	struct server_node *node = &disk_nodes[entry->number];

	ASSERT(disk_server.is_shared || disk_node_of(request->node) == node);
	if (is_directory(node) && !directory_is_empty(disk_number_of(node))) {
		return FS_ERROR_NOT_EMPTY;
	}
	disk_entry_remove(entry);
	out_reply->node = node->attributes;
	out_reply->directory = directory->attributes;
	if (request->n_references > 0) {
		ASSERT(request->n_references <= node->n_given);
		node->n_given -= request->n_references;
		node_free_if_unused(node);
	}
	return 0;
}

static int server_rename(struct bragi_call *call UNUSED, const struct fs_rename_request *request,
	struct fs_rename_reply *out_reply)
{
	struct server_node *from = disk_node_of(request->from);
	struct server_node *to = disk_node_of(request->to);
	struct server_entry *source = disk_entry_find(
		disk_number_of(from), request->from_name.text, request->from_name.length);
	struct server_entry *target =
		disk_entry_find(disk_number_of(to), request->to_name.text, request->to_name.length);

	if (source == NULL) {
		return -ERR_NOT_FOUND;
	}
	struct server_node *node = &disk_nodes[source->number];

	if (source == target) {
		return 0;
	}
	if (target != NULL) {
		struct server_node *replaced = &disk_nodes[target->number];

		if (is_directory(replaced) && !directory_is_empty(disk_number_of(replaced))) {
			return FS_ERROR_NOT_EMPTY;
		}
		target->directory = 0;
		name_gone(to, replaced);
		node_free_if_unused(replaced);
	}
	source->directory = 0;
	disk_entry_add(disk_number_of(to), request->to_name.text, request->to_name.length,
		disk_number_of(node));
	from->attributes.n_links -= is_directory(node);
	to->attributes.n_links += is_directory(node);
	disk_node_touch(from);
	disk_node_touch(to);
	out_reply->from = from->attributes;
	out_reply->to = to->attributes;
	return 0;
}

/* Cookies: those of the dots are 1 and 2, those of entries their places behind. */
static int server_read_directory(struct bragi_call *call,
	const struct fs_read_directory_request *request, struct fs_read_directory_reply *out_reply)
{
	struct server_node *directory = disk_node_of(request->directory);
	uint8_t *out = malloc(request->bytes_max);
	size_t used = 0;

	ASSERT(directory != NULL && is_directory(directory) && request->bytes_max > 300);
	for (uint64_t cookie = request->cookie; cookie < ENTRIES_MAX + 2; cookie++) {
		const char *name = cookie == 0 ? "." : "..";
		uint64_t number = disk_number_of(directory), next = cookie + 1;

		if (cookie >= 2) {
			if (entries[cookie - 2].directory != disk_number_of(directory)) {
				continue;
			}
			name = entries[cookie - 2].name;
			number = entries[cookie - 2].number;
		}
		size_t length = strlen(name);

		if (used + 18 + length > min_size(request->bytes_max, 200)) {
			break;
		}
		memcpy(out + used, &number, 8);
		memcpy(out + used + 8, &next, 8);
		out[used + 16] = (uint8_t)(disk_nodes[number].attributes.mode >> 12);
		out[used + 17] = (uint8_t)length;
		memcpy(out + used + 18, name, length);
		used += 18 + length;
		out_reply->next_cookie = next;
	}
	void *kept = bragi_arena_allocate(&call->arena, used + 1);

	ASSERT(kept != NULL);
	memcpy(kept, out, used);
	free(out);
	out_reply->entries = (struct bragi_bytes){ .data = kept, .size = (uint32_t)used };
	return 0;
}

static int server_read_link(struct bragi_call *call UNUSED,
	const struct fs_read_link_request *request, struct fs_read_link_reply *out_reply)
{
	struct server_node *node = disk_node_of(request->node);

	ASSERT(node != NULL);
	out_reply->target = bragi_string_of(node->target);
	return 0;
}

static int server_forget(struct bragi_call *call UNUSED, const struct fs_forget_request *request,
	struct fs_forget_reply *out_reply UNUSED)
{
	struct server_node *node = disk_node_of(request->node);

	ASSERT(node != NULL && request->n_references <= node->n_given);
	node->n_given -= request->n_references;
	node_free_if_unused(node);
	return 0;
}

/* ---- attributes ------------------------------------------------------------------------------ */

static int server_get_attributes(struct bragi_call *call UNUSED,
	const struct fs_get_attributes_request *request, struct fs_get_attributes_reply *out_reply)
{
	struct server_node *node = disk_node_of(request->node);

	ASSERT(node != NULL);
	out_reply->attributes = node->attributes;
	return 0;
}

static int server_set_attributes(struct bragi_call *call UNUSED,
	const struct fs_set_attributes_request *request, struct fs_set_attributes_reply *out_reply)
{
	struct server_node *node = disk_node_of(request->node);
	const struct fs_attributes *new = &request->attributes;

	disk_server.n_set_attributes++;
	if (node == NULL) {
		return -ERR_NOT_FOUND; /* it was removed meanwhile, by who had all references */
	}
	struct fs_attributes *now = &node->attributes;

	if (request->what & FS_SET_MODE) {
		now->mode = (now->mode & LINUX_S_IFMT) | (new->mode & 07777);
	}
	now->uid = (request->what & FS_SET_UID) ? new->uid : now->uid;
	now->gid = (request->what & FS_SET_GID) ? new->gid : now->gid;
	now->atime = (request->what & FS_SET_ATIME) ? new->atime : now->atime;
	now->mtime = (request->what & FS_SET_MTIME) ? new->mtime : now->mtime;
	now->ctime = (request->what & FS_SET_CTIME) ? new->ctime : now->ctime;
	if (request->what & FS_SET_SIZE) {
		if (new->size > DISK_PAGES_MAX * HEL_PAGE_SIZE) {
			return FS_ERROR_TOO_LARGE;
		}
		disk_node_resize(node, new->size);
	}
	out_reply->attributes = *now;
	return 0;
}

static struct server_xattr *xattr_find(uint64_t number, const char *name, size_t length)
{
	for (size_t i = 0; i < XATTRS_MAX; i++) {
		if (xattrs[i].number == number && strlen(xattrs[i].name) == length &&
			memcmp(xattrs[i].name, name, length) == 0) {
			return &xattrs[i];
		}
	}
	return NULL;
}

static int server_get_xattr(struct bragi_call *call UNUSED,
	const struct fs_get_xattr_request *request, struct fs_get_xattr_reply *out_reply)
{
	struct server_node *node = disk_node_of(request->node);
	const struct server_xattr *xattr =
		xattr_find(disk_number_of(node), request->name.text, request->name.length);

	if (xattr == NULL) {
		return FS_ERROR_NO_ATTRIBUTE;
	}
	out_reply->value =
		(struct bragi_bytes){ .data = xattr->value, .size = (uint32_t)xattr->size };
	return 0;
}

static int server_list_xattrs(struct bragi_call *call, const struct fs_list_xattrs_request *request,
	struct fs_list_xattrs_reply *out_reply)
{
	struct server_node *node = disk_node_of(request->node);
	char *names = bragi_arena_allocate(&call->arena, 1024);
	size_t used = 0;

	for (size_t i = 0; i < XATTRS_MAX; i++) {
		if (xattrs[i].number == disk_number_of(node)) {
			memcpy(names + used, xattrs[i].name, strlen(xattrs[i].name) + 1);
			used += strlen(xattrs[i].name) + 1;
		}
	}
	out_reply->names = (struct bragi_bytes){ .data = names, .size = (uint32_t)used };
	return 0;
}

static int server_set_xattr(struct bragi_call *call UNUSED,
	const struct fs_set_xattr_request *request, struct fs_set_xattr_reply *out_reply UNUSED)
{
	struct server_node *node = disk_node_of(request->node);
	char name[64];

	ASSERT(node != NULL && request->name.length < sizeof(name) && request->value.size <= 256);
	memcpy(name, request->name.text, request->name.length);
	name[request->name.length] = '\0';
	disk_server_set_xattr(disk_number_of(node), name, request->value.data, request->value.size);
	return 0;
}

static int server_remove_xattr(struct bragi_call *call UNUSED,
	const struct fs_remove_xattr_request *request,
	struct fs_remove_xattr_reply *out_reply UNUSED)
{
	struct server_node *node = disk_node_of(request->node);
	struct server_xattr *xattr =
		xattr_find(disk_number_of(node), request->name.text, request->name.length);

	if (xattr == NULL) {
		return FS_ERROR_NO_ATTRIBUTE;
	}
	xattr->number = 0;
	return 0;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static int server_sync_node(struct bragi_call *call UNUSED,
	const struct fs_sync_node_request *request UNUSED,
	struct fs_sync_node_reply *out_reply UNUSED)
{
	ASSERT(disk_node_of(request->node) != NULL);
	disk_server.n_syncs++;
	int error = disk_server.sync_error;

	disk_server.sync_error = 0;
	return error;
}

static int server_prepare(struct bragi_call *call UNUSED, const struct fs_prepare_request *request,
	struct fs_prepare_reply *out_reply UNUSED)
{
	ASSERT(disk_server.is_shared && disk_node_of(request->node) != NULL);
	return 0;
}

static int server_sync(struct bragi_call *call UNUSED, const struct fs_sync_request *request UNUSED,
	struct fs_sync_reply *out_reply UNUSED)
{
	disk_server.n_syncs++;
	return 0;
}

static int server_statistics(struct bragi_call *call UNUSED,
	const struct fs_statistics_request *request UNUSED, struct fs_statistics_reply *out_reply)
{
	out_reply->block_bytes = 4096;
	out_reply->n_blocks = 1000;
	out_reply->n_blocks_free = disk_server.n_free_blocks;
	out_reply->n_blocks_available = disk_server.n_free_blocks - 1;
	out_reply->magic = 0xef53;
	out_reply->name_bytes_max = 255;
	return 0;
}

static int server_remount(struct bragi_call *call UNUSED, const struct fs_remount_request *request,
	struct fs_remount_reply *out_reply UNUSED)
{
	disk_server.is_read_only = request->is_read_only != 0;
	return 0;
}

void disk_server_client_gone(void)
{
	disk_server.is_mounted = false;
	for (size_t i = 0; i < DISK_NODES_MAX; i++) {
		disk_nodes[i].n_given = 0;
		if (disk_nodes[i].is_used) {
			node_free_if_unused(&disk_nodes[i]);
		}
	}
}

static int server_unmount(struct bragi_call *call UNUSED,
	const struct fs_unmount_request *request UNUSED, struct fs_unmount_reply *out_reply UNUSED)
{
	ASSERT(disk_server.is_mounted);
	disk_server_client_gone();
	return 0;
}

static int server_mount(struct bragi_call *call, const struct fs_mount_request *request,
	struct fs_mount_reply *out_reply)
{
	if (!bragi_string_equals(request->type, "ext4")) {
		return FS_ERROR_UNKNOWN_TYPE;
	}
	if (disk_server.is_mounted) {
		return FS_ERROR_BUSY;
	}
	disk_server.is_mounted = true;
	disk_server.is_read_only = request->is_read_only != 0;
	out_reply->block_bytes = 4096;
	out_reply->is_read_only = request->is_read_only;
	out_reply->is_shared = disk_server.is_shared;
	node_describe(&disk_nodes[DISK_ROOT_NUMBER], &out_reply->root);
	return bragi_handles_add(&call->to_send, fake_memory_with("lane", 5)) ? 0 : -ERR_NO_MEMORY;
}

static const struct fs_volume_ops volume_ops = { .mount = server_mount };

static const struct fs_session_ops session_ops = {
	.lookup = server_lookup,
	.create = server_create,
	.link = server_link,
	.unlink = server_unlink,
	.rename = server_rename,
	.read_directory = server_read_directory,
	.read_link = server_read_link,
	.forget = server_forget,
	.get_attributes = server_get_attributes,
	.set_attributes = server_set_attributes,
	.get_xattr = server_get_xattr,
	.set_xattr = server_set_xattr,
	.remove_xattr = server_remove_xattr,
	.list_xattrs = server_list_xattrs,
	.contents = server_contents,
	.reserve = server_reserve,
	.allocate = server_allocate,
	.map = server_map,
	.transfer = server_transfer,
	.prepare = server_prepare,
	.sync_node = server_sync_node,
	.sync = server_sync,
	.statistics = server_statistics,
	.remount = server_remount,
	.unmount = server_unmount,
};

/* ---- the way to it --------------------------------------------------------------------------- */

static int server_dispatch(const struct transport_client *client, struct bragi_call *call)
{
	return client == &block->volume.client ? fs_volume_dispatch(&volume_ops, call)
					       : fs_session_dispatch(&session_ops, call);
}

void disk_pass_on(struct task *task)
{
	ASSERT(task_sleep_until(
		       task, task_now_ns(task) + 1 + random_below(&disk_server.chance, 1000)) == 0);
}

/* What fails is not done; an error of the lane, so that the reply is none. */
int disk_failure(void)
{
	int error = disk_server.next_error;

	disk_server.next_error = 0;
	if (error == 0 && disk_server.fail_one_in != 0 &&
		random_below(&disk_server.chance, disk_server.fail_one_in) == 0) {
		error = -ERR_IO;
	}
	return error;
}

static int server_transact(
	struct task *task, struct bragi_client *base, struct bragi_exchange *exchange)
{
	const struct transport_client *client = container_of(base, struct transport_client, client);
	static uint8_t arena[1 << 16];
	struct bragi_call call = {
		.request_size = exchange->request_size,
		.received = exchange->to_send, /* borrowed */
	};
	void *request = malloc(exchange->request_size);

	memcpy(request, exchange->buffer, exchange->request_size);
	call.request = request;
	call.reply = bragi_exchange_reply(exchange, &call.reply_size_max);
	disk_server.n_calls++;
	disk_server.n_at_once++;
	disk_server.n_at_once_max = max_u64(disk_server.n_at_once_max, disk_server.n_at_once);
	disk_pass_on(task);
	int error = disk_failure();

	if (disk_server.meanwhile != NULL) {
		disk_server.meanwhile();
	}
	if (error == 0) {
		bragi_arena_init(&call.arena, arena, sizeof(arena));
		ASSERT(server_dispatch(client, &call) == 0);
		exchange->reply_size = call.reply_size;
		exchange->received = call.to_send;
		ASSERT(call.to_send.count <= client->n_handles_max);
	}
	free(request);
	disk_pass_on(task);
	disk_server.n_at_once--;
	return error;
}

/* ---- for cases ------------------------------------------------------------------------------- */

void disk_server_begin(uint64_t seed)
{
	const struct volume_info info = {
		.size_bytes = MIB(64),
		.logical_block_bytes = 512,
		.physical_block_bytes = 4096,
	};
	const struct block_found found = {
		.name = "disk",
		.disk = "disk",
		.object = 1,
		.lane = fake_memory_with("", 0),
		.info = &info,
	};

	disk_server = (struct disk_server){ .n_free_blocks = 500 };
	random_init(&disk_server.chance, seed);
	fake_transact = server_transact;
	ASSERT(block_add(&found, &block) == 0);
	ASSERT(disk_number_of(disk_node_create(LINUX_S_IFDIR | 0755)) == DISK_ROOT_NUMBER);
}

void disk_server_end(void)
{
	ASSERT(!disk_server.is_mounted && block->volume.super == NULL);
	ASSERT(block->volume.references == 2);
	volume_unref(&block->volume);
	block_vanished(1);
	block_forget_places();
	ASSERT(disk_server.n_locked == 0 && disk_server.n_at_once == 0);
	memset(entries, 0, sizeof(entries));
	for (size_t i = 0; i < DISK_NODES_MAX; i++) {
		if (disk_nodes[i].is_used) {
			disk_nodes[i].attributes.n_links = 0;
			node_free_if_unused(&disk_nodes[i]);
		}
	}
}

uint64_t disk_server_rdev(void)
{
	return block->volume.rdev;
}

uint64_t disk_server_find(const char *path)
{
	uint64_t at = DISK_ROOT_NUMBER;

	while (*path != '\0') {
		size_t length = strcspn(path, "/");
		const struct server_entry *entry = disk_entry_find(at, path, length);

		if (entry == NULL) {
			return 0;
		}
		at = entry->number;
		path += length + (path[length] == '/');
	}
	return at;
}

const struct fs_attributes *disk_server_attributes(uint64_t number)
{
	ASSERT(number < DISK_NODES_MAX && disk_nodes[number].is_used);
	return &disk_nodes[number].attributes;
}

uint64_t disk_server_n_given(void)
{
	uint64_t n = 0;

	for (size_t i = 0; i < DISK_NODES_MAX; i++) {
		n += disk_nodes[i].n_given;
	}
	return n;
}

uint64_t disk_server_n_nodes(void)
{
	uint64_t n = 0;

	for (size_t i = 0; i < DISK_NODES_MAX; i++) {
		n += disk_nodes[i].is_used;
	}
	return n;
}

void disk_server_set_xattr(uint64_t number, const char *name, const void *value, size_t size)
{
	struct server_xattr *xattr = xattr_find(number, name, strlen(name));

	if (xattr == NULL) {
		xattr = xattrs;
		while (xattr->number != 0) {
			xattr++;
			ASSERT(xattr < xattrs + XATTRS_MAX);
		}
	}
	xattr->number = number;
	snprintf(xattr->name, sizeof(xattr->name), "%s", name);
	memcpy(xattr->value, value, size);
	xattr->size = size;
	disk_nodes[number].attributes.has_xattrs = 1;
}

const void *disk_server_xattr(uint64_t number, const char *name, size_t *out_size)
{
	const struct server_xattr *xattr = xattr_find(number, name, strlen(name));

	*out_size = xattr == NULL ? 0 : xattr->size;
	return xattr == NULL ? NULL : xattr->value;
}

void disk_server_evict(void)
{
	for (size_t i = 0; i < DISK_NODES_MAX; i++) {
		disk_nodes[i].absent = ~0ull;
	}
}

const char *disk_server_text(uint64_t number)
{
	static char text[DISK_PAGES_MAX * HEL_PAGE_SIZE + 1];
	const struct server_node *node = &disk_nodes[number];

	memset(text, 0, sizeof(text));
	if (node->memory != HEL_NULL) {
		fake_memory_read(node->memory, text, node->attributes.size);
	}
	return text;
}
