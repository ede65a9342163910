/* SPDX-License-Identifier: MIT */
/* Copies of program text; see text.h. */
#include <posix/server/rewrite/text.h>

#include <base/string.h>
#include <hel/hel-calls.h>
#include <helix/memory.h>
#include <helix/start.h>
#include <posix/server/rewrite/plan.h>
#include <posix/server/task.h>
#include <posix/server/vfs/inode.h>

constexpr uint32_t TEXT_RIGHTS =
	HEL_RIGHT_READ | HEL_RIGHT_EXECUTE | HEL_RIGHT_MAP | HEL_RIGHT_DERIVE;

#ifdef POSIX_REWRITES
constexpr bool IS_ON_BY_DEFAULT = true;
#else
constexpr bool IS_ON_BY_DEFAULT = false;
#endif

struct rewrite_site {
	uint32_t offset;
	uint8_t size;
	uint8_t before[5];
};

static bool is_on = IS_ON_BY_DEFAULT;

void rewriting_init(void)
{
	char value[8];

	if (helix_command_line_option("hati.rewrite", value, sizeof(value))) {
		is_on = strcmp(value, "on") == 0;
	}
}

struct rewritten_text *rewritten_text_ref(struct rewritten_text *text)
{
	text->references++;
	return text;
}

void rewritten_text_unref(struct rewritten_text *text)
{
	if (text == NULL || --text->references != 0) {
		return;
	}
	if (text->memory != HEL_NULL) {
		hel_close(HEL_THIS, text->memory);
	}
	if (text->stubs_only != HEL_NULL) {
		hel_close(HEL_THIS, text->stubs_only);
	}
	helix_free(text->sites);
	helix_free(text);
}

/* ---- making a copy --------------------------------------------------------------------------- */

static hel_handle make_memory(const uint8_t *bytes, uint64_t size)
{
	hel_handle all, memory = HEL_NULL;

	if (hel_memory_allocate(size, 0, &all) != 0) {
		return HEL_NULL;
	}
	if (hel_memory_write(all, 0, bytes, size) != 0 ||
		hel_transfer(HEL_THIS, all, HEL_THIS, TEXT_RIGHTS, &memory) != 0) {
		memory = HEL_NULL;
	}
	hel_close(HEL_THIS, all);
	return memory;
}

static bool keep_sites(
	struct rewritten_text *text, const struct rewrite_plan *plan, const uint8_t *bytes)
{
	text->sites = helix_malloc(plan->n_edits * sizeof(text->sites[0]));
	if (text->sites == NULL) {
		return false;
	}
	for (uint32_t i = 0; i < plan->n_edits; i++) {
		const struct rewrite_edit *edit = &plan->edits[i];

		if (edit->kind == REWRITE_SITE) {
			struct rewrite_site *site = &text->sites[text->n_sites++];

			*site = (struct rewrite_site){ edit->offset, edit->size, { 0 } };
			memcpy(site->before, bytes + edit->offset, edit->size);
		}
	}
	return true;
}

/* @file: all of it, ours to change */
static void rewrite(struct rewritten_text *text, uint8_t *file)
{
	struct rewrite_plan plan;

	if (rewrite_plan_make(file, text->file_size, &plan) != 0) {
		return;
	}
	text->offset = plan.file_offset;
	text->size = plan.text_size;
	if (plan.n_edits != 0 && keep_sites(text, &plan, file + plan.file_offset)) {
		rewrite_plan_apply(&plan, file + plan.file_offset, true);
		text->memory = make_memory(file + plan.file_offset, plan.text_size);
	}
	rewrite_plan_release(&plan);
}

static struct rewritten_text *text_make(struct inode *inode)
{
	struct rewritten_text *text = helix_calloc(1, sizeof(*text));
	uint8_t *file = NULL;

	if (text == NULL) {
		return NULL;
	}
	text->references = 1;
	text->file_size = inode->size_bytes;
	text->mtime_ns = inode->mtime_ns;
	text->ctime_ns = inode->ctime_ns;
	if (text->file_size != 0 && text->file_size <= REWRITE_FILE_MAX) {
		file = helix_malloc(text->file_size);
	}
	if (file != NULL &&
		inode_read(inode, file, text->file_size, 0) == (int64_t)text->file_size) {
		rewrite(text, file);
	}
	helix_free(file);
	return text;
}

hel_handle rewritten_text_stubs_only(struct rewritten_text *text)
{
	uint8_t *bytes;

	if (text->stubs_only != HEL_NULL) {
		return text->stubs_only;
	}
	bytes = helix_malloc(text->size);
	if (bytes != NULL && hel_memory_read(text->memory, 0, bytes, text->size) == 0) {
		for (uint32_t i = 0; i < text->n_sites; i++) {
			const struct rewrite_site *site = &text->sites[i];

			memcpy(bytes + site->offset, site->before, site->size);
		}
		text->stubs_only = make_memory(bytes, text->size);
	}
	helix_free(bytes);
	return text->stubs_only;
}

/* ---- of an inode ----------------------------------------------------------------------------- */

static bool is_of(const struct rewritten_text *text, const struct inode *inode)
{
	return text->file_size == inode->size_bytes && text->mtime_ns == inode->mtime_ns &&
		text->ctime_ns == inode->ctime_ns;
}

static bool may_have_text(const struct inode *inode)
{
	return is_on && inode->n_writers == 0 && !inode->is_map_shared &&
		inode_is_type(inode, LINUX_S_IFREG);
}

static void drop_old_text(struct inode *inode)
{
	if (inode->text != NULL && !is_of(inode->text, inode)) {
		rewritten_text_unref(inode->text);
		inode->text = NULL;
	}
}

int64_t rewritten_text_prepare(struct inode *inode)
{
	if (!may_have_text(inode)) {
		return 0;
	}
	drop_old_text(inode);
	if (inode->text != NULL) {
		return 0;
	}
	if ((inode->super->flags & SUPER_WAITS) != 0 && request_task() == NULL) {
		return REQUEST_TASK;
	}
	struct rewritten_text *text = text_make(inode);

	/* another task may have made it, or somebody begun to write, while this one read */
	if (text != NULL && inode->text == NULL && may_have_text(inode) && is_of(text, inode)) {
		inode->text = text;
	} else {
		rewritten_text_unref(text);
	}
	return 0;
}

struct rewritten_text *rewritten_text_find(struct inode *inode)
{
	if (!may_have_text(inode)) {
		return NULL;
	}
	drop_old_text(inode);
	return inode->text != NULL && inode->text->memory != HEL_NULL ? inode->text : NULL;
}
