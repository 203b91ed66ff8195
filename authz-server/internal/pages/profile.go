package pages

import (
	"strings"
)

// Profile is the data of the page "account_profile". Its fields have the names of OpenID claims, those of an address the
// names of its members (OIDC Core §5.1, §5.1.1).
type Profile struct {
	Form
	Done          Done
	Version       string            // what the person was shown
	Values        map[string]string // by field, as typed
	Stored        map[string]string // with ProfileChanged: what was stored meanwhile, where it is something else
	PhoneVerified bool
}

// The problems of a profile.
const (
	ProfileChanged  Problem = "profile_changed" // in another tab or browser meanwhile
	TextTooLong     Problem = "text_too_long"
	TextInvalid     Problem = "text_invalid"
	URLInvalid      Problem = "url_invalid"
	BirthdayInvalid Problem = "birthday_invalid"
	ZoneInvalid     Problem = "zone_invalid"
	LocaleInvalid   Problem = "locale_invalid"
	PhoneInvalid    Problem = "phone_invalid"
)

// profileField is how a field of the profile is typed.
type profileField struct {
	kind, autocomplete string
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
	"zoneinfo":           {kind: "select", autocomplete: "off"},
	"locale":             {kind: "select", autocomplete: "language"},
	"phone_number":       {kind: "tel", autocomplete: "tel"},
	"locality":           {kind: "text", autocomplete: "address-level2"},
	"region":             {kind: "text", autocomplete: "address-level1"},
	"postal_code":        {kind: "text", autocomplete: "postal-code"},
	"country":            {kind: "select", autocomplete: "country"},
	"street_address":     {kind: "area", autocomplete: "street-address"},
	"formatted":          {kind: "area", autocomplete: "off"},
	"gender":             {kind: "select", autocomplete: "sex"},
}

// profileOrder is where the fields are on the page, after the chief parts of the name.
var profileOrder = []string{"middle_name", "nickname", "preferred_username", "birthdate", "gender", "locale", "zoneinfo", "phone_number",
	"formatted", "country", "region", "locality", "street_address", "postal_code", "profile", "picture", "website"}

// profileInput is a field as the template sees it.
type profileInput struct {
	field

	Stored  string // what somebody else stored meanwhile, in words; empty: nothing else
	Options []option
}

type option struct {
	Value, Label string
	Selected     bool
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
func (v view) Claim(name string) profileInput {
	d, f := v.D.(Profile), profileFields[name] // one template calls it, with this data
	in := profileInput{field: v.Input(f.kind, name, v.T.Profile.Labels[name], d.Values[name], f.autocomplete, v.T.Profile.Hints[name])}
	if in.Problem != "" { // which says it better
		in.Hint = ""
	}
	if stored, ok := d.Stored[name]; ok {
		in.Stored = v.stored(name, stored)
	}
	if f.kind == "select" {
		in.Options = v.T.choices(name, in.Value)
	}
	return in
}

// stored says what somebody else stored in a field, in words.
func (v view) stored(name, value string) string {
	if profileFields[name].kind == "select" && value != "" {
		for _, o := range v.T.choices(name, value) {
			if o.Selected {
				value = o.Label
			}
		}
	}
	return v.T.Profile.Stored(value)
}

// genders are the values that OIDC Core §5.1 names, and one for everybody else.
var genders = []string{"female", "male", "other"}
