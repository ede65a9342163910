/* SPDX-License-Identifier: MIT */
/*
 * The machine's PCI functions: all are found when hw starts; those in slots with hot plug (slot.h)
 * come and go afterwards.
 */
#ifndef HW_TREE_H
#define HW_TREE_H

#include "machine.h"

/** tree_find() - make objects of all functions, and give addresses to those that lack some */
void tree_find(struct machine *machine);

/** tree_publish() - publish them, and drive the slots from then on */
void tree_publish(struct task *task, struct machine *machine);

#endif
