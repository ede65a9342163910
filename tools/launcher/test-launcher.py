#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Unit tests of the launcher's parts; prints a line per case."""

import io
import os
import shutil
import stat
import struct
import subprocess
import sys
import tarfile
import tempfile

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [here, os.path.join(here, '../test')]
import cases  # noqa: E402
import cpio  # noqa: E402
import disk  # noqa: E402
import firmware  # noqa: E402
import machine  # noqa: E402
import options  # noqa: E402
import overlay  # noqa: E402
import report  # noqa: E402
import roots  # noqa: E402
from session import Flow  # noqa: E402


def parsed(*arguments):
    return options.parse(['run', *arguments])


def refuses(*arguments):
    """The text of the usage error that these arguments give."""
    try:
        options.parse(list(arguments))
    except options.UsageError as error:
        assert '\n' not in str(error), f'more than one line: {error}'
        return str(error)
    raise AssertionError(f'accepted: {arguments}')


def archive(fill):
    stream = io.BytesIO()
    writer = cpio.Writer(stream)
    fill(writer)
    writer.finish()
    return stream.getvalue()


def read_back(data):
    return {entry.name: entry for entry in cpio.read_index(io.BytesIO(data))}


def case_cpio_keeps_entries():
    def fill(writer):
        writer.directory('a', 0o750)
        writer.file('a/f', b'12345', 0o4755)
        writer.symlink('a/l', 'f')
        writer.entry('a/dev', stat.S_IFCHR | 0o600, rdev=(1, 3))
    data = archive(fill)
    assert len(data) % 512 == 0
    entries = read_back(data)
    assert stat.S_ISDIR(entries['a'].mode)
    assert entries['a/f'].mode == stat.S_IFREG | 0o4755
    assert entries['a/l'].target == 'f'
    assert stat.S_ISCHR(entries['a/dev'].mode)


def case_cpio_is_deterministic():
    def fill(writer):
        writer.file('x', b'abc')
    assert archive(fill) == archive(fill)


def case_cpio_archives_follow_each_other():
    one = archive(lambda writer: writer.file('one', b'1'))
    two = archive(lambda writer: writer.file('two', b'22'))
    assert list(read_back(one + b'\0' * 512 + two)) == ['one', 'two']


def case_cpio_puts_large_files_on_pages():
    large = bytes(range(256)) * 100
    data = archive(lambda writer: [writer.file('a', b'1'), writer.file('large', large),
                                   writer.file('b', b'2')])
    assert data.index(large) % cpio.PAGE_SIZE == 0
    assert list(read_back(data)) == ['a', 'large', 'b']


def case_cpio_keeps_hard_links():
    with tempfile.TemporaryDirectory() as folder:
        tree = os.path.join(folder, 'tree')
        os.mkdir(tree)
        with open(os.path.join(tree, 'one'), 'wb') as file:
            file.write(b'linked' * 10000)
        os.link(os.path.join(tree, 'one'), os.path.join(tree, 'two'))
        packed = os.path.join(folder, 'root.tar')
        with tarfile.open(packed, 'w') as tar:
            tar.add(tree, '.')
        for source in (tree, packed):
            root, _ = roots.open_root(source)
            with root:
                data = root.read()
            assert data.count(b'linked') == 10000
            out = os.path.join(folder, 'out')
            os.mkdir(out)
            subprocess.run(['/bin/busybox', 'cpio', '-i', '-d'], input=data, cwd=out, check=True,
                           stderr=subprocess.DEVNULL)
            assert os.path.samefile(os.path.join(out, 'one'), os.path.join(out, 'two'))
            assert os.path.getsize(os.path.join(out, 'two')) == 60000
            shutil.rmtree(out)


def case_cpio_refuses_other_data():
    for data in (b'x' * 200, b'070701' + b'zz' * 60, b'070701'):
        try:
            read_back(data)
        except cpio.CpioError:
            continue
        raise AssertionError(f'accepted {data[:10]}')


def case_cpio_is_what_others_read():
    busybox = '/bin/busybox'
    data = archive(lambda writer: [writer.directory('d'), writer.file('d/f', b'hello'),
                                   writer.file('d/large', b'x' * 50000)])
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([busybox, 'cpio', '-i', '-d'], input=data, cwd=folder, check=True,
                       stderr=subprocess.DEVNULL)
        with open(os.path.join(folder, 'd/f'), 'rb') as file:
            assert file.read() == b'hello'
        assert os.path.getsize(os.path.join(folder, 'd/large')) == 50000


def case_defaults():
    chosen = parsed('--', 'true')
    assert (chosen.smp, chosen.memory, chosen.arch) == (2, '1048576K', 'x86_64')
    assert chosen.command == ['true']
    assert parsed().command == []


def case_icount_has_one_cpu():
    assert parsed('--icount').smp == 1
    assert '--smp' in refuses('run', '--icount', '--smp', '2')


def case_command_words_are_left_alone():
    words = ['sh', '-c', 'echo "$1"', '--', '--smp', '', 'a b']
    assert parsed('--smp', '3', '--', *words).command == words


def case_values_may_begin_with_a_dash():
    chosen = parsed('--qemu', '-S', '--append', '-x', '--qemu', '-d int -D "a b"')
    assert chosen.qemu == [['-S'], ['-d', 'int', '-D', 'a b']]
    assert chosen.append == ['-x']
    assert '--qemu' in refuses('run', '--qemu')


def case_memory_sizes():
    assert parsed('--memory', '128').memory == '131072K'
    assert parsed('--memory', '2g').memory == '2097152K'
    for text in ('', '1T', '-1', '0', '5M', '1.5G', 'G'):
        refuses('run', '--memory', text)


def case_refusals_name_the_trouble():
    assert '--bogus' in refuses('run', '--bogus')
    assert "'--'" in refuses('run', 'ls')
    assert 'riscv' in refuses('run', '--arch', 'riscv')
    assert '/none' in refuses('run', '--root', '/none')
    assert '/none' in refuses('run', '--add', '/none:/x')
    assert 'HOSTPATH' in refuses('run', '--add', '/etc/passwd')
    assert '..' in refuses('run', '--add', '/etc/passwd:/a/../b')
    assert 'x' in refuses('run', '--env', 'x')
    refuses('run', '--env', '=x')
    refuses('run', '--timeout', '0')
    refuses('run', '--timeout', 'nan')
    refuses('run', '--smp', '1x')
    refuses('run', '--smp')
    refuses('run', '--qemu', '"')
    refuses('run', '--sm', '1')
    refuses()
    refuses('jump')


def case_add_takes_the_last_colon():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'a:b')
        with open(path, 'w', encoding='utf-8'):
            pass
        assert parsed('--add', f'{path}:/x/y').add == [(path, '/x/y')]
        assert parsed('--add', f'{path}:/x/').add == [(path, '/x/a:b')]


def index_of(*entries):
    index = roots.Index()
    for name, mode, target in entries:
        index.add(name, mode, target)
    return index


def case_index_follows_links():
    index = index_of(('usr', stat.S_IFDIR, None), ('usr/bin', stat.S_IFDIR, None),
                     ('bin', stat.S_IFLNK, 'usr/bin'), ('abs', stat.S_IFLNK, '/bin'),
                     ('usr/up', stat.S_IFLNK, '../bin'), ('bin2', stat.S_IFLNK, 'abs'))
    assert index.resolve('/bin/x', False) == 'usr/bin/x'
    assert index.resolve('/bin2/x/y', False) == 'usr/bin/x/y'
    assert index.resolve('/usr/up/x', False) == 'usr/bin/x'
    assert index.resolve('/bin', False) == 'bin'
    assert index.resolve('/bin', True) == 'usr/bin'


def case_index_ends_on_a_loop():
    index = index_of(('a', stat.S_IFLNK, 'b'), ('b', stat.S_IFLNK, 'a'))
    try:
        index.resolve('/a/x', False)
    except options.UsageError:
        return
    raise AssertionError('a loop was resolved')


def case_overlay_holds_files_and_command():
    index = index_of(('usr', stat.S_IFDIR | 0o755, None), ('usr/bin', stat.S_IFDIR | 0o755, None),
                     ('bin', stat.S_IFLNK, 'usr/bin'))
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(os.path.join(folder, 'tree'))
        path = os.path.join(folder, 'tree/f')
        with open(path, 'w', encoding='utf-8'):
            pass
        os.chmod(path, 0o751)
        chosen = parsed('--add', f'{path}:/bin/f', '--add', f'{folder}/tree:/deep/er',
                        '--env', 'A=b=c', '--', 'cmd', 'two words')
        stream = io.BytesIO()
        overlay.write(stream, chosen, index, False, (30, 100))
    entries = read_back(stream.getvalue())
    assert entries['usr/bin/f'].mode == stat.S_IFREG | 0o751
    assert list(entries)[:4] == ['usr/bin/f', 'deep', 'deep/er', 'deep/er/f']
    records = overlay.run_records(chosen, False, (30, 100)).split(b'\0')
    for record in (b'arg=cmd', b'arg=two words', b'env=A=b=c', b'env=HOME=/root', b'stdio=ports',
                   b'rows=30', b'cols=100'):
        assert record in records, record
    assert records[-1] == b''


def case_volumes_are_devices_and_records():
    with tempfile.TemporaryDirectory() as folder:
        odd = os.path.join(folder, 'a,b:c')
        os.mkdir(odd)
        chosen = options.parse(['run', '--volume', f'{odd}:/mnt/x', '--volume',
                                f'{folder}:/y:ro,mapped', '--', 'true'])
        words = ' '.join(machine.volume_arguments(chosen.volume))
        escaped = odd.replace(',', ',,')
        assert f'security_model=none,multidevs=remap,path={escaped} ' in words, words
        assert f'security_model=mapped-xattr,multidevs=remap,path={folder},readonly=on' in words
        records = overlay.run_records(chosen, False, (30, 100)).split(b'\0')
        assert b'volume=volume0:/mnt/x' in records and b'volume=volume1:/y:ro' in records
        for wrong in (f'{folder}/none:/mnt', folder, f'{folder}:mnt', f'{folder}:/',
                      f'{folder}:/../x', f'{folder}:/mnt:rw'):
            try:
                options.parse(['run', '--volume', wrong, '--', 'true'])
            except options.UsageError:
                continue
            raise AssertionError(wrong)


def case_overlay_refuses_a_file_as_parent():
    index = index_of(('file', stat.S_IFREG | 0o644, None))
    chosen = parsed('--add', '/etc/passwd:/file/x')
    try:
        overlay.write(io.BytesIO(), chosen, index, False, (24, 80))
    except options.UsageError as error:
        assert '/file' in str(error)
        return
    raise AssertionError('accepted')


def case_roots_of_all_kinds_are_equal():
    with tempfile.TemporaryDirectory() as folder:
        tree = os.path.join(folder, 'tree')
        os.makedirs(os.path.join(tree, 'etc'))
        with open(os.path.join(tree, 'etc/x'), 'w', encoding='utf-8') as file:
            file.write('x')
        os.symlink('etc', os.path.join(tree, 'link'))
        paths = [tree]
        for kind in ('', 'gz', 'xz'):
            paths.append(os.path.join(folder, f'root.tar.{kind}'))
            with tarfile.open(paths[-1], f'w:{kind}') as output:
                output.add(tree, '.')
        for path in paths:
            stream, index = roots.open_root(path)
            with stream:
                entries = {entry.name: entry for entry in cpio.read_index(stream)}
            assert set(entries) == {'etc', 'etc/x', 'link'}, path
            assert entries['link'].target == 'etc'
            assert index.resolve('/link/y', False) == 'etc/y'


def case_roots_refuse_images_and_damage():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'x')
        for data in (b'\0' * 4096, b'\x1f\x8bgarbage', b'\xfd7zXZ\0garbage', b'070701garbage', b''):
            with open(path, 'wb') as file:
                file.write(data)
            try:
                roots.open_root(path)
            except options.UsageError:
                continue
            raise AssertionError(f'accepted {data[:8]}')


def case_overlay_for_a_disk_is_an_archive_of_its_own():
    with tempfile.TemporaryDirectory() as folder:
        os.makedirs(os.path.join(folder, 'usr/empty'))
        os.makedirs(os.path.join(folder, 'usr/full'))
        for name in ('usr/full/f', 'z'):
            with open(os.path.join(folder, name), 'w', encoding='utf-8') as file:
                file.write(name)
        chosen = parsed('--add', f'{folder}:/', '--add', f'{folder}/z:/bin/z')
        chosen.image = disk.Image('image', 0, 'ext4')
        stream = io.BytesIO()
        overlay.write(stream, chosen, index_of(), False, (30, 100))
    entries = read_back(stream.getvalue())
    assert list(entries) == ['etc', 'etc/hati', 'etc/hati/run', 'etc/hati/added.cpio']
    added = stream.getvalue()[stream.getvalue().index(b'added.cpio'):]
    added = read_back(added[added.index(b'070701'):])
    assert [name for name in added if not name.startswith('etc')] == \
        ['usr/empty', 'usr/full/f', 'z', 'bin/z'], list(added)


def ext_image(path, type_name):
    subprocess.run(['/sbin/mke2fs', '-q', '-F', '-t', type_name, path, '4M'], check=True,
                   stdout=subprocess.DEVNULL)


def put_at(path, offset, data):
    with open(path, 'r+b' if os.path.exists(path) else 'wb') as file:
        file.seek(offset)
        file.write(data)


def gpt_entry(type_uuid, start):
    return type_uuid + b'u' * 16 + struct.pack('<QQQ', start, start + 8191, 0) + b'\0' * 72


def case_images_of_file_systems_are_recognised():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'a,b')
        for type_name in ('ext2', 'ext3', 'ext4'):
            ext_image(path, type_name)
            chosen = parsed('--root', path, '--disk', 'nvme', '--snapshot')
            image = disk.image_of(chosen)
            assert image.command_line() == ['root=/dev/nvme0n1', f'rootfstype={type_name}', 'rw']
            line = ' '.join(image.qemu_arguments())
            assert 'a,,b,' in line and 'snapshot=on' in line and '-device nvme' in line
        put_at(path, 1024 + 0x18, b'\xff')   # no size of blocks
        assert disk.recognise(path) is None
        for option in (['--disk', 'ide'], ['--snapshot']):
            try:
                disk.image_of(parsed('--root', path, *option))
            except options.UsageError as error:
                assert option[0] in str(error)
                continue
            raise AssertionError('accepted')


def case_images_of_disks_are_recognised():
    with tempfile.TemporaryDirectory() as folder:
        one, path = os.path.join(folder, 'one'), os.path.join(folder, 'disk')
        ext_image(one, 'ext4')
        with open(one, 'rb') as file:
            contents = file.read()
        put_at(path, 510, b'\x55\xaa')
        assert disk.recognise(path) is None   # no entry
        put_at(path, 446 + 16, b'\0\0\0\0\x83\0\0\0' + struct.pack('<II', 2048, 8192))
        try:
            disk.recognise(path)
        except options.UsageError as error:
            assert 'no partition' in str(error)
        put_at(path, 2048 * 512, contents)
        assert disk.recognise(path).command_line()[0] == 'root=/dev/vda2'
        put_at(path, 512, b'EFI PART' + b'\0' * 64 + struct.pack('<QII', 2, 4, 128))
        put_at(path, 1024, gpt_entry(b'\1' * 16, 2048) + gpt_entry(b'\1' * 16, 10240))
        put_at(path, 10240 * 512, contents)
        assert disk.image_of(parsed('--root', path)).partition == 1
        put_at(path, 1024 + 128, bytes.fromhex('e3bc684fcde8b14d96e7fbcaf984b709'))
        image = disk.image_of(parsed('--root', path, '--disk', 'ahci'))
        assert image.command_line()[0] == 'root=/dev/sda2'


def case_firmware_boots_only_what_is_on_the_image():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'image')
        ext_image(path, 'ext4')
        chosen = parsed('--root', path, '--firmware', 'seabios')
        chosen.image = disk.image_of(chosen)
        firmware.check(chosen)
        assert firmware.qemu_arguments(chosen, None) == []
        assert 'bootindex=0' in ' '.join(chosen.image.qemu_arguments(True))
        assert 'bootindex' not in ' '.join(chosen.image.qemu_arguments())
        for wrong in (['--append', 'x'], ['--env', 'A=b'], ['--add', f'{path}:/x'], ['--', 'ls']):
            chosen = parsed('--root', path, '--firmware', 'ovmf', *wrong)
            chosen.image = disk.image_of(chosen)
            try:
                firmware.check(chosen)
            except options.UsageError as error:
                assert 'on the disk' in str(error)
                continue
            raise AssertionError(f'accepted: {wrong}')


def case_qemu_arguments_hold_the_options():
    chosen = parsed('--smp', '3', '--memory', '256M', '--append', 'a=b', '--append', 'c', '--gdb')
    boot = machine.kernel_arguments(chosen, 'eir', sys.stdin)
    words = machine.qemu_arguments(chosen, boot, '/a,b')
    line = ' '.join(words)
    for part in ('-smp 3', '-m 262144K', 'path=/a,,b', '-kernel eir', '-S', 'max,-erms'):
        assert part in line, part
    assert words[words.index('-append') + 1] == 'a=b c'
    counted = ' '.join(machine.qemu_arguments(parsed('--icount'), [], 'log'))
    assert 'shift=0,sleep=off' in counted and '-smp 1' in counted


def case_panic_is_found_in_the_log():
    lines = ['thor: slide 0x1000', 'all is well', 'thor: panic: no reason', '  #0 0x1']
    assert report.slide_of(lines) == 0x1000
    assert report.panic_lines(lines) == lines[2:]
    assert not report.panic_lines(lines[:2])


def case_addresses_get_names():
    with tempfile.TemporaryDirectory() as folder:
        source, program = (os.path.join(folder, name) for name in ('p.c', 'p'))
        with open(source, 'w', encoding='utf-8') as file:
            file.write('void _start(void);\nvoid _start(void)\n{\n\tfor (;;) {\n\t}\n}\n')
        subprocess.run(['clang-19', '-g', '-nostdlib', '-static', '-fuse-ld=lld', source,
                        '-Wl,--image-base=0xffffffff80000000', '-mcmodel=kernel', '-fno-pic',
                        '-fno-pie', '-Wno-unused-command-line-argument', '-o', program],
                       check=True)
        symbols = subprocess.run(['llvm-nm-19', program], check=True, capture_output=True,
                                 text=True).stdout
        start = next(int(line.split()[0], 16) for line in symbols.splitlines()
                     if line.endswith('_start'))
        line = f'rip 0x{start + 0x200000:016x}'
        shown = report.symbolized([line, 'nothing here'], 0x200000, program)
        assert f'_start at {source}:' in shown[0], shown
        assert shown[1] == 'nothing here'


def case_flow_counts_and_survives_a_broken_sink():
    read_end, write_end = os.pipe()
    other_read, other_write = os.pipe()
    os.write(write_end, b'12345')
    os.close(write_end)
    flow = Flow(read_end, other_write)
    flow.read()
    assert flow.wants_write() and flow.n_read == 5
    os.close(other_read)
    flow.write()
    assert flow.is_broken and flow.n_written == 5 and not flow.wants_write()
    flow.read()
    assert flow.is_done()
    os.close(read_end)
    os.close(other_write)


if __name__ == '__main__':
    cases.run(globals())
