# SPDX-License-Identifier: MIT
# The limits that the kernel's own figures (build/bench/thor.tsv) have to keep.
BEGIN {
	FS = "\t"
	limits["call.null"] = 80
	limits["nop.batch64"] = 150
	limits["event.wake"] = 1000
	limits["ipc.oneway_64"] = 900
	limits["ipc.conversation"] = 2500
	limits["fault.anon"] = 2000
	limits["thread.create_exit"] = 6000
	limits["irq.wake"] = 2500
	limits["irqs_off.max"] = 50000
	limits["ipc.send_64k / memcpy.64k"] = 1.3
	limits["ipc.send_1m / memcpy.1m"] = 1.3
}
{ value[$1] = $2 }
function ratio(a, b) {
	if (a in value && b in value && value[b] > 0) {
		value[a " / " b] = sprintf("%.3f", value[a] / value[b])
	}
}
END {
	ratio("ipc.send_64k", "memcpy.64k")
	ratio("ipc.send_1m", "memcpy.1m")
	n = split("call.null|nop.batch64|event.wake|ipc.oneway_64|ipc.conversation|" \
		"ipc.send_64k / memcpy.64k|ipc.send_1m / memcpy.1m|fault.anon|thread.create_exit|" \
		"irq.wake|irqs_off.max", names, "|")
	for (i = 1; i <= n; i++) {
		name = names[i]
		verdict = !(name in value) ? "MISSING" : "BROKEN"
		if (name in value && value[name] + 0 <= limits[name]) {
			verdict = "held"
		}
		printf "bar\t%s\t%s\t%s\t%s\n", name, value[name], limits[name], verdict
	}
}
