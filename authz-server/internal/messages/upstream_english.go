package messages

var upstreamEnglish = Upstream{
	Button: func(title string) string { return "Continue with " + title },

	JoinTitle:   func(title string) string { return "Continue with " + title },
	JoinHeading: func(title string) string { return "Continue with " + title },
	JoinIntro: func(title, label string) string {
		return "At " + title + " you are " + label + ". Nobody here uses that log-in yet."
	},
	Known: func(email string) string {
		return email + " has an account. Log in to it once more, and you can use this log-in for it from then on."
	},
	NewHeading: "New here?",
	NewIntro:   "Make an account. From then on, you log in with one click.",
	Proved:     "Confirmed already. If you choose another address, you have to confirm that.",
	NoSignup: func(title string) string {
		return "You cannot make an account here with " + title + ", but you can use it for an account that you have."
	},
	HaveHeading: "Have an account?",
	HaveIntro:   "Log in to it as you do now. Then we ask whether you want to use this log-in for it, too.",
	HaveButton:  "Log in to my account",
	Cancel:      "Cancel",
	LinkHeading: func(title string) string { return "Log in with " + title + " from now on?" },
	LinkIntro: func(title, label, email string) string {
		return "Whoever logs in at " + title + " as " + label + " can then use your account " + email + "."
	},
	LinkButton: "Use this log-in",
	LinkNot:    "Not now",

	LogoutToo: func(title string) string {
		return "You logged in with " + title + ". Then we take you there, to log out as well."
	},
	LoggingOut: func(title string) string {
		return "You are logged out here. We now take you to " + title + ", where you are still logged in, to log out as well."
	},
	LoggedOut: func(title string) string {
		return "You are logged out here, and come back from logging out at " + title + "."
	},
	LoggedInStill: func(title string) string {
		return "You are logged out here. At " + title + ", with which you logged in, you may still be logged in: on a computer that others use, log out there as well."
	},

	Title:      "Log in with other accounts",
	Intro:      "You can log in with these accounts, without a password of {brand}.",
	None:       "You log in with no other account yet.",
	Add:        func(title string) string { return "Add " + title },
	AddHeading: func(title string) string { return "Log in with " + title + " from now on" },
	AddIntro: func(title string) string {
		return "Log in at " + title + ". From then on, that log-in opens this account."
	},
	Since:     "Since",
	Used:      "last used",
	Unused:    "not used yet",
	Off:       "switched off at the moment",
	Remove:    "Remove",
	RemoveNow: "Remove",
	RemoveIntro: func(title string) string {
		return "You can then no longer log in here with this " + title + " account."
	},
}
