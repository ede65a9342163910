# SPDX-License-Identifier: MIT
# For make-debian.sh and make-image.sh, which read it in: Debian's packages as an archive of a root.
#
# Root's rights come from root itself, or from sudo; without either, from a user namespace, in which
# mmdebstrap works: $as_root is the word before a command, $mode is mmdebstrap's.

here=$(cd "$(dirname "$0")" && pwd)
suite=bookworm
mirror=http://deb.debian.org/debian

cannot() {
	echo "$(basename "$0" .sh): $1"
	exit 77
}

# the words of lists without their comments
words_of() {
	for list; do
		sed 's/#.*//; /^ *$/d' "$here/debian/$list"
	done
}

as_root=
mode=root
if [ "$(id -u)" -ne 0 ]; then
	if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
		as_root='sudo -n'
	else
		mode=unshare
	fi
fi

# debian_tar VARIANT HOOK TAR LOG LIST...: a root of mmdebstrap's VARIANT and of the packages of
# the LISTs, without what debian/left-out says; HOOK runs last, its argument is the root's folder
debian_tar() {
	variant=$1 hook=$2 tar=$3 log=$4
	shift 4
	packages=$(words_of "$@" | xargs | tr ' ' ',')
	"$here/../tools/setup/install.sh" mmdebstrap gpgv >"$log" 2>&1 ||
		cannot "mmdebstrap cannot be installed, see $log"
	set -- --mode=$mode --variant="$variant" --format=tar \
		--aptopt='APT::Install-Recommends "false"'
	for pattern in $(words_of left-out | sed 's/^/--dpkgopt=path-exclude=/'); do
		set -- "$@" "$pattern"
	done
	$as_root mmdebstrap "$@" --include="$packages" --customize-hook="$hook" $suite "$tar" \
		"deb $mirror $suite main" >>"$log" 2>&1 </dev/null ||
		cannot "mmdebstrap failed, see $log"
}
