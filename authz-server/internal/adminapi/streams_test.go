package adminapi_test

import (
	"slices"
	"sync"
	"testing"
)

// A stream is changed as it was seen, or not at all, whoever else changes it: another operator, at
// another replica, or on a page.
func TestAStreamIsChangedAsItWasSeen(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		token, path := w.root(), "/v1/streams/"+w.stream()
		read := func() reply {
			return w.want(200, ask{replica: 1, token: w.service("reader"), method: "GET", path: path})
		}
		seen := read()
		tag := seen.header.Get("ETag")
		if version, _ := seen.object(w.t)["version"].(string); version == "" || tag != `"`+version+`"` {
			w.t.Errorf("the tag is %s: %s", tag, seen.body)
		}
		change := ask{token: token, method: "PATCH", path: path, body: object{"description": "first"}}
		w.want(428, change)
		for _, bad := range []string{"x", `"x`, `"a","b`} {
			change.header = header("If-Match", bad)
			w.want(400, change)
		}
		for _, other := range []string{`"x"`, "W/" + tag, `""`} {
			change.header = header("If-Match", other)
			w.want(412, change)
		}
		if read().body != seen.body {
			w.t.Error("a change that was refused changed something")
		}
		change.header = header("If-Match", `"x", `+tag)
		first := w.want(200, change)
		if now := first.header.Get("ETag"); now == tag || now != read().header.Get("ETag") {
			w.t.Errorf("after the change the tag is %s, and was %s", now, tag)
		}
		w.want(412, change)
		change.header, change.body = header("If-Match", "*"), object{"description": "second"}
		w.want(200, change)

		// What its status is, is seen too; what waits for it is no change.
		tag = read().header.Get("ETag")
		w.want(202, ask{token: token, method: "POST", path: path + "/verifications", body: object{}})
		if now := read().header.Get("ETag"); now != tag {
			w.t.Errorf("an event that waits makes the tag %s, and not %s", now, tag)
		}
		w.want(204, ask{token: token, method: "PUT", path: path + "/status", body: object{"status": "paused"}})
		change.header = header("If-Match", tag)
		w.want(412, change)

		tag = read().header.Get("ETag")
		var mu sync.Mutex
		var statuses []int
		var both sync.WaitGroup
		for i, text := range []string{"one", "two"} {
			both.Go(func() {
				got := w.send(ask{replica: i, token: token, method: "PATCH", path: path, header: header("If-Match", tag), body: object{"description": text}})
				mu.Lock()
				defer mu.Unlock()
				statuses = append(statuses, got.status)
			})
		}
		both.Wait()
		if slices.Sort(statuses); !slices.Equal(statuses, []int{200, 412}) {
			w.t.Errorf("of two who saw the same: %v", statuses)
		}
		change.path, change.header = "/v1/streams/nothing", header("If-Match", "*")
		w.want(404, change)
	})
}
