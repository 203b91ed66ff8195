package store

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/auditlog"
	"github.com/maru-auth/maru/authz-server/internal/store/grants"
	"github.com/maru-auth/maru/authz-server/internal/store/keystore"
	"github.com/maru-auth/maru/authz-server/internal/store/limits"
	"github.com/maru-auth/maru/authz-server/internal/store/outbox"
	"github.com/maru-auth/maru/authz-server/internal/store/registry"
	"github.com/maru-auth/maru/authz-server/internal/store/requests"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/authz-server/internal/store/statistics"
	"github.com/maru-auth/maru/authz-server/internal/store/statuses"
	"github.com/maru-auth/maru/authz-server/internal/store/streams"
	"github.com/maru-auth/maru/authz-server/internal/store/upstreams"
	"github.com/maru-auth/maru/internal/sqldb/growthtest"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// grown puts most of everything with the client c1, the person u1 and the session s1, as far as
// they can have it. Every time is its row's number in milliseconds, and the clock stands at
// planNow. Nearly all is unexpired then.
var grown = []string{
	`INSERT INTO users (id, email, email_key, email_verified, name, locale, password_hash, roles, disabled, created_at, updated_at)
		` + growthtest.Numbers + ` SELECT 'u' || i, 'u' || i, 'u' || i, false, 'n', '', 'hash', '', false, i, i FROM n`,
	`UPDATE users SET indexed_at = updated_at WHERE id <> 'u3'`,
	`INSERT INTO user_words (word, user_id) ` + growthtest.Numbers + ` SELECT CAST('u' || i AS BYTEA), 'u' || i FROM n`,
	`INSERT INTO user_words (word, user_id) ` + growthtest.Numbers + ` SELECT CAST('n' AS BYTEA), 'u' || i FROM n`,
	`INSERT INTO client_refusals (client_id, start, count)
		` + growthtest.Numbers + ` SELECT 'c' || CASE WHEN i <= 150 THEN 1 ELSE i END, CAST(i AS BIGINT) * 1000000 - 90000000000, i FROM n`,
	`INSERT INTO statistics (width, start, kind, count)
		` + growthtest.Numbers + ` SELECT 3600000000, (i / 5) * 3600000000 - 3456000000000, 'k' || (i % 5), 1 FROM n`,
	`INSERT INTO users (id, email, email_key, email_verified, name, locale, password_hash, roles, disabled, created_at, updated_at)
		VALUES ('former', 'U@Bücher.example', 'u@bücher.example', false, 'n', '', 'hash', '', false, 1, 1)`,
	`INSERT INTO invitations (id, secret_hash, email, email_key, mailed, note, created_at, expires_at)
		` + growthtest.Numbers + ` SELECT 'i' || i, CAST('x' || i AS BYTEA), '', '', false, '', i, i * 1000 - 7776000000000 FROM n`,
	`INSERT INTO agreements (user_id, version, address, agreed_at) ` + growthtest.Numbers + ` SELECT 'u' || i, '1', '', i FROM n`,
	`UPDATE users SET delete_at = 1 WHERE created_at BETWEEN 600 AND 900`,
	`INSERT INTO clients (id, metadata, created_at, updated_at)
		` + growthtest.Numbers + ` SELECT 'c' || i, '{"client_name":"n","backchannel_logout_uri":"https://a.example/"}', i, i FROM n`,
	`INSERT INTO clients (id, metadata, created_at, updated_at)
		` + growthtest.Numbers + ` SELECT 'https://' || i || '.example/', '{"client_name":"n"}', i, 0 FROM n`,
	`UPDATE users SET roles = 'moderator' WHERE id = 'u1'`,
	`INSERT INTO roles (resource, name, scopes, description, created_at)
		` + growthtest.Numbers + ` SELECT 'board', 'r' || i, 'board:write', '', i FROM n WHERE i <= 50`,
	`INSERT INTO roles (resource, name, scopes, description, created_at)
		` + growthtest.Numbers + ` SELECT 'x' || i, 'r', 'x:write', '', i FROM n`,
	`INSERT INTO user_roles (user_id, resource, role, created_at)
		` + growthtest.Numbers + ` SELECT 'u' || i, 'board', 'moderator', i FROM n`,
	`INSERT INTO groups (id, name, name_key, external_id, version, created_at, updated_at)
		` + growthtest.Numbers + ` SELECT 'q' || i, 'q' || i, 'q' || i, 'q' || i, 1, i, i FROM n`,
	`INSERT INTO group_members (group_id, user_id, created_at)
		` + growthtest.Numbers + ` SELECT 'q' || CASE WHEN i <= 500 THEN 1 ELSE i END, 'u' || i, i FROM n`,
	`INSERT INTO group_members (group_id, user_id, created_at)
		` + growthtest.Numbers + ` SELECT 'q' || i, 'u1', i FROM n WHERE i BETWEEN 2 AND 20`,
	`INSERT INTO group_roles (group_id, resource, role, created_at)
		` + growthtest.Numbers + ` SELECT 'q' || i, 'board', 'r' || CASE WHEN i <= 10 THEN 1 ELSE 2 END, i FROM n`,
	`INSERT INTO external_users (client_id, user_id, external_id)
		` + growthtest.Numbers + ` SELECT 'c1', 'u' || i, CASE WHEN i <= 500 THEN 'same' ELSE 'e' || i END FROM n`,
	`INSERT INTO external_groups (client_id, group_id, external_id)
		` + growthtest.Numbers + ` SELECT 'c1', 'q' || i, CASE WHEN i <= 500 THEN 'same' ELSE 'e' || i END FROM n`,
	`UPDATE clients SET grants_since = 1 WHERE created_at % 100 = 0 AND updated_at > 0`,
	`UPDATE clients SET exchanges_ended_at = 1 WHERE created_at % 100 = 50 AND updated_at > 0`,
	`INSERT INTO client_secrets (client_id, secret_hash, created_at, expires_at)
		` + growthtest.Numbers + ` SELECT 'c' || i, CAST('x' || i AS BYTEA), i, i * 1000 FROM n`,
	`INSERT INTO registration_tokens (client_id, token_hash, vouched, checked_at)
		` + growthtest.Numbers + ` SELECT 'c' || i, CAST('x' || i AS BYTEA), i % 2 = 0, i * 1000 FROM n`,
	`INSERT INTO initial_access_tokens (token_hash, note, uses_left, created_at, expires_at)
		` + growthtest.Numbers + ` SELECT CAST('x' || i AS BYTEA), '', i % 100, i, i * 1000 FROM n`,
	`INSERT INTO sessions (id, cookie_hash, user_id, auth_time, amr, acr, address, user_agent, created_at, seen_at, idle_expires_at,
		expires_at)
		` + growthtest.Numbers + ` SELECT 's' || i, CAST('x' || i AS BYTEA), 'u' || CASE WHEN i <= 100 THEN 1 ELSE i END, i, '', '', '', '', i, i,
		CASE WHEN i <= 100 THEN 9000000000000 ELSE i * 1000 + 700000 END, 9000000000000 FROM n`,
	`INSERT INTO pending_logins (browser_hash, user_id, password_hash, created_at, expires_at, upstream, issuer, subject, sid)
		` + growthtest.Numbers + ` SELECT CAST('x' || i AS BYTEA), 'u1', 'hash', i, i * 1000, 'p1', 'https://p.example', 'x' || i, 'x' || i FROM n`,
	`INSERT INTO browsers (id, user_id, browser_hash, address, user_agent, trusted_until, created_at, seen_at)
		` + growthtest.Numbers + ` SELECT 'x' || i, 'u' || CASE WHEN i <= 100 THEN 1 ELSE i END, CAST('x' || i AS BYTEA), '', '',
		CASE WHEN i % 2 = 0 THEN 9000000000000 ELSE 0 END, i, i * 1000 - 34560000000000 FROM n`,
	`INSERT INTO security_events (id, user_id, kind, detail, address, user_agent, at)
		` + growthtest.Numbers + ` SELECT 'x' || i, 'u' || CASE WHEN i <= 500 THEN 1 ELSE i END, '', '', '', '',
		CASE WHEN i <= 500 THEN 900000 ELSE i * 1000 - 7776000000000 END FROM n`,
	`INSERT INTO passkey_handles (user_id, handle)
		` + growthtest.Numbers + ` SELECT 'u' || i, CAST('x' || i AS BYTEA) FROM n`,
	`INSERT INTO passkeys (id, user_id, credential_id, public_key, name, aaguid, transports, attestation_format, sign_count, backup_eligible,
		backup_state, browser_hash, created_at, used_at, cloned_at)
		` + growthtest.Numbers + ` SELECT 'x' || i, 'u' || CASE WHEN i <= 20 THEN 1 ELSE i END, CAST('x' || i AS BYTEA), CAST('' AS BYTEA), '', '', '',
		'', 1, false, false, CAST('' AS BYTEA), i, 0, 0 FROM n`,
	`INSERT INTO passkey_ceremonies (challenge_hash, browser_hash, purpose, user_id, expires_at)
		` + growthtest.Numbers + ` SELECT CAST('x' || i AS BYTEA), CAST('b' AS BYTEA), 'login', '', i * 1000 FROM n`,
	`INSERT INTO mailed (link_hash, purpose, user_id, password_hash, account_key, email, email_key, data, browser_hash, code_hash, tries,
		created_at, expires_at, spent_at)
		` + growthtest.Numbers + ` SELECT CAST('x' || i AS BYTEA), 'signup', CASE WHEN i % 2 = 0 THEN NULL ELSE 'u' || i END, 'hash', 'u' || i,
		'x' || i, 'x' || i, '', CAST('x' || i AS BYTEA), CAST('x' || i AS BYTEA), 0, i, i * 1000, 0 FROM n`,
	`INSERT INTO totp (user_id, secret, confirmed_at, last_step, created_at)
		` + growthtest.Numbers + ` SELECT 'u' || i, CAST('x' || i AS BYTEA), CASE WHEN i % 100 = 2 THEN 0 ELSE i END, 0, i * 1000 FROM n`,
	`INSERT INTO recovery_codes (user_id, code_hash, used_at, created_at)
		` + growthtest.Numbers + ` SELECT 'u' || CASE WHEN i <= 10 THEN 1 ELSE i END, CAST('x' || i AS BYTEA), 0, i FROM n`,
	`INSERT INTO session_clients (session_id, client_id) ` + growthtest.Numbers + ` SELECT 's' || i, 'c1' FROM n`,
	`INSERT INTO interactions (handle_hash, browser_hash, client_id, form, consent, consent_scope, consent_sid, created_at, expires_at)
		` + growthtest.Numbers + ` SELECT CAST('x' || i AS BYTEA), CAST('b' AS BYTEA), 'c1', '', '', '', 's' || i, i, i * 1000 FROM n`,
	`INSERT INTO pushed_requests (uri_hash, client_id, form, expires_at)
		` + growthtest.Numbers + ` SELECT CAST('x' || i AS BYTEA), 'c1', '', i * 1000 FROM n`,
	`INSERT INTO device_codes (device_code_hash, user_code, client_id, scope, audience, jkt, address, user_agent, grant_id, denied, spent,
		polled_at, poll_interval, early, created_at, expires_at)
		` + growthtest.Numbers + ` SELECT CAST('x' || i AS BYTEA), 'x' || i, 'c1', '', '', '', '', '',
		CASE WHEN i % 2 = 0 THEN '' ELSE 'g' || i END, false, false, 0, 0, false, i, i * 1000 FROM n`,
	`INSERT INTO consents (user_id, client_id, scope, declined, created_at, updated_at)
		` + growthtest.Numbers + ` SELECT 'u' || i, 'c1', '', '', i, i FROM n`,
	`INSERT INTO login_failures (subject, id, failed_at) ` + growthtest.Numbers + ` SELECT 'address:' || i, '0', i * 1000 - 86400000000
		FROM n`,
	`INSERT INTO quotas (subject, taken, ends_at) ` + growthtest.Numbers + ` SELECT 'x' || i, 1, i * 1000 FROM n`,
	`INSERT INTO grants (id, client_id, user_id, session_id, scope, audience, offline, auth_time, acr, amr, created_at, expires_at, revoked_at)
		` + growthtest.Numbers + ` SELECT 'g' || i, 'c1', 'u' || CASE WHEN i <= 500 THEN 1 ELSE i END,
		CASE WHEN i <= 500 THEN 's1' ELSE 's' || i END, CASE WHEN i <= 250 THEN 'board:moderate' ELSE '' END, '',
		i % 2 = 0, i, '', '', i, CASE WHEN i > 500 THEN i * 1000 - 86400000000 + 86400000000 * (i % 2) ELSE 9000000000000 END,
		CASE WHEN i > 500 AND i % 2 = 0 THEN i * 1000 ELSE 0 END FROM n`,
	`INSERT INTO authorization_codes (code_hash, grant_id, active, redirect_uri, code_challenge, nonce, jkt, expires_at)
		` + growthtest.Numbers + ` SELECT CAST('x' || i AS BYTEA), 'g' || i, i % 2 = 1, '', '', '', '', i * 1000 FROM n`,
	`INSERT INTO refresh_tokens (token_hash, grant_id, jti, kid, issued_at, expires_at, used_at, successor)
		` + growthtest.Numbers + ` SELECT CAST('x' || i AS BYTEA), CASE WHEN i % 2 = 0 THEN 'g502' ELSE 'g' || i END, '', '', i, 9000000000000, 0,
		CAST('' AS BYTEA) FROM n`,
	`INSERT INTO revoked_tokens (jti, expires_at) ` + growthtest.Numbers + ` SELECT 'x' || i, i * 1000 - 3600000000 FROM n`,
	`UPDATE revoked_tokens SET revoked_at = expires_at + 3600000000`,
	`INSERT INTO status_lists (id, name, leased, revoked_at) ` + growthtest.Numbers + ` SELECT i, 'l' || i, 100, 0 FROM n WHERE i <= 20`,
	`INSERT INTO status_blocks (list_id, first, size, client_id, expires_at, revoked_at)
		` + growthtest.Numbers + ` SELECT 1, i, 1, 'c' || i, i * 1000 - 60000000, CASE WHEN i % 2 = 0 THEN i ELSE 0 END FROM n`,
	`INSERT INTO repeated_requests (key_hash, request, made, expires_at) ` + growthtest.Numbers + ` SELECT CAST('r' || i AS BYTEA), CAST('x' AS BYTEA), 'm', i * 1000 FROM n`,
	`INSERT INTO used_ids (id_hash, expires_at) ` + growthtest.Numbers + ` SELECT CAST('x' || i AS BYTEA), i * 1000 FROM n`,
	`INSERT INTO outbox (id, kind, lane, topic, user_id, payload, sealed, attempts, leased, last_error, created_at, since_at, due_at, given_up_at)
		` + growthtest.Numbers + ` SELECT 'x' || i, 'logout', CASE WHEN i % 100 = 0 THEN 'c' || i ELSE 'c1' END, 's', 'u1', CAST('x' AS BYTEA),
		i % 4 = 0, 0, false, '', i, i, i, CASE WHEN i % 2 = 0 THEN i * 1000 - 2592000000000 ELSE 0 END FROM n`,
	`INSERT INTO outbox (id, kind, lane, topic, user_id, payload, sealed, attempts, leased, last_error, created_at, since_at, due_at, given_up_at)
		` + growthtest.Numbers + ` SELECT 'y' || i, 'mail', 'd' || i, '', 'u' || i, CAST('x' AS BYTEA),
		i % 4 = 0, 0, false, '', i, i, 9000000000000, CASE WHEN i % 2 = 0 THEN 9000000000000 ELSE 0 END FROM n WHERE i <= 2000`,
	`INSERT INTO streams (id, client_id, service, audience, endpoint, header, description, requested, delivered, status, reason, last_seq,
		allowed_seq, dropped, attempts, failing_since, last_error, due_at, leased_until, verified_at, created_at, updated_at)
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20)
		SELECT 't' || i, 'c' || i, '', '', CASE WHEN i % 2 = 0 THEN '' ELSE 'https://r.example/' END, CAST('x' AS BYTEA), '', '[]',
		' session-revoked token-claims-change credential-change account-disabled account-enabled account-purged identifier-changed ',
		CASE WHEN i = 20 THEN 'disabled' ELSE 'enabled' END, '', 20000, 0, 0, 0, 0, '', 0, 0, 0, i, i FROM n`,
	`INSERT INTO account_events (id, user_id, seq, type, detail, at, due_at)
		` + growthtest.Numbers + ` SELECT 'x' || i, 'u' || CASE WHEN i <= 300 THEN 1 ELSE i END, i, 'session-revoked', '{}', i, i FROM n`,
	`INSERT INTO stream_sets (jti, stream_id, seq, subject, type, claims, attempts, last_error, created_at, refused_at, due_at, given_up_at)
		` + growthtest.Numbers + ` SELECT 'x' || i, CASE WHEN i % 5 = 0 THEN 't20' ELSE 't1' END, i,
		CASE WHEN i % 3 = 0 THEN '' ELSE 'p' || (i / 50) END,
		CASE WHEN i % 3 = 0 THEN 'verification' ELSE 'session-revoked' END, '{}', 0, '', i, 0, i,
		CASE WHEN i % 4 = 0 THEN i * 1000 - 2592000000000 ELSE 0 END FROM n`,
	`INSERT INTO stream_exclusions (stream_id, subject_hash, created_at)
		` + growthtest.Numbers + ` SELECT 't' || (i % 20 + 1), CAST('x' || i AS BYTEA), i FROM n`,
	`INSERT INTO audit_log (id, at, kind, actor_kind, actor_id, target_kind, target_id, by_hash, about_hash, position, mac)
		` + growthtest.Numbers + ` SELECT '0' || (100000 + i), i, 'kind' || i % 60, 'person', '', '', CASE WHEN i % 50 = 0 THEN 'c1' ELSE '' END, CAST('x' AS BYTEA), CAST('x' AS BYTEA),
		CASE WHEN i <= 19000 THEN i ELSE NULL END, CASE WHEN i <= 19000 THEN CAST('m' || i AS BYTEA) ELSE NULL END FROM n`,
	`INSERT INTO audit_personal (entry_id, part, user_id, salt, data)
		` + growthtest.Numbers + ` SELECT '0' || (100000 + i), 'about', 'u' || CASE WHEN i <= 100 THEN 1 ELSE i END, CAST('x' AS BYTEA),
		'{"person":"u' || CASE WHEN i <= 100 THEN 1 ELSE i END || '"}' FROM n`,
	`INSERT INTO audit_personal (entry_id, part, user_id, salt, data)
		` + growthtest.Numbers + ` SELECT '0' || (100000 + i), 'by', NULL, CAST('x' AS BYTEA), '{}' FROM n`,
	`UPDATE audit_chain SET position = 19000`,
	`INSERT INTO upstreams (name, settings, secret, disabled, version, created_at, updated_at)
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10)
		SELECT 'p' || i, '{}', CAST('x' AS BYTEA), false, 1, i, i FROM n`,
	`INSERT INTO identities (id, upstream, issuer, subject, user_id, label, created_at, used_at)
		` + growthtest.Numbers + ` SELECT 'x' || i, 'p' || CASE WHEN i <= 15000 THEN 1 ELSE 2 END, 'https://p.example', '' || i,
		'u' || CASE WHEN i <= 15 THEN 1 ELSE i END, '', i, 0 FROM n`,
	`INSERT INTO upstream_sessions (session_id, upstream, issuer, subject, sid, dated)
		` + growthtest.Numbers + ` SELECT 's' || i, 'p1', 'https://p.example', CASE WHEN i <= 100 THEN 'u1' ELSE 'u' || i END, 'x' || i, false FROM n`,
	`INSERT INTO upstream_logins (state_hash, browser_hash, upstream, issuer, purpose, user_id, session_id, interaction, created_at, expires_at)
		` + growthtest.Numbers + ` SELECT CAST('x' || i AS BYTEA), CAST('b' AS BYTEA), 'p1', '', 'link', CASE WHEN i % 2 = 0 THEN NULL ELSE 'u' || i END,
		'', '', i, i * 1000 FROM n`,
	`INSERT INTO upstream_arrivals (browser_hash, upstream, issuer, data, interaction, created_at, expires_at)
		` + growthtest.Numbers + ` SELECT CAST('x' || i AS BYTEA), 'p1', '', '{}', '', i, i * 1000 FROM n`,
}

// planNow leaves some batches of each table to be swept.
var planNow = time.UnixMicro(1_000_000)

func TestNoStatementScansOrCountsWhatGrows(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		s, err := Open(t.Context(), databaseURL, func() time.Time { return planNow })
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		growthtest.Test{
			DB: s.db, URL: databaseURL, Store: reflect.TypeFor[*Store](), Fill: grown,
			Rooms: rooms, Folders: []string{"accounts", "auditlog", "grants", "keystore", "limits", "outbox", "registry", "requests", "roles", "statistics", "statuses", "streams", "upstreams"},
			Small: map[string]string{
				"signing_keys":   "some for each algorithm",
				"withdrawn_keys": "those that leaked within months",
				"server_secrets": "the server has three",
				"status_lists":   "one for a million tokens",
				"streams":        "there are MaxStreams, and some of the server's own",
				"audit_chain":    "it has one row",
				"upstreams":      "there are MaxUpstreams",
				"resources":      "there are MaxResources",
				"applied":        "as many as configurations name",
			},
			Apart: slices.Concat(
				[]string{"Tx", "LimitSessions", "KeepUnused", "Due", "Sweeps", "InTransaction", "AfterCommit", "Happened", "Waiting", "Known", "Refresh", "Admit", "Count", "Counted"},
				// These are steps of what is called:
				[]string{"With", "GiveBack", "ForgetDecisions", "RevokeOfSession", "RevokeOfUser", "Remove", "MarkRemoved", "Removed", "Purge", "Insert",
					"EndEverySession", "TellOfEnd", "TellOfWithdrawal", "ForgetSession"},
			),
			Calls: planCalls(s),
		}.Run(t)
	})
}

var rooms = []reflect.Type{
	reflect.TypeFor[*accounts.Users](), reflect.TypeFor[*accounts.Sessions](), reflect.TypeFor[*accounts.Pending](),
	reflect.TypeFor[*accounts.Browsers](), reflect.TypeFor[*accounts.History](), reflect.TypeFor[*accounts.Passkeys](),
	reflect.TypeFor[*accounts.Factors](), reflect.TypeFor[*accounts.MailedLinks](), reflect.TypeFor[*accounts.Invitations](),
	reflect.TypeFor[*accounts.Agreements](),
	reflect.TypeFor[*grants.Grants](), reflect.TypeFor[*grants.Consents](), reflect.TypeFor[*grants.Devices](),
	reflect.TypeFor[*keystore.Keys](),
	reflect.TypeFor[*limits.Quotas](), reflect.TypeFor[*limits.Attempts](), reflect.TypeFor[*limits.UsedIDs](), reflect.TypeFor[*limits.Repeated](),
	reflect.TypeFor[*outbox.Logouts](), reflect.TypeFor[*outbox.Queue](),
	reflect.TypeFor[*registry.Clients](), reflect.TypeFor[*registry.Resources](), reflect.TypeFor[*registry.Applied](), reflect.TypeFor[*roles.Roles](),
	reflect.TypeFor[*statuses.Statuses](), reflect.TypeFor[*statistics.Statistics](), reflect.TypeFor[*statistics.Refusals](),
	reflect.TypeFor[*requests.Interactions](), reflect.TypeFor[*requests.Pushed](),
	reflect.TypeFor[*streams.Streams](),
	reflect.TypeFor[*auditlog.Entries](),
	reflect.TypeFor[*upstreams.Upstreams](),
}

// leave removes all but some hundred rows of a table: enough for several batches.
var leave = map[string]string{
	"sessions":              `DELETE FROM sessions WHERE seen_at > 200`,
	"session_clients":       `DELETE FROM session_clients WHERE length(session_id) > 4`,
	"grants":                `DELETE FROM grants WHERE created_at > 700`,
	"interactions":          `DELETE FROM interactions WHERE created_at > 500`,
	"pushed_requests":       `DELETE FROM pushed_requests WHERE expires_at > 500000`,
	"browsers":              `DELETE FROM browsers WHERE created_at > 500`,
	"mailed":                `DELETE FROM mailed WHERE created_at > 500`,
	"device_codes":          `DELETE FROM device_codes WHERE created_at > 500`,
	"initial_access_tokens": `DELETE FROM initial_access_tokens WHERE created_at > 500`,
	"invitations":           `DELETE FROM invitations WHERE created_at > 500`,
	"outbox":                `DELETE FROM outbox WHERE created_at > 1500`,
	"account_events":        `DELETE FROM account_events WHERE at > 500`,
	"stream_sets":           `DELETE FROM stream_sets WHERE created_at > 1500`,
	"stream_exclusions":     `DELETE FROM stream_exclusions WHERE created_at > 500`,
	"client_refusals":       `DELETE FROM client_refusals WHERE count > 500`,
	"statistics":            `DELETE FROM statistics WHERE start > 0`,
	"identities":            `DELETE FROM identities WHERE created_at > 500`,
	"upstream_logins":       `DELETE FROM upstream_logins WHERE created_at > 500`,
	"upstream_arrivals":     `DELETE FROM upstream_arrivals WHERE created_at > 500`,
	"consents":              `DELETE FROM consents WHERE created_at > 500`,
}
