package handler

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/wire"
)

// GetTemplate returns a version of a pool's template.
func (h *Handler) GetTemplate(
	ctx context.Context,
	r apiserver.GetTemplateRequestObject,
) (apiserver.GetTemplateResponseObject, error) {
	if err := access.From(ctx).CheckPool(r.Pool); err != nil {
		return nil, err
	}
	version, err := h.store.GetTemplate(ctx, r.Pool, wire.Or(r.Params.Version, 0))
	if err != nil {
		return nil, err
	}
	return apiserver.GetTemplate200JSONResponse{
		Body: wire.TemplateVersion(*version), Headers: apiserver.GetTemplate200ResponseHeaders{ETag: etag(version.Version)},
	}, nil
}

// SetTemplate lints a template and saves it as the pool's next version.
func (h *Handler) SetTemplate(
	ctx context.Context,
	r apiserver.SetTemplateRequestObject,
) (apiserver.SetTemplateResponseObject, error) {
	saved, tag, err := h.saveTemplate(
		ctx,
		r.Pool,
		*r.Body,
		r.Params.IfMatch,
		wire.Or(r.Params.RequireUnbroken, false),
	)
	if err != nil {
		return nil, err
	}
	return apiserver.SetTemplate200JSONResponse{
		Body:    *saved,
		Headers: apiserver.SetTemplate200ResponseHeaders{ETag: tag},
	}, nil
}

// RollBackTemplate saves an old version again, as the newest.
func (h *Handler) RollBackTemplate(
	ctx context.Context,
	r apiserver.RollBackTemplateRequestObject,
) (apiserver.RollBackTemplateResponseObject, error) {
	if err := access.From(ctx).CheckPool(r.Pool); err != nil {
		return nil, err
	}
	old, err := h.store.GetTemplate(ctx, r.Pool, r.Body.Version)
	if err != nil {
		return nil, err
	}
	saved, tag, err := h.saveTemplate(
		ctx,
		r.Pool,
		old.Document,
		r.Params.IfMatch,
		wire.Or(r.Params.RequireUnbroken, false),
	)
	if err != nil {
		return nil, err
	}
	return apiserver.RollBackTemplate200JSONResponse{
		Body:    *saved,
		Headers: apiserver.RollBackTemplate200ResponseHeaders{ETag: tag},
	}, nil
}

// saveTemplate checks a template, works out what it does to the pool's deployments, and saves it on top of
// the version that this was worked out from.
func (h *Handler) saveTemplate(
	ctx context.Context,
	pool string,
	document json.RawMessage,
	ifMatch *string,
	unbroken bool,
) (*api.TemplateVersion, *string, error) {
	if err := access.From(ctx).CheckPool(pool); err != nil {
		return nil, nil, err
	}
	base, err := parseETag(ifMatch)
	if err != nil {
		return nil, nil, err
	}
	checked, err := h.Templates.Check(document)
	if err != nil {
		return nil, nil, err
	}
	current, err := h.store.GetTemplate(ctx, pool, 0)
	if err != nil {
		return nil, nil, err
	}
	if base != nil && *base != current.Version {
		return nil, nil, problem.Newf(
			problem.PreconditionFailed,
			"the template is at version %d, not %d",
			current.Version,
			*base,
		)
	}
	effect, err := h.effect(ctx, pool, current, checked)
	if err != nil {
		return nil, nil, err
	}
	if unbroken {
		if err := effect.refuseBroken(); err != nil {
			return nil, nil, err
		}
		base = &current.Version // what was looked at is what is replaced
	}
	version, err := h.store.SaveTemplate(ctx, pool, checked.Doc, base, actor(ctx))
	if err != nil {
		return nil, nil, err
	}
	saved := wire.TemplateVersion(*version)
	warnings := append(checked.Warnings, effect.warnings()...)
	saved.Warnings, saved.Impact = &warnings, wireSummary(effect.Summary)
	return &saved, etag(version.Version), nil
}

// LintTemplate says what saving would say.
func (h *Handler) LintTemplate(
	ctx context.Context,
	r apiserver.LintTemplateRequestObject,
) (apiserver.LintTemplateResponseObject, error) {
	if err := access.From(ctx).CheckPool(r.Pool); err != nil {
		return nil, err
	}
	if _, err := h.store.GetPool(ctx, r.Pool); err != nil {
		return nil, err
	}
	return apiserver.LintTemplate200JSONResponse(h.Templates.Lint(*r.Body)), nil
}

// ListTemplateVersions lists the versions of a pool's template, without their documents.
func (h *Handler) ListTemplateVersions(
	ctx context.Context,
	r apiserver.ListTemplateVersionsRequestObject,
) (apiserver.ListTemplateVersionsResponseObject, error) {
	if err := access.From(ctx).CheckPool(r.Pool); err != nil {
		return nil, err
	}
	versions, next, err := h.store.ListTemplateVersions(ctx, r.Pool, page(r.Params.Limit, r.Params.Cursor))
	if err != nil {
		return nil, err
	}
	return apiserver.ListTemplateVersions200JSONResponse{
		Items:      wire.Each(versions, wire.TemplateVersion),
		NextCursor: wire.OrNil(next),
	}, nil
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
		return nil, problem.Newf(
			problem.InvalidParameter,
			"If-Match must be the ETag of a template version, such as %q, not %q",
			`"3"`,
			text,
		)
	}
	number := int32(version)
	return &number, nil
}
