#!/bin/bash
# SPDX-License-Identifier: MIT
# Programs that draw on the whole screen: vim, less, nano, in a terminal of tmux, which says what is
# on it. Expected: the same as on Linux. What is drawn last is awaited before the screen is shown.

export TERM=xterm
tmux() { command tmux -f /dev/null -S "$PWD/socket" "$@"; }
keys() { tmux send-keys -t screen "$@"; }
# Waits until each pattern matches a line of the screen.
await() {
	local pattern
	for pattern; do
		until screen=$(tmux capture-pane -p -t screen) &&
			grep -qE -- "$pattern" <<<"$screen"; do
			sleep 0.05
		done
	done
}
show() { await "$@"; printf '%s\n' "$screen"; }
# The same in vim, after a message that says that everything before has been done.
say() { keys ":redraw! | echo '$1'" Enter; show "^$1"; }

tmux new-session -d -s screen -x 80 -y 12 'PS1="$ " bash --norc --noprofile'
await '^\$'
seq -f 'line %g' 200 >text

echo '== vim'
keys 'vim -u NONE -N -i NONE text' Enter
await '"text" 200L'
keys ':set number ruler shortmess+=u' Enter
say opened
keys 100G o 'inserted by hand' Escape 3kddp
say edited
keys ':silent %s/line \(1\d\)$/<\1>/' Enter
say replaced
keys ':silent undo' Enter G
say undone
keys ':!echo from a shell' Enter
await '^from a shell' '^Press ENTER'
keys Enter
say back
keys C-z
await 'Stopped'
keys 'clear; fg' Enter
await '^201 line 200'
say resumed
keys ':split' Enter
say split
tmux resize-window -t screen -x 60 -y 16
# tmux tells the terminal of its new size a little later
until keys ':redraw! | echo &lines &columns' Enter && sleep 0.1 &&
	tmux capture-pane -p -t screen | grep -q '^16 60'; do :; done
show '^16 60'
keys ':wqa' Enter
await '^\$$'
tmux resize-window -t screen -x 80 -y 12
keys "clear; until [ \"\$(stty size)\" = '12 80' ]; do sleep 0.02; done; echo resized" Enter
await '^resized'
sed -n '98,102p' text

echo '== less'
keys 'clear; less text' Enter
show '^text$'
keys Space
show '^line 22$' '^:$'
keys G
show '^line 200$' 'END'
keys '?line 15' Enter
show '^line 159$' '^:$'
keys q
await '^\$$'
keys 'clear; less +F text' Enter
await 'Waiting for data'
keys C-c
await '^:|END'
keys q
await '^\$$'

echo '== nano'
keys 'clear; nano -I note' Enter
show 'New File' 'Exit'
keys 'first line' Enter 'second' C-a 'the '
await '^the second'
keys C-k C-u C-o
show '^the second' 'File Name to Write: note'
keys Enter
await 'Wrote 2 lines'
keys C-x
await '^\$$'
cat note
tmux kill-server
