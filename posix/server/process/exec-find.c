/* SPDX-License-Identifier: MIT */
/* exec: from the name of a program, over scripts, to the program and its interpreter. */
#include <abi/linux/fcntl.h>
#include <base/format.h>
#include <base/string.h>
#include <posix/server/process/exec-state.h>
#include <posix/server/task.h>
#include <posix/server/vfs/mount.h>

/* The script's interpreter takes its place: argv = interpreter, [argument,] script, rest. */
static int64_t follow_script(struct exec *exec)
{
	struct exec_script *script = &exec->script;
	const char *first[3];
	uint32_t n = 0;
	int64_t error;

	if (!exec_script_parse((const char *)exec->program.head, exec->program.head_size, script)) {
		return -LINUX_ENOEXEC;
	}
	first[n++] = script->interpreter;
	if (script->argument[0] != '\0') {
		first[n++] = script->argument;
	}
	first[n++] = exec->script_path;
	error = exec_strings_prepend(&exec->strings, first, n);
	if (error != 0) {
		return error;
	}
	exec_image_close(&exec->program);
	return exec_image_open(
		exec->process, LINUX_AT_FDCWD, script->interpreter, 0, &exec->program);
}

static bool is_script(const struct exec_image *image)
{
	return image->head_size >= 2 && image->head[0] == '#' && image->head[1] == '!';
}

/* Relative to the working directory or absolute: the descriptor has no part in it. */
static bool is_plain(const struct exec_place *place)
{
	return place->dirfd == LINUX_AT_FDCWD || place->path[0] == '/';
}

static void name_program(struct exec *exec)
{
	const struct exec_place *place = exec->place;

	if (is_plain(place)) {
		exec->path = place->path;
	} else {
		(void)format_to(exec->name, sizeof(exec->name), "/dev/fd/%d%s%s", place->dirfd,
			place->path[0] != '\0' ? "/" : "", place->path);
		exec->path = exec->name;
	}
}

/* A script's interpreter could not open it: its descriptor is closed by then. */
static bool will_be_closed(const struct exec *exec)
{
	return !is_plain(exec->place) &&
		fd_table_is_cloexec(exec->process->files, exec->place->dirfd);
}

int64_t exec_find_program(struct exec *exec)
{
	const struct exec_place *place = exec->place;
	int64_t error = exec_image_open(
		exec->process, place->dirfd, place->path, place->flags, &exec->program);

	name_program(exec);
	str_copy(exec->script_path, sizeof(exec->script_path), exec->path);
	for (uint32_t n_scripts = 0; error == 0 && is_script(&exec->program); n_scripts++) {
		if (n_scripts == EXEC_SCRIPTS_MAX) {
			return -LINUX_ELOOP;
		}
		if (will_be_closed(exec)) {
			return -LINUX_ENOENT;
		}
		error = follow_script(exec);
		if (error == 0) {
			/* argv[0] is the interpreter's path now. */
			str_copy(exec->script_path, sizeof(exec->script_path), exec->strings.block);
		}
	}
	return error != 0 ? error : exec_image_parse(&exec->program);
}

int64_t exec_find_interpreter(struct exec *exec)
{
	char *path = exec->interpreter_path;
	const struct elf_extent *extent = &exec->program.elf.interpreter;
	int64_t result;

	exec->has_interpreter = extent->size != 0;
	if (!exec->has_interpreter) {
		return 0;
	}
	if (extent->size < 2 || extent->size > sizeof(exec->interpreter_path)) {
		return -LINUX_ENOEXEC;
	}
	result = inode_read(exec->program.inode, path, extent->size, extent->offset);
	if (result == REQUEST_TASK) {
		return result;
	}
	if (result != (int64_t)extent->size || path[extent->size - 1] != '\0') {
		return -LINUX_ENOEXEC;
	}
	result = exec_image_open(exec->process, LINUX_AT_FDCWD, path, 0, &exec->interpreter);
	if (result == 0 && exec_image_parse(&exec->interpreter) != 0) {
		result = -LINUX_ELIBBAD;
	}
	return result;
}
