package throttle

import (
	"encoding/hex"
	"net/netip"
	"strings"

	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/limits"
	"github.com/maru-auth/maru/internal/httpd"
)

// Subject is what something is counted under.
type Subject struct {
	What  string // for people who operate the server: "log-ins"
	Name  string // in the database
	Quota bool   // it is in the quotas, and otherwise in the tries
}

// addressed is the name of what concerns an e-mail address. The address is hashed: at times people
// type their password in its place.
func addressed(kind, email string) string {
	return kind + hex.EncodeToString(opaque.Hash(accounts.EmailKey(email)))
}

// mailbox is the address under which letters to it are counted: many mail systems deliver what is for
// me+anything to me, and somebody who makes up tags must not fill that mailbox.
func mailbox(email string) string {
	key := accounts.EmailKey(email)
	at := strings.LastIndexByte(key, '@')
	if tag := strings.IndexByte(key, '+'); tag > 0 && tag < at {
		return key[:tag] + key[at:]
	}
	return key
}

// What an account or a sender is counted under; the methods of [Throttle] use the same names.
const (
	accountTries      = "account:"
	knownBrowser      = " browser:"
	besideCode        = "password-beside-code:"
	letterTo          = "letter-to "
	mailedCodes       = "mailed-code:"
	secondStepTries   = "second-step:"
	secondStepKnown   = "second-step-known:"
	withinDay         = " day"
	newPasswords      = "new-password "
	addressTries      = "address"
	mailedTries       = "mailed-address"
	deviceTries       = "device-address"
	secondStepSenders = "second-step-address"
	invitationTries   = "invitation-address"
	passkeyTries      = "passkey-address"
	signupsFrom       = "signup"
	lettersFrom       = "letter-from"
	ceremoniesFrom    = "ceremony"
)

// OfAccount are the subjects of an account, in the browsers with these ids that it knows too.
func OfAccount(user accounts.User, browsers []string) []Subject {
	tries := addressed(accountTries, user.Email)
	all := []Subject{{What: "log-ins", Name: tries}}
	for _, id := range browsers {
		all = append(all, Subject{What: "log-ins in a known browser", Name: tries + knownBrowser + id})
	}
	return append(all,
		Subject{What: "log-ins with a code", Name: besideCode + user.ID},
		Subject{What: "second steps", Name: secondStepTries + user.ID},
		Subject{What: "second steps of a day", Name: secondStepTries + user.ID + withinDay},
		Subject{What: "second steps in known browsers", Name: secondStepKnown + user.ID},
		Subject{What: "second steps of a day in known browsers", Name: secondStepKnown + user.ID + withinDay},
		Subject{What: "codes of letters", Name: addressed(mailedCodes, user.Email)},
		Subject{What: "letters", Name: addressed(letterTo, mailbox(user.Email)), Quota: true},
		Subject{What: "new passwords", Name: newPasswords + user.ID, Quota: true})
}

// OfSender are the subjects of a network address, and of the networks that it is in.
func OfSender(addr netip.Addr) (all []Subject) {
	for _, one := range []Subject{
		{What: "log-ins", Name: addressTries}, {What: "codes and links of letters", Name: mailedTries},
		{What: "codes of devices", Name: deviceTries}, {What: "second steps", Name: secondStepSenders},
		{What: "invitations", Name: invitationTries}, {What: "passkeys", Name: passkeyTries},
		{What: "sign-ups", Name: signupsFrom, Quota: true}, {What: "letters", Name: lettersFrom, Quota: true},
		{What: "ceremonies of passkeys", Name: ceremoniesFrom, Quota: true},
	} {
		for _, q := range limits.QuotasOf(httpd.Networks(addr), one.Name, 1, 0) {
			all = append(all, Subject{one.What, q.Subject, one.Quota})
		}
	}
	return all
}

// WhatOf says what is counted under a subject of the tries, as [Subject.What] does.
func WhatOf(subject string) string {
	for _, one := range []struct{ begins, what string }{
		{accountTries, "log-ins"}, {besideCode, "log-ins with a code"}, {secondStepTries, "second steps"}, {secondStepKnown, "second steps in known browsers"},
		{mailedCodes, "codes of letters"}, {addressTries + " ", "log-ins"}, {mailedTries + " ", "codes and links of letters"},
		{deviceTries + " ", "codes of devices"}, {secondStepSenders + " ", "second steps"}, {invitationTries + " ", "invitations"},
		{passkeyTries + " ", "passkeys"}, {"session:", "present passwords"}, {"device:", "codes of devices"},
	} {
		if strings.HasPrefix(subject, one.begins) {
			return one.what
		}
	}
	return "tries"
}
