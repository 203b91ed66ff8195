package messages

// Account is what the account's pages say beyond what has a place of its own.
type Account struct {
	NotYou                 string                      // beside the button to log out, where somebody is to prove who they are
	UsedFrom               func(address string) string // where a session was last used
	Proofs                 map[Means]string
	Language, LanguageHint string
	AnyLanguage            string
	PasswordIntro          string // on the page about security
	EarlierEvents          func(n int) string

	InvitationTitle, InvitationIntro  string // to roles, which follow
	InvitationOther, InvitationButton string
}

// Means is how somebody logged in.
type Means string

// The means that there are.
const (
	ByPassword Means = "password"
	ByCode     Means = "code" // and a password
	ByPasskey  Means = "passkey"
	ByUpstream Means = "upstream" // another provider, and perhaps a code
)
