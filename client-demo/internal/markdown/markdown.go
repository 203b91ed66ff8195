package markdown

import (
	"context"
	"html/template"
	"net/url"
	"regexp"
	"strings"

	"github.com/microcosm-cc/bluemonday"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// linkRel has search engines not follow links in posts, and browsers not tell where one was
// followed from.
const linkRel = "nofollow noopener noreferrer ugc"

var (
	converter = goldmark.New(
		goldmark.WithExtensions(extension.Table, extension.Strikethrough, extension.Linkify),
		goldmark.WithParserOptions(
			parser.WithASTTransformers(util.Prioritized(tame{}, 100)),
			parser.WithInlineParsers(util.Prioritized(meteredInline{}, 0)),
			parser.WithParagraphTransformers(util.Prioritized(meteredTable{}, 199)),
		),
		goldmark.WithRendererOptions(html.WithHardWraps()), // people mean the line breaks that they type
	)
	// What goldmark writes should not need it: this is the second lock on the door.
	sanitizer = func() *bluemonday.Policy {
		p := bluemonday.NewPolicy()
		p.AllowElements("p", "br", "hr", "h2", "h3", "h4", "h5", "h6", "strong", "em", "del", "code",
			"pre", "blockquote", "ul", "ol", "li",
			"table", "thead", "tbody", "tr", "th", "td")
		p.AllowAttrs("start").Matching(bluemonday.Integer).OnElements("ol")
		p.AllowURLSchemes("http", "https", "mailto")
		p.RequireParseableURLs(true)
		p.AllowRelativeURLs(false)
		p.AllowAttrs("href").OnElements("a")
		p.AllowAttrs("rel").Matching(regexp.MustCompile("^" + linkRel + "$")).OnElements("a")
		return p
	}()
)

// convert makes HTML of Markdown. It leaves HTML out (goldmark does so unless told otherwise),
// turns pictures into links, because loading them would tell another host who reads here, and puts
// headings below the page's own h1.
//
// It ends soon after ctx does. Errors: errTooMuch for a text that would cost too much; ctx's.
func convert(ctx context.Context, body string) (result template.HTML, err error) {
	defer func() {
		if p := recover(); p != nil {
			s, ok := p.(stopped)
			if !ok {
				panic(p)
			}
			result, err = "", s.reason
		}
	}()
	source, m := []byte(body), newMeter(ctx)
	m.spend(len(source))
	doc := converter.Parser().Parse(meteredReader{text.NewReader(source), m},
		parser.WithContext(meteredContext{parser.NewContext(), m}))
	var out boundedHTML
	if err := converter.Renderer().Render(&out, source, doc); err != nil {
		return "", err
	}
	m.spend(out.Len()) // and looks at ctx once more
	safe := reachable.Replace(string(sanitizer.SanitizeBytes(out.Bytes())))
	return template.HTML(safe), nil //nolint:gosec // this is the sanitizer's output
}

// reachable lets the keyboard scroll what is wider than the page (WCAG 2.2 §2.1.1). It cannot hit
// text: in the sanitizer's output < begins tags only.
var reachable = strings.NewReplacer("<pre>", `<pre tabindex="0">`, "<table>", `<table tabindex="0">`)

// tame changes the parsed document before it becomes HTML.
type tame struct{}

var _ parser.ASTTransformer = tame{}

// Transform implements parser.ASTTransformer.
func (tame) Transform(doc *ast.Document, source text.Reader, pc parser.Context) {
	m, depth := meterOf(pc), 0
	var pointing []ast.Node
	ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) { //nolint:errcheck // the walker returns none
		if !entering {
			depth--
			return ast.WalkContinue, nil
		}
		depth++
		m.depth(depth)
		m.spend(1)
		switch n := n.(type) {
		case *ast.Heading:
			n.Level = min(n.Level+1, 6)
		case *ast.Link, *ast.Image, *ast.AutoLink:
			pointing = append(pointing, n)
		}
		return ast.WalkContinue, nil
	})
	for _, n := range pointing {
		switch n := n.(type) {
		case *ast.Link:
			m.spend(linkWork * len(n.Destination)) // by reference, a short link has a long one
			retarget(n, n.Destination)
		case *ast.Image:
			m.spend(linkWork * len(n.Destination))
			retarget(n, n.Destination)
		case *ast.AutoLink:
			if n.AutoLinkType == ast.AutoLinkEmail || leadsOut(n.URL(source.Source())) {
				n.SetAttributeString("rel", []byte(linkRel))
			} else {
				n.Parent().ReplaceChild(n.Parent(), n, ast.NewString(n.Label(source.Source())))
			}
		}
	}
}

// retarget replaces a link or picture by a link with rel; or, where the app sends nobody to its
// destination, by its words.
func retarget(n ast.Node, destination []byte) {
	if !n.HasChildren() {
		n.AppendChild(n, ast.NewString(destination))
	}
	parent := n.Parent()
	into := parent
	if leadsOut(destination) {
		link := ast.NewLink()
		link.Destination = destination
		link.SetAttributeString("rel", []byte(linkRel))
		parent.InsertBefore(parent, n, link)
		into = link
	}
	for child := n.FirstChild(); child != nil; {
		next := child.NextSibling()
		if into == parent {
			parent.InsertBefore(parent, n, child)
		} else {
			into.AppendChild(into, child)
		}
		child = next
	}
	parent.RemoveChild(parent, n)
}

// leadsOut tells whether a link may have a destination: the web or a mailbox.
func leadsOut(destination []byte) bool {
	u, err := url.Parse(string(destination))
	return err == nil && (u.Scheme == "mailto" || (u.Scheme == "http" || u.Scheme == "https") && u.Host != "")
}
