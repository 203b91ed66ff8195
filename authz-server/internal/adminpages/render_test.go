package adminpages_test

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"golang.org/x/net/html"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/people/peopletest"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
	"github.com/maru-auth/maru/authz-server/internal/throttle"
	"github.com/maru-auth/maru/internal/testenv/axe"
	"github.com/maru-auth/maru/internal/testenv/chrome"
)

func TestEveryPageIsWholeInEveryLanguage(t *testing.T) {
	t.Parallel()
	f := fill(t, newWorld(t), false)
	for _, path := range f.pages() {
		for _, lang := range messages.All.Tags() {
			f.root.Header.Set("Accept-Language", lang)
			checkPage(t, path+" in "+lang, f.get(t, path), lang)
		}
	}
	f.root.Header.Set("Accept-Language", "en")
	for _, path := range f.forms() { // with what is wrong
		page := f.root.Post(path, "reason", "two\nlines", "email", "x", "expires", "x", "when", "now", "person", "nobody",
			"version", "x")
		if page.Status != http.StatusUnprocessableEntity && page.Status != http.StatusConflict {
			t.Errorf("%s: %d %s\n%s", path, page.Status, page.Location, page.Body)
		}
		checkPage(t, path, page.Body, "en")
		if !strings.Contains(page.Body, `role="alert"`) || strings.Count(page.Body, " autofocus") != 1 {
			t.Errorf("%s does not say what is wrong:\n%s", path, page.Body)
		}
	}
}

// checkPage holds a page to what makes it usable without seeing it, and to what our own policy lets
// through.
func checkPage(t *testing.T, name, body, lang string) {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	count, ids, labels := map[string]int{}, map[string]bool{}, map[string]bool{}
	var inputs, references []string
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		count[n.Data]++
		at := map[string]string{}
		for _, a := range n.Attr {
			at[a.Key] = a.Val
			if a.Key == "style" || strings.HasPrefix(a.Key, "on") ||
				strings.HasPrefix(strings.ToLower(strings.TrimSpace(a.Val)), "javascript:") && a.Key != "value" {
				t.Errorf("%s: <%s %s=%q>", name, n.Data, a.Key, a.Val)
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
			labels[at["for"]] = true
		case "input", "select", "textarea":
			inLabel := false
			for p := n.Parent; p != nil; p = p.Parent {
				inLabel = inLabel || p.Data == "label"
			}
			if at["type"] != "hidden" && !inLabel {
				inputs = append(inputs, at["id"])
				if at["id"] != at["name"] || at["autocomplete"] == "" {
					t.Errorf("%s: input id=%q name=%q autocomplete=%q", name, at["id"], at["name"], at["autocomplete"])
				}
			}
		case "script":
			if at["src"] == "" || n.FirstChild != nil {
				t.Errorf("%s: a script in the page itself", name)
			}
		case "style", "iframe", "object", "embed":
			t.Errorf("%s: has <%s>", name, n.Data)
		case "img":
			if !strings.HasPrefix(at["src"], "/assets/") {
				t.Errorf("%s: an image of %q", name, at["src"])
			}
		}
	}
	if count["h1"] != 1 || count["main"] != 1 {
		t.Errorf("%s: %d h1, %d main", name, count["h1"], count["main"])
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
	for _, bad := range []string{"%!", "ZgotmplZ", "<no value>"} {
		if strings.Contains(body, bad) {
			t.Errorf("%s has %s:\n%s", name, bad, body)
		}
	}
}

// What people, clients and directories call themselves never becomes a part of a page.
func TestPlantedMarkupIsTextOnEveryPage(t *testing.T) {
	t.Parallel()
	f := fill(t, newWorld(t), true)
	everything := ""
	for _, path := range f.pages() {
		body := f.get(t, path)
		checkPage(t, path, body, "en")
		everything += body
		if strings.Contains(body, "<img src=x") || strings.Contains(body, "<script>pwned") {
			t.Errorf("%s: %s", path, body)
		}
	}
	for _, field := range []string{
		"address", "name", "given", "nickname", "gender", "formatted", "passkey", "subject", "label", "scope", "terms",
		"group", "external", "description", "invited",
		"note", "reason", "stream", "actor", "proof", "client", "detail", "member", "list", "machine", "kind",
		"provider", "provider client", "provider scope", "strong", "domain", "claim", "alone", "api", "app", "contact", "stream", "status", "token", "letter", "session",
	} {
		if !strings.Contains(everything, "pwned(&#39;"+field+"&#39;)") {
			t.Errorf("no page shows the field %s, so that this test says nothing of it", field)
		}
	}
	// And what was typed into a form comes back as text.
	for _, path := range f.forms() {
		form := []string{}
		for _, name := range []string{"email", "name", "reason", "group", "client", "person", "roles", "description", "note",
			"external_id", "version", "website", "title", "preset",
			"issuer", "scope", "scopes", "claims", "client_id", "client_secret", "strong_acr", "address_domains", "addresses", "endpoint", "secret_header",
			"events", "words", "status", "id", "target", "expires", "when", "zoneinfo"} {
			form = append(form, name, planted(name)+"\n")
		}
		page := f.root.Post(path, form...)
		if page.Status < 400 {
			t.Errorf("%s: %d", path, page.Status)
		}
		checkPage(t, path, page.Body, "en")
		if strings.Contains(page.Body, "<img src=x") || strings.Contains(page.Body, "<script>pwned") {
			t.Errorf("%s: %s", path, page.Body)
		}
	}
}

func TestEveryKindOfEntryHasWords(t *testing.T) {
	t.Parallel()
	for _, l := range messages.All.List() {
		for _, kind := range audit.Names() {
			if l.Admin.Log.Kinds[kind] == "" {
				t.Errorf("%s has no words for %s", l.Tag, kind)
			}
		}
		for kind := range l.Admin.Log.Kinds {
			if !audit.Kind(kind).Known() {
				t.Errorf("%s has words for %s, which there is not", l.Tag, kind)
			}
		}
	}
}

func TestTheOverviewShowsWhatNeedsAttentionAndWhatGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b, _ := w.administrator(t)
	b.Get("/admin").Want(t, http.StatusOK, "Nothing needs your attention.", "Nothing was counted in this time.")
	f := fill(t, newWorld(t), false)
	page := f.root.Get("/admin")
	page.Want(t, http.StatusOK, "An event stream is stopped", "The receiver is being moved", "Somebody is guessing",
		"60 times",
		"Succeeded <strong>1,234</strong>", "Refused or put off <strong>56</strong>",
		"<desc id=\"logins-text\">1,290 in all. The most, 1,290, was at May 1, 9 AM.</desc>",
		`<tr><th scope="row">May 1, 9 AM</th><td>1,234</td><td>56</td></tr>`, `<rect class="series-b"`)
	if n := strings.Count(page.Body, "<tr><th scope=\"row\">"); n != 2*24 {
		t.Errorf("%d rows of tables", n)
	}
	month := f.root.Get("/admin?span=month")
	month.Want(t, http.StatusOK, `<tr><th scope="row">May 1</th><td>1,234</td><td>56</td></tr>`)
	if n := strings.Count(month.Body, "<tr><th scope=\"row\">"); n != 2*31 {
		t.Errorf("%d rows of tables", n)
	}
}

func TestEverythingThatNeedsAttentionHasWords(t *testing.T) {
	t.Parallel()
	for _, l := range messages.All.List() {
		for _, what := range []string{admin.QueueFailing, admin.QueueLate, admin.StreamFailing, admin.StreamStopped,
			admin.KeyOld, admin.KeyMissing,
			admin.ClockWrong, admin.LogLate, admin.Guessing, admin.Hammered, admin.NoAdmin} {
			if l.Admin.Overview.Attention[what] == "" || l.Admin.Overview.AttentionDo[what] == "" {
				t.Errorf("%s has no words for %s", l.Tag, what)
			}
		}
	}
}

// untidy is that of package pages: too wide, or its tab or a part of a list out of sight.
const untidy = `(() => {
	const root = document.documentElement, tab = document.querySelector("nav.tabs [aria-current]"), bad = [];
	if (root.scrollWidth > root.clientWidth) { bad.push(root.scrollWidth - root.clientWidth + " pixels too wide"); }
	document.querySelectorAll(".list").forEach(list => {
		if (list.scrollWidth > list.clientWidth + 1) { bad.push(list.scrollWidth - list.clientWidth + " pixels of a list are out of sight"); }
	});
	if (tab && (tab.getBoundingClientRect().left < 0 || tab.getBoundingClientRect().right > root.clientWidth)) { bad.push("its tab is out of sight"); }
	return bad.join("; ");
})()`

func TestEveryLimitHasWords(t *testing.T) {
	t.Parallel()
	whats := []string{throttle.WhatOf("session:x"), throttle.WhatOf("device:x"), throttle.WhatOf("of a later version")}
	for _, one := range slices.Concat(throttle.OfAccount(accounts.User{ID: "u", Email: "mina@example.org"}, []string{"b"}),
		throttle.OfSender(netip.MustParseAddr("2001:db8::1"))) {
		whats = append(whats, one.What)
	}
	for _, l := range messages.All.List() {
		for _, what := range whats {
			if l.Admin.Server.Throttles.Whats[what] == "" {
				t.Errorf("%s has no words for %s", l.Tag, what)
			}
		}
	}
}

// What is stored in English, or by a name for programs, is in the language of the page.
func TestWhatIsStoredIsSaidInWords(t *testing.T) {
	t.Parallel()
	f := fill(t, newWorld(t), false)
	has := func(path string, wants ...string) {
		t.Helper()
		f.root.Get(path).Want(t, http.StatusOK, wants...)
	}
	has("/admin/roles", "Administers this server.", "Writes the news")
	has("/admin/queues", "Password reset link")
	has("/admin/throttles?address=127.0.0.1", ">127.0.0.1</code>")
	has("/admin/clients/app/grants", ">mina@example.org</a>")
	has("/admin/clients/app/consents", ">mina@example.org</a>")
	f.root.Header.Set("Accept-Language", "ko")
	has("/admin/roles", "이 서버를 관리해요.", "Writes the news")
	has("/admin/users/"+f.Mina.ID+"/roles", "다른 사람의 글을 숨기거나")
	has("/admin/users/"+f.Mina.ID, "1990년 4월 23일")
	has("/admin/queues", "비밀번호 재설정 링크", "(다른 키로 암호화됨)")
	f.Clock.Advance(20 * time.Minute)
	has("/admin", "전송이 늦어지고 있어요: 메일")
	storetest.OK(t, f.Admin.RedefineRole(t.Context(), machine, roles.Admin, "",
		admin.RoleChange{Description: new("Runs the shop")}, ""))
	has("/admin/roles", "Runs the shop")
}

// logIn logs the administrator in to Chromium.
func (f *full) logIn(b *chrome.Browser) {
	b.Open(f.Server.URL + "/login")
	b.Fill("#email", root, "#password", peopletest.Password)
	b.Click("#login")
	b.Fill("#otp", f.app.Next())
	b.Click("#verify")
	b.Visible("#logout")
}

// Every page in Chromium, in both languages, light and dark, wide and narrow: axe finds nothing, nothing
// is too wide, the browser complains of nothing, and planted markup does not run.
func TestEveryPageInABrowser(t *testing.T) {
	for _, state := range []struct {
		name, language, scheme string
		width                  int64
		evil                   bool
	}{{"wide", "en", "light", 1280, false}, {"narrow", "ko", "dark", 360, false}, {"planted", "en", "light", 360, true}} {
		t.Run(state.name, func(t *testing.T) {
			f := fill(t, newWorld(t), state.evil)
			b := chrome.Start(t, state.language)
			check := axe.New(t, b)
			chrome.Call(b, emulation.SetDeviceMetricsOverride,
				emulation.SetDeviceMetricsOverrideParams{Width: state.width, Height: 900, DeviceScaleFactor: 1})
			chrome.Call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: state.scheme}},
			})
			f.logIn(b)
			pages := f.pages()
			if state.evil { // those that show what others chose
				pages = slices.DeleteFunc(pages, func(p string) bool { return strings.HasSuffix(p, "able") })
			}
			for _, path := range pages {
				b.Open(f.Server.URL + path)
				b.Visible("h1")
				if !state.evil {
					check.Check(path)
				}
				if bad := chrome.Eval[string](b, untidy); bad != "" {
					t.Errorf("%s: %s", path, bad)
				}
			}
			b.Open(f.Server.URL + "/admin/users/" + f.Mina.ID + "/email")
			b.Is("(document.querySelector('#email').type = 'text', true)")
			b.Fill("#email", "x", "#reason", "y")
			b.Click(".deed button[type=submit]")
			b.Visible("#problem")
			check.Check("a refused form")
			if bad := chrome.Eval[string](b, untidy); bad != "" {
				t.Error(bad)
			}
			b.Calm()
		})
	}
}
