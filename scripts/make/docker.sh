#!/usr/bin/env bash
# Sourced by the scripts beside it: what this machine's Docker is fit for, and whose stack it runs.

# the first Compose that reads env_file as docker-compose.yml has it
LEAST_COMPOSE_MINOR=24

stop_with() {
  printf '%s\n' "$@" | grep . >&2
  exit 1
}

# 0: an engine answers. 1: there is none here. Ends the script when Docker is here and refuses, or is that of a stack and
# does not run: what belongs into its containers would go astray on this machine.
engine_answers() {
  command -v docker >/dev/null 2>&1 || return 1
  local said
  said=$(docker info --format '{{.ServerVersion}}' 2>&1) && return 0
  case ${DOCKER_HOST:-} in
    ssh://* | tcp://*) stop_with "No Docker engine answers at DOCKER_HOST=$DOCKER_HOST: $(last_line "$said")" ;;
    '')
      [ -z "${DOCKER_CONTEXT:-}" ] || stop_with "No Docker engine answers in the context that DOCKER_CONTEXT names, $DOCKER_CONTEXT: $(last_line "$said")" \
        'The contexts that there are: docker context ls'
      ;;
  esac
  case $said in
    *[Pp]'ermission denied'*)
      stop_with "Docker is here, and refuses you: $(last_line "$said")" \
        'Use sudo, or let root add you to the group docker (usermod -aG docker NAME; log in again): that group is root on this machine.'
      ;;
    *'context not found'*)
      stop_with "Docker is here, and its context is not: $(last_line "$said")" 'The contexts that there are: docker context ls; then docker context use NAME.'
      ;;
    '' | *[Cc]'annot connect'* | *'failed to connect'* | *'error during connect'* | *'no such file'* | *'daemon running'*)
      [ -z "${DOCKER_HOST:-}" ] || stop_with "No Docker engine answers at DOCKER_HOST=$DOCKER_HOST: $(last_line "$said")"
      ! env_is_of_a_stack || stop_with 'Docker is here, but its engine does not answer. Start it: sudo systemctl start docker' \
        'This folder has the .env of a stack, whose database and store are containers. To run without Docker, name the database: POSTGRES_HOST or BACKUP_SOURCE_* in .env.'
      return 1
      ;;
    *) stop_with "Docker is here, and its engine cannot be asked: $(last_line "$said")" ;;
  esac
}

# Is the database of .env the service of docker-compose.yml, which only containers know?
env_is_of_a_stack() {
  [ -f .env ] && [ -z "${POSTGRES_HOST:-}" ] &&
    ! grep -qE '^[[:space:]]*(export[[:space:]]+)?(BACKUP_SOURCE_|PG(HOST|DATABASE)|POSTGRES_HOST)' .env &&
    ! awk 'BEGIN { for (name in ENVIRON) if (name ~ /^BACKUP_SOURCE_/) found = 1; exit !found }'
}

last_line() { printf '%s' "$1" | grep . | tail -n 1; }

# Ends the script unless Compose is there and new enough.
need_compose() {
  local said version major minor rest
  said=$(docker compose version --short 2>&1) ||
    stop_with "Docker is here, its plugin Compose is not ($(last_line "$said"))." \
      "Install docker-compose-plugin, version 2.$LEAST_COMPOSE_MINOR or newer: https://docs.docker.com/compose/install/"
  version=${said##*[ v]}
  IFS=. read -r major minor rest <<<"$version"
  [[ $major =~ ^[0-9]+$ && $minor =~ ^[0-9]+$ ]] || return 0
  if ((major < 2 || (major == 2 && minor < LEAST_COMPOSE_MINOR))); then
    stop_with "Compose is version $version here; this needs 2.$LEAST_COMPOSE_MINOR or newer: https://docs.docker.com/compose/install/"
  fi
}

# Ends the script unless there are an engine and a Compose for a stack.
need_stack_tools() {
  engine_answers || stop_with 'This needs Docker, and no engine answers here.'
  need_compose
}

# What to do about words of Compose that do not say it.
way_out_of() { # WORDS
  case $1 in
    *'project name'*) echo "Name the stack in .env, where its folder's name does not do: COMPOSE_PROJECT_NAME=shop" ;;
  esac
}

# The configuration as Compose reads it, with everything of .env and the shell; ends the script with its words when it cannot.
compose_config() {
  local said
  said=$(docker compose config "$@" 2>&1) || stop_with "$said" "Compose cannot read this stack's configuration; its words are above." "$(way_out_of "$said")"
  printf '%s\n' "$said"
}

# Clones in folders of one name are one project to Compose. Ends the script when what there is of the project was made
# in another folder, or is volumes alone that this folder never made: up would take them over, and clean delete them.
need_own_stack() { # PROJECT
  local project=$1 here folder other own
  [ "${MOVED:-}" != yes ] || return 0
  here=$(pwd -P)
  other='' own=''
  while read -r folder; do
    [ -n "$folder" ] || continue
    if [ "$(cd "$folder" 2>/dev/null && pwd -P || printf '%s' "$folder")" = "$here" ]; then own=yes; else other=$folder; fi
  done < <(docker ps --all --filter "label=com.docker.compose.project=$project" \
    --format '{{.Label "com.docker.compose.project.working_dir"}}' | sort -u)
  if [ -z "$other" ]; then
    [ -z "$own" ] || return 0
    [ -n "$(docker volume ls --quiet --filter "label=com.docker.compose.project=$project")" ] || return 0
    ! grep -qsxF "$project $here" .compose-stacks || return 0
    other='a folder that is not known any more (there are its volumes alone)'
  fi
  stop_with "There is a stack called $project already, of $other: this folder would take it over, its databases and backups too." \
    "For a stack of its own, name it in .env: COMPOSE_PROJECT_NAME=another-name" \
    "If it is this very stack, in a folder that was moved or created again: add MOVED=yes to the command."
}

# Remembers that this folder has made the project's volumes, which themselves do not tell.
remember_stack() { # PROJECT
  local line
  line="$1 $(pwd -P)"
  grep -qsxF "$line" .compose-stacks || printf '%s\n' "$line" 2>/dev/null >>.compose-stacks ||
    echo ".compose-stacks in this folder cannot be written: once the containers are gone, the volumes will be taken for another stack's, until MOVED=yes is said." >&2
}
