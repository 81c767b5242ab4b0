#!/usr/bin/env bash
# Installs strata into a folder of its own and builds an example against it, by CMake and by pkg-config.
# usage: test.sh BUILD_FOLDER SOURCE_FOLDER COMPILER
set -euo pipefail
build=$1 source=$2 compiler=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export STRATA_RUNTIME_DIR=$work/runtime

cmake --install "$build" --prefix "$work/prefix" >/dev/null
example=$source/examples/count_malloc.cc
object=$build/bpf/examples/malloc_hist.bpf.o

check() {
  local output
  output=$("$1" "$object" userspace)
  echo "$1: $output"
  # 1000 allocations of 100 bytes.
  grep -Eq '^\[ *64, *128\) 1[0-9]{3}$' <<<"$output"
}

cmake -S "$source/tests/system/package" -B "$work/build" -G Ninja -DCMAKE_PREFIX_PATH="$work/prefix" -DEXAMPLE="$example" \
  -DCMAKE_CXX_COMPILER="$compiler" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
cmake --build "$work/build" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
check "$work/build/count_malloc"

# 500 allocations of 5100 bytes; those of 100 are not counted.
output=$("$work/build/malloc_sizes" userspace)
echo "malloc_sizes: $output"
grep -Eq '^ +5100 500$' <<<"$output"
! grep -Eq '^ +100 ' <<<"$output"

libdir=$(dirname "$(find "$work/prefix" -name strata.pc)")
export PKG_CONFIG_PATH=$libdir
# shellcheck disable=SC2046
"$compiler" $(pkg-config --cflags strata) "$example" $(pkg-config --libs strata) -Wl,-rpath,"$(dirname "$libdir")" -o "$work/count_malloc"
check "$work/count_malloc"

# Every installed header compiles on its own.
while read -r header; do
  echo "#include <strata/${header#"$work"/prefix/include/strata/}>" | "$compiler" -std=c++20 -fsyntax-only -Wall -Wextra -Wpedantic -Wshadow -Werror \
    -I"$work/prefix/include" -x c++ - || { echo "not self-contained: $header"; exit 1; }
done < <(find "$work/prefix/include" -name '*.h')
"$work/prefix/bin/strata" --version
