/* SPDX-License-Identifier: MIT */
/*
 * Inodes that nobody uses any more: their times are told and the server gets its references back,
 * one after the other, by a job that runs while there are any. It also ends the session when the
 * file system is mounted nowhere any more. See disk-internal.h.
 */
#include <helix/helix.h>
#include <posix/server/fs/disk-internal.h>
#include <posix/server/turn.h>

constexpr size_t FAREWELL_BYTES = 1024;

/* 0 or what kept it from being told; whoever has no links has no times that matter. */
static void farewell_tell(struct task *task, struct disk_super *disk, struct disk_inode *node)
{
	struct fs_set_attributes_request request;
	struct fs_set_attributes_reply reply;
	struct bragi_exchange exchange;
	struct disk_told told;
	uint8_t bytes[FAREWELL_BYTES];

	if (node->inode.nlink == 0 || disk_inode_untold(node) == 0) {
		return;
	}
	bragi_exchange_init(&exchange, bytes, sizeof(bytes));
	disk_inode_fill_untold(node, &request, &told);
	(void)!fs_session_set_attributes(task, &disk->client.client, &exchange, &request, &reply);
	/* also if it failed: nobody is left to hear of that, and it would not be better later */
	disk_inode_has_told(node, &told);
}

void disk_inode_unhash(struct disk_super *disk, struct disk_inode *node)
{
	if (!node->is_unhashed) {
		node->is_unhashed = true;
		hash_table_remove(&disk->inodes, &node->hash_node);
		disk->n_gone++;
	}
}

void disk_inode_free(struct disk_super *disk, struct disk_inode *node)
{
	disk_inode_unhash(disk, node);
	if (node->contents != HEL_NULL) {
		hel_close(HEL_THIS, node->contents);
	}
	helix_free(node->target);
	helix_free(node);
	super_unref(&disk->super);
}

static void farewell_forget(
	struct task *task, struct disk_super *disk, uint64_t id, uint64_t n_references)
{
	struct fs_forget_request request;
	struct fs_forget_reply reply;
	struct bragi_exchange exchange;
	uint8_t bytes[FAREWELL_BYTES];

	bragi_exchange_init(&exchange, bytes, sizeof(bytes));
	fs_forget_request_init(&request);
	request.node = id;
	request.n_references = n_references;
	(void)!fs_session_forget(task, &disk->client.client, &exchange, &request, &reply);
}

/* Whether a node that was told of may go: it may have come back meanwhile, and left again. */
static bool farewell_is_final(struct disk_inode *node)
{
	return list_node_is_linked(&node->leaving_node) &&
		(node->inode.nlink == 0 || disk_inode_untold(node) == 0);
}

/* It stays in the table until nothing is left to tell. */
static void farewell_say(struct task *task, struct disk_super *disk, struct disk_inode *node)
{
	farewell_tell(task, disk, node);
	if (!farewell_is_final(node)) {
		return;
	}
	list_remove(&node->leaving_node);

	uint64_t id = node->id, n_references = node->n_given;

	disk_inode_free(disk, node);
	farewell_forget(task, disk, id, n_references);
}

/* The end of the session: what is left needs no forgetting. */
static void farewell_last(struct task *task, struct disk_super *disk)
{
	for (;;) {
		struct disk_inode *node =
			LIST_FIRST(&disk->leaving, struct disk_inode, leaving_node);

		if (node == NULL) {
			break;
		}
		farewell_tell(task, disk, node);
		list_remove(&node->leaving_node);
		disk_inode_free(disk, node);
	}
	disk_super_end(task, disk);
}

/* Those who are leaving now, one after the other; there is one task at a time that does this. */
static void farewell_say_all(struct task *task, struct disk_super *disk)
{
	disk->is_saying_farewell = true;
	while (disk->phase == DISK_MOUNTED && !list_is_empty(&disk->leaving)) {
		farewell_say(
			task, disk, LIST_FIRST(&disk->leaving, struct disk_inode, leaving_node));
	}
	if (disk->phase == DISK_UNMOUNTING) {
		farewell_last(task, disk);
	}
	disk->is_saying_farewell = false;
	wait_queue_wake(&disk->all_gone);
}

static int farewell_run(struct task *task, void *argument)
{
	struct disk_super *disk = argument;

	disk->has_farewell_job = false;
	task->job = NULL; /* it may be submitted again, and go before its task ends */
	if (!disk->is_saying_farewell) {
		farewell_say_all(task, disk);
	}
	super_unref(&disk->super);
	return 0;
}

void disk_farewell_start(struct disk_super *disk)
{
	if (disk->is_saying_farewell || disk->has_farewell_job || disk->phase == DISK_MOUNTING ||
		disk->phase == DISK_GONE) {
		return;
	}
	disk->has_farewell_job = true;
	super_ref(&disk->super);
	job_init(&disk->farewell, "disk farewell", farewell_run, disk);
	job_submit(posix_loop(), &disk->farewell);
}

bool disk_is_leaving(const struct disk_super *disk)
{
	return disk->is_saying_farewell || !list_is_empty(&disk->leaving);
}

/* Not by waiting for the job: it may wait for a task, of which there are as many as there are. */
void disk_farewell_await(struct disk_super *disk)
{
	struct request_pause pause;

	super_ref(&disk->super);
	while (disk->is_saying_farewell) {
		task_wait_on(&disk->all_gone);
	}
	if (!list_is_empty(&disk->leaving)) {
		request_pause(&pause);
		farewell_say_all(pause.task, disk);
		request_resume(&pause);
	}
	super_unref(&disk->super);
}
