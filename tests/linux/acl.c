/* SPDX-License-Identifier: MIT */
/* Access control lists on a tmpfs: what is stored, what they allow, chmod, and default lists. */
#include "check.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#define ACCESS  "system.posix_acl_access"
#define DEFAULT "system.posix_acl_default"

enum { USER_OBJ = 1, USER = 2, GROUP_OBJ = 4, GROUP = 8, MASK = 16, OTHER = 32 };
enum { ALICE = 5001, BOB = 5002, FRIENDS = 6001, TEAM = 6002 };

struct entry {
	uint16_t tag, permissions;
	uint32_t id;
};

static struct {
	uint32_t version;
	struct entry entries[16];
} list = { .version = 2 };

static char root[64];

static void enter(void)
{
	strcpy(root, "/tmp/acl-XXXXXX");
	CHECK(mkdtemp(root) != NULL);
	CHECK_EQ(unshare(CLONE_NEWNS), 0);
	CHECK_EQ(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	CHECK_EQ(mount("x", root, "tmpfs", 0, "mode=755"), 0);
	CHECK_EQ(chdir(root), 0);
	umask(022);
}

static void leave(void)
{
	CHECK_EQ(chdir("/"), 0);
	CHECK_EQ(umount2(root, MNT_DETACH), 0);
	CHECK_EQ(rmdir(root), 0);
}

static int make(const char *name, mode_t mode)
{
	return close(open(name, O_WRONLY | O_CREAT, mode));
}

static unsigned mode_of(const char *name)
{
	struct stat status;

	return stat(name, &status) == 0 ? status.st_mode & 07777 : 0xffff;
}

/* Entries as { tag, permissions, id }. */
#define SET(path, name, ...) \
	set(path, name, (struct entry[]){ __VA_ARGS__ }, \
		sizeof((struct entry[]){ __VA_ARGS__ }) / sizeof(struct entry))

static int set(const char *path, const char *name, const struct entry *entries, size_t n)
{
	memcpy(list.entries, entries, n * sizeof(*entries));
	return setxattr(path, name, &list, sizeof(uint32_t) + n * sizeof(*entries), 0);
}

/* The permissions of a tag in a list, -1: there is none. */
static int permissions_of(const char *path, const char *name, unsigned tag)
{
	ssize_t size = getxattr(path, name, &list, sizeof(list));

	for (int i = 0; size >= 4 && i < (size - 4) / 8; i++) {
		if (list.entries[i].tag == tag) {
			return list.entries[i].permissions;
		}
	}
	return -1;
}

/* Whether somebody may. */
static bool may(uid_t uid, gid_t gid, const char *path, int access_wanted)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		bool is_set = setgroups(0, NULL) == 0 && setgid(gid) == 0 && setuid(uid) == 0;

		_exit(!is_set ? 2 : access(path, access_wanted) == 0 ? 0 : errno == EACCES ? 1 : 3);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) < 2);
	return status == 0;
}

CASE(stored_and_told)
{
	char names[100];

	enter();
	make("f", 0640);
	CHECK_ERRNO(getxattr("f", ACCESS, names, sizeof(names)), ENODATA);
	CHECK_EQ(SET("f", ACCESS, { USER_OBJ, 6, -1 }, { USER, 7, ALICE }, { GROUP_OBJ, 4, -1 },
			 { MASK, 5, -1 }, { OTHER, 0, -1 }),
		0);
	CHECK_EQ(getxattr("f", ACCESS, names, sizeof(names)), 44);
	CHECK_EQ(getxattr("f", ACCESS, NULL, 0), 44);
	CHECK_ERRNO(getxattr("f", ACCESS, names, 43), ERANGE);
	CHECK_EQ(mode_of("f"), 0650); /* the mask */
	CHECK_EQ(setxattr("f", "trusted.x", "1", 1, 0), 0);
	CHECK_EQ(listxattr("f", names, sizeof(names)), sizeof(ACCESS) + sizeof("trusted.x"));
	CHECK(strcmp(names, ACCESS) == 0);
	/* what a mode says as well is a mode */
	CHECK_EQ(SET("f", ACCESS, { USER_OBJ, 6, -1 }, { GROUP_OBJ, 4, -1 }, { OTHER, 4, -1 }), 0);
	CHECK_EQ(mode_of("f"), 0644);
	CHECK_ERRNO(getxattr("f", ACCESS, NULL, 0), ENODATA);
	CHECK_EQ(removexattr("f", ACCESS), 0);
	CHECK_EQ(removexattr("f", DEFAULT), 0);
	leave();
}

CASE(refused)
{
	enter();
	make("f", 0640);
	CHECK_EQ(mkdir("d", 0755) || symlink("f", "l"), 0);
	CHECK_ERRNO(SET("f", ACCESS, { USER_OBJ, 6, -1 }, { USER, 7, 1 }, { GROUP_OBJ, 4, -1 },
			    { OTHER, 0, -1 }),
		EINVAL); /* no mask */
	CHECK_ERRNO(SET("f", ACCESS, { GROUP_OBJ, 4, -1 }, { USER_OBJ, 6, -1 }, { OTHER, 0, -1 }),
		EINVAL);
	CHECK_ERRNO(SET("f", ACCESS, { USER_OBJ, 6, -1 }, { GROUP_OBJ, 4, -1 }), EINVAL);
	CHECK_ERRNO(SET("f", ACCESS, { USER_OBJ, 8, -1 }, { GROUP_OBJ, 4, -1 }, { OTHER, 0, -1 }),
		EINVAL);
	CHECK_ERRNO(
		SET("f", ACCESS, { USER_OBJ, 6, -1 }, { GROUP_OBJ, 4, -1 }, { 64, 0, -1 }), EINVAL);
	CHECK_ERRNO(SET("f", DEFAULT, { USER_OBJ, 6, -1 }, { GROUP_OBJ, 4, -1 }, { OTHER, 0, -1 }),
		EACCES);
	CHECK_ERRNO(setxattr("f", ACCESS, &list, 3, 0), EINVAL);
	CHECK_ERRNO(setxattr("f", ACCESS, &list, 9, 0), EINVAL);
	CHECK_ERRNO(lsetxattr("l", ACCESS, &list, 28, 0), EOPNOTSUPP);
	CHECK_ERRNO(lgetxattr("l", ACCESS, &list, 28), EOPNOTSUPP);
	list.version = 1;
	CHECK_ERRNO(setxattr("f", ACCESS, &list, 28, 0), EOPNOTSUPP);
	list.version = 2;
	int status;

	if (fork() == 0) {
		bool is_refused = setuid(ALICE) == 0 &&
			SET("f", ACCESS, { USER_OBJ, 6, -1 }, { GROUP_OBJ, 4, -1 },
				{ OTHER, 0, -1 }) == -1 &&
			errno == EPERM && removexattr("f", ACCESS) == -1 && errno == EPERM;

		_exit(is_refused ? 0 : 1);
	}
	CHECK(wait(&status) > 0 && status == 0);
	CHECK_EQ(mode_of("f"), 0640);
	leave();
}

CASE(decides)
{
	enter();
	make("f", 0600);
	CHECK_EQ(chown("f", BOB, TEAM), 0);
	CHECK_EQ(SET("f", ACCESS, { USER_OBJ, 4, -1 }, { USER, 6, ALICE }, { GROUP_OBJ, 4, -1 },
			 { GROUP, 2, FRIENDS }, { MASK, 6, -1 }, { OTHER, 4, -1 }),
		0);
	CHECK(may(ALICE, 1, "f", R_OK | W_OK));
	CHECK(!may(ALICE, 1, "f", X_OK));
	CHECK(may(BOB, 1, "f", R_OK) && !may(BOB, FRIENDS, "f", W_OK)); /* the owner */
	CHECK(may(1, TEAM, "f", R_OK) && !may(1, TEAM, "f", W_OK));
	CHECK(may(1, FRIENDS, "f", W_OK) && !may(1, FRIENDS, "f", R_OK)); /* not as another */
	CHECK(may(1, 1, "f", R_OK) && !may(1, 1, "f", W_OK));
	CHECK(may(0, 0, "f", R_OK | W_OK) && !may(0, 0, "f", X_OK));
	/* chmod sets the mask, which limits all but the owner and others */
	CHECK_EQ(chmod("f", 0640), 0);
	CHECK_EQ(permissions_of("f", ACCESS, MASK), 4);
	CHECK_EQ(permissions_of("f", ACCESS, USER_OBJ), 6);
	CHECK_EQ(permissions_of("f", ACCESS, OTHER), 0);
	CHECK_EQ(permissions_of("f", ACCESS, USER), 6);
	CHECK_EQ(permissions_of("f", ACCESS, GROUP_OBJ), 4);
	CHECK(may(ALICE, 1, "f", R_OK) && !may(ALICE, 1, "f", W_OK));
	CHECK(!may(1, FRIENDS, "f", W_OK) && !may(1, 1, "f", R_OK));
	CHECK_EQ(chmod("f", 0604), 0);
	CHECK(may(ALICE, 1, "f", R_OK)); /* without a mask at all only the mode counts */
	CHECK_EQ(removexattr("f", ACCESS), 0);
	CHECK_EQ(mode_of("f"), 0604);
	leave();
}

CASE(inherited)
{
	enter();
	CHECK_EQ(mkdir("d", 0755), 0);
	CHECK_EQ(SET("d", DEFAULT, { USER_OBJ, 7, -1 }, { USER, 6, ALICE }, { GROUP_OBJ, 5, -1 },
			 { MASK, 7, -1 }, { OTHER, 1, -1 }),
		0);
	CHECK_EQ(mode_of("d"), 0755);
	CHECK(!may(ALICE, 1, "d", W_OK));
	umask(077); /* does not count */
	make("d/f", 0666);
	CHECK_EQ(mode_of("d/f"), 0660);
	CHECK_EQ(permissions_of("d/f", ACCESS, USER), 6);
	CHECK_EQ(permissions_of("d/f", ACCESS, MASK), 6);
	CHECK_EQ(permissions_of("d/f", ACCESS, GROUP_OBJ), 5);
	CHECK_EQ(permissions_of("d/f", ACCESS, OTHER), 0);
	CHECK_EQ(permissions_of("d/f", DEFAULT, OTHER), -1);
	CHECK(may(ALICE, 1, "d/f", R_OK | W_OK));
	CHECK_EQ(mkdir("d/sub", 0777), 0);
	CHECK_EQ(mode_of("d/sub"), 0771);
	CHECK_EQ(permissions_of("d/sub", ACCESS, MASK), 7);
	CHECK_EQ(permissions_of("d/sub", DEFAULT, OTHER), 1);
	CHECK_EQ(mkfifo("d/sub/fifo", 0600), 0);
	CHECK_EQ(mode_of("d/sub/fifo"), 0600);
	CHECK_EQ(permissions_of("d/sub/fifo", ACCESS, MASK), 0);
	CHECK_EQ(symlink("x", "d/link"), 0);
	int fd = open("d", O_TMPFILE | O_RDWR, 0666);
	CHECK(fd >= 0);
	CHECK_EQ(fgetxattr(fd, ACCESS, NULL, 0), 44);
	close(fd);
	/* a default list that is only a mode */
	CHECK_EQ(SET("d", DEFAULT, { USER_OBJ, 7, -1 }, { GROUP_OBJ, 2, -1 }, { OTHER, 4, -1 }), 0);
	make("d/g", 0666);
	CHECK_EQ(mode_of("d/g"), 0624);
	CHECK_ERRNO(getxattr("d/g", ACCESS, NULL, 0), ENODATA);
	CHECK_EQ(removexattr("d", DEFAULT), 0);
	make("d/h", 0666);
	CHECK_EQ(mode_of("d/h"), 0600);
	leave();
}

CASES_MAIN()
