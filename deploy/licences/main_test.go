package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const mit = `Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the rights to
use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the
Software is furnished to do so, subject to the following conditions: The above copyright notice and this permission notice
shall be included in all copies or substantial portions of the Software. THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF
ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE
AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY,
WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER
DEALINGS IN THE SOFTWARE.`

const gpl = `This program is free software: you can redistribute it and/or modify it under the terms of the GNU General Public License
as published by the Free Software Foundation, either version 3 of the License, or (at your option) any later version.`

func TestDataHasALicenceToo(t *testing.T) {
	t.Chdir("../..")
	var out strings.Builder
	if err := writeData(&out); err != nil || !strings.Contains(out.String(), "| SecLists (common passwords, as hashes) | [MIT](") {
		t.Error(out.String(), err)
	}
}

func TestLicencesAreKnownAndAllowed(t *testing.T) {
	for name, test := range map[string]struct {
		files map[string]string // by path in the module
		want  string            // the list's row, or the error
	}{
		"one":                     {map[string]string{"LICENSE": mit}, "| example.org/m | MIT | programs |"},
		"British spelling":        {map[string]string{"licence.md": mit}, "| example.org/m | MIT | programs |"},
		"none":                    {map[string]string{"README": mit, "license.go": mit}, "no licence is found"},
		"not allowed":             {map[string]string{"COPYING": gpl}, "GPL"},
		"not allowed, among more": {map[string]string{"LICENSE": mit, "LICENSE-GPL": gpl}, "GPL"},
		"not allowed, in the folder of a package": {map[string]string{"LICENSE": mit, "inner/LICENSE": gpl}, "GPL"},
		"unknown terms":         {map[string]string{"LICENSE": "You may do as I say, and nothing else."}, "only 0 %"},
		"unknown terms, behind": {map[string]string{"LICENSE": mit + strings.Repeat(" And you owe me a beer each time.", 40)}, "%"},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			d := &dependency{root: root, uses: []string{"programs"}, folders: map[string]bool{root: true}}
			for path, text := range test.files {
				path = filepath.Join(root, path)
				d.folders[filepath.Dir(path)] = true
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			var out strings.Builder
			err := write(&out, map[string]*dependency{"example.org/m": d})
			got := out.String()
			if err != nil {
				got += err.Error()
			}
			if !strings.Contains(got, test.want) || strings.HasPrefix(test.want, "|") != (err == nil) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
