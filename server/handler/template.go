package handler

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/server/catalog"
	"github.com/berth-dev/berth/server/impact"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/wire"
)

// GetTemplate returns a version of a pool's template.
func (h *Handler) GetTemplate(
	ctx context.Context, r apiserver.GetTemplateRequestObject,
) (apiserver.GetTemplateResponseObject, error) {
	version, err := h.store.GetTemplateVersion(ctx, r.Pool, wire.Or(r.Params.Version, 0))
	if err != nil {
		return nil, err
	}
	shown, err := h.impact.Shown(ctx, version)
	if err != nil {
		return nil, err
	}
	return apiserver.GetTemplate200JSONResponse{
		Body:    *shown,
		Headers: apiserver.GetTemplate200ResponseHeaders{ETag: templateETag(version.Version)},
	}, nil
}

// SetTemplate checks a template and saves it as the pool's next version.
func (h *Handler) SetTemplate(
	ctx context.Context, r apiserver.SetTemplateRequestObject,
) (apiserver.SetTemplateResponseObject, error) {
	base, err := parseTemplateETag(r.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	saved, err := h.impact.Save(ctx, impact.SaveRequest{
		Pool:            r.Pool,
		Template:        catalog.Sent{Source: r.Body.Source, Document: r.Body.Document, Comment: r.Body.Comment},
		Base:            base,
		RequireUnbroken: wire.Or(r.Params.RequireUnbroken, false),
		Actor:           actor(ctx),
		Caller:          caller(ctx, r.Pool),
		Admit:           h.admitTemplate(r.Pool),
	})
	if err != nil {
		return nil, err
	}
	return apiserver.SetTemplate200JSONResponse{
		Body:    *saved,
		Headers: apiserver.SetTemplate200ResponseHeaders{ETag: templateETag(saved.Version)},
	}, nil
}

// RollBackTemplate saves an old version again, as the newest.
func (h *Handler) RollBackTemplate(
	ctx context.Context, r apiserver.RollBackTemplateRequestObject,
) (apiserver.RollBackTemplateResponseObject, error) {
	base, err := parseTemplateETag(r.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	old, err := h.store.GetTemplateVersion(ctx, r.Pool, r.Body.Version)
	if err != nil {
		return nil, err
	}
	again := catalog.Sent{Comment: cmp.Or(r.Body.Comment, fmt.Sprintf("Roll back to version %d", old.Version))}
	if again.Source, err = h.store.GetTemplateSource(ctx, old.ID); err != nil {
		return nil, err
	}
	if again.Source == "" {
		again.Document = old.Document
	}
	saved, err := h.impact.Save(ctx, impact.SaveRequest{
		Pool:            r.Pool,
		Template:        again,
		Base:            base,
		RequireUnbroken: wire.Or(r.Params.RequireUnbroken, false),
		Actor:           actor(ctx),
		Caller:          caller(ctx, r.Pool),
		Admit:           h.admitTemplate(r.Pool),
	})
	if err != nil {
		return nil, err
	}
	return apiserver.RollBackTemplate200JSONResponse{
		Body:    *saved,
		Headers: apiserver.RollBackTemplate200ResponseHeaders{ETag: templateETag(saved.Version)},
	}, nil
}

// LintTemplate returns the errors and warnings of a template that is not saved.
func (h *Handler) LintTemplate(
	ctx context.Context, r apiserver.LintTemplateRequestObject,
) (apiserver.LintTemplateResponseObject, error) {
	report, err := h.impact.Lint(ctx, r.Pool, *r.Body, caller(ctx, r.Pool))
	if err != nil {
		return nil, err
	}
	return apiserver.LintTemplate200JSONResponse(*report), nil
}

// CheckTemplate says of the text of a template what an editor shows at each pause of typing.
func (h *Handler) CheckTemplate(
	ctx context.Context, r apiserver.CheckTemplateRequestObject,
) (apiserver.CheckTemplateResponseObject, error) {
	checked, err := h.impact.Check(ctx, r.Pool, r.Body, caller(ctx, r.Pool))
	if err != nil {
		return nil, err
	}
	return apiserver.CheckTemplate200JSONResponse(*checked), nil
}

// PreviewTemplate returns the Job that a run would have.
func (h *Handler) PreviewTemplate(
	ctx context.Context, r apiserver.PreviewTemplateRequestObject,
) (apiserver.PreviewTemplateResponseObject, error) {
	shown, err := h.impact.Preview(ctx, r.Pool, r.Body, caller(ctx, r.Pool))
	if err != nil {
		return nil, err
	}
	return apiserver.PreviewTemplate200JSONResponse(*shown), nil
}

// DiffTemplate returns how two templates differ.
func (h *Handler) DiffTemplate(
	ctx context.Context, r apiserver.DiffTemplateRequestObject,
) (apiserver.DiffTemplateResponseObject, error) {
	diff, err := h.impact.Diff(ctx, r.Pool, r.Body)
	if err != nil {
		return nil, err
	}
	return apiserver.DiffTemplate200JSONResponse(*diff), nil
}

// ImpactTemplate returns what a change of the template does to each deployment of the pool.
func (h *Handler) ImpactTemplate(
	ctx context.Context, r apiserver.ImpactTemplateRequestObject,
) (apiserver.ImpactTemplateResponseObject, error) {
	result, err := h.impact.Impact(ctx, r.Pool, r.Body, page(r.Params.Limit, r.Params.Cursor), caller(ctx, r.Pool))
	if err != nil {
		return nil, err
	}
	return apiserver.ImpactTemplate200JSONResponse(*result), nil
}

// ListTemplateVersions lists the versions of a pool's template, without their documents.
func (h *Handler) ListTemplateVersions(
	ctx context.Context, r apiserver.ListTemplateVersionsRequestObject,
) (apiserver.ListTemplateVersionsResponseObject, error) {
	versions, next, err := h.store.ListTemplateVersions(ctx, r.Pool, page(r.Params.Limit, r.Params.Cursor))
	if err != nil {
		return nil, err
	}
	return apiserver.ListTemplateVersions200JSONResponse{
		Items:      wire.Each(versions, wire.TemplateVersion),
		NextCursor: wire.OrNil(next),
	}, nil
}

func templateETag(version int32) *string {
	tag := strconv.Quote(strconv.Itoa(int(version)))
	return &tag
}

// parseTemplateETag reads If-Match. It is nil without the header, and when any version will do.
func parseTemplateETag(header *string) (*int32, error) {
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
		return nil, problem.Newf(problem.InvalidParameter,
			"If-Match must be the ETag of a template version, such as %q, not %q", `"3"`, text)
	}
	number := int32(version)
	return &number, nil
}
