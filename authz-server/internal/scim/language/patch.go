package language

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

const patchSchema = "urn:ietf:params:scim:api:messages:2.0:PatchOp"

// The bounds of a patch. They are looked at before anything is read or locked.
const (
	maxOperations = 100 // one without a path counts as one for each attribute of its value
	maxValues     = 100 // of an attribute in an operation, and that a patch can lead to; members have their own
)

// Operation is one of a patch (RFC 7644 §3.5.2).
type Operation struct {
	Op    string // "add", "replace" or "remove"
	Path  Path
	Value any  // its attributes have their own names
	Given bool // there is a value
}

// Path says what an operation is about: attr, attr.sub, attr[filter] or attr[filter].sub. The zero
// path is the resource itself.
type Path struct {
	Target
	Filter *Filter // of values of Attr; nil: all
	none   bool    // the attribute is not known here, and the operation is ignored
}

// Patch reads a patch. An operation without a path comes as one for each attribute of its value.
func (k *Kind) Patch(body map[string]any) ([]Operation, error) {
	if err := CheckSchemas(body, patchSchema); err != nil {
		return nil, err
	}
	list, ok := Member(body, "Operations").([]any)
	if !ok || len(list) == 0 || len(list) > maxOperations {
		return nil, errOperations
	}
	var all []Operation
	for i, one := range list {
		object, ok := one.(map[string]any)
		if !ok {
			return nil, bad(InvalidSyntax, fmt.Sprintf("Operation %d is no object.", i+1))
		}
		more, err := k.operationsOf(object)
		if err != nil {
			return nil, err
		}
		if all = append(all, more...); len(all) > maxOperations {
			return nil, errOperations
		}
	}
	return all, nil
}

var errOperations = bad(InvalidSyntax, fmt.Sprintf("Operations must be a list of 1 to %d operations. "+
	"One without a path counts as one for each attribute of its value.", maxOperations))

func (k *Kind) operationsOf(object map[string]any) ([]Operation, error) {
	name, _ := Member(object, "op").(string)
	o := Operation{Op: Lower(name), Value: Member(object, "value")} // "Add", as Entra writes it
	if o.Op != "add" && o.Op != "replace" && o.Op != "remove" {
		return nil, bad(InvalidSyntax, "The op of an operation must be add, replace or remove.")
	}
	o.Given = o.Value != nil
	text, ok := Member(object, "path").(string)
	switch sent := Member(object, "path"); {
	case sent != nil && !ok:
		return nil, bad(InvalidPath, "A path must be a text.")
	case text == "" && o.Op == "remove":
		return nil, bad(NoTarget, "remove needs a path.")
	case text == "":
		return k.whole(o)
	}
	var err error
	if o.Path, err = k.parsePath(text); err != nil || o.Path.none {
		return nil, err
	}
	if o.Op == "add" && !o.Given {
		return nil, bad(InvalidValue, "add needs a value.")
	}
	if o.Op == "replace" && !o.Given {
		o.Op = "remove" // null is no value (RFC 7643 §2.5)
	}
	return k.allowed(o)
}

// whole makes an operation for each attribute of the value.
func (k *Kind) whole(o Operation) (all []Operation, err error) {
	object, ok := o.Value.(map[string]any)
	if !ok {
		return nil, bad(InvalidValue, "Without a path, the value must be an object of attributes.")
	}
	if len(object) > maxOperations {
		return nil, errOperations
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		one := Operation{Op: o.Op, Value: object[name], Given: object[name] != nil}
		if of, known, _ := resolve(k.all, k.Schema, name); known {
			one.Path.Target = of
		} else if one.Path, err = k.parsePath(name); err != nil || one.Path.none {
			continue // such as the object of an extension; names may also be paths, as Okta and Entra write them
		}
		if one.Path.Attr.Mutability == readOnly { // as in the body of a PUT: Okta sends the id of a group along
			continue
		}
		if !one.Given {
			one.Op = "remove"
		}
		more, err := k.allowed(one)
		if err != nil {
			return nil, err
		}
		all = append(all, more...)
	}
	return all, nil
}

// allowed refuses an operation on what is read-only; but what directories send whatever they are told
// is passed over.
func (k *Kind) allowed(o Operation) ([]Operation, error) {
	a := o.Path.Attr
	switch {
	case a.ignored:
		return nil, nil
	case a.Mutability == readOnly || o.Path.Sub != nil && o.Path.Sub.Mutability == readOnly:
		return nil, bad(Mutability, o.Path.Leaf().Name+" is read-only.")
	case o.Op == "remove" && a.Required && o.Path.Sub == nil && o.Path.Filter == nil:
		return nil, bad(Mutability, a.Name+" is required.")
	}
	if list, is := o.Value.([]any); is && len(list) > maxValues && !a.unbounded {
		return nil, tooManyValues(a)
	}
	o.Value = canonicalValue(a, o.Value)
	return []Operation{o}, nil
}

// parsePath reads a path (RFC 7644 §3.5.2, figure 7). Errors are of the types [InvalidPath] and
// [InvalidFilter].
func (k *Kind) parsePath(text string) (p Path, err error) {
	if len(text) > maxFilter {
		return p, bad(InvalidPath, fmt.Sprintf("The path is longer than %d bytes.", maxFilter))
	}
	name, rest := text, ""
	if i := strings.IndexByte(text, '['); i >= 0 {
		name, rest = text[:i], text[i:]
	}
	of, known, ok := resolve(k.all, k.Schema, name)
	switch {
	case !ok:
		return p, bad(InvalidPath, fmt.Sprintf("%.100q is no path.", text))
	case !known:
		return Path{none: true}, nil
	case rest == "":
		return Path{Target: of}, nil
	case of.Sub != nil || of.Attr.Type != typeComplex || !of.Attr.Multi:
		return p, bad(InvalidPath, of.Leaf().Name+" has no values to choose from.")
	}
	parse := &parser{text: rest, at: 1, all: k.all, schema: k.Schema, terms: new(int)}
	chosen, err := parse.brackets(of)
	if err != nil {
		return p, err
	}
	p = Path{Target: of, Filter: chosen.Left}
	if rest = rest[parse.at:]; rest == "" {
		return p, nil
	}
	sub, dotted := strings.CutPrefix(rest, ".")
	if !dotted || !isName(sub) {
		return p, bad(InvalidPath, fmt.Sprintf("%.100q is no path.", text))
	}
	if p.Sub = find(of.Attr.Sub, sub); p.Sub == nil {
		return Path{none: true}, nil
	}
	return p, nil
}

// Apply changes a resource as an operation says.
func (o *Operation) Apply(doc map[string]any) error {
	a, sub := o.Path.Attr, o.Path.Sub
	switch {
	case a.Multi:
		return o.applyToValues(doc)
	case sub == nil && o.Op == "remove":
		delete(doc, a.Name)
	case sub == nil && a.Type == typeComplex:
		parts, ok := o.Value.(map[string]any)
		if !ok {
			return bad(InvalidValue, a.Name+" must be an object.")
		}
		for name, value := range parts {
			setPart(doc, a, name, value)
		}
	case sub == nil:
		doc[a.Name] = o.Value
	case o.Op == "remove":
		setPart(doc, a, sub.Name, nil)
	default:
		setPart(doc, a, sub.Name, o.Value)
	}
	return nil
}

// setPart sets a part of an attribute that has one value.
func setPart(doc map[string]any, a *Attribute, name string, value any) {
	before, _ := doc[a.Name].(map[string]any)
	parts := maps.Clone(before)
	if parts == nil {
		parts = map[string]any{}
	}
	if parts[name] = value; value == nil {
		delete(parts, name)
	}
	doc[a.Name] = parts
}

// applyToValues changes an attribute that has several values.
func (o *Operation) applyToValues(doc map[string]any) error {
	a := o.Path.Attr
	values := slices.Clone(ValuesOf(doc[a.Name]))
	given, err := o.values()
	if err != nil {
		return err
	}
	switch {
	case o.Path.Filter == nil && o.Path.Sub == nil && o.Op == "remove" && !o.Given:
		values = nil
	case o.Path.Filter == nil && o.Path.Sub == nil && o.Op == "remove": // as Entra removes values
		gone := map[string]bool{}
		for _, one := range given {
			gone[keyOf(part(one, "value"))] = true
		}
		values = slices.DeleteFunc(values, func(one any) bool { return gone[keyOf(part(one, "value"))] })
	case o.Path.Filter == nil && o.Path.Sub == nil && o.Op == "replace":
		values = given
	case o.Path.Filter == nil && o.Path.Sub == nil:
		there := map[string]bool{}
		for _, one := range values {
			there[keyOf(one)] = true
		}
		for _, one := range given {
			if key := keyOf(one); !there[key] {
				there[key], values = true, append(values, one)
			}
		}
	case o.Path.Sub == nil && o.Op == "remove":
		values = slices.DeleteFunc(values, o.chosen)
	default:
		if values, err = o.applyToChosen(values); err != nil {
			return err
		}
	}
	if len(values) > maxValues {
		return tooManyValues(a)
	}
	if doc[a.Name] = values; len(values) == 0 {
		delete(doc, a.Name)
	}
	return nil
}

func tooManyValues(a *Attribute) error {
	return bad(InvalidValue, fmt.Sprintf("%s would have more than %d values.", a.Name, maxValues))
}

// keyOf is the same for values that are equal, so that values are compared in linear time.
func keyOf(value any) string {
	text, err := json.Marshal(value) // of objects with their names in order
	if err != nil {
		return "" // there is nothing in it that has no JSON
	}
	return string(text)
}

// values are the values of an operation on all: a list, or one.
func (o *Operation) values() ([]any, error) {
	if o.Path.Filter != nil || o.Path.Sub != nil || !o.Given {
		return nil, nil
	}
	given := ValuesOf(o.Value)
	for _, one := range given {
		if _, ok := one.(map[string]any); !ok {
			return nil, bad(InvalidValue, "The values of "+o.Path.Attr.Name+" must be objects.")
		}
	}
	return given, nil
}

func part(of any, name string) any {
	parts, _ := of.(map[string]any)
	return parts[name]
}

// chosen tells whether the path's filter finds a value.
func (o *Operation) chosen(value any) bool {
	parts, ok := value.(map[string]any)
	return ok && (o.Path.Filter == nil || o.Path.Filter.Matches(parts))
}

// applyToChosen changes the values that the path finds, or a part of them.
func (o *Operation) applyToChosen(values []any) ([]any, error) {
	some := false
	for i, one := range values {
		if !o.chosen(one) {
			continue
		}
		some = true
		parts := maps.Clone(one.(map[string]any)) //nolint:forcetypeassert // chosen has seen to it
		if err := o.change(parts); err != nil {
			return nil, err
		}
		values[i] = parts
	}
	if some || o.Op == "remove" {
		return values, nil
	}
	// RFC 7644 §3.5.2.3 has noTarget for a replace that finds nothing. Entra sends such ones for what
	// it has never sent before: if the filter says what the value would be, that is made.
	parts := map[string]any{}
	if o.Path.Filter != nil && !o.Path.Filter.describes(parts) {
		return nil, bad(NoTarget, "The path finds nothing.")
	}
	return append(values, parts), o.change(parts)
}

// change changes one value.
func (o *Operation) change(parts map[string]any) error {
	if o.Path.Sub != nil {
		if parts[o.Path.Sub.Name] = o.Value; o.Op == "remove" {
			delete(parts, o.Path.Sub.Name)
		}
		return nil
	}
	more, ok := o.Value.(map[string]any)
	if !ok {
		return bad(InvalidValue, "A value of "+o.Path.Attr.Name+" must be an object.")
	}
	if o.Op == "replace" {
		clear(parts)
	}
	maps.Copy(parts, more)
	return nil
}

// describes puts into parts what a value must have to meet the filter, if that is all that it says.
func (f *Filter) describes(parts map[string]any) (ok bool) {
	ok = true
	f.All(func(one *Filter) {
		if one.Op != "eq" {
			ok = false
			return
		}
		parts[one.Of.Attr.Name] = one.Value
	})
	return ok
}
