package value

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// SyntaxError is input that is not JSON or YAML, or not the strict kind that is read here. Line and Column
// count from 1; they are 0 where the parser does not say.
type SyntaxError struct {
	Line, Column int
	// Pointer is the JSON pointer of the place, where the input could be followed that far.
	Pointer string
	Message string
}

func (e *SyntaxError) Error() string {
	if e.Line == 0 {
		return e.Message
	}
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Message)
}

// DecodeJSON reads one JSON document. Duplicate keys, data after the document, integers beyond 64 bits and
// nesting beyond MaxDepth are refused with a *SyntaxError.
func DecodeJSON(data []byte) (any, error) {
	if !json.Valid(data) {
		return nil, invalidJSON(data)
	}
	d := &jsonDecoder{data: data, tokens: json.NewDecoder(bytes.NewReader(data))}
	d.tokens.UseNumber()
	return d.value("", 0)
}

func invalidJSON(data []byte) error {
	var raw json.RawMessage
	err := json.Unmarshal(data, &raw)
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) {
		return &SyntaxError{Message: "not valid JSON"}
	}
	line, column := Position(data, int(syntax.Offset)-1)
	return &SyntaxError{Line: line, Column: column, Message: "not valid JSON: " + syntax.Error()}
}

// Position turns a byte offset into a line and a column in runes, both from 1.
func Position[T string | []byte](data T, offset int) (line, column int) {
	before := string(data[:max(0, min(offset, len(data)))])
	start := 0
	line = 1
	for i := range len(before) {
		if before[i] == '\n' {
			line, start = line+1, i+1
		}
	}
	return line, utf8.RuneCountInString(before[start:]) + 1
}

type jsonDecoder struct {
	data   []byte
	tokens *json.Decoder
	start  int // of the token that was read last
}

// token reads the next token and notes where it begins.
func (d *jsonDecoder) token() (json.Token, error) {
	d.start = int(d.tokens.InputOffset())
	for d.start < len(d.data) && strings.IndexByte(" \t\r\n,:", d.data[d.start]) >= 0 {
		d.start++
	}
	return d.tokens.Token()
}

func (d *jsonDecoder) fail(pointer, format string, args ...any) error {
	line, column := Position(d.data, d.start)
	return &SyntaxError{Line: line, Column: column, Pointer: pointer, Message: fmt.Sprintf(format, args...)}
}

func (d *jsonDecoder) value(pointer string, depth int) (any, error) {
	token, err := d.token()
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, d.fail(pointer, "not valid JSON: %v", err)
	}
	switch token := token.(type) {
	case json.Delim:
		if depth >= MaxDepth {
			return nil, d.fail(pointer, "nested deeper than %d levels", MaxDepth)
		}
		if token == '{' {
			return d.object(pointer, depth)
		}
		return d.list(pointer, depth)
	case json.Number:
		number, err := parseNumber(string(token))
		number, err = AsWritten(pointer, string(token), number, err)
		if err != nil {
			return nil, d.fail(pointer, "%v", err)
		}
		return number, nil
	default:
		return token, nil
	}
}

func (d *jsonDecoder) object(pointer string, depth int) (any, error) {
	object := map[string]any{}
	for d.tokens.More() {
		token, err := d.token()
		if err != nil {
			return nil, d.fail(pointer, "not valid JSON: %v", err)
		}
		key, _ := token.(string) // json.Valid has seen that keys are strings
		if _, twice := object[key]; twice {
			return nil, d.fail(pointer, "duplicate key %q", key)
		}
		if object[key], err = d.value(Pointer(pointer, key), depth+1); err != nil {
			return nil, err
		}
	}
	_, err := d.token()
	return object, err
}

func (d *jsonDecoder) list(pointer string, depth int) (any, error) {
	list := []any{}
	for d.tokens.More() {
		item, err := d.value(Pointer(pointer, strconv.Itoa(len(list))), depth+1)
		if err != nil {
			return nil, err
		}
		list = append(list, item)
	}
	_, err := d.token()
	return list, err
}

// parseNumber keeps integers and floats apart by how they are written.
func parseNumber(s string) (any, error) {
	for i := range len(s) {
		if c := s[i]; c == '.' || c == 'e' || c == 'E' {
			f, err := strconv.ParseFloat(s, 64)
			if err != nil || math.IsInf(f, 0) {
				return nil, fmt.Errorf("number %.40s is out of range", s)
			}
			return f, nil
		}
	}
	i, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("integer %.40s does not fit into 64 bits; write it as a string", s)
	}
	return i, nil
}

// errUnsupported is about data that only Go code can make, never a document.
var errUnsupported = errors.New("unsupported value: want an object, list, string, number, boolean or null")

// AppendJSON writes a value as compact JSON with sorted keys, so that equal values have equal bytes.
func AppendJSON(dst []byte, v any) ([]byte, error) {
	var err error
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...), nil
	case bool:
		return strconv.AppendBool(dst, v), nil
	case string:
		return appendString(dst, v), nil
	case int64:
		return strconv.AppendInt(dst, v, 10), nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("%v cannot be written as JSON", v)
		}
		return AppendFloat(dst, v), nil
	case []any:
		dst = append(dst, '[')
		for i, item := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			if dst, err = AppendJSON(dst, item); err != nil {
				return nil, err
			}
		}
		return append(dst, ']'), nil
	case map[string]any:
		return appendObject(dst, v)
	default:
		return nil, errUnsupported
	}
}

func appendObject(dst []byte, object map[string]any) ([]byte, error) {
	var err error
	dst = append(dst, '{')
	for i, key := range SortedKeys(object) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendString(dst, key), ':')
		if dst, err = AppendJSON(dst, object[key]); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}

const hex = "0123456789abcdef"

// appendString quotes like encoding/json without its HTML escapes: shell commands stay readable.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r != utf8.RuneError || size > 1 {
				i += size
				continue
			}
			dst = append(append(dst, s[start:i]...), "\ufffd"...)
			i++
			start = i
			continue
		}
		dst = append(dst, s[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\t':
			dst = append(dst, '\\', 't')
		case '\r':
			dst = append(dst, '\\', 'r')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		i++
		start = i
	}
	return append(append(dst, s[start:]...), '"')
}

// SortedKeys returns the keys of an object in order, the one order in which objects are ever walked.
func SortedKeys(object map[string]any) []string {
	keys := make([]string, 0, len(object))
	for key := range object {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
