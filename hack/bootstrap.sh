#!/usr/bin/env bash
# Makes .venv with everything the project needs, from the hash-locked requirements.
# Runs again only when the lock, pyproject.toml or the Python changed; safe to repeat.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

UV_VERSION=0.13.9
cache=${TIERWISE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tierwise}
uv=$cache/uv/bin/uv
venv=.venv
say() { printf -- '-> %s\n' "$*"; }
die() { printf 'tierwise: %s\n' "$*" >&2; exit 1; }

candidates=("$venv/bin/python" python3.11 python3.12 python3.13 python3)
[ -z "${PYTHON:-}" ] || candidates=("$PYTHON")
python=
for candidate in "${candidates[@]}"; do
  if command -v "$candidate" >/dev/null &&
    "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null; then
    python=$(command -v "$candidate") && break
  fi
done
[ -n "$python" ] || [ -z "${PYTHON:-}" ] || die "PYTHON=$PYTHON is no Python 3.11, 3.12 or 3.13. Fix: PYTHON=/path/to/python3.11, or leave it out"
[ -n "$python" ] || die "no Python 3.11, 3.12 or 3.13 on PATH. Fix: apt-get install python3 python3-venv, or set PYTHON=/path/to/python3.11"

if [ "$("$uv" --version 2>/dev/null | cut -d' ' -f2)" != "$UV_VERSION" ]; then
  say "uv $UV_VERSION (into $cache/uv)"
  rm -rf "$cache/uv"
  if ! "$python" -m venv "$cache/uv" 2>/dev/null; then
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null ||
      die "$python cannot make a virtual environment. Fix: apt-get install python3-venv"
    say "python3-venv by apt"
    apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null
    "$python" -m venv "$cache/uv"
  fi
  "$cache/uv/bin/pip" install --quiet --disable-pip-version-check "uv==$UV_VERSION"
fi

about() { "$1" -c 'import sys; print(sys.version, sys.base_prefix)' 2>/dev/null || true; }
key=$({ about "$python"; cat requirements/dev.txt pyproject.toml; } | sha256sum | cut -c1-16)
if [ "$(cat "$venv/.tierwise-key" 2>/dev/null)" = "$key" ]; then exit 0; fi

began=$SECONDS
say "$venv from requirements/dev.txt"
[ "$(about "$venv/bin/python")" = "$(about "$python")" ] || "$uv" venv --quiet --clear --python "$python" "$venv"
"$uv" pip sync --python "$venv/bin/python" --require-hashes requirements/dev.txt
"$uv" pip install --quiet --python "$venv/bin/python" --no-deps --editable .
echo "$key" >"$venv/.tierwise-key"
say "$venv is ready after $((SECONDS - began)) s"
