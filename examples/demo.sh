#!/usr/bin/env bash
# Traces an unmodified program that allocates a lot, on both backends, and compares what they saw and what it cost.
# usage: demo.sh BUILD_FOLDER
set -euo pipefail

build=${1:?usage: demo.sh BUILD_FOLDER}
strata=$build/bin/strata
object=$build/bpf/examples/malloc_hist.bpf.o
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The same input and environment for each run, so that the program allocates the same.
seq 1 200000 | awk '{print ($1 * 7919) % 200003, "line", $1}' >"$work/input"
workload=(env -i PATH=/usr/bin:/bin LC_ALL=C /usr/bin/python3 -S -E -c '
import sys
words = {}
for line in open(sys.argv[1]):
    for word in line.split():
        words[word] = words.get(word, 0) + 1
sys.stdout.write("%d distinct words\n" % len(words))
' "$work/input")
if [[ ! -x /usr/bin/python3 ]]; then
  workload=(env -i PATH=/usr/bin:/bin LC_ALL=C /usr/bin/sort --parallel=1 -S 8M -n "$work/input" -o /dev/null)
fi

# Milliseconds of a run, the least of three: the machine's other work only ever adds.
least_ms() {
  local best= now start
  for _ in 1 2 3; do
    start=$(date +%s%N)
    "$@" >/dev/null
    now=$((($(date +%s%N) - start) / 1000))
    if [[ -z $best || $now -lt $best ]]; then best=$now; fi
  done
  echo "$best"
}

echo "The program: ${workload[3]##*/}, unmodified, counted by malloc_hist.bpf.o"
plain=$(least_ms "${workload[@]}")

measure() {
  local backend=$1
  echo
  echo "=== $backend backend ==="
  "$strata" run --backend "$backend" "$object" -- "${workload[@]}"
  "$strata" run --backend "$backend" --format json "$object" -- "${workload[@]}" >"$work/$backend.json"
  traced=$(least_ms "$strata" run --backend "$backend" "$object" -- "${workload[@]}")
  echo "$traced" >"$work/$backend.time"
}

summary_field() { sed -n "s/.*\"type\":\"summary\".*\"$2\":\([0-9]*\).*/\1/p" "$work/$1.json"; }
histogram_total() { sed -n "s/.*\"map\":\"sizes\".*\"slots\":\[\([0-9,]*\)\].*/\1/p" "$work/$1.json" | tr , '\n' | awk '{sum += $1} END {print sum + 0}'; }
report() {
  local backend=$1 events time
  events=$(summary_field "$backend" events)
  time=$(<"$work/$backend.time")
  awk -v backend="$backend" -v events="$events" -v plain="$plain" -v traced="$time" -v total="$(histogram_total "$backend")" 'BEGIN {
    printf "%-10s %10d %10d %12.1f %12.1f %14.1f\n", backend, total, events, plain / 1000, traced / 1000, (traced - plain) * 1000 / (events > 0 ? events : 1)
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
printf '%-10s %10s %10s %12s %12s %14s\n' backend mallocs events "plain ms" "traced ms" "ns per event"
for backend in "${backends[@]}"; do report "$backend"; done
if ((${#backends[@]} == 2)); then
  difference=$(($(histogram_total kernel) - $(histogram_total userspace)))
  if ((difference == 0)); then
    echo "Both backends counted the same mallocs."
  else
    echo "The totals differ by $difference." >&2
    exit 1
  fi
fi
