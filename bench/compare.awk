# SPDX-License-Identifier: MIT
# Compare two systems, each a table that merge.awk made:
#
#     awk -f compare.awk A.tsv B.tsv
#
#     name  A  B  unit  B-to-A  verdict
#
# The ratio is that of times (or memory), so below 1 B is better.  It is taken from the reference
# loops where both tables have them, for the host's speed cancels out there; from the values
# elsewhere.  The last lines give geometric means by group and of all.
BEGIN { FS = OFS = "\t" }
/^#/ || NF < 3 { next }
NR == FNR {
    a[$1] = $2; a_loops[$1] = $8
    next
}
{
    seen[$1] = 1
    if (!($1 in a) || a[$1] + 0 <= 0)
        next
    if ($2 == "unsupported") {
        print $1, a[$1], $2, $3, "-", "MISSING"
        missing++
        next
    }
    if ($2 + 0 <= 0 || $1 ~ /^boot\.(MemTotal|ticks|monotonic)$/)
        next
    if (a_loops[$1] > 0 && $8 > 0)
        ratio = $8 / a_loops[$1]
    else
        ratio = $3 == "MB/s" ? a[$1] / $2 : $2 / a[$1]
    if ($1 ~ /^boot\.Mem/)                   # free memory: more is better
        ratio = 1 / ratio
    verdict = ratio < 0.95 ? "better" : (ratio > 1.05 ? "WORSE" : "equal")
    print $1, a[$1], $2, $3, sprintf("%.3f", ratio), verdict
    split($1, part, ".")
    for (i = 1; i <= 2; i++) {
        group = i == 1 ? part[1] : "all"
        if (!(group in count))
            order[++groups] = group
        sum[group] += log(ratio)
        count[group]++
        if (verdict == "WORSE")
            worse[group]++
    }
}
END {
    for (name in a)
        if (!(name in seen)) {
            print name, a[name], "-", "", "-", "MISSING"
            missing++
        }
    for (i = 1; i <= groups; i++)
        printf "# %s: geometric mean %.3f over %d, %d worse\n", order[i],
               exp(sum[order[i]] / count[order[i]]), count[order[i]], worse[order[i]]
    printf "# %d missing\n", missing
}
