#!/bin/bash
# Sourced by the scripts beside it: settings of this project that stand in the shell's environment, or behind make.

# The names of such settings, one a line. Those of Compose itself are none, nor is what make passes on of its words.
shell_settings() {
  awk 'BEGIN {
    for (name in ENVIRON)
      # whole names where others use the beginning by right
      if (name ~ /^(BACKUP|CLEANUP|DRILL|HEARTBEAT|NOTIFY|RESTORE|RETENTION|RPO|RTO|S3)_[A-Z0-9_]+$/ ||
          name ~ /^(PITR(_[A-Z0-9_]+)?|BASE_(SCHEDULE|COMPRESSION))$/ ||
          name ~ /^POSTGRES_(VERSION|HOST|PORT|DB|DATABASE|USER|PASSWORD)(_FILE)?$/ ||
          name ~ /^(PGSSL(MODE|ROOTCERT|CERT|KEY)|LOG_FORMAT|TZ|(BLOCKING|CONNECT|LOCK|STORAGE)_TIMEOUT)$/)
        if (name != "BACKUP_ENV_FILE" && ENVIRON[name] != "") print name
  }' | sort
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
      # its value comes from a file, by an override of somebody who wants it so
      if (given[$0] == "\"\"" && ($0 "_FILE") in given) next
      print
    }')
  [ -n "$lost" ] || return 0
  # shellcheck disable=SC2086 # one word a line
  stop_with "Set in this shell, and not on its way into the container: $(printf '%s ' $lost)" \
    'Write it into .env, from where the container gets all of its settings, or unset it here.'
}
