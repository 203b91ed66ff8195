package pages

import (
	"testing"
	"time"
	_ "time/tzdata"

	"golang.org/x/text/language"
)

func TestPlacesExist(t *testing.T) {
	for _, m := range catalogue {
		p := placesIn()[m.Tag]
		if len(p.zones) < 400 || len(p.countries) < 240 {
			t.Errorf("%d zones, %d countries", len(p.zones), len(p.countries))
		}
		for _, zone := range p.zones {
			if _, err := time.LoadLocation(zone.Value); err != nil {
				t.Error(err)
			}
		}
		for _, country := range p.countries {
			if country.Label == country.Value {
				t.Errorf("%s has no name in %s", country.Value, m.Tag)
			}
			if got := CountryCode(country.Label); got != country.Value {
				t.Errorf("%s is %s", country.Label, got)
			}
		}
		for _, locale := range p.locales {
			if tag, err := language.Parse(locale.Value); err != nil || tag.String() != locale.Value || locale.Label == locale.Value {
				t.Errorf("%+v: %v %v", locale, tag, err)
			}
		}
	}
}
