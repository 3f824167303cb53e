#!/usr/bin/env bash
# roto track with marked objects, and roto segment: what is written, what is refused.
. "$(dirname "$0")/lib.sh"
n=5
older=262,43,459,449 younger=188,179,330,420 # in the sample clip's first frame

track() { "$roto" track "$@"; }

# Files in a folder.
count() { find "$1" -type f | wc -l | tr -d ' '; }

# is_png FILE BITS COLOUR_TYPE: 3 is a palette, 0 grey (bytes 24 and 25 of every PNG).
is_png() { [ "$(od -An -tu1 -j24 -N2 "$1" | tr -s ' ')" = " $2 $3" ]; }

# Everything at once; more than one prompt for an object; the same bits with any number of threads.
for threads in 1 2; do
    track "$clip" --box $older:1 --point -300,300:1 --box $younger@2:7 --max-frames $n --threads $threads \
        --overlay "$work/$threads.mp4" --json "$work/$threads.jsonl" --mot "$work/$threads.txt" \
        --masks "$work/masks$threads" --matte "$work/matte$threads" 2>"$work/log"
done
for output in .mp4 .jsonl .txt; do cmp "$work/1$output" "$work/2$output"; done
diff -r "$work/masks1" "$work/masks2"
diff -r "$work/matte1" "$work/matte2"
grep -q 'segmenter: median' "$work/log" || fail "the summary does not tell the segmenter's time"
if grep -q 'detect' "$work/log"; then fail 'a detector ran for marked objects'; fi
[ "$(lines "$work/1.jsonl")" -eq $n ] || fail 'the JSON has not a line a frame'
[ "$(count "$work/masks1")" -eq $n ] && [ "$(count "$work/matte1")" -eq $n ] || fail 'a frame has no mask'
is_png "$work/masks1/0000$((n - 1)).png" 8 3 || fail 'masks are no palette PNG'
is_png "$work/matte1/00000.png" 8 0 || fail 'a matte is not grey'
head -1 "$work/1.jsonl" | grep -q '"id":1,"score":[^{]*"mask":{"size":\[540,960\],"counts":"' || fail 'object 1 has no mask'
if sed -n 2p "$work/1.jsonl" | grep -q '"id":7'; then fail 'object 7 is there before its mark'; fi
sed -n 3p "$work/1.jsonl" | grep -q '"id":7' || fail 'object 7 is not there from its mark on'
grep -q '^3,7,' "$work/1.txt" || fail 'the MOT text has not object 7'

# A matte as a video; masks of a folder's images under their names; marks from a mask.
mkdir "$work/images"
cp "$source_dir/docs/images/overlay.jpg" "$work/images/9 b.jpg"
cp "$source_dir/docs/images/overlay.jpg" "$work/images/10 b.jpg"
track "$work/images" --mask "$work/masks1/00004.png" --masks "$work/masks3" --matte "$work/matte.mp4" \
    --json "$work/3.jsonl" --quiet
[ -s "$work/masks3/9 b.png" ] && [ -s "$work/masks3/10 b.png" ] || fail 'masks are not named as their images'
prints 'h264' "$roto" info "$work/matte.mp4"
head -1 "$work/3.jsonl" | grep -q '"id":1,.*"id":7,' || fail 'a mask has not given an object for each value'

# What a detector finds, carried as masks; beside a mark; and without masks, as ever.
track "$clip" --detect person --detect-every 4 --max-frames $n --json "$work/f.jsonl" --masks "$work/f" 2>"$work/log"
grep -q 'detector: median' "$work/log" && grep -q 'segmenter: median' "$work/log" || fail 'a model did not run'
tail -1 "$work/f.jsonl" | grep -q '"id":1,"class":"person".*"counts":.*"id":2,"class":"person".*"counts":' ||
    fail 'the children have no masks'
track "$clip" --detect person --box $older:40 --max-frames 3 --json "$work/g.jsonl" --quiet
tail -1 "$work/g.jsonl" | grep -q '"id":40,.*"id":4[1-9],' || fail 'a mark and a detection do not go together'
track "$clip" --detect person --max-frames $n --json "$work/h.jsonl" --quiet
if grep -q '"counts"' "$work/h.jsonl"; then fail 'boxes alone have masks'; fi
expect 1 'it must be' track "$clip" --detect-every 1.5

# Single images.
prints 'object 2' "$roto" segment "$work/images/9 b.jpg" --box $older --point 250,300:2 \
    --out "$work/s.png" --overlay "$work/drawn.png"
is_png "$work/s.png" 8 3 && is_png "$work/drawn.png" 8 2 || fail 'roto segment writes the wrong kinds of PNG'
prints 'the one to take' "$roto" segment "$work/images/9 b.jpg" --point 250,300 --all --out "$work/all.png"
everything() { "$roto" segment "$work/images/9 b.jpg" --everything --points 8 --min-iou 0.1 --min-stability 0.1 "$@"; }
prints 'overlap with the truth estimated' everything --out "$work/e.png" --overlay "$work/e-drawn.png" --json "$work/e.json"
is_png "$work/e.png" 8 3 && is_png "$work/e-drawn.png" 8 2 || fail '--everything writes the wrong kinds of PNG'
[ "$(grep -o '"predicted_iou"' "$work/e.json" | wc -l)" -gt 2 ] || fail '--everything finds next to nothing'
everything --threads 1 --json - --quiet | cmp - "$work/e.json" || fail '--everything depends on the number of threads'
[ -s "$work/all-0.png" ] && [ -s "$work/all-3.png" ] || fail 'roto segment --all does not write every mask'

# ---- wrong marks: told before anything is written -------------------------------------------------
refused() {
    local words=$1
    shift
    expect 1 "$words" track "$clip" --json "$work/x" "$@"
    [ ! -e "$work/x" ] || fail "a run that is refused ($*) has left a file"
}
for point in 1 1, 1,2,3 a,b 1,2@ 1,2@x 1,2@-1 1,2@1.5 1,2: 1,2:0 1,2:-3 1,2:a 1,2:1@3 --1,2 nan,2 inf,2 1e999,2 0x1,2 \
    ' 1,2' '1, 2' 1,2,@3 -1,-2 "$(printf '9%.0s' {1..200}),2"; do
    refused "$([ "${point#--}" = "$point" ] && echo "--point is \"$point\"; it must be X,Y[@FRAME][:ID]" || echo needs a value)" --point "$point"
done
for box in 1,2,3 1,2,3,4,5 5,2,3,4 1,2,1,4 1,2,3,nan 1,2,3,4:0; do
    refused "--box is \"$box\"; it must be X0,Y0,X1,Y1" --box "$box"
done
refused '--point is empty' --point ''
refused 'object 1 has two boxes on frame 0; give each object an id of its own' --box 1,2,3,4 --box 5,6,7,8
refused 'the point 960.5,20 lies outside the frame of 960 x 540' --point 960.5,20
refused 'prompt for frame 3: object 2: the point 5,541 lies outside' --point 5,5 --point 5,541@3:2
refused 'the box 970,10,980,20 lies outside' --box 970,10,980,20
refused 'max_frames ends the run after frame 1' --point 5,5@2 --max-frames 2
many=()
for i in $(seq 64); do many+=(--point "$i,5"); done
refused 'more than 63 points on frame 0' "${many[@]}"
many=()
for i in $(seq 1025); do many+=(--point "$((i % 900)),5:$i"); done
refused 'prompts for 1025 objects, but segmenter.max_objects is 1024' "${many[@]}"

# A picture of one pixel, its value 1 or 0.
png_1=iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mNgBAAAAwAC5n2nZwAAAABJRU5ErkJggg==
png_0=iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mNgAAAAAgAB5Sfe/AAAAABJRU5ErkJggg==
echo $png_1 | base64 -d >"$work/one.png"
echo $png_0 | base64 -d >"$work/none.png"
refused 'object 1: the mask has 1 x 1 pixels and the frame 960 x 540' --mask "$work/one.png"
refused 'object 1 has a mask on frame 0' --mask "$work/s.png" --point 5,5
expect 3 'none.png: no object in it' track "$clip" --mask "$work/none.png"
expect 2 'nothing.png' track "$clip" --mask "$work/nothing.png"
expect 2 'nothing.png@x' track "$clip" --mask "$work/nothing.png@x"
expect 3 'overlay.jpg' track "$clip" --mask "$source_dir/docs/images/overlay.jpg"
expect 3 '1.jsonl' track "$clip" --mask "$work/1.jsonl"
refused 'are the same' --point 5,5 --masks "$work/x" --matte "$work/x"
mkdir "$work/in" && cp "$work/one.png" "$work/in/1.png"
expect 1 'are the same' track "$work/in" --mask "$work/one.png" --masks "$work/in"

# A mark for a frame that never comes: all else is done and written, and the exit code tells.
expect 1 'the prompt for object 2 is for frame 2 (from 0). All else is done' track "$work/images" \
    --box $older --point 5,5@2:2 --json "$work/4.jsonl" --masks "$work/masks4"
[ "$(lines "$work/4.jsonl")" -eq 2 ] && [ "$(count "$work/masks4")" -eq 2 ] || fail 'a late mark has cost frames'

# Models that are none.
segmenter=$source_dir/assets/models/roto_s.safetensors
: >"$work/empty.safetensors"
head -c 1000000 "$segmenter" >"$work/short.safetensors"
sed 's/mask_decoder/mask_decodes/' "$segmenter" >"$work/renamed.safetensors"
for broken in empty short renamed; do
    expect 3 "$broken.safetensors" track "$clip" --point 5,5 --segmenter "$work/$broken.safetensors"
done
expect 3 'renamed.safetensors' "$roto" segment "$work/images/9 b.jpg" --point 5,5 --segmenter "$work/renamed.safetensors"
expect 2 'missing.safetensors' track "$clip" --point 5,5 --segmenter missing.safetensors
expect 6 'quantum' track "$clip" --point 5,5 --device quantum

# Outputs that cannot be.
for output in masks matte; do
    expect 2 "$work/none/out" track "$clip" --point 5,5 "--$output" "$work/none/out"
    expect 2 "$work/one.png/out" track "$clip" --point 5,5 "--$output" "$work/one.png/out"
    expect 2 'is not a folder' track "$clip" --point 5,5 "--$output" "$work/1.txt"
done
refused 'a PNG holds ids up to 65535' --point 5,5:65536 --masks "$work/none"
for name in matte.mov matte.PNG; do
    expect 4 'a matte is an .mp4 video or a folder' track "$clip" --point 5,5 --matte "$work/$name"
done
expect 2 "$work/none/out.mp4" track "$clip" --point 5,5 --matte "$work/none/out.mp4"
limited() (
    ulimit -f 4 # KiB: no mask of this clip is so small
    "$roto" track "$clip" --box $older --masks "$work/limited" --max-frames 3
)
expect 2 'limited/00000.png' limited
[ "$(count "$work/limited")" -eq 0 ] || fail 'a full disk leaves half a mask'

# Many objects: 300 are more than an id in a palette can tell apart.
many=()
for i in $(seq 300); do many+=(--point "$((i * 3)),$((i % 20 * 25)):$i"); done
track "$clip" "${many[@]}" --max-frames 1 --quiet --json "$work/many.jsonl" --masks "$work/many"
is_png "$work/many/00000.png" 16 0 || fail 'ids over 255 are not written with 16 bits'
[ "$(grep -o '"id"' "$work/many.jsonl" | wc -l)" -gt 200 ] || fail 'objects of 300 are missing'

expect 1 'nothing says what to segment' "$roto" segment "$work/images/9 b.jpg"
expect 1 '--everything needs no --point' everything --point 5,5
expect 1 '--crops goes with --everything' "$roto" segment "$work/images/9 b.jpg" --point 5,5 --crops 1
expect 1 'it must be a whole number in 1..128' "$roto" segment "$work/images/9 b.jpg" --everything --points 0
expect 2 "$work/none/e.json" everything --json "$work/none/e.json"
expect 1 'it must be X,Y[:ID]' "$roto" segment "$work/images/9 b.jpg" --point 5,5@1
expect 1 'ids go up to 255 here' "$roto" segment "$work/images/9 b.jpg" --point 5,5:256
expect 1 '--all shows what one object may be' "$roto" segment "$work/images/9 b.jpg" --point 5,5 --point 6,6:2 --all
expect 1 'lies outside' "$roto" segment "$work/images/9 b.jpg" --point 961,5
expect 2 "$work/none/m.png" "$roto" segment "$work/images/9 b.jpg" --point 5,5 --out "$work/none/m.png"
expect 3 '1.jsonl' "$roto" segment "$work/1.jsonl" --point 5,5
