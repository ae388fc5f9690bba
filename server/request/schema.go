package request

import "github.com/getkin/kin-openapi/openapi3"

// isFree reports whether a schema describes documents of the user, which may have any fields.
func isFree(schema *openapi3.Schema) bool {
	return len(schema.Properties) == 0 && len(schema.AllOf) == 0 && schema.Items == nil &&
		schema.AdditionalProperties.Schema == nil &&
		(schema.AdditionalProperties.Has == nil || *schema.AdditionalProperties.Has)
}

// fieldOf returns the schema of a field, nil where anything goes, and whether the object may have the field.
func fieldOf(schema *openapi3.Schema, key string) (field *openapi3.Schema, known bool) {
	if schema == nil {
		return nil, true
	}
	if property := schema.Properties[key]; property != nil {
		return property.Value, true
	}
	for _, part := range schema.AllOf {
		if field, known := fieldOf(part.Value, key); field != nil {
			return field, known
		}
	}
	if values := schema.AdditionalProperties.Schema; values != nil {
		return values.Value, true
	}
	closed := schema.AdditionalProperties.Has != nil && !*schema.AdditionalProperties.Has
	return nil, !closed
}

// itemOf returns the schema of the items of a list and their greatest number; nil where there is none.
func itemOf(schema *openapi3.Schema) (item *openapi3.Schema, most *uint64) {
	if schema == nil {
		return nil, nil
	}
	if schema.Items != nil {
		item = schema.Items.Value
	}
	most = schema.MaxItems
	for _, part := range schema.AllOf {
		partItem, partMost := itemOf(part.Value)
		if item == nil {
			item = partItem
		}
		if most == nil {
			most = partMost
		}
	}
	return item, most
}

// textOf returns the schema of a text; nil where the value may be anything, as in documents of the user.
func textOf(schema *openapi3.Schema) *openapi3.Schema {
	if schema == nil {
		return nil
	}
	if schema.Type.Is("string") {
		return schema
	}
	for _, parts := range []openapi3.SchemaRefs{schema.AllOf, schema.OneOf} {
		for _, part := range parts {
			if text := textOf(part.Value); text != nil {
				return text
			}
		}
	}
	return nil
}
