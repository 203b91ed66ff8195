package lang_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"

	"github.com/maru-auth/maru/client-demo/internal/lang"
	"github.com/maru-auth/maru/client-demo/internal/pages"
	"github.com/maru-auth/maru/client-demo/internal/tokens"
)

var verbs = regexp.MustCompile(`%[a-z]`)

// lacks lists what a language lacks of another, and what it says beyond it.
func lacks(l, than *lang.Language) (faults []string) {
	for key, text := range than.Words {
		if own := l.Words[key]; own == "" || !slices.Equal(verbs.FindAllString(own, -1), verbs.FindAllString(text, -1)) {
			faults = append(faults, key)
		}
	}
	for key := range l.Words {
		if _, ok := than.Words[key]; !ok {
			faults = append(faults, key)
		}
	}
	for key := range than.Counted {
		if l.Counted[key][plural.Other] == "" {
			faults = append(faults, key)
		}
	}
	for key := range l.Counted {
		if _, ok := than.Counted[key]; !ok {
			faults = append(faults, key)
		}
	}
	slices.Sort(faults)
	return faults
}

func TestEveryLanguageSaysEverything(t *testing.T) {
	t.Parallel()
	for _, l := range lang.All {
		if faults := lacks(l, lang.All[0]); faults != nil {
			t.Errorf("%s lacks, or has beyond %s, or puts other things into: %q", l.Name, lang.All[0].Name, faults)
		}
		if l.Name == "" || l.Date == nil || lang.All.Find(l.Code()) != l {
			t.Errorf("%s has no name or no dates, or shares its tag", l.Code())
		}
	}
	lame := &lang.Language{
		Tag:     language.French,
		Words:   map[string]string{"skip": "Au contenu", "more": "Encore", "form_conflict": "Le service dit"},
		Counted: map[string]lang.Forms{"post_count": {plural.One: "%d message"}},
	}
	faults := lacks(lame, lang.All[0])
	for _, key := range []string{"app", "more", "form_conflict", "post_count", "days_ago"} {
		if !slices.Contains(faults, key) {
			t.Errorf("nobody notices that %q is wrong", key)
		}
	}
	if slices.Contains(faults, "skip") {
		t.Error("what is there counts as missing")
	}
}

func TestKoreanIsPoliteAndConsistent(t *testing.T) {
	t.Parallel()
	for key, text := range lang.All.Find("ko").Words {
		if strings.Contains(text, "니다") || strings.Contains(text, "고치") {
			t.Errorf("%q: the app speaks in 해요체, and says 수정: %s", key, text)
		}
	}
}

func TestNumbersTakeTheirForm(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		code string
		n    int
		want string
	}{{"en", 0, "0 posts"}, {"en", 1, "1 post"}, {"en", 2, "2 posts"}, {"en", 21, "21 posts"}, {"ko", 1, "글 1개"}, {"ko", 2, "글 2개"}} {
		if got := lang.All.Find(test.code).Count("post_count", test.n); got != test.want {
			t.Errorf("%d in %s: %q, want %q", test.n, test.code, got, test.want)
		}
	}
}

func TestABrowserIsUnderstood(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{
		"": "en", "ko": "ko", "ko-KR,ko;q=0.9,en;q=0.8": "ko", "en-GB": "en", "fr": "en", "fr, ko;q=0.5": "ko", ";;": "en",
		strings.Repeat("ko,", 400): "en",
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept-Language", header)
		if got := lang.All.Asked(r).Code(); got != want {
			t.Errorf("%.40q: %s, want %s", header, got, want)
		}
	}
}

// said finds, in the app's sources and templates, the keys that are asked for by name, and all
// texts: among those are the other keys.
func said(t *testing.T) (asked, texts map[string]bool) {
	t.Helper()
	asked, texts = map[string]bool{}, map[string]bool{}
	err := filepath.WalkDir("..", func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if filepath.Ext(path) == ".html" {
			text, err := os.ReadFile(path)
			for _, m := range regexp.MustCompile(`[{(](?:t|count) "(\w+)"`).FindAllStringSubmatch(string(text), -1) {
				asked[m[1]] = true
			}
			return err
		}
		if filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") || strings.HasPrefix(filepath.Base(path), "language_") {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err == nil {
			ast.Inspect(parsed, func(n ast.Node) bool { collect(n, asked, texts); return true })
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return asked, texts
}

// collect notes the arguments of v.T("key"), l.Count("key", n), v.Message(status, "title", "text")
// and SetFlash("key"), and every other text.
func collect(n ast.Node, asked, texts map[string]bool) {
	unquote := func(e ast.Expr) string {
		lit, ok := e.(*ast.BasicLit)
		if !ok || lit.Kind != token.STRING {
			return ""
		}
		text, _ := strconv.Unquote(lit.Value)
		return text
	}
	switch n := n.(type) {
	case *ast.BasicLit:
		texts[unquote(n)] = true
	case *ast.CallExpr:
		f, ok := n.Fun.(*ast.SelectorExpr)
		if !ok || !slices.Contains([]string{"T", "Count", "Message", "SetFlash"}, f.Sel.Name) {
			return
		}
		for _, arg := range n.Args {
			if key := unquote(arg); key != "" {
				asked[key] = true
			}
		}
	}
}

func TestWhatIsSaidIsInTheFilesAndTheRestIsGone(t *testing.T) {
	t.Parallel()
	asked, texts := said(t)
	for _, word := range tokens.ScriptWords {
		asked["js_"+word] = true
	}
	for _, check := range tokens.Checks {
		asked["check_"+check] = true
	}
	for _, field := range pages.FieldNames() { // the summary of a refused form names it
		asked[field] = true
	}
	for _, kind := range []string{"access", "id", "refresh"} {
		asked[kind+"_token"], asked[kind+"_token_about"] = true, true
	}
	for _, name := range []string{"tokens.js", "check.js"} {
		text, err := os.ReadFile("../pages/assets/" + name)
		if err != nil {
			t.Fatal(err)
		}
		own := regexp.MustCompile(`words\.(\w+)|(?:\? true : |return |: )"((?:bad|no|not)_\w+|expired|future)"`)
		for _, m := range own.FindAllStringSubmatch(string(text), -1) {
			asked["js_"+m[1]+m[2]] = true
		}
	}
	first := lang.All[0]
	known := func(key string) bool { return first.Has(key) || first.Counted[key] != nil }
	for key := range asked {
		if !known(key) {
			t.Errorf("there are no words for %q", key)
		}
	}
	for _, key := range slices.AppendSeq(slices.Collect(maps.Keys(first.Words)), maps.Keys(first.Counted)) {
		if !asked[key] && !texts[key] && !strings.HasPrefix(key, "claim_") && !strings.HasPrefix(key, "wrong_") {
			t.Errorf("nobody says %q", key)
		}
	}
}
