package messages

import "time"

// AdminPeople is what the pages about people say.
type AdminPeople struct {
	Title, Search, SearchHint string
	Role, AnyRole             string
	State                     string
	States                    map[string]string // by package accounts; "" is any
	Nobody, Fewer             string            // the second: a page may be empty, and another follow
	ByGroups                  string            // groups that give a role follow
	New, Invite               string
	NewIntro, InviteIntro     string
	Tags                      map[string]string
	Headings                  map[string]string // of the parts of a person's page
	Labels                    map[string]string // of facts and inputs
	Hints                     map[string]string // some inputs have one
	ByGroup                   func(groups string) string
	Left                      func(n int) string // recovery codes
	Earlier                   func(n int) string
	Until, Since, Used, Made  string // a moment follows
	NeverUsed                 string
	Tries                     func(n int) string
	Purposes                  map[string]string // of letters
	Trusted                   string
	Revoked                   string // a moment follows
	Offline                   string
	Viewed                    string

	// Of what is done to a person, by name.
	Deeds, DeedIntros map[string]string

	Self                  string // on top of what an administrator does to themselves
	Administrators        string // on top of what is done to an administrator
	Crowning              string // where somebody may become an administrator
	DeleteWhen, DeleteNow string
	DeleteLater           string
	DeletePosts           string

	Invitations, InvitationIntro, NoInvitations string
	Lifetime                                    func(d time.Duration) string
	InvitationLink                              string
	InvitationSent                              string
	Anybody                                     string
	Withdraw, WithdrawIntro                     string
	InvitationStates                            map[string]string
}
