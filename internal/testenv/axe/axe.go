// Package axe checks pages for accessibility with axe-core, as Chromium carries it: the developer
// tools of every Chromium hold a copy, for their audits. Nothing is downloaded, and this repository
// holds no copy.
package axe

import (
	"encoding/binary"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/maru-auth/maru/internal/testenv"
	"github.com/maru-auth/maru/internal/testenv/chrome"
)

// Checker checks the pages that a browser shows. Make one for each browser by [New].
type Checker struct {
	t       testing.TB
	browser *chrome.Browser
	source  string
}

// found keeps axe-core for all tests of a package.
var found struct {
	sync.Mutex
	source string
}

// New finds axe-core in the resources of the browser, which it leaves on a page of its own. A test
// whose Chromium has none ends by [testenv.Absent].
func New(t testing.TB, b *chrome.Browser) *Checker {
	t.Helper()
	found.Lock()
	defer found.Unlock()
	if found.source == "" {
		found.source = read(t, b)
	}
	return &Checker{t, b, found.source}
}

// Check fails the test for each violation on the page that the browser shows now; what names the
// page in the message.
func (c *Checker) Check(what string) {
	c.t.Helper()
	chrome.Eval[bool](c.browser, "(() => { if (!window.axe) { "+c.source+"\n} return true })()")
	for _, one := range chrome.Eval[[]string](c.browser, run) {
		c.t.Errorf("%s: %s", what, one)
	}
}

// run gives a line for each element with a violation. Whether all of a page lies in landmarks is a
// rule of axe's own, and applies here too.
const run = `axe.run(document, { resultTypes: ["violations"] }).then(results => results.violations.flatMap(violation =>
	violation.nodes.map(node => violation.id + " (" + violation.impact + "): " + violation.help + ": " + node.html.slice(0, 200) + " " +
		[...node.any, ...node.all, ...node.none].map(check => check.message).join("; "))))`

// read finds the copy. The browser itself uncompresses the resources: it is sent them as an answer
// in Brotli, which Go's library does not read.
func read(t testing.TB, b *chrome.Browser) string {
	t.Helper()
	pack, err := resources(testenv.Chromium(t))
	if err != nil {
		testenv.Absent(t, "no axe-core: "+err.Error())
	}
	entries := compressed(pack)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if i, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/")); err == nil && i < len(entries) {
			w.Header().Set("Content-Encoding", "br")
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			w.Write(entries[i]) //nolint:errcheck // the test will see
		}
	}))
	defer server.Close()
	b.Open(server.URL + "/none")
	source := chrome.Eval[string](b, fmt.Sprintf(find, min(len(entries), 40)))
	if source == "" {
		testenv.Absent(t, "no axe-core in the developer tools of this Chromium")
	}
	return source
}

// find looks for the text of axe-core, which the tools keep in a template literal.
const find = `(async () => {
	for (let i = 0; i < %d; i++) {
		const text = await fetch("/" + i).then(r => r.text()).catch(() => "");
		const start = text.indexOf("` + "`/*! axe v" + `");
		if (start < 0) { continue; }
		let end = start + 1;
		while (text[end] !== "` + "`" + `") { end += text[end] === "\\" ? 2 : 1; }
		return (0, eval)(text.slice(start, end + 1));
	}
	return "";
})()`

// resources reads the file of resources that lies beside the browser's program.
func resources(chromium string) ([]byte, error) {
	dirs := []string{filepath.Dir(chromium), "/usr/lib/chromium", "/usr/lib/chromium-browser", "/opt/google/chrome"}
	if real, err := filepath.EvalSymlinks(chromium); err == nil {
		dirs = slices.Insert(dirs, 0, filepath.Dir(real))
	}
	for _, dir := range dirs {
		if pack, err := os.ReadFile(filepath.Join(dir, "resources.pak")); err == nil {
			return pack, nil
		}
	}
	return nil, fmt.Errorf("no resources.pak beside %s", chromium)
}

// compressed returns the entries of a pack that are in Brotli, the largest first. A pack of
// version 5 has a header of 12 bytes, then an id and an offset for each entry and for the end.
func compressed(pack []byte) (entries [][]byte) {
	if len(pack) < 12 || binary.LittleEndian.Uint32(pack) != 5 {
		return nil
	}
	table := pack[12:]
	for i := range int(binary.LittleEndian.Uint16(pack[8:])) {
		if len(table) < 6*(i+2) {
			return nil
		}
		from, to := binary.LittleEndian.Uint32(table[6*i+2:]), binary.LittleEndian.Uint32(table[6*i+8:])
		if from > to || int(to) > len(pack) {
			return nil
		}
		// Two bytes say that the entry is compressed, and six how long it was.
		if entry := pack[from:to]; len(entry) > 8 && entry[0] == 0x1e && entry[1] == 0x9b {
			entries = append(entries, entry[8:])
		}
	}
	slices.SortFunc(entries, func(a, b []byte) int { return len(b) - len(a) })
	return entries
}
