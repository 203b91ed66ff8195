package messages

import "time"

var mailEnglish = Mail{
	Hello:     "Hello,",
	HelloName: func(name string) string { return "Hello " + name + "," },

	Address:     "If the button does not work, open this address:",
	Code:        "Reading this on another device? Enter this code on the page that asks for it:",
	CodeWarning: "Never give this code to anybody. We never ask for it, by phone, by mail or in a chat.",
	Valid: func(d time.Duration) string {
		return "The link and the code work once, within " + plural(ceilMinutes(d), "minute", "minutes") + "."
	},
	Once: "The link works once.",

	Account:    "Account",
	Device:     "Device",
	From:       "Network address",
	At:         "Time",
	NewAddress: "New address",
	DeletedAt:  "Deletion",
	Note:       "A note for you",

	SecurityButton: "Check your account",
	Support:        func(contact string) string { return "Need help? Contact " + contact + "." },
	Automatic:      "{brand} sent this automatically. Nobody reads replies.",

	ConfirmSignup: Request{
		Notice: Notice{
			Subject: "Confirm your email address for {brand}",
			Text:    "Confirm that this address is yours, and your {brand} account is ready.",
			NotYou:  "If you did not sign up, ignore this mail. Nobody can use your address without the confirmation.",
		},
		Button: "Confirm address",
	},
	AddressHasAccount: Request{
		Notice: Notice{
			Subject: "You already have a {brand} account",
			Text:    "Somebody, probably you, tried to sign up for {brand} with this address. It has an account already: just log in.",
			NotYou:  "If it was not you, you need not do anything. Nobody got into your account, and nothing was changed.",
		},
		Button: "Log in",
	},
	Forgot: "Forgot your password? Choose a new one:",
	ConfirmAddress: Request{
		Notice: Notice{
			Subject: "Confirm your new email address for {brand}",
			Text:    "Confirm that this address is yours, and it becomes the address of your {brand} account.",
			NotYou:  "If you did not ask for this, ignore this mail, and nothing changes. Somebody may have mistyped their own address.",
		},
		Button: "Confirm address",
	},
	AddressChanged: Notice{
		Subject: "The email address of your {brand} account was changed",
		Text:    "Your {brand} account has a new email address. From now on, you log in with it, and get our mail there.",
		NotYou:  "If it was not you, somebody else may be in your account. Contact the people who run {brand} at once.",
	},
	ResetPassword: Request{
		Notice: Notice{
			Subject: "Choose a new password for {brand}",
			Text:    "You asked for a new password for your {brand} account. Choose it now.",
			NotYou:  "If you did not ask for this, ignore this mail. Your password stays as it is.",
		},
		Button: "Choose a new password",
	},
	NewDevice: Notice{
		Subject: "New log-in to your {brand} account",
		Text:    "Somebody logged in to your {brand} account on a device that we have not seen before. If it was you, all is well.",
		NotYou:  "If it was not you, change your password at once, and end all sessions that you do not recognise.",
	},
	Changes: map[Change]string{
		ChangedPassword:   "Your password was changed",
		ResetPassword:     "Your password was reset",
		PasskeyAdded:      "A passkey was added",
		PasskeyRemoved:    "A passkey was removed",
		PasskeyCloned:     "One of your passkeys may have been copied",
		SecondStepOn:      "Two-step verification was turned on",
		SecondStepOff:     "Two-step verification was turned off",
		RecoveryCodesMade: "New recovery codes were made, and the old ones no longer work",
		RecoveryCodeUsed:  "A recovery code was used to log in",
		BrowserTrusted:    "A browser is trusted for 30 days, and skips two-step verification",
		UpstreamAdded:     "An account of another service can log in to yours",
		UpstreamEnded:     "An account of another service can no longer log in to yours",
		MadeAdministrator: "You are an administrator now",
		BrowsersForgotten: "A browser is no longer trusted to skip two-step verification",
	},
	ChangeText:   "We tell you because this concerns how you log in to your {brand} account. If it was you, all is well.",
	ChangeNotYou: "If it was not you, somebody else may be in your account. Change your password at once, and check your passkeys, two-step verification and sessions.",
	ClonedText:   "Somebody used a passkey of your {brand} account, and we refused it: its counter was lower than before, which happens when a copy exists.",
	ClonedNotYou: "Remove this passkey from your account, unless you know why: some programs that keep passkeys count wrongly after they were restored.",
	DeletionScheduled: Request{
		Notice: Notice{
			Subject: "Your {brand} account will be deleted",
			Text:    "As you asked, your {brand} account will be deleted, with everything in it. Until then, you can change your mind.",
			NotYou:  "If it was not you, keep your account, and change your password at once.",
		},
		Button: "Keep my account",
	},
	DeletionCancelled: Notice{
		Subject: "Your {brand} account stays",
		Text:    "The deletion of your {brand} account was cancelled. Everything is as it was before.",
		NotYou:  "If it was not you, change your password at once, and end all sessions that you do not recognise.",
	},
	AccountDeleted: Notice{
		Subject: "Your {brand} account was deleted",
		Text:    "Your {brand} account is gone, and this is the last mail about it. Thank you for having been with us.",
		NotYou:  "If you did not ask for this, contact the people who run {brand}.",
	},
	Invitation: Request{
		Notice: Notice{
			Subject: "You are invited to {brand}",
			Text:    "You are invited to create an account with {brand}.",
			NotYou:  "If you do not know who invites you, ignore this mail. No account is made without you.",
		},
		Button: "Accept the invitation",
	},
	AccountMade: Request{
		Notice: Notice{
			Subject: "Your account with {brand}",
			Text:    "An account with {brand} was made for you. Choose a password within seven days to use it.",
			NotYou:  "If you do not know who would do that, ignore this mail. Nobody can use the account without a password.",
		},
		Button: "Choose a password",
	},
	NewAdministrator: Request{
		Notice: Notice{
			Subject: "{brand} has a new administrator",
			Text:    "The account below has become an administrator of {brand}, or was one and can be used again. It can change people, applications and settings from now on. We tell you because you are an administrator.",
			NotYou:  "If none of you meant this, take the role away at once. The audit log says how it came about.",
		},
		Button: "Open the administration",
	},
	Test: Notice{
		Subject: "A test of mail from {brand}",
		Text:    "If you can read this, {brand} can send you mail.",
		NotYou:  "An operator of {brand} sent this. You need not do anything.",
	},
}
