/* SPDX-License-Identifier: MIT */
/*
 * The text files of procfs.
 *
 * The text is made when a read begins at its start, and kept with the open file, so that a program
 * that reads piece by piece sees one state. Texts that may be long (`step`) are made as they are
 * read, a few KiB at a time: only the last piece is kept, and who reads from before it begins anew.
 */
#include <abi/linux/errno.h>
#include <base/string.h>
#include <helix/memory.h>
#include <posix/server/file/access.h>
#include <posix/server/fs/procfs.h>

constexpr size_t PROC_TEXT_FIRST_SIZE = KIB(4);
constexpr size_t PROC_TEXT_SIZE_MAX = MIB(4);

constexpr size_t PROC_PIECES_SIZE = KIB(4) + PROCESS_MAPPING_TEXT_MAX;

struct proc_text {
	uint64_t start; /* of bytes in the whole text: 0 unless it is made in pieces */
	uint64_t cursor; /* of the next piece */
	size_t size;
	char bytes[];
};

static int64_t proc_print(struct proc_inode *node, char *buffer, size_t size)
{
	const struct proc_entry *entry = node->entry;
	struct process *process = node->pid == 0 ? NULL : proc_process(node);

	const struct thread *thread =
		process == NULL || node->number == 0 ? NULL : process_thread(process, node->number);

	if (node->pid != 0 && process == NULL) {
		return -LINUX_ESRCH;
	}
	if (entry->print != NULL) {
		return entry->print(node, buffer, size);
	}
	if (entry->text != NULL) {
		size_t length = strlen(entry->text);

		memcpy(buffer, entry->text, min_size(length, size));
		return (int64_t)length;
	}
	if (node->pid == 0) {
		return system_print(node->path, buffer, size);
	}
	if (node->number != 0 && thread == NULL) {
		return -LINUX_ESRCH;
	}
	return process_print(process, thread, node->path, buffer, size);
}

/* Makes the text anew, in a buffer that it does not fill: then nothing was cut off. */
static int64_t proc_make_text(struct file *file)
{
	struct proc_inode *node = proc_inode_of(file->inode);
	size_t size = PROC_TEXT_FIRST_SIZE;

	for (;;) {
		struct proc_text *text = helix_malloc(sizeof(*text) + size);

		if (text == NULL) {
			return -LINUX_ENOMEM;
		}
		int64_t used = proc_print(node, text->bytes, size);

		if (used >= 0 && (size_t)used < size) {
			text->start = 0;
			text->size = (size_t)used;
			helix_free(file->data);
			file->data = text;
			return 0;
		}
		helix_free(text);
		if (used < 0) {
			return used;
		}
		size = max_size(size * 2, (size_t)used + 1);
		if (size > PROC_TEXT_SIZE_MAX) {
			return -LINUX_ENOMEM;
		}
	}
}

/* Puts the next pieces in the place of those before; false: there are none. */
static bool proc_next_pieces(struct proc_inode *node, struct proc_text *text)
{
	text->start += text->size;
	text->size = 0;
	while (PROC_PIECES_SIZE - text->size >= PROCESS_MAPPING_TEXT_MAX) {
		int64_t used = node->entry->step(node, &text->cursor, text->bytes + text->size,
			PROC_PIECES_SIZE - text->size);

		if (used <= 0) {
			break;
		}
		text->size += (size_t)used;
	}
	return text->size > 0;
}

/* Makes the pieces that hold the byte at `offset`, or that end before it. */
static int64_t proc_make_pieces(struct file *file, uint64_t offset)
{
	struct proc_text *text = file->data;

	if (text == NULL) {
		text = helix_malloc(sizeof(*text) + PROC_PIECES_SIZE);
		if (text == NULL) {
			return -LINUX_ENOMEM;
		}
		*text = (struct proc_text){ 0 };
		file->data = text;
	}
	if (offset == 0 || offset < text->start) {
		text->start = 0;
		text->cursor = 0;
		text->size = 0;
	}
	while (offset >= text->start + text->size &&
		proc_next_pieces(proc_inode_of(file->inode), text)) {
	}
	return 0;
}

static int64_t proc_text_read(struct file *file, UNUSED struct request *request, void *buffer,
	size_t size, uint64_t *offset)
{
	const struct proc_inode *node = proc_inode_of(file->inode);
	int64_t error = 0;

	if (node->entry->step != NULL) {
		error = proc_make_pieces(file, *offset);
	} else if (file->data == NULL || *offset == 0) {
		error = proc_make_text(file);
	}
	if (error < 0) {
		return error;
	}
	const struct proc_text *text = file->data;

	if (*offset < text->start || *offset - text->start >= text->size) {
		return 0;
	}
	size_t at = (size_t)(*offset - text->start);

	size = min_size(size, text->size - at);
	memcpy(buffer, text->bytes + at, size);
	*offset += size;
	return (int64_t)size;
}

static int64_t proc_text_write(struct file *file, struct request *request, const void *buffer,
	size_t size, UNUSED uint64_t *offset)
{
	struct proc_inode *node = proc_inode_of(file->inode);

	if (node->entry->write == NULL || request == NULL) {
		return -LINUX_EINVAL;
	}
	return node->entry->write(node, request->process, buffer, size);
}

/* As opening with O_TRUNC: it changes nothing. */
static int64_t proc_text_truncate(UNUSED struct file *file, UNUSED uint64_t size)
{
	return 0;
}

static int64_t proc_text_seek(struct file *file, int64_t offset, int whence)
{
	if (whence == LINUX_SEEK_END) {
		return -LINUX_EINVAL;
	}
	return file_seek_to(file, offset, whence, 0);
}

static void proc_text_release(struct file *file)
{
	helix_free(file->data);
}

const struct file_ops proc_text_ops = {
	FILE_OPS_DEFAULT,
	.name = "proc text",
	.read = proc_text_read,
	.write = proc_text_write,
	.truncate = proc_text_truncate,
	.seek = proc_text_seek,
	.release = proc_text_release,
};
