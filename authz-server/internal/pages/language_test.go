package pages

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/messages"
)

func TestTheLanguageIsChosen(t *testing.T) {
	t.Parallel()
	p := newPages(t)
	now := p.cfg.Now()
	for _, test := range []struct {
		name, target, cookie, accept string
		app                          *wish
		want                         string
	}{
		{"nothing is said", "/", "", "", nil, "en"},
		{"the browser", "/", "", "fr-CA, ko-KR;q=0.8, en;q=0.5", nil, "ko"},
		{"the browser, quality first", "/", "", "ko;q=0.1, en-GB", nil, "en"},
		{"neither", "/", "", "fr, de", nil, "en"},
		{"nonsense", "/", "", strings.Repeat("x-;,", 10000), nil, "en"},
		{"a choice once made", "/", fmt.Sprintf("ko.%d", now.Unix()-1000), "en", nil, "ko"},
		{"a forged choice", "/", "ko", "en", nil, "en"},
		{"a forged language", "/", "<script>.1", "ko", nil, "ko"},
		{"the application", "/", "", "en", &wish{"fr ko en", now}, "ko"},
		{"the application, against an earlier choice", "/", fmt.Sprintf("en.%d", now.Unix()-1000), "en", &wish{"ko", now}, "ko"},
		{"a choice made since", "/", fmt.Sprintf("en.%d", now.Unix()-10), "ko", &wish{"ko", now.Add(-time.Minute)}, "en"},
		{"the application knows none of ours", "/", fmt.Sprintf("ko.%d", now.Unix()-1000), "en", &wish{"fr de", now}, "ko"},
		{"the query", "/?ui_locales=ko-KR", "", "en", nil, "ko"},
		{"a click", "/?lang=en&ui_locales=ko", fmt.Sprintf("ko.%d", now.Unix()-1000), "ko", &wish{"ko", now}, "en"},
		{"a click on nonsense", "/?lang=xx", "", "ko", nil, "ko"},
	} {
		r := httptest.NewRequest(http.MethodGet, test.target, nil)
		r.Header.Set("Accept-Language", test.accept)
		if test.cookie != "" {
			r.AddCookie(&http.Cookie{Name: languageCookie, Value: test.cookie})
		}
		if test.app != nil {
			r = WithLocales(r, test.app.wanted, test.app.since)
		}
		w := httptest.NewRecorder()
		p.Error(w, r, http.StatusBadRequest, "invalid_request", "")
		if !strings.Contains(w.Body.String(), `<html lang="`+test.want+`">`) || w.Header().Get("Content-Language") != test.want ||
			p.Language(r) != test.want {
			t.Errorf("%s: %s", test.name, w.Header().Get("Content-Language"))
		}
		if clicked := strings.Contains(test.target, "lang="+test.want); clicked != (len(w.Result().Cookies()) == 1) {
			t.Errorf("%s: cookies %v", test.name, w.Result().Cookies())
		}
	}
}

func TestLanguageLinksKeepToThePage(t *testing.T) {
	t.Parallel()
	w := render(newPages(t), "//evil.example/login?interaction=a%26b&lang=ko", LoginPage{})
	if !strings.Contains(w.Body.String(), `href="?interaction=a%26b&amp;lang=en"`) || strings.Contains(w.Body.String(), "evil.example") {
		t.Error(w.Body)
	}
}

func FuzzLanguage(f *testing.F) {
	p := newPages(f)
	f.Add("ko-KR", "en,ko;q=0.5", "ko.1", "lang=ko&ui_locales=en")
	f.Add("i-klingon x-y und", "*;q=0", "a.b.c", "%zz")
	f.Add(strings.Repeat("a-", 500), strings.Repeat(",", 5000), ".", "ui_locales=\xff")
	f.Fuzz(func(t *testing.T, ui, accept, cookie, query string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL.RawQuery = query
		r.Header["Accept-Language"] = []string{accept}
		r.Header["Cookie"] = []string{languageCookie + "=" + cookie}
		if tag := p.Language(r); messages.All.Tagged(tag) == nil {
			t.Errorf("%q", tag)
		}
		if tag := p.Language(WithLocales(r, ui, time.Time{})); messages.All.Tagged(tag) == nil {
			t.Errorf("%q", tag)
		}
	})
}
