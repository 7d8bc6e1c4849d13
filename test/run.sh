#!/usr/bin/env bash
# run.sh [quick | rest | all]: runs the tests that this machine can run, and says at the end what was left out and why.
#   quick  everything but the files in test/long.txt, with the essential cases of matrices: what `make test` runs
#   rest   those files, and those that have matrices with their other cases
#   all    both
# With TEST_AGAIN=1 the files that failed run a second time, alone, and only what fails then too makes the run fail: for a
# machine whose load nobody knows. What passed at the second time only is named at the end.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

which=${1:-quick}
results=$(mktemp)
bundle=$(mktemp -d)
trap 'rm -rf "$results" "$results".* "$bundle"' EXIT

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
slow='image|stack|restore|restore-failures|mariadb|mariadb-failures|round-trip|drill|demo|files|files-restore|many-sources|folder|moment|bundle'

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
  cat "$results.part.failed" >>"$results.failed"
  ((code == 0)) || status=1
}

for name in unit contract e2e schemas faults; do
  of=$(grep "^test/$name/" <<<"$files" || true)
  # shellcheck disable=SC2086 # words
  part "$name" "$(grep -c . <<<"$of" || true)" $of
done

sum() { awk -v of="$1" '$1 == "#" && $2 == of { total += $3 } END { print total + 0 }' "${2:-$results}"; }
fails() { echo $(($(sum fail "$1") + $(sum cancelled "$1"))); }

# the names of what failed, with the first lines of each error: whoever has only the end of this output has those too
failures() {
  awk '
    /^ *not ok / { failed = !/# TODO/; if (failed) { sub(/^ *not ok [0-9]+ - /, "  "); print } }
    failed && /^ *error: / {
      sub(/^ *error: /, "")
      if ($0 ~ /subtests? failed|before its parent/) { failed = 0; next }
      if ($0 !~ /^[|]-/) { print "    " $0; failed = 0; next }
      for (n = 0; n < 12 && (getline > 0) && $0 !~ /^ *code: /;) {
        sub(/^ */, "")
        if ($0 != "") { print "    " $0; n += 1 }
      }
      failed = 0
    }
  ' "$1"
}

# how many are too many to be the load's
few=6
failed=$(fails "$results")
if ((status)) && [[ ${TEST_AGAIN:-} == 1 ]] && (($(wc -l <"$results.failed") <= few)); then
  mapfile -t again <"$results.failed"
  echo
  echo "== again: ${#again[@]} test files that failed, alone, $((SECONDS - started)) s since the start"
  status=0
  node --import tsx test/run-files.mjs again 1 "$timeout_ms" "$results.again" "${again[@]}" || status=1
  if [[ $(sum tests "$results.again") == 0 ]]; then status=1; else failed=$(fails "$results.again"); fi
fi

echo
echo "Inside the image:"
sed -nE "s/^ *# ran inside the image: /  /p" "$results" | sort -u | grep . || echo "  nothing: no Docker engine"
echo "Took $((SECONDS - started)) s. Left out:"
sed -nE 's/^ *ok [0-9]+ - .* # SKIP ?(.*)$/  \1/p' "$results" | sort -u | grep . || echo '  nothing'
[[ $which == all || $which == rest ]] || echo "  the $(grep -c . <<<"$long") files in test/long.txt, which are matrices and waits, and all but the essential cases of $(grep -c . <<<"$matrices") others: make test-all"
echo
passed=$(($(sum pass) + $(fails "$results") - failed))
printf '# %s %s\n' tests "$(sum tests)" suites "$(sum suites)" pass "$passed" fail "$failed" cancelled 0 skipped "$(sum skipped)" todo "$(sum todo)"
if [[ -f $results.again ]]; then
  echo
  echo 'What failed at first, before its file ran a second time, alone:'
  failures "$results"
fi
if ((status)); then
  echo
  echo 'What failed:'
  if [[ -f $results.again ]]; then failures "$results.again"; else failures "$results"; fi
fi
echo
echo "$passed passed, $failed failed, $(sum skipped) skipped"
exit "$status"
