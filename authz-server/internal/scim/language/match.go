package language

import (
	"slices"
	"strings"
	"time"
)

// Matches tells whether a resource, or one value of an attribute, meets the filter.
func (f *Filter) Matches(doc map[string]any) bool { return f.matches(doc, keys{}) }

// keys are what texts of one resource are compared by, so that each is worked out once, however often
// a filter asks for it.
type keys map[textOf]string

type textOf struct {
	of   *Attribute
	text string
}

func (k keys) of(a *Attribute, text string) string {
	if a.CaseExact && a.key == nil {
		return text
	}
	key, known := k[textOf{a, text}]
	if !known {
		key = a.keyOf(text)
		k[textOf{a, text}] = key
	}
	return key
}

func (f *Filter) matches(doc map[string]any, k keys) bool {
	switch {
	case f.Answered:
		return true
	case f.Op == "and":
		return f.Left.matches(doc, k) && f.Right.matches(doc, k)
	case f.Op == "or":
		return f.Left.matches(doc, k) || f.Right.matches(doc, k)
	case f.Op == "not":
		return !f.Left.matches(doc, k)
	case f.Op == "[":
		return !f.Elsewhere && slices.ContainsFunc(ValuesOf(doc[f.Of.Attr.Name]), func(one any) bool {
			parts, ok := one.(map[string]any)
			return ok && f.Left.matches(parts, k)
		})
	}
	var values []any
	if !f.Elsewhere {
		values = f.Of.in(doc)
	}
	switch {
	case f.Op == "pr":
		return slices.ContainsFunc(values, present)
	case f.Value == nil: // null is what has no value
		return (f.Op == "eq") == !slices.ContainsFunc(values, present)
	case len(values) == 0:
		return f.Op == "ne"
	}
	return slices.ContainsFunc(values, func(one any) bool { return f.compares(one, k) })
}

// in returns the values in a resource of what t names.
func (t Target) in(doc map[string]any) []any {
	values := ValuesOf(doc[t.Attr.Name])
	if t.Sub == nil {
		return values
	}
	var of []any
	for _, one := range values {
		if parts, ok := one.(map[string]any); ok {
			of = append(of, ValuesOf(parts[t.Sub.Name])...)
		}
	}
	return of
}

// ValuesOf are the values of an attribute: of a list each, or else the one; none of nil.
func ValuesOf(value any) []any {
	switch v := value.(type) {
	case nil:
		return nil
	case []any:
		return v
	}
	return []any{value}
}

// present tells whether a value is one (RFC 7644 §3.4.2.2, pr).
func present(value any) bool {
	switch v := value.(type) {
	case nil:
		return false
	case string:
		return v != ""
	case map[string]any:
		return len(v) > 0
	}
	return true
}

// compares compares one value with the filter's.
func (f *Filter) compares(value any, k keys) bool {
	switch want := f.Value.(type) {
	case bool:
		got, ok := BoolOf(value)
		return ok && (got == want) == (f.Op == "eq")
	case time.Time:
		got, ok := value.(time.Time)
		return ok && ordered(f.Op, got.Compare(want))
	case string:
		got, ok := value.(string)
		if !ok {
			return false
		}
		got, want = k.of(f.Of.Leaf(), got), f.key
		switch f.Op {
		case "co":
			return strings.Contains(got, want)
		case "sw":
			return strings.HasPrefix(got, want)
		case "ew":
			return strings.HasSuffix(got, want)
		}
		return ordered(f.Op, strings.Compare(got, want))
	}
	return false
}

// keyOf is what a text is compared by.
func (a *Attribute) keyOf(text string) string {
	switch {
	case a.key != nil:
		return a.key(text)
	case a.CaseExact:
		return text
	}
	return strings.ToLower(text)
}

func ordered(op string, c int) bool {
	switch op {
	case "eq":
		return c == 0
	case "ne":
		return c != 0
	case "gt":
		return c > 0
	case "ge":
		return c >= 0
	case "lt":
		return c < 0
	}
	return c <= 0 // le
}

// Settle is what is left to ask of each resource of a kind once that is settled which is the same of
// all of them: what type they are of, and what only resources of other kinds have. rest is nil if
// nothing is left; truth says then whether the filter finds all of the kind, or none.
func (f *Filter) Settle(k *Kind) (rest *Filter, truth bool) {
	switch f.Op {
	case "not":
		inner, truth := f.Left.Settle(k)
		if inner == nil {
			return nil, !truth
		}
		return &Filter{Op: f.Op, Left: inner}, false
	case "and", "or":
		left, ofLeft := f.Left.Settle(k)
		right, ofRight := f.Right.Settle(k)
		decides := f.Op == "or" // what one side must be to decide alone
		switch {
		case left == nil && ofLeft == decides, right == nil && ofRight == decides:
			return nil, decides
		case left == nil:
			return right, ofRight
		case right == nil:
			return left, false
		}
		return &Filter{Op: f.Op, Left: left, Right: right}, false
	}
	if f.Elsewhere || f.Of.Sub != nil && f.Of.Sub.Name == "resourceType" || f.Of.Attr.Name == "schemas" {
		return nil, f.Matches(map[string]any{"schemas": []any{k.Schema}, "meta": map[string]any{"resourceType": k.Name}})
	}
	return f, false
}

// Mentions tells whether the filter asks for an attribute, but where that is answered already.
func (f *Filter) Mentions(a *Attribute) bool {
	switch {
	case f == nil || f.Answered:
		return false
	case f.Of.Attr == a:
		return true
	case f.Op == "[":
		return false // what is inside are parts of another attribute
	}
	return f.Left.Mentions(a) || f.Right.Mentions(a)
}

// All calls visit with each condition that has to be true.
func (f *Filter) All(visit func(*Filter)) {
	if f.Op == "and" {
		f.Left.All(visit)
		f.Right.All(visit)
		return
	}
	visit(f)
}

// Equals returns the text that an attribute, or its part sub, must be equal to for f to be true.
func (f *Filter) Equals(attr, sub string) (text string, ok bool) {
	if f.Op == "[" && f.Of.Attr.Name == attr {
		f.Left.All(func(inner *Filter) {
			if inner.Op == "eq" && inner.Of.Attr.Name == sub && !ok {
				text, ok = inner.Value.(string)
			}
		})
		return text, ok
	}
	if f.Op != "eq" || f.Of.Attr.Name != attr || sub != "" && (f.Of.Sub == nil || f.Of.Sub.Name != sub) {
		return "", false
	}
	text, ok = f.Value.(string)
	return text, ok
}

// Named are the texts that f finds by part eq "…", and by several of these joined with or. ok is false
// if it says anything else.
func (f *Filter) Named(part string) (texts []string, ok bool) {
	if f.Op == "or" {
		left, ok := f.Left.Named(part)
		right, also := f.Right.Named(part)
		return append(left, right...), ok && also
	}
	text, ok := f.Value.(string)
	return []string{text}, ok && f.Op == "eq" && f.Of.Attr.Name == part
}
