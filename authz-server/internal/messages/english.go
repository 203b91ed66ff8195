package messages

import (
	"fmt"
	"time"
)

var english = Language{
	Tag: "en", OwnName: "English",
	Dates:  Dates{Layouts: []string{"January 2 2006", "Jan 2 2006", "2 January 2006", "2 Jan 2006"}},
	Brand:  "Maru",
	Broken: "Something went wrong on our side. Please try again.",

	Email: "Email", Name: "Name", Password: "Password", CurrentPassword: "Current password", NewPassword: "New password",
	PasswordHint: "At least 8 characters. A few unrelated words make a good one.",
	ShowPassword: "Show", HidePassword: "Hide", CapsLock: "Caps Lock is on.", Strength: "Too short|Easy to guess|Fair|Good",
	LanguageLabel: "Language",
	ErrorPrefix:   "Error: ", CheckFields: "Please check this:",

	LoginTitle: "Log in", LoginHeading: "Log in", LoginButton: "Log in", NoAccount: "New here?", SignupLink: "Create an account",
	SignupTitle: "Sign up", SignupHeading: "Create your account", SignupButton: "Create account", HaveAccount: "Already have an account?", LoginLink: "Log in",
	NameHint:        "What people will see. You can change it at any time.",
	AccountNameHint: "Apps get this name when you log in. An app may also keep a profile name of its own, which you change there.",
	LoginToContinue: "Log in to continue", SignupToContinue: "Sign up to continue",
	AppPolicy: "Privacy policy", AppTerms: "Terms of service",
	AppUnchecked: "Maru has not checked this app or its name.", AppFrom: "It comes from", AppReturn: "It takes you back to", AppKnown: "Continue only if you know this address.",
	AppOnDevice: "It takes you back to a program on this device. Continue only if you started it yourself just now.",

	ConsentTitle:   "Allow access",
	ConsentHeading: func(app string) string { return app + " asks for access" },
	ConsentIntro:   "If you allow it, the app can:", ConsentAlways: "needed to log you in",
	AllowButton: "Allow", DenyButton: "Cancel",
	ConsentFooter: "You can remove this access at any time under “Connected apps” in your account.",
	SignedInAs:    func(email string) string { return "Logged in as " + email },
	OtherAccount:  "Use another account",
	Scopes: map[string]string{
		"openid":         "Know who you are on Maru",
		"profile":        "See your name and profile",
		"email":          "See your email address",
		"address":        "See your postal address",
		"phone":          "See your phone number",
		"offline_access": "Keep this access while you are not using it",
		"user:read":      "See your profile and settings",
		"user:write":     "Change your profile and settings",
		"user:lookup":    "Look up public profiles",
		"board:read":     "Read the boards",
		"board:write":    "Write, edit and delete posts and comments as you",
		"board:moderate": "Moderate the boards as you: hide, delete, pin and lock posts",
	},
	OtherScope: func(name string) string { return name },

	AccountTitle: "Account", AccountHeading: "Your account", AccountNav: "Account pages",
	SaveButton: "Save", EmailLabel: "Email",
	PasswordTitle: "Password", PasswordIntro: "Changing your password logs you out everywhere else, and disconnects the apps that you connected there.", PasswordButton: "Change password",
	SessionsTitle: "Sessions", SessionsIntro: "Where you are logged in. If you do not recognise a session, end it and change your password: that also disconnects the apps connected there.",
	ThisSession: "This one", SessionUnknown: "Unknown device", EndButton: "End", EndOthersButton: "End all others", EndOthers: "Everywhere but here",
	Device:    func(browser, system string) string { return joined(" on ", browser, system) },
	LoggedIn:  "Logged in",
	Moment:    func(at time.Time) string { return at.Format("January 2, 2006 at 3:04 PM") },
	Seen:      func(ago time.Duration) string { return "last active " + agoEnglish(ago) },
	From:      func(address string) string { return "from " + address },
	AppsTitle: "Connected apps", AppsTab: "Apps", AppsIntro: "Apps that use your account.",
	NoApps:         "No app uses your account yet.",
	WithdrawButton: "Remove access", CanDo: "It can:",
	Connected: func(ago time.Duration) string { return "Connected " + agoEnglish(ago) },

	LogoutTitle: "Log out?", LogoutHeading: "Log out?", LogoutIntro: "You will have to log in again on this device.", LogoutButton: "Log out",
	LogoutAskedBy: func(app string) string { return app + " asks to log you out." },
	StayLink:      "Cancel",
	DeviceTitle:   "Connect a device", DeviceHeading: "Connect a device", DeviceIntro: "Enter the code that your device shows.", DeviceCode: "Code",
	DeviceContinue:       "Continue",
	DeviceConfirmHeading: func(app string) string { return "Connect " + app + "?" },
	DeviceCheck:          "Your device must show exactly this code:",
	DeviceWarning:        "Continue only if you started this yourself, on a device in front of you. If somebody gave you this code or link, cancel: they would get into your account.",
	DeviceOrigin:         "Where the request came from", DeviceFrom: "Address", DeviceKind: "Device", DeviceWhen: "Asked", Ago: agoEnglish,
	DeviceAllowedTitle: "Your device is connected", DeviceDeniedTitle: "Nothing was connected", DeviceDeniedIntro: "The device got no access. You can close this page.",
	DeviceAllowedIntro: func(app string) string { return "Continue with " + app + " on your device. You can close this page." },
	FormPostTitle:      "Back to the app", FormPostIntro: "If nothing happens, press the button.",
	LoggedOutTitle: "You are logged out", LoggedOutIntro: "See you again soon.", LoggedOutNext: "Continue", LogInNow: "Log in again",
	CannotLogOutTitle: "Cannot log you out", CannotLogOutIntro: "The app that sent you here made a request that cannot be trusted, so nothing was changed. You can log out from your account.",

	ErrorReturn: "The app that sent you here asked for something that cannot be done. Maru has not checked this app, so we ask before we send you back.", ErrorReturnButton: "Go back to the app",
	AlreadyTitle: "You are logged in already", AlreadyIntro: "This log-in is complete. Go back to the app to continue.",
	TokensLast: func(most time.Duration) string {
		return "An app that has just lost its access can still use what it already has for up to " + plural(ceilMinutes(most), "minute", "minutes") + "."
	},
	ExpiredTitle: "This log-in has expired", ExpiredIntro: "It was completed already, took too long, or was started in another browser. Go back to the app that you came from, and log in again from there.",
	NotFoundTitle: "There is nothing at this address", NotFoundIntro: "The link may be wrong or out of date.",
	ErrorTitle: "That did not work", ErrorApp: "Go back to the app that you came from and try again. If it happens again, send the details below to the people who run the app.",
	ErrorServer:        "Something went wrong on our side. Please try again in a moment.",
	ErrorForDevelopers: "For the app’s developers",
	ErrorCode:          "Error", ErrorDetail: "Detail", RequestID: "Request", BackToAccount: "To your account",

	Problems: map[Problem]string{
		WrongCredentials:   "The email address or the password is not right.",
		Busy:               "Many people are logging in just now. Please try again in a few seconds.",
		NeedsCookies:       "Your browser did not send back our cookie. Allow cookies for this site and try again.",
		EmailMissing:       "Enter your email address.",
		EmailInvalid:       "This does not look like an email address.",
		EmailTaken:         "This address cannot be used to sign up. If it is yours and you have an account, log in instead.",
		NameMissing:        "Enter a name.",
		NameTooLong:        "Use at most 100 characters.",
		NameInvalid:        "Use letters, digits, spaces and punctuation only.",
		PasswordMissing:    "Enter your password.",
		PasswordWrong:      "This is not your current password.",
		PasswordSame:       "Choose a password other than the current one.",
		PasswordTooShort:   "Use at least 8 characters.",
		PasswordTooLong:    "Use at most 128 characters.",
		PasswordPersonal:   "It is too close to your name or email address.",
		PasswordCommon:     "It is built on a password or word that many people use.",
		PasswordKeyboard:   "It follows a row of keys, which is easy to guess.",
		PasswordRepeats:    "It repeats or counts up, which is easy to guess.",
		PasswordDigits:     "Numbers alone, such as phone numbers and birthdays, are easy to guess.",
		PasswordDate:       "It is little more than a date, which is easy to guess.",
		PasswordGuessable:  "It is too easy to guess. Make it longer, for instance with another word.",
		NothingChosen:      "Choose at least one, or cancel.",
		DeviceCodeWrong:    "No device is waiting for this code. Compare it with the one on your device, which is good for 10 minutes.",
		ConsentOfSomeOther: "Another account was logged in meanwhile. Please decide again.",
		ProfileChanged:     "Your profile was changed in another window meanwhile, so nothing has been saved yet. Below each field that differs you see what was saved. Save again to replace it with what you typed.",
		TextTooLong:        "This is too long.",
		TextInvalid:        "Use letters, digits, spaces and punctuation only.",
		URLInvalid:         "Enter a web address that starts with https:// or http://.",
		BirthdayInvalid:    "Enter a date that exists and is not in the future, such as 1990-04-23, 0000-04-23 or 1990.",
		ZoneInvalid:        "There is no such time zone. Choose one from the list.",
		LocaleInvalid:      "There is no such language. Choose one from the list.",
		PhoneInvalid:       "Enter the number with + and the country code, such as +82\u00a010\u00a01234\u00a05678, or choose your country below and enter it as you dial it there.",
	},
	TooManyTries: func(wait time.Duration) string {
		return "Too many tries. Please try again in " + plural(ceilMinutes(wait), "minute", "minutes") + "."
	},
	TooManyLogins: func(wait time.Duration) string {
		return "Too many tries to log in. Please try again in " + plural(ceilMinutes(wait), "minute", "minutes") + "."
	},
	Done: map[Done]string{
		NameChanged:     "Your name was changed.",
		PasswordChanged: "Your password was changed. All your other sessions have ended, and the apps connected in them have lost their access. Apps that you connected here are listed under Apps.",
		SessionEnded:    "The session has ended.",
		OthersEnded:     "All your other sessions have ended, and the apps connected in them have lost their access. Apps that you connected here are listed under Apps.",
		AppWithdrawn:    "The app is disconnected. If it wants to know of log-outs, it was told to log you out.",
		ProfileSaved:    "Your profile was saved.",
	},

	Profile: Profile{
		Title: "Profile", Intro: "All of this is optional. Apps see it only if you allow them to.",
		Names: "Names", About: "About you", Contact: "Phone", Address: "Address", Web: "On the web",
		Verified: "verified", NotGiven: "Not given", NameOrder: []string{"given_name", "family_name"},
		Labels: map[string]string{
			"given_name": "First name", "family_name": "Last name", "middle_name": "Middle name", "nickname": "Nickname", "preferred_username": "Username",
			"profile": "Profile page", "picture": "Picture", "website": "Website",
			"gender": "Gender", "birthdate": "Birthday", "zoneinfo": "Time zone", "locale": "Language",
			"phone_number": "Phone number", "street_address": "Street address", "locality": "City", "region": "State or province", "postal_code": "Postal code", "country": "Country",
			"formatted": "Address as on a letter",
		},
		Hints: map[string]string{
			"preferred_username": "What apps may suggest as your username.",
			"picture":            "The address of an image that starts with https://.",
			"birthdate":          "Such as 1990-04-23 or April 23, 1990. 0000-04-23 keeps the year to yourself, 1990 the day.",
			"locale":             "The language that apps may greet you in.",
			"phone_number":       "With the country code, such as +82\u00a010\u00a01234\u00a05678, or as you dial it in your country.",
		},
		Claims: map[string]string{
			"name":               "See your name",
			"given_name":         "See your first name",
			"family_name":        "See your last name",
			"middle_name":        "See your middle name",
			"nickname":           "See your nickname",
			"preferred_username": "See your username",
			"profile":            "See the address of your profile page",
			"picture":            "See your picture",
			"website":            "See your website",
			"gender":             "See your gender",
			"birthdate":          "See your birthday",
			"zoneinfo":           "See your time zone",
			"locale":             "See your language",
			"updated_at":         "See when your profile was last changed",
			"email":              "See your email address",
			"phone_number":       "See your phone number",
			"address":            "See your postal address",
		},
		Genders: map[string]string{"": "Prefer not to say", "female": "Female", "male": "Male", "other": "Other"},
		Stored: func(value string) string {
			if value == "" {
				return "Saved meanwhile: nothing"
			}
			return "Saved meanwhile: " + value
		},
	},
}

func agoEnglish(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return "just now"
	case d < time.Hour:
		return plural(int(d/time.Minute), "minute ago", "minutes ago")
	case d < 24*time.Hour:
		return plural(int(d/time.Hour), "hour ago", "hours ago")
	}
	return plural(int(d/(24*time.Hour)), "day ago", "days ago")
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
