# What you can do here: make help. Works with GNU make 3.81 and newer.

ifeq ($(wildcard scripts/make/run-verb.sh),)
$(error This Makefile is for the folder that it lies in: make -C FOLDER TARGET)
endif

# A word that a target does not know is refused: it may have been meant to restrict what is deleted or overwritten. Of several
# targets each has to know it. Settings of .env and of programs may stand behind any target.
TYPED := $(foreach name,$(.VARIABLES),$(if $(filter command,$(firstword $(origin $(name)))),$(name)))
GOAL := $(firstword $(MAKECMDGOALS))
WORDS_OF_restore := FILE TO SOURCE AT MARK XID LSN FROM AS_OF OTHER_SERVER COMPARE OWN_SEARCH_PATH WITHOUT_BROKEN TABLE ENTRY TARGET CONFIRM SAME_SERVER
WORDS_OF_drill := FILE SOURCE COPY AS_OF
WORDS_OF_look := FILE SOURCE AT MARK XID LSN QUERY CSV JSON FROM AS_OF
WORDS_OF_diff := FILE WITH LIVE SOURCE FROM JSON
WORDS_OF_backup := SOURCE
WORDS_OF_base := SERVER
WORDS_OF_mark := NAME SERVER
WORDS_OF_commits := AT FOR SERVER
WORDS_OF_list-backups := SOURCE FROM AS_OF
WORDS_OF_cleanup := SOURCE
WORDS_OF_cleanup-dry-run := SOURCE
WORDS_OF_cleanup-picked := SOURCE
WORDS_OF_restore-undo := SOURCE
WORDS_OF_restore-server := AT MARK XID LSN INTO SERVER OWNER FROM AS_OF
WORDS_OF_restore-server-undo := INTO
WORDS_OF_upgrade-check := TO SOURCE FROM
WORDS_OF_copy := FROM COPY
WORDS_OF_verify := FILE COPY ALL AS_OF
WORDS_OF_hold := FILE WHY
WORDS_OF_release := FILE
WORDS_OF_test-faults := N SEED STORAGE CASE MINUTES
WORDS_OF_test-schemas := APP ENGINE FORMAT SCHEMAS_CACHE
WORDS_OF_test-all := REST
SETTINGS := %_TIMEOUT AWS_% BACKUP_% BASE_% BUILDKIT_% BUILDX_% CLEANUP_% COMPOSE_% COPY_% DEMO_% DOCKER_% DRILL_% HEARTBEAT_% \
  LOG_FORMAT MAKE% MARIADB_% MOVED NODE_% NOTIFY_% OFELIA_% PAGE_% PATH PGSSL% PITR% POSTGRES_% PROXIED_% RESTORE_% RETENTION_% \
  RPO_% RTO_% S3_% SECRETS_% SHELL TZ VERIFY_% -%
unknown_to = $(filter-out $(WORDS_OF_$(1)) $(SETTINGS),$(TYPED))
# One without a value was to restrict something, and a shell has put nothing there: TO=$NAME, of a NAME that is not set. Flags may be so.
FLAGS := ALL COMPARE OTHER_SERVER OWN_SEARCH_PATH REST SAME_SERVER WITHOUT_BROKEN
empty_of = $(strip $(foreach name,$(filter-out $(FLAGS),$(filter $(WORDS_OF_$(1)),$(TYPED))),$(if $(value $(name)),,$(name))))
ifneq ($(GOAL),bench)
$(foreach goal,$(filter-out node_modules/%,$(MAKECMDGOALS)),$(if $(call unknown_to,$(goal)),\
  $(error make $(goal) takes no $(call unknown_to,$(goal)): nothing was done. make help shows what each target takes)))
$(foreach goal,$(MAKECMDGOALS),$(if $(call empty_of,$(goal)),\
  $(error make $(goal): $(call empty_of,$(goal)) has no value: nothing was done. Leave it out, or say which)))
endif

# What the user typed reaches a recipe through the environment and as "$$FILE", and nowhere else: as a make variable it
# would be expanded, and pasted into a shell line it would be run. $(value) takes it as it was typed.
override FILE := $(value FILE)
override TO := $(value TO)
override SOURCE := $(value SOURCE)
override AT := $(value AT)
override SERVER := $(value SERVER)
override FROM := $(value FROM)
override COPY := $(value COPY)
override AS_OF := $(value AS_OF)
override WHY := $(value WHY)
override MARK := $(value MARK)
override XID := $(value XID)
override LSN := $(value LSN)
override NAME := $(value NAME)
override FOR := $(value FOR)
override INTO := $(value INTO)
override OWNER := $(value OWNER)
override QUERY := $(value QUERY)
override WITH := $(value WITH)
override TABLE := $(value TABLE)
override ENTRY := $(value ENTRY)
override TARGET := $(value TARGET)
override CONFIRM := $(value CONFIRM)
export FILE TO SOURCE AT SERVER FROM COPY AS_OF WHY MARK XID LSN NAME FOR INTO OWNER QUERY WITH TABLE ENTRY TARGET CONFIRM

# by PATH, as the scripts find it: not every system has it in /bin
SHELL := bash
MODULES := node_modules/.package-lock.json
# not the command tsx: it ends what it started within 60 ms of a Ctrl-C
TSX := node --import tsx
VERB := @scripts/make/run-verb.sh

# make bench -- --size 4GB: what follows are the bench's words, and no targets; those with = make takes for variables
ifeq ($(firstword $(MAKECMDGOALS)),bench)
export BENCH_WORDS := $(wordlist 2,$(words $(MAKECMDGOALS)),$(MAKECMDGOALS)) $(filter --%,$(MAKEOVERRIDES))
Makefile: ;
%:
	@:
endif

# options that are only there when their variable is
FILE_WORD = $(if $(FILE),"$$FILE")
SOURCE_WORD = $(if $(SOURCE),"$$SOURCE")
SERVER_WORD = $(if $(SERVER),"$$SERVER")
SERVER_OPTION = $(if $(SERVER),--server="$$SERVER")
SOURCE_OPTION = $(if $(SOURCE),--source="$$SOURCE")
INTO_OPTION = $(if $(INTO),--into="$$INTO")
OWNER_OPTION = $(if $(OWNER),--owner="$$OWNER")
TO_OPTION = $(if $(TO),--to="$$TO")
FROM_OPTION = $(if $(FROM),--from="$$FROM")
AS_OF_OPTION = $(if $(AS_OF),--as-of="$$AS_OF")
DRILLED_OPTION = $(if $(COPY),--from="$$COPY")
COPY_OPTION = $(if $(COPY),--copy="$$COPY")
ALL_OPTION = $(if $(filter-out 0 no false,$(ALL)),--all)
PART_OPTIONS = $(if $(TABLE),--table="$$TABLE") $(if $(ENTRY),--path="$$ENTRY")
TARGET_OPTIONS = $(if $(TARGET),--target="$$TARGET") $(if $(CONFIRM),--confirm="$$CONFIRM") $(if $(filter-out 0 no false,$(SAME_SERVER)),--same-server)
COPY_WORD = $(if $(COPY),"$$COPY")
COMPARE_OPTION = $(if $(filter-out 0 no false,$(COMPARE)),--compare)
AT_OPTION = $(if $(AT),--at="$$AT")
MOMENT_OPTIONS = $(AT_OPTION) $(if $(MARK),--mark="$$MARK") $(if $(XID),--xid="$$XID") $(if $(LSN),--lsn="$$LSN")
QUERY_OPTION = $(if $(QUERY),--query="$$QUERY")
ANSWER_OPTION = $(if $(filter-out 0 no false,$(JSON)),--json) $(if $(filter-out 0 no false,$(CSV)),--csv)
OTHER_SERVER_OPTION = $(if $(OTHER_SERVER),--other-server)
OWN_SEARCH_PATH_OPTION = $(if $(OWN_SEARCH_PATH),--own-search-path)
WITHOUT_BROKEN_OPTION = $(if $(filter-out 0 no false,$(WITHOUT_BROKEN)),--without-broken)

.DEFAULT_GOAL := help
.PHONY: help up down logs logs-backup clean shell-postgres shell-backup demo backup base mark commits list-backups restore restore-undo restore-server restore-server-undo upgrade-check look diff cleanup \
  cleanup-dry-run cleanup-picked drill copy verify hold release status config notify-test keygen receive pitr-check pitr-off test test-all test-schemas test-faults test-retention check reference bench engine

help: ## This list
	@awk -f scripts/make/help.awk $(MAKEFILE_LIST)

##@ The stack

up: ## Start everything (again, after a change of .env), and wait until it is healthy
	@scripts/make/up.sh

down: ## Stop everything; data and backups stay
	@scripts/make/down.sh

logs: engine ## What all containers say (with a terminal: as they say it)
	@docker compose logs --tail=200 $$(test -t 1 && echo --follow)

logs-backup: engine ## What backups, scheduled and started by hand, say
	@docker compose logs --tail=200 $$(test -t 1 && echo --follow) backup ofelia

clean: ## Remove everything, also the databases and the backups in the local Garage
	@scripts/make/down.sh --volumes --rmi local

shell-postgres: engine ## psql on the example database
	@docker compose exec postgres sh -c 'exec psql -U "$$POSTGRES_USER" -d "$$POSTGRES_DB"'

shell-backup: engine ## A shell in the backup container
	@docker compose exec backup bash

##@ Backups

demo: $(MODULES) ## The main job from start to finish, on real databases, in a minute
	@docker info >/dev/null 2>&1 || scripts/make/prepare-host.sh
	@$(TSX) demo/demo.ts

backup: ## Back up now [SOURCE=name]
	$(VERB) backup -- $(SOURCE_WORD)

base: ## Take a base of each server whose log is taken, for restores to a moment [SERVER=name]
	$(VERB) base -- $(SERVER_WORD)

mark: ## Give this moment the NAME=before-migration, to restore to [SERVER=name]
	@test -n "$$NAME" || { echo 'Which name? make mark NAME=before-migration' >&2; exit 2; }
	$(VERB) mark $(SERVER_OPTION) -- "$$NAME"

commits: ## What was committed around AT=time: transactions, their rows by table, tables dropped and emptied [FOR=5m] [SERVER=name]
	@test -n "$$AT" || { echo 'Around which time? make commits AT=2026-11-25T14:03:00Z' >&2; exit 2; }
	$(VERB) commits $(AT_OPTION) $(if $(FOR),--for="$$FOR") $(SERVER_OPTION)

list-backups: ## Every backup there is, and where it lies [SOURCE=name] [FROM=copy] [AS_OF=time]
	$(VERB) list $(SOURCE_OPTION) $(FROM_OPTION) $(AS_OF_OPTION)

restore: ## Restore FILE=key or FILE=latest, or the moment AT=time, MARK=name, XID=number or LSN=position [SOURCE=name] [TO=database beside the live one] [TABLE=shop.invoices: that alone, beside] [ENTRY=path: that of a folder alone, beside] [TARGET=URL of another server's database CONFIRM=its name again] [SAME_SERVER=yes] [FROM=copy] [AS_OF=time] [OTHER_SERVER=yes] [COMPARE=1] [OWN_SEARCH_PATH=yes] [WITHOUT_BROKEN=yes]
	@test -n "$$FILE$$AT$$MARK$$XID$$LSN" || { echo 'Which one? make restore FILE=<a key of make list-backups, or latest>, or a moment: make restore AT=2026-11-21T09:00:00Z' >&2; exit 2; }
	$(VERB) restore $(SOURCE_OPTION) $(FROM_OPTION) $(AS_OF_OPTION) $(MOMENT_OPTIONS) $(TO_OPTION) $(PART_OPTIONS) $(TARGET_OPTIONS) $(OTHER_SERVER_OPTION) $(COMPARE_OPTION) $(OWN_SEARCH_PATH_OPTION) $(WITHOUT_BROKEN_OPTION) -- $(FILE_WORD)

restore-undo: ## Swap the database back that the last restore replaced [SOURCE=name]
	$(VERB) restore --undo $(SOURCE_OPTION)

restore-server: ## Restore a whole server into its data folder, with the server stopped: to the end of its log, or to AT=time, MARK=name, XID=number or LSN=position [INTO=folder] [SERVER=name] [OWNER=uid:gid] [FROM=copy] [AS_OF=time]
	@scripts/make/restore-server.sh $(MOMENT_OPTIONS) $(INTO_OPTION) $(SERVER_OPTION) $(OWNER_OPTION) $(FROM_OPTION) $(AS_OF_OPTION)

restore-server-undo: ## Put the data folder back that the last restore-server replaced, with the server stopped [INTO=folder]
	@scripts/make/restore-server.sh --undo $(INTO_OPTION)

upgrade-check: ## Rehearse an upgrade: the newest backups on a throwaway server TO=18, or TO=11.8 of MariaDB [SOURCE=name] [FROM=copy]
	@test -n "$$TO" || { echo 'To which version? make upgrade-check TO=18' >&2; exit 2; }
	@scripts/make/upgrade-check.sh $(SOURCE_OPTION) $(FROM_OPTION) -- "$$TO"

look: ## Look into a backup, or into a moment, on a throwaway server: a prompt, or QUERY='select …' [FILE=key or latest] [AT=time] [MARK=name] [XID=number] [LSN=position] [SOURCE=name] [CSV=1] [JSON=1] [FROM=copy] [AS_OF=time]
	@test -n "$$FILE$$AT$$MARK$$XID$$LSN" || { echo 'Which one? make look FILE=<a key of make list-backups, or latest>, or a moment: make look AT=2026-11-21T09:00:00Z' >&2; exit 2; }
	$(VERB) look $(SOURCE_OPTION) $(FROM_OPTION) $(AS_OF_OPTION) $(MOMENT_OPTIONS) $(QUERY_OPTION) $(ANSWER_OPTION) -- $(FILE_WORD)

diff: ## What changed since the backup before FILE=key or latest, or since the backup WITH=key, or until now LIVE=1 [SOURCE=name] [FROM=copy] [JSON=1]
	@test -n "$$FILE" || { echo 'Which one? make diff FILE=<a key of make list-backups, or latest>' >&2; exit 2; }
	$(VERB) diff $(SOURCE_OPTION) $(FROM_OPTION) $(if $(filter-out 0 no false,$(LIVE)),--live) $(if $(filter-out 0 no false,$(JSON)),--json) -- "$$FILE" $(if $(WITH),"$$WITH")

receive: ## Take the log of the servers (PITR) in the foreground; in Compose the service receiver does it
	$(VERB) receive

pitr-check: ## What a server lacks so that any moment can be restored, and the lines that mend it
	$(VERB) pitr check

pitr-off: ## Drop the replication slots by which logs are taken; what is stored stays
	$(VERB) pitr off

cleanup: ## Remove what the retention rules no longer keep [SOURCE=name]
	$(VERB) cleanup $(SOURCE_OPTION)

cleanup-dry-run: ## Show what cleanup would remove, and why [SOURCE=name]
	$(VERB) cleanup --dry-run $(SOURCE_OPTION)

cleanup-picked: ## Remove at once what restores have picked out (TABLE=, ENTRY=) [SOURCE=name]
	$(VERB) cleanup --picked $(SOURCE_OPTION)

drill: ## Rehearse a restore and prove it: the latest of each source [FILE=key] [SOURCE=name] [COPY=name] [AS_OF=time]
	$(VERB) drill $(SOURCE_OPTION) $(DRILLED_OPTION) $(AS_OF_OPTION) -- $(FILE_WORD)

copy: ## Copy to every COPY_<NAME> what it lacks; nothing is deleted [COPY=name] [FROM=name: fill the primary store from that copy]
	$(VERB) copy $(FROM_OPTION) -- $(COPY_WORD)

verify: ## Read backups back and compare every byte, in every store; try what these keys could delete [FILE=key] [COPY=name] [ALL=1] [AS_OF=time]
	$(VERB) verify $(COPY_OPTION) $(ALL_OPTION) $(AS_OF_OPTION) -- $(FILE_WORD)

hold: ## Keep retention from a backup: FILE=key WHY='reason'
	$(VERB) hold --why="$$WHY" -- "$$FILE"

release: ## Let retention have a held backup again: FILE=key
	$(VERB) release -- "$$FILE"

status: ## Is everything backed up, recent and proved? Exit code 3 of the script when not
	$(VERB) status || { code=$$?; scripts/make/why-no-run.sh; exit $$code; }

config: ## Every setting in force, and where it comes from; secrets are not shown
	$(VERB) config

notify-test: ## Send a test message to everybody in NOTIFY_URL
	$(VERB) notify-test

keygen: ## Make an age key pair to encrypt backups with; the identity goes to age-identity.txt
	@test ! -e age-identity.txt || { echo 'age-identity.txt exists; it is not overwritten.' >&2; exit 1; }
	@(umask 077; scripts/make/run-verb.sh keygen >age-identity.txt) || { rm -f age-identity.txt; exit 1; }

##@ Development

test: $(MODULES) ## The tests that this machine can run, in minutes
	@scripts/make/prepare-host.sh || true
	@test/run.sh quick

test-all: export REST := $(value REST)
test-all: $(MODULES) ## All of them: every matrix, a selection of faults [REST=1: without what make test runs]
	@scripts/make/prepare-host.sh || true
	@test/run.sh $$(test -n "$$REST" && echo rest || echo all)

test-schemas: export APP := $(value APP)
test-schemas: export ENGINE := $(value ENGINE)
test-schemas: export FORMAT := $(value FORMAT)
test-schemas: export SCHEMAS_CACHE := $(value SCHEMAS_CACHE)
test-schemas: $(MODULES) ## Databases of real applications, each through everything [APP=name] [ENGINE=postgres|mariadb] [FORMAT=sql|custom|folder]
	@scripts/make/prepare-host.sh || true
	@$(TSX) test/schemas/run.ts

test-faults: export N := $(value N)
test-faults: export SEED := $(value SEED)
test-faults: export STORAGE := $(value STORAGE)
test-faults: export CASE := $(value CASE)
test-faults: export MINUTES := $(value MINUTES)
test-faults: $(MODULES) ## Faults by the hundred, and what came of them [N=200] [SEED=1] [STORAGE=directory|s3|garage] [CASE=n] [MINUTES=60]
	@scripts/make/prepare-host.sh || true
	@$(TSX) test/faults/run.ts

test-retention: $(MODULES) ## The retention rules alone; needs no server
	@node --import tsx --test test/unit/repository/retention*.test.ts

check: $(MODULES) ## Types, lint, format, imports that climb, shell scripts, compose file
	@node_modules/.bin/tsc --noEmit
	@node_modules/.bin/biome check .
	@$(TSX) --test --test-reporter=dot test/unit/imports.test.ts
	@! command -v shellcheck >/dev/null || shellcheck $$(git ls-files '*.sh' .ci/run)
	@! command -v hadolint >/dev/null || hadolint docker/backup/Dockerfile
	@! docker compose version >/dev/null 2>&1 || BACKUP_ENV_FILE=.env.example docker compose --env-file .env.example config --quiet

reference: $(MODULES) ## Write docs/reference.md again, after a change of a variable, a command or a JSON field
	@$(TSX) docs/make-reference.ts

bench: $(MODULES) ## Side by side with what one would use instead [-- --help for its options]
	@set -f; $(TSX) bench/bench.ts $$BENCH_WORDS

# ---- what the targets above build on

$(MODULES): package.json package-lock.json
	@command -v npm >/dev/null || { echo 'Node 20 or newer is needed: https://nodejs.org/en/download' >&2; exit 1; }
	@npm ci --loglevel=error --no-update-notifier
	@touch $@

engine:
	@scripts/make/need-stack.sh
