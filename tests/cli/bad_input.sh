#!/usr/bin/env bash
# Damaged input and outputs that cannot be written: a clear message, the right exit code, and valid
# files of the frames before.
. "$(dirname "$0")/lib.sh"

track() { "$roto" track "$@" --detect person; }

expect 2 'No such file or directory' track "$work/nothing.mp4"
: >"$work/empty.mp4"
expect 3 'empty.mp4' track "$work/empty.mp4"
echo 'not a video, whatever its name says' >"$work/text.mp4"
expect 3 'text.mp4' track "$work/text.mp4"
mkdir "$work/folder"
expect 3 'folder' track "$work/folder"
head -c 700000 "$clip" >"$work/cut.mp4" # this clip has its index in front

# A video that breaks off: everything before the break is there.
code=0
track "$work/cut.mp4" --json "$work/cut.jsonl" --overlay "$work/cut-overlay.mp4" >"$work/log" 2>&1 || code=$?
[ "$code" -eq 3 ] || fail "a cut video gives exit code $code: $(cat "$work/log")"
n=$(lines "$work/cut.jsonl")
[ "$n" -gt 20 ] || fail "only $n frames of a cut video were worked on"
[ "$(frames_in "$work/cut-overlay.mp4")" -eq "$n" ] || fail 'overlay and JSON of a cut video differ in frames'
grep -q "stopped after $n frames" "$work/log" || fail "a cut video's frames are not told"

model_is() { "$roto" track "$clip" --max-frames 1 --model "$1"; }
: >"$work/empty.onnx"
cp "$source_dir/assets/models/yolox_nano.json" "$work/empty.json"
expect 3 'empty.onnx' model_is "$work/empty.onnx"
head -c 1000000 "$model" >"$work/short.onnx"
cp "$source_dir/assets/models/yolox_nano.json" "$work/short.json"
expect 3 'short.onnx' model_is "$work/short.onnx"
cp "$model" "$work/alone.onnx"
expect 2 'alone.json' model_is "$work/alone.onnx"
expect 2 'missing.onnx' model_is "$work/missing.onnx"
printf '%s' '{' >"$work/alone.json"
expect 3 'alone.json' model_is "$work/alone.onnx"

# Outputs: no such folder, a file where a folder should be, a full disk, a limit on file sizes.
for output in overlay json mot; do
    expect 2 "$work/none/out" track "$clip" "--$output" "$work/none/out"
    expect 2 "$work/text.mp4/out" track "$clip" "--$output" "$work/text.mp4/out"
done
expect 2 '/dev/full' track "$clip" --max-frames 90 --json /dev/full
expect 2 '/dev/full' track "$clip" --max-frames 90 --mot /dev/full
expect 2 '/dev/full' track "$clip" --max-frames 90 --overlay /dev/full

limited() (
    ulimit -f 512 # KiB: several seconds of overlay, not all of it
    "$roto" track "$clip" --detect person --overlay "$work/limited.mp4" --json "$work/limited.jsonl"
)
expect 2 'limited.mp4' limited
n=$(frames_in "$work/limited.mp4")
[ "$n" -gt 0 ] || fail 'a full disk leaves no readable overlay'
[ "$n" -le "$(lines "$work/limited.jsonl")" ] || fail 'the overlay has frames that the JSON has not'

printf '\x89PNG\r\n\x1a\n' >"$work/bad.png"
expect 3 'bad.png' "$roto" detect "$work/bad.png"
expect 2 'nothing.png' "$roto" detect "$work/nothing.png"
expect 3 'text.mp4' "$roto" detect "$work/text.mp4"
expect 2 'nowhere' "$roto" eval mot "$work/nowhere" "$work"
expect 2 'nowhere' "$roto" eval detect "$work/nowhere"
