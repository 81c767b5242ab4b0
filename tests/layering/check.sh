#!/usr/bin/env bash
# usage: check.sh COMPILER OWN_HEADER FORBIDDEN_HEADER "FOLDER;FOLDER..."
set -euo pipefail
compiler=$1 own=$2 forbidden=$3
IFS=';' read -ra folders <<<"$4"
flags=()
for folder in "${folders[@]}"; do flags+=("-I$folder"); done

compiles() { echo "#include \"$1\"" | "$compiler" -std=c++20 -fsyntax-only "${flags[@]}" -x c++ - 2>&1; }

compiles "$own" || { echo "does not see its own $own"; exit 1; }
if message=$(compiles "$forbidden"); then
  echo "sees $forbidden"
  exit 1
fi
grep -q "$forbidden: No such file\|'$forbidden' file not found" <<<"$message" || { echo "fails for another reason: $message"; exit 1; }
