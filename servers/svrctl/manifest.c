/* SPDX-License-Identifier: MIT */
/* Reading manifests: see manifest.h. */
#include "manifest.h"

#include <base/errors.h>
#include <base/string.h>

/* A piece of the file. */
struct word {
	const char *text;
	size_t size;
};

static bool word_equals(struct word word, const char *text)
{
	return strlen(text) == word.size && memcmp(word.text, text, word.size) == 0;
}

static int word_copy(struct word word, char *out_text, size_t size)
{
	if (word.size == 0) {
		return -ERR_PROTOCOL;
	}
	if (word.size >= size) {
		return -ERR_NO_SPACE;
	}
	memcpy(out_text, word.text, word.size);
	out_text[word.size] = '\0';
	return 0;
}

static struct word word_trim(struct word word)
{
	while (word.size > 0 && (word.text[0] == ' ' || word.text[0] == '\t')) {
		word.text++;
		word.size--;
	}
	while (word.size > 0 &&
		(word.text[word.size - 1] == ' ' || word.text[word.size - 1] == '\t' ||
			word.text[word.size - 1] == '\r')) {
		word.size--;
	}
	return word;
}

/* Cut @word at the first @separator: the part before it is returned, the part behind it stays. */
static struct word word_split(struct word *word, char separator)
{
	size_t length = 0;

	while (length < word->size && word->text[length] != separator) {
		length++;
	}
	struct word head = { .text = word->text, .size = length };
	size_t skipped = length < word->size ? length + 1 : length;

	word->text += skipped;
	word->size -= skipped;
	return head;
}

/* A key that stands once: its value must still be empty. */
static int manifest_set(struct word value, char *out_text, size_t size)
{
	return out_text[0] == '\0' ? word_copy(value, out_text, size) : -ERR_PROTOCOL;
}

static int manifest_set_when(struct manifest *manifest, struct word value)
{
	struct word name = word_split(&value, '=');
	int error = manifest_set(name, manifest->when_name, sizeof(manifest->when_name));

	if (error != 0 || value.size == 0) {
		return error;
	}
	return word_copy(value, manifest->when_value, sizeof(manifest->when_value));
}

static int manifest_add_match(struct manifest_serve *serve, struct word text)
{
	struct manifest_match *match = &serve->matches[serve->n_matches];
	struct word name = word_split(&text, '=');

	if (serve->n_matches == MANIFEST_MATCHES_MAX) {
		return -ERR_NO_SPACE;
	}
	int error = word_copy(name, match->name, sizeof(match->name));

	if (error == 0) {
		error = word_copy(text, match->value, sizeof(match->value));
	}
	serve->n_matches++;
	return error;
}

static int manifest_add_serve(struct manifest *manifest, struct word value)
{
	struct manifest_serve *serve = &manifest->serves[manifest->n_serves];
	int error = value.size == 0 ? -ERR_PROTOCOL : 0;

	if (manifest->n_serves == MANIFEST_SERVES_MAX) {
		return -ERR_NO_SPACE;
	}
	while (error == 0 && value.size > 0) {
		error = manifest_add_match(serve, word_split(&value, ' '));
		value = word_trim(value);
	}
	manifest->n_serves++;
	return error;
}

static int manifest_set_flag(struct word value, bool *flag)
{
	if (value.size != 0) {
		return -ERR_PROTOCOL;
	}
	*flag = true;
	return 0;
}

static int manifest_set_key(struct manifest *manifest, struct word key, struct word value)
{
	if (word_equals(key, "name")) {
		return manifest_set(value, manifest->name, sizeof(manifest->name));
	}
	if (word_equals(key, "binary")) {
		return manifest_set(value, manifest->binary, sizeof(manifest->binary));
	}
	if (word_equals(key, "provide")) {
		return manifest_set(value, manifest->provides, sizeof(manifest->provides));
	}
	if (word_equals(key, "each")) {
		return manifest_set(value, manifest->each, sizeof(manifest->each));
	}
	if (word_equals(key, "when")) {
		return manifest_set_when(manifest, value);
	}
	if (word_equals(key, "on-demand")) {
		return manifest_set_flag(value, &manifest->is_on_demand);
	}
	if (word_equals(key, "critical")) {
		return manifest_set_flag(value, &manifest->is_critical);
	}
	if (word_equals(key, "final")) {
		return manifest_set_flag(value, &manifest->is_final);
	}
	if (word_equals(key, "need")) {
		return manifest->n_needs == MANIFEST_NEEDS_MAX
			? -ERR_NO_SPACE
			: word_copy(
				  value, manifest->needs[manifest->n_needs++], HEL_START_NAME_MAX);
	}
	if (word_equals(key, "serve")) {
		return manifest_add_serve(manifest, value);
	}
	if (word_equals(key, "argument")) {
		return manifest->n_arguments == MANIFEST_ARGUMENTS_MAX
			? -ERR_NO_SPACE
			: word_copy(value, manifest->arguments[manifest->n_arguments++],
				  MANIFEST_PATH_MAX);
	}
	return -ERR_PROTOCOL;
}

static bool manifest_is_whole(const struct manifest *manifest)
{
	bool may_be_on_demand =
		manifest->provides[0] != '\0' && !manifest->is_critical && !manifest->is_final;

	bool may_be_driver = manifest->provides[0] == '\0';

	return manifest->name[0] != '\0' && manifest->binary[0] != '\0' &&
		(!manifest->is_on_demand || may_be_on_demand) &&
		(manifest_is_driver(manifest) ? may_be_driver : manifest->each[0] == '\0');
}

int manifest_parse(const char *text, size_t size, struct manifest *out_manifest, unsigned *out_line)
{
	struct word rest = { .text = text, .size = size };
	unsigned line_number = 0;

	*out_manifest = (struct manifest){};
	while (rest.size > 0) {
		struct word line = word_trim(word_split(&rest, '\n'));

		line_number++;
		if (line.size == 0 || line.text[0] == '#') {
			continue;
		}
		struct word key = word_split(&line, ' ');
		int error = manifest_set_key(out_manifest, key, word_trim(line));

		if (error != 0) {
			*out_line = line_number;
			return error;
		}
	}
	if (!manifest_is_whole(out_manifest)) {
		*out_line = line_number;
		return -ERR_PROTOCOL;
	}
	return 0;
}

static bool serve_matches(const struct manifest_serve *serve,
	const char *(*property)(const void *object, const char *name), const void *object)
{
	for (size_t i = 0; i < serve->n_matches; i++) {
		const char *value = property(object, serve->matches[i].name);

		if (value == NULL || !str_equal(value, serve->matches[i].value)) {
			return false;
		}
	}
	return true;
}

bool manifest_serves(const struct manifest *manifest,
	const char *(*property)(const void *object, const char *name), const void *object)
{
	for (size_t i = 0; i < manifest->n_serves; i++) {
		if (serve_matches(&manifest->serves[i], property, object)) {
			return true;
		}
	}
	return false;
}

bool manifest_needs(const struct manifest *manifest, const char *capability)
{
	for (size_t i = 0; i < manifest->n_needs; i++) {
		if (str_equal(manifest->needs[i], capability)) {
			return true;
		}
	}
	return false;
}
