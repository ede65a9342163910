#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Perl's sockets over loopback. Expected: the same as on Linux.
use strict;
use warnings;
use Errno;
use IO::Select;
use IO::Socket::INET;
use IO::Socket::IP;
use Socket qw(:all);

$| = 1;
open(STDERR, '>&', \*STDOUT);

sub case { print "== $_[0]\n"; }

case 'tcp';
for my $host ('127.0.0.1', '::1') {
	my $server = IO::Socket::IP->new(LocalHost => $host, Listen => 5, ReuseAddr => 1,
		Proto => 'tcp') or die $@;
	my $child = fork // die;
	if (!$child) {
		while (my $client = $server->accept) {
			my $line = <$client>;
			print $client scalar reverse($line =~ s/\n//r), ' ', $client->peerhost, "\n";
			exit if $line eq "end\n";
		}
	}
	for my $line ('hello', 'end') {
		my $client = IO::Socket::IP->new(PeerHost => $host, PeerPort => $server->sockport)
			or die $@;
		print $client "$line\n";
		print <$client>;
	}
	waitpid $child, 0;
	print "status $?\n";
}
print IO::Socket::INET->new(PeerAddr => '127.0.0.1:9') ? 'connected' : "$!", "\n";

case 'select';
my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 50) or die;
my @clients = map { IO::Socket::INET->new(PeerAddr => '127.0.0.1',
	PeerPort => $listener->sockport) } 1 .. 20;
my $select = IO::Select->new($listener);
my ($n_accepted, $n_lines) = (0, 0);
syswrite $_, "line\n" for @clients;
while ($n_lines < 20) {
	for my $ready ($select->can_read) {
		if ($ready == $listener) {
			$select->add(scalar $listener->accept);
			$n_accepted++;
		} else {
			sysread $ready, my $text, 100;
			$n_lines++ if $text eq "line\n";
		}
	}
}
print "$n_accepted $n_lines\n";

case 'udp';
my $udp = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Proto => 'udp') or die;
my $sender = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $udp->sockport,
	Proto => 'udp') or die;
$sender->send('datagram');
$udp->recv(my $text, 100);
print "$text ", $udp->peerhost, ' ', $udp->peerport == $sender->sockport ? 1 : 0, "\n";
$udp->send('answer');
$sender->recv($text, 100);
print "$text\n";
close $udp;
$sender->send('nobody');
print defined $sender->recv($text, 100) ? 'received' : "$!", "\n";

case 'options';
my $one = IO::Socket::INET->new(Proto => 'tcp', Listen => 1, LocalAddr => '127.0.0.1') or die;
print join(' ', map { unpack 'i', getsockopt($one, SOL_SOCKET, $_) }
	SO_TYPE, SO_ACCEPTCONN, SO_REUSEADDR, SO_KEEPALIVE, SO_ERROR), "\n";
setsockopt $one, IPPROTO_TCP, TCP_NODELAY, 1 or die;
print unpack('i', getsockopt($one, IPPROTO_TCP, TCP_NODELAY)) ? 1 : 0, "\n";
print join(' ', inet_ntoa(INADDR_LOOPBACK), inet_ntop(AF_INET6, IN6ADDR_LOOPBACK)), "\n";
my ($error, @found) = getaddrinfo('localhost', 'http', { socktype => SOCK_STREAM });
print "$error ", join(' ', sort map { (getnameinfo($_->{addr}, NI_NUMERICHOST))[1] } @found), "\n";
