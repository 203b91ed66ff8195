package pages

import (
	"slices"
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
	kind, autocomplete, inputMode string
	list                          []string // suggestions
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
	"birthdate":          {kind: "text", autocomplete: "bday", inputMode: "numeric"},
	"zoneinfo":           {kind: "text", autocomplete: "off", list: zones},
	"locale":             {kind: "text", autocomplete: "language", list: []string{"ko", "en", "ko-KR", "en-US", "en-GB", "ja", "zh-Hans", "zh-Hant", "de", "fr", "es"}},
	"phone_number":       {kind: "tel", autocomplete: "tel"},
	"locality":           {kind: "text", autocomplete: "address-level2"},
	"region":             {kind: "text", autocomplete: "address-level1"},
	"postal_code":        {kind: "text", autocomplete: "postal-code"},
	"country":            {kind: "text", autocomplete: "country-name"},
	"street_address":     {kind: "area", autocomplete: "street-address"},
	"formatted":          {kind: "area", autocomplete: "off"},
	"gender":             {kind: "select", autocomplete: "sex"},
}

// zones are suggestions: the time zones that most people live in.
var zones = []string{"Asia/Seoul", "Asia/Tokyo", "Asia/Shanghai", "Asia/Singapore", "Asia/Kolkata", "Asia/Dubai", "Australia/Sydney", "Pacific/Auckland",
	"Europe/London", "Europe/Paris", "Europe/Berlin", "Europe/Istanbul", "Africa/Lagos", "Africa/Cairo", "America/New_York", "America/Chicago",
	"America/Denver", "America/Los_Angeles", "America/Sao_Paulo", "America/Mexico_City", "Pacific/Honolulu", "UTC"}

// profileInput is a field as the template sees it.
type profileInput struct {
	field

	InputMode string
	List      []string
	Stored    string // what somebody else stored meanwhile, in words; empty: nothing else
	Options   []option
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
	in := profileInput{field: v.Input(f.kind, name, v.T.Profile.Labels[name], d.Values[name], f.autocomplete, v.T.Profile.Hints[name]), InputMode: f.inputMode, List: f.list}
	if in.Problem != "" { // which says it better
		in.Hint = ""
	}
	if stored, ok := d.Stored[name]; ok {
		in.Stored = v.T.Profile.Stored(stored)
	}
	if f.kind == "select" {
		values := append([]string{""}, genders...)
		if !slices.Contains(values, in.Value) {
			values = append(values, in.Value)
		}
		for _, value := range values {
			label, ok := v.T.Profile.Genders[value]
			if !ok {
				label = value
			}
			in.Options = append(in.Options, option{value, label, value == in.Value})
		}
	}
	return in
}

// genders are the values that OIDC Core §5.1 names, and one for everybody else.
var genders = []string{"female", "male", "other"}
