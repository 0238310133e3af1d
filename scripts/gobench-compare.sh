#!/usr/bin/env bash
# Compares Go benchmarks of two result files, or of two git revisions.
#
#   scripts/gobench-compare.sh OLD [NEW]
#
# OLD and NEW: each a file with `go test -bench` output, or a git revision,
# whose benchmarks are then run in a work tree of its own. NEW defaults to the
# files as they lie here. BENCH (a pattern), COUNT and BENCHTIME bound the runs.
set -euo pipefail
cd "$(dirname "$0")/.."

if [[ $# -lt 1 || $# -gt 2 ]]; then
  echo "usage: scripts/gobench-compare.sh OLD [NEW], each a result file or a git revision" >&2
  exit 2
fi

scratch=$(mktemp -d)
finish() {
  local tree
  for tree in "$scratch"/tree-*; do
    [[ -d $tree ]] && git worktree remove --force "$tree"
  done
  rm -rf "$scratch"
}
trap finish EXIT

# measure DIRECTORY RESULT
measure() {
  (cd "$1" && go test -run '^$' -bench "${BENCH:-.}" -benchmem -count "${COUNT:-6}" \
    -benchtime "${BENCHTIME:-200ms}" $(go list ./... | grep -v /systemtest)) >"$2"
}

# result NAME SIDE: prints the path of the result file for OLD or NEW.
result() {
  local name=$1 side=$2
  if [[ -f $name ]]; then
    echo "$name"
    return
  fi
  if [[ $name == . ]]; then
    echo "gobench-compare: measuring the files as they lie here" >&2
    measure . "$scratch/$side.txt"
  else
    git rev-parse --verify --quiet "$name^{commit}" >/dev/null || {
      echo "gobench-compare: \"$name\" is neither a file nor a git revision" >&2
      return 1
    }
    echo "gobench-compare: measuring $name" >&2
    git worktree add --quiet --detach "$scratch/tree-$side" "$name"
    measure "$scratch/tree-$side" "$scratch/$side.txt"
  fi
  echo "$scratch/$side.txt"
}

old=$(result "$1" old)
new=$(result "${2:-.}" new)
go run golang.org/x/perf/cmd/benchstat@latest "$old" "$new"
