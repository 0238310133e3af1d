#!/usr/bin/env bash
# Renews default.pgo: what the nodes of a cluster spend their time with under every kind
# of load, and the state machine under its benchmarks. Go compiles headcount and fsmbench
# with it. Two minutes; uses ports 8100 to 8130 on 127.0.0.1.
#
#   scripts/profile.sh
set -euo pipefail
cd "$(dirname "$0")/.."

scratch_in=/tmp # a profile names the program's path
. scripts/cluster.sh

# Without the paths of the module and of Go, and without what the last profile has changed.
go build -trimpath -pgo=off -o "$scratch/headcount" .
go build -o "$scratch/bench" ./bench
go test -trimpath -c -o "$scratch/fsm.test" ./fsm

mkdir "$scratch/profiles"
export HEADCOUNT_CPU_PROFILE=$scratch/profiles
start_cluster
load() {
  echo "profile: load $*"
  "$scratch/bench" load --no-baseline --url "$urls" "$@" | grep ' cluster  '
}
load --connections 64 --duration 8s
load --connections 256 --duration 12s
load --connections 1024 --duration 6s
load --connections 256 --duration 8s --rate 10000
load --connections 16 --duration 6s --bulk 1000
load --connections 64 --duration 3s --counts
if ! stop_cluster; then
  echo "profile: the cluster did not end well:" >&2
  cat "$scratch/dev.log" >&2
  exit 1
fi
if grep -q '^postgres none' "$scratch/dev.log"; then
  echo "profile: without PostgreSQL's programs the profile would lack the copy to it" >&2
  exit 1
fi

for kind in Create Renew; do
  (cd fsm && "$scratch/fsm.test" -test.run '^$' -test.bench "Apply$kind" -test.benchtime 4s \
    -test.cpuprofile "$scratch/profiles/$kind.pprof")
done
for part in n1 n2 n3 Create Renew; do
  if [[ ! -s $scratch/profiles/$part.pprof ]]; then # pprof would merge the others
    echo "profile: that of $part is missing" >&2
    exit 1
  fi
done
go tool pprof -proto "$scratch"/profiles/*.pprof >"$scratch/merged.pprof"
mv "$scratch/merged.pprof" default.pgo
ls -l default.pgo
