package brand

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"html"
	"image/png"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxLogo is how large a logo's file may be, in bytes.
const maxLogo = 64 << 10

// maxSide is how many pixels wide and high a PNG file may be. A small file can have so many that the
// browsers of all who see it run out of memory: each takes four bytes.
const maxSide = 4096

// Logo is a picture that pages show.
type Logo struct {
	Content     []byte
	ContentType string // image/svg+xml or image/png
	Wordmark    bool   // it is so wide that it is taken to hold the product's name
}

// readLogo reads and checks a file. Errors complete a sentence that begins with its name.
func readLogo(path string) (*Logo, error) {
	f, err := os.Open(path) //nolint:gosec // G304: the operator names it
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", errors.Unwrap(err))
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxLogo+1))
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	if len(content) > maxLogo {
		return nil, fmt.Errorf("is larger than %d KiB", maxLogo>>10)
	}
	return newLogo(content)
}

func newLogo(content []byte) (*Logo, error) {
	if bytes.HasPrefix(content, []byte("\x89PNG\r\n\x1a\n")) {
		size, err := png.DecodeConfig(bytes.NewReader(content))
		if err != nil {
			return nil, errors.New("is not a PNG file that can be read")
		}
		if max(size.Width, size.Height) > maxSide {
			return nil, fmt.Errorf("is %d by %d pixels large; at most %d by %d are shown", size.Width, size.Height, maxSide, maxSide)
		}
		return &Logo{content, "image/png", isWordmark(float64(size.Width), float64(size.Height))}, nil
	}
	wide, err := checkSVG(content)
	if err != nil {
		return nil, err
	}
	return &Logo{content, "image/svg+xml", wide}, nil
}

// isWordmark tells whether a logo is so wide that it shows a name and not a mark alone.
func isWordmark(width, height float64) bool { return width >= 2*height && height > 0 }

const svgSpace = "http://www.w3.org/2000/svg"

// svgElements are the elements that a logo can have: those that draw, and no script, link, foreign
// object or animation, which can set an address.
var svgElements = strings.Fields("svg g defs title desc metadata path rect circle ellipse line polyline polygon text tspan " +
	"linearGradient radialGradient stop clipPath mask pattern symbol use style marker switch filter " +
	"feBlend feColorMatrix feComponentTransfer feComposite feDropShadow feFlood feFuncA feFuncB feFuncG feFuncR " +
	"feGaussianBlur feMerge feMergeNode feMorphology feOffset")

// svgNotes are the namespaces of what drawing programs note for themselves, which draws nothing.
var svgNotes = []string{"http://www.w3.org/1999/02/22-rdf-syntax-ns#", "http://purl.org/dc/elements/1.1/",
	"http://creativecommons.org/ns#", "http://web.resource.org/cc/",
	"http://sodipodi.sourceforge.net/DTD/sodipodi-0.dtd", "http://www.inkscape.org/namespaces/inkscape"}

// checkSVG refuses an SVG file that could do more than draw. Browsers run no script of an <img>,
// and the server sends the file with a policy that forbids everything; but somebody may serve it
// from elsewhere, and what is in it an operator should know.
func checkSVG(content []byte) (wordmark bool, err error) {
	if !utf8.Valid(content) {
		return false, errors.New("is neither a PNG file nor an SVG file in UTF-8")
	}
	decoder := xml.NewDecoder(bytes.NewReader(content))
	elements, inStyle := 0, false
	var style strings.Builder // comments part its text, and browsers join it
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) && elements > 0 {
			return wordmark, nil
		}
		if err != nil {
			return false, errors.New("is neither a PNG file nor well-formed SVG")
		}
		switch token := token.(type) {
		case xml.StartElement:
			if inStyle {
				return false, errors.New("has an element in a <style>, which a logo may not have")
			}
			if elements++; elements == 1 {
				if token.Name != (xml.Name{Space: svgSpace, Local: "svg"}) {
					return false, errors.New("is neither a PNG file nor SVG: its root is no <svg xmlns=\"" + svgSpace + "\">")
				}
				wordmark = svgIsWide(token)
			}
			if err := checkElement(token); err != nil {
				return false, err
			}
			inStyle = token.Name.Local == "style"
		case xml.EndElement:
			if err := checkStyle(style.String()); err != nil {
				return false, err
			}
			inStyle = false
			style.Reset()
		case xml.CharData:
			if inStyle {
				style.Write(token)
			}
		case xml.Directive: // <!DOCTYPE, with entities maybe
			return false, errors.New("has a document type declaration, which a logo may not have: save it as plain SVG")
		case xml.ProcInst:
			if token.Target != "xml" {
				return false, fmt.Errorf("has <?%s …?>, which a logo may not have", token.Target)
			}
		}
	}
}

func checkElement(e xml.StartElement) error {
	switch {
	case e.Name.Space == svgSpace && slices.Contains(svgElements, e.Name.Local):
	case slices.Contains(svgNotes, e.Name.Space):
	default:
		return fmt.Errorf("has an element <%s>, which a logo may not have", e.Name.Local)
	}
	for _, a := range e.Attr {
		name, value := strings.ToLower(a.Name.Local), strings.TrimSpace(a.Value)
		switch {
		case strings.HasPrefix(name, "on"):
			return fmt.Errorf("has an attribute %s, which a logo may not have: it is a script", a.Name.Local)
		case (name == "href" || name == "src") && !strings.HasPrefix(value, "#"):
			return fmt.Errorf("refers to %.40q; a logo may refer to parts of itself alone", value)
		case name == "base" && a.Name.Space != "":
			return errors.New("has xml:base, which a logo may not have")
		case name == "xmlns" || a.Name.Space == "xmlns" || slices.Contains(svgNotes, e.Name.Space) || slices.Contains(svgNotes, a.Name.Space):
			continue // names of namespaces, and notes
		}
		if err := checkStyle(a.Value); err != nil {
			return err
		}
	}
	return nil
}

// checkStyle refuses CSS that refers to another file, in a style or in a value such as fill.
func checkStyle(css string) error {
	css = strings.ToLower(css)
	if strings.ContainsAny(css, `\@`) {
		return errors.New(`has a style with @ or \, which a logo may not have`)
	}
	for rest := css; ; {
		_, after, found := strings.Cut(rest, "url(")
		if !found {
			break
		}
		if target := strings.TrimLeft(after, " \t\r\n'\""); !strings.HasPrefix(target, "#") {
			return fmt.Errorf("refers to %.40q; a logo may refer to parts of itself alone", target)
		}
		rest = after
	}
	if strings.Contains(css, "image(") || strings.Contains(css, "image-set(") || strings.Contains(css, "src(") {
		return errors.New("refers to another picture; a logo may refer to parts of itself alone")
	}
	return nil
}

// svgIsWide tells from the attributes of the root whether the picture is a wordmark.
func svgIsWide(root xml.StartElement) bool {
	var width, height float64
	for _, a := range root.Attr {
		switch a.Name.Local {
		case "viewBox":
			if box := strings.FieldsFunc(a.Value, func(r rune) bool { return r == ' ' || r == ',' }); len(box) == 4 {
				width, _ = strconv.ParseFloat(box[2], 64)
				height, _ = strconv.ParseFloat(box[3], 64)
				return isWordmark(width, height)
			}
		case "width":
			width, _ = strconv.ParseFloat(strings.TrimSuffix(a.Value, "px"), 64)
		case "height":
			height, _ = strconv.ParseFloat(strings.TrimSuffix(a.Value, "px"), 64)
		}
	}
	return isWordmark(width, height)
}

// Icon is the mark of the product, as wide as high, for the tab of a browser: the logo, or, if
// there is none or only one that is wide, the first letter of the name. nil: Maru's.
func (b Brand) Icon() *Logo {
	if b.Logo != nil && !b.Logo.Wordmark {
		return b.Logo
	}
	if b.Name == "" {
		return nil
	}
	letter, _ := utf8.DecodeRuneInString(b.Name)
	accent, text := b.Accent()
	svg := fmt.Sprintf(`<svg xmlns="%s" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="%s"/>`+
		`<text x="16" y="22.500" text-anchor="middle" font-family="system-ui,sans-serif" font-size="18" font-weight="700" fill="%s">%s</text></svg>`+"\n",
		svgSpace, accent, text, html.EscapeString(strings.ToUpper(string(letter))))
	return &Logo{Content: []byte(svg), ContentType: "image/svg+xml"}
}
