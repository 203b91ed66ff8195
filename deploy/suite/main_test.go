package main

import (
	"fmt"
	"strings"
	"testing"
)

func reported(t *testing.T, events ...string) string {
	t.Helper()
	var out strings.Builder
	if err := report(strings.NewReader(strings.Join(events, "\n")+"\n"), &out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestAPackageThatPassesIsOneLine(t *testing.T) {
	got := reported(t,
		`{"Action":"start","Package":"p"}`,
		`{"Action":"run","Package":"p","Test":"TestA"}`,
		`{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}`,
		`{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:1: all is well\n"}`,
		`{"Action":"pass","Package":"p","Test":"TestA","Elapsed":0.5}`,
		`{"Action":"output","Package":"p","Output":"PASS\n"}`,
		`{"Action":"output","Package":"p","Output":"ok  \tp\t0.6s\n"}`,
		`{"Action":"pass","Package":"p","Elapsed":0.6}`)
	if got != "ok  \tp\t0.6s\nthe slowest tests:\n    0.50s  p TestA\n" {
		t.Errorf("%q", got)
	}
}

func TestOnlyWhatFailedIsShownOfAPackage(t *testing.T) {
	got := reported(t,
		`{"Action":"output","Package":"p","Test":"TestGood","Output":"    a_test.go:1: all is well\n"}`,
		`{"Action":"output","Package":"q","Output":"ok  \tq\t0.1s\n"}`,
		`{"Action":"pass","Package":"q","Elapsed":0.1}`,
		`{"Action":"pass","Package":"p","Test":"TestGood","Elapsed":0}`,
		`{"Action":"output","Package":"p","Test":"TestBad/one","Output":"        a_test.go:2: it broke\n"}`,
		`{"Action":"fail","Package":"p","Test":"TestBad/one","Elapsed":3}`,
		`{"Action":"fail","Package":"p","Test":"TestBad","Elapsed":3}`,
		`{"Action":"output","Package":"p","Test":"TestDead","Output":"panic: oh\n"}`, // it has no end of its own
		`{"Action":"output","Package":"p","Output":"FAIL\tp\t0.6s\n"}`,
		`{"Action":"fail","Package":"p","Elapsed":0.6}`)
	want := "ok  \tq\t0.1s\n        a_test.go:2: it broke\npanic: oh\nFAIL\tp\t0.6s\n" +
		"the slowest tests:\n    3.00s  p TestBad\n    0.00s  p TestGood\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestWhatDoesNotCompileOrStopsInTheMiddleIsShown(t *testing.T) {
	got := reported(t,
		`{"ImportPath":"p","Action":"build-output","Output":"p/a.go:1: undefined: x\n"}`,
		`{"ImportPath":"p","Action":"build-fail"}`,
		`go: some trouble`,
		`{"Action":"output","Package":"q","Test":"TestLong","Output":"    q_test.go:1: so far\n"}`)
	for _, want := range []string{"p/a.go:1: undefined: x\n", "go: some trouble\n", "q_test.go:1: so far\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in %q", want, got)
		}
	}
}

func TestTheTenSlowestAreListed(t *testing.T) {
	var events []string
	for i := range 30 {
		events = append(events, fmt.Sprintf(`{"Action":"pass","Package":"p","Test":"Test%d","Elapsed":%d}`, i, i))
	}
	got := reported(t, events...)
	if strings.Count(got, "\n") != 11 || !strings.HasPrefix(got, "the slowest tests:\n   29.00s  p Test29\n") ||
		!strings.HasSuffix(got, "   20.00s  p Test20\n") {
		t.Error(got)
	}
}
