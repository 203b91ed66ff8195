#!/bin/sh
# Run by the Postgres container in place of its image's entrypoint, and ends in it. A secret has the owner that its file has
# on the host, and Postgres takes a key only if it is its own and nobody else can read it.
set -eu
install -o postgres -g postgres -m 0600 "${POSTGRES_KEY_SECRET:-/run/secrets/postgres-key}" "${POSTGRES_KEY:-/run/postgresql/server.key}"
exec docker-entrypoint.sh "$@"
