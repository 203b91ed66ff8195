package oauth

import (
	"errors"
	"strings"
	"testing"
)

func TestAnErrorTellsItsCodeAndDescription(t *testing.T) {
	t.Parallel()
	err := InvalidScope.Because("the scope x is unknown")
	if err.Error() != "invalid_scope: the scope x is unknown" || err.Status != 400 || err.PageOnly {
		t.Errorf("%v %+v", err, err)
	}
	if shown := InvalidRequest.OnPage("redirect_uri is wrong"); !shown.PageOnly || shown.Kind != InvalidRequest {
		t.Errorf("%+v", shown)
	}
	var got *Error
	if wrapped := errors.Join(errors.New("x"), err); !errors.As(wrapped, &got) || got.Kind != InvalidScope {
		t.Errorf("%v", got)
	}
	if DeviceDenied.Code != AccessDenied.Code || DeviceDenied == AccessDenied {
		t.Error("a denial is answered with one status at the token endpoint, and with another in the browser")
	}
}

func TestTheTextOfAnErrorBreaksNeitherHeadersNorURLs(t *testing.T) {
	t.Parallel()
	for description, want := range map[string]string{
		"plain":                  "plain",
		`the scope "x"`:          "the scope 'x'",
		"a\\b":                   "a b",
		"a\r\nSet-Cookie: x=y":   "a  Set-Cookie: x=y",
		"\x00\x1f\x7f":           "   ",
		"김민지":                    "   ",
		strings.Repeat("a", 500): strings.Repeat("a", 500),
		strings.Repeat("a", 501): strings.Repeat("a", 500) + "...",
	} {
		if got := InvalidRequest.Because(description).Text(); got != want {
			t.Errorf("%.40q: %.40q, want %.40q", description, got, want)
		}
	}
}
