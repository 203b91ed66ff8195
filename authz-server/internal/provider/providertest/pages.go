package providertest

import (
	"html"
	"net/url"
	"regexp"
	"testing"
)

var (
	hiddenInput = regexp.MustCompile(`<input[^>]*type="hidden"[^>]*>`)
	button      = regexp.MustCompile(`<button[^>]*>`)
)

// attribute is the value of a tag's attribute, or empty.
func attribute(name, tag string) string {
	found := regexp.MustCompile(` ` + name + `="([^"]*)"`).FindStringSubmatch(tag)
	if found == nil {
		return ""
	}
	return html.UnescapeString(found[1])
}

// HiddenFields are those of a page, as its form sends them.
func HiddenFields(page string) url.Values {
	form := url.Values{}
	for _, tag := range hiddenInput.FindAllString(page, -1) {
		form.Add(attribute("name", tag), attribute("value", tag))
	}
	return form
}

// ButtonName returns the name and the value that the button with this id sends.
func ButtonName(t testing.TB, page, id string) (name, value string) {
	t.Helper()
	for _, tag := range button.FindAllString(page, -1) {
		if attribute("id", tag) == id {
			return attribute("name", tag), attribute("value", tag)
		}
	}
	t.Fatalf("no button %s: %s", id, page)
	return "", ""
}

// Asked sends a request that must lead to the consent page, and returns that page and the path of
// its form.
func (b *Browser) Asked(form url.Values) (path string, page Answer) {
	b.Fixture.T.Helper()
	a := b.AuthorizeForm(form)
	if a.Location == nil || a.Location.Path != "/consent" {
		b.Fixture.T.Fatalf("nobody is asked: %v %s", a.Location, a.Body)
	}
	return a.Location.String(), b.Get(a.Location.String())
}

// Allow posts the consent page's form with these words ticked, and follows it to the answer.
func (b *Browser) Allow(t testing.TB, path string, page Answer, words ...string) Answer {
	t.Helper()
	return b.Get(b.Press(t, path, page, "allow", words...))
}

// Press posts the consent page's form by one of its buttons, with these words ticked, and returns
// where the browser is led.
func (b *Browser) Press(t testing.TB, path string, page Answer, button string, words ...string) string {
	t.Helper()
	form := HiddenFields(page.Body)
	form["scope"] = words
	form.Set(ButtonName(t, page.Body, button))
	a := b.Post(path, form)
	if a.Location == nil || a.Location.Path != "/oauth2/authorize" {
		t.Fatalf("after %s: %d %v %s", button, a.Status, a.Location, a.Body)
	}
	return a.Location.String()
}
