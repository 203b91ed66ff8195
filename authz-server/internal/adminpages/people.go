package adminpages

import (
	"net/url"
	"time"

	"github.com/gorilla/mux"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/guard"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/profile"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
)

func (a *Administration) peopleRoutes(r *mux.Router) {
	a.view(r, "/admin/users", (*visit).people)
	a.change(r, deed{path: "/admin/users/new", form: newPersonForm, do: createPerson, problems: []translation{
		{is: store.ErrExists, field: "email", problem: messages.AdminAddressTaken},
	}})
	a.view(r, "/admin/users/{id}", (*visit).person)
	a.personDeeds(r)
}

// onePage is how many of anything a page shows.
const onePage = 50

// peoplePage lists accounts.
type peoplePage struct {
	Text    string
	Role    []choice
	State   []choice
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
func (v *visit) pagingOf(next string) (p paging) {
	query := v.r.URL.Query()
	query.Del("done")
	query.Del("lang")
	after := query.Get("after")
	query.Del("after")
	with := func(q url.Values) string {
		if len(q) == 0 {
			return v.r.URL.EscapedPath()
		}
		return v.r.URL.EscapedPath() + "?" + q.Encode()
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
func (v *visit) people() error {
	q := admin.PeopleQuery{Text: v.asked("q"), State: accounts.State(v.asked("state")), After: v.asked("after"), Limit: onePage}
	if text := v.asked("role"); text != "" {
		var err error
		if q.Role, err = roles.Parse(text); err != nil {
			return store.ErrNotFound
		}
	}
	found, err := v.Admin.People(v.r.Context(), v.actor, q)
	if err != nil {
		return err
	}
	page := peoplePage{Text: q.Text, Paging: v.pagingOf(found.Next), Counted: v.r.URL.RawQuery != ""}
	for _, one := range found.Items {
		page.People = append(page.People, v.personRow(one))
	}
	if page.Role, err = v.roleChoices(q.Role); err != nil {
		return err
	}
	if q.Role != (roles.Role{}) && q.After == "" {
		groups, err := v.Admin.GroupsWith(v.r.Context(), v.actor, q.Role)
		if err != nil {
			return err
		}
		for _, g := range groups {
			page.Groups = append(page.Groups, groupRow{ID: g.ID, Name: g.Name})
		}
	}
	for _, state := range []accounts.State{accounts.AnyState, accounts.Closed, accounts.Leaving} {
		page.State = append(page.State, choice{Value: string(state), Label: v.t.Admin.People.States[string(state)], Chosen: state == q.State})
	}
	return v.show("people", page)
}

func (v *visit) personRow(a admin.Account) personRow {
	return personRow{ID: a.ID, Name: a.Name, Email: a.Email, Created: a.CreatedAt, Tags: v.personTags(a, hasAdmin(a.Roles))}
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
func (v *visit) personTags(a admin.Account, administrator bool) (tags []tag) {
	words := v.t.Admin.People.Tags
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
func (v *visit) allRoles() (all []admin.RoleDefinition, err error) {
	for after := (roles.Role{}); ; {
		page, err := v.Admin.RoleDefinitions(v.r.Context(), v.actor, after, admin.PageLimit)
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
func (v *visit) roleChoices(chosen roles.Role) ([]choice, error) {
	all, err := v.allRoles()
	choices := []choice{{Label: v.t.Admin.People.AnyRole}}
	for _, one := range all {
		choices = append(choices, choice{Value: one.String(), Label: one.String(), Chosen: one.Role == chosen})
	}
	return choices, err
}

// roleBoxes are the roles to tick, of which those are ticked that were typed, or else those in has.
func (v *visit) roleBoxes(name string, has []roles.Role) (input, error) {
	all, err := v.allRoles()
	in := input{Kind: "checks", Name: name, Label: v.t.Admin.People.Labels["roles"]}
	ticked := map[string]bool{}
	if v.typed != nil {
		for _, one := range v.typed[name] {
			ticked[one] = true
		}
	} else {
		for _, one := range has {
			ticked[one.String()] = true
		}
	}
	for _, one := range all {
		in.Options = append(in.Options, choice{one.String(), one.String(), one.Description, ticked[one.String()]})
	}
	return in, err
}

// typedRoles are those that were ticked.
func (v *visit) typedRoles(name string) (all []roles.Role, err error) {
	for _, text := range v.typed[name] {
		one, err := roles.Parse(text)
		if err != nil {
			return nil, roles.ErrUnknown
		}
		all = append(all, one)
	}
	return all, nil
}

// GET /admin/users/new
func newPersonForm(v *visit) (form, error) {
	words := v.t.Admin.People
	boxes, err := v.roleBoxes("roles", nil)
	return form{
		Title: words.New, Intro: []string{words.NewIntro}, Button: words.New, Back: "/admin/users",
		Inputs: []input{
			{Kind: "email", Name: "email", Label: words.Labels["email"], Value: v.value("email", ""), Needed: true},
			{Kind: "check", Name: "verified", Label: words.Labels["verified"], Ticked: v.ticked("verified", false)},
			{Kind: "text", Name: "name", Label: words.Labels["name"], Value: v.value("name", ""), Needed: true},
			boxes, v.reasonInput(true),
		},
	}, err
}

// POST /admin/users/new: makes an account.
func createPerson(v *visit) (outcome, error) {
	wrong := guard.FormError{}
	email, problem := profile.Email(v.typed.Get("email"))
	if problem != "" {
		wrong["email"] = problem
	}
	name, problem := profile.Name(v.typed.Get("name"))
	if problem != "" {
		wrong["name"] = problem
	}
	reason, err := v.reason(true)
	if err != nil {
		wrong["reason"] = messages.AdminReasonMissing
	}
	if len(wrong) > 0 {
		return outcome{}, wrong
	}
	given, err := v.typedRoles("roles")
	if err != nil {
		return outcome{}, err
	}
	made, err := v.Admin.CreatePerson(v.r.Context(), v.actor, admin.NewPerson{
		Email: email, EmailVerified: v.typed.Has("verified"), Name: name, Roles: given,
	}, reason)
	if err != nil {
		return outcome{}, err
	}
	return done("/admin/users/"+made.ID, "created")
}
