// Package chrome drives Chromium in tests: [Start] a browser, and take its steps one after the
// other. Each step waits for what it needs, also beyond a change of page, and fails the test with
// what the browser shows.
package chrome

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/maru-auth/maru/internal/testenv"
)

// patience bounds one step; the machine may be busy.
const patience = 60 * time.Second

// CSS is a selector of elements.
type CSS = chromedp.CSS

// Browser is a browser of its own with one tab, in which nobody is logged in.
type Browser struct {
	t   testing.TB
	ctx context.Context

	mu         sync.Mutex
	complaints []string
}

// Start starts a browser that asks pages for a language, such as "ko". It ends with the test.
// Without Chromium the test is skipped; with CI=true it fails.
func Start(t testing.TB, language string) *Browser {
	t.Helper()
	b := &Browser{t: t, ctx: launch(t, chromedp.Flag("accept-lang", language))}
	if err := chromedp.Listen(b.ctx, b.listen); err != nil {
		t.Fatal(err)
	}
	Call(b, cdplog.Enable, cdp.Empty{})
	Call(b, runtime.Enable, cdp.Empty{})
	return b
}

// launch prepares a browser without network but for the pages that it is sent to; it starts with
// the first step.
func launch(t testing.TB, more ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(testenv.Chromium(t)), chromedp.NoSandbox,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true))
	ctx, stop := chromedp.NewExecAllocator(context.Background(), append(options, more...)...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(ctx)
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil { // waits until the browser has ended
			t.Logf("the browser's end: %v", err)
		}
		cancel()
	})
	return ctx
}

// listen collects what the browser complains of: exceptions, and violations of a content security
// policy among others.
func (b *Browser) listen(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *cdplog.EventEntryAdded:
		if e.Entry.Source != "network" {
			b.complaints = append(b.complaints, e.Entry.Text+" "+e.Entry.URL)
		}
	case *runtime.EventExceptionThrown:
		b.complaints = append(b.complaints, e.ExceptionDetails.Text)
	}
}

// Calm fails the test for everything the browser has complained of since the last time, but for
// complaints that hold one of the texts in except.
func (b *Browser) Calm(except ...string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.complaints {
		if !slices.ContainsFunc(except, func(text string) bool { return strings.Contains(c, text) }) {
			b.t.Errorf("the browser complains: %s", c)
		}
	}
	b.complaints = nil
}

// Another is another tab of the same browser, with the same people logged in. Its complaints are
// not collected.
func (b *Browser) Another() *Browser {
	b.t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx)
	b.t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil { // the tab lives as long as the context that it is first used with
		b.t.Fatal(err)
	}
	return &Browser{t: b.t, ctx: ctx}
}

// Call sends a command of the browser's own protocol.
func Call[P, R any](b *Browser, command cdp.Command[P, R], params P) R {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	result, err := chromedp.Call(ctx, command, params)
	if err != nil {
		b.t.Fatal(err)
	}
	return result
}

// Get takes a step that returns something.
func Get[T any](b *Browser, action chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, action)
	if err != nil {
		b.t.Fatalf("%v, on %s", err, b.shown())
	}
	return value
}

// Eval evaluates an expression in the page, and waits if it is a promise.
func Eval[T any](b *Browser, expression string) T {
	b.t.Helper()
	return Get(b, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// Do takes steps one after the other.
func (b *Browser) Do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := Do(ctx, actions...); err != nil {
		b.t.Fatalf("%v, on %s", err, b.shown())
	}
}

// shown is where the browser is and what it shows, for the message of a failed test.
func (b *Browser) shown() string {
	ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href + ":\n" + document.body?.innerText`))
	if err != nil {
		return err.Error()
	}
	return text
}

// Open goes to an address.
func (b *Browser) Open(address string) { b.t.Helper(); b.Do(chromedp.Navigate(address)) }

// Click waits for an element, and clicks it.
func (b *Browser) Click(selector CSS) {
	b.t.Helper()
	b.Visible(selector)
	b.Do(chromedp.Click(selector))
}

// Fill types texts into fields, in place of what is there: selector, text, selector, text and so
// on.
func (b *Browser) Fill(fields ...string) {
	b.t.Helper()
	for i := 0; i < len(fields); i += 2 {
		selector := CSS(fields[i])
		b.Visible(selector)
		b.Is(fmt.Sprintf("(document.querySelector(%q).value = '', true)", selector))
		b.Do(chromedp.SendKeys(selector, fields[i+1]))
	}
}

// Visible waits until an element is seen.
func (b *Browser) Visible(selector CSS) {
	b.t.Helper()
	b.Is(fmt.Sprintf("document.querySelector(%q)?.checkVisibility() ?? false", selector))
}

// At waits for a page of an origin with a visible element.
func (b *Browser) At(origin string, selector CSS) {
	b.t.Helper()
	b.Is(fmt.Sprintf("location.origin === %q && (document.querySelector(%q)?.checkVisibility() ?? false)", origin, selector))
}

// See waits until an element holds a text.
func (b *Browser) See(selector CSS, text string) {
	b.t.Helper()
	b.Is(fmt.Sprintf("document.querySelector(%q)?.textContent.includes(%q) ?? false", selector, text))
}

// Is waits until an expression is true.
func (b *Browser) Is(expression string) {
	b.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(b.ctx, patience)
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool](expression))
		cancel()
		if err == nil && ok {
			return
		}
		if time.Now().After(end) {
			b.t.Fatalf("never true (%v): %s\non %s", err, expression, b.shown())
		}
	}
}

// Tab starts a browser and returns the context to drive its tab with, where the steps of [Browser]
// do not fit: every step fails two minutes after the start. It ends with the test; without Chromium
// the test is skipped, and with CI=true it fails.
func Tab(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(launch(t), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// Do runs actions one after the other, each until it succeeds beyond a change of page: an action
// that waits for an element fails when the page changes while it looks at it.
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

// pageChanged tells whether err is that an element or its page has gone. The protocol has no codes
// for it.
func pageChanged(err error) bool {
	for _, text := range []string{"Could not find node", "No node with given id", "Node is detached", "Cannot find context"} {
		if strings.Contains(err.Error(), text) {
			return true
		}
	}
	return false
}
