package people

import (
	"net/url"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/adminpages/frame"
	"github.com/maru-auth/maru/authz-server/internal/guard"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/profile"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
)

func peopleRoutes(r *frame.Routes) {
	r.View("/admin/users", showPeople)
	r.Change(frame.Deed{Path: "/admin/users/new", Form: newPersonForm, Do: createPerson, Problems: []frame.Translation{
		{Is: store.ErrExists, Field: "email", Problem: messages.AdminAddressTaken},
	}})
	r.View("/admin/users/{id}", showPerson)
	personDeeds(r)
}

// peoplePage lists accounts.
type peoplePage struct {
	Text    string
	Role    []frame.Choice
	State   []frame.Choice
	People  []personRow
	Groups  []groupRow // which give the role that is asked for
	Paging  paging
	Counted bool // something was asked for
}

// personRow is an account in a list.
type personRow struct {
	ID, Name, Email string
	Tags            []tag
	Created         time.Time
}

// tag is a state in a word.
type tag struct {
	Text, Class string
}

// paging leads to the next page of a list, and to the first.
type paging struct{ Next, First string }

// pagingOf is the paging of a list that goes on after next. Each page's address has what was asked
// for.
func pagingOf(v *frame.Visit, next string) (p paging) {
	query := v.R.URL.Query()
	query.Del("done")
	query.Del("lang")
	after := query.Get("after")
	query.Del("after")
	with := func(q url.Values) string {
		if len(q) == 0 {
			return v.R.URL.EscapedPath()
		}
		return v.R.URL.EscapedPath() + "?" + q.Encode()
	}
	if after != "" {
		p.First = with(query)
	}
	if next != "" {
		query.Set("after", next)
		p.Next = with(query)
	}
	return p
}

// GET /admin/users: the accounts that ?q, ?role and ?state ask for.
func showPeople(v *frame.Visit) error {
	q := admin.PeopleQuery{Text: v.Asked("q"), State: accounts.State(v.Asked("state")), After: v.Asked("after"),
		Limit: frame.PageSize}
	if text := v.Asked("role"); text != "" {
		var err error
		if q.Role, err = roles.Parse(text); err != nil {
			return store.ErrNotFound
		}
	}
	found, err := v.Admin.People(v.R.Context(), v.Actor, q)
	if err != nil {
		return err
	}
	page := peoplePage{Text: q.Text, Paging: pagingOf(v, found.Next), Counted: v.R.URL.RawQuery != ""}
	for _, one := range found.Items {
		page.People = append(page.People, personRowOf(v, one))
	}
	if page.Role, err = roleChoices(v, q.Role); err != nil {
		return err
	}
	if q.Role != (roles.Role{}) && q.After == "" {
		groups, err := v.Admin.GroupsWith(v.R.Context(), v.Actor, q.Role)
		if err != nil {
			return err
		}
		for _, g := range groups {
			page.Groups = append(page.Groups, groupRow{ID: g.ID, Name: g.Name})
		}
	}
	for _, state := range []accounts.State{accounts.AnyState, accounts.Closed, accounts.Leaving} {
		page.State = append(page.State, frame.Choice{Value: string(state), Label: v.T.Admin.People.States[string(state)],
			Chosen: state == q.State})
	}
	return v.Show("people", page)
}

func personRowOf(v *frame.Visit, a admin.Account) personRow {
	return personRow{ID: a.ID, Name: a.Name, Email: a.Email, Created: a.CreatedAt,
		Tags: personTags(v, a, hasAdmin(a.Roles))}
}

func hasAdmin(all []roles.Role) bool {
	for _, one := range all {
		if one == roles.Admin {
			return true
		}
	}
	return false
}

// personTags are the states of an account that an operator should see at once.
func personTags(v *frame.Visit, a admin.Account, administrator bool) (tags []tag) {
	words := v.T.Admin.People.Tags
	if administrator {
		tags = append(tags, tag{words["administrator"], ""})
	}
	if a.Disabled {
		tags = append(tags, tag{words["disabled"], "bad"})
	}
	if !a.DeleteAt.IsZero() {
		tags = append(tags, tag{words["leaving"], "bad"})
	}
	if !a.EmailVerified {
		tags = append(tags, tag{words["unverified"], "quiet"})
	}
	return tags
}

// allRoles lists the roles that there are. Of each resource there are at most 64.
func allRoles(v *frame.Visit) (all []admin.RoleDefinition, err error) {
	for after := (roles.Role{}); ; {
		page, err := v.Admin.RoleDefinitions(v.R.Context(), v.Actor, after, admin.PageLimit)
		if err != nil {
			return nil, err
		}
		if all = append(all, page.Items...); page.Next == "" || len(all) > 10*admin.PageLimit {
			return all, nil
		}
		if after, err = roles.Parse(page.Next); err != nil {
			return nil, err
		}
	}
}

// roleChoices are the roles to choose one of, or any.
func roleChoices(v *frame.Visit, chosen roles.Role) ([]frame.Choice, error) {
	all, err := allRoles(v)
	choices := []frame.Choice{{Label: v.T.Admin.People.AnyRole}}
	for _, one := range all {
		choices = append(choices, frame.Choice{Value: one.String(), Label: one.String(), Chosen: one.Role == chosen})
	}
	return choices, err
}

// roleBoxes are the roles to tick, of which those are ticked that were typed, or else those in has.
func roleBoxes(v *frame.Visit, name string, has []roles.Role) (frame.Input, error) {
	all, err := allRoles(v)
	in := frame.Input{Kind: "checks", Name: name, Label: v.T.Admin.People.Labels["roles"]}
	ticked := map[string]bool{}
	if v.Typed != nil {
		for _, one := range v.Typed[name] {
			ticked[one] = true
		}
	} else {
		for _, one := range has {
			ticked[one.String()] = true
		}
	}
	for _, one := range all {
		in.Options = append(in.Options, frame.Choice{
			Value: one.String(), Label: one.String(), Hint: described(v.T, one), Chosen: ticked[one.String()],
		})
	}
	return in, err
}

// typedRoles are those that were ticked.
func typedRoles(v *frame.Visit, name string) (all []roles.Role, err error) {
	for _, text := range v.Typed[name] {
		one, err := roles.Parse(text)
		if err != nil {
			return nil, roles.ErrUnknown
		}
		all = append(all, one)
	}
	return all, nil
}

// GET /admin/users/new
func newPersonForm(v *frame.Visit) (frame.Form, error) {
	words := v.T.Admin.People
	boxes, err := roleBoxes(v, "roles", nil)
	return frame.Form{
		Title: words.New, Intro: []string{words.NewIntro}, Button: words.New, Back: "/admin/users",
		Inputs: []frame.Input{
			{Kind: "email", Name: "email", Label: words.Labels["email"], Value: v.Value("email", ""), Needed: true},
			{Kind: "check", Name: "verified", Label: words.Labels["verified"], Ticked: v.Ticked("verified", false)},
			{Kind: "text", Name: "name", Label: words.Labels["name"], Value: v.Value("name", ""), Needed: true},
			boxes, v.ReasonInput(true),
		},
	}, err
}

// POST /admin/users/new: makes an account.
func createPerson(v *frame.Visit) (frame.Outcome, error) {
	wrong := guard.FormError{}
	email, problem := profile.Email(v.Typed.Get("email"))
	if problem != "" {
		wrong["email"] = problem
	}
	name, problem := profile.Name(v.Typed.Get("name"))
	if problem != "" {
		wrong["name"] = problem
	}
	reason, err := v.Reason(true)
	if err != nil {
		wrong["reason"] = messages.AdminReasonMissing
	}
	if len(wrong) > 0 {
		return frame.Outcome{}, wrong
	}
	given, err := typedRoles(v, "roles")
	if err != nil {
		return frame.Outcome{}, err
	}
	made, err := v.Admin.CreatePerson(v.R.Context(), v.Actor, admin.NewPerson{
		Email: email, EmailVerified: v.Typed.Has("verified"), Name: name, Roles: given,
	}, reason)
	if err != nil {
		return frame.Outcome{}, err
	}
	return frame.Done("/admin/users/"+made.ID, "created")
}
