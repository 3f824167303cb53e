#!/usr/bin/env bash
# Installs a build into a folder of its own, moves it, and builds the example against that copy as a
# stranger would: with find_package, and with pkg-config. Both have to find the people in the sample
# clip, as has the installed command line.
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

example=$here/../../examples/track_people.c
clip=$here/../../assets/clips/bedroom.mp4
model=$prefix/share/roto/models/yolox_nano.onnx

# follows PROGRAM...: it tells where two people are, and that there are two at least.
follows() {
    "$@" "$model" "$clip" >"$work/tracks" 2>"$work/log" || { cat "$work/log"; exit 1; }
    grep -q 'person 1 at' "$work/tracks" && grep -q 'person 2 at' "$work/tracks"
    grep -q 'people in 200 frames' "$work/log"
}

cmake -S "$here" -B "$work/cmake" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" -DEXAMPLE="$example" >/dev/null
cmake --build "$work/cmake"
follows "$work/cmake/track_people"

export PKG_CONFIG_PATH=${pc%/*}
# shellcheck disable=SC2046 # the flags are words
cc -std=c17 -Wall -Wextra -Werror "$example" $(pkg-config --cflags --libs roto) -o "$work/track_people"
follows env LD_LIBRARY_PATH="$libdir" "$work/track_people"

"$prefix/bin/roto" track "$clip" --detect person --max-frames 20 --quiet --mot "$work/mot.txt"
grep -q '^20,1,' "$work/mot.txt"

# Nothing but the public API may be visible.
if nm -D --defined-only "$libdir/libroto.so" | awk '$3 !~ /^roto_/ { print; bad = 1 } END { exit !bad }'; then
    echo "libroto.so exports more than roto_*"
    exit 1
fi
