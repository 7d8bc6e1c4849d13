#!/usr/bin/env bash
# Sourced by the scripts beside it: settings of this project that stand in the shell's environment, or behind make.

# The names of such settings, one a line, also of those that are set to nothing.
shell_settings() { awk 'BEGIN { for (name in ENVIRON) print name }' | only_settings; }

# Of names, one a line, those of settings; not those of Compose itself, nor of what make passes on of its words. Whole names where
# others use the beginning by right.
only_settings() {
  grep -E -e '^(BACKUP|CLEANUP|COPY|DRILL|HEARTBEAT|NOTIFY|RESTORE|RETENTION|RPO|RTO|S3|VERIFY)_[A-Z0-9_]+$' \
    -e '^(PITR(_[A-Z0-9_]+)?|BASE_(SCHEDULE|COMPRESSION))$' \
    -e '^POSTGRES_(VERSION|IMAGE|HOST|PORT|DB|DATABASE|USER|PASSWORD)(_FILE)?$' \
    -e '^(PGSSL(MODE|ROOTCERT|CERT|KEY)|LOG_FORMAT|TZ|(BLOCKING|CONNECT|LOCK|LOOK|STORAGE)_TIMEOUT)$' |
    sed '/^BACKUP_ENV_FILE$/d' | sort -u
}

options=()
# Settings of this shell win over .env, as they do without Docker. By their names, so that no value is on a command line.
hand_over_settings() {
  local name path value
  for name in $(shell_settings); do
    if [[ $name == *_FILE && $name != S3_CA_FILE && -n ${!name} ]]; then
      # a file of this machine, which the container does not see
      path=${!name}
      [ -r "$path" ] || stop_with "$name: $path cannot be read"
      # read as the verbs read it: without the line ends of any system behind it, or a byte order mark before
      value=$(cat "$path")
      while [[ $value == *[$'\r\n'] ]]; do value=${value%?}; done
      value=${value#$'\xef\xbb\xbf'}
      [ -n "$value" ] || stop_with "$name: $path is empty"
      export "${name%_FILE}=$value"
      options+=(--env "${name%_FILE}" --env "$name=")
    else
      options+=(--env "$name")
    fi
  done
}

# Ends the script for a setting of the shell that `docker compose up` would not hand to the container: the services get what
# docker-compose.yml names, and the env file. CONFIG is what `docker compose config` says.
refuse_lost_settings() { # CONFIG
  local lost
  lost=$(shell_settings | CONFIG=$1 awk '
    BEGIN {
      count = split(ENVIRON["CONFIG"], lines, "\n")
      for (i = 1; i <= count; i++) {
        if (lines[i] ~ /^  [a-z]/) service = lines[i]
        if (service != "  backup:" || lines[i] !~ /^      [A-Za-z_][A-Za-z0-9_]*:/) continue
        name = lines[i]; sub(/^ +/, "", name); sub(/:.*/, "", name)
        given[name] = lines[i]; sub(/^[^:]*: ?/, "", given[name])
      }
    }
    function plain(text) {
      if (text ~ /^".*"$/ || text ~ /^\047.*\047$/) text = substr(text, 2, length(text) - 2)
      gsub(/\047\047/, "\047", text); gsub(/\\"/, "\"", text); gsub(/\\\\/, "\\", text); gsub(/\$\$/, "$", text)
      return text
    }
    {
      if (($0 in given) && (plain(given[$0]) == ENVIRON[$0] || given[$0] ~ /^[|>]/)) next
      # nothing is what such a one is without the shell
      if (ENVIRON[$0] == "" && !($0 in given)) next
      # its value comes from a file, by an override of somebody who wants it so
      if (given[$0] == "\"\"" && ($0 "_FILE") in given) next
      print
    }')
  [ -n "$lost" ] || return 0
  # shellcheck disable=SC2086 # one word a line
  stop_with "Set in this shell, and not on its way into the container: $(printf '%s ' $lost)" \
    'Write it into .env, from where the container gets all of its settings, or unset it here.'
}

# Ends the script for a setting in one of the files that Compose itself reads (COMPOSE_ENV_FILES), when the container reads another.
refuse_settings_of_other_files() { # CONFIG FILE…
  local config=$1 env_file file lost
  shift
  env_file=$(sed -nE "s/^      COMPOSE_READ: [\"']?([^\"']*)[\"']?\$/\1/p" <<<"$config" | head -n 1)
  for file in "$@"; do
    [ -f "$file" ] || continue
    [ "$(readlink -f "$file")" != "$(readlink -f "$env_file")" ] || continue
    lost=$(sed -nE 's/^[[:space:]]*(export[[:space:]]+)?([A-Z][A-Z0-9_]*)[[:space:]]*=.*/\2/p' "$file" | only_settings |
      while IFS= read -r name; do grep -qE "^      $name:" <<<"$config" || printf '%s ' "$name"; done)
    [ -z "$lost" ] || stop_with "Set in $file, which Compose reads, and not on its way into the container, which is given $env_file: $lost" \
      "Write them into $env_file; or into $file, with BACKUP_ENV_FILE=$file."
  done
}

# Ends the script for a value of an env file into which Compose would put something else than what stands there: a $ of a
# password that begins the name of a variable, or a name that is nowhere set.
refuse_replaced_values() { # FILE…
  local file found
  for file in "$@"; do
    [ -f "$file" ] || continue
    found=$(awk -v quote="'" '
      function isOurs(name) {
        return name ~ /^(BACKUP|BASE|CLEANUP|COPY|DRILL|HEARTBEAT|NOTIFY|PAGE|PITR|RESTORE|RETENTION|RPO|RTO|S3|VERIFY|AWS|POSTGRES|MARIADB|GARAGE)_/ || name ~ /^(PGSSL|LOG_FORMAT$|TZ$)/
      }
      function isSecret(name) { return name ~ /PASSWORD|SECRET|KEY|IDENTITY|_URL$|^BACKUP_SOURCE_/ }
      {
        sub(/\r$/, "")
        if (!match($0, /^[ \t]*(export[ \t]+)?[A-Za-z_][A-Za-z0-9_]*[ \t]*=[ \t]*/)) next
        name = substr($0, 1, RLENGTH); value = substr($0, RLENGTH + 1)
        sub(/^[ \t]*(export[ \t]+)?/, "", name); sub(/[ \t]*=[ \t]*$/, "", name)
        isSet[name] = 1
        first = substr(value, 1, 1)
        if (first == quote || !isOurs(name)) next
        if (first != "\"") sub(/(^|[ \t])#.*$/, "", value)
        gsub(/\\\$|\$\$/, "", value)
        while (match(value, /\$([A-Za-z_][A-Za-z0-9_]*|\{[A-Za-z_][A-Za-z0-9_]*\})/)) {
          word = substr(value, RSTART, RLENGTH); value = substr(value, RSTART + RLENGTH)
          wanted = word; gsub(/[${}]/, "", wanted)
          if ((word !~ /\{/ && isSecret(name)) || !((wanted in isSet) || (wanted in ENVIRON))) print "line " NR ", " name ": " word
        }
      }' "$file")
    # shellcheck disable=SC2016 # as it is to be written
    [ -z "$found" ] || stop_with "Compose would replace a part of these values in $file:" "$found" \
      'Write such a value in single quotes, in which every reader leaves it as it is: NAME='"'"'…'"'"'. What is to be replaced is ${NAME}, of a name that is set.'
  done
}
