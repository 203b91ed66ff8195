#!/bin/sh
# Makes the Secrets that deploy/kubernetes wants, in deploy/secrets/kubernetes.yaml (or in the folder given), and beside it
# kubernetes-clients.json, the OAuth clients that belong to them. What is there already is never replaced. Needs openssl.
#
#   MARU_APP             the demo app's public origin
#   AUTHZ_DATABASE_URL USER_DATABASE_URL BOARD_DATABASE_URL   three databases on a Postgres of yours, each with its own role:
#                        postgres://ROLE:PASSWORD@HOST:5432/NAME. The script adds sslmode=verify-full: no other is accepted.
#   POSTGRES_CA          a file with the CA of Postgres's certificate; empty: it is one that everybody trusts
#
#   AUTHZ_DATABASE_URL=postgres://… … sh deploy/kubernetes-secrets.sh && kubectl apply -f deploy/secrets/kubernetes.yaml
set -eu
here=$(cd "$(dirname "$0")" && pwd)
dir=${1:-$here/secrets}
umask 077
. "$here/secrets.sh"
need_openssl "encodes the secrets"
mkdir -p "$dir"
if [ -e "$dir/kubernetes.yaml" ]; then
	echo "$dir/kubernetes.yaml is there already; nothing was changed" >&2
	exit 0
fi
: "${MARU_APP:?the public origin, such as https://app.example.com}"

# database NAME URL: the URL, so that the certificate is checked.
database() {
	case $2 in
	postgres://*/* | postgresql://*/*) ;;
	*) echo "$1 is no postgres://ROLE:PASSWORD@HOST:PORT/NAME" >&2 && exit 1 ;;
	esac
	case $2 in *[\?\&]sslmode=* | *[\?\&]sslrootcert=*) echo "$1: leave sslmode and sslrootcert out; this script adds them" >&2 && exit 1 ;; esac
	case $2 in *\?*) url="$2&sslmode=verify-full" ;; *) url="$2?sslmode=verify-full" ;; esac
	[ -z "${POSTGRES_CA:-}" ] || url="$url&sslrootcert=/postgres/ca.crt"
}

# secret NAME KEY VALUE…: a Secret of these values.
secret() {
	printf -- '---\napiVersion: v1\nkind: Secret\nmetadata: { name: %s, namespace: maru }\ndata:\n' "$1"
	shift
	while [ $# -gt 0 ]; do
		printf '  %s: %s\n' "$1" "$(printf %s "$2" | openssl base64 -A)"
		shift 2
	done
}

database AUTHZ_DATABASE_URL "${AUTHZ_DATABASE_URL:?postgres://…}" && authz=$url
database USER_DATABASE_URL "${USER_DATABASE_URL:?postgres://…}" && user=$url
database BOARD_DATABASE_URL "${BOARD_DATABASE_URL:?postgres://…}" && board=$url
demo_secret=$(random) board_secret=$(random)
clients "$MARU_APP" "$demo_secret" "$board_secret" > "$dir/kubernetes-clients.json"
{
	secret authz database-url "$authz" key-encryption-key "$(openssl rand -base64 32)"
	secret user database-url "$user"
	secret board database-url "$board" client-secret "$board_secret"
	secret demo client-secret "$demo_secret"
	[ -z "${AUTHZ_MAIL_SMTP_URL:-}" ] || secret mail smtp-url "$AUTHZ_MAIL_SMTP_URL" from "${AUTHZ_MAIL_FROM:?whom mail is from}"
	[ -z "${POSTGRES_CA:-}" ] || secret postgres-ca ca.crt "$(cat "$POSTGRES_CA")"
} > "$dir/kubernetes.yaml.new"
mv "$dir/kubernetes.yaml.new" "$dir/kubernetes.yaml"
echo "Apply $dir/kubernetes.yaml, and once the authorization server runs, import $dir/kubernetes-clients.json (see kustomization.yaml)." >&2
