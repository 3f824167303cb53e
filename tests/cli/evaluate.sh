#!/usr/bin/env bash
# roto eval: tables and JSON, on results whose scores are known.
. "$(dirname "$0")/lib.sh"

# Results that are the ground truth score 100 %; with every tenth frame missing, recall is 90 %.
mkdir -p "$work/gt/jump/gt" "$work/same" "$work/less"
awk 'BEGIN {
    for (frame = 1; frame <= 100; frame++)
        for (id = 1; id <= 2; id++)
            printf "%d,%d,%d,50,40,80,1,-1,-1,-1\n", frame, id, 10 + 3 * frame + 400 * id
}' >"$work/gt/jump/gt/gt.txt"
cp "$work/gt/jump/gt/gt.txt" "$work/same/jump.txt"
awk -F, '$1 % 10' "$work/gt/jump/gt/gt.txt" >"$work/less/jump.txt"

prints 'COMBINED' "$roto" eval mot "$work/gt" "$work/same" --json "$work/same.json"
awk '$1 == "jump" && $2 == "100.00" && $5 == "100.00" && $6 == "100.00" { good = 1 } END { exit !good }' "$work/stdout" ||
    fail "perfect results score $(grep jump "$work/stdout")"
grep -q '"sequence":"jump","hota":1,' "$work/same.json" || fail 'the JSON does not say what the table says'
"$roto" eval mot "$work/gt" "$work/less" jump --json - >"$work/less.json"
grep -q '"recall":0.9,' "$work/less.json" || fail "recall is not 0.9: $(cat "$work/less.json")"
grep -q '"fn":20,' "$work/less.json" || fail 'boxes that are missed are miscounted'
expect 2 'other/gt/gt.txt' "$roto" eval mot "$work/gt" "$work/same" other
printf '1,1,a,50,40,80,1\n' >"$work/less/jump.txt"
expect 3 'jump.txt' "$roto" eval mot "$work/gt" "$work/less"

# A detector that is scored against what it found itself has nothing to improve.
mkdir -p "$work/photos/images" "$work/photos/labels"
cp "$source_dir/docs/images/overlay.jpg" "$work/photos/images/bed.jpg"
"$roto" detect "$work/photos/images/bed.jpg" --detect person --min-score 0.25 --quiet --json "$work/bed.jsonl"
tr '{' '\n' <"$work/bed.jsonl" | sed -n 's/.*"class_id":\([0-9]*\).*"box":\[\([^]]*\)\].*/\1,\2/p' |
    awk -F, '{ print $1, ($2 + $4) / 2 / 960, ($3 + $5) / 2 / 540, ($4 - $2) / 960, ($5 - $3) / 540 }' >"$work/photos/labels/bed.txt"
[ "$(lines "$work/photos/labels/bed.txt")" -eq 2 ] || fail 'there are not two people in the picture'
prints 'person' "$roto" eval detect "$work/photos" --min-score 0.25 --json "$work/ap.json"
awk '$1 == "person" && $2 == "100.00" && $3 == "100.00" { good = 1 } END { exit !good }' "$work/stdout" ||
    fail "the detector's own boxes score $(cat "$work/stdout")"
grep -q '"class":"person","class_id":0,"ap":1,' "$work/ap.json" || fail 'the JSON does not say what the table says'

# Frames that do not change, with a rectangle as the true mask: what stays where it is fits it.
mkdir -p "$work/davis/Annotations/photo" "$work/davis/JPEGImages/photo"
base64 -d >"$work/mask.png" <<'PNG'
iVBORw0KGgoAAAANSUhEUgAAA8AAAAIcAQMAAAADk1U4AAAABlBMVEUAAAD/AAAb/40iAAAAsElEQVR42u3PQQ0AIAwEwQYD+HeJA6qA
Tz8EOiPgNhcBAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEA/cx+s8uS49UVYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhY
WFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhY+O8wAAAAAAAAAAAAAAAAAAAAAO9IPdsa
dsqNLAUAAAAASUVORK5CYII=
PNG
for frame in 00000 00001 00002; do
    cp "$source_dir/docs/images/overlay.jpg" "$work/davis/JPEGImages/photo/$frame.jpg"
    cp "$work/mask.png" "$work/davis/Annotations/photo/$frame.png"
done
prints 'MEAN' "$roto" eval davis "$work/davis" --tracker still --prompt box
awk '$1 == "photo" && $2 == "1" && $3 == "1" && $4 == "100.00" { good = 1 } END { exit !good }' "$work/stdout" ||
    fail "a mask that fits scores $(cat "$work/stdout")"
prints 'MEAN' "$roto" eval davis "$work/davis" --prompt mask --sequences photo --masks "$work/masks" \
    --pictures "$work/pictures" --json "$work/davis.json"
grep -q '"sequence":"photo","object":1,"tracker":"segmenter","prompt":"mask",' "$work/davis.json" ||
    fail 'the JSON does not say what was evaluated'
[ -s "$work/pictures/photo-00001.png" ] || fail 'there is no picture of the frame'
"$roto" eval davis "$work/davis" --results "$work/masks" --json - >"$work/again.json"
scores() {
    grep -o '"j":\[.*' "$1"
}
[ "$(scores "$work/davis.json")" = "$(scores "$work/again.json")" ] || fail 'masks score otherwise when they are read back'
expect 2 'there is no such folder' "$roto" eval davis "$work/nowhere"
expect 1 'did you mean "photo"?' "$roto" eval davis "$work/davis" --sequences phot --tracker still
expect 1 'a point has no extent' "$roto" eval davis "$work/davis" --tracker filter --prompt point
expect 1 '--masks goes without it' "$roto" eval davis "$work/davis" --results "$work/masks" --masks "$work/masks"
expect 1 '--prompt goes without it' "$roto" eval davis "$work/davis" --results "$work/masks" --prompt mask
rm "$work/masks/photo/00001.png"
expect 2 'masks/photo/00001.png' "$roto" eval davis "$work/davis" --results "$work/masks"
