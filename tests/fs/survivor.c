/* SPDX-License-Identifier: MIT */
/*
 * A client of a server that is killed again and again: what sync_node() has answered for is there
 * after the next mount, for which the journal is replayed.
 */
#include "survivor.h"

#include <base/errors.h>
#include <base/format.h>
#include <base/string.h>

#define S_IFREG    0100000u
#define FILES_MAX  2000
#define FILE_BYTES 9000
#define RETRY_NS   UINT64_C(20000000)

static uint32_t n_synced; /* files 0 to this are on the disk */

static void file_name(uint32_t number, char *out_name, size_t size)
{
	format_to(out_name, size, "file-%u", number);
}

static void fill(uint8_t *bytes, uint32_t number)
{
	for (uint32_t i = 0; i < FILE_BYTES; i++) {
		bytes[i] = (uint8_t)(number * 7 + i);
	}
}

static int write_file(struct task *task, struct fs_client *session, uint32_t number)
{
	static uint8_t bytes[FILE_BYTES];
	struct fs_mapped mapped;
	struct fs_node node;
	char name[32];

	file_name(number, name, sizeof(name));
	int error = fs_create(task, session, session->root.id, name, S_IFREG | 0600, NULL, &node);

	if (error == -ERR_EXISTS) { /* made before the end, and not answered */
		error = fs_lookup(task, session, session->root.id, name, &node);
	}
	error = error != 0 ? error : fs_reserve(task, session, node.id, 0, FILE_BYTES, FILE_BYTES);
	error = error != 0 ? error : fs_map(task, session, node.id, 1, true, &mapped);
	if (error != 0) {
		return error;
	}
	fill(bytes, number);
	error = hel_memory_write(mapped.memory, 0, bytes, FILE_BYTES);
	fs_unmap(&mapped);
	error = error != 0 ? error : fs_sync_node(task, session, node.id);
	return error != 0 ? error : fs_forget(task, session, node.id, 1);
}

/* 0: it is as it was written; -ERR_PROTOCOL: it is not. */
static int check_file(struct task *task, struct fs_client *session, uint32_t number)
{
	static uint8_t bytes[FILE_BYTES], expected[FILE_BYTES];
	struct fs_mapped mapped;
	struct fs_node node;
	char name[32];

	file_name(number, name, sizeof(name));
	int error = fs_lookup(task, session, session->root.id, name, &node);

	if (error == -ERR_NOT_FOUND || (error == 0 && node.attributes.size != FILE_BYTES)) {
		return -ERR_PROTOCOL;
	}
	error = error != 0 ? error : fs_map(task, session, node.id, 1, false, &mapped);
	if (error != 0) {
		return error;
	}
	fill(expected, number);
	error = hel_memory_read(mapped.memory, 0, bytes, FILE_BYTES);
	fs_unmap(&mapped);
	if (error == 0 && memcmp(bytes, expected, FILE_BYTES) != 0) {
		return -ERR_PROTOCOL;
	}
	return error != 0 ? error : fs_forget(task, session, node.id, 1);
}

/* Until the server ends, which is an error. */
static int work(struct task *task, struct fs_client *session)
{
	int error = 0;

	for (uint32_t number = 0; error == 0 && number < n_synced; number++) {
		error = check_file(task, session, number);
	}
	while (error == 0 && n_synced < FILES_MAX) {
		error = write_file(task, session, n_synced);
		n_synced += error == 0;
	}
	return error;
}

/* A server that has just been started may not have found its disk, or ends at once. */
static int find_and_mount(
	struct task *task, struct fs_client *volume, const char *name, struct fs_client *session)
{
	int error;

	do {
		error = task_sleep_until(task, task_now_ns(task) + RETRY_NS);
		error = error != 0 ? error : fs_volume_find(task, volume, name);
		if (error != 0) {
			continue;
		}
		error = fs_mount(task, volume, session, "ext4", false);
		if (error != 0) {
			fs_client_deinit(volume);
		}
	} while (error == -ERR_END_OF_LANE || error == -ERR_NOT_FOUND);
	return error;
}

bool survive(struct task *task, struct fs_client *volume, const char *name, uint32_t n_ends)
{
	struct fs_client session;

	for (uint32_t i = 0; i < n_ends; i++) {
		int error = find_and_mount(task, volume, name, &session);

		if (error != 0) {
			helix_log(HEL_LOG_ERROR, "not mounted: %d", error);
			return false;
		}
		error = work(task, &session);
		fs_client_deinit(&session);
		fs_client_deinit(volume);
		helix_log(HEL_LOG_INFO, "end %u: %d, %u files", i, error, n_synced);
		if (error == -ERR_PROTOCOL) {
			return false;
		}
	}
	return n_synced > 0;
}
