#!/bin/sh
# Makes what deploy/compose.yaml needs and no repository may hold: passwords, the key-encryption key, the OAuth clients with
# secrets of their own, and a CA with a certificate for Postgres, in deploy/secrets (or the folder given). What is there
# already is never replaced, but for the app's origin in clients.json when MARU_APP says another one. Needs openssl.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
dir=${1:-$here/secrets}
app=${MARU_APP:-http://localhost:8080}
umask 077
. "$here/secrets.sh"
need_openssl "makes the certificate of Postgres"
mkdir -p "$dir"
chmod 0700 "$dir" # for what is in it must be readable where it is mounted: see below

# A CA that signs this one certificate, and whose key is then thrown away: nobody can make another.
if [ ! -e "$dir/postgres.key" ]; then
	new=$(mktemp -d "$dir/new.XXXXXX")
	trap 'rm -rf "$new"' EXIT
	cat > "$new/config" <<-EOT # openssl's own would add to it
		[req]
		distinguished_name = name
		[name]
		[ca]
		basicConstraints = critical,CA:TRUE,pathlen:0
		keyUsage = critical,keyCertSign
		subjectKeyIdentifier = hash
		[server]
		basicConstraints = critical,CA:FALSE
		keyUsage = critical,digitalSignature
		extendedKeyUsage = serverAuth
		subjectAltName = DNS:postgres
	EOT
	openssl ecparam -name prime256v1 -genkey -noout -out "$new/ca.key"
	openssl req -x509 -new -sha256 -key "$new/ca.key" -days 3650 -subj "/CN=Maru Postgres CA" -config "$new/config" -extensions ca -out "$new/ca.crt"
	openssl ecparam -name prime256v1 -genkey -noout -out "$new/server.key"
	openssl req -new -sha256 -key "$new/server.key" -subj "/CN=postgres" -config "$new/config" -out "$new/server.csr"
	openssl x509 -req -sha256 -in "$new/server.csr" -CA "$new/ca.crt" -CAkey "$new/ca.key" -CAcreateserial -days 3650 \
		-extfile "$new/config" -extensions server -out "$new/server.crt" 2> /dev/null
	chmod 0644 "$new/ca.crt" "$new/server.crt"
	mv "$new/ca.crt" "$dir/postgres-ca.crt"
	mv "$new/server.crt" "$dir/postgres.crt"
	mv "$new/server.key" "$dir/postgres.key" # last: what is half made is made anew
	rm -rf "$new"
	trap - EXIT
fi

if [ -e "$dir/compose.env" ]; then
	echo "$dir/compose.env is there already; it was not changed" >&2
	old=$(sed -n 's#.*"redirect_uris": \["\(.*\)/callback"\].*#\1#p' "$dir/clients.json" | head -n 1)
	if [ -n "${MARU_APP:-}" ] && [ -n "$old" ] && [ "$old" != "$MARU_APP" ]; then
		sed "s#\"$old/#\"$MARU_APP/#g" "$dir/clients.json" > "$dir/clients.json.new"
		chmod 0644 "$dir/clients.json.new"
		mv "$dir/clients.json.new" "$dir/clients.json"
		echo "The app is at $MARU_APP now, and was at $old: 'docker compose up' with the new MARU_APP registers it." >&2
	fi
	exit 0
fi

demo=$(random) board=$(random)
# Compose shows a file secret in the container with the owner and mode that it has here, and the programs run as user 65532.
[ -e "$dir/authz.kek" ] || head -c 32 /dev/urandom | base64 > "$dir/authz.kek"
clients "$app" "$demo" "$board" > "$dir/clients.json"
chmod 0644 "$dir/authz.kek" "$dir/clients.json" # the folder keeps everybody else on this machine out
cat > "$dir/compose.env.new" <<EOT
POSTGRES_PASSWORD=$(random)
AUTHZ_DATABASE_PASSWORD=$(random)
USER_DATABASE_PASSWORD=$(random)
BOARD_DATABASE_PASSWORD=$(random)
DEMO_CLIENT_SECRET=$demo
BOARD_CLIENT_SECRET=$board
EOT
mv "$dir/compose.env.new" "$dir/compose.env"
