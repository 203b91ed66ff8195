package people

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/adminpages/frame"
	"github.com/maru-auth/maru/authz-server/internal/guard"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
)

func groupRoutes(r *frame.Routes) {
	taken := []frame.Translation{
		{Is: store.ErrExists, Field: "name", Problem: messages.AdminGroupTaken},
		{Of: "name", Field: "name", Problem: messages.AdminTextInvalid},
	}
	r.View("/admin/groups", showGroups)
	r.Change(frame.Deed{Path: "/admin/groups/new", Form: newGroupForm, Do: createGroup, Problems: taken})
	r.View("/admin/groups/{id}", showGroup)
	r.Change(frame.Deed{Path: "/admin/groups/{id}/edit", Form: editGroupForm, Do: editGroup, Problems: taken})
	r.Change(frame.Deed{Path: "/admin/groups/{id}/delete", Form: removeGroupForm, Do: removeGroup})
	r.Change(frame.Deed{Path: "/admin/groups/{id}/add", Form: addMemberForm, Do: addMember, Problems: []frame.Translation{
		{Is: store.ErrNotFound, Field: "person", Problem: messages.AdminNoPerson},
		{Is: store.ErrExists, Field: "person", Problem: messages.AdminMember},
	}})
	r.Change(frame.Deed{Path: "/admin/groups/{id}/members/{person}/leave", Form: leaveForm, Do: leaveGroup})
	r.Change(frame.Deed{Path: "/admin/groups/{id}/directory", Form: entrustGroupForm, Do: entrustGroup, Problems: entrusting})
	r.Change(frame.Deed{Path: "/admin/groups/{id}/roles", Form: groupRolesForm, Do: setGroupRoles})
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
func showGroups(v *frame.Visit) error {
	found, err := v.Admin.Groups(v.R.Context(), v.Actor, v.Asked("after"), frame.PageSize)
	if err != nil {
		return err
	}
	page := groupsPage{Paging: pagingOf(v, found.Next)}
	for _, g := range found.Items {
		page.Groups = append(page.Groups, groupRow{g.ID, g.Name, g.ExternalID, g.UpdatedAt})
	}
	return v.Show("groups", page)
}

type groupPage struct {
	admin.Group
	RoleNames []string
	Members   []personRow
	Paging    paging
	At        string // the path of the page
	Keeper    *link  // the directory that keeps it; nil: none does
}

// GET /admin/groups/{id}
func showGroup(v *frame.Visit) error {
	g, err := v.Admin.Group(v.R.Context(), v.Actor, v.In("id"))
	if err != nil {
		return err
	}
	members, err := v.Admin.MemberAccounts(v.R.Context(), v.Actor, g.ID, v.Asked("after"), frame.PageSize)
	if err != nil {
		return err
	}
	page := groupPage{Group: g, RoleNames: roles.Names(g.Roles), Paging: pagingOf(v, members.Next), At: groupPath(g.ID), Keeper: keeperLink(g.Directory)}
	for _, one := range members.Items {
		page.Members = append(page.Members, personRowOf(v, one))
	}
	return v.Show("group", page)
}

func groupPath(id string) string { return "/admin/groups/" + url.PathEscape(id) }

// groupForm is what the pages of all deeds about a group have.
func groupForm(v *frame.Visit, title, intro string) (frame.Form, admin.Group, error) {
	g, err := v.Admin.Group(v.R.Context(), v.Actor, v.In("id"))
	f := frame.Form{Title: title, Subject: g.Name, Button: title, Back: groupPath(g.ID)}
	if intro != "" {
		f.Intro = []string{intro}
	}
	if slices.Contains(g.Roles, roles.Admin) {
		f.Intro = append([]string{v.T.Admin.Roles.Crowned}, f.Intro...)
	}
	return f, g, err
}

func groupInputs(v *frame.Visit, name, externalID string) []frame.Input {
	words := v.T.Admin.People.Labels
	return []frame.Input{
		{Kind: "text", Name: "name", Label: words["name"], Value: v.Value("name", name), Needed: true},
		{Kind: "text", Name: "external_id", Label: words["external_id"], Value: v.Value("external_id", externalID),
			Inexact: true},
		v.ReasonInput(false),
	}
}

func newGroupForm(v *frame.Visit) (frame.Form, error) {
	words := v.T.Admin.Roles
	return frame.Form{Title: words.NewGroup, Intro: []string{words.NewGroupIntro}, Button: words.NewGroup,
		Back: "/admin/groups", Inputs: groupInputs(v, "", "")}, nil
}

func createGroup(v *frame.Visit) (frame.Outcome, error) {
	g, err := v.Admin.CreateGroup(v.R.Context(), v.Actor, strings.TrimSpace(v.Typed.Get("name")),
		v.Typed.Get("external_id"), v.Typed.Get("reason"))
	if err != nil {
		return frame.Outcome{}, err
	}
	return frame.Done(groupPath(g.ID), "group_created")
}

func editGroupForm(v *frame.Visit) (frame.Form, error) {
	f, g, err := groupForm(v, v.T.Admin.Roles.EditGroup, "")
	f.Hidden = []frame.Input{{Name: "version", Value: v.Value("version", g.Version)}}
	f.Inputs, f.Button = groupInputs(v, g.Name, g.ExternalID), v.T.SaveButton
	return f, err
}

func editGroup(v *frame.Visit) (frame.Outcome, error) {
	g, err := v.Admin.EditGroup(v.R.Context(), v.Actor, v.In("id"), v.Typed.Get("version"),
		strings.TrimSpace(v.Typed.Get("name")),
		v.Typed.Get("external_id"), v.Typed.Get("reason"))
	if err != nil {
		return frame.Outcome{}, err
	}
	return frame.Done(groupPath(g.ID), "saved")
}

func removeGroupForm(v *frame.Visit) (frame.Form, error) {
	f, _, err := groupForm(v, v.T.Admin.Roles.DeleteGroup, v.T.Admin.Roles.DeleteGroupIntro)
	f.Danger, f.Inputs = true, []frame.Input{v.ReasonInput(false)}
	return f, err
}

func removeGroup(v *frame.Visit) (frame.Outcome, error) {
	if err := v.Admin.RemoveGroup(v.R.Context(), v.Actor, v.In("id"), v.Typed.Get("reason")); err != nil {
		return frame.Outcome{}, err
	}
	return frame.Done("/admin/groups", "group_deleted")
}

func addMemberForm(v *frame.Visit) (frame.Form, error) {
	f, g, err := groupForm(v, v.T.Admin.Roles.AddMember, v.T.Admin.People.DeedIntros["join"])
	if hasAdmin(g.Roles) {
		f.Intro = append(f.Intro, v.T.Admin.People.Crowning)
	}
	f.Inputs = []frame.Input{
		{Kind: "text", Name: "person", Label: v.T.Admin.Log.Person, Hint: v.T.Admin.Log.PersonHint,
			Value: v.Value("person", ""), Needed: true, Inexact: true},
		v.ReasonInput(true),
	}
	return f, err
}

func addMember(v *frame.Visit) (frame.Outcome, error) {
	reason, err := v.Reason(true)
	if err != nil {
		return frame.Outcome{}, err
	}
	who := strings.TrimSpace(v.Typed.Get("person"))
	if who == "" {
		return frame.Outcome{}, guard.FormError{"person": messages.AdminNoPerson}
	}
	person, err := v.Admin.Find(v.R.Context(), v.Actor, who)
	if err == nil {
		err = v.Admin.Join(v.R.Context(), v.Actor, v.In("id"), person.ID, reason)
	}
	if err != nil {
		return frame.Outcome{}, err
	}
	return frame.Done(groupPath(v.In("id")), "join")
}

func leaveForm(v *frame.Visit) (frame.Form, error) {
	f, g, err := groupForm(v, v.T.Admin.People.Deeds["leave"], v.T.Admin.People.DeedIntros["leave"])
	if err != nil {
		return f, err
	}
	person, err := v.Admin.Find(v.R.Context(), v.Actor, v.In("person"))
	f.Subject, f.Danger = subjectOf(person.Name, person.Email), true
	f.Facts = []frame.Fact{{Name: v.T.Admin.People.Labels["group"], Value: g.Name}}
	f.Inputs = []frame.Input{v.ReasonInput(true)}
	return f, err
}

func leaveGroup(v *frame.Visit) (frame.Outcome, error) {
	reason, err := v.Reason(true)
	if err == nil {
		err = v.Admin.Leave(v.R.Context(), v.Actor, v.In("id"), v.In("person"), reason)
	}
	if err != nil {
		return frame.Outcome{}, err
	}
	return frame.Done(groupPath(v.In("id")), "leave")
}

func groupRolesForm(v *frame.Visit) (frame.Form, error) {
	f, g, err := groupForm(v, v.T.Admin.People.Deeds["roles"], v.T.Admin.Roles.GroupRolesIntro)
	if err != nil {
		return f, err
	}
	boxes, err := roleBoxes(v, "roles", g.Roles)
	f.Intro = append(f.Intro, v.T.Admin.People.Crowning)
	f.Inputs = []frame.Input{boxes, v.ReasonInput(false)}
	return f, err
}

func setGroupRoles(v *frame.Visit) (frame.Outcome, error) {
	wanted, err := typedRoles(v, "roles")
	if err == nil {
		_, err = v.Admin.SetGroupRoles(v.R.Context(), v.Actor, v.In("id"), wanted, v.Typed.Get("reason"))
	}
	if err != nil {
		return frame.Outcome{}, err
	}
	return frame.Done(groupPath(v.In("id")), "roles")
}
