package pages

import (
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/consent"
)

// App is a client as a person sees it.
type App struct {
	ID     string
	Name   string // empty: the id is shown
	Logo   string // URLs, or empty
	Home   string
	Policy string
	Terms  string

	Unchecked bool   // nobody here vouched for it: it registered itself, or is known by a document
	Host      string // where that document is: all that is known of who it is
	Return    string // the host that the person goes back to, of an unchecked app
	OnDevice  bool   // they go back to a program on their own device
}

// Display is the app's name, or its id when it has none.
func (a App) Display() string {
	if a.Name == "" {
		return a.ID
	}
	return a.Name
}

// Form is what every page with input has: what was wrong with it.
type Form struct {
	Problems map[string]Problem // by field; "" is the form as a whole
	Wait     time.Duration      // how long to wait, with TooManyTries
}

func (f Form) form() Form { return f }

// Login is the data of the page "login".
type Login struct {
	Form
	Interaction string
	App         *App // nil: nobody sent the person
	Email       string
}

func (d Login) logo() string { return appLogo(d.App) }

// Signup is the data of the page "signup".
type Signup struct {
	Form
	Interaction string
	App         *App
	Email       string
	Name        string
}

func (d Signup) logo() string { return appLogo(d.App) }

// Question is what every page has that asks whether an app may have something. Its form posts what [consent.Read] reads.
type Question struct {
	Form
	App     App
	Session string // the login session that is asked
	Email   string // whose it is
	Choices []consent.Choice
}

func (q Question) logo() string { return q.App.logo() }

// Refuse puts on the page why [consent.Read] took no answer, and returns the status that goes with it; 0: the person can do
// nothing about err.
func (q *Question) Refuse(err error) (status int) {
	problem := NothingChosen
	switch {
	case errors.Is(err, consent.ErrOtherSession):
		status, problem = http.StatusConflict, ConsentOfSomeOther
	case errors.Is(err, consent.ErrNothingChosen):
		status = http.StatusUnprocessableEntity
		for i := range q.Choices {
			q.Choices[i].Ticked = q.Choices[i].Required
		}
	default:
		return 0
	}
	q.Problems = map[string]Problem{"": problem}
	return status
}

// Consent is the data of the page "consent".
type Consent struct {
	Question
	Interaction string
}

// Account is the data of the page "account".
type Account struct {
	Form
	Done  Done
	Name  string // as typed
	Email string
}

// Password is the data of the page "account_password".
type Password struct {
	Form
	Email string
}

// Sessions is the data of the page "account_sessions".
type Sessions struct {
	Done       Done
	TokensLast time.Duration // how long apps can still use what they have, if some have just lost their access; 0: none has
	Sessions   []Session
	Zone       *time.Location // the person's; nil: unknown
}

func (d Sessions) zone() *time.Location { return d.Zone }

// Session is one browser's log-in.
type Session struct {
	ID       string
	Current  bool
	Browser  string // empty: unknown
	System   string // empty: unknown
	Address  string
	LoggedIn time.Time
	Seen     time.Duration // ago
}

// Apps is the data of the page "account_apps".
type Apps struct {
	Done       Done
	TokensLast time.Duration // as in Sessions
	Apps       []AllowedApp
}

// AllowedApp is a client that a person has allowed something, or, with no scope, one that needs no consent.
type AllowedApp struct {
	App
	Words []string      // of package consent
	Since time.Duration // ago
}

// Logout is the data of the page "logout", which asks whether to log out. Its form posts Hidden to Action.
type Logout struct {
	Action string
	Hidden url.Values
	App    *App   // who asks; nil: nobody
	Email  string // who would be logged out
}

func (d Logout) logo() string { return appLogo(d.App) }

// LoggedOut is the data of the page "logged_out".
type LoggedOut struct {
	Frames []string // URLs to load in hidden frames: OpenID front-channel log-out
	Next   string   // where to go on, registered by the app and checked, of an app's own scheme maybe; empty: nowhere
	App    *App     // whose address Next is, if the person should decide to go there; nil: the page leads on by itself
}

func (d LoggedOut) logo() string { return appLogo(d.App) }

// GoesOn tells whether the page leads on by itself, when the frames have loaded.
func (d LoggedOut) GoesOn() bool { return d.NextLink() != "" && len(d.Frames) > 0 && d.App == nil }

// NextLink is Next as a link.
func (d LoggedOut) NextLink() template.URL { return appLink(d.Next) }

// appLink is a registered address of an app as a link, or empty.
func appLink(uri string) template.URL {
	if !client.Linkable(uri) {
		return ""
	}
	return template.URL(uri) //nolint:gosec // see client.Linkable; html/template would let no app's own scheme through
}

// Device is the data of the page "device", which asks for the code that a device shows.
type Device struct {
	Form
	UserCode string // as typed, or filled in
	Email    string // who is logged in
}

// DeviceConfirm is the data of the page "device_confirm", which asks whether a device may be connected.
type DeviceConfirm struct {
	Question
	UserCode string
	Address  string        // where the device asked from
	Browser  string        // empty: unknown
	System   string        // empty: unknown
	Asked    time.Duration // ago
}

// DeviceDone is the data of the page "device_done".
type DeviceDone struct {
	App     App
	Allowed bool
}

// FormPost is the data of the page "form_post", which posts Fields to Action by itself, and by a button where scripts are off.
type FormPost struct {
	Action string // an http or https address
	Fields url.Values
}

// Failure is the data of the pages "error" and "cannot_log_out".
type Failure struct {
	Code        string // OAuth error code
	Detail      string
	ServerFault bool // it is ours, not the app's
	Expired     bool // the log-in that was asked for is over
	App         *App // the app that the person can go back to, at its Home; nil: unknown
}

// Already is the data of the page "already": what the person asks for again is done.
type Already struct {
	App App
	To  string // where to go on, a path of ours; empty: only the app knows
}

func (d Already) logo() string { return d.App.logo() }

// Returning is the data of the page "error_return": a failure that an app is told of only if the person wants it.
type Returning struct {
	Failure
	App    App
	To     string     // the app's address, with the answer in it unless there are Fields
	Fields url.Values // what is posted there; nil: it is a link
}

func (d Returning) logo() string { return d.App.logo() }

// Link is To as a link.
func (d Returning) Link() template.URL { return appLink(d.To) }

func appLogo(app *App) string {
	if app == nil {
		return ""
	}
	return app.logo()
}

// Problem is what can be wrong with a person's input. The texts are in the catalogue.
type Problem string

// The problems that pages can explain.
const (
	WrongCredentials   Problem = "wrong_credentials"
	TooManyTries       Problem = "too_many_tries"  // with Form.Wait
	TooManyLogins      Problem = "too_many_logins" // with Form.Wait
	Busy               Problem = "busy"
	NeedsCookies       Problem = "needs_cookies"
	EmailMissing       Problem = "email_missing"
	EmailInvalid       Problem = "email_invalid"
	EmailTaken         Problem = "email_taken"
	NameMissing        Problem = "name_missing"
	NameTooLong        Problem = "name_too_long"
	NameInvalid        Problem = "name_invalid"
	PasswordMissing    Problem = "password_missing"
	PasswordWrong      Problem = "password_wrong" // the present one, when it is to be changed
	PasswordSame       Problem = "password_same"
	PasswordTooShort   Problem = "password_too_short"
	PasswordTooLong    Problem = "password_too_long"
	PasswordPersonal   Problem = "password_personal"
	PasswordCommon     Problem = "password_common"
	PasswordKeyboard   Problem = "password_keyboard"
	PasswordRepeats    Problem = "password_repeats"
	PasswordDigits     Problem = "password_digits"
	PasswordDate       Problem = "password_date"
	PasswordGuessable  Problem = "password_guessable"
	NothingChosen      Problem = "nothing_chosen"
	ConsentOfSomeOther Problem = "consent_of_some_other"
	DeviceCodeWrong    Problem = "device_code_wrong"
)

// Problems lists every Problem.
var Problems = []Problem{WrongCredentials, TooManyTries, TooManyLogins, Busy, NeedsCookies, EmailMissing, EmailInvalid, EmailTaken, NameMissing, NameTooLong, NameInvalid,
	PasswordMissing, PasswordWrong, PasswordSame, PasswordTooShort, PasswordTooLong, PasswordPersonal, PasswordCommon, PasswordKeyboard, PasswordRepeats,
	PasswordDigits, PasswordDate, PasswordGuessable, NothingChosen, ConsentOfSomeOther, DeviceCodeWrong,
	ProfileChanged, TextTooLong, TextInvalid, URLInvalid, BirthdayInvalid, ZoneInvalid, LocaleInvalid, PhoneInvalid}

// Done is what a person has just done, said on the page that follows.
type Done string

// The things done that pages can confirm; "" is nothing.
const (
	NameChanged     Done = "name"
	PasswordChanged Done = "password"
	SessionEnded    Done = "session"
	OthersEnded     Done = "others"
	AppWithdrawn    Done = "app"
	ProfileSaved    Done = "profile"
)

// Dones lists every Done but "".
var Dones = []Done{NameChanged, PasswordChanged, SessionEnded, OthersEnded, AppWithdrawn, ProfileSaved}
