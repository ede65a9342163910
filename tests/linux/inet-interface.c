/* SPDX-License-Identifier: MIT */
/* The loopback interface, as ioctls of sockets and sysfs tell of it. */
#include "check.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

CASE(ioctls_tell_of_the_loopback)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct ifreq about = { .ifr_name = "lo" };

	CHECK(ioctl(fd, SIOCGIFINDEX, &about) == 0 && about.ifr_ifindex == 1);
	CHECK(ioctl(fd, SIOCGIFFLAGS, &about) == 0 && (about.ifr_flags & IFF_LOOPBACK));
	CHECK(ioctl(fd, SIOCGIFMTU, &about) == 0 && about.ifr_mtu >= 16384);
	CHECK(ioctl(fd, SIOCGIFADDR, &about) == 0);
	CHECK(((struct sockaddr_in *)&about.ifr_addr)->sin_addr.s_addr == htonl(INADDR_LOOPBACK));
	about.ifr_ifindex = 1;
	memset(about.ifr_name, 0, sizeof(about.ifr_name));
	CHECK(ioctl(fd, SIOCGIFNAME, &about) == 0 && strcmp(about.ifr_name, "lo") == 0);
	strcpy(about.ifr_name, "none0");
	CHECK(ioctl(fd, SIOCGIFMTU, &about) == -1 && errno == ENODEV);
	CHECK(ioctl(STDIN_FILENO, SIOCGIFMTU, &about) == -1);
}

CASE(lists_of_interfaces)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0), local = socket(AF_UNIX, SOCK_STREAM, 0);
	struct ifreq all[64];
	struct ifconf list = { .ifc_len = sizeof(all), .ifc_req = all };
	struct ifconf size = { .ifc_len = 1 };
	bool has_loopback = false;

	CHECK(ioctl(fd, SIOCGIFCONF, &list) == 0);
	CHECK(list.ifc_len >= (int)sizeof(all[0]) && list.ifc_len % sizeof(all[0]) == 0);
	for (size_t i = 0; i < list.ifc_len / sizeof(all[0]); i++) {
		const struct sockaddr_in *name = (const void *)&all[i].ifr_addr;

		has_loopback |= strcmp(all[i].ifr_name, "lo") == 0 && name->sin_family == AF_INET &&
			name->sin_addr.s_addr == htonl(INADDR_LOOPBACK);
	}
	CHECK(has_loopback);
	CHECK(ioctl(local, SIOCGIFCONF, &size) == 0 && size.ifc_len == list.ifc_len);
	list.ifc_len = sizeof(all[0]) - 1;
	CHECK(ioctl(fd, SIOCGIFCONF, &list) == 0 && list.ifc_len == 0);
	CHECK(ioctl(fd, SIOCGIFCONF, (void *)1) == -1 && errno == EFAULT);
	CHECK(ioctl(STDIN_FILENO, SIOCGIFCONF, &list) == -1);
}

CASE(memory_of_the_loopback)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct ifreq about = { .ifr_name = "lo" };

	memset(&about.ifr_map, 0xff, sizeof(about.ifr_map));
	CHECK(ioctl(fd, SIOCGIFMAP, &about) == 0);
	CHECK(about.ifr_map.mem_start == 0 && about.ifr_map.irq == 0);
}

static void check_text(const char *name, const char *text)
{
	char path[100], bytes[100] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/sys/class/net/lo/%s", name);
	file = fopen(path, "r");
	CHECK(file != NULL && fgets(bytes, sizeof(bytes), file) != NULL);
	CHECK(strcmp(bytes, text) == 0);
	fclose(file);
}

CASE(files_of_the_loopback)
{
	check_text("address", "00:00:00:00:00:00\n");
	check_text("ifindex", "1\n");
	check_text("type", "772\n");
	check_text("operstate", "unknown\n");
	CHECK(access("/sys/class/net/lo/statistics/rx_bytes", R_OK) == 0);
}

CASES_MAIN()
