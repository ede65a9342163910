/* SPDX-License-Identifier: MIT */
/* Names and explanations of error numbers: see errors.h. */
#include <base/errors.h>

const char *error_name(int error)
{
	switch (error < 0 ? -error : error) {
	case ERR_NONE: return "NONE";
#define HEL_ERROR(name, number, text) \
	case number: return #name;
#include <abi/hel/errors.def>
#undef HEL_ERROR
	default: return "?";
	}
}

const char *error_text(int error)
{
	switch (error < 0 ? -error : error) {
	case ERR_NONE: return "no error";
#define HEL_ERROR(name, number, text) \
	case number: return text;
#include <abi/hel/errors.def>
#undef HEL_ERROR
	default: return "unknown error";
	}
}
