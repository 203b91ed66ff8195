package pages

import (
	"net/http"
)

// CheckSession answers with the page that applications load in a hidden frame to ask whether the
// log-in has changed (OpenID Connect Session Management 1.0 §3.2). Every site may frame it, and no
// other page: it shows nothing and has nothing to click.
func (p *Pages) CheckSession(w http.ResponseWriter, _ *http.Request) {
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors *")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-cache")
	script := `<script src="` + p.scripts["check_session.js"] + `" data-cookie="` + p.cfg.Issuer.Cookie("maru-browser-state") + `"></script>`
	page := `<!doctype html><html lang="en"><meta charset="utf-8"><title>Session</title>` + script + "</html>\n"
	w.Write([]byte(page)) //nolint:errcheck // the client is gone
}
