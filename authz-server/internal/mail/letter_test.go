package mail

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/maru-auth/maru/authz-server/internal/brand"
	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/messages"
)

var update = flag.Bool("update", false, "write the letters to testdata, to be read and committed")

const testLogo = "https://login.example/id/assets/logo.png"

var testBrand = brand.Brand{Name: "Bookshop", Support: brand.Support{Text: "help@bookshop.example"}}

func newTestLetters(t testing.TB, b brand.Brand, logo string) *Letters {
	t.Helper()
	at, err := issuer.Parse("https://login.example/id")
	if err != nil {
		t.Fatal(err)
	}
	l, err := NewLetters(b, logo, at)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

const testLink = "https://login.example/id/verify?token=s3cr3t&lang=ko"

var testTime = time.Date(2026, 11, 26, 15, 4, 0, 0, time.FixedZone("KST", 9*60*60))

// Operators see which letters wait, each in words.
func TestEveryKindOfLetterHasWords(t *testing.T) {
	for _, l := range messages.All.List() {
		for _, letter := range everyLetter() {
			if l.Admin.Server.Queues.Letters[letter.kind()] == "" {
				t.Errorf("%s has no words for %s", l.Tag, letter.kind())
			}
		}
	}
}

// everyLetter is each letter with all that it can have.
func everyLetter() []Letter {
	all := []Letter{
		ConfirmSignup{Link: testLink, Code: "123456", Name: "Kim Maru"},
		AddressHasAccount{LoginLink: "https://login.example/id/login", ForgotLink: "https://login.example/id/forgot"},
		ConfirmAddress{Link: testLink, Code: "123456"},
		AddressChanged{NewMasked: "n…@example.com"},
		ResetPassword{Link: testLink, Code: "123456"},
		NewDevice{Device: "Firefox on Linux", Address: "192.0.2.1", At: testTime},
		DeletionScheduled{When: testTime, CancelLink: testLink},
		DeletionCancelled{}, AccountDeleted{},
		Invitation{Link: testLink, InviterNote: "See you on Monday.\r\nBcc: all@example.com <b>"},
		AccountMade{Link: testLink},
		NewAdministrator{Account: "kim@example.com", At: testTime},
		Test{},
	}
	for _, change := range messages.Changes {
		all = append(all, SecurityChange{What: change, Device: "Firefox on Linux", Address: "192.0.2.1", At: testTime})
	}
	return all
}

// What people get is in testdata, so that a change of words is read as such. Run with -update to
// write it anew.
func TestLettersSayWhatIsInTestdata(t *testing.T) {
	t.Parallel()
	letters := newTestLetters(t, testBrand, testLogo)
	for _, lang := range messages.All.Tags() {
		for _, letter := range everyLetter() {
			got, err := letters.compose(lang, letter)
			if err != nil {
				t.Fatal(err)
			}
			name := letter.kind() + "." + lang
			compare(t, name+".txt", "Subject: "+got.Subject+"\n\n"+got.Text)
			if letter.kind() == "confirm_signup" {
				compare(t, name+".html", got.HTML)
			}
		}
	}
}

func compare(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || got != string(want) {
		t.Errorf("%s is not what is in testdata (%v):\n%s", name, err, got)
	}
}

func TestEveryLetterIsWholeInBothFormsAndLanguages(t *testing.T) {
	t.Parallel()
	letters := newTestLetters(t, testBrand, testLogo)
	for _, tag := range messages.All.Tags() {
		for _, letter := range everyLetter() {
			got, err := letters.compose(tag, letter)
			if err != nil {
				t.Fatal(err)
			}
			c := letter.content(letters.languages.Tagged(tag), letters.links)
			visible := textOf(t, got.HTML)
			for _, want := range []string{c.Text, c.Button, c.Link, c.Second, c.SecondLink, c.Code, c.Valid, c.NotYou, "help@bookshop.example"} {
				if !strings.Contains(got.Text, want) || !strings.Contains(visible, want) {
					t.Errorf("%s in %s lacks %q", letter.kind(), tag, want)
				}
			}
			for _, fact := range c.Facts {
				if !strings.Contains(got.Text, fact.Label+": "+fact.Value) || !strings.Contains(visible, fact.Value) {
					t.Errorf("%s in %s lacks %v", letter.kind(), tag, fact)
				}
			}
			if !strings.Contains(got.Subject, "Bookshop") || strings.ContainsAny(got.Subject, "\r\n") {
				t.Errorf("%s in %s: the subject is %q", letter.kind(), tag, got.Subject)
			}
			if c.Code != "" && (strings.Contains(got.Subject, c.Code) || !strings.Contains(got.Text, messages.All.Tagged(tag).Mail.CodeWarning)) {
				t.Errorf("%s in %s shows a code in its subject, or does not warn", letter.kind(), tag)
			}
			if bad := regexp.MustCompile(`%!|<no value>|\n\n\n|Maru|마루|[{}]`).FindString(strings.ReplaceAll(got.Text, "Kim Maru", "")); bad != "" {
				t.Errorf("%s in %s has %q:\n%s", letter.kind(), tag, bad, got.Text)
			}
		}
	}
}

// Scripts do not run in mail, and what is loaded from afar tells its server who reads.
func TestHTMLLoadsNothingButTheLogo(t *testing.T) {
	t.Parallel()
	for _, letter := range everyLetter() {
		for _, logo := range []string{testLogo, ""} {
			got, err := newTestLetters(t, testBrand, logo).compose("en", letter)
			if err != nil {
				t.Fatal(err)
			}
			root, err := html.Parse(strings.NewReader(got.HTML))
			if err != nil {
				t.Fatal(err)
			}
			for n := range root.Descendants() {
				for _, a := range n.Attr {
					if a.Key == "src" && (n.Data != "img" || logo == "" || a.Val != logo) || strings.HasPrefix(a.Key, "on") {
						t.Errorf("%s: <%s %s=%q>", letter.kind(), n.Data, a.Key, a.Val)
					}
				}
				if n.Type == html.ElementNode && (n.Data == "script" || n.Data == "link" || n.Data == "form" || n.Data == "iframe") {
					t.Errorf("%s: <%s>", letter.kind(), n.Data)
				}
			}
			if strings.Contains(got.HTML, "url(") || strings.Contains(got.HTML, "@import") {
				t.Errorf("%s: the style loads something", letter.kind())
			}
		}
	}
}

// Anybody can sign up with somebody else's address, and choose the name that stands in the mail.
func TestAStrangersNameIsNoAdvertisement(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"https://evil.example", "Win a prize at evil.example", "EVIL.COM", "www evil com", "evil．com", "evil。com", "evil․com", "go to evil .com",
		"write to me@evil", "call +82 10-1234-5678", "Prize: 12345", "한국.한국", "e\u200bvil.exa\u200bmple",
	} {
		if got := strangersName(name); got != "" {
			t.Errorf("%q is greeted as %q", name, got)
		}
	}
	for name, want := range map[string]string{
		"Kim Maru": "Kim Maru", "김마루": "김마루", "J. R. R. Tolkien": "J. R. R. Tolkien", "O’Neill, Jr.": "O’Neill, Jr.", "Louis 14": "Louis 14",
		"Kim\r\n\r\nMaru": "Kim Maru", "a\u202eb\u2066c": "abc", "<b>Kim</b>": "<b>Kim</b>", "": "",
		strings.Repeat("가", 61): strings.Repeat("가", 59) + "…",
	} {
		if got := strangersName(name); got != want {
			t.Errorf("%q is greeted as %q, want %q", name, got, want)
		}
	}
	got, err := newTestLetters(t, testBrand, testLogo).compose("en", ConfirmSignup{Link: testLink, Code: "123456", Name: `<a href="x">Kim</a>`})
	if err != nil || strings.Contains(got.HTML, `<a href="x">`) {
		t.Errorf("a name is HTML: %v", err)
	}
}

func TestALetterThatLacksItsLinkIsNotMade(t *testing.T) {
	t.Parallel()
	for _, letter := range []Letter{
		ResetPassword{Code: "123456"}, ResetPassword{Link: "/reset?token=s3cr3t"}, ResetPassword{Link: "javascript:alert('s3cr3t')"},
		ResetPassword{Link: testLink, Code: "s3cr3t"}, SecurityChange{What: "s3cr3t-unknown"},
		AddressHasAccount{LoginLink: "https://login.example/login", ForgotLink: "//evil.example/s3cr3t"},
	} {
		_, err := newTestLetters(t, testBrand, testLogo).compose("en", letter)
		if err == nil {
			t.Errorf("%#v is made", letter)
		} else if _, change := letter.(SecurityChange); !change && strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("the error repeats a secret: %v", err)
		}
	}
}

func TestLanguageAndBrandHaveDefaults(t *testing.T) {
	t.Parallel()
	letters := newTestLetters(t, brand.Brand{}, "")
	for tag, want := range map[string]string{"": "Maru", "xx": "Maru", "en-GB": "Maru", "ko": "마루", "ko-KR": "마루", "de ko": "마루"} {
		got, err := letters.compose(tag, AccountDeleted{})
		if err != nil || !strings.Contains(got.Subject, want) || strings.Contains(got.HTML, "<img") {
			t.Errorf("%q: %v, %q", tag, err, got.Subject)
		}
	}
	if _, err := NewLetters(brand.Brand{}, "/logo.png", issuer.URL{}); err == nil {
		t.Error("a logo without a host is taken")
	}
}

// textOf is what a person reads of HTML, and the addresses of its links.
func textOf(t *testing.T, source string) string {
	t.Helper()
	root, err := html.Parse(strings.NewReader(source))
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for n := range root.Descendants() {
		if n.Type == html.TextNode && n.Parent.Data != "style" {
			text.WriteString(n.Data + " ")
		}
		for _, a := range n.Attr {
			if a.Key == "href" {
				text.WriteString(a.Val + " ")
			}
		}
	}
	return text.String()
}
