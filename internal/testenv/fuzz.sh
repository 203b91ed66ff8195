#!/bin/sh
# Runs each fuzz target of the module for FUZZTIME, and keeps inputs that reached new code as the target's corpus, in testdata/fuzz
# of its package, where 'go test' runs them ever after. Go itself puts an input that fails there.
set -eu
cd "$(dirname "$0")/../.."

# One target compares OpenSSL with Go, and needs the tag for that.
export GOFLAGS="${GOFLAGS:-} -tags=libcrypto"
kept=16 # files a target, of at most 2 KiB: a sample by their hashes, which are their names
for p in $(go list ./...); do
	dir=$(go list -f '{{.Dir}}' "$p")
	for f in $(go test -vet=off -list '^Fuzz' "$p" | grep '^Fuzz' || true); do
		echo "$p $f"
		go test -vet=off -run '^$' -fuzz "^$f\$" -fuzztime "${FUZZTIME:-20s}" "$p"
		corpus=$dir/testdata/fuzz/$f
		found=$(go env GOCACHE)/fuzz/$p/$f
		[ -d "$found" ] || continue
		mkdir -p "$corpus"
		find "$found" -type f -size -3k -name '[0-9a-f]*' | sort | while read -r input; do
			[ "$(find "$corpus" -type f | wc -l)" -lt $kept ] || break
			cp "$input" "$corpus/"
		done
	done
done
