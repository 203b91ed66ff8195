package web

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/client-demo/internal/backend"
	"github.com/maru-auth/maru/client-demo/internal/flow"
)

func TestRepliesStandBelowTheirComment(t *testing.T) {
	got := threads([]backend.Comment{{ID: "a"}, {ID: "b"}, {ID: "c", Parent: "a"}, {ID: "d", Parent: "lost"}, {ID: "e", Parent: "a"}}, func(c backend.Comment) commentView {
		return commentView{Comment: c, Reply: true}
	})
	var shape []string
	for _, th := range got {
		line := th.ID
		for _, r := range th.Replies {
			line += ">" + r.ID
			if r.Reply {
				t.Errorf("%s, a reply, may be replied to", r.ID)
			}
		}
		shape = append(shape, line)
	}
	if want := []string{"a>c>e", "b", "d"}; !slices.Equal(shape, want) {
		t.Errorf("got %v, want %v", shape, want)
	}
}

func TestTagsAreReadAsPeopleTypeThem(t *testing.T) {
	if got, want := splitTags(" 차, #나무\nHiking,hiking , ,, 긴 태그"), []string{"차", "나무", "Hiking", "긴 태그"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAContentSaysItsLanguageWhateverThePages(t *testing.T) {
	for text, want := range map[string]string{"함께 쓰는 마루": ` lang="ko"`, "Hello 마루": ` lang="ko"`, "こんにちは世界": ` lang="ja"`, "你好": ` lang="zh"`, "Hello": "", "": "", "123 🙂": ""} {
		if got := string(langOf(text)); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestAnAvatarsColourIsThePersonsAndNotTheNames(t *testing.T) {
	style, err := assetFiles.ReadFile("assets/style.css")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[uint32]bool{}
	for i := range 200 {
		id := strconv.Itoa(i)
		a := newAvatar(id, "김지수", "small")
		if a.Hue != newAvatar(id, "Jisu", "").Hue || a.Letter != "김" || !strings.Contains(string(style), "\n.hue-"+strconv.Itoa(int(a.Hue))+" ") {
			t.Errorf("%s: %+v", id, a)
		}
		seen[a.Hue] = true
	}
	if len(seen) != hues {
		t.Errorf("200 people have %d colours", len(seen))
	}
}

func TestTimesNearAreRelativeAndOthersInTheReadersZone(t *testing.T) {
	now := time.Date(2026, 3, 10, 15, 0, 0, 0, time.UTC)
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(&http.Cookie{Name: zoneCookie, Value: "Asia/Seoul"})
	show := func(r *http.Request, prefs flow.Preferences, lang string, ago time.Duration) moment {
		p := page{Lang: lang, now: now}
		p.zone, p.zoneKnown = zoneOf(r, prefs)
		return p.When(now.Add(-ago))
	}
	for _, test := range []struct {
		lang string
		ago  time.Duration
		want string
	}{
		{"en", 10 * time.Second, "just now"}, {"ko", 10 * time.Second, "방금"}, {"en", 5 * time.Minute, "5 min ago"}, {"ko", 5 * time.Minute, "5분 전"},
		{"ko", 3 * time.Hour, "3시간 전"}, {"en", 25 * time.Hour, "1 d ago"}, {"ko", 6 * 24 * time.Hour, "6일 전"},
		{"ko", 7 * 24 * time.Hour, "2026. 3. 4. 00:00"}, {"en", 7 * 24 * time.Hour, "4 Mar 2026, 00:00"}, {"en", -time.Hour, "11 Mar 2026, 01:00"},
	} {
		if got := show(r, flow.Preferences{}, test.lang, test.ago); got.Text != test.want || !strings.HasSuffix(got.Full, " KST") || got.Here {
			t.Errorf("%v ago in %s: %+v, want %q", test.ago, test.lang, got, test.want)
		}
	}
	if got := show(r, flow.Preferences{TimeZone: "Europe/Berlin"}, "en", 8*24*time.Hour); got.Text != "2 Mar 2026, 16:00" {
		t.Errorf("the person's own zone: %+v", got)
	}
	for _, bad := range []string{"", "Local", "../../etc/passwd", "Mars/Base", "Asia/../Asia/Seoul", strings.Repeat("A", 65), "/Asia/Seoul"} {
		r := httptest.NewRequest("GET", "/", nil)
		r.AddCookie(&http.Cookie{Name: zoneCookie, Value: bad})
		if got := show(r, flow.Preferences{}, "en", 8*24*time.Hour); got.Text != "2 Mar 2026, 15:00 UTC" || !got.Here {
			t.Errorf("%q: %+v", bad, got)
		}
	}
}

func TestEveryPageLeadsToTheOneBefore(t *testing.T) {
	keep := url.Values{"q": {"x"}}
	query := url.Values{"q": {"x"}}
	var trail []pager
	for i := range 15 {
		next := "c" + strconv.Itoa(i+1)
		if i == 14 {
			next = ""
		}
		p := newPager("/boards/free", query, keep, next)
		if p.Number != i+1 {
			t.Errorf("page %d says it is %d", i+1, p.Number)
		}
		trail = append(trail, p)
		if next != "" {
			u, err := url.Parse(p.Next)
			if err != nil {
				t.Fatal(err)
			}
			query = u.Query()
		}
	}
	if trail[0].Previous != "" || trail[0].First != "" || trail[1].Previous != "/boards/free?q=x" || trail[1].First != "" || trail[14].Next != "" {
		t.Errorf("%+v", trail)
	}
	// From the last page back to the first that is still known.
	p := trail[14]
	for i := 13; p.Previous != ""; i-- {
		u, err := url.Parse(p.Previous)
		if err != nil {
			t.Fatal(err)
		}
		p = newPager("/boards/free", u.Query(), keep, "c"+strconv.Itoa(i+1))
		if want := ""; p.Number != i+1 || i > 0 && u.Query().Get("cursor") != "c"+strconv.Itoa(i) || i == 0 && u.Query().Get("cursor") != want {
			t.Errorf("back at %d: %s", i+1, u)
		}
	}
	if p.First == "" {
		t.Error("the way back ends nowhere")
	}
	for _, bad := range []url.Values{{"cursor": {"c"}, "page": {"-1"}}, {"cursor": {"c"}, "page": {"x"}}, {"cursor": {"c"}, "page": {"99999999999"}}} {
		if p := newPager("/", bad, nil, ""); p.Previous != "/" {
			t.Errorf("%v: %+v", bad, p)
		}
	}
}

func TestInitials(t *testing.T) {
	for name, want := range map[string]string{"김지수": "김", "minjun": "M", "  é": "É", "": "·", "—x": "X", "🙂": "🙂", "\xff": "·"} {
		if got := initial(name); got != want {
			t.Errorf("initial of %q is %q, want %q", name, got, want)
		}
	}
}

// TestEveryMessageIsThereInBothLanguages finds keys without a message, messages without a key, and formats that differ.
func TestEveryMessageIsThereInBothLanguages(t *testing.T) {
	used := map[string]bool{}
	use := func(key string) {
		used[key] = true
		if !known(key) {
			t.Errorf("there is no message %q", key)
		}
	}
	names, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := templateFiles.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`[{(]t "(\w+)"`).FindAllStringSubmatch(string(text), -1) {
			use(m[1])
		}
	}
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]bool{}
	for _, file := range files {
		if !strings.HasSuffix(file.Name(), ".go") || strings.HasSuffix(file.Name(), "_test.go") || file.Name() == "messages.go" {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BasicLit:
				if text, err := strconv.Unquote(n.Value); err == nil {
					texts[text] = true
				}
			case *ast.CallExpr: // v.t("key") and v.message(status, "title", "text")
				if f, ok := n.Fun.(*ast.SelectorExpr); ok && (f.Sel.Name == "t" || f.Sel.Name == "message" || f.Sel.Name == "SetFlash") {
					for _, arg := range n.Args {
						if lit, ok := arg.(*ast.BasicLit); ok && lit.Kind == token.STRING {
							text, _ := strconv.Unquote(lit.Value)
							use(text)
						}
					}
				}
			}
			return true
		})
	}
	for _, word := range scriptWords {
		use("js_" + word)
	}
	for _, check := range checks {
		use("check_" + check)
	}
	for _, field := range fieldOrder {
		use(field) // the summary of a refused form names it
	}
	for _, kind := range []string{"access", "id", "refresh"} {
		use(kind + "_token")
		use(kind + "_token_about")
	}
	verbs := regexp.MustCompile(`%[a-z]`)
	for key, m := range messages {
		if m[0] == "" || m[1] == "" {
			t.Errorf("%q is missing in one language", key)
		}
		if strings.Contains(m[1], "니다") || strings.Contains(m[1], "고치") {
			t.Errorf("%q: the app speaks in 해요체, and says 수정: %s", key, m[1])
		}
		if !slices.Equal(verbs.FindAllString(m[0], -1), verbs.FindAllString(m[1], -1)) {
			t.Errorf("%q has other formats in Korean", key)
		}
		if !used[key] && !texts[key] && !strings.HasPrefix(key, "claim_") && !strings.HasPrefix(key, "wrong_") {
			t.Errorf("nobody says %q", key)
		}
	}
	// The script's own words.
	for _, name := range []string{"tokens.js", "check.js"} {
		text, err := assetFiles.ReadFile("assets/" + name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`words\.(\w+)|(?:\? true : |return |: )"((?:bad|no|not)_\w+|expired|future)"`).FindAllStringSubmatch(string(text), -1) {
			use("js_" + m[1] + m[2])
		}
	}
}
