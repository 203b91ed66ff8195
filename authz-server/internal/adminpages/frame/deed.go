package frame

import (
	"net/http"
	"strings"

	"github.com/maru-auth/maru/authz-server/internal/guard"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/pages"
)

// A Deed is a change. It has a page of its own, which says what happens, and asks for what it needs
// and for the reason. Whoever sends the form has it done.
type Deed struct {
	Path string // of its route, such as /admin/users/{id}/disable
	Most int64  // bytes of its form; 0: 16 KiB

	// Form says what is on the page. It puts into the inputs what [Visit.Value] says, so that what was
	// typed is kept. Its errors are those of a view.
	Form func(v *Visit) (Form, error)

	// Do does it, as v.Typed says, and returns where the person goes on. Errors: guard.FormError,
	// [InWords], and those of package admin, for which the frame has words.
	Do func(v *Visit) (Outcome, error)

	// Problems are the words for errors of Do that mean something else here than elsewhere, and for
	// what is wrong with an input, by the field of admin.FieldError.
	Problems []Translation
}

// Form is the page of a deed.
type Form struct {
	Title   string
	Subject string   // whom or what it is about; may be empty
	Intro   []string // what happens, a paragraph each
	Facts   []Fact
	Code    string // something to copy, such as a command; may be empty
	Inputs  []Input
	Hidden  []Input // name and value
	Button  string  // empty: nothing can be done here
	Danger  bool    // it cannot be undone, or hurts
	Back    string  // the path of where the person comes from
}

// A Fact is something that the person should know.
type Fact struct{ Name, Value string }

// A Member is a fact of several values, such as a member of an app's metadata. They are a list.
type Member struct {
	Name   string
	Values []string
	Code   bool // they are no words
}

// Input is an input of a form.
type Input struct {
	Kind    string // text, email, url, number, password, datetime-local, area, select, check, checks, radios
	Name    string
	Label   string
	Value   string
	Hint    string
	Options []Choice // of select, checks and radios
	Ticked  bool     // of check
	Needed  bool     // it may not be empty
	Rows    int      // of area; 0: 3
	Problem string   // set by the frame
	First   bool     // the person types here first; set by the frame
	Inexact bool     // its text has no language: an address, a name of a role

	OptionalWord string // set by the frame
}

// Choice is one of several that an input has.
type Choice struct {
	Value, Label, Hint string
	Chosen             bool
}

// DescribedBy names the elements that explain the input.
func (in Input) DescribedBy() string {
	switch {
	case in.Problem != "" && in.Hint != "":
		return in.Name + "-problem " + in.Name + "-hint"
	case in.Problem != "":
		return in.Name + "-problem"
	case in.Hint != "":
		return in.Name + "-hint"
	}
	return ""
}

// Height is how many lines of an area are seen.
func (in Input) Height() int {
	if in.Rows > 0 {
		return in.Rows
	}
	return 3
}

// Outcome is where a deed leads.
type Outcome struct {
	to   string // a path of this server
	done string // a word of messages.Admin.Done; may be empty

	// page is shown at once, if it is not nil: what is shown once and never again.
	page *pages.AdminPage
}

// Done leads to a page that says what was done.
func Done(to, word string) (Outcome, error) { return Outcome{to: to, done: word}, nil }

// ShownOnce shows what is never shown again: no link on the page leads to it, and no cache keeps it.
// Template "issued" shows an [Issued].
func ShownOnce(name string, content any) (Outcome, error) {
	return Outcome{page: &pages.AdminPage{Name: name, Content: content, Once: true}}, nil
}

// Issued is a secret that was made, for the page that shows it once.
type Issued struct {
	Title  string
	Facts  []Member
	Intro  []string
	Label  string // of the secret
	Secret string // empty: there is none
	Back   string
}

// Follow leads where a deed leads that was done.
func (v *Visit) Follow(out Outcome) {
	switch {
	case out.page != nil:
		v.Render(http.StatusOK, *out.page)
	case out.done != "":
		v.See(withParameter(out.to, "done", out.done))
	default:
		v.See(out.to)
	}
}

func (d Deed) show(v *Visit) error {
	f, err := d.Form(v)
	if err == nil {
		d.render(v, http.StatusOK, f, pages.Form{}, "")
	}
	return err
}

func (d Deed) post(v *Visit) error {
	out, err := d.Do(v)
	if err == nil {
		v.Follow(out)
		return nil
	}
	f, formErr := d.Form(v)
	if formErr != nil { // what it was about is gone, or the person is not any more what let them in
		return formErr
	}
	wrong, known := refusalOf(err, d.Problems)
	if !known {
		return err
	}
	d.render(v, wrong.status, f, pages.Form{Problems: wrong.form}, wrong.detail)
	return nil
}

// render shows the form, with what is wrong with it.
func (d Deed) render(v *Visit, status int, f Form, wrong pages.Form, detail string) {
	page := pages.AdminPage{Form: wrong, Name: "deed", Detail: detail}
	fields := map[string]bool{"": true}
	for _, in := range f.Inputs {
		fields[in.Name] = true
	}
	for field, problem := range wrong.Problems {
		if !fields[field] { // the form has no such input
			delete(wrong.Problems, field)
			wrong.Problems[""] = problem
		}
	}
	f.Inputs, page.Fields = v.Inputs(f.Inputs, wrong)
	page.Content = f
	v.Render(status, page)
}

// Inputs puts what is wrong into the inputs of a form, and lists them for the summary above it.
func (v *Visit) Inputs(all []Input, wrong pages.Form) (marked []Input, fields []pages.Field) {
	first := true
	for _, in := range all {
		in.OptionalWord = v.T.Admin.Frame.Optional
		if problem, ok := wrong.Problems[in.Name]; ok {
			in.Problem, in.First, first = v.T.Problem(problem, 0), first, false
		}
		marked = append(marked, in)
		fields = append(fields, pages.Field{Name: in.Name, Label: in.Label})
	}
	return marked, fields
}

// ReasonInput asks why. A person may ask what was done to their account, and an auditor will.
func (v *Visit) ReasonInput(needed bool) Input {
	return Input{
		Kind: "text", Name: "reason", Label: v.T.Admin.Frame.Reason, Hint: v.T.Admin.Frame.ReasonHint,
		Value:  v.Value("reason", ""),
		Needed: needed,
	}
}

// Reason is why, as typed; a person's account is not changed without one.
func (v *Visit) Reason(needed bool) (string, error) {
	reason := v.Typed.Get("reason")
	if needed && reason == "" {
		return "", guard.FormError{"reason": messages.AdminReasonMissing}
	}
	return reason, nil
}

// Lines are the lines of what was typed into an area, without empty ones.
func Lines(text string) []string {
	all := []string{}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			all = append(all, line)
		}
	}
	return all
}
