# SPDX-License-Identifier: MIT
# Merge the results of several boots into one table:
#
#     awk -f merge.awk BOOT1.tsv BOOT2.tsv ...
#
#     name  median-of-the-medians  unit  lowest-median  highest-median  best-batch  boots  loops
#
# "loops" is the median of osbench's last column.  A benchmark that was unsupported in any boot
# is shown as that.
BEGIN { FS = OFS = "\t" }
/^#/ || NF < 3 { next }
!($1 in count) { order[++names] = $1 }
{
    i = ++count[$1]
    if ($2 == "unsupported")
        bad[$1] = 1
    value[$1, i] = $2
    loops[$1, i] = $7
    if (unit[$1] == "" || $2 == "unsupported")
        unit[$1] = $3
    fast = NF >= 4 ? $4 : $2
    if (i == 1 || ($3 == "MB/s" ? fast + 0 > best[$1] + 0 : fast + 0 < best[$1] + 0))
        best[$1] = fast
}
END {
    for (k = 1; k <= names; k++) {
        name = order[k]
        n = count[name]
        if (bad[name]) {
            print name, "unsupported", unit[name]
            continue
        }
        sort(loops, name, n)
        middle = v[int((n + 1) / 2)]
        sort(value, name, n)
        print name, v[int((n + 1) / 2)], unit[name], v[1], v[n], best[name], n, middle
    }
}
function sort(from, name, n,    i, j, x) {   # into v[1..n], by insertion
    for (i = 1; i <= n; i++) {
        x = from[name, i]
        for (j = i - 1; j >= 1 && v[j] + 0 > x + 0; j--)
            v[j + 1] = v[j]
        v[j + 1] = x
    }
}
