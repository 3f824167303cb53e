#!/usr/bin/env bash
# Installs a build into a folder of its own and builds against that copy as a stranger would: with
# find_package, and with pkg-config. The copy is then moved, and has to work from its new place.
#   run.sh BUILD_DIR
set -euo pipefail
build=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cmake --install "$build" --prefix "$work/first" >/dev/null
mv "$work/first" "$work/moved"
prefix=$work/moved
pc=$(find "$prefix" -name roto.pc)
libdir=$(dirname "$(dirname "$pc")")

cmake -S "$here" -B "$work/cmake" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" >/dev/null
cmake --build "$work/cmake"
"$work/cmake/consumer"

export PKG_CONFIG_PATH=${pc%/*}
# shellcheck disable=SC2046 # the flags are words
cc -std=c17 -Wall -Wextra -Werror "$here/consumer.c" $(pkg-config --cflags --libs roto) -o "$work/consumer"
LD_LIBRARY_PATH=$libdir "$work/consumer"

# Nothing but the public API may be visible.
if nm -D --defined-only "$libdir/libroto.so" | awk '$3 !~ /^roto_/ { print; bad = 1 } END { exit !bad }'; then
    echo "libroto.so exports more than roto_*"
    exit 1
fi
