#!/bin/bash
# SPDX-License-Identifier: MIT
# vim without a screen. Expected: the same as on Linux.

seq 10 >text
echo '== commands'
vim -es -u NONE text <<'END'
:%s/\d\+/<&>/
:3,5d
:1put ='inserted'
:g/7/m0
:w
:q
END
echo "status $?"
cat text
vim -es -u NONE -c 'g/<9>/normal Aappended' -c '%!sort -r' -c wq text; cat text
# vim looks for input while the shell runs, and would end if that were at its end
mkfifo input
vim -es -u NONE -c 'r !echo from the shell' -c '1print' -c '$print' -c 'q!' text <>input; echo
rm input
vim -es -u NONE -c 'echo system("printf %s sub")' -c 'echo 6*7' -c q 2>&1; echo
vim -es -u NONE -c 'cquit 5'; echo "status $?"
echo '== script'
cat >script.vim <<'END'
vim9script
def Fib(n: number): number
	return n < 2 ? n : Fib(n - 1) + Fib(n - 2)
enddef
writefile([string(Fib(15)), join(sort(['b', 'a']), ','), strftime('%Y', 0)], 'result')
var job = job_start(['sh', '-c', 'echo out of a job; exit 3'], {out_io: 'file', out_name: 'job'})
while job_status(job) == 'run'
	sleep 10m
endwhile
writefile([string(job_info(job).exitval)], 'result', 'a')
var timed = 0
timer_start(10, (_) => {
	timed += 1
}, {repeat: 3})
while timed < 3
	sleep 10m
endwhile
writefile(['timers ' .. timed], 'result', 'a')
qall!
END
vim -es -u NONE -S script.vim; echo "status $?"
cat result job
echo '== files'
vim -es -u NONE -c 'set backup backupskip=' -c 's/^/X/' -c wq text; ls
vim -es -u NONE -c 'set undofile' -c 'normal dd' -c wq text; ls -a | grep un
printf 'a\r\nb\r\n' >dos; vim -es -u NONE -c 'set ff=unix' -c wq dos; od -c dos | head -1
chmod 444 text; vim -es -u NONE -c 'normal dd' -c 'w' -c 'q!' text; echo "status $?"
vim -es -u NONE -c 'wq nothing/there'; echo "status $?"
