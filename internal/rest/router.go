package rest

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gorilla/mux"

	"github.com/maru-auth/maru/internal/httpd"
)

// newRouter returns a router whose own answers are problems.
func newRouter(encodedPaths bool, below string) *mux.Router {
	router := mux.NewRouter().SkipClean(true)
	if encodedPaths {
		router = router.UseEncodedPath()
	}
	router.Use(httpd.NameRoutesBelow(below))
	router.NotFoundHandler = http.HandlerFunc(notFound)
	router.MethodNotAllowedHandler = httpd.MethodNotAllowed(router, methodNotAllowed)
	return router
}

// Route adds an operation that needs a token with the access. A PUT or PATCH with If-Match is
// described as needing it, and a merge patch may come as plain JSON.
func Route[I, O any](a *API, access Access, op huma.Operation, handler func(context.Context, *I) (*O, error)) {
	if access.Role != "" {
		a.refused.WithLabelValues(roleNeeded(access.Role).reason) // from the start, as in newRefused
	}
	op.Security = access.security()
	op.Errors = append(op.Errors, http.StatusUnauthorized, http.StatusForbidden, http.StatusServiceUnavailable)
	op.Middlewares = huma.Middlewares{a.authorize(access), checkMediaType}
	if op.Responses == nil {
		op.Responses = map[string]*huma.Response{} // otherwise huma makes one that we would not see
	}
	huma.Register(a.huma, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := handler(ctx, in)
		if err != nil {
			return nil, a.answerTo(ctx, err)
		}
		return out, nil
	})
	item := a.huma.OpenAPI().Paths[op.Path]
	if access.Authentication != nil {
		describeChallenge(op.Responses["401"])
	}
	for _, change := range []*huma.Operation{item.Put, item.Patch} {
		if change == nil {
			continue
		}
		for _, p := range change.Parameters {
			// Left out, it is answered with 428 and not with huma's 422: so it is required, but
			// huma is not told.
			p.Required = p.Required || p.Name == "If-Match"
		}
	}
	if op.Method == http.MethodPatch {
		content := item.Patch.RequestBody.Content
		content["application/json"] = content[mergePatch] // RFC 7396's type is little known
	}
}

// describeChallenge says of the answer 401 that the person may have to log in again (RFC 9470 §3).
func describeChallenge(response *huma.Response) {
	response.Description = "Unauthorized. With the error insufficient_user_authentication in the challenge, the token is good, but " +
		"its person must be authenticated again: send them to the issuer with the acr_values and max_age of the challenge, and " +
		"repeat the request with the new token, once (RFC 9470)."
	response.Headers = map[string]*huma.Param{"WWW-Authenticate": {
		Description: "The challenge.",
		Schema:      &huma.Schema{Type: huma.TypeString},
		Example:     `Bearer error="insufficient_user_authentication", error_description="More recent authentication is required.", max_age="600"`,
	}}
}

func notFound(w http.ResponseWriter, r *http.Request) {
	if httpd.IsPreflight(r) { // otherwise a script would not see the answer
		w.WriteHeader(http.StatusNoContent)
		return
	}
	const detail = "There is nothing at this path. /openapi.json describes the paths there are."
	httpd.WriteProblem(w, r, httpd.Problem{Status: http.StatusNotFound, Detail: detail})
}

func methodNotAllowed(w http.ResponseWriter, r *http.Request, allowed string) {
	httpd.WriteProblem(w, r, httpd.Problem{Status: http.StatusMethodNotAllowed, Detail: "This path takes " + allowed + "."})
}

// around is what every request passes before it reaches a route.
func around(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		httpd.AllowCrossOrigin(w, r) // pages of any origin may call with a token of their own
		if part := httpd.NotText(r); part != "" {
			detail := "The request cannot be read: " + part + " must be UTF-8 without U+0000."
			httpd.WriteProblem(w, r, httpd.Problem{Status: http.StatusBadRequest, Detail: detail})
			return
		}
		r.Header.Del("Accept") // there is only JSON to choose from
		for _, name := range []string{"If-Match", "If-None-Match"} {
			if lines := r.Header.Values(name); len(lines) > 1 { // RFC 9110 §5.3: one list in several lines
				r.Header.Set(name, strings.Join(lines, ", "))
			}
		}
		if r.Method == http.MethodHead {
			r = r.WithContext(context.WithValue(r.Context(), headKey{}, true))
			r.Method = http.MethodGet // net/http leaves the body out
		}
		collect(w, func(w http.ResponseWriter) { next.ServeHTTP(w, r) })
	})
}

// headKey marks the context of a request that came as HEAD and is answered as GET.
type headKey struct{}

// asSent returns r with the method that the client sent: a DPoP proof names it (RFC 9449 §4.2).
func asSent(r *http.Request) *http.Request {
	if r.Context().Value(headKey{}) == nil {
		return r
	}
	sent := r.WithContext(r.Context())
	sent.Method = http.MethodHead
	return sent
}
