package rest

import (
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// OpenAnswers says in the document that answers may have members that it does not describe, for an
// interface whose answers are types of other packages, which do not say so themselves. What a request
// has, too, stays as it is. Call it when all routes are added.
func (a *API) OpenAnswers() {
	registry := a.huma.OpenAPI().Components.Schemas
	asked, answered := map[*huma.Schema]bool{}, map[*huma.Schema]bool{}
	for _, item := range a.huma.OpenAPI().Paths {
		for _, op := range []*huma.Operation{item.Get, item.Put, item.Post, item.Patch, item.Delete} {
			if op == nil {
				continue
			}
			if op.RequestBody != nil {
				collectSchemas(registry, op.RequestBody.Content, asked)
			}
			for _, response := range op.Responses {
				collectSchemas(registry, response.Content, answered)
			}
		}
	}
	for schema := range answered {
		if !asked[schema] && schema.Type == huma.TypeObject && schema.AdditionalProperties == false {
			schema.AdditionalProperties = true
		}
	}
}

func collectSchemas(registry huma.Registry, content map[string]*huma.MediaType, into map[*huma.Schema]bool) {
	for _, media := range content {
		collectSchema(registry, media.Schema, into)
	}
}

// collectSchema collects a schema, and all that it is made of.
func collectSchema(registry huma.Registry, schema *huma.Schema, into map[*huma.Schema]bool) {
	if schema == nil || into[schema] {
		return
	}
	into[schema] = true
	if schema.Ref != "" {
		collectSchema(registry, registry.Map()[schema.Ref[strings.LastIndexByte(schema.Ref, '/')+1:]], into)
	}
	collectSchema(registry, schema.Items, into)
	for _, one := range schema.Properties {
		collectSchema(registry, one, into)
	}
	if more, ok := schema.AdditionalProperties.(*huma.Schema); ok {
		collectSchema(registry, more, into)
	}
}
