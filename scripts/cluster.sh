# Sourced by the scripts that measure a cluster of their own. It has a directory, $scratch,
# in $scratch_in or here, until the script ends, and so long at most the cluster runs. Uses
# ports 8100 to 8130 on 127.0.0.1.

scratch=${scratch_in:-$PWD}/bench-cluster-$$
mkdir -m 700 "$scratch" || exit
urls=http://127.0.0.1:8100,http://127.0.0.1:8101,http://127.0.0.1:8102
dev=
finish() {
  stop_cluster 2>/dev/null || true
  rm -rf "$scratch"
}
trap finish EXIT
trap 'exit 130' INT TERM

# start_cluster runs $scratch/headcount dev until all nodes are ready, with a PostgreSQL of
# its own, if there is one, whatever the environment says.
start_cluster() {
  env -u HEADCOUNT_POSTGRES_URL "$scratch/headcount" dev --port 8100 --data "$scratch/data" >"$scratch/dev.log" 2>&1 &
  dev=$!
  for _ in $(seq 600); do
    grep -q '^ready ' "$scratch/dev.log" && return
    kill -0 "$dev" 2>/dev/null || break
    sleep 0.1
  done
  echo "$0: the cluster did not start:" >&2
  cat "$scratch/dev.log" >&2
  exit 1
}

# stop_cluster returns what the cluster does.
stop_cluster() {
  [[ -n $dev ]] || return 0
  local stopping=$dev
  dev=
  kill -TERM "$stopping" && wait "$stopping"
}
