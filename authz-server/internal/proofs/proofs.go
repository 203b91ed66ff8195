// Package proofs is the policy of log-ins: what proofs does this person owe, for this request? The
// pages and the authorization endpoint ask [Request.Owed], and nothing else decides.
package proofs

import (
	"slices"
	"time"
)

// Proof is how somebody has shown who they are: values of the claim amr (RFC 8176).
type Proof []string

// The proofs that there are.
var (
	Password        = Proof{"pwd"}
	PasswordAndCode = Proof{"pwd", "otp", "mfa"} // the code of an app, or a recovery code
	SyncedPasskey   = Proof{"swk", "user", "mfa"}
	DevicePasskey   = Proof{"hwk", "user", "mfa"} // its key cannot leave the device

	// What another provider says. As far as this server knows, that is one factor, unless the
	// operator takes its word for more.
	ByUpstream         = Proof{"fed"}
	ByUpstreamWithCode = Proof{"fed", "mfa"}
)

// WithCode is what somebody has proved who had proved p and now shows a code.
func WithCode(p Proof) Proof {
	all := slices.Clone(p)
	for _, one := range []string{"otp", "mfa"} {
		if !slices.Contains(all, one) {
			all = append(all, one)
		}
	}
	return all
}

// Federated tells whether another provider said who the person is.
func (p Proof) Federated() bool { return slices.Contains(p, "fed") }

// Local tells whether this server saw a proof itself: a password, a code or a passkey.
func (p Proof) Local() bool {
	return slices.ContainsFunc(p, func(one string) bool { return slices.Contains([]string{"pwd", "otp", "swk", "hwk"}, one) })
}

// What a log-in reaches, as the claim acr says it. Each includes those before it.
const (
	OneFactor         = "1"   // a password, or a log-in at another provider
	SeveralFactors    = "2"   // a password and a code
	PhishingResistant = "phr" // a passkey (OpenID EAP ACR Values 1.0)
)

// ACRValues are the values of the claim acr, the weakest first.
var ACRValues = []string{OneFactor, SeveralFactors, PhishingResistant}

// ACR is the most that a proof reaches; empty: nothing.
func (p Proof) ACR() string {
	switch {
	case slices.Contains(p, "swk") || slices.Contains(p, "hwk"):
		return PhishingResistant
	case slices.Contains(p, "mfa"):
		return SeveralFactors
	case len(p) > 0:
		return OneFactor
	}
	return ""
}

// reaches tells whether a log-in with one value of acr is as good as one with another. A value that
// is not ours is reached by nothing.
func reaches(acr, wanted string) bool {
	i := slices.Index(ACRValues, wanted)
	return i >= 0 && slices.Index(ACRValues, acr) >= i
}

// MetBy tells whether p reaches one of r.ACR.
func (r Request) MetBy(p Proof) bool { return r.met(p) >= 0 }

// Recent is how old a proof may be where something sensitive is changed.
const Recent = 10 * time.Minute

// ClocksDiffer is how far behind the clock of another provider may be that says when somebody logged
// in.
const ClocksDiffer = time.Minute

// Request is what is demanded of a log-in. The zero value is content with any.
type Request struct {
	ACR       []string // one of these, the preferred first (acr_values, or the claim acr); none: any
	Essential bool     // without one of them there is no answer (OIDC Core §5.5.1.1)
	Strongest bool     // as strong as the person can: a trusted browser does not stand for a second step
}

// Several demands a second step or a passkey, as strong as the person can.
var Several = Request{ACR: []string{PhishingResistant, SeveralFactors}, Essential: true, Strongest: true}

// Reached is the first value of r.ACR that p reaches, or else the most that p reaches.
func (r Request) Reached(p Proof) string {
	if i := r.met(p); i >= 0 {
		return r.ACR[i]
	}
	return p.ACR()
}

// met returns the index of the first value in r.ACR that p reaches; -1: none.
func (r Request) met(p Proof) int {
	return slices.IndexFunc(r.ACR, func(one string) bool { return reaches(p.ACR(), one) })
}

// Person is what somebody can prove by.
type Person struct {
	SecondStep bool // a password alone is not enough: a code of an app, or a recovery code, follows
	Passkey    bool
}

// Login is how far somebody has come.
type Login struct {
	Proof    Proof
	Complete bool // it is a session already: whether it needed a second step was decided when it began
	Trusted  bool // the browser stands for the second step
}

// Owed is what comes next.
type Owed int

// What somebody can owe.
const (
	Nothing     Owed = iota
	SecondStep       // a code, or a passkey in its place
	Passkey          // nothing else will do
	SetUp            // a second step, which the person has yet to set up
	Unreachable      // what nobody can prove here
)

// Owed tells what p, who has come as far as l, owes. An acr that is voluntary and that p cannot
// reach is not owed.
func (r Request) Owed(p Person, l Login) Owed {
	several := reaches(l.Proof.ACR(), SeveralFactors)
	needsSecond := p.SecondStep && !several && (r.Strongest || !l.Complete && !l.Trusted)
	if needsSecond {
		return SecondStep
	}
	if len(r.ACR) == 0 || r.met(l.Proof) >= 0 {
		return Nothing
	}
	second := !several && r.met(PasswordAndCode) >= 0 // a second step would do
	switch {
	case second && (p.SecondStep || p.Passkey):
		return SecondStep
	case p.Passkey && r.met(SyncedPasskey) >= 0:
		return Passkey
	case !r.Essential:
		return Nothing
	case r.met(SyncedPasskey) >= 0:
		return SetUp
	}
	return Unreachable
}
