// Package server has the pages about the server: the overview, and its keys, queues, event streams,
// limits, tokens for registration, settings and other providers.
package server

import (
	"embed"
	"net/http"

	"github.com/maru-auth/maru/authz-server/internal/adminpages/frame"
)

//go:embed templates/*.html
var templates embed.FS

// Room is the pages about the server.
var Room = frame.Room{Templates: templates, Routes: func(r *frame.Routes) {
	overviewRoutes(r)
	keyRoutes(r)
	queueRoutes(r)
	streamRoutes(r)
	throttleRoutes(r)
	tokenRoutes(r)
	settingRoutes(r)
	upstreamRoutes(r)
}}

func settingRoutes(r *frame.Routes) { r.View("/admin/settings", showSettings) }

// GET /admin/settings
func showSettings(v *frame.Visit) error {
	words := v.T.Admin.Server.Settings
	all, err := v.Admin.SettingsInForce(v.R.Context(), v.Actor)
	if err != nil {
		return err
	}
	t := table{Columns: []string{words.Name, words.Value}}
	for _, one := range all {
		value := cell{Text: one.Value, Code: true}
		switch {
		case one.Hidden && one.Set:
			value = cell{Text: words.Hidden}
		case !one.Set && one.Value == "":
			value = cell{Text: words.Unset}
		}
		t.Rows = append(t.Rows, []cell{{Text: one.Name, Code: true}, value})
	}
	return tables(v, http.StatusOK, tablePage{Title: words.Title, Intro: []string{words.Intro}, Tables: []table{t}})
}
