#!/usr/bin/env bash
# Help, versions, and what is said about wrong arguments.
. "$(dirname "$0")/lib.sh"

prints 'roto track' "$roto" --help
prints 'Exit codes:' "$roto" help
prints 'roto 0.' "$roto" --version
for command in track detect segment convert info bench 'eval mot' 'eval detect' 'eval davis'; do
    # shellcheck disable=SC2086 # a command is one or two words
    prints "Usage: roto $command" "$roto" $command --help
    # shellcheck disable=SC2086
    prints 'Examples:' "$roto" help $command
    if grep -E '^.{81}' "$work/stdout"; then fail "these lines of $command --help are longer than 80 columns"; fi
done

expect 1 'a command is missing' "$roto"
expect 1 'did you mean "track"?' "$roto" trak
expect 1 'did you mean "detect"?' "$roto" help detct
expect 1 'roto eval mot' "$roto" eval
prints 'roto eval mot' "$roto" eval --help
expect 1 'INPUT, a video, a folder of images or -, is missing' "$roto" track
expect 1 'did you mean "--overlay"?' "$roto" track "$clip" --ovrlay out.mp4
expect 1 'unknown option "-x"' "$roto" track "$clip" -x
expect 1 '--overlay needs a value' "$roto" track "$clip" --overlay
expect 1 '--overlay needs a value' "$roto" track "$clip" --overlay --quiet
expect 1 '--quiet takes no value' "$roto" track "$clip" --quiet=yes
expect 1 '--mot is given twice' "$roto" track "$clip" --mot a --mot b
expect 1 '"two" is one argument too many' "$roto" track one two
for number in 0 257 1x x 1.5 '' ' 1' 0x1 99999999999999999999; do
    expect 1 "--threads is \"$number\"; it must be a whole number in 1..256" "$roto" track "$clip" --threads "$number"
done
for number in nan inf -0.1 1.01 0x1p-2 '' 0.5f; do
    expect 1 "--min-score is \"$number\"; it must be a number in 0..1" "$roto" track "$clip" --min-score "$number"
done
expect 1 'it must be one of: fp32, bf16' "$roto" track "$clip" --precision fp64
expect 1 'has an empty name in it' "$roto" track "$clip" --detect person,,car
expect 1 'did you mean "person"?' "$roto" track "$clip" --detect persn
expect 1 'did you mean "person"?' "$roto" detect "$clip" --detect persn
expect 1 'knows no class "unicorn"' "$roto" track "$clip" --detect unicorn
expect 1 'are the same' "$roto" track "$clip" --overlay "$clip"
expect 1 'are the same' "$roto" track "$clip" --json "$work/x" --mot "$work/x"
expect 1 'it must be like 1280x720' "$roto" bench --size 12
expect 6 'quantum' "$roto" track "$clip" --device quantum
[ ! -e "$work/x" ] || fail 'a refused run has left a file'

prints 'device     cpu:' "$roto" info
prints 'yolox_nano.onnx' "$roto" info
prints '960x540, h264' "$roto" info "$clip"
prints 'traffic light' "$roto" info "$model" --classes
prints 'roto-s: mobilenet_v2' "$roto" info roto_s.safetensors
full() { "$roto" info >/dev/full; }
expect 2 'cannot write "standard output"' full
