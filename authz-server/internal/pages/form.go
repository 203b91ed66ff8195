package pages

import (
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/messages"
)

// Form is what every page with input has: what is wrong with it.
type Form struct {
	Problems map[string]messages.Problem // by field; "" is the form as a whole
	Wait     time.Duration               // how long to wait, with messages.TooManyTries and messages.TooManyLogins
}

// formScript makes forms friendlier: passwords can be shown, a new one is rated, and times are in
// the browser's zone.
const formScript = "form.js"

// field is one labelled input of a form.
type field struct {
	Type, Name, Label, Value, Autocomplete, Hint string
	Problem                                      string
	Autofocus                                    bool
	T                                            *messages.Language
}

// DescribedBy names the elements that explain the input to those who cannot see where they stand.
func (f field) DescribedBy() string {
	var ids []string
	if f.Problem != "" {
		ids = append(ids, f.Name+"-problem")
	}
	if f.Hint != "" {
		ids = append(ids, f.Name+"-hint")
	}
	return strings.Join(ids, " ")
}

// Input makes a field with what is wrong with it.
func (v view) Input(kind, name, label, value, autocomplete, hint string) field {
	f := field{Type: kind, Name: name, Label: label, Value: value, Autocomplete: autocomplete, Hint: hint, T: v.T}
	f.Autofocus = name == v.FirstWrong()
	f.Problem = v.WrongWith(name)
	return f
}

// WrongWith says what is wrong with a field that Input does not make; empty: nothing.
func (v view) WrongWith(name string) string {
	if problem, ok := v.form.Problems[name]; ok {
		return v.T.Problem(problem, v.form.Wait)
	}
	return ""
}

// wrong is one field that is wrong, for the summary above the form.
type wrong struct{ Name, Label, Text string }

// Wrong lists what is wrong with which field, in the order of the page. What another window saved
// is worth a look too.
func (v view) Wrong() []wrong {
	var all []wrong
	for _, f := range v.fields {
		if problem, ok := v.form.Problems[f.Name]; ok {
			all = append(all, wrong{f.Name, f.Label, v.T.Problem(problem, v.form.Wait)})
		} else if text, ok := v.changed[f.Name]; ok {
			all = append(all, wrong{f.Name, f.Label, text})
		}
	}
	return all
}

// Failed tells whether the page says that a form was refused.
func (v view) Failed() bool { return len(v.form.Problems) > 0 }

// FirstWrong is the field where the person goes on: the first that is wrong, or else the one to
// type into first. Empty: none; if the form was refused, the summary has the focus then.
func (v view) FirstWrong() string {
	if wrong := v.Wrong(); len(wrong) > 0 {
		return wrong[0].Name
	}
	return v.focus
}

// FormProblem says what is wrong with the form as a whole, or is empty.
func (v view) FormProblem() string {
	if problem, ok := v.form.Problems[""]; ok {
		return v.T.Problem(problem, v.form.Wait)
	}
	return ""
}
