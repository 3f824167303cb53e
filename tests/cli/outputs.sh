#!/usr/bin/env bash
# What is written: all outputs at once, from files, folders and standard input, the same bits with
# any number of threads, and nothing on standard error that is not wanted.
. "$(dirname "$0")/lib.sh"
n=45

track() { "$roto" track "$@"; }

track "$clip" --detect person --max-frames $n --threads 1 \
    --overlay "$work/1.mp4" --json "$work/1.jsonl" --mot "$work/1.txt" 2>"$work/log"
track "$clip" --detect person --max-frames $n --threads 2 --quiet \
    --overlay "$work/2.mp4" --json "$work/2.jsonl" --mot "$work/2.txt" 2>"$work/quiet"
cmp "$work/1.mp4" "$work/2.mp4"
cmp "$work/1.jsonl" "$work/2.jsonl"
cmp "$work/1.txt" "$work/2.txt"

[ ! -s "$work/quiet" ] || fail "--quiet prints: $(cat "$work/quiet")"
grep -q "^$n frames in" "$work/log" || fail 'there is no summary'
grep -q 'median' "$work/log" || fail "the summary does not tell the detector's time"
if grep -q $'\r' "$work/log"; then fail 'progress is drawn on what is no terminal'; fi

[ "$(lines "$work/1.jsonl")" -eq $n ] || fail 'the JSON has not a line a frame'
[ "$(frames_in "$work/1.mp4")" -eq $n ] || fail 'the overlay has not all frames'
grep -q '"class":"person"' "$work/1.jsonl" || fail 'nobody was found'
awk -F, 'NF < 7 || $1 < 1 || $2 < 1 || $5 <= 0 || $6 <= 0 { exit 1 }' "$work/1.txt" || fail 'the MOT text has bad rows'
# Two people are in view at the start, and both are followed from early on.
awk -F, -v n=$n '$1 == 10 { seen++ } END { exit seen != 2 }' "$work/1.txt" || fail 'frame 10 has not two people'

# The same file by way of standard input, and JSON on standard output.
track - --detect person --max-frames $n --json - <"$clip" >"$work/3.jsonl" 2>/dev/null
cmp "$work/1.jsonl" "$work/3.jsonl"

# A folder of images, in natural order.
mkdir "$work/images"
"$roto" detect "$clip" >/dev/null 2>&1 && fail 'a video passes for an image'
cp "$source_dir/docs/images/overlay.jpg" "$work/images/9.jpg"
cp "$source_dir/docs/images/overlay.jpg" "$work/images/10.jpg"
track "$work/images" --fps 10 --json "$work/4.jsonl" --quiet
[ "$(lines "$work/4.jsonl")" -eq 2 ] || fail 'a folder of two images has not two lines'
head -1 "$work/4.jsonl" | grep -qF '9.jpg' || fail 'a folder is not read in natural order'

# Single images.
prints 'person' "$roto" detect "$work/images/9.jpg"
"$roto" detect "$work/images/9.jpg" --json "$work/d.jsonl" --overlay "$work/d.png" --quiet
grep -q '"class":"person"' "$work/d.jsonl" || fail 'no person in the JSON of a picture with people'
prints 'object' "$roto" detect "$work/d.png"
mkdir "$work/drawn"
"$roto" detect "$work"/images/*.jpg --overlay "$work/drawn" --quiet
[ -s "$work/drawn/9.png" ] && [ -s "$work/drawn/10.png" ] || fail 'a folder of overlays is not complete'

# Progress belongs on a terminal, where one can be had.
if script -qec true /dev/null </dev/null >/dev/null 2>&1; then
    script -qec "'$roto' track '$clip' --detect person --max-frames $n" /dev/null >"$work/terminal" </dev/null
    grep -q 'fps' "$work/terminal" || fail 'a terminal shows no progress'
fi
