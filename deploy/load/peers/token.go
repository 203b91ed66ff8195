package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"

	"github.com/maru-auth/maru/deploy/load/driver"
)

type tokens struct {
	Refresh string `json:"refresh_token"`
}

func basic(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))
}

func (c *contestant) request(as login, form string) driver.Request {
	return driver.NewRequest(http.MethodPost, c.host, c.path, form+as.form, "Authorization", as.authorization,
		"Content-Type", "application/x-www-form-urlencoded", "Accept", "application/json")
}

// token calls the token endpoint.
func (c *contestant) token(ctx context.Context, conn *driver.Conn, as login, form string) (t tokens, err error) {
	a, err := conn.Do(ctx, c.request(as, form))
	if err == nil {
		err = a.Want(http.StatusOK)
	}
	if err != nil {
		return t, err
	}
	return t, json.Unmarshal(a.Body, &t)
}
