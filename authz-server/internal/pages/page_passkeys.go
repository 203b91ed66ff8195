package pages

import (
	"time"

	"github.com/maru-auth/maru/authz-server/internal/messages"
)

// passkeyScript makes and uses passkeys, which only a script can.
const passkeyScript = "passkey.js"

// passkeyButton is a button that asks for a passkey, for the template "passkey". What it does
// stands in its attributes, which the script reads.
type passkeyButton struct {
	T        *messages.Language
	Label    string
	At       string // where the options come from, at …/begin, and the answer goes to, at …/finish
	Query    string // of both
	Makes    bool   // a passkey; otherwise it uses one
	Or       bool   // it stands below a form that does the same
	Autofill bool   // passkeys are offered in the page's field for the address too
	Form     string // the id of the form that is filled in before, but for its password; empty: none
	Hint     string // may be empty
	Main     bool   // what the page is for
	Next     string // where the person goes on; empty: where the server says
}

// PasskeyButton is a button that uses a passkey. path is where its requests go; query is that of
// the page.
func (v view) PasskeyButton(label, path, query string) passkeyButton {
	return passkeyButton{T: v.T, Label: label, At: v.At(path), Query: query}
}

// Maker is b as a button that makes a passkey.
func (b passkeyButton) Maker() passkeyButton { b.Makes = true; return b }

// Beside is b as the button below a form that does the same. autofill says that the form's field
// for the address offers passkeys too.
func (b passkeyButton) Beside(autofill bool) passkeyButton {
	b.Or, b.Autofill = true, autofill
	return b
}

// With is b as the button below a form that is filled in, but for its password.
func (b passkeyButton) With(form, hint string) passkeyButton {
	b.Or, b.Form, b.Hint = true, form, hint
	return b
}

// Chief is b as what the page is for, which leads to the link next.
func (b passkeyButton) Chief(next string) passkeyButton { b.Main, b.Next = true, next; return b }

// PasskeyList is a person's passkeys, on the page about their account's security.
type PasskeyList struct {
	On     bool   // there can be passkeys
	RP     string // the relying party, by which the browser knows them
	Handle string // of the person, in base64url; empty: none was ever made
	All    []Passkey
}

// IDs are the ids of the credentials, separated by spaces.
func (l PasskeyList) IDs() (ids string) {
	for _, one := range l.All {
		ids += " " + one.Credential
	}
	return ids
}

// Passkey is one of them.
type Passkey struct {
	ID, Credential string // Credential in base64url
	Name           string
	Keeper         string // such as "Bitwarden"; empty: unknown, or in the name
	Synced         bool
	ThisBrowser    bool // used it last
	Cloned         bool
	Created, Used  time.Duration // ago
	Unused         bool
}

// PasskeyOfferPage offers a passkey to somebody who has just logged in by their password.
type PasskeyOfferPage struct {
	Query string // of the page
	App   *App   // nil: nobody sent the person
}

func (p PasskeyOfferPage) layout(*messages.Language) layout {
	return layout{template: "passkey_offer", logo: p.App.logo(), passkeys: true}
}
