package server

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/adminpages/frame"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/upstreams"
	"github.com/maru-auth/maru/authz-server/internal/upstream"
)

func upstreamRoutes(r *frame.Routes) {
	r.View("/admin/upstreams", showUpstreams)
	r.Form(newUpstreamPath, maxUpstreamForm, showNewUpstream, postNewUpstream)
	r.View("/admin/upstreams/{name}", showUpstream)
	for _, d := range []frame.Deed{
		{Path: "/admin/upstreams/{name}/edit", Most: maxUpstreamForm, Form: editUpstreamForm, Do: editUpstream},
		{Path: "/admin/upstreams/{name}/secret", Most: maxUpstreamForm, Form: upstreamSecretForm, Do: replaceUpstreamSecret},
		{Path: "/admin/upstreams/{name}/disable", Form: disableUpstreamForm, Do: switchUpstream(true, "upstream_off")},
		{Path: "/admin/upstreams/{name}/enable", Form: enableUpstreamForm, Do: switchUpstream(false, "upstream_on")},
		{Path: "/admin/upstreams/{name}/delete", Form: deleteUpstreamForm, Do: deleteUpstream},
	} {
		d.Problems = upstreamWords
		r.Change(d)
	}
}

// maxUpstreamForm is how large the form of a provider may be, in bytes: 16 KiB of settings and as much
// of a secret, percent-encoded.
const maxUpstreamForm = 128 << 10

// upstreamWords are the words for what is wrong with a provider.
var upstreamWords = []frame.Translation{
	{Is: store.ErrExists, Field: "name", Problem: messages.AdminUpstreamTaken},
	{Is: upstreams.ErrInUse, Field: "sure", Problem: messages.AdminUpstreamUsed},
	{Of: "name", Field: "name", Problem: messages.AdminUpstreamName},
	{Of: "title", Field: "title", Problem: messages.AdminUpstreamTitle},
	{Of: "client_id", Field: "client_id", Problem: messages.AdminUpstreamClient},
	{Of: "issuer", Field: "issuer", Problem: messages.AdminUpstreamIssuer},
	{Of: "authorization_endpoint", Field: "authorization_endpoint", Problem: messages.AdminUpstreamAddress},
	{Of: "token_endpoint", Field: "token_endpoint", Problem: messages.AdminUpstreamAddress},
	{Of: "userinfo_endpoint", Field: "userinfo_endpoint", Problem: messages.AdminUpstreamAddress},
	{Of: "address_domains", Field: "address_domains", Problem: messages.AdminUpstreamDomains},
	{Of: "claims", Field: "claims", Problem: messages.AdminUpstreamClaims},
	{Of: "client_secret", Field: "client_secret", Problem: messages.AdminUpstreamSecret},
	{Of: "tenants", Field: "tenants", Problem: messages.AdminUpstreamTenants},
	{Of: "apple", Field: "team_id", Problem: messages.AdminUpstreamKey},
}

func upstreamPath(name string) string { return "/admin/upstreams/" + url.PathEscape(name) }

// GET /admin/upstreams
func showUpstreams(v *frame.Visit) error {
	words := v.T.Admin.Server.Upstreams
	found, err := v.Admin.ListUpstreams(v.R.Context(), v.Actor)
	if err != nil {
		return err
	}
	t := table{Columns: []string{words.Name, words.Provider, words.State, words.Redirect}, Empty: words.None}
	for _, one := range found.Items {
		t.Rows = append(t.Rows, []cell{{Text: one.Title, Path: upstreamPath(one.Name), Under: one.Name},
			{Text: one.Issuer, Code: true, Under: presetTitle(v, one.Preset)}, upstreamState(v,
				one), {Text: one.RedirectURI, Code: true}})
	}
	return tables(v, http.StatusOK, tablePage{Title: words.Title, Intro: []string{words.Intro}, Tables: []table{t},
		Buttons: []action{{Path: newUpstreamPath, Label: words.New, ID: "new", Main: true}}})
}

func upstreamState(v *frame.Visit, u admin.Upstream) cell {
	if u.Disabled {
		return cell{Text: v.T.Admin.Server.Upstreams.Off, Tag: "bad"}
	}
	return cell{Text: v.T.Admin.Server.Upstreams.On, Tag: "good"}
}

// presetTitle is what a preset is called; "" is any OpenID provider.
func presetTitle(v *frame.Visit, preset string) string {
	return v.T.Admin.Server.Upstreams.Presets[presetValue(preset)]
}

// anyOpenID is the input's value for no preset.
const anyOpenID = "openid"

func presetValue(preset string) string {
	if preset == "" {
		return anyOpenID
	}
	return preset
}

// upstreamPage is the page of one provider.
type upstreamPage struct {
	Name, Title, Path string
	Kind              string
	State             cell
	Off               bool
	Addresses         []frame.Member // of this server, to register there
	Facts             []frame.Member
	Made, Changed     time.Time

	People   string // how many there are, in words
	Only     string // who have no other way in, in words; empty: nobody
	Locked   []lockedPerson
	NoSecret bool // it takes none
}

// lockedPerson is somebody who has no other way in.
type lockedPerson struct{ Name, Email, Path string }

// GET /admin/upstreams/{name}
func showUpstream(v *frame.Visit) error {
	u, people, err := upstreamOf(v)
	if err != nil {
		return err
	}
	words := v.T.Admin.Server.Upstreams
	page := upstreamPage{
		Name: u.Name, Title: u.Title, Path: upstreamPath(u.Name), Kind: presetTitle(v,
			u.Preset), State: upstreamState(v, u), Off: u.Disabled,
		Made: u.CreatedAt, Changed: u.UpdatedAt, NoSecret: u.AuthMethod == "none", Facts: upstreamFacts(v, u),
		People: words.Nobody, Addresses: addressesToRegister(v, u),
	}
	if people.Number > 0 {
		page.People = howMany(v, people)
	}
	if people.Only > 0 {
		page.Only = words.Only(number(int64(people.Only)))
	}
	for _, one := range people.Some {
		page.Locked = append(page.Locked, lockedPerson{strings.TrimSpace(one.Name), one.Email, "/admin/users/" + one.ID})
	}
	return v.Show("upstream", page)
}

// addressesToRegister are those of this server that the provider has to know.
func addressesToRegister(v *frame.Visit, u admin.Upstream) (all []frame.Member) {
	labels := v.T.Admin.Server.Upstreams.Labels
	for _, one := range []struct{ name, address string }{
		{"redirect_uri", u.RedirectURI}, {"post_logout_redirect_uri", u.PostLogoutRedirectURI},
		{"backchannel_logout_uri", u.BackchannelLogoutURI},
	} {
		if one.address != "" {
			all = append(all, frame.Member{Name: labels[one.name], Values: []string{one.address}, Code: true})
		}
	}
	return all
}

// upstreamOf is the provider that the address names, and who logs in by it.
func upstreamOf(v *frame.Visit) (u admin.Upstream, people admin.UpstreamPeople, err error) {
	if u, err = v.Admin.Upstream(v.R.Context(), v.Actor, v.In("name")); err != nil {
		return u, people, err
	}
	people, err = v.Admin.UpstreamPeople(v.R.Context(), v.Actor, u.Name)
	return u, people, err
}

// upstreamFacts are all settings that say something, in the order of the settings. One that has no
// words here has its own name, so that none is left out.
func upstreamFacts(v *frame.Visit, u admin.Upstream) (facts []frame.Member) {
	words := v.T.Admin.Server.Upstreams
	var values map[string]any
	text := u.Settings.Text()
	if err := json.Unmarshal([]byte(text), &values); err != nil {
		panic(err) // it has just been marshalled
	}
	for _, name := range upstream.SettingNames() {
		fact := frame.Member{Name: words.Labels[name], Code: true}
		if fact.Name == "" {
			fact.Name = name
		}
		switch name {
		case "preset", "title":
			continue // above
		case "addresses":
			fact.Values, fact.Code = []string{words.Rules[string(u.Addresses)]}, false
		case "no_signup":
			fact.Name, fact.Values, fact.Code = words.Signups, []string{v.YesNo(!u.NoSignup)}, false
		case "logout":
			fact.Name, fact.Values, fact.Code = words.Hints["logout"], []string{v.YesNo(u.Logout)}, false
		default:
			fact.Values = plainValues(v, values[name], &fact.Code)
		}
		if len(fact.Values) > 0 {
			facts = append(facts, fact)
		}
	}
	secret := words.SecretNone
	if u.HasSecret {
		secret = words.SecretSet
	}
	return append(facts, frame.Member{Name: words.Labels["client_secret"], Values: []string{secret}})
}

// plainValues are the values of a member of JSON, a line each; none: there is nothing to say.
func plainValues(v *frame.Visit, value any, code *bool) (all []string) {
	switch value := value.(type) {
	case nil:
	case string:
		if value != "" {
			all = []string{value}
		}
	case bool:
		*code = false
		all = []string{v.YesNo(value)}
	case []any:
		for _, one := range value {
			all = append(all, plainValues(v, one, code)...)
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(value)) {
			all = append(all, fmt.Sprintf("%s = %v", name, value[name]))
		}
	default:
		all = []string{fmt.Sprint(value)}
	}
	return all
}

// upstreamForm is what the pages of all deeds about a provider have.
func upstreamForm(v *frame.Visit, title string, intro ...string) (f frame.Form, u admin.Upstream,
	people admin.UpstreamPeople, err error) {
	u, people, err = upstreamOf(v)
	f = frame.Form{Title: title, Subject: u.Title + " · " + u.Name, Intro: intro, Button: title,
		Back: upstreamPath(u.Name)}
	return f, u, people, err
}

// howMany says how many people log in by a provider, if any.
func howMany(v *frame.Visit, people admin.UpstreamPeople) string {
	words := v.T.Admin.Server.Upstreams
	if people.More {
		return words.PeopleMany(number(admin.MaxUpstreamPeople))
	}
	return words.People(number(int64(people.Number)))
}

// loseWay says who can log in no more without a provider. Nothing: nobody.
func loseWay(v *frame.Visit, people admin.UpstreamPeople) (lines []string) {
	words := v.T.Admin.Server.Upstreams
	if people.Number > 0 {
		lines = append(lines, howMany(v, people))
	}
	if people.Only > 0 {
		const some = 5 // all that the page of the provider names are too many for a form
		names := []string{}
		for _, one := range people.Some[:min(some, len(people.Some))] {
			names = append(names, one.Email)
		}
		list := strings.Join(names, ", ")
		if people.Only > len(names) || people.More {
			list += " …"
		}
		lines = append(lines, words.LoseWay(number(int64(people.Only)))+" "+words.Reset, list)
	}
	return lines
}

func disableUpstreamForm(v *frame.Visit) (frame.Form, error) {
	words := v.T.Admin.Server.Upstreams
	f, _, people, err := upstreamForm(v, words.DisableTitle, words.DisableIntro)
	f.Intro = append(f.Intro, loseWay(v, people)...)
	f.Button, f.Danger, f.Inputs = words.Disable, true, []frame.Input{v.ReasonInput(false)}
	return f, err
}

func enableUpstreamForm(v *frame.Visit) (frame.Form, error) {
	words := v.T.Admin.Server.Upstreams
	f, _, _, err := upstreamForm(v, words.EnableTitle, words.EnableIntro)
	f.Button, f.Inputs = words.Enable, []frame.Input{v.ReasonInput(false)}
	return f, err
}

func switchUpstream(off bool, word string) func(v *frame.Visit) (frame.Outcome, error) {
	return func(v *frame.Visit) (frame.Outcome, error) {
		_, err := v.Admin.UpdateUpstream(v.R.Context(), v.Actor, v.In("name"), "",
			admin.UpstreamChange{Disabled: &off}, v.Typed.Get("reason"))
		if err != nil {
			return frame.Outcome{}, err
		}
		return frame.Done(upstreamPath(v.In("name")), word)
	}
}

func deleteUpstreamForm(v *frame.Visit) (frame.Form, error) {
	words := v.T.Admin.Server.Upstreams
	f, _, people, err := upstreamForm(v, words.DeleteTitle, words.DeleteIntro)
	f.Button, f.Danger = words.Delete, true
	if people.Number > 0 {
		f.Intro = append(append(f.Intro, words.DeleteUsed), loseWay(v, people)...)
		f.Inputs = append(f.Inputs, frame.Input{Kind: "check", Name: "sure", Label: words.Sure,
			Ticked: v.Ticked("sure", false)})
	}
	f.Inputs = append(f.Inputs, v.ReasonInput(false))
	return f, err
}

func deleteUpstream(v *frame.Visit) (frame.Outcome, error) {
	err := v.Admin.DeleteUpstream(v.R.Context(), v.Actor, v.In("name"), v.Typed.Has("sure"), v.Typed.Get("reason"))
	if err != nil {
		return frame.Outcome{}, err
	}
	return frame.Done("/admin/upstreams", "upstream_deleted")
}
