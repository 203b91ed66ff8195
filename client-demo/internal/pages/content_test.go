package pages

import (
	"io/fs"
	"strconv"
	"strings"
	"testing"
)

func TestAContentSaysItsLanguageWhateverThePages(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"함께 쓰는 마루": ` lang="ko"`, "Hello 마루": ` lang="ko"`, "こんにちは世界": ` lang="ja"`,
		"你好": ` lang="zh"`, "Hello": "", "": "", "123 🙂": ""} {
		if got := string(langOf(text)); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// See site.Members. Logging in and out, and choosing a language, are for whoever is there.
func TestEveryFormOfMembersSaysWhoOpenedIt(t *testing.T) {
	t.Parallel()
	names, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		t.Fatal(err)
	}
	forms := 0
	for _, name := range names {
		text, err := templateFiles.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, form := range strings.Split(string(text), `method="post"`)[1:] {
			form, _, _ = strings.Cut(form, "</form>")
			if strings.Contains(form, `action="/login"`) || strings.Contains(form, `action="/logout"`) {
				continue
			}
			forms++
			if !strings.Contains(form, `{{template "member" $}}`) && !strings.Contains(form, `{{template "member" $page}}`) {
				t.Errorf("%s has a form that anybody may have opened: %.200s", name, form)
			}
		}
	}
	if forms < 10 {
		t.Errorf("only %d forms were found", forms)
	}
}

func TestAnAvatarsColourIsThePersonsAndNotTheNames(t *testing.T) {
	t.Parallel()
	style, err := assetFiles.ReadFile("assets/style.css")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[uint32]bool{}
	for i := range 200 {
		id := strconv.Itoa(i)
		a := newAvatar(id, "김지수", "small")
		if a.Hue != newAvatar(id, "Jisu", "").Hue || a.Letter != "김" ||
			!strings.Contains(string(style), "\n.hue-"+strconv.Itoa(int(a.Hue))+" ") {
			t.Errorf("%s: %+v", id, a)
		}
		seen[a.Hue] = true
	}
	if len(seen) != hues {
		t.Errorf("200 people have %d colours", len(seen))
	}
}

func TestInitials(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"김지수": "김", "minjun": "M", "  é": "É", "": "·", "—x": "X", "🙂": "🙂", "\xff": "·"} {
		if got := initial(name); got != want {
			t.Errorf("initial of %q is %q, want %q", name, got, want)
		}
	}
}
