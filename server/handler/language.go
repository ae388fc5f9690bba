package handler

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/templating/language"
)

// GetLanguage returns the vocabulary of templates.
func (h *Handler) GetLanguage(
	_ context.Context, r apiserver.GetLanguageRequestObject,
) (apiserver.GetLanguageResponseObject, error) {
	content, err := language.JSON()
	if err != nil {
		return nil, err
	}
	etag := contentETag(content)
	if matches(r.Params.IfNoneMatch, etag) {
		return apiserver.GetLanguage304Response{}, nil
	}
	return apiserver.GetLanguage200JSONResponse{
		Body: content, Headers: apiserver.GetLanguage200ResponseHeaders{ETag: &etag},
	}, nil
}

// GetTemplateSchema returns the JSON Schema of a template's file.
func (h *Handler) GetTemplateSchema(
	_ context.Context, r apiserver.GetTemplateSchemaRequestObject,
) (apiserver.GetTemplateSchemaResponseObject, error) {
	content, err := language.Schema()
	if err != nil {
		return nil, err
	}
	etag := contentETag(content)
	if matches(r.Params.IfNoneMatch, etag) {
		return apiserver.GetTemplateSchema304Response{}, nil
	}
	return apiserver.GetTemplateSchema200JSONResponse{
		Body: content, Headers: apiserver.GetTemplateSchema200ResponseHeaders{ETag: &etag},
	}, nil
}

// contentETag identifies content that changes with the release only.
func contentETag(content []byte) string {
	sum := sha256.Sum256(content)
	const etagBytes = 8
	return strconv.Quote(hex.EncodeToString(sum[:etagBytes]))
}

// matches reports whether a client already has a version. Proxies mark a version that they have compressed as weak.
func matches(sent *string, etag string) bool {
	if sent == nil {
		return false
	}
	for one := range strings.SplitSeq(*sent, ",") {
		if one = strings.TrimSpace(one); one == "*" || strings.TrimPrefix(one, "W/") == etag {
			return true
		}
	}
	return false
}
