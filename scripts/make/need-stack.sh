#!/usr/bin/env bash
# Ends with a sentence, and 1, unless this machine has an engine and a Compose for a stack.
set -eu
cd "$(dirname "$0")/../.."
# shellcheck source=scripts/make/docker.sh
. scripts/make/docker.sh
need_stack_tools
