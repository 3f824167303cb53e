#!/usr/bin/env bash
# Installs a build into a folder of its own, moves it, and builds the examples against that copy as a
# stranger would: with find_package, and with pkg-config. Both have to find the people in the sample
# clip and refine a mask with clicks, as has the installed command line.
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

examples=$(cd "$here/../../examples" && pwd)
clip=$here/../../assets/clips/bedroom.mp4
photo=$here/../../docs/images/overlay.jpg
model=$prefix/share/roto/models/yolox_nano.onnx
segmenter=$prefix/share/roto/models/roto_s.safetensors

# follows PROGRAM...: it tells where two people are, and that there are two at least.
follows() {
    "$@" "$model" "$clip" >"$work/tracks" 2>"$work/log" || { cat "$work/log"; exit 1; }
    grep -q 'person 1 at' "$work/tracks" && grep -q 'person 2 at' "$work/tracks"
    grep -q 'people in 200 frames' "$work/log"
}

# refines PROGRAM...: three clicks give a mask of the picture's size.
refines() {
    rm -f "$work/mask.png"
    "$@" "$segmenter" "$photo" "$work/mask.png" 250,300 240,380 -400,480 >"$work/clicks"
    grep -q 'after 3 clicks' "$work/clicks"
    "$prefix/bin/roto" info "$work/mask.png" | grep -q '960x540'
}

cmake -S "$here" -B "$work/cmake" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" -DEXAMPLES="$examples" >/dev/null
cmake --build "$work/cmake"
follows "$work/cmake/track_people"
refines "$work/cmake/refine_clicks"

export PKG_CONFIG_PATH=${pc%/*}
for example in track_people refine_clicks; do
    # shellcheck disable=SC2046 # the flags are words
    cc -std=c17 -Wall -Wextra -Werror "$examples/$example.c" $(pkg-config --cflags --libs roto) -o "$work/$example"
done
follows env LD_LIBRARY_PATH="$libdir" "$work/track_people"
refines env LD_LIBRARY_PATH="$libdir" "$work/refine_clicks"

"$prefix/bin/roto" track "$clip" --detect person --max-frames 20 --quiet --mot "$work/mot.txt"
grep -q '^20,1,' "$work/mot.txt"
"$prefix/bin/roto" track "$clip" --point 330,300 --max-frames 2 --quiet --masks "$work/masks"
[ -s "$work/masks/00001.png" ]

# Nothing but the public API may be visible.
if nm -D --defined-only "$libdir/libroto.so" | awk '$3 !~ /^roto_/ { print; bad = 1 } END { exit !bad }'; then
    echo "libroto.so exports more than roto_*"
    exit 1
fi
