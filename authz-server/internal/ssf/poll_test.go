package ssf_test

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store/streams"
	"github.com/maru-auth/maru/internal/testenv"
)

// polling is a receiver that polls.
type polling struct {
	*world
	token, id, url string
}

func (w *world) polling(types ...streams.Type) *polling {
	w.t.Helper()
	w.addReceiver("poller", nil)
	token := w.token("poller", "ssf.manage ssf.read")
	made := w.create(token, w.poll(types...))
	return &polling{w, token, made["stream_id"].(string), made["delivery"].(object)["endpoint_url"].(string)}
}

// ask polls, and returns the events by their order of jti, and whether there are more.
func (p *polling) ask(request object) (all []told, more bool) {
	p.t.Helper()
	if request["returnImmediately"] == nil {
		request["returnImmediately"] = true
	}
	status, answer := p.call(p.token, "POST", p.url, request)
	got := decode(p.t, answer)
	sets, isObject := got["sets"].(object)
	if status != http.StatusOK || !isObject {
		p.t.Fatalf("%d %s", status, answer)
	}
	for id, token := range sets {
		one := p.read(token.(string))
		if one.JTI != id || one.Audience != "poller" {
			p.t.Errorf("%s: %+v", id, one)
		}
		all = append(all, one)
	}
	more, _ = got["moreAvailable"].(bool)
	return all, more
}

func (p *polling) verify(state string) {
	p.t.Helper()
	p.Clock.Advance(6 * time.Second)
	if status, answer := p.call(p.token, "POST", "/ssf/verify", object{"stream_id": p.id, "state": state}); status != http.StatusNoContent {
		p.t.Fatalf("%d %s", status, answer)
	}
}

func (p *polling) change(disabled bool) {
	p.t.Helper()
	ok(p.t, p.Store.Users.SetDisabled(p.t.Context(), p.User.ID, disabled))
	p.deliver()
}

func jtis(all []told) (ids []string) {
	for _, one := range all {
		ids = append(ids, one.JTI)
	}
	return ids
}

func TestAReceiverPollsAndAcknowledges(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p := w.polling(streams.AccountDisabled, streams.AccountEnabled)
		if got, more := p.ask(object{}); len(got) != 0 || more {
			t.Errorf("nothing: %+v", got)
		}
		p.change(true)
		p.change(false)
		// One about each person at a time: an object has no order.
		first, more := p.ask(object{})
		if types(first) != "account-disabled" || more {
			t.Fatalf("%+v", first)
		}
		if again, _ := p.ask(object{}); !slices.Equal(jtis(again), jtis(first)) {
			t.Errorf("unacknowledged: %+v", again)
		}
		second, _ := p.ask(object{"ack": jtis(first)})
		if types(second) != "account-enabled" {
			t.Errorf("%+v", second)
		}
		// A replayed acknowledgment, and one of what is not there, change nothing.
		if again, _ := p.ask(object{"ack": append(jtis(first), "there-is-none", "")}); !slices.Equal(jtis(again), jtis(second)) {
			t.Errorf("%+v", again)
		}
		if none, _ := p.ask(object{"ack": jtis(second), "maxEvents": 0}); len(none) != 0 {
			t.Errorf("%+v", none)
		}
		if none, _ := p.ask(object{}); len(none) != 0 {
			t.Errorf("%+v", none)
		}

		p.verify("a")
		p.verify("b")
		p.verify("c")
		some, more := p.ask(object{"maxEvents": 2})
		if len(some) != 2 || !more {
			t.Errorf("%+v %t", some, more)
		}
		rest, more := p.ask(object{"ack": jtis(some), "maxEvents": 1000})
		if len(rest) != 1 || more || rest[0].Event["state"] != "c" || rest[0].Subject["id"] != p.id || rest[0].Subject["format"] != "opaque" {
			t.Errorf("%+v %t", rest, more)
		}
		// What the receiver cannot use is not offered again, and the operator sees it.
		if none, _ := p.ask(object{"setErrs": object{rest[0].JTI: object{"err": "invalid_key", "description": "\x1b[2J who?"}}}); len(none) != 0 {
			t.Errorf("%+v", none)
		}
		sets, err := w.Store.Streams.Sets(t.Context(), p.id, "", 10)
		if err != nil || len(sets) != 1 || sets[0].GivenUpAt.IsZero() || sets[0].LastError != "invalid_key:  [2J who?" {
			t.Errorf("%+v %v", sets, err)
		}
		for name, body := range map[string]any{"less than none": object{"maxEvents": -1}, "text": object{"maxEvents": "1"}, "no object": "[]",
			"acks of numbers": object{"ack": []int{1}}, "NUL": object{"ack": []string{"\x00"}},
			"a refusal with NUL": object{"setErrs": object{"a\x00": object{"err": "x"}}}} {
			if status, answer := w.call(p.token, "POST", p.url, body); status != http.StatusBadRequest {
				t.Errorf("%s: %d %s", name, status, answer)
			}
		}
	})
}

// Acknowledging another's event does nothing.
func TestAnAcknowledgmentIsForTheOwnStreamAlone(t *testing.T) {
	w := one(t)
	p := w.polling(streams.AccountDisabled)
	w.addReceiver("other", nil)
	other := w.token("other", "ssf.manage")
	theirs := w.create(other, w.poll(streams.AccountDisabled))["delivery"].(object)["endpoint_url"].(string)
	p.change(true)
	got, _ := p.ask(object{})
	if status, answer := w.call(other, "POST", theirs, object{"ack": jtis(got), "setErrs": object{got[0].JTI: object{"err": "x"}}, "maxEvents": 0}); status != http.StatusOK {
		t.Fatalf("%d %s", status, answer)
	}
	if again, _ := p.ask(object{}); !slices.Equal(jtis(again), jtis(got)) {
		t.Errorf("%+v", again)
	}
}

func TestAPollWaitsForAnEvent(t *testing.T) {
	w := one(t)
	p := w.polling(streams.AccountDisabled)
	answers := make(chan []told, 2)
	wait := func() { got, _ := p.ask(object{"returnImmediately": false}); answers <- got }
	go wait()
	testenv.Eventually(t, "the poll waits", p.waits)
	go wait() // takes the place of the first
	if got := <-answers; len(got) != 0 {
		t.Errorf("the first: %+v", got)
	}
	p.change(true)
	if got := <-answers; types(got) != "account-disabled" {
		t.Errorf("%+v", got)
	}
	p.ask(object{"ack": jtis(must(p.ask(object{}))), "maxEvents": 0})
	go wait()
	testenv.Eventually(t, "the poll waits", p.waits)
	w.stop() // the server ends
	if got := <-answers; len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

func (p *polling) waits() bool { return p.handlers.Waits(p.id) }

func must(all []told, _ bool) []told { return all }

func TestAVerificationIsAskedForNowAndThen(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p := w.polling()
		w.Clock.Advance(time.Minute)
		ask := func() int {
			status, _ := w.call(p.token, "POST", "/ssf/verify", object{"stream_id": p.id})
			return status
		}
		statuses := make([]int, 8)
		var calls sync.WaitGroup
		for i := range statuses {
			calls.Go(func() { statuses[i] = ask() })
		}
		calls.Wait()
		slices.Sort(statuses)
		if statuses[0] != http.StatusNoContent || statuses[1] != http.StatusTooManyRequests {
			t.Errorf("%v", statuses)
		}
		w.Clock.Advance(5 * time.Second)
		if status := ask(); status != http.StatusNoContent {
			t.Errorf("after the interval: %d", status)
		}
		got, _ := p.ask(object{})
		if types(got) != "verification verification" || got[0].Event["state"] != nil {
			t.Errorf("%+v", got)
		}
		for _, body := range []any{"{", object{}, object{"stream_id": p.id, "state": 1}, object{"stream_id": p.id, "state": strings.Repeat("x", 1025)}} {
			if status, _ := w.call(p.token, "POST", "/ssf/verify", body); status != http.StatusBadRequest {
				t.Errorf("%v: %d", body, status)
			}
		}
	})
}

// SSF §8.1.2.1, and the modules paused-stream-holds-events and disabled-stream-drops-events of the
// conformance suite.
func TestAPausedStreamHoldsEventsAndADisabledOneDropsThem(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p := w.polling(streams.AccountDisabled, streams.AccountEnabled)
		set := func(status string) {
			t.Helper()
			if code, answer := w.call(p.token, "POST", "/ssf/status", object{"stream_id": p.id, "status": status}); code != http.StatusOK {
				t.Fatalf("%d %s", code, answer)
			}
		}
		set("paused")
		p.change(true)
		p.verify("held")
		if got, _ := p.ask(object{}); len(got) != 0 {
			t.Errorf("paused: %+v", got)
		}
		set("enabled")
		got, _ := p.ask(object{})
		if sortedTypes(got) != "account-disabled verification" {
			t.Errorf("enabled: %+v", got)
		}
		set("disabled")
		p.change(false)
		p.verify("dropped")
		set("enabled")
		if got, _ := p.ask(object{}); len(got) != 0 {
			t.Errorf("after it was disabled: %+v", got)
		}
		p.change(true)
		if got, _ := p.ask(object{}); types(got) != "account-disabled" {
			t.Errorf("it goes on: %+v", got)
		}
	})
}
