package messages

var recoveryEnglish = Recovery{
	ForgotLink:    "Forgot your password?",
	ForgotTitle:   "Forgot your password?",
	ForgotIntro:   "Enter the email address of your account. We send you a link and a code to choose a new password.",
	SendButton:    "Send me a link",
	ForgotLogin:   "Remember it after all?",
	NoMailTitle:   "We cannot send you mail",
	NoMailIntro:   "This installation of {brand} sends no mail, so the people who run it have to help you. They can give you a link for a new password.",
	NoMailSupport: "Ask for help:",

	SentTitle: "Check your mail",
	Sent: func(email string) string {
		return "We have sent a mail to " + email + ". Open the link in it, or enter the code here."
	},
	SentReset: func(email string) string {
		return "If " + email + " has an account, a mail is on its way. Open the link in it, or enter the code here."
	},
	Code:        "Code",
	CodeHint:    "Six digits. The code works for 30 minutes, in this browser alone.",
	CodeButton:  "Continue",
	AgainIntro:  "Nothing there? Look in the spam folder too.",
	AgainButton: "Send again",
	SentAgain:   "We have sent another mail. The code of the one before no longer works.",
	StartAgain:  "Use another address",

	VerifyTitle:  "Confirm your address",
	VerifySignup: func(email string) string { return "Confirm that " + email + " is yours, and your account is ready." },
	VerifyOther: func(name, email string) string {
		return "Somebody signed up in another browser, as “" + name + "”, with the address " + email +
			". If it was you, enter the password that you chose there."
	},
	VerifyPassword:     "Password",
	VerifyPasswordHint: "The one that you chose when you signed up.",
	VerifyAddress: func(email string) string {
		return "Confirm that " + email + " is yours, and it becomes the address of your account."
	},
	VerifyLogin:   "To confirm it, log in to your account first.",
	VerifyButton:  "Confirm",
	NotMineIntro:  "Did not sign up? Tell us, and no account is made.",
	NotMineButton: "I did not sign up",

	ResetTitle:  "Choose a new password",
	ResetButton: "Save password",
	ResetIntro:  func(email string) string { return "For the account " + email + "." },
	ResetEnds:   "Saving it logs you out everywhere. Then log in with the new password.",

	GoneTitle:    "This link no longer works",
	GoneIntro:    "A link works once, within 30 minutes, and not after the password has changed. Your browser must allow cookies, too.",
	GoneForgot:   "Ask for a new one",
	GoneSignup:   "Sign up",
	DroppedTitle: "Sign-up cancelled",
	DroppedIntro: "Thank you for telling us. No account was made with your address.",
	TakenTitle:   "This address has an account",
	TakenIntro: func(email string) string {
		return email + " has an account by now. If it is yours, log in, or choose a new password."
	},

	EmailTitle:    "Email address",
	EmailIntro:    "You log in with this address, and we write to it. We send a mail to the new address; once you confirm it there, your address changes.",
	NewEmail:      "New address",
	EmailButton:   "Send confirmation",
	Verified:      "confirmed",
	Unverified:    "not confirmed",
	ChangeLink:    "Change",
	ConfirmButton: "Confirm this address",
	ConfirmIntro:  "Your address is not confirmed yet. Confirm it, and you can get back into your account if you forget your password.",
}
