#!/bin/bash
# SPDX-License-Identifier: MIT
# script(1), and commands on the pty that it makes. Expected: the same as on Linux.

without_times() { sed 's/ on [0-9].*\[/ [/; s/TTY="[^"]*"/TTY/' "$1" | tr -d '\r'; }

echo '== commands'
script -qec 'tty | tr -d 0-9; stty size; exit 4' log </dev/null
echo "status $?"
without_times log
script -qec 'kill -TERM $$' log </dev/null
echo "status $?"
script -qc 'echo one' -a log </dev/null
without_times log | grep -c '^Script started'
echo '== input'
printf 'typed\nlines\n' | script -qec 'head -n 2 | tr a-z A-Z' log
echo "status $?"
without_times log
echo '== timing'
script -q --log-timing timing --log-out out -c 'printf abcdef' </dev/null
echo
awk '{n += $NF} END {print n}' timing
tail -n +2 out | head -c 6
echo
echo '== interactive'
expect -c '
	set timeout 60
	log_user 0
	spawn -noecho script -qe log -c "bash --norc --noprofile"
	expect -re {# $}
	send "sh -c \"echo started; exec sleep 100\"\r"
	expect -re {\nstarted\r\n}
	send "\032"
	expect -re {Stopped.*# $} {puts stopped} timeout {puts timeout}
	send "echo status \$?\r"
	expect -re {status 148\r\n.*# $} {puts told} timeout {puts timeout}
	send "kill -KILL %1; while kill -0 %1 2>/dev/null; do sleep 0.02; done\r"
	expect -re {Killed.*# $}
	send "exit 6\r"
	expect eof
	puts "status [lindex [wait] 3]"
'
without_times log | grep -E '^(started|status|exit)'
