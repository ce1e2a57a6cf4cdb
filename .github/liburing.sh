#!/bin/sh
# Builds the liburing that Linux wheels carry: distributions that wheels are built on have none, or an old one.
set -eu
version=2.9
git clone --quiet --depth 1 --branch "liburing-$version" https://github.com/axboe/liburing /tmp/liburing
cd /tmp/liburing
./configure --prefix=/usr --libdir=/usr/lib --libdevdir=/usr/lib
make -C src -j2
make install
ldconfig /usr/lib 2>/dev/null || true # musl has no cache
