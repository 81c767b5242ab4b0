#!/usr/bin/env bash
# usage: check.sh TESTS_FOLDER DOCUMENT... Fails when a document names a test that does not exist: `Suite.Test`, `Suite.*`.
set -euo pipefail
tests=$1
shift
defined=$(grep -rhoE '^(TEST|TEST_F|TEST_P|TYPED_TEST)\([A-Za-z0-9_]+, *[A-Za-z0-9_]+' "$tests" --include='*_test.cc' |
  sed -E 's/^[A-Z_]+\(//; s/, */./' | sort -u)
[ -n "$defined" ] || { echo "no tests in $tests"; exit 1; }

missing=0
named=0
while read -r document name; do
  named=$((named + 1))
  if [ "${name%.\*}" != "$name" ]; then
    grep -q "^${name%.\*}\\." <<<"$defined" || { echo "$document: there is no test of suite ${name%.\*}"; missing=1; }
  else
    grep -qxF "$name" <<<"$defined" || { echo "$document: there is no test $name"; missing=1; }
  fi
done < <(for document in "$@"; do
  grep -hoE '`[A-Z][A-Za-z0-9]+\.([A-Z][A-Za-z0-9]+|\*)`' "$document" | tr -d '`' | sed "s|^|$(basename "$document") |"
done)
echo "$named names"
[ "$named" -gt 0 ] && exit "$missing"
