/* SPDX-License-Identifier: MIT */
/*
 * The machine's PCI functions: all are found when hw starts; those in slots with hot plug (slot.h)
 * come and go afterwards.
 */
#ifndef HW_PCI_TREE_H
#define HW_PCI_TREE_H

#include "machine.h"

/** pci_tree_find() - make objects of all functions, and give addresses to those that lack some */
void pci_tree_find(struct machine *machine);

/** pci_tree_publish() - publish them, and drive the slots from then on */
void pci_tree_publish(struct task *task, struct machine *machine);

#endif
