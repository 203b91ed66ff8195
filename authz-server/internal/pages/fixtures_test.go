package pages

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/maru-auth/maru/authz-server/internal/consent"
	"github.com/maru-auth/maru/authz-server/internal/messages"
)

func newPages(t testing.TB) *Pages {
	t.Helper()
	p, err := New(Config{Now: func() time.Time { return time.Unix(1_790_000_000, 0) }})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var testApp = App{
	ID: "app", Name: "Bookshop", Logo: "https://cdn.example/logo.png",
	Home: "https://app.example/", Policy: "https://app.example/p", Terms: "https://app.example/t",
}

var uncheckedApp = App{
	ID: "https://tool.example/client", Name: "Bookshop", Logo: "https://cdn.example/logo.png", Home: "https://bank.example/",
	Unchecked: true, Host: "tool.example", Return: "back.example", OnDevice: true,
}

var testTerms = Terms{URL: "https://maker.example/terms", Privacy: "https://maker.example/privacy", Version: "2026-05"}

var testUpstreams = []UpstreamButton{{"google", "Google"}, {"other", "<b>Other</b>"}}

// english is the default language.
func english() *messages.Language { return messages.All.Default() }

// templateOf is the name of a page's template.
func templateOf(page Page) string { return page.layout(english()).template }

// everyPage is each page with everything that can be on it.
func everyPage() []Page {
	const mina = "mina@example.org"
	problems := func(fields ...string) Form {
		f := Form{Problems: map[string]messages.Problem{"": messages.TooManyTries}, Wait: 90 * time.Second}
		for _, field := range fields {
			f.Problems[field] = messages.PasswordCommon
		}
		return f
	}
	question := func() Question {
		choices := consent.Choices([]string{"openid", "email", "x:y"}, []string{"x:y"})
		return Question{Form: problems(), Session: "sid", App: testApp, Email: mina, Choices: choices}
	}
	return []Page{
		LoginPage{Form: problems("email", "password"), Query: "?interaction=handle", App: &testApp, Email: mina, Passkeys: true},
		PasskeyOfferPage{Query: "?interaction=handle", App: &testApp},
		SignupPage{Form: problems("name", "email", "password", "terms"), Query: "?interaction=handle", App: &testApp, Email: mina,
			Name: "Mina", Domains: []string{"example.org", "*.example.org"}, Terms: testTerms, Passkeys: true},
		NoSignupPage{Reason: messages.SignupClosed, Query: "?interaction=handle", App: &testApp},
		AgreePage{Query: "?interaction=handle", App: &testApp, Email: mina, Terms: testTerms},
		ConsentPage{Question: question(), Interaction: "handle"},
		LoginPage{Query: "?confirm=yes", Email: mina, Confirm: true},
		LoginPage{Form: problems("otp"), Email: mina, Code: true},
		AccountPage{Form: problems("name"), Done: messages.NameChanged, Name: "Mina", Email: mina,
			Languages: []LanguageOption{{"en", "English", true}, {"ko", "한국어", false}}, Administrator: true},
		PasswordPage{Form: problems("password", "new_password"), Email: mina},
		PasswordPage{Form: problems("new_password"), Email: mina, First: true},
		LoginPage{Form: problems("password"), Email: mina, Confirm: true, Passkeys: true},
		LoginPage{Email: mina, Confirm: true, Passkeys: true, PasskeyOnly: true},
		ProfilePage{
			Form: problems("birthdate", "gender", "street_address"), Done: messages.ProfileSaved, Version: "v", PhoneVerified: true,
			Values: map[string]string{"given_name": "Mina", "gender": "else", "formatted": "x"}, Stored: map[string]string{"gender": "",
				"country": "KR"},
		},
		SecurityPage{Done: messages.OthersEnded, SecondStep: SecondStep{On: true, Since: time.Unix(1_790_000_000, 0), Codes: 1, Browsers: []TrustedBrowser{
			{ID: "1", Browser: "Firefox", System: "Linux", Address: "192.0.2.1", Until: time.Unix(1_790_000_000, 0)}, {ID: "2"},
		}}, Passkeys: PasskeyList{On: true, RP: "login.example", Handle: "aGFuZGxl", All: []Passkey{
			{ID: "1", Credential: "YQ", Name: "Phone", Keeper: "Bitwarden", Synced: true, Used: time.Hour, Created: 50 * time.Hour},
			{ID: "2", Credential: "Yg", Name: "Chrome on Linux", ThisBrowser: true, Unused: true},
			{ID: "3", Credential: "Yw", Name: "<key>", Cloned: true, Unused: true},
		}}, Events: []Event{
			{Kind: "passkey_added", Detail: "Phone", Browser: "Firefox", System: "Linux", Address: "192.0.2.1", At: time.Unix(1_790_000_000, 0)},
			{Kind: "password_reset", At: time.Unix(1_790_000_000, 0)},
		}},
		SecurityPage{Passkeys: PasskeyList{On: true}, NoPassword: true, Events: slices.Repeat([]Event{{Kind: "new_device", At: time.Unix(1_790_000_000, 0)}}, 12)},
		SecurityPage{},
		DataPage{Form: problems("posts")},
		DeletionPage{At: time.Unix(1_790_000_000, 0)},
		RestorePage{Query: "?interaction=handle", App: &testApp, Email: mina, At: time.Unix(1_790_000_000, 0)},
		SessionsPage{Done: messages.OthersEnded, TokensLast: time.Minute, Sessions: []Session{
			{ID: "1", Current: true, Browser: "Firefox", System: "Linux", Address: "192.0.2.1"},
			{ID: "2", LoggedIn: time.Unix(1_790_000_000, 0), Seen: 3 * time.Hour},
		}},
		AppsPage{Done: messages.AppWithdrawn, TokensLast: time.Minute, Apps: []AllowedApp{
			{App: testApp, Words: []string{"email"}, Since: 48 * time.Hour, Used: time.Hour, UsedKnown: true},
			{App: App{ID: "gone"}},
		}},
		VerifyPage{Form: problems("otp"), Query: "?interaction=handle", App: &testApp, Email: mina, OTP: true, Passkey: true, Trusts: true,
			Trust: true},
		VerifyPage{Form: problems("recovery"), Email: mina, OTP: true, Recovery: true},
		SetUpPage{Form: problems("otp"), Path: "/account/security/app", Key: "GEZD GNBV", URI: "otpauth://totp/x", QR: "M4 4h7v1h-7z", QRSize: 49},
		SetUpPage{Path: "/login/setup", App: &testApp, Query: "?interaction=handle"},
		RecoveryCodesPage{Codes: []string{"ABCDE-F0123", "ABCDE-F0124"}, New: true, Email: mina, Next: "/account/security"},
		RecoveryCodesPage{App: &testApp, Codes: []string{"ABCDE-F0123"}, Email: mina, Next: "/oauth2/authorize?interaction=handle"},
		VerifyPage{Email: mina, Passkey: true},
		RecoveryLeftPage{App: &testApp, Left: 3, Next: "/oauth2/authorize?interaction=handle"},
		RecoveryLeftPage{Next: "/device"},
		InvitationPage{Email: mina, Roles: []string{"admin/admin", "board/moderator"}},
		InvitationPage{Form: problems("")},
		SecondStepChangePage{},
		SecondStepChangePage{Off: true},
		LogoutPage{Action: "/id/oauth2/logout", Hidden: url.Values{"state": {"s"}}, App: &testApp, Email: mina},
		UserCodePage{Form: problems("user_code"), UserCode: "WDJB-MJHT", Email: mina},
		DevicePage{Question: question(), UserCode: "WDJB-MJHT", Address: "192.0.2.1", System: "Linux", Asked: time.Minute},
		DeviceDonePage{App: testApp, Allowed: true},
		LoggedOutPage{Frames: []string{"https://app.example/frontchannel?sid=1"}, Next: "https://app.example/"},
		FormPostPage{Action: "https://app.example/cb", Fields: url.Values{"code": {"c"}, "state": {"s"}}},
		LogoutPage{Action: "/id/oauth2/logout", Email: mina, Upstream: "Google"},
		LoggedOutPage{Upstream: "Google"},
		LoggedOutPage{Upstream: "Google", There: GoingThere, Next: "https://accounts.example/logout?state=s"},
		LoggedOutPage{Upstream: "Google", There: BackFrom},
		CannotLogOutPage{Code: "invalid_request", Detail: "The id_token_hint is not ours."},
		ErrorReturnPage{Code: "invalid_scope", Detail: "The scope is not registered.", App: testApp,
			To: "com.example.app:/cb?error=invalid_scope"},
		AlreadyPage{App: testApp, To: "/id/x"},
		ForgotPage{Form: problems("email"), Query: "?interaction=handle", Email: mina},
		ForgotPage{NoMail: true},
		CodePage{Form: problems("code"), Action: "/verify", Back: "/signup", Email: mina, App: &testApp},
		CodePage{Action: "/reset", Back: "/forgot", Email: mina, Secret: true, Again: true},
		ProveAddressPage{Form: problems("password"), Email: mina, Name: "Mina", Signup: true},
		ProveAddressPage{Email: mina, Signup: true, App: &testApp},
		ProveAddressPage{Email: mina, MustLogIn: true},
		ResetPage{Form: problems("password"), Email: mina},
		LinkGonePage{Reset: true},
		LinkGonePage{},
		SignupDroppedPage{},
		AddressTakenPage{Email: mina},
		EmailPage{Form: problems("email"), Email: mina, New: "x"},
		LoginPage{Form: problems("password"), Query: "?interaction=handle", App: &testApp, Email: mina, Passkeys: true, Upstreams: testUpstreams},
		LoginPage{Form: problems(), Query: "?confirm=yes", Email: mina, Confirm: true, Upstreams: testUpstreams, UpstreamOnly: true},
		SignupPage{Upstreams: testUpstreams},
		UpstreamJoinPage{Form: problems("name", "email", "terms"), Title: "Google", Label: mina, App: &testApp, Name: "Mina", Email: mina,
			Domains: []string{"example.org"}, Terms: testTerms},
		UpstreamJoinPage{Title: "Google", Label: mina, Name: "Mina", Email: mina, Proved: true},
		UpstreamJoinPage{Form: problems(), Title: "Google", Label: mina, Email: mina, Proved: true, Known: true},
		UpstreamJoinPage{Title: "Google", Label: mina, NoSignup: true},
		UpstreamJoinPage{Title: "Google", Label: mina, Refused: messages.SignupClosed},
		UpstreamLinkPage{Form: problems(), Title: "Google", Label: "<mina>", App: &testApp, Email: mina, Session: "sid"},
		UpstreamAddPage{Name: "google", Title: "Google"},
		SecurityPage{Form: problems(), Identities: IdentityList{Add: testUpstreams, All: []Identity{
			{ID: "1", Title: "Google", Label: mina, Created: time.Unix(1_790_000_000, 0), Used: time.Unix(1_790_000_000, 0)},
			{ID: "2", Title: "other", Label: "<b>", Created: time.Unix(1_790_000_000, 0), Unused: true, Off: true},
		}}},
		ErrorPage{Code: "invalid_request", Detail: "The redirect_uri is not registered."},
	}
}

func render(p *Pages, target string, page Page) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	p.Render(w, httptest.NewRequest(http.MethodGet, target, nil), http.StatusOK, page)
	return w
}

// checkPage holds a page to what makes it usable without seeing it: one h1, a title, a label for
// each input, references that lead somewhere; and to what our Content-Security-Policy lets through.
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
