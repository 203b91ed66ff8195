# What compose-secrets.sh and kubernetes-secrets.sh share; they read it with ".".

random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; } # 256 bits, safe in a URL

need_openssl() {
	if ! command -v openssl > /dev/null; then
		echo "openssl is missing, and $1; install it (apt-get install openssl) and run this again" >&2
		exit 1
	fi
}

# clients APP DEMO BOARD: development's OAuth clients, for the app's origin and with these secrets in place of the public ones.
# Log-out addresses of this machine are for development: from a container they lead nowhere.
clients() {
	sed -e "s#http://localhost:8080#$1#g" -e "s#demo-secret-for-development-only#$2#" -e "s#board-secret-for-development-only#$3#" \
		-e "s#sample-secret-for-development-only#$(random)#" -e "/backchannel_logout/d" "$here/dev/clients.json"
}
