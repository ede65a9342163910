/* SPDX-License-Identifier: MIT */
/* Tests of hati/boot.cfg, which anybody may have written. */
#include "config.h"

#include <base/random.h>
#include <base/testing.h>

#include <stdlib.h>
#include <string.h>

/* Reads a copy that has no byte more. */
static const char *read_exactly(const char *text, size_t size, struct config *out_config)
{
	char *copy = malloc(size + (size == 0));
	const char *why;

	memcpy(copy, text, size);
	why = config_read(copy, size, out_config);
	free(copy);
	return why;
}

static const char *read_text(const char *text, struct config *out_config)
{
	return read_exactly(text, strlen(text), out_config);
}

TEST(lines_are_understood)
{
	static struct config config;

	CHECK(read_text("# comment=1\n\ninitrd=\"/hati/initrd\"\noptions=\"root=/dev/vda rw\"\n",
		      &config) == NULL);
	CHECK(strcmp(config.initrd, "/hati/initrd") == 0);
	CHECK(strcmp(config.options, "root=/dev/vda rw") == 0);
	CHECK(read_text("initrd=/a\r\nother=1\r\noptions=\r\ninitrd=\"/b\" \r\n#", &config) ==
		NULL);
	CHECK(strcmp(config.initrd, "/b") == 0);
	CHECK(strcmp(config.options, "") == 0);
	CHECK(read_text("initrd=\"", &config) == NULL);
	CHECK(strcmp(config.initrd, "\"") == 0);
}

TEST(what_is_no_configuration_is_refused)
{
	static struct config config;
	static char text[BOOT_COMMAND_LINE_MAX + 64];

	CHECK(read_text("", &config) != NULL);
	CHECK(read_text("options=a\n", &config) != NULL);
	CHECK(read_text("initrd=\n", &config) != NULL);
	CHECK(read_text("initrd /a\n", &config) != NULL);
	CHECK(read_exactly("initrd=/a\0b\n", 12, &config) != NULL);
	CHECK(config.initrd[0] == '\0');
	strcpy(text, "initrd=/a\noptions=");
	memset(&text[strlen(text)], 'x', BOOT_COMMAND_LINE_MAX - 1);
	CHECK(read_text(text, &config) == NULL);
	CHECK_EQ(strlen(config.options), BOOT_COMMAND_LINE_MAX - 1);
	text[strlen(text)] = 'x';
	CHECK(read_text(text, &config) != NULL);
}

TEST(random_bytes_do_no_harm)
{
	static const char characters[] = "initrd=\"options\n\r# \0/";
	static struct config config;
	static char text[200];
	struct random random;

	for (uint64_t seed = 0; seed < 5000; seed++) {
		size_t size;

		random_init(&random, seed);
		strcpy(text, "initrd=\"/a\"\noptions=\"b c\"\n");
		size = random_below(&random, sizeof(text));
		for (uint64_t n = random_below(&random, 40); n > 0; n--) {
			text[random_below(&random, sizeof(text))] =
				characters[random_below(&random, sizeof(characters))];
		}
		if (read_exactly(text, size, &config) == NULL) {
			CHECK(strlen(config.initrd) < sizeof(config.initrd));
			CHECK(strlen(config.options) < sizeof(config.options));
		}
	}
}

TEST(paths_become_those_of_uefi)
{
	uint16_t path[5];

	CHECK(config_path("/a/b", path, ARRAY_SIZE(path)));
	CHECK_EQ(path[0], '\\');
	CHECK_EQ(path[2], '\\');
	CHECK_EQ(path[3], 'b');
	CHECK_EQ(path[4], 0);
	CHECK(!config_path("/abcd", path, ARRAY_SIZE(path)));
	CHECK(!config_path("/\xc3\xa4", path, ARRAY_SIZE(path)));
}

TEST_MAIN()
