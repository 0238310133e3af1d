#!/usr/bin/env bash
# Installs what the Go toolchain cannot bring itself, where it is missing.
#
#   scripts/deps.sh [postgresql] [compiler] [redis] [etcd] [pgbouncer]
#
#   postgresql  PostgreSQL's server programs: for `headcount dev` and the tests
#   compiler    a C compiler: for the race detector
#   redis       redis-server: to measure beside it
#   etcd        etcd: to measure the cluster beside it
#   pgbouncer   PgBouncer: to test the copy through a pooler
#
# Without arguments: postgresql. Touches nothing that is already there. Needs
# apt-get, and root or sudo; ends with status 1 and a word on what to install
# by hand where it has neither.
set -euo pipefail

# The server programs of Debian's packages are not in PATH: look there too.
postgresql_present() {
  command -v initdb >/dev/null && command -v postgres >/dev/null && return
  local initdb
  for initdb in /usr/lib/postgresql/*/bin/initdb; do
    [[ -x "$initdb" && -x "${initdb%/initdb}/postgres" ]] && return
  done
  return 1
}

compiler_present() {
  command -v gcc >/dev/null || command -v clang >/dev/null
}

give_up() {
  echo "deps: $1" >&2
  exit 1
}

# as_root COMMAND...: sudo asks for a password only where somebody can type it.
as_root() {
  if [[ $(id -u) -eq 0 ]]; then
    "$@"
  elif ! command -v sudo >/dev/null; then
    return 1
  elif [[ -t 0 ]]; then
    sudo "$@"
  else
    sudo -n "$@"
  fi
}

updated=no
# apt_install WHAT PACKAGE...
apt_install() {
  local what=$1
  shift
  command -v apt-get >/dev/null ||
    give_up "$what is missing, and there is no apt-get here: install it with this system's package tool"
  as_root true 2>/dev/null ||
    give_up "$what is missing, and installing it needs root: run  sudo apt-get install $*"
  echo "deps: installing $what ($*)"
  if [[ $updated == no ]]; then
    as_root apt-get update -qq || echo "deps: apt-get update failed; going on with the package lists that are here" >&2
    updated=yes
  fi
  local said
  said=$(as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" 2>&1) || {
    printf '%s\n' "$said" >&2
    give_up "apt-get could not install $*; its words are above"
  }
}

install_postgresql() {
  postgresql_present && return
  # Debian's package would create a cluster on port 5432 and start it at every
  # boot. Only the programs are wanted here, so it is told not to.
  local settings=/etc/postgresql-common/createcluster.conf
  if [[ ! -e $settings ]]; then
    apt_install "PostgreSQL's common files" postgresql-common
    if [[ -e $settings ]]; then
      as_root sed -i -E 's/^#?\s*create_main_cluster\s*=.*/create_main_cluster = false/' "$settings"
    fi
  fi
  apt_install "PostgreSQL's server" postgresql
  postgresql_present || give_up "PostgreSQL's server programs are still not found in PATH or /usr/lib/postgresql/*/bin"
}

install_compiler() {
  compiler_present && return
  apt_install "a C compiler" gcc libc6-dev
}

# Debian's package would start a server, now and at every boot. Only the program
# is wanted: policy-rc.d tells the package not to start it, as Debian's policy has
# it, and is taken away again.
# install_program WHAT PROGRAM PACKAGE, whose service has the program's name
install_program() {
  command -v "$2" >/dev/null || [[ -x /usr/sbin/$2 ]] && return
  local policy=/usr/sbin/policy-rc.d ours=no
  if as_root true 2>/dev/null && [[ -d ${policy%/*} && ! -e $policy ]]; then
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
    ours=yes
  fi
  # In a subshell, so that giving up leaves no policy behind.
  local status=0
  (apt_install "$1" "$3") || status=$?
  [[ $ours == no ]] || as_root rm -f "$policy"
  [[ $status -eq 0 ]] || exit "$status"
  if command -v update-rc.d >/dev/null; then
    as_root update-rc.d "$2" disable >/dev/null 2>&1 || true # nothing to disable
  fi
}

[[ $# -gt 0 ]] || set -- postgresql
for wanted in "$@"; do
  case $wanted in
    postgresql) install_postgresql ;;
    compiler) install_compiler ;;
    redis) install_program Redis redis-server redis-server ;;
    etcd) install_program etcd etcd etcd-server ;;
    pgbouncer) install_program PgBouncer pgbouncer pgbouncer ;;
    *) give_up "unknown dependency \"$wanted\": use postgresql, compiler, redis, etcd or pgbouncer" ;;
  esac
done
