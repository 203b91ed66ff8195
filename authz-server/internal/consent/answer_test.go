package consent_test

import (
	"errors"
	"net/url"
	"slices"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/consent"
)

func TestWhatAPageAsks(t *testing.T) {
	t.Parallel()
	got := consent.Choices([]string{"openid", "email", "board:read"}, []string{"openid", "email"})
	want := []consent.Choice{{Word: "openid", Required: true, Ticked: true}, {Word: "email"}, {Word: "board:read", Ticked: true}}
	if !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
}

func TestWhatAPersonAnswers(t *testing.T) {
	t.Parallel()
	words := []string{"openid", "email", "board:read"}
	for _, test := range []struct {
		form     string
		words    []string
		granted  []string
		declined []string
		err      error
	}{
		{"session=sid&decision=allow&scope=board:read&scope=email", words, words, nil, nil},
		{"session=sid&decision=allow&scope=email&scope=user:write", words, []string{"openid", "email"}, []string{"board:read"}, nil},
		{"session=sid&decision=allow", words, []string{"openid"}, []string{"email", "board:read"}, nil},
		{"session=sid&decision=deny&scope=email", words, nil, words, nil},
		{"session=sid&decision=allow", nil, nil, nil, nil},
		{"session=sid&decision=allow&scope=user:write", []string{"email"}, nil, nil, consent.ErrNothingChosen},
		{"session=other&decision=allow&scope=email", words, nil, nil, consent.ErrOtherSession},
		{"session=other&decision=deny", words, nil, nil, consent.ErrOtherSession},
		{"decision=allow&scope=email", words, nil, nil, consent.ErrOtherSession},
		{"session=sid&decision=Allow", words, nil, nil, consent.ErrDecision},
		{"session=sid", words, nil, nil, consent.ErrDecision},
	} {
		form, err := url.ParseQuery(test.form)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := consent.Read(form, "sid", test.words)
		if !errors.Is(err, test.err) || !slices.Equal(answer.Granted, test.granted) || !slices.Equal(answer.Declined, test.declined) {
			t.Errorf("%s about %q: %+v, %v", test.form, test.words, answer, err)
		}
		if err == nil && answer.Allowed != (form.Get("decision") == consent.Allow) {
			t.Errorf("%s is read as allowed: %v", test.form, answer.Allowed)
		}
	}
}
