/* SPDX-License-Identifier: MIT */
/* Notes about mapped files; see mapped-files.h. */
#include <posix/server/process/mapped-files.h>

#include <base/string.h>
#include <helix/memory.h>
#include <posix/server/file/handlers.h>
#include <posix/server/fs/block.h>
#include <posix/server/process/process-internal.h>
#include <posix/server/rewrite/text.h>
#include <posix/server/vfs/dentry.h>

constexpr uint64_t TAG_FIRST = 1 << 16; /* below are the shim's */
constexpr uint32_t NOTES_MIN = 16;

struct mapped_files {
	uint32_t references;
	uint32_t n_notes, capacity;
	struct mapping_note notes[]; /* by tag */
};

struct mapped_file *mapped_file_create(
	struct process *process, const struct path *path, const struct inode *inode)
{
	static char text[POSIX_PATH_MAX];
	int64_t size = path->dentry == NULL ? -1 : path_print(process, path, text, sizeof(text));
	bool is_kept = path->dentry != NULL && (inode->super->flags & SUPER_WAITS) != 0;

	if (size < 0 && is_kept) {
		text[0] = '\0';
		size = 1;
	}
	struct mapped_file *file = size < 0 ? NULL : helix_malloc(sizeof(*file) + (size_t)size);

	if (file == NULL) {
		return NULL;
	}
	*file = (struct mapped_file){
		.references = 1,
		.dev = inode->super->dev,
		.ino = inode->ino,
		.block_device = inode_is_type(inode, LINUX_S_IFBLK) ? inode->rdev : 0,
	};
	memcpy(file->name, text, (size_t)size);
	if (is_kept) {
		file->path = *path;
		path_ref(path);
	}
	return file;
}

void mapped_file_unref(struct mapped_file *file)
{
	if (file != NULL && --file->references == 0) {
		rewritten_text_unref(file->text);
		path_unref(&file->path);
		helix_free(file);
	}
}

struct mapped_files *mapped_files_share(struct mapped_files *files)
{
	if (files != NULL) {
		files->references++;
	}
	return files;
}

void mapped_files_unref(struct mapped_files *files)
{
	if (files == NULL || --files->references != 0) {
		return;
	}
	for (uint32_t i = 0; i < files->n_notes; i++) {
		mapped_file_unref(files->notes[i].file);
	}
	helix_free(files);
}

static struct mapping_note *notes_find(struct mapped_files *files, uint64_t tag)
{
	uint32_t low = 0, high = files == NULL ? 0 : files->n_notes;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (files->notes[middle].tag == tag) {
			return &files->notes[middle];
		}
		if (files->notes[middle].tag < tag) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return NULL;
}

const struct mapping_note *mapped_files_find(const struct mm *mm, uint64_t tag)
{
	return notes_find(mm->mapped_files, tag);
}

/* ---- adding ---------------------------------------------------------------------------------- */

/* Which notes still have mappings, as a bitmap; returns how many. */
static uint32_t mark_used(const struct mm *mm, uint64_t *used)
{
	struct hel_mapping_info info;
	uint64_t address = 0;
	uint32_t n_used = 0;

	while (hel_space_query(mm->space, address, &info) == 0) {
		const struct mapping_note *note = notes_find(mm->mapped_files, info.tag);

		if (note != NULL) {
			size_t i = (size_t)(note - mm->mapped_files->notes);

			n_used += !bitmap_test(used, i);
			bitmap_set(used, i);
		}
		address = info.address + info.size_bytes;
	}
	return n_used;
}

/* Copies the notes that are in use to an array of our own that has room for as many again. */
static bool notes_renew(struct mm *mm)
{
	struct mapped_files *old = mm->mapped_files;
	uint32_t n_old = old == NULL ? 0 : old->n_notes;
	uint64_t *used = helix_calloc(BITMAP_WORDS(n_old) + 1, sizeof(*used));

	if (used == NULL) {
		return false;
	}
	uint32_t n_used = n_old == 0 ? 0 : mark_used(mm, used);
	uint32_t capacity = (uint32_t)max_u64(NOTES_MIN, n_used * UINT64_C(2));
	struct mapped_files *files =
		helix_malloc(sizeof(*files) + capacity * sizeof(files->notes[0]));

	if (files != NULL) {
		*files = (struct mapped_files){ .references = 1, .capacity = capacity };
		for (uint32_t i = 0; i < n_old; i++) {
			if (bitmap_test(used, i)) {
				old->notes[i].file->references++;
				files->notes[files->n_notes++] = old->notes[i];
			}
		}
		mm->mapped_files = files;
		mapped_files_unref(old);
	}
	helix_free(used);
	return files != NULL;
}

uint64_t mapped_files_add(struct mm *mm, struct mapped_file *file, uint64_t offset, bool is_private)
{
	static uint64_t last_tag = TAG_FIRST;
	const struct mapped_files *files = mm->mapped_files;

	if (file == NULL) {
		return 0;
	}
	if ((files == NULL || files->references > 1 || files->n_notes == files->capacity) &&
		!notes_renew(mm)) {
		return 0;
	}
	file->references++;
	mm->mapped_files->notes[mm->mapped_files->n_notes++] = (struct mapping_note){
		.tag = ++last_tag, .offset = offset, .is_private = is_private, .file = file
	};
	return last_tag;
}

uint64_t mapped_files_add_rewritten(
	struct mm *mm, struct mapped_file *file, struct rewritten_text *text)
{
	uint64_t tag;

	if (file->text != NULL && file->text != text) {
		return 0;
	}
	tag = mapped_files_add(mm, file, text->offset, true);
	if (tag != 0) {
		notes_find(mm->mapped_files, tag)->is_rewritten = true;
		if (file->text == NULL) {
			file->text = rewritten_text_ref(text);
		}
	}
	return tag;
}

static bool keeps_files(const struct mm *mm)
{
	const struct mapped_files *files = mm->mapped_files;

	for (uint32_t i = 0; files != NULL && i < files->n_notes; i++) {
		if (files->notes[i].file->path.dentry != NULL) {
			return true;
		}
	}
	return false;
}

void mapped_files_forget_unused(void)
{
	for (struct process *process = process_first(); process != NULL;
		process = process_next(process)) {
		struct mm *mm = process->internal->mm;

		if (mm != NULL && keeps_files(mm)) {
			(void)notes_renew(mm);
		}
	}
}

int64_t posix_msync(struct request *request)
{
	const struct mapping_note *note =
		mapped_files_find(request->thread->internal->mm, request->args[0]);
	struct path path;

	if (note == NULL) {
		return -LINUX_EIO; /* there was no memory to note what it shows */
	}
	if (note->file->block_device != 0) {
		return block_sync_device(note->file->block_device);
	}
	if (note->file->path.dentry == NULL) {
		return 0;
	}
	path = note->file->path;
	path_ref(&path);
	struct inode *inode = path.dentry->inode;
	int64_t error = inode->super->ops->sync_inode(inode);

	path_unref(&path);
	return error;
}
