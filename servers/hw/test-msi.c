/* SPDX-License-Identifier: MIT */
/* Tests of plain MSI on capabilities of each shape, anywhere in a configuration space. */
#include "msi.h"

#include <base/random.h>
#include <base/testing.h>

constexpr uint32_t ENABLE = 1, COUNT_OF_32 = 5u << 4, WIDE = 1u << 7, CAN_MASK = 1u << 8;
constexpr uint32_t CAN_SEND_32 = 5u << 1;
constexpr uint64_t HIGH_ADDRESS = UINT64_C(0x1'fee0'3000);

static uint8_t config[PCI_CONFIG_SIZE];
static bool was_changed_while_on; /* address or data, while the device may send */
static uint8_t capability;

static uint32_t config_read(const struct pci_access *access, struct pci_address address,
	uint32_t offset, uint32_t width)
{
	uint32_t value = 0;

	(void)access;
	(void)address;
	CHECK(offset % width == 0 && offset + width <= sizeof(config));
	memcpy(&value, config + offset, width);
	return value;
}

static void config_write(const struct pci_access *access, struct pci_address address,
	uint32_t offset, uint32_t width, uint32_t value)
{
	(void)access;
	(void)address;
	CHECK(offset % width == 0 && offset + width <= sizeof(config));
	was_changed_while_on |= (config[capability + 2] & ENABLE) != 0 &&
		offset >= capability + 4u &&
		offset < capability + (((config[capability + 2] & WIDE) != 0) ? 14u : 10u);
	memcpy(config + offset, &value, width);
}

static const struct pci_access access = { .read = config_read, .write = config_write };

static uint32_t get(uint32_t offset, uint32_t width)
{
	return config_read(&access, (struct pci_address){}, offset, width);
}

/* A function of which the only capability is MSI, with these bits of its control register. */
static struct msi make(uint8_t offset, uint32_t control)
{
	struct pci_function function = {
		.capabilities = { { .id = PCI_CAPABILITY_MSI, .offset = offset } },
		.n_capabilities = 1,
	};

	memset(config, 0x5a, sizeof(config));
	capability = offset;
	was_changed_while_on = false;
	config[offset + 2] = (uint8_t)control;
	config[offset + 3] = (uint8_t)(control >> 8);
	return msi_read(&access, &function);
}

TEST(msi_is_absent)
{
	struct pci_function function = {};

	CHECK_EQ(msi_read(&access, &function).offset, 0);
	/* one that does not fit is none */
	CHECK_EQ(make(0xec, WIDE | CAN_MASK).offset, 0);
	CHECK_EQ(make(0xe8, WIDE | CAN_MASK).offset, 0xe8);
	CHECK_EQ(make(0xf0, WIDE).offset, 0xf0);
	CHECK_EQ(make(0xf4, WIDE).offset, 0);
	CHECK_EQ(make(0xf4, 0).offset, 0xf4);
	CHECK_EQ(make(0xf8, 0).offset, 0);
}

TEST(msi_is_written_in_each_shape)
{
	static const uint32_t shapes[] = { 0, WIDE, CAN_MASK, WIDE | CAN_MASK };

	for (uint32_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		/* the firmware has left it on, with all messages */
		struct msi msi = make(0x50, shapes[i] | ENABLE | COUNT_OF_32 | CAN_SEND_32);
		bool is_wide = (shapes[i] & WIDE) != 0;
		bool can_mask = (shapes[i] & CAN_MASK) != 0;
		uint32_t behind = is_wide ? 4 : 0;

		CHECK_EQ(msi.is_wide, is_wide);
		CHECK_EQ(msi.can_mask, can_mask);
		CHECK(msi_enable(&access, (struct pci_address){}, &msi, 0xfee01000, 0x4123, true));
		CHECK(!was_changed_while_on);
		CHECK_EQ(get(0x52, 2), shapes[i] | ENABLE | CAN_SEND_32);
		CHECK_EQ(get(0x54, 4), 0xfee01000);
		CHECK_EQ(get(0x58, 4), is_wide ? 0 : 0x5a5a4123);
		CHECK_EQ(get(0x58 + behind, 2), 0x4123);
		CHECK_EQ(get(0x5c + behind, 4), can_mask ? UINT32_MAX : 0x5a5a5a5a);
		CHECK(msi_enable(&access, (struct pci_address){}, &msi, 0xfee02000, 0x4124, false));
		CHECK(!was_changed_while_on);
		CHECK_EQ(get(0x54, 4), 0xfee02000);
		CHECK_EQ(get(0x5c + behind, 4), can_mask ? UINT32_MAX - 1 : 0x5a5a5a5a);
		msi_disable(&access, (struct pci_address){}, &msi);
		CHECK_EQ(get(0x52, 2), shapes[i] | CAN_SEND_32);
	}
}

TEST(msi_high_addresses_need_a_wide_one)
{
	struct msi msi = make(0x50, 0);

	CHECK(!msi_enable(&access, (struct pci_address){}, &msi, HIGH_ADDRESS, 1, false));
	CHECK_EQ(get(0x54, 4), 0x5a5a5a5a);
	msi = make(0x50, WIDE);
	CHECK(msi_enable(&access, (struct pci_address){}, &msi, HIGH_ADDRESS, 1, false));
	CHECK_EQ(get(0x58, 4), 1);
}

/* Whatever the control register says, nothing outside of the capability changes. */
TEST(msi_touches_only_itself)
{
	struct random random;

	random_init(&random, test_seed(1));
	for (int i = 0; i < 20000; i++) {
		uint8_t offset = (uint8_t)(0x40 + 4 * random_below(&random, 48));
		struct msi msi = make(offset, (uint32_t)random_below(&random, 0x10000));
		uint32_t end = offset + (msi.can_mask ? 20u : 10u) + (msi.is_wide ? 4 : 0);

		if (msi.offset == 0) {
			continue;
		}
		CHECK(end <= sizeof(config));
		(void)!msi_enable(&access, (struct pci_address){}, &msi, random_u64(&random), 0x41,
			i % 2 == 0);
		msi_disable(&access, (struct pci_address){}, &msi);
		for (uint32_t at = 0; at < sizeof(config); at++) {
			CHECK(config[at] == 0x5a || (at >= offset && at < end));
		}
	}
}

TEST_MAIN()
