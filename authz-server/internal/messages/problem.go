package messages

import "slices"

// Problem is what can be wrong with a person's input. Each language has a text for it.
type Problem string

// The problems that pages can explain.
const (
	WrongCredentials   Problem = "wrong_credentials"
	WrongTogether      Problem = "wrong_together"  // password and code
	TooManyTries       Problem = "too_many_tries"  // with how long to wait
	TooManyLogins      Problem = "too_many_logins" // with how long to wait
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
	PasswordCommon     Problem = "password_common" // or built on a common word
	PasswordMostCommon Problem = "password_most_common"
	PasswordBreached   Problem = "password_breached"
	PasswordKeyboard   Problem = "password_keyboard"
	PasswordRepeats    Problem = "password_repeats"
	PasswordDigits     Problem = "password_digits"
	PasswordDate       Problem = "password_date"
	PasswordGuessable  Problem = "password_guessable"
	NothingChosen      Problem = "nothing_chosen"
	PostsUndecided     Problem = "posts_undecided"
	ConsentOfSomeOther Problem = "consent_of_some_other"
	DeviceCodeWrong    Problem = "device_code_wrong"
	EmailDomain        Problem = "email_domain"     // nobody can sign up with an address there
	InvitationOther    Problem = "invitation_other" // the invitation is for another address
	TermsMissing       Problem = "terms_missing"    // not agreed to

	// Of the second step.
	CodeMissing       Problem = "code_missing"
	CodeWrong         Problem = "code_wrong"
	CodeUsed          Problem = "code_used"
	RecoveryCodeWrong Problem = "recovery_code_wrong"
	LoginTooLate      Problem = "login_too_late"

	// Of mailed codes and links.
	MailCodeMissing Problem = "mail_code_missing" // or not six digits
	MailCodeWrong   Problem = "mail_code_wrong"
	MailCodeOver    Problem = "mail_code_over"  // too many were wrong
	SignupPassword  Problem = "signup_password" // is not the one that was chosen at sign-up
	SignupOver      Problem = "signup_over"     // too many were wrong
	EmailSame       Problem = "email_same"      // as before

	// Of a passkey.
	PasskeyRefused    Problem = "passkey_refused" // at a log-in
	PasskeyNotMade    Problem = "passkey_not_made"
	PasskeyExists     Problem = "passkey_exists"
	PasskeyGone       Problem = "passkey_gone" // removed in another window
	PasskeysFull      Problem = "passkeys_full"
	PasskeyLastWay    Problem = "passkey_last_way"
	LastAdministrator Problem = "last_administrator"

	SignupElsewhere Problem = "signup_elsewhere" // by a passkey, in another browser

	// Of a log-in at another provider.
	UpstreamLate        Problem = "upstream_late"
	UpstreamRefused     Problem = "upstream_refused"
	UpstreamTaken       Problem = "upstream_taken"    // somebody else has that identity
	UpstreamStale       Problem = "upstream_stale"    // a log-in there that is not new
	UpstreamUndated     Problem = "upstream_undated"  // nobody knows whether it is
	UpstreamUnproved    Problem = "upstream_unproved" // a log-in there does not do here
	UpstreamUnreachable Problem = "upstream_unreachable"
	UpstreamFailed      Problem = "upstream_failed"
	UpstreamLimited     Problem = "upstream_limited"
	UpstreamLastWay     Problem = "upstream_last_way"
	UpstreamGone        Problem = "upstream_gone"

	// Told by a script of the page.
	ScriptRefused Problem = "script_refused"
	ServerFault   Problem = "server_fault"

	// Of a profile.
	ProfileChanged  Problem = "profile_changed" // in another tab or browser meanwhile
	TextTooLong     Problem = "text_too_long"
	TextInvalid     Problem = "text_invalid"
	URLInvalid      Problem = "url_invalid"
	BirthdayInvalid Problem = "birthday_invalid"
	ZoneInvalid     Problem = "zone_invalid"
	LocaleInvalid   Problem = "locale_invalid"
	PhoneInvalid    Problem = "phone_invalid"
)

// Problems lists every Problem.
var Problems = slices.Concat(AdminProblems, []Problem{WrongCredentials, WrongTogether, TooManyTries, TooManyLogins, Busy, NeedsCookies, EmailMissing,
	EmailInvalid, EmailTaken, NameMissing, NameTooLong, NameInvalid,
	PasswordMissing, PasswordWrong, PasswordSame, PasswordTooShort, PasswordTooLong, PasswordPersonal, PasswordCommon, PasswordMostCommon, PasswordBreached, PasswordKeyboard, PasswordRepeats,
	PasswordDigits, PasswordDate, PasswordGuessable, NothingChosen, ConsentOfSomeOther, DeviceCodeWrong, EmailDomain,
	InvitationOther, TermsMissing, CodeMissing, CodeWrong, CodeUsed, RecoveryCodeWrong, LoginTooLate,
	MailCodeMissing, MailCodeWrong, MailCodeOver, SignupPassword, SignupOver, EmailSame,
	InvitationOther, TermsMissing,
	PasswordDigits, PasswordDate, PasswordGuessable, NothingChosen, PostsUndecided, ConsentOfSomeOther, DeviceCodeWrong,
	PasskeyRefused, PasskeyNotMade, PasskeyExists, PasskeyGone, PasskeysFull, PasskeyLastWay, LastAdministrator, SignupElsewhere, ScriptRefused, ServerFault,
	UpstreamLate, UpstreamRefused, UpstreamTaken, UpstreamStale, UpstreamUndated, UpstreamUnproved, UpstreamUnreachable, UpstreamFailed, UpstreamLimited, UpstreamLastWay, UpstreamGone,
	ProfileChanged, TextTooLong, TextInvalid, URLInvalid, BirthdayInvalid, ZoneInvalid, LocaleInvalid, PhoneInvalid})

// Done is what a person has just done, said on the page that follows.
type Done string

// The things done that pages can confirm; "" is nothing.
const (
	NameChanged     Done = "name"
	PasswordChanged Done = "password"
	PasswordSet     Done = "first_password"
	LanguageChanged Done = "language"
	SessionEnded    Done = "session"
	OthersEnded     Done = "others"
	AppWithdrawn    Done = "app"
	ProfileSaved    Done = "profile"
	PasskeyMade     Done = "passkey"
	PasskeyRenamed  Done = "passkey_name"
	PasskeyDropped  Done = "passkey_removed"
	SecondStepEnded Done = "second_step_off"
	TrustEnded      Done = "trust_ended"
	RecoveryUsed    Done = "recovery"
	AddressChanged  Done = "address" // or confirmed
	PasswordReset   Done = "reset"
	RolesTaken      Done = "roles"
	UpstreamLinked  Done = "upstream_linked"
	UpstreamRemoved Done = "upstream_removed"
)

// Dones lists every Done but "".
var Dones = []Done{NameChanged, PasswordChanged, PasswordSet, LanguageChanged, SessionEnded, OthersEnded, AppWithdrawn, ProfileSaved, PasskeyMade, PasskeyRenamed, PasskeyDropped,
	SecondStepEnded, TrustEnded, RecoveryUsed, AddressChanged, PasswordReset, RolesTaken, UpstreamLinked, UpstreamRemoved}

// NoSignup is why somebody cannot sign up, whatever they type.
type NoSignup string

// The reasons that a page can explain.
const (
	SignupClosed      NoSignup = "closed"
	InvitationMissing NoSignup = "invitation_missing"
	InvitationUnknown NoSignup = "invitation_unknown" // or withdrawn
	InvitationUsed    NoSignup = "invitation_used"
	InvitationExpired NoSignup = "invitation_expired"
)

// NoSignups lists every NoSignup.
var NoSignups = []NoSignup{SignupClosed, InvitationMissing, InvitationUnknown, InvitationUsed, InvitationExpired}
