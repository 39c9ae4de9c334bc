// Prints what Go's struct types say of every API type and OpenAPI does not: field order, Go types, pointers,
// omitempty and omitzero, embedding. One JSON object on standard output, by OpenAPI definition name.
package main

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	apiregistration "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
)

type field struct {
	Name      string   `json:"name"`
	Type      *typ     `json:"type"`
	OmitEmpty bool     `json:"omitempty,omitempty"`
	OmitZero  bool     `json:"omitzero,omitempty"`
	Embedded  []string `json:"embedded,omitempty"` // names of the embedded structs on the way
}

type typ struct {
	Kind string `json:"kind"` // pointer, slice, map, struct, or a basic kind
	Name string `json:"name"` // as Go's error texts print it
	Def  string `json:"def,omitempty"`
	Elem *typ   `json:"elem,omitempty"`
	Own  bool   `json:"own,omitempty"` // decodes itself (UnmarshalJSON)
}

type definition struct {
	Go     string  `json:"go"`
	Own    bool    `json:"own,omitempty"`
	Kind   string  `json:"kind"`
	Fields []field `json:"fields,omitempty"`
}

var definitions = map[string]*definition{}

func definitionName(t reflect.Type) string {
	if named, ok := reflect.New(t).Interface().(interface{ OpenAPIModelName() string }); ok {
		return named.OpenAPIModelName()
	}
	path := t.PkgPath()
	first, rest, _ := strings.Cut(path, "/")
	parts := strings.Split(first, ".")
	for i, j := 0, len(parts)-1; i < j; i, j = i+1, j-1 {
		parts[i], parts[j] = parts[j], parts[i]
	}
	return strings.Join(parts, ".") + "." + strings.ReplaceAll(rest, "/", ".") + "." + t.Name()
}

func decodesItself(t reflect.Type) bool {
	_, own := reflect.New(t).Interface().(json.Unmarshaler)
	return own
}

func describe(t reflect.Type) *typ {
	d := &typ{Kind: t.Kind().String(), Name: t.String()}
	if t.Kind() != reflect.Pointer {
		d.Own = decodesItself(t)
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		d.Elem = describe(t.Elem())
	case reflect.Struct:
		d.Def = definitionName(t)
		define(t)
	}
	return d
}

func define(t reflect.Type) {
	name := definitionName(t)
	if definitions[name] != nil {
		return
	}
	d := &definition{Go: t.String(), Own: decodesItself(t), Kind: t.Kind().String()}
	definitions[name] = d
	if !d.Own || t.Name() == "JSONSchemaProps" { // the latter only adds a default to what Go does
		d.Fields = fields(t, nil)
	}
}

func fields(t reflect.Type, embedded []string) []field {
	var found []field
	for i := 0; i < t.NumField(); i++ {
		f := t.Field(i)
		if !f.IsExported() {
			continue
		}
		tag, tagged := f.Tag.Lookup("json")
		name, options, _ := strings.Cut(tag, ",")
		if name == "-" {
			continue
		}
		if f.Anonymous && name == "" {
			found = append(found, fields(f.Type, append(append([]string{}, embedded...), f.Name))...)
			continue
		}
		if !tagged || name == "" {
			name = f.Name
		}
		has := func(option string) bool { return strings.Contains(","+options+",", ","+option+",") }
		found = append(found, field{name, describe(f.Type), has("omitempty"), has("omitzero"), embedded})
	}
	return found
}

func main() {
	check := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	check(apiextensions.AddToScheme(scheme.Scheme))
	check(apiregistration.AddToScheme(scheme.Scheme))
	for _, t := range scheme.Scheme.AllKnownTypes() {
		if t.Name() != "APIGroup" && t.PkgPath() != "k8s.io/apimachinery/pkg/apis/meta/internalversion" {
			define(t)
		}
	}
	for _, v := range []any{metav1.APIResourceList{}, metav1.APIGroupList{}, metav1.APIGroup{}, metav1.APIVersions{}, metav1.WatchEvent{}, metav1.Table{}, metav1.PartialObjectMetadata{}, metav1.PartialObjectMetadataList{}} {
		define(reflect.TypeOf(v))
	}
	check(json.NewEncoder(os.Stdout).Encode(definitions))
}
