#!/usr/bin/env bash
# Resolves pyproject.toml into requirements/*.txt: every version pinned, every file hashed, no host named.
# --check resolves with the present locks as preferences and fails when a lock would change.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
uv=${TIERWISE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tierwise}/uv/bin/uv

resolve() { # resolve OUTPUT ARGUMENTS...: keeps the versions already in OUTPUT where they still satisfy
  "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
    --no-emit-index-url --no-emit-find-links "${@:2}" -o "$1"
}
resolve_all() { # resolve_all FOLDER
  resolve "$1/dev.txt" pyproject.toml --all-extras --group dev
  resolve "$1/operator.txt" pyproject.toml --extra operator --constraint requirements/dev.txt
  # One image holds the router and the ledger.
  resolve "$1/router.txt" pyproject.toml --extra router --extra ledger --extra tracing --constraint requirements/dev.txt
  build_requirements | resolve "$1/build.txt" -
  resolve "$1/clients.txt" requirements/clients.in
  resolve "$1/bench-peers.txt" requirements/bench-peers.in
  resolve "$1/trainers.txt" requirements/trainers.in --no-deps --constraint hack/engine/requirements.txt
}
build_requirements() { # what builds the wheel, as pyproject.toml names it
  .venv/bin/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")'
}

if [ "${1:-}" != --check ]; then
  resolve_all requirements
  exit
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cp requirements/*.txt "$scratch"
resolve_all "$scratch"
for lock in requirements/*.txt; do
  if ! diff -q "$lock" "$scratch/$(basename "$lock")" >/dev/null; then
    echo "$lock does not match pyproject.toml. Fix: make lock, and commit it" >&2
    exit 1
  fi
done
