package oauth

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/client"
)

func TestAScopeIsReadOnceAWordAndAgainstTheRegistration(t *testing.T) {
	t.Parallel()
	c := &client.Client{Scope: "openid email board:read"}
	for text, want := range map[string]string{
		"":                                      "",
		"openid":                                "openid",
		" email  openid email ":                 "email openid",
		strings.Repeat("openid ", 1000):         "openid",
		"board:read\topenid":                    "board:read openid",
		"openid board:write":                    "refused",
		"OPENID":                                "refused",
		strings.Repeat("x", 10<<10) + " openid": "refused",
	} {
		got, err := ReadScope(c, text)
		var refused *Error
		if want == "refused" {
			if !errors.As(err, &refused) || refused.Kind != InvalidScope || len(refused.Text()) > 510 {
				t.Errorf("%.40q: %v", text, err)
			}
		} else if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%.40q: %q %v", text, got, err)
		}
	}
}

func TestListsKeepTheOrderOfTheFirst(t *testing.T) {
	t.Parallel()
	a, b := []string{"c", "a", "b"}, []string{"b", "c"}
	if got := Intersect(a, b); !slices.Equal(got, []string{"c", "b"}) {
		t.Errorf("both: %q", got)
	}
	if got := Without(a, b); !slices.Equal(got, []string{"a"}) || !slices.Equal(a, []string{"c", "a", "b"}) {
		t.Errorf("without: %q, of %q", got, a)
	}
	if Intersect(a, nil) != nil || len(Without(nil, b)) != 0 {
		t.Error("nothing")
	}
}

func TestScopesDecideTheAudienceAndResourcesNarrowIt(t *testing.T) {
	t.Parallel()
	const api = "https://api.example"
	r := &Resources{Issuer: "https://auth.example", Catalog: client.NewCatalog(client.Builtin(api))}
	for _, test := range []struct{ scope, resources, want string }{
		{"openid profile", "", r.Issuer},
		{"", "", r.Issuer},
		{"openid board:read", "", api + "/board"},
		{"board:read user:read", api + "/user", api + "/user"},
		{"user:read", api + "/board", "refused"},
		{"openid", r.Issuer, r.Issuer},
		{"openid board:read", r.Issuer, "refused"},
		{"board:read", api + "/board/", "refused"},
	} {
		got, err := r.Narrow(strings.Fields(test.scope), strings.Fields(test.resources))
		var refused *Error
		if test.want == "refused" {
			if !errors.As(err, &refused) || refused.Kind != InvalidTarget {
				t.Errorf("%+v: %q %v", test, got, err)
			}
		} else if err != nil || strings.Join(got, " ") != test.want {
			t.Errorf("%+v: %q %v", test, got, err)
		}
	}
}

func TestOneAudienceIsAStringAndSeveralAreAnArray(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Audiences{`"a"`: {"a"}, `["a","b"]`: {"a", "b"}, `[]`: {}} {
		var got Audiences
		if err := json.Unmarshal([]byte(text), &got); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q %v", text, got, err)
		}
		if again, err := json.Marshal(want); err != nil || string(again) != text {
			t.Errorf("%q: %s %v", want, again, err)
		}
	}
	var got Audiences
	if err := json.Unmarshal([]byte(`["a"]`), &got); err != nil || !slices.Equal(got, Audiences{"a"}) {
		t.Errorf("an array of one: %q %v", got, err)
	}
	for _, text := range []string{`1`, `{"a":1}`, `["a",1]`} {
		if err := json.Unmarshal([]byte(text), &got); err == nil {
			t.Errorf("%s: %q", text, got)
		}
	}
}
