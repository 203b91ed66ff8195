#!/bin/sh
# sbom.sh PROGRAM FILE: writes what a Go program was made of to FILE, as CycloneDX in JSON. It says the same of the same
# program: no time, no serial number. THIRD_PARTY.md has the licences.
set -eu
root=$(CDPATH= cd "$(dirname "$0")/../.." && pwd)
export GOTOOLCHAIN=auto
go tool -modfile="$root/deploy/tools/cyclonedx-gomod/go.mod" cyclonedx-gomod bin -json -noserial -std -output "$2.new" "$1"
sed '/^    "timestamp": /d' "$2.new" > "$2"
rm "$2.new"
