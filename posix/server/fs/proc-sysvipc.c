/* SPDX-License-Identifier: MIT */
/* /proc/sysvipc: the objects of System V IPC, as ipcs and tests read them. */
#include <posix/server/fs/procfs.h>
#include <posix/server/ipc/ipc.h>

constexpr uint32_t PROC_FILE = LINUX_S_IFREG | 0444;

static int64_t proc_step_messages(
	UNUSED struct proc_inode *node, uint64_t *cursor, char *buffer, size_t size)
{
	return (int64_t)messages_print(cursor, buffer, size);
}

static int64_t proc_step_semaphores(
	UNUSED struct proc_inode *node, uint64_t *cursor, char *buffer, size_t size)
{
	return (int64_t)semaphores_print(cursor, buffer, size);
}

static int64_t proc_step_shared_memory(
	UNUSED struct proc_inode *node, uint64_t *cursor, char *buffer, size_t size)
{
	return (int64_t)shared_memory_print(cursor, buffer, size);
}

const struct proc_entry proc_sysvipc_entries[] = {
	{ .name = "msg", .mode = PROC_FILE, .step = proc_step_messages },
	{ .name = "sem", .mode = PROC_FILE, .step = proc_step_semaphores },
	{ .name = "shm", .mode = PROC_FILE, .step = proc_step_shared_memory },
	{},
};
