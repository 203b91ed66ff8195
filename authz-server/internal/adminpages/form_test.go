package adminpages_test

import (
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/maru-auth/maru/authz-server/internal/people/peopletest"
)

// press sends the form around the element of an id, as a browser does: with all that is in it, but
// for what fields say instead, name after value. A value that begins with "+" is one more of its name,
// and "-" takes all away.
func press(t *testing.T, b *peopletest.Browser, at string, page peopletest.Answer, id string,
	fields ...string) peopletest.Answer {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(page.Body))
	if err != nil {
		t.Fatal(err)
	}
	var button, form *html.Node
	for n := range doc.Descendants() {
		if id != "" && attribute(n, "id") == id {
			button = n
		}
		if id == "" && n.Data == "button" && attribute(n, "type") == "submit" {
			button = n
		}
	}
	for form = button; form != nil && !(form.Type == html.ElementNode && form.Data == "form"); form = form.Parent {
	}
	if form == nil {
		t.Fatalf("no form around #%s: %d %s", id, page.Status, page.Body)
	}
	values := url.Values{}
	for n := range form.Descendants() {
		name, kind := attribute(n, "name"), attribute(n, "type")
		if name == "" {
			continue
		}
		switch n.Data {
		case "input":
			if kind == "checkbox" || kind == "radio" {
				if _, on := attributes(n)["checked"]; !on {
					continue
				}
			}
			values.Add(name, attribute(n, "value"))
		case "textarea":
			text := ""
			if n.FirstChild != nil {
				text = n.FirstChild.Data
			}
			values.Add(name, strings.TrimPrefix(text, "\n"))
		case "select":
			for o := range n.Descendants() {
				if _, on := attributes(o)["selected"]; o.Data == "option" && (on || !values.Has(name)) {
					values.Set(name, attribute(o, "value"))
				}
			}
		}
	}
	if name := attribute(button, "name"); name != "" {
		values.Set(name, attribute(button, "value"))
	}
	for i := 0; i < len(fields); i += 2 {
		switch name, value := fields[i], fields[i+1]; {
		case value == "-":
			values.Del(name)
		case strings.HasPrefix(value, "+"):
			values.Add(name, value[1:])
		default:
			values.Set(name, value)
		}
	}
	if action := attribute(form, "action"); action != "" {
		at = action
	}
	return b.Do(b.FormRequest(at, values.Encode()))
}

func attributes(n *html.Node) map[string]string {
	all := map[string]string{}
	for _, a := range n.Attr {
		all[a.Key] = a.Val
	}
	return all
}

func attribute(n *html.Node, name string) string { return attributes(n)[name] }

// textOf is what is written in the element of an id.
func textOf(t *testing.T, page, id string) string {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	for n := range doc.Descendants() {
		if id != "" && attribute(n, "id") == id {
			var b strings.Builder
			for d := range n.Descendants() {
				if d.Type == html.TextNode {
					b.WriteString(d.Data)
				}
			}
			return b.String()
		}
	}
	return ""
}
