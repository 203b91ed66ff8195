#!/bin/sh
# notes.sh VERSION: what CHANGELOG.md says of a version, such as v0.1.0. Fails if that is nothing.
set -eu
cd "$(dirname "$0")/../.."
awk -v want="## [${1#v}]" '
	/^## \[/ { inside = index($0, want) == 1; next }
	/^\[[^]]*\]: / { inside = 0 }
	inside && (some || NF) { some = 1; print }
	END { if (!some) exit 1 }' CHANGELOG.md || { echo "CHANGELOG.md says nothing of ${1#v}" >&2; exit 1; }
