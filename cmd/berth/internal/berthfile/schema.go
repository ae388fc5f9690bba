package berthfile

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/berth-dev/berth/server/api/apispec"
)

// draft is the JSON Schema that editors and the checker read.
const draft = "https://json-schema.org/draft/2020-12/schema"

// Schema is the JSON Schema of berth.yaml. It is made from the specification of the API, so that a field that
// the API gains is known here at once.
func Schema() ([]byte, error) {
	root, err := newSchema()
	if err != nil {
		return nil, err
	}
	data, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode the schema of berth.yaml: %w", err)
	}
	return append(data, '\n'), nil
}

// schema is a JSON Schema, or a part of one.
type schema map[string]any

func newSchema() (schema, error) {
	raw, err := apispec.GetSpecJSON()
	if err != nil {
		return nil, fmt.Errorf("read the specification of the API: %w", err)
	}
	var spec struct {
		Components struct {
			Schemas map[string]schema `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal(raw, &spec); err != nil {
		return nil, fmt.Errorf("read the specification of the API: %w", err)
	}
	all := spec.Components.Schemas
	pool := all["PoolSpec"]
	pool.properties()[templateKey] = schema{
		"type": "string", "minLength": 1.0, "description": "File of the base job template, relative to this file",
	}
	pool["not"] = schema{"required": []any{templateKey, "base_job_template"}}
	root := schema{
		"$schema": draft, "title": "berth.yaml",
		"description": "What `berth deploy` brings about. Keys of the root that begin with x- are left alone: a place for anchors.",
		"type":        "object", "additionalProperties": false,
		"patternProperties": schema{"^" + extension: true},
		"properties": schema{
			projectKey: schema{
				"$ref":        componentRef + "Name",
				"description": "What all of this belongs to, for --prune; derived from the repository's git origin where it is not given",
			},
			"rules": schema{
				"type": "array", "nullable": true, "items": schema{"$ref": componentRef + "RuleEntry"},
				"description": "Rules of the installation, which count in every pool",
			},
			"pools": listOf("PoolSpec"),
			variables: schema{
				"type":          "object",
				"nullable":      true,
				"propertyNames": schema{"$ref": componentRef + "VariableName"},
				"description":   "Stored variables by name, any values",
			},
			"deployments": listOf("DeploymentSpec"),
		},
	}
	used := map[string]any{}
	converted, _ := convert(root, all, used).(schema) // an object stays one
	converted["$defs"] = schema(used)
	return converted, nil
}

const componentRef = "#/components/schemas/"

func listOf(name string) schema {
	return schema{"type": "array", "nullable": true, "items": schema{"$ref": componentRef + name}}
}

func (s schema) properties() schema { return asSchema(s["properties"]) }

// convert turns what OpenAPI 3.0 says into JSON Schema, and puts what is referred to into used.
func convert(v any, all map[string]schema, used map[string]any) any {
	switch v := v.(type) {
	case schema:
		return convertObject(v, all, used)
	case map[string]any:
		return convertObject(v, all, used)
	case []any:
		items := make([]any, len(v))
		for i, item := range v {
			items[i] = convert(item, all, used)
		}
		return items
	}
	return v
}

func convertObject(from schema, all map[string]schema, used map[string]any) schema {
	to := schema{}
	for key, value := range from {
		switch {
		case key == "properties" || key == "patternProperties": // names, not keywords
			named := schema{}
			for name, property := range asSchema(value) {
				named[name] = convert(property, all, used)
			}
			to[key] = named
		case key == "$ref":
			name := strings.TrimPrefix(fmt.Sprint(value), componentRef)
			to[key] = "#/$defs/" + name
			if _, known := used[name]; !known {
				used[name] = nil // so that what refers to itself ends
				used[name] = convert(all[name], all, used)
			}
		case key == "nullable", strings.HasPrefix(key, "x-"):
		case key == "format" && !slices.Contains([]any{"date-time", "uuid"}, value):
		case key == "example":
			to["examples"] = []any{value}
		case key == "default", key == "enum", key == "examples":
			to[key] = value
		default:
			to[key] = convert(value, all, used)
		}
	}
	if kind, typed := from["type"]; typed && from["nullable"] == true {
		to["type"] = []any{kind, "null"}
	}
	return to
}

func asSchema(v any) schema {
	switch v := v.(type) {
	case schema:
		return v
	case map[string]any:
		return v
	}
	return nil
}

// resolve follows a reference.
func (s schema) resolve(root schema) schema {
	ref, ok := s["$ref"].(string)
	if !ok {
		return s
	}
	return asSchema(asSchema(root["$defs"])[strings.TrimPrefix(ref, "#/$defs/")])
}

// kinds are the values that `type` allows; none where it says nothing.
func (s schema) kinds() []string {
	switch t := s["type"].(type) {
	case string:
		return []string{t}
	case []any:
		kinds := make([]string, 0, len(t))
		for _, kind := range t {
			kinds = append(kinds, fmt.Sprint(kind))
		}
		return kinds
	}
	return nil
}
