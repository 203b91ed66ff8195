package server

import (
	"net/http"

	"github.com/maru-auth/maru/authz-server/internal/adminpages/frame"
)

func upstreamRoutes(r *frame.Routes) { r.View("/admin/upstreams", showUpstreams) }

// GET /admin/upstreams
func showUpstreams(v *frame.Visit) error {
	words := v.T.Admin.Server.Upstreams
	found, err := v.Admin.ListUpstreams(v.R.Context(), v.Actor)
	if err != nil {
		return err
	}
	t := table{Columns: []string{words.Name, words.Provider, words.State, words.Redirect}, Empty: words.None}
	for _, one := range found.Items {
		state := cell{Text: words.On, Tag: "good"}
		if one.Disabled {
			state = cell{Text: words.Off, Tag: "bad"}
		}
		t.Rows = append(t.Rows, []cell{{Text: one.Name, Code: true, Under: one.Title},
			{Text: one.Issuer, Code: true, Under: one.Preset}, state, {Text: one.RedirectURI, Code: true}})
	}
	return tables(v, http.StatusOK, tablePage{Title: words.Title, Intro: []string{words.Intro}, Tables: []table{t}})
}
