/* SPDX-License-Identifier: MIT */
/* Tests of reading manifests. */
#include "manifest.h"

#include <base/errors.h>
#include <base/random.h>
#include <base/testing.h>

static int parse(const char *text, struct manifest *out_manifest, unsigned *out_line)
{
	return manifest_parse(text, strlen(text), out_manifest, out_line);
}

TEST(manifest_reads_all_keys)
{
	struct manifest manifest;
	unsigned line;

	CHECK_EQ(parse("# a comment\n"
		       "name posix\n"
		       "\n"
		       "  binary\tx\n",
			 &manifest, &line),
		-ERR_PROTOCOL);
	CHECK_EQ(line, 4);
	CHECK_EQ(parse("# a comment\n"
		       "name posix\n"
		       "\n"
		       "  binary boot/hati/servers/posix  \r\n"
		       "argument --one two\n"
		       "argument three\n"
		       "need log\n"
		       "need mbus\n"
		       "provide files\n"
		       "when hati.test=kernel\n"
		       "critical\n"
		       "final",
			 &manifest, &line),
		0);
	CHECK_STR_EQ(manifest.name, "posix");
	CHECK_STR_EQ(manifest.binary, "boot/hati/servers/posix");
	CHECK_EQ(manifest.n_arguments, 2);
	CHECK_STR_EQ(manifest.arguments[0], "--one two");
	CHECK_EQ(manifest.n_needs, 2);
	CHECK(manifest_needs(&manifest, "mbus"));
	CHECK(!manifest_needs(&manifest, "mbu"));
	CHECK_STR_EQ(manifest.provides, "files");
	CHECK_STR_EQ(manifest.when_name, "hati.test");
	CHECK_STR_EQ(manifest.when_value, "kernel");
	CHECK(manifest.is_critical);
	CHECK(manifest.is_final);
}

TEST(manifest_on_demand)
{
	struct manifest manifest;
	unsigned line;

	CHECK_EQ(parse("name a\nbinary b\non-demand\nprovide c\n", &manifest, &line), 0);
	CHECK(manifest.is_on_demand);
	CHECK_EQ(parse("name a\nbinary b\nprovide c\n", &manifest, &line), 0);
	CHECK(!manifest.is_on_demand);
}

static const char *property_of(const void *object, const char *name)
{
	static char value[MANIFEST_TEXT_MAX];
	char wanted[MANIFEST_TEXT_MAX + 1];

	snprintf(wanted, sizeof(wanted), "%s=", name);
	const char *found = strstr(object, wanted);

	if (found == NULL) {
		return NULL;
	}
	found += strlen(wanted);
	snprintf(value, sizeof(value), "%.*s", (int)strcspn(found, " "), found);
	return value;
}

TEST(manifest_says_what_a_driver_serves)
{
	struct manifest manifest;
	unsigned line;

	CHECK_EQ(parse("name a\nbinary b\n"
		       "serve class=pci  vendor=1af4 device=1042\n"
		       "serve class=usb\ncritical\n",
			 &manifest, &line),
		0);
	CHECK(manifest_is_driver(&manifest));
	CHECK_EQ(manifest.n_serves, 2);
	CHECK_EQ(manifest.serves[0].n_matches, 3);
	CHECK(manifest_serves(&manifest, property_of, "class=pci vendor=1af4 device=1042"));
	CHECK(manifest_serves(&manifest, property_of, "vendor=1af4 class=usb device=7"));
	CHECK(!manifest_serves(&manifest, property_of, "class=pci vendor=1af4 device=1041"));
	CHECK(!manifest_serves(&manifest, property_of, "class=pci device=1042"));
	CHECK_STR_EQ(manifest.each, "");
	CHECK_EQ(parse("name a\nbinary b\nserve class=block\neach name\n", &manifest, &line), 0);
	CHECK_STR_EQ(manifest.each, "name");
	CHECK_EQ(parse("name a\nbinary b\n", &manifest, &line), 0);
	CHECK(!manifest_is_driver(&manifest));
	CHECK(!manifest_serves(&manifest, property_of, "class=pci"));
}

TEST(manifest_refuses_nonsense)
{
	static const struct {
		const char *text;
		int error;
		unsigned line;
	} cases[] = {
		{ "", -ERR_PROTOCOL, 0 },
		{ "name a\n", -ERR_PROTOCOL, 1 },
		{ "name a\nbinary b\ncolour blue\n", -ERR_PROTOCOL, 3 },
		{ "name a\nname b\n", -ERR_PROTOCOL, 2 },
		{ "name\nbinary b\n", -ERR_PROTOCOL, 1 },
		{ "name abcdefghijklmnopqrstuvwxyz\n", -ERR_NO_SPACE, 1 },
		{ "name a\nbinary b\ncritical yes\n", -ERR_PROTOCOL, 3 },
		{ "name a\nbinary b\nneed\n", -ERR_PROTOCOL, 3 },
		{ "name a\nbinary b\non-demand\n", -ERR_PROTOCOL, 3 },
		{ "name a\nbinary b\nprovide c\non-demand yes\n", -ERR_PROTOCOL, 4 },
		{ "name a\nbinary b\nprovide c\non-demand\ncritical\n", -ERR_PROTOCOL, 5 },
		{ "name a\nbinary b\nprovide c\nfinal\non-demand\n", -ERR_PROTOCOL, 5 },
		{ "name a\nbinary b\nserve\n", -ERR_PROTOCOL, 3 },
		{ "name a\nbinary b\nserve class\n", -ERR_PROTOCOL, 3 },
		{ "name a\nbinary b\nserve class=\n", -ERR_PROTOCOL, 3 },
		{ "name a\nbinary b\nserve a=1 =2\n", -ERR_PROTOCOL, 3 },
		{ "name a\nbinary b\nserve a=1 b=2 c=3 d=4 e=5 f=6 g=7\n", -ERR_NO_SPACE, 3 },
		{ "name a\nbinary b\nserve a=1\nprovide c\n", -ERR_PROTOCOL, 4 },
		{ "name a\nbinary b\neach c\n", -ERR_PROTOCOL, 3 },
		{ "name a\nbinary b\nserve a=1\neach\n", -ERR_PROTOCOL, 4 },
		{ "need a\nneed b\nneed c\nneed d\nneed e\nneed f\nneed g\nneed h\nneed i\n",
			-ERR_NO_SPACE, 9 },
	};
	struct manifest manifest;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		unsigned line = 0;

		CHECK_EQ(parse(cases[i].text, &manifest, &line), cases[i].error);
		CHECK_EQ(line, cases[i].line);
	}
}

TEST(manifest_survives_random_bytes)
{
	struct random random;
	struct manifest manifest;
	unsigned line;

	random_init(&random, test_seed(1));
	for (int i = 0; i < 20000; i++) {
		static const char words[] =
			"name binary need serve each when critical final = \n\n  a/b \t#";
		size_t size = random_below(&random, 200);
		char *text = malloc(size + 1); /* exact, so that ASan sees any step beyond */

		for (size_t k = 0; k < size; k++) {
			text[k] = words[random_below(&random, sizeof(words))];
		}
		(void)!manifest_parse(text, size, &manifest, &line);
		free(text);
	}
}

TEST_MAIN()
