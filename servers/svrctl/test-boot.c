/* SPDX-License-Identifier: MIT */
/* Tests of reading the boot archive: which servers start, and in which order. */
#include "boot.h"

#include <base/testing.h>
#include <helix/memory.h>
#include <helix/tests/sim-kernel.h>

static uint8_t archive[16384];
static size_t archive_size;
static char complaints[256];
static bool is_testing;

void sim_kernel_deadlocked(void)
{
	abort();
}

/* One entry of a cpio archive in the "newc" form. */
static void add_entry(const char *name, unsigned mode, const char *text)
{
	char header[111];
	size_t name_size = strlen(name) + 1;

	snprintf(header, sizeof(header),
		"070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x", 1u, mode, 0u, 0u, 1u,
		0u, (unsigned)strlen(text), 0u, 0u, 0u, 0u, (unsigned)name_size, 0u);
	memcpy(archive + archive_size, header, 110);
	memcpy(archive + archive_size + 110, name, name_size);
	archive_size = (archive_size + 110 + name_size + 3) & ~(size_t)3;
	memcpy(archive + archive_size, text, strlen(text));
	archive_size = (archive_size + strlen(text) + 3) & ~(size_t)3;
}

static void add_manifest(const char *name, const char *text)
{
	char path[64];

	snprintf(path, sizeof(path), "boot/hati/manifests/%s.server", name);
	add_entry(path, 0100644, text);
}

static bool has_option(const char *name, const char *value)
{
	return is_testing && strcmp(name, "hati.test") == 0 && strcmp(value, "kernel") == 0;
}

static void complain(const char *name, const char *reason, unsigned line)
{
	char text[128];

	snprintf(text, sizeof(text), "%s (%u) ", name, line);
	(void)reason;
	strncat(complaints, text, sizeof(complaints) - strlen(complaints) - 1);
}

/* The names of the servers in the order of their start. */
static const char *plan(void)
{
	static char names[256];
	struct boot_plan plan;

	complaints[0] = '\0';
	names[0] = '\0';
	add_entry("TRAILER!!!", 0, "");
	CHECK_EQ(boot_read(archive, archive_size, has_option, complain, &plan), 0);
	for (size_t i = 0; i < plan.n_servers; i++) {
		strcat(names, plan.servers[i].name);
		strcat(names, " ");
	}
	helix_free(plan.servers);
	archive_size = 0;
	return names;
}

TEST(boot_orders_by_needs)
{
	add_manifest("a-posix", "name posix\nbinary p\nneed log\nneed disks\nneed mbus\n");
	add_manifest("b-hw", "name hw\nbinary h\nneed authority\nneed mbus\nprovide disks\n");
	add_manifest("c-mbus", "name mbus\nbinary m\nneed log\nprovide mbus\n");
	add_manifest("d-alone", "name alone\nbinary a\n");
	CHECK_STR_EQ(plan(), "mbus hw posix alone ");
	CHECK_STR_EQ(complaints, "");
}

TEST(boot_leaves_out_what_cannot_start)
{
	add_manifest("a", "name a\nbinary a\nneed b\nprovide a\n");
	add_manifest("b", "name b\nbinary b\nneed a\nprovide b\n");
	add_manifest("c", "name c\nbinary c\nneed nothing-of-the-kind\n");
	add_manifest("d", "name d\nbinary d\n");
	add_manifest("e", "name d\nbinary e\n");
	add_manifest("f", "name f\nnonsense\n");
	add_manifest("g", "name g\nbinary g\nprovide x\n");
	add_manifest("h", "name h\nbinary h\nprovide x\n");
	CHECK_STR_EQ(plan(), "d g ");
	CHECK(strstr(complaints, "a (0) b (0) c (0) ") != NULL);
	CHECK(strstr(complaints, "manifests/e.server (0) ") != NULL);
	CHECK(strstr(complaints, "manifests/f.server (2) ") != NULL);
	CHECK(strstr(complaints, "manifests/h.server (0) ") != NULL);
}

TEST(boot_follows_the_command_line)
{
	for (int i = 0; i < 2; i++) {
		is_testing = i == 1;
		add_manifest("a", "name a\nbinary a\nwhen hati.test=kernel\n");
		add_manifest("b", "name b\nbinary b\nwhen hati.test=other\n");
		add_manifest("c", "name c\nbinary c\n");
		CHECK_STR_EQ(plan(), i == 1 ? "a c " : "c ");
	}
}

TEST(boot_looks_only_at_manifests)
{
	add_entry("boot/hati/manifests/a.server", 0040755, "name a\nbinary a\n"); /* a folder */
	add_entry("boot/hati/manifests/b.text", 0100644, "name b\nbinary b\n");
	add_entry("boot/hati/other/c.server", 0100644, "name c\nbinary c\n");
	CHECK_STR_EQ(plan(), "");
	CHECK_STR_EQ(complaints, "");
}

TEST_MAIN()
