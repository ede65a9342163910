# SPDX-License-Identifier: MIT
"""The virtual machine: QEMU's command line, the channels to the guest, and QEMU's end.

Each channel is a socket pair; QEMU gets one end as an open file, so nothing is left behind in any
directory, whatever happens. The guest sees them as ports of one virtio-serial device.
"""

import ctypes
import os
import signal
import socket
import subprocess
import tempfile

from options import UsageError

# (name here, QEMU's device, number, name in the guest)
_PORTS = (
    ('console', 'virtconsole', 0, 'org.hati.console'),
    ('control', 'virtserialport', 1, 'org.hati.control'),
    ('stdin', 'virtserialport', 2, 'org.hati.stdin'),
    ('stdout', 'virtserialport', 3, 'org.hati.stdout'),
    ('stderr', 'virtserialport', 4, 'org.hati.stderr'),
)
_SOCKET_BUFFER = 1 << 20
_PR_SET_PDEATHSIG = 1

# thor ends a panic by writing 0x7d to the debug-exit port: (0x7d << 1) | 1
STATUS_PANIC = 251


def _escaped(path):
    """A path as QEMU's comma-separated options want it."""
    return path.replace(',', ',,')


def kernel_arguments(options, eir_path, initrd):
    """What makes QEMU boot a kernel itself."""
    return ['-kernel', eir_path, '-initrd', f'/dev/fd/{initrd.fileno()}',
            '-append', ' '.join(options.append)]


def qemu_arguments(options, boot, log_path):
    """QEMU's command line, but for the channels; `boot` is what makes it boot."""
    if options.kvm:
        accelerator = ['-cpu', 'host', '-accel', 'kvm']
    elif options.icount:
        accelerator = ['-cpu', 'max,-erms', '-accel', 'tcg,thread=single',
                       '-icount', 'shift=0,sleep=off', '-rtc', 'base=2026-01-01,clock=vm',
                       '-seed', '1']
    else:
        accelerator = ['-cpu', 'max,-erms', '-accel', 'tcg,thread=multi']
    arguments = [f'qemu-system-{options.arch}', '-name', 'hati', '-M', 'q35', *accelerator,
                 '-m', options.memory, '-smp', str(options.smp),
                 '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', *boot,
                 '-chardev', f'file,id=log,path={_escaped(log_path)},append=on',
                 '-serial', 'chardev:log',
                 '-device', 'isa-debug-exit,iobase=0xf4,iosize=4']
    if options.gdb:
        arguments += ['-gdb', 'tcp:127.0.0.1:1234', '-S']
    return arguments


def _port_arguments(far_ends):
    arguments = ['-device', 'virtio-serial-pci']
    for name, device, number, guest_name in _PORTS:
        arguments += ['-chardev', f'socket,id={name},fd={far_ends[name].fileno()}',
                      '-device', f'{device},nr={number},chardev={name},name={guest_name}']
    return arguments


def volume_tag(number):
    """What the guest knows the folder of the --volume with that number by."""
    return f'volume{number}'


def volume_arguments(volumes):
    """The devices of --volume."""
    arguments = []
    for number, volume in enumerate(volumes):
        model = 'mapped-xattr' if volume.is_mapped else 'none'
        read_only = ',readonly=on' if volume.is_read_only else ''
        arguments += ['-fsdev', f'local,id=volume{number},security_model={model},'
                      f'multidevs=remap,path={_escaped(volume.host_path)}{read_only}',
                      '-device',
                      f'virtio-9p-pci,fsdev=volume{number},mount_tag={volume_tag(number)}']
    return arguments


def _die_with_parent():
    """In the child: QEMU is killed when the launcher is gone, however that came."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Machine:
    """One QEMU process, which inherits `files`; `channels` maps a port's name to our end of it."""

    def __init__(self, options, boot, log_path, files=()):
        self.channels = {}
        self._errors = tempfile.TemporaryFile()
        far_ends = {}
        for name, *_ in _PORTS:
            near, far = socket.socketpair()
            for end in (near, far):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BUFFER)
            near.setblocking(False)
            self.channels[name], far_ends[name] = near, far
        arguments = qemu_arguments(options, boot, log_path)
        for more in options.qemu_first:
            arguments += more
        arguments += _port_arguments(far_ends)
        if options.image:
            arguments += options.image.qemu_arguments(options.firmware is not None)
        arguments += volume_arguments(options.volume)
        for more in options.qemu:
            arguments += more
        passed = [end.fileno() for end in (*far_ends.values(), *files)]
        try:
            self._process = subprocess.Popen(
                arguments, stdin=subprocess.DEVNULL, stdout=self._errors, stderr=self._errors,
                pass_fds=passed, start_new_session=True, preexec_fn=_die_with_parent)
        except FileNotFoundError as error:
            raise UsageError(f"{arguments[0]} is not installed; 'make' installs it") from error
        finally:
            for end in far_ends.values():
                end.close()

    def wait(self, seconds):
        """QEMU's exit status, or None if it still runs after so long."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def stop(self):
        """Ends QEMU if it still runs."""
        if self._process.poll() is None:
            self._process.terminate()
            if self.wait(2) is None:
                self._process.kill()
                self._process.wait()
        for channel in self.channels.values():
            channel.close()

    def messages(self):
        """What QEMU itself has printed."""
        self._errors.seek(0)
        return self._errors.read().decode('utf-8', 'replace').strip()
