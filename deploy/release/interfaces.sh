#!/bin/sh
# interfaces.sh: compares the OpenAPI documents with those of the last release (../last-release), and fails if a client of then
# would break now. What breaks clients needs a new version in the path.
set -eu
cd "$(dirname "$0")/../.."
export GOTOOLCHAIN=auto
read -r tag commit < deploy/last-release
git cat-file -e "$commit^{commit}" 2>/dev/null || commit=$tag
before=$(mktemp) && trap 'rm -f "$before"' EXIT
status=0
for document in ${*:-$(git ls-files '*/openapi.json')}; do
	git cat-file -e "$commit:$document" 2>/dev/null || continue # it is new
	git show "$commit:$document" > "$before"
	# 1 means that it breaks; the tool fails by others.
	go tool -modfile=deploy/tools/oasdiff/go.mod oasdiff breaking --fail-on ERR "$before" "$document" || {
		[ $? = 1 ] || exit 2
		echo "$document breaks clients of $tag" >&2
		status=1
	}
done
exit $status
