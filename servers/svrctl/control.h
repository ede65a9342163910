/* SPDX-License-Identifier: MIT */
/* svrctl as an object on mbus: the protocol `control` of protocols/svrctl. */
#ifndef SVRCTL_CONTROL_H
#define SVRCTL_CONTROL_H

#include <helix/helix.h>

/** control_publish() - publish it; @mbus: borrowed for ever */
MUST_USE int control_publish(struct task *task, hel_handle mbus);

#endif
