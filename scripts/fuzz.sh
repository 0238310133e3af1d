#!/usr/bin/env bash
# Runs every fuzz target of the module, one after the other.
#
#   scripts/fuzz.sh [TIME]      TIME per target, Go syntax; 30s by default
set -euo pipefail
cd "$(dirname "$0")/.."

time_each=${1:-30s}
targets=0
for package in $(go list ./...); do
  for target in $(go test -list '^Fuzz' "$package" | grep '^Fuzz' || true); do
    echo "fuzz: $package $target for $time_each"
    go test -run '^$' -fuzz "^$target\$" -fuzztime "$time_each" "$package"
    targets=$((targets + 1))
  done
done
if [[ $targets -eq 0 ]]; then
  echo "fuzz: no fuzz target found" >&2
  exit 1
fi
echo "fuzz: $targets targets, no failure"
