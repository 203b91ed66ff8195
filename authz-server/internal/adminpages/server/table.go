package server

import (
	"time"

	"github.com/maru-auth/maru/authz-server/internal/adminpages/frame"
	"github.com/maru-auth/maru/authz-server/internal/pages"
)

// tablePage is a page of lists. Most parts of a server are shown by one.
type tablePage struct {
	Title   string
	Intro   []string
	Switch  []action // to the other lists of the page
	Search  *search
	Buttons []action
	Tables  []table
}

// table is one list.
type table struct {
	Heading string // empty: it is the only one
	ID      string // for the heading
	Columns []string
	Rows    [][]cell
	Note    string // above the rows
	Empty   string // said in place of no rows
	Buttons []action
	Next    string // the address of the page after; empty: there is none
	Later   bool   // there is a page before
}

// cell is what is in a row of a table. The first of a row names it.
type cell struct {
	Text  string
	Under string    // below it, and smaller
	Code  bool      // the text is no words
	At    time.Time // shown in place of the text, unless it is zero
	Tag   string    // "good", "bad" or "quiet": the text is a state
	Path  string    // what the text leads to
	Links []action
}

// Short tells whether a code is better not broken into two lines.
func (c cell) Short() bool { return len(c.Text) <= 12 }

type action struct {
	Path, Label string
	About       string // for whoever does not see the row
	ID          string
	Current     bool
	Main        bool // of a button: what most come for
}

// search is a form that asks for one thing.
type search struct{ Name, Label, Value, Hint, Problem string }

// moment is a cell with a time, or a word where there is none.
func moment(at time.Time, none string) cell { return cell{At: at, Text: none} }

// tables answers with a page of lists.
func tables(v *frame.Visit, status int, page tablePage) error {
	v.Render(status, pages.AdminPage{Name: "table", Content: page})
	return nil
}
