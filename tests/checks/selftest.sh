#!/usr/bin/env bash
# A check that finds nothing is worth nothing: each of them is given a violation and has to name it.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# expect WORDS COMMAND...: the command fails and prints the words.
expect() {
    local words=$1 output
    shift
    if output=$("$@" 2>&1); then
        echo "not caught: $words"
        exit 1
    fi
    grep -qF -- "$words" <<<"$output" || { printf 'wanted: %s\ngot: %s\n' "$words" "$output"; exit 1; }
}

# tree FILE LINE...: a fresh tree with that one file.
tree() {
    local file=$work/tree/$1
    shift
    rm -rf "$work/tree"
    mkdir -p "$(dirname "$file")"
    printf '%s\n' "$@" >"$file"
}

tree src/base/a.c '#include "base/a.h"' '#include "graph/graph.h"'
expect 'src/base/a.c:2: layer base must not use the later layer graph' "$root/script/check-layers" "$work/tree"
tree src/backend/cpu/a.c '#include "backend/reference/b.h"'
expect 'src/backend/cpu/a.c:1: backend cpu must not use backend reference' "$root/script/check-layers" "$work/tree"
tree src/video/a.h '#include "../pipeline/run.h"'
expect 'src/video/a.h:1: include "../pipeline/run.h" climbs' "$root/script/check-layers" "$work/tree"
tree tools/roto/main.c '#include "base/queue.h"'
expect 'tools/roto/main.c:1: tools use the public API alone' "$root/script/check-layers" "$work/tree"
tree src/misc/a.c ''
expect 'src/misc/a.c:1: folder src/misc is not one of the layers' "$root/script/check-layers" "$work/tree"
tree src/pipeline/a.c '#include "base/queue.h"' '#include "local.h"' '#include <roto/run.h>'
"$root/script/check-layers" "$work/tree"

tree docs/a.md '# A title: with `code`' '[here](#a-title-with-code)' '' '[gone](b.md)'
expect 'docs/a.md:4: link to "b.md": no such file' "$root/script/check-links" "$work/tree"
tree docs/a.md '# Title' '[x](https://example.org/none) [y](a.md#nowhere)'
expect 'docs/a.md:2: link to "a.md#nowhere": no such heading' "$root/script/check-links" "$work/tree"
tree docs/a.md '# Title' '[x](#title)' '```' '[no link](in-code.md)' '```'
"$root/script/check-links" "$work/tree"

if command -v clang-format >/dev/null; then
    tree a.c 'int  main(void){return 0;}'
    cp "$root/.clang-format" "$work/tree"
    expect 'code should be clang-formatted' "$root/script/check-format" "$work/tree/a.c"
    "$root/script/check-format" --fix "$work/tree/a.c"
    "$root/script/check-format" "$work/tree/a.c"
fi
