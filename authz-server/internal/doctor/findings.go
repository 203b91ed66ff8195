package doctor

import "strings"

// kind is what a finding means, and what to do about it.
type kind struct {
	severity Severity
	do       string
}

func checkOf(id string) string {
	name, _, _ := strings.Cut(id, ".")
	return name
}

// kinds are all findings, by id.
var kinds = map[string]kind{
	"settings.ok":       {OK, ""},
	"settings.refused":  {Error, "Put the setting right: the server does not start with it."},
	"settings.warning":  {Warning, "Do as it says."},
	"settings.insecure": {Warning, "Leave the setting out, unless you know why it is there: its help says what it gives up."},

	"database.ok":            {OK, ""},
	"database.unreachable":   {Error, "Start the database, or put --database-url right; on SQLite, 'serve' makes the file at its first start."},
	"database.old":           {Error, "Upgrade Postgres to 15 or later."},
	"database.encoding":      {Error, "Make the database with ENCODING 'UTF8', and move the data by pg_dump and pg_restore."},
	"database.read_only":     {Error, "Let --database-url name the primary, or all servers with target_session_attrs=read-write."},
	"database.not_durable":   {Error, "Set these back to on: after a power failure, what was ended or used could be valid again."},
	"database.few_places":    {Warning, "Raise max_connections of Postgres, or lower --database-max-connections: each replica needs one more than it says."},
	"database.schema":        {Error, "Run the program that migrated the database, or a later one; or restore a backup."},
	"database.empty":         {Skipped, "Start the server: it makes the schema."},
	"database.schema_behind": {Warning, "Start servers of this version: the first one brings the schema up to date."},
	"database.readable":      {Warning, "Run chmod 600 on the file, and on those with -wal and -shm at the end of their names."},

	"keys.ok":         {OK, ""},
	"keys.skipped":    {Skipped, "Put the settings or the database right first."},
	"keys.none":       {Skipped, "Start the server: it makes the first keys."},
	"keys.wrong_kek":  {Error, "Set the key-encryption key by which they were made; if it was replaced, set that one as --old-key-encryption-key, and run 'keys rewrap'."},
	"keys.unreadable": {Error, "Restore the row from a backup, or withdraw the key by 'keys withdraw'."},
	"keys.stale":      {Warning, "Run 'keys rewrap' with both key-encryption keys, and then leave the old one out."},
	"keys.old":        {Warning, "Let a server run, which rotates them in time; or run 'keys rotate'."},

	"server.ok":          {OK, ""},
	"server.not_running": {Skipped, "If it should run, start it; otherwise nothing is wrong."},
	"server.not_ready":   {Error, "Look into the server's log for \"not ready\"."},
	"server.other":       {Error, "Another program listens there: stop it, or give the server another --listen."},

	"issuer.ok":          {OK, ""},
	"issuer.skipped":     {Skipped, "Run this again while a server runs."},
	"issuer.unreachable": {Error, "Let the name lead to the gateway from this machine too: resource services fetch keys from there."},
	"issuer.status":      {Error, "Let the gateway pass /.well-known/ and all other paths of the issuer on to the server, without a redirect."},
	"issuer.other":       {Error, "Give --issuer the very text that people and services use, or let the gateway lead to the right server."},
	"issuer.keys":        {Error, "The issuer's server has other keys than this database: give both the same --database-url and key-encryption key."},
	"issuer.silent":      {Warning, "Is it of this version, with this key-encryption key? Proxies must pass the header Maru-Doctor on, both ways. How requests arrive could not be looked at."},

	"tls.ok":       {OK, ""},
	"tls.skipped":  {Skipped, "Run this again when the gateway runs."},
	"tls.none":     {Warning, "Use https outside of development."},
	"tls.refused":  {Error, "Give the gateway a certificate of an authority that everybody trusts, for this name, with the whole chain; name one of your own by --outgoing-ca-file."},
	"tls.expired":  {Error, "Renew the certificate, and have the gateway load it."},
	"tls.expiring": {Warning, "Renew the certificate: see why the gateway does not."},
	"tls.old":      {Error, "Let the gateway offer TLS 1.2 and 1.3."},

	"cookies.ok":      {OK, ""},
	"cookies.address": {Warning, "Use a name: passkeys do not work for an issuer that is an IP address."},
	"cookies.shared":  {Warning, "Give the issuer a host of its own: what else is there can act as a person who is logged in."},
	"cookies.port":    {Warning, "Give the API another host name: browsers send cookies to all ports of a host."},
	"cookies.changed": {Error, "Let the proxy leave Set-Cookie as it is (nginx: no proxy_cookie_path or proxy_cookie_domain)."},
	"cookies.moved":   {Error, "Let the proxy leave Location as it is (nginx: proxy_redirect off)."},

	"proxies.ok":        {OK, ""},
	"proxies.skipped":   {Skipped, "Run this again when the issuer answers."},
	"proxies.no_client": {Error, "Have the proxy set X-Forwarded-For to the address of who called it: to the server, everybody is one sender, who is soon throttled."},
	"proxies.untrusted": {Error, "Add the proxy's address to --trusted-proxies: to the server, everybody is one sender, who is soon throttled."},
	"proxies.passes_on": {Error, "Have the proxy replace X-Forwarded-For, or append the caller's address to it: now callers choose their own, and no limit holds them."},
	"proxies.host":      {Warning, "Have the proxy pass Host on, or set X-Forwarded-Host. Nothing here depends on it, but what rewrites it often rewrites redirects and cookies too."},
	"proxies.no_proto":  {Warning, "Have the proxy set X-Forwarded-Proto. Nothing here depends on it, but the log of the proxy behind it may."},
	"proxies.proto":     {Warning, "See where TLS ends: a proxy says that the request came by another scheme than the issuer's."},

	"mail.ok":          {OK, ""},
	"mail.none":        {Skipped, "Without mail, addresses stay unverified, and operators' links take its place: see --mail-smtp-url."},
	"mail.unreachable": {Error, "Put --mail-smtp-url right, or let this machine reach the mail server: many networks close port 25, and some 587."},
	"mail.greeting":    {Error, "Something else listens there, or smtp:// and smtps:// are mixed up: smtps:// is for port 465."},
	"mail.tls":         {Error, "Name the server as its certificate does, and its authority by --mail-ca-file; use smtps:// where there is no STARTTLS."},
	"mail.log-in":      {Error, "Put the user in --mail-smtp-url and --mail-password-file right."},
	"mail.sender":      {Error, "Let the mail account send as --mail-from."},
	"mail.expiring":    {Warning, "Have the mail server's certificate renewed: afterwards no letter leaves."},

	"clock.ok":       {OK, ""},
	"clock.skipped":  {Skipped, "There is nothing to compare it with."},
	"clock.database": {Error, "Set both clocks right by NTP: servers are not ready while they differ so much."},
	"clock.issuer":   {Error, "Set the clocks right by NTP: what one machine issues is not yet valid, or no longer, for the other."},
	"clock.mail":     {Warning, "Set this machine's clock right by NTP, unless the mail server's is wrong."},
}
