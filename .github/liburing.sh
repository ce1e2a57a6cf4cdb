#!/bin/sh
# Builds the liburing that Linux wheels carry: distributions that wheels are built on have none, or an old one.
set -eu
version=2.9
git clone --quiet --depth 1 --branch "liburing-$version" https://github.com/axboe/liburing /tmp/liburing
cd /tmp/liburing
libdir=/usr/lib
[ ! -d /usr/lib64 ] || libdir=/usr/lib64
./configure --prefix=/usr --libdir="$libdir" --libdevdir="$libdir"
make -C src -j2
make install
ldconfig 2>/dev/null || true # musl has no cache
