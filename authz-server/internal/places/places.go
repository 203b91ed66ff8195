// Package places knows the time zones, countries and languages that people choose from, and what
// they are called.
package places

import (
	_ "embed"
	"slices"
	"strings"
	"sync"

	"golang.org/x/text/collate"
	"golang.org/x/text/language"
	"golang.org/x/text/language/display"

	"github.com/maru-auth/maru/authz-server/internal/messages"
)

// zoneTable has a line for each time zone that people live in: the country's code in ISO 3166-1,
// and the zone's name. It is zone.tab of the IANA time zone database, which is in the public
// domain.
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

// ZoneCountry is the code in ISO 3166-1 of the country that a time zone is in; empty if there is
// none or the zone is unknown.
func ZoneCountry(zone string) string { return zoneCountries()[zone] }

// CountryCode is the code in ISO 3166-1 of the country that text names, by its code or in a
// language of the pages; empty if it names none.
func CountryCode(text string) string {
	return countryCodes()[strings.ToLower(strings.TrimSpace(text))]
}

var countryCodes = sync.OnceValue(func() map[string]string {
	codes := make(map[string]string)
	for _, country := range zoneCountries() {
		codes[strings.ToLower(country)] = country
		for _, t := range messages.All.List() {
			codes[strings.ToLower(regionName(t, country))] = country
		}
	}
	return codes
})

// languages are those that people can ask apps to use: the ones with most speakers, and variants
// that are written differently.
var languages = strings.Fields(`ko en en-AU en-CA en-GB en-IN en-US af am ar az be bg bn bs ca cs cy da de de-AT de-CH el es es-419 es-MX et eu fa fi
	fil fr fr-CA ga gl gu he hi hr hu hy id is it ja ka kk km kn ky lo lt lv mk ml mn mr ms my nb ne nl pa pl pt-BR pt-PT ro ru si sk
	sl sq sr sv sw ta te th tr uk ur uz vi zh-Hans zh-Hant zu`)

func regionName(t *messages.Language, country string) string {
	region, err := language.ParseRegion(country)
	if err != nil {
		return country
	}
	if name := display.Regions(language.Make(t.Tag)).Name(region); name != "" {
		return name
	}
	return country
}

// LocaleName is the name of a language in t, and in itself; or its tag.
func LocaleName(t *messages.Language, tag string) string {
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

// Place is a time zone, a country or a language. Value is its name in the IANA database, its code
// in ISO 3166-1 or its BCP 47 tag.
type Place struct{ Value, Label string }

// Places are the places that people choose from, each kind in the order of the language that the
// labels are in.
type Places struct{ Zones, Countries, Locales []Place }

var named sync.Map // *Places, by tag

// In returns the places, named in a language. They are made once for each: naming and sorting some
// seven hundred takes a while.
func In(t *messages.Language) *Places {
	if p, ok := named.Load(t.Tag); ok {
		return p.(*Places)
	}
	p := new(Places)
	seen := make(map[string]bool)
	for zone, country := range zoneCountries() {
		name := regionName(t, country)
		p.Zones = append(p.Zones, Place{zone, name + " (" + zone + ")"})
		if !seen[country] {
			p.Countries = append(p.Countries, Place{country, name})
		}
		seen[country] = true
	}
	for _, tag := range languages {
		p.Locales = append(p.Locales, Place{tag, LocaleName(t, tag)})
	}
	order := collate.New(language.Make(t.Tag))
	for _, places := range [][]Place{p.Zones, p.Countries, p.Locales} {
		slices.SortFunc(places, func(a, b Place) int { return order.CompareString(a.Label, b.Label) })
	}
	p.Zones = append(p.Zones, Place{"UTC", "UTC"})
	named.Store(t.Tag, p)
	return p
}
