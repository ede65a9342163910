# SPDX-License-Identifier: MIT
"""The launcher's command line: everything is checked here, before anything is started."""

import argparse
import fcntl
import os
import re
import shlex

# Exit codes of the launcher's own; any other is the guest command's.
EXIT_USAGE = 2
EXIT_TIMEOUT = 124
EXIT_PANIC = 125

N_CPUS_MAX = 64
MEMORY_MIN_MIB = 64

_KVM_GET_API_VERSION = 0xae00
_KVM_API_VERSION = 12

ARCHITECTURES = ('x86_64',)
DISKS = ('virtio', 'nvme', 'ahci', 'ide')
FIRMWARES = ('seabios', 'ovmf')

DESCRIPTION = """\
Boots Hati in QEMU.

Without a command: a login shell on this terminal. Keys go to the guest as they are typed, Ctrl-C
too; Ctrl-] leaves. With a command: runs it in the guest as root with this process's stdin, stdout
and stderr, byte for byte, ends the guest when it ends, and exits with its exit status (128 + the
signal's number if a signal ended it).
"""

EPILOG = """\
exit status:
  the command's (or shell's) own, and
    2    a wrong option or a missing file
    124  --timeout has run out
    125  the guest panicked, or ended without an exit status

examples:
  ./hati run
  ./hati run -- busybox sh -c 'echo hello; exit 7'
  ./hati run --smp 8 --add ./program:/program -- /program argument <input >output
"""


class UsageError(Exception):
    """A wrong option or a missing file; the text is the one line that the user sees."""


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message):
        raise UsageError(message.removeprefix('argument '))


def _n_cpus(text):
    if not text.isdecimal() or not 1 <= int(text) <= N_CPUS_MAX:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number from 1 to {N_CPUS_MAX}")
    return int(text)


def _memory(text):
    match = re.fullmatch(r'([0-9]+)([kKmMgG]?)', text)
    if not match:
        raise argparse.ArgumentTypeError(f"'{text}' is not a size such as 512M or 2G")
    n_kib = int(match[1]) * {'k': 1, 'm': 1 << 10, 'g': 1 << 20}[match[2].lower() or 'm']
    if n_kib < MEMORY_MIN_MIB << 10:
        raise argparse.ArgumentTypeError(f"'{text}' is less than {MEMORY_MIN_MIB}M")
    return f'{n_kib}K'


def _variable(text):
    name, equals, _ = text.partition('=')
    if not equals or not name or '\0' in text:
        raise argparse.ArgumentTypeError(f"'{text}' is not NAME=VALUE")
    return text


def _seconds(text):
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < 1e9:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of seconds above 0")
    return seconds


def _addition(text):
    """HOSTPATH:GUESTPATH; a host path may hold colons, so the last ':/' separates."""
    host_path, separator, guest_path = text.rpartition(':/')
    if not separator or not host_path:
        raise argparse.ArgumentTypeError(f"'{text}' is not HOSTPATH:/GUESTPATH")
    guest_path = '/' + guest_path
    if guest_path.endswith('/') and not os.path.isdir(host_path):
        guest_path += os.path.basename(host_path)
    if '..' in guest_path.split('/'):
        raise argparse.ArgumentTypeError(f"'{guest_path}': '..' is not allowed in a guest path")
    if not os.path.lexists(host_path):
        raise argparse.ArgumentTypeError(f"'{host_path}' does not exist")
    return host_path, guest_path


VOLUME_OPTIONS = ('ro', 'mapped')


class Volume:
    """A host folder that the guest sees."""

    def __init__(self, host_path, guest_path, flags):
        self.host_path = host_path
        self.guest_path = guest_path
        self.is_read_only = 'ro' in flags
        self.is_mapped = 'mapped' in flags


def _volume(text):
    """HOST:GUEST or HOST:GUEST:OPTION,...; as with _addition, the last ':/' separates."""
    host_path, separator, rest = text.rpartition(':/')
    guest_path, _, flags = ('/' + rest).partition(':')
    flags = flags.split(',') if flags else []
    if not separator or not host_path:
        raise argparse.ArgumentTypeError(f"'{text}' is not HOST:/GUEST")
    if any(flag not in VOLUME_OPTIONS for flag in flags):
        raise argparse.ArgumentTypeError(
            f"'{text}': after the guest's path there may be {' and '.join(VOLUME_OPTIONS)}")
    if '..' in guest_path.split('/') or guest_path.strip('/') == '':
        raise argparse.ArgumentTypeError(f"'{guest_path}' is no place for a folder")
    if not os.path.isdir(host_path):
        raise argparse.ArgumentTypeError(f"'{host_path}' is not a folder")
    return Volume(os.path.abspath(host_path), guest_path, flags)


def _words(text):
    try:
        return shlex.split(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"'{text}': {error}") from error


def _add_run_options(parser):
    add = parser.add_argument
    add('--arch', metavar='ARCH', default='x86_64', help='architecture of the guest: x86_64')
    add('--build', metavar='TYPE', default='debug', choices=('debug', 'release', 'kasan', 'ubsan'),
        help='which build to boot: debug (default), release, kasan or ubsan')
    add('--smp', metavar='N', type=_n_cpus, help='number of CPUs (default 2)')
    add('--memory', metavar='SIZE', type=_memory, default='1G',
        help='memory, such as 512M or 2G (default 1G)')
    add('--root', metavar='DIR|ARCHIVE|IMAGE',
        help='root file system: a directory, an archive (.cpio, .tar, each also .gz or .xz), or a '
             'disk image, bare ext4 or with partitions; default: the embedded one with busybox')
    add('--disk', metavar='KIND', choices=DISKS,
        help='the disk that an image is to the guest: virtio (default), nvme, ahci or ide')
    add('--snapshot', action='store_true',
        help='leave the image as it is: what is written is forgotten in the end')
    add('--firmware', metavar='KIND', choices=FIRMWARES,
        help='boot what is on the image, as a machine does: seabios (a BIOS) or ovmf (UEFI); '
             "default: the build's own kernel")
    add('--add', metavar='HOSTPATH:GUESTPATH', type=_addition, action='append', default=[],
        help='put a host file or tree into the root, owned by root; may repeat')
    add('--volume', metavar='HOST:GUEST[:ro,mapped]', type=_volume, action='append', default=[],
        help='show a host folder in the guest, where both can change it; may repeat')
    add('--env', metavar='K=V', type=_variable, action='append', default=[],
        help="set a variable in the command's environment; may repeat")
    add('--tty', action='store_true',
        help='give the command the terminal, as the shell has it, instead of three pipes')
    add('--timeout', metavar='SECONDS', type=_seconds,
        help='end the guest after so long and exit with 124')
    add('--log', metavar='FILE',
        help="kernel's and servers' log (default: a new file in build/log, see build/hati.log)")
    add('--trace', metavar='FILE',
        help='trace scheduling, messages, calls and faults; JSON for ui.perfetto.dev')
    add('--profile', metavar='FILE',
        help='where the time goes: folded stacks for flame graphs, a sample every millisecond')
    add('--icount', action='store_true',
        help='deterministic: one CPU whose clock counts instructions, 1 ns each')
    add('--gdb', action='store_true',
        help="wait for gdb on localhost:1234 before the guest's first instruction")
    add('--append', metavar='STRING', action='append', default=[],
        help='add to the kernel command line; may repeat')
    add('--qemu', metavar='ARGS', type=_words, action='append', default=[],
        help='further arguments for QEMU, in the quoting of a shell; may repeat')
    add('--qemu-first', metavar='ARGS', type=_words, action='append', default=[],
        help="the same, before the console's device: an IOMMU is responsible only for later ones")
    add('--kvm', action='store_true', help="use the host's processor through /dev/kvm")


def _make_parser():
    keep = argparse.RawDescriptionHelpFormatter
    parser = Parser(prog='hati', description=DESCRIPTION, epilog=EPILOG, formatter_class=keep,
                    usage='hati run [options] [-- command [args...]]', allow_abbrev=False,
                    add_help=False)
    parser.add_argument('-h', '--help', action='store_true', help='show this text')
    _add_run_options(parser)
    return parser


def _check(options):
    if options.arch not in ARCHITECTURES:
        raise UsageError(f"--arch: '{options.arch}' is not supported; there is "
                         + ', '.join(ARCHITECTURES))
    if options.icount and options.kvm:
        raise UsageError('--icount counts instructions of the emulator: not with --kvm')
    if options.icount and (options.smp or 1) != 1:
        raise UsageError('--icount has one CPU: not with --smp above 1')
    if options.kvm and not _kvm_works():
        raise UsageError('--kvm: /dev/kvm is missing or cannot be used')
    if options.root is not None and not os.path.exists(options.root):
        raise UsageError(f"--root: '{options.root}' does not exist")
    if options.log is not None and os.path.isdir(options.log):
        raise UsageError(f"--log: '{options.log}' is a directory")
    if any('\0' in word for word in options.command):
        raise UsageError('a command cannot hold a zero byte')


def _kvm_works():
    """Can the device be opened, and does it speak the one version of its interface?"""
    try:
        with open('/dev/kvm', 'rb+', buffering=0) as device:
            return fcntl.ioctl(device, _KVM_GET_API_VERSION) == _KVM_API_VERSION
    except OSError:
        return False


_DASHED = ('--qemu', '--qemu-first', '--append')


def _joined(arguments):
    """--qemu -S as --qemu=-S: argparse takes a value that begins with a dash for an option."""
    joined = []
    words = iter(arguments)
    for word in words:
        value = next(words, None) if word in _DASHED else None
        joined.append(word if value is None else f'{word}={value}')
    return joined


def parse(arguments):
    """The options as a namespace, or None after --help. Raises UsageError."""
    command = []
    if '--' in arguments:
        at = arguments.index('--')
        arguments, command = arguments[:at], arguments[at + 1:]
        if not command:
            raise UsageError("no command after '--'")
    parser = _make_parser()
    if not arguments:
        raise UsageError("which command? 'hati run' boots the system, 'hati --help' explains")
    if arguments[0] in ('-h', '--help', 'help'):
        parser.print_help()
        return None
    if arguments[0] != 'run':
        raise UsageError(f"there is no command '{arguments[0]}'; 'hati --help' lists what there is")

    options, unknown = parser.parse_known_args(_joined(arguments[1:]))
    if options.help:
        parser.print_help()
        return None
    if unknown:
        what = 'option' if unknown[0].startswith('-') else 'argument'
        hint = '' if what == 'option' else "; a command comes after '--'"
        raise UsageError(f"unknown {what} '{unknown[0]}'{hint}")
    options.command = command
    options.image = None   # what --root names may be one: disk.py
    _check(options)
    if options.smp is None:
        options.smp = 1 if options.icount else 2
    return options
