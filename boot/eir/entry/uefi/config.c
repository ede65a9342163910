/* SPDX-License-Identifier: MIT */
/* Reading hati/boot.cfg. */
#include "config.h"

#include <base/string.h>

/* The offset of a character, or @size. */
static size_t config_find(const char *text, size_t size, char wanted)
{
	size_t at = 0;

	while (at < size && text[at] != wanted) {
		at++;
	}
	return at;
}

static bool config_is_name(const char *text, size_t size, const char *name)
{
	return size == strlen(name) && memcmp(text, name, size) == 0;
}

static bool config_set(char *out_value, size_t value_max, const char *text, size_t size)
{
	if (size >= 2 && text[0] == '"' && text[size - 1] == '"') {
		text++;
		size -= 2;
	}
	if (size >= value_max || config_find(text, size, '\0') < size) {
		return false;
	}
	memcpy(out_value, text, size);
	out_value[size] = '\0';
	return true;
}

static const char *config_read_line(const char *line, size_t size, struct config *config)
{
	while (size > 0 && (line[size - 1] == '\r' || line[size - 1] == ' ')) {
		size--;
	}
	if (size == 0 || line[0] == '#') {
		return NULL;
	}
	size_t name_size = config_find(line, size, '=');

	if (name_size == size) {
		return "a line is not NAME=VALUE";
	}
	const char *value = &line[name_size + 1];
	size_t value_size = size - name_size - 1;
	bool is_set = true;

	if (config_is_name(line, name_size, "initrd")) {
		is_set = config_set(config->initrd, sizeof(config->initrd), value, value_size);
	} else if (config_is_name(line, name_size, "options")) {
		is_set = config_set(config->options, sizeof(config->options), value, value_size);
	}
	return is_set ? NULL : "a value is too long, or no text";
}

const char *config_read(const char *text, size_t size, struct config *out_config)
{
	const char *why = NULL;

	memset(out_config, 0, sizeof(*out_config));
	for (size_t at = 0; at < size && why == NULL;) {
		size_t n = config_find(&text[at], size - at, '\n');

		why = config_read_line(&text[at], n, out_config);
		at += n + 1;
	}
	if (why == NULL && out_config->initrd[0] == '\0') {
		why = "there is no line initrd=";
	}
	return why;
}

bool config_path(const char *path, uint16_t *out_path, size_t n_max)
{
	size_t n = strlen(path);

	if (n >= n_max) {
		return false;
	}
	for (size_t i = 0; i <= n; i++) {
		if ((uint8_t)path[i] > 0x7e) {
			return false;
		}
		out_path[i] = path[i] == '/' ? '\\' : (uint16_t)path[i];
	}
	return true;
}
