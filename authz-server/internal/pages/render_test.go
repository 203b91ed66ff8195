package pages

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/mux"
	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/messages"
)

func TestEveryPageIsWholeInEveryLanguage(t *testing.T) {
	t.Parallel()
	p := newPages(t)
	tested := make(map[string]bool)
	for _, page := range everyPage() {
		name := templateOf(page)
		tested[name] = true
		for _, lang := range p.Languages() {
			w := render(p, "/x?lang="+lang, page)
			if w.Code != http.StatusOK {
				t.Errorf("%s in %s: %d %s", name, lang, w.Code, w.Body)
				continue
			}
			checkPage(t, name+" in "+lang, w.Body.Bytes(), lang)
		}
	}
	for page := range p.templates {
		if !tested[page] {
			t.Errorf("the page %s is not tested", page)
		}
	}
}

func TestEveryLinkFollowsTheIssuersPath(t *testing.T) {
	t.Parallel()
	at, err := issuer.Parse("https://example.com/id/")
	if err != nil {
		t.Fatal(err)
	}
	p, err := New(Config{Issuer: at})
	if err != nil {
		t.Fatal(err)
	}
	links := regexp.MustCompile(` (?:href|src|action|formaction|data-[a-z-]+)="(/[^"]*)"`)
	for _, page := range everyPage() {
		name := templateOf(page)
		found := links.FindAllStringSubmatch(render(p, "/x", page).Body.String(), -1)
		if len(found) < 2 { // style and icon
			t.Errorf("%s: %q", name, found)
		}
		for _, link := range found {
			if !strings.HasPrefix(link[1], "/id/") {
				t.Errorf("%s leads out of the issuer's path: %s", name, link[0])
			}
		}
	}
	router := mux.NewRouter()
	p.Routes(router)
	for _, link := range []string{p.css, p.mark.URL, p.scripts["check_session.js"]} {
		w := httptest.NewRecorder()
		at.Mount(router, http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest(http.MethodGet, link, nil))
		if w.Code != http.StatusOK {
			t.Errorf("%s: %d", link, w.Code)
		}
	}
	w := httptest.NewRecorder()
	p.CheckSession(w, httptest.NewRequest(http.MethodGet, "/oauth2/check_session", nil))
	if body := w.Body.String(); !strings.Contains(body, `src="/id/assets/`) ||
		!strings.Contains(body, `data-cookie="__Secure-maru-browser-state"`) {
		t.Error(body)
	}
	if cookie := render(p, "/login?lang=ko", LoginPage{}).Header().Get("Set-Cookie"); !strings.Contains(cookie, "; Path=/id;") ||
		!strings.Contains(cookie, "; Secure") {
		t.Error(cookie)
	}
}

// A refused form says so in its title and in a summary that leads to every wrong field, and the
// first of them has the focus.
func TestARefusedFormSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	p := newPages(t)
	for _, page := range everyPage() {
		form, name := page.layout(english()).form, templateOf(page)
		if len(form.Problems) == 0 {
			continue
		}
		for _, m := range messages.All.List() {
			body := render(p, "/x?lang="+m.Tag, page).Body.String()
			if !strings.Contains(body, "<title>"+m.ErrorPrefix) || !strings.Contains(body, `role="alert" id="problem"`) ||
				strings.Count(body, " autofocus") != 1 {
				t.Errorf("%s in %s:\n%s", name, m.Tag, body)
			}
			first := len(body)
			for field := range form.Problems {
				link := strings.Index(body, `<a href="#`+field+`">`)
				if field == "" {
					continue
				}
				tag := regexp.MustCompile(`<(input|select|textarea)[^>]* id="` + field + `"[^>]*>`).FindStringIndex(body)
				if link < 0 || tag == nil || !strings.Contains(body[tag[0]:tag[1]], `aria-invalid="true" aria-describedby="`+field+`-problem`) {
					t.Errorf("%s: the field %s: %v\n%s", name, field, tag, body)
					continue
				}
				first = min(first, tag[0])
			}
			focused := body[strings.Index(body, `id="problem"`):]
			if first < len(body) {
				focused = body[first:]
			}
			if focused, _, _ = strings.Cut(focused, ">"); !strings.Contains(focused, " autofocus") {
				t.Errorf("%s: the focus is elsewhere:\n%s", name, body)
			}
		}
	}
	if body := render(p, "/x", SignupPage{}).Body.String(); strings.Contains(body, `<title>`+english().ErrorPrefix) ||
		strings.Contains(body, `role="alert"`) {
		t.Error("a fresh form says that something is wrong")
	}
}

func TestLoggedOutFramesAreAllowedByThePolicy(t *testing.T) {
	t.Parallel()
	w := render(newPages(t), "/", LoggedOutPage{Frames: []string{"https://a.example/out", "https://b.example:8443/out",
		"javascript:alert(1)"}})
	if csp := w.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "; frame-src https://a.example https://b.example:8443;") {
		t.Error(csp)
	}
	if strings.Contains(w.Body.String(), "javascript:") {
		t.Error(w.Body)
	}
}

func TestAPageThatCannotBeMadeIsAnError(t *testing.T) {
	t.Parallel()
	p := newPages(t)
	var log bytes.Buffer
	p.cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
	for _, page := range []Page{brokenPage("no such page"), brokenPage("login")} {
		log.Reset()
		if w := render(p, "/", page); w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "<") || log.Len() == 0 {
			t.Errorf("%s: %d %s; log: %s", page, w.Code, w.Body, log.String())
		}
	}
}

// brokenPage has a template's name, and nothing of what the template shows.
type brokenPage string

func (p brokenPage) layout(*messages.Language) layout { return layout{template: string(p)} }

func TestTimesAreInThePersonsZoneIfItIsKnown(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 5, 1, 23, 30, 0, 0, time.UTC)
	sessions := SessionsPage{Sessions: []Session{{ID: "1", LoggedIn: at}}}
	for _, test := range []struct {
		zone      *time.Location
		lang      string
		has, note string
		not       string
	}{
		{nil, "en", `<time datetime="2026-05-01T23:30:00Z" data-local>May 1, 2026 at 11:30 PM UTC</time>`,
			` data-zone="Times are in the time zone {zone}." hidden></p>`, ""},
		{time.FixedZone("Asia/Seoul", 9*3600), "ko", `<time datetime="2026-05-01T23:30:00Z">2026년 5월 2일 오전 8:30</time>`,
			`>시각은 대한민국 (Asia/Seoul) 시간대 기준이에요.</p>`, "data-local"},
	} {
		sessions.Zone = test.zone
		body := render(newPages(t), "/?lang="+test.lang, sessions).Body.String()
		if !strings.Contains(body, test.has) || !strings.Contains(body, test.note) || test.not != "" && strings.Contains(body, test.not) {
			t.Errorf("%v: %s", test.zone, body)
		}
	}
	if body := render(newPages(t), "/", LoginPage{}).Body.String(); strings.Contains(body, "zone") {
		t.Errorf("a page without times names a zone: %s", body)
	}
}

func TestTheHistorySaysHowManyRecoveryCodesWereLeft(t *testing.T) {
	t.Parallel()
	events := []Event{{Kind: "recovery_code_used", Detail: "9"}, {Kind: "passkey_added", Detail: "7"}}
	body := render(newPages(t), "/x", SecurityPage{Events: events}).Body.String()
	for _, want := range []string{"recovery code: 9 recovery codes left</h3>", ": 7</h3>"} {
		if !strings.Contains(body, want) {
			t.Errorf("the history lacks %q:\n%s", want, body)
		}
	}
}

func TestAnErrorShowsItsCodeAndDetailButNothingElse(t *testing.T) {
	t.Parallel()
	p := newPages(t)
	w := httptest.NewRecorder()
	p.Error(w, httptest.NewRequest(http.MethodPost, "/oauth2/authorize", nil), http.StatusBadRequest, "invalid_request",
		"The redirect_uri <https://x.example> is not registered.")
	if body := w.Body.String(); w.Code != http.StatusBadRequest || !strings.Contains(body, "invalid_request") ||
		!strings.Contains(body, "The redirect_uri &lt;https://x.example&gt; is not registered.") {
		t.Error(w.Code, body)
	}
	w = httptest.NewRecorder()
	p.Error(w, httptest.NewRequest(http.MethodGet, "/", nil), http.StatusInternalServerError, "server_error", "")
	if body := w.Body.String(); !strings.Contains(body, "on our side") || strings.Contains(body, "Detail") {
		t.Error(body)
	}
}

// An error page says what happened in a person's words, and every one leads on.
func TestAnErrorPageFitsTheErrorAndLeadsOn(t *testing.T) {
	t.Parallel()
	p := newPages(t)
	for title, failure := range map[string]ErrorPage{
		"만료된 로그인이에요":     {Code: "invalid_request", Expired: true},
		"페이지를 찾을 수 없어요":  {Code: "not_found", NotFound: true},
		"요청을 처리하지 못했어요":  {Code: "invalid_request"},
		"일시적인 오류가 발생했어요": {Code: "server_error", ServerFault: true},
	} {
		body := render(p, "/?lang=ko", failure).Body.String()
		if !strings.Contains(body, title) || !strings.Contains(body, `<a class="button`) {
			t.Errorf("%s:\n%s", title, body)
		}
	}
}
