package fetch

import (
	"context"
	"net/http"
	"net/url"
)

// maxAnswer is how much is read of the answer to a form, in bytes.
const maxAnswer = 64 << 10

// Ask posts a form, with the value of the header Authorization unless that is empty, and returns
// the HTTP status, of which none is an error, and the answer, of at most 64 KiB.
func (c *Client) Ask(ctx context.Context, address string, form url.Values, authorization string, cause Cause) (status int, answer []byte, err error) {
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {"application/json"}}
	if authorization != "" {
		header.Set("Authorization", authorization)
	}
	status, answer, err = c.post(ctx, address, form.Encode(), header, maxAnswer+1, cause)
	if err == nil && len(answer) > maxAnswer {
		return 0, nil, &Error{URL: address, Reason: "sends more than 64 KiB"}
	}
	return status, answer, err
}

// GetAs returns the body at an address that shows it to whoever has the value of the header
// Authorization. No other caller gets it, and no failure is remembered.
func (c *Client) GetAs(ctx context.Context, address, authorization string, cause Cause) (body []byte, err error) {
	a, err := c.get(ctx, address, c.gets, cause, authorization)
	return a.body, err
}
