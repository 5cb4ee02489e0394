#!/usr/bin/env bash
# Runs the tests of the compiled core with the address and undefined-behaviour sanitizers, then clang-tidy if it is there.
# Usage: csrc/check.sh [python]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python="${1:-python3}"
copy="$(mktemp -d)"
trap 'rm -rf "$copy"' EXIT

cp -r src tests csrc hatch_build.py pyproject.toml "$copy"
cd "$copy"
"$python" hatch_build.py -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -O1

# The sanitizer's allocator has to be preloaded first, so the test that preloads another one is left out,
# and so are the trials, which are commands of their own.
# Python does not free everything at its end, and asks for absurd sizes in its own tests.
export ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1:intercept_tls_get_addr=0
LD_PRELOAD="$(cc -print-file-name=libasan.so) $(cc -print-file-name=libubsan.so)" PYTHONPATH="$copy/src" \
    "$python" -X faulthandler -m pytest -q -p no:cacheprovider -k 'not preloaded and not withstood' \
    tests/core tests/symbols tests/capture/test_compiled_fold.py

if command -v clang-tidy > /dev/null; then
    include="$("$python" -c 'import sysconfig; print(sysconfig.get_paths()["include"])')"
    clang-tidy --quiet --checks='clang-analyzer-*,bugprone-*,-bugprone-easily-swappable-parameters,-bugprone-reserved-identifier' \
        csrc/*.c -- -std=gnu11 "-I$include"
fi
