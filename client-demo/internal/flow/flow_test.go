package flow

import (
	"encoding/base64"
	"net/url"
	"strings"
	"testing"
)

func TestLocalPath(t *testing.T) {
	for to, want := range map[string]string{
		"/": "/", "/boards/free?q=a&cursor=b": "/boards/free?q=a&cursor=b", "/posts/%EA%B8%80": "/posts/%EA%B8%80", "/a#b": "/a",
		"": "/", "boards": "/", "//evil.example": "/", "/\\evil.example": "/", "https://evil.example/": "/", "/../x": "/", "/a/./b": "/", "/a//b": "/",
		"/login": "/", "/callback": "/", "/signup": "/", "/a b": "/", "/a\nb": "/", "/" + strings.Repeat("a", 3000): "/", "/%zz": "/",
	} {
		if got := LocalPath(to); got != want {
			t.Errorf("LocalPath(%q) = %q, want %q", to, got, want)
		}
	}
}

func FuzzLocalPath(f *testing.F) {
	for _, seed := range []string{"/", "//x", "/\\x", "/%2f/x", "/a?b=//x", "http://x", "/a/../../x"} {
		f.Add(seed)
	}
	const origin = "https://app.example"
	base, err := url.Parse(origin + "/callback")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, to string) {
		local := LocalPath(to)
		for _, address := range []string{local, origin + local} {
			u, err := base.Parse(address)
			if err != nil || u.Scheme+"://"+u.Host != origin || u.User != nil {
				t.Errorf("LocalPath(%q) = %q leads to %v (%v)", to, local, u, err)
			}
		}
		if LocalPath(local) != local {
			t.Errorf("LocalPath(%q) = %q, which is none itself", to, local)
		}
	})
}

func TestDecodeTakesOnlyWhatIsAJWT(t *testing.T) {
	part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	var header, claims map[string]any
	if err := Decode(part(`{"alg":"RS256"}`)+"."+part(`{"sub":"p"}`)+".x", &header, &claims); err != nil || header["alg"] != "RS256" || claims["sub"] != "p" {
		t.Errorf("got %v, %v, %v", header, claims, err)
	}
	for _, bad := range []string{"", "opaque", "a.b", "a.b.c.d", "!.!.!", part(`[]`) + "." + part(`{}`) + ".", part(`{}`) + "." + part(`{`) + "."} {
		if err := Decode(bad, &header, &claims); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("e30.e30.")
	f.Fuzz(func(_ *testing.T, text string) {
		var header, claims map[string]any
		Decode(text, &header, &claims) //nolint:errcheck // it must only not panic
	})
}
