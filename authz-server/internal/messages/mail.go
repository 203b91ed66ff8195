package messages

import "time"

// Mail is what the letters say.
type Mail struct {
	Hello     string
	HelloName func(name string) string

	Address     string // below a button: the same link as text follows
	Code        string // between a link and a code
	CodeWarning string
	Valid       func(d time.Duration) string // how long a link and a code are
	Once        string                       // of a link that lasts longer than others

	// Labels of facts.
	Account, Device, From, At, NewAddress, DeletedAt, Note string

	SecurityButton string // leads to the account's security page
	Support        func(contact string) string
	Automatic      string

	ConfirmSignup, AddressHasAccount, ConfirmAddress, ResetPassword, DeletionScheduled, Invitation, AccountMade, NewAdministrator Request
	NewDevice, AddressChanged, DeletionCancelled, AccountDeleted, Test                                                            Notice

	Forgot                   string // of AddressHasAccount: leads to a new password
	Changes                  map[Change]string
	ChangeText, ChangeNotYou string
	ClonedText, ClonedNotYou string // the same for PasskeyCloned
}

// Notice is a letter that says what happened.
type Notice struct {
	Subject, Text, NotYou string
}

// Request is a letter that asks for something.
type Request struct {
	Notice
	Button string
}

// Change is a change of how a person proves who they are, or the use of a proof that should be
// rare. Each language has a sentence for it.
type Change string

// The changes that letters tell of.
const (
	ChangedPassword   Change = "password_changed"
	ResetPassword     Change = "password_reset" // by a mailed link, or by an operator
	PasskeyAdded      Change = "passkey_added"
	PasskeyRemoved    Change = "passkey_removed"
	PasskeyCloned     Change = "passkey_cloned" // its counter went back
	SecondStepOn      Change = "second_step_on"
	SecondStepOff     Change = "second_step_off"
	RecoveryCodesMade Change = "recovery_codes_made" // which ends those before them
	RecoveryCodeUsed  Change = "recovery_code_used"
	BrowserTrusted    Change = "browser_trusted"
	BrowsersForgotten Change = "browsers_forgotten" // one or all
	UpstreamAdded     Change = "upstream_added"
	UpstreamEnded     Change = "upstream_ended"
	MadeAdministrator Change = "made_administrator"
)

// Changes are all changes that letters tell of.
var Changes = []Change{
	ChangedPassword, ResetPassword, PasskeyAdded, PasskeyRemoved, PasskeyCloned, SecondStepOn, SecondStepOff,
	RecoveryCodesMade, RecoveryCodeUsed, BrowserTrusted, BrowsersForgotten, UpstreamAdded, UpstreamEnded, MadeAdministrator,
}
