package scim

import (
	"slices"
	"strings"
	"time"
)

// matches tells whether a resource, or one value of an attribute, meets the filter.
func (f *filter) matches(doc map[string]any) bool {
	switch {
	case f.answered:
		return true
	case f.op == "and":
		return f.left.matches(doc) && f.right.matches(doc)
	case f.op == "or":
		return f.left.matches(doc) || f.right.matches(doc)
	case f.op == "not":
		return !f.left.matches(doc)
	case f.op == "[":
		return slices.ContainsFunc(valuesOf(doc[f.of.attr.Name]), func(one any) bool {
			parts, ok := one.(map[string]any)
			return ok && f.left.matches(parts)
		})
	}
	values := f.of.in(doc)
	switch {
	case f.op == "pr":
		return slices.ContainsFunc(values, present)
	case f.value == nil: // null is what has no value
		return (f.op == "eq") == !slices.ContainsFunc(values, present)
	case len(values) == 0:
		return f.op == "ne"
	}
	return slices.ContainsFunc(values, f.compares)
}

// in returns the values in a resource of what t names.
func (t target) in(doc map[string]any) []any {
	values := valuesOf(doc[t.attr.Name])
	if t.sub == nil {
		return values
	}
	var of []any
	for _, one := range values {
		if parts, ok := one.(map[string]any); ok {
			of = append(of, valuesOf(parts[t.sub.Name])...)
		}
	}
	return of
}

func valuesOf(value any) []any {
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
func (f *filter) compares(value any) bool {
	switch want := f.value.(type) {
	case bool:
		got, ok := boolOf(value)
		return ok && (got == want) == (f.op == "eq")
	case time.Time:
		got, ok := value.(time.Time)
		return ok && ordered(f.op, got.Compare(want))
	case string:
		got, ok := value.(string)
		if !ok {
			return false
		}
		got, want = f.of.leaf().keyOf(got), f.of.leaf().keyOf(want)
		switch f.op {
		case "co":
			return strings.Contains(got, want)
		case "sw":
			return strings.HasPrefix(got, want)
		case "ew":
			return strings.HasSuffix(got, want)
		}
		return ordered(f.op, strings.Compare(got, want))
	}
	return false
}

// keyOf is what a text is compared by.
func (a *attribute) keyOf(text string) string {
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

// mentions tells whether the filter asks for an attribute, but where that is answered already.
func (f *filter) mentions(a *attribute) bool {
	switch {
	case f == nil || f.answered:
		return false
	case f.of.attr == a:
		return true
	case f.op == "[":
		return false // what is inside are parts of another attribute
	}
	return f.left.mentions(a) || f.right.mentions(a)
}

// all calls visit with each condition that has to be true.
func (f *filter) all(visit func(*filter)) {
	if f.op == "and" {
		f.left.all(visit)
		f.right.all(visit)
		return
	}
	visit(f)
}

// equals returns the text that an attribute, or its part sub, must be equal to for f to be true.
func (f *filter) equals(attr, sub string) (text string, ok bool) {
	if f.op == "[" && f.of.attr.Name == attr {
		f.left.all(func(inner *filter) {
			if inner.op == "eq" && inner.of.attr.Name == sub && !ok {
				text, ok = inner.value.(string)
			}
		})
		return text, ok
	}
	if f.op != "eq" || f.of.attr.Name != attr || sub != "" && (f.of.sub == nil || f.of.sub.Name != sub) {
		return "", false
	}
	text, ok = f.value.(string)
	return text, ok
}
