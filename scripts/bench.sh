#!/usr/bin/env bash
# Runs a short form of every measurement of the bench, one after the other, and
# gathers what they print in bench/results/bench.md, their figures as JSON beside it.
#
#   scripts/bench.sh [long]     long: hours, with the numbers of runs that figures
#                               worth keeping need
#
# Uses ports 8100 to 8130 on 127.0.0.1. Exit status 1 if any measurement failed; the
# others are made all the same.
set -uo pipefail
cd "$(dirname "$0")/.."

runs=1 duration=4s check=10s held=100000 times=1
soak=(--duration 1m --window 10s --calibration 5s --held 100000)
if [[ ${1:-} == long ]]; then
  runs=5 duration=10s check=2m held=1000000 times=20
  soak=()
fi

results=bench/results
report=$results/bench.md
mkdir -p "$results"
. scripts/cluster.sh

set -e
go build -o "$scratch/headcount" .
go build -o "$scratch/bench" ./bench
set +e

{
  echo "# Bench"
  echo
  echo "$(date -u +%Y-%m-%d), commit $(git describe --always --dirty 2>/dev/null || echo unknown), $(nproc) processors" \
    "($(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo 2>/dev/null | head -1)), $(uname -sr), $(go version | cut -d' ' -f3)."
} >"$report"

failed=0 dsn=
# measure NAME COMMAND [FLAG...]
measure() {
  local name=$1
  shift
  echo "bench: $name"
  # Without the password, and without a directory that is gone.
  local shown=${*//"$scratch/"/}
  [[ -z $dsn ]] || shown=${shown//"$dsn"/'postgres://…'}
  printf '\n## %s\n\n```\nbench %s\n\n' "$name" "$shown" >>"$report"
  if ! "$scratch/bench" "$@" --json "$results/$name.json" >>"$report"; then
    echo "bench: $name failed" >&2
    failed=1
  fi
  printf '```\n' >>"$report"
}

start_cluster
# Without PostgreSQL's programs the cluster copies nowhere, and its rows are not looked at.
dsn=$(sed -n 's/^postgres \(postgres:.*\)/\1/p' "$scratch/dev.log")
for connections in 64 256 1024; do
  measure "load-$connections" load --url "$urls" --connections "$connections" --runs "$runs" --duration "$duration"
done
measure load-bulk load --url "$urls" --connections 64 --bulk 1000 --runs "$runs" --duration "$duration"
measure counts load --url "$urls" --connections 64 --counts --runs "$runs" --duration "$duration"
measure check check --url "$urls" --dsn "$dsn" --duration "$check"
stop_cluster

# These start what they measure.
own=(--headcount "$scratch/headcount" --port 8100)
measure failover failover --times "$times" "${own[@]}"
measure compare compare --held "$held" --runs "$runs" --duration "$duration" "${own[@]}"
measure soak soak ${soak[@]+"${soak[@]}"} "${own[@]}"

echo "bench: $report"
exit "$failed"
