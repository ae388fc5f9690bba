package handler

import (
	"context"
	"strconv"
	"strings"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
)

// GetTemplate returns a version of a pool's template.
func (h *Handler) GetTemplate(ctx context.Context, r api.GetTemplateRequestObject) (api.GetTemplateResponseObject, error) {
	if err := access.From(ctx).CheckPool(r.Pool); err != nil {
		return nil, err
	}
	version, err := h.store.GetTemplate(ctx, r.Pool, value(r.Params.Version, 0))
	if err != nil {
		return nil, err
	}
	return api.GetTemplate200JSONResponse{
		Body: wireTemplate(*version), Headers: api.GetTemplate200ResponseHeaders{ETag: etag(version.Version)},
	}, nil
}

// SetTemplate lints a template and saves it as the pool's next version.
func (h *Handler) SetTemplate(ctx context.Context, r api.SetTemplateRequestObject) (api.SetTemplateResponseObject, error) {
	if err := access.From(ctx).CheckPool(r.Pool); err != nil {
		return nil, err
	}
	ifMatch, err := parseETag(r.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	checked, err := h.Templates.Check(*r.Body)
	if err != nil {
		return nil, err
	}
	version, err := h.store.SaveTemplate(ctx, r.Pool, checked.Doc, ifMatch, actor(ctx))
	if err != nil {
		return nil, err
	}
	saved := wireTemplate(*version)
	saved.Warnings = &checked.Warnings
	return api.SetTemplate200JSONResponse{
		Body: saved, Headers: api.SetTemplate200ResponseHeaders{ETag: etag(version.Version)},
	}, nil
}

// LintTemplate says what saving would say.
func (h *Handler) LintTemplate(ctx context.Context, r api.LintTemplateRequestObject) (api.LintTemplateResponseObject, error) {
	if err := access.From(ctx).CheckPool(r.Pool); err != nil {
		return nil, err
	}
	if _, err := h.store.GetPool(ctx, r.Pool); err != nil {
		return nil, err
	}
	return api.LintTemplate200JSONResponse(h.Templates.Lint(*r.Body)), nil
}

// ListTemplateVersions lists the versions of a pool's template, without their documents.
func (h *Handler) ListTemplateVersions(ctx context.Context, r api.ListTemplateVersionsRequestObject) (api.ListTemplateVersionsResponseObject, error) {
	if err := access.From(ctx).CheckPool(r.Pool); err != nil {
		return nil, err
	}
	versions, next, err := h.store.ListTemplateVersions(ctx, r.Pool, page(r.Params.Limit, r.Params.Cursor))
	if err != nil {
		return nil, err
	}
	return api.ListTemplateVersions200JSONResponse{Items: each(versions, wireTemplate), NextCursor: optional(next)}, nil
}

func wireTemplate(t store.TemplateVersion) api.TemplateVersion {
	return api.TemplateVersion{
		ID: t.ID, Pool: t.Pool, Version: t.Version, Document: t.Document, CreatedAt: t.CreatedAt, CreatedBy: t.CreatedBy,
	}
}

func etag(version int32) *string {
	tag := strconv.Quote(strconv.Itoa(int(version)))
	return &tag
}

// parseETag reads If-Match: nil where there is none or any version will do.
func parseETag(header *string) (*int32, error) {
	if header == nil || *header == "*" {
		return nil, nil
	}
	text := strings.TrimSpace(*header)
	unquoted, err := strconv.Unquote(text)
	if err != nil {
		unquoted = text
	}
	version, err := strconv.ParseInt(unquoted, 10, 32)
	if err != nil {
		return nil, problem.Newf(problem.InvalidParameter, "If-Match must be the ETag of a template version, such as %q, not %q", `"3"`, text)
	}
	number := int32(version)
	return &number, nil
}
