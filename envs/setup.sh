#!/usr/bin/env bash
# Sets up .venv as requirements.lock says: `envs/setup.sh` what runs, `envs/setup.sh dev` also what only tests and
# benchmarks need, `envs/setup.sh docs` also what builds the documentation (requirements-docs.lock). Where .venv is whole
# and up to date it does nothing and says nothing. Where nvidia-smi is found, and with CUDA=1 (an image that is built on
# a machine without a GPU), TensorFlow is the build for a GPU.
#
# .venv/.complete has one line for each part that is whole: `packages`, with the lock's digest and where .venv
# stands, since it can't be moved; `cuda`; `dev`; `docs`, with its lock's digest; `project`, with pyproject.toml's digest.
# Without the first, .venv is what a stopped or an older set-up left, and is made anew.
set -euo pipefail
cd "$(dirname "$0")/.."
exec 9<envs/setup.sh
flock 9 # one at a time

LOCK=requirements.lock
DOCS_LOCK=requirements-docs.lock
LOG=.venv/setup.log
WHOLE=.venv/.complete
SILENCE_S=60
BUILDS='^(numpy|setuptools|wheel)=='  # with which source archives are built: no other versions, no other index look-ups
DEV='^# Only for tests'

export PIP_NO_INPUT=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_PROGRESS_BAR=off

sum() { cat "$@" | sha256sum | cut -d' ' -f1; }
has() { [ -e $WHOLE ] && grep -qxF "$1" $WHOLE; }
run_part() { sed "/$DEV/,\$d" $LOCK; }
dev_part() { sed "1,/$DEV/d" $LOCK; }
stop() { echo "set-up: $1" >&2; exit 1; }

# pip, by the lock alone. All it says goes to the log; here: each 25th package, large files, when it unpacks, and how far
# it is where it says nothing for a while, as it does while it unpacks.
pip() {
    local count=0 doing=downloading line
    .venv/bin/python -m pip "$@" 2>&1 | while true; do
        IFS= read -r -t $SILENCE_S line || {
            [ $? -gt 128 ] || break # pip has ended
            echo "      still $doing, .venv has $(du -sh .venv 2>/dev/null | cut -f1)"
            continue
        }
        echo "$line" >>$LOG
        if [[ $line == Collecting* ]]; then
            count=$((count + 1))
            [ $((count % 25)) != 0 ] || echo "      $count packages"
        elif [[ $line =~ Downloading\ ([^ ]+)\ \(([0-9]{2,}\.[0-9]\ MB)\) ]]; then
            echo "      ${BASH_REMATCH[1]%%-*}: ${BASH_REMATCH[2]}"
        elif [[ $line == "Installing collected packages"* ]]; then
            doing=unpacking
            echo "      unpacking"
        fi
    done
}
from_lock() { pip install --require-hashes --no-deps --no-build-isolation --use-pep517 -r "$@"; }

interpreter() {
    local name tried=("${PYTHON:-python3.11}")
    [ -n "${PYTHON:-}" ] || tried+=(python3)
    for name in "${tried[@]}"; do
        if "$name" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    stop "no Python 3.11 with venv found (tried: ${tried[*]}). Install it (Debian, Ubuntu: python3.11 and python3.11-venv), or name it: make PYTHON=/path/to/python3.11"
}

step_environment() { "$python" -m venv .venv >>$LOG 2>&1 && from_lock <(grep -E "$BUILDS" $LOCK); }
step_packages() { from_lock <(run_part | grep -Ev "$BUILDS|^torch=="); }
# Its version is pinned, its file is not: PyPI's is built for CUDA, and a machine's pip may be set up to take another
# build. What a build asks for besides, NVIDIA's libraries, it names with their versions; the rest is there already.
step_torch() { pip install "$(grep -oE '^torch==[^ ]+' $LOCK)"; }
# Without a GPU, tensorflow-cpu is the same at a fifth of the size.
step_cuda() {
    local version
    version=$(sed -nE 's/^tensorflow-cpu==([^ ]+).*/\1/p' $LOCK)
    pip uninstall --yes tensorflow-cpu && pip install "tensorflow[and-cuda]==$version"
}
# Over what a stopped step may have left half-made.
step_dev() { from_lock <(dev_part) --ignore-installed; }
step_docs() { from_lock $DOCS_LOCK; }
step_project() { pip install --no-deps --no-build-isolation --editable .; }

declare -A TITLE=(
    [environment]="Python environment .venv"
    [packages]="$(run_part | grep -c ==) packages of $LOCK"
    [torch]="PyTorch, the build that this machine's pip finds"
    [cuda]="TensorFlow for the GPU"
    [dev]="$(dev_part | grep -c ==) packages for tests and benchmarks"
    [docs]="packages of $DOCS_LOCK"
    [project]="Crossover itself"
)

names=() marks=()
add() { names+=("$1") marks+=("${2:-}"); }
if ! has "packages $(sum $LOCK envs/setup.sh) in $(readlink -f .venv)" || ! .venv/bin/python -c '' 2>/dev/null; then
    [ "$(uname -sm)" = "Linux x86_64" ] || stop "$LOCK is for Linux on x86-64, and this is $(uname -sm)"
    if [ -e .venv ] && [ ! -e $WHOLE ] && [ ! -e $LOG ]; then
        stop ".venv is here and was not made by this set-up: move it away, or remove it"
    fi
    python=$(interpreter)
    rm -rf .venv
    mkdir .venv
    add environment
    add packages
    add torch "packages $(sum $LOCK envs/setup.sh) in $(readlink -f .venv)"
fi
if { [ -n "${CUDA:-}" ] || command -v nvidia-smi >/dev/null; } && ! has cuda; then add cuda cuda; fi
if [ "${1:-}" = dev ] && ! has dev; then add dev dev; fi
if [ "${1:-}" = docs ] && ! has "docs $(sum $DOCS_LOCK)"; then add docs "docs $(sum $DOCS_LOCK)"; fi
project="project $(sum pyproject.toml)"
if ! has "$project"; then
    add project "$project"
    [ ! -e $WHOLE ] || sed -i '/^project /d' $WHOLE
fi
[ ${#names[@]} -gt 0 ] || exit 0

trap 'echo "set-up stopped in $title; the next call does it again" >&2; exit 130' INT TERM
touch $WHOLE $LOG
for i in "${!names[@]}"; do
    title="step $((i + 1)) of ${#names[@]}, ${TITLE[${names[i]}]}"
    echo "set-up, $title"
    if ! "step_${names[i]}"; then
        tail -n 15 $LOG >&2
        stop "$title, failed. Its last lines are above, all of them in $LOG; the next call does it again"
    fi
    [ -z "${marks[i]}" ] || echo "${marks[i]}" >>$WHOLE
done
