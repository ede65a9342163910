/* SPDX-License-Identifier: MIT */
/*
 * Folders that the host shares: see volumes.c.
 */
#ifndef INIT_VOLUMES_H
#define INIT_VOLUMES_H

/** volumes_add() - remember a record TAG:PATH[:ro], which stays where it is */
void volumes_add(char *record);

/**
 * volumes_mount() - mount all that were added, at directories that are made if need be
 * @out_why: on failure, what is wrong, in one line; valid until the next call
 *
 * Waits up to ten seconds for each, for its driver may still be looking for the device.
 *
 * Return: 0, or -1: one cannot be mounted.
 */
int volumes_mount(const char **out_why);

#endif
