// Package mydata serves the page where people download all that the services keep about them. The
// services want a log-in of the last minutes for that: if it is older, the person goes to the
// issuer, and comes back (RFC 9470).
package mydata

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"

	"github.com/maru-auth/maru/client-demo/internal/backend"
	"github.com/maru-auth/maru/client-demo/internal/pages"
	"github.com/maru-auth/maru/client-demo/internal/site"
	"github.com/maru-auth/maru/internal/httpd"
)

// Handlers serve the page and the download. They are safe for concurrent use.
type Handlers struct {
	users  backend.Users
	boards backend.Boards
	log    *slog.Logger
}

// New makes the handlers.
func New(users backend.Users, boards backend.Boards, log *slog.Logger) *Handlers {
	return &Handlers{users, boards, log}
}

// The person comes back to the page, and not to the download, which would leave the issuer's page
// on the screen. What the page leads to from there is marked: it never leads to the issuer again.
const (
	path = "/data"
	mark = "confirmed"
)

// Page serves GET /data.
func (h *Handlers) Page(v *site.Visit) error {
	return v.Show(pages.Data{Confirmed: v.R.URL.Query().Has(mark)})
}

// Download serves GET /data/download.
func (h *Handlers) Download(v *site.Visit) error {
	user, err := h.users.Export(v.R.Context(), v.Token)
	var page backend.ExportPage
	if err == nil {
		page, err = h.boards.Export(v.R.Context(), v.Token, "")
	}
	if err != nil {
		return h.refused(v, err)
	}
	v.W.Header().Set("Content-Type", "application/json")
	v.W.Header().Set("Content-Disposition", `attachment; filename="maru-data.json"`)
	if err := h.write(v, user, page); err != nil {
		h.log.Warn("a download breaks off", "request", httpd.RequestID(v.R.Context()), "error", err)
		panic(http.ErrAbortHandler) // so that the browser does not take it for whole
	}
	return nil
}

// refused answers a download that a service refuses.
func (h *Handlers) refused(v *site.Visit, err error) error {
	var refused *backend.Error
	if errors.As(err, &refused) && refused.StepUp != nil {
		if v.R.URL.Query().Has(mark) { // the issuer let it pass, and the service does not
			return v.Show(pages.Data{Status: http.StatusForbidden, Notice: v.T("step_up_failed")})
		}
		return v.LogInBetter(refused.StepUp, path+"?"+mark)
	}
	notice, err := v.Notice(err)
	if err != nil {
		return err
	}
	return v.Show(pages.Data{Status: http.StatusServiceUnavailable, Notice: notice})
}

// write writes the document as its pages come, so that it needs little memory however long it is.
func (h *Handlers) write(v *site.Visit, user json.RawMessage, page backend.ExportPage) error {
	about, err := json.Marshal(struct {
		Service string `json:"service"`
		ID      string `json:"id"`
		Name    string `json:"name"`
	}{page.Service, page.ID, page.Name})
	if err != nil {
		return err
	}
	text := func(parts ...string) {
		for _, part := range parts {
			if err == nil {
				_, err = io.WriteString(v.W, part)
			}
		}
	}
	text(`{"user":`, string(user), `,"board":`, string(about[:len(about)-1]), `,"items":[`)
	for separator := "\n"; ; {
		for _, item := range page.Items {
			text(separator, string(item))
			separator = ",\n"
		}
		if err != nil || page.Next == "" {
			break
		}
		page, err = h.boards.Export(v.R.Context(), v.Token, page.Next)
	}
	text("]}}\n")
	return err
}
