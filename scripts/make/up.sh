#!/usr/bin/env bash
# Starts the stack, or puts a changed .env into effect, once nothing speaks against it; and sees that it does its work.
set -eu
cd "$(dirname "$0")/../.."
# shellcheck source=scripts/make/docker.sh
. scripts/make/docker.sh
# shellcheck source=scripts/make/settings.sh
. scripts/make/settings.sh

# What Compose mounts is read by users of the containers that own nothing here. Not what may be secret: that says it itself.
need_readable_mounts() {
  local closed
  closed=$(find docker/garage docker/socket-proxy drill-checks \( -type d ! -perm -005 -o -type f ! -perm -004 \) 2>/dev/null | head -n 5)
  [ -z "$closed" ] || stop_with "The containers' users may not read: $(tr '\n' ' ' <<<"$closed")" \
    'Let everybody read them: chmod -R a+rX docker/garage docker/socket-proxy drill-checks'
}

# The schedules in Ofelia's words, for Compose to put into its labels; and a configuration that is wrong ends it here, with
# the stack as it was.
settle_configuration() {
  local said line
  docker compose build backup
  if ! said=$(docker compose run --rm --no-deps --no-TTY backup check-config --for-ofelia </dev/null); then
    stop_with 'Nothing was started or changed.'
  fi
  while IFS= read -r line; do
    [[ $line =~ ^[A-Z]+_SCHEDULE= ]] || continue
    export "${line?}"
    echo "Ofelia is told: $line"
  done <<<"$said"
}

[ -f .env ] || [ -n "${BACKUP_ENV_FILE:-}${COMPOSE_ENV_FILES:-}" ] || stop_with 'There is no .env yet: cp .env.example .env, then change the secrets in it.'
need_stack_tools
IFS=, read -r -a env_files <<<"${BACKUP_ENV_FILE:-.env},${COMPOSE_ENV_FILES:-}"
refuse_replaced_values "${env_files[@]}"
# shellcheck disable=SC2119 # what it takes is not what this script takes
config=$(compose_config)
project=$(sed -n 's/^name: //p' <<<"$config" | head -n 1)
need_own_stack "$project"
refuse_lost_settings "$config"
IFS=, read -r -a compose_files <<<"${COMPOSE_ENV_FILES:-}"
refuse_settings_of_other_files "$config" ${compose_files[@]+"${compose_files[@]}"}
need_readable_mounts

remember_stack "$project"
settle_configuration
scripts/make/forget-health.sh
# containers of a folder that was moved still say where they were made
docker compose up --build --detach --wait ${MOVED:+--force-recreate} || {
  scripts/make/why-not-up.sh
  exit 1
}
scripts/make/ask-ofelia.sh
scripts/make/warn-of-examples.sh
