package adminpages

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/maru-auth/maru/authz-server/internal/guard"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/pages"
)

// A deed is a change. It has a page of its own, which says what happens, and asks for what it needs
// and for the reason. Whoever sends the form has it done.
type deed struct {
	path string // of its route, such as /admin/users/{id}/disable
	most int64  // bytes of its form; 0: maxForm

	// form says what is on the page. It puts into the inputs what visit.value says, so that what was
	// typed is kept. Its errors are those of a view.
	form func(v *visit) (form, error)

	// do does it, as v.typed says, and returns where the person goes on. Errors: guard.FormError, and
	// those of package admin, which refusal puts into words.
	do func(v *visit) (outcome, error)

	// problems are the words for errors of do that mean something else here than elsewhere, and for
	// what is wrong with an input, by the field of admin.FieldError. See refusal.
	problems []translation
}

// form is the page of a deed.
type form struct {
	Title   string
	Subject string   // whom or what it is about; may be empty
	Intro   []string // what happens, a paragraph each
	Facts   []fact
	Code    string // something to copy, such as a command; may be empty
	Inputs  []input
	Hidden  []input // name and value
	Button  string  // empty: nothing can be done here
	Danger  bool    // it cannot be undone, or hurts
	Back    string  // the path of where the person comes from
}

// A fact is something that the person should know.
type fact struct{ Name, Value string }

// input is an input of a form.
type input struct {
	Kind    string // text, email, url, number, datetime-local, area, select, check, checks, radios
	Name    string
	Label   string
	Value   string
	Hint    string
	Options []choice // of select, checks and radios
	Ticked  bool     // of check
	Needed  bool     // it may not be empty
	Rows    int      // of area; 0: 3
	Problem string   // set by the frame
	First   bool     // the person types here first; set by the frame
	Inexact bool     // its text has no language: an address, a name of a role

	OptionalWord string // set by the frame
}

// choice is one of several that an input has.
type choice struct {
	Value, Label, Hint string
	Chosen             bool
}

// DescribedBy names the elements that explain the input.
func (in input) DescribedBy() string {
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
func (in input) Height() int {
	if in.Rows > 0 {
		return in.Rows
	}
	return 3
}

// outcome is where a deed leads.
type outcome struct {
	to   string // a path of this server
	done string // a word of messages.Admin.Done; may be empty

	// page is shown at once, if it is not nil: what is shown once and never again.
	page *pages.AdminPage
}

// done leads to a page that says what was done.
func done(to, word string) (outcome, error) { return outcome{to: to, done: word}, nil }

// shown shows a page.
func shown(name string, content any) (outcome, error) {
	return outcome{page: &pages.AdminPage{Name: name, Content: content}}, nil
}

func (d deed) show(v *visit) error {
	f, err := d.form(v)
	if err == nil {
		d.render(v, http.StatusOK, f, pages.Form{}, "")
	}
	return err
}

func (d deed) post(v *visit) error {
	out, err := d.do(v)
	switch {
	case err != nil:
	case out.page != nil:
		v.render(http.StatusOK, *out.page)
		return nil
	default:
		to := out.to
		if out.done != "" {
			to = withParameter(to, "done", out.done)
		}
		v.Guard.See(v.w, v.r, to)
		return nil
	}
	f, formErr := d.form(v)
	if formErr != nil { // what it was about is gone, or the person is not any more what let them in
		return formErr
	}
	wrong, known := v.refusal(err, d.problems)
	if !known {
		return err
	}
	d.render(v, wrong.status, f, pages.Form{Problems: wrong.form}, wrong.detail)
	return nil
}

// withParameter adds a parameter to the query of a path.
func withParameter(path, name, value string) string {
	separator := "?"
	if strings.Contains(path, "?") {
		separator = "&"
	}
	return path + separator + url.Values{name: {value}}.Encode()
}

// render shows the form, with what is wrong with it.
func (d deed) render(v *visit, status int, f form, wrong pages.Form, detail string) {
	page := pages.AdminPage{Form: wrong, Name: "deed", Detail: detail}
	inputs := make([]input, len(f.Inputs))
	fields := map[string]bool{"": true}
	for i, in := range f.Inputs {
		fields[in.Name] = true
		page.Fields = append(page.Fields, pages.Field{Name: in.Name, Label: in.Label})
		inputs[i] = in
	}
	for field, problem := range wrong.Problems {
		if !fields[field] { // the form has no such input
			delete(wrong.Problems, field)
			wrong.Problems[""] = problem
		}
	}
	first := true
	for i := range inputs {
		in := &inputs[i]
		in.OptionalWord = v.t.Admin.Frame.Optional
		if problem, ok := wrong.Problems[in.Name]; ok {
			in.Problem, in.First, first = v.t.Problem(problem, 0), first, false
		}
	}
	f.Inputs = inputs
	page.Content = f
	v.render(status, page)
}

// reasonInput asks why. A person may ask what was done to their account, and an auditor will.
func (v *visit) reasonInput(needed bool) input {
	return input{
		Kind: "text", Name: "reason", Label: v.t.Admin.Frame.Reason, Hint: v.t.Admin.Frame.ReasonHint, Value: v.value("reason", ""),
		Needed: needed,
	}
}

// reason is why, as typed; a person's account is not changed without one.
func (v *visit) reason(needed bool) (string, error) {
	reason := v.typed.Get("reason")
	if needed && reason == "" {
		return "", guard.FormError{"reason": messages.AdminReasonMissing}
	}
	return reason, nil
}
