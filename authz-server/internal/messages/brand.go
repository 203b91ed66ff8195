package messages

import (
	"reflect"
	"regexp"
)

// of returns a copy of the language that calls the product name.
func (t *Language) of(name string) *Language {
	named := fill(reflect.ValueOf(*t), name).Interface().(Language) //nolint:forcetypeassert // it is one
	named.Brand = name
	return &named
}

// fill copies what a language says, and puts name in place of {brand}.
func fill(v reflect.Value, name string) reflect.Value {
	out := reflect.New(v.Type()).Elem()
	out.Set(v)
	switch v.Kind() {
	case reflect.String:
		out.SetString(replaceBrand(v.String(), name))
	case reflect.Struct:
		for i := range v.NumField() {
			out.Field(i).Set(fill(v.Field(i), name))
		}
	case reflect.Map:
		if v.IsNil() {
			break
		}
		out.Set(reflect.MakeMapWithSize(v.Type(), v.Len()))
		for _, key := range v.MapKeys() {
			out.SetMapIndex(key, fill(v.MapIndex(key), name))
		}
	case reflect.Func:
		// What is put in by a call, such as the name of an app, must not be read as {brand}: so the
		// functions themselves do not have it, which a test makes sure of.
	}
	return out
}

// placeholder is {brand}, or with a Korean particle {brand은/는}.
var placeholder = regexp.MustCompile(`\{brand([^{}]*)\}`)

func replaceBrand(text, name string) string {
	return placeholder.ReplaceAllStringFunc(text, func(found string) string {
		return name + Particle(name, placeholder.FindStringSubmatch(found)[1])
	})
}
