# SPDX-License-Identifier: MIT
# Check a table of osbench's lines against the bars, upper limits in instructions, ns or KiB:
#
#     awk -f bars.awk RESULTS.tsv
#
#     bar  name  value  limit  verdict
BEGIN {
    FS = OFS = "\t"
    add("null.getppid", 250)                 # a bounced system call
    add("null.read_zero", 670)               # Linux, as what follows; answered without posix
    add("null.write_null", 593)
    add("clock.gettime", 81)
    add("signal.deliver", 3750)
    add("tmp.fstat", 1113)
    add("tmp.pread_4k", 1860)
    add("dir.fstat", 1099)                   # Linux, on ext4
    add("dir.pread_4k", 1997)
    add("dir.pwrite_4k", 2831)
    add("dir.stat", 6228)                    # twice as much as Linux, as what follows
    add("dir.open_close", 11802)
    add("dir.create_unlink", 138572)
    add("disk.read_4k", 31770)
    add("disk.read_4k_qd8", 34766)
    add("disk.write_4k", 38262)
    add("disk.write_4k_qd8", 35002)
    add("event.epoll_wait_1", 800)
    add("event.epoll_wait_10000", 800)
    add("proc.fork_exit", 212000)
    add("boot.ticks", 600000000)             # power-on to the first instruction of the command
    add("boot.used", 48 * 1024)              # KiB in use then
}
/^#/ || NF < 2 { next }
{ value[$1] = $2 }
END {
    if (("boot.MemTotal" in value) && ("boot.MemFree" in value))
        value["boot.used"] = value["boot.MemTotal"] - value["boot.MemFree"]
    for (i = 1; i <= bars; i++) {
        name = order[i]
        if (!(name in value) || value[name] == "unsupported")
            verdict = "MISSING"
        else
            verdict = value[name] + 0 <= limit[name] ? "held" : "BROKEN"
        print "bar", name, (name in value) ? value[name] : "-", limit[name], verdict
    }
}
function add(name, most) {
    order[++bars] = name
    limit[name] = most
}
