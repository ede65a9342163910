/* SPDX-License-Identifier: MIT */
/* Plain MSI: see msi.h. */
#include "msi.h"

/* The capability's registers; what is behind the address depends on how wide that is. */
enum msi_register {
	MSI_CONTROL = 2,
	MSI_ADDRESS_LOW = 4,
	MSI_ADDRESS_HIGH = 8,
	MSI_DATA = 8,
	MSI_MASK = 12,
	MSI_WIDE = 4, /* bytes more, from the data on */
	MSI_MASK_END = 20, /* with the pending bits */
	MSI_DATA_END = 10,
};

constexpr uint32_t CONTROL_ENABLE = 1u << 0;
constexpr uint32_t CONTROL_COUNT = 7u << 4;
constexpr uint32_t CONTROL_WIDE = 1u << 7;
constexpr uint32_t CONTROL_CAN_MASK = 1u << 8;

static uint32_t msi_get(const struct pci_access *access, struct pci_address device,
	const struct msi *msi, uint32_t offset, uint32_t width)
{
	return access->read(access, device, msi->offset + offset, width);
}

static void msi_put(const struct pci_access *access, struct pci_address device,
	const struct msi *msi, uint32_t offset, uint32_t width, uint32_t value)
{
	access->write(access, device, msi->offset + offset, width, value);
}

static uint32_t msi_behind_address(const struct msi *msi)
{
	return msi->is_wide ? MSI_WIDE : 0;
}

struct msi msi_read(const struct pci_access *access, const struct pci_function *function)
{
	struct msi msi = { .offset = pci_find_capability(function, PCI_CAPABILITY_MSI) };

	if (msi.offset == 0) {
		return msi;
	}
	uint32_t control = msi_get(access, function->address, &msi, MSI_CONTROL, 2);

	msi.is_wide = (control & CONTROL_WIDE) != 0;
	msi.can_mask = (control & CONTROL_CAN_MASK) != 0;
	uint32_t end = msi.offset + (msi.can_mask ? MSI_MASK_END : MSI_DATA_END) +
		msi_behind_address(&msi);

	return end <= PCI_CONFIG_SIZE ? msi : (struct msi){};
}

void msi_set_masked(const struct pci_access *access, struct pci_address device,
	const struct msi *msi, bool is_masked)
{
	uint32_t offset = MSI_MASK + msi_behind_address(msi);

	msi_put(access, device, msi, offset, 4, is_masked ? UINT32_MAX : ~UINT32_C(1));
}

void msi_disable(const struct pci_access *access, struct pci_address device, const struct msi *msi)
{
	uint32_t control = msi_get(access, device, msi, MSI_CONTROL, 2);

	msi_put(access, device, msi, MSI_CONTROL, 2, control & ~(CONTROL_ENABLE | CONTROL_COUNT));
}

bool msi_enable(const struct pci_access *access, struct pci_address device, const struct msi *msi,
	uint64_t address, uint32_t data, bool is_masked)
{
	if (!msi->is_wide && address > UINT32_MAX) {
		return false;
	}
	msi_disable(access, device, msi);
	msi_put(access, device, msi, MSI_ADDRESS_LOW, 4, (uint32_t)address);
	if (msi->is_wide) {
		msi_put(access, device, msi, MSI_ADDRESS_HIGH, 4, (uint32_t)(address >> 32));
	}
	msi_put(access, device, msi, MSI_DATA + msi_behind_address(msi), 2, data);
	if (msi->can_mask) {
		msi_set_masked(access, device, msi, is_masked);
	}
	uint32_t control = msi_get(access, device, msi, MSI_CONTROL, 2);

	msi_put(access, device, msi, MSI_CONTROL, 2, control | CONTROL_ENABLE);
	return true;
}
