package consent

import (
	"errors"
	"net/url"
	"slices"
)

// Choice is one word on a page that asks a person.
type Choice struct {
	Word     string
	Required bool // the request makes no sense without it, so it cannot be unticked
	Ticked   bool
}

// Choices lists words as a page shows them: ticked, except for those in unticked that may be.
func Choices(words, unticked []string) []Choice {
	choices := make([]Choice, len(words))
	for i, word := range words {
		choices[i] = Choice{word, required(word), required(word) || !slices.Contains(unticked, word)}
	}
	return choices
}

// required tells whether a request that asks for word makes no sense without it.
func required(word string) bool { return word == "openid" }

// The values of the form field "decision".
const (
	Allow = "allow"
	Deny  = "deny"
)

// Why [Read] takes no answer from a form.
var (
	ErrDecision      = errors.New("the parameter decision must be allow or deny")
	ErrOtherSession  = errors.New("the page was shown to another person") // or in an earlier session of the same one
	ErrNothingChosen = errors.New("nothing is ticked")
)

// Answer is what a person decided about the words that an app asks for.
type Answer struct {
	Allowed  bool
	Granted  []string // in the order of the words; nil when denied
	Declined []string // the words that are not granted
}

// Read reads the answer about words from the fields that a page of [Choices] posts: "session" is
// the login session that the page was shown to, "decision" the button, and "scope" each word that
// is ticked. current is the login session that the form is posted in: somebody else may have logged
// in, in another tab, after the page was shown, and what that person saw is not what this one
// allows.
func Read(form url.Values, current string, words []string) (Answer, error) {
	decision := form.Get("decision")
	if decision != Allow && decision != Deny {
		return Answer{}, ErrDecision
	}
	if form.Get("session") != current {
		return Answer{}, ErrOtherSession
	}
	if decision == Deny {
		return Answer{Declined: words}, nil
	}
	answer := Answer{Allowed: true}
	for _, word := range words {
		if required(word) || slices.Contains(form["scope"], word) {
			answer.Granted = append(answer.Granted, word)
		} else {
			answer.Declined = append(answer.Declined, word)
		}
	}
	if len(answer.Granted) == 0 && len(words) > 0 {
		return Answer{}, ErrNothingChosen
	}
	return answer, nil
}
