/* SPDX-License-Identifier: MIT */
/* The ioctls that ask for interfaces, which every socket knows. There is `lo`. */
#include <abi/linux/errno.h>
#include <abi/linux/inet.h>
#include <abi/linux/interface.h>
#include <abi/linux/netlink.h>
#include <base/string.h>
#include <posix/server/process/process.h>
#include <posix/server/socket/family.h>

constexpr int32_t LO_INDEX = 1, LO_MTU = 65536, LO_QUEUE = 1000;

static void put_address(struct linux_ifreq *out, const uint8_t ip[4])
{
	struct linux_sockaddr_in address = { .family = LINUX_AF_INET };

	memcpy(address.ip, ip, sizeof(address.ip));
	memcpy(out->address, &address, sizeof(address));
}

static int64_t answer(struct linux_ifreq *about, uint32_t command)
{
	const uint16_t family = LINUX_ARPHRD_LOOPBACK;

	switch (command) {
	case LINUX_SIOCGIFFLAGS:
		about->flags = LINUX_IFF_UP | LINUX_IFF_LOOPBACK | LINUX_IFF_RUNNING;
		return 0;
	case LINUX_SIOCGIFADDR:
	case LINUX_SIOCGIFDSTADDR: put_address(about, (const uint8_t[4]){ 127, 0, 0, 1 }); return 0;
	case LINUX_SIOCGIFBRDADDR: put_address(about, (const uint8_t[4]){ 0 }); return 0;
	case LINUX_SIOCGIFNETMASK: put_address(about, (const uint8_t[4]){ 255 }); return 0;
	case LINUX_SIOCGIFMETRIC: about->number = 0; return 0;
	case LINUX_SIOCGIFMTU: about->number = LO_MTU; return 0;
	case LINUX_SIOCGIFINDEX: about->number = LO_INDEX; return 0;
	case LINUX_SIOCGIFTXQLEN: about->number = LO_QUEUE; return 0;
	case LINUX_SIOCGIFMAP: memset(about->bytes, 0, sizeof(about->bytes)); return 0;
	case LINUX_SIOCGIFHWADDR:
		memset(about->address, 0, sizeof(about->address));
		memcpy(about->address, &family, sizeof(family));
		return 0;
	default: return -LINUX_ENOTTY;
	}
}

/* All that have an address of IPv4; the result is their size. */
static int64_t list_interfaces(void *buffer, size_t size)
{
	struct linux_ifreq one = { .name = "lo" };

	if (size < sizeof(one)) {
		return -LINUX_EINVAL;
	}
	put_address(&one, (const uint8_t[4]){ 127, 0, 0, 1 });
	memcpy(buffer, &one, sizeof(one));
	return sizeof(one);
}

int64_t socket_interface_ioctl(
	const struct request *request, uint32_t command, void *buffer, size_t size)
{
	struct linux_ifreq about;

	if (command == LINUX_SIOCGIFCONF) {
		return list_interfaces(buffer, size);
	}
	if (command < LINUX_SIOCGIFNAME || command > LINUX_SIOCGIFMAP || size < sizeof(about)) {
		return -LINUX_ENOTTY;
	}
	memcpy(&about, buffer, sizeof(about));
	about.name[sizeof(about.name) - 1] = '\0';
	if (command == LINUX_SIOCGIFNAME) {
		if (about.number != LO_INDEX) {
			return -LINUX_ENODEV;
		}
		memset(about.name, 0, sizeof(about.name));
		memcpy(about.name, "lo", 3);
		memcpy(buffer, &about, sizeof(about));
		return 0;
	}
	if (command == LINUX_SIOCSIFFLAGS) {
		return credentials_has(&request->process->credentials, LINUX_CAP_NET_ADMIN)
			? -LINUX_EOPNOTSUPP
			: -LINUX_EPERM;
	}
	if (strcmp(about.name, "lo") != 0) {
		return -LINUX_ENODEV;
	}
	int64_t error = answer(&about, command);

	if (error == 0) {
		memcpy(buffer, &about, sizeof(about));
	}
	return error;
}
