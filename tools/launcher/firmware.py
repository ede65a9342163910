# SPDX-License-Identifier: MIT
"""Booting a disk as a machine does: its firmware starts what is on it, without the launcher's help.

The kernel, the archives and the command line are those of the image, so nothing of what the
launcher would put into them can be asked for.
"""

import shutil
import tempfile

from options import UsageError

_OVMF_CODE = '/usr/share/OVMF/OVMF_CODE_4M.fd'
_OVMF_VARIABLES = '/usr/share/OVMF/OVMF_VARS_4M.fd'


def check(options):
    """Raises UsageError if the options ask for what only the launcher's own boot can do."""
    if options.firmware is None:
        return
    if options.image is None:
        raise UsageError('--firmware: --root does not name a disk image, which it could boot')
    asked = {'a command': options.command, '--add': options.add, '--env': options.env,
             '--append': options.append, '--trace': options.trace, '--profile': options.profile}
    for name, value in asked.items():
        if value:
            raise UsageError(f'--firmware: not with {name}: what is booted is all on the disk')


def _variables():
    """A fresh copy of the firmware's variables: used ones may prefer another disk."""
    copy = tempfile.NamedTemporaryFile(prefix='hati-variables-')
    with open(_OVMF_VARIABLES, 'rb') as file:
        shutil.copyfileobj(file, copy)
    copy.flush()
    return copy


def qemu_arguments(options, stack):
    """What makes QEMU boot the disk; `stack` keeps files for as long as it runs."""
    if options.firmware == 'seabios':
        return []
    try:
        variables = stack.enter_context(_variables())
    except OSError as error:
        raise UsageError('--firmware: OVMF is missing; tools/setup/install.sh ovmf '
                         'installs it') from error
    drive = 'if=pflash,format=raw,file='
    return ['-drive', f'{drive}{_OVMF_CODE},readonly=on', '-drive', f'{drive}{variables.name}']
