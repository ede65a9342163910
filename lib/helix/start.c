/* SPDX-License-Identifier: MIT */
/* Start and end of a native program: see start.h. */
#include <helix/log.h>
#include <helix/start-internal.h>

#include <base/assert.h>
#include <base/string.h>
#include <hel/hel-calls.h>

static const struct hel_start *start_page;

const struct hel_start *helix_start(void)
{
	return start_page;
}

static const struct hel_start_handle *start_find(const char *name)
{
	for (uint32_t i = 0; i < start_page->n_handles; i++) {
		if (str_equal(start_page->handles[i].name, name)) {
			return &start_page->handles[i];
		}
	}
	return NULL;
}

hel_handle helix_start_handle(const char *name)
{
	const struct hel_start_handle *found = start_find(name);

	return found != NULL ? found->handle : HEL_NULL;
}

uint64_t helix_start_value(const char *name)
{
	const struct hel_start_handle *found = start_find(name);

	return found != NULL ? found->value : 0;
}

bool helix_command_line_option(const char *name, char *out_value, size_t size)
{
	const char *word = (const char *)start_page->command_line;
	size_t length = strlen(name);
	bool is_found = false;

	while (word != NULL && *word != '\0') {
		size_t word_length = 0;

		while (word[word_length] != '\0' && word[word_length] != ' ') {
			word_length++;
		}
		if (word_length >= length && memcmp(word, name, length) == 0 &&
			(word_length == length || word[length] == '=')) {
			size_t skipped = min_size(length + 1, word_length);

			is_found = true;
			format_to(out_value, size, "%.*s", (int)(word_length - skipped),
				word + skipped);
		}
		word += word_length;
		while (*word == ' ') {
			word++;
		}
	}
	return is_found;
}

NORETURN void helix_exit(void)
{
	hel_thread_exit();
}

/* The name for log lines: the last part of the program's path. */
static const char *start_program_name(char **arguments)
{
	const char *slash;

	if (start_page->argc == 0) {
		return "?";
	}
	slash = strrchr(arguments[0], '/');
	return slash != NULL ? slash + 1 : arguments[0];
}

NORETURN void helix_start_main(const struct hel_start *start)
{
	static char *no_arguments[1];
	char **arguments = start->argc != 0 ? (char **)start->argv : no_arguments;
	int result;

	if (start->magic != HEL_START_MAGIC || start->version != HEL_START_VERSION) {
		helix_exit();
	}
	start_page = start;
	helix_log_init(helix_start_handle("log"), start_program_name(arguments));
	result = main((int)start->argc, arguments);
	if (result != 0) {
		helix_log(HEL_LOG_WARNING, "main ended with %d", result);
	}
	helix_exit();
}

NORETURN void assert_fail(const char *file, int line, const char *expression)
{
	helix_fatal("%s:%d: assertion failed: %s", file, line, expression);
}
