#!/bin/sh
# The pinned versions into .venv, once: a second call compares a stamp and ends.
set -eu
cd "$(dirname "$0")/.."

say() { printf 'centinela: %s\n' "$*" >&2; }
stop() { say "$*"; exit 2; }

wanted=$(cat requirements.lock scripts/install.sh | cksum)
stamp=.venv/centinela.stamp
# A virtual environment does not survive being moved; its own Python says whether it was.
if [ "$(cat "$stamp" 2>/dev/null || true)" = "$wanted in $PWD" ] && .venv/bin/python -c '' 2>/dev/null
then exit 0
fi

python=${PYTHON:-python3}
command -v "$python" >/dev/null || stop "no $python on PATH: install Python 3.11 or newer"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  stop "$("$python" --version) is too old: Python 3.11 or newer is needed (choose one with PYTHON=...)"
"$python" -c 'import ensurepip, venv' 2>/dev/null ||
  stop "$("$python" --version) has no venv module: install it (on Debian: apt-get install python3-venv)"
free_kb=$(df -Pk . | awk 'NR == 2 { print $4 }')
[ "$free_kb" -gt 1500000 ] || stop "$((free_kb / 1024)) MB are free in $PWD, 1500 MB are needed"

began=$(date +%s)
log=.centinela/logs/install.log
mkdir -p .centinela/logs
say "installing the pinned versions into .venv (once, about a minute)"
logged() { "$@" >>"$log" 2>&1; }
: >"$log"
.venv/bin/python -c '' 2>/dev/null || rm -rf .venv
logged "$python" -m venv .venv || stop ".venv cannot be made: $(tail -1 "$log")"
# uv is fast; where it cannot reach the packages, pip has the user's own settings.
export VIRTUAL_ENV="$PWD/.venv" UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-true}"
{ logged .venv/bin/python -m pip install -q uv==0.13.8 &&
  logged .venv/bin/uv pip sync -q --compile-bytecode --require-hashes requirements.lock; } ||
  logged .venv/bin/python -m pip install -q --require-hashes -r requirements.lock ||
  stop "the packages cannot be installed: $(tail -1 "$log") (see $log)"

packages=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
printf '%s\n' "$PWD" >"$packages/centinela.pth"
# -P: a folder `models` where the user stands must not hide ours.
printf '#!/bin/sh\nexec "%s/.venv/bin/python" -P -m scripts.cli "$@"\n' "$PWD" >.venv/bin/centinela
chmod +x .venv/bin/centinela
printf '%s' "$wanted in $PWD" >"$stamp"
say "installed in $(($(date +%s) - began)) s"
