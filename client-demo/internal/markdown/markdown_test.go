package markdown

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
)

func TestMarkdownIsTamed(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, in, want string }{
		{"emphasis", "**a** *b*", "<p><strong>a</strong> <em>b</em></p>\n"},
		{"headings go below the page's own", "# a\n\n###### b", "<h2>a</h2>\n<h6>b</h6>\n"},
		{"a link", "[a](https://x.example/)", `<p><a href="https://x.example/" rel="nofollow noopener noreferrer ugc">a</a></p>` + "\n"},
		{"a bare address", "https://x.example/",
			`<p><a href="https://x.example/" rel="nofollow noopener noreferrer ugc">https://x.example/</a></p>` + "\n"},
		{"a picture becomes a link", "![a](https://x.example/p.png)",
			`<p><a href="https://x.example/p.png" rel="nofollow noopener noreferrer ugc">a</a></p>` + "\n"},
		{"a picture without words", "![](https://x.example/p.png)",
			`<p><a href="https://x.example/p.png" rel="nofollow noopener noreferrer ugc">https://x.example/p.png</a></p>` + "\n"},
		{"script", "<script>alert(1)</script>", "\n"},
		{"HTML in a line", "a <b onclick=x>b</b>", "<p>a b</p>\n"},
		{"a javascript link", "[a](javascript:alert(1))", "<p>a</p>\n"},
		{"a data link", "[a](data:text/html,x)", "<p>a</p>\n"},
		{"a link to a path of ours", "[a](/logout)", "<p>a</p>\n"},
		{"a link to a host without scheme", "[a](//evil.example)", "<p>a</p>\n"},
		{"a title with a quote", `[a](https://x.example "\" onclick=x")`,
			`<p><a href="https://x.example" rel="nofollow noopener noreferrer ugc">a</a></p>` + "\n"},
		{"code", "```html\n<b>\n```", "<pre tabindex=\"0\"><code>&lt;b&gt;\n</code></pre>\n"},
		{"a line that ends stays one", "한 줄\n두 줄", "<p>한 줄<br>\n두 줄</p>\n"},
		{"a table", "|a|\n|-|\n|b|", "<table tabindex=\"0\">\n" +
			"<thead>\n<tr>\n<th>a</th>\n</tr>\n</thead>\n<tbody>\n<tr>\n<td>b</td>\n</tr>\n</tbody>\n</table>\n"},
		{"a tag as text", "`<pre>`", "<p><code>&lt;pre&gt;</code></p>\n"},
		{"Korean", "**굵은** 글씨", "<p><strong>굵은</strong> 글씨</p>\n"},
	} {
		got, err := convert(t.Context(), test.in)
		if err != nil {
			t.Fatal(err)
		}
		if comment := regexp.MustCompile(`<!--.*?-->`); comment.ReplaceAllString(string(got), "") != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

func FuzzMarkdown(f *testing.F) {
	for _, seed := range []string{"# a", "![x](javascript:1)", "<img onerror=x>", "[a]: data:x\n[a]", "|a|\n|-|\n|<b>|",
		"![[a](b)](c)", "<https://a\"onclick=x>"} {
		f.Add(seed)
	}
	bad := regexp.MustCompile(`(?i)<(script|img|style|iframe|svg|object|form|input|h1)\b` +
		`|<[^>]*\son\w+=|<[^>]*(href|src)="?\s*(javascript|data|vbscript):`)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := convert(t.Context(), text)
		if err != nil {
			t.Fatal(err)
		}
		if bad.MatchString(string(got)) {
			t.Errorf("%q gives %q", text, got)
		}
	})
}

// TestMarkdownThatCostsTooMuchIsRefused has inputs of 20,000 bytes, as long as a post may be, that
// take goldmark from 0.1 to 26 seconds, or that make up to 100 MB of HTML.
func TestMarkdownThatCostsTooMuchIsRefused(t *testing.T) {
	t.Parallel()
	const size = 20_000
	fill := func(unit string, bytes int) string { return strings.Repeat(unit, bytes/len(unit)) }
	for name, text := range map[string]string{
		"a table of 3,000 columns":            fill("|a", 6000) + "|\n" + fill("|-", 6000) + "|\n" + fill("|\n", size-12000),
		"tables with columns left out":        fill(fill("|", 99)+"\n"+fill("|-", 198)+"\n"+fill("|\n", 198)+"\n", size),
		"a table of escaped pipes":            "a|b\n-|-\n" + fill("`\\|`|\n", size),
		"lists in lists, and blank lines":     fill("- ", 12000) + "a\n" + fill("\n", size-12000),
		"numbered lists":                      fill("1. ", size),
		"lists within the bound, blank lines": fill("- ", 60) + "a\n" + fill("\n", size),
		"quotes in quotes":                    fill(">", size),
		"quotes and lists":                    fill("- > ", size),
		"a long address by short references":  "[a]: http://x/" + fill("b", size/2) + "\n\n" + fill("[a]", size/2),
		"pictures by reference":               "[a]: http://x/" + fill("b", size/2) + "\n\n" + fill("![a]", size/2),
		"brackets that open":                  fill("[", size),
		"brackets that open and close":        fill("[", size/2) + fill("]", size/2),
		"links that do not end":               fill("[a](", size),
		"links with parentheses":              fill("[a](((", size),
		"links with half a title":             fill("[a](b \"", size),
		"links in lines":                      fill("[a](\n", size),
		"pictures in pictures":                fill("![", size/2) + "a" + fill("](x)", size/2),
		"emphasis":                            fill("*a_", size),
		"emphasis in emphasis":                fill("*a **a ", size/2) + fill("b** b* ", size/2),
		"code that does not end":              fill("\n\\```", size),
		"tags that do not end":                fill("<a b=\"", size),
		"comments":                            fill("x<!--", size),
		"strikethrough":                       fill("~~a", size),
		"definitions":                         fill("[a]: <", size),
	} {
		if got, err := convert(t.Context(), text); !errors.Is(err, errTooMuch) {
			t.Errorf("%s: %d bytes of HTML, %v", name, len(got), err)
		}
	}
}

func TestALongOrdinaryPostIsRendered(t *testing.T) {
	t.Parallel()
	for name, section := range map[string]string{
		"sections": "## 제목\n\n**굵게**, *기울임*, `code` 그리고 [링크](https://x.example/a?b=c). 마루는 여럿이 쓰는 바닥입니다!\n\n" +
			"- 하나\n  - 둘\n    1. 셋 ~~넷~~\n\n> 인용\n> > 인용 속\n\n" +
			"```go\nif a[i] < b[j] && !c { *p |= 1 }\n```\n\n![그림](https://x.example/p.png)\n\n",
		"one paragraph": "A sentence with a **bold** word (and an aside), some `code`, https://x.example/, and an end! ",
		"a table":       "| a | b | `c` | d |\n",
		"a list":        "- [a link](https://x.example/) and *why*\n",
	} {
		text := strings.Repeat(section, 20_000/len([]rune(section)))
		if name == "a table" {
			text = "|1|2|3|4|\n|-|:-:|-:|-|\n" + text
		}
		got, err := convert(t.Context(), text)
		if err != nil || len(got) < len(text)/2 {
			t.Errorf("%s: %d bytes of HTML, %v", name, len(got), err)
		}
	}
}

// leaving is the context of a reader who leaves after ctx was looked at so often.
type leaving struct {
	context.Context
	looks atomic.Int64
	after int64
}

func (l *leaving) Err() error {
	if l.looks.Add(1) > l.after {
		return context.Canceled
	}
	return nil
}

func TestRenderingEndsWhenItsReaderLeaves(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("*a* [b](https://x.example/) `c` ", 300)
	stays := &leaving{Context: t.Context(), after: 1 << 30}
	if _, err := convert(stays, text); err != nil {
		t.Fatal(err)
	}
	looks := stays.looks.Load()
	if looks < 10 {
		t.Fatalf("the context was looked at %d times only", looks)
	}
	leaves := &leaving{Context: t.Context(), after: looks / 2}
	if _, err := convert(leaves, text); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if more := leaves.looks.Load() - looks/2; more != 1 {
		t.Errorf("the context was looked at %d times after it had ended", more)
	}
}

func TestRenderedTextsAreKept(t *testing.T) {
	t.Parallel()
	r, calls := New(), 0
	r.render = func(ctx context.Context, body string) (template.HTML, error) {
		calls++
		if body == "too much" {
			return "", errTooMuch
		}
		return template.HTML(body), ctx.Err()
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, _, err := r.html(gone, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("a reader who left got %v", err)
	}
	calls = 0
	for range 2 {
		if got, ok, err := r.html(t.Context(), "a"); got != "a" || !ok || err != nil {
			t.Errorf("got %q, %v, %v", got, ok, err)
		}
		if got, ok, err := r.html(t.Context(), "too much"); got != "" || ok || err != nil {
			t.Errorf("got %q, %v, %v", got, ok, err)
		}
	}
	if calls != 2 {
		t.Errorf("two texts were rendered %d times", calls)
	}
	large := strings.Repeat("x", maxHTML)
	for i := range 2 * maxRendered / maxHTML {
		if _, ok, err := r.html(t.Context(), fmt.Sprint(i)+large); !ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	sum := 0
	for _, kept := range r.kept.Values() {
		sum += kept.size()
	}
	if sum != r.bytes || sum > maxRendered || sum < maxRendered/2 {
		t.Errorf("%d bytes are kept, counted as %d", sum, r.bytes)
	}
}

func TestAReaderWhoLeavesWaitsForNoPlace(t *testing.T) {
	t.Parallel()
	r := New()
	for range cap(r.places) {
		r.places <- struct{}{}
	}
	ctx, leave := context.WithCancel(t.Context())
	leave()
	if _, _, err := r.html(ctx, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
