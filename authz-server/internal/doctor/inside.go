package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/keys"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/internal/sqldb"
)

// settings says what the server would refuse to start with.
func settings(_ context.Context, p *patient) (all []Finding) {
	for _, err := range p.Problems {
		all = append(all, found("settings.refused", "%s", why(err)))
	}
	for _, text := range p.Warnings {
		all = append(all, found("settings.warning", "%s", text))
	}
	for _, name := range p.Insecure {
		all = append(all, found("settings.insecure", "--%s is on", name))
	}
	if len(all) == 0 {
		all = append(all, found("settings.ok", "the server would start with them; the issuer is %s", p.Issuer))
	}
	return all
}

// database opens the database as it is.
func database(ctx context.Context, p *patient) []Finding {
	if path, sqlite := strings.CutPrefix(p.Database.DatabaseURL, "sqlite:"); sqlite && !p.running {
		path = strings.TrimPrefix(path, "//")
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return []Finding{found("database.empty", "there is no file %s yet", path)}
		}
	}
	opened, about, err := store.Inspect(ctx, p.Database, p.Now)
	if err != nil {
		return []Finding{found("database.unreachable", "%s", why(err))}
	}
	p.store, p.database = opened, about
	return judgeDatabase(about, p.Database.DatabaseMaxConnections)
}

// judgeDatabase judges what a database says of itself. connections is how many a replica opens for
// requests.
func judgeDatabase(i sqldb.Inspection, connections int) (all []Finding) {
	add := func(id, format string, args ...any) { all = append(all, found(id, format, args...)) }
	if i.Engine == sqldb.Postgres {
		if i.Number < sqldb.OldestPostgres {
			add("database.old", "Postgres %s", i.Version)
		}
		if i.Encoding != "UTF8" {
			add("database.encoding", "the database keeps text as %s", i.Encoding)
		}
		if i.ReadOnly {
			add("database.read_only", "the database takes no writes")
		}
		if i.Unsafe != "" {
			add("database.not_durable", "Postgres runs with %s", i.Unsafe)
		}
		if i.Places > 0 && i.Places < connections+1 {
			add("database.few_places", "Postgres takes %d connections, and one replica opens %d", i.Places, connections+1)
		}
	} else if i.Mode.Perm()&0o077 != 0 {
		add("database.readable", "other accounts of this machine can read the file: its mode is %#o", i.Mode.Perm())
	}
	switch {
	case i.Unfit != nil:
		add("database.schema", "%s", why(i.Unfit))
	case i.Schema == 0:
		add("database.empty", "the database has no schema yet")
	case i.Schema < i.Known:
		add("database.schema_behind", "the schema has version %d, and this program brings %d", i.Schema, i.Known)
	}
	if len(all) == 0 {
		text := fmt.Sprintf("SQLite %s", i.Version)
		if i.Engine == sqldb.Postgres {
			text = fmt.Sprintf("Postgres %s, time zone %s (nothing that is stored depends on it)", i.Version, i.TimeZone)
		}
		add("database.ok", "%s; the schema has version %d", text, i.Schema)
	}
	return all
}

// firstKeys is the version of the schema from which on signing keys are as this program reads them.
const firstKeys = 22

// signingKeys looks whether the key-encryption key opens all that it must, and how old the keys are.
func signingKeys(ctx context.Context, p *patient) []Finding {
	switch {
	case p.Keys.KEK == nil:
		return []Finding{found("keys.skipped", "the key-encryption key is not known")}
	case p.store == nil && !p.running && p.database.Engine == "":
		return []Finding{found("keys.skipped", "there is no database to read them from")}
	case p.store == nil || p.database.Unfit != nil || p.database.Schema > 0 && p.database.Schema < firstKeys:
		return []Finding{found("keys.skipped", "the database cannot be read")}
	case p.database.Schema == 0:
		return []Finding{found("keys.none", "there are none yet")}
	}
	cfg := p.Keys
	cfg.Store, cfg.Now = p.store.Keys, p.Now
	ring, err := keys.Inspect(ctx, cfg)
	switch {
	case errors.Is(err, keys.ErrWrongKEK):
		return []Finding{found("keys.wrong_kek", "%s", why(err))}
	case err != nil:
		return []Finding{found("keys.unreadable", "%s", why(err))}
	}
	for _, one := range ring.Keys {
		if one.State == "current" {
			p.current = append(p.current, one.KID)
		}
	}
	return judgeKeys(ring, cfg.Rotation, p.Now())
}

// oldKey is how long a key may sign that nobody has set a time for.
const oldKey = 400 * 24 * time.Hour

// judgeKeys judges the ring. rotation is how long a key signs; 0: until somebody rotates.
func judgeKeys(ring keys.Inspection, rotation time.Duration, now time.Time) (all []Finding) {
	if len(ring.Keys) == 0 {
		return []Finding{found("keys.none", "there are none yet")}
	}
	if ring.Stale > 0 {
		all = append(all, found("keys.stale", "%d keys and secrets are encrypted with the old key-encryption key", ring.Stale))
	}
	limit := oldKey
	if rotation > 0 {
		limit = rotation + 24*time.Hour
	}
	var oldest time.Duration
	for _, one := range ring.Keys {
		if one.State != "current" {
			continue
		}
		age := now.Sub(one.Since)
		oldest = max(oldest, age)
		if age > limit {
			all = append(all, found("keys.old", "the %s key %s has signed for %d days", one.Alg, one.KID, days(age)))
		}
	}
	if len(all) == 0 {
		next := slices.ContainsFunc(ring.Keys, func(s keys.State) bool { return s.State == "next" })
		text := "the key-encryption key opens them all"
		if next {
			text += "; a next key is published"
		}
		all = append(all, found("keys.ok", "%s; the oldest that signs has done so for %d days", text, days(oldest)))
	}
	return all
}

// server asks the server of this machine whether it is ready.
func server(ctx context.Context, p *patient) []Finding {
	host, port, err := net.SplitHostPort(p.Listen)
	if err != nil || port == "0" {
		return []Finding{found("server.not_running", "--listen names no address to ask at: %s", cut(p.Listen))}
	}
	if addr := net.ParseIP(host); host == "" || addr.IsUnspecified() {
		host = "127.0.0.1"
	}
	at := net.JoinHostPort(host, port)
	res, body, err := p.get(ctx, "http://"+at+"/readyz", nil)
	switch {
	case err != nil:
		return []Finding{found("server.not_running", "no server answers at %s: what needs one is left out", at)}
	case res.StatusCode == http.StatusOK && strings.TrimSpace(string(body)) == "ok":
		p.running = true
		return []Finding{found("server.ok", "a server is ready at %s", at)}
	case res.StatusCode == http.StatusServiceUnavailable:
		p.running = true
		return []Finding{found("server.not_ready", "the server at %s says: %s", at, cut(strings.TrimSpace(string(body))))}
	}
	return []Finding{found("server.other", "what answers at %s is no Maru: %s", at, cut(res.Status))}
}
