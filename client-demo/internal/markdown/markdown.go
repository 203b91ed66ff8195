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

// linkRel: a link in a post neither lends our good name nor learns where it was followed from.
const linkRel = "nofollow noopener noreferrer ugc"

var (
	converter = goldmark.New(
		goldmark.WithExtensions(extension.Table, extension.Strikethrough, extension.Linkify),
		goldmark.WithParserOptions(
			parser.WithASTTransformers(util.Prioritized(tame{}, 100)),
			parser.WithInlineParsers(util.Prioritized(meteredInline{}, 0)),
			parser.WithParagraphTransformers(util.Prioritized(meteredTable{}, 199)),
		),
		goldmark.WithRendererOptions(html.WithHardWraps()), // people who end a line mean it
	)
	// Nothing that goldmark writes should need it. It is the second lock on the door.
	sanitizer = func() *bluemonday.Policy {
		p := bluemonday.NewPolicy()
		p.AllowElements("p", "br", "hr", "h2", "h3", "h4", "h5", "h6", "strong", "em", "del", "code", "pre", "blockquote", "ul", "ol", "li",
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

// convert makes HTML of a post's body. HTML in it is left out (goldmark does so unless told otherwise), pictures become
// links, since loading them would tell another host who reads here, and headings go below the page's own h1.
//
// It ends soon after ctx does. Error: errTooMuch, for a text that would cost too much; that of ctx.
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
	doc := converter.Parser().Parse(meteredReader{text.NewReader(source), m}, parser.WithContext(meteredContext{parser.NewContext(), m}))
	var out boundedHTML
	if err := converter.Renderer().Render(&out, source, doc); err != nil {
		return "", err
	}
	m.spend(out.Len())                                                                         // and looks at ctx once more
	return template.HTML(reachable.Replace(string(sanitizer.SanitizeBytes(out.Bytes())))), nil //nolint:gosec // this is the sanitizer's output
}

// reachable lets the keyboard scroll what is wider than the page (WCAG 2.2 §2.1.1). In the sanitizer's output a tag stands
// for itself alone: a text has no <.
var reachable = strings.NewReplacer("<pre>", `<pre tabindex="0">`, "<table>", `<table tabindex="0">`)

// tame changes what was parsed, before it is written as HTML.
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

// retarget puts in place of a link or picture a link with rel, or where it leads nowhere that we send people, its words alone.
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

// leadsOut tells whether a link may lead there: to the web or to a mailbox.
func leadsOut(destination []byte) bool {
	u, err := url.Parse(string(destination))
	return err == nil && (u.Scheme == "mailto" || (u.Scheme == "http" || u.Scheme == "https") && u.Host != "")
}
