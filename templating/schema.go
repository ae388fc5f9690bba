package templating

import "github.com/berth-dev/berth/templating/internal/schema"

// Schema is a compiled JSON Schema (draft 2020-12 unless it names another): immutable, shared by all
// goroutines.
type Schema = schema.Schema

// CompileSchema compiles a schema of job variables or of the parameters of a deployment. A schema that is not
// well formed, or with a $ref to another document, gives Problems whose pointers start at the schema.
func CompileSchema(doc any) (*Schema, error) { return schema.Compile(doc) }
