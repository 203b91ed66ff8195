package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/passwords"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/internal/growth"
	"github.com/maru-auth/maru/internal/sqldb"
	"github.com/maru-auth/maru/internal/sqldb/bulk"
)

// fill is a database with so many accounts.
type fill struct {
	accounts int
	now      time.Time
	password string // its hash
	active   []int  // see somebody
	expired  int64  // so many rows of each of the ten tables that are swept most have expired
}

// Fill makes the schema by the store, and fills it. It tells out how far it is.
func Fill(ctx context.Context, databaseURL string, f *fill, out io.Writer) error {
	s, err := store.Open(ctx, databaseURL, time.Now)
	if err != nil {
		return err
	}
	if err := s.Close(); err != nil {
		return err
	}
	_, err = f.fill(ctx, databaseURL, out)
	return err
}

// fill fills a database that has the schema of some version, and returns how many rows it wrote.
func (f *fill) fill(ctx context.Context, databaseURL string, out io.Writer) (total int64, err error) {
	f.password = passwords.Hash(Password)
	return bulk.Fill(ctx, databaseURL, f, tables, out, fmt.Sprint(f.accounts, " accounts"))
}

// each calls do for every account.
func (f *fill) each(do func(a account)) {
	for i := range f.accounts {
		do(accountOf(i, f))
	}
}

// few calls do for numbers up to a part of the accounts.
func (f *fill) few(part int, do func(i int)) {
	for i := range f.accounts / part {
		do(i)
	}
}

func (f *fill) at(ago time.Duration) int64 { return sqldb.Micros(f.now.Add(-ago)) }

const (
	address = "203.0.113.7"
	agent   = "Mozilla/5.0 (X11; Linux x86_64; rv:147.0) Gecko/20100101 Firefox/147.0"
)

// statusOf is a place in a status list, in the form of package status.
func statusOf(list, index int) string {
	return fmt.Sprintf("%s/%d ", listName(list), index)
}

func listName(i int) string { return strings.ToLower(growth.Text("list", i)[:12]) }

const blockSize = 64

// tables are all that grow, apart from the outgoing queues of an operator who has a mail server
// that is down.
var tables = slices.Concat(accountTables, directoryTables, auditTables)

var accountTables = []bulk.Table[*fill]{
	{Name: "users", Columns: "id email email_key email_verified name locale password_hash roles disabled created_at updated_at claims second_step passkey delete_at delete_posts indexed_at?",
		Rows: func(f *fill, add func(...any)) {
			f.each(func(a account) {
				address, roles, deletion := email(a.i), "", int64(0)
				if a.i%500 == 1 {
					roles = "moderator"
				}
				if a.i%2000 == 9 {
					deletion = f.at(-3 * day)
				}
				add(a.id, address, accounts.EmailKey(address), a.i%5 != 0, growth.UserName(a.i), "ko", f.password, roles, a.i%300 == 11,
					sqldb.Micros(a.created), sqldb.Micros(a.created), `{"zoneinfo":"Asia/Seoul"}`, a.totp, a.passkey, deletion, false, sqldb.Micros(a.created))
			})
		}},
	{Name: "user_words?", Columns: "word user_id", Rows: func(f *fill, add func(...any)) {
		f.each(func(a account) {
			address := email(a.i)
			for _, word := range accounts.Words(accounts.User{Email: address, Key: accounts.EmailKey(address), Name: growth.UserName(a.i)}) {
				add([]byte(word), a.id)
			}
		})
	}},
	{Name: "clients", Columns: "id metadata created_at updated_at", Rows: func(f *fill, add func(...any)) {
		for i := range f.clients() {
			add(clientID(i), metadata(i), f.at(100*day), f.at(100*day))
		}
	}},
	{Name: "client_secrets", Columns: "client_id secret_hash created_at expires_at", Rows: func(f *fill, add func(...any)) {
		for i := range f.clients() {
			of := clientSecret
			if i > 0 {
				of = secret("client secret", i)
			}
			add(clientID(i), opaque.Hash(of), f.at(100*day), int64(0))
		}
	}},
	{Name: "registration_tokens", Columns: "client_id token_hash vouched checked_at", Rows: func(f *fill, add func(...any)) {
		for i := ownClients + commonClients; i < f.clients(); i++ {
			add(clientID(i), opaque.Hash(secret("registration", i)), i%2 == 0, f.at(time.Hour))
		}
	}},
	{Name: "initial_access_tokens", Columns: "token_hash note uses_left created_at expires_at", Rows: func(f *fill, add func(...any)) {
		f.few(1000, func(i int) { add(opaque.Hash(secret("initial", i)), "team", int64(5), f.at(day), f.at(-30*day)) })
	}},
	{Name: "agreements", Columns: "user_id version address agreed_at", Rows: func(f *fill, add func(...any)) {
		f.each(func(a account) { add(a.id, "2026-01", address, sqldb.Micros(a.created)) })
	}},
	{Name: "sessions", Columns: "id cookie_hash user_id auth_time amr acr address user_agent created_at seen_at idle_expires_at expires_at",
		Rows: func(f *fill, add func(...any)) {
			f.each(func(a account) {
				for k := range a.sessions {
					began, seen := f.at(11*time.Hour), f.at(time.Duration(k)*time.Minute)
					add(growth.Text("session", a.i, k), opaque.Hash(cookie(a.i, k)), a.id, began/1e6*1e6, "pwd", "1", address, agent,
						began, seen, seen+(12*time.Hour).Microseconds(), f.at(-13*day))
				}
			})
			f.gone(func(i int) {
				seen := f.at(time.Duration(20+i%100) * time.Hour)
				add(growth.Text("old session", i), opaque.Hash(secret("old cookie", i)), growth.UserID(i%f.accounts), seen/1e6*1e6, "pwd", "1", address, agent,
					seen, seen, seen+(12*time.Hour).Microseconds(), f.at(-7*day))
			})
		}},
	{Name: "browsers", Columns: "id user_id browser_hash address user_agent trusted_until created_at seen_at forgotten", Rows: func(f *fill, add func(...any)) {
		f.each(func(a account) {
			for k := range a.browsers {
				add(growth.Text("browser", a.i, k), a.id, opaque.Hash(secret("browser", a.i, k)), address, agent, int64(0),
					sqldb.Micros(a.created), f.at(time.Duration(k+1)*day), false)
			}
		})
	}},
	{Name: "security_events", Columns: "id user_id kind detail address user_agent at", Rows: func(f *fill, add func(...any)) {
		f.each(func(a account) {
			for k := range a.events {
				add(growth.Text("event", a.i, k), a.id, "new_device", "", address, agent, f.at(time.Duration(k*5+a.i%1000)*time.Hour%(80*day)))
			}
		})
		f.gone(func(i int) {
			add(growth.Text("old event", i), growth.UserID(i%f.accounts), "new_device", "", address, agent, f.at(time.Duration(91+i%100)*day))
		})
	}},
	{Name: "passkey_handles", Columns: "user_id handle", Rows: func(f *fill, add func(...any)) {
		f.each(func(a account) {
			if a.passkey {
				add(a.id, []byte(secret("handle", a.i)))
			}
		})
	}},
	{Name: "passkeys", Columns: "id user_id credential_id public_key name aaguid transports attestation_format sign_count backup_eligible backup_state browser_hash created_at used_at cloned_at",
		Rows: func(f *fill, add func(...any)) {
			f.each(func(a account) {
				if a.passkey {
					add(growth.Text("passkey", a.i), a.id, []byte(secret("credential", a.i)), []byte(secret("a public key", a.i)+secret("of COSE", a.i)), "Phone", "",
						"internal hybrid", "none", int64(1), true, true, opaque.Hash(secret("browser", a.i, 0)), sqldb.Micros(a.created), int64(0), int64(0))
				}
			})
		}},
	{Name: "totp", Columns: "user_id secret confirmed_at last_step created_at", Rows: func(f *fill, add func(...any)) {
		f.each(func(a account) {
			if a.totp {
				add(a.id, []byte(secret("totp", a.i)), sqldb.Micros(a.created), int64(0), sqldb.Micros(a.created))
			}
		})
	}},
	{Name: "recovery_codes", Columns: "user_id code_hash used_at created_at", Rows: func(f *fill, add func(...any)) {
		f.each(func(a account) {
			for k := 0; a.totp && k < 10; k++ {
				add(a.id, opaque.Hash(secret("recovery", a.i, k)), int64(0), sqldb.Micros(a.created))
			}
		})
	}},
	{Name: "consents", Columns: "user_id client_id scope declined created_at updated_at", Rows: func(f *fill, add func(...any)) {
		f.each(func(a account) {
			seen := map[int]bool{}
			for _, g := range a.grants {
				if g.client >= ownClients && !seen[g.client] {
					seen[g.client] = true
					add(a.id, clientID(g.client), "email openid profile", "", f.at(g.age), f.at(g.age))
				}
			}
		})
	}},
	{Name: "grants", Columns: "id client_id user_id session_id scope audience offline auth_time acr amr created_at expires_at revoked_at claims jkt declined used_at " +
		"statuses statuses_since statuses_until refresh_number refresh_kid refresh_issued_at refresh_expires_at refresh_rotated_at",
		Rows: func(f *fill, add func(...any)) {
			f.each(func(a account) {
				for k, g := range a.grants {
					used := g.age / 3
					add(g.id, clientID(g.client), a.id, growth.Text("session", a.i, k%max(a.sessions, 1)), "openid profile email user:read board:read",
						"http://localhost:8000/user http://localhost:8000/board", g.offline, f.at(g.age), "1", "pwd", f.at(g.age), f.at(g.age-90*day), int64(0), "", "", "",
						f.at(used), statusOf(0, a.i%(1<<20)), f.at(used), f.at(used-20*time.Minute), int64(1+k%50), "k1", f.at(used), f.at(used-30*day), f.at(used))
				}
			})
			f.gone(func(i int) {
				began := f.at(100*day + time.Duration(i%100)*time.Hour)
				add(growth.Text("old grant", i), clientID(i%ownClients), growth.UserID(i%f.accounts), growth.Text("old session", i), "openid", "", i%2 == 0, began, "1", "pwd", began,
					began+(90*day).Microseconds(), int64(0), "", "", "", began, "", int64(0), int64(0), int64(1), "k1", began, began, began)
			})
		}},
	{Name: "authorization_codes", Columns: "code_hash grant_id active redirect_uri code_challenge nonce jkt expires_at", Rows: func(f *fill, add func(...any)) {
		f.each(func(a account) {
			for _, g := range a.grants {
				add(opaque.Hash("code of "+g.id), g.id, false, "", "", "", "", f.at(g.age-time.Minute))
			}
		})
		f.gone(func(i int) {
			add(opaque.Hash(secret("old code", i)), growth.Text("old grant", i), false, "", "", "", "", f.at(100*day))
		})
	}},
	{Name: "refresh_tokens", Columns: "token_hash grant_id jti kid issued_at expires_at used_at successor", Rows: func(f *fill, add func(...any)) {
		f.few(10, func(i int) {
			for _, g := range accountOf(i, f).grants[:min(1, len(accountOf(i, f).grants))] {
				add(opaque.Hash("refresh token of "+g.id), g.id, growth.Text("jti", i), "k1", f.at(g.age), f.at(-day), f.at(g.age), opaque.Hash("successor"))
			}
		})
	}},
	{Name: "session_clients", Columns: "session_id client_id", Rows: func(f *fill, add func(...any)) {
		f.each(func(a account) {
			for k := range a.sessions {
				add(growth.Text("session", a.i, k), clientID(a.i%ownClients))
			}
		})
	}},
	{Name: "status_lists", Columns: "id name leased revoked_at", Rows: func(f *fill, add func(...any)) {
		for i := range 1 + f.accounts/20/(1<<20/blockSize) {
			add(int64(i+1), listName(i), int64(1<<20), int64(0))
		}
	}},
	{Name: "status_blocks", Columns: "list_id first size client_id expires_at revoked_at", Rows: func(f *fill, add func(...any)) {
		perList := 1 << 20 / blockSize
		f.few(20, func(i int) {
			add(int64(i/perList+1), int64(i%perList*blockSize), int64(blockSize), clientID(i%f.clients()), f.at(-day), int64(0))
		})
	}},
	{Name: "revoked_tokens", Columns: "jti expires_at statuses revoked_at", Rows: func(f *fill, add func(...any)) {
		f.few(20, func(i int) {
			add(growth.Text("revoked", i), f.at(-time.Hour), statusOf(0, i%(1<<20)), f.at(time.Duration(i%3600)*time.Second+2*time.Minute))
		})
		f.gone(func(i int) { add(growth.Text("revoked long ago", i), f.at(2*day), "", f.at(2*day)) })
	}},
	{Name: "used_ids", Columns: "id_hash expires_at", Rows: func(f *fill, add func(...any)) {
		f.few(2, func(i int) { add(opaque.Hash(secret("used", i)), f.at(-day)) })
		f.gone(func(i int) { add(opaque.Hash(secret("used long ago", i)), f.at(day)) })
	}},
	{Name: "quotas", Columns: "subject taken ends_at", Rows: func(f *fill, add func(...any)) {
		f.few(2, func(i int) { add("interaction "+growth.Text("network", i), int64(1), f.at(-day)) })
		f.gone(func(i int) { add("interaction "+growth.Text("network of before", i), int64(1), f.at(day)) })
	}},
	{Name: "login_failures", Columns: "subject id failed_at held_until", Rows: func(f *fill, add func(...any)) {
		f.few(10, func(i int) {
			add("address:"+growth.Text("network", i), growth.Text("failure", i), f.at(time.Hour), int64(0))
		})
		f.gone(func(i int) {
			add("address:"+growth.Text("network", i), growth.Text("old failure", i), f.at(30*day), int64(0))
		})
	}},
	{Name: "interactions", Columns: "handle_hash browser_hash client_id form consent consent_scope consent_sid created_at expires_at", Rows: func(f *fill, add func(...any)) {
		form := "client_id=own-0&code_challenge=" + secret("challenge") + "&redirect_uri=https%3A%2F%2Fapp.example%2Fcallback&response_type=code&scope=openid"
		f.few(10, func(i int) {
			add(opaque.Hash(secret("interaction", i)), opaque.Hash(secret("browser", i, 0)), clientID(i%ownClients), form, "", "", "", f.at(0), f.at(-day))
		})
		f.gone(func(i int) {
			add(opaque.Hash(secret("old interaction", i)), opaque.Hash(secret("browser", i, 0)), clientID(i%ownClients), form, "", "", "", f.at(2*day), f.at(day))
		})
	}},
	{Name: "pushed_requests", Columns: "uri_hash client_id form expires_at", Rows: func(f *fill, add func(...any)) {
		f.few(20, func(i int) { add(opaque.Hash(secret("pushed", i)), clientID(i%ownClients), "scope=openid", f.at(-day)) })
		f.gone(func(i int) {
			add(opaque.Hash(secret("pushed before", i)), clientID(i%ownClients), "scope=openid", f.at(day))
		})
	}},
	{Name: "device_codes", Columns: "device_code_hash user_code client_id scope audience jkt address user_agent grant_id denied spent polled_at poll_interval early created_at expires_at",
		Rows: func(f *fill, add func(...any)) {
			f.few(50, func(i int) {
				add(opaque.Hash(secret("device", i)), growth.Text("user code", i), clientID(i%ownClients), "openid", "", "", address, agent, "", false, false,
					int64(0), int64(5e6), false, f.at(0), f.at(-day))
			})
		}},
	{Name: "mailed", Columns: "link_hash purpose user_id password_hash account_key email email_key data browser_hash code_hash tries created_at expires_at spent_at",
		Rows: func(f *fill, add func(...any)) {
			f.few(50, func(i int) {
				add(opaque.Hash(secret("mailed", i)), "reset", growth.UserID(i), f.password, email(i), email(i), accounts.EmailKey(email(i)), "",
					opaque.Hash(secret("browser", i, 0)), []byte{}, int64(0), f.at(0), f.at(-day), int64(0))
			})
		}},
	{Name: "pending_logins", Columns: "browser_hash user_id password_hash created_at expires_at", Rows: func(f *fill, add func(...any)) {
		f.few(100, func(i int) { add(opaque.Hash(secret("pending", i)), growth.UserID(i), f.password, f.at(0), f.at(-day)) })
	}},
	{Name: "invitations", Columns: "id secret_hash email email_key mailed note created_at expires_at", Rows: func(f *fill, add func(...any)) {
		f.few(50, func(i int) {
			add(growth.Text("invitation", i), opaque.Hash(secret("invitation", i)), "", "", false, "", f.at(day), f.at(-7*day))
		})
	}},
	{Name: "outbox", Columns: "id kind lane topic user_id payload sealed attempts leased last_error created_at since_at due_at given_up_at", Rows: func(f *fill, add func(...any)) {
		f.few(50, func(i int) {
			add(growth.Text("delivery", i), "logout", clientID(i%100), growth.Text("session", i, 0), growth.UserID(i), []byte{}, false, int64(9), false, "no answer",
				f.at(day), f.at(day), f.at(day), f.at(day))
		})
	}},
}

// gone calls do for f.expired rows that have expired.
func (f *fill) gone(do func(i int)) {
	for i := range int(f.expired) {
		do(i)
	}
}

// somebody returns the number of an account with a session, for scenarios: one of those that are
// active. It is none of the last tenth, where accounts are deleted.
func (f *fill) somebody(r *rand.Rand) int {
	if f.active == nil {
		f.active = growth.Active(f.accounts*9/10, func(i int) bool {
			return i%3 != 0 && i%10 != 4 && i%300 != 11 && i%2000 != 9 && i%1000 != 7
		})
	}
	return f.active[r.IntN(len(f.active))]
}
