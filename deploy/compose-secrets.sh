#!/bin/sh
# Makes what deploy/compose.yaml needs and no repository may hold: passwords, the key-encryption key, and the OAuth clients
# with secrets of their own, in deploy/secrets (or the folder given). What is there already is never replaced.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
dir=${1:-$here/secrets}
app=${MARU_APP:-http://localhost:8080}
umask 077
mkdir -p "$dir"
if [ -e "$dir/compose.env" ]; then
	echo "$dir/compose.env is there already; nothing was changed" >&2
	exit 0
fi

random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; } # 256 bits, safe in a URL

demo=$(random) board=$(random)
# Compose shows a file secret in the container with the owner and mode that it has here, and the programs run as user 65532.
[ -e "$dir/authz.kek" ] || head -c 32 /dev/urandom | base64 > "$dir/authz.kek"
# Log-out addresses of this machine are for development: from a container they lead nowhere.
sed -e "s#http://localhost:8080#$app#g" -e "s#demo-secret-for-development-only#$demo#" -e "s#board-secret-for-development-only#$board#" \
	-e "s#sample-secret-for-development-only#$(random)#" \
	-e "/backchannel_logout/d" "$here/dev/clients.json" > "$dir/clients.json"
chmod 0644 "$dir/authz.kek" "$dir/clients.json"
chmod 0700 "$dir" # so that on this machine nobody else gets at them
cat > "$dir/compose.env.new" <<EOT
POSTGRES_PASSWORD=$(random)
AUTHZ_DATABASE_PASSWORD=$(random)
USER_DATABASE_PASSWORD=$(random)
BOARD_DATABASE_PASSWORD=$(random)
DEMO_CLIENT_SECRET=$demo
BOARD_CLIENT_SECRET=$board
EOT
mv "$dir/compose.env.new" "$dir/compose.env"
