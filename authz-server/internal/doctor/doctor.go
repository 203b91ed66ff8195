// Package doctor looks whether a server is set up so that it works: its settings, database, keys and
// mail, and what stands between it and people. It says what is wrong, and how to mend it. It changes
// nothing and sends no letter, and works whether servers run or not.
//
// [Run] makes the examination, for a command. [Answering] lets a running server tell it how a request
// arrived.
package doctor

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/keys"
	"github.com/maru-auth/maru/authz-server/internal/mail/smtp"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/internal/sqldb"
)

// Config is what to examine, by the settings of the server.
type Config struct {
	Problems []error  // what the server would refuse to start with
	Warnings []string // about the settings
	Insecure []string // the names of the insecure settings that are on

	Issuer    issuer.URL
	APIOrigin string
	Listen    string // host:port
	Database  sqldb.Options
	Keys      keys.Config    // without Store; a nil KEK: it is not known, which a problem says
	Mail      *smtp.Sender   // nil: mail is not configured
	Roots     *x509.CertPool // nil: the system's

	Now     func() time.Time
	Timeout time.Duration // of each check. Zero: 10 seconds
}

// DefaultTimeout is how long a check may take.
const DefaultTimeout = 10 * time.Second

// Finding is something that was seen.
type Finding struct {
	Check    string   `json:"check"`
	ID       string   `json:"id"` // such as "keys.wrong_kek": it stays the same in later versions
	Severity Severity `json:"severity"`
	Seen     string   `json:"seen"`
	Do       string   `json:"do,omitempty"`
}

// Severity says what a finding means.
type Severity string

// The severities.
const (
	OK      Severity = "ok"
	Skipped Severity = "skipped" // it could not be looked at, for a reason that is no fault
	Warning Severity = "warning" // it works, and should be otherwise
	Error   Severity = "error"   // it does not work, or is not safe
)

// Count returns how many findings have a severity.
func Count(findings []Finding, severity Severity) (n int) {
	for _, one := range findings {
		if one.Severity == severity {
			n++
		}
	}
	return n
}

// patient is what is examined, and what earlier checks found out about it.
type patient struct {
	Config
	http *http.Client

	store    *store.Store // nil: the database could not be opened
	database sqldb.Inspection
	current  []string // kids of the keys that sign; empty: not known

	running bool     // a server answers at Listen
	reached *reached // how the issuer answered; nil: it did not
	probed  *smtp.Probe
	probeAt time.Time
}

// A check looks at one thing.
type check struct {
	name string
	look func(context.Context, *patient) []Finding
}

// checks are all, in their order: later ones use what earlier ones found out.
var checks = []check{
	{"settings", settings},
	{"server", server},
	{"database", database},
	{"keys", signingKeys},
	{"issuer", self},
	{"tls", certificate},
	{"cookies", cookies},
	{"proxies", proxies},
	{"mail", mail},
	{"clock", clock},
}

// Run makes all checks, one after another. None takes longer than the timeout, whatever it waits for.
func Run(ctx context.Context, cfg Config) []Finding {
	if cfg.Timeout == 0 {
		cfg.Timeout = DefaultTimeout
	}
	p := &patient{Config: cfg, http: newClient(cfg.Roots, cfg.Now)}
	defer p.http.CloseIdleConnections()
	var all []Finding
	for _, one := range checks {
		limited, cancel := context.WithTimeout(ctx, cfg.Timeout)
		all = append(all, one.look(limited, p)...)
		cancel()
	}
	if p.store != nil {
		p.store.Close()
	}
	return all
}

// found makes a finding of the table.
func found(id, format string, args ...any) Finding {
	kind, ok := kinds[id]
	if !ok {
		panic("doctor: no such finding: " + id)
	}
	return Finding{Check: checkOf(id), ID: id, Severity: kind.severity, Seen: fmt.Sprintf(format, args...), Do: kind.do}
}
