#!/bin/sh
# Fails on a known vulnerability that our programs, or the gateway's executable, can reach.
#
# The database is a Go module like any other, so the check says the same for everybody until the pin is raised ('make vulndb'),
# and needs no network once the modules are there.
set -eu
cd "$(dirname "$0")/../.."

database() { go list -m -modfile=deploy/tools/vulndb/go.mod -f "$1" golang.org/x/vulndb; }
govulncheck() { go tool -modfile=deploy/tools/govulncheck/go.mod govulncheck -db "file://$PWD/$db" "$@"; }

go mod download -modfile=deploy/tools/vulndb/go.mod golang.org/x/vulndb
version=$(database '{{.Version}}')
db=bin/vulndb-$version
if [ ! -d "$db" ]; then
	mkdir -p bin
	new=$(mktemp -d bin/new-vulndb-XXXXXX)
	go tool -modfile=deploy/tools/vulndb/go.mod indexdb -vulns "$(database '{{.Dir}}')/data/osv" -out "$new"
	chmod 755 "$new"
	rm -rf bin/vulndb-*
	mv "$new" "$db"
fi

day=$(echo "$version" | sed 's/.*-\(....\)\(..\)\(..\)......-.*/\1-\2-\3/')
echo "the programs, by the vulnerabilities known on $day:"
status=0
govulncheck ./... || status=$?
echo "the gateway's executable, by the same:"
# Built anew, because 'go tool' strips it, and without symbols every package of a module seems to be in it.
go build -modfile=deploy/tools/caddy/go.mod -o bin/caddy github.com/caddyserver/caddy/v2/cmd/caddy
govulncheck -mode=binary bin/caddy || status=$?
exit $status
