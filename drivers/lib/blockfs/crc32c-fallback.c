/* SPDX-License-Identifier: MIT */
/* For processors whose instructions for crc32c we do not use. */
#include <base/assert.h>
#include <drivers/lib/blockfs/crc32c.h>

bool crc32c_is_fast(void)
{
	return false;
}

uint32_t crc32c_fast(uint32_t sum, UNUSED const void *data, UNUSED size_t size)
{
	ASSERT(false);
	return sum;
}
