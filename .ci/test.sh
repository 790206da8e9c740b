#!/bin/sh
# Set up .venv and run every check: lint, format, types, layers, tests. Needs python3 >= 3.11 with venv and nothing else.
#
#   sh .ci/test.sh                                  everything, as .ci/run does
#   sh .ci/test.sh tests/unit -m 'not slow'         the checks, then only these tests (the words go to pytest)
#
# PYTHON names another interpreter. The versions installed are those of packaging/constraints.txt.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "DEE needs Python 3.11 or later, $python is $("$python" --version 2>&1)" >&2
    echo "  next: PYTHON=/path/to/python3.11 sh .ci/test.sh" >&2
    exit 2
fi

"$python" -m venv .venv
bin=.venv/bin
"$bin/python" -m pip install --quiet --upgrade 'pip>=25.1'
"$bin/python" -m pip install --quiet --constraint packaging/constraints.txt --editable . --group dev
"$bin/python" -m pip list --format freeze

# Every check runs, so that one push shows every fault; the tests come last.
failed=
check() {
    echo
    echo "+ $*"
    "$@" || failed="$failed $(basename "$1")"
}
check "$bin/ruff" check .
check "$bin/ruff" format --check --quiet .
check "$bin/mypy"
check "$bin/lint-imports"
# By file, so that what a file builds for its tests is built once; in the order found, so that the long files do not come last.
check "$bin/pytest" -n 2 --dist loadfile --no-loadscope-reorder "$@"

if [ -n "$failed" ]; then
    echo "did not pass:$failed" >&2
    exit 1
fi
