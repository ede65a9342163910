#!/bin/bash
# SPDX-License-Identifier: MIT
# Prints the path of Debian's cloud kernel for x86-64, in the folder FOLDER/linux, downloaded if it
# is not there: fetch-linux.sh FOLDER
set -euo pipefail

out=$1
kernel=$(compgen -G "$out/linux/boot/vmlinuz-*" | head -1) || :
if [[ ! $kernel ]]; then
    package=$(apt-cache depends linux-image-cloud-amd64 |
        sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -1)
    [[ $package ]] || exit 1
    echo "downloading $package" >&2
    rm -rf "$out/download" && mkdir -p "$out/download"
    (cd "$out/download" && apt-get download -q "$package" >&2) || exit 1
    dpkg -x "$out/download/"*.deb "$out/linux"
    rm -rf "$out/download"
    kernel=$(compgen -G "$out/linux/boot/vmlinuz-*" | head -1)
fi
echo "$kernel"
