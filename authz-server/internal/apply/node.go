package apply

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// node is a value of the file, and the line where it begins.
type node struct {
	line    int
	members []member        // of a mapping
	items   []node          // of a list
	scalar  json.RawMessage // of anything else; nil: it is a mapping or a list
	mapping bool
}

// member is a member of a mapping.
type member struct {
	name  string
	line  int
	value node
}

// Bounds of a file.
const (
	MaxFile  = 4 << 20 // bytes
	maxDepth = 20      // of mappings and lists in each other
)

// fault is what is wrong with a file, and where.
type fault struct {
	line int
	text string
}

func (f *fault) Error() string { return fmt.Sprintf("line %d: %s", f.line, f.text) }

func wrongAt(line int, format string, args ...any) error {
	return &fault{line, fmt.Sprintf(format, args...)}
}

// parse reads YAML, or JSON if the text begins with a brace. No name is twice in a mapping, and
// nothing stands for something else: there are no aliases and no tags.
func parse(text []byte) (node, error) {
	switch {
	case len(text) > MaxFile:
		return node{}, fmt.Errorf("the file is larger than %d MiB", MaxFile>>20)
	case !utf8.Valid(text):
		return node{}, errors.New("the file is not UTF-8")
	}
	if bytes.HasPrefix(bytes.TrimLeft(text, " \t\r\n"), []byte("{")) {
		return parseJSON(text)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document, another yaml.Node
	err := decoder.Decode(&document)
	switch {
	case errors.Is(err, io.EOF):
		return node{}, errors.New("the file is empty")
	case err != nil:
		return node{}, yamlError(err)
	}
	if err := decoder.Decode(&another); err == nil {
		return node{}, wrongAt(another.Line, "the file has a second document; a configuration is one")
	} else if !errors.Is(err, io.EOF) {
		return node{}, yamlError(err)
	}
	return fromYAML(document.Content[0], 0)
}

// yamlError is an error of the library in our words: "yaml: line 3: …".
func yamlError(err error) error { return errors.New(strings.TrimPrefix(err.Error(), "yaml: ")) }

func fromYAML(y *yaml.Node, depth int) (node, error) {
	n := node{line: y.Line}
	switch {
	case depth > maxDepth:
		return n, wrongAt(y.Line, "there are more than %d lists and mappings in each other", maxDepth)
	case y.Kind == yaml.AliasNode || y.Anchor != "":
		return n, wrongAt(y.Line, "anchors and aliases are not allowed; write it out")
	case y.Style&yaml.TaggedStyle != 0:
		return n, wrongAt(y.Line, "the tag %s is not allowed", y.Tag)
	}
	switch y.Kind {
	case yaml.MappingNode:
		n.mapping = true
		for i := 0; i+1 < len(y.Content); i += 2 {
			key := y.Content[i]
			if key.Kind != yaml.ScalarNode || key.ShortTag() != "!!str" {
				return n, wrongAt(key.Line, "a name must be text, and %q is none", key.Value)
			}
			value, err := fromYAML(y.Content[i+1], depth+1)
			if err == nil {
				err = n.add(member{key.Value, key.Line, value})
			}
			if err != nil {
				return n, err
			}
		}
	case yaml.SequenceNode:
		n.items = []node{}
		for _, one := range y.Content {
			item, err := fromYAML(one, depth+1)
			if err != nil {
				return n, err
			}
			n.items = append(n.items, item)
		}
	case yaml.ScalarNode:
		return n, n.readScalar(y)
	default:
		return n, wrongAt(y.Line, "this is not understood")
	}
	return n, nil
}

func (n *node) readScalar(y *yaml.Node) error {
	var value any = y.Value
	switch y.ShortTag() {
	case "!!null":
		value = nil
	case "!!bool":
		value = y.Value == "true" || y.Value == "True" || y.Value == "TRUE"
	case "!!int":
		number, err := strconv.ParseInt(y.Value, 10, 64)
		if err != nil {
			return wrongAt(y.Line, "%q must be a decimal number, or text in quotes", y.Value)
		}
		value = number
	case "!!float":
		return wrongAt(y.Line, "%q must be text in quotes, or a number without fraction", y.Value)
	case "!!str", "!!timestamp": // a day is text like any other
	default:
		return wrongAt(y.Line, "%q is not understood; put text in quotes", y.Value)
	}
	text, err := json.Marshal(value)
	n.scalar = text
	return err
}

func (n *node) add(m member) error {
	for _, one := range n.members {
		if one.name == m.name {
			return wrongAt(m.line, "%q is there twice; it is in line %d too", m.name, one.line)
		}
	}
	n.members = append(n.members, m)
	return nil
}

// parseJSON reads JSON. YAML would do for most of it, but not for all.
func parseJSON(text []byte) (node, error) {
	j := &jsonReader{text: text, tokens: json.NewDecoder(bytes.NewReader(text))}
	j.tokens.UseNumber()
	n, err := j.value(0)
	if err != nil {
		return n, err
	}
	if _, err := j.tokens.Token(); !errors.Is(err, io.EOF) {
		return n, wrongAt(j.line(), "something follows the configuration")
	}
	return n, nil
}

type jsonReader struct {
	text   []byte
	tokens *json.Decoder
	at     int64 // up to where lines were counted
	lines  int
}

// line is the line where the last token ends.
func (j *jsonReader) line() int {
	to := j.tokens.InputOffset()
	j.lines += bytes.Count(j.text[j.at:to], []byte("\n"))
	j.at = to
	return j.lines + 1
}

func (j *jsonReader) token() (json.Token, error) {
	token, err := j.tokens.Token()
	if err != nil {
		return nil, wrongAt(j.line(), "the JSON is not right: %v", err)
	}
	return token, nil
}

func (j *jsonReader) value(depth int) (node, error) {
	token, err := j.token()
	if err != nil {
		return node{}, err
	}
	n := node{line: j.line()}
	if depth > maxDepth {
		return n, wrongAt(n.line, "there are more than %d lists and mappings in each other", maxDepth)
	}
	switch token {
	case json.Delim('{'):
		n.mapping = true
		for j.tokens.More() {
			name, err := j.token()
			if err != nil {
				return n, err
			}
			line := j.line()
			value, err := j.value(depth + 1)
			if err == nil {
				err = n.add(member{name.(string), line, value}) // names are texts
			}
			if err != nil {
				return n, err
			}
		}
		_, err = j.token()
	case json.Delim('['):
		n.items = []node{}
		for j.tokens.More() {
			item, err := j.value(depth + 1)
			if err != nil {
				return n, err
			}
			n.items = append(n.items, item)
		}
		_, err = j.token()
	default:
		n.scalar, err = json.Marshal(token)
	}
	return n, err
}

// get returns the value of a member.
func (n node) get(name string) (node, bool) {
	for _, m := range n.members {
		if m.name == name {
			return m.value, true
		}
	}
	return node{}, false
}

// lineOf is where a member is, or the mapping.
func (n node) lineOf(name string) int {
	for _, m := range n.members {
		if m.name == name {
			return m.line
		}
	}
	return n.line
}

// json is the value as JSON.
func (n node) json() json.RawMessage {
	var out bytes.Buffer
	switch {
	case n.mapping:
		out.WriteByte('{')
		for i, m := range n.members {
			if i > 0 {
				out.WriteByte(',')
			}
			name, _ := json.Marshal(m.name) // a text always marshals
			out.Write(name)
			out.WriteByte(':')
			out.Write(m.value.json())
		}
		out.WriteByte('}')
	case n.items != nil:
		out.WriteByte('[')
		for i, one := range n.items {
			if i > 0 {
				out.WriteByte(',')
			}
			out.Write(one.json())
		}
		out.WriteByte(']')
	default:
		return n.scalar
	}
	return out.Bytes()
}

// without is the mapping without some members.
func (n node) without(names ...string) node {
	kept := n
	kept.members = nil
	for _, m := range n.members {
		if !slices.Contains(names, m.name) {
			kept.members = append(kept.members, m)
		}
	}
	return kept
}
