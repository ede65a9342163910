# SPDX-License-Identifier: MIT
"""The launcher: boots the system and lends it this process's terminal or pipes."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile

import cpio
import disk
import firmware
import overlay
import report
import roots
import terminal
from machine import STATUS_PANIC, Machine, kernel_arguments
from options import EXIT_PANIC, EXIT_TIMEOUT, EXIT_USAGE, UsageError, parse
from session import End, Session
from tracing import Tracing

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_N_LOGS_KEPT = 40
_POWER_OFF_SECONDS = 5.0
_HANG_UP_SECONDS = 0.5
_HANG_UP_DISK_SECONDS = 10.0   # in which what was written comes to the disk
_EXIT_SIGPIPE = 128 + 13


def say(text):
    """Prints a message of the launcher's own, also to a terminal that is raw."""
    line_end = '\r\n' if os.isatty(2) else '\n'
    data = ''.join(line + line_end for line in text.splitlines()).encode('utf-8', 'replace')
    with contextlib.suppress(OSError):
        os.write(2, data)


class Build:
    """The files that the build has made for one architecture."""

    def __init__(self, options):
        self.name = f'{options.arch}-{options.build}'
        self.type = options.build
        self.folder = os.path.join(TOP, 'build', self.name)
        self.eir = os.path.join(self.folder, 'boot/eir/eir')
        self.thor = os.path.join(self.folder, 'kernel/thor/thor')
        self.system = os.path.join(self.folder, 'image/system.cpio')
        self.root = os.path.join(self.folder, 'image/root.cpio')

    def missing(self):
        return [path for path in (self.eir, self.system, self.root) if not os.path.exists(path)]

    def make(self):
        """Builds the system if it is not there; the build's output goes to stderr."""
        if not self.missing():
            return
        say(f'hati: build/{self.name} is not built yet, building it')
        subprocess.run(['make', '-C', TOP, 'guest', f'BUILD={self.type}'],
                       stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False)
        if self.missing():
            path = os.path.relpath(self.missing()[0], TOP)
            raise UsageError(f"{path} is missing; does 'make' work?")


def prepare_log(options):
    """Makes an empty log and returns its path; without --log a new one in build/log."""
    path = options.log
    try:
        if path is None:
            folder = os.path.join(TOP, 'build/log')
            os.makedirs(folder, exist_ok=True)
            path = os.path.join(folder, f'hati-{os.getpid()}.log')
            _forget_old_logs(folder)
            _point_at(os.path.join(TOP, 'build/hati.log'), path)
        with open(path, 'wb'):
            pass
    except OSError as error:
        raise UsageError(f"--log: cannot write '{error.filename}': {error.strerror}") from error
    return os.path.abspath(path)


def _forget_old_logs(folder):
    logs = [entry for entry in os.scandir(folder) if entry.name.startswith('hati-')]
    with contextlib.suppress(OSError):   # another launcher may do the same
        logs.sort(key=lambda entry: entry.stat().st_mtime)
        for entry in logs[:-_N_LOGS_KEPT]:
            os.unlink(entry.path)


def _point_at(link, path):
    with contextlib.suppress(OSError):
        temporary = f'{link}.{os.getpid()}'
        os.symlink(os.path.relpath(path, os.path.dirname(link)), temporary)
        os.replace(temporary, link)


def build_initrd(options, build, is_console):
    """The archives one after the other, each on a page of its own, in a file without a name."""
    initrd = tempfile.TemporaryFile()

    def append(archive):
        shutil.copyfileobj(archive, initrd, 1 << 20)
        initrd.write(b'\0' * (-initrd.tell() % cpio.PAGE_SIZE))

    with open(build.system, 'rb') as system:
        append(system)
    # of an image the guest starts in the embedded root
    root, index = roots.open_root(build.root if options.image else options.root or build.root)
    with root:
        append(root)
    overlay.write(initrd, options, index, is_console, terminal.size())
    initrd.flush()
    return initrd


def fill_standard_files():
    """Opens what is closed of stdin, stdout and stderr: no other file may get their numbers."""
    while True:
        fd = os.open(os.devnull, os.O_RDWR)
        if fd > 2:
            os.close(fd)
            return


def explain_end(machine, status, log_path, build):
    """Tells why a guest that gave no exit status has ended."""
    lines = report.read_log(log_path)
    panic = report.panic_lines(lines)
    if status == STATUS_PANIC or panic:
        say('hati: the guest panicked')
        shown = panic or report.tail(lines)
        say('\n'.join(report.symbolized(shown, report.slide_of(lines), build.thor)))
    else:
        say(f'hati: the guest ended without an exit status (QEMU: {status}); its last words:')
        say('\n'.join(report.tail(lines)))
    if machine.messages():
        say(machine.messages())
    say(f'hati: the whole log is {os.path.relpath(log_path)}')


def explain_timeout(session, options, log_path):
    """A guest that never came up has said why in its log, perhaps."""
    if not session.is_ready:
        say('hati: the guest did not come up; its last words:')
        say('\n'.join(report.tail(report.read_log(log_path))))
    say(f'hati: ended after {options.timeout:g} s (--timeout); '
        f'the log is {os.path.relpath(log_path)}')


def keeps_disk(options):
    """Is there an image that what the guest writes stays on?"""
    return options.image is not None and not options.snapshot


def has_init(options):
    """Is process 1 a program that tells us no exit status?"""
    words = ' '.join(options.append).split()
    return any(word.startswith('init=') for word in words)


def finish(machine, session, end, options, build, log_path):
    """Ends the machine and returns the launcher's exit code."""
    if end is End.EXIT:
        status = machine.wait(_POWER_OFF_SECONDS)
        if status == STATUS_PANIC:
            explain_end(machine, status, log_path, build)
            return EXIT_PANIC
        return session.status
    if end is End.GONE:
        status = machine.wait(_POWER_OFF_SECONDS)
        if status == 0 and has_init(options) and not report.panic_lines(report.read_log(log_path)):
            return 0
        explain_end(machine, status, log_path, build)
        return EXIT_PANIC
    if end is End.TIMEOUT:
        explain_timeout(session, options, log_path)
        return EXIT_TIMEOUT
    if end is End.BROKEN_PIPE:
        return _EXIT_SIGPIPE
    session.hang_up()
    machine.wait(_HANG_UP_DISK_SECONDS if keeps_disk(options) else _HANG_UP_SECONDS)
    return 0 if end is End.ESCAPE else 128 + session.signal


def start(options, build, is_console, log_path, stack):
    """Starts the machine: with the build's kernel, or with what its firmware finds on the disk."""
    if options.firmware:
        boot, files = firmware.qemu_arguments(options, stack), ()
    else:
        initrd = stack.enter_context(build_initrd(options, build, is_console))
        boot, files = kernel_arguments(options, build.eir, initrd), (initrd,)
    return Machine(options, boot, log_path, files)


def run(options):
    options.image = disk.image_of(options)
    firmware.check(options)
    build = Build(options)
    build.make()
    on_terminal = os.isatty(0) and os.isatty(1)
    is_console = on_terminal and (options.tty or not options.command)
    log_path = prepare_log(options)
    with contextlib.ExitStack() as stack:
        tracing = Tracing(options)
        stack.callback(tracing.close)
        options.append += tracing.command_line()
        if options.image:
            options.append[:0] = options.image.command_line()   # a user's words count, being later
        options.qemu.append(tracing.qemu_arguments())
        if options.gdb:
            say(f'hati: waiting for gdb: gdb {os.path.relpath(build.thor)} '
                "-ex 'target remote localhost:1234'")
        if is_console and not options.command:
            say(f'hati: booting; Ctrl-] leaves; the log is {os.path.relpath(log_path)}')
        machine = start(options, build, is_console, log_path, stack)
        stack.callback(machine.stop)
        if is_console:
            stack.enter_context(terminal.RawTerminal(0))
        session = Session(machine.channels, is_console, log_path, options.timeout)
        stack.callback(session.close)
        status = finish(machine, session, session.run(), options, build, log_path)
        machine.stop()
        tracing.write(log_path, build.folder)
        return status


def main():
    fill_standard_files()
    try:
        options = parse(sys.argv[1:])
        return run(options) if options else 0
    except UsageError as error:
        say(f'hati: {error}')
        return EXIT_USAGE
    except KeyboardInterrupt:
        return 130


if __name__ == '__main__':
    sys.exit(main())
