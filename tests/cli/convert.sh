#!/usr/bin/env bash
# roto convert, and what roto info tells about its files.
. "$(dirname "$0")/lib.sh"
segmenter=$source_dir/assets/models/roto_s.safetensors
picture=$source_dir/tests/models/golden/bedroom.jpg
samples=$source_dir/tests/format/golden

expect 0 "wrote $work/f32.safetensors" "$roto" convert "$segmenter" "$work/f32.safetensors" --precision f32
expect 0 'wrote' "$roto" convert "$work/f32.safetensors" "$work/f16.safetensors" --precision f16
expect 0 'wrote' "$roto" convert "$segmenter" "$work/same.safetensors"
cmp "$work/f16.safetensors" "$work/same.safetensors" || fail 'f16 to f32 and back is not the same'
[ "$(stat -c %s "$work/f32.safetensors")" -gt "$(stat -c %s "$work/f16.safetensors")" ] || fail 'f32 is not larger'
for file in f32 f16; do
    prints 'roto-s: mobilenet_v2' "$roto" info "$work/$file.safetensors"
    prints 'memory attention' "$roto" info "$work/$file.safetensors"
    "$roto" segment "$picture" --segmenter "$work/$file.safetensors" --box 60,60,200,160 --out "$work/$file.png" 2>/dev/null || fail "roto segment fails"
done
cmp "$work/f32.png" "$work/f16.png" || fail 'the same weights give other masks'

expect 1 'OUT, a file to write, is missing' "$roto" convert "$segmenter"
expect 1 'it must be one of: f32, f16, bf16' "$roto" convert "$segmenter" "$work/x" --precision int8
expect 2 'nowhere.pt' "$roto" convert "$work/nowhere.pt" "$work/x"
expect 2 'no/such' "$roto" convert "$segmenter" "$work/no/such/x.safetensors"
expect 3 'no "roto.config"' "$roto" convert "$samples/module.pt" "$work/x"
expect 4 'asks for torch.nn.modules.linear.Linear' "$roto" convert "$samples/object.pt" "$work/x"
mkdir "$work/hub" && cp "$work/f16.safetensors" "$work/hub/model.safetensors"
prints 'roto-s: mobilenet_v2' "$roto" info "$work/hub"
expect 4 'before version 1.6' "$roto" info "$samples/legacy.pt"
[ ! -e "$work/x" ] || fail 'a refused conversion has left a file'
