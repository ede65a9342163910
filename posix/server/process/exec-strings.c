/* SPDX-License-Identifier: MIT */
/* Arguments, environment, and scripts' first lines. */
#include <base/string.h>
#include <helix/memory.h>
#include <posix/server/process/exec.h>

int exec_strings_measure(const char *bytes, size_t size, uint32_t n_strings, size_t *out_size)
{
	size_t used = 0;

	for (uint32_t i = 0; i < n_strings; i++) {
		size_t length = strnlen(bytes + used, size - used);

		if (length == size - used) {
			return -LINUX_EFAULT;
		}
		used += length + 1;
	}
	*out_size = used;
	return 0;
}

int exec_strings_copy(const char *bytes, size_t size, uint32_t argc, uint32_t envc,
	struct exec_strings *out_strings)
{
	size_t arguments_size, environment_size, extra = argc == 0 ? 1 : 0;

	if (exec_strings_measure(bytes, size, argc, &arguments_size) != 0 ||
		exec_strings_measure(bytes + arguments_size, size - arguments_size, envc,
			&environment_size) != 0) {
		return -LINUX_EFAULT;
	}
	*out_strings = (struct exec_strings){
		.size = extra + arguments_size + environment_size,
		.arguments_size = extra + arguments_size,
		.argc = argc + (uint32_t)extra,
		.envc = envc,
	};
	out_strings->block = helix_malloc(out_strings->size);
	if (out_strings->block == NULL) {
		return -LINUX_ENOMEM;
	}
	out_strings->block[0] = '\0';
	memcpy(out_strings->block + extra, bytes, arguments_size + environment_size);
	return 0;
}

int exec_strings_prepend(struct exec_strings *strings, const char *const *first, uint32_t n)
{
	size_t old_size = strlen(strings->block) + 1, new_size = 0, used = 0;
	char *block;

	for (uint32_t i = 0; i < n; i++) {
		new_size += strlen(first[i]) + 1;
	}
	if (strings->size - old_size + new_size > 2 * (size_t)POSIX_PAYLOAD_MAX) {
		return -LINUX_E2BIG;
	}
	block = helix_malloc(strings->size - old_size + new_size);
	if (block == NULL) {
		return -LINUX_ENOMEM;
	}
	for (uint32_t i = 0; i < n; i++) {
		size_t length = strlen(first[i]) + 1;

		memcpy(block + used, first[i], length);
		used += length;
	}
	memcpy(block + used, strings->block + old_size, strings->size - old_size);
	helix_free(strings->block);
	strings->block = block;
	strings->size = strings->size - old_size + new_size;
	strings->arguments_size = strings->arguments_size - old_size + new_size;
	strings->argc += n - 1;
	return 0;
}

void exec_strings_release(struct exec_strings *strings)
{
	helix_free(strings->block);
	strings->block = NULL;
}

/* ---- scripts --------------------------------------------------------------------------------- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static size_t skip_blanks(const char *line, size_t at, size_t end)
{
	while (at < end && is_blank(line[at])) {
		at++;
	}
	return at;
}

static void copy_span(char *to, const char *from, size_t size)
{
	memcpy(to, from, size);
	to[size] = '\0';
}

bool exec_script_parse(const char *head, size_t size, struct exec_script *out_script)
{
	size_t end, start, at;
	bool is_cut;

	if (size < 3 || head[0] != '#' || head[1] != '!') {
		return false;
	}
	size = min_size(size, EXEC_SCRIPT_LINE_MAX - 1);
	for (end = 2; end < size && head[end] != '\n' && head[end] != '\0'; end++) {
	}
	is_cut = end == EXEC_SCRIPT_LINE_MAX - 1;
	start = skip_blanks(head, 2, end);
	for (at = start; at < end && !is_blank(head[at]); at++) {
	}
	/* A path that is cut is another path. */
	if (at == start || (is_cut && at == end)) {
		return false;
	}
	copy_span(out_script->interpreter, head + start, at - start);
	start = skip_blanks(head, at, end);
	while (end > start && is_blank(head[end - 1])) {
		end--;
	}
	copy_span(out_script->argument, head + start, end - start);
	return true;
}
