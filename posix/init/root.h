/* SPDX-License-Identifier: MIT */
/*
 * The change of root at boot, and its end: see root.c.
 */
#ifndef INIT_ROOT_H
#define INIT_ROOT_H

#include <stdbool.h>

/**
 * root_enter() - if the kernel's command line says root=, make that the root
 * @out_why: on failure, what is wrong, in one line; valid until the next call
 *
 * Waits up to ten seconds for the device. The mounts of the old root come along.
 *
 * Return: 0, also if there is no root= and nothing was done; -1: the old root is still there.
 */
int root_enter(const char **out_why);

/** root_is_disk() - whether root_enter() has changed the root */
bool root_is_disk(void);

/**
 * root_leave() - end all other processes, and bring what was written to the disks
 *
 * File systems are unmounted, and the root becomes read-only. Nothing is done without a disk.
 *
 * Return: 0, or -1: something may be lost; @out_why says what.
 */
int root_leave(const char **out_why);

/** root_program() - the program that init= asks to be process 1, or NULL */
const char *root_program(void);

#endif
