package people

import (
	"net/url"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/adminpages/frame"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/registry"
)

func resourceRoutes(r *frame.Routes) {
	r.View("/admin/resources", showResources)
	for _, d := range []frame.Deed{
		{Path: "/admin/resources/~new", Form: newResourceForm, Do: createResource},
		{Path: "/admin/resources/{name}/edit", Form: editResourceForm, Do: editResource},
		{Path: "/admin/resources/{name}/delete", Form: deleteResourceForm, Do: deleteResource},
	} {
		d.Most, d.Problems = 64<<10, resourceWords
		r.Change(d)
	}
	r.View("/admin/resources/{name}", showResource)
}

// resourceWords are the words for what is wrong with a resource.
var resourceWords = []frame.Translation{
	{Is: store.ErrExists, Field: "id", Problem: messages.AdminResourceTaken},
	{Is: registry.ErrHasRoles, Problem: messages.AdminResourceRoles},
	{Of: "name", Field: "name", Problem: messages.AdminResourceName},
	{Of: "id", Field: "id", Problem: messages.AdminResourceID},
	{Of: "description", Field: "description", Problem: messages.AdminTextInvalid},
	{Of: "scopes", Field: "scopes", Problem: messages.AdminResourceScopes},
}

func resourcePath(name string) string { return "/admin/resources/" + url.PathEscape(name) }

// resourcesPage lists the services that take this server's tokens.
type resourcesPage struct{ Resources []resourceRow }

type resourceRow struct {
	admin.Resource
	Path string
}

// GET /admin/resources
func showResources(v *frame.Visit) error {
	found, err := v.Admin.ListResources(v.R.Context(), v.Actor)
	if err != nil {
		return err
	}
	var page resourcesPage
	for _, one := range found.Items {
		page.Resources = append(page.Resources, resourceRow{one, resourcePath(one.Name)})
	}
	return v.Show("resources", page)
}

// resourcePage is a service with its roles.
type resourcePage struct {
	admin.Resource
	Facts []frame.Member
	Made  time.Time // zero: unknown
	Roles []definedRole
	Path  string
}

// GET /admin/resources/{name}
func showResource(v *frame.Visit) error {
	one, err := v.Admin.Resource(v.R.Context(), v.Actor, v.In("name"))
	if err != nil {
		return err
	}
	words := v.T.Admin.Resources
	page := resourcePage{Resource: one, Made: one.CreatedAt, Path: resourcePath(one.Name)}
	for _, f := range []frame.Member{
		{Name: words.ID, Values: []string{one.ID}, Code: true}, {Name: words.Scopes, Values: one.Scopes, Code: true},
		{Name: words.OwnScopes, Values: one.OwnScopes, Code: true},
	} {
		if len(f.Values) > 0 {
			page.Facts = append(page.Facts, f)
		}
	}
	all, err := allRoles(v)
	for _, d := range all {
		if d.Resource == one.Name {
			page.Roles = append(page.Roles, shownRole(v, d))
		}
	}
	if err != nil {
		return err
	}
	return v.Show("resource", page)
}

func resourceInputs(v *frame.Visit, r admin.Resource) []frame.Input {
	words := v.T.Admin.Resources
	return []frame.Input{
		{Kind: "text", Name: "id", Label: words.ID, Hint: words.IDHint, Value: v.Value("id", r.ID), Needed: true,
			Inexact: true},
		{Kind: "area", Name: "scopes", Label: words.Scopes, Hint: words.ScopesHint,
			Value: v.Value("scopes", strings.Join(r.Scopes, "\n")), Needed: true,
			Inexact: true, Rows: 4},
		{Kind: "text", Name: "description", Label: words.Description, Hint: v.T.Admin.Roles.DescriptionHint,
			Value: v.Value("description", r.Description)},
		v.ReasonInput(false),
	}
}

// typedResource is the resource of that name as the form says.
func typedResource(v *frame.Visit, name string) admin.NewResource {
	return admin.NewResource{Name: name, ID: strings.TrimSpace(v.Typed.Get("id")),
		Scopes:      strings.Fields(v.Typed.Get("scopes")),
		Description: strings.TrimSpace(v.Typed.Get("description"))}
}

func newResourceForm(v *frame.Visit) (frame.Form, error) {
	words := v.T.Admin.Resources
	name := frame.Input{Kind: "text", Name: "name", Label: words.Name, Hint: words.NameHint,
		Value: v.Value("name", ""), Needed: true, Inexact: true}
	return frame.Form{Title: words.NewTitle, Intro: []string{words.NewIntro}, Button: words.New, Back: "/admin/resources",
		Inputs: append([]frame.Input{name}, resourceInputs(v, admin.Resource{})...)}, nil
}

func createResource(v *frame.Visit) (frame.Outcome, error) {
	in := typedResource(v, strings.TrimSpace(v.Typed.Get("name")))
	if err := v.Admin.CreateResource(v.R.Context(), v.Actor, in, v.Typed.Get("reason")); err != nil {
		return frame.Outcome{}, err
	}
	return frame.Done(resourcePath(in.Name), "resource_created")
}

// resourceForm is the page of a change of a stored resource. Of another, it says where it is changed.
func resourceForm(v *frame.Visit, title, intro, button string) (frame.Form, admin.Resource, error) {
	one, err := v.Admin.Resource(v.R.Context(), v.Actor, v.In("name"))
	f := frame.Form{Title: title, Subject: one.Name, Intro: []string{intro}, Button: button, Back: resourcePath(one.Name)}
	if !one.Stored {
		f.Intro, f.Button = []string{v.T.Admin.Resources.SettingsIntro}, ""
	}
	return f, one, err
}

func editResourceForm(v *frame.Visit) (frame.Form, error) {
	words := v.T.Admin.Resources
	f, one, err := resourceForm(v, words.EditTitle, words.EditIntro, v.T.SaveButton)
	f.Hidden, f.Inputs = []frame.Input{{Name: "version", Value: v.Value("version", one.Version)}}, resourceInputs(v, one)
	return f, err
}

func editResource(v *frame.Visit) (frame.Outcome, error) {
	err := v.Admin.UpdateResource(v.R.Context(), v.Actor, v.Typed.Get("version"), typedResource(v, v.In("name")),
		v.Typed.Get("reason"))
	if err != nil {
		return frame.Outcome{}, err
	}
	return frame.Done(resourcePath(v.In("name")), "resource_changed")
}

func deleteResourceForm(v *frame.Visit) (frame.Form, error) {
	words := v.T.Admin.Resources
	f, _, err := resourceForm(v, words.Delete, words.DeleteIntro, words.Delete)
	f.Danger, f.Inputs = true, []frame.Input{v.ReasonInput(false)}
	return f, err
}

func deleteResource(v *frame.Visit) (frame.Outcome, error) {
	if err := v.Admin.DeleteResource(v.R.Context(), v.Actor, v.In("name"), v.Typed.Get("reason")); err != nil {
		return frame.Outcome{}, err
	}
	return frame.Done("/admin/resources", "resource_deleted")
}
