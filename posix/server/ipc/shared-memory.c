/* SPDX-License-Identifier: MIT */
/*
 * System V shared memory.
 *
 * A segment is a memory object of thor's. Each address space notes what it has attached where, and
 * a forked one gets copies of the notes. Programs can unmap without asking posix: a note whose
 * memory is no longer mapped at its place counts for nothing, and goes when somebody asks how many
 * there are.
 *
 * IPC_RMID of an attached segment takes away its key and dooms it: it goes with the last
 * attachment.
 */
#include <base/errors.h>
#include <base/format.h>
#include <helix/memory.h>
#include <posix/server/file/handlers.h>
#include <posix/server/ipc/control.h>
#include <posix/server/process/process-internal.h>
#include <posix/server/time/time.h>

struct segment {
	struct ipc_object object;
	uint64_t size; /* as asked for */
	hel_handle memory;
	uint64_t identity; /* of the memory, 0: not yet known */
	int64_t attach_time, detach_time;
	uint32_t creator_pid, last_pid;
	struct list attachments;
};

struct attachment {
	struct list_node segment_node;
	struct tree_node mm_node; /* in mm->attachments, by address */
	struct segment *segment;
	struct mm *mm;
	uint64_t address;
};

static struct ipc_table segments;
static uint64_t n_pages_used;

static struct segment *segment_of(struct ipc_object *object)
{
	return object != NULL ? container_of(object, struct segment, object) : NULL;
}

static uint64_t pages_of(uint64_t size)
{
	return align_up(size, HEL_PAGE_SIZE) / HEL_PAGE_SIZE;
}

uint64_t shared_memory_pages_max(void)
{
	struct hel_kernel_stats stats = { 0 };

	(void)kernel_stats_get(&stats);
	return stats.memory_total_bytes / HEL_PAGE_SIZE;
}

/* ---- shmget ---------------------------------------------------------------------------------- */

static int64_t segment_create(const struct process *process, uint64_t size, struct segment **out)
{
	uint64_t n_pages = pages_of(size), n_pages_max = shared_memory_pages_max();

	if (n_pages > n_pages_max || n_pages_used > n_pages_max - n_pages) {
		return -LINUX_ENOSPC;
	}
	struct segment *segment = helix_calloc(1, sizeof(*segment));

	if (segment == NULL ||
		hel_memory_allocate(n_pages * HEL_PAGE_SIZE, 0, &segment->memory) != 0) {
		helix_free(segment);
		return -LINUX_ENOMEM;
	}
	segment->size = size;
	segment->creator_pid = process->pid;
	list_init(&segment->attachments);
	n_pages_used += n_pages;
	*out = segment;
	return 0;
}

int64_t posix_shmget(struct request *request)
{
	int32_t key = (int32_t)request->args[0];
	uint64_t size = request->args[1];
	uint32_t flags = (uint32_t)request->args[2];
	struct ipc_object *object;
	int64_t error = ipc_lookup(&segments, request->process, key, flags, SEGMENTS_MAX, &object);

	if (error < 0) {
		return error;
	}
	if (object == NULL) {
		struct segment *segment;

		if (size == 0 || size > INT64_MAX || (flags & LINUX_SHM_HUGETLB) != 0) {
			return -LINUX_EINVAL;
		}
		error = segment_create(request->process, size, &segment);
		if (error < 0) {
			return error;
		}
		ipc_add(&segments, request->process, key, flags, &segment->object);
		return segment->object.id;
	}
	return size > segment_of(object)->size ? -LINUX_EINVAL : object->id;
}

/* ---- attachments ----------------------------------------------------------------------------- */

static void segment_destroy(struct segment *segment)
{
	ipc_remove(&segments, &segment->object);
	n_pages_used -= pages_of(segment->size);
	hel_close(HEL_THIS, segment->memory);
	helix_free(segment);
}

/* The segment may be gone afterwards. */
static void segment_settle(struct segment *segment)
{
	if ((segment->object.mode & LINUX_SHM_DEST) != 0 && list_is_empty(&segment->attachments)) {
		segment_destroy(segment);
	}
}

static void attachment_free(struct attachment *attachment)
{
	list_remove(&attachment->segment_node);
	tree_remove(&attachment->mm->attachments, &attachment->mm_node);
	helix_free(attachment);
}

static int compare_address(const void *key, const struct tree_node *node)
{
	uint64_t address = *(const uint64_t *)key;
	uint64_t other = container_of(node, const struct attachment, mm_node)->address;

	return address < other ? -1 : address > other;
}

static int compare_attachments(const struct tree_node *a, const struct tree_node *b)
{
	return compare_address(&container_of(a, const struct attachment, mm_node)->address, b);
}

static struct attachment *attachment_create(
	struct segment *segment, struct mm *mm, uint64_t address)
{
	struct attachment *attachment = helix_malloc(sizeof(*attachment));

	if (attachment != NULL) {
		*attachment =
			(struct attachment){ .segment = segment, .mm = mm, .address = address };
		list_push_back(&segment->attachments, &attachment->segment_node);
		tree_insert(&mm->attachments, &attachment->mm_node, compare_attachments);
	}
	return attachment;
}

/* The first piece of the attachment that is still mapped at or above @from. */
static bool find_piece(
	const struct attachment *attachment, uint64_t from, struct hel_mapping_info *out_info)
{
	const struct segment *segment = attachment->segment;
	uint64_t end = attachment->address + pages_of(segment->size) * HEL_PAGE_SIZE;

	while (from < end && hel_space_query(attachment->mm->space, from, out_info) == 0 &&
		out_info->address < end) {
		if (out_info->memory_identity == segment->identity) {
			return true;
		}
		from = out_info->address + out_info->size_bytes;
	}
	return false;
}

/* How many there really are. */
static uint64_t segment_count(struct segment *segment)
{
	uint64_t n_attached = 0;

	LIST_FOR_EACH_SAFE(attachment, &segment->attachments, struct attachment, segment_node) {
		struct hel_mapping_info info;

		if (find_piece(attachment, attachment->address, &info)) {
			n_attached++;
		} else {
			attachment_free(attachment);
		}
	}
	return n_attached;
}

int shared_memory_forked(const struct mm *mm, struct mm *copy)
{
	TREE_FOR_EACH(attachment, &mm->attachments, struct attachment, mm_node) {
		if (attachment_create(attachment->segment, copy, attachment->address) == NULL) {
			return -LINUX_ENOMEM;
		}
	}
	return 0;
}

void shared_memory_left(struct mm *mm)
{
	struct tree_node *node;

	while ((node = tree_first(&mm->attachments)) != NULL) {
		struct attachment *attachment = container_of(node, struct attachment, mm_node);
		struct segment *segment = attachment->segment;

		attachment_free(attachment);
		segment->detach_time = ipc_now();
		segment_settle(segment);
	}
}

/* ---- shmat ----------------------------------------------------------------------------------- */

static int64_t place_of(uint64_t *address, uint64_t size, uint32_t flags)
{
	if (*address == 0) {
		return (flags & LINUX_SHM_REMAP) != 0 ? -LINUX_EINVAL : 0;
	}
	if (!is_aligned(*address, HEL_PAGE_SIZE)) {
		if ((flags & LINUX_SHM_RND) == 0) {
			return -LINUX_EINVAL;
		}
		*address = align_down(*address, HEL_PAGE_SIZE);
	}
	return *address == 0 || size > POSIX_SHIM_REGION || *address > POSIX_SHIM_REGION - size
		? -LINUX_EINVAL
		: 0;
}

static int64_t map_segment(
	struct segment *segment, struct mm *mm, uint64_t *address, uint32_t flags)
{
	uint32_t rights = HEL_RIGHT_READ | HEL_RIGHT_EXECUTE | HEL_RIGHT_MAP | HEL_RIGHT_DERIVE;
	struct hel_map_args args = {
		.space = mm->space,
		.address = *address,
		.size_bytes = pages_of(segment->size) * HEL_PAGE_SIZE,
		.flags = HEL_MAP_READ | HEL_MAP_FORK_SHARE,
		.limit_low = mm->mmap_low,
		.limit_high = mm->mmap_high,
	};
	struct hel_mapping_info info;

	if (*address != 0) {
		args.flags |=
			(flags & LINUX_SHM_REMAP) != 0 ? HEL_MAP_FIXED : HEL_MAP_FIXED_NOREPLACE;
	}
	args.flags |= (flags & LINUX_SHM_EXEC) != 0 ? HEL_MAP_EXECUTE : 0;
	if ((flags & LINUX_SHM_RDONLY) == 0) {
		args.flags |= HEL_MAP_WRITE;
		rights |= HEL_RIGHT_WRITE;
	}
	int error = hel_transfer(HEL_THIS, segment->memory, HEL_THIS, rights, &args.memory);

	if (error == 0) {
		error = hel_space_map(&args, address);
		hel_close(HEL_THIS, args.memory);
	}
	if (error != 0) {
		return error == -ERR_NO_MEMORY ? -LINUX_ENOMEM : -LINUX_EINVAL;
	}
	if (segment->identity == 0 && hel_space_query(mm->space, *address, &info) == 0) {
		segment->identity = info.memory_identity;
	}
	return 0;
}

int64_t posix_shmat(struct request *request)
{
	struct segment *segment = segment_of(ipc_find(&segments, (int32_t)request->args[0]));
	uint64_t address = request->args[1];
	uint32_t flags = (uint32_t)request->args[2];
	struct mm *mm = request->thread->internal->mm;
	uint32_t wanted = (flags & LINUX_SHM_RDONLY) != 0 ? IPC_READ : IPC_READ | IPC_WRITE;

	if (segment == NULL) {
		return -LINUX_EINVAL;
	}
	int64_t error = place_of(&address, segment->size, flags);

	if (error != 0) {
		return error;
	}
	if (!ipc_may(request->process, &segment->object,
		    wanted | ((flags & LINUX_SHM_EXEC) != 0 ? 0111 : 0))) {
		return -LINUX_EACCES;
	}
	error = map_segment(segment, mm, &address, flags);
	if (error != 0) {
		return error;
	}
	if (attachment_create(segment, mm, address) == NULL) {
		(void)!hel_space_unmap(mm->space, address, pages_of(segment->size) * HEL_PAGE_SIZE);
		return -LINUX_ENOMEM;
	}
	segment->attach_time = ipc_now();
	segment->last_pid = request->process->pid;
	return (int64_t)address;
}

int64_t posix_shmdt(struct request *request)
{
	struct mm *mm = request->thread->internal->mm;
	struct hel_mapping_info info;

	const uint64_t address = request->args[0];
	struct tree_node *node;

	while ((node = tree_find(&mm->attachments, &address, compare_address)) != NULL) {
		struct attachment *attachment = container_of(node, struct attachment, mm_node);
		struct segment *segment = attachment->segment;
		bool is_mapped = false;

		while (find_piece(attachment, attachment->address, &info) &&
			hel_space_unmap(mm->space, info.address, info.size_bytes) == 0) {
			is_mapped = true;
		}
		attachment_free(attachment);
		segment->detach_time = ipc_now();
		segment->last_pid = request->process->pid;
		segment_settle(segment);
		if (is_mapped) {
			return 0;
		}
	}
	return -LINUX_EINVAL;
}

/* ---- shmctl ---------------------------------------------------------------------------------- */

static int64_t tell_limits(struct ipc_control *control)
{
	if (control->out_size < sizeof(struct linux_shminfo64)) {
		return -LINUX_EFAULT;
	}
	*(struct linux_shminfo64 *)control->out = (struct linux_shminfo64){
		.size_max = INT64_MAX,
		.size_min = 1,
		.segments_max = SEGMENTS_MAX,
		.per_process_max = SEGMENTS_MAX,
		.pages_max = shared_memory_pages_max(),
	};
	return ipc_last_index(&segments);
}

static int64_t tell_use(struct ipc_control *control)
{
	if (control->out_size < sizeof(struct linux_shm_info)) {
		return -LINUX_EFAULT;
	}
	*(struct linux_shm_info *)control->out = (struct linux_shm_info){
		.n_segments = (int32_t)segments.n_objects,
		.n_pages = n_pages_used,
		.n_resident = n_pages_used,
	};
	return ipc_last_index(&segments);
}

static void segment_encode(struct segment *segment, struct linux_shmid_ds *out)
{
	*out = (struct linux_shmid_ds){
		.size = segment->size,
		.attach_time = segment->attach_time,
		.detach_time = segment->detach_time,
		.change_time = segment->object.change_time,
		.creator_pid = segment->creator_pid,
		.last_pid = segment->last_pid,
		.n_attached = segment_count(segment),
	};
	ipc_encode(&segment->object, &out->perm);
}

static void segment_doom(struct segment *segment)
{
	(void)segment_count(segment);
	ipc_forget_key(&segments, &segment->object);
	segment->object.mode |= LINUX_SHM_DEST;
	segment_settle(segment);
}

/* Nothing of posix' memory is ever put away: there is only the note. */
static int64_t segment_lock(struct ipc_control *control, struct segment *segment, bool is_locked)
{
	if (!ipc_owns(control->process, &segment->object) &&
		!process_has(control->process, LINUX_CAP_IPC_LOCK)) {
		return -LINUX_EPERM;
	}
	segment->object.mode = is_locked ? segment->object.mode | LINUX_SHM_LOCKED
					 : segment->object.mode & ~(uint32_t)LINUX_SHM_LOCKED;
	return 0;
}

int64_t shared_memory_control(struct ipc_control *control)
{
	struct segment *segment;
	int32_t id;

	if (control->command == LINUX_IPC_INFO) {
		return tell_limits(control);
	}
	if (control->command == LINUX_SHM_INFO) {
		return tell_use(control);
	}
	segment = segment_of(ipc_control_find(control, &segments));
	if (segment == NULL) {
		return control->error;
	}
	id = segment->object.id;
	switch (control->command) {
	case LINUX_IPC_STAT: segment_encode(segment, control->out); return 0;
	case LINUX_SHM_STAT:
	case LINUX_SHM_STAT_ANY: segment_encode(segment, control->out); return id;
	case LINUX_IPC_RMID: segment_doom(segment); return 0;
	case LINUX_IPC_SET: return ipc_set(&segment->object, control->in);
	case LINUX_SHM_LOCK:
	case LINUX_SHM_UNLOCK:
		return segment_lock(control, segment, control->command == LINUX_SHM_LOCK);
	default: return -LINUX_EINVAL;
	}
}

/* ---- /proc/sysvipc --------------------------------------------------------------------------- */

size_t shared_memory_print(uint64_t *cursor, char *buffer, size_t size)
{
	static const char heading[] =
		"       key      shmid perms                  size  cpid  lpid nattch   uid   gid  "
		"cuid  cgid      atime      dtime      ctime                   rss        "
		"          swap\n";

	if (*cursor == 0) {
		*cursor = 1;
		return format_to(buffer, size, "%s", heading);
	}
	struct ipc_object *object = ipc_next(&segments, cursor);

	if (object == NULL) {
		return 0;
	}
	struct segment *segment = container_of(object, struct segment, object);

	return format_to(buffer, size,
		"%10d %10d  %4o %21llu %5u %5u  %5llu %5u %5u %5u %5u %10lld %10lld %10lld %21llu "
		"%21u\n",
		object->key, object->id, object->mode, (unsigned long long)segment->size,
		segment->creator_pid, segment->last_pid, (unsigned long long)segment_count(segment),
		object->uid, object->gid, object->cuid, object->cgid,
		(long long)segment->attach_time, (long long)segment->detach_time,
		(long long)object->change_time,
		(unsigned long long)(pages_of(segment->size) * HEL_PAGE_SIZE), 0u);
}
