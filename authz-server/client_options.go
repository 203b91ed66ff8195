package main

import (
	"fmt"
	"reflect"
	"strconv"

	"github.com/alecthomas/kong"

	"github.com/maru-auth/maru/authz-server/internal/client"
)

// metadataOptions are the options that set a client's metadata: one for each of [client.Members]
// that has an option.
type metadataOptions struct{ kong.Plugins }

// newMetadataOptions makes the options of one command: a struct for kong to read, with a pointer or
// a slice for each option, which stays nil if the option is not named.
func newMetadataOptions() metadataOptions {
	var fields []reflect.StructField
	for _, m := range withOption() {
		fields = append(fields, reflect.StructField{
			Name: "Option" + strconv.Itoa(len(fields)), Type: optionTypes[m.Kind()], Tag: optionTag(m),
		})
	}
	return metadataOptions{kong.Plugins{reflect.New(reflect.StructOf(fields)).Interface()}}
}

// withOption returns the members that have an option.
func withOption() (members []client.Member) {
	for _, m := range client.Members {
		if m.Option != "" {
			members = append(members, m)
		}
	}
	return members
}

var optionTypes = map[client.Kind]reflect.Type{
	client.Text:   reflect.TypeFor[*string](),
	client.List:   reflect.TypeFor[[]string](),
	client.Switch: reflect.TypeFor[*bool](),
}

func optionTag(m client.Member) reflect.StructTag {
	tag := fmt.Sprintf(`name:%q help:%q env:"-"`, m.Option, m.Help)
	if m.Value != "" {
		tag += fmt.Sprintf(` placeholder:%q`, m.Value)
	}
	switch {
	case m.Kind() == client.Switch:
		tag += ` negatable:""`
	case m.Kind() == client.List && m.Value != "TYPE": // commas separate grant types, which have none; a URI may have one
		tag += ` sep:"none"`
	}
	return reflect.StructTag(tag)
}

// patch returns what was named. A list that is named with one empty value becomes empty.
func (o metadataOptions) patch() client.Patch {
	patch := client.Patch{}
	values := reflect.ValueOf(o.Plugins[0]).Elem()
	for i, m := range withOption() {
		switch value := values.Field(i).Interface().(type) {
		case *string:
			if value != nil {
				patch[m.Name] = *value
			}
		case *bool:
			if value != nil {
				patch[m.Name] = *value
			}
		case []string:
			if len(value) == 1 && value[0] == "" {
				value = []string{}
			}
			if value != nil {
				patch[m.Name] = value
			}
		}
	}
	return patch
}
