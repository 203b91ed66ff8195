package rest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestEntityTags(t *testing.T) {
	for header, want := range map[string]string{
		`"a"`: `a`, ` "a" `: `a`, `"a", "b"`: `a b`, `"a","b"`: `a b`, `W/"a"`: `~a`,
		`"a,b"`: `a,b`, `""`: ``, `,, "a" ,`: `a`, "\"a\"\t,\"é\"": `a é`,
	} {
		list, anything, err := parseTags(header)
		var got []string
		for _, tag := range list {
			if tag.weak {
				tag.opaque = "~" + tag.opaque
			}
			got = append(got, tag.opaque)
		}
		if err != nil || anything || strings.Join(got, " ") != want {
			t.Errorf("%s: %q %v %v, want %s", header, got, anything, err, want)
		}
	}
	if list, anything, err := parseTags(" * "); err != nil || !anything || list != nil {
		t.Error(list, anything, err)
	}
	for _, header := range []string{
		"", " ", ",", "a", `"a`, `a"`, `"a" "b"`, `"a"b`, `w/"a"`, `W/ "a"`, `W/a`, `*, "a"`, `"a", *`, `"a b"`, "\"a\x00\"",
		`'a'`, strings.Repeat(`"a",`, 11),
	} {
		if list, anything, err := parseTags(header); err == nil {
			t.Errorf("%q was read as %v %v", header, list, anything)
		}
	}
}

func FuzzIfMatch(f *testing.F) {
	for _, header := range []string{"*", `"7"`, `W/"7"`, `"1", "7" ,W/"3"`, `"`, `""`, `,,"x",`} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		if RequireMatch(header, int64(7)) == nil && strings.Trim(header, " \t") != "*" && !strings.Contains(header, `"7"`) {
			t.Errorf("%q matches version 7", header)
		}
	})
}

func FuzzEntityTags(f *testing.F) {
	for _, seed := range []string{`"a"`, `W/"a", "b"`, `*`, `"`, `,`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		list, anything, err := parseTags(header)
		if err != nil {
			return
		}
		if anything != (len(list) == 0) || len(list) > maxTags {
			t.Fatalf("%q: %v %v", header, list, anything)
		}
		var again []string // what was read, written as it should be, reads as the same
		for _, tag := range list {
			text := ETag(tag.opaque)
			if tag.weak {
				text = "W/" + text
			}
			again = append(again, text)
		}
		if !anything {
			if reread, _, err := parseTags(strings.Join(again, ", ")); err != nil || fmt.Sprint(reread) != fmt.Sprint(list) {
				t.Fatalf("%q: %v, then %v %v", header, list, reread, err)
			}
		}
	})
}

func TestAChangeNeedsTheVersionThatIsThere(t *testing.T) {
	for header, want := range map[string]int{`"7"`: 0, `"6", "7"`: 0, "*": 0, `"6"`: 412, `W/"7"`: 412, "7": 400, "": 428} {
		status := 0
		var p *Problem
		if errors.As(RequireMatch(header, int64(7)), &p) {
			status = p.Status
		}
		if status != want {
			t.Errorf("%s: %d, want %d", header, status, want)
		}
	}
	if version, err := OptionalMatch("", "a"); version != "" || err != nil {
		t.Error(version, err)
	}
	if version, err := OptionalMatch(`"a"`, "a"); version != "a" || err != nil {
		t.Error(version, err)
	}
	if _, err := OptionalMatch(`"b"`, "a"); err == nil {
		t.Error("another version matches")
	}
}
