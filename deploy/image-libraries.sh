#!/bin/sh
# Copies what the programs that are built with -tags libcrypto need besides themselves into DIR, under the same paths: OpenSSL's
# libcrypto, the C library and the loader, of this Debian system. DIR is then an image without a shell or a package manager.
#
#   image-libraries.sh DIR PROGRAM…
#
# Debian's loader looks into its folders by itself, so there is no cache. What dpkg knows of the packages comes along, where
# scanners for known vulnerabilities look for it (as in distroless images), and the packages' licences.
set -eu
dir=$1
shift
triplet=$(dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || echo "$(uname -m)-linux-gnu")
libcrypto=/usr/lib/$triplet/libcrypto.so.3
[ -e "$libcrypto" ] || { echo "no $libcrypto: install libssl3" >&2; exit 1; }

mkdir -p "$dir/var/lib/dpkg/status.d"
# ldd's lines are "NAME => PATH (ADDRESS)" and, for the loader, "PATH (ADDRESS)".
for path in "$libcrypto" $(ldd "$libcrypto" "$@" | grep -o '/[^ :]*[.]so[^ :]* (' | cut -d' ' -f1 | sort -u); do
	mkdir -p "$dir$(dirname "$path")"
	cp -L "$path" "$dir$path"
done
for package in libc6 libssl3; do
	dpkg-query -s "$package" >"$dir/var/lib/dpkg/status.d/$package"
	mkdir -p "$dir/usr/share/doc/$package"
	cp -L "/usr/share/doc/$package/copyright" "$dir/usr/share/doc/$package/"
done
