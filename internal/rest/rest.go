// Package rest is what the resource services share about REST on huma: problems as errors, the guard in front of
// operations, the metadata of a protected resource (RFC 9728), media types, 404 and 405, preconditions, and the cleaning of
// texts. What an interface means, and who may do what in it, is each service's own.
package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gorilla/mux"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/maru-auth/maru/internal/apidocs"
	"github.com/maru-auth/maru/internal/httpd"
	"github.com/maru-auth/maru/internal/sqldb"
	"github.com/maru-auth/maru/jwks"
)

// Config is what a Service needs.
type Config struct {
	Resource Resource
	Verifier *jwks.Verifier
	Log      *slog.Logger
	Metrics  *prometheus.Registry // gets the count of refused tokens; nil: nobody reads it
	Docs     string               // public client with which people try the interface at /docs; empty: there is no /docs
}

// Service is what the operations of a resource service stand on. It is immutable once made.
type Service struct {
	resource Resource
	guard    *jwks.Guard
	dpop     *jwks.DPoP
	refused  *prometheus.CounterVec
	log      *slog.Logger
	docs     *apidocs.Docs // nil: none
}

// New returns the service, or an error that says which setting is wrong.
func New(cfg Config) (*Service, error) {
	if err := cfg.Resource.Check(); err != nil {
		return nil, err
	}
	dpop, err := jwks.NewDPoP(jwks.DPoPConfig{BaseURL: cfg.Resource.Audience})
	if err != nil {
		return nil, err
	}
	var docs *apidocs.Docs
	if cfg.Docs != "" {
		docs, err = apidocs.New(apidocs.Config{Title: cfg.Resource.Name, Path: "/docs", Document: "openapi.json", Server: cfg.Resource.Audience, Issuer: cfg.Resource.Issuer, ClientID: cfg.Docs})
		if err != nil {
			return nil, err
		}
	}
	return &Service{
		resource: cfg.Resource,
		guard:    jwks.NewGuard(cfg.Verifier, jwks.GuardConfig{ResourceMetadata: cfg.Resource.metadataURL(), DPoP: dpop}),
		dpop:     dpop,
		refused:  newRefused(cfg.Metrics),
		log:      cfg.Log,
		docs:     docs,
	}, nil
}

// Handler adds to the router what a service publishes about itself, and returns what is to be served.
func (s *Service) Handler(router *mux.Router, document *huma.OpenAPI) (http.Handler, error) {
	openAPI, err := MarshalDocument(document)
	if err != nil {
		return nil, err
	}
	metadata, err := json.Marshal(s.resource.metadata(s.dpop.Algorithms()))
	if err != nil {
		return nil, err
	}
	publish := func(path, contentType string, body []byte) {
		router.Path(path).Methods(http.MethodGet).HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.Header().Set("Cache-Control", "public, max-age=300")
			w.Write(body) //nolint:errcheck // nobody is left to tell
		})
	}
	publish("/openapi.json", "application/openapi+json", openAPI)
	for _, path := range s.resource.metadataPaths() {
		publish(path, "application/json", metadata)
	}
	if s.docs != nil {
		for _, path := range s.docs.Paths() {
			router.Path(path).Methods(http.MethodGet).Handler(s.docs)
		}
	}
	return around(router), nil
}

// MarshalDocument writes an OpenAPI document, indented.
func MarshalDocument(document *huma.OpenAPI) ([]byte, error) {
	compact, err := json.Marshal(document)
	if err != nil {
		return nil, fmt.Errorf("write the OpenAPI document: %w", err)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, compact, "", "  "); err != nil {
		return nil, err
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

// Failed returns the answer to an error that the service has no answer of its own to. If it is not a [Problem] already, it
// is written to the log, and the caller learns nothing of it but, with [sqldb.ErrUnavailable], that trying again may help.
func (s *Service) Failed(ctx context.Context, err error) error {
	var problem *Problem
	var withHeaders huma.HeadersError
	if errors.As(err, &withHeaders) {
		return err
	}
	if errors.As(err, &problem) {
		return problem
	}
	status, level := http.StatusInternalServerError, slog.LevelError
	if errors.Is(err, sqldb.ErrUnavailable) {
		status = http.StatusServiceUnavailable
	}
	if errors.Is(ctx.Err(), context.Canceled) { // the caller went away
		level = slog.LevelDebug
	}
	s.log.Log(ctx, level, "request failed", "request", httpd.RequestID(ctx), "error", err)
	return &Problem{Status: status}
}
