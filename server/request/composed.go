package request

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"golang.org/x/text/unicode/norm"
)

// Names are kept in one form, the composed one (Unicode NFC): a keyboard types é as one character, and a file
// name of a Mac has it as two, which look the same. Two objects must not differ in that alone.

// Composed returns the request with its path and its query in composed form, in which names are stored.
func Composed(r *http.Request) *http.Request {
	path, query := composedPath(r.URL), composedQuery(r.URL)
	if path == nil && query == "" {
		return r
	}
	r = r.Clone(r.Context())
	if path != nil {
		r.URL.Path, r.URL.RawPath = path.Path, path.RawPath
	}
	if query != "" {
		r.URL.RawQuery = query
	}
	return r
}

// composedPath returns nil for a path that is in composed form already.
func composedPath(u *url.URL) *url.URL {
	if norm.NFC.IsNormalString(u.Path) {
		return nil
	}
	segments := strings.Split(u.EscapedPath(), "/")
	for i, segment := range segments {
		text, err := url.PathUnescape(segment)
		if err != nil {
			return nil // the router refuses it
		}
		segments[i] = url.PathEscape(norm.NFC.String(text))
	}
	return &url.URL{Path: norm.NFC.String(u.Path), RawPath: strings.Join(segments, "/")}
}

// composedQuery is empty for a query that is in composed form already, or does not parse.
func composedQuery(u *url.URL) string {
	values, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return ""
	}
	changed := false
	for _, texts := range values {
		for i, text := range texts {
			if !norm.NFC.IsNormalString(text) {
				texts[i], changed = norm.NFC.String(text), true
			}
		}
	}
	if !changed {
		return ""
	}
	return values.Encode()
}

// namePattern is the pattern of the names of objects in openapi.yaml.
const namePattern = `^[\p{L}\p{N}]([\p{L}\p{M}\p{N} ._:@+-]*[\p{L}\p{M}\p{N}._:@+-])?$`

// checkComposed refuses a name in another form, so that no two objects have names that look the same.
func (d *decoder) checkComposed(text string, schema *openapi3.Schema) error {
	if schema == nil || schema.Pattern != namePattern || norm.NFC.IsNormalString(text) {
		return nil
	}
	return d.invalidBody("must be in its composed form (Unicode NFC), which is %q", norm.NFC.String(text))
}
