package scim

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

// filter is a part of a filter (RFC 7644 §3.4.2.2).
type filter struct {
	op          string  // "and", "or", "not", "[", or one of operators
	left, right *filter // of and and or; not and [ have left alone
	of          target  // of comparisons; of [ the attribute whose values left is asked of
	value       any     // string, bool, time.Time, or nil for null

	// answered says that the list was chosen so that the condition is true of all in it.
	answered bool
}

// operators are those of comparisons.
var operators = map[string]bool{"eq": true, "ne": true, "co": true, "sw": true, "ew": true, "gt": true, "ge": true, "lt": true, "le": true, "pr": true}

// parser reads a filter.
type parser struct {
	text   string
	at     int
	all    []*attribute
	schema string // whose URN may stand before names; empty: in brackets
	depth  int
	terms  *int
}

// parseFilter reads a filter on resources. Errors are of the type invalidFilter.
func parseFilter(k *kind, text string) (*filter, error) {
	if len(text) > maxFilter {
		return nil, bad(invalidFilter, fmt.Sprintf("The filter is longer than %d bytes.", maxFilter))
	}
	p := &parser{text: text, all: k.all, schema: k.Schema, terms: new(int)}
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
		return bad(invalidFilter, "The filter ends where it should have "+want+".")
	}
	return bad(invalidFilter, fmt.Sprintf("The filter should have %s at byte %d, where it has %q.", want, p.at+1, rest))
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
	if end > len(p.text) || !sameName(p.text[p.at:end], keyword) {
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
func (p *parser) either() (*filter, error) { return p.joined("or", p.both) }
func (p *parser) both() (*filter, error)   { return p.joined("and", p.term) }

func (p *parser) joined(by string, part func() (*filter, error)) (*filter, error) {
	left, err := part()
	for err == nil {
		before := p.at
		if !p.spaces() || !p.word(by) {
			p.at = before
			return left, nil
		}
		var right *filter
		if right, err = part(); err == nil {
			left = &filter{op: by, left: left, right: right}
		}
	}
	return nil, err
}

// deeper runs f one level below.
func (p *parser) deeper(f func() (*filter, error)) (*filter, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, bad(invalidFilter, fmt.Sprintf("The filter is nested more deeply than %d levels.", maxDepth))
	}
	defer func() { p.depth-- }()
	return f()
}

func (p *parser) term() (*filter, error) {
	p.spaces()
	before := p.at
	if p.word("not") {
		p.spaces()
		if p.char('(') {
			return p.deeper(func() (*filter, error) {
				inner, err := p.group()
				return &filter{op: "not", left: inner}, err
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
func (p *parser) group() (*filter, error) {
	inner, err := p.either()
	if err != nil {
		return nil, err
	}
	if p.spaces(); !p.char(')') {
		return nil, p.wrong("a closing parenthesis")
	}
	return inner, nil
}

func (p *parser) comparison() (*filter, error) {
	if *p.terms++; *p.terms > maxTerms {
		return nil, bad(invalidFilter, fmt.Sprintf("The filter has more than %d comparisons.", maxTerms))
	}
	start := p.at
	for p.at < len(p.text) && !strings.ContainsRune(` ()[]"`, rune(p.text[p.at])) {
		p.at++
	}
	path := p.text[start:p.at]
	of, known, ok := resolve(p.all, p.schema, path)
	switch {
	case !ok:
		p.at = start
		return nil, p.wrong("the name of an attribute")
	case !known:
		return nil, bad(invalidFilter, fmt.Sprintf("Resources have no attribute %q here.", path))
	}
	if p.char('[') {
		return p.brackets(of)
	}
	f := &filter{of: of}
	if !p.spaces() {
		return nil, p.wrong("a space and an operator")
	}
	for op := range operators {
		if p.word(op) {
			f.op = op
			break
		}
	}
	if f.op == "" {
		return nil, p.wrong("one of the operators eq, ne, co, sw, ew, gt, ge, lt, le and pr")
	}
	if f.op == "pr" {
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
func (p *parser) brackets(of target) (*filter, error) {
	if p.schema == "" || of.sub != nil || of.attr.Type != typeComplex {
		return nil, bad(invalidFilter, fmt.Sprintf("Brackets stand behind an attribute that has parts, which %q is not.", of.leaf().Name))
	}
	return p.deeper(func() (*filter, error) {
		inner := &parser{text: p.text, at: p.at, all: of.attr.Sub, depth: p.depth, terms: p.terms}
		f, err := inner.either()
		if err != nil {
			return nil, err
		}
		inner.spaces()
		if p.at = inner.at; !p.char(']') {
			return nil, p.wrong("a closing bracket")
		}
		return &filter{op: "[", left: f, of: of}, nil
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
func (f *filter) compareWith(value any) error {
	if f.of.attr.Type == typeComplex && f.of.sub == nil {
		// Of values with parts, the part value is compared (RFC 7644 §3.4.2.2).
		if f.of.sub = find(f.of.attr.Sub, "value"); f.of.sub == nil {
			return bad(invalidFilter, fmt.Sprintf("%s has parts: say which one is compared, such as %s.%s.", f.of.attr.Name, f.of.attr.Name, f.of.attr.Sub[0].Name))
		}
	}
	leaf := f.of.leaf()
	equality := f.op == "eq" || f.op == "ne"
	if value == nil {
		if !equality {
			return bad(invalidFilter, "null can be compared by eq and ne alone.")
		}
		return nil
	}
	given, isText := value.(string)
	switch leaf.Type {
	case typeBoolean:
		truth, ok := boolOf(value)
		if !ok || !equality {
			return bad(invalidFilter, fmt.Sprintf("%s is true or false, and compared by eq and ne alone.", leaf.Name))
		}
		f.value = truth
	case typeDateTime:
		at, err := time.Parse(time.RFC3339, given)
		if err != nil || f.op == "co" || f.op == "sw" || f.op == "ew" {
			return bad(invalidFilter, fmt.Sprintf("%s is a time such as \"2026-05-01T09:00:00Z\", and not compared by %s with this value.", leaf.Name, f.op))
		}
		f.value = at
	default:
		if !isText {
			return bad(invalidFilter, fmt.Sprintf("%s is a text, and compared with a text in double quotes.", leaf.Name))
		}
		if !storable(given) {
			return bad(invalidFilter, "No text here has the character U+0000.")
		}
		f.value = given
	}
	return nil
}

// boolOf is a boolean, also as some directories write it.
func boolOf(value any) (truth, ok bool) {
	switch v := value.(type) {
	case bool:
		return v, true
	case string:
		switch lower(v) {
		case "true":
			return true, true
		case "false":
			return false, true
		}
	}
	return false, false
}
