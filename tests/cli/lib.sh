# Sourced by the tests of the command line: `roto` is the program under test, $work a folder that is
# removed at the end, $clip the sample clip.
#   TEST.sh ROTO SOURCE_DIR [HELPER...]
set -euo pipefail
roto=$1
source_dir=$2
shift 2
clip=$source_dir/assets/clips/bedroom.mp4
model=$source_dir/assets/models/yolox_nano.onnx
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset ROTO_MODEL_DIR

fail() {
    echo "FAILED: $*"
    exit 1
}

# expect CODE WORDS COMMAND...: the command exits with CODE and says WORDS on standard error. A
# crash or a sanitizer's report has another code.
expect() {
    local wanted=$1 words=$2 code=0
    shift 2
    "$@" >"$work/stdout" 2>"$work/stderr" || code=$?
    [ "$code" -eq "$wanted" ] || fail "$* exits with $code, not $wanted: $(tail -5 "$work/stderr")"
    grep -qF -- "$words" "$work/stderr" || fail "$* does not say \"$words\": $(tail -5 "$work/stderr")"
}

# prints WORDS COMMAND...: the command succeeds and prints WORDS on standard output.
prints() {
    local words=$1
    shift
    "$@" >"$work/stdout" || fail "$* fails"
    grep -qF -- "$words" "$work/stdout" || fail "$* does not print \"$words\""
}

lines() {
    wc -l <"$1" | tr -d ' '
}

# frames_in VIDEO: how many there are, counted by reading them all.
frames_in() {
    "$roto" track "$1" --detect person --quiet --json - | wc -l | tr -d ' '
}
