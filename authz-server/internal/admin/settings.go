package admin

import (
	"context"
	"encoding"
	"fmt"
	"reflect"
	"strings"
	"time"
	"unicode"
)

// Setting is a setting in force.
type Setting struct {
	Name   string `json:"name"`             // of the flag, without its hyphens
	Value  string `json:"value"`            // empty: it is not shown
	Hidden bool   `json:"hidden,omitempty"` // it may be a secret; see Set
	Set    bool   `json:"is_set"`           // it is not empty
}

// SettingsOf lists the settings in a struct as kong reads them, embedded ones too.
//
// The type of a setting decides whether its value is shown: switches, numbers, durations, levels and
// texts of a closed list are. Any other text may be a secret, or have one in it, and is shown only if
// its field says so by the tag shown:"". So a new secret is hidden unless somebody takes trouble.
func SettingsOf(settings any) []Setting {
	return settingsOf(reflect.Indirect(reflect.ValueOf(settings)))
}

func settingsOf(value reflect.Value) (all []Setting) {
	for i := range value.NumField() {
		field, one := value.Type().Field(i), value.Field(i)
		_, noOption := field.Tag.Lookup("kong")
		switch {
		case field.Anonymous && one.Kind() == reflect.Struct:
			all = append(all, settingsOf(one)...)
			continue
		case !field.IsExported() || noOption || field.Type.Kind() == reflect.Func:
			continue
		}
		s := Setting{Name: field.Tag.Get("name"), Set: !one.IsZero(), Hidden: !shows(field)}
		if s.Name == "" {
			s.Name = kebab(field.Name)
		}
		if !s.Hidden {
			s.Value = textOf(one)
		}
		all = append(all, s)
	}
	return all
}

func shows(field reflect.StructField) bool {
	_, shown := field.Tag.Lookup("shown")
	_, closed := field.Tag.Lookup("enum")
	if shown || closed || field.Type == reflect.TypeFor[time.Duration]() {
		return true
	}
	switch field.Type.Kind() {
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint8, reflect.Uint16,
		reflect.Uint32, reflect.Uint64, reflect.Float32, reflect.Float64:
		return true
	}
	return false
}

func textOf(value reflect.Value) string {
	switch v := value.Interface().(type) {
	case encoding.TextMarshaler:
		if text, err := v.MarshalText(); err == nil {
			return string(text)
		}
	case []string:
		return strings.Join(v, ", ")
	}
	return fmt.Sprint(value.Interface())
}

// kebab is the name that kong gives a field: MailFrom is mail-from.
func kebab(name string) string {
	var b strings.Builder
	runes := []rune(name)
	for i, r := range runes {
		if unicode.IsUpper(r) && i > 0 && (unicode.IsLower(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])) {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// SettingsInForce returns the settings of this replica.
func (a *Admin) SettingsInForce(ctx context.Context, actor Actor) ([]Setting, error) {
	if err := a.read(ctx, actor, Read); err != nil {
		return nil, err
	}
	return a.Settings, nil
}
