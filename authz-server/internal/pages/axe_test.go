package pages

import (
	"fmt"
	"testing"

	"github.com/chromedp/cdproto/emulation"

	"github.com/maru-auth/maru/internal/testenv/axe"
	"github.com/maru-auth/maru/internal/testenv/chrome"
)

// untidy says what a person would see go wrong: a page that is too wide, a tab out of sight, or
// something that moves while the page loads.
const untidy = `new Promise(done => {
	const root = document.documentElement, tab = document.querySelector("nav.tabs [aria-current]"), bad = [];
	if (root.scrollWidth > root.clientWidth) { bad.push(root.scrollWidth - root.clientWidth + " pixels too wide"); }
	if (tab && (tab.getBoundingClientRect().left < 0 || tab.getBoundingClientRect().right > root.clientWidth)) { bad.push("its tab is out of sight"); }
	const outside = one => one.sources.map(s => s.node).filter(n => n && !(n.closest && n.closest(".logo"))); // its letter may come up
	const moved = list => list.forEach(one => outside(one).forEach(n => bad.push("it moves: " + (n.outerHTML || n.data))));
	const observer = new PerformanceObserver(list => moved(list.getEntries()));
	observer.observe({ type: "layout-shift", buffered: true });
	requestAnimationFrame(() => requestAnimationFrame(() => { moved(observer.takeRecords()); done(bad.join("; ")); }));
})`

// Every page, with all that can be on it, in both languages, light and dark, wide and narrow.
func TestAxeFindsNothingOnAnyPage(t *testing.T) {
	pages := make(map[string]Page)
	var names []string
	for i, page := range everyPage() {
		switch stays := page.(type) {
		case FormPostPage: // it leaves by itself
			continue
		case LoggedOutPage: // as it is without anywhere to go
			stays.Next, stays.Frames = "", nil
			page = stays
		}
		name := fmt.Sprintf("%s-%d", templateOf(page), i)
		names, pages[name] = append(names, name), page
	}
	for _, state := range []struct {
		language, scheme string
		width            int64
	}{{"en", "light", 1280}, {"ko", "dark", 360}} {
		t.Run(state.language, func(t *testing.T) {
			b := chrome.Start(t, state.language)
			server := serve(t, newPages(t), pages)
			check := axe.New(t, b)
			chrome.Call(b, emulation.SetDeviceMetricsOverride,
				emulation.SetDeviceMetricsOverrideParams{Width: state.width, Height: 900, DeviceScaleFactor: 1})
			chrome.Call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: state.scheme}},
			})
			for _, name := range names {
				b.Open(server.URL + "/page/" + name)
				b.Visible("h1")
				check.Check(name)
				if bad := chrome.Eval[string](b, untidy); bad != "" {
					t.Errorf("%s: %s", name, bad)
				}
			}
		})
	}
}
