#!/bin/sh
# Build the DEE binary from a clean checkout: one folder for the service, one file for looking at files.
#
#   sh packaging/build.sh [OUT]        OUT is dist unless given
#
#   OUT/onedir/dee/dee    the service: starts in a tenth of a second, is one process
#   OUT/onefile/dee       unpacks itself at each start and is two processes, so never a service
#
# Needs Linux, python3 >= 3.11 with its shared library (PYTHON names another one) and binutils. The binary needs the glibc
# of the machine it was built on, or a later one. Same sources, interpreter and paths give the same bytes.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
out=${1:-$root/dist}
python=${PYTHON:-python3}

for tool in objcopy objdump strip; do
    if ! command -v "$tool" >/dev/null; then
        echo "$tool is not on the PATH, and PyInstaller needs it" >&2
        echo "  next: install binutils" >&2
        exit 2
    fi
done

mkdir -p "$out"
out=$(cd "$out" && pwd)
work=$out/.build
rm -rf "$work" "$out/onedir" "$out/onefile"

"$python" -m venv "$work/venv"
bin=$work/venv/bin
"$bin/python" -m pip install --quiet --upgrade 'pip>=25.1'
(cd "$root" && "$bin/python" -m pip install --quiet --constraint packaging/constraints.txt . --group binary)

export PYTHONHASHSEED=0
export PYINSTALLER_CONFIG_DIR="$work/cache" # the user's cache is shared with other builds and other stripped libraries
SOURCE_DATE_EPOCH=$(git -C "$root" log -1 --format=%ct 2>/dev/null || echo 315532800) # zip files begin in 1980
export SOURCE_DATE_EPOCH

"$bin/pyinstaller" --log-level WARN --noconfirm --workpath "$work/freeze" --distpath "$work/made" "$root/packaging/dee.spec"
mkdir "$out/onedir" "$out/onefile"
mv "$work/made/dee-onedir" "$out/onedir/dee"
mv "$work/made/dee-onefile" "$out/onefile/dee"
rm -rf "$work"

"$out/onedir/dee/dee" --version
"$out/onefile/dee" --version
du -sh "$out/onedir/dee" "$out/onefile/dee"
