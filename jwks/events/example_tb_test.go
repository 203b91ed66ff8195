package events_test

import (
	"context"
	"fmt"
	"testing"
)

// exampleTB is what an Example has instead of a *testing.T.
type exampleTB struct {
	testing.TB
	ctx  context.Context
	ends []func()
}

func newExampleTB() *exampleTB {
	ctx, cancel := context.WithCancel(context.Background())
	return &exampleTB{ctx: ctx, ends: []func(){cancel}}
}

func (tb *exampleTB) Helper()                           {}
func (tb *exampleTB) Context() context.Context          { return tb.ctx }
func (tb *exampleTB) Cleanup(f func())                  { tb.ends = append(tb.ends, f) }
func (tb *exampleTB) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
func (tb *exampleTB) end() {
	for _, f := range tb.ends {
		f()
	}
}
