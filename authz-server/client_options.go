package main

import (
	"fmt"
	"reflect"
	"strconv"

	"github.com/alecthomas/kong"

	"github.com/maru-auth/maru/authz-server/internal/client"
)

// metadataOptions are the options for members of a client's metadata, one for each row of [client.Members] that has one.
type metadataOptions struct{ kong.Plugins }

// newMetadataOptions makes the options of one command, as a struct whose fields kong reads: a pointer or a slice each, which
// is nil while the option is not named.
func newMetadataOptions() metadataOptions {
	var fields []reflect.StructField
	for _, m := range withOption() {
		fields = append(fields, reflect.StructField{
			Name: "Option" + strconv.Itoa(len(fields)), Type: optionTypes[m.Kind()], Tag: optionTag(m),
		})
	}
	return metadataOptions{kong.Plugins{reflect.New(reflect.StructOf(fields)).Interface()}}
}

// withOption is the members that have an option.
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
	case m.Kind() == client.List && m.Value != "TYPE": // grant types hold no comma, which separates them; URIs may
		tag += ` sep:"none"`
	}
	return reflect.StructTag(tag)
}

// patch is what was named. A list that is named with one empty value becomes empty.
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
