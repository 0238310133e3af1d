#!/usr/bin/env bash
# Renews default.pgo: what the nodes of a cluster spend their time with under every kind
# of load, and the state machine under its benchmarks. Go compiles headcount and fsmbench
# with it. A minute and a half; uses ports 8100 to 8130 on 127.0.0.1.
#
#   scripts/profile.sh
set -euo pipefail
cd "$(dirname "$0")/.."

scratch=$(mktemp -d)
dev=
finish() {
  [[ -z $dev ]] || { kill -TERM "$dev" && wait "$dev"; } 2>/dev/null
  rm -rf "$scratch"
}
trap finish EXIT
trap 'exit 130' INT TERM

# Without the paths of this machine, and without what the last profile has changed.
go build -trimpath -pgo=off -o "$scratch/headcount" .
go build -o "$scratch/bench" ./bench
go test -trimpath -c -o "$scratch/fsm.test" ./fsm

mkdir "$scratch/profiles"
HEADCOUNT_CPU_PROFILE=$scratch/profiles "$scratch/headcount" dev --port 8100 --data "$scratch/data" >"$scratch/dev.log" 2>&1 &
dev=$!
for _ in $(seq 600); do
  grep -q '^ready ' "$scratch/dev.log" && break
  kill -0 "$dev" 2>/dev/null || break
  sleep 0.1
done
if ! grep -q '^ready ' "$scratch/dev.log"; then
  echo "profile: the cluster did not start:" >&2
  cat "$scratch/dev.log" >&2
  exit 1
fi
load() {
  echo "profile: load $*"
  "$scratch/bench" load --no-baseline \
    --url http://127.0.0.1:8100,http://127.0.0.1:8101,http://127.0.0.1:8102 "$@" | grep ' cluster  '
}
load --connections 64 --duration 8s
load --connections 256 --duration 12s
load --connections 1024 --duration 6s
load --connections 256 --duration 8s --rate 10000
load --connections 16 --duration 6s --bulk 1000
load --connections 64 --duration 3s --counts
kill -TERM "$dev"
wait "$dev"
dev=

for kind in Create Renew; do
  (cd fsm && "$scratch/fsm.test" -test.run '^$' -test.bench "Apply$kind" -test.benchtime 4s \
    -test.cpuprofile "$scratch/profiles/$kind.pprof")
done
go tool pprof -proto "$scratch"/profiles/*.pprof >"$scratch/merged.pprof" 2>/dev/null
mv "$scratch/merged.pprof" default.pgo
ls -l default.pgo
