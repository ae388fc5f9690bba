package request

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/problem"
)

// decoder reads a JSON document along the schema that it should have. It refuses what is costly to look at
// before it has been built: lists with too many items, unknown fields, long keys. It refuses duplicate keys too,
// because readers differ in which of the values they take.
type decoder struct {
	ctx    context.Context
	tokens *json.Decoder
	body   []byte
	bounds bounds
	// lenient is set for the worker protocol: unknown fields are passed over.
	lenient bool
	// plain is set within a document whose texts must not have control characters.
	plain bool

	path    []any // of strings and ints, from the document to the current value
	values  int   // kept so far
	unknown []api.Finding
}

// decode reads exactly one JSON document and keeps numbers as they are written. Unknown fields are in the
// findings and not in the value.
func decode(
	ctx context.Context, body []byte, schema *openapi3.Schema, bounds bounds, lenient bool,
) (value any, values int, unknown []api.Finding, err error) {
	if !utf8.Valid(body) {
		return nil, 0, nil, problem.Newf(problem.InvalidJSON, "the body is not valid UTF-8")
	}
	d := &decoder{
		ctx: ctx, tokens: json.NewDecoder(bytes.NewReader(body)), body: body, bounds: bounds, lenient: lenient,
	}
	d.tokens.UseNumber()
	if value, err = d.value(schema); err != nil {
		return nil, d.values, nil, err
	}
	if _, err := d.tokens.Token(); !errors.Is(err, io.EOF) {
		return nil, d.values, nil, d.invalidJSON("unexpected text after the JSON document")
	}
	return value, d.values, d.unknown, nil
}

func (d *decoder) value(schema *openapi3.Schema) (any, error) {
	token, err := d.token()
	if err != nil {
		return nil, err
	}
	if d.values++; d.values > d.bounds.values {
		return nil, d.tooMany()
	}
	if d.values%1024 == 0 && d.ctx.Err() != nil {
		return nil, d.ctx.Err()
	}

	switch token := token.(type) {
	case json.Delim:
		return d.container(token, schema)
	case string:
		return token, d.checkText(token, schema)
	case json.Number:
		return token, d.checkNumber(token)
	}
	return token, nil
}

func (d *decoder) container(delim json.Delim, schema *openapi3.Schema) (any, error) {
	if len(d.path) >= maxDepth {
		return nil, d.invalidJSON("nesting exceeds %d levels", maxDepth)
	}
	switch {
	case d.lenient && (schema == nil || isFree(schema)):
		// No one looks into free documents of the worker protocol here.
		if delim == '{' {
			return map[string]any{}, d.skip(1)
		}
		return []any{}, d.skip(1)
	case delim == '{':
		return d.object(schema)
	}
	return d.list(schema)
}

func (d *decoder) object(schema *openapi3.Schema) (any, error) {
	object := map[string]any{}
	seen := map[string]bool{} // unknown fields
	for d.tokens.More() {
		key, err := d.key()
		if err != nil {
			return nil, err
		}
		d.path = append(d.path, key)
		if _, duplicate := object[key]; duplicate || seen[key] {
			return nil, d.invalidJSON("duplicate key %s", shown(key))
		}
		if schema != nil { // below it, keys are data of the user
			if message := controlMessage(key, true); message != "" {
				return nil, d.invalidBody("%s", message)
			}
		}
		field, known := fieldOf(schema, key)
		if !known {
			seen[key] = true
			if err := d.unknownField(schema, key); err != nil {
				return nil, err
			}
		} else if object[key], err = d.field(field); err != nil {
			return nil, err
		}
		d.path = d.path[:len(d.path)-1]
	}
	_, err := d.token()
	return object, err
}

// field reads the value of a field that its schema declares.
func (d *decoder) field(schema *openapi3.Schema) (any, error) {
	outside := d.plain
	d.plain = d.plain || schema != nil && schema.Extensions[plainExtension] == true
	value, err := d.value(schema)
	d.plain = outside
	return value, err
}

// key reads the key of an object.
func (d *decoder) key() (string, error) {
	token, err := d.token()
	if err != nil {
		return "", err
	}
	key, ok := token.(string)
	switch {
	case !ok:
		return "", d.invalidJSON("object keys must be strings")
	case len(key) > maxKey:
		return "", d.invalidJSON("key %s exceeds %d bytes", shown(key), maxKey)
	case strings.ContainsRune(key, 0):
		return "", d.invalidBody("key %s contains the character U+0000", shown(key))
	}
	return key, nil
}

// unknownField passes over the value of a field that the schema does not have, and notes it.
func (d *decoder) unknownField(schema *openapi3.Schema, key string) error {
	if d.values++; d.values > d.bounds.values {
		return d.tooMany()
	}
	if !d.lenient {
		if len(d.unknown) >= maxFindings {
			return refusal(d.unknown)
		}
		d.unknown = append(d.unknown, unknownField(d.pointer(), key, schema))
	}
	return d.skip(0)
}

// skip passes over the next value, or over the rest of the value that the decoder is nested in at one level.
func (d *decoder) skip(nested int) error {
	depth := len(d.path)
	for first := true; first || nested > 0; first = false {
		token, err := d.token()
		if err != nil {
			return err
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			if nested++; depth+nested > maxDepth {
				return d.invalidJSON("nesting exceeds %d levels", maxDepth)
			}
		case json.Delim('}'), json.Delim(']'):
			nested--
		}
	}
	return nil
}

func (d *decoder) list(schema *openapi3.Schema) (any, error) {
	item, most := itemOf(schema)
	list := []any{}
	for d.tokens.More() {
		if most != nil && uint64(len(list)) >= *most {
			return nil, d.invalidBody("must have at most %s", count(*most, "item"))
		}
		d.path = append(d.path, len(list))
		value, err := d.value(item)
		if err != nil {
			return nil, err
		}
		list = append(list, value)
		d.path = d.path[:len(d.path)-1]
	}
	_, err := d.token()
	return list, err
}

func (d *decoder) token() (json.Token, error) {
	token, err := d.tokens.Token()
	switch {
	case errors.Is(err, io.EOF) && len(bytes.TrimSpace(d.body)) == 0:
		return nil, d.invalidJSON("the body is empty")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, d.invalidJSON("unexpected end of the document")
	}

	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return nil, d.invalidJSON("%s", syntaxMessage(syntax))
	case err != nil:
		return nil, d.invalidJSON("%v", err)
	}
	return token, nil
}

// syntaxMessage shortens the decoder's text: "invalid character '}' looking for beginning of object key
// string" names the decoder's state, which does not help where line and column are known.
func syntaxMessage(err *json.SyntaxError) string {
	if character, _, ok := strings.Cut(strings.TrimPrefix(err.Error(), "invalid character "), "' "); ok {
		return fmt.Sprintf("invalid JSON: unexpected %s'", character)
	}
	return "invalid JSON: " + err.Error()
}

// checkNumber refuses numbers that no reader can represent, such as 1e400.
func (d *decoder) checkNumber(number json.Number) error {
	if _, err := strconv.ParseFloat(string(number), 64); err != nil {
		return d.invalidBody("the number %s is out of range", clip(string(number)))
	}
	return nil
}

func (d *decoder) tooMany() error {
	return problem.Newf(problem.BodyTooLarge, "the body has more than %d JSON values", d.bounds.values)
}

// pointer returns the JSON pointer of the current value. It is built only for what is reported.
func (d *decoder) pointer() string {
	steps := make([]string, len(d.path))
	for i, step := range d.path {
		steps[i] = fmt.Sprint(step)
	}
	return pointer(steps)
}

// invalidBody refuses the current value.
func (d *decoder) invalidBody(format string, args ...any) error {
	message := fmt.Sprintf(format, args...)
	return refusal([]api.Finding{{Pointer: d.pointer(), Message: message}})
}

// invalidJSON refuses the document with the line and column that the decoder has reached.
func (d *decoder) invalidJSON(format string, args ...any) error {
	message := fmt.Sprintf(format, args...)
	before := d.body[:min(int(d.tokens.InputOffset()), len(d.body))]
	line := int32(bytes.Count(before, []byte{'\n'}) + 1)
	column := int32(utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1)
	refusal := problem.Newf(problem.InvalidJSON, "line %d, column %d: %s", line, column, message).
		At(d.pointer(), "%s", message)
	refusal.Findings[0].Line, refusal.Findings[0].Column = &line, &column
	return refusal
}
