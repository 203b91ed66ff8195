// Package signup decides who may make an account: anybody, nobody, whoever has an invitation, or
// whoever has an address at certain domains; and which terms they agree to. It is the only place
// where people's own accounts are made, so that no way to an account passes the policy by.
package signup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/net/idna"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/notices"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
)

// Mode is who may sign up.
type Mode string

// The modes.
const (
	Open         Mode = "open"
	Closed       Mode = "closed"
	ByInvitation Mode = "invitation"
	OfDomains    Mode = "domains"
)

// Config is what an operator decides. The zero value lets everybody in, without terms.
type Config struct {
	Mode    Mode     // empty: Open
	Domains []string // of e-mail addresses, with OfDomains; one that begins with a dot stands for all below it
	Terms   Terms
}

// Terms are what people agree to. The zero value is nothing.
type Terms struct {
	URL     string // empty: nobody has to agree
	Privacy string // of the privacy policy; empty: there is none
	Version string // what agreeing is recorded by; when it changes, people are asked again
}

// Policy is who may sign up, and how. It is safe for concurrent use.
type Policy struct {
	store   *store.Store
	mode    Mode
	domains []string // in the form of DNS
	made    *prometheus.CounterVec
	Terms   Terms
	Notices *notices.Notices // tells administrators of another; nil: nobody does
}

// New checks cfg. Errors name the options. metrics gets the count of accounts that are made; nil:
// it is not published.
func New(s *store.Store, cfg Config, metrics prometheus.Registerer) (*Policy, error) {
	p := &Policy{store: s, mode: cfg.Mode, Terms: cfg.Terms, made: newMade()}
	if p.mode == "" {
		p.mode = Open
	}
	if !slices.Contains([]Mode{Open, Closed, ByInvitation, OfDomains}, p.mode) {
		return nil, fmt.Errorf("--signup must be %s, %s, %s or %s", Open, Closed, ByInvitation, OfDomains)
	}
	for _, text := range cfg.Domains {
		domain, err := parseDomain(text)
		if err != nil {
			return nil, fmt.Errorf("--signup-domain %q %w", text, err)
		}
		p.domains = append(p.domains, domain)
	}
	if (p.mode == OfDomains) != (len(p.domains) > 0) {
		return nil, errors.New("--signup=domains and --signup-domain need each other")
	}
	if (p.Terms.URL == "") != (p.Terms.Version == "") {
		return nil, errors.New("--terms-url and --terms-version need each other: what people agree to is recorded by its version")
	}
	if metrics == nil {
		return p, nil
	}
	return p, metrics.Register(p.made)
}

// newMade makes the count of accounts that people made.
func newMade() *prometheus.CounterVec {
	made := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "authz_signups_total", Help: "Accounts that people made, by what they log in by: password, passkey or upstream.",
	}, []string{"proof"})
	made.WithLabelValues("password")
	made.WithLabelValues("passkey")
	made.WithLabelValues("upstream")
	return made
}

// count counts an account once it is there for good.
func (p *Policy) count(ctx context.Context, made accounts.User, entry Entry) {
	proof := "passkey"
	switch {
	case made.PasswordHash != "":
		proof = "password"
	case entry.Upstream:
		proof = "upstream"
	}
	p.store.AfterCommit(ctx, p.made.WithLabelValues(proof).Inc)
}

// parseDomain returns a domain as [accounts.EmailKey] has it. A dot at its beginning stays.
func parseDomain(text string) (string, error) {
	rest, below := strings.CutPrefix(strings.TrimSpace(text), ".")
	domain := domainOf("x@" + rest)
	valid := strings.Contains(domain, ".") && !strings.ContainsFunc(domain, func(r rune) bool {
		return !('a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '-' || r == '.')
	})
	for label := range strings.SplitSeq(domain, ".") {
		valid = valid && label != "" && len(label) <= 63
	}
	if !valid || strings.Contains(rest, "@") {
		return "", errors.New("must be a domain such as example.com, or .example.com for all below it")
	}
	if below {
		return "." + domain, nil
	}
	return domain, nil
}

func domainOf(email string) string {
	key := accounts.EmailKey(email)
	return key[strings.LastIndexByte(key, '@')+1:]
}

// Offered tells whether anybody can sign up at all.
func (p *Policy) Offered() bool { return p.mode != Closed }

// NeedsInvitation tells whether only those can who have an invitation.
func (p *Policy) NeedsInvitation() bool { return p.mode == ByInvitation }

// Domains are those of the addresses that are let in, as people read them; nil: all.
func (p *Policy) Domains() (shown []string) {
	for _, domain := range p.domains {
		text, err := idna.Display.ToUnicode(strings.TrimPrefix(domain, "."))
		if err != nil {
			text = strings.TrimPrefix(domain, ".")
		}
		if strings.HasPrefix(domain, ".") {
			text = "*." + text
		}
		shown = append(shown, text)
	}
	return shown
}

// Allows says what is wrong with signing up with this address; empty: nothing.
func (p *Policy) Allows(email string) messages.Problem {
	if p.mode != OfDomains {
		return ""
	}
	domain := domainOf(email)
	for _, one := range p.domains {
		if domain == one || strings.HasPrefix(one, ".") && strings.HasSuffix(domain, one) {
			return ""
		}
	}
	return messages.EmailDomain
}

// Refusal says why somebody cannot sign up, whatever they type. Each language has words for it.
type Refusal struct{ Reason messages.NoSignup }

func (e *Refusal) Error() string { return "sign-up refused: " + string(e.Reason) }

func refuse(reason messages.NoSignup) error { return &Refusal{reason} }

// An Entry is by what somebody signs up.
type Entry struct {
	Invitation accounts.Invitation // zero: none is needed
	Version    string              // of the terms that they agree to
	Address    string              // the network address
	Upstream   bool                // they come from another provider
}

// Admit finds out whether somebody with the secret of an invitation, or with none (empty), may see
// the form. It is decided anew when they make the account. A [*Refusal] says why not. An invitation
// that goes with roles counts whatever the mode; any other one with [ByInvitation] alone.
func (p *Policy) Admit(ctx context.Context, secret string, now time.Time) (Entry, error) {
	if secret != "" && p.mode != ByInvitation {
		in, err := p.store.Invitations.Invitation(ctx, secret)
		if err == nil && len(in.Roles) > 0 {
			return letIn(in, now)
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return Entry{}, err
		}
	}
	switch {
	case p.mode == Closed:
		return Entry{}, refuse(messages.SignupClosed)
	case p.mode != ByInvitation:
		return Entry{}, nil
	case secret == "":
		return Entry{}, refuse(messages.InvitationMissing)
	}
	in, err := p.store.Invitations.Invitation(ctx, secret)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return Entry{}, refuse(messages.InvitationUnknown)
	case err != nil:
		return Entry{}, err
	}
	return letIn(in, now)
}

// letIn lets in whoever has an invitation that can still be used.
func letIn(in accounts.Invitation, now time.Time) (Entry, error) {
	switch {
	case !in.UsedAt.IsZero():
		return Entry{}, refuse(messages.InvitationUsed)
	case !in.ExpiresAt.After(now):
		return Entry{}, refuse(messages.InvitationExpired)
	}
	return Entry{Invitation: in}, nil
}

// For says what is wrong with an address for this entry; empty: nothing.
func (p *Policy) For(entry Entry, email string) messages.Problem {
	if invited := entry.Invitation.Email; invited != "" && accounts.EmailKey(invited) != accounts.EmailKey(email) {
		return messages.InvitationOther
	}
	if len(entry.Invitation.Roles) > 0 {
		return ""
	}
	return p.Allows(email)
}

// ErrAddress says that the policy does not allow the address of an account.
var ErrAddress = errors.New("nobody can sign up with this address")

// Create makes the account of somebody who signs up, spends their invitation and records what they
// agree to, all or nothing, in the transaction that ctx carries, if any. The address counts as
// verified if the invitation was mailed to it alone: who has the link has read that mail. Errors:
// [store.ErrExists], [ErrAddress], and a [*Refusal], which says that the invitation was used
// meanwhile.
func (p *Policy) Create(ctx context.Context, user accounts.User, entry Entry) (made accounts.User, err error) {
	crowned := len(entry.Invitation.Roles) > 0
	if p.mode == Closed && !crowned {
		return accounts.User{}, refuse(messages.SignupClosed)
	}
	if p.For(entry, user.Email) != "" {
		return accounts.User{}, ErrAddress
	}
	if in := entry.Invitation; in.Mailed && in.Email != "" {
		user.EmailVerified = true
	}
	err = p.store.Tx(ctx, func(ctx context.Context) error {
		if made, err = p.store.Users.CreateUser(ctx, user); err != nil {
			return err
		}
		if p.mode == ByInvitation || crowned {
			given, err := p.store.Invitations.SpendInvitation(ctx, entry.Invitation.ID, made.ID, made.Email)
			if errors.Is(err, store.ErrNotFound) || err == nil && crowned && len(given) == 0 {
				return refuse(messages.InvitationUsed)
			}
			if err == nil {
				err = p.give(ctx, made, given, entry)
			}
			if err != nil {
				return err
			}
		}
		p.count(ctx, made, entry)
		if err := p.agree(ctx, made.ID, entry.Version, entry.Address); err != nil {
			return err
		}
		return p.record(ctx, made, entry)
	})
	return made, err
}

// record notes the new account in the audit log.
func (p *Policy) record(ctx context.Context, made accounts.User, entry Entry) error {
	e := audit.Entry{
		Kind: audit.UserSignedUp, Actor: audit.Actor{Kind: audit.Person, ID: made.ID, Label: made.Email}, Person: made.ID, From: entry.Address,
	}
	if entry.Invitation.ID != "" {
		e.Target = audit.Target{Kind: "invitation", ID: entry.Invitation.ID}
	}
	if entry.Version != "" {
		e.Detail = map[string]any{"terms": entry.Version}
	}
	return audit.New(p.store).Record(ctx, e)
}

// give gives a new account the roles of its invitation. One that nobody defines any more is left out.
func (p *Policy) give(ctx context.Context, made accounts.User, given []roles.Role, entry Entry) error {
	for _, one := range given {
		err := p.store.Roles.Insert(ctx, made.ID, []roles.Role{one})
		if errors.Is(err, roles.ErrUnknown) {
			continue
		}
		if err == nil {
			err = audit.New(p.store).Record(ctx, audit.Entry{
				Kind: audit.RoleGranted, Actor: audit.Actor{Kind: audit.Person, ID: made.ID, Label: made.Email}, Person: made.ID, From: entry.Address,
				Target: audit.Target{Kind: "role", ID: one.String()}, Detail: map[string]any{"invitation": entry.Invitation.ID},
			})
		}
		if err != nil {
			return err
		}
	}
	if !slices.ContainsFunc(given, roles.Role.Administers) {
		return nil
	}
	return p.Notices.TellAdministrators(ctx, made)
}

// agree records that a person agreed to a version of the terms; empty: to none.
func (p *Policy) agree(ctx context.Context, userID, version, address string) error {
	if version == "" {
		return nil
	}
	return p.store.Agreements.Agree(ctx, accounts.Agreement{UserID: userID, Version: version, Address: address})
}

// Agree records that a person agreed to the present terms.
func (p *Policy) Agree(ctx context.Context, userID, address string) error {
	return p.store.Tx(ctx, func(ctx context.Context) error {
		if err := p.agree(ctx, userID, p.Terms.Version, address); err != nil {
			return err
		}
		return audit.New(p.store).Record(ctx, audit.Entry{
			Kind: audit.UserTermsAgreed, Actor: audit.Actor{Kind: audit.Person, ID: userID}, Person: userID, From: address,
			Detail: map[string]any{"version": p.Terms.Version},
		})
	})
}

// OwesAgreement tells whether a person has not agreed to the present terms yet.
func (p *Policy) OwesAgreement(ctx context.Context, userID string) (bool, error) {
	if p.Terms.Version == "" {
		return false, nil
	}
	agreed, err := p.store.Agreements.Agreed(ctx, userID, p.Terms.Version)
	return !agreed, err
}
