#!/bin/bash
# SPDX-License-Identifier: MIT
# tmux without anybody who looks: sessions, panes, keys, what they show. Expected: the same as on
# Linux.

export TERM=xterm
tmux() { command tmux -f /dev/null -S "$PWD/socket" "$@"; }
shell="PS1='> ' bash --norc --noprofile"

# Waits until the pane shows a line that matches.
await() { until tmux capture-pane -p -t "$1" | grep -qE "$2"; do sleep 0.05; done; }

echo '== new_session'
tmux new-session -d -s first -x 80 -y 24 "$shell"
echo "status $?"
tmux list-sessions -F '#{session_name} #{session_windows} #{session_attached}'
echo '== keys'
await first '^>'
tmux send-keys -t first 'echo hello; stty size; echo $TERM; tty | tr -d 0-9' Enter
await first '^/dev/pts/'
tmux capture-pane -p -t first | sed '/^$/d'
echo '== job_control'
tmux send-keys -t first "clear; sh -c 'echo started; exec sleep 100'" Enter
await first '^started'
tmux display-message -p -t first '#{pane_current_command}'
tmux send-keys -t first C-z
await first Stopped
tmux send-keys -t first fg Enter
until [ "$(tmux display-message -p -t first '#{pane_current_command}')" = sleep ]; do
	sleep 0.05
done
tmux send-keys -t first C-c
# the shell shows what is typed before its prompt another time
until tmux capture-pane -p -t first | sed '/^$/d' | tail -n 1 | grep -q '^> *$'; do sleep 0.02; done
tmux send-keys -t first 'echo "status $?"' Enter
await first '^status'
tmux capture-pane -p -t first | sed '/^$/d'
echo '== panes'
tmux split-window -h -t first "$shell"
tmux list-panes -t first -F '#{pane_index} #{pane_width}x#{pane_height} #{pane_active}'
tmux send-keys -t first 'stty size; echo done' Enter
await first '^done'
tmux capture-pane -p -t first | sed '/^$/d' | grep -A 1 '^[0-9]'
tmux resize-pane -t first -x 20
tmux send-keys -t first 'clear; until [ "$(stty size)" = "24 20" ]; do sleep 0.02; done' Enter
tmux send-keys -t first 'echo narrow' Enter
await first '^narrow'
tmux send-keys -t first 'exit' Enter
until [ "$(tmux list-panes -t first | wc -l)" = 1 ]; do sleep 0.05; done
tmux list-panes -t first -F '#{pane_index} #{pane_width}x#{pane_height} #{pane_active}'
echo '== windows'
tmux new-window -t first -n other 'seq 200; exec sleep 100'
await first:other '^200'
tmux capture-pane -p -t first:other | tail -n 3
tmux display-message -p -t first:other '#{history_size} #{window_name}'
tmux capture-pane -p -t first:other -S - | wc -l
tmux kill-window -t first:other
tmux list-windows -t first -F '#{window_index} #{window_panes}'
echo '== attach'
tmux set-option -g assume-paste-time 0 # a key after another one is no paste
SOCKET=$PWD/socket expect -c '
	set timeout 60
	log_user 0
	set stty_init {rows 24 cols 80}
	spawn -noecho tmux -f /dev/null -S $env(SOCKET) attach -t first
	expect -re {\[first\]} {puts shown} timeout {puts timeout}
	send "\002d"
	expect -re {detached \(from session first\)} {puts detached} timeout {puts timeout}
	expect eof
	puts "status [lindex [wait] 3]"
'
echo '== end'
tmux kill-session -t first
echo "status $?"
while pgrep -x tmux >/dev/null; do sleep 0.05; done
tmux list-sessions 2>&1 | sed 's/ on .*//; s/ to .*(/ (/'
