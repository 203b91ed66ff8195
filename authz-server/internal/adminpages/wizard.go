package adminpages

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gorilla/mux"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/pages"
)

// The steps by which an app is made: what kind it is, where it lives, what it may do, and a look at
// all of it. They are one form. The answers of the steps before and after travel in hidden inputs,
// and every step that has been passed is checked again with each of them: whoever changes a hidden
// input changes nothing but their own answer.

// appKinds are the kinds of apps, in the order of the page.
var appKinds = []string{"web", "spa", "native", "service", "device", "api"}

// stepsOf are the steps for a kind of app.
func stepsOf(kind string) []string {
	switch kind {
	case "service", "device":
		return []string{"kind", "scopes", "review"}
	case "api":
		return []string{"kind", "apis", "review"}
	}
	return []string{"kind", "addresses", "scopes", "review"}
}

// answers are what the steps ask for.
type answers struct {
	kind, name            string
	redirects, afterwards string // a URI a line
	scopes, apis          []string
}

// answered lists the inputs of all steps.
var answered = []string{"kind", "client_name", "redirect_uris", "post_logout_redirect_uris", "scope", "audiences"}

func answersOf(typed url.Values) answers {
	a := answers{
		kind: typed.Get("kind"), name: strings.TrimSpace(typed.Get("client_name")), redirects: typed.Get("redirect_uris"),
		afterwards: typed.Get("post_logout_redirect_uris"), scopes: typed["scope"], apis: typed["audiences"],
	}
	if !slices.Contains(appKinds, a.kind) {
		a.kind = ""
	}
	return a
}

// members is the app that the answers describe, as far as up to a step. Answers of later steps have
// values that nothing can be wrong with.
func (a answers) members(step string) client.Patch {
	code := []string{client.AuthorizationCode, client.RefreshToken}
	m := client.Patch{"client_name": a.name}
	switch a.kind {
	case "web":
		m["grant_types"], m["token_endpoint_auth_method"] = code, client.AuthBasic
	case "spa":
		m["grant_types"], m["token_endpoint_auth_method"] = code, client.AuthNone
	case "native":
		m["grant_types"], m["token_endpoint_auth_method"], m["application_type"] = code, client.AuthNone, client.ApplicationNative
	case "device":
		m["grant_types"], m["token_endpoint_auth_method"] = []string{client.DeviceCode, client.RefreshToken}, client.AuthNone
	case "service", "api":
		m["grant_types"], m["token_endpoint_auth_method"] = []string{client.ClientCredentials}, client.AuthBasic
	}
	steps := stepsOf(a.kind)
	passed := func(name string) bool { return slices.Index(steps, name) <= slices.Index(steps, step) }
	if slices.Contains(steps, "addresses") {
		m["redirect_uris"] = []string{"https://app.example/"}
		if passed("addresses") {
			m["redirect_uris"], m["post_logout_redirect_uris"] = lines(a.redirects), lines(a.afterwards)
		}
	}
	if slices.Contains(steps, "scopes") && passed("scopes") {
		m["scope"] = strings.Join(a.scopes, " ")
	}
	if slices.Contains(steps, "apis") && passed("apis") {
		m["audiences"] = slices.Clone(a.apis)
	}
	return m
}

// stepOf is the step of an input.
func stepOf(field string) string {
	switch field {
	case "kind", "client_name":
		return "kind"
	case "redirect_uris", "post_logout_redirect_uris":
		return "addresses"
	case "scope":
		return "scopes"
	case "audiences":
		return "apis"
	}
	return "review"
}

func (a *Administration) wizardRoutes(r *mux.Router) {
	path := "/admin/clients/new"
	a.deeds = append(a.deeds, deed{path: path})
	r.Handle(path, a.gate(maxMetadata, fresh((*visit).showWizard), fresh((*visit).postWizard)))
}

// maxMetadata is how large the form of an app may be, in bytes: 32 KiB of metadata, most of them
// percent-encoded.
const maxMetadata = 128 << 10

// wizardPage is one step.
type wizardPage struct {
	Step        string
	Heading     string
	Count       string // which step it is
	Intro       string
	Inputs      []input
	Hidden      []input
	Review      []clientFact
	Crown       bool // the app would administer the server
	First, Last bool
}

// GET /admin/clients/new: the first step; or the one at which the person proved who they are.
func (v *visit) showWizard() error {
	step := v.typed.Get("step")
	if !slices.Contains(stepsOf(answersOf(v.typed).kind), step) {
		step = "kind"
	}
	return v.wizard(http.StatusOK, step, nil)
}

// POST /admin/clients/new: from the input step, back or on to the next, or makes the app.
func (v *visit) postWizard() error {
	a := answersOf(v.typed)
	steps := stepsOf(a.kind)
	at := max(slices.Index(steps, v.typed.Get("step")), 0)
	if v.typed.Get("go") == "back" {
		return v.wizard(http.StatusOK, steps[max(at-1, 0)], nil)
	}
	for _, step := range steps[:at+1] {
		if wrong, err := v.wrongIn(a, step); err != nil || wrong != nil {
			if err != nil {
				return err
			}
			return v.wizard(http.StatusUnprocessableEntity, stepOf(wrong.field), wrong)
		}
	}
	if v.typed.Get("go") != "create" || steps[at] != "review" {
		return v.wizard(http.StatusOK, steps[min(at+1, len(steps)-1)], nil)
	}
	made, err := v.Admin.CreateClient(v.r.Context(), v.actor, "", a.members("review"), "")
	if err != nil {
		return err
	}
	words := v.t.Admin.Clients
	intro := []string{words.MadeIntro, words.SecretIntro}
	if made.Secret == "" {
		intro[1] = words.Public
	}
	out, err := v.issued(made, words.MadeTitle, intro...)
	if err != nil {
		return err
	}
	v.render(http.StatusOK, *out.page)
	return nil
}

// wrongIn looks for what is wrong with the answers of a step. nil: nothing.
func (v *visit) wrongIn(a answers, step string) (*inWords, error) {
	switch {
	case step == "kind" && a.kind == "":
		return &inWords{"kind", messages.AdminKindMissing, ""}, nil
	case step == "addresses" && len(lines(a.redirects)) == 0:
		return &inWords{"redirect_uris", messages.AdminURIMissing, ""}, nil
	case step == "scopes" && len(a.scopes) == 0:
		return &inWords{"scope", messages.AdminScopeMissing, ""}, nil
	case step == "apis" && len(a.apis) == 0:
		return &inWords{"audiences", messages.AdminAPIMissing, ""}, nil
	}
	if step == "apis" { // of those that there are
		found, err := v.Admin.ListResources(v.r.Context(), v.actor)
		if err != nil {
			return nil, err
		}
		for _, id := range a.apis {
			if !slices.ContainsFunc(found.Items, func(r admin.Resource) bool { return r.ID == id }) {
				return &inWords{"audiences", messages.AdminValue, ""}, nil
			}
		}
	}
	err := v.Admin.CheckClient(v.r.Context(), v.actor, a.members(step))
	field, problem, detail, ok := clientError(err)
	if !ok {
		return nil, err
	}
	return &inWords{field, problem, detail}, nil
}

// wizard shows a step.
func (v *visit) wizard(status int, step string, wrong *inWords) error {
	a := answersOf(v.typed)
	steps, words := stepsOf(a.kind), v.t.Admin.Clients
	at := max(slices.Index(steps, step), 0)
	step = steps[at]
	page := wizardPage{
		Step: step, Heading: words.Steps[step], First: at == 0, Last: step == "review", Crown: step == "review" && administers(a.scopes),
	}
	if at > 0 { // before, the kind decides how many there are
		page.Count = words.StepOf(at+1, len(steps))
	}
	var err error
	if page.Inputs, err = v.wizardInputs(a, step); err != nil {
		return err
	}
	if step == "review" {
		page.Review = v.review(a)
	}
	shown := map[string]bool{}
	for _, in := range page.Inputs {
		shown[in.Name] = true
	}
	for _, name := range answered {
		for _, value := range v.typed[name] {
			if !shown[name] {
				page.Hidden = append(page.Hidden, input{Name: name, Value: value})
			}
		}
	}
	all := pages.AdminPage{Name: "client_new"}
	if wrong != nil {
		field := wrong.field
		if !shown[field] {
			field = ""
		}
		all.Form, all.Detail = pages.Form{Problems: map[string]messages.Problem{field: wrong.problem}}, wrong.detail
	}
	page.Inputs, all.Fields = v.inputs(page.Inputs, all.Form)
	all.Content = page
	v.render(status, all)
	return nil
}

// wizardInputs are the inputs of a step.
func (v *visit) wizardInputs(a answers, step string) ([]input, error) {
	words := v.t.Admin.Clients
	switch step {
	case "kind":
		kinds := input{Kind: "radios", Name: "kind", Label: words.KindLabel, Needed: true}
		for _, one := range appKinds {
			kinds.Options = append(kinds.Options, choice{one, words.Kinds[one], words.KindHints[one], one == a.kind})
		}
		return []input{kinds, {Kind: "text", Name: "client_name", Label: words.NameLabel, Hint: words.NameHint, Value: v.value("client_name", ""), Needed: true}}, nil
	case "addresses":
		hint := words.RedirectsHint
		if a.kind == "native" {
			hint = words.RedirectsNative
		}
		return []input{
			{Kind: "area", Name: "redirect_uris", Label: words.Redirects, Hint: hint, Value: a.redirects, Needed: true, Inexact: true},
			{Kind: "area", Name: "post_logout_redirect_uris", Label: words.LogoutURIs, Hint: words.LogoutHint, Value: a.afterwards, Inexact: true, Rows: 2},
		}, nil
	case "scopes", "apis":
		found, err := v.Admin.ListResources(v.r.Context(), v.actor)
		if err != nil {
			return nil, err
		}
		if step == "apis" {
			apis := input{Kind: "checks", Name: "audiences", Label: words.APIs, Hint: words.APIsHint, Needed: true}
			for _, one := range found.Items {
				apis.Options = append(apis.Options, choice{one.ID, one.ID, one.Description, slices.Contains(a.apis, one.ID)})
			}
			return []input{apis}, nil
		}
		return []input{v.scopeInput(a, found.Items)}, nil
	}
	return nil, nil
}

// scopeInput has the scopes that an app of that kind can have. At first, those are ticked that
// nearly every app for people needs.
func (v *visit) scopeInput(a answers, resources []admin.Resource) input {
	words := v.t.Admin.Clients
	in := input{Kind: "checks", Name: "scope", Label: words.Scopes, Hint: words.ScopesHint, Needed: true}
	chosen := a.scopes
	people := a.kind != "service"
	if !people {
		in.Hint = words.ScopesService
	}
	add := func(scope, hint string) {
		in.Options = append(in.Options, choice{scope, scope, hint, slices.Contains(chosen, scope)})
	}
	if people {
		if len(chosen) == 0 {
			chosen = []string{"openid", "profile", "email"}
		}
		for _, one := range client.Scopes(nil) {
			add(one, v.t.Scope(one))
		}
	}
	for _, r := range resources {
		scopes := r.Scopes
		if !people {
			scopes = slices.Concat(r.Scopes, r.OwnScopes)
		}
		for _, one := range scopes {
			hint := r.ID
			if crowning(one) {
				hint += " · " + words.Crown
			}
			add(one, hint)
		}
	}
	return in
}

// review is all answers in words.
func (v *visit) review(a answers) []clientFact {
	words, c := v.t.Admin.Clients, client.Client{}
	a.members("review").Apply(&c)
	facts := []clientFact{{Name: words.Kind, Values: []string{words.Kinds[a.kind]}}, {Name: words.NameLabel, Values: []string{a.name}}}
	for _, one := range []struct {
		name   string
		values []string
	}{
		{"redirect_uris", c.RedirectURIs}, {"post_logout_redirect_uris", c.PostLogoutRedirectURIs}, {"scope", c.Scopes()}, {"audiences", c.Audiences},
	} {
		if len(one.values) > 0 {
			facts = append(facts, clientFact{Name: words.Facts[one.name], Values: one.values, Code: true})
		}
	}
	return facts
}

// inputs puts what is wrong into the inputs of a form, and lists them for the summary above it.
func (v *visit) inputs(all []input, wrong pages.Form) (marked []input, fields []pages.Field) {
	first := true
	for _, in := range all {
		in.OptionalWord = v.t.Admin.Frame.Optional
		if problem, ok := wrong.Problems[in.Name]; ok {
			in.Problem, in.First, first = v.t.Problem(problem, 0), first, false
		}
		marked = append(marked, in)
		fields = append(fields, pages.Field{Name: in.Name, Label: in.Label})
	}
	return marked, fields
}
