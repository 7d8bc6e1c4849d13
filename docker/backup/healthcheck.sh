#!/bin/sh
# The configuration cannot change while the container lives, so the entrypoint checks it once, at the start.
[ -e /tmp/configuration-is-valid ] || {
  echo 'the configuration is wrong: docker compose logs backup says what'
  exit 1
}
