package markdown

import (
	"bytes"
	"context"
	"errors"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
)

// What rendering one text may cost. For many inputs, the time of parsing Markdown grows with the
// square of the text, and so does the HTML of tables and of links by reference; these bounds make
// both linear. An ordinary post of 20,000 characters stays far below them.
const (
	maxWork  = 32 << 20  // bytes looked at, counted where goldmark looks ahead; about 50 ms
	maxHTML  = 512 << 10 // bytes
	maxDepth = 64        // nested elements
	maxCells = 10_000    // of a table, including those that its rows leave out
)

// errTooMuch says that rendering a text would cost too much.
var errTooMuch = errors.New("rendering this text takes too much")

const (
	cellWork  = 100 // what a cell counts for
	peekWork  = 64  // what a look at a line counts for beside its bytes
	lineWork  = 100 // what a line counts for where all may be looked at
	linkWork  = 10  // what a byte of a link counts for
	pipeWork  = 10  // what a look for an escaped pipe counts for
	checkWork = 1 << 16
)

// meter counts what rendering one text costs. goldmark cannot be told to stop, so the meter panics,
// and convert recovers: at the bounds above, and soon after ctx ends.
type meter struct {
	ctx     context.Context
	left    int // work that may still be done
	check   int // the work left when ctx is looked at next
	escaped int // pipes that are escaped in tables
}

func newMeter(ctx context.Context) *meter {
	return &meter{ctx: ctx, left: maxWork, check: maxWork}
}

// stopped is what a meter panics with.
type stopped struct{ reason error }

// spend counts n bytes of work before they are done.
func (m *meter) spend(n int) {
	m.left -= n
	if m.left < 0 {
		panic(stopped{errTooMuch})
	}
	if m.left <= m.check {
		m.check = m.left - checkWork
		if err := m.ctx.Err(); err != nil {
			panic(stopped{err})
		}
	}
}

// depth refuses elements that are nested too deeply.
func (m *meter) depth(n int) {
	if n > maxDepth {
		panic(stopped{errTooMuch})
	}
}

// Where work is counted: for blocks, whenever goldmark looks at a line; within lines, at each
// character that could open or close something.
type (
	meteredReader struct {
		text.Reader
		meter *meter
	}
	meteredContext struct {
		parser.Context
		meter *meter
	}
	meteredInline struct{}
	meteredTable  struct{}
)

var (
	_ text.Reader                 = meteredReader{}
	_ parser.Context              = meteredContext{}
	_ parser.InlineParser         = meteredInline{}
	_ parser.ParagraphTransformer = meteredTable{}
)

// PeekLine implements text.Reader.
func (r meteredReader) PeekLine() ([]byte, text.Segment) {
	line, segment := r.Reader.PeekLine()
	r.meter.spend(len(line) + peekWork)
	return line, segment
}

// SetOpenedBlocks implements parser.Context.
func (c meteredContext) SetOpenedBlocks(blocks []parser.Block) {
	c.meter.depth(len(blocks))
	c.Context.SetOpenedBlocks(blocks)
}

// meterOf returns the meter of a parse that convert began.
func meterOf(pc parser.Context) *meter { return pc.(meteredContext).meter }

// Trigger implements parser.InlineParser: every character at which another parser may look ahead.
func (meteredInline) Trigger() []byte { return []byte("[]!`*_~<(") }

// Parse implements parser.InlineParser. It runs before all others and parses nothing.
func (meteredInline) Parse(parent ast.Node, block text.Reader, pc parser.Context) ast.Node {
	line, _ := block.PeekLine()
	if line[0] == '!' && (len(line) == 1 || line[1] != '[') {
		return nil
	}
	lines := parent.Lines()
	if n := lines.Len(); n > 0 {
		// Looking ahead, or back for an opener, may reach either end.
		meterOf(pc).spend(lines.At(n-1).Stop - lines.At(0).Start + n*lineWork)
	}
	return nil
}

// Transform implements parser.ParagraphTransformer. It runs before the one that turns paragraphs
// into tables, and counts their cells.
func (meteredTable) Transform(node *ast.Paragraph, reader text.Reader, pc parser.Context) {
	m, lines, source := meterOf(pc), node.Lines(), reader.Source()
	cells, escaped := 0, 0
	for i := range lines.Len() {
		segment := lines.At(i)
		line := segment.Value(source)
		escaped += bytes.Count(line, []byte(`\|`))
		if i > 0 && len(bytes.Trim(line, "-:| \t\r\n")) == 0 { // the line that makes it a table
			cells = max(cells, (bytes.Count(line, []byte("|"))+1)*(lines.Len()-i+1))
		}
	}
	if cells == 0 {
		return
	}
	if cells > maxCells {
		panic(stopped{errTooMuch})
	}
	m.spend(cells * cellWork)
	// goldmark looks for each escaped pipe in each cell that has one.
	m.escaped += escaped
	m.spend(escaped * m.escaped * pipeWork)
}

// boundedHTML keeps up to maxHTML bytes.
type boundedHTML struct{ bytes.Buffer }

// Write implements io.Writer.
func (b *boundedHTML) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxHTML {
		panic(stopped{errTooMuch})
	}
	return b.Buffer.Write(p)
}
