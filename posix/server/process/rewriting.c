/* SPDX-License-Identifier: MIT */
/* Rewritten text in address spaces; see rewriting.h. */
#include <posix/server/process/rewriting.h>

#include <posix/server/process/mapped-files.h>
#include <posix/server/process/process-internal.h>
#include <posix/server/rewrite/text.h>

constexpr uint32_t PROTECTION = HEL_MAP_READ | HEL_MAP_WRITE | HEL_MAP_EXECUTE;

bool mm_rewritten_view(
	struct mm *mm, const struct text_mapping *mapping, struct text_view *out_view)
{
	struct rewritten_text *text;
	uint64_t tag;

	if (mm->keeps_text || mapping->name == NULL) {
		return false;
	}
	text = rewritten_text_find(mapping->inode);
	/* Sites jump to stubs anywhere in the text: all of it or nothing. */
	if (text == NULL || text->offset != mapping->offset || text->size != mapping->size) {
		return false;
	}
	tag = mapped_files_add_rewritten(mm, mapping->name, text);
	if (tag == 0) {
		return false; /* it could not be found again */
	}
	mm->has_rewritten_text = true;
	*out_view = (struct text_view){ text->memory, tag };
	return true;
}

static int replace(
	struct mm *mm, const struct hel_mapping_info *info, const struct mapping_note *note)
{
	hel_handle memory = rewritten_text_stubs_only(note->file->text);
	uint64_t tag;

	if (memory == HEL_NULL) {
		return -LINUX_ENOMEM;
	}
	tag = mapped_files_add(mm, note->file, note->offset, true);
	return mm_map_tagged(mm, memory, info->offset, info->address, info->size_bytes,
		info->flags & PROTECTION, tag);
}

int mm_keep_text(struct mm *mm)
{
	struct hel_mapping_info info;
	uint64_t address = 0;
	int error = 0;

	mm->keeps_text = true;
	if (!mm->has_rewritten_text) {
		return 0;
	}
	while (error == 0 && hel_space_query(mm->space, address, &info) == 0) {
		const struct mapping_note *note = mapped_files_find(mm, info.tag);

		address = info.address + info.size_bytes;
		if (note != NULL && note->is_rewritten) {
			/* adding a note moves the others */
			const struct mapping_note copy = *note;

			error = replace(mm, &info, &copy);
		}
	}
	mm->has_rewritten_text = error != 0;
	return error;
}
