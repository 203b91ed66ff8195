package places

import (
	"testing"
	"time"
	_ "time/tzdata"

	"golang.org/x/text/language"

	"github.com/maru-auth/maru/authz-server/internal/messages"
)

func TestPlacesExist(t *testing.T) {
	t.Parallel()
	for _, m := range messages.All.List() {
		p := In(m)
		if len(p.Zones) < 400 || len(p.Countries) < 240 {
			t.Errorf("%d zones, %d countries", len(p.Zones), len(p.Countries))
		}
		for _, zone := range p.Zones {
			if _, err := time.LoadLocation(zone.Value); err != nil {
				t.Error(err)
			}
		}
		for _, country := range p.Countries {
			if country.Label == country.Value {
				t.Errorf("%s has no name in %s", country.Value, m.Tag)
			}
			if got := CountryCode(country.Label); got != country.Value {
				t.Errorf("%s is %s", country.Label, got)
			}
		}
		for _, locale := range p.Locales {
			if tag, err := language.Parse(locale.Value); err != nil || tag.String() != locale.Value || locale.Label == locale.Value {
				t.Errorf("%+v: %v %v", locale, tag, err)
			}
		}
	}
}
