/* SPDX-License-Identifier: MIT */
/* Mounts that hear of each other (shared, slave, unbindable), pivot_root, and stacked mounts. */
#include "check.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static char root[4096];
static int tmp;

/*
 * A tree of mounts of our own, in it a tmpfs with the folders a, b and c, where we are. It goes
 * with us, so that nothing is left on the system.
 */
static void enter(void)
{
	strcpy(root, "/tmp/propagation-XXXXXX");
	CHECK(mkdtemp(root) != NULL);
	CHECK_EQ(unshare(CLONE_NEWNS), 0);
	CHECK_EQ(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	CHECK_EQ(mount("x", root, "tmpfs", 0, NULL), 0);
	CHECK_EQ(chdir(root), 0);
	tmp = open("/tmp", O_PATH);
	CHECK_EQ(mkdir("a", 0755) || mkdir("b", 0755) || mkdir("c", 0755), 0);
}

static void leave(void)
{
	CHECK_EQ(chdir("/"), 0);
	CHECK_EQ(umount2(root, MNT_DETACH), 0);
	CHECK_EQ(rmdir(root), 0);
}

/* The same when nothing of the old tree is mounted any more. */
static void leave_pivoted(void)
{
	CHECK_EQ(unlinkat(tmp, root + strlen("/tmp/"), AT_REMOVEDIR), 0);
}

static int make(const char *name)
{
	return close(open(name, O_WRONLY | O_CREAT, 0666));
}

static int exists(const char *name)
{
	return access(name, F_OK) == 0;
}

/* The optional fields of the line of the mount that is on top at a place below the root. */
static const char *fields_of(const char *name)
{
	static const char *const kinds[][2] = {
		{ " shared:", "shared " },
		{ " master:", "master " },
		{ " unbindable", "unbind " },
	};
	static char line[5000], found[64], where[5000];
	FILE *file = fopen("/proc/self/mountinfo", "r");

	snprintf(where, sizeof(where), " %s/%s ", root, name);
	found[0] = '\0';
	while (fgets(line, sizeof(line), file) != NULL) {
		char *end = strstr(line, " - ");

		if (end == NULL || strstr(line, where) == NULL) {
			continue;
		}
		*end = '\0';
		found[0] = '\0';
		for (int i = 0; i < 3; i++) {
			strcat(found, strstr(line, kinds[i][0]) != NULL ? kinds[i][1] : "");
		}
	}
	fclose(file);
	return found;
}

#define CHECK_FIELDS(name, text) CHECK(strcmp(fields_of(name), text) == 0)

CASE(peers_see_what_is_mounted)
{
	enter();
	CHECK_EQ(mount("x", "a", "tmpfs", 0, NULL), 0);
	CHECK_FIELDS("a", "");
	CHECK_EQ(mount(NULL, "a", NULL, MS_SHARED, NULL), 0);
	CHECK_EQ(mount("a", "b", NULL, MS_BIND, NULL), 0);
	CHECK_FIELDS("a", "shared ");
	CHECK_FIELDS("b", "shared ");
	CHECK_EQ(mkdir("a/m", 0755), 0);
	CHECK_EQ(mount("y", "a/m", "tmpfs", 0, NULL), 0);
	make("a/m/file");
	CHECK(exists("b/m/file"));
	CHECK_FIELDS("b/m", "shared ");
	/* in both directions */
	CHECK_EQ(umount("b/m"), 0);
	CHECK(!exists("a/m/file"));
	CHECK_EQ(mount("y", "b/m", "tmpfs", 0, NULL), 0);
	int fd = open("a/m", O_RDONLY);
	CHECK_ERRNO(umount("b/m"), EBUSY);
	close(fd);
	CHECK_EQ(umount2("b/m", MNT_DETACH), 0);
	CHECK_ERRNO(umount("a/m"), EINVAL);
	/* a part of it sees only what is in it */
	CHECK_EQ(mkdir("a/part", 0755) || mkdir("a/part/in", 0755), 0);
	CHECK_EQ(mount("a/part", "c", NULL, MS_BIND, NULL), 0);
	CHECK_EQ(mount("y", "a/m", "tmpfs", 0, NULL), 0);
	CHECK_EQ(mount("z", "a/part/in", "tmpfs", 0, NULL), 0);
	make("b/part/in/file");
	CHECK(exists("c/in/file"));
	CHECK(!exists("c/m"));
	leave();
}

CASE(slaves_hear_and_are_not_heard)
{
	enter();
	CHECK_EQ(mount("x", "a", "tmpfs", 0, NULL), 0);
	CHECK_EQ(mount(NULL, "a", NULL, MS_SHARED, NULL), 0);
	CHECK_EQ(mount("a", "b", NULL, MS_BIND, NULL), 0);
	CHECK_EQ(mount(NULL, "b", NULL, MS_SLAVE, NULL), 0);
	CHECK_FIELDS("b", "master ");
	CHECK_EQ(mkdir("a/m", 0755) || mkdir("a/n", 0755), 0);
	CHECK_EQ(mount("y", "a/m", "tmpfs", 0, NULL), 0);
	make("a/m/file");
	CHECK(exists("b/m/file"));
	CHECK_FIELDS("a/m", "shared ");
	CHECK_FIELDS("b/m", "master ");
	CHECK_EQ(mount("y", "b/n", "tmpfs", 0, NULL), 0);
	make("b/n/file");
	CHECK(!exists("a/n/file"));
	/* both: hears from one group and tells another */
	CHECK_EQ(mount(NULL, "b", NULL, MS_SHARED, NULL), 0);
	CHECK_FIELDS("b", "shared master ");
	CHECK_EQ(mount("b", "c", NULL, MS_BIND, NULL), 0);
	CHECK_FIELDS("c", "shared master ");
	CHECK_EQ(mkdir("a/o", 0755), 0);
	CHECK_EQ(mount("z", "a/o", "tmpfs", 0, NULL), 0);
	make("a/o/file");
	CHECK(exists("b/o/file") && exists("c/o/file"));
	CHECK_FIELDS("c/o", "shared master ");
	CHECK_EQ(umount("c/o"), 0);
	CHECK(!exists("b/o/file") && exists("a/o/file"));
	/* what is on it goes everywhere, the slave itself stays */
	CHECK_EQ(umount2("a", MNT_DETACH), 0);
	CHECK_FIELDS("b", "shared ");
	CHECK(!exists("b/m/file") && exists("b/n/file"));
	leave();
}

CASE(kinds_change)
{
	enter();
	CHECK_EQ(mount("x", "a", "tmpfs", 0, NULL), 0);
	CHECK_EQ(mount(NULL, "a", NULL, MS_SLAVE, NULL), 0);
	CHECK_FIELDS("a", "");
	CHECK_EQ(mount(NULL, "a", NULL, MS_SHARED, NULL), 0);
	CHECK_EQ(mount(NULL, "a", NULL, MS_SLAVE, NULL), 0);
	CHECK_FIELDS("a", ""); /* there was nobody to be the slave of */
	CHECK_EQ(mount(NULL, "a", NULL, MS_SHARED, NULL), 0);
	CHECK_EQ(mount(NULL, "a", NULL, MS_PRIVATE, NULL), 0);
	CHECK_FIELDS("a", "");
	CHECK_EQ(mount(NULL, "a", NULL, MS_UNBINDABLE, NULL), 0);
	CHECK_FIELDS("a", "unbind ");
	CHECK_ERRNO(mount("a", "b", NULL, MS_BIND, NULL), EINVAL);
	CHECK_EQ(mkdir("a/m", 0755), 0);
	CHECK_EQ(mount("y", "a/m", "tmpfs", 0, NULL), 0);
	CHECK_FIELDS("a/m", "");
	CHECK_ERRNO(mount(NULL, "a/m", NULL, MS_SHARED | MS_PRIVATE, NULL), EINVAL);
	CHECK_EQ(mkdir("a/m/sub", 0755), 0);
	CHECK_ERRNO(mount(NULL, "a/m/sub", NULL, MS_SHARED, NULL), EINVAL);
	CHECK_EQ(mount(NULL, "a", NULL, MS_SHARED | MS_REC, NULL), 0);
	CHECK_FIELDS("a", "shared ");
	CHECK_FIELDS("a/m", "shared ");
	/* what is unbindable is left out of a recursive bind */
	CHECK_EQ(mount(NULL, "a/m", NULL, MS_UNBINDABLE, NULL), 0);
	make("a/m/file");
	CHECK_EQ(mount("a", "b", NULL, MS_BIND | MS_REC, NULL), 0);
	CHECK(exists("a/m/file") && !exists("b/m/file"));
	leave();
}

CASE(moving_among_shared)
{
	enter();
	CHECK_EQ(mount("x", "a", "tmpfs", 0, NULL), 0);
	CHECK_EQ(mkdir("a/m", 0755) || mkdir("a/n", 0755), 0);
	CHECK_EQ(mount("y", "a/m", "tmpfs", 0, NULL), 0);
	make("a/m/file");
	CHECK_EQ(mount(NULL, "a", NULL, MS_SHARED, NULL), 0);
	CHECK_EQ(mount("a", "b", NULL, MS_BIND, NULL), 0);
	/* not away from a shared one, but onto it */
	CHECK_ERRNO(mount("a/m", "c", NULL, MS_MOVE, NULL), EINVAL);
	CHECK_EQ(mount("z", "c", "tmpfs", 0, NULL), 0);
	make("c/other");
	CHECK_EQ(mount("c", "a/n", NULL, MS_MOVE, NULL), 0);
	CHECK(exists("a/n/other") && exists("b/n/other") && !exists("c/other"));
	leave();
}

CASE(trees_of_two_processes)
{
	int status, to_child[2], to_parent[2];
	char byte = 0;

	enter();
	CHECK_EQ(mount("x", "a", "tmpfs", 0, NULL), 0);
	CHECK_EQ(mkdir("a/m", 0755), 0);
	CHECK_EQ(mount(NULL, "a", NULL, MS_SHARED, NULL), 0);
	CHECK_EQ(pipe(to_child) || pipe(to_parent), 0);
	pid_t child = fork();

	if (child == 0) {
		bool is_good = unshare(CLONE_NEWNS) == 0 && write(to_parent[1], "x", 1) == 1 &&
			read(to_child[0], &byte, 1) == 1 && exists("a/m/file") &&
			umount("a/m") == 0 &&
			mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) == 0 &&
			mount("z", "a/m", "tmpfs", 0, NULL) == 0;

		make("a/m/mine");
		_exit(is_good ? 0 : 1);
	}
	CHECK_EQ(read(to_parent[0], &byte, 1), 1);
	CHECK_EQ(mount("y", "a/m", "tmpfs", 0, NULL), 0);
	make("a/m/file");
	CHECK_EQ(write(to_child[1], "x", 1), 1);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
	CHECK(!exists("a/m/file") && !exists("a/m/mine"));
	leave();
}

CASE(the_last_covers)
{
	enter();
	CHECK_EQ(mount("x", "a", "tmpfs", 0, NULL), 0);
	make("a/first");
	CHECK_EQ(mount("x", "a", "tmpfs", 0, NULL), 0);
	make("a/second");
	CHECK(!exists("a/first"));
	/* also from a directory that is covered */
	CHECK_EQ(chdir("b"), 0);
	CHECK_EQ(mount("x", ".", "tmpfs", 0, NULL), 0);
	CHECK(!exists("x") && make("../b/one") == 0);
	CHECK_EQ(mount("x", ".", "tmpfs", 0, NULL), 0);
	CHECK(!exists("../b/one"));
	CHECK_EQ(umount("."), 0);
	CHECK(exists("../b/one"));
	CHECK_EQ(umount("."), 0);
	CHECK(!exists("../b/one"));
	CHECK_EQ(chdir(".."), 0);
	CHECK_EQ(umount("a"), 0);
	CHECK(exists("a/first"));
	leave();
}

/* ---- pivot_root ------------------------------------------------------------------------------ */

static long pivot(const char *new, const char *put_old)
{
	return syscall(SYS_pivot_root, new, put_old);
}

CASE(pivot_root_refuses)
{
	enter();
	CHECK_ERRNO(pivot("a", "a/old"), ENOENT);
	CHECK_EQ(mkdir("a/old", 0755), 0);
	CHECK_ERRNO(pivot("a", "a/old"), EINVAL); /* no mount */
	CHECK_EQ(mount("x", "a", "tmpfs", 0, NULL), 0);
	CHECK_EQ(mkdir("a/old", 0755), 0);
	make("file");
	CHECK_ERRNO(pivot("file", "a/old"), ENOTDIR);
	CHECK_ERRNO(pivot("a", "b"), EINVAL); /* not below */
	CHECK_ERRNO(pivot("/", "/"), EBUSY);
	CHECK_EQ(mount(NULL, "a", NULL, MS_SHARED, NULL), 0);
	CHECK_ERRNO(pivot("a", "a/old"), EINVAL);
	CHECK_EQ(mount(NULL, "a", NULL, MS_PRIVATE, NULL), 0);
	CHECK_EQ(mount(NULL, root, NULL, MS_SHARED, NULL), 0);
	CHECK_ERRNO(pivot("a", "a/old"), EINVAL);
	CHECK_EQ(mount(NULL, root, NULL, MS_PRIVATE, NULL), 0);
	if (fork() == 0) {
		bool is_refused = setuid(54321) == 0 && pivot("a", "a/old") == -1 && errno == EPERM;

		_exit(is_refused ? 0 : 1);
	}
	int status;

	CHECK(wait(&status) > 0 && status == 0);
	leave();
}

CASE(pivot_root_exchanges)
{
	char old_root[4200];

	enter();
	CHECK_EQ(mount("x", "a", "tmpfs", 0, NULL), 0);
	CHECK_EQ(mkdir("a/old", 0755), 0);
	make("a/here");
	make("there");
	CHECK_EQ(pivot("a", "a/old"), 0);
	CHECK(exists("/here"));
	CHECK(exists("there")); /* we are where we were */
	snprintf(old_root, sizeof(old_root), "/old%s", root);
	CHECK_EQ(chdir(old_root), 0);
	CHECK(exists("there"));
	CHECK_EQ(chdir("/.."), 0);
	CHECK(exists("here"));
	CHECK_EQ(umount2("/old", MNT_DETACH), 0);
	CHECK(!exists("/old/proc") && exists("/here"));
	CHECK_EQ(rmdir("/old"), 0);
	leave_pivoted();
}

/* As container runtimes do it: without a folder for the old root, which ends up on top. */
CASE(pivot_root_onto_itself)
{
	enter();
	CHECK_EQ(mount("x", "a", "tmpfs", 0, NULL), 0);
	make("a/here");
	CHECK_EQ(chdir("a"), 0);
	CHECK_EQ(pivot(".", "."), 0);
	CHECK_EQ(umount2(".", MNT_DETACH), 0);
	CHECK_EQ(chdir("/"), 0);
	CHECK(exists("here"));
	leave_pivoted();
}

CASES_MAIN()
