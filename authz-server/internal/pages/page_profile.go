package pages

import (
	"slices"
	"strings"

	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/places"
)

// ProfilePage shows and changes what a person tells of themselves. Its fields have the names of
// OpenID claims, those of an address the names of its members (OIDC Core §5.1, §5.1.1).
type ProfilePage struct {
	Form
	Done          messages.Done
	Version       string            // what the person was shown
	Values        map[string]string // by field, as typed
	Stored        map[string]string // with messages.ProfileChanged: what was stored meanwhile, where it is something else
	PhoneVerified bool
}

func (p ProfilePage) layout(t *messages.Language) layout {
	l := accountLayout("account_profile", profileTab)
	l.form, l.changed = p.Form, make(map[string]string)
	for _, name := range slices.Concat(t.Profile.NameOrder, profileOrder) {
		l.fields = append(l.fields, label{name, t.Profile.Labels[name]})
	}
	for name, value := range p.Stored {
		l.changed[name] = t.Profile.Stored(inWords(t, name, value))
	}
	return l
}

// profileField is how a field of the profile is typed.
type profileField struct {
	kind         string                                           // of the input, or "area"; empty: a select
	choices      func(t *messages.Language) (list []places.Place) // of a select, the first is none
	called       func(t *messages.Language, value string) string  // what a value is called that is in no list; nil: as it is
	autocomplete string
}

var profileFields = map[string]profileField{
	"given_name":         {kind: "text", autocomplete: "given-name"},
	"family_name":        {kind: "text", autocomplete: "family-name"},
	"middle_name":        {kind: "text", autocomplete: "additional-name"},
	"nickname":           {kind: "text", autocomplete: "nickname"},
	"preferred_username": {kind: "text", autocomplete: "off"},
	"profile":            {kind: "url", autocomplete: "off"},
	"picture":            {kind: "url", autocomplete: "photo"},
	"website":            {kind: "url", autocomplete: "url"},
	"birthdate":          {kind: "text", autocomplete: "bday"},
	"zoneinfo":           {choices: zones, autocomplete: "off"},
	"locale":             {choices: locales, called: places.LocaleName, autocomplete: "language"},
	"phone_number":       {kind: "tel", autocomplete: "tel"},
	"locality":           {kind: "text", autocomplete: "address-level2"},
	"region":             {kind: "text", autocomplete: "address-level1"},
	"postal_code":        {kind: "text", autocomplete: "postal-code"},
	"country":            {choices: countries, autocomplete: "country"},
	"street_address":     {kind: "area", autocomplete: "street-address"},
	"formatted":          {kind: "area", autocomplete: "off"},
	"gender":             {choices: genders, autocomplete: "sex"},
}

// profileOrder is where the fields are on the page, after the chief parts of the name.
var profileOrder = []string{"middle_name", "nickname", "preferred_username", "birthdate", "gender", "locale",
	"zoneinfo", "phone_number",
	"formatted", "country", "region", "locality", "street_address", "postal_code", "profile", "picture", "website"}

func zones(t *messages.Language) []places.Place     { return withNone(t, places.In(t).Zones) }
func countries(t *messages.Language) []places.Place { return withNone(t, places.In(t).Countries) }
func locales(t *messages.Language) []places.Place   { return withNone(t, places.In(t).Locales) }

func withNone(t *messages.Language, list []places.Place) []places.Place {
	return append([]places.Place{{Label: t.Profile.NotGiven}}, list...)
}

// genders lists the values that OIDC Core §5.1 names, and one for everybody else.
func genders(t *messages.Language) (list []places.Place) {
	for _, value := range messages.Genders {
		list = append(list, places.Place{Value: value, Label: t.Profile.Genders[value]})
	}
	return list
}

// profileInput is a field as the template sees it.
type profileInput struct {
	field

	Stored  string // what somebody else stored meanwhile, in words; empty: nothing else
	Options []option
}

type option struct {
	places.Place
	Selected bool
}

// DescribedBy names the elements that explain the input.
func (in profileInput) DescribedBy() string {
	ids := in.field.DescribedBy()
	if in.Stored != "" {
		ids = strings.TrimSpace(ids + " " + in.Name + "-stored")
	}
	return ids
}

// Claim makes a field of the profile.
func (p ProfilePage) Claim(v view, name string) profileInput {
	f, value := profileFields[name], p.Values[name]
	in := profileInput{field: v.Input(f.kind, name, v.T.Profile.Labels[name], value, f.autocomplete,
		v.T.Profile.Hints[name])}
	if in.Problem != "" { // which says it better
		in.Hint = ""
	}
	in.Stored = v.changed[name]
	if f.choices != nil {
		in.Options = options(v.T, name, value)
	}
	return in
}

// options are the choices of a select with the chosen one, which is among them even if it is in no
// list.
func options(t *messages.Language, name, value string) []option {
	f := profileFields[name]
	list := f.choices(t)
	chosen := slices.IndexFunc(list, func(p places.Place) bool { return p.Value == value })
	if chosen < 0 {
		called := value
		if f.called != nil {
			called = f.called(t, value)
		}
		chosen = 1
		list = slices.Insert(list, chosen, places.Place{Value: value, Label: called})
	}
	all := make([]option, len(list))
	for i, p := range list {
		all[i] = option{p, i == chosen}
	}
	return all
}

// inWords is the value of a field as a person knows it.
func inWords(t *messages.Language, name, value string) string {
	if value == "" || profileFields[name].choices == nil {
		return value
	}
	for _, o := range options(t, name, value) {
		if o.Selected {
			value = o.Label
		}
	}
	return value
}
