package messages

import "time"

// Passkeys is what pages say of passkeys.
type Passkeys struct {
	LogInButton, Or             string
	SignUpButton, SignUpHint    string
	ConfirmButton               string
	Title, Intro, None          string
	AddButton, NewName          string // NewName is what a passkey is called of which nothing is known
	Created, Used               func(ago time.Duration) string
	Unused                      string
	Synced, OnDevice            string
	ThisBrowser, Cloned         string
	RenameButton, NameLabel     string
	RemoveButton, RemoveIntro   string
	RemoveNow                   string
	FirstPassword, SetPassword  string // for an account that has none
	OfferTitle, OfferIntro      string
	OfferButton, LaterButton    string
	Cancelled, Present, Unknown string // said by the page's script when the browser says so
}
