// Package messages holds everything that the pages and letters say: files for each language, and
// the list of them. To add a language, write what the files with "english" in their names have, and
// name it in the list.
package messages

import (
	"strings"
	"time"
)

// Language is everything that pages say in one language, and how people write dates in it. No field
// may be empty unless its comment says so. {brand} in a text stands for the product's name, which
// an operator sets: see [Languages.Of].
type Language struct {
	Tag     string // BCP 47
	OwnName string // the language's name for itself
	Country string // ISO 3166-1 code of the country where nearly all its speakers live; empty if there is none
	Dates   Dates
	Brand   string // what the product is called where no other name is set
	Broken  string // when not even a page can be made

	Email, Name, Password, CurrentPassword, NewPassword string
	PasswordHint                                        string
	ShowPassword, HidePassword, CapsLock                string
	Strength                                            string // four words, separated by bars, the worst first
	ErrorPrefix, CheckFields                            string // of the title, and above a form that was refused
	LanguageLabel                                       string

	LoginTitle, LoginHeading, LoginButton, NoAccount, SignupLink     string
	SignupTitle, SignupHeading, SignupButton, HaveAccount, LoginLink string
	NameHint, AccountNameHint                                        string
	LoginToContinue, SignupToContinue                                string
	ConfirmTitle, ConfirmIntro                                       string // before something sensitive is changed
	AppPolicy, AppTerms                                              string
	AppUnchecked, AppFrom, AppReturn, AppKnown, AppOnDevice          string

	ConsentTitle                                                 string
	ConsentHeading                                               func(app string) string
	ConsentIntro, ConsentAlways, AllowButton, DenyButton         string
	ConsentFooter                                                string
	SignedInAs                                                   func(email string) string
	OtherAccount                                                 string
	Scopes                                                       map[string]string
	OtherScope                                                   func(name string) string
	AccountTitle, AccountHeading, AccountNav                     string
	SaveButton, EmailLabel                                       string
	PasswordTitle, PasswordIntro, PasswordButton                 string
	SessionsTitle, SessionsIntro, ThisSession                    string
	SessionUnknown, EndButton, EndOthersButton, EndOthers        string
	Device                                                       func(browser, system string) string
	LoggedIn                                                     string // a moment follows
	Moment                                                       func(at time.Time) string
	TimesIn                                                      func(zone string) string // the zone of the moments above
	SkipLink                                                     string                   // past the navigation
	Seen                                                         func(ago time.Duration) string
	From                                                         func(address string) string
	AppsTitle, AppsIntro, AppsTab, NoApps, WithdrawButton, CanDo string
	Connected, AppUsed                                           func(ago time.Duration) string
	LogoutTitle, LogoutHeading, LogoutIntro, LogoutButton        string
	LogoutAskedBy                                                func(app string) string
	StayLink                                                     string
	DeviceTitle, DeviceHeading, DeviceIntro, DeviceCode          string
	DeviceContinue                                               string
	DeviceConfirmHeading                                         func(app string) string
	DeviceCheck, DeviceWarning, DeviceOrigin                     string
	DeviceFrom, DeviceKind, DeviceWhen                           string
	Ago                                                          func(ago time.Duration) string
	DeviceAllowedTitle, DeviceDeniedTitle, DeviceDeniedIntro     string
	DeviceAllowedIntro                                           func(app string) string
	FormPostTitle, FormPostIntro                                 string
	LoggedOutTitle, LoggedOutIntro, LoggedOutNext, LogInNow      string
	CannotLogOutTitle, CannotLogOutIntro                         string
	ErrorTitle, ErrorApp, ErrorServer, ErrorForDevelopers        string
	ExpiredTitle, ExpiredIntro, NotFoundTitle, NotFoundIntro     string
	ErrorCode, ErrorDetail, RequestID, BackToAccount             string
	SupportLink, SupportIntro                                    string // where help is to be had; its address follows the second
	ErrorReturn, ErrorReturnButton                               string
	AlreadyTitle, AlreadyIntro                                   string
	TokensLast                                                   func(most time.Duration) string
	Problems                                                     map[Problem]string
	TooManyTries, TooManyLogins                                  func(wait time.Duration) string
	Done                                                         map[Done]string
	Profile                                                      Profile
	Mail                                                         Mail
	Recovery                                                     Recovery
	Security                                                     Security
	Passkeys                                                     Passkeys
	Signup                                                       Signup
	SecondStep                                                   SecondStep
	Data                                                         Data
	Account                                                      Account
	Upstream                                                     Upstream
	Admin                                                        Admin
}

// Data is what the pages say on which people get their data and delete their account.
type Data struct {
	Tab, Title                                          string
	ExportTitle, ExportIntro, ExportButton              string
	DeleteTitle, DeleteIntro, DeleteButton              string
	PostsQuestion, PostsKeep, PostsDelete               string
	PlannedTitle, PlannedIntro, PlannedCancel           string // a moment follows the second
	RestoreTitle, RestoreIntro, KeepButton, LeaveButton string // a moment follows the second
}

// Security is what the page about an account's security says.
type Security struct {
	Title, Intro                  string
	History, HistoryIntro, NoNews string
	ByOperator                    string
	Events                        map[string]string // by kind of package notices
}

// SecondStep is what the pages about the second step of a log-in say.
type SecondStep struct {
	Together                                     string // at /login, after too many tries with a password alone
	Title                                        string // of the whole thing
	Heading, Intro, Code                         string
	RecoveryHeading, RecoveryIntro, RecoveryCode string
	Trust, TrustHint, Button                     string
	PasskeyHeading, PasskeyIntro                 string // nothing but a passkey will do
	UseRecovery, UseApp                          string
	LoggingInAs                                  func(email string) string

	Off, SetUp, OnTag                               string // in the account
	Since                                           string // a moment follows
	CodesLeft                                       func(left int) string
	FewCodes, NoCodes                               string
	NewCodes, TurnOff                               string
	Trusted, TrustedIntro, NoTrusted                string
	TrustedUntil                                    string // a moment follows
	Distrust, DistrustAll, DistrustAllHeading       string
	NewCodesHeading, NewCodesIntro                  string
	TurnOffHeading, TurnOffIntro, Cancel            string
	SetUpHeading, SetUpIntro, SetUpApps, SetUpStart string
	ScanHeading, ScanIntro, QRCode                  string
	TypeIntro, Key, OpenApp                         string
	ConfirmHeading, ConfirmIntro, TurnOn            string
	CodesHeading, CodesOn, CodesIntro, CodesKeep    string
	Download, Print, Copy, Copied, CodesDone        string
	CodesFor                                        func(email string) string
	SetUpForApp                                     string // an application demands it
}

// Problem is the text of a problem.
func (t *Language) Problem(p Problem, wait time.Duration) string {
	switch p {
	case TooManyTries:
		return t.TooManyTries(wait)
	case TooManyLogins:
		return t.TooManyLogins(wait)
	}
	if text, ok := t.Admin.Problems[p]; ok {
		return text
	}
	return t.Problems[p]
}

// Scope is what a scope, or another word of package consent, means to a person.
func (t *Language) Scope(name string) string {
	if text, ok := t.Scopes[name]; ok {
		return text
	}
	if claim, ok := strings.CutPrefix(name, "claims:"); ok && t.Profile.Claims[claim] != "" {
		return t.Profile.Claims[claim]
	}
	return t.OtherScope(name)
}

// ceilMinutes rounds up, so that a person who waits as long as the page says can try again.
func ceilMinutes(d time.Duration) int { return int((d + time.Minute - 1) / time.Minute) }

// joined leaves out what is empty.
func joined(sep string, parts ...string) string {
	var known []string
	for _, part := range parts {
		if part != "" {
			known = append(known, part)
		}
	}
	return strings.Join(known, sep)
}

// Dates is how speakers of a language write dates, besides 1990-04-23 and the like. The order is
// year, month, day.
type Dates struct {
	Layouts          []string // with names of months, for time.Parse, without commas and full stops; may be empty
	Year, Month, Day string   // what follows each number; may be empty
}

// Profile is what the page of a person's profile says.
type Profile struct {
	Title, Intro, Names, About, Contact, Address, Web string
	Verified, NotGiven                                string
	Day                                               func(day time.Time) string // of a birth; the year 0 is not said
	NameOrder                                         []string                   // fields of the two chief parts of a name, as people are used to
	Labels                                            map[string]string          // by field
	Hints                                             map[string]string          // some fields have one
	Genders                                           map[string]string          // by value of the claim; "" is what people choose who do not want to say
	Claims                                            map[string]string          // what it means to see one
	Stored                                            func(value string) string
}

// Signup is what the pages say of who can sign up, and of the terms that people agree to.
type Signup struct {
	Titles, Intros map[NoSignup]string
	Domains        func(domains string) string // below the address; a list
	Invited        func(email string) string   // the same
	Agree          string                      // beside a box to tick

	AgreeTitle, AgreeHeading, AgreeIntro, AgreeButton string
}

// Genders are the values of the claim gender that people choose from: none, those that OIDC Core
// §5.1 names, and one for everybody else.
var Genders = []string{"", "female", "male", "other"}
