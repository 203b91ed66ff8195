package rest

import (
	"bytes"
	"io"

	"github.com/danielgtaylor/huma/v2"
)

// Encoded is a body that may have been encoded before: if EncodedJSON returns something, that is
// what is sent. It is what [Encode] made of such a body.
type Encoded interface{ EncodedJSON() []byte }

// Encode encodes a body as an answer has it.
func Encode(body any) ([]byte, error) {
	var out bytes.Buffer
	err := huma.DefaultJSONFormat.Marshal(&out, body)
	return bytes.Clone(out.Bytes()), err // without the room that the buffer has left
}

// marshal writes a body of an answer.
func marshal(w io.Writer, body any) error {
	if one, ok := body.(Encoded); ok {
		if text := one.EncodedJSON(); text != nil {
			_, err := w.Write(text)
			return err
		}
	}
	return huma.DefaultJSONFormat.Marshal(w, body)
}
