package oauth

import (
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
)

func post(target, body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, target, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

func TestParametersWithoutAValueAreOmitted(t *testing.T) {
	t.Parallel()
	r := post("/x?a=&b=query", "a=1&a=&c=&d=2")
	if err := ReadForm(r); err != nil {
		t.Fatal(err)
	}
	if got := r.Form.Encode(); got != "a=1&b=query&d=2" {
		t.Errorf("both: %s", got)
	}
	if got := r.PostForm.Encode(); got != "a=1&d=2" {
		t.Errorf("posted: %s", got)
	}
	// A form whose values others hold changes for its owner alone.
	values := []string{"", "x"}
	form := url.Values{"a": values}
	OmitEmpty(form)
	if form.Encode() != "a=x" || !slices.Equal(values, []string{"", "x"}) {
		t.Errorf("%v, of %q", form, values)
	}
}

func TestAFormIsRefused(t *testing.T) {
	t.Parallel()
	large := post("/x", "a="+strings.Repeat("x", 100))
	large.Body = http.MaxBytesReader(httptest.NewRecorder(), large.Body, 10)
	for name, test := range map[string]struct {
		r      *http.Request
		status int
		says   string
	}{
		"too large":       {large, http.StatusRequestEntityTooLarge, "too large"},
		"escapes":         {post("/x", "a=%zz"), http.StatusBadRequest, "cannot be read"},
		"a semicolon":     {post("/x?a=1;b=2", ""), http.StatusBadRequest, "cannot be read"},
		"NUL":             {post("/x", "a=%00"), http.StatusBadRequest, "UTF-8"},
		"bad UTF-8":       {post("/x?a=%ff", ""), http.StatusBadRequest, "UTF-8"},
		"a name, no text": {post("/x", "%ff=a"), http.StatusBadRequest, "UTF-8"},
	} {
		var got *Error
		if err := ReadForm(test.r); !errors.As(err, &got) || got.Status != test.status || !strings.Contains(got.Description, test.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestABackChannelRequestIsItsBodyAlone(t *testing.T) {
	t.Parallel()
	for body, ok := range map[string]bool{"grant_type=x": true, "resource=a&resource=b": true, "made_up=1&made_up=2": true, "": false,
		"scope=":          false,
		"scope=a&scope=b": false} {
		if err := ReadPost(post("/x?grant_type=query", body)); (err == nil) != ok {
			t.Errorf("%q: %v", body, err)
		}
	}
}

func TestNoParameterThatIsReadMayComeTwice(t *testing.T) {
	t.Parallel()
	for _, name := range singleParameters {
		if err := OnlyOnce(url.Values{name: {"a"}}); err != nil {
			t.Errorf("%s once: %v", name, err)
		}
		var got *Error
		if err := OnlyOnce(url.Values{name: {"a", "a"}}); !errors.As(err, &got) || got.Kind != InvalidRequest ||
			!strings.Contains(got.Description, name) {
			t.Errorf("%s twice: %v", name, err)
		}
	}
	for _, name := range []string{"resource", "audience", "made_up"} {
		if err := OnlyOnce(url.Values{name: {"a", "b"}}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOnlyKeepsTheNamedParameters(t *testing.T) {
	t.Parallel()
	got := Only(url.Values{"a": {"1", "2"}, "b": {"3"}}, []string{"a", "c"})
	if !maps.EqualFunc(got, url.Values{"a": {"1", "2"}}, slices.Equal[[]string]) {
		t.Errorf("%v", got)
	}
}

func TestBasicIsKnownInAnyCase(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]bool{
		"": false, "Basic eDp5": true, "bAsIc  x": true, "Basic": true, "Bearer x": false, "Basically x": false,
	} {
		r := post("/x", "")
		r.Header.Set("Authorization", header)
		if UsesBasic(r) != want {
			t.Errorf("%q: not %t", header, want)
		}
	}
}

func TestAnExcerptIsAtMost200Characters(t *testing.T) {
	t.Parallel()
	for _, character := range []string{"a", "김", "\xff"} {
		exact, longer := strings.Repeat(character, 200), strings.Repeat(character, 201)
		if got := Excerpt(exact); got != exact {
			t.Errorf("200 of %q: %q", character, got)
		}
		if got := Excerpt(longer); got != exact+"..." {
			t.Errorf("201 of %q: %q", character, got)
		}
	}
}
