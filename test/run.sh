#!/usr/bin/env bash
# Runs every test that this machine can run, and says at the end what was left out and why.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

results=$(mktemp)
trap 'rm -f "$results"' EXIT

# none of these paths has a space
files=$(find test -name '*.test.ts' | sort)
concurrency=$(getconf _NPROCESSORS_ONLN)

status=0
# shellcheck disable=SC2086
node --import tsx --test --test-concurrency="$concurrency" --test-timeout=600000 \
  --test-reporter=spec --test-reporter-destination=stdout \
  --test-reporter=tap --test-reporter-destination="$results" \
  $files || status=$?

echo
echo 'Left out:'
sed -nE 's/^ *ok [0-9]+ - .* # SKIP ?(.*)$/  \1/p' "$results" | sort -u | grep . || echo '  nothing'
echo
grep -E '^# (tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) ' "$results"
exit "$status"
