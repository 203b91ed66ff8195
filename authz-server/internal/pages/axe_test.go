package pages

import (
	"fmt"
	"testing"

	"github.com/chromedp/cdproto/emulation"

	"github.com/maru-auth/maru/internal/testenv/axe"
	"github.com/maru-auth/maru/internal/testenv/chrome"
)

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
				if over := chrome.Eval[int](b, "document.documentElement.scrollWidth - document.documentElement.clientWidth"); over > 0 {
					t.Errorf("%s is %d pixels too wide", name, over)
				}
			}
		})
	}
}
