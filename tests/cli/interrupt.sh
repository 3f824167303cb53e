#!/usr/bin/env bash
# Ctrl-C: once leaves valid files and exit code 130, also while input is awaited; twice ends at once.
. "$(dirname "$0")/lib.sh"

# wait_for_lines FILE N PID: until the running program has written that many.
wait_for_lines() {
    for _ in $(seq 600); do
        [ ! -e "$1" ] || [ "$(lines "$1")" -lt "$2" ] || return 0
        kill -0 "$3" 2>/dev/null || fail "the program ended early: $(cat "$work/log")"
        sleep 0.1
    done
    fail "no $2 lines in $1"
}

# A job in the background ignores SIGINT when job control is off, so it is on here.
set -m

"$roto" track "$clip" --detect person --overlay "$work/a.mp4" --json "$work/a.jsonl" --mot "$work/a.txt" 2>"$work/log" &
pid=$!
wait_for_lines "$work/a.jsonl" 20 $pid
kill -INT $pid
code=0
wait $pid || code=$?
[ $code -eq 130 ] || fail "an interrupted run exits with $code: $(cat "$work/log")"
n=$(lines "$work/a.jsonl")
[ "$n" -ge 20 ] && [ "$n" -lt 200 ] || fail "an interrupted run has $n lines"
[ "$(frames_in "$work/a.mp4")" -eq "$n" ] || fail 'overlay and JSON of an interrupted run differ in frames'
tail -c 1 "$work/a.jsonl" | od -c | grep -q '\\n' || fail 'the last line is cut'
grep -q 'frames in' "$work/log" || fail 'an interrupted run has no summary'

# The same with masks: every file that is there is a whole one.
"$roto" track "$clip" --box 262,43,459,449 --overlay "$work/c.mp4" --json "$work/c.jsonl" --masks "$work/c" \
    --matte "$work/c-matte.mp4" 2>"$work/log" &
pid=$!
wait_for_lines "$work/c.jsonl" 3 $pid
kill -INT $pid
code=0
wait $pid || code=$?
[ $code -eq 130 ] || fail "an interrupted run with masks exits with $code: $(cat "$work/log")"
n=$(lines "$work/c.jsonl")
[ "$n" -ge 3 ] && [ "$n" -lt 200 ] || fail "an interrupted run with masks has $n lines"
[ "$(find "$work/c" -name '*.png' | wc -l)" -eq "$n" ] || fail 'masks and JSON of an interrupted run differ in frames'
[ "$(find "$work/c" -type f | wc -l)" -eq "$n" ] || fail 'an interrupted run has left other files among the masks'
for video in c c-matte; do
    [ "$(frames_in "$work/$video.mp4")" -eq "$n" ] || fail "$video.mp4 of an interrupted run has not $n frames"
done

# Input that stalls: the program still ends.
mkfifo "$work/pipe"
(exec 3>"$work/pipe"; cat "$clip" >&3; exec sleep 60) &
feeder=$!
"$roto" track - --detect person --json "$work/b.jsonl" <"$work/pipe" 2>"$work/log" &
pid=$!
wait_for_lines "$work/b.jsonl" 150 $pid
sleep 1
kill -INT $pid
code=0
wait $pid || code=$?
kill -- -$feeder 2>/dev/null || true
[ $code -eq 130 ] || fail "a run that waits for input exits with $code: $(cat "$work/log")"

# A second one does not wait for anything.
mkfifo "$work/output"
"$roto" track "$clip" --detect person --overlay "$work/output" 2>"$work/log" &
pid=$!
exec 4<"$work/output" # opened, never read: the writer gets stuck once the pipe is full
sleep 2
kill -INT $pid 2>/dev/null || true
sleep 0.5
kill -INT $pid 2>/dev/null || true
code=0
wait $pid || code=$?
[ $code -eq 130 ] || fail "after two signals the exit code is $code"
