package pages

import (
	_ "embed"
	"slices"
	"strings"
	"sync"

	"golang.org/x/text/collate"
	"golang.org/x/text/language"
	"golang.org/x/text/language/display"
)

// zoneTable has a line for each time zone that people live in: the country's code in ISO 3166-1, and the zone's name. It is
// zone.tab of the IANA time zone database, which is in the public domain.
//
//go:embed zones.txt
var zoneTable string

// zoneCountries is the country of each zone.
var zoneCountries = sync.OnceValue(func() map[string]string {
	countries := make(map[string]string)
	for line := range strings.Lines(zoneTable) {
		country, zone, _ := strings.Cut(strings.TrimSpace(line), " ")
		countries[zone] = country
	}
	return countries
})

// ZoneCountry is the code in ISO 3166-1 of the country that a time zone is in; empty: of none, or not known.
func ZoneCountry(zone string) string { return zoneCountries()[zone] }

// CountryCode is the code in ISO 3166-1 of a country, which text names by its code, or in a language of the pages; empty: none.
func CountryCode(text string) string {
	return countryCodes()[strings.ToLower(strings.TrimSpace(text))]
}

var countryCodes = sync.OnceValue(func() map[string]string {
	codes := make(map[string]string)
	for _, country := range zoneCountries() {
		codes[strings.ToLower(country)] = country
		for _, t := range catalogue {
			codes[strings.ToLower(regionName(t, country))] = country
		}
	}
	return codes
})

// languages are what people can choose for apps to greet them in: those that most people speak, and forms of them that differ
// in writing.
var languages = strings.Fields(`ko en en-AU en-CA en-GB en-IN en-US af am ar az be bg bn bs ca cs cy da de de-AT de-CH el es es-419 es-MX et eu fa fi
	fil fr fr-CA ga gl gu he hi hr hu hy id is it ja ka kk km kn ky lo lt lv mk ml mn mr ms my nb ne nl pa pl pt-BR pt-PT ro ru si sk
	sl sq sr sv sw ta te th tr uk ur uz vi zh-Hans zh-Hant zu`)

func regionName(t *messages, country string) string {
	region, err := language.ParseRegion(country)
	if err != nil {
		return country
	}
	if name := display.Regions(language.Make(t.Tag)).Name(region); name != "" {
		return name
	}
	return country
}

// localeName is what a language is called, or its tag.
func localeName(t *messages, tag string) string {
	parsed, err := language.Parse(tag)
	if err != nil {
		return tag
	}
	name, own := display.Tags(language.Make(t.Tag)).Name(parsed), display.Self.Name(parsed)
	if base, script, _ := parsed.Raw(); name == "" && script != (language.Script{}) { // the tables lack one for zh-Hant
		in := language.Make(t.Tag)
		name = display.Languages(in).Name(base) + " (" + display.Scripts(in).Name(script) + ")"
	}
	switch {
	case name == "":
		return tag
	case own == "" || own == name:
		return name
	}
	return name + " – " + own
}

// places are the choices of the selects that are about places, each in the order of the language.
type places struct{ zones, countries, locales []option }

// placesIn makes them once for each language: naming and sorting some seven hundred places takes a while.
var placesIn = sync.OnceValue(func() map[string]places {
	all := make(map[string]places)
	for _, t := range catalogue {
		var p places
		seen := make(map[string]bool)
		for zone, country := range zoneCountries() {
			name := regionName(t, country)
			p.zones = append(p.zones, option{Value: zone, Label: name + " (" + zone + ")"})
			if !seen[country] {
				p.countries = append(p.countries, option{Value: country, Label: name})
			}
			seen[country] = true
		}
		for _, tag := range languages {
			p.locales = append(p.locales, option{Value: tag, Label: localeName(t, tag)})
		}
		order := collate.New(language.Make(t.Tag))
		for _, options := range [][]option{p.zones, p.countries, p.locales} {
			slices.SortFunc(options, func(a, b option) int { return order.CompareString(a.Label, b.Label) })
		}
		p.zones = append(p.zones, option{Value: "UTC", Label: "UTC"})
		all[t.Tag] = p
	}
	return all
})

// choices are the options of a select of the profile, the value among them even if it is none of ours.
func (t *messages) choices(field, value string) []option {
	var options []option
	label := value
	switch p := placesIn()[t.Tag]; field {
	case "zoneinfo":
		options = p.zones
	case "country":
		options = p.countries
	case "locale":
		options, label = p.locales, localeName(t, value)
	case "gender":
		for _, gender := range genders {
			options = append(options, option{Value: gender, Label: t.Profile.Genders[gender]})
		}
	}
	none := t.Profile.NotGiven
	if field == "gender" {
		none = t.Profile.Genders[""]
	}
	chosen := []option{{Label: none}}
	if value != "" && !slices.ContainsFunc(options, func(o option) bool { return o.Value == value }) {
		chosen = append(chosen, option{Value: value, Label: label})
	}
	chosen = append(chosen, options...)
	for i := range chosen {
		chosen[i].Selected = chosen[i].Value == value
	}
	return chosen
}
