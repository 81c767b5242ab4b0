#!/usr/bin/env bash
# usage: report_skips.sh JUNIT_FILE
#
# Prints what the machine lacked: a table of skipped tests by reason. As root a reason has to be one of
# tests/expected_skips.txt (an extended regular expression a line, # starts a comment): this kernel, or any machine that
# the project builds on, is known to lack it. Another skip is a failure. A plain user may skip what needs root.
set -euo pipefail
report=$1
expected=$(dirname "${BASH_SOURCE[0]}")/expected_skips.txt

# "reason<TAB>test" for each skipped test: gtest prints the reason on the line behind "FILE:LINE: Skipped".
skips=$(awk '
  /<testcase / { name = $0; sub(/.*<testcase name="/, "", name); sub(/".*/, "", name); is_skipped = 0; wants_reason = 0; reason = "" }
  /<skipped/ { is_skipped = 1 }
  is_skipped && wants_reason && reason == "" { reason = $0 }
  /: Skipped$/ { wants_reason = 1 }
  /<\/testcase>/ { if (is_skipped) print (reason == "" ? "no reason given" : reason) "\t" name; is_skipped = 0 }
' "$report" | sed -e 's/&lt;/</g; s/&gt;/>/g; s/&quot;/"/g; s/&apos;/'\''/g; s/&amp;/\&/g')
[[ -n $skips ]] || { echo "skipped: no test"; exit 0; }

echo "skipped tests, by what was missing:"
cut -f1 <<<"$skips" | sort | uniq -c | sort -rn | sed 's/^/  /'

((EUID == 0)) || exit 0
patterns=$(grep -v -e '^#' -e '^$' "$expected")
unexpected=""
while IFS=$'\t' read -r reason test; do
  grep -q -E -f <(printf '%s\n' "$patterns") <<<"$reason" || unexpected+="$reason"$'\t'"$test"$'\n'
done <<<"$skips"
[[ -z $unexpected ]] && exit 0
echo "these skips are not expected on any machine (tests/expected_skips.txt), and count as failures:"
printf '%s' "$unexpected" | sed 's/^/  /'
exit 1
