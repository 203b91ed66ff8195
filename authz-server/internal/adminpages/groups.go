package adminpages

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/guard"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
)

func (a *Administration) groupRoutes(r *mux.Router) {
	taken := []translation{
		{is: store.ErrExists, field: "name", problem: messages.AdminGroupTaken}, {of: "name", field: "name", problem: messages.AdminTextInvalid},
	}
	a.view(r, "/admin/groups", (*visit).groups)
	a.change(r, deed{path: "/admin/groups/new", form: newGroupForm, do: createGroup, problems: taken})
	a.view(r, "/admin/groups/{id}", (*visit).group)
	a.change(r, deed{path: "/admin/groups/{id}/edit", form: editGroupForm, do: editGroup, problems: taken})
	a.change(r, deed{path: "/admin/groups/{id}/delete", form: removeGroupForm, do: removeGroup})
	a.change(r, deed{path: "/admin/groups/{id}/add", form: addMemberForm, do: addMember, problems: []translation{
		{is: store.ErrNotFound, field: "person", problem: messages.AdminNoPerson}, {is: store.ErrExists, field: "person", problem: messages.AdminMember},
	}})
	a.change(r, deed{path: "/admin/groups/{id}/members/{person}/leave", form: leaveForm, do: leaveGroup})
	a.change(r, deed{path: "/admin/groups/{id}/roles", form: groupRolesForm, do: setGroupRoles})
}

// groupRow is a group in a list.
type groupRow struct {
	ID, Name, ExternalID string
	Updated              time.Time
}

type groupsPage struct {
	Groups []groupRow
	Paging paging
}

// GET /admin/groups
func (v *visit) groups() error {
	found, err := v.Admin.Groups(v.r.Context(), v.actor, v.asked("after"), onePage)
	if err != nil {
		return err
	}
	page := groupsPage{Paging: v.pagingOf(found.Next)}
	for _, g := range found.Items {
		page.Groups = append(page.Groups, groupRow{g.ID, g.Name, g.ExternalID, g.UpdatedAt})
	}
	return v.show("groups", page)
}

type groupPage struct {
	admin.Group
	RoleNames []string
	Members   []personRow
	Paging    paging
	At        string // the path of the page
}

// GET /admin/groups/{id}
func (v *visit) group() error {
	g, err := v.Admin.Group(v.r.Context(), v.actor, v.in("id"))
	if err != nil {
		return err
	}
	members, err := v.Admin.MemberAccounts(v.r.Context(), v.actor, g.ID, v.asked("after"), onePage)
	if err != nil {
		return err
	}
	page := groupPage{Group: g, RoleNames: roles.Names(g.Roles), Paging: v.pagingOf(members.Next), At: groupPath(g.ID)}
	for _, one := range members.Items {
		page.Members = append(page.Members, v.personRow(one))
	}
	return v.show("group", page)
}

func groupPath(id string) string { return "/admin/groups/" + url.PathEscape(id) }

// groupForm is what the pages of all deeds about a group have.
func groupForm(v *visit, title, intro string) (form, admin.Group, error) {
	g, err := v.Admin.Group(v.r.Context(), v.actor, v.in("id"))
	f := form{Title: title, Subject: g.Name, Button: title, Back: groupPath(g.ID)}
	if intro != "" {
		f.Intro = []string{intro}
	}
	if slices.Contains(g.Roles, roles.Admin) {
		f.Intro = append([]string{v.t.Admin.Roles.Crowned}, f.Intro...)
	}
	return f, g, err
}

func groupInputs(v *visit, name, externalID string) []input {
	words := v.t.Admin.People.Labels
	return []input{
		{Kind: "text", Name: "name", Label: words["name"], Value: v.value("name", name), Needed: true},
		{Kind: "text", Name: "external_id", Label: words["external_id"], Value: v.value("external_id", externalID), Inexact: true},
		v.reasonInput(false),
	}
}

func newGroupForm(v *visit) (form, error) {
	words := v.t.Admin.Roles
	return form{Title: words.NewGroup, Intro: []string{words.NewGroupIntro}, Button: words.NewGroup, Back: "/admin/groups", Inputs: groupInputs(v, "", "")}, nil
}

func createGroup(v *visit) (outcome, error) {
	g, err := v.Admin.CreateGroup(v.r.Context(), v.actor, strings.TrimSpace(v.typed.Get("name")), v.typed.Get("external_id"), v.typed.Get("reason"))
	if err != nil {
		return outcome{}, err
	}
	return done(groupPath(g.ID), "group_created")
}

func editGroupForm(v *visit) (form, error) {
	f, g, err := groupForm(v, v.t.Admin.Roles.EditGroup, "")
	f.Hidden = []input{{Name: "version", Value: v.value("version", g.Version)}}
	f.Inputs, f.Button = groupInputs(v, g.Name, g.ExternalID), v.t.SaveButton
	return f, err
}

func editGroup(v *visit) (outcome, error) {
	g, err := v.Admin.EditGroup(v.r.Context(), v.actor, v.in("id"), v.typed.Get("version"), strings.TrimSpace(v.typed.Get("name")),
		v.typed.Get("external_id"), v.typed.Get("reason"))
	if err != nil {
		return outcome{}, err
	}
	return done(groupPath(g.ID), "saved")
}

func removeGroupForm(v *visit) (form, error) {
	f, _, err := groupForm(v, v.t.Admin.Roles.DeleteGroup, v.t.Admin.Roles.DeleteGroupIntro)
	f.Danger, f.Inputs = true, []input{v.reasonInput(false)}
	return f, err
}

func removeGroup(v *visit) (outcome, error) {
	if err := v.Admin.RemoveGroup(v.r.Context(), v.actor, v.in("id"), v.typed.Get("reason")); err != nil {
		return outcome{}, err
	}
	return done("/admin/groups", "group_deleted")
}

func addMemberForm(v *visit) (form, error) {
	f, _, err := groupForm(v, v.t.Admin.Roles.AddMember, v.t.Admin.People.DeedIntros["join"])
	f.Inputs = []input{
		{Kind: "text", Name: "person", Label: v.t.Admin.Log.Person, Hint: v.t.Admin.Log.PersonHint, Value: v.value("person", ""), Needed: true, Inexact: true},
		v.reasonInput(true),
	}
	return f, err
}

func addMember(v *visit) (outcome, error) {
	reason, err := v.reason(true)
	if err != nil {
		return outcome{}, err
	}
	who := strings.TrimSpace(v.typed.Get("person"))
	if who == "" {
		return outcome{}, guard.FormError{"person": messages.AdminNoPerson}
	}
	person, err := v.Admin.Find(v.r.Context(), v.actor, who)
	if err == nil {
		err = v.Admin.Join(v.r.Context(), v.actor, v.in("id"), person.ID, reason)
	}
	if err != nil {
		return outcome{}, err
	}
	return done(groupPath(v.in("id")), "join")
}

func leaveForm(v *visit) (form, error) {
	f, g, err := groupForm(v, v.t.Admin.People.Deeds["leave"], v.t.Admin.People.DeedIntros["leave"])
	if err != nil {
		return f, err
	}
	person, err := v.Admin.Find(v.r.Context(), v.actor, v.in("person"))
	f.Subject, f.Danger = subjectOf(person.Name, person.Email), true
	f.Facts = []fact{{v.t.Admin.People.Labels["group"], g.Name}}
	f.Inputs = []input{v.reasonInput(true)}
	return f, err
}

func leaveGroup(v *visit) (outcome, error) {
	reason, err := v.reason(true)
	if err == nil {
		err = v.Admin.Leave(v.r.Context(), v.actor, v.in("id"), v.in("person"), reason)
	}
	if err != nil {
		return outcome{}, err
	}
	return done(groupPath(v.in("id")), "leave")
}

func groupRolesForm(v *visit) (form, error) {
	f, g, err := groupForm(v, v.t.Admin.People.Deeds["roles"], v.t.Admin.Roles.GroupRolesIntro)
	if err != nil {
		return f, err
	}
	boxes, err := v.roleBoxes("roles", g.Roles)
	f.Inputs = []input{boxes, v.reasonInput(false)}
	return f, err
}

// setGroupRoles gives and takes one role after the other. If one of them is refused, those before it
// stay as they were changed, and the page shows what the group has.
func setGroupRoles(v *visit) (outcome, error) {
	wanted, err := v.typedRoles("roles")
	if err != nil {
		return outcome{}, err
	}
	g, err := v.Admin.Group(v.r.Context(), v.actor, v.in("id"))
	if err != nil {
		return outcome{}, err
	}
	for _, one := range wanted {
		if !slices.Contains(g.Roles, one) {
			err = errors.Join(err, ignoring(v.Admin.GiveGroup(v.r.Context(), v.actor, g.ID, one, v.typed.Get("reason")), store.ErrExists))
		}
	}
	for _, one := range g.Roles {
		if err == nil && !slices.Contains(wanted, one) {
			err = ignoring(v.Admin.TakeGroup(v.r.Context(), v.actor, g.ID, one, v.typed.Get("reason")), store.ErrNotFound)
		}
	}
	if err != nil {
		return outcome{}, err
	}
	return done(groupPath(g.ID), "roles")
}

// ignoring is err, or nil if it says that somebody else did the same this moment.
func ignoring(err, same error) error {
	if errors.Is(err, same) {
		return nil
	}
	return err
}
