/* SPDX-License-Identifier: MIT */
/* Whose bytes a device's are. */
#ifndef POSIX_TTY_CHANNEL_OWNERS_H
#define POSIX_TTY_CHANNEL_OWNERS_H

struct channel;

/** channel_of_console() - the console's, for the device that people sit behind */
struct channel *channel_of_console(void);
/** channel_of_port() - that of the port with a name, made if need be; NULL if there is no memory */
struct channel *channel_of_port(const char *name);

#endif
