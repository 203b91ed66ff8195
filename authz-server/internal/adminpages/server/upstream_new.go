package server

import (
	"net/http"
	"slices"
	"strings"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/adminpages/frame"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/upstream"
)

// The steps by which a provider is added: which one, whom it lets in, and how this server is connected
// with it. As with apps, they are one form, in which the answers of the other steps are hidden inputs;
// every step that has been passed is checked again with each of them. The secret is asked for in the
// last, so that it is in no hidden input.

// newUpstreamPath is no provider's: their names begin with a letter.
const newUpstreamPath = "/admin/upstreams/~new"

var upstreamSteps = []string{"provider", "rules", "connect"}

// stepInputs are the inputs of the steps before the last, by step.
var stepInputs = map[string][]string{
	"provider": {"preset", "name", "title"},
	"rules":    {"addresses", "address_domains", "signups", "strong_acr", "logout"},
	"connect": {"issuer", "authorization_endpoint", "token_endpoint", "userinfo_endpoint", "claims", "client_id",
		"tenants", "team_id", "key_id", "auth_method",
		"scope"}, // and the secret, which is never repeated
}

// upstreamWizard is one step.
type upstreamWizard struct {
	Step, Heading, Count string
	Inputs               []frame.Input
	Hidden               []frame.Input
	First, Last          bool
	Title                string // of the provider
	Register             []string
	Addresses            []frame.Member // of this server, to enter there
}

// GET /admin/upstreams/new: the first step; or the one at which the person proved who they are.
func showNewUpstream(v *frame.Visit) error {
	step := v.Typed.Get("step")
	if !slices.Contains(upstreamSteps, step) {
		step = upstreamSteps[0]
	}
	return upstreamStep(v, http.StatusOK, step, nil)
}

// POST /admin/upstreams/new: from the input step, back or on to the next, or adds the provider.
func postNewUpstream(v *frame.Visit) error {
	at := max(slices.Index(upstreamSteps, v.Typed.Get("step")), 0)
	if v.Typed.Get("go") == "back" {
		return upstreamStep(v, http.StatusOK, upstreamSteps[max(at-1, 0)], nil)
	}
	in, err := typedUpstream(v, upstreamSteps[at])
	last := at == len(upstreamSteps)-1
	switch {
	case err != nil:
	case !last:
		err = v.Admin.CheckNewUpstream(v.R.Context(), v.Actor, in)
	case v.Typed.Get("go") == "create":
		var made admin.Upstream
		if made, err = v.Admin.CreateUpstream(v.R.Context(), v.Actor, in, v.Typed.Get("reason")); err == nil {
			out, err := frame.Done(upstreamPath(made.Name), "upstream_created")
			v.Follow(out)
			return err
		}
	}
	if err == nil {
		return upstreamStep(v, http.StatusOK, upstreamSteps[min(at+1, len(upstreamSteps)-1)], nil)
	}
	wrong, ok := frame.Wrong(err, upstreamWords)
	if !ok {
		return err
	}
	step := upstreamSteps[at]
	for of, names := range stepInputs {
		if slices.Contains(names, wrong.Field) && of != "connect" { // an answer of before is not right any more
			step = of
		}
	}
	return upstreamStep(v, wrong.Status, step, wrong)
}

// typedUpstream is the provider that the answers describe, as far as up to a step. Answers of later
// steps have values that nothing can be wrong with.
func typedUpstream(v *frame.Visit, step string) (in admin.NewUpstream, err error) {
	preset := v.Typed.Get("preset")
	if preset != anyOpenID && !slices.Contains(upstream.Presets(), preset) {
		return in, &frame.InWords{Field: "preset", Problem: messages.AdminUpstreamPreset}
	}
	if in.Name = strings.TrimSpace(v.Typed.Get("name")); preset != anyOpenID {
		in.Preset = preset
		if in.Name == "" && preset != oauthPreset {
			in.Name = preset
		}
	}
	last := step == "connect"
	if !last {
		in.Settings = upstream.Settings{Preset: in.Preset, ClientID: "x"}
		switch in.Preset {
		case "":
			in.Issuer = "https://id.example.com"
		case oauthPreset:
			in.Issuer, in.Authorization = "https://id.example.com", "https://id.example.com/a"
			in.Token, in.UserInfo = "https://id.example.com/t", "https://id.example.com/u"
		case applePreset:
			in.Apple = &upstream.AppleKey{TeamID: "x", KeyID: "x"}
		}
	}
	typed := map[string][]string{}
	for _, one := range upstreamSteps[:slices.Index(upstreamSteps, step)+1] {
		for _, name := range stepInputs[one] {
			if values, ok := v.Typed[name]; ok {
				typed[name] = values
			}
		}
	}
	if err := typedSettings(typed, &in.Settings); err != nil {
		return in, err
	}
	if last {
		in.Secret = strings.TrimSpace(v.Typed.Get("client_secret"))
	}
	return in, nil
}

// upstreamStep shows a step.
func upstreamStep(v *frame.Visit, status int, step string, wrong *frame.Refusal) error {
	words := v.T.Admin.Server.Upstreams
	at := slices.Index(upstreamSteps, step)
	page := upstreamWizard{
		Step: step, Heading: words.Steps[step], Count: v.T.Admin.Clients.StepOf(at+1,
			len(upstreamSteps)), First: at == 0, Last: step == "connect",
	}
	in, err := typedUpstream(v, "provider")
	if err != nil && step != "provider" { // there is no such provider, of which more could be asked
		return upstreamStep(v, status, "provider", wrong)
	}
	// What its preset has: nothing else was answered yet.
	proposed, err := v.Admin.ProposedUpstream(admin.NewUpstream{Name: in.Name,
		Settings: upstream.Settings{Preset: in.Preset, Title: in.Title}})
	if err != nil {
		return err
	}
	switch step {
	case "provider":
		page.Inputs = providerInputs(v)
	case "rules":
		page.Inputs = ruleInputs(v, proposed.Settings, v.Typed.Has("addresses"))
	case "connect":
		page.Title, page.Register = proposed.Title, words.Register[presetValue(in.Preset)]
		page.Addresses = addressesToRegister(v, proposed)
		page.Inputs = append(connectInputs(v, proposed.Settings, true), v.ReasonInput(false))
	}
	page.Hidden = hiddenAnswers(v, page.Inputs)
	all := pages.AdminPage{Name: "upstream_new"}
	if wrong != nil {
		field := wrong.Field
		if !slices.ContainsFunc(page.Inputs, func(in frame.Input) bool { return in.Name == field }) {
			field = ""
		}
		all.Form, all.Detail = pages.Form{Problems: map[string]messages.Problem{field: wrong.Problem}}, wrong.Detail
	}
	page.Inputs, all.Fields = v.Inputs(page.Inputs, all.Form)
	all.Content = page
	v.Render(status, all)
	return nil
}

// hiddenAnswers are those that other steps than the one with these inputs ask for.
func hiddenAnswers(v *frame.Visit, shown []frame.Input) (hidden []frame.Input) {
	for _, step := range upstreamSteps {
		for _, name := range stepInputs[step] {
			if slices.ContainsFunc(shown, func(in frame.Input) bool { return in.Name == name }) {
				continue
			}
			for _, value := range v.Typed[name] {
				hidden = append(hidden, frame.Input{Name: name, Value: value})
			}
		}
	}
	return hidden
}

// presetsInOrder has first what most look for, and last what needs most.
func presetsInOrder() []string {
	first, last := []string{anyOpenID, "google", applePreset, "microsoft", "github", "kakao",
		"naver"}, []string{oauthPreset}
	all := append([]string{anyOpenID}, upstream.Presets()...)
	slices.SortStableFunc(all, func(a, b string) int { return place(first, last, a) - place(first, last, b) })
	return all
}

// place is where a text stands among those that come first, all others, and those that come last.
func place(first, last []string, text string) int {
	if at := slices.Index(first, text); at >= 0 {
		return at
	}
	return len(first) + 1 + slices.Index(last, text)
}

func providerInputs(v *frame.Visit) []frame.Input {
	words := v.T.Admin.Server.Upstreams
	preset := frame.Input{Kind: "radios", Name: "preset", Label: words.Preset, Needed: true}
	chosen := v.Value("preset", "")
	for _, one := range presetsInOrder() {
		label := words.Presets[one]
		if label == "" {
			label = one
		}
		preset.Options = append(preset.Options,
			frame.Choice{Value: one, Label: label, Hint: words.PresetHints[one], Chosen: one == chosen})
	}
	title := titleInput(v, "", false)
	title.Hint += " " + words.Hints["listed"]
	name := frame.Input{Kind: "text", Name: "name", Label: words.Labels["name"], Hint: words.Hints["name"] +
		" " + words.Hints["listed"], Value: v.Value("name", ""), Inexact: true}
	return []frame.Input{preset, title, name}
}
