#!/bin/sh
# Lays a package out as CloudNativePG mounts an extension: lay-out.sh PACKAGE DIRECTORY
set -eu
package=$1
image=$2

files=$(mktemp -d)
trap 'rm -rf "$files"' EXIT
dpkg-deb --extract "$package" "$files"

mkdir -p "$image/lib" "$image/share/extension" "$image/licenses"
# The library, and beside it the program that reads documents.
cp "$files"/usr/lib/postgresql/*/lib/pgai_rs* "$image/lib/"
cp "$files"/usr/share/postgresql/*/extension/pgai_rs* "$image/share/extension/"
for name in copyright THIRD-PARTY-NOTICES.gz COPYRIGHT-rust.html.gz; do
    cp "$files"/usr/share/doc/*/"$name" "$image/licenses/"
done
