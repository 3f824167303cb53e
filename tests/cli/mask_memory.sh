#!/usr/bin/env bash
# Memory of a run with masks does not grow with the length of the video.
#   mask_memory.sh ROTO SOURCE_DIR REPEAT_CLIP PEAK_MEMORY [FEW MANY]
. "$(dirname "$0")/lib.sh"
repeat_clip=$1
peak_memory=$2
few=${3:-20}
many=${4:-80}

# peak FRAMES: the most memory in KiB, with two objects and every output.
peak() {
    "$repeat_clip" "$clip" $(($1 / 200 + 1)) | "$peak_memory" "$work/peak" "$roto" track - --max-frames "$1" --quiet \
        --box 262,43,459,449:1 --box 188,179,330,420:2 --preset ultrafast --overlay "$work/$1.mp4" \
        --json "$work/$1.jsonl" --masks "$work/$1" --matte "$work/$1-matte.mp4" || true # the clip's writer gets SIGPIPE
    [ "$(lines "$work/$1.jsonl")" -eq "$1" ] || fail "the JSON of $1 frames has $(lines "$work/$1.jsonl") lines"
    cat "$work/peak"
}

short=$(peak "$few")
long=$(peak "$many")
echo "peak memory: $short KiB after $few frames, $long KiB after $many"
[ "$short" -lt $((400 * 1024)) ] || fail 'more than 400 MB'
# As in memory.sh: buffers of FFmpeg and x264 make a few percent.
[ "$long" -lt $((short + short / 20)) ] || fail 'memory grows with the number of frames'
