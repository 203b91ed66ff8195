package web

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/maru-auth/maru/client-demo/internal/rest"
)

func TestMarkdownIsTamed(t *testing.T) {
	for _, test := range []struct{ name, in, want string }{
		{"emphasis", "**a** *b*", "<p><strong>a</strong> <em>b</em></p>\n"},
		{"headings go below the page's own", "# a\n\n###### b", "<h2>a</h2>\n<h6>b</h6>\n"},
		{"a link", "[a](https://x.example/)", `<p><a href="https://x.example/" rel="nofollow noopener noreferrer ugc">a</a></p>` + "\n"},
		{"a bare address", "https://x.example/", `<p><a href="https://x.example/" rel="nofollow noopener noreferrer ugc">https://x.example/</a></p>` + "\n"},
		{"a picture becomes a link", "![a](https://x.example/p.png)", `<p><a href="https://x.example/p.png" rel="nofollow noopener noreferrer ugc">a</a></p>` + "\n"},
		{"a picture without words", "![](https://x.example/p.png)", `<p><a href="https://x.example/p.png" rel="nofollow noopener noreferrer ugc">https://x.example/p.png</a></p>` + "\n"},
		{"script", "<script>alert(1)</script>", "\n"},
		{"HTML in a line", "a <b onclick=x>b</b>", "<p>a b</p>\n"},
		{"a javascript link", "[a](javascript:alert(1))", "<p>a</p>\n"},
		{"a data link", "[a](data:text/html,x)", "<p>a</p>\n"},
		{"a link to a path of ours", "[a](/logout)", "<p>a</p>\n"},
		{"a link to a host without scheme", "[a](//evil.example)", "<p>a</p>\n"},
		{"a title with a quote", `[a](https://x.example "\" onclick=x")`, `<p><a href="https://x.example" rel="nofollow noopener noreferrer ugc">a</a></p>` + "\n"},
		{"code", "```html\n<b>\n```", "<pre><code>&lt;b&gt;\n</code></pre>\n"},
		{"Korean", "**굵은** 글씨", "<p><strong>굵은</strong> 글씨</p>\n"},
	} {
		got, err := renderMarkdown(t.Context(), test.in)
		if err != nil {
			t.Fatal(err)
		}
		if comment := regexp.MustCompile(`<!--.*?-->`); comment.ReplaceAllString(string(got), "") != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

func FuzzMarkdown(f *testing.F) {
	for _, seed := range []string{"# a", "![x](javascript:1)", "<img onerror=x>", "[a]: data:x\n[a]", "|a|\n|-|\n|<b>|", "![[a](b)](c)", "<https://a\"onclick=x>"} {
		f.Add(seed)
	}
	bad := regexp.MustCompile(`(?i)<(script|img|style|iframe|svg|object|form|input|h1)\b|<[^>]*\son\w+=|<[^>]*(href|src)="?\s*(javascript|data|vbscript):`)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := renderMarkdown(t.Context(), text)
		if err != nil {
			t.Fatal(err)
		}
		if bad.MatchString(string(got)) {
			t.Errorf("%q gives %q", text, got)
		}
	})
}

func TestRepliesStandBelowTheirComment(t *testing.T) {
	got := threads([]rest.Comment{{ID: "a"}, {ID: "b"}, {ID: "c", Parent: "a"}, {ID: "d", Parent: "lost"}, {ID: "e", Parent: "a"}}, func(c rest.Comment) commentView {
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
	for _, kind := range []string{"access", "id", "refresh"} {
		use(kind + "_token")
		use(kind + "_token_about")
	}
	verbs := regexp.MustCompile(`%[a-z]`)
	for key, m := range messages {
		if m[0] == "" || m[1] == "" {
			t.Errorf("%q is missing in one language", key)
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
