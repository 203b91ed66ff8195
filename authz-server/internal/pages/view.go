package pages

import (
	"fmt"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/brand"
	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/places"
)

// view is what a template sees.
type view struct {
	layout

	T         *messages.Language
	D         any
	CSS       []string
	Icon      mark
	Logo      logo
	Brand     brand.Brand
	Scripts   []string // links to the page's scripts
	issuer    issuer.URL
	RequestID string
	Languages []languageLink // empty: the page cannot be asked for again in another language
	times     *bool          // whether a template has shown a time; shared by all views of a page
}

// At is the link to a path of this server, such as /login. A query may follow it.
func (v view) At(path string) string { return v.issuer.Path(path) }

// Bar is the colour of the browser's own bar above the page.
func (v view) Bar(mode string) string {
	light, dark := v.Brand.Bars()
	if mode == "dark" {
		return dark.String()
	}
	return light.String()
}

// OwnIcon tells whether the product has an icon that is not Maru's.
func (v view) OwnIcon() bool { return v.Brand.Icon() != nil }

// Wide tells whether the page is one of the account's, or of the administration's.
func (v view) Wide() bool { return v.tab != noTab || v.admin }

// Tabs lead to the account's pages.
func (v view) Tabs() []tabLink { return tabs(v.T, v.tab) }

// moment is a time as a template shows it.
type moment struct {
	Exact, Text string
	Local       bool // the zone is not the person's: a script can do better
}

// Moment shows a time in the person's zone, if the page knows it, or else in UTC. The page then ends
// with what [view.TimeZone] says.
func (v view) Moment(at time.Time) moment {
	*v.times = true
	m := moment{Exact: at.UTC().Format(time.RFC3339), Text: v.T.Moment(at.UTC()) + " UTC", Local: true}
	if v.zone != nil {
		m.Text, m.Local = v.T.Moment(at.In(v.zone)), false
	}
	return m
}

// zoneNote says which zone the times of a page are in.
type zoneNote struct {
	Text  string
	Local bool // unknown here: the browser puts its own in place of {zone}
}

// TimeZone names the zone of the times that were shown above; nil: there were none. Times in UTC say
// so themselves, until the browser shows its own.
func (v view) TimeZone() *zoneNote {
	switch {
	case !*v.times:
		return nil
	case v.zone == nil:
		return &zoneNote{v.T.TimesIn("{zone}"), true}
	}
	name := v.zone.String()
	for _, one := range places.In(v.T).Zones {
		if one.Value == name {
			name = one.Label
		}
	}
	return &zoneNote{v.T.TimesIn(name), false}
}

// appView is what a template about an app sees.
type appView struct {
	T    *messages.Language
	App  App
	Note string // below the name; may be empty
}

// Card is an app (of type App or *App) for the templates "card", "origin" and "applinks": every
// page shows an app by them alone, so that none can leave out the warning.
func (v view) Card(app any, note string) (appView, error) {
	switch app := app.(type) {
	case App:
		return appView{v.T, app, note}, nil
	case *App:
		return appView{v.T, *app, note}, nil
	}
	return appView{}, fmt.Errorf("%T is no app", app)
}
