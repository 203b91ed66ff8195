package pages

import (
	"net/http"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/consent"
	"golang.org/x/net/html"
)

func TestAnAppThatNobodyCheckedIsCalledSo(t *testing.T) {
	t.Parallel()
	p := newPages(t)
	for _, page := range []Page{
		LoginPage{App: &uncheckedApp},
		SignupPage{App: &uncheckedApp},
		ConsentPage{Question: Question{App: uncheckedApp}},
		DevicePage{Question: Question{App: uncheckedApp}},
		ErrorReturnPage{App: uncheckedApp},
		AlreadyPage{App: uncheckedApp},
		LogoutPage{App: &uncheckedApp},
		LoggedOutPage{App: &uncheckedApp},
	} {
		name := templateOf(page)
		w := render(p, "/x", page)
		body := w.Body.String()
		if strings.Contains(body+w.Header().Get("Content-Security-Policy"), "cdn.example") || strings.Contains(body, "bank.example") {
			t.Errorf("%s shows a logo or links to a page that the app gave itself:\n%s", name, body)
		}
		for _, want := range []string{"<strong>tool.example</strong>", "<strong>back.example</strong>", english().AppUnchecked,
			english().AppKnown, english().AppOnDevice} {
			if !strings.Contains(body, want) {
				t.Errorf("%s lacks %q:\n%s", name, want, body)
			}
		}
		checkPage(t, name, []byte(body), "en")
	}
	if body := render(p, "/x", LoginPage{App: &testApp}).Body.String(); strings.Contains(body, english().AppUnchecked) {
		t.Error("an app that an operator registered is called unchecked")
	}
}

func TestLinksOfAppsAreWebAddresses(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]bool{
		"https://app.example/p": true, "http://localhost:8080/": true, "javascript:alert(1)": false, "data:text/html,x": false,
		"//app.example": false, "": false, "https://": false, "https://%zz": false,
	} {
		if got := link(raw) != ""; got != want {
			t.Errorf("%q: %v", raw, got)
		}
	}
	for raw, want := range map[string]string{
		"https://cdn.example/a.png": "https://cdn.example", "http://localhost:8080/l.svg": "http://localhost:8080",
		"https://[2001:db8::1]:8443/": "https://[2001:db8::1]:8443",
		"javascript:alert(1)":         "", "data:image/png;base64,xx": "", "https://a.example; script-src *": "", "https://a,b/": "",
		"https://u:p@a.example/": "https://a.example", "https://*/": "", "https://'self'/": "",
	} {
		if got := sourceOf(raw); got != want {
			t.Errorf("%q: %q, not %q", raw, got, want)
		}
	}
	app := App{ID: "app", Name: "\u202eevil", Logo: "javascript:alert(1)", Home: "javascript:alert(2)", Policy: "javascript:alert(3)",
		Terms: "data:text/html,x"}
	p := newPages(t)
	for _, page := range []Page{LoginPage{App: &app}, ConsentPage{Question: Question{App: app}}, LogoutPage{App: &app}} {
		if body := render(p, "/", page).Body.String(); strings.Contains(body, "javascript:") || strings.Contains(body, "data:text") {
			t.Errorf("%s:\n%s", templateOf(page), body)
		}
	}
}

func TestTheListOfAppsLeadsToThoseThatSomebodyVouchedFor(t *testing.T) {
	t.Parallel()
	p := newPages(t)
	known, unchecked := App{ID: "known", Home: "https://known.example/"}, App{ID: "https://x.example/c", Home: "https://bank.example/",
		Unchecked: true}
	body := render(p, "/account/apps", AppsPage{Apps: []AllowedApp{{App: known}, {App: unchecked}}}).Body.String()
	if !strings.Contains(body, `<h2><a href="https://known.example/" rel="noopener noreferrer">known</a></h2>`) ||
		strings.Contains(body, "bank.example") {
		t.Errorf("%s", body)
	}
}

func FuzzApp(f *testing.F) {
	p := newPages(f)
	f.Add("Bookshop", "https://cdn.example/logo.png", "https://app.example/", "openid")
	f.Add("<b>", "https://x;y", "javascript:alert(1)", "<i>")
	f.Add("\xff", "//x", "http://\x00", "")
	f.Fuzz(func(t *testing.T, name, logo, home, scope string) {
		app := App{ID: "x", Name: name, Logo: logo, Home: home, Policy: home, Terms: home}
		w := render(p, "/", ConsentPage{Question: Question{App: app, Choices: consent.Choices([]string{scope}, nil)}})
		if w.Code != http.StatusOK {
			t.Fatal(w.Body)
		}
		if csp := w.Header().Get("Content-Security-Policy"); strings.Count(csp, ";") != 4 || strings.ContainsAny(csp, ",\r\n") {
			t.Errorf("%q", csp)
		}
		doc, err := html.Parse(w.Body)
		if err != nil {
			t.Fatal(err)
		}
		for n := range doc.Descendants() {
			if n.Data == "script" || n.Data == "iframe" {
				t.Errorf("<%s>", n.Data)
			}
			for _, a := range n.Attr {
				if (a.Key == "href" || a.Key == "src") && strings.HasPrefix(strings.ToLower(strings.TrimSpace(a.Val)), "javascript:") ||
					strings.HasPrefix(a.Key, "on") {
					t.Errorf("%s=%q", a.Key, a.Val)
				}
			}
		}
	})
}
