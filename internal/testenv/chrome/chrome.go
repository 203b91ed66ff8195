// Package chrome drives Chromium in tests.
package chrome

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/maru-auth/maru/internal/testenv"
)

// Tab starts a browser of its own, without network but for the pages that it is sent to, and returns the context to drive its
// tab with. The browser ends with the test, and every step fails two minutes after the start. Without Chromium the test is
// skipped; with CI=true it fails.
func Tab(t testing.TB) context.Context {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(testenv.Chromium(t)), chromedp.NoSandbox,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true))
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, closeTab := chromedp.NewContext(allocator)
	t.Cleanup(closeTab)
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// Do runs actions one after the other, each until it succeeds beyond a change of page: an action that waits for an element
// fails when the page changes while it looks at it.
func Do(ctx context.Context, actions ...chromedp.Action[chromedp.Void]) error {
	for i, action := range actions {
		actions[i] = func(ctx context.Context, tab *chromedp.Target) (done chromedp.Void, err error) {
			for {
				if done, err = action(ctx, tab); err == nil || !pageChanged(err) || ctx.Err() != nil {
					return done, err
				}
				time.Sleep(20 * time.Millisecond)
			}
		}
	}
	return chromedp.Do(ctx, actions...)
}

// pageChanged tells whether err is that an element or its page has gone. The protocol has no codes for it.
func pageChanged(err error) bool {
	for _, text := range []string{"Could not find node", "No node with given id", "Node is detached", "Cannot find context"} {
		if strings.Contains(err.Error(), text) {
			return true
		}
	}
	return false
}
