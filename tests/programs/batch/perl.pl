#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# perl. Expected: the same as on Linux.
use strict;
use warnings;
use POSIX qw(:sys_wait_h :signal_h :fcntl_h);
use Socket;
use IO::Handle;
use IO::Select;
use IPC::Open3;
use File::Temp qw(tempfile);
use File::Find;
use Fcntl qw(:flock :mode);
use Time::HiRes qw(usleep ualarm);
use Digest::SHA qw(sha1_hex);
$| = 1;
open(STDERR, '>&', \*STDOUT);

print "== language\n";
my %words;
$words{$_}++ for split ' ', 'the quick fox and the lazy dog and the cat';
print join(',', map { "$_=$words{$_}" } sort keys %words), "\n";
print join(' ', sort { $a <=> $b } map { $_ ** 2 } grep { $_ % 2 } 1 .. 9), "\n";
(my $text = 'Hello World') =~ s/(\w+) (\w+)/$2 $1/;
print "$text\n", sprintf('%.10f %s %b', atan2(1, 1) * 4, 2 ** 62, 10), "\n";
my $sub = sub { my $n = shift; $n < 2 ? 1 : $n * __SUB__->($n - 1) } if 0;
print eval { die { code => 42 } } // "died with $@->{code}", "\n";
print sha1_hex('x' x 100000), "\n";
local $_ = join '', map { chr(65 + $_ % 26) } 0 .. 100000;
print scalar(() = /AB.D/g), "\n";

print "== files\n";
open(my $out, '>', 'file') or die;
print $out "line $_\n" for 1 .. 1000;
close $out;
open(my $in, '<', 'file') or die;
seek($in, -9, 2);
print <$in>;
print tell($in), ' ', -s 'file', "\n";
close $in;
open(my $both, '+<', 'file') or die;
sysseek($both, 5, 0);
syswrite($both, 'X');
close $both;
open($in, '<', 'file');
print scalar(<$in>);
close $in;
truncate('file', 10);
print -s 'file', "\n";
rename('file', 'renamed');
symlink('renamed', 'link');
print readlink('link'), ' ', (-l 'link' ? 'l' : '-'), (-e 'file' ? 'e' : '-'), "\n";
chmod(0640, 'renamed');
printf "%o %d\n", S_IMODE((stat 'renamed')[2]), (stat _)[3];
utime(1000, 2000, 'renamed');
print join(' ', (stat 'renamed')[8, 9]), "\n";
mkdir("d$_") for 1 .. 3;
mkdir('d1/e');
find(sub { push @ARGV, $File::Find::name }, '.');
print join(' ', sort @ARGV), "\n";
opendir(my $dir, '.');
print join(' ', sort grep { !/^\./ } readdir $dir), "\n";
print rmdir('d1') ? 'removed' : "rmdir: $!", "\n";
open($in, '<', 'nothing') or print "open: $!\n";
flock($both = do { open(my $f, '>', 'lock'); $f }, LOCK_EX) and print "locked\n";
if (!(my $pid = fork)) {
	open(my $other, '>', 'lock');
	print flock($other, LOCK_EX | LOCK_NB) ? 'got it' : "flock: $!", "\n";
	exit 0;
}
wait;

print "== processes\n";
my @pids = map { my $n = $_; my $pid = fork; if (!$pid) { exit $n } $pid } 1 .. 5;
my %status;
while ((my $pid = waitpid(-1, 0)) > 0) { $status{$pid} = $? >> 8 }
print join(' ', map { $status{$_} } @pids), "\n";
print `echo backticks; exit 3`, $? >> 8, "\n";
print system('kill -9 $$') & 127, "\n";
open(my $pipe, '-|', 'seq', '3') or die;
print <$pipe>;
close $pipe;
open($pipe, '|-', 'sort -r') or die;
print $pipe "$_\n" for 1 .. 3;
close $pipe;
my $pid = open3(my $to, my $from, undef, 'cat');
print $to "to cat\n";
close $to;
print <$from>;
waitpid($pid, 0);
print "status $?\n";
exec('true') if !fork;
wait;
print "status $?\n";
{ no warnings; print system('/nonexistent'), " $!\n"; }
print getpgrp() == getpgrp(0) ? "group\n" : '', join(' ', $<, $>, (split ' ', $()[0]), "\n";
local $ENV{FROM_PERL} = 'yes';
print `echo \$FROM_PERL`;
$0 = 'a new name';
open($in, '<', '/proc/self/cmdline');
print scalar(<$in>) =~ /^a new name/ ? "renamed\n" : "not renamed\n";

print "== signals\n";
local $SIG{USR1} = sub { print "got $_[0]\n" };
kill USR1 => $$;
local $SIG{ALRM} = sub { die "alarm\n" };
eval { alarm 1; select(undef, undef, undef, 10); alarm 0 };
print $@;
eval { ualarm(10_000); 1 while 1 };
print $@;
my $set = POSIX::SigSet->new(SIGUSR2);
sigprocmask(SIG_BLOCK, $set);
local $SIG{USR2} = sub { print "usr2\n" };
kill USR2 => $$;
my $pending = POSIX::SigSet->new;
sigpending($pending);
print $pending->ismember(SIGUSR2), "\n";
sigprocmask(SIG_UNBLOCK, $set);
local $SIG{CHLD} = sub {
	print 'reaped ', $? >> 8, "\n" while waitpid(-1, WNOHANG) > 0;
};
if (!fork) { exit 6 }
select(undef, undef, undef, 5);
$SIG{CHLD} = 'DEFAULT';
$SIG{PIPE} = 'IGNORE';
pipe(my $r, my $w);
close $r;
print defined syswrite($w, 'x') ? '' : "syswrite: $!\n";

print "== sockets\n";
socketpair(my $one, my $two, AF_UNIX, SOCK_STREAM, 0) or die;
$_->autoflush for $one, $two;
if (!fork) {
	close $one;
	while (my $line = <$two>) { print $two "echo $line" }
	exit 0;
}
close $two;
print $one "hello $_\n" and print scalar <$one> for 1 .. 3;
shutdown($one, 1);
print defined(<$one>) ? 'more' : 'end', "\n";
wait;
socket(my $server, AF_UNIX, SOCK_STREAM, 0);
bind($server, sockaddr_un('./socket')) or die;
listen($server, 5);
for my $n (1 .. 3) {
	next if fork;
	socket(my $client, AF_UNIX, SOCK_STREAM, 0);
	connect($client, sockaddr_un('./socket')) or die;
	print $client "client $n";
	exit 0;
}
my @seen;
for (1 .. 3) {
	accept(my $client, $server);
	push @seen, <$client>;
}
print join(', ', sort @seen), "\n";
1 while wait > 0;
my $select = IO::Select->new($server);
print scalar(@{[$select->can_read(0.01)]}), "\n";
unlink 'socket';

print "== times\n";
print POSIX::strftime('%Y-%m-%d', gmtime 86400 * 365), "\n";
my $before = Time::HiRes::time;
usleep(20_000);
print Time::HiRes::time - $before >= 0.02 ? "slept\n" : "too short\n";
print join(' ', (POSIX::uname())[0, 4]), ' ', POSIX::sysconf(POSIX::_SC_PAGESIZE()), "\n";
print POSIX::isatty(0) ? 'tty' : 'no tty', ' ', POSIX::ttyname(0) // 'undef', "\n";
print join(' ', (getpwnam 'daemon')[0, 2, 7]), ' ', scalar(getgrgid 0), "\n";
exit 17;
