package messages

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// optional are the fields that a language may leave empty.
var optional = []string{"Country", "Dates.Layouts", "Dates.Year", "Dates.Month", "Dates.Day"}

// missing names what a language lacks: an empty text, an entry that English has, a function that
// says nothing.
func missing(l Language) (names []string) {
	walk(reflect.ValueOf(l), reflect.ValueOf(english), "", func(name string, empty bool) {
		if empty && !slices.Contains(optional, name) {
			names = append(names, name)
		}
	})
	for _, p := range Problems {
		if l.TooManyTries == nil || l.TooManyLogins == nil || l.Problem(p, time.Minute) == "" {
			names = append(names, "problem "+string(p))
		}
	}
	for _, n := range NoSignups {
		if l.Signup.Titles[n] == "" || l.Signup.Intros[n] == "" {
			names = append(names, "no sign-up "+string(n))
		}
	}
	for _, d := range Dones {
		if l.Done[d] == "" {
			names = append(names, "done "+string(d))
		}
	}
	return names
}

// walk visits everything that v says, and that like says and v does not.
func walk(v, like reflect.Value, name string, visit func(name string, empty bool)) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			walk(v.Field(i), like.Field(i), strings.TrimPrefix(name+"."+v.Type().Field(i).Name, "."), visit)
		}
	case reflect.Map:
		visit(name, v.Len() != like.Len())
		for _, key := range like.MapKeys() {
			entry := v.MapIndex(key)
			visit(name+"."+key.String(), !entry.IsValid() || entry.Len() == 0)
		}
	case reflect.Func:
		visit(name, v.IsNil() || says(v) == "")
	default:
		visit(name, v.Len() == 0)
	}
}

// says calls a function of a language with values that none of its arguments is empty for.
func says(f reflect.Value) string {
	var in []reflect.Value
	for i := range f.Type().NumIn() {
		switch argument := f.Type().In(i); argument {
		case reflect.TypeFor[time.Duration]():
			in = append(in, reflect.ValueOf(90*time.Minute))
		case reflect.TypeFor[time.Time]():
			in = append(in, reflect.ValueOf(time.Unix(1_790_000_000, 0)))
		case reflect.TypeFor[int]():
			in = append(in, reflect.ValueOf(3))
		default:
			in = append(in, reflect.ValueOf("x").Convert(argument))
		}
	}
	return f.Call(in)[0].String()
}

func TestNothingIsLeftUntranslated(t *testing.T) {
	t.Parallel()
	for _, l := range All.List() {
		for _, name := range missing(*l) {
			t.Errorf("%s lacks %s", l.Tag, name)
		}
	}
}

// Whoever adds a language is told of everything that it lacks.
func TestAMissingMessageIsFound(t *testing.T) {
	t.Parallel()
	var visited int
	walk(reflect.ValueOf(english), reflect.ValueOf(english), "", func(name string, _ bool) {
		visited++
		third := english
		path := strings.Split(name, ".")
		field := reflect.ValueOf(&third).Elem()
		for i, part := range path {
			if field.Kind() == reflect.Map { // its entries
				entries := reflect.MakeMap(field.Type())
				for _, key := range field.MapKeys() {
					if key.String() != strings.Join(path[i:], ".") {
						entries.SetMapIndex(key, field.MapIndex(key))
					}
				}
				field.Set(entries)
				break
			}
			field = field.FieldByName(part)
			if i == len(path)-1 {
				field.SetZero()
			}
		}
		if found := missing(third); !slices.Contains(found, name) && !slices.Contains(optional, name) {
			t.Errorf("nobody notices that %s is missing: %q", name, found)
		}
	})
	if visited < 200 {
		t.Errorf("only %d messages", visited)
	}
}

func TestTimesAgoAreInWholeUnits(t *testing.T) {
	t.Parallel()
	for _, d := range []time.Duration{0, time.Second, 59 * time.Minute, time.Hour, 25 * time.Hour, -time.Hour} {
		for _, l := range All.List() {
			for _, text := range []string{l.Seen(d), l.Connected(d), l.Ago(d)} {
				if text == "" || strings.Contains(text, "-") || strings.Contains(text, "%!") {
					t.Errorf("%s: %q", d, text)
				}
			}
		}
	}
	if got := english.TooManyTries(14*time.Minute + time.Second); !strings.Contains(got, "15 minutes") {
		t.Error(got)
	}
	if got := english.TooManyTries(time.Second); !strings.Contains(got, "1 minute.") {
		t.Error(got)
	}
	if got := korean.TooManyLogins(time.Minute); got != "로그인 시도 횟수를 초과했어요. 1분 뒤에 다시 시도해 주세요." {
		t.Error(got)
	}
}

// Korean is in one tone (해요체): nothing ends as a notice or a report does.
func TestKoreanIsInOneTone(t *testing.T) {
	t.Parallel()
	wrong := regexp.MustCompile(`(니다|니까|십시오|하시오|시길|한다|된다|없다|있다)([.?!… ]|$)`)
	for name, text := range texts(korean) {
		if wrong.MatchString(text) {
			t.Errorf("%s: %s", name, text)
		}
	}
}

// texts is everything that a language says, by name.
func texts(l Language) map[string]string {
	all := make(map[string]string)
	var collect func(v reflect.Value, name string)
	collect = func(v reflect.Value, name string) {
		switch v.Kind() {
		case reflect.String:
			all[name] = v.String()
		case reflect.Func:
			all[name] = says(v)
		case reflect.Struct:
			for i := range v.NumField() {
				collect(v.Field(i), name+"."+v.Type().Field(i).Name)
			}
		case reflect.Map:
			for _, key := range v.MapKeys() {
				collect(v.MapIndex(key), name+"."+key.String())
			}
		case reflect.Slice:
			all[name] = fmt.Sprint(v.Interface())
		}
	}
	collect(reflect.ValueOf(l), l.Tag)
	return all
}

func TestEveryTextIsInItsOwnLanguage(t *testing.T) {
	t.Parallel()
	hangul := regexp.MustCompile(`\p{Hangul}`)
	en, ko := texts(english), texts(korean)
	for _, name := range slices.Sorted(maps.Keys(en)) {
		if hangul.MatchString(en[name]) {
			t.Errorf("%s: %s", name, en[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(ko)) {
		if strings.Contains(ko[name], " the ") || strings.Contains(ko[name], "your") {
			t.Errorf("%s: %s", name, ko[name])
		}
	}
}
