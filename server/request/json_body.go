package request

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/berth-dev/berth/server/problem"
)

// maxDepth bounds nesting, so that recursive code cannot exhaust the stack.
const maxDepth = 200

// decode reads exactly one JSON document and keeps numbers as they are written. It refuses duplicate keys,
// because readers differ in which of the values they take.
func decode(body []byte) (any, error) {
	if !utf8.Valid(body) {
		return nil, problem.Newf(problem.InvalidJSON, "the body is not valid UTF-8")
	}
	d := decoder{tokens: json.NewDecoder(bytes.NewReader(body)), body: body}
	d.tokens.UseNumber()
	value, err := d.value("", 0)
	if err != nil {
		return nil, err
	}
	if _, err := d.tokens.Token(); !errors.Is(err, io.EOF) {
		return nil, d.fail("", "unexpected text after the JSON document")
	}
	return value, nil
}

type decoder struct {
	tokens *json.Decoder
	body   []byte
}

func (d decoder) value(at string, depth int) (any, error) {
	token, err := d.token(at)
	if err != nil {
		return nil, err
	}
	delim, ok := token.(json.Delim)
	if !ok {
		return token, nil
	}
	if depth >= maxDepth {
		return nil, d.fail(at, "nesting exceeds %d levels", maxDepth)
	}
	if delim == '{' {
		return d.object(at, depth)
	}
	return d.list(at, depth)
}

func (d decoder) object(at string, depth int) (any, error) {
	object := map[string]any{}
	for d.tokens.More() {
		token, err := d.token(at)
		if err != nil {
			return nil, err
		}
		key, ok := token.(string)
		if !ok {
			return nil, d.fail(at, "object keys must be strings")
		}
		place := at + pointer([]string{key})
		if _, duplicate := object[key]; duplicate {
			return nil, d.fail(place, "duplicate key %q", key)
		}
		if object[key], err = d.value(place, depth+1); err != nil {
			return nil, err
		}
	}
	_, err := d.token(at)
	return object, err
}

func (d decoder) list(at string, depth int) (any, error) {
	list := []any{}
	for d.tokens.More() {
		item, err := d.value(at+"/"+strconv.Itoa(len(list)), depth+1)
		if err != nil {
			return nil, err
		}
		list = append(list, item)
	}
	_, err := d.token(at)
	return list, err
}

func (d decoder) token(at string) (json.Token, error) {
	token, err := d.tokens.Token()
	switch {
	case errors.Is(err, io.EOF) && len(bytes.TrimSpace(d.body)) == 0:
		return nil, d.fail(at, "the body is empty")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, d.fail(at, "unexpected end of the document")
	}

	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return nil, d.fail(at, "%s", syntaxMessage(syntax))
	case err != nil:
		return nil, d.fail(at, "%v", err)
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

// fail returns a refusal with the line and column that the decoder has reached.
func (d decoder) fail(at, format string, args ...any) error {
	message := fmt.Sprintf(format, args...)
	before := d.body[:min(int(d.tokens.InputOffset()), len(d.body))]
	line := int32(bytes.Count(before, []byte{'\n'}) + 1)
	column := int32(utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1)
	refusal := problem.Newf(problem.InvalidJSON, "line %d, column %d: %s", line, column, message).
		At(at, "%s", message)
	refusal.Findings[0].Line, refusal.Findings[0].Column = &line, &column
	return refusal
}
