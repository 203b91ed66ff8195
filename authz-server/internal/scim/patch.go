package scim

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

// operation is one of a patch (RFC 7644 §3.5.2).
type operation struct {
	op    string // "add", "replace" or "remove"
	path  path
	value any // its attributes have their own names
	given bool
}

// path says what an operation is about: attr, attr.sub, attr[filter] or attr[filter].sub. The zero
// path is the resource itself.
type path struct {
	target
	filter *filter // of values of attr; nil: all
	none   bool    // the attribute is not known here, and the operation is ignored
}

// patchOf reads a patch. An operation without a path comes as one for each attribute of its value.
func (k *kind) patchOf(body map[string]any) ([]operation, error) {
	if err := checkSchemas(body, patchSchema); err != nil {
		return nil, err
	}
	list, ok := member(body, "Operations").([]any)
	if !ok || len(list) == 0 || len(list) > maxOperations {
		return nil, errOperations
	}
	var all []operation
	for i, one := range list {
		object, ok := one.(map[string]any)
		if !ok {
			return nil, bad(invalidSyntax, fmt.Sprintf("Operation %d is no object.", i+1))
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

var errOperations = bad(invalidSyntax, fmt.Sprintf("Operations must be a list of 1 to %d operations. "+
	"One without a path counts as one for each attribute of its value.", maxOperations))

func (k *kind) operationsOf(object map[string]any) ([]operation, error) {
	name, _ := member(object, "op").(string)
	o := operation{op: lower(name), value: member(object, "value")} // "Add", as Entra writes it
	if o.op != "add" && o.op != "replace" && o.op != "remove" {
		return nil, bad(invalidSyntax, "The op of an operation must be add, replace or remove.")
	}
	o.given = o.value != nil
	text, ok := member(object, "path").(string)
	switch sent := member(object, "path"); {
	case sent != nil && !ok:
		return nil, bad(invalidPath, "A path must be a text.")
	case text == "" && o.op == "remove":
		return nil, bad(noTarget, "remove needs a path.")
	case text == "":
		return k.whole(o)
	}
	var err error
	if o.path, err = k.parsePath(text); err != nil || o.path.none {
		return nil, err
	}
	if o.op == "add" && !o.given {
		return nil, bad(invalidValue, "add needs a value.")
	}
	if o.op == "replace" && !o.given {
		o.op = "remove" // null is no value (RFC 7643 §2.5)
	}
	return k.allowed(o)
}

// whole makes an operation for each attribute of the value.
func (k *kind) whole(o operation) (all []operation, err error) {
	object, ok := o.value.(map[string]any)
	if !ok {
		return nil, bad(invalidValue, "Without a path, the value must be an object of attributes.")
	}
	if len(object) > maxOperations {
		return nil, errOperations
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		one := operation{op: o.op, value: object[name], given: object[name] != nil}
		if of, known, _ := resolve(k.all, k.Schema, name); known {
			one.path.target = of
		} else if one.path, err = k.parsePath(name); err != nil || one.path.none {
			continue // such as the object of an extension; names may also be paths, as Okta and Entra write them
		}
		if one.path.attr.Mutability == readOnly { // as in the body of a PUT: Okta sends the id of a group along
			continue
		}
		if !one.given {
			one.op = "remove"
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
func (k *kind) allowed(o operation) ([]operation, error) {
	a := o.path.attr
	switch {
	case a.ignored:
		return nil, nil
	case a.Mutability == readOnly || o.path.sub != nil && o.path.sub.Mutability == readOnly:
		return nil, bad(mutability, o.path.leaf().Name+" is read-only.")
	case o.op == "remove" && a.Required && o.path.sub == nil && o.path.filter == nil:
		return nil, bad(mutability, a.Name+" is required.")
	}
	if list, is := o.value.([]any); is && len(list) > maxValues && a != membersAttribute {
		return nil, tooManyValues(a)
	}
	o.value = canonicalValue(a, o.value)
	return []operation{o}, nil
}

// parsePath reads a path (RFC 7644 §3.5.2, figure 7). Errors are of the types invalidPath and
// invalidFilter.
func (k *kind) parsePath(text string) (p path, err error) {
	if len(text) > maxFilter {
		return p, bad(invalidPath, fmt.Sprintf("The path is longer than %d bytes.", maxFilter))
	}
	name, rest := text, ""
	if i := strings.IndexByte(text, '['); i >= 0 {
		name, rest = text[:i], text[i:]
	}
	of, known, ok := resolve(k.all, k.Schema, name)
	switch {
	case !ok:
		return p, bad(invalidPath, fmt.Sprintf("%.100q is no path.", text))
	case !known:
		return path{none: true}, nil
	case rest == "":
		return path{target: of}, nil
	case of.sub != nil || of.attr.Type != typeComplex || !of.attr.Multi:
		return p, bad(invalidPath, of.leaf().Name+" has no values to choose from.")
	}
	parse := &parser{text: rest, at: 1, all: k.all, schema: k.Schema, terms: new(int)}
	chosen, err := parse.brackets(of)
	if err != nil {
		return p, err
	}
	p = path{target: of, filter: chosen.left}
	if rest = rest[parse.at:]; rest == "" {
		return p, nil
	}
	sub, dotted := strings.CutPrefix(rest, ".")
	if !dotted || !isName(sub) {
		return p, bad(invalidPath, fmt.Sprintf("%.100q is no path.", text))
	}
	if p.sub = find(of.attr.Sub, sub); p.sub == nil {
		return path{none: true}, nil
	}
	return p, nil
}

// apply changes a resource as an operation says.
func (o *operation) apply(doc map[string]any) error {
	a, sub := o.path.attr, o.path.sub
	switch {
	case a.Multi:
		return o.applyToValues(doc)
	case sub == nil && o.op == "remove":
		delete(doc, a.Name)
	case sub == nil && a.Type == typeComplex:
		parts, ok := o.value.(map[string]any)
		if !ok {
			return bad(invalidValue, a.Name+" must be an object.")
		}
		for name, value := range parts {
			setPart(doc, a, name, value)
		}
	case sub == nil:
		doc[a.Name] = o.value
	case o.op == "remove":
		setPart(doc, a, sub.Name, nil)
	default:
		setPart(doc, a, sub.Name, o.value)
	}
	return nil
}

// setPart sets a part of an attribute that has one value.
func setPart(doc map[string]any, a *attribute, name string, value any) {
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
func (o *operation) applyToValues(doc map[string]any) error {
	a := o.path.attr
	values := slices.Clone(valuesOf(doc[a.Name]))
	given, err := o.values()
	if err != nil {
		return err
	}
	switch {
	case o.path.filter == nil && o.path.sub == nil && o.op == "remove" && !o.given:
		values = nil
	case o.path.filter == nil && o.path.sub == nil && o.op == "remove": // as Entra removes values
		gone := map[string]bool{}
		for _, one := range given {
			gone[keyOf(part(one, "value"))] = true
		}
		values = slices.DeleteFunc(values, func(one any) bool { return gone[keyOf(part(one, "value"))] })
	case o.path.filter == nil && o.path.sub == nil && o.op == "replace":
		values = given
	case o.path.filter == nil && o.path.sub == nil:
		there := map[string]bool{}
		for _, one := range values {
			there[keyOf(one)] = true
		}
		for _, one := range given {
			if key := keyOf(one); !there[key] {
				there[key], values = true, append(values, one)
			}
		}
	case o.path.sub == nil && o.op == "remove":
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

func tooManyValues(a *attribute) error {
	return bad(invalidValue, fmt.Sprintf("%s would have more than %d values.", a.Name, maxValues))
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
func (o *operation) values() ([]any, error) {
	if o.path.filter != nil || o.path.sub != nil || !o.given {
		return nil, nil
	}
	given := valuesOf(o.value)
	for _, one := range given {
		if _, ok := one.(map[string]any); !ok {
			return nil, bad(invalidValue, "The values of "+o.path.attr.Name+" must be objects.")
		}
	}
	return given, nil
}

func part(of any, name string) any {
	parts, _ := of.(map[string]any)
	return parts[name]
}

// chosen tells whether the path's filter finds a value.
func (o *operation) chosen(value any) bool {
	parts, ok := value.(map[string]any)
	return ok && (o.path.filter == nil || o.path.filter.matches(parts))
}

// applyToChosen changes the values that the path finds, or a part of them.
func (o *operation) applyToChosen(values []any) ([]any, error) {
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
	if some || o.op == "remove" {
		return values, nil
	}
	// RFC 7644 §3.5.2.3 has noTarget for a replace that finds nothing. Entra sends such ones for what
	// it has never sent before: if the filter says what the value would be, that is made.
	parts := map[string]any{}
	if o.path.filter != nil && !o.path.filter.describes(parts) {
		return nil, bad(noTarget, "The path finds nothing.")
	}
	return append(values, parts), o.change(parts)
}

// change changes one value.
func (o *operation) change(parts map[string]any) error {
	if o.path.sub != nil {
		if parts[o.path.sub.Name] = o.value; o.op == "remove" {
			delete(parts, o.path.sub.Name)
		}
		return nil
	}
	more, ok := o.value.(map[string]any)
	if !ok {
		return bad(invalidValue, "A value of "+o.path.attr.Name+" must be an object.")
	}
	if o.op == "replace" {
		clear(parts)
	}
	maps.Copy(parts, more)
	return nil
}

// describes puts into parts what a value must have to meet the filter, if that is all that it says.
func (f *filter) describes(parts map[string]any) (ok bool) {
	ok = true
	f.all(func(one *filter) {
		if one.op != "eq" {
			ok = false
			return
		}
		parts[one.of.attr.Name] = one.value
	})
	return ok
}
