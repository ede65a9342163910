# SPDX-License-Identifier: MIT
# What each operation of each benchmark executes, from osbench's lines and insns.c's:
#
#     awk -f perop.awk RESULTS.tsv INSNS.txt
#
#     name  user-instructions  kernel-instructions  blocks  accesses  space-switches  syscalls
#
# all per operation (per KiB for bandwidths), over the last batch of the benchmark.  A batch
# lies between two marks, and so does what osbench does between batches.  `osbench --boot` marks,
# too, and has lines of its own.
BEGIN {
    FS = OFS = "\t"
    print "# name", "user", "kernel", "blocks", "accesses", "spaces", "syscalls"
}
NR == FNR {
    if ($1 == "boot.ticks")
        b = -1
    else if ($0 !~ /^#/ && NF >= 3 && $1 !~ /^boot\./ && $1 !~ /\.mem$/) {
        name[++n] = $1
        ops[n] = $3 == "MB/s" ? $6 / 1024 : $6
    }
    next
}
$1 == "batch" {                              # odd marks end a batch, even ones begin the next
    seen++
    for (i = 2; i <= 7; i++) {
        if (seen % 2)
            delta[i] = $i - last[i]
        last[i] = $i
    }
    next
}
{
    if (b > 0 && seen > 1 && ops[b] > 0) {
        text = name[b]
        for (i = 2; i <= 7; i++)
            text = text OFS sprintf(i < 6 ? "%.0f" : "%.2f", delta[i] / ops[b])
        print text
    }
    if ($1 == "bench")
        b++
    seen = 0
}
END {
    if (b != n) {
        print "perop.awk: " n " lines of benchmarks, " b " marks" > "/dev/stderr"
        exit 1
    }
}
