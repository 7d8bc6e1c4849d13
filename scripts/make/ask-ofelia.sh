#!/usr/bin/env bash
# Sees that Ofelia has taken every job of the backup container, and that it may start them: its own words and its own way.
set -eu
cd "$(dirname "$0")/../.."
# shellcheck source=scripts/make/docker.sh
. scripts/make/docker.sh

PATIENCE=20
ofelia=$(docker compose ps --all --quiet ofelia 2>/dev/null || true)
backup=$(docker compose ps --quiet backup)
# somebody who has no Ofelia has another way to run the jobs
[ -n "$ofelia" ] && [ -n "$backup" ] || exit 0

words() { docker logs --since "$(docker inspect --format '{{.State.StartedAt}}' "$ofelia")" "$ofelia" 2>&1 || true; }
jobs=$(docker inspect --format '{{range $name, $value := .Config.Labels}}{{$name}}={{$value}}{{println}}{{end}}' "$backup" |
  sed -nE '/=off$/d; s/^ofelia\.job-exec\.([^.]+)\.schedule=.*/\1/p')

# a log driver that keeps nothing here leaves nobody to ask
if grep -q 'does not support reading' <<<"$(words)"; then
  echo 'Whether Ofelia has taken the jobs cannot be seen: its log driver keeps nothing that can be read here. make status tells of jobs that do not run.' >&2
  jobs=''
fi
registered() { # JOB
  words | grep -F -m 1 "New job registered \"$1\"" >/dev/null
}
# Whether Ofelia has the socket of the engine that this shell speaks to: a rootless engine and Podman have theirs elsewhere.
which_socket() {
  local mine mounted
  mine=$(docker context inspect --format '{{.Endpoints.docker.Host}}' 2>/dev/null || true)
  mounted=$(docker inspect --format '{{range .Mounts}}{{if eq .Destination "/var/run/docker.sock"}}{{.Source}}{{end}}{{end}}' "$ofelia")
  if [ -d "$mounted" ]; then
    echo "$mounted, which Ofelia was given for Docker's socket, is a folder, made because nothing was there. Name the socket in .env: DOCKER_SOCKET=${mine#unix://}"
  elif [[ $mine == unix://* && $mounted == /*.sock && $(readlink -f "${mine#unix://}") != "$(readlink -f "$mounted")" ]]; then
    echo "This shell speaks to the engine at ${mine#unix://}, and Ofelia to that at $mounted. If they are not the same, write into .env: DOCKER_SOCKET=${mine#unix://}"
  fi
}

for job in $jobs; do
  for ((second = 0; second < PATIENCE; second++)); do
    registered "$job" && continue 2
    # refused is refused
    words | grep -F "Failed to register job" | grep -qF "\"$job\"" && break
    sleep 1
  done
  # of one that has been running for long the first words may be gone
  words | grep -q 'New job registered\|Failed to register' || [ "$(docker inspect --format '{{.State.Status}}' "$ofelia")" != running ] ||
    ! docker ps --filter "id=$ofelia" --filter status=running --format '{{.RunningFor}}' | grep -qE 'hour|day|week|month' || continue
  said=$(words | grep -v ' DEBUG ' | tail -n 3 | sed 's/^/  /' || true)
  stop_with "Ofelia has not taken the job $job: it will not run. Ofelia is $(docker inspect --format '{{.State.Status}}' "$ofelia"), and says${said:+:}" \
    "${said:-  nothing}" "$(which_socket)"
done

# Ofelia goes by the label, status by the variable: an override may have changed one of them alone.
given=$(docker inspect --format '{{range .Config.Env}}{{println .}}{{end}}' "$backup")
while IFS='=' read -r job label; do
  name=$(tr '[:lower:]' '[:upper:]' <<<"$job")_SCHEDULE
  value=$(sed -n "s/^$name=//p" <<<"$given" | tail -n 1)
  [ -z "$value" ] || [ "$value" = "$label" ] ||
    stop_with "Ofelia starts the job $job by its label, at $label, and status expects it by $name, at $value." \
      "Set $name in .env, from where both are taken, and take the label ofelia.job-exec.$job.schedule out of the override."
done < <(docker inspect --format '{{range $name, $value := .Config.Labels}}{{$name}}={{$value}}{{println}}{{end}}' "$backup" |
  sed -nE 's/^ofelia\.job-exec\.([a-z]+)\.schedule=(.*)/\1=\2/p')

# By the socket itself it may do all. Through a proxy, a command that does nothing is asked for as Ofelia asks.
host=$(docker inspect --format '{{range .Config.Env}}{{println .}}{{end}}' "$ofelia" | sed -n 's|^DOCKER_HOST=tcp:|http:|p')
[ -n "$host" ] || exit 0
name=$(docker inspect --format '{{slice .Name 1}}' "$backup")
user=$(docker inspect --format '{{index .Config.Labels "ofelia.job-exec.backup.user"}}' "$backup")
image=$(docker inspect --format '{{.Image}}' "$backup")
# shellcheck disable=SC2016 # for node
answer=$(docker run --rm --network "container:$ofelia" --entrypoint node "$image" -e '
  const [host, name, user] = process.argv.slice(1);
  const post = (path, body) => fetch(host + path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  let said = "";
  for (let second = 0; second < 15; second += 1) {
    try {
      const made = await post(`/containers/${name}/exec`, { AttachStdout: true, AttachStderr: true, Cmd: ["true"], User: user });
      const text = await made.text();
      if (made.ok) {
        const started = await post(`/exec/${JSON.parse(text).Id}/start`, { Detach: false, Tty: false });
        said = started.ok ? "started" : `${started.status} for the start of a command`;
      } else said = `${made.status}: ${text.replace(/<[^>]*>/g, " ").replace(/\s+/g, " ").trim()}`;
      break;
    } catch (error) {
      said = String(error.cause?.message ?? error.message);
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }
  console.log(said);' -- "$host" "$name" "$user" 2>&1 | tail -n 1)
[ "$answer" = started ] || stop_with "Ofelia may not start jobs in the container $name through ${host#http://}: $answer" \
  "The socket proxy passes commands for one container alone. If this one has a name of its own, say it in .env: OFELIA_JOB_CONTAINER=$name"
