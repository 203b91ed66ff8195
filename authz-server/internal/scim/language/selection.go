package language

import (
	"slices"
	"strings"
)

// Selection is which attributes an answer has (RFC 7644 §3.9).
type Selection struct {
	only    []Target // of attributes
	all     bool     // attributes is not given
	without []Target // of excludedAttributes
}

// Selection reads attributes and excludedAttributes. Names that are not known select nothing.
func (k *Kind) Selection(params map[string]any) (s Selection, err error) {
	only, given, err := names(params, "attributes")
	if err != nil {
		return s, err
	}
	without, excludes, err := names(params, "excludedAttributes")
	if err != nil {
		return s, err
	}
	if given && excludes {
		return s, bad(InvalidValue, "attributes and excludedAttributes do not go together.")
	}
	s.all = !given
	s.only, s.without = k.targets(only), k.targets(without)
	return s, nil
}

// targets are what names are of, each once: an answer is cut for each of them.
func (k *Kind) targets(names []string) (all []Target) {
	add := func(t Target) {
		if !slices.Contains(all, t) {
			all = append(all, t)
		}
	}
	for _, name := range names {
		if name = strings.TrimSpace(name); SameName(name, k.Schema) { // all that the schema has
			for _, a := range k.Own {
				add(Target{Attr: a})
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
	switch v := Member(params, param).(type) {
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
				return nil, false, bad(InvalidValue, param+" must be a list of names.")
			}
			all = append(all, name)
		}
		if len(all) == 0 {
			return nil, false, nil
		}
	default:
		return nil, false, bad(InvalidValue, param+" must be a list of names.")
	}
	if len(all) > maxNames {
		return nil, false, bad(InvalidValue, param+" names more than 100 attributes.")
	}
	return all, true, nil
}

// Has tells whether an answer has an attribute, or a part of it.
func (s *Selection) Has(a *Attribute) bool {
	for _, t := range s.without {
		if t.Attr == a && t.Sub == nil {
			return false
		}
	}
	for _, t := range s.only {
		if t.Attr == a {
			return true
		}
	}
	return s.all
}

// Everything tells whether an answer has all that there is.
func (s *Selection) Everything() bool { return s.all && len(s.without) == 0 }

// Of is what an answer has of a resource: always its id and its schemas.
func (s *Selection) Of(doc map[string]any) map[string]any {
	if s.Everything() {
		return doc
	}
	shown := map[string]any{}
	for name, value := range doc {
		if name == "id" || name == "schemas" || s.all {
			shown[name] = value
		}
	}
	for _, t := range s.only {
		value, ok := doc[t.Attr.Name]
		switch {
		case !ok:
		case t.Sub == nil:
			shown[t.Attr.Name] = value
		default:
			if have, whole := shown[t.Attr.Name], s.whole(t.Attr); !whole {
				shown[t.Attr.Name] = parts(have, value, t.Sub.Name, true)
			}
		}
	}
	for _, t := range s.without {
		switch value, ok := shown[t.Attr.Name]; {
		case !ok || t.Attr.Returned == "always":
		case t.Sub == nil:
			delete(shown, t.Attr.Name)
		default:
			shown[t.Attr.Name] = parts(nil, value, t.Sub.Name, false)
		}
	}
	return shown
}

func (s *Selection) whole(a *Attribute) bool {
	for _, t := range s.only {
		if t.Attr == a && t.Sub == nil {
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
	had := ValuesOf(have)
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
