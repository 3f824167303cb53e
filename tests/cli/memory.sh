#!/usr/bin/env bash
# Memory does not grow with the length of the video: many times the frames, the same peak.
#   memory.sh ROTO SOURCE_DIR REPEAT_CLIP PEAK_MEMORY [ROUNDS]
. "$(dirname "$0")/lib.sh"
repeat_clip=$1
peak_memory=$2
rounds=${3:-5}

# A fast preset: this is about memory, and the encoder's is the larger the slower the preset.
peak() {
    "$repeat_clip" "$clip" "$1" | "$peak_memory" "$work/peak" "$roto" track - --detect person --quiet \
        --preset ultrafast --overlay "$work/$1.mp4" --json "$work/$1.jsonl" --mot "$work/$1.txt"
    [ "$(lines "$work/$1.jsonl")" -eq $((200 * $1)) ] || fail "$1 rounds of the clip are not $((200 * $1)) frames"
    cat "$work/peak"
}

short=$(peak 1)
long=$(peak "$rounds")
echo "peak memory: $short KiB after 200 frames, $long KiB after $((200 * rounds))"
[ "$short" -lt $((300 * 1024)) ] || fail 'more than 300 MB'
# Buffers of FFmpeg and x264 that are filled at different times make a few percent of difference.
[ "$long" -lt $((short + short / 20)) ] || fail 'memory grows with the number of frames'
