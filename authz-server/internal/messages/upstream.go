package messages

// Upstream is what pages say of other providers by which people log in. A title is what people call
// one, such as Google; a label is who they are there.
type Upstream struct {
	Button func(title string) string // of a log-in

	JoinTitle, JoinHeading func(title string) string // where the identity is nobody's yet
	JoinIntro              func(title, label string) string
	Known                  func(email string) string // the address, which the upstream vouches for, has an account
	NewHeading, NewIntro   string
	Proved                 string // below an address that the upstream vouches for
	NoSignup               func(title string) string
	HaveHeading, HaveIntro string
	HaveButton, Cancel     string
	LinkHeading            func(title string) string // whoever has an account is asked
	LinkIntro              func(title, label, email string) string
	LinkButton, LinkNot    string

	LogoutToo     func(title string) string // before a log-out: the one there follows
	LoggingOut    func(title string) string // after it: that one is next
	LoggedOut     func(title string) string // after both
	LoggedInStill func(title string) string // after it, if nobody is led there

	Title, Intro, None string // in the account
	Add                func(title string) string
	AddHeading         func(title string) string
	AddIntro           func(title string) string
	Since, Used        string // a moment follows
	Unused, Off        string
	Remove, RemoveNow  string
	RemoveIntro        func(title string) string
}
