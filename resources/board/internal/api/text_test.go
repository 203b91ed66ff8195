package api

import (
	"strings"
	"testing"
)

func FuzzSlug(f *testing.F) {
	f.Add("free")
	f.Add("a b")
	f.Add("a\n")
	f.Fuzz(func(t *testing.T, slug string) {
		if validSlug(slug) != (slug != "" && len(slug) <= 40 && strings.Trim(slug, "abcdefghijklmnopqrstuvwxyz0123456789-") == "") {
			t.Errorf("%q", slug)
		}
	})
}
