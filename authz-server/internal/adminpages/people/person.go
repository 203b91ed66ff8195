package people

import (
	"net/url"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/adminpages/frame"
	"github.com/maru-auth/maru/authz-server/internal/places"
	"github.com/maru-auth/maru/authz-server/internal/profile"
	"github.com/maru-auth/maru/authz-server/internal/sender"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
)

// personPage is everything that is known of a person, and what can be done.
type personPage struct {
	admin.Known
	Name string // or the address, where there is none

	Tags    []tag
	Self    bool
	Deeds   []link
	Leaving bool
	Profile []frame.Fact
	Roles   []roleRow

	Sessions   []sessionRow
	Browsers   []sessionRow
	Consents   []appRow
	Grants     []grantRow
	Letters    []letterRow
	History    []logRow
	Held       []heldRow
	Agreements []admin.KnownAgreement
	Password   string
	Language   string
	Keeper     *link // the directory that keeps the account; nil: none does
}

// latest is how many entries of the history the page shows at once.
const latest = 10

// Latest are the entries of the history that the page shows at once.
func (p personPage) Latest() []logRow { return p.History[:min(latest, len(p.History))] }

// Earlier are those that it shows when asked to.
func (p personPage) Earlier() []logRow { return p.History[len(p.Latest()):] }

// link leads to a page, by a path of this server.
type link struct {
	Path, Label string
	Danger      bool
}

// The parts of the page.
type (
	roleRow struct {
		Name, By string // by which groups; empty: directly
	}
	sessionRow struct {
		ID, Device, Address, UsedFrom, Proof string
		Own, Trusted                         bool
		Since, Seen, Until                   time.Time
		End                                  string // the path that ends it
	}
	appRow struct {
		ClientID, Scope, End string
		Since                time.Time
	}
	grantRow struct {
		ID, ClientID, Scope, End string
		Offline                  bool
		Made, Used, Until, Over  time.Time
	}
	heldRow struct {
		What        string
		Tries       int
		Last, Until time.Time
	}
	letterRow struct {
		Purpose, Email string
		Made, Until    time.Time
	}
)

// GET /admin/users/{id}
func showPerson(v *frame.Visit) error {
	known, err := v.Admin.Known(v.R.Context(), v.Actor, v.In("id"))
	if err != nil {
		return err
	}
	at := "/admin/users/" + known.Account.ID
	page := personPage{
		Known: known, Name: known.Account.Name, Tags: personTags(v, known.Account, known.Administrator),
		Self:    known.Account.ID == v.Session.UserID,
		Leaving: !known.Account.DeleteAt.IsZero(), Agreements: known.Agreements,
		Language: places.LocaleName(v.T, known.Account.Locale),
	}
	if strings.TrimSpace(page.Name) == "" {
		page.Name = known.Account.Email
	}
	if known.Account.Locale == "" {
		page.Language = ""
	}
	page.Keeper = keeperLink(known.Account.Directory)
	page.Password = v.YesNo(known.Account.Password)
	page.Profile = profileFacts(v, known)
	for _, one := range known.Roles {
		shown := roleRow{Name: one.String()}
		if !one.Direct {
			shown.By = v.T.Admin.People.ByGroup(strings.Join(one.Groups, ", "))
		}
		page.Roles = append(page.Roles, shown)
	}
	addLogins(v, &page, at)
	addApps(v, &page, at)
	for _, one := range known.Held {
		page.Held = append(page.Held, heldRow{v.T.Admin.Server.Throttles.Whats[one.What], int(one.Count), one.Last, one.Until})
	}
	for _, m := range known.Letters {
		page.Letters = append(page.Letters, letterRow{v.T.Admin.People.Purposes[m.Purpose], m.Email, m.CreatedAt,
			m.ExpiresAt})
	}
	for _, e := range known.History {
		row := logRowOf(v, e)
		if e.Person == known.Account.ID { // of whom all of this is
			row.Whom = ""
		}
		page.History = append(page.History, row)
	}
	page.Deeds = personLinks(v, known, at)
	return v.Show("person", page)
}

// personLinks are what can be done to a person as they are now.
func personLinks(v *frame.Visit, k admin.Known, at string) (all []link) {
	add := func(name, path string, danger bool) {
		all = append(all, link{at + "/" + path, v.T.Admin.People.Deeds[name], danger})
	}
	add("profile", "profile", false)
	add("email", "email", false)
	add("roles", "roles", false)
	add("join", "join", false)
	add("entrust", "directory", false)
	add("reset_mail", "reset-mail", false)
	add("reset_link", "reset-link", false)
	if len(k.Held) > 0 {
		add("unlock", "unlock", false)
	}
	if len(k.Sessions) > 0 {
		add("sessions", "sessions", true)
	}
	if k.SecondStep != nil {
		add("factors", "factors", true)
	}
	if k.Account.Disabled {
		add("enable", "enable", false)
	} else {
		add("disable", "disable", true)
	}
	if k.Account.DeleteAt.IsZero() {
		add("delete", "delete", true)
	} else {
		add("keep", "keep", false)
	}
	return all
}

// profileFacts are what the person says of themselves.
func profileFacts(v *frame.Visit, k admin.Known) (facts []frame.Fact) {
	values := profile.Of(accounts.User{Locale: k.Account.Locale, Claims: k.Claims})
	for _, name := range profileFields(v.T) {
		value := values[name]
		switch {
		case value == "" || name == "locale": // which is in the part above
			continue
		case name == "gender" && v.T.Profile.Genders[value] != "":
			value = v.T.Profile.Genders[value]
		case name == "birthdate":
			if day, err := time.Parse(time.DateOnly, value); err == nil { // and not a year alone
				value = v.T.Profile.Day(day)
			}
		case name == "country":
			value = called(places.In(v.T).Countries, value)
		case name == "zoneinfo":
			value = called(places.In(v.T).Zones, value)
		case name == "phone_number" && k.Claims.PhoneVerified:
			value += " · " + v.T.Admin.People.Tags["verified"]
		}
		facts = append(facts, frame.Fact{Name: v.T.Profile.Labels[name], Value: value})
	}
	return facts
}

// called is what a place is called; what is in no list is called by its value.
func called(list []places.Place, value string) string {
	for _, one := range list {
		if one.Value == value {
			return one.Label
		}
	}
	return value
}

func device(v *frame.Visit, userAgent string) string {
	browser, system := sender.Browser(userAgent)
	if name := v.T.Device(browser, system); name != "" {
		return name
	}
	return v.T.SessionUnknown
}

func addLogins(v *frame.Visit, page *personPage, at string) {
	for _, s := range page.Known.Sessions {
		shown := sessionRow{
			ID: s.ID, Device: device(v, s.UserAgent), Address: s.Address, Proof: proof(v, s.ACR), Own: s.ID == v.Session.ID,
			Since: s.AuthTime, Seen: s.SeenAt, Until: s.ExpiresAt, End: at + "/sessions/" + url.PathEscape(s.ID),
		}
		if s.SeenAddress != s.Address {
			shown.UsedFrom = s.SeenAddress
		}
		page.Sessions = append(page.Sessions, shown)
	}
	for _, b := range page.Known.Browsers {
		page.Browsers = append(page.Browsers, sessionRow{ID: b.ID, Device: device(v, b.UserAgent), Address: b.Address,
			Trusted: b.Trusted, Seen: b.SeenAt})
	}
}

func addApps(v *frame.Visit, page *personPage, at string) {
	for _, c := range page.Known.Consents {
		page.Consents = append(page.Consents, appRow{c.ClientID, strings.Join(c.Scope, " "),
			at + "/consent?client=" + url.QueryEscape(c.ClientID), c.UpdatedAt})
	}
	for _, g := range page.Known.Grants {
		shown := grantRow{
			ID: g.ID, ClientID: g.ClientID, Scope: strings.Join(g.Scope, " "), Offline: g.Offline, Made: g.CreatedAt,
			Used:  g.UsedAt,
			Until: g.ExpiresAt, Over: g.RevokedAt,
		}
		if g.RevokedAt.IsZero() && g.ExpiresAt.After(v.Now()) {
			shown.End = at + "/grants/" + url.PathEscape(g.ID)
		}
		page.Grants = append(page.Grants, shown)
	}
}
