/* SPDX-License-Identifier: MIT */
/* The mounts that a process sees, as the lines of /proc/mounts and of /proc/PID/mountinfo. */
#include <abi/linux/errno.h>
#include <base/format.h>
#include <base/string.h>
#include <posix/server/process/process.h>
#include <posix/server/vfs/dentry.h>
#include <posix/server/vfs/mount.h>

/* A text under way; what does not fit is counted all the same. */
struct writer {
	char *buffer;
	size_t size;
	size_t used;
};

static void write_byte(struct writer *writer, char byte)
{
	if (writer->used < writer->size) {
		writer->buffer[writer->used] = byte;
	}
	writer->used++;
}

static void write_text(struct writer *writer, const char *text)
{
	for (; *text != '\0'; text++) {
		write_byte(writer, *text);
	}
}

/* Fields are separated by white space: what of it is in one becomes an octal number. */
static void write_field(struct writer *writer, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == ' ' || *text == '\t' || *text == '\n' || *text == '\\' ||
			*text == '#') {
			write_byte(writer, '\\');
			write_byte(writer, (char)('0' + (*text >> 6 & 7)));
			write_byte(writer, (char)('0' + (*text >> 3 & 7)));
			write_byte(writer, (char)('0' + (*text & 7)));
		} else {
			write_byte(writer, *text);
		}
	}
}

static void write_options(struct writer *writer, uint32_t flags)
{
	static const struct {
		uint32_t flag;
		const char *text;
	} options[] = {
		{ MOUNT_NO_SET_ID, ",nosuid" },
		{ MOUNT_NO_DEVICES, ",nodev" },
		{ MOUNT_NO_EXECUTE, ",noexec" },
		{ MOUNT_NO_ACCESS_TIME, ",noatime" },
		{ MOUNT_NO_DIRECTORY_ACCESS_TIME, ",nodiratime" },
		{ MOUNT_RELATIVE_ATIME, ",relatime" },
	};

	write_text(writer, (flags & MOUNT_READ_ONLY) != 0 ? "ro" : "rw");
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		if ((flags & options[i].flag) != 0) {
			write_text(writer, options[i].text);
		}
	}
}

/* What of its file system a mount shows: "/" unless it was bound. */
static void write_shown(struct writer *writer, const struct mount *mount)
{
	static char text[POSIX_PATH_MAX];
	size_t start = sizeof(text) - 1;

	text[start] = '\0';
	for (const struct dentry *at = mount->root; at->parent != NULL; at = at->parent) {
		if (start < at->name_size + 1) {
			break;
		}
		start -= at->name_size;
		memcpy(text + start, at->name, at->name_size);
		text[--start] = '/';
	}
	if (text[start] == '\0' && mount->root->name_size > 0) {
		write_field(writer, mount->root->name); /* a file without a place */
	} else {
		write_field(writer, text[start] == '\0' ? "/" : text + start);
	}
}

static void write_numbers(struct writer *writer, const struct mount *mount)
{
	char text[64];

	format_to(text, sizeof(text), "%u %u %u:%u ", mount->id,
		mount->parent == NULL ? 1 : mount->parent->id, linux_major(mount->super->dev),
		linux_minor(mount->super->dev));
	write_text(writer, text);
	write_shown(writer, mount);
	write_byte(writer, ' ');
}

/* What of it others hear, and it of others. */
static void write_relations(struct writer *writer, const struct mount *mount)
{
	char text[32];

	if (mount->peers != NULL) {
		format_to(text, sizeof(text), " shared:%u", mount->peers->id);
		write_text(writer, text);
	}
	if (mount->master != NULL) {
		format_to(text, sizeof(text), " master:%u", mount->master->id);
		write_text(writer, text);
	}
	if (mount->is_unbindable) {
		write_text(writer, " unbindable");
	}
}

static void write_mount(
	struct writer *writer, struct process *process, struct mount *mount, bool is_info)
{
	static char where[POSIX_PATH_MAX];
	struct path at = { .mount = mount, .dentry = mount->root };

	if (path_print(process, &at, where, sizeof(where)) < 0) {
		return;
	}
	if (is_info) {
		write_numbers(writer, mount);
		write_field(writer, where);
		write_byte(writer, ' ');
		write_options(writer, mount_shown_flags(mount));
		write_relations(writer, mount);
		write_text(writer, " - ");
		write_text(writer, mount->super->ops->type);
		write_byte(writer, ' ');
		write_field(writer, mount->source);
		write_text(writer,
			(mount_shown_flags(mount) & MOUNT_READ_ONLY) != 0 ? " ro\n" : " rw\n");
		return;
	}
	write_field(writer, mount->source);
	write_byte(writer, ' ');
	write_field(writer, where);
	write_byte(writer, ' ');
	write_text(writer, mount->super->ops->type);
	write_byte(writer, ' ');
	write_options(writer, mount_shown_flags(mount));
	write_text(writer, " 0 0\n");
}

size_t mount_print(struct process *process, bool is_info, char *buffer, size_t size)
{
	bool has_context = process != NULL && process->fs != NULL;
	const struct mount_tree *tree = has_context ? process->fs->tree : vfs_root()->mount->tree;
	struct writer writer = { .buffer = buffer, .size = size };

	if (tree == NULL) {
		return 0; /* the system's first root is no longer mounted */
	}
	LIST_FOR_EACH(mount, &tree->mounts, struct mount, node) {
		write_mount(&writer, process, mount, is_info);
	}
	return writer.used;
}
