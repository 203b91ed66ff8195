package pages

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// At is the link to a path of this server, such as /login. A query may follow it.
func (v view) At(path string) string { return v.issuer.Path(path) }

// Script is the path of a script of ours. Few pages have one; their headers allow it.
func (v view) Script(name string) (string, error) {
	path, ok := v.scripts[name]
	if !ok {
		return "", fmt.Errorf("no script %s", name)
	}
	return path, nil
}

// Scripted tells whether form.js makes the page friendlier. Without it the page does all it has to.
func (v view) Scripted() bool { return scripted(v.Page) }

func scripted(page string) bool {
	return page == "login" || page == "signup" || strings.HasPrefix(page, "account")
}

// moment is a time as a template shows it.
type moment struct {
	Exact, Text string
	Local       bool // the zone is not the person's: a script can do better
}

// Moment shows a time in the person's zone, if the page knows it, or else in UTC.
func (v view) Moment(at time.Time) moment {
	m := moment{Exact: at.UTC().Format(time.RFC3339), Text: v.T.Moment(at.UTC()) + " UTC", Local: true}
	if d, ok := v.D.(interface{ zone() *time.Location }); ok && d.zone() != nil {
		m.Text, m.Local = v.T.Moment(at.In(d.zone())), false
	}
	return m
}

// field is one labelled input of a form.
type field struct {
	Type, Name, Label, Value, Autocomplete, Hint string
	Problem                                      string
	Autofocus                                    bool
	T                                            *messages
}

// DescribedBy names the elements that explain the input to those who cannot see where they stand.
func (f field) DescribedBy() string {
	var ids []string
	if f.Problem != "" {
		ids = append(ids, f.Name+"-problem")
	}
	if f.Hint != "" {
		ids = append(ids, f.Name+"-hint")
	}
	return strings.Join(ids, " ")
}

// Input makes a field with what is wrong with it.
func (v view) Input(kind, name, label, value, autocomplete, hint string) field {
	f := field{Type: kind, Name: name, Label: label, Value: value, Autocomplete: autocomplete, Hint: hint, T: v.T}
	f.Autofocus = name == v.FirstWrong()
	form := v.form()
	if problem, ok := form.Problems[name]; ok {
		f.Problem = v.T.Problem(problem, form.Wait)
	}
	return f
}

// wrong is one field that is wrong, for the summary above the form.
type wrong struct{ Name, Label, Text string }

// fieldOrder is where fields are on their pages, those of the profile excepted.
var fieldOrder = []string{"name", "email", "password", "new_password", "user_code"}

// Wrong lists what is wrong with which field, in the order of the page.
func (v view) Wrong() []wrong {
	form := v.form()
	labels := map[string]string{"name": v.T.Name, "email": v.T.Email, "password": v.T.Password, "new_password": v.T.NewPassword, "user_code": v.T.DeviceCode}
	if v.Page == "account_password" {
		labels["password"] = v.T.CurrentPassword
	}
	stored := map[string]string{} // what another window saved is worth a look too
	if d, ok := v.D.(Profile); ok {
		stored = d.Stored
	}
	var all []wrong
	for _, name := range slices.Concat(fieldOrder, v.T.Profile.NameOrder, profileOrder) {
		label, ok := labels[name]
		if !ok {
			label = v.T.Profile.Labels[name]
		}
		if problem, ok := form.Problems[name]; ok {
			all = append(all, wrong{name, label, v.T.Problem(problem, form.Wait)})
		} else if value, ok := stored[name]; ok {
			all = append(all, wrong{name, label, v.stored(name, value)})
		}
	}
	return all
}

// Failed tells whether the page says that a form was refused.
func (v view) Failed() bool { return len(v.form().Problems) > 0 }

// FirstWrong is the field where the person goes on: the first that is wrong, or else the one to type into first. Empty: none;
// if the form was refused, the summary has the focus then.
func (v view) FirstWrong() string {
	if wrong := v.Wrong(); len(wrong) > 0 {
		return wrong[0].Name
	}
	switch d := v.D.(type) {
	case Login:
		if d.Email == "" {
			return "email"
		}
		return "password"
	case Device:
		return "user_code"
	}
	return ""
}

// FormProblem says what is wrong with the form as a whole, or is empty.
func (v view) FormProblem() string {
	form := v.form()
	if problem, ok := form.Problems[""]; ok {
		return v.T.Problem(problem, form.Wait)
	}
	return ""
}

func (v view) form() Form {
	if d, ok := v.D.(interface{ form() Form }); ok {
		return d.form()
	}
	return Form{}
}

// Wide tells whether the page is one of the account's.
func (v view) Wide() bool { return strings.HasPrefix(v.Page, "account") }

// appView is what a template about an app sees.
type appView struct {
	T    *messages
	App  App
	Note string // below the name; may be empty
}

// Card is an app (of type App or *App) for the templates "card", "origin" and "applinks": every page shows an app by them
// alone, so that none can leave out the warning.
func (v view) Card(app any, note string) (appView, error) {
	switch app := app.(type) {
	case App:
		return appView{v.T, app, note}, nil
	case *App:
		return appView{v.T, *app, note}, nil
	}
	return appView{}, fmt.Errorf("%T is no app", app)
}

// link is raw when it is an http or https address, and empty otherwise: javascript: and its like never become a link.
func link(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" {
		return ""
	}
	return raw
}

// HomeLink is the app's own page, or empty. An unchecked app could give itself anybody's, and look like them.
func (a App) HomeLink() string {
	if a.Unchecked {
		return ""
	}
	return link(a.Home)
}

// Site is the host of the app's own page, or empty.
func (a App) Site() string {
	u, err := url.Parse(a.HomeLink())
	if err != nil {
		return ""
	}
	return u.Host
}

// PolicyLink is the app's privacy policy, or empty.
func (a App) PolicyLink() string { return link(a.Policy) }

// TermsLink is the app's terms of service, or empty.
func (a App) TermsLink() string { return link(a.Terms) }

// logo is the address that the page's headers allow the browser to load, or empty. The logo of an unchecked app is not
// loaded: it could be anybody's mark, and would tell the app's server who is looking.
func (a App) logo() string {
	if a.Unchecked {
		return ""
	}
	return a.Logo
}

// ShowsLogo tells whether the browser is allowed to load the logo.
func (a App) ShowsLogo() bool { return imageOrigin(a.logo()) != "" }

// WithoutLogo is for lists: their headers do not allow logos of many origins.
func (a App) WithoutLogo() App {
	a.Logo = ""
	return a
}

// Letter stands for the logo.
func (a App) Letter() string {
	r, _ := utf8.DecodeRuneInString(strings.TrimSpace(a.Display()))
	if r == utf8.RuneError {
		return "?"
	}
	return strings.ToUpper(string(r))
}
