/* SPDX-License-Identifier: MIT */
/* Extended attributes that every file system with attributes keeps for the superuser. */
#include "check.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#define TRUSTED "trusted.hati"
#define NOBODY  65534

/* A fresh folder, and we in it. */
static void enter(void)
{
	char root[] = "xattr-XXXXXX";

	if (!mkdtemp(root) || chmod(root, 0777) || chdir(root)) {
		check_fail(__LINE__, "mkdtemp", 0);
	}
	close(open("file", O_RDWR | O_CREAT, 0666));
	symlink("file", "link");
}

CASE(set_get_list_remove)
{
	char text[64] = "";

	enter();
	CHECK_ERRNO(getxattr("file", TRUSTED, text, 64), ENODATA);
	CHECK_EQ(setxattr("file", TRUSTED, "value", 5, 0), 0);
	CHECK_EQ(getxattr("file", TRUSTED, NULL, 0), 5);
	CHECK_ERRNO(getxattr("file", TRUSTED, text, 4), ERANGE);
	CHECK_EQ(getxattr("file", TRUSTED, text, 64), 5);
	CHECK(!memcmp(text, "value", 6));
	CHECK_EQ(listxattr("file", NULL, 0), sizeof(TRUSTED));
	CHECK_ERRNO(listxattr("file", text, 3), ERANGE);
	CHECK_EQ(listxattr("file", text, 64), sizeof(TRUSTED));
	CHECK(!memcmp(text, TRUSTED, sizeof(TRUSTED)));
	CHECK_EQ(removexattr("file", TRUSTED), 0);
	CHECK_ERRNO(removexattr("file", TRUSTED), ENODATA);
	CHECK_EQ(listxattr("file", text, 64), 0);
}

CASE(flags)
{
	enter();
	CHECK_ERRNO(setxattr("file", TRUSTED, "a", 1, XATTR_REPLACE), ENODATA);
	CHECK_EQ(setxattr("file", TRUSTED, "a", 1, XATTR_CREATE), 0);
	CHECK_ERRNO(setxattr("file", TRUSTED, "b", 1, XATTR_CREATE), EEXIST);
	CHECK_EQ(setxattr("file", TRUSTED, "", 0, XATTR_REPLACE), 0);
	CHECK_EQ(getxattr("file", TRUSTED, NULL, 0), 0);
	CHECK_ERRNO(setxattr("file", TRUSTED, "b", 1, 4), EINVAL);
}

CASE(links_and_descriptors)
{
	char text[8];

	enter();
	CHECK_EQ(setxattr("link", TRUSTED, "1", 1, 0), 0);
	CHECK_EQ(lsetxattr("link", TRUSTED, "22", 2, 0), 0);
	CHECK_EQ(getxattr("file", TRUSTED, text, 8), 1);
	CHECK_EQ(lgetxattr("link", TRUSTED, text, 8), 2);
	int fd = open("file", O_RDONLY);
	CHECK_EQ(fsetxattr(fd, TRUSTED, "333", 3, 0), 0);
	CHECK_EQ(fgetxattr(fd, TRUSTED, text, 8), 3);
	CHECK_EQ(flistxattr(fd, NULL, 0), sizeof(TRUSTED));
	CHECK_EQ(lremovexattr("link", TRUSTED), 0);
	CHECK_EQ(llistxattr("link", NULL, 0), 0);
	CHECK_EQ(fremovexattr(fd, TRUSTED), 0);
	CHECK_EQ(listxattr("file", NULL, 0), 0);
	int path = open("file", O_PATH);
	CHECK_ERRNO(fgetxattr(path, TRUSTED, text, 8), EBADF);
	CHECK_ERRNO(fsetxattr(path, TRUSTED, text, 8, 0), EBADF);
	CHECK_ERRNO(flistxattr(path, text, 8), EBADF);
	CHECK_ERRNO(fgetxattr(-1, TRUSTED, text, 8), EBADF);
}

CASE(names_and_sizes)
{
	static char name[300] = "trusted.";
	static char big[70000];

	enter();
	CHECK_ERRNO(setxattr("file", "", "a", 1, 0), ERANGE);
	CHECK_ERRNO(setxattr("file", "trusted.", "a", 1, 0), EINVAL);
	CHECK_ERRNO(setxattr("file", "security.", "a", 1, 0), EINVAL);
	CHECK_ERRNO(setxattr("file", "nothing", "a", 1, 0), EOPNOTSUPP);
	CHECK_ERRNO(getxattr("file", "nothing.a", big, 1), EOPNOTSUPP);
	CHECK_ERRNO(getxattr("file", "system.nothing", big, 1), EOPNOTSUPP);
	CHECK_ERRNO(removexattr("file", "nothing.a"), EOPNOTSUPP);
	memset(name + 8, 'x', 247);
	CHECK_EQ(setxattr("file", name, "a", 1, 0), 0);
	name[255] = 'x';
	CHECK_ERRNO(setxattr("file", name, "a", 1, 0), ERANGE);
	CHECK_ERRNO(getxattr("file", name, big, 1), ERANGE);
	CHECK_ERRNO(setxattr("file", TRUSTED, big, 65537, 0), E2BIG);
	CHECK_ERRNO(setxattr("nothing", TRUSTED, big, 65537, 0), E2BIG);
	CHECK_ERRNO(setxattr("nothing", TRUSTED, big, 1, 0), ENOENT);
	CHECK_ERRNO(setxattr("file", TRUSTED, NULL, 5, 0), EFAULT);
	CHECK_ERRNO(getxattr("file", (char *)8, big, 5), EFAULT);
	memset(big, 7, 3000);
	CHECK_EQ(setxattr("file", TRUSTED, big, 3000, 0), 0);
	CHECK_EQ(getxattr("file", TRUSTED, big + 3000, 1 << 30), 3000);
	CHECK(!memcmp(big, big + 3000, 3000));
}

CASE(rights)
{
	char text[64];

	enter();
	CHECK_EQ(setxattr("file", TRUSTED, "a", 1, 0), 0);
	CHECK_EQ(setxattr("file", "security.hati", "b", 1, 0), 0);
	CHECK_EQ(chmod("file", 0600), 0);
	CHECK_EQ(seteuid(NOBODY), 0);
	CHECK_ERRNO(getxattr("file", TRUSTED, text, 64), ENODATA);
	CHECK_ERRNO(setxattr("file", TRUSTED, "a", 1, 0), EPERM);
	CHECK_ERRNO(removexattr("file", TRUSTED), EPERM);
	CHECK_EQ(getxattr("file", "security.hati", text, 64), 1);
	CHECK_ERRNO(setxattr("file", "security.hati", "a", 1, 0), EPERM);
	CHECK_ERRNO(removexattr("file", "security.hati"), EPERM);
	CHECK_ERRNO(setxattr("file", "nothing.a", "a", 1, 0), EACCES);
	CHECK_EQ(listxattr("file", text, 64), sizeof("security.hati"));
	CHECK(!strcmp(text, "security.hati"));
}

/* What names programs as trusted goes when the file is written to. */
CASE(capabilities)
{
	static const char value[20] = { 1, 0, 0, 2, 1 };
	char text[32];

	enter();
	CHECK_ERRNO(setxattr("file", "security.capability", "a", 1, 0), EINVAL);
	CHECK_ERRNO(setxattr("file", "security.capability", value, 19, 0), EINVAL);
	CHECK_EQ(setxattr("file", "security.capability", value, 20, 0), 0);
	CHECK_EQ(getxattr("file", "security.capability", text, 32), 20);
	int fd = open("file", O_WRONLY);
	CHECK_EQ(getxattr("file", "security.capability", text, 32), 20);
	CHECK_EQ(write(fd, "x", 1), 1);
	CHECK_ERRNO(getxattr("file", "security.capability", text, 32), ENODATA);
	CHECK_EQ(setxattr("file", "security.capability", value, 20, 0), 0);
	CHECK_EQ(chown("file", NOBODY, NOBODY), 0);
	CHECK_ERRNO(getxattr("file", "security.capability", text, 32), ENODATA);
}

CASE(elsewhere)
{
	char text[32];
	int fds[2];

	CHECK_ERRNO(getxattr("/proc/self/status", TRUSTED, text, 32), EOPNOTSUPP);
	CHECK_EQ(listxattr("/proc/self/status", text, 32), 0);
	CHECK_EQ(pipe(fds), 0);
	CHECK_ERRNO(fgetxattr(fds[0], TRUSTED, text, 32), EOPNOTSUPP);
	CHECK_EQ(flistxattr(fds[0], text, 32), 0);
}

CASES_MAIN()
