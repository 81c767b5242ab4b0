#!/usr/bin/env bash
# Traces an unmodified program that allocates a lot, on both backends, and compares what they saw and what it cost.
# usage: demo.sh BUILD_FOLDER
set -euo pipefail

build=${1:?usage: demo.sh BUILD_FOLDER}
strata=$build/bin/strata
object=$build/bpf/examples/malloc_hist.bpf.o
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The same input, environment and hash seed for each run, so that the program allocates the same.
seq 1 12000 | awk '{print ($1 * 7919) % 12007, "line", $1}' >"$work/input"
clean=(env -i PATH=/usr/bin:/bin LC_ALL=C PERL_HASH_SEED=0)
# shellcheck disable=SC2016
workload=("${clean[@]}" /usr/bin/perl -e 'my %words; while (<>) { $words{$_}++ for split } print scalar(keys %words), " distinct words\n"' "$work/input")

# Microseconds of a run, the least of five: the machine's other work only ever adds.
least_us() {
  local best= now start
  for _ in 1 2 3 4 5; do
    start=$(date +%s%N)
    "$@" >/dev/null
    now=$((($(date +%s%N) - start) / 1000))
    if [[ -z $best || $now -lt $best ]]; then best=$now; fi
  done
  echo "$best"
}

echo "The program: perl counting words, unmodified; its mallocs are counted by examples/malloc_hist.bpf.c"
plain=$(least_us "${workload[@]}")
plain_true=$(least_us "${clean[@]}" /bin/true)

measure() {
  local backend=$1
  echo
  echo "=== $backend backend ==="
  "$strata" run --backend "$backend" "$object" -- "${workload[@]}"
  "$strata" run --backend "$backend" --format json "$object" -- "${workload[@]}" >"$work/$backend.json"
  traced=$(least_us "$strata" run --backend "$backend" "$object" -- "${workload[@]}")
  started=$(least_us "$strata" run --backend "$backend" "$object" -- "${clean[@]}" /bin/true)
  echo "$traced $((started - plain_true))" >"$work/$backend.time"
}

summary_field() { sed -n "s/.*\"type\":\"summary\".*\"$2\":\([0-9]*\).*/\1/p" "$work/$1.json"; }
histogram_total() { sed -n "s/.*\"map\":\"sizes\".*\"slots\":\[\([0-9,]*\)\].*/\1/p" "$work/$1.json" | tr , '\n' | awk '{sum += $1} END {print sum + 0}'; }
report() {
  local backend=$1 traced start
  read -r traced start <"$work/$backend.time"
  awk -v backend="$backend" -v events="$(summary_field "$backend" events)" -v plain="$plain" -v traced="$traced" -v start="$start" \
    -v total="$(histogram_total "$backend")" 'BEGIN {
    printf "%-10s %10d %10d %10.1f %10.1f %12.1f %14.0f\n", backend, total, events, plain / 1000, traced / 1000, start / 1000,
      (traced - plain - start) * 1000 / (events > 0 ? events : 1)
  }'
}

backends=(userspace)
measure userspace
if ((EUID == 0)); then
  measure kernel
  backends+=(kernel)
else
  echo
  echo "=== kernel backend ==="
  echo "left out: it needs root (CAP_BPF and CAP_PERFMON), and this is user $(id -un)"
fi

echo
echo "=== side by side ==="
printf '%-10s %10s %10s %10s %10s %12s %14s\n' backend mallocs events "plain ms" "traced ms" "start-up ms" "ns per event"
for backend in "${backends[@]}"; do report "$backend"; done
echo "(start-up: loading the object and attaching, once; ns per event: what is left of the difference, with the programs' own work)"
if ((${#backends[@]} == 2)); then
  difference=$(($(histogram_total kernel) - $(histogram_total userspace)))
  if ((difference == 0)); then
    echo "Both backends counted the same mallocs."
  else
    echo "The totals differ by $difference." >&2
    exit 1
  fi
fi
