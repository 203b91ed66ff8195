package proofs_test

import (
	"slices"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/proofs"
)

func TestThePolicyOfProofs(t *testing.T) {
	t.Parallel()
	var (
		plain   = proofs.Person{}
		careful = proofs.Person{SecondStep: true}
		modern  = proofs.Person{Passkey: true}
		both    = proofs.Person{SecondStep: true, Passkey: true}

		password = proofs.Login{Proof: proofs.Password}
		trusted  = proofs.Login{Proof: proofs.Password, Trusted: true}
		code     = proofs.Login{Proof: proofs.PasswordAndCode}
		passkey  = proofs.Login{Proof: proofs.SyncedPasskey}

		weakSession   = proofs.Login{Proof: proofs.Password, Complete: true}
		strongSession = proofs.Login{Proof: proofs.PasswordAndCode, Complete: true}

		wants     = func(acr ...string) proofs.Request { return proofs.Request{ACR: acr} }
		insists   = func(acr ...string) proofs.Request { return proofs.Request{ACR: acr, Essential: true} }
		strongest = proofs.Request{Strongest: true}
	)
	for _, one := range []struct {
		what    string
		request proofs.Request
		person  proofs.Person
		login   proofs.Login
		want    proofs.Owed
	}{
		{"a password is enough for who has nothing else", wants(), plain, password, proofs.Nothing},
		{"a passkey that the person also has is not asked for", wants(), modern, password, proofs.Nothing},
		{"a second step follows the password", wants(), careful, password, proofs.SecondStep},
		{"no request turns it off", wants("1"), careful, password, proofs.SecondStep},
		{"no request turns it off, essential", insists("1"), careful, password, proofs.SecondStep},
		{"a trusted browser stands for it", wants(), careful, trusted, proofs.Nothing},
		{"but not where an app asks for it", wants("2"), careful, trusted, proofs.SecondStep},
		{"and not where something sensitive is changed", strongest, careful, trusted, proofs.SecondStep},
		{"the code is the second step", wants(), careful, code, proofs.Nothing},
		{"a passkey owes no second step", wants(), both, passkey, proofs.Nothing},
		{"a passkey is as strong as it gets", strongest, both, passkey, proofs.Nothing},

		{"a session was complete when it began", wants(), careful, weakSession, proofs.Nothing},
		{"a session is raised", wants("2"), careful, weakSession, proofs.SecondStep},
		{"a session is raised by a passkey", wants("2"), modern, weakSession, proofs.SecondStep},
		{"a session that is strong is enough", insists("2"), careful, strongSession, proofs.Nothing},
		{"something sensitive wants the second step of a session too", strongest, careful, weakSession, proofs.SecondStep},
		{"but nothing that the person does not have", strongest, plain, weakSession, proofs.Nothing},

		{"voluntary, and out of reach", wants("2"), plain, password, proofs.Nothing},
		{"voluntary, and unknown", wants("9"), careful, code, proofs.Nothing},
		{"essential, and to be set up", insists("2"), plain, password, proofs.SetUp},
		{"essential phishing resistance is to be set up", insists("phr"), careful, code, proofs.SetUp},
		{"essential, and unknown", insists("9"), both, passkey, proofs.Unreachable},
		{"one of several is enough", insists("9", "1"), plain, password, proofs.Nothing},

		{"only a passkey resists phishing", wants("phr"), both, code, proofs.Passkey},
		{"the second step comes first", wants("phr"), both, password, proofs.SecondStep},
		{"a passkey after the password", wants("phr"), modern, password, proofs.Passkey},
		{"a passkey reaches less too", insists("2"), modern, passkey, proofs.Nothing},
		{"without a passkey, phishing resistance is left out", wants("phr"), careful, code, proofs.Nothing},
		{"the weaker of two is enough", wants("phr", "1"), both, strongSession, proofs.Nothing},
	} {
		if got := one.request.Owed(one.person, one.login); got != one.want {
			t.Errorf("%s: owes %d, not %d", one.what, got, one.want)
		}
	}
}

func TestTheAnswerNamesWhatWasAskedFor(t *testing.T) {
	t.Parallel()
	for _, one := range []struct {
		asked []string
		proof proofs.Proof
		want  string
	}{
		{nil, proofs.Password, "1"},
		{nil, proofs.PasswordAndCode, "2"},
		{nil, proofs.SyncedPasskey, "phr"},
		{nil, proofs.DevicePasskey, "phr"},
		{nil, proofs.Proof{"pwd", "swk", "user", "mfa"}, "phr"},
		{[]string{"2"}, proofs.DevicePasskey, "2"},
		{[]string{"1", "2"}, proofs.SyncedPasskey, "1"},
		{[]string{"phr", "2"}, proofs.PasswordAndCode, "2"},
		{[]string{"2"}, proofs.Password, "1"},
		{[]string{"9"}, proofs.Password, "1"},
		{[]string{"9"}, nil, ""},
	} {
		if got := (proofs.Request{ACR: one.asked}).Reached(one.proof); got != one.want {
			t.Errorf("asked for %q, proved %q: %q, not %q", one.asked, one.proof, got, one.want)
		}
	}
}

func TestACodeIsAddedToWhatWasProved(t *testing.T) {
	t.Parallel()
	for _, one := range []struct{ had, want proofs.Proof }{
		{proofs.Password, proofs.PasswordAndCode},
		{proofs.PasswordAndCode, proofs.PasswordAndCode},
		{proofs.DevicePasskey, proofs.Proof{"hwk", "user", "mfa", "otp"}},
	} {
		if got := proofs.WithCode(one.had); !slices.Equal(got, one.want) {
			t.Errorf("%q and a code: %q, not %q", one.had, got, one.want)
		}
	}
}
