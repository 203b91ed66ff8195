package scim

import (
	"slices"
	"strings"
)

// selection is which attributes an answer has (RFC 7644 §3.9).
type selection struct {
	only    []target // of attributes
	all     bool     // attributes is not given
	without []target // of excludedAttributes
}

// selectionOf reads attributes and excludedAttributes. Names that are not known select nothing.
func (k *kind) selectionOf(params map[string]any) (s selection, err error) {
	only, given, err := names(params, "attributes")
	if err != nil {
		return s, err
	}
	without, excludes, err := names(params, "excludedAttributes")
	if err != nil {
		return s, err
	}
	if given && excludes {
		return s, bad(invalidValue, "attributes and excludedAttributes do not go together.")
	}
	s.all = !given
	s.only, s.without = k.targets(only), k.targets(without)
	return s, nil
}

// targets are what names are of, each once: an answer is cut for each of them.
func (k *kind) targets(names []string) (all []target) {
	add := func(t target) {
		if !slices.Contains(all, t) {
			all = append(all, t)
		}
	}
	for _, name := range names {
		if name = strings.TrimSpace(name); sameName(name, k.Schema) { // all that the schema has
			for _, a := range k.Own {
				add(target{attr: a})
			}
		} else if t, known, _ := resolve(k.all, k.Schema, name); known {
			add(t)
		}
	}
	return all
}

// maxNames is how many attributes a request can name.
const maxNames = 100

// names reads a list of names: of a query with commas, of a body as a list.
func names(params map[string]any, param string) (all []string, given bool, err error) {
	switch v := member(params, param).(type) {
	case nil:
		return nil, false, nil
	case string:
		if strings.TrimSpace(v) == "" {
			return nil, false, nil
		}
		all = strings.Split(v, ",")
	case []any:
		for _, one := range v {
			name, ok := one.(string)
			if !ok {
				return nil, false, bad(invalidValue, param+" must be a list of names.")
			}
			all = append(all, name)
		}
		if len(all) == 0 {
			return nil, false, nil
		}
	default:
		return nil, false, bad(invalidValue, param+" must be a list of names.")
	}
	if len(all) > maxNames {
		return nil, false, bad(invalidValue, param+" names more than 100 attributes.")
	}
	return all, true, nil
}

// has tells whether an answer has an attribute, or a part of it.
func (s *selection) has(a *attribute) bool {
	for _, t := range s.without {
		if t.attr == a && t.sub == nil {
			return false
		}
	}
	for _, t := range s.only {
		if t.attr == a {
			return true
		}
	}
	return s.all
}

// of is what an answer has of a resource: always its id and its schemas.
func (s *selection) of(doc map[string]any) map[string]any {
	if s.all && len(s.without) == 0 {
		return doc
	}
	shown := map[string]any{}
	for name, value := range doc {
		if name == "id" || name == "schemas" || s.all {
			shown[name] = value
		}
	}
	for _, t := range s.only {
		value, ok := doc[t.attr.Name]
		switch {
		case !ok:
		case t.sub == nil:
			shown[t.attr.Name] = value
		default:
			if have, whole := shown[t.attr.Name], s.whole(t.attr); !whole {
				shown[t.attr.Name] = parts(have, value, t.sub.Name, true)
			}
		}
	}
	for _, t := range s.without {
		switch value, ok := shown[t.attr.Name]; {
		case !ok || t.attr.Returned == "always":
		case t.sub == nil:
			delete(shown, t.attr.Name)
		default:
			shown[t.attr.Name] = parts(nil, value, t.sub.Name, false)
		}
	}
	return shown
}

func (s *selection) whole(a *attribute) bool {
	for _, t := range s.only {
		if t.attr == a && t.sub == nil {
			return true
		}
	}
	return false
}

// parts is the values with one part alone, added to those that are there, or without it.
func parts(have, value any, name string, with bool) any {
	list, many := value.([]any)
	if !many {
		list = []any{value}
	}
	had := valuesOf(have)
	shown := make([]any, len(list))
	for i, one := range list {
		from, _ := one.(map[string]any)
		into := map[string]any{}
		if i < len(had) {
			if before, ok := had[i].(map[string]any); ok {
				into = before
			}
		}
		for part, value := range from {
			if (part == name) == with {
				into[part] = value
			}
		}
		shown[i] = into
	}
	if many {
		return shown
	}
	return shown[0]
}
