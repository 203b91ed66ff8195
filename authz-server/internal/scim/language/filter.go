package language

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// The bounds of a filter.
const (
	maxFilter = 4096 // bytes
	maxDepth  = 16   // of parentheses, not and brackets
	maxTerms  = 64   // comparisons
)

// Filter is a part of a filter (RFC 7644 §3.4.2.2).
type Filter struct {
	Op          string  // "and", "or", "not", "[", or one of operators
	Left, Right *Filter // of and and or; not and [ have Left alone
	Of          Target  // of comparisons; of [ the attribute whose values Left is asked of
	Value       any     // string, bool, time.Time, or nil for null

	key string // what a text in Value is compared by

	// Answered says that the list was chosen so that the condition is true of all in it.
	Answered bool
	// Elsewhere says that the attribute is of other kinds: resources of this one have no value of it.
	Elsewhere bool
}

// operators are those of comparisons.
var operators = map[string]bool{
	"eq": true, "ne": true, "co": true, "sw": true, "ew": true, "gt": true, "ge": true, "lt": true, "le": true,
	"pr": true,
}

// parser reads a filter.
type parser struct {
	text   string
	at     int
	all    []*Attribute
	schema string // whose URN may stand before names; empty: in brackets
	beside []*Kind
	depth  int
	terms  *int
}

// ParseFilter reads a filter on resources of a kind. Attributes of the kinds beside it, which the same
// filter is for, have no value in these (RFC 7644 §3.4.2.1). Errors are of the type [InvalidFilter].
func ParseFilter(k *Kind, text string, beside ...*Kind) (*Filter, error) {
	if len(text) > maxFilter {
		return nil, bad(InvalidFilter, fmt.Sprintf("The filter is longer than %d bytes.", maxFilter))
	}
	p := &parser{text: text, all: k.all, schema: k.Schema, beside: beside, terms: new(int)}
	f, err := p.either()
	if err != nil {
		return nil, err
	}
	if p.spaces(); p.at < len(text) {
		return nil, p.wrong("an operator, or the end")
	}
	return f, nil
}

func (p *parser) wrong(want string) error {
	rest := p.text[p.at:]
	if len(rest) > 20 {
		rest = strings.ToValidUTF8(rest[:20], "") + "…"
	}
	if rest == "" {
		return bad(InvalidFilter, "The filter ends where it should have "+want+".")
	}
	return bad(InvalidFilter, fmt.Sprintf("The filter should have %s at byte %d, where it has %q.", want, p.at+1, rest))
}

func (p *parser) spaces() (any bool) {
	for p.at < len(p.text) && p.text[p.at] == ' ' {
		p.at++
		any = true
	}
	return any
}

// word takes a keyword, in any case, that ends where a word can.
func (p *parser) word(keyword string) bool {
	end := p.at + len(keyword)
	if end > len(p.text) || !SameName(p.text[p.at:end], keyword) {
		return false
	}
	if end < len(p.text) && !strings.ContainsRune(` ()[]"`, rune(p.text[end])) {
		return false
	}
	p.at = end
	return true
}

func (p *parser) char(c byte) bool {
	if p.at < len(p.text) && p.text[p.at] == c {
		p.at++
		return true
	}
	return false
}

// either reads what or joins, and both what and joins, which binds more tightly.
func (p *parser) either() (*Filter, error) { return p.joined("or", p.both) }
func (p *parser) both() (*Filter, error)   { return p.joined("and", p.term) }

func (p *parser) joined(by string, part func() (*Filter, error)) (*Filter, error) {
	left, err := part()
	for err == nil {
		before := p.at
		if !p.spaces() || !p.word(by) {
			p.at = before
			return left, nil
		}
		var right *Filter
		if right, err = part(); err == nil {
			left = &Filter{Op: by, Left: left, Right: right}
		}
	}
	return nil, err
}

// deeper runs f one level below.
func (p *parser) deeper(f func() (*Filter, error)) (*Filter, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, bad(InvalidFilter, fmt.Sprintf("The filter is nested more deeply than %d levels.", maxDepth))
	}
	defer func() { p.depth-- }()
	return f()
}

func (p *parser) term() (*Filter, error) {
	p.spaces()
	before := p.at
	if p.word("not") {
		p.spaces()
		if p.char('(') {
			return p.deeper(func() (*Filter, error) {
				inner, err := p.group()
				return &Filter{Op: "not", Left: inner}, err
			})
		}
		p.at = before
	}
	if p.char('(') {
		return p.deeper(p.group)
	}
	return p.comparison()
}

// group reads what is in parentheses, the first of which is read.
func (p *parser) group() (*Filter, error) {
	inner, err := p.either()
	if err != nil {
		return nil, err
	}
	if p.spaces(); !p.char(')') {
		return nil, p.wrong("a closing parenthesis")
	}
	return inner, nil
}

func (p *parser) comparison() (*Filter, error) {
	if *p.terms++; *p.terms > maxTerms {
		return nil, bad(InvalidFilter, fmt.Sprintf("The filter has more than %d comparisons.", maxTerms))
	}
	start := p.at
	for p.at < len(p.text) && !strings.ContainsRune(` ()[]"`, rune(p.text[p.at])) {
		p.at++
	}
	path := p.text[start:p.at]
	of, known, ok := resolve(p.all, p.schema, path)
	elsewhere := false
	for i := 0; ok && !known && i < len(p.beside); i++ {
		of, known, _ = resolve(p.beside[i].all, p.beside[i].Schema, path)
		elsewhere = known
	}
	switch {
	case !ok:
		p.at = start
		return nil, p.wrong("the name of an attribute")
	case !known:
		return nil, bad(InvalidFilter, fmt.Sprintf("Resources have no attribute %q here.", path))
	}
	if p.char('[') {
		f, err := p.brackets(of)
		if err == nil {
			f.Elsewhere = elsewhere
		}
		return f, err
	}
	f := &Filter{Of: of, Elsewhere: elsewhere}
	if !p.spaces() {
		return nil, p.wrong("a space and an operator")
	}
	for op := range operators {
		if p.word(op) {
			f.Op = op
			break
		}
	}
	if f.Op == "" {
		return nil, p.wrong("one of the operators eq, ne, co, sw, ew, gt, ge, lt, le and pr")
	}
	if f.Op == "pr" {
		return f, nil
	}
	if !p.spaces() {
		return nil, p.wrong("a space and a value")
	}
	value, err := p.value()
	if err != nil {
		return nil, err
	}
	return f, f.compareWith(value)
}

// brackets reads a filter on the values of an attribute, the first bracket of which is read.
func (p *parser) brackets(of Target) (*Filter, error) {
	if p.schema == "" || of.Sub != nil || of.Attr.Type != typeComplex {
		return nil, bad(InvalidFilter,
			fmt.Sprintf("Brackets stand behind an attribute that has parts, which %q is not.", of.Leaf().Name))
	}
	return p.deeper(func() (*Filter, error) {
		inner := &parser{text: p.text, at: p.at, all: of.Attr.Sub, depth: p.depth, terms: p.terms}
		f, err := inner.either()
		if err != nil {
			return nil, err
		}
		inner.spaces()
		if p.at = inner.at; !p.char(']') {
			return nil, p.wrong("a closing bracket")
		}
		return &Filter{Op: "[", Left: f, Of: of}, nil
	})
}

// value reads a value, in the syntax of JSON.
func (p *parser) value() (any, error) {
	start := p.at
	if p.char('"') {
		for p.at < len(p.text) && p.text[p.at] != '"' {
			if p.text[p.at] == '\\' {
				p.at++
			}
			p.at++
		}
		p.at = min(p.at+1, len(p.text))
	} else {
		for p.at < len(p.text) && !strings.ContainsRune(` ()[]"`, rune(p.text[p.at])) {
			p.at++
		}
	}
	var value any
	if err := json.Unmarshal([]byte(p.text[start:p.at]), &value); err != nil {
		p.at = start
		return nil, p.wrong("a value such as \"text\", true, 12 or null")
	}
	return value, nil
}

// compareWith gives a comparison its value, and checks that the operator is one for the attribute's
// type.
func (f *Filter) compareWith(value any) error {
	if f.Of.Attr.Type == typeComplex && f.Of.Sub == nil {
		// Of values with parts, the part value is compared (RFC 7644 §3.4.2.2).
		if f.Of.Sub = find(f.Of.Attr.Sub, "value"); f.Of.Sub == nil {
			return bad(InvalidFilter, fmt.Sprintf("%s has parts: say which one is compared, such as %s.%s.",
				f.Of.Attr.Name, f.Of.Attr.Name, f.Of.Attr.Sub[0].Name))
		}
	}
	leaf := f.Of.Leaf()
	equality := f.Op == "eq" || f.Op == "ne"
	if value == nil {
		if !equality {
			return bad(InvalidFilter, "null can be compared by eq and ne alone.")
		}
		return nil
	}
	given, isText := value.(string)
	switch leaf.Type {
	case typeBoolean:
		truth, ok := BoolOf(value)
		if !ok || !equality {
			return bad(InvalidFilter, fmt.Sprintf("%s is true or false, and compared by eq and ne alone.", leaf.Name))
		}
		f.Value = truth
	case typeDateTime:
		at, err := time.Parse(time.RFC3339, given)
		if err != nil || f.Op == "co" || f.Op == "sw" || f.Op == "ew" {
			return bad(InvalidFilter, fmt.Sprintf(
				"%s is a time such as \"2026-05-01T09:00:00Z\", and not compared by %s with this value.", leaf.Name, f.Op))
		}
		f.Value = at
	default:
		if !isText {
			return bad(InvalidFilter, fmt.Sprintf("%s is a text, and compared with a text in double quotes.", leaf.Name))
		}
		if !Storable(given) {
			return bad(InvalidFilter, "No text here has the character U+0000.")
		}
		f.Value, f.key = given, leaf.keyOf(given)
	}
	return nil
}

// BoolOf is a boolean, also as some directories write it.
func BoolOf(value any) (truth, ok bool) {
	switch v := value.(type) {
	case bool:
		return v, true
	case string:
		switch Lower(v) {
		case "true":
			return true, true
		case "false":
			return false, true
		}
	}
	return false, false
}
