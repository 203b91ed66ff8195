# What compose-secrets.sh and kubernetes-secrets.sh share; they read it with ".".

random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; } # 256 bits, safe in a URL

need_openssl() {
	if ! command -v openssl > /dev/null; then
		echo "openssl is missing, and $1; install it (apt-get install openssl) and run this again" >&2
		exit 1
	fi
}

# clients APP DEMO BOARD: the OAuth clients of production, which are development's without its samples and API references, for the app's origin and with
# these secrets in place of the public ones. Log-out addresses of this machine are for development: from a container they lead nowhere.
clients() {
	awk '/^  \{/ { entry = $0; next }
		/^  \}/ { if (entry !~ /"client_id": "(sample-|api-docs)/) printf "%s%s\n  }", (n++ ? ",\n" : ""), entry; next }
		/^\]/ { print "" }
		/^[][]/ { print; next }
		{ entry = entry "\n" $0 }' "$here/dev/clients.json" |
		sed -e "s#http://localhost:8080#$1#g" -e "s#demo-secret-for-development-only#$2#" -e "s#board-secret-for-development-only#$3#" -e "/backchannel_logout/d"
}
