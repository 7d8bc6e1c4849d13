#!/usr/bin/env bash
# run.sh [quick | rest | all]: runs the tests that this machine can run, and says at the end what was left out and why.
#   quick  everything but the files in test/long.txt, with the essential cases of matrices: what `make test` runs
#   rest   those files, and those that have matrices with their other cases
#   all    both
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

which=${1:-quick}
results=$(mktemp)
bundle=$(mktemp -d)
trap 'rm -rf "$results" "$bundle"' EXIT

# none of these paths has a space
every=$(find test -name '*.test.ts' | sort)
long=$(grep -v '^#' test/long.txt | sort)
missing=$(comm -13 <(printf '%s\n' "$every") <(printf '%s\n' "$long"))
[[ -z $missing ]] || { echo "test/long.txt names files that are not there: $missing" >&2; exit 2; }
# see test/support/matrix.ts
# shellcheck disable=SC2086 # words
matrices=$(grep -l "support/matrix.ts'" $every)
case $which in
  quick) files=$(comm -23 <(printf '%s\n' "$every") <(printf '%s\n' "$long")) && export TEST_MATRICES=essential ;;
  rest) files=$(sort -u <(printf '%s\n' "$long") <(printf '%s\n' "$matrices")) && export TEST_MATRICES=more ;;
  all) files=$every ;;
  *) echo "run.sh takes quick, rest or all, not $which" >&2; exit 2 ;;
esac

# a machine that is busy with other things may take its time: what hangs is ended all the same
timeout_ms=1500000
processors=$(getconf _NPROCESSORS_ONLN)
status=0
started=$SECONDS

# the verbs as the image has them, once for all files: see test/support/verbs.ts
node --import tsx docker/backup/make-bundle.ts "$bundle"
# a server of a test's may run as another user than the test
chmod 755 "$bundle"
export TEST_BUNDLE=$bundle

# those that take longest, which are begun first, so that none of them is left at the end alone
slow='image|stack|restore|mariadb|round-trip|drill|demo|files|files-restore|many-sources|folder|moment|bundle'

part() {
  local name=$1 count=$2 code=0 concurrency=$processors
  shift 2
  ((count)) || return 0
  echo
  echo "== $name: $count test files, $((SECONDS - started)) s since the start"
  # they wait for servers, containers and schedules as much as they compute
  [[ $name == unit ]] || concurrency=$((processors + 1))
  # shellcheck disable=SC2046,SC2068 # none of the paths has a space
  node --import tsx test/run-files.mjs "$name" "$concurrency" "$timeout_ms" "$results.part" \
    $(printf '%s\n' $@ | grep -E "/($slow)\.test\.ts$"; printf '%s\n' $@ | grep -vE "/($slow)\.test\.ts$") || code=$?
  cat "$results.part" >>"$results"
  rm -f "$results.part"
  ((code == 0)) || status=1
}

for name in unit contract e2e schemas faults; do
  of=$(grep "^test/$name/" <<<"$files" || true)
  # shellcheck disable=SC2086 # words
  part "$name" "$(grep -c . <<<"$of" || true)" $of
done

sum() { awk -v of="$1" '$1 == "#" && $2 == of { total += $3 } END { print total + 0 }' "$results"; }

echo
echo "Inside the image:"
sed -nE "s/^ *# ran inside the image: /  /p" "$results" | sort -u | grep . || echo "  nothing: no Docker engine"
echo "Took $((SECONDS - started)) s. Left out:"
sed -nE 's/^ *ok [0-9]+ - .* # SKIP ?(.*)$/  \1/p' "$results" | sort -u | grep . || echo '  nothing'
[[ $which == all || $which == rest ]] || echo "  the $(grep -c . <<<"$long") files in test/long.txt, which are matrices and waits, and all but the essential cases of $(grep -c . <<<"$matrices") others: make test-all"
echo
for each in tests suites pass fail cancelled skipped todo; do echo "# $each $(sum "$each")"; done
if ((status)); then
  echo
  echo 'What failed:'
  # with the first line of each error: whoever has only the end of this output has that of a before-hook too
  awk '
    /^ *not ok / { failed = !/# TODO/; if (failed) { sub(/^ *not ok [0-9]+ - /, "  "); print } }
    failed && /^ *error: / {
      sub(/^ *error: /, "")
      if ($0 ~ /^[|]-/ && (getline > 0)) sub(/^ */, "")
      if ($0 !~ /subtests? failed|before its parent/) print "    " $0
      failed = 0
    }
  ' "$results"
fi
echo
echo "$(sum pass) passed, $(($(sum fail) + $(sum cancelled))) failed, $(sum skipped) skipped"
exit "$status"
