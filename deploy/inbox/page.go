package inbox

import (
	_ "embed"
	"encoding/json"
	"html/template"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

//go:embed page.html
var pageSource string

var pages = template.Must(template.New("").Parse(pageSource))

// Handler serves the page for people at /, and the letters as JSON at /messages. Only requests that
// name this machine are answered, so that no site can read the inbox by a name that leads here (DNS
// rebinding).
func (i *Inbox) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { render(w, "list", i.all()) })
	mux.HandleFunc("GET /messages", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(i.all()) //nolint:errcheck // the client is gone
	})
	mux.HandleFunc("GET /mail/{id}", func(w http.ResponseWriter, r *http.Request) {
		m, ok := i.mail(r.PathValue("id"))
		if !ok {
			http.NotFound(w, r)
			return
		}
		render(w, "mail", m)
	})
	mux.HandleFunc("GET /mail/{id}/html", func(w http.ResponseWriter, r *http.Request) {
		m, ok := i.mail(r.PathValue("id"))
		if !ok {
			http.NotFound(w, r)
			return
		}
		header := w.Header()
		header.Set("Content-Type", "text/html; charset=utf-8")
		header.Set("Content-Security-Policy", "sandbox "+sandbox+"; default-src 'none'; style-src 'unsafe-inline'; img-src http: https: data:")
		w.Write([]byte(inNewTabs(m.HTML))) //nolint:errcheck // the client is gone
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if host != "localhost" && !net.ParseIP(strings.Trim(host, "[]")).IsLoopback() {
			http.Error(w, "the inbox answers at localhost alone", http.StatusMisdirectedRequest)
			return
		}
		header := w.Header()
		header.Set("Cache-Control", "no-store")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'")
		mux.ServeHTTP(w, r)
	})
}

// sandbox is what a letter may do: nothing but open its links in a new tab.
const sandbox = "allow-popups allow-popups-to-escape-sandbox"

// inNewTabs lets the links of a letter open outside the frame that it is in.
func inNewTabs(html string) string {
	const target = `<base target="_blank">`
	if before, after, ok := strings.Cut(html, "<head>"); ok {
		return before + "<head>" + target + after
	}
	return target + html
}

func render(w http.ResponseWriter, name string, data any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	pages.ExecuteTemplate(w, name, data) //nolint:errcheck // the client is gone
}

// ID is the letter's place in the address of its page.
func (m Mail) ID() string { return m.id }

// Sandbox is what the frame with the letter allows.
func (m Mail) Sandbox() string { return sandbox }

// run is a piece of text, which may be a link.
type run struct {
	Text string
	Link bool
}

var (
	linkPattern = regexp.MustCompile(`https?://[^\s<>"]*[^\s<>".,:;!?)]`)
	codePattern = regexp.MustCompile(`(?m)^\s*([0-9]{6})\s*$`)
)

// Runs is the letter's text with its links.
func (m Mail) Runs() (runs []run) {
	rest := 0
	for _, at := range linkPattern.FindAllStringIndex(m.Text, -1) {
		runs = append(runs, run{Text: m.Text[rest:at[0]]}, run{Text: m.Text[at[0]:at[1]], Link: true})
		rest = at[1]
	}
	return slices.DeleteFunc(append(runs, run{Text: m.Text[rest:]}), func(r run) bool { return r.Text == "" })
}
