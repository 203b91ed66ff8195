package messages

// Recovery is what the pages about mailed links and codes say.
type Recovery struct {
	ForgotLink                                        string // of the log-in page
	ForgotTitle, ForgotIntro, SendButton, ForgotLogin string
	NoMailTitle, NoMailIntro, NoMailSupport           string // where this server sends no mail; the contact follows
	SentTitle                                         string
	Sent                                              func(email string) string
	SentReset                                         func(email string) string // the same, where nobody must learn whether there is an account
	Code, CodeHint, CodeButton                        string
	AgainIntro, AgainButton, SentAgain, StartAgain    string
	VerifyTitle                                       string
	VerifySignup                                      func(email string) string
	VerifyOther                                       func(name, email string) string // in another browser than the one that signed up
	VerifyPassword, VerifyPasswordHint                string
	VerifyAddress                                     func(email string) string
	VerifyLogin                                       string // in a browser where the person is not logged in
	VerifyButton, NotMineIntro, NotMineButton         string
	ResetTitle, ResetButton                           string
	ResetIntro                                        func(email string) string
	ResetEnds                                         string
	GoneTitle, GoneIntro, GoneForgot, GoneSignup      string
	DroppedTitle, DroppedIntro                        string
	TakenTitle                                        string
	TakenIntro                                        func(email string) string
	EmailTitle, EmailIntro, NewEmail, EmailButton     string
	Verified, Unverified, ChangeLink, ConfirmButton   string
	ConfirmIntro                                      string
}
