package messages

import (
	"maps"
	"slices"
	"time"
)

// Admin is what the pages of the administration say: a part for each of their files.
type Admin struct {
	Frame     AdminFrame
	Overview  AdminOverview
	People    AdminPeople
	Roles     AdminRoles
	Resources AdminResources
	Log       AdminLog
	Clients   AdminClients
	Server    AdminServer
	Done      map[string]string // what was just done, by the word that the address has
	Problems  map[Problem]string
}

// AdminFrame is what all pages of the administration share.
type AdminFrame struct {
	Name, Link, Open            string // of the whole thing, and on the page of an administrator's account
	Nav                         string // what the navigation is, for whoever does not see it
	LoggedInAs                  func(email string) string
	Sections                    map[string]string // by name, as their paths have it
	Reason, ReasonHint          string
	Optional                    string // after the label of an input that may stay empty
	Cancel, Back, More, ToStart string
	Yes, No, None, Unknown      string
	Search, All                 string
	Deed                        string // the heading of actions
	SetUpTitle, SetUpIntro      string // where an administrator has no second factor
	SetUpApp, SetUpPasskey      string
	Once                        string // what is shown now is never shown again
}

// AdminOverview is what the first page says.
type AdminOverview struct {
	Title, AttentionTitle, AllWell string
	Attention, AttentionDo         map[string]string // by what needs attention: what it is, and what to do
	Since                          string            // a moment follows
	Times                          func(n string) string
	Look                           string // a link

	ChartsTitle, Day, Month string
	Charts                  map[string]string // titles, by kind
	Series                  map[string]string // by kind
	ChartText               func(total, most, when string) string
	Quiet                   string // nothing was counted
	AsTable, When           string
	HourOf, DayOf           func(at time.Time) string
	Zone                    string // in UTC, because the person says no zone
}

// What can be wrong on the pages of the administration.
const (
	AdminReasonMissing Problem = "admin_reason_missing"
	AdminReasonInvalid Problem = "admin_reason_invalid"
	AdminValue         Problem = "admin_value" // that cannot be; a detail in English follows
	AdminNoRight       Problem = "admin_no_right"
	AdminNeedsMachine  Problem = "admin_needs_machine"
	AdminLast          Problem = "admin_last"
	AdminStale         Problem = "admin_stale"
	AdminExists        Problem = "admin_exists"
	AdminGone          Problem = "admin_gone"
	AdminLastWay       Problem = "admin_last_way"
	AdminDisabled      Problem = "admin_disabled"
	AdminNoMail        Problem = "admin_no_mail"
	AdminRoleUnknown   Problem = "admin_role_unknown"
	AdminRoleBuiltin   Problem = "admin_role_builtin"
)

// AdminProblems lists what can be wrong on the pages of the administration.
var AdminProblems = slices.Concat(clientProblems, serverProblems, upstreamProblems, resourceProblems, []Problem{AdminReasonMissing, AdminReasonInvalid, AdminValue, AdminNoRight, AdminNeedsMachine, AdminLast, AdminStale,
	AdminExists, AdminGone, AdminLastWay, AdminDisabled, AdminNoMail, AdminRoleUnknown, AdminRoleBuiltin,
	AdminAddressTaken, AdminTextInvalid, AdminGroupTaken, AdminNoPerson, AdminMember, AdminNoDirectory})

// together puts what several files say into one map.
func together[K comparable, V any](all ...map[K]V) map[K]V {
	sum := map[K]V{}
	for _, one := range all {
		maps.Copy(sum, one)
	}
	return sum
}
