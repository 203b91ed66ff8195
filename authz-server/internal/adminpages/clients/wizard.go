package clients

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/adminpages/frame"
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
		m["grant_types"], m["token_endpoint_auth_method"] = code, client.AuthNone
		m["application_type"] = client.ApplicationNative
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
			m["redirect_uris"], m["post_logout_redirect_uris"] = frame.Lines(a.redirects), frame.Lines(a.afterwards)
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

func wizardRoutes(r *frame.Routes) { r.Form("/admin/clients/new", maxMetadata, showWizard, postWizard) }

// maxMetadata is how large the form of an app may be, in bytes: 32 KiB of metadata, most of them
// percent-encoded.
const maxMetadata = 128 << 10

// wizardPage is one step.
type wizardPage struct {
	Step        string
	Heading     string
	Count       string // which step it is
	Intro       string
	Inputs      []frame.Input
	Hidden      []frame.Input
	Review      []frame.Member
	Crown       bool // the app would administer the server
	First, Last bool
}

// GET /admin/clients/new: the first step; or the one at which the person proved who they are.
func showWizard(v *frame.Visit) error {
	step := v.Typed.Get("step")
	if !slices.Contains(stepsOf(answersOf(v.Typed).kind), step) {
		step = "kind"
	}
	return wizard(v, http.StatusOK, step, nil)
}

// POST /admin/clients/new: from the input step, back or on to the next, or makes the app.
func postWizard(v *frame.Visit) error {
	a := answersOf(v.Typed)
	steps := stepsOf(a.kind)
	at := max(slices.Index(steps, v.Typed.Get("step")), 0)
	if v.Typed.Get("go") == "back" {
		return wizard(v, http.StatusOK, steps[max(at-1, 0)], nil)
	}
	for _, step := range steps[:at+1] {
		if wrong, err := wrongIn(v, a, step); err != nil || wrong != nil {
			if err != nil {
				return err
			}
			return wizard(v, http.StatusUnprocessableEntity, stepOf(wrong.Field), wrong)
		}
	}
	if v.Typed.Get("go") != "create" || steps[at] != "review" {
		return wizard(v, http.StatusOK, steps[min(at+1, len(steps)-1)], nil)
	}
	made, err := v.Admin.CreateClient(v.R.Context(), v.Actor, "", a.members("review"), "")
	if err != nil {
		return err
	}
	words := v.T.Admin.Clients
	intro := []string{words.MadeIntro, words.SecretIntro}
	if made.Secret == "" {
		intro[1] = words.Public
	}
	out, err := issued(v, made, words.MadeTitle, intro...)
	if err != nil {
		return err
	}
	v.Follow(out)
	return nil
}

// wrongIn looks for what is wrong with the answers of a step. nil: nothing.
func wrongIn(v *frame.Visit, a answers, step string) (*frame.InWords, error) {
	switch {
	case step == "kind" && a.kind == "":
		return &frame.InWords{Field: "kind", Problem: messages.AdminKindMissing}, nil
	case step == "addresses" && len(frame.Lines(a.redirects)) == 0:
		return &frame.InWords{Field: "redirect_uris", Problem: messages.AdminURIMissing}, nil
	case step == "scopes" && len(a.scopes) == 0:
		return &frame.InWords{Field: "scope", Problem: messages.AdminScopeMissing}, nil
	case step == "apis" && len(a.apis) == 0:
		return &frame.InWords{Field: "audiences", Problem: messages.AdminAPIMissing}, nil
	}
	if step == "apis" { // of those that there are
		found, err := v.Admin.ListResources(v.R.Context(), v.Actor)
		if err != nil {
			return nil, err
		}
		for _, id := range a.apis {
			if !slices.ContainsFunc(found.Items, func(r admin.Resource) bool { return r.ID == id }) {
				return &frame.InWords{Field: "audiences", Problem: messages.AdminValue}, nil
			}
		}
	}
	err := v.Admin.CheckClient(v.R.Context(), v.Actor, a.members(step))
	field, problem, detail, ok := clientError(err)
	if !ok {
		return nil, err
	}
	return &frame.InWords{Field: field, Problem: problem, Detail: detail}, nil
}

// wizard shows a step.
func wizard(v *frame.Visit, status int, step string, wrong *frame.InWords) error {
	a := answersOf(v.Typed)
	steps, words := stepsOf(a.kind), v.T.Admin.Clients
	at := max(slices.Index(steps, step), 0)
	step = steps[at]
	page := wizardPage{
		Step: step, Heading: words.Steps[step], First: at == 0, Last: step == "review",
		Crown: step == "review" && administers(a.scopes),
	}
	if at > 0 { // before, the kind decides how many there are
		page.Count = words.StepOf(at+1, len(steps))
	}
	var err error
	if page.Inputs, err = wizardInputs(v, a, step); err != nil {
		return err
	}
	if step == "review" {
		page.Review = review(v, a)
	}
	shown := map[string]bool{}
	for _, in := range page.Inputs {
		shown[in.Name] = true
	}
	for _, name := range answered {
		for _, value := range v.Typed[name] {
			if !shown[name] {
				page.Hidden = append(page.Hidden, frame.Input{Name: name, Value: value})
			}
		}
	}
	all := pages.AdminPage{Name: "client_new"}
	if wrong != nil {
		field := wrong.Field
		if !shown[field] {
			field = ""
		}
		all.Form, all.Detail = pages.Form{Problems: map[string]messages.Problem{field: wrong.Problem}}, wrong.Detail
	}
	page.Inputs, all.Fields = v.Inputs(page.Inputs, all.Form)
	all.Content = page
	v.Render(status, all)
	return nil
}

// wizardInputs are the inputs of a step.
func wizardInputs(v *frame.Visit, a answers, step string) ([]frame.Input, error) {
	words := v.T.Admin.Clients
	switch step {
	case "kind":
		kinds := frame.Input{Kind: "radios", Name: "kind", Label: words.KindLabel, Needed: true}
		for _, one := range appKinds {
			kinds.Options = append(kinds.Options, frame.Choice{Value: one, Label: words.Kinds[one], Hint: words.KindHints[one],
				Chosen: one == a.kind})
		}
		return []frame.Input{kinds, {Kind: "text", Name: "client_name", Label: words.NameLabel, Hint: words.NameHint,
			Value: v.Value("client_name", ""), Needed: true}}, nil
	case "addresses":
		hint := words.RedirectsHint
		if a.kind == "native" {
			hint = words.RedirectsNative
		}
		return []frame.Input{
			{Kind: "area", Name: "redirect_uris", Label: words.Redirects, Hint: hint, Value: a.redirects, Needed: true,
				Inexact: true},
			{Kind: "area", Name: "post_logout_redirect_uris", Label: words.LogoutURIs, Hint: words.LogoutHint,
				Value: a.afterwards, Inexact: true, Rows: 2},
		}, nil
	case "scopes", "apis":
		found, err := v.Admin.ListResources(v.R.Context(), v.Actor)
		if err != nil {
			return nil, err
		}
		if step == "apis" {
			apis := frame.Input{Kind: "checks", Name: "audiences", Label: words.APIs, Hint: words.APIsHint, Needed: true}
			for _, one := range found.Items {
				apis.Options = append(apis.Options, frame.Choice{
					Value: one.ID, Label: one.ID, Hint: one.Description, Chosen: slices.Contains(a.apis, one.ID),
				})
			}
			return []frame.Input{apis}, nil
		}
		return []frame.Input{scopeInput(v, a, found.Items)}, nil
	}
	return nil, nil
}

// scopeInput has the scopes that an app of that kind can have. At first, those are ticked that
// nearly every app for people needs.
func scopeInput(v *frame.Visit, a answers, resources []admin.Resource) frame.Input {
	words := v.T.Admin.Clients
	in := frame.Input{Kind: "checks", Name: "scope", Label: words.Scopes, Hint: words.ScopesHint, Needed: true}
	chosen := a.scopes
	people := a.kind != "service"
	if !people {
		in.Hint = words.ScopesService
	}
	add := func(scope, hint string) {
		in.Options = append(in.Options, frame.Choice{Value: scope, Label: scope, Hint: hint,
			Chosen: slices.Contains(chosen, scope)})
	}
	if people {
		if len(chosen) == 0 {
			chosen = []string{"openid", "profile", "email"}
		}
		for _, one := range client.Scopes(nil) {
			add(one, v.T.Scope(one))
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
func review(v *frame.Visit, a answers) []frame.Member {
	words, c := v.T.Admin.Clients, client.Client{}
	a.members("review").Apply(&c)
	facts := []frame.Member{{Name: words.Kind, Values: []string{words.Kinds[a.kind]}},
		{Name: words.NameLabel, Values: []string{a.name}}}
	for _, one := range []struct {
		name   string
		values []string
	}{
		{"redirect_uris", c.RedirectURIs}, {"post_logout_redirect_uris", c.PostLogoutRedirectURIs}, {"scope", c.Scopes()},
		{"audiences", c.Audiences},
	} {
		if len(one.values) > 0 {
			facts = append(facts, frame.Member{Name: words.Facts[one.name], Values: one.values, Code: true})
		}
	}
	return facts
}
