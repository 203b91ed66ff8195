package e2e

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/maru-auth/maru/deploy/inbox"
)

// person is somebody with a browser that knows no script: cookies, redirects and forms.
type person struct {
	t               *testing.T
	browser         *http.Client
	Name            string
	Email, Password string
}

// callback is where the sample app would listen: nothing does, and the browser stops there.
const callback = "http://127.0.0.1:1/callback"

func newPerson(t *testing.T, transport http.RoundTripper) *person {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	who := strings.ToLower(rand.Text())
	return &person{
		t: t, Name: "Person " + who[:6], Email: who + "@example.com", Password: "long-and-odd-" + who,
		browser: &http.Client{Jar: jar, Transport: transport, Timeout: 30 * time.Second,
			CheckRedirect: func(req *http.Request, via []*http.Request) error {
				if strings.HasPrefix(req.URL.String(), callback) {
					return http.ErrUseLastResponse
				}
				if len(via) > 15 {
					return fmt.Errorf("redirected for ever: %s", req.URL.Redacted())
				}
				return nil
			}},
	}
}

// page is what the browser shows, or, with Callback, where an app takes over.
type page struct {
	person   *person
	URL      *url.URL
	Status   int
	Header   http.Header
	Doc      *html.Node
	Callback url.Values // the parameters at the app's callback; nil: the browser is elsewhere
}

func (p *person) open(address string) page {
	p.t.Helper()
	resp, err := p.browser.Get(address)
	if err != nil {
		p.t.Fatal(err)
	}
	return p.read(resp)
}

func (p *person) read(resp *http.Response) page {
	p.t.Helper()
	defer resp.Body.Close()
	shown := page{person: p, URL: resp.Request.URL, Status: resp.StatusCode, Header: resp.Header}
	if at, err := resp.Location(); err == nil {
		shown.URL, shown.Callback = at, at.Query()
		return shown
	}
	doc, err := html.Parse(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	shown.Doc = doc
	return shown
}

func attribute(n *html.Node, name string) (string, bool) {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val, true
		}
	}
	return "", false
}

func (g page) byID(id string) *html.Node {
	if g.Doc == nil {
		return nil
	}
	for n := range g.Doc.Descendants() {
		if v, ok := attribute(n, "id"); ok && v == id {
			return n
		}
	}
	return nil
}

// text is what a person reads on the page.
func (g page) text() string {
	if g.Doc == nil {
		return ""
	}
	var b strings.Builder
	for n := range g.Doc.Descendants() {
		if n.Type == html.TextNode {
			b.WriteString(n.Data + " ")
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// press fills the fields of the form around the button of that id, and presses it.
func (g page) press(id string, fields ...string) page {
	t := g.person.t
	t.Helper()
	button := g.byID(id)
	if button == nil {
		t.Fatalf("no button #%s on %s (%d): %s", id, g.URL, g.Status, g.text())
	}
	form := button
	for form != nil && form.Data != "form" {
		form = form.Parent
	}
	if form == nil {
		t.Fatalf("#%s stands in no form", id)
	}
	values := url.Values{}
	var names []string
	for n := range form.Descendants() {
		name, ok := attribute(n, "name")
		if _, disabled := attribute(n, "disabled"); !ok || disabled || n.Data != "input" &&
			n.Data != "textarea" && n.Data != "select" {
			continue
		}
		names = append(names, name)
		value, _ := attribute(n, "value")
		switch n.Data {
		case "textarea":
			if n.FirstChild != nil {
				value = strings.TrimPrefix(n.FirstChild.Data, "\n")
			}
		case "select":
			value = chosen(n)
		}
		if kind, _ := attribute(n, "type"); kind == "checkbox" || kind == "radio" {
			if _, checked := attribute(n, "checked"); !checked {
				continue
			}
		}
		values.Add(name, value)
	}
	for i := 0; i < len(fields); i += 2 {
		if !slices.Contains(names, fields[i]) {
			t.Fatalf("the form of #%s has no field %q, it has %q", id, fields[i], names)
		}
		values.Set(fields[i], fields[i+1])
	}
	if name, ok := attribute(button, "name"); ok {
		value, _ := attribute(button, "value")
		values.Set(name, value)
	}
	action, _ := attribute(form, "action")
	target, err := g.URL.Parse(action)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := g.person.browser.PostForm(target.String(), values)
	if err != nil {
		t.Fatal(err)
	}
	return g.person.read(resp)
}

// signUp fills the form of a new account, and confirms the address by the code that comes by mail.
func (g page) signUp(r *running) page {
	p := g.person
	p.t.Helper()
	shown := g.press("signup", "name", p.Name, "email", p.Email, "password", p.Password)
	return shown.press("verify", "code", r.letter(p.t, p.Email).Code())
}

// letter waits for the newest letter to an address.
func (r *running) letter(t *testing.T, to string) inbox.Mail {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	m, err := inbox.Wait(ctx, r.Inbox(), to, nil)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// chosen is the value of a select: that of the selected option, or of the first.
func chosen(n *html.Node) string {
	first, found := "", false
	for option := range n.Descendants() {
		if option.Data != "option" {
			continue
		}
		value, _ := attribute(option, "value")
		if _, selected := attribute(option, "selected"); selected {
			return value
		}
		if !found {
			first, found = value, true
		}
	}
	return first
}

// follow opens the first link whose address contains part.
func (g page) follow(part string) page {
	t := g.person.t
	t.Helper()
	for n := range g.Doc.Descendants() {
		if href, ok := attribute(n, "href"); ok && n.Data == "a" && strings.Contains(href, part) {
			target, err := g.URL.Parse(href)
			if err != nil {
				t.Fatal(err)
			}
			return g.person.open(target.String())
		}
	}
	t.Fatalf("no link to %s on %s: %s", part, g.URL, g.text())
	return page{}
}
