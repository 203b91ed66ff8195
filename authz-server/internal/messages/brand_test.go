package messages

import (
	"reflect"
	"strings"
	"testing"
)

func TestAParticleFollowsTheLastSyllable(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ word, pair, want string }{
		{"마루", "은/는", "는"}, {"가온", "은/는", "은"}, {"마루", "이/가", "가"}, {"가온", "이/가", "이"},
		{"마루", "을/를", "를"}, {"서울", "을/를", "을"}, {"마루", "과/와", "와"}, {"가온", "과/와", "과"},
		{"마루", "으로/로", "로"}, {"서울", "으로/로", "로"}, {"가온", "으로/로", "으로"}, {"힣", "으로/로", "으로"}, {"가", "으로/로", "로"},
		{"포털 1", "으로/로", "로"}, {"포털 1", "이/가", "이"}, {"포털 2", "이/가", "가"}, {"포털 10", "으로/로", "으로"}, {"포털 9", "은/는", "는"},
		{"Acme", "은/는", "은(는)"}, {"Acme", "이/가", "이(가)"}, {"Acme", "으로/로", "(으)로"}, {"Acme", "이랑/랑", "(이)랑"}, {"마루!", "을/를", "을(를)"},
		{"", "은/는", "은(는)"}, {"마루", "", ""}, {"마루", "에서", "에서"},
	} {
		if got := Particle(test.word, test.pair); got != test.want {
			t.Errorf("%s%s: %s", test.word, test.want, got)
		}
	}
}

func TestTheNameOfTheProductIsPutInPlace(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Know who you are on {brand}": "Know who you are on 가온", "{brand은/는} 좋아요. {brand}에서": "가온은 좋아요. 가온에서", "{other} {": "{other} {", "": "",
	} {
		if got := replaceBrand(text, "가온"); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
	named := All.Of("Acme")
	for i, l := range named.List() {
		if l.Brand != "Acme" || !strings.Contains(l.AppUnchecked, "Acme") || !strings.Contains(l.Scopes["openid"], "Acme") {
			t.Errorf("%s: %q %q %q", l.Tag, l.Brand, l.AppUnchecked, l.Scopes["openid"])
		}
		if usual := All.List()[i]; strings.Contains(usual.AppUnchecked, "Acme") || !strings.Contains(usual.AppUnchecked, usual.Brand) {
			t.Errorf("%s: %q", l.Tag, usual.AppUnchecked)
		}
	}
	if again := named.Of("가온").Default().Brand; again != "가온" {
		t.Errorf("renamed to %q", again)
	}
}

// No text has the name of Maru itself, and no function has {brand}, which would be put in place
// where people chose the text.
func TestNoTextHasAProductsName(t *testing.T) {
	t.Parallel()
	for _, l := range []*Language{&english, &korean} {
		var look func(v reflect.Value, name string)
		look = func(v reflect.Value, name string) {
			text := ""
			switch v.Kind() {
			case reflect.String:
				text = v.String()
			case reflect.Struct:
				for i := range v.NumField() {
					look(v.Field(i), name+"."+v.Type().Field(i).Name)
				}
			case reflect.Map:
				for _, key := range v.MapKeys() {
					look(v.MapIndex(key), name+"."+key.String())
				}
			case reflect.Func:
				if text = says(v); strings.Contains(text, "{") {
					t.Errorf("%s%s is a function that says %q", l.Tag, name, text)
				}
			}
			if name != ".Brand" && (strings.Contains(text, "Maru") || strings.Contains(text, "마루")) {
				t.Errorf("%s%s names the product in %q; write {brand}", l.Tag, name, text)
			}
		}
		look(reflect.ValueOf(*l), "")
	}
}
