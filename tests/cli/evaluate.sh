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
