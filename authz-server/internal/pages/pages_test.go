package pages

import (
	"bytes"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/mux"
	"golang.org/x/net/html"

	"github.com/maru-auth/maru/authz-server/internal/consent"
	"github.com/maru-auth/maru/authz-server/internal/issuer"
)

func newPages(t testing.TB) *Pages {
	t.Helper()
	p, err := New(Config{Now: func() time.Time { return time.Unix(1_790_000_000, 0) }})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var testApp = App{ID: "app", Name: "Bookshop", Logo: "https://cdn.example/logo.png", Home: "https://app.example/", Policy: "https://app.example/p", Terms: "https://app.example/t"}

var uncheckedApp = App{ID: "https://tool.example/client", Name: "Bookshop", Logo: "https://cdn.example/logo.png", Home: "https://bank.example/", Unchecked: true, Host: "tool.example", Return: "back.example", OnDevice: true}

func TestAnAppThatNobodyCheckedIsCalledSo(t *testing.T) {
	p := newPages(t)
	for page, data := range map[string]any{
		"login": Login{App: &uncheckedApp}, "signup": Signup{App: &uncheckedApp}, "consent": Consent{Question: Question{App: uncheckedApp}}, "device_confirm": DeviceConfirm{Question: Question{App: uncheckedApp}},
		"error_return": Returning{App: uncheckedApp}, "already": Already{App: uncheckedApp}, "logout": Logout{App: &uncheckedApp}, "logged_out": LoggedOut{App: &uncheckedApp},
	} {
		w := render(p, "/x", page, data, nil)
		body := w.Body.String()
		if strings.Contains(body+w.Header().Get("Content-Security-Policy"), "cdn.example") || strings.Contains(body, "bank.example") {
			t.Errorf("%s shows a logo or links to a page that the app gave itself:\n%s", page, body)
		}
		for _, want := range []string{"<strong>tool.example</strong>", "<strong>back.example</strong>", english.AppUnchecked, english.AppKnown, english.AppOnDevice} {
			if !strings.Contains(body, want) {
				t.Errorf("%s lacks %q:\n%s", page, want, body)
			}
		}
		checkPage(t, page, []byte(body), "en")
	}
	if body := render(p, "/x", "login", Login{App: &testApp}, nil).Body.String(); strings.Contains(body, english.AppUnchecked) {
		t.Error("an app that an operator registered is called unchecked")
	}
}

// everyPage is each page with everything that can be on it.
func everyPage() map[string]any {
	problems := func(fields ...string) Form {
		f := Form{Problems: map[string]Problem{"": TooManyTries}, Wait: 90 * time.Second}
		for _, field := range fields {
			f.Problems[field] = PasswordCommon
		}
		return f
	}
	question := func() Question {
		choices := consent.Choices([]string{"openid", "email", "x:y"}, []string{"x:y"})
		return Question{Form: problems(), Session: "sid", App: testApp, Email: "mina@example.org", Choices: choices}
	}
	return map[string]any{
		"login":            Login{Form: problems("email", "password"), Interaction: "handle", App: &testApp, Email: "mina@example.org"},
		"signup":           Signup{Form: problems("name", "email", "password"), Interaction: "handle", App: &testApp, Email: "mina@example.org", Name: "Mina"},
		"consent":          Consent{Question: question(), Interaction: "handle"},
		"account":          Account{Form: problems("name"), Done: NameChanged, Name: "Mina", Email: "mina@example.org"},
		"account_password": Password{Form: problems("password", "new_password"), Email: "mina@example.org"},
		"account_profile":  Profile{Form: problems("birthdate", "gender", "street_address"), Done: ProfileSaved, Version: "v", Values: map[string]string{"given_name": "Mina", "gender": "else", "formatted": "x"}, Stored: map[string]string{"gender": "", "country": "KR"}, PhoneVerified: true},
		"account_sessions": Sessions{Done: OthersEnded, Sessions: []Session{{ID: "1", Current: true, Browser: "Firefox", System: "Linux", Address: "192.0.2.1"}, {ID: "2", LoggedIn: time.Unix(1_790_000_000, 0), Seen: 3 * time.Hour}}},
		"account_apps":     Apps{Done: AppWithdrawn, Apps: []AllowedApp{{App: testApp, Words: []string{"email"}, Since: 48 * time.Hour}, {App: App{ID: "gone"}}}},
		"logout":           Logout{Action: "/oauth2/logout", Hidden: url.Values{"state": {"s"}}, App: &testApp, Email: "mina@example.org"},
		"device":           Device{Form: problems("user_code"), UserCode: "WDJB-MJHT", Email: "mina@example.org"},
		"device_confirm":   DeviceConfirm{Question: question(), UserCode: "WDJB-MJHT", Address: "192.0.2.1", System: "Linux", Asked: time.Minute},
		"device_done":      DeviceDone{App: testApp, Allowed: true},
		"logged_out":       LoggedOut{Frames: []string{"https://app.example/frontchannel?sid=1"}, Next: "https://app.example/"},
		"form_post":        FormPost{Action: "https://app.example/cb", Fields: url.Values{"code": {"c"}, "state": {"s"}}},
		"cannot_log_out":   Failure{Code: "invalid_request", Detail: "The id_token_hint is not ours."},
		"error_return":     Returning{Failure: Failure{Code: "invalid_scope", Detail: "The scope is not registered."}, App: testApp, To: "com.example.app:/cb?error=invalid_scope"},
		"already":          Already{App: testApp, To: "/x"},
		"error":            Failure{Code: "invalid_request", Detail: "The redirect_uri is not registered."},
	}
}

func render(p *Pages, target, page string, data any, header http.Header) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	for name, values := range header {
		r.Header[name] = values
	}
	w := httptest.NewRecorder()
	p.Render(w, r, http.StatusOK, page, data)
	return w
}

func TestEveryPageIsWholeInEveryLanguage(t *testing.T) {
	p := newPages(t)
	for page, data := range everyPage() {
		for _, lang := range Languages() {
			w := render(p, "/x?lang="+lang, page, data, nil)
			if w.Code != http.StatusOK {
				t.Errorf("%s in %s: %d %s", page, lang, w.Code, w.Body)
				continue
			}
			checkPage(t, page+" in "+lang, w.Body.Bytes(), lang)
		}
	}
	for page := range p.templates {
		if _, ok := everyPage()[page]; !ok {
			t.Errorf("the page %s is not tested", page)
		}
	}
}

func TestEveryLinkFollowsTheIssuersPath(t *testing.T) {
	at, err := issuer.Parse("https://example.com/id/")
	if err != nil {
		t.Fatal(err)
	}
	p, err := New(Config{Issuer: at})
	if err != nil {
		t.Fatal(err)
	}
	links := regexp.MustCompile(` (?:href|src|action|formaction|data-[a-z-]+)="(/[^"]*)"`)
	for page, data := range everyPage() {
		if page == "logout" { // its form goes where the endpoint says
			data = Logout{Action: at.Path("/oauth2/logout")}
		}
		if page == "already" {
			data = Already{App: testApp, To: at.Path("/x")}
		}
		found := links.FindAllStringSubmatch(render(p, "/x", page, data, nil).Body.String(), -1)
		if len(found) < 2 { // style and icon
			t.Errorf("%s: %q", page, found)
		}
		for _, link := range found {
			if !strings.HasPrefix(link[1], "/id/") {
				t.Errorf("%s leads out of the issuer's path: %s", page, link[0])
			}
		}
	}
	router := mux.NewRouter()
	p.Routes(router)
	for _, link := range []string{p.css, p.icon, p.scripts["check_session.js"]} {
		w := httptest.NewRecorder()
		at.Mount(router, http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest(http.MethodGet, link, nil))
		if w.Code != http.StatusOK {
			t.Errorf("%s: %d", link, w.Code)
		}
	}
	w := httptest.NewRecorder()
	p.CheckSession(w, httptest.NewRequest(http.MethodGet, "/oauth2/check_session", nil))
	if body := w.Body.String(); !strings.Contains(body, `src="/id/assets/`) || !strings.Contains(body, `data-cookie="__Secure-maru-browser-state"`) {
		t.Error(body)
	}
	if cookie := render(p, "/login?lang=ko", "login", Login{}, nil).Header().Get("Set-Cookie"); !strings.Contains(cookie, "; Path=/id;") || !strings.Contains(cookie, "; Secure") {
		t.Error(cookie)
	}
}

// A refused form says so in its title and in a summary that leads to every wrong field, and the first of them has the focus.
func TestARefusedFormSaysWhatIsWrong(t *testing.T) {
	p := newPages(t)
	for page, data := range everyPage() {
		with, ok := data.(interface{ form() Form })
		if !ok {
			continue
		}
		for _, m := range catalogue {
			body := render(p, "/x?lang="+m.Tag, page, data, nil).Body.String()
			if !strings.Contains(body, "<title>"+m.ErrorPrefix) || !strings.Contains(body, `role="alert" id="problem"`) || strings.Count(body, " autofocus") != 1 {
				t.Errorf("%s in %s:\n%s", page, m.Tag, body)
			}
			first := len(body)
			for field := range with.form().Problems {
				link := strings.Index(body, `<a href="#`+field+`">`)
				if field == "" {
					continue
				}
				tag := regexp.MustCompile(`<(input|select|textarea)[^>]* id="` + field + `"[^>]*>`).FindStringIndex(body)
				if link < 0 || tag == nil || !strings.Contains(body[tag[0]:tag[1]], `aria-invalid="true" aria-describedby="`+field+`-problem`) {
					t.Errorf("%s: the field %s: %v\n%s", page, field, tag, body)
					continue
				}
				first = min(first, tag[0])
			}
			focused := body[strings.Index(body, `id="problem"`):]
			if first < len(body) {
				focused = body[first:]
			}
			if focused, _, _ = strings.Cut(focused, ">"); !strings.Contains(focused, " autofocus") {
				t.Errorf("%s: the focus is elsewhere:\n%s", page, body)
			}
		}
	}
	if body := render(p, "/x", "signup", Signup{}, nil).Body.String(); strings.Contains(body, `<title>`+english.ErrorPrefix) || strings.Contains(body, `role="alert"`) {
		t.Error("a fresh form says that something is wrong")
	}
}

// checkPage holds a page to what makes it usable without seeing it: one h1, a title, a label for each input, references that
// lead somewhere; and to what our Content-Security-Policy lets through.
func checkPage(t *testing.T, name string, body []byte, lang string) {
	t.Helper()
	doc, err := html.Parse(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	count := make(map[string]int)
	ids := make(map[string]bool)
	labels := make(map[string]bool)
	var inputs, references []string
	var walk func(n *html.Node, inLabel bool)
	walk = func(n *html.Node, inLabel bool) {
		if n.Type == html.ElementNode {
			count[n.Data]++
			at := make(map[string]string)
			for _, a := range n.Attr {
				at[a.Key] = a.Val
				if a.Key == "style" || strings.HasPrefix(a.Key, "on") {
					t.Errorf("%s: <%s %s>: our own policy forbids it", name, n.Data, a.Key)
				}
			}
			if id := at["id"]; id != "" {
				if ids[id] {
					t.Errorf("%s: the id %s is there twice", name, id)
				}
				ids[id] = true
			}
			references = append(references, strings.Fields(at["aria-describedby"]+" "+at["aria-labelledby"])...)
			switch n.Data {
			case "html":
				if at["lang"] != lang {
					t.Errorf("%s: lang=%q", name, at["lang"])
				}
			case "label":
				inLabel = true
				labels[at["for"]] = true
			case "input", "select", "textarea":
				_, hidden := at["hidden"]
				if at["type"] != "hidden" && !hidden && !inLabel {
					inputs = append(inputs, at["id"])
					if at["id"] != at["name"] || at["autocomplete"] == "" {
						t.Errorf("%s: input id=%q name=%q autocomplete=%q", name, at["id"], at["name"], at["autocomplete"])
					}
				}
				if at["type"] == "password" && at["value"] != "" {
					t.Errorf("%s: a password is in the page", name)
				}
			case "img":
				if _, ok := at["alt"]; !ok {
					t.Errorf("%s: an image without alt", name)
				}
			case "script":
				if at["src"] == "" || n.FirstChild != nil {
					t.Errorf("%s: has a script in the page itself", name)
				}
			case "style":
				t.Errorf("%s: has <%s>", name, n.Data)
			}
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c, inLabel)
		}
	}
	walk(doc, false)
	if count["h1"] != 1 || count["title"] != 1 || count["main"] != 1 {
		t.Errorf("%s: %d h1, %d title, %d main", name, count["h1"], count["title"], count["main"])
	}
	for _, id := range inputs {
		if !labels[id] {
			t.Errorf("%s: the input %s has no label", name, id)
		}
	}
	for _, id := range references {
		if !ids[id] {
			t.Errorf("%s: nothing has the id %s", name, id)
		}
	}
	if strings.Contains(string(body), "%!") || strings.Contains(string(body), "ZgotmplZ") {
		t.Errorf("%s:\n%s", name, body)
	}
}

// A forgotten translation is an empty field or a missing entry.
func TestNothingIsLeftUntranslated(t *testing.T) {
	for _, m := range catalogue {
		v := reflect.ValueOf(*m)
		for i := range v.NumField() {
			if v.Field(i).IsZero() {
				t.Errorf("%s lacks %s", m.Tag, v.Type().Field(i).Name)
			}
		}
		for _, p := range Problems {
			if m.Problem(p, time.Minute) == "" {
				t.Errorf("%s lacks the problem %s", m.Tag, p)
			}
		}
		for name := range profileFields {
			if m.Profile.Labels[name] == "" || (m.Profile.Hints[name] == "") != (english.Profile.Hints[name] == "") {
				t.Errorf("%s lacks a text of the profile's %s", m.Tag, name)
			}
		}
		for profile, i := reflect.ValueOf(m.Profile), 0; i < profile.NumField(); i++ {
			if profile.Field(i).IsZero() {
				t.Errorf("%s lacks the profile's %s", m.Tag, profile.Type().Field(i).Name)
			}
		}
		for _, claims := range consent.ScopeClaims {
			for _, claim := range claims {
				if claim = strings.TrimSuffix(claim, "_verified"); m.Profile.Claims[claim] == "" || m.Scope(consent.Prefix+claim) != m.Profile.Claims[claim] {
					t.Errorf("%s lacks what it means to see the claim %s", m.Tag, claim)
				}
			}
		}
		for _, gender := range append([]string{""}, genders...) {
			if m.Profile.Genders[gender] == "" {
				t.Errorf("%s lacks the gender %q", m.Tag, gender)
			}
		}
		for _, d := range Dones {
			if m.Done[d] == "" {
				t.Errorf("%s lacks what is done: %s", m.Tag, d)
			}
		}
		for scope := range english.Scopes {
			if m.Scopes[scope] == "" {
				t.Errorf("%s lacks the scope %s", m.Tag, scope)
			}
		}
		for _, n := range []int{len(m.Problems) - len(english.Problems), len(m.Scopes) - len(english.Scopes), len(m.Done) - len(Dones)} {
			if n != 0 {
				t.Errorf("%s has texts that others lack", m.Tag)
			}
		}
	}
	for _, d := range []time.Duration{0, time.Second, 59 * time.Minute, time.Hour, 25 * time.Hour, -time.Hour} {
		for _, text := range []string{english.Seen(d), korean.Seen(d), english.Connected(d), korean.Connected(d)} {
			if text == "" || strings.Contains(text, "-") || strings.Contains(text, "%!") {
				t.Errorf("%s: %q", d, text)
			}
		}
	}
	if got := english.TooManyTries(14*time.Minute + time.Second); !strings.Contains(got, "15 minutes") {
		t.Error(got)
	}
	if got := english.TooManyTries(time.Second); !strings.Contains(got, "1 minute.") {
		t.Error(got)
	}
}

// Korean is in one tone (해요체): nothing ends as a notice or a report does.
func TestKoreanIsInOneTone(t *testing.T) {
	wrong := regexp.MustCompile(`(니다|니까|십시오|하시오|시길|한다|된다|없다|있다)([.?!… ]|$)`)
	var walk func(where string, v reflect.Value)
	check := func(where, text string) {
		if wrong.MatchString(text) {
			t.Errorf("%s: %s", where, text)
		}
	}
	walk = func(where string, v reflect.Value) {
		switch v.Kind() {
		case reflect.String:
			check(where, v.String())
		case reflect.Struct:
			for i := range v.NumField() {
				walk(where+"."+v.Type().Field(i).Name, v.Field(i))
			}
		case reflect.Map:
			for _, key := range v.MapKeys() {
				walk(where+"."+key.String(), v.MapIndex(key))
			}
		case reflect.Func:
			var in []reflect.Value
			for i := range v.Type().NumIn() {
				in = append(in, reflect.New(v.Type().In(i)).Elem())
			}
			check(where, v.Call(in)[0].String())
		}
	}
	walk("korean", reflect.ValueOf(korean))
	if got := korean.TooManyLogins(time.Minute); got != "로그인 시도 횟수를 초과했어요. 1분 뒤에 다시 시도해 주세요." {
		t.Error(got)
	}
}

func TestTheLanguageIsChosen(t *testing.T) {
	p := newPages(t)
	now := p.cfg.Now()
	for _, test := range []struct {
		name, target, cookie, accept string
		wish                         *locales
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
		{"the application", "/", "", "en", &locales{"fr ko en", now}, "ko"},
		{"the application, against an earlier choice", "/", fmt.Sprintf("en.%d", now.Unix()-1000), "en", &locales{"ko", now}, "ko"},
		{"a choice made since", "/", fmt.Sprintf("en.%d", now.Unix()-10), "ko", &locales{"ko", now.Add(-time.Minute)}, "en"},
		{"the application knows none of ours", "/", fmt.Sprintf("ko.%d", now.Unix()-1000), "en", &locales{"fr de", now}, "ko"},
		{"the query", "/?ui_locales=ko-KR", "", "en", nil, "ko"},
		{"a click", "/?lang=en&ui_locales=ko", fmt.Sprintf("ko.%d", now.Unix()-1000), "ko", &locales{"ko", now}, "en"},
		{"a click on nonsense", "/?lang=xx", "", "ko", nil, "ko"},
	} {
		r := httptest.NewRequest(http.MethodGet, test.target, nil)
		r.Header.Set("Accept-Language", test.accept)
		if test.cookie != "" {
			r.AddCookie(&http.Cookie{Name: languageCookie, Value: test.cookie})
		}
		if test.wish != nil {
			r = WithLocales(r, test.wish.wanted, test.wish.since)
		}
		w := httptest.NewRecorder()
		p.Error(w, r, http.StatusBadRequest, "invalid_request", "")
		if !strings.Contains(w.Body.String(), `<html lang="`+test.want+`">`) || w.Header().Get("Content-Language") != test.want || p.Language(r) != test.want {
			t.Errorf("%s: %s", test.name, w.Header().Get("Content-Language"))
		}
		if clicked := strings.Contains(test.target, "lang="+test.want); clicked != (len(w.Result().Cookies()) == 1) {
			t.Errorf("%s: cookies %v", test.name, w.Result().Cookies())
		}
	}
}

func TestLanguageLinksKeepToThePage(t *testing.T) {
	w := render(newPages(t), "//evil.example/login?interaction=a%26b&lang=ko", "login", Login{}, nil)
	if !strings.Contains(w.Body.String(), `href="?interaction=a%26b&amp;lang=en"`) || strings.Contains(w.Body.String(), "evil.example") {
		t.Error(w.Body)
	}
}

func TestAnErrorShowsItsCodeAndDetailButNothingElse(t *testing.T) {
	p := newPages(t)
	w := httptest.NewRecorder()
	p.Error(w, httptest.NewRequest(http.MethodPost, "/oauth2/authorize", nil), http.StatusBadRequest, "invalid_request", "The redirect_uri <https://x.example> is not registered.")
	if body := w.Body.String(); w.Code != http.StatusBadRequest || !strings.Contains(body, "invalid_request") || !strings.Contains(body, "The redirect_uri &lt;https://x.example&gt; is not registered.") {
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
	p := newPages(t)
	for title, failure := range map[string]Failure{
		"만료된 로그인이에요": {Code: "invalid_request", Expired: true}, "페이지를 찾을 수 없어요": {Code: "not_found"},
		"요청을 처리하지 못했어요": {Code: "invalid_request"}, "일시적인 오류가 발생했어요": {Code: "server_error", ServerFault: true},
	} {
		body := render(p, "/?lang=ko", "error", failure, nil).Body.String()
		if !strings.Contains(body, title) || !strings.Contains(body, `<a class="button`) {
			t.Errorf("%s:\n%s", title, body)
		}
	}
}

func TestLinksOfAppsAreWebAddresses(t *testing.T) {
	for raw, want := range map[string]bool{
		"https://app.example/p": true, "http://localhost:8080/": true, "javascript:alert(1)": false, "data:text/html,x": false, "//app.example": false, "": false, "https://": false, "https://%zz": false,
	} {
		if got := link(raw) != ""; got != want {
			t.Errorf("%q: %v", raw, got)
		}
	}
	for raw, want := range map[string]string{
		"https://cdn.example/a.png": "https://cdn.example", "http://localhost:8080/l.svg": "http://localhost:8080", "https://[2001:db8::1]:8443/": "https://[2001:db8::1]:8443",
		"javascript:alert(1)": "", "data:image/png;base64,xx": "", "https://a.example; script-src *": "", "https://a,b/": "", "https://u:p@a.example/": "https://a.example", "https://*/": "", "https://'self'/": "",
	} {
		if got := imageOrigin(raw); got != want {
			t.Errorf("%q: %q, not %q", raw, got, want)
		}
	}
	app := App{ID: "app", Name: "\u202eevil", Logo: "javascript:alert(1)", Home: "javascript:alert(2)", Policy: "javascript:alert(3)", Terms: "data:text/html,x"}
	p := newPages(t)
	for page, data := range map[string]any{"login": Login{App: &app}, "consent": Consent{Question: Question{App: app}}, "logout": Logout{App: &app}} {
		if body := render(p, "/", page, data, nil).Body.String(); strings.Contains(body, "javascript:") || strings.Contains(body, "data:text") {
			t.Errorf("%s:\n%s", page, body)
		}
	}
}

func TestTheListOfAppsLeadsToThoseThatSomebodyVouchedFor(t *testing.T) {
	p := newPages(t)
	known, unchecked := App{ID: "known", Home: "https://known.example/"}, App{ID: "https://x.example/c", Home: "https://bank.example/", Unchecked: true}
	body := render(p, "/account/apps", "account_apps", Apps{Apps: []AllowedApp{{App: known}, {App: unchecked}}}, nil).Body.String()
	if !strings.Contains(body, `<h2><a href="https://known.example/" rel="noopener noreferrer">known</a></h2>`) || strings.Contains(body, "bank.example") {
		t.Errorf("%s", body)
	}
}

func TestLoggedOutFramesAreAllowedByThePolicy(t *testing.T) {
	w := render(newPages(t), "/", "logged_out", LoggedOut{Frames: []string{"https://a.example/out", "https://b.example:8443/out", "javascript:alert(1)"}}, nil)
	if csp := w.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "; frame-src https://a.example https://b.example:8443;") {
		t.Error(csp)
	}
	if strings.Contains(w.Body.String(), "javascript:") {
		t.Error(w.Body)
	}
}

func TestAssetsAreCachedForEverUnderTheNameOfTheirContent(t *testing.T) {
	p := newPages(t)
	router := mux.NewRouter()
	p.Routes(router)
	get := func(path string, header ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		router.ServeHTTP(w, r)
		return w
	}
	for path, kind := range map[string]string{p.css: "text/css; charset=utf-8", p.icon: "image/svg+xml"} {
		w := get(path)
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != kind || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") || w.Body.Len() == 0 {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
		if !strings.Contains(render(p, "/", "login", Login{}, nil).Body.String(), path) {
			t.Errorf("no page uses %s", path)
		}
	}
	for _, path := range []string{"/assets/maru.css", "/assets/", "/assets/layout.html", "/assets/x"} {
		if w := get(path); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

func TestAPageThatCannotBeMadeIsAnError(t *testing.T) {
	p := newPages(t)
	var log bytes.Buffer
	p.cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
	for _, page := range []string{"no such page", "login"} {
		log.Reset()
		if w := render(p, "/", page, 42, nil); w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "<") || log.Len() == 0 {
			t.Errorf("%s: %d %s; log: %s", page, w.Code, w.Body, log.String())
		}
	}
}

// A browser's own bar has the colour of the page, and icons are where browsers look for them.
func TestBrowsersFindIconsAndColours(t *testing.T) {
	p := newPages(t)
	css, err := files.ReadFile("assets/maru.css")
	if err != nil {
		t.Fatal(err)
	}
	body := render(p, "/", "login", Login{}, nil).Body.String()
	light, dark, _ := strings.Cut(string(css), "@media (prefers-color-scheme: dark)")
	for scheme, text := range map[string]string{"light": light, "dark": dark} {
		ground := regexp.MustCompile(`--ground: (#[0-9a-f]{6});`).FindStringSubmatch(text)
		if !strings.Contains(body, `<meta name="theme-color" content="`+ground[1]+`" media="(prefers-color-scheme: `+scheme+`)">`) {
			t.Errorf("no bar of %s in the %s scheme", ground[1], scheme)
		}
	}
	router := mux.NewRouter()
	p.Routes(router)
	for path, begin := range map[string]string{"/favicon.ico": "\x00\x00\x01\x00", "/apple-touch-icon.png": "\x89PNG"} {
		w := httptest.NewRecorder()
		router.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != http.StatusOK || !strings.HasPrefix(w.Body.String(), begin) || !strings.HasPrefix(w.Header().Get("Content-Type"), "image/") || !strings.Contains(body, `href="`+path+`"`) {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
	}
}

func TestTimesAreInThePersonsZoneIfItIsKnown(t *testing.T) {
	at := time.Date(2026, 5, 1, 23, 30, 0, 0, time.UTC)
	sessions := Sessions{Sessions: []Session{{ID: "1", LoggedIn: at}}}
	for _, test := range []struct {
		zone     *time.Location
		lang     string
		has, not string
	}{
		{nil, "en", `<time datetime="2026-05-01T23:30:00Z" data-local>May 1, 2026 at 11:30 PM UTC</time>`, ""},
		{time.FixedZone("KST", 9*3600), "ko", `<time datetime="2026-05-01T23:30:00Z">2026년 5월 2일 오전 8:30</time>`, "data-local"},
	} {
		sessions.Zone = test.zone
		body := render(newPages(t), "/?lang="+test.lang, "account_sessions", sessions, nil).Body.String()
		if !strings.Contains(body, test.has) || test.not != "" && strings.Contains(body, test.not) {
			t.Errorf("%v: %s", test.zone, body)
		}
	}
}

var cssColour = regexp.MustCompile(`--([a-z-]+): #([0-9a-f]{6});`)

// WCAG 2.2: 4.5 for text (1.4.3), 3 for the edges of what can be used (1.4.11), in light and dark.
func TestColoursContrast(t *testing.T) {
	css, err := files.ReadFile("assets/maru.css")
	if err != nil {
		t.Fatal(err)
	}
	light, dark, ok := strings.Cut(string(css), "@media (prefers-color-scheme: dark)")
	if !ok {
		t.Fatal("no dark colours")
	}
	for scheme, text := range map[string]string{"light": light, "dark": dark} {
		luminance := make(map[string]float64)
		for _, m := range cssColour.FindAllStringSubmatch(text, -1) {
			n, err := strconv.ParseUint(m[2], 16, 32)
			if err != nil {
				t.Fatal(err)
			}
			channel := func(shift uint) float64 {
				c := float64(n>>shift&255) / 255
				if c <= 0.04045 {
					return c / 12.92
				}
				return math.Pow((c+0.055)/1.055, 2.4)
			}
			luminance[m[1]] = 0.2126*channel(16) + 0.7152*channel(8) + 0.0722*channel(0)
		}
		for _, pair := range []struct {
			on, colour string
			least      float64
		}{
			{"ground", "ink", 4.5}, {"ground", "soft", 4.5}, {"sheet", "ink", 4.5}, {"sheet", "soft", 4.5}, {"sheet", "accent", 4.5}, {"ground", "accent", 4.5}, {"tint", "accent", 4.5}, {"tint", "ink", 4.5},
			{"sheet", "bad", 4.5}, {"bad-tint", "bad", 4.5}, {"good-tint", "good", 4.5}, {"accent", "on-accent", 4.5}, {"accent-strong", "on-accent", 4.5}, {"sheet", "field", 3}, {"ground", "accent-strong", 4.5},
		} {
			a, okA := luminance[pair.on]
			b, okB := luminance[pair.colour]
			if ratio := (max(a, b) + 0.05) / (min(a, b) + 0.05); !okA || !okB || ratio < pair.least {
				t.Errorf("%s: %s on %s has a contrast of %.2f", scheme, pair.colour, pair.on, ratio)
			}
		}
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
		if tag := p.Language(r); byTag(tag) == nil {
			t.Errorf("%q", tag)
		}
		if tag := p.Language(WithLocales(r, ui, time.Time{})); byTag(tag) == nil {
			t.Errorf("%q", tag)
		}
	})
}

func FuzzApp(f *testing.F) {
	p := newPages(f)
	f.Add("Bookshop", "https://cdn.example/logo.png", "https://app.example/", "openid")
	f.Add("<b>", "https://x;y", "javascript:alert(1)", "<i>")
	f.Add("\xff", "//x", "http://\x00", "")
	f.Fuzz(func(t *testing.T, name, logo, home, scope string) {
		w := render(p, "/", "consent", Consent{Question: Question{App: App{ID: "x", Name: name, Logo: logo, Home: home, Policy: home, Terms: home}, Choices: consent.Choices([]string{scope}, nil)}}, nil)
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
				if (a.Key == "href" || a.Key == "src") && strings.HasPrefix(strings.ToLower(strings.TrimSpace(a.Val)), "javascript:") || strings.HasPrefix(a.Key, "on") {
					t.Errorf("%s=%q", a.Key, a.Val)
				}
			}
		}
	})
}

// Old engines run the scripts that have to run for a redirect or a session's check: ES5 is what they all parse.
func TestScriptsAreOfASyntaxThatOldEnginesParse(t *testing.T) {
	newer := regexp.MustCompile("=>|`|\\b(?:const|let|class|async|await)\\b|\\.\\.\\.|\\?\\.|\\?\\?|\\bfor \\([^;)]* of ")
	comment := regexp.MustCompile(`(?m)//.*$`)
	for _, name := range []string{"form.js", "form_post.js", "logged_out.js", "check_session.js"} {
		content, err := files.ReadFile("assets/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if found := newer.FindString(comment.ReplaceAllString(string(content), "")); found != "" {
			t.Errorf("%s has %q", name, found)
		}
	}
}
